#include <stoat/snn/bias.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <memory>
#include <numeric>
#include <ostream>

#ifdef _OPENMP
#include <omp.h>
#endif

#include <stoat/driver/estimate.hpp>
#include <stoat/driver/reduce.hpp>
#include <stoat/driver/report.hpp>
#include <stoat/estimators/replay.hpp>
#include <stoat/estimators/score_function.hpp>
#include <stoat/estimators/smoothed.hpp>

namespace stoat::snn {
namespace {

using Clock = std::chrono::steady_clock;
using Interval = RelativeBias::Interval;

constexpr std::uint64_t first_round = 4;  // paths of a block
constexpr std::uint64_t pilot_runs = 300;

/// An unbiased estimator, and how many of its paths there are to one that has a surrogate gradient, too.
struct Method {
  AnyEstimator estimator;
  std::uint64_t paths_per_surrogate = 1;
};

/// Without resets a replay is close to what the surrogate gradient of the same path predicts, so that most of the noise cancels in
/// their difference: some 5 times less work than the score function for the same error of the bias. With resets the score function
/// does as well on one layer and better on several. Its noise drowns that of the surrogate gradient, so a quarter of the paths does
/// for the latter.
Method usual_method(const Network& network) {
  for (const Layer& layer : network.layers())
    if (const Lif* lif = std::get_if<Lif>(&layer); lif && lif->reset != Reset::none) return {ScoreFunctionMartingale{}, 4};
  return {DebiasedSurrogate{.replays = 32, .martingale = true}};
}

/// The order in which a block goes through the data: it begins anywhere and goes round with a stride that visits all of them. So
/// every path of every block is about any datum with the same chance, independent of other blocks, and paths in a row are about
/// different data.
class Tour {
 public:
  Tour(std::uint64_t seed, std::uint64_t block, std::size_t data) : data_(data), stride_(stride(data)) {
    Generator words({seed, block, Purpose::data});
    begin_ = static_cast<std::size_t>(words.uniform() * static_cast<double>(data));
  }
  std::size_t operator()(std::uint64_t path) const { return static_cast<std::size_t>((begin_ + path % data_ * stride_) % data_); }

 private:
  static std::size_t stride(std::size_t data) {
    auto s = static_cast<std::size_t>(std::max(1.0, std::round(0.6180339887 * static_cast<double>(data))));
    while (std::gcd(s, data) != 1) ++s;
    return s;
  }
  std::size_t data_, stride_, begin_;
};

void check(const Objective& objective, const Eigen::VectorXd& theta, const BiasOptions& o) {
  const Network& network = objective.network();
  const auto fail = [](const std::string& why) { throw InvalidArgument("bias_meter: " + why); };
  int neurons = 0;
  for (const Layer& layer : network.layers())
    if (const Lif* lif = std::get_if<Lif>(&layer); lif && ++neurons > 0 && lif->activation == Activation::deterministic)
      throw Refusal("bias_meter: no stochastic objective: the spikes of layer " + std::to_string(neurons) +
                    " are deterministic, so the surrogate gradient estimates no derivative of an expected loss");
  if (neurons == 0) throw Refusal("bias_meter: no stochastic objective: the network has no spiking neurons");
  if (theta.size() != network.parameters())
    fail("the network has " + std::to_string(network.parameters()) + " parameters, not " + std::to_string(theta.size()));
  for (Eigen::Index i = 0; i < theta.size(); ++i)
    if (!std::isfinite(theta[i])) fail("parameter " + std::to_string(i) + " is " + std::to_string(theta[i]));
  if (o.blocks < 4 || o.blocks > 4096) fail(outside("blocks", o.blocks, "[4, 4096]"));
  if (!(o.accuracy >= 0)) fail(outside("accuracy", o.accuracy, "[0, infinity]"));
  if (!(o.bound >= 0)) fail(outside("bound", o.bound, "[0, infinity]"));
  if (!(o.seconds > 0)) fail(outside("seconds", o.seconds, "(0, infinity]"));
  const auto blocks = static_cast<std::uint64_t>(o.blocks);
  if (o.samples < blocks || o.samples > std::uint64_t{1} << 30)
    fail(outside("samples", static_cast<double>(o.samples), "[blocks, 2^30]"));
  if (o.threads < 0) fail(outside("threads", o.threads, "[0, infinity)"));
  if (o.estimator && !o.estimator->unbiased())
    fail(o.estimator->name() + " is biased: it cannot tell the bias of another estimator");
}

class Meter {
 public:
  Meter(const Objective& objective, const Eigen::VectorXd& theta, const BiasOptions& options)
      : network_(objective.network()),
        options_(options),
        method_(options.estimator ? Method{*options.estimator} : usual_method(network_)) {
    const Program<double> program = objective.program<double>();
    for (int t = 0; t < stoat::detail::thread_count(options.threads); ++t)
      traces_.push_back(std::make_unique<Trace<double>>(program, theta));
    for (const Network::Part& part : network_.parts())
      if (part.layer + (network_.has_readout() ? 1 : 0) < network_.depth()) parameters_ = part.offset + part.size();
    for (std::uint64_t b = 0; b < blocks(); ++b) tours_.emplace_back(options.seed, b, objective.data().size());
    unbiased_.setZero(parameters_, options.blocks);
    surrogate_.setZero(parameters_, options.blocks);
    result_.patterns = objective.data().size();
  }

