#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <sstream>

#include <boost/random/normal_distribution.hpp>

#include "plain_network.hpp"

using namespace stoat;
using namespace stoat::snn;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// The networks of the study: 50 inputs at 15.8 Hz, layers of 64 neurons, 50 steps of 2 ms, a leaky readout of 5 classes.
struct Base {
  int layers = 1;
  Reset reset = Reset::differentiated;
  double beta = 10;
  Loss loss = MaxOverTimeCrossEntropy{};

  Objective objective() const {
    Lif lif{.reset = reset};
    lif.escape = escape::Sigmoid{beta};
    std::vector<Layer> list;
    for (int l = 0; l < layers; ++l) list.push_back(Linear{64}), list.push_back(lif);
    list.push_back(Linear{5});
    list.push_back(LeakyReadout{.tau_mem = 50 * 0.002, .tau_syn = 0.01});
    return Objective(Network(50, 50, list), noise(50, 50, 1, 5, 15.8 * 0.002, 1), loss);
  }
  /// Of a fixed number of paths, so that the result does not depend on the machine.
  Bias measure(std::uint64_t samples) const {
    const Objective o = objective();
    return bias_meter(o, o.network().initial<double>({.seed = 1}), {.bound = 0, .seconds = infinity, .samples = samples});
  }
};

/// Networks of 12 coins, to be enumerated: two layers of one neuron with recurrent connections.
Objective tiny(Reset reset, int samples, const Loss& loss = MeanOutput{0}) {
  Lif lif{.tau_mem = 0.004, .tau_syn = 0.003, .dt = 0.002, .reset = reset};
  lif.threshold = 0.5;
  lif.escape = escape::Sigmoid{3};
  lif.recurrent = true;
  Dataset data = noise(3, 6, samples, 1, 0.5, 3);
  data.targets = noise(1, 6, samples, 1, 0.5, 4).inputs;
  return Objective(Network(3, 6, {Linear{1}, lif, Linear{1}, lif}), data, loss);
}

/// Their parameters: input, recurrent, input of layer 2, its recurrent weight.
Eigen::VectorXd tiny_parameters() {
  Eigen::VectorXd theta(6);
  theta << 1.0, 0.6, 0.4, -1.0, 3.0, -1.0;
  return theta;
}

/// Blocks of Gaussian noise with a few strong directions around a mean.
Eigen::MatrixXd gaussian(const Eigen::VectorXd& mean, int blocks, double scale, Generator& words) {
  boost::random::normal_distribution<double> normal;
  return Eigen::MatrixXd::NullaryExpr(
      mean.size(), blocks, [&](Eigen::Index i, Eigen::Index) { return scale * (i < 5 ? 2.0 : 0.5) * normal(words) + mean[i]; });
}

bool holds(const RelativeBias::Interval& x, double truth) { return x.lower <= truth && truth <= x.upper; }

}  // namespace

TEST_CASE("blocks without noise have the bias, the angle and the length of their vectors") {
  Eigen::VectorXd g(3), s(3);
  g << 3, 0, 4;
  s << 6, 5, -1;
  const RelativeBias b = relative_bias(g.replicate(1, 6), s.replicate(1, 6));
  CHECK(b.parameters == 3);
  CHECK(b.bias.value == doctest::Approx((s - g).norm() / 5));
  CHECK(b.squared == doctest::Approx((s - g).squaredNorm() / 25));
  CHECK(b.cosine.value == doctest::Approx(14 / (5 * std::sqrt(62))));
  CHECK(b.shrink.value == doctest::Approx(14.0 / 62));
  CHECK(b.bias.upper - b.bias.lower < 1e-6);
  CHECK(b.detectable < 1e-6);
  CHECK(b.resolved == 2);  // the second component of g is 0
  CHECK(b.sign_agreement == doctest::Approx(3.0 / 7));
  CHECK(b.usable);
}

TEST_CASE("only products of different blocks count, each standard error is the jackknife's") {
  Generator words({5, 0});
  const Eigen::MatrixXd m = gaussian(Eigen::VectorXd::Constant(7, 3.0), 5, 1, words),
                        s = gaussian(Eigen::VectorXd::Constant(7, 2.0), 5, 1, words);
  const auto squared = [&](int without) {
    double gg = 0, bb = 0;
    for (int j = 0; j < 5; ++j)
      for (int k = 0; k < 5; ++k)
        if (j != k && j != without && k != without)
          gg += m.col(j).dot(m.col(k)), bb += (s.col(j) - m.col(j)).dot(s.col(k) - m.col(k));
    return bb / gg;
  };
  double mean = 0, squares = 0;
  for (int j = 0; j < 5; ++j) mean += squared(j) / 5;
  for (int j = 0; j < 5; ++j) squares += std::pow(squared(j) - mean, 2);
  const RelativeBias b = relative_bias(m, s);
  CHECK(b.squared == doctest::Approx(squared(-1)));
  CHECK(b.squared_error == doctest::Approx(std::sqrt(0.8 * squares)));
}

