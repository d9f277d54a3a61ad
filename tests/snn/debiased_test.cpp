// DebiasedSurrogate on networks: replays by what they change, all of the last hidden layer at once.
#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "plain_network.hpp"

using namespace stoat;
using namespace stoat::snn;

namespace {

Objective tiny(bool hidden, const Loss& loss) {
  Lif lif{.tau_mem = 0.004, .tau_syn = 0.003, .dt = 0.002};
  lif.threshold = 0.5;
  lif.escape = escape::Sigmoid{3};
  std::vector<Layer> layers{Linear{hidden ? 1 : 2}, lif};
  if (hidden) layers.insert(layers.end(), {Linear{1}, lif});
  layers.insert(layers.end(), {Linear{2}, LeakyReadout{.tau_mem = 0.004, .tau_syn = 0.003}});
  const Network network(3, 7, std::move(layers));
  Dataset data{.inputs = SpikeEvents(7, 3), .labels = {1}, .classes = 2};
  const std::vector<snn::Spike> input{{0, 0}, {0, 1}, {0, 2}};
  data.inputs.add(input);
  return Objective(network, std::move(data), loss);
}

}  // namespace

TEST_CASE("replays by what they change: unbiased against enumeration") {
  for (const bool hidden : {false, true})  // 14 coins
    for (const Loss& loss : {Loss(MeanOverTimeCrossEntropy{}), Loss(MaxOverTimeCrossEntropy{})}) {
      const Objective objective = tiny(hidden, loss);
      const Program<double> program = objective.program<double>();
      // Weights of the first layer, of the second if there is one, of the readout: a spike shows two steps later in what follows.
      Eigen::VectorXd theta(objective.network().parameters());
      if (hidden) theta << 0.8, 0.9, 0.7, 1.5, 2, -2;
      else theta << 0.8, 0.6, 0.9, 0.5, 0.7, 0.6, 2, -2, -1, 3;
      const Exact exact = enumerate(program, theta);
      REQUIRE(exact.gradient.head(3).cwiseAbs().minCoeff() > 1e-4);
      for (const AnyEstimator& estimator : {AnyEstimator(DebiasedSurrogate{}), AnyEstimator(DebiasedSurrogate{.replays = 2}),
                                            AnyEstimator(StochasticDerivative{})}) {
        CAPTURE(estimator.name());
        const Estimate e = estimate(program, theta, estimator, {.samples = 10'000, .seed = 5});
        // 5 standard errors for each of up to 12 numbers and 12 estimates: a false alarm once in 14 000.
        for (Eigen::Index i = 0; i < theta.size(); ++i) {
          CAPTURE(i);
          CHECK(std::abs(e.gradient[i] - exact.gradient[i]) <= 5 * e.gradient_error[i] + 1e-12);
        }
      }
    }
}

TEST_CASE("replays by what they change and reruns give the same estimates") {
  Lif lif;
  const Network network(12, 40, {Linear{16}, lif, Linear{10}, lif, Linear{4}, LeakyReadout{}});
  const Objective objective(network, noise(12, 40, 1, 4, 0.1, 3), MaxOverTimeCrossEntropy{});
  const Eigen::VectorXd theta = network.initial<double>({.seed = 2, .nu = 50});
  const auto shifted = [objective]<class S>(Sampler<S>& draw, const Vector<S>& x) -> S { return objective(draw, x, 0) + 1.0; };
  for (const AnyEstimator& e : {AnyEstimator(StochasticDerivative{.replays = 8}),
                                AnyEstimator(DebiasedSurrogate{.replays = 8, .control = Control::table, .pilot = 20})}) {
    const Estimate a = estimate(objective.program<double>(), theta, e, {.samples = 50}),
                   b = estimate(shifted, theta, e, {.samples = 50});
    CHECK((a.gradient - b.gradient).norm() < 1e-10 * b.gradient.norm());
    CHECK(a.work.runs < 0.75 * b.work.runs);
  }
}

TEST_CASE("what is left to the pilot: the last layer at once, replays below, or none where changes spread") {
  const auto note = [](const std::vector<Layer>& layers, const Loss& loss, double scale) {
    const Network network(12, 60, layers);
    const Eigen::VectorXd theta = scale * network.initial<double>({.seed = 2, .nu = 50, .alpha = 0.5});
    const Objective objective(network, noise(12, 60, 2, 4, 0.1, 3), loss);
    const Estimate e = estimate(objective.program<double>(), theta, DebiasedSurrogate{.pilot = 20}, {.samples = 20});
    std::string all;
    for (const std::string& line : e.diagnostics) all += line + '\n';
    return all;
  };
  Lif lif, recurrent;
  recurrent.recurrent = true;
  const std::vector<Layer> two{Linear{16}, lif, Linear{10}, lif, Linear{4}, LeakyReadout{}};
  const std::string both = note(two, MeanOverTimeCrossEntropy{}, 1);
  CHECK(both.find("all 600 of the last block, about ") != std::string::npos);
  CHECK(note(two, MaxOverTimeCrossEntropy{}, 1).find("replays by what they change: about ") != std::string::npos);
  CHECK(note({Linear{10}, lif, Linear{4}, LeakyReadout{}}, MeanOverTimeCrossEntropy{}, 1).find("all 600 of the last block") !=
        std::string::npos);
  CHECK(note({Linear{40}, recurrent, Linear{4}, LeakyReadout{}}, MaxOverTimeCrossEntropy{}, 3)
            .find("ScoreFunctionMartingale in place") != std::string::npos);
}
