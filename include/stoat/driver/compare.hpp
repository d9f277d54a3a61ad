// stoat/driver/compare.hpp: several estimators on one program, against the truth.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <stoat/driver/comparison.hpp>
#include <stoat/driver/estimate.hpp>

namespace stoat {

/// What compare() does.
struct CompareOptions {
  std::uint64_t samples = 10'000;                ///< gradient draws of each estimator
  std::uint64_t seed = 1;                        ///< of all draws
  int threads = 0;                               ///< of each rank; 0: as many as OpenMP offers
  std::shared_ptr<Ranks> ranks{};                ///< processes that share the draws, with the same bits; none: this one alone
  std::optional<Exact> truth{};                  ///< if absent: by enumeration, or else the pooled unbiased estimators
  std::string name = "program";                  ///< of the program, for reports
  double confidence = 0.95;                      ///< of the intervals, in (0, 1)
  std::size_t max_draws = std::size_t{1} << 24;  ///< most draws of one run before it counts as endless
  std::uint64_t diagnose_paths = 0;              ///< paths for the diagnostics of the program (see diagnose_replays); 0: none
  LoopOptions loops{};                           ///< how replays and recordings use the loops of draw.iterate
};

/// Runs each estimator and judges it. One that refuses the program appears with the reason. After an interruption (see
/// Interruption) there are the rows that were done, and the names of those that are missing; without a truth, if it was to be
/// pooled from unbiased ones and none was done. How the program is called from several threads: see estimate().
Comparison compare(const Program<double>& program, const Eigen::VectorXd& theta, const std::vector<AnyEstimator>& estimators,
                   const CompareOptions& options = {});

}  // namespace stoat
