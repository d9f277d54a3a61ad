#include <stoat/driver/monte_carlo.hpp>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <iostream>
#include <numeric>

#include <nlohmann/json.hpp>

#include <stoat/driver/checkpoint_file.hpp>
#include <stoat/driver/progress_bar.hpp>
#include <stoat/driver/report.hpp>

namespace stoat::detail {

void Moments::add(const Eigen::Ref<const Eigen::VectorXd>& x) {
  if (count == 0) {
    mean = x;
    squares.setZero(x.size());  // products are zero already
    smallest = largest = x;
    count = 1;
    return;
  }
  ++count;
  const double n = static_cast<double>(count);
  squares.array() += (x - mean).array().square() * ((n - 1) / n);
  if (products.size() > 0) {
    const Eigen::VectorXd d = (x - mean).segment(first_, products.rows());
    products.selfadjointView<Eigen::Lower>().rankUpdate(d, (n - 1) / n);
  }
  mean += (x - mean) / n;
  smallest = smallest.cwiseMin(x);
  largest = largest.cwiseMax(x);
}

void Moments::merge(const Moments& other) {
  if (other.count == 0) return;
  if (count == 0) {
    *this = other;
    return;
  }
  const double a = static_cast<double>(count), b = static_cast<double>(other.count);
  squares.array() += other.squares.array() + (other.mean - mean).array().square() * (a * b / (a + b));
  if (products.size() > 0) {
    products += other.products;
    const Eigen::VectorXd d = (other.mean - mean).segment(first_, products.rows());
    products.selfadjointView<Eigen::Lower>().rankUpdate(d, a * b / (a + b));
  }
  mean += (other.mean - mean) * (b / (a + b));
  smallest = smallest.cwiseMin(other.smallest);
  largest = largest.cwiseMax(other.largest);
  count += other.count;
}

double Moments::error(Eigen::Index i) const {
  return count > 1 ? std::sqrt(squares[i] / static_cast<double>(count - 1) / static_cast<double>(count)) : 0;
}

namespace {

constexpr std::uint64_t pilot_runs = 64;
constexpr std::uint64_t largest_block = 64;  // samples
constexpr double least_work = 50e-6;         // seconds, for more than one thread

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Deals the data to samples: in every epoch a shuffle of all of them (Fisher and Yates).
class Deal {
 public:
  explicit Deal(std::size_t data) : order_(data) {}
  std::size_t operator()(std::uint64_t seed, std::uint64_t sample) {
    if (order_.empty()) return 0;
    const std::uint64_t epoch = sample / order_.size();
    if (epoch != epoch_ || seed != seed_) {
      epoch_ = epoch, seed_ = seed;
      std::iota(order_.begin(), order_.end(), std::size_t{0});
      Generator words({seed, epoch, Purpose::data});
      for (std::size_t i = order_.size() - 1; i > 0; --i)
        std::swap(order_[i], order_[static_cast<std::size_t>(words.uniform() * static_cast<double>(i + 1))]);
    }
    return order_[sample % order_.size()];
  }

 private:
  std::vector<std::size_t> order_;
  std::uint64_t seed_ = 0, epoch_ = std::numeric_limits<std::uint64_t>::max();
};

/// Adaptive state changes and stopping tests are made after 4, 8, ..., 64 blocks, then four times until the number has doubled.
std::uint64_t next_boundary(std::uint64_t blocks) {
  if (blocks < 4) return 4;
  const std::uint64_t power = std::bit_floor(blocks), step = blocks < 64 ? power : power / 4;
  return (blocks / step + 1) * step;
}
bool is_boundary(std::uint64_t blocks) { return blocks >= 4 && next_boundary(blocks - 1) == blocks; }

/// How many blocks go between two looks at the clock, so that they take about `seconds`. Bits do not depend on it.
class Pace {
 public:
  Pace(std::uint64_t least, double seconds) : least_(least), blocks_(least), seconds_(seconds) {}
  std::uint64_t blocks() const { return blocks_; }
  void update(std::uint64_t blocks, double seconds) {
    if (blocks == blocks_ && seconds < seconds_ / 2) blocks_ *= 2;
    else if (seconds > 2 * seconds_) blocks_ = std::max(least_, blocks_ / 2);
  }

