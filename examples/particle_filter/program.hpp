// examples/particle_filter/program.hpp: the likelihood of a linear motion by a bootstrap particle filter.
#pragma once

#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include <stoat/stoat.hpp>

namespace particle_filter {

using namespace stoat;

/// x_1 ~ N(start, start_variance), x_{t+1} ~ N(A x_t, motion_variance), y_t ~ N(x_t, noise_variance); all variances times the
/// unit matrix. theta = A, column by column. The outcome estimates the density of the observations y, one a column: its mean is
/// the density itself, for any number of particles. Or the outcome is minus its logarithm.
struct ParticleFilter {
  Eigen::MatrixXd observations;
  Eigen::VectorXd start;
  double start_variance, motion_variance, noise_variance;
  Eigen::Index particles = 64;
  bool minus_log = false;

  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    const Eigen::Index dimension = start.size();
    const Matrix<S> motion = theta.matrix(0, dimension, dimension);
    std::vector<Vector<S>> x(static_cast<std::size_t>(particles), Vector<S>(start));
    Vector<S> weight;
    S log_density = 0;
    for (Eigen::Index t = 0; t < observations.cols(); ++t) {
      const double sd = std::sqrt(t == 0 ? start_variance : motion_variance);
      if (t > 0) {
        const std::vector<Vector<S>> before = x;
        const auto ancestor = draw(Categorical(weight).repeated(particles));
        for (std::size_t k = 0; k < x.size(); ++k) x[k] = motion * before[std::size_t(ancestor[k])];
      }
      for (Vector<S>& particle : x)
        particle = Vector<S>::generate(dimension, [&](Eigen::Index i) { return draw(Normal(particle[i], sd)); });
      weight = Vector<S>::generate(particles, [&](Eigen::Index k) {
        return exp(-0.5 / noise_variance * squared_norm(x[std::size_t(k)] - observations.col(t)));
      });
      const double scale = std::pow(2 * std::numbers::pi * noise_variance, -0.5 * double(dimension));
      log_density += log(scale / double(particles) * sum(weight));
    }
    return minus_log ? S(-log_density) : S(exp(log_density));
  }
};

}  // namespace particle_filter
