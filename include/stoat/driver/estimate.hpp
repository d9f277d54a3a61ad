// stoat/driver/estimate.hpp: an estimate, not a sample: mean, standard errors, cost and what was noticed on the way.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <Eigen/Core>

#include <stoat/driver/progress.hpp>
#include <stoat/driver/ranks.hpp>
#include <stoat/estimators/estimator.hpp>

namespace stoat {

/// State of a long run, given to the progress callback now and then.
struct Progress {
  std::uint64_t samples = 0, wanted = 0;  ///< gradient draws so far, and at most
  double value = 0, value_error = 0;      ///< mean cost and its standard error
  double largest_gradient_error = 0;      ///< of the coordinates
  double seconds = 0;                     ///< so far
};

/// What estimate() does, and when it ends.
struct Options {
  std::uint64_t samples = 1000;  ///< gradient draws (an upper bound if target_error is set)
  std::uint64_t seed = 1;        ///< of all draws
  int threads = 0;               ///< of each rank; 0: as many as OpenMP offers. The result is bit for bit the same for any number.
  std::shared_ptr<Ranks> ranks{};  ///< processes that share the work, with the same bits; none: this one alone
  double target_error = 0;         ///< stop once every standard error of the gradient is below this
  /// Seconds of this call, after which it stops with what was reached. It alone makes a result depend on the machine.
  double time_limit = std::numeric_limits<double>::infinity();
  std::size_t max_draws = std::size_t{1} << 24;     ///< most draws of one run before it counts as endless
  std::function<void(const Progress&)> progress{};  ///< about every second, and at the end; on rank 0
  bool covariance = false;                          ///< of the gradient, too: d x d numbers, for up to 4096 parameters
  std::vector<std::string> names{};                 ///< of the parameters, for reports; see Parameters::names()
  LoopOptions loops{};                              ///< how replays and recordings use the loops of draw.iterate

  /// A file to go on from: if it is there, sampling continues from it, with the bits of a call that was never interrupted, on any
  /// number of threads and ranks. It is replaced in one step, about every `checkpoint_every` seconds and at the end, by rank 0.
  /// Empty: none.
  std::filesystem::path checkpoint{};
  double checkpoint_every = 60;
  bool resume = true;                    ///< false: begins anew and replaces the file
  Display display = Display::automatic;  ///< on a terminal, after a second; elsewhere nothing. Lines: ten in all.
};

/// Means over gradient draws with their standard errors.
struct Estimate {
  std::string estimator;                     ///< its name
  bool unbiased = true;                      ///< what it claims
  double value = 0, value_error = 0;         ///< mean cost and its standard error
  Eigen::VectorXd gradient, gradient_error;  ///< mean and its standard error
  std::uint64_t samples = 0;                 ///< gradient draws
  std::uint64_t resumed = 0;                 ///< how many of them a checkpoint had
  bool interrupted = false;                  ///< by a signal (see Interruption), before all samples were drawn
  double seconds = 0;                        ///< those before a checkpoint included
  double total_variance = 0;                 ///< trace of the covariance of one gradient draw
  double sites = 0;                          ///< mean number of sites of a recorded run
  Work work;                                 ///< runs and sweeps in total, pilot included
  std::vector<std::string> diagnostics;      ///< what was noticed on the way
  Eigen::MatrixXd covariance;                ///< of the mean gradient, if it was asked for: gradient_error^2 is its diagonal
  std::vector<std::string> names;            ///< of the parameters, if they were given

  /// One confidence interval a parameter.
  struct Intervals {
    Eigen::VectorXd lower, upper;  ///< the ends
  };
  /// Two-sided confidence intervals of the gradient, each with this confidence in (0, 1), by Student's t with samples - 1
  /// degrees of freedom. Throws InvalidArgument for fewer than two samples; a deterministic estimate is its own interval.
  Intervals intervals(double confidence = 0.95) const;
};
std::ostream& operator<<(std::ostream& out, const Estimate& e);

/// Expected cost and its gradient by Monte Carlo.
///
/// The program is called from several threads at once (see ProgramFor): what it captured by value is one copy for all of them, what
/// it captured by reference is the caller's; it may read both and change neither.
///
/// Throws Error for empty or non-finite theta, zero samples, and anything that goes wrong inside the program (with site and
/// run; of several samples that fail the first one decides, on any number of threads and ranks); Refusal if the estimator cannot
/// do the program. Throws InvalidArgument for options out of range and for a checkpoint of another call:
/// another program (number of data, cost of four runs), theta, estimator, number of samples or seed; the message names what
/// differs. Throws Error, naming the file, for a damaged checkpoint and one that cannot be written.
Estimate estimate(const Program<double>& program, const Eigen::VectorXd& theta, const AnyEstimator& estimator,
                  const Options& options = {});
Estimate estimate(const Program<float>& program, const Eigen::VectorXf& theta, const AnyEstimator& estimator,
                  const Options& options = {});

/// The same for theta given as an Eigen expression.
template <class Derived>
Estimate estimate(const Program<typename Derived::Scalar>& program, const Eigen::MatrixBase<Derived>& theta,
                  const AnyEstimator& estimator, const Options& options = {}) {
  return estimate(program, Eigen::VectorX<typename Derived::Scalar>(theta), estimator, options);
}

/// The cost of one plain run.
double run(const Program<double>& program, const Eigen::VectorXd& theta, const RunKey& key);

}  // namespace stoat