  Bias measure() {
    learn();
    const std::uint64_t most = options_.samples / blocks();
    const Clock::time_point start = Clock::now();
    std::uint64_t next = std::min(first_round, most);
    for (bool out_of_time = false;;) {
      grow(next);
      result_.total = compared(0, parameters_);
      const RelativeBias& total = result_.total;
      result_.stop = BiasStop::accurate;
      if (total.usable && 2 * total.squared_error <= 2 * options_.accuracy * total.squared) break;
      result_.stop = BiasStop::bounded;
      if (total.usable && total.bias.upper < options_.bound) break;
      result_.stop = BiasStop::samples;
      if (paths_ >= most) break;
      result_.stop = BiasStop::seconds;
      if (out_of_time) break;
      // What is left of the time may not do for as many paths again.
      const double path = std::chrono::duration<double>(Clock::now() - start).count() / static_cast<double>(paths_);
      const double affordable = std::max(0.0, options_.seconds - seconds()) / path;
      next = std::min(2 * paths_, most);
      out_of_time = affordable < static_cast<double>(next - paths_);
      if (out_of_time) next = paths_ + static_cast<std::uint64_t>(affordable);
      if (next == paths_) break;
    }
    finish();
    return std::move(result_);
  }

 private:
  std::uint64_t blocks() const { return static_cast<std::uint64_t>(options_.blocks); }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - begun_).count(); }

  void learn() {
    Trace<double>& trace = *traces_[0];
    const PilotContext costs{options_.seed, PilotContext::most_runs}, tables{options_.seed, 0};
    if (method_.estimator.uses_mean())
      for (std::uint64_t k = 0; k < pilot_runs; ++k) mean_cost_ += trace.run(costs.run(trace, k)) / static_cast<double>(pilot_runs);
    trace.set_datum(0);
    learned_ = method_.estimator.learn(trace, tables);
  }

  /// Goes on until every block has so many paths.
  void grow(std::uint64_t paths) {
    const std::uint64_t surrogates = (paths - 1) / method_.paths_per_surrogate + 1;
    std::vector<std::exception_ptr> failures(blocks());
    const auto count = static_cast<std::int64_t>(blocks());
#ifdef _OPENMP
    const auto threads = static_cast<int>(traces_.size());
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
#endif
    for (std::int64_t b = 0; b < count; ++b) {
#ifdef _OPENMP
      Trace<double>& trace = *traces_[static_cast<std::size_t>(omp_get_thread_num())];
#else
      Trace<double>& trace = *traces_[0];
#endif
      try {
        const auto block = static_cast<std::uint64_t>(b);
        add_paths(trace, method_.estimator, block, paths_, paths, unbiased_.col(b));
        add_paths(trace, StraightThrough{}, block, surrogates_, surrogates, surrogate_.col(b));
      } catch (...) { failures[static_cast<std::size_t>(b)] = std::current_exception(); }
    }
    for (const std::exception_ptr& failure : failures)
      if (failure) std::rethrow_exception(failure);
    for (const auto& trace : traces_) result_.work += trace->take_work();
    paths_ = paths, surrogates_ = surrogates;
  }

