// The bias of networks, and the claims of the chapter on it, on few paths.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>

#include <surrogate_gradients/bias_study.hpp>

using namespace surrogate_gradients;
using snn::Reset;

namespace {

/// flip_effects() of a network of one neuron, by a loop that knows nothing of the library: every coin flipped in turn.
FlipEffect simulated_flips(const StudyNetwork& network, int runs) {
  const Eigen::MatrixXd spikes = network.objective().data().inputs.raster(0);
  const Eigen::VectorXd input = spikes * network.parameters().head(spikes.cols());
  const double am = std::exp(-0.1), as = std::exp(-0.2);
  const auto steps = static_cast<std::size_t>(network.steps);
  std::mt19937_64 words(7);
  std::uniform_real_distribution<double> uniform;
  std::vector<double> u(steps), p(steps);
  // The neuron with its first `forced` outcomes given and the others on the same uniform numbers.
  const auto run = [&](std::vector<bool>& x, std::size_t forced, bool chances) {
    double potential = 0, current = 0;
    for (std::size_t t = 0; t < steps; ++t) {
      const double f = 1 / (1 + std::exp(-network.beta * (potential - 1)));
      if (t >= forced) x[t] = u[t] < f;
      if (chances) p[t] = f;
      potential = x[t] ? 0 : am * potential + (1 - am) * current;
      current = as * current + input[static_cast<Eigen::Index>(t)];
    }
  };
  double weight = 0, removed = 0, added = 0, later = 0;
  std::vector<bool> original(steps), flipped(steps);
  for (int k = 0; k < runs; ++k) {
    for (double& x : u) x = uniform(words);
    run(original, 0, true);
    for (std::size_t t = 0; t < steps; ++t) {
      const double v = p[t] * (1 - p[t]);
      flipped = original, flipped[t] = !original[t];
      run(flipped, t + 1, false);
      const std::vector<bool>&with = original[t] ? original : flipped, &without = original[t] ? flipped : original;
      weight += v;
      for (std::size_t n = t + 1; n < steps; ++n) {
        if (with[n] == without[n]) continue;
        if (without[n]) removed += v, later += v * static_cast<double>(n - t);
        else added += v;
      }
    }
  }
  return {removed / weight, added / weight, later / removed};
}

}  // namespace

TEST_CASE("bias: none < own replay < differentiated < detached") {
  const StudyNetwork network{};
  const RuleBias none = no_reset_bias(network, 32);
  const std::vector<RuleBias> rules = reset_biases(network, 512);
  CHECK(none.rule == Reset::none);
  CHECK(none.total.bias.upper < 0.06);
  CHECK(rules[0].rule == Reset::replay);
  CHECK(rules[1].rule == Reset::differentiated);
  CHECK(rules[2].rule == Reset::detached);
  // Ranges of 8 seeds of weights; that of own replay is lost in the noise of so few paths.
  CHECK(none.total.bias.value < 0.06);
  CHECK(rules[0].total.squared < rules[1].total.squared);
  CHECK(rules[1].total.bias.value > 0.18);
  CHECK(rules[1].total.bias.value < 0.58);
  CHECK(rules[2].total.bias.value > 1.2);
  CHECK(rules[2].total.bias.value < 3.3);
  // The bias meter says the same of other paths: 4 jackknife errors, a false alarm once in 15000.
  StudyNetwork detached = network;
  detached.reset = Reset::detached;
  const snn::Bias meter =
      snn::bias_meter(detached.objective(), detached.parameters(),
                      {.accuracy = 0, .bound = 0, .seconds = std::numeric_limits<double>::infinity(), .samples = 256, .seed = 7});
  CHECK(std::abs(meter.total.squared - rules[2].total.squared) <
        4 * std::hypot(meter.total.squared_error, rules[2].total.squared_error));
}

TEST_CASE("detached resets make the gradient longer with every layer, by what flips say") {
  double before = 1;
  for (const int layers : {1, 2, 3}) {
    CAPTURE(layers);
    const StudyNetwork network{.layers = layers, .reset = Reset::detached};
    const RuleBias detached = reset_biases(network, 128).back();
    CHECK(detached.layers.size() == static_cast<std::size_t>(layers));
    CHECK(length(detached.total) > 1.5 * before);
    before = length(detached.total);
  }
  const std::vector<FlipEffect> with = flip_effects({.layers = 2, .reset = Reset::detached}, 40, 8),
                                without = flip_effects({.layers = 2, .reset = Reset::none}, 10, 8);
  for (const FlipEffect& e : with) {
    // 320 flips of about +-1 each: 5 standard errors are 0.3.
    CHECK(e.kept() > 0.1);
    CHECK(e.kept() < 0.6);
    CHECK(e.removed > e.added);
    CHECK(e.added > 0);
    CHECK(e.steps > 1);
  }
  // Without a reset a spike of a layer that is not recurrent does not reach its own neuron.
  for (const FlipEffect& e : without) CHECK(e.kept() == 1);
}

