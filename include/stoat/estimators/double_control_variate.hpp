// stoat/estimators/double_control_variate.hpp: two runs, each with the linearised cost of the other as control variate. Unbiased.
#pragma once

#include <stoat/estimators/estimator.hpp>

namespace stoat {

/// Double control variates (Titsias and Shi 2022) for independent coins, two runs. With the outcomes x and y of the runs, costs f
/// and derivatives f' of the cost in the outcomes, the coin i with log-odds l has the derivative
///   d f / d l = 1/2 D (x_i - y_i) - alpha/2 (f'_i(x) + f'_i(y)) p_i (1 - p_i),
///   D = f(x) + alpha f'(y).(x - p) - f(y) - alpha f'(x).(y - p),
/// seeded in a CUT sweep; alpha = -1 is exact where the cost is linear in the outcomes, 0 is LeaveOneOut{2}. Refuses draws that
/// depend on theta and have other outcomes than 0 and 1, probabilities that differ between the runs, and those of 0 that move.
struct DoubleControlVariate {
  double alpha = -1;
  static constexpr bool unbiased = true;
  int keys() const { return 2; }
  std::string name() const;
  STOAT_SAMPLE;
};

}  // namespace stoat
