// stoat/snn/train.hpp: training and evaluating a network.
//
//   TrainOptions options{.epochs = 20, .batch = 200, .validation = std::make_shared<const Dataset>(held_out)};
//   Training t = train(objective, network.initial<double>(), Smorms3{0.01}, options);
//   Evaluation e = evaluate(Objective(network, test, MaxOverTimeCrossEntropy{}), t.best);
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <Eigen/Core>

#include <stoat/driver/progress.hpp>
#include <stoat/driver/ranks.hpp>
#include <stoat/estimators/estimator.hpp>
#include <stoat/optim/optimizer.hpp>
#include <stoat/optim/schedule.hpp>
#include <stoat/snn/network.hpp>

namespace stoat::snn {

inline constexpr double not_measured = std::numeric_limits<double>::quiet_NaN();

/// What an epoch showed.
struct Epoch {
  int number = 0;     ///< 1 for the first
  double factor = 1;  ///< of the rate, by the schedule
  /// Means over the training data, each sample under the parameters of its batch, dropout and regularisers included.
  double loss = 0, accuracy = not_measured;
  double gradient_norm = 0;      ///< mean over the batches, before clipping
  std::vector<double> spikes{};  ///< of each spiking layer: mean number per training sample and unit; empty with an estimator
  /// At the end of the epoch, on the validation data.
  double validation_loss = not_measured, validation_accuracy = not_measured;
  /// The same with the other activation.
  double other_loss = not_measured, other_accuracy = not_measured;
  double seconds = 0;  ///< that it took
};

/// A training in the middle of an epoch.
struct BatchProgress {
  int epoch = 1;                       ///< number of the epoch under way
  std::size_t batch = 0, batches = 0;  ///< done of it, and all of it
  double loss = 0;                     ///< mean over its samples so far
};

using stoat::Display;

/// What tells which epoch is best.
enum class Monitor { loss, accuracy };

/// What train() does, and when it ends.
struct TrainOptions {
  int epochs = 10;         ///< in all
  std::size_t batch = 64;  ///< samples a step; the last batch of an epoch may be smaller
  std::uint64_t seed = 1;  ///< of the order of the data, of coins and of dropout
  int threads = 0;         ///< of each rank; 0: as many as OpenMP offers. The result is bit for bit the same for any number.
  /// Processes that share the samples of a batch, with the same bits; none: this one alone. Rank 0 alone calls callbacks, shows
  /// progress and has files.
  std::shared_ptr<Ranks> ranks{};
  bool double_precision = false;  ///< of spikes and gradients; the parameters are kept in double precision in any case
  std::shared_ptr<const Dataset> validation{};
  /// Also evaluates the validation data with the other activation: deterministic spikes if some layer is stochastic, else
  /// stochastic ones.
  bool other_activation = false;
  Schedule schedule{};              ///< factor of the rate in each epoch; none: 1
  double clip = 0;                  ///< largest norm of a gradient: longer ones are shortened to it; 0: none are
  Monitor monitor = Monitor::loss;  ///< of the validation data
  int patience = 0;                 ///< ends after so many epochs that were not better than the best one; 0: never
  std::filesystem::path csv{};      ///< a table with a row an epoch, flushed; empty: none. An older file there is replaced.
  /// A file to go on from: if it is there, training continues from it, with the bits of a run that was never interrupted. It is
  /// replaced in one step, after every `checkpoint_every` epochs, after the first batch when it is older than
  /// `checkpoint_seconds`, and at the end. Empty: none.
  std::filesystem::path checkpoint{};
  int checkpoint_every = 1;
  double checkpoint_seconds = 60;  ///< 0: after every batch; infinity: only between epochs
  /// Called after every epoch, with the parameters; false ends the training.
  std::function<bool(const Epoch& epoch, const Eigen::VectorXd& theta)> callback{};
  /// Called after every batch; false ends the training there, in the middle of the epoch.
  std::function<bool(const BatchProgress& progress)> batch_callback{};
  Display progress = Display::automatic;  ///< not on a terminal: lines
};

/// Where train() ended, and the way there.
struct Training {
  /// Why it ended.
  enum class End {
    epochs,       ///< all are done
    patience,     ///< none was better than the best one for long enough
    callback,     ///< it said so
    interrupted,  ///< by a signal, see Interruption: after the batch under way, or the validation
  };
  Eigen::VectorXd theta;  ///< after the last batch
  Eigen::VectorXd best;   ///< after the best epoch, by the validation data; without them the last one
  int best_epoch = 0;     ///< its number; 0 if there was no epoch
  /// What the optimiser remembers after the last batch: for Optimizer::restore, and for write_weights beside theta.
  OptimizerState optimizer;
  std::vector<Epoch> epochs;             ///< those before a checkpoint included
  std::size_t batches = 0;               ///< of the next epoch, where it ended in its middle: theta has seen them, too
  int resumed = 0;                       ///< how many of the epochs a checkpoint had ...
  std::size_t resumed_batches = 0;       ///< ... and how many batches of the next one
  End end = End::epochs;                 ///< why it ended
  std::vector<std::string> diagnostics;  ///< "rank 3 took 4.1 times as long as the others, ..."
};

/// Minimises the objective from theta on by mini-batches with surrogate gradients (SurrogateGradient, whose gradient is that of
/// StraightThrough). The data are shuffled for every epoch, by (seed, epoch); sample i of epoch e has the run number e size + i, so
/// no coin is tossed twice. Parameters, their best version, optimiser state, epochs so far and the sums over the batches of the
/// epoch under way make up the checkpoint.
///
/// Throws InvalidArgument, before anything is written, for options out of range, parameters of another number or not finite,
/// validation data that do not fit, and for a checkpoint of another run: another network, other data, loss, start, optimiser, batch
/// size, seed or precision; the message names what differs. Throws Error, naming the file, for a damaged checkpoint or a file that
/// cannot be written; and, naming epoch and batch, if a loss, a gradient or a parameter is not finite: the last checkpoint stays.
Training train(const Objective& objective, const Eigen::VectorXd& theta, Optimizer optimizer, const TrainOptions& options = {});

/// The same with the gradient of any estimator, in double precision, on objective.program<double>(): one draw for each sample of a
/// batch, without dropout. There is no training accuracy then. Throws Refusal if the estimator cannot do the network. An estimator
/// that learns from pilot runs does so at the start of each epoch; what it learnt is learnt again, with the same bits, when the
/// training goes on from the middle of one.
Training train(const Objective& objective, const Eigen::VectorXd& theta, const AnyEstimator& estimator, Optimizer optimizer,
               const TrainOptions& options = {});

/// How evaluate() goes through the data.
struct EvaluateOptions {
  std::size_t batch = 256;         ///< samples at a time
  std::uint64_t seed = 1;          ///< of coins
  std::uint64_t run = 0;           ///< number of the first sample's coins; the next samples have the next ones
  int threads = 0;                 ///< of each rank
  std::shared_ptr<Ranks> ranks{};  ///< that share the samples of a batch, and all get the result
  bool double_precision = false;   ///< in place of single precision
};

/// What a network does with data.
struct Evaluation {
  double loss = 0;             ///< mean over the samples, regularisers included
  double accuracy = 0;         ///< not_measured if there are no labels or no readout
  std::vector<double> spikes;  ///< of each spiking layer: mean number per sample and unit
  std::vector<int> predicted;  ///< the label of each sample; empty if there are no labels or no readout
};

/// Runs all data of the objective once, without dropout. Its coins are not those of training batches. To evaluate
/// with the other activation: evaluate(objective.with(Activation::deterministic), theta). Throws InvalidArgument for batch = 0,
/// threads < 0 and parameters of another number or not finite, Error if a loss is not finite.
Evaluation evaluate(const Objective& objective, const Eigen::VectorXd& theta, const EvaluateOptions& options = {});

}  // namespace stoat::snn