TEST_CASE("flips of one neuron by another program") {
  const StudyNetwork network{.reset = Reset::detached, .width = 1, .seed = 5};
  const FlipEffect found = flip_effects(network, 4000, 4)[0], expected = simulated_flips(network, 4000);
  // 5 standard errors of 16000 flips that change one later spike or two.
  CHECK(std::abs(found.removed - expected.removed) < 0.05);
  CHECK(std::abs(found.added - expected.added) < 0.05);
  CHECK(std::abs(found.steps - expected.steps) < 0.2);
  CHECK(found.kept() == 1 - found.removed + found.added);
}

TEST_CASE("networks of the study") {
  // A loss of spike trains takes the last hidden layer: all parameters are measured.
  const StudyNetwork trains{.layers = 2, .width = 8, .steps = 20, .loss = snn::VanRossum{.dt = 0.002}};
  const std::vector<RuleBias> rules = reset_biases(trains, 64);
  CHECK(trains.objective().network().parameters() == 50 * 8 + 8 * 8);
  CHECK(rules[0].total.parameters == 50 * 8 + 8 * 8);
  REQUIRE(rules[0].layers.size() == 2);
  CHECK(rules[0].layers[1].parameters == 8 * 8);
  // Every block has coins of its own: one run of own replay a block. With the
  // same coins in all of them their noise would look like a bias of 0.9 (squared); rho^2 is below 0.1, its standard error 0.15.
  CHECK(reset_biases({.seed = 3}, 64)[0].total.squared < 0.5);
  // Weights by sigma_u / sqrt(inputs rate).
  const auto first = [](const StudyNetwork& n) { return n.parameters().head(n.inputs * n.width).squaredNorm() / n.width; };
  const double plain = first({});
  CHECK(first({.sigma_u = 1.3}) == doctest::Approx(1.69 * plain).epsilon(1e-9));
  CHECK(first({.rate = 5}) == doctest::Approx(15.8 / 5 * plain).epsilon(1e-9));
  CHECK(first({.inputs = 20}) == doctest::Approx(plain).epsilon(0.1));
  CHECK(StudyNetwork{.rate = 50}.objective().data().inputs.spikes() > 100);
}

TEST_CASE("own replay counts the later spikes of its neuron: the same as replays of the run") {
  // Of one neuron and a loss that is linear in its spikes the effect of every flip is what is kept of it.
  const StudyNetwork network{.width = 1, .loss = snn::MeanOutput{0}, .seed = 3};
  const std::vector<RuleBias> rules = reset_biases(network, 256);
  CHECK(std::abs(rules[0].total.squared) < 4 * rules[0].total.squared_error);
}

TEST_CASE("learning: factors of layers, estimators, and the noise of mini-batches") {
  const Learner base{.layers = 2, .optimizer = Sgd{.rate = 3}, .updates = 200};
  Learner scaled = base, frozen = base;
  scaled.scale = {1, 1}, frozen.scale = {0, 1};
  const Learned a = learn(base), b = learn(scaled), c = learn(frozen);
  CHECK(a.theta == b.theta);
  CHECK(a.loss == b.loss);
  const auto start_of = [](const Learner& l) { return l.objective().network().initial<double>({.seed = l.seed}); };
  const Eigen::VectorXd start = start_of(base);
  const Eigen::Index first = 20 * 64;
  CHECK(c.theta.head(first) == start.head(first));
  CHECK(c.theta.tail(first) != start.tail(first));
  CHECK(a.theta.head(first) != start.head(first));
  CHECK(a.curve.size() == 10);
  CHECK(a.curve.back().updates == 200);
  CHECK(a.curve.back().loss < a.curve.front().loss - 0.05);
  CHECK(a.curve.back().seconds > a.curve.front().seconds);

  Learner unbiased = base;
  unbiased.estimator = StochasticDerivative{.replays = 2}, unbiased.layers = 1, unbiased.updates = 2;
  CHECK(learn(unbiased).curve.size() == 2);
  // Straight-through is the surrogate gradient: the same batch, other coins.
  Learner own{.layers = 1, .optimizer = Sgd{.rate = 1}, .batch = 256, .updates = 1}, other = own;
  other.estimator = StraightThrough{};
  const Learned d = learn(own), e = learn(other);
  const Eigen::VectorXd moved = d.theta - start_of(own), also = e.theta - start_of(other);
  CHECK(std::abs(d.curve[0].loss - e.curve[0].loss) < 0.01);
  CHECK(moved.dot(also) > 0.7 * moved.norm() * also.norm());
  CHECK(std::abs(also.norm() / moved.norm() - 1) < 0.2);

  const std::vector<Signal> found =
      signals({.layers = 1, .batch = 8}, Learner{.layers = 1}.objective().network().initial<double>(), 256, 32);
  CHECK(found.size() == 3);
  for (const Signal& s : found) {
    CHECK(s.noise > 20);
    CHECK(s.noise < 400);
    CHECK(s.bias.parameters == first);
    // Both means are over the same 8 samples: 0.98 to 1 with an error of 0.06.
    CHECK(s.bias.cosine.value > 0.8);
  }
  CHECK(length(found[2].bias) > 1.5 * length(found[0].bias));
}