 private:
  std::uint64_t least_, blocks_;
  double seconds_;
};

/// A line on standard error.
class Line {
 public:
  Line(const Options& options, std::uint64_t samples, std::uint64_t done)
      : display_(options.display), target_(options.target_error), samples_(samples), done_(done), first_(done) {
    if (display_ == Display::bar || (display_ == Display::automatic && on_terminal()))
      bar_.emplace("sample", static_cast<std::int64_t>(done), static_cast<std::int64_t>(samples));
  }
  bool wanted() const { return bar_ || display_ == Display::lines; }
  void show(const Progress& p) {
    using report::digits;
    const double rate = static_cast<double>(p.samples - first_) / std::max(since(start_), 1e-9);
    const std::string text =
        "  " + digits(p.value) + " +- " + digits(p.value_error, 2) + ", " + digits(rate, 2) + (bar_ ? "/s" : " samples/s");
    // With a target the number of samples follows from the error so far.
    const double ratio = target_ > 0 ? p.largest_gradient_error / target_ : std::numeric_limits<double>::infinity();
    const double forecast = static_cast<double>(p.samples) * std::max(1.0, ratio * ratio);
    const std::uint64_t all = forecast < static_cast<double>(samples_) ? static_cast<std::uint64_t>(forecast) : samples_;
    if (bar_) {
      bar_->expect(static_cast<std::int64_t>(all));
      if (bar_->due() && (display_ == Display::bar || bar_->seconds() > 1)) bar_->draw(static_cast<double>(p.samples), text);
    } else if (10 * p.samples / all != 10 * done_ / all) {
      std::cerr << "sample " << p.samples << '/' << all << text << ", gradient +- " << digits(p.largest_gradient_error, 2) << ", "
                << digits(p.seconds) << " s" << std::endl;
    }
    done_ = p.samples;
  }

 private:
  Display display_;
  double target_;
  std::uint64_t samples_, done_, first_;
  Clock::time_point start_ = Clock::now();
  std::optional<ProgressBar> bar_;
};

void check(const Options& options, Eigen::Index parameters) {
  const auto require = [](const char* name, double value, bool good, const char* range) {
    if (!good) throw InvalidArgument("estimate: " + outside(name, value, range));
  };
  if (options.samples == 0) throw Error("samples = 0: at least one sample is needed");
  if (options.covariance && parameters > 4096)
    throw InvalidArgument("covariance: " + outside("parameters", static_cast<double>(parameters), "[1, 4096]"));
  require("target_error", options.target_error, options.target_error >= 0, "[0, infinity]");
  require("time_limit", options.time_limit, options.time_limit >= 0, "[0, infinity]");
  require("checkpoint_every", options.checkpoint_every, options.checkpoint_every > 0, "(0, infinity]");
}

constexpr std::string_view format = "stoat estimate 1";

/// What a checkpoint must agree with.
template <class T>
std::string identity_of(const Program<T>& program, const Eigen::VectorX<T>& theta, const AnyEstimator& estimator,
                        const Options& options, std::uint64_t first_index) {
  Hash hash;
  for (const T x : theta) hash.add(static_cast<double>(x));
  const nlohmann::json identity = {{"program", {{"data", program.data()}, {"costs", fingerprint(program, theta, options.seed)}}},
                                   {"theta", {{"parameters", theta.size()}, {"checksum", hash.value()}}},
                                   {"precision", sizeof(T) == 4 ? "single" : "double"},
                                   {"estimator", estimator.name()},
                                   {"samples", options.samples},
                                   {"seed", options.seed},
                                   {"covariance", options.covariance},
                                   {"first", first_index}};
  return identity.dump();
}

}  // namespace

template <class T>
std::string fingerprint(const Program<T>& program, const Eigen::VectorX<T>& theta, std::uint64_t seed) {
  try {
    std::string costs;
    for (std::uint64_t i = 0; i < 4; ++i) {
      Sampler<T> draw;
      draw.begin({.key = {seed, i, Purpose::pilot}});
      const T returned = program(draw, Vector<T>(theta));
      costs += (i > 0 ? " " : "") + report::digits(static_cast<double>(returned + draw.added_cost()), 6);
    }
    return costs;
  } catch (const std::exception& error) { return error.what(); }
}
template std::string fingerprint(const Program<float>&, const Eigen::VectorXf&, std::uint64_t);
template std::string fingerprint(const Program<double>&, const Eigen::VectorXd&, std::uint64_t);

/// What one thread works with.
template <class T>
struct MonteCarlo<T>::Worker {
  Worker(const Program<T>& program, const Eigen::VectorX<T>& theta, std::size_t max_draws)
      : trace(program, theta, max_draws), deal(program.data()) {}
  Trace<T> trace;
  Deal deal;
  GradientDraw draw;
  Eigen::VectorXd row;
  double sample_seconds = 0;  ///< in the fastest block: other processes can only make it longer
};

/// What blocks of samples came to.
template <class T>
struct MonteCarlo<T>::Sums {
  Moments moments;
  Work work;
  typename Trace<T>::Notes notes;
  double draw_seconds = 0;
  std::size_t tape_bytes = 0;

