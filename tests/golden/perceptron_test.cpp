// One neuron: paper.md 2.1 and the loss of 1.6.
#include <doctest/doctest.h>

#include <cmath>

#include <surrogate_gradients/perceptron.hpp>

using namespace surrogate_gradients;

namespace {

// The neuron of the printed numbers: w, x, threshold and slope.
const Eigen::Vector2d w(0.7, -0.4), x(1, 0.5);
constexpr double threshold = 0.2, escape_beta = 5;
constexpr double printed_p = 0.8175744762;
const Eigen::Vector2d printed_gradient(0.7457322604, 0.3728661302);

double largest(const Eigen::VectorXd& difference) { return difference.cwiseAbs().maxCoeff(); }

}  // namespace

TEST_CASE("A1: surrogate gradient, derivative of the expected spike and smoothed derivative of a neuron are one") {
  const Program<double> program = perceptron(x, threshold, snn::escape::Sigmoid{escape_beta});
  const Exact exact = enumerate(program, w);
  CHECK(std::abs(exact.value - printed_p) < 5e-11);
  CHECK(largest(exact.gradient - printed_gradient) < 5e-11);

  const Eigen::VectorXd closed_form = snn::escape::Sigmoid{escape_beta}.derivative(0.3) * x;
  CHECK(largest(exact.gradient - closed_form) < 1e-12);

  // In every run, whatever was drawn: mean and no spread.
  const Rule affine = [](const Site& site, std::span<double> out) { SmoothedEdge{1 - site.pmf(1)}(site, out); };
  for (const Rule& rule : {Rule{StraightThroughEdge{}}, affine}) {
    const ExactMoments m = expected_surrogate(program, w, rule);
    CHECK(largest(m.mean - closed_form) < 1e-12);
    CHECK(largest(m.deviation) < 1e-12);
  }
}

TEST_CASE("A1: the same for every escape function, with the surrogate derived from it") {
  for (const snn::SpikeFunction& f : {snn::SpikeFunction(snn::escape::Sigmoid{10}), snn::SpikeFunction(snn::escape::Erf{}),
                                      snn::SpikeFunction(snn::escape::Exponential{}), snn::SpikeFunction(snn::escape::Hazard{})}) {
    CAPTURE(f.name());
    const Program<double> program = perceptron(x, threshold, f);
    for (const double z : {-0.4, -0.1, -0.01}) {
      const Eigen::Vector2d at(threshold + z, 0);
      const Exact exact = enumerate(program, at);
      CHECK(std::abs(exact.value - f.value(z)) < 1e-12);
      CHECK(largest(exact.gradient - f.derivative(z) * x) < 1e-12);
      CHECK(largest(expected_surrogate(program, at).mean - f.derivative(z) * x) < 1e-12);
    }
  }
}

TEST_CASE("one-sided smoothed derivatives have the mean sigma' and the variances p / (1 - p) and (1 - p) / p times sigma'^2") {
  const Program<double> program = perceptron(x, threshold, snn::escape::Sigmoid{escape_beta});
  const double p = snn::escape::Sigmoid{escape_beta}.value(0.3), slope = snn::escape::Sigmoid{escape_beta}.derivative(0.3);
  const ExactMoments right = expected_surrogate(program, w, SmoothedEdge{1}),
                     left = expected_surrogate(program, w, SmoothedEdge{0});
  CHECK(std::abs(right.mean[0] - slope) < 1e-12);
  CHECK(std::abs(left.mean[0] - slope) < 1e-12);
  CHECK(std::abs(right.deviation[0] - slope * std::sqrt(p / (1 - p))) < 1e-12);
  CHECK(std::abs(left.deviation[0] - slope * std::sqrt((1 - p) / p)) < 1e-12);
}

TEST_CASE("A2: sampled spikes have the mean sigma(u)") {
  // 101 means within 5 standard errors: a false alarm for one seed in 17 000.
  constexpr std::uint64_t samples = 100'000;
  for (const PerceptronPoint& point : perceptron_sweep(snn::escape::Sigmoid{10}, 0.5, 101, samples, 1)) {
    CAPTURE(point.u);
    const double p = 1 / (1 + std::exp(-10 * point.u));
    CHECK(std::abs(point.probability - p) < 1e-12);
    CHECK(std::abs(point.exact - 10 * p * (1 - p)) < 1e-12);
    CHECK(std::abs(point.surrogate - 10 * p * (1 - p)) < 1e-12);
    CHECK(std::abs(point.mean - p) < 5 * std::sqrt(p * (1 - p) / samples));
  }
}

TEST_CASE("A2: right, left and unsmoothed derivatives and common random numbers average to sigma'") {
  // 5 potentials, 4 estimators, 5 standard errors: a false alarm for one seed in 87 000.
  const Program<double> program = perceptron(Eigen::VectorXd::Ones(1), 0, snn::escape::Sigmoid{10});
  const double h = 0.05;
  const auto sigma = [](double u) { return snn::escape::Sigmoid{10}.value(u); };
  for (const double u : {-0.3, -0.1, 0.0, 0.1, 0.3}) {
    CAPTURE(u);
    const Eigen::VectorXd theta = Eigen::VectorXd::Constant(1, u);
    const double slope = snn::escape::Sigmoid{10}.derivative(u);
    const auto check = [&](const AnyEstimator& estimator, double mean) {
      CAPTURE(estimator.name());
      const Estimate e = estimate(program, theta, estimator, {.samples = 100'000, .seed = 2});
      CHECK(std::abs(e.gradient[0] - mean) < 5 * e.gradient_error[0] + 1e-12);
      return e.gradient_error[0] * std::sqrt(100'000.0);
    };
    const double p = sigma(u);
    // The deviations, too: those of smoothed derivatives, as there is nothing behind the spike.
    CHECK(check(OneSided{OneSided::Side::right}, slope) == doctest::Approx(slope * std::sqrt(p / (1 - p))).epsilon(0.05));
    CHECK(check(OneSided{OneSided::Side::left}, slope) == doctest::Approx(slope * std::sqrt((1 - p) / p)).epsilon(0.05));
    CHECK(check(StochasticDerivative{0}, slope) < 1e-7);
    check(FiniteDifference{h}, (sigma(u + h) - sigma(u - h)) / (2 * h));
  }
}

TEST_CASE("1.6: under a loss that is not linear in the spike the surrogate gradient is that of the loss of the mean") {
  const double slope = snn::escape::Sigmoid{escape_beta}.derivative(0.3), p = snn::escape::Sigmoid{escape_beta}.value(0.3);
  for (const double t : {0.0, 0.3, 1.0}) {
    const Program<double> program = perceptron_loss(x, threshold, snn::escape::Sigmoid{escape_beta}, t);
    CHECK(largest(enumerate(program, w).gradient - (0.5 - t) * slope * x) < 1e-12);
    CHECK(largest(expected_surrogate(program, w).mean - (p - t) * slope * x) < 1e-12);
  }
  const Program<double> program = perceptron_loss(x, threshold, snn::escape::Sigmoid{escape_beta}, 0.3);
  CHECK(std::abs(enumerate(program, w).gradient[0] / slope - 0.2) < 1e-10);
  CHECK(std::abs(expected_surrogate(program, w).mean[0] / slope - 0.5175744762) < 1e-10);
}
