#include <stoat/driver/minimize.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <iostream>
#include <optional>
#include <span>

#include <boost/math/distributions/students_t.hpp>
#include <nlohmann/json.hpp>

#include <stoat/driver/checkpoint_file.hpp>
#include <stoat/driver/monte_carlo.hpp>
#include <stoat/driver/progress_bar.hpp>
#include <stoat/driver/reduce.hpp>
#include <stoat/driver/report.hpp>

namespace stoat {
namespace {

using nlohmann::json;
using report::digits;

constexpr std::string_view format = "stoat descent 1";
constexpr double memory = 10;  // iterations of running means

void check(const MinimizeOptions& o) {
  const auto require = [](const char* name, double value, bool good, const char* range) {
    if (!good) throw InvalidArgument("minimize: " + outside(name, value, range));
  };
  require("iterations", o.iterations, o.iterations >= 1, "[1, infinity)");
  require("samples", static_cast<double>(o.samples), o.samples >= 1, "[1, infinity)");
  require("average", o.average, o.average >= 0 && o.average <= 1, "[0, 1]");
  if (o.max_samples > o.samples)
    require("samples", static_cast<double>(o.samples), o.samples >= 2, "[2, max_samples]: one draw does not show its noise");
  require("noise", o.noise, o.noise > 0 && std::isfinite(o.noise), "(0, infinity)");
  require("window", o.window, o.window == 0 || o.window >= 10, "{0} and [10, infinity)");
  require("confidence", o.confidence, o.confidence > 0.5 && o.confidence < 1, "(0.5, 1)");
  require("tolerance", o.tolerance, o.tolerance >= 0 && std::isfinite(o.tolerance), "[0, infinity)");
  require("time_limit", o.time_limit, o.time_limit > 0, "(0, infinity]");
  require("checkpoint_every", o.checkpoint_every, o.checkpoint_every >= 1, "[1, infinity)");
  require("checkpoint_seconds", o.checkpoint_seconds, o.checkpoint_seconds > 0, "(0, infinity]");
}

/// How many draws the next iteration makes.
class SampleSize {
 public:
  explicit SampleSize(const MinimizeOptions& o)
      : adaptive_(o.max_samples > o.samples), least_(o.samples), most_(o.max_samples), noise_(o.noise), size_(o.samples) {}

  std::uint64_t operator()() const { return size_; }

  /// After an iteration of n draws: the variance of one draw, and the square of the mean, which has 1 / n of it.
  void update(double n, double variance, double square) {
    if (!adaptive_) return;
    weight_ = (1 - 1 / memory) * weight_ + n;
    variance_ += n / weight_ * (variance - variance_);
    signal_ += n / weight_ * (square - variance / n - signal_);
    const auto size = static_cast<double>(size_), least = std::max(size / 2, static_cast<double>(least_)),
               most = std::min(2 * size, static_cast<double>(most_));
    const double wanted = variance_ == 0 ? 0 : signal_ > 0 ? variance_ / (noise_ * noise_ * signal_) : most;
    size_ = static_cast<std::uint64_t>(std::ceil(std::clamp(wanted, least, most)));
  }

  Eigen::Vector4d state() const { return {static_cast<double>(size_), weight_, variance_, signal_}; }
  void restore(const Eigen::VectorXd& s) {
    size_ = static_cast<std::uint64_t>(s[0]), weight_ = s[1], variance_ = s[2], signal_ = s[3];
  }

