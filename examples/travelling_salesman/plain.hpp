// examples/travelling_salesman/plain.hpp: the same tour without stoat.
#pragma once

#include <cmath>
#include <vector>

#include <Eigen/Core>
#include <boost/random/discrete_distribution.hpp>

namespace travelling_salesman {

struct PlainTour {
  Eigen::MatrixXd distance;

  template <class Generator>
  double operator()(Generator& generator, const Eigen::VectorXd& theta) const {
    const Eigen::Index cities = distance.rows();
    const Eigen::Map<const Eigen::MatrixXd> preference(theta.data(), cities, cities);
    std::vector<Eigen::Index> left;
    for (Eigen::Index c = 1; c < cities; ++c) left.push_back(c);
    Eigen::Index here = 0;
    double length = 0;
    while (!left.empty()) {
      std::vector<double> weights;
      for (const Eigen::Index c : left) weights.push_back(std::exp(preference(c, here)));
      const auto next = left.begin() + boost::random::discrete_distribution<>(weights.begin(), weights.end())(generator);
      length += distance(*next, here);
      here = *next;
      left.erase(next);
    }
    return length + distance(0, here);
  }
};

}  // namespace travelling_salesman
