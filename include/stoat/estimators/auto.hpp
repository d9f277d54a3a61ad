// stoat/estimators/auto.hpp: an estimator chosen by a pilot.
#pragma once

#include <vector>

#include <stoat/estimators/estimator.hpp>

namespace stoat {

/// Tries unbiased estimators on pilot runs and goes on with the one of the smallest variance times work (executions of the
/// program and sweeps). The diagnostics of the estimate say which, and by how much, and give M_res, the mean order of the
/// interactions that straight-through leaves unexplained: sum_i v_i E r_i^2 / Var f, with the variance v_i of a coin and the
/// residual r_i of its replay. Below 1 one replay beats a score function; far above 1 flips spread and replays lose.
struct Auto {
  std::vector<AnyEstimator> candidates{};  ///< empty: usual_candidates()
  int pilot = 64;                          ///< gradient draws of each candidate
  /// Score functions, replays with and without controls.
  static const std::vector<AnyEstimator>& usual_candidates();
  static constexpr bool unbiased = true;
  static constexpr bool uses_mean = true;
  int keys() const;
  std::string name() const { return "Auto"; }
  template <class T>
  std::shared_ptr<const void> learn(Trace<T>& trace, const PilotContext& pilot) const;
  /// What was picked and why.
  std::string note(const void* learned) const;
  STOAT_SAMPLE;
};

}  // namespace stoat