 private:
  bool adaptive_;
  std::uint64_t least_, most_;
  double noise_;
  std::uint64_t size_;
  double weight_ = 0, variance_ = 0, signal_ = 0;  // running means over the draws
};

/// The fall of a least-squares line over the steps, with its standard error.
struct Fall {
  double value, error;
};
Fall fall(std::span<const MinimizeStep> steps) {
  const double n = static_cast<double>(steps.size()), middle = (n - 1) / 2;
  double mean = 0, slope = 0, squares = 0;
  for (const MinimizeStep& s : steps) mean += s.value / n;
  const double spread = n * (n * n - 1) / 12;  // sum of (i - middle)^2
  for (std::size_t i = 0; i < steps.size(); ++i) slope += (static_cast<double>(i) - middle) * (steps[i].value - mean) / spread;
  for (std::size_t i = 0; i < steps.size(); ++i)
    squares += std::pow(steps[i].value - mean - slope * (static_cast<double>(i) - middle), 2);
  return {-slope * (n - 1), (n - 1) * std::sqrt(squares / (n - 2) / spread)};
}

// Numbers of a step, apart from its vectors.
constexpr std::array numbers_of_step = {&MinimizeStep::value,          &MinimizeStep::value_error, &MinimizeStep::gradient_norm,
                                        &MinimizeStep::gradient_error, &MinimizeStep::factor,      &MinimizeStep::work,
                                        &MinimizeStep::seconds};

class Descent {
 public:
  Descent(const Program<double>& program, const Eigen::VectorXd& start, const AnyEstimator& estimator, Optimizer optimizer,
          const MinimizeOptions& options);
  Minimum run();

 private:
  using Clock = std::chrono::steady_clock;

  int done() const { return static_cast<int>(minimum_.trace.size()); }
  bool leads() const { return detail::first(options_.ranks.get()); }
  /// Calls f on rank 0; what it throws is thrown on all.
  template <class F>
  void on_first(const F& f) {
    detail::from_first(options_.ranks.get(), [&] {
      f();
      return Ranks::Bytes();
    });
  }
  /// Rank 0's answer.
  bool agreed(bool answer) {
    detail::share(options_.ranks.get(), answer);
    return answer;
  }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }
  std::optional<Stopped> ended();
  /// False: it was interrupted before the draws were complete, and nothing was done.
  bool iterate();
  void show(const MinimizeStep& step);
  void average();
  json identity(const Program<double>& program, const Eigen::VectorXd& start, const Optimizer& optimizer) const;
  void save();
  void load();

