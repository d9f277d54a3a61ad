// examples/gillespie/moments.hpp: the expected cost of reactions that use up one molecule at most, exactly.
#pragma once

#include "program.hpp"

namespace gillespie {

/// Rates are linear then, a(x) = a(0) + W x, and mean m and covariance C obey m' = N a(m) and C' = N W C + (N W C)^T + N diag(a(m))
/// N^T, N being the changes. By the classical Runge-Kutta method.
inline double expected(const Gillespie& model, const Eigen::VectorXd& theta) {
  const Network& network = model.network;
  const Eigen::Index species = network.used.rows();
  const Eigen::MatrixXd change = (network.made - network.used).cast<double>();
  const Eigen::MatrixXd slopes = theta.asDiagonal() * network.used.transpose().cast<double>();
  const Eigen::VectorXd constant = (network.used.colwise().sum().transpose().array() > 0).select(0, theta);
  // Column 0: the mean; the others: the covariance.
  Eigen::MatrixXd state = Eigen::MatrixXd::Zero(species, species + 1);
  state.col(0) = network.start.cast<double>();
  const auto velocity = [&](const Eigen::MatrixXd& at) {
    const Eigen::VectorXd rates = constant + slopes * at.col(0);
    const Eigen::MatrixXd flow = change * slopes * at.rightCols(species);
    Eigen::MatrixXd v(species, species + 1);
    v.col(0) = change * rates;
    v.rightCols(species) = flow + flow.transpose() + change * rates.asDiagonal() * change.transpose();
    return v;
  };
  constexpr int steps = 400;
  const double h = model.time / steps;
  for (int step = 0; step < steps; ++step) {
    const Eigen::MatrixXd a = velocity(state), b = velocity(state + h / 2 * a), c = velocity(state + h / 2 * b),
                          d = velocity(state + h * c);
    state += h / 6 * (a + 2 * b + 2 * c + d);
  }
  const double off = state(model.observed, 0) - model.target;
  return off * off + state(model.observed, model.observed + 1);
}

}  // namespace gillespie
