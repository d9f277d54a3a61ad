// stoat/driver/diagnose.hpp: what a program does to replay estimators, and which of its draws are to blame.
//
// A moderate number of paths is recorded, and on each of them every alternative of every draw is replayed. From these changes of
// the cost follow the noise that replays cannot remove, the noise of choosing few of them, and whether a surrogate adjoint
// explains them well enough to pay off: before any estimator is run for long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <Eigen/Core>

#include <stoat/program/loops.hpp>
#include <stoat/program/program.hpp>

namespace stoat {

struct DiagnoseOptions {
  std::uint64_t paths = 64;            ///< recorded and replayed exhaustively
  std::uint64_t max_replays = 50'000;  ///< no further path is begun beyond, but two are always made
  std::uint64_t seed = 1;
  std::size_t top = 5;  ///< length of the lists of draws
  std::size_t max_draws = std::size_t{1} << 24;
  LoopOptions loops{.check = true};  ///< replays are compared with reruns now and then: a loop that they get wrong throws Error
};

/// What one draw, counted in the order of execution, contributes.
struct SiteNoise {
  std::size_t site = 0;
  std::string law;
  std::uint64_t paths = 0;  ///< paths that had it
  double score_share = 0;   ///< of the score function's E[(f - E f)^2 sum_i |score_i d_c p_i|^2]
  double replay_share = 0;  ///< of E[sum_y |w_y Delta_y d_c p|^2 / q_y], the second moment of one replay
  /// Mean of (w Delta - s) |d_c p|: replays against the surrogate adjoint; its part of the surrogate's bias. For a law with
  /// several parameters the sum of |w d_c p| (Delta - its prediction) over the alternatives.
  double bias = 0, bias_error = 0;
};

/// Diagnostics of the program itself, whatever estimator is used. Variances are traces of covariances, not divided by |g|^2.
/// Delta: change of the cost in a replay; r = w Delta - s: what the straight-through adjoint s leaves of it; q: inclusion
/// probabilities as the replay estimators choose them, in proportion to |w d_c p|. NaN: the quantity does not exist, such as
/// everything with s where a law has no surrogate.
struct ReplayDiagnostics {
  std::uint64_t paths = 0, replays = 0, cost_runs = 0;  ///< the work that was spent
  double sites = 0, alternatives = 0;                   ///< mean number per path
  double cost_variance = 0;                             ///< of one plain run
  /// Variance with all replays made: the floor that no number of replays goes below.
  double full_variance = 0;
  /// Excess over the floor of one replay per sample without and with the surrogate (one share 1/k of it with k replays).
  double replay_excess = 0, surrogate_excess = 0;
  /// E sum_i Var(f | all but draw i) / Var f: 1 for an additive cost, n for a parity. With independent fair coins and a uniform
  /// choice, the second moment of one replay over that of the score function with the best constant baseline.
  double interaction_order = 0, interaction_order_error = 0;
  /// The same of what the surrogate leaves: one debiased replay wins over the score function if this is below 1.
  double residual_order = 0, residual_order_error = 0;
  double replay_cost = 0;  ///< mean fraction of a run's sites that a replay draws; less where loops of draw.iterate rejoin the run
  /// k* = sqrt(R c0 / (V_full c_r)), the replays per sample with the least variance x work; a sweep counts as two runs. The
  /// cost without replays, c0, is 2 runs and 2 sweeps (3 with the surrogate).
  double optimal_replays = 0, optimal_replays_surrogate = 0;
  std::vector<SiteNoise> by_score, by_replay, by_bias;  ///< the draws that contribute most, largest first
};

/// Replays a program exhaustively on some paths. Laws with more than 16 outcomes enter the interaction orders by one redraw.
/// Throws InvalidArgument for fewer than 2 paths, and whatever the program throws.
ReplayDiagnostics diagnose_replays(const Program<double>& program, const Eigen::VectorXd& theta,
                                   const DiagnoseOptions& options = {});

}  // namespace stoat