  const AnyEstimator& estimator_;
  Optimizer optimizer_;
  const MinimizeOptions& options_;
  Eigen::VectorXd x_, theta_;
  detail::MonteCarlo<double> monte_carlo_;
  SampleSize size_;
  Eigen::VectorXd direction_;                  ///< running mean of the gradients in free coordinates
  Eigen::VectorXd sum_;                        ///< of the iterates to be averaged, if the trace does not keep them
  detail::MonteCarlo<double>::Memory learnt_;  ///< after the last whole iteration
  Minimum minimum_;
  json identity_;
  std::uint64_t next_ = 0;     ///< number of the next gradient draw
  int saved_ = 0, first_ = 0;  ///< iterations in the file, and before this call
  bool interrupted_ = false;   ///< the same on all ranks
  detail::RankTimes times_;
  Clock::time_point begin_ = Clock::now(), saved_at_ = begin_;
  std::optional<detail::ProgressBar> bar_;
};

Descent::Descent(const Program<double>& program, const Eigen::VectorXd& start, const AnyEstimator& estimator, Optimizer optimizer,
                 const MinimizeOptions& options)
    : estimator_(estimator),
      optimizer_(std::move(optimizer)),
      options_(options),
      x_(options.constraints.free(start)),
      theta_(options.constraints.empty() ? start : options.constraints.constrained(x_)),
      monte_carlo_(program, theta_, options.threads, options.max_draws, options.ranks),
      size_(options),
      direction_(Eigen::VectorXd::Zero(start.size())),
      sum_(Eigen::VectorXd::Zero(start.size())) {
  minimum_.common_random_numbers = options.common_random_numbers;
  if (!options.checkpoint.empty()) {
    identity_ = identity(program, start, optimizer_);
    load();
  }
  monte_carlo_.allow_partial(true);
  minimum_.resumed = first_ = saved_ = done();
  if (done() > options.iterations)
    throw InvalidArgument("minimize: checkpoint " + options.checkpoint.string() + " has " + std::to_string(done()) +
                          " iterations, more than iterations = " + std::to_string(options.iterations));
  if (leads() && (options.display == Display::bar || (options.display == Display::automatic && detail::on_terminal())))
    bar_.emplace("iteration", done(), options.iterations);
}

bool Descent::iterate() {
  MinimizeStep step;
  step.iteration = done();
  if (options_.schedule) step.factor = options_.schedule(done());
  if (!(step.factor >= 0 && std::isfinite(step.factor)))
    throw InvalidArgument("minimize: iteration " + std::to_string(done()) + ": " +
                          outside("schedule", step.factor, "[0, infinity)"));
  Options sampling;
  sampling.samples = size_();
  sampling.seed = options_.seed;
  sampling.display = Display::none;
  sampling.loops = options_.loops;
  // Where the noise of the free coordinates is not that of theta's: the squared length of every draw, and its component along the
  // direction.
  const Constraints& constraints = options_.constraints;
  const bool along = options_.max_samples > options_.samples && options_.test == SampleTest::inner_product;
  detail::MonteCarlo<double>::Observables observables;
  if (!constraints.empty() || along) {
    observables.count = 2;
    observables.fill = [&](const GradientDraw& draw, Eigen::Ref<Eigen::VectorXd> out) {
      Eigen::VectorXd h = draw.gradient;
      constraints.pull_back(theta_, h);
      out << h.squaredNorm(), h.dot(direction_);
    };
  }
  const std::uint64_t first = options_.common_random_numbers ? 0 : next_;
  const Eigen::MatrixXd none(theta_.size(), 0);
  const auto before = monte_carlo_.memory();
  const auto result = monte_carlo_.sample(theta_, estimator_, sampling, first, none, observables);
  interrupted_ = result.interrupted;
  times_.add(result.times);
  if (!result.complete) {
    learnt_ = before;
    return false;
  }
  learnt_ = monte_carlo_.memory();
  const detail::Moments& moments = result.moments;
  const auto n = static_cast<double>(moments.count);
  next_ += sampling.samples;
  minimum_.samples += moments.count;
  minimum_.work += result.work;
  minimum_.seconds += result.seconds;

  const Eigen::VectorXd gradient = moments.mean.segment(1, theta_.size());
  Eigen::VectorXd h = gradient;
  constraints.pull_back(theta_, h);
  double variance = 0;
  if (moments.count > 1 && observables.count > 0) {
    const double square = moments.mean[1 + theta_.size()];
    variance = (square - h.squaredNorm()) * n / (n - 1);
    if (variance < 1e-13 * square) variance = 0;  // what rounding leaves of nothing
  } else {
    for (Eigen::Index j = 0; j < theta_.size(); ++j) variance += moments.variance(1 + j);
  }
  step.samples = moments.count;
  step.value = moments.mean[0];
  step.value_error = moments.error(0);
  step.gradient_norm = h.norm();
  step.gradient_error = std::sqrt(variance / n);
  step.work = minimum_.work.runs;
  step.seconds = minimum_.seconds;
  if (options_.points) step.theta = theta_, step.gradient = gradient;

  if (!along) size_.update(n, variance, h.squaredNorm());
  else if (!direction_.isZero(0)) {
    const double length = direction_.squaredNorm();
    size_.update(n, moments.variance(2 + theta_.size()) / length, std::pow(h.dot(direction_), 2) / length);
  }
  direction_ += (h - direction_) / std::min(done() + 1.0, memory);

  if (options_.progress) on_first([&] { options_.progress(step.iteration, step.value); });
  optimizer_.step(x_, h, step.factor);
  for (Eigen::Index j = 0; j < x_.size(); ++j)
    if (!std::isfinite(x_[j])) throw Error("after the step coordinate " + std::to_string(j) + " is " + std::to_string(x_[j]));
  theta_ = constraints.constrained(x_);
  minimum_.trace.push_back(std::move(step));
  // The average has the last iterate, and those before the last steps.
  if (const int averaged = static_cast<int>(std::lround(options_.average * options_.iterations));
      !options_.points && done() > options_.iterations - averaged)
    sum_ += theta_;
  return true;
}

std::optional<Stopped> Descent::ended() {
  if (options_.window > 0 && done() > 0 && done() % options_.window == 0) {
    const Fall f = fall(std::span(minimum_.trace).last(static_cast<std::size_t>(options_.window)));
    minimum_.decrease = f.value, minimum_.decrease_error = f.error;
    const boost::math::students_t t(options_.window - 2);
    if (f.value - boost::math::quantile(t, options_.confidence) * f.error <= options_.tolerance) return Stopped::converged;
  }
  if (done() >= options_.iterations) return Stopped::iterations;
  if (interrupted_) return Stopped::interrupted;
  if (std::isfinite(options_.time_limit) && done() > first_ && agreed(seconds() >= options_.time_limit)) return Stopped::time_limit;
  return {};
}

void Descent::show(const MinimizeStep& step) {
  const std::string text = "  loss " + digits(step.value) + " +- " + digits(step.value_error, 2) + ", " +
                           std::to_string(step.samples) + (step.samples == 1 ? " draw" : " draws");
  if (bar_ && bar_->due() && (options_.display == Display::bar || bar_->seconds() > 1)) bar_->draw(done(), text);
  if (options_.display != Display::lines) return;
  const auto tenth = [&](int i) { return 10LL * i / options_.iterations; };
  if (tenth(done()) != tenth(done() - 1))
    std::cerr << "iteration " << done() << '/' << options_.iterations << text << ", " << digits(step.seconds) << " s" << std::endl;
}

/// Polyak averaging over the last iterates; trace[i].theta is the point before step i.
void Descent::average() {
  const auto& trace = minimum_.trace;
  const auto averaged = static_cast<std::size_t>(std::max(1L, std::lround(options_.average * done())));
  minimum_.theta = theta_;
  if (trace.empty()) {
    minimum_.value = minimum_.value_error = std::numeric_limits<double>::quiet_NaN();
    return;
  }
  if (options_.points) {
    for (std::size_t i = trace.size() - averaged + 1; i < trace.size(); ++i) minimum_.theta += trace[i].theta;
    minimum_.theta /= static_cast<double>(averaged);
  } else if (averaged > 1 && done() == options_.iterations) {
    minimum_.theta = sum_ / static_cast<double>(averaged);
  }
  const auto m = static_cast<double>(averaged);
  double variance = 0, error = 0;
  for (std::size_t i = trace.size() - averaged; i < trace.size(); ++i) {
    minimum_.value += trace[i].value / m;
    variance += trace[i].value_error * trace[i].value_error;
    error += trace[i].value_error / m;
  }
  // On common random numbers all of them err alike.
  minimum_.value_error = options_.common_random_numbers ? error : std::sqrt(variance) / m;
}

Minimum Descent::run() {
  std::optional<Stopped> end;
  while (!(end = ended())) {
    try {
      if (!iterate()) continue;
    } catch (const Refusal&) { throw; } catch (const Error& error) {
      throw Error("minimize: iteration " + std::to_string(done()) + ": " + error.what());
    }
    if (!options_.checkpoint.empty())
      on_first([&] {
        const double since = std::chrono::duration<double>(Clock::now() - saved_at_).count();
        if (done() % options_.checkpoint_every == 0 || since >= options_.checkpoint_seconds) save();
      });
    if (leads()) show(minimum_.trace.back());
  }
  if (!options_.checkpoint.empty())
    on_first([&] {
      if (saved_ != done()) save();
    });
  minimum_.stopped = *end;
  if (const std::string note = times_.note(); !note.empty()) minimum_.diagnostics.push_back(note);
  average();
  return std::move(minimum_);
}

json Descent::identity(const Program<double>& program, const Eigen::VectorXd& start, const Optimizer& optimizer) const {
  detail::Hash hash;
  for (const double x : start) hash.add(x);
  json schedule;
  if (options_.schedule)
    for (const int done : {0, 1, 10, 100, 1000}) schedule.push_back(options_.schedule(done));
  json id = {{"program", {{"data", program.data()}, {"costs", detail::fingerprint(program, theta_, options_.seed)}}},
             {"start", {{"parameters", start.size()}, {"checksum", hash.value()}}},
             {"estimator", estimator_.name()},
             {"optimizer", optimizer.rule()},
             {"schedule", schedule},
             {"constraints", options_.constraints.text()},
             {"samples", options_.samples},
             {"seed", options_.seed},
             {"common_random_numbers", options_.common_random_numbers},
             {"points", options_.points}};
  if (options_.max_samples > options_.samples)
    id.update({{"max_samples", options_.max_samples},
               {"noise", options_.noise},
               {"test", options_.test == SampleTest::norm ? "norm" : "inner_product"}});
  // The sum of the iterates begins at a fixed one.
  if (!options_.points) id.update({{"iterations", options_.iterations}, {"average", options_.average}});
  return id;
}

void Descent::save() {
  const auto bytes = [](const Eigen::Ref<const Eigen::VectorXd>& x) { return json::binary(detail::packed(x)); };
  const auto& trace = minimum_.trace;
  const auto steps = static_cast<Eigen::Index>(trace.size()), d = options_.points ? theta_.size() : 0;
  Eigen::MatrixXd numbers(static_cast<Eigen::Index>(numbers_of_step.size()) + 1, steps), thetas(d, steps), gradients(d, steps);
  for (Eigen::Index i = 0; i < steps; ++i) {
    const MinimizeStep& step = trace[static_cast<std::size_t>(i)];
    numbers(0, i) = static_cast<double>(step.samples);
    for (std::size_t k = 0; k < numbers_of_step.size(); ++k)
      numbers(static_cast<Eigen::Index>(k) + 1, i) = step.*numbers_of_step[k];
    if (d > 0) thetas.col(i) = step.theta, gradients.col(i) = step.gradient;
  }
  const OptimizerState optimizer = optimizer_.state();
  json moments = json::array();
  for (const Eigen::VectorXd& moment : optimizer.moments) moments.push_back(bytes(moment));
  detail::write_checkpoint(
      options_.checkpoint, format,
      json::to_cbor({{"identity", identity_},
                     {"iterations", done()},
                     {"x", bytes(x_)},
                     {"direction", bytes(direction_)},
                     {"sum", bytes(sum_)},
                     {"size", bytes(size_.state())},
                     {"next", next_},
                     {"work", bytes(Eigen::Vector3d(minimum_.work.runs, minimum_.work.sweeps, minimum_.seconds))},
                     {"optimizer", {{"rule", optimizer.rule}, {"steps", optimizer.steps}, {"moments", moments}}},
                     {"learnt",
                      {{"counts", {learnt_.drawn, learnt_.relearn, learnt_.pilots, learnt_.first_index, learnt_.first_run}},
                       {"mean", bytes(Eigen::VectorXd::Constant(1, learnt_.last_mean))},
                       {"theta", bytes(learnt_.theta)}}},
                     {"trace",
                      {{"numbers", bytes(numbers.reshaped())},
                       {"thetas", bytes(thetas.reshaped())},
                       {"gradients", bytes(gradients.reshaped())}}}}));
  saved_ = done();
  saved_at_ = Clock::now();
}

/// Nothing, if there is no file.
void Descent::load() {
  const std::string name = "checkpoint " + options_.checkpoint.string();
  const Ranks::Bytes bytes = detail::from_first(options_.ranks.get(), [&]() -> Ranks::Bytes {
    if (const auto folder = options_.checkpoint.parent_path(); !folder.empty() && !std::filesystem::is_directory(folder))
      throw InvalidArgument("minimize: cannot write " + options_.checkpoint.string() + ": its folder does not exist");
    if (!options_.resume || !std::filesystem::exists(options_.checkpoint)) return {};
    return detail::read_checkpoint(options_.checkpoint, format);
  });
  if (bytes.empty()) return;
  try {
    const json content = json::from_cbor(bytes);
    if (const json& there = content.at("identity"); there != identity_)
      throw InvalidArgument("minimize: " + name + " is of another descent: " + detail::differences(there.dump(), identity_.dump()) +
                            "; remove it to start anew");
    const auto vector = [&](const json& bytes, Eigen::Index size) {
      Eigen::VectorXd x = detail::unpacked(bytes.get_binary());
      if (x.size() != size)
        throw Error(name + ": it is damaged: " + std::to_string(x.size()) + " numbers instead of " + std::to_string(size));
      return x;
    };
    const Eigen::Index d = x_.size(), steps = content.at("iterations").get<Eigen::Index>(), kept = options_.points ? d : 0;
    x_ = vector(content.at("x"), d);
    theta_ = options_.constraints.constrained(x_);
    direction_ = vector(content.at("direction"), d);
    sum_ = vector(content.at("sum"), d);
    size_.restore(vector(content.at("size"), 4));
    next_ = content.at("next").get<std::uint64_t>();
    const Eigen::VectorXd work = vector(content.at("work"), 3);
    minimum_.work = {work[0], work[1]}, minimum_.seconds = work[2];
    const json& optimizer = content.at("optimizer");
    OptimizerState state{optimizer.at("rule").get<std::string>(), optimizer.at("steps").get<std::int64_t>()};
    for (const json& moment : optimizer.at("moments")) state.moments.push_back(vector(moment, d));
    optimizer_.restore(std::move(state));

    const json& trace = content.at("trace");
    const auto rows = static_cast<Eigen::Index>(numbers_of_step.size()) + 1;
    const Eigen::VectorXd numbers = vector(trace.at("numbers"), rows * steps), thetas = vector(trace.at("thetas"), kept * steps),
                          gradients = vector(trace.at("gradients"), kept * steps);
    for (Eigen::Index i = 0; i < steps; ++i) {
      MinimizeStep step;
      step.iteration = static_cast<int>(i);
      step.samples = static_cast<std::uint64_t>(numbers[rows * i]);
      minimum_.samples += step.samples;
      for (std::size_t k = 0; k < numbers_of_step.size(); ++k)
        step.*numbers_of_step[k] = numbers[rows * i + static_cast<Eigen::Index>(k) + 1];
      step.theta = thetas.segment(kept * i, kept), step.gradient = gradients.segment(kept * i, kept);
      minimum_.trace.push_back(std::move(step));
    }

    const json& learnt = content.at("learnt");
    const auto counts = learnt.at("counts").get<std::array<std::uint64_t, 5>>();
    detail::MonteCarlo<double>::Memory memory{
        counts[0], counts[1], counts[2], vector(learnt.at("mean"), 1)[0], vector(learnt.at("theta"), d), counts[3], counts[4]};
    monte_carlo_.restore(memory, estimator_, options_.seed);
    learnt_ = memory;
  } catch (const json::exception& error) {
    throw Error(name + ": it is damaged, or no checkpoint of a descent (" + error.what() + ")");
  }
}

}  // namespace

