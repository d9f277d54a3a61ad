#include <stoat/snn/train.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <numeric>

#include <nlohmann/json.hpp>

#include <stoat/driver/estimate.hpp>
#include <stoat/driver/report.hpp>
#include <stoat/snn/gradient.hpp>

#include "checkpoint.hpp"
#include "evaluation.hpp"
#include "progress.hpp"

namespace stoat::snn {
namespace {

using report::exact;

void check(const TrainOptions& options) {
  const auto require = [](const char* name, double value, bool good, const char* range) {
    if (!good) throw InvalidArgument("train: " + outside(name, value, range));
  };
  require("epochs", options.epochs, options.epochs >= 0, "[0, infinity)");
  require("batch", 0, options.batch > 0, "[1, infinity)");
  require("threads", options.threads, options.threads >= 0, "[0, infinity)");
  require("clip", options.clip, options.clip >= 0 && std::isfinite(options.clip), "[0, infinity)");
  require("patience", options.patience, options.patience >= 0, "[0, infinity)");
  require("checkpoint_every", options.checkpoint_every, options.checkpoint_every >= 1, "[1, infinity)");
  if (!options.validation && (options.patience > 0 || options.other_activation || options.monitor == Monitor::accuracy))
    throw InvalidArgument("train: patience, other_activation and monitor need validation data");
  if (options.monitor == Monitor::accuracy && options.validation->labels.empty())
    throw InvalidArgument("train: to monitor accuracy the validation data need labels");
  for (const std::filesystem::path& path : {options.csv, options.checkpoint})
    if (const std::filesystem::path folder = path.parent_path(); !folder.empty() && !std::filesystem::is_directory(folder))
      throw InvalidArgument("train: cannot write " + path.string() + ": its folder does not exist");
}

/// Where the gradients of an epoch's batches come from.
class Batches {
 public:
  virtual ~Batches() = default;
  virtual std::string name() const = 0;
  virtual void begin_epoch(const Eigen::VectorXd& theta) = 0;
  /// The first sample has run number `first`.
  virtual BatchResult operator()(const Eigen::VectorXd& theta, std::span<const std::size_t> samples, std::uint64_t first,
                                 Eigen::VectorXd& gradient) = 0;
};

template <class T>
class SurrogateBatches final : public Batches {
 public:
  SurrogateBatches(const Objective& objective, const TrainOptions& options)
      : gradient_(objective, options.threads), seed_(options.seed) {}
  std::string name() const override { return sizeof(T) == 4 ? "surrogate, single precision" : "surrogate, double precision"; }
  void begin_epoch(const Eigen::VectorXd&) override {}
  BatchResult operator()(const Eigen::VectorXd& theta, std::span<const std::size_t> samples, std::uint64_t first,
                         Eigen::VectorXd& gradient) override {
    values_ = theta.cast<T>();
    const BatchResult result = gradient_(values_, samples, {seed_, first}, sum_);
    gradient = sum_.template cast<double>();
    return result;
  }

 private:
  SurrogateGradient<T> gradient_;
  std::uint64_t seed_;
  Eigen::VectorX<T> values_, sum_;
};

/// The draws of an estimator. It deals the data itself, epoch by epoch, by the numbers of the runs.
class EstimatedBatches final : public Batches {
 public:
  EstimatedBatches(const Objective& objective, AnyEstimator estimator, const TrainOptions& options)
      : program_(objective.program<double>()), estimator_(std::move(estimator)), threads_(options.threads) {
    options_.seed = options.seed;
  }
  std::string name() const override { return estimator_.name(); }
  /// What an estimator has learnt lives for an epoch, so that a checkpoint does not need to know it.
  void begin_epoch(const Eigen::VectorXd& theta) override {
    monte_carlo_ = std::make_unique<stoat::detail::MonteCarlo<double>>(program_, theta, threads_, options_.max_draws);
  }
  BatchResult operator()(const Eigen::VectorXd& theta, std::span<const std::size_t> samples, std::uint64_t first,
                         Eigen::VectorXd& gradient) override {
    options_.samples = samples.size();
    const auto result = monte_carlo_->sample(theta, estimator_, options_, first, Eigen::MatrixXd(theta.size(), 0));
    gradient = result.moments.mean.segment(1, theta.size());
    BatchResult batch;
    batch.samples = samples.size();
    batch.loss = result.moments.mean[0];
    return batch;
  }

