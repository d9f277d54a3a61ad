// Likelihoods by particle filters against Kalman filters.
#include <doctest/doctest.h>

#include <cmath>

#include <common/showcase.hpp>
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