TEST_CASE("intervals hold the truth, noise adds nothing to the norms") {
  // 400 sets of 32 Gaussian blocks; noise of a block: 20 + 35 / 4 = 28.75 against |g|^2 = 40.
  const Eigen::Index d = 40;
  Eigen::VectorXd g = Eigen::VectorXd::Ones(d), s = 1.5 * g;
  s.tail(20).array() -= 1;
  const double rho = (s - g).norm() / g.norm(), cosine = s.dot(g) / (s.norm() * g.norm()), shrink = s.dot(g) / s.squaredNorm();
  Generator words({6, 0});
  const int sets = 400;
  double in_bias = 0, in_cosine = 0, in_shrink = 0, mean = 0, mean_square = 0;
  for (int k = 0; k < sets; ++k) {
    const RelativeBias b = relative_bias(gaussian(g, 32, 1, words), gaussian(s, 32, 1, words));
    in_bias += holds(b.bias, rho), in_cosine += holds(b.cosine, cosine), in_shrink += holds(b.shrink, shrink);
    mean += b.squared / sets, mean_square += b.squared * b.squared / sets;
  }
  // 95 % each; 4 standard errors of a share are 4.4 %.
  CHECK(in_bias / sets > 0.90);
  CHECK(in_cosine / sets > 0.90);
  CHECK(in_shrink / sets > 0.90);
  // 5 standard errors, and 1 % for the ratio of estimates.
  CHECK(std::abs(mean - rho * rho) < 5 * std::sqrt((mean_square - mean * mean) / sets) + 0.01 * rho * rho);

  // Without a bias: the unbiased square is negative as often as not, its noise is what the smallest detectable bias says.
  double negative = 0, seen = 0, error = 0, detectable = 0, covered = 0;
  for (int k = 0; k < sets; ++k) {
    const RelativeBias b = relative_bias(gaussian(g, 32, 1, words), gaussian(g, 32, 1, words));
    negative += b.squared < 0, seen += b.squared * b.squared / sets, error += b.squared_error / sets;
    detectable += b.detectable * b.detectable / 2 / sets, covered += b.bias.lower == 0;
  }
  CHECK(negative / sets > 0.4);
  CHECK(negative / sets < 0.75);  // squares of few directions are skew
  CHECK(covered / sets > 0.9);
  CHECK(detectable / std::sqrt(seen) == doctest::Approx(1).epsilon(0.2));
  CHECK(error / std::sqrt(seen) > 0.9);
  CHECK(error / std::sqrt(seen) < 1.5);

  // Of one parameter the square is far from normal, and its interval never excludes what is true.
  const Eigen::VectorXd one = Eigen::VectorXd::Constant(1, 3.0);
  for (int k = 0; k < sets; ++k) CHECK(relative_bias(gaussian(one, 32, 1, words), gaussian(one, 32, 1, words)).bias.upper > 0);
  // Of 1000 with the same noise, 1 / 2 for the difference of two: the standard deviation is sqrt(2 1000 / (32 31)) / 2.
  const Eigen::VectorXd many = Eigen::VectorXd::Constant(1005, 1.0);
  const RelativeBias b =
      relative_bias(gaussian(many, 32, 1, words).bottomRows(1000), gaussian(many, 32, 1, words).bottomRows(1000));
  CHECK(b.detectable * b.detectable / 2 * 1000 == doctest::Approx(std::sqrt(2000.0 / (32 * 31)) / 2).epsilon(0.15).scale(0));

  // Noise that both share is no noise of the bias.
  const Eigen::MatrixXd noise = gaussian(Eigen::VectorXd::Zero(d), 32, 3, words);
  const RelativeBias shared = relative_bias(noise.colwise() + g, noise.colwise() + s);
  CHECK(shared.squared_error < 0.5 * relative_bias(noise.colwise() + g, gaussian(s, 32, 3, words)).squared_error);
}