std::ostream& operator<<(std::ostream& out, Stopped stopped) {
  switch (stopped) {
    case Stopped::iterations: return out << "all iterations are done";
    case Stopped::converged: return out << "converged: no further progress can be told from noise";
    case Stopped::time_limit: return out << "the time was up";
    case Stopped::interrupted: return out << "interrupted";
  }
  return out;
}

std::ostream& operator<<(std::ostream& out, const Minimum& m) {
  out << "minimum  " << digits(m.value, 6) << " +- " << digits(m.value_error, 2) << " after " << m.trace.size()
      << " iterations with " << m.samples << " gradient draws (" << digits(m.work.runs, 6) << " runs of the program) in "
      << digits(m.seconds) << " s\n"
      << "stopped: " << m.stopped << '\n';
  if (!std::isnan(m.decrease))
    out << "the cost fell by " << digits(m.decrease) << " +- " << digits(m.decrease_error, 2) << " over the last window\n";
  const Eigen::Index shown = std::min<Eigen::Index>(m.theta.size(), 20);
  for (Eigen::Index j = 0; j < shown; ++j) out << (j == 0 ? "theta    " : "         ") << digits(m.theta[j], 6) << '\n';
  if (shown < m.theta.size()) out << "         ... " << m.theta.size() - shown << " more\n";
  for (const std::string& note : m.diagnostics) out << "note: " << note << '\n';
  return out;
}

