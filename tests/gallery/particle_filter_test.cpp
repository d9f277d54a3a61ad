// Likelihoods by particle filters against Kalman filters.
#include <doctest/doctest.h>

#include <cmath>

#include <common/showcase.hpp>
#include <particle_filter/carried.hpp>
#include <particle_filter/kalman.hpp>
#include <particle_filter/plain.hpp>
#include <stoat/estimators/smoothed.hpp>

#include "agreement.hpp"

using namespace particle_filter;

namespace {

/// A motion on a line, seen three times.
ParticleFilter on_a_line(Eigen::Index particles) {
  return {.observations = Eigen::RowVector3d(1.1, 0.7, 0.9),
          .start = Eigen::VectorXd::Constant(1, 1.0),
          .start_variance = 0.1,
          .motion_variance = 0.2,
          .noise_variance = 0.3,
          .particles = particles};
}

/// A damped rotation of the plane.
ParticleFilter in_the_plane(Eigen::Index particles, Eigen::Index steps) {
  Eigen::MatrixXd y(2, steps);
  for (int t = 0; t < steps; ++t) y.col(t) = 2 * std::exp(-0.01 * t) * Eigen::Vector2d(std::cos(0.2 * t), std::sin(0.2 * t));
  return {.observations = y,
          .start = Eigen::Vector2d(2, 0),
          .start_variance = 0.02,
          .motion_variance = 0.02,
          .noise_variance = 0.01,
          .particles = particles};
}
Eigen::VectorXd rotation(double angle) {
  Eigen::VectorXd theta(4);
  theta << std::cos(angle), std::sin(angle), -std::sin(angle), std::cos(angle);
  return std::exp(-0.01) * theta;
}

/// The same in the angle alone.
template <class F>
Program<double> in_the_angle(const F& filter) {
  return [filter]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S c = std::exp(-0.01) * cos(t[0]), s = std::exp(-0.01) * sin(t[0]);
    return filter(draw, Vector<S>{c, s, S(-s), c});
  };
}
double density_at(const ParticleFilter& model, double angle) { return std::exp(log_density(model, rotation(angle))); }
/// Its derivative. With a step of 0.02, as in the published test, the difference quotient is 4 % off here.
double slope_at(const ParticleFilter& model, double angle) {
  return (density_at(model, angle + 1e-4) - density_at(model, angle - 1e-4)) / 2e-4;
}

PlainParticleFilter plain(const ParticleFilter& f) {
  return {f.observations, f.start, f.start_variance, f.motion_variance, f.noise_variance, f.particles};
}

stoat::Exact truth(const ParticleFilter& model, const Eigen::VectorXd& theta) {
  return showcase::differentiated([&](const Eigen::VectorXd& t) { return std::exp(log_density(model, t)); }, theta,
                                  "Kalman filter");
}

}  // namespace

TEST_CASE("the Kalman filter has the published likelihood") {
  const Eigen::VectorXd theta = Eigen::VectorXd::Constant(1, 0.9);
  const ParticleFilter model = on_a_line(4);
  CHECK(log_density(model, theta) == doctest::Approx(-1.8430102763).epsilon(1e-10));
  const stoat::Exact t = truth(model, theta);
  CHECK(t.value == doctest::Approx(0.1583400606).epsilon(1e-9));
  CHECK(t.gradient[0] == doctest::Approx(-0.0625362442).epsilon(1e-8));
}

