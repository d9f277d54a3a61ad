#include <stoat/snn/train.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <fstream>
#include <numeric>

#include <nlohmann/json.hpp>

#include <stoat/driver/checkpoint_file.hpp>
#include <stoat/driver/monte_carlo.hpp>
#include <stoat/driver/reduce.hpp>
#include <stoat/driver/report.hpp>
#include <stoat/snn/gradient.hpp>

#include "checkpoint.hpp"
#include "evaluation.hpp"
#include "progress.hpp"

namespace stoat::snn {
namespace {

using nlohmann::json;
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
  require("checkpoint_seconds", options.checkpoint_seconds, options.checkpoint_seconds >= 0, "[0, infinity]");
  if (!options.validation && (options.patience > 0 || options.other_activation || options.monitor == Monitor::accuracy))
    throw InvalidArgument("train: patience, other_activation and monitor need validation data");
  if (options.monitor == Monitor::accuracy && options.validation->labels.empty())
    throw InvalidArgument("train: to monitor accuracy the validation data need labels");
  stoat::detail::from_first(options.ranks.get(), [&] {
    for (const std::filesystem::path& path : {options.csv, options.checkpoint})
      if (const std::filesystem::path folder = path.parent_path(); !folder.empty() && !std::filesystem::is_directory(folder))
        throw InvalidArgument("train: cannot write " + path.string() + ": its folder does not exist");
    return Ranks::Bytes();
  });
}

/// Where the gradients of an epoch's batches come from.
class Batches {
 public:
  virtual ~Batches() = default;
  virtual std::string name() const = 0;
  virtual void begin_epoch(const Eigen::VectorXd& theta) = 0;
  /// What goes from batch to batch of an epoch, and how to go on from it: after begin_epoch().
  virtual json memory() const { return {}; }
  virtual void restore(const json&) {}
  /// The first sample has run number `first`.
  virtual BatchResult operator()(const Eigen::VectorXd& theta, std::span<const std::size_t> samples, std::uint64_t first,
                                 Eigen::VectorXd& gradient) = 0;
  /// Which rank the others waited for; empty unless one was slow.
  virtual std::string slow_rank() const = 0;
};

template <class T>
class SurrogateBatches final : public Batches {
 public:
  SurrogateBatches(const Objective& objective, const TrainOptions& options)
      : gradient_(objective, options.threads, options.ranks), seed_(options.seed) {}
  std::string name() const override { return sizeof(T) == 4 ? "surrogate, single precision" : "surrogate, double precision"; }
  void begin_epoch(const Eigen::VectorXd&) override {}
  BatchResult operator()(const Eigen::VectorXd& theta, std::span<const std::size_t> samples, std::uint64_t first,
                         Eigen::VectorXd& gradient) override {
    values_ = theta.cast<T>();
    BatchResult result = gradient_(values_, samples, {seed_, first}, sum_);
    gradient = sum_.template cast<double>();
    return result;
  }
  std::string slow_rank() const override { return gradient_.slow_rank(); }

 private:
  SurrogateGradient<T> gradient_;
  std::uint64_t seed_;
  Eigen::VectorX<T> values_, sum_;
};

/// The draws of an estimator. It deals the data itself, epoch by epoch, by the numbers of the runs.
class EstimatedBatches final : public Batches {
 public:
  EstimatedBatches(const Objective& objective, AnyEstimator estimator, const TrainOptions& options)
      : program_(objective.program<double>()), estimator_(std::move(estimator)) {
    options_.threads = options.threads, options_.ranks = options.ranks;
    options_.seed = options.seed;
    options_.display = Display::none;
  }
  std::string name() const override { return estimator_.name(); }
  /// What an estimator has learnt lives for an epoch.
  void begin_epoch(const Eigen::VectorXd& theta) override {
    monte_carlo_ = std::make_unique<MonteCarlo>(program_, theta, options_.threads, options_.max_draws, options_.ranks);
  }
  json memory() const override {
    const MonteCarlo::Memory& m = monte_carlo_->memory();
    return {{"counts", {m.drawn, m.relearn, m.pilots, m.first_index, m.first_run}},
            {"mean", m.last_mean},
            {"theta", json::binary(stoat::detail::packed(m.theta))}};
  }
  void restore(const json& memory) override {
    const auto counts = memory.at("counts").get<std::array<std::uint64_t, 5>>();
    monte_carlo_->restore({counts[0], counts[1], counts[2], memory.at("mean").get<double>(),
                           stoat::detail::unpacked(memory.at("theta").get_binary()), counts[3], counts[4]},
                          estimator_, options_.seed);
  }
  BatchResult operator()(const Eigen::VectorXd& theta, std::span<const std::size_t> samples, std::uint64_t first,
                         Eigen::VectorXd& gradient) override {
    options_.samples = samples.size();
    const MonteCarlo::Result result = monte_carlo_->sample(theta, estimator_, options_, first, Eigen::MatrixXd(theta.size(), 0));
    gradient = result.moments.mean.segment(1, theta.size());
    BatchResult batch;
    batch.samples = samples.size();
    batch.loss = result.moments.mean[0];
    batch.interrupted = result.interrupted;
    times_.add(result.times);
    return batch;
  }
  std::string slow_rank() const override { return times_.note(); }