void Minimum::write_csv(const std::filesystem::path& path) const {
  std::string text = "iteration,samples,value,value_error,gradient_norm,gradient_error,factor,work,seconds";
  const Eigen::Index shown = !trace.empty() && trace[0].theta.size() <= 64 ? trace[0].theta.size() : 0;
  for (Eigen::Index j = 0; j < shown; ++j) text += ",theta_" + std::to_string(j);
  text += '\n';
  for (const MinimizeStep& s : trace) {
    text += std::to_string(s.iteration) + ',' + std::to_string(s.samples);
    for (const double x : {s.value, s.value_error, s.gradient_norm, s.gradient_error, s.factor, s.work, s.seconds})
      text += ',' + report::exact(x);
    for (Eigen::Index j = 0; j < shown; ++j) text += ',' + report::exact(s.theta[j]);
    text += '\n';
  }
  report::write_file(path, text);
}

void Minimum::plot_loss(const std::filesystem::path& file) const {
  if (trace.empty()) throw InvalidArgument("plot_loss: there is no iteration");
  const double z = report::normal_upper_quantile(0.025);
  const std::size_t each = std::max<std::size_t>(1, trace.size() / 100);
  std::string csv = "iteration,loss,lower,upper\n";
  for (std::size_t first = 0; first < trace.size(); first += each) {
    const std::size_t count = std::min(each, trace.size() - first);
    const auto n = static_cast<double>(count);
    double mean = 0, variance = 0, error = 0;
    for (std::size_t i = first; i < first + count; ++i) {
      mean += trace[i].value / n;
      variance += std::pow(trace[i].value_error / n, 2);
      error += trace[i].value_error / n;
    }
    const double half = z * (common_random_numbers ? error : std::sqrt(variance));
    csv += report::exact(static_cast<double>(first) + (n - 1) / 2);
    for (const double y : {mean, mean - half, mean + half}) csv += ',' + report::exact(y);
    csv += '\n';
  }
  report::plot(file, 640, 420, csv,
               "set key top right\nset grid lw 0.5 lc rgb '#cccccc'\nset xlabel 'iteration'\nset ylabel 'loss'\n"
               "plot data skip 1 using 1:3:4 with filledcurves fc rgb '#b9d3f0' title '95 % confidence', "
               "data skip 1 using 1:2 with lines lw 2 lc rgb '#3b82d6' title 'estimated loss'\n");
}

Minimum minimize(const Program<double>& program, const Eigen::VectorXd& theta, const AnyEstimator& estimator, Optimizer optimizer,
                 const MinimizeOptions& options) {
  check(options);
  return Descent(program, theta, estimator, std::move(optimizer), options).run();
}

}  // namespace stoat