TEST_CASE("what is lost in noise has no number; a mean that one block decides is no mean") {
  Generator words({7, 0});
  const Eigen::VectorXd zero = Eigen::VectorXd::Zero(30);
  const RelativeBias lost = relative_bias(gaussian(zero, 16, 1, words), gaussian(zero, 16, 1, words));
  CHECK(std::isnan(lost.bias.value));
  CHECK(lost.bias.lower == 0);
  CHECK(lost.bias.upper == infinity);
  CHECK(std::isnan(lost.cosine.value));
  CHECK(lost.cosine.lower == -1);
  CHECK(std::isnan(lost.detectable));
  CHECK(lost.usable);
  Eigen::MatrixXd blocks = gaussian(zero, 32, 1, words);
  blocks.col(7) *= 20;
  CHECK_FALSE(relative_bias(gaussian(zero, 32, 1, words), blocks).usable);
  blocks.array() += 2;  // a mean that is resolved all the same
  CHECK(relative_bias(gaussian(zero, 32, 1, words), blocks).usable);
  CHECK_THROWS_WITH_AS(relative_bias(blocks, blocks.leftCols(5)), doctest::Contains("shape"), InvalidArgument);
  CHECK_THROWS_WITH_AS(relative_bias(blocks.leftCols(3), blocks.leftCols(3)), doctest::Contains("blocks = 3"), InvalidArgument);
}