TEST_CASE("the likelihood on a line is unbiased for every number of particles") {
  const Eigen::VectorXd theta = Eigen::VectorXd::Constant(1, 0.9);
  for (const Eigen::Index particles : {1, 4, 32}) {
    CAPTURE(particles);
    const ParticleFilter model = on_a_line(particles);
    agreement::check_estimates(model, theta, truth(model, theta), particles == 32 ? 2'000 : 10'000);
    agreement::check_plain(plain(model), theta, truth(model, theta).value, 20'000);
  }
}

TEST_CASE("without its resampling draws the gradient is biased") {
  // Differentiating along the path alone, as automatic differentiation of a particle filter does.
  const Eigen::VectorXd theta = Eigen::VectorXd::Constant(1, 0.9);
  const ParticleFilter model = on_a_line(4);
  const stoat::Estimate e = stoat::estimate(model, theta, stoat::StraightThrough{}, {.samples = 20'000, .seed = 2024});
  CHECK(std::abs(e.gradient[0] - truth(model, theta).gradient[0]) > agreement::bound * e.gradient_error[0]);
}

TEST_CASE("the likelihood of a rotation, in all four entries of its matrix") {
  const Eigen::VectorXd theta = rotation(0.15);
  const ParticleFilter model = in_the_plane(12, 3);
  agreement::check_estimates(model, theta, truth(model, theta), 3000);
  agreement::check_plain(plain(model), theta, truth(model, theta).value, 10'000);
}

TEST_CASE("weights that are carried on have the likelihood and its derivative along the path") {
  const Eigen::VectorXd theta = Eigen::VectorXd::Constant(1, 0.9);
  for (const Eigen::Index particles : {1, 4, 32}) {
    CAPTURE(particles);
    const ParticleFilter model = on_a_line(particles);
    agreement::check_estimate(CarriedWeights{model}, theta, stoat::StraightThrough{}, truth(model, theta), 10'000);
  }
  // The same path, and the noise of a score function that acts on descendants alone.
  const ParticleFilter model = in_the_plane(12, 3);
  const stoat::Estimate carried =
      stoat::estimate(CarriedWeights{model}, rotation(0.15), stoat::StraightThrough{}, {.samples = 500});
  const stoat::Estimate whole = stoat::estimate(model, rotation(0.15), stoat::ScoreFunction{}, {.samples = 500});
  CHECK(carried.value == doctest::Approx(whole.value).epsilon(1e-12));
  CHECK(carried.gradient_error.norm() < whole.gradient_error.norm());
}

// The published test takes 500 samples of 1000 particles and allows 5 %. A draw has a standard deviation of 3.3 times the
// derivative by the score function, 1.2 by one replay, 0.55 by eight, 0.25 by 32; 0.13 where weights are carried on. With three
// standard errors in 5 % that is 40 000, 5000, 1100, 230 and 60 draws.
TEST_CASE("the likelihood of a rotation by 1000 particles, in its angle" * doctest::test_suite("slow")) {
  const ParticleFilter model = in_the_plane(1000, 3);
  const Eigen::VectorXd angle = Eigen::VectorXd::Constant(1, 0.15);
  const double slope = slope_at(model, 0.15);
  const auto check = [&](const stoat::Program<double>& program, const stoat::AnyEstimator& estimator, std::uint64_t samples) {
    const stoat::Estimate e = stoat::estimate(program, angle, estimator, {.samples = samples, .seed = 2024});
    CAPTURE(e.estimator);
    CHECK(std::abs(e.value - density_at(model, 0.15)) < agreement::bound * e.value_error);
    CHECK(e.gradient_error[0] < 0.05 / 3 * std::abs(slope));
    CHECK(e.gradient[0] == doctest::Approx(slope).epsilon(0.05));
  };
  check(in_the_angle(CarriedWeights{model}), stoat::StraightThrough{}, 500);
  check(in_the_angle(model), stoat::StochasticDerivative{32}, 500);
}

// Twenty sights. The score of an early ancestor meets the noise of all that follows: one draw by the score function is off by 45
// times the gradient, by 32 replays by 30 times; 5 % would take millions of draws. Where weights are carried on it is off by 1.2
// times the gradient: 500 draws know it to 6 %, 5000 to 2 %.
TEST_CASE("the likelihood of a long rotation by 1000 particles" * doctest::test_suite("slow")) {
  const ParticleFilter model = in_the_plane(1000, 20);
  const stoat::Exact exact = truth(model, rotation(0.15));
  const stoat::Estimate e =
      stoat::estimate(CarriedWeights{model}, rotation(0.15), stoat::StraightThrough{}, {.samples = 500, .seed = 2024});
  CHECK(std::abs(e.value - exact.value) < agreement::bound * e.value_error);
  CHECK(((e.gradient - exact.gradient).array() / e.gradient_error.array()).abs().maxCoeff() < agreement::bound);
  CHECK(e.gradient_error.norm() < 0.08 * exact.gradient.norm());
}
