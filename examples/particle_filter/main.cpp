// examples/particle_filter/main.cpp: the gradient of a likelihood through the resampling of a particle filter.
#include <common/showcase.hpp>
#include <stoat/estimators/score_function.hpp>

#include "kalman.hpp"
#include "plain.hpp"
#include "program.hpp"

using namespace stoat;
using namespace particle_filter;

namespace {

/// A matrix that rotates by an angle, column by column.
Eigen::VectorXd rotation(double angle) {
  return Eigen::Vector4d(std::cos(angle), std::sin(angle), -std::sin(angle), std::cos(angle));
}

/// Six sights of something that circles the origin at distance 2.
Eigen::MatrixXd circle(double angle) {
  return Eigen::MatrixXd::NullaryExpr(2, 6, [&](Eigen::Index i, Eigen::Index t) {
    return 2 * (i == 0 ? std::cos(angle * static_cast<double>(t)) : std::sin(angle * static_cast<double>(t)));
  });
}

}  // namespace

int main(int argc, char** argv) {
  const ParticleFilter filter{.observations = circle(0.2),
                              .start = Eigen::Vector2d(2, 0),
                              .start_variance = 0.02,
                              .motion_variance = 0.02,
                              .noise_variance = 0.05,
                              .particles = 32};
  const PlainParticleFilter plain{filter.observations,    filter.start,          filter.start_variance,
                                  filter.motion_variance, filter.noise_variance, filter.particles};
  ParticleFilter fit = filter;
  fit.minus_log = true;
  return showcase::run(
      {.name = "particle_filter",
       .title = "A likelihood through the resampling of a particle filter",
       .text =
           "<p>Something moves in the plane by a matrix A and a little noise, and is seen six times with more noise. 32 particles "
           "estimate the density of what was seen; how does it depend on the four entries of A? Each time the particles are "
           "drawn anew in proportion to their weights, and those draws depend on A.</p>",
       .program = filter,
       .theta = rotation(0.15),
       .parameters = {"A(0, 0)", "A(1, 0)", "A(0, 1)", "A(1, 1)"},
       .plain = [plain](const Eigen::VectorXd& theta, auto& generator) { return plain(generator, theta); },
       .truth =
           [filter] {
             const auto density = [&](const Eigen::VectorXd& theta) { return std::exp(log_density(filter, theta)); };
             return showcase::differentiated(density, rotation(0.15), "Kalman filter");
           },
       .estimator = StochasticDerivative{8},
       .samples = 3000,
       .descent = {.program = fit,
                   .start = 0.5 * rotation(0),
                   .estimator = LeaveOneOut{4},
                   .optimizer = Adam{0.02},
                   .iterations = 150,
                   .samples = 32,
                   .cost = "minus log density",
                   .parameters = {"A(0, 0)", "A(1, 0)", "A(0, 1)", "A(1, 1)"},
                   .known = [&] { return -log_density(filter, rotation(0.2)); },
                   .known_source = "Kalman filter, true rotation"}},
      argc, argv);
}