 private:
  using MonteCarlo = stoat::detail::MonteCarlo<double>;

  Program<double> program_;
  AnyEstimator estimator_;
  Options options_;
  std::unique_ptr<MonteCarlo> monte_carlo_;
  stoat::detail::RankTimes times_;
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
  Csv(std::filesystem::path path, std::size_t layers) : path_(std::move(path)), layers_(layers) {}
  /// Replaces the file by one with the rows of these epochs.
  void begin(const std::vector<Epoch>& epochs) {
    if (path_.empty()) return;
    std::string text =
        "epoch,rate_factor,loss,accuracy,validation_loss,validation_accuracy,other_loss,other_accuracy,gradient_norm,seconds";
    for (std::size_t layer = 1; layer <= layers_; ++layer) text += ",spikes_" + std::to_string(layer);
    text += '\n';
    for (const Epoch& e : epochs) text += row(e);
    report::write_file(path_, text);
    out_.open(path_, std::ios::app);
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

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

class Trainer {
 public:
  Trainer(const Objective& objective, const Eigen::VectorXd& start, Batches& batches, Optimizer optimizer,
          const TrainOptions& options);
  Training run();

 private:
  std::optional<Epoch> epoch();
  /// Does something on rank 0 and tells all ranks what it returns, or throws.
  bool on_first(const std::function<bool()>& act) const {
    return !stoat::detail::from_first(options_.ranks.get(), [&] { return Ranks::Bytes(act() ? 1 : 0); }).empty();
  }
  /// False if some rank was interrupted.
  bool step(std::span<const std::size_t> samples, std::uint64_t first, double factor);
  void validate(Epoch& e);
  bool better(const Epoch& a, const Epoch& b) const {
    return options_.monitor == Monitor::loss ? a.validation_loss < b.validation_loss
                                             : a.validation_accuracy > b.validation_accuracy;
  }
  int done() const { return static_cast<int>(state_.epochs.size()); }
  std::size_t batch_count() const { return (order_.size() - 1) / options_.batch + 1; }
  bool impatient() const { return options_.patience > 0 && done() - state_.best_epoch >= options_.patience; }
  /// A checkpoint has grown old.
  bool due() const { return !options_.checkpoint.empty() && since(written_) >= options_.checkpoint_seconds; }
  void save_state();

  const Objective& objective_;
  Batches& batches_;
  Optimizer optimizer_;
  const TrainOptions& options_;
  Evaluator validation_, other_;
  json identity_;
  TrainingState state_;
  bool saved_ = true;                         ///< the checkpoint lacks nothing
  Clock::time_point written_ = Clock::now();  ///< when a checkpoint was, or when this call began
  Clock::time_point begin_;                   ///< of the epoch, as if it had run without a stop
  std::vector<std::size_t> order_;
  Eigen::VectorXd gradient_;
  ProgressReport* progress_ = nullptr;
  Training::End end_ = Training::End::epochs;
};

Trainer::Trainer(const Objective& objective, const Eigen::VectorXd& start, Batches& batches, Optimizer optimizer,
                 const TrainOptions& options)
    : objective_(objective),
      batches_(batches),
      optimizer_(std::move(optimizer)),
      options_(options),
      state_{.theta = start, .best = start, .optimizer = {}, .epochs = {}, .running = {}},
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
  if (std::optional<TrainingState> state = load(options.checkpoint, identity_, options.ranks.get())) {
    state_ = std::move(*state);
    optimizer_.restore(state_.optimizer);
    const std::size_t batches_done = state_.running.batches;
    if (done() + (batches_done > 0 ? 1 : 0) > options.epochs)
      throw InvalidArgument("train: checkpoint " + options.checkpoint.string() + " has " + std::to_string(done()) + " epochs" +
                            (batches_done > 0 ? " and " + std::to_string(batches_done) + " batches" : "") +
                            ", more than epochs = " + std::to_string(options.epochs));
  }
}

void Trainer::save_state() {
  state_.optimizer = optimizer_.state();
  if (RunningEpoch& running = state_.running; running.batches > 0)
    running.seconds = since(begin_), running.learnt = batches_.memory();
  save(options_.checkpoint, identity_, state_);
  saved_ = true, written_ = Clock::now();
}

bool Trainer::step(std::span<const std::size_t> samples, std::uint64_t first, double factor) {
  const BatchResult batch = batches_(state_.theta, samples, first, gradient_);
  const double norm = gradient_.norm();
  if (options_.clip > 0 && norm > options_.clip) gradient_ *= options_.clip / norm;
  optimizer_.step(state_.theta, gradient_, factor);
  const double largest = options_.double_precision ? std::numeric_limits<double>::max() : std::numeric_limits<float>::max();
  for (Eigen::Index i = 0; i < state_.theta.size(); ++i)
    if (!(std::abs(state_.theta[i]) <= largest))
      throw Error("after the step parameter " + std::to_string(i) + " is " + std::to_string(state_.theta[i]));
  state_.running.total.add(batch);
  state_.running.gradient_norms += norm;
  return !batch.interrupted;
}

/// Goes on with the epoch under way. Empty if the training is to end before the epoch does.
std::optional<Epoch> Trainer::epoch() {
  RunningEpoch& running = state_.running;
  begin_ = Clock::now() - std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(running.seconds));
  Epoch e;
  e.number = done() + 1;
  if (options_.schedule) e.factor = options_.schedule(done());
  const std::string where = "train: epoch " + std::to_string(e.number);
  if (!(e.factor >= 0 && std::isfinite(e.factor)))
    throw InvalidArgument(where + ": " + outside("schedule", e.factor, "[0, infinity)"));
  shuffle(order_, options_.seed, done());
  batches_.begin_epoch(state_.theta);
  if (running.batches > 0) batches_.restore(running.learnt);
  const std::size_t size = order_.size(), count = batch_count();
  while (running.batches < count) {
    const std::size_t begin = running.batches * options_.batch, n = std::min(options_.batch, size - begin);
    bool on = false;
    try {
      on = step(std::span(order_).subspan(begin, n), static_cast<std::uint64_t>(done()) * size + begin, e.factor);
    } catch (const Refusal&) { throw; } catch (const Error& error) {
      throw Error(where + ", batch " + std::to_string(running.batches + 1) + " of " + std::to_string(count) + ": " + error.what());
    }
    ++running.batches;
    saved_ = false;
    const bool wanted = on_first([&] {
      if (due()) save_state();
      const double loss = running.total.mean_loss();
      progress_->batch(static_cast<double>(begin + n) / static_cast<double>(size), loss);
      return !options_.batch_callback || options_.batch_callback({e.number, running.batches, count, loss});
    });
    if (!wanted || !on) {
      end_ = wanted ? Training::End::interrupted : Training::End::callback;
      return {};
    }
  }
  const Total& total = running.total;
  e.loss = total.mean_loss(), e.accuracy = total.accuracy(), e.spikes = total.mean_spikes();
  e.gradient_norm = running.gradient_norms / static_cast<double>(count);
  try {
    validate(e);
  } catch (const Error& error) { throw Error(where + ", validation: " + error.what()); }
  e.seconds = since(begin_);
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
  using End = Training::End;
  const bool first = stoat::detail::first(options_.ranks.get());
  Csv csv(first ? options_.csv : "",
          static_cast<std::size_t>(objective_.network().depth()) - (objective_.network().has_readout() ? 1 : 0));
  on_first([&] { return csv.begin(state_.epochs), true; });
  const double part = static_cast<double>(state_.running.total.samples) / static_cast<double>(order_.size());
  ProgressReport progress(first ? options_.progress : Display::none, done(), part, options_.epochs);
  progress_ = &progress;
  Training result;
  result.resumed = done(), result.resumed_batches = state_.running.batches;
  while (end_ == End::epochs && done() < options_.epochs && !impatient()) {
    const std::optional<Epoch> e = epoch();
    if (!e) break;
    state_.epochs.push_back(*e);
    state_.running = {};
    saved_ = false;
    if (!validation_ || done() == 1 || better(*e, state_.epochs[static_cast<std::size_t>(state_.best_epoch - 1)]))
      state_.best = state_.theta, state_.best_epoch = done();
    const bool wanted = on_first([&] {
      csv.add(*e);
      if (!options_.checkpoint.empty() && (done() % options_.checkpoint_every == 0 || due())) save_state();
      progress.epoch(*e);
      return !options_.callback || options_.callback(*e, state_.theta);
    });
    if (!wanted) end_ = End::callback;
    else if (on_first(interrupted)) end_ = End::interrupted;
  }
  if (end_ != End::callback && done() == options_.epochs) end_ = End::epochs;
  if (end_ != End::callback && impatient()) end_ = End::patience;
  on_first([&] {
    if (!options_.checkpoint.empty() && !saved_) save_state();
    if (end_ == End::interrupted) progress.interrupted(state_.running, batch_count());
    return true;
  });
  result.end = end_;
  result.batches = state_.running.batches;
  if (const std::string slow = batches_.slow_rank(); !slow.empty()) result.diagnostics.push_back(slow);
  result.theta = std::move(state_.theta), result.best = std::move(state_.best);
  result.optimizer = optimizer_.state();
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
