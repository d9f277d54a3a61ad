#include <cmath>

#include <doctest/doctest.h>

#include <stoat/snn.hpp>
#include <stoat/stoat.hpp>

using namespace stoat;
using namespace stoat::snn;

namespace {

constexpr int steps = 6;

/// One input that spikes in steps 0 to 4, so that a neuron with a large weight spikes in steps 2 to 5.
Dataset drive() {
  Dataset data{.inputs = SpikeEvents(steps, 1)};
  data.inputs.add(std::vector<snn::Spike>{{0, 0}, {1, 0}, {2, 0}, {3, 0}, {4, 0}});
  return data;
}
Lif plain() { return {.reset = Reset::none, .activation = Activation::deterministic}; }

double cost(const Network& network, const Dataset& data, const Eigen::VectorXd& theta, const Loss& loss,
            std::vector<Regularizer> regularizers = {}) {
  return run(Objective(network, data, loss, std::move(regularizers)).program<double>(), theta, {1, 0});
}

void check_equal(double a, double b) { CHECK(std::abs(a - b) < 1e-9); }

}  // namespace

TEST_CASE("cross-entropies by hand") {
  const LeakyReadout readout{.tau_mem = 0.02, .tau_syn = 0.01, .dt = 0.002, .initial = 0.3};
  const Network network(1, steps, {Linear{1}, plain(), Linear{2}, readout});
  const Eigen::VectorXd theta = Eigen::Vector3d(1000, 4.7, -1.9);
  Dataset data = drive();
  data.labels = {1}, data.classes = 2;

  const double r = std::exp(-0.1), a = std::exp(-0.2);
  double o[2][steps], q[2] = {0, 0};
  for (int c = 0; c < 2; ++c) o[c][0] = 0.3;
  for (int t = 0; t + 1 < steps; ++t)
    for (int c = 0; c < 2; ++c) {
      o[c][t + 1] = r * o[c][t] + (1 - r) * q[c];
      q[c] = a * q[c] + (t >= 2 ? theta[1 + c] : 0);
    }
  // The first output ends at its largest value. The second falls from its initial value, which does not count, on.
  const double z0 = o[0][5], z1 = o[1][1];
  REQUIRE(o[0][5] > 0.3);
  REQUIRE(o[0][5] > o[0][4]);
  for (int t = 1; t < steps; ++t) REQUIRE(o[1][t] < o[1][t - 1]);
  check_equal(cost(network, data, theta, MaxOverTimeCrossEntropy{}), std::log(1 + std::exp(z0 - z1)));

  double s = 0;  // of the label, over time; that of the other output is steps - s
  for (int t = 0; t < steps; ++t) s += 1 / (1 + std::exp(o[0][t] - o[1][t]));
  check_equal(cost(network, data, theta, SumOfSoftmaxCrossEntropy{}), std::log(1 + std::exp(steps - 2 * s)));

  double difference = 0;  // of the means over time
  for (int t = 0; t < steps; ++t) difference += (o[0][t] - o[1][t]) / steps;
  check_equal(cost(network, data, theta, MeanOverTimeCrossEntropy{}), std::log(1 + std::exp(difference)));
}

TEST_CASE("losses of spike trains by hand") {
  // Two neurons, one that spikes in steps 2 to 5 and one that never does.
  const Network network(1, steps, {Linear{2}, plain()});
  const Eigen::VectorXd theta = Eigen::Vector2d(1000, 0);
  Dataset data = drive();
  data.targets = SpikeEvents(steps, 2);
  data.targets.add(std::vector<snn::Spike>{{2, 0}, {1, 1}, {3, 1}});
  check_equal(cost(network, data, theta, MeanOutput{0}), 4.0 / 6);
  check_equal(cost(network, data, theta, MeanOutput{1}), 0);
  check_equal(cost(network, data, theta, SpikeMse{}), (3 + 2) / 2.0 / 2);

  // Amplitude 2 and decays e^-0.2, e^-0.4 a step: k(1) = 0.2968214135, k(2) = 0.4419821640, k(3) = 0.4952348483,
  // k(4) = 0.5008648926 (k(0) = 0). Filtered errors of neuron 0, wrong in 3, 4, 5: 0, -k1, -(k1 + k2); of neuron 1, from step 1 on:
  // 0, k1, k2, k3 + k1, k4 + k2.
  const auto k = [](int n) { return 2 * (std::exp(-0.2 * n) - std::exp(-0.4 * n)); };
  check_equal(k(1), 0.2968214135);
  const double first = k(1) * k(1) + std::pow(k(1) + k(2), 2);
  const double second = k(1) * k(1) + k(2) * k(2) + std::pow(k(3) + k(1), 2) + std::pow(k(4) + k(2), 2);
  check_equal(cost(network, data, theta, VanRossum{.tau_decay = 0.01, .tau_rise = 0.005, .dt = 0.002, .amplitude = 2}),
              (first + second) / 2 / 2);

  // A stochastic neuron at rest is 1 below the threshold in every step.
  const Network coins(1, steps, {Linear{2}, Lif{.reset = Reset::none}});
  const double f = 1 / (1 + std::exp(10.0));
  check_equal(cost(coins, data, Eigen::Vector2d(0, 0), SpikeLogLikelihood{}), -(3 * std::log(f) + 9 * std::log(1 - f)) / 2);
  // So steep that f is 0 in double precision: log f = -2000 in the steps of the 3 spikes of the target.
  Lif steep{.reset = Reset::none};
  steep.escape = escape::Sigmoid{2000};
  check_equal(cost({1, steps, {Linear{2}, steep}}, data, Eigen::Vector2d(0, 0), SpikeLogLikelihood{}), 3 * 2000 / 2.0);
  // What has probability 0 is refused: a neuron 1 above p0 e^(z / delta) = 1 that is not to spike.
  Lif certain{.reset = Reset::none};
  certain.escape = escape::Exponential{};
  CHECK_THROWS_WITH_AS(cost({1, steps, {Linear{2}, certain}}, data, Eigen::Vector2d(0, 1000), SpikeLogLikelihood{}),
                       doctest::Contains("unit 1 at step 2 of sample 0 must spike"), Error);
}

TEST_CASE("regularisers by hand") {
  // Spikes in the first hidden layer: 4 and 0; in the second: 2 (it starts two steps later).
  const Network network(1, steps, {Linear{2}, plain(), Linear{1}, plain(), Linear{1}, LeakyReadout{}});
  Eigen::VectorXd theta(5);
  theta << 1000, 0, 1000, 1000, 0;
  const Dataset data = drive();
  const auto added = [&](const Regularizer& r) { return cost(network, data, theta, MeanOutput{0}, {r}); };
  REQUIRE(cost(network, data, theta, MeanOutput{0}) == 0);
  check_equal(added(UpperBound{.strength = 0.1, .threshold = 0.5, .power = 2}), 0.1 * (1.5 * 1.5 + 1.5 * 1.5));
  check_equal(added(UpperBound{.strength = 0.1, .threshold = 0.5, .power = 1}), 0.1 * (1.5 + 1.5));
  check_equal(added(UpperBound{.strength = 0.1, .threshold = 2}), 0);
  check_equal(added(LowerBound{.strength = 100, .threshold = 3, .power = 2}), 100 * (9 / 2.0 + 1));
  check_equal(added(LowerBound{.strength = 100, .threshold = 3, .power = 1}), 100 * (3 / 2.0 + 1));
  check_equal(added(LowerBound{}), 100 * 1e-6 / 2);
}