  /// Adds the gradients of some paths of a block. Path i has the same keys and datum whichever estimator runs on it.
  void add_paths(Trace<double>& trace, const AnyEstimator& estimator, std::uint64_t block, std::uint64_t first, std::uint64_t last,
                 Eigen::Ref<Eigen::VectorXd> sum) const {
    GradientDraw draw;
    for (std::uint64_t i = first; i < last; ++i) {
      draw.gradient.setZero(trace.parameters());
      trace.set_datum(tours_[block](i));
      const std::uint64_t index = i * blocks() + block;
      estimator.sample(trace, {options_.seed, index, method_.estimator.keys(), mean_cost_, learned_.get()}, draw);
      if (!draw.gradient.allFinite())
        throw Error("bias_meter: " + estimator.name() + ": the gradient of path " + std::to_string(index) + " is not finite");
      sum += draw.gradient.head(parameters_);
    }
  }

  RelativeBias compared(Eigen::Index first, Eigen::Index size) const {
    return relative_bias(unbiased_.middleRows(first, size) / static_cast<double>(paths_),
                         surrogate_.middleRows(first, size) / static_cast<double>(surrogates_));
  }

  void finish() {
    result_.total.name = "all";
    Eigen::Index first = 0;
    for (int layer = 0; first < parameters_; ++layer) {
      Eigen::Index size = 0;
      for (const Network::Part& part : network_.parts())
        if (part.layer == layer) size += part.size();
      result_.layers.push_back(compared(first, size));
      result_.layers.back().name = "layer " + std::to_string(layer + 1);
      first += size;
    }
    result_.estimator = method_.estimator.name();
    result_.paths = paths_ * blocks(), result_.surrogate_paths = surrogates_ * blocks();
    result_.seconds = seconds();
  }

  const Clock::time_point begun_ = Clock::now();
  Network network_;
  BiasOptions options_;
  Method method_;
  std::vector<std::unique_ptr<Trace<double>>> traces_;
  std::vector<Tour> tours_;
  Eigen::Index parameters_ = 0;               // of spiking layers; those of a readout come last
  Eigen::MatrixXd unbiased_, surrogate_;      // sums over the paths of each block
  std::uint64_t paths_ = 0, surrogates_ = 0;  // of each block
  std::shared_ptr<const void> learned_;
  double mean_cost_ = 0;
  Bias result_;
};

}  // namespace

Bias bias_meter(const Objective& objective, const Eigen::VectorXd& theta, const BiasOptions& options) {
  check(objective, theta, options);
  return Meter(objective, theta, options).measure();
}

namespace {

std::string in_words(const Interval& x) {
  if (!std::isfinite(x.value)) return "-";
  return report::digits(x.value) + " [" + report::digits(x.lower) + ", " + report::digits(x.upper) + "]";
}

/// "9.1x too long"
std::string length(const Interval& shrink) {
  if (!(shrink.lower > 0)) return "-";
  if (shrink.value < 0.5) return report::digits(1 / shrink.value, 2) + "x too long";
  if (shrink.value > 2) return report::digits(shrink.value, 2) + "x too short";
  return "within 2x";
}

std::string in_words(BiasStop stop) {
  switch (stop) {
    case BiasStop::accurate: return "the bias is known to the accuracy wanted";
    case BiasStop::bounded: return "the bias is known to be below the bound";
    case BiasStop::samples: return "all the paths allowed were made";
    case BiasStop::seconds: return "time was up";
  }
  return "";
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Bias& bias) {
  out << "bias of the surrogate gradient, " << (bias.patterns == 1 ? "one pattern" : std::to_string(bias.patterns) + " patterns")
      << "; " << bias.paths << " paths of " << bias.estimator << ", " << bias.surrogate_paths << " with the surrogate, in "
      << report::digits(bias.seconds) << " s\n";
  if (!bias.total.usable) return out << "the surrogate gradient has no usable mean (differentiated reset at beta/4 |u| > 1)\n";
  std::vector<std::vector<std::string>> table{{"", "bias", "cosine", "shrink factor", "detectable bias", "same signs", "length"}};
  const auto line = [&](const RelativeBias& b) {
    table.push_back({b.name, in_words(b.bias), in_words(b.cosine), in_words(b.shrink), report::digits(b.detectable, 2),
                     b.resolved > 0 ? report::digits(100 * b.sign_agreement) + " % of " + std::to_string(b.resolved) : "-",
                     length(b.shrink)});
  };
  for (const RelativeBias& layer : bias.layers) line(layer);
  if (bias.layers.size() > 1) line(bias.total);
  return out << report::aligned(table, true) << "stopped: " << in_words(bias.stop) << '\n';
}

}  // namespace stoat::snn