 private:
  Program<double> program_;
  AnyEstimator estimator_;
  int threads_;
  Options options_;
  std::unique_ptr<stoat::detail::MonteCarlo<double>> monte_carlo_;
};

/// The data in the order of an epoch (Fisher and Yates).
void shuffle(std::vector<std::size_t>& order, std::uint64_t seed, int epoch) {
  std::iota(order.begin(), order.end(), std::size_t{0});
  Generator words({seed, static_cast<std::uint64_t>(epoch), Purpose::data});
  for (std::size_t i = order.size() - 1; i > 0; --i)
    std::swap(order[i], order[static_cast<std::size_t>(words.uniform() * static_cast<double>(i + 1))]);
}

/// A table with a row an epoch.
class Csv {
 public:
  /// Replaces the file by one with the rows of these epochs.
  Csv(const std::filesystem::path& path, const std::vector<Epoch>& epochs, std::size_t layers) : path_(path), layers_(layers) {
    if (path.empty()) return;
    std::string text =
        "epoch,rate_factor,loss,accuracy,validation_loss,validation_accuracy,other_loss,other_accuracy,gradient_norm,seconds";
    for (std::size_t layer = 1; layer <= layers; ++layer) text += ",spikes_" + std::to_string(layer);
    text += '\n';
    for (const Epoch& e : epochs) text += row(e);
    report::write_file(path, text);
    out_.open(path, std::ios::app);
  }
  void add(const Epoch& e) {
    if (path_.empty()) return;
    if (!(out_ << row(e) << std::flush)) throw Error("cannot write " + path_.string());
  }

 private:
  std::string row(const Epoch& e) const {
    std::string text = std::to_string(e.number);
    for (const double x : {e.factor, e.loss, e.accuracy, e.validation_loss, e.validation_accuracy, e.other_loss, e.other_accuracy,
                           e.gradient_norm, e.seconds})
      text += ',' + exact(x);
    for (std::size_t layer = 0; layer < layers_; ++layer) text += ',' + (layer < e.spikes.size() ? exact(e.spikes[layer]) : "");
    return text + '\n';
  }
  std::filesystem::path path_;
  std::size_t layers_;
  std::ofstream out_;
};

class Trainer {
 public:
  Trainer(const Objective& objective, const Eigen::VectorXd& start, Batches& batches, Optimizer optimizer,
          const TrainOptions& options);
  Training run();

 private:
  Epoch epoch();
  void step(std::span<const std::size_t> samples, std::uint64_t first, double factor, Total& total, double& norms);
  void validate(Epoch& e);
  bool better(const Epoch& a, const Epoch& b) const {
    return options_.monitor == Monitor::loss ? a.validation_loss < b.validation_loss
                                             : a.validation_accuracy > b.validation_accuracy;
  }
  int done() const { return static_cast<int>(state_.epochs.size()); }
  bool impatient() const { return options_.patience > 0 && done() - state_.best_epoch >= options_.patience; }
  void save_state() {
    state_.optimizer = optimizer_.state();
    save(options_.checkpoint, identity_, state_);
    saved_ = done();
  }

