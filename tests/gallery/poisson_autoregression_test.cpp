// Poisson autoregression: means against their recursion, likelihoods against sums over counts.
#include <doctest/doctest.h>

#include <cmath>

#include <common/showcase.hpp>
#include <poisson_autoregression/plain.hpp>
#include <poisson_autoregression/program.hpp>
#include <stoat/estimators/smoothed.hpp>

#include "agreement.hpp"

using namespace poisson_autoregression;

namespace {

stoat::Exact mean_rate(int steps, const Eigen::VectorXd& theta) {
  const auto value = [steps](const Eigen::VectorXd& t) {
    double rate = t[0];
    for (int i = 0; i < steps; ++i) rate = t[1] + (t[2] + t[3]) * rate;
    return rate;
  };
  return showcase::differentiated(value, theta, "recursion of means");
}

double poisson(int k, double rate) { return std::exp(k * std::log(rate) - rate - std::lgamma(k + 1.0)); }

/// Minus the expected likelihood after two counts.
double likelihood_of_two(const Eigen::VectorXd& t, int observed) {
  double sum = 0;
  for (int i = 0; i < 60; ++i)
    for (int j = 0; j < 120; ++j) {
      const double second = t[1] + t[2] * i + t[3] * t[0], last = t[1] + t[2] * j + t[3] * second;
      sum -= poisson(i, t[0]) * poisson(j, second) * poisson(observed, last) * std::exp(-last / 100) / 100;
    }
  return sum;
}

}  // namespace

TEST_CASE("the rate after nine and ten counts has the published mean and derivative") {
  const Eigen::VectorXd theta = Eigen::Vector4d(5.42, 0.25, 0.9, 0.51);
  CHECK(mean_rate(10, theta).value == doctest::Approx(186.6700).epsilon(1e-6));
  CHECK(mean_rate(10, theta).gradient[0] == doctest::Approx(31.0592616).epsilon(1e-8));
  CHECK(mean_rate(9, theta).value == doctest::Approx(132.2128).epsilon(1e-6));
  CHECK(mean_rate(9, theta).gradient[0] == doctest::Approx(22.0278451).epsilon(1e-8));
}

TEST_CASE("the rate after ten counts, estimated, and of the plain twin") {
  const Eigen::VectorXd theta = Eigen::Vector4d(5.42, 0.25, 0.9, 0.51);
  const stoat::Exact truth = mean_rate(10, theta);
  agreement::check_estimates(PoissonAutoregression{}, theta, truth, 10'000);
  // The rate is linear in every count, so surrogates are exact in the mean.
  agreement::check_estimate(PoissonAutoregression{}, theta, stoat::StraightThrough{}, truth, 10'000);
  agreement::check_plain(PlainPoissonAutoregression{}, theta, truth.value, 50'000);
}

TEST_CASE("the likelihood after two counts, estimated, and of the plain twin") {
  const Eigen::VectorXd theta = Eigen::Vector4d(3, 0.25, 0.9, 0.51);
  const stoat::Exact truth =
      showcase::differentiated([](const Eigen::VectorXd& t) { return likelihood_of_two(t, 12); }, theta, "sum over counts");
  agreement::check_estimates(PoissonAutoregression{.steps = 2, .observed = 12}, theta, truth, 20'000);
  agreement::check_plain(PlainPoissonAutoregression{2, 12}, theta, truth.value, 50'000);
}
