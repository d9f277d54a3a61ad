// examples/travelling_salesman/tours.hpp: sums over all tours.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "program.hpp"

namespace travelling_salesman {

/// Calls f(cities in their order) for every tour that starts in city 0.
template <class F>
void for_each_tour(Eigen::Index cities, const F& f) {
  std::vector<Eigen::Index> order(static_cast<std::size_t>(cities));
  std::iota(order.begin(), order.end(), Eigen::Index{0});
  do f(order);
  while (std::next_permutation(order.begin() + 1, order.end()));
}

inline double length_of(const Tour& model, const std::vector<Eigen::Index>& order) {
  double length = model.distance(order.front(), order.back());
  for (std::size_t k = 1; k < order.size(); ++k) length += model.distance(order[k], order[k - 1]);
  return length;
}

inline double shortest(const Tour& model) {
  double least = std::numeric_limits<double>::infinity();
  for_each_tour(model.distance.rows(), [&](const auto& order) { least = std::min(least, length_of(model, order)); });
  return least;
}

/// Expected length and its gradient: sums over all tours of length * probability * (1, derivative of the log probability).
inline Exact expected_length(const Tour& model, const Eigen::VectorXd& theta) {
  const Eigen::Index n = model.distance.rows();
  const Eigen::Map<const Eigen::MatrixXd> preference(theta.data(), n, n);
  Exact x;
  x.source = "sum over tours";
  x.gradient = Eigen::VectorXd::Zero(n * n);
  for_each_tour(n, [&](const std::vector<Eigen::Index>& order) {
    double probability = 1;
    Eigen::VectorXd score = Eigen::VectorXd::Zero(n * n);
    for (std::size_t k = 1; k < order.size(); ++k) {
      const Eigen::Index here = order[k - 1];
      double total = 0;
      for (std::size_t j = k; j < order.size(); ++j) total += std::exp(preference(order[j], here));
      for (std::size_t j = k; j < order.size(); ++j) score[here * n + order[j]] -= std::exp(preference(order[j], here)) / total;
      score[here * n + order[k]] += 1;
      probability *= std::exp(preference(order[k], here)) / total;
    }
    const double length = length_of(model, order);
    x.value += length * probability;
    x.gradient += length * probability * score;
  });
  return x;
}

}  // namespace travelling_salesman
