// Divergences against sums over everything.
#include <doctest/doctest.h>

#include <cmath>

#include <common/showcase.hpp>
#include <variational_inference/plain.hpp>
#include <variational_inference/program.hpp>
#include <variational_inference/subsets.hpp>

#include "agreement.hpp"

using namespace variational_inference;

namespace {

Eigen::VectorXd at(double rate) { return Eigen::VectorXd::Constant(1, rate); }

double divergence(const Eigen::VectorXd& t) {
  double sum = 0;
  for (int x = 0; x < 200; ++x) {
    const double log_q = x * std::log(t[0]) - t[0] - std::lgamma(x + 1.0);
    const double log_p =
        std::lgamma(x + 10.0) - std::lgamma(x + 1.0) - std::lgamma(10.0) + 10 * std::log(0.25) + x * std::log(0.75);
    sum += std::exp(log_q) * (log_q - log_p);
  }
  return sum;
}

Selection small() {
  Selection s;
  s.design = (Eigen::MatrixXd(4, 3) << 1, 0.4, -0.3, 0.2, 1, 0.5, -0.6, 0.3, 1, 0.1, -0.8, 0.7).finished();
  s.y = Eigen::Vector4d(1.2, 0.9, -0.1, 0.3);
  s.noise = 0.8;
  return s;
}

}  // namespace

TEST_CASE("the divergence of a Poisson from a negative binomial distribution has the published values") {
  CHECK(divergence(at(10)) == doctest::Approx(2.97227531).epsilon(1e-8));
  CHECK(divergence(at(28.8782135674)) == doctest::Approx(0.31384743).epsilon(1e-7));
  CHECK(showcase::differentiated(divergence, at(10), "").gradient[0] == doctest::Approx(-0.392921554).epsilon(1e-8));
  CHECK(showcase::differentiated(divergence, at(30), "").gradient[0] == doctest::Approx(0.009484256).epsilon(1e-6));
}

TEST_CASE("the divergence, estimated, and of the plain twin") {
  const stoat::Exact truth = showcase::differentiated(divergence, at(10), "sum over counts");
  agreement::check_estimates(PoissonDivergence{}, at(10), truth, 5'000);
  agreement::check_plain(PlainPoissonDivergence{}, at(10), truth.value, 50'000);
}

TEST_CASE("the divergence is least where it is known to be") {
  const stoat::Minimum m = stoat::minimize(PoissonDivergence{}, at(20), stoat::StochasticDerivative{1}, stoat::Adam{0.1},
                                           {.iterations = 300, .samples = 16, .average = 0.5});
  CHECK(std::abs(m.theta[0] - 28.8782) < 0.5);
}

TEST_CASE("coins on subsets, enumerated, estimated, and the plain twin") {
  const Selection model = small();
  const Eigen::VectorXd theta = Eigen::Vector3d(0.3, -0.7, 0.9);
  const stoat::Exact truth =
      showcase::differentiated([&](const Eigen::VectorXd& t) { return free_energy(model, t); }, theta, "sum over subsets");
  const stoat::Exact x = stoat::enumerate(model, theta);
  CHECK(x.value == doctest::Approx(truth.value).epsilon(1e-11));
  CHECK((x.gradient - truth.gradient).norm() <= 1e-8 * truth.gradient.norm());
  CHECK(truth.value > -log_evidence(model));
  agreement::check_estimates(model, theta, truth, 5'000);
  agreement::check_plain(PlainSelection{model.design, model.y, model.prior, model.noise}, theta, truth.value, 50'000);
}
