// stoat/estimators/score_function.hpp: likelihood-ratio estimators. Unbiased, one sweep a run, any control flow.
#pragma once

#include <stoat/estimators/estimator.hpp>

namespace stoat {

enum class Baseline {
  none,
  running_mean,  ///< mean cost of a pilot and of the earlier rounds; never of the present one
};

/// Score function, REINFORCE (Glynn 1990; Williams 1992): seed (f - b) d log P(x_i) at the parameters of every site.
/// Where an outcome of probability 0 has a moving probability a boundary term is missing: such programs are refused.
struct ScoreFunction {
  Baseline baseline = Baseline::running_mean;
  static constexpr bool unbiased = true;
  static constexpr bool uses_mean = true;
  std::string name() const { return baseline == Baseline::none ? "ScoreFunction(no baseline)" : "ScoreFunction"; }
  STOAT_SAMPLE;
};

/// Leave-one-out (Salimans and Knowles 2014; Kool et al. 2019): K independent runs, each with the mean of the others as its
/// baseline: 1/(K-1) sum_k (f_k - mean f) score_k. K >= 2.
struct LeaveOneOut {
  int runs = 4;
  static constexpr bool unbiased = true;
  int keys() const { return runs; }
  std::string name() const { return "LeaveOneOut(" + std::to_string(runs) + ")"; }
  STOAT_SAMPLE;
};

}  // namespace stoat
