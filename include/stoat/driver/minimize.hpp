// stoat/driver/minimize.hpp: stochastic gradient descent on an expected cost.
//
//   Minimum m = minimize(program, theta, StochasticDerivative{}, Adam{0.05},
//                        {.iterations = 5000, .max_samples = 4096, .constraints = Constraints{}.positive(0, 2), .window = 200});
//   std::cout << m;
//   m.plot_loss("loss.svg");
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <stoat/driver/estimate.hpp>
#include <stoat/driver/progress.hpp>
#include <stoat/optim/constraints.hpp>
#include <stoat/optim/optimizer.hpp>
#include <stoat/optim/schedule.hpp>

namespace stoat {

/// What the number of gradient draws is measured by. With the mean gradient h of n draws and V the sum over its coordinates of the
/// variance of one draw, in the free coordinates:
enum class SampleTest {
  /// V / n <= noise^2 |h|^2: the whole error of the gradient is a fraction of its length (Byrd, Chin, Nocedal and Wu 2012).
  norm,
  /// Var(h_i . u) / n <= noise^2 (h . u)^2: only the error along u counts, a running mean of the gradients before. It asks for far
  /// fewer draws where there are many parameters (the inner product test of Bollapragada, Byrd and Nocedal 2018, who take h for u;
  /// an u that is independent of the draws makes both sides easy to estimate).
  inner_product,
};

/// What minimize() does, and when it ends.
struct MinimizeOptions {
  int iterations = 500;        ///< at most
  std::uint64_t samples = 16;  ///< gradient draws per iteration; at least so many, if max_samples is larger
  std::uint64_t seed = 1;      ///< of all draws
  int threads = 0;             ///< of each rank; 0: as many as OpenMP offers. The result is bit for bit the same for any number.
  std::shared_ptr<Ranks> ranks{};  ///< processes that share the draws of an iteration, with the same bits; none: this one alone
  double average = 0.2;            ///< theta is the mean over this last fraction of the iterations (Polyak); 0: the last iterate
  std::size_t max_draws = std::size_t{1} << 24;                 ///< most draws of one run before it counts as endless
  LoopOptions loops{};                                          ///< how replays and recordings use the loops of draw.iterate
  std::function<void(int iteration, double value)> progress{};  ///< on rank 0

  /// Larger than `samples`: the number of draws follows the gradient. After every iteration it moves, by at most a factor of 2, to
  /// the number that just passes the test, where both sides are means over the draws of the last iterations, about ten, and what
  /// noise adds to the right side, 1 / n of the left, is taken off: else few draws would judge themselves good.
  std::uint64_t max_samples = 0;
  double noise = 0.9;
  SampleTest test = SampleTest::norm;

  Constraints constraints{};           ///< the descent moves in their free coordinates; the program and the estimator see theta
  Schedule schedule{};                 ///< factor of the rate, given how many iterations are done; none: 1
  bool common_random_numbers = false;  ///< the same keys in all iterations: theta minimises the mean cost of these runs

  /// From 10 on: after every `window` iterations a line is fitted to the estimated costs of the last `window` ones (least squares).
  /// Unless it falls by more than `tolerance` from one end to the other with this confidence (one-sided, Student's t with
  /// window - 2 degrees of freedom), the descent has converged: whatever progress there is, so few iterations of so many draws do
  /// not show it. A longer window sees slower progress. 0: never.
  int window = 0;
  double confidence = 0.95;
  double tolerance = 0;                                         ///< in units of the cost
  double time_limit = std::numeric_limits<double>::infinity();  ///< seconds of this call; stops at the end of an iteration

  /// Keep theta and gradient of every iteration in the trace. Without them, which saves two vectors an iteration, the average is
  /// over the last fraction of `iterations`, and a descent that stops before gives its last iterate.
  bool points = true;

