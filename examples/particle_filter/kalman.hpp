// examples/particle_filter/kalman.hpp: what the particle filter estimates, exactly.
#pragma once

#include <cmath>
#include <numbers>

#include <Eigen/LU>

#include "program.hpp"

namespace particle_filter {

/// The logarithm of the density of the observations, by a Kalman filter.
inline double log_density(const ParticleFilter& model, const Eigen::VectorXd& theta) {
  const Eigen::Index d = model.start.size();
  const Eigen::MatrixXd motion = Eigen::Map<const Eigen::MatrixXd>(theta.data(), d, d), unit = Eigen::MatrixXd::Identity(d, d);
  Eigen::VectorXd mean = model.start;
  Eigen::MatrixXd covariance = model.start_variance * unit;
  double log_density = 0;
  for (Eigen::Index t = 0; t < model.observations.cols(); ++t) {
    if (t > 0) {
      mean = (motion * mean).eval();
      covariance = (motion * covariance * motion.transpose() + model.motion_variance * unit).eval();
    }
    const Eigen::VectorXd innovation = model.observations.col(t) - mean;
    const Eigen::MatrixXd spread = covariance + model.noise_variance * unit, inverse = spread.inverse();
    log_density -= 0.5 * (innovation.dot(inverse * innovation) + std::log(spread.determinant()) +
                          static_cast<double>(d) * std::log(2 * std::numbers::pi));
    const Eigen::MatrixXd gain = covariance * inverse;
    mean += gain * innovation;
    covariance = ((unit - gain) * covariance).eval();
  }
  return log_density;
}

}  // namespace particle_filter