  void merge(Sums&& right) {
    moments.merge(right.moments);
    work += right.work;
    notes += right.notes;
    draw_seconds += right.draw_seconds;
    tape_bytes = std::max(tape_bytes, right.tape_bytes);
  }
  template <class A>
  void fields(A& archive) {
    archive(moments, work.runs, work.sweeps, notes.recordings, notes.sites, notes.numbers, notes.variables, notes.comparisons,
            notes.first_comparison, draw_seconds, tape_bytes);
  }
};

/// How far a call of sample() has come, as a checkpoint has it.
template <class T>
struct MonteCarlo<T>::State {
  /// A complete part of the tree over all blocks: of as many as a power of two, but for the last one.
  struct Tree {
    std::uint64_t blocks = 0;
    Sums sums;
    template <class A>
    void fields(A& archive) {
      archive(blocks, sums);
    }
  };
  std::uint64_t blocks = 0;  ///< done
  double mean_cost = 0;      ///< what the next ones take for it
  double seconds = 0;
  Work pilot;
  std::vector<Tree> trees;  ///< from left to right; on rank 0

  void add(std::uint64_t more, Sums sums) {
    trees.push_back({more, std::move(sums)});
    while (trees.size() > 1 && trees[trees.size() - 2].blocks == trees.back().blocks) {
      Tree& left = trees[trees.size() - 2];
      left.sums.merge(std::move(trees.back().sums));
      left.blocks *= 2;
      trees.pop_back();
    }
  }
  /// The tree over all of them: its right half is the tree over all but the first part.
  Sums total() const {
    Sums sums = trees.back().sums;
    for (std::size_t i = trees.size() - 1; i-- > 0;) {
      Sums left = trees[i].sums;
      left.merge(std::move(sums));
      sums = std::move(left);
    }
    return sums;
  }
  template <class A>
  void fields(A& archive) {
    archive(blocks, mean_cost, seconds, pilot.runs, pilot.sweeps, trees);
  }
};

template <class T>
MonteCarlo<T>::MonteCarlo(const Program<T>& program, const Eigen::VectorX<T>& theta, int threads, std::size_t max_draws,
                          std::shared_ptr<Ranks> ranks)
    : ranks_(std::move(ranks)) {
  if (threads < 0) throw InvalidArgument(outside("threads", threads, "[0, infinity)"));
  for (int t = 0; t < thread_count(threads); ++t) workers_.push_back(std::make_unique<Worker>(program, theta, max_draws));
}

template <class T>
MonteCarlo<T>::~MonteCarlo() = default;

template <class T>
void MonteCarlo<T>::prepare(const Eigen::VectorX<T>& theta, const AnyEstimator& estimator, std::uint64_t seed,
                            std::uint64_t first_index, State& state) {
  Worker& worker = *workers_[0];
  Trace<T>& trace = worker.trace;
  trace.take_work();
  if (estimator.uses_mean() && learner_ == estimator) {
    state.mean_cost = memory_.last_mean;  // of the samples before
  } else if (estimator.uses_mean()) {
    for (std::uint64_t i = 0; i < pilot_runs; ++i) {
      trace.set_datum(worker.deal(seed, first_index + i));
      state.mean_cost +=
          static_cast<double>(trace.run({seed, memory_.pilots + i, Purpose::pilot}, theta)) / static_cast<double>(pilot_runs);
    }
    memory_.pilots += pilot_runs;
    state.pilot += trace.take_work();
  }
  if (learner_ != estimator || memory_.relearn <= memory_.drawn) {
    // What was learnt at one theta serves others nearby, too: it is learnt again when the samples since have cost ten times as
    // much as learning it did.
    memory_.theta = theta, memory_.first_index = first_index, memory_.first_run = memory_.pilots;
    learn(estimator, seed);
    memory_.pilots += PilotContext::most_runs;
    const Work work = trace.take_work();
    state.pilot += work;
    memory_.relearn =
        learned_ ? memory_.drawn + static_cast<std::uint64_t>(10 * work.runs) : std::numeric_limits<std::uint64_t>::max();
  }
}

template <class T>
typename MonteCarlo<T>::Sums MonteCarlo<T>::block(Worker& worker, const AnyEstimator& estimator, const SampleContext& context,
                                                  std::uint64_t count, const Options& options, const Eigen::MatrixXd& projections,
                                                  const Observables& observables) const {
  Trace<T>& trace = worker.trace;
  GradientDraw& draw = worker.draw;
  const Eigen::Index d = trace.parameters();
  worker.row.resize(1 + d + projections.cols() + observables.count);
  trace.take_work(), trace.take_notes();  // what a failure left there
  const auto begun = Clock::now();
  Sums sums;
  if (options.covariance) sums.moments.measure_covariance(1, d);
  SampleContext here = context;
  for (std::uint64_t i = 0; i < count; ++i) {
    here.index = context.index + i;
    draw.value = 0;
    draw.gradient.setZero(d);
    trace.set_datum(worker.deal(options.seed, here.index));
    const auto drawing = observables.count ? Clock::now() : begun;
    estimator.sample(trace, here, draw);
    if (observables.count) {
      sums.draw_seconds += since(drawing);
      sums.tape_bytes = std::max(sums.tape_bytes, trace.tape().bytes());
    }
    if (!std::isfinite(draw.value) || !draw.gradient.allFinite())
      throw Error(estimator.name() + ": sample " + std::to_string(here.index) + " is not finite");
    worker.row[0] = draw.value;
    worker.row.segment(1, d) = draw.gradient;
    if (projections.cols()) worker.row.segment(1 + d, projections.cols()).noalias() = projections.transpose() * draw.gradient;
    if (observables.count) observables.fill(draw, worker.row.tail(observables.count));
    sums.moments.add(worker.row);
  }
  sums.work = trace.take_work();
  sums.notes = trace.take_notes();
  worker.sample_seconds = std::min(worker.sample_seconds, since(begun) / static_cast<double>(count));
  return sums;
}

template <class T>
typename MonteCarlo<T>::Result MonteCarlo<T>::sample(const Eigen::VectorX<T>& theta, const AnyEstimator& estimator,
                                                     const Options& options, std::uint64_t first_index,
                                                     const Eigen::MatrixXd& projections, const Observables& observables) {
  check(options, theta.size());
  const auto start = Clock::now();
  Ranks* const ranks = ranks_.get();
  const std::uint64_t samples = estimator.deterministic() ? 1 : options.samples;
  const std::uint64_t block_size = std::clamp<std::uint64_t>(samples / 64, 1, largest_block);
  const std::uint64_t blocks = (samples - 1) / block_size + 1;
  const auto samples_in = [&](std::uint64_t b) { return std::min(samples, b * block_size); };

  Result result;
  State state;
  std::string identity;
  if (!options.checkpoint.empty()) identity = identity_of(workers_[0]->trace.program(), theta, estimator, options, first_index);
  const bool resumed = !identity.empty() && load(identity, estimator, options, state);
  for (auto& worker : workers_) {
    worker->trace.set_parameters(theta);
    worker->trace.set_loop_options(options.loops);
  }
  if (!resumed) {
    prepare(theta, estimator, options.seed, first_index, state);
    memory_.drawn += samples;
  }
  result.resumed = samples_in(state.blocks);

  // What rank 0 decides between blocks.
  struct Decision {
    double mean_cost = 0;
    std::uint64_t pace = 0;
    bool stop = false;
    void fields(Packer& archive) { archive(mean_cost, pace, stop); }
    void fields(Unpacker& archive) { archive(mean_cost, pace, stop); }
  };
  const double seconds_before = state.seconds;
  const bool rounds = estimator.uses_mean() || options.target_error > 0;
  const bool watched = options.progress || !identity.empty() || options.display != Display::none;
  std::uint64_t saved = state.blocks;
  auto saved_at = start;
  std::optional<Line> line;
  if (first(ranks)) line.emplace(options, samples, result.resumed);
  // At least four blocks for every thread, or 64 samples.
  const auto size = static_cast<std::uint64_t>(workers_.size()) * static_cast<std::uint64_t>(ranks ? ranks->size() : 1);
  Pace pace(std::bit_ceil(std::max(4 * size, 64 / block_size)), std::min({1.0, options.time_limit / 10, options.checkpoint_every}));
  bool interrupted = false;
  const auto decide = [&] {
    Decision decision{state.mean_cost, pace.blocks(), state.blocks == blocks || (interrupted && partial_)};
    state.seconds = seconds_before + since(start);
    const bool boundary = rounds && is_boundary(state.blocks);
    if (boundary || options.progress || line->wanted()) {
      const Moments moments = state.total().moments;
      double worst = 0;
      for (Eigen::Index j = 0; j < theta.size(); ++j) worst = std::max(worst, moments.error(1 + j));
      if (boundary && estimator.uses_mean()) decision.mean_cost = moments.mean[0];
      if (boundary && options.target_error > 0 && worst <= options.target_error) decision.stop = true;
      const Progress progress{moments.count, samples, moments.mean[0], moments.error(0), worst, state.seconds};
      if (line->wanted()) line->show(progress);
      if (options.progress) options.progress(progress);
    }
    if (since(start) >= options.time_limit) decision.stop = true;
    if (!identity.empty() && saved != state.blocks && (decision.stop || since(saved_at) >= options.checkpoint_every)) {
      state.mean_cost = decision.mean_cost;
      Packer packer;
      packer(identity, memory_, state);
      write_checkpoint(options.checkpoint, format, packer.bytes);
      saved = state.blocks, saved_at = Clock::now();
    }
    Packer packer;
    packer(decision);
    return packer.bytes;
  };

  bool shared = alone(ranks);  // all ranks have what the blocks came to
  std::uint64_t next = pace.blocks();
  for (;;) {
    if (state.blocks == blocks && !watched) break;
    if (state.blocks > 0) {
      Decision decision;
      Unpacker(from_first(ranks, decide))(decision);
      if (decision.stop) break;
      state.mean_cost = decision.mean_cost, next = decision.pace;
    }
    // Whole parts of the tree.
    if (state.blocks > 0) next = std::min(next, state.blocks & (~state.blocks + 1));
    if (rounds) next = std::min(next, std::bit_floor(next_boundary(state.blocks) - state.blocks));
    next = std::min(next, blocks - state.blocks);
    shared = shared || next == blocks;
    const auto begun = Clock::now();
    const SampleContext context{options.seed, first_index, estimator.keys(), state.mean_cost, learned_.get()};
    const auto make = [&](std::int64_t b, int thread) {
      const std::uint64_t from = (state.blocks + static_cast<std::uint64_t>(b)) * block_size;
      SampleContext here = context;
      here.index += from;
      return block(*workers_[static_cast<std::size_t>(thread)], estimator, here, std::min(block_size, samples - from), options,
                   projections, observables);
    };
    // A second thread needs longer to begin than so little work.
    const double work = static_cast<double>(next * block_size) * sample_seconds_;
    const int threads = work < least_work ? 1 : static_cast<int>(workers_.size());
    sample_seconds_ = std::numeric_limits<double>::infinity();
    for (auto& worker : workers_) worker->sample_seconds = sample_seconds_;
    auto reduced = reduce<Sums>(ranks, threads, static_cast<std::int64_t>(next), shared, make, partial_ ? Heed::yes : Heed::no);
    for (auto& worker : workers_) sample_seconds_ = std::min(sample_seconds_, worker->sample_seconds);
    pace.update(next, since(begun));
    result.times.add(reduced.times);
    interrupted = reduced.interrupted;
    state.blocks += static_cast<std::uint64_t>(reduced.done);
    if (shared || first(ranks))
      for (auto& piece : reduced.pieces) state.add(static_cast<std::uint64_t>(piece.blocks), std::move(piece.node));
  }
  Sums total;
  if (shared || first(ranks)) total = state.total();
  if (!shared) share(ranks, total);
  memory_.last_mean = total.moments.mean[0];
  result.moments = std::move(total.moments);
  result.work = state.pilot;
  result.work += total.work;
  result.notes = total.notes;
  result.draw_seconds = total.draw_seconds;
  result.tape_bytes = total.notes.recordings > 0 ? total.tape_bytes : 0;  // else what an earlier estimator left there
  result.note = estimator.note(learned_.get());
  result.interrupted = interrupted;
  result.complete = state.blocks == blocks;
  result.seconds = seconds_before + since(start);
  return result;
}

template <class T>
bool MonteCarlo<T>::load(const std::string& identity, const AnyEstimator& estimator, const Options& options, State& state) {
  const std::string name = "checkpoint " + options.checkpoint.string();
  const Ranks::Bytes content = from_first(ranks_.get(), [&]() -> Ranks::Bytes {
    if (const auto folder = options.checkpoint.parent_path(); !folder.empty() && !std::filesystem::is_directory(folder))
      throw InvalidArgument("estimate: cannot write " + options.checkpoint.string() + ": its folder does not exist");
    if (!options.resume || !std::filesystem::exists(options.checkpoint)) return {};
    Ranks::Bytes bytes = read_checkpoint(options.checkpoint, format);
    std::string there;
    Unpacker unpacker(bytes);
    unpacker(there);
    if (there != identity)
      throw InvalidArgument("estimate: " + name + " is of another call: " + differences(there, identity) +
                            "; remove it to start anew");
    return bytes;
  });
  if (content.empty()) return false;
  std::string same;
  Memory memory;
  Unpacker unpacker(content);
  unpacker(same, memory, state);
  restore(memory, estimator, options.seed);
  return true;
}

template <class T>
void MonteCarlo<T>::learn(const AnyEstimator& estimator, std::uint64_t seed) {
  Worker& worker = *workers_[0];
  worker.trace.set_datum(worker.deal(seed, memory_.first_index));
  learned_ = estimator.learn(worker.trace, {seed, memory_.first_run});
  learner_ = estimator;
  sample_seconds_ = std::numeric_limits<double>::infinity();
}

template <class T>
void MonteCarlo<T>::restore(const Memory& memory, const AnyEstimator& estimator, std::uint64_t seed) {
  memory_ = memory;
  workers_[0]->trace.set_parameters(memory.theta);
  learn(estimator, seed);
  workers_[0]->trace.take_work();  // it was counted when it was done first
}

template class MonteCarlo<float>;
template class MonteCarlo<double>;

std::vector<std::string> diagnostics(std::uint64_t recordings, std::uint64_t numbers, std::uint64_t variables,
                                     std::uint64_t comparisons, std::size_t first_comparison, bool surrogate) {
  std::vector<std::string> notes;
  const auto per_run = [&](std::uint64_t count) {
    return std::to_string((count + recordings / 2) / std::max<std::uint64_t>(recordings, 1));
  };
  if (surrogate && numbers > 0)
    notes.push_back("surrogate edges ignored at " + per_run(numbers) + " sites per run read as bool or integer (" +
                    per_run(variables) + " sites have edges)");
  if (comparisons > 0)
    notes.push_back(std::to_string(comparisons) + " comparisons of continuous values that depend on theta, the first after " +
                    std::to_string(first_comparison) +
                    " sites: jumps there are not differentiated; make them draws, or compare value(x) if they do not matter");
  return notes;
}

}  // namespace stoat::detail