  /// A file to go on from: if it is there, the descent continues from it, with the bits of one that was never interrupted, on any
  /// number of threads and ranks. It is replaced in one step, after every `checkpoint_every` iterations, after iterations that took
  /// `checkpoint_seconds`, and at the end, by rank 0. Empty: none.
  std::filesystem::path checkpoint{};
  int checkpoint_every = 100;
  double checkpoint_seconds = 60;
  bool resume = true;                    ///< false: begins anew and replaces the file
  Display display = Display::automatic;  ///< on a terminal, after a second; elsewhere nothing. Lines: ten in all.
};

/// One iteration: the estimate at theta, before the step.
struct MinimizeStep {
  int iteration = 0;                             ///< how many came before it
  double value = 0, value_error = 0;             ///< mean cost and its standard error
  Eigen::VectorXd theta, gradient;               ///< empty without `points`
  double work = 0;                               ///< runs of the program so far
  double seconds = 0;                            ///< so far
  std::uint64_t samples = 0;                     ///< gradient draws
  double gradient_norm = 0, gradient_error = 0;  ///< |h| and sqrt(V / n), in free coordinates
  double factor = 1;                             ///< of the rate, by the schedule
};

/// Why a descent ended.
enum class Stopped { iterations, converged, time_limit, interrupted };
std::ostream& operator<<(std::ostream& out, Stopped stopped);

/// Where minimize() ended, and the way there.
struct Minimum {
  Eigen::VectorXd theta;                  ///< the minimum
  double value = 0, value_error = 0;      ///< mean estimated cost over the averaged iterations
  std::vector<MinimizeStep> trace;        ///< every iteration
  Work work;                              ///< runs and sweeps in total
  double seconds = 0;                     ///< those before a checkpoint included
  Stopped stopped = Stopped::iterations;  ///< why it ended
  std::uint64_t samples = 0;              ///< gradient draws in all
  int resumed = 0;                        ///< iterations that a checkpoint had
  /// By how much the cost fell over the last whole window, with its standard error; NaN if there was none.
  double decrease = std::numeric_limits<double>::quiet_NaN(), decrease_error = std::numeric_limits<double>::quiet_NaN();
  bool common_random_numbers = false;    ///< whether it was asked for
  std::vector<std::string> diagnostics;  ///< what was noticed on the way

  /// A line for every iteration: iteration, samples, value, value_error, gradient_norm, gradient_error, factor, work, seconds, and
  /// theta_0, ... if there are at most 64 parameters and the trace has them. Throws Error if the file cannot be written.
  void write_csv(const std::filesystem::path& path) const;
  /// The estimated cost against the iteration, with a band of its 95 % confidence intervals; from 200 iterations on means over
  /// several, at least a hundred points. Made by report::plot(), see there for its files and errors.
  void plot_loss(const std::filesystem::path& file) const;
};
std::ostream& operator<<(std::ostream& out, const Minimum& minimum);

/// Minimises E f over theta with fresh randomness in every iteration. An interruption (see Interruption) ends it after the blocks
/// of draws under way; an iteration that is not complete is left to whoever goes on from the checkpoint, and without any that is,
/// theta is where it started and the value is NaN. How the program is called
/// from several threads: see estimate().
///
/// Throws InvalidArgument, before anything is written, for options out of range, a theta outside its constraints or on their
/// boundary, and for a checkpoint of another descent: another program (number of data, cost of four runs at the start), start,
/// estimator, optimiser, constraints, numbers of samples or seed; the message names what differs. Throws Error, naming the
/// iteration, if a cost, a gradient or a parameter is not finite or the program fails: the last checkpoint stays; and, naming the
/// file, for a damaged checkpoint and one that cannot be written. Throws Refusal if the estimator cannot do the program.
Minimum minimize(const Program<double>& program, const Eigen::VectorXd& theta, const AnyEstimator& estimator, Optimizer optimizer,
                 const MinimizeOptions& options = {});

}  // namespace stoat
