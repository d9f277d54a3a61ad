// examples/particle_filter/plain.hpp: the same filter without stoat.
#pragma once

#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include <Eigen/Core>
#include <boost/random/discrete_distribution.hpp>
#include <boost/random/normal_distribution.hpp>

namespace particle_filter {

struct PlainParticleFilter {
  Eigen::MatrixXd observations;
  Eigen::VectorXd start;
  double start_variance, motion_variance, noise_variance;
  Eigen::Index particles = 64;
  bool minus_log = false;

  template <class Generator>
  double operator()(Generator& generator, const Eigen::VectorXd& theta) const {
    const Eigen::Index dimension = start.size();
    const Eigen::Map<const Eigen::MatrixXd> motion(theta.data(), dimension, dimension);
    std::vector<Eigen::VectorXd> x(static_cast<std::size_t>(particles));
    Eigen::VectorXd weight(particles);
    double log_density = 0;
    for (Eigen::Index t = 0; t < observations.cols(); ++t) {
      boost::random::normal_distribution<> normal(0, std::sqrt(t == 0 ? start_variance : motion_variance));
      boost::random::discrete_distribution<> ancestor(weight.begin(), t == 0 ? weight.begin() : weight.end());
      const std::vector<Eigen::VectorXd> before = x;
      for (Eigen::VectorXd& particle : x) {
        Eigen::VectorXd mean = start;
        if (t > 0) mean = motion * before[std::size_t(ancestor(generator))];
        particle = mean + Eigen::VectorXd::NullaryExpr(dimension, [&] { return normal(generator); });
      }
      for (Eigen::Index k = 0; k < particles; ++k)
        weight[k] = std::exp(-0.5 / noise_variance * (x[std::size_t(k)] - observations.col(t)).squaredNorm());
      const double scale = std::pow(2 * std::numbers::pi * noise_variance, -0.5 * double(dimension));
      log_density += std::log(scale / double(particles) * weight.sum());
    }
    return minus_log ? -log_density : std::exp(log_density);
  }
};

}  // namespace particle_filter
