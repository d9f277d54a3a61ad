#include "neuron.hpp"

#include <cmath>
#include <numbers>

namespace surrogate_gradients {

ExactMoments expected_surrogate(const Program<double>& program, const Eigen::VectorXd& theta, const Rule& rule) {
  Trace<double> trace(program, theta);
  const Eigen::VectorXd zero = Eigen::VectorXd::Zero(theta.size());
  ExactMoments moments{0, zero, zero};
  Eigen::VectorXd squares = zero, gradient;  // squares about the running mean (West 1979)
  double total = 0;
  std::vector<std::int64_t> path;
  do {
    const double cost = trace.record_lowest({1, 0}, path, Outcomes::variables);
    path.resize(trace.sites());
    if (path.empty()) throw Error("expected_surrogate: the program draws nothing");
    double probability = 1;
    for (std::size_t i = 0; i < path.size(); ++i) {
      path[i] = trace.site(i).outcome;
      probability *= trace.site(i).pmf(path[i]);
    }
    if (probability > 0) {
      gradient = zero;
      trace.open(rule);
      trace.begin_sweep();
      trace.seed_cost(1);
      trace.sweep(gradient);
      moments.value += probability * cost;
      total += probability;
      const Eigen::VectorXd distance = gradient - moments.mean;
      moments.mean += probability / total * distance;
      squares += probability * distance.cwiseProduct(gradient - moments.mean);
    }
    while (!path.empty() && path.back() == 1) path.pop_back();
    if (!path.empty()) path.back() = 1;
  } while (!path.empty());
  moments.deviation = squares.cwiseMax(0).cwiseSqrt();
  return moments;
}

Eigen::VectorXd standard_normal(Eigen::Index size, std::uint64_t seed, std::uint64_t run) {
  Generator g({seed, run, Purpose::data});
  return Eigen::VectorXd::NullaryExpr(size, [&](Eigen::Index) {
    const double radius = std::sqrt(-2 * std::log(1 - g.uniform()));
    return radius * std::cos(2 * std::numbers::pi * g.uniform());
  });
}

}  // namespace surrogate_gradients
