// stoat/estimators/reinmax.hpp: the trapezoidal straight-through edge.
#pragma once

#include <stoat/estimators/estimator.hpp>

namespace stoat {

/// The slope 1 / (2 P(x)) d p of a coin: the smoothed stochastic derivative with alpha = 1/2.
struct ReinMaxEdge {
  void operator()(const Site& site, std::span<double> out) const;
};

/// ReinMax (Liu, Dong, Liu, Yu and Gao 2023): one run and one OPEN sweep. A draw enters to second order, by Heun's rule: exact
/// where the cost is quadratic in each of independent coins, biased elsewhere. Refuses draws with more than two outcomes.
struct ReinMax {
  static constexpr bool unbiased = false;
  std::string name() const { return "ReinMax"; }
  STOAT_SAMPLE;
};

}  // namespace stoat
