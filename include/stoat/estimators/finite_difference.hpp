// stoat/estimators/finite_difference.hpp: central differences with common random numbers.
#pragma once

#include <stoat/estimators/estimator.hpp>

namespace stoat {

/// Central differences on the same keys (Glasserman and Yao 1992): 2 d plain runs. The bias is O(h^2), the variance O(1/h):
/// a check of the others, not a method. The step of coordinate j is step * max(|theta_j|, 1).
struct FiniteDifference {
  double step = 0.02;
  static constexpr bool unbiased = false;
  std::string name() const { return "FiniteDifference"; }
  STOAT_SAMPLE;
};

}  // namespace stoat
