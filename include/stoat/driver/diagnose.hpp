// stoat/driver/diagnose.hpp: what a program does to gradient estimators, and which of its draws are to blame.
//
//   Diagnosis d = diagnose(program, theta, {.relative_error = 0.01});
//   std::cout << d;  // draws, laws, noise, bias, and what the gradient will cost
//   Estimate e = estimate(program, theta, *d.recommended, {.samples = d.samples});
//
// diagnose_replays is the part about replays alone. A moderate number of paths is recorded, and on each of them every alternative
// of every draw is replayed. From these changes of the cost follow the noise that replays cannot remove, the noise of choosing few
// of them, and whether a surrogate adjoint explains them well enough to pay off: before any estimator is run for long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <Eigen/Core>

#include <stoat/driver/ranks.hpp>
#include <stoat/estimators/estimator.hpp>
#include <stoat/program/loops.hpp>

namespace stoat {

/// What diagnose_replays() does.
struct DiagnoseOptions {
  std::uint64_t paths = 64;                      ///< recorded and replayed exhaustively
  std::uint64_t max_replays = 50'000;            ///< no further path is begun beyond, but two are always made
  std::uint64_t seed = 1;                        ///< of all draws
  std::size_t top = 5;                           ///< length of the lists of draws
  std::size_t max_draws = std::size_t{1} << 24;  ///< most draws of one run before it counts as endless
  LoopOptions loops{.check = true};  ///< replays are compared with reruns now and then: a loop that they get wrong throws Error
};

/// What one draw, counted in the order of execution, contributes.
struct SiteNoise {
  std::size_t site = 0;     ///< its number
  std::string law;          ///< its name
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

/// What diagnose() aims at and may spend.
struct DiagnosisOptions {
  double relative_error = 0.01;            ///< what is wanted: the standard error of the gradient as a fraction of its length ...
  double target_error = 0;                 ///< ... or, if positive, itself: the root of the sum of its squares over the coordinates
  std::vector<AnyEstimator> candidates{};  ///< empty: those of Auto, straight-through and, for a few draws, enumeration
  std::uint64_t pilot = 256;               ///< gradient draws of each candidate
  /// Bounds on the work: sites and parameters that the pilot of a candidate visits (fewer draws then, but 16 in any case), replays
  /// of diagnose_replays (left out if two paths need more), and seconds after which no further candidate is begun; the last one
  /// alone makes a result depend on the machine.
  double max_visits = 2e7;
  std::uint64_t max_replays = 20'000;
  double time_limit = 60;
  std::uint64_t seed = 1;  ///< of all draws
  int threads = 0;         ///< of each rank; 0: as many as OpenMP offers
  /// Processes that share the draws of the pilots, with the same bits; none: this one alone. Seconds are those of rank 0.
  std::shared_ptr<Ranks> ranks{};
  std::size_t max_draws = std::size_t{1} << 24;  ///< most draws of one run before it counts as endless
};

/// The draws of one law: mean numbers per run.
struct LawUse {
  std::string law;               ///< its name
  double sites = 0, active = 0;  ///< all, and those whose parameters depend on theta
  double steering = 0;           ///< outcome read as bool or integer, which may decide what the program does
  double arithmetic = 0;         ///< outcome that depends on theta and entered arithmetic: where a surrogate gradient flows
};

/// What one estimator did in the pilot, and what it needs for the wanted error.
struct Candidate {
  std::string estimator;                     ///< its name
  bool unbiased = true;                      ///< what it claims
  std::string skipped;                       ///< why it did not run; empty if it did
  std::uint64_t pilot = 0;                   ///< draws
  double variance = 0, variance_error = 0;   ///< trace of the covariance of one draw
  double work = 0, seconds = 0;              ///< of one draw: runs and sweeps; seconds of one thread
  double setup_work = 0, setup_seconds = 0;  ///< before the first draw
  /// Distance of its mean from the gradient as a fraction of the gradient's length, and the least that could be told; 0 if
  /// unbiased.
  double bias = 0, detectable_bias = 0;
  std::uint64_t samples = 0;                 ///< draws until the standard error is the wanted one; the bias stays
  double total_work = 0, total_seconds = 0;  ///< that they take, setup included
};

/// What diagnose() found.
struct Diagnosis {
  Eigen::Index parameters = 0;                                 ///< of the program
  std::size_t data = 0;                                        ///< data that the cost is a mean over; 0: none
  std::uint64_t recorded = 0;                                  ///< runs that the counts are means over
  double sites = 0, active = 0, steering = 0, arithmetic = 0;  ///< sums over the laws, see LawUse
  std::size_t fewest_sites = 0, most_sites = 0;                ///< of a run
  std::vector<LawUse> laws;                                    ///< most sites first
  double comparisons = 0;                                      ///< per run, of continuous values that depend on theta
  double run_seconds = 0, recording_seconds = 0;               ///< of one run
  double value = 0, value_error = 0;                           ///< mean cost and its standard error
  double gradient_length = 0, gradient_error = 0;              ///< by the unbiased candidate that knows it best
  bool resolved = false;                                       ///< the length is told from zero
  std::optional<ReplayDiagnostics> replays;                    ///< if they were made
  std::vector<Candidate> candidates;                           ///< unbiased ones first, least total_work first, skipped ones last
  double wanted_error = 0;                                     ///< of the gradient
  std::optional<AnyEstimator> recommended;                     ///< the first one, if any could run
  std::uint64_t samples = 0;                                   ///< of it, for the wanted error
  int threads = 1;                                             ///< of all ranks, that total_seconds counts on
  std::vector<std::string> notes;                              ///< what to make of it, in words
};
std::ostream& operator<<(std::ostream& out, const Diagnosis& diagnosis);

/// Records some runs of a program, replays them, and tries estimators briefly: what is drawn, what steers control flow, where noise
/// and the bias of surrogates come from, which estimator to use and what it will cost for a given error. The costs are forecasts
/// from a variance that has an error itself. Throws InvalidArgument for options out of range and whatever the program throws.
Diagnosis diagnose(const Program<double>& program, const Eigen::VectorXd& theta, const DiagnosisOptions& options = {});

}  // namespace stoat