  const Objective& objective_;
  Batches& batches_;
  Optimizer optimizer_;
  const TrainOptions& options_;
  Evaluator validation_, other_;
  nlohmann::json identity_;
  TrainingState state_;
  int saved_ = 0;
  std::vector<std::size_t> order_;
  Eigen::VectorXd gradient_;
  ProgressReport* progress_ = nullptr;
};

Trainer::Trainer(const Objective& objective, const Eigen::VectorXd& start, Batches& batches, Optimizer optimizer,
                 const TrainOptions& options)
    : objective_(objective),
      batches_(batches),
      optimizer_(std::move(optimizer)),
      options_(options),
      state_{.theta = start, .best = start, .optimizer = {}, .epochs = {}},
      order_(objective.size()) {
  if (options.validation) {
    try {
      const Objective held_out(objective.network(), options.validation, objective.loss(), objective.regularizers());
      validation_ = evaluator(held_out, options);
      const Activation other = objective.network().stochastic() ? Activation::deterministic : Activation::stochastic;
      if (options.other_activation) other_ = evaluator(held_out.with(other), options);
    } catch (const InvalidArgument& error) { throw InvalidArgument(std::string("train: validation data: ") + error.what()); }
  }
  if (options.checkpoint.empty()) return;
  identity_ = identity_of(objective, start, optimizer_, batches.name(), options);
  if (std::optional<TrainingState> state = load(options.checkpoint, identity_)) {
    state_ = std::move(*state);
    optimizer_.restore(state_.optimizer);
    saved_ = done();
    if (done() > options.epochs)
      throw InvalidArgument("train: checkpoint " + options.checkpoint.string() + " has " + std::to_string(done()) +
                            " epochs, more than epochs = " + std::to_string(options.epochs));
  }
}

void Trainer::step(std::span<const std::size_t> samples, std::uint64_t first, double factor, Total& total, double& norms) {
  const BatchResult batch = batches_(state_.theta, samples, first, gradient_);
  const double norm = gradient_.norm();
  if (options_.clip > 0 && norm > options_.clip) gradient_ *= options_.clip / norm;
  optimizer_.step(state_.theta, gradient_, factor);
  const double largest = options_.double_precision ? std::numeric_limits<double>::max() : std::numeric_limits<float>::max();
  for (Eigen::Index i = 0; i < state_.theta.size(); ++i)
    if (!(std::abs(state_.theta[i]) <= largest))
      throw Error("after the step parameter " + std::to_string(i) + " is " + std::to_string(state_.theta[i]));
  total.add(batch);
  norms += norm;
}

Epoch Trainer::epoch() {
  const auto start = std::chrono::steady_clock::now();
  Epoch e;
  e.number = done() + 1;
  if (options_.schedule) e.factor = options_.schedule(done());
  const std::string where = "train: epoch " + std::to_string(e.number);
  if (!(e.factor >= 0 && std::isfinite(e.factor)))
    throw InvalidArgument(where + ": " + outside("schedule", e.factor, "[0, infinity)"));
  shuffle(order_, options_.seed, done());
  batches_.begin_epoch(state_.theta);
  const std::size_t size = order_.size(), count = (size - 1) / options_.batch + 1;
  Total total;
  for (std::size_t b = 0; b < count; ++b) {
    const std::size_t begin = b * options_.batch, n = std::min(options_.batch, size - begin);
    try {
      step(std::span(order_).subspan(begin, n), static_cast<std::uint64_t>(done()) * size + begin, e.factor, total,
           e.gradient_norm);
    } catch (const Refusal&) { throw; } catch (const Error& error) {
      throw Error(where + ", batch " + std::to_string(b + 1) + " of " + std::to_string(count) + ": " + error.what());
    }
    progress_->batch(static_cast<double>(begin + n) / static_cast<double>(size), total.mean_loss());
  }
  e.loss = total.mean_loss(), e.accuracy = total.accuracy(), e.spikes = total.mean_spikes();
  e.gradient_norm /= static_cast<double>(count);
  try {
    validate(e);
  } catch (const Error& error) { throw Error(where + ", validation: " + error.what()); }
  e.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return e;
}

void Trainer::validate(Epoch& e) {
  if (validation_) {
    const Evaluation own = validation_(state_.theta, done());
    e.validation_loss = own.loss, e.validation_accuracy = own.accuracy;
  }
  if (other_) {
    const Evaluation other = other_(state_.theta, done());
    e.other_loss = other.loss, e.other_accuracy = other.accuracy;
  }
}

Training Trainer::run() {
  Csv csv(options_.csv, state_.epochs,
          static_cast<std::size_t>(objective_.network().depth()) - (objective_.network().has_readout() ? 1 : 0));
  ProgressReport progress(options_.progress, done(), options_.epochs);
  progress_ = &progress;
  Training result;
  result.resumed = done();
  while (result.end == Training::End::epochs && done() < options_.epochs && !impatient()) {
    const Epoch e = epoch();
    state_.epochs.push_back(e);
    if (!validation_ || done() == 1 || better(e, state_.epochs[static_cast<std::size_t>(state_.best_epoch - 1)]))
      state_.best = state_.theta, state_.best_epoch = done();
    csv.add(e);
    if (!options_.checkpoint.empty() && done() % options_.checkpoint_every == 0) save_state();
    progress.epoch(e);
    if (options_.callback && !options_.callback(e, state_.theta)) result.end = Training::End::callback;
  }
  if (!options_.checkpoint.empty() && saved_ != done()) save_state();
  if (result.end == Training::End::epochs && impatient()) result.end = Training::End::patience;
  result.theta = std::move(state_.theta), result.best = std::move(state_.best);
  result.best_epoch = state_.best_epoch, result.epochs = std::move(state_.epochs);
  return result;
}

}  // namespace

Training train(const Objective& objective, const Eigen::VectorXd& theta, Optimizer optimizer, const TrainOptions& options) {
  check(options);
  check_parameters("train", objective.network(), theta);
  std::unique_ptr<Batches> batches;
  if (options.double_precision) batches = std::make_unique<SurrogateBatches<double>>(objective, options);
  else batches = std::make_unique<SurrogateBatches<float>>(objective, options);
  return Trainer(objective, theta, *batches, std::move(optimizer), options).run();
}

Training train(const Objective& objective, const Eigen::VectorXd& theta, const AnyEstimator& estimator, Optimizer optimizer,
               const TrainOptions& options) {
  check(options);
  check_parameters("train", objective.network(), theta);
  EstimatedBatches batches(objective, estimator, options);
  return Trainer(objective, theta, batches, std::move(optimizer), options).run();
}

}  // namespace stoat::snn
