// stoat/driver/optimisation.hpp: what gradient estimators are for: several of them minimise the same expected cost.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include <Eigen/Core>

#include <stoat/driver/minimize.hpp>

namespace stoat {

/// What compare_optimisation() does.
struct OptimisationOptions {
  double work = 20'000;            ///< runs of the program in one optimisation, the same for every estimator
  std::uint64_t samples = 16;      ///< gradient draws per iteration
  int seeds = 5;                   ///< optimisations of each estimator
  std::uint64_t seed = 1;          ///< of all draws
  int threads = 0;                 ///< of each rank; 0: as many as OpenMP offers
  std::shared_ptr<Ranks> ranks{};  ///< processes that share the optimisations, with the same bits; none: this one alone
  int max_iterations = 2000;       ///< so that an estimator that needs hardly any runs comes to an end
  int checkpoints = 20;            ///< points of a curve after the start
  std::function<double(const Eigen::VectorXd&)> loss{};  ///< the exact expected cost, if it is known; from several threads
  std::uint64_t loss_samples = 1000;                     ///< else plain runs that estimate it, on the same keys for all
  std::string name = "program";                          ///< of the program, for reports
  std::size_t max_draws = std::size_t{1} << 24;          ///< most draws of one run before it counts as endless
};

/// One estimator: means over its seeds, with standard errors between seeds.
struct OptimisationRow {
  std::string estimator;                        ///< its name
  bool unbiased = true;                         ///< what it claims
  std::string skipped;                          ///< the reason; empty if it ran
  int iterations = 0;                           ///< of each optimisation
  double runs_per_iteration = 0;                ///< work of one
  std::vector<double> loss, loss_error;         ///< at Optimisation::work; over the seeds that did not diverge
  double final_loss = 0, final_loss_error = 0;  ///< at the end
  double area = 0, area_error = 0;              ///< area under the curve / work: the mean loss on the way
  int diverged = 0;                ///< seeds that ended in an error, in a loss that is not finite, or above the loss at the start
  double seconds = 0;              ///< of all seeds
  std::vector<std::string> notes;  ///< errors of seeds that diverged
};

/// What compare_optimisation() found.
struct Optimisation {
  std::string program, optimizer;       ///< their names
  Eigen::VectorXd theta;                ///< where all start
  std::uint64_t samples = 0, seed = 0;  ///< as in the options
  int seeds = 0;                        ///< as in the options
  bool exact_loss = false;              ///< the options had `loss`
  std::vector<double> work;             ///< runs of the program at the checkpoints, 0 first
  std::vector<OptimisationRow> rows;    ///< one an estimator
  std::vector<std::string> missing{};   ///< estimators that an interruption came before

  /// An aligned table, least final loss first.
  void print(std::ostream& out) const;
};
std::ostream& operator<<(std::ostream& out, const Optimisation& optimisation);

/// Minimises with each estimator from the same start, with the same optimiser and the same number of runs of the program, on
/// several seeds. Estimators that refuse the program appear with the reason. After an interruption (see Interruption) there are the
/// rows that were done, and the names of those that are missing. Throws InvalidArgument for options outside their
/// range.
Optimisation compare_optimisation(const Program<double>& program, const Eigen::VectorXd& theta,
                                  const std::vector<AnyEstimator>& estimators, const Optimizer& optimizer,
                                  const OptimisationOptions& options = {});

/// One line per estimator, curves joined by ';', or one object per estimator. Throw Error if the file cannot be written.
void write_csv(const std::filesystem::path& path, const std::vector<Optimisation>& optimisations);
void write_json(const std::filesystem::path& path, const std::vector<Optimisation>& optimisations);

}  // namespace stoat