TEST_CASE("the bias of networks that can be enumerated, by every method and over several patterns") {
  const Eigen::VectorXd theta = tiny_parameters();
  // The gradient does not depend on how a reset is differentiated.
  const Eigen::VectorXd without = enumerate(tiny(Reset::none, 2).program<double>(), theta).gradient,
                        with = enumerate(tiny(Reset::detached, 2).program<double>(), theta).gradient;
  for (const Reset reset : {Reset::none, Reset::detached, Reset::differentiated, Reset::replay}) {
    CAPTURE(static_cast<int>(reset));
    const Objective objective = tiny(reset, 2);
    const Program<double> program = objective.program<double>();
    const Eigen::VectorXd& g = reset == Reset::none ? without : with;
    // Exact but for own replay, which needs the random numbers behind the outcomes.
    double rho = 0, rho_error = 0;
    if (reset == Reset::replay) {
      const Estimate surrogate = estimate(program, theta, StraightThrough{}, {.samples = 10'000, .seed = 9});
      rho = (surrogate.gradient - g).norm() / g.norm(), rho_error = surrogate.gradient_error.norm() / g.norm();
    } else {
      rho = (expected_surrogate(objective, theta) - g).norm() / g.norm();
    }
    CHECK(rho > 5 * rho_error + 0.01);
    std::vector<std::optional<AnyEstimator>> methods{std::nullopt};
    if (reset == Reset::differentiated)
      for (const AnyEstimator& e :
           {AnyEstimator(ScoreFunction{}), AnyEstimator(LeaveOneOut{2}), AnyEstimator(ScoreFunctionMartingale{}),
            AnyEstimator(StochasticDerivative{4}), AnyEstimator(DebiasedSurrogate{4}),
            AnyEstimator(DebiasedSurrogate{.replays = 4, .martingale = true}),
            AnyEstimator(DebiasedSurrogate{.replays = 0, .control = Control::table})})
        methods.push_back(e);
    for (const std::optional<AnyEstimator>& method : methods) {
      const Bias bias = bias_meter(
          objective, theta, {.accuracy = 0, .bound = 0, .seconds = infinity, .samples = 32 * 64, .seed = 4, .estimator = method});
      CAPTURE(bias.estimator);
      // 4 jackknife errors on 32 blocks for each of 11: a false alarm once in 250.
      CHECK(std::abs(bias.total.squared - rho * rho) < 4 * std::hypot(bias.total.squared_error, 2 * rho * rho_error));
      CHECK(bias.layers.size() == 2);
      CHECK(bias.layers[0].parameters == 4);
      CHECK(bias.total.parameters == 6);
      CHECK(bias.patterns == 2);
      CHECK(bias.stop == BiasStop::samples);
      CHECK(bias.paths == 32 * 64);
      if (method) {
        const Estimate found = estimate(program, theta, *method, {.samples = 2000, .seed = 6});
        // The root mean square of 6 standard normal numbers is above 2 once in 1600.
        CHECK(((found.gradient - g).array() / found.gradient_error.array()).matrix().norm() < 2 * std::sqrt(6.0));
      }
      CHECK(bias.surrogate_paths == (reset == Reset::none || method ? 32 * 64 : 8 * 64));
    }
  }
}

TEST_CASE("blocks that see some of the data only stand for all of them") {
  const Objective objective = tiny(Reset::detached, 5);
  const Eigen::VectorXd theta = tiny_parameters(), g = enumerate(objective.program<double>(), theta).gradient;
  const Estimate surrogate = estimate(objective.program<double>(), theta, StraightThrough{}, {.samples = 10'000, .seed = 9});
  const double rho = (surrogate.gradient - g).norm() / g.norm(), rho_error = surrogate.gradient_error.norm() / g.norm();
  // Four paths a block, and a surrogate gradient on one of them. 5 standard errors.
  const Bias bias = bias_meter(objective, theta, {.accuracy = 0, .bound = 0, .seconds = infinity, .samples = 4096, .blocks = 1024});
  CHECK(std::abs(bias.total.squared - rho * rho) < 5 * std::hypot(bias.total.squared_error, 2 * rho * rho_error));
  CHECK(bias.total.squared_error < 0.2 * bias.total.squared);
}

TEST_CASE("without resets the surrogate gradient is nearly exact") {
  for (const int layers : {1, 2}) {
    const Bias b = Base{.layers = layers, .reset = Reset::none}.measure(128);
    CHECK(b.estimator == "DebiasedSurrogate(32, martingale)");
    CHECK(b.surrogate_paths == b.paths);
    CHECK(b.total.bias.value < 0.06);
    CHECK(b.total.bias.upper < 0.1);
    CHECK(std::abs(b.total.shrink.value - 1) < 0.03);
    CHECK(b.total.cosine.value > 0.997);
  }
}

TEST_CASE("the bias of resets: a detached one makes the gradient several times too long, more with every layer") {
  const Bias d1 = Base{}.measure(512), t1 = Base{.reset = Reset::detached}.measure(256);
  CHECK(d1.estimator == "ScoreFunctionMartingale");
  CHECK(d1.total.bias.value > 0.18);
  CHECK(d1.total.bias.value < 0.58);
  CHECK(d1.total.cosine.value > 0.85);
  CHECK(t1.total.bias.value > 1.2);
  CHECK(t1.total.bias.value < 3.3);
  CHECK(t1.total.shrink.value > 0.2);
  CHECK(t1.total.shrink.value < 0.48);
  const Bias d2 = Base{.layers = 2}.measure(1024), t2 = Base{.layers = 2, .reset = Reset::detached}.measure(256);
  CHECK(d2.total.bias.value > 0.15);
  CHECK(d2.total.bias.value < 0.45);
  CHECK(d2.layers[0].bias.value > d2.layers[1].bias.value);
  CHECK(t2.total.bias.value > 3);
  CHECK(t2.total.bias.value < 10);
  CHECK(t2.total.shrink.value > 0.07);
  CHECK(t2.total.shrink.value < 0.2);
  const Bias t3 = Base{.layers = 3, .reset = Reset::detached}.measure(256);
  CHECK(t1.total.bias.upper < t2.total.bias.lower);
  CHECK(t2.total.bias.upper < t3.total.bias.value);
}

TEST_CASE("own replay of the last layer is exact for a loss that is linear in its spikes") {
  // Path by path it is what replays of all coins say, so nothing is left of the bias but rounding.
  Lif lif{.reset = Reset::replay};
  const Network network(20, 25, {Linear{12}, lif, Linear{2}, LeakyReadout{}});
  const Objective objective(network, noise(20, 25, 1, 2, 0.1, 2), MeanOutput{0});
  const Eigen::VectorXd theta = network.initial<double>({.seed = 3, .sigma_u = 1.5});
  const Bias o = bias_meter(objective, theta, {.seconds = infinity, .samples = 32, .estimator = StochasticDerivative{0}});
  CHECK(o.total.bias.upper < 1e-6);
  // With the networks of the study and the score function: 4 jackknife errors, a false alarm once in 3000.
  const Bias own = Base{.reset = Reset::replay, .loss = MeanOutput{0}}.measure(512), d = Base{.loss = MeanOutput{0}}.measure(512);
  CHECK(std::abs(own.total.squared) < 4 * own.total.squared_error);
  CHECK(own.total.bias.upper < 0.2);
  CHECK(d.total.bias.lower > 0.2);
}

TEST_CASE("a surrogate gradient without a mean is told apart") {
  const Bias b = Base{.layers = 2, .beta = 20}.measure(256);
  CHECK_FALSE(b.total.usable);
  std::ostringstream text;
  text << b;
  CHECK(text.str().find("no usable mean") != std::string::npos);
  CHECK(text.str().find("layer 1") == std::string::npos);
}

TEST_CASE("the same bits on any number of threads; conditions to stop; what is printed") {
  const Objective objective = tiny(Reset::detached, 2);
  const Eigen::VectorXd theta = tiny_parameters();
  const auto measure = [&](BiasOptions options) { return bias_meter(objective, theta, options); };
  const BiasOptions all{.accuracy = 0, .bound = 0, .seconds = infinity, .samples = 1000, .blocks = 10, .threads = 1};
  BiasOptions three = all;
  three.threads = 3;
  const Bias a = measure(all), b = measure(three);
  CHECK(a.total.squared == b.total.squared);
  CHECK(a.layers[1].cosine.lower == b.layers[1].cosine.lower);
  CHECK(a.work.runs == b.work.runs);
  CHECK(a.paths == 1000);
  CHECK(a.surrogate_paths == 250);
  CHECK(a.work.runs >= 1250 + 300);  // and the pilot

  const Bias accurate = measure({.accuracy = 0.3, .bound = 0, .seconds = infinity});
  CHECK(accurate.stop == BiasStop::accurate);
  CHECK(accurate.total.squared_error <= 0.3 * accurate.total.squared);
  const double bound = accurate.total.bias.value * 1.1;
  const Bias below = measure({.accuracy = 0, .bound = bound, .seconds = infinity});
  CHECK(below.stop == BiasStop::bounded);
  CHECK(below.total.bias.upper < bound);
  const Bias timed = measure({.accuracy = 0, .bound = 0, .seconds = 0.05});
  CHECK(timed.stop == BiasStop::seconds);
  CHECK(timed.seconds < 1);

  std::ostringstream text;
  text << accurate;
  CHECK(text.str().find("2 patterns; " + std::to_string(accurate.paths) + " paths of ScoreFunctionMartingale") !=
        std::string::npos);
  CHECK(text.str().find("\n  layer 2 ") != std::string::npos);
  CHECK(text.str().find("\n  all ") != std::string::npos);
  CHECK(text.str().find("stopped: the bias is known to the accuracy wanted") != std::string::npos);
  CHECK(text.str().find("  length\n  layer 1 ") != std::string::npos);
  Bias detached = accurate;
  detached.total.shrink = {0.11, 0.1, 0.12};
  text << detached;
  CHECK(text.str().find("  9.1x too long\n") != std::string::npos);
}

TEST_CASE("objectives and options that make no sense are refused by name") {
  const Objective objective = tiny(Reset::detached, 1);
  const Eigen::VectorXd theta = tiny_parameters();
  const auto refused = [&](const BiasOptions& options, const char* what) {
    CHECK_THROWS_WITH_AS(bias_meter(objective, theta, options), doctest::Contains(what), InvalidArgument);
  };
  refused({.accuracy = -1}, "accuracy = -1");
  refused({.bound = -1}, "bound = -1");
  refused({.seconds = 0}, "seconds = 0");
  refused({.samples = 31}, "samples = 31");
  refused({.blocks = 3}, "blocks = 3 is outside [4, 4096]");
  refused({.threads = -1}, "threads = -1");
  refused({.estimator = StraightThrough{}}, "StraightThrough is biased");
  CHECK_THROWS_WITH_AS(bias_meter(objective, theta.head(4)), doctest::Contains("6 parameters, not 4"), InvalidArgument);
  Eigen::VectorXd bad = theta;
  bad[2] = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH_AS(bias_meter(objective, bad), doctest::Contains("parameter 2 is nan"), InvalidArgument);
  CHECK_THROWS_WITH_AS(bias_meter(objective.with(Activation::deterministic), theta), doctest::Contains("no stochastic objective"),
                       Refusal);
  const Network readout(3, 6, {Linear{2}, LeakyReadout{}});
  CHECK_THROWS_WITH_AS(bias_meter(Objective(readout, noise(3, 6, 1, 2, 0.5, 1), MeanOutput{0}), readout.initial<double>()),
                       doctest::Contains("no spiking neurons"), Refusal);
  std::vector<Layer> mixed = objective.network().layers();
  std::get<Lif>(mixed[3]).activation = Activation::deterministic;
  CHECK_THROWS_WITH_AS(bias_meter(Objective(Network(3, 6, mixed), objective.data(), MeanOutput{0}), theta),
                       doctest::Contains("the spikes of layer 2 are deterministic"), Refusal);
}
