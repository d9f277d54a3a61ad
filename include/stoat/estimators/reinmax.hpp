// stoat/estimators/reinmax.hpp: straight-through of second order.
#pragma once

#include <stoat/estimators/estimator.hpp>

namespace stoat {

/// ReinMax (Liu, Dong, Liu, Yu and Gao 2023): one run and one sweep, in which each coin and label enters to second order, by Heun's
/// rule. With J(q) = diag(q) - q q' the unit vector e of the outcome has the derivative 2 J((q + e) / 2) - J(P) / 2 in log P, where
/// q = softmax(log P / temperature). At temperature 1, the default, it is exact where the cost is quadratic in the unit vector of
/// each draw, and that of a coin is 1 / (2 P(x)) dp, as of SmoothedDerivative{0.5}; higher temperatures lower the variance. Refuses
/// other laws and probabilities of 0 or 1 that move.
struct ReinMax {
  double temperature = 1;
  static constexpr bool unbiased = false;
  std::string name() const;
  STOAT_SAMPLE;
};

}  // namespace stoat
