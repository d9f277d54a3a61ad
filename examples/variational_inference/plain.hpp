// examples/variational_inference/plain.hpp: the same without stoat.
#pragma once

#include <cmath>

#include <Eigen/Core>
#include <boost/random/bernoulli_distribution.hpp>
#include <boost/random/poisson_distribution.hpp>

namespace variational_inference {

inline double softplus(double x) { return std::log1p(std::exp(x)); }

struct PlainSelection {
  Eigen::MatrixXd design;
  Eigen::VectorXd y;
  double prior = -1, noise = 0.5;

  template <class Generator>
  double operator()(Generator& generator, const Eigen::VectorXd& theta) const {
    const Eigen::VectorXd z = theta.unaryExpr(
        [&](double logit) -> double { return boost::random::bernoulli_distribution<>(1 / (1 + std::exp(-logit)))(generator); });
    const double log_q = z.dot(theta) - theta.unaryExpr([](double t) { return softplus(t); }).sum();
    const double log_prior = prior * z.sum() - double(design.cols()) * softplus(prior);
    const double log_likelihood = -0.5 / (noise * noise) * (y - design * z).squaredNorm();
    return log_q - log_prior - log_likelihood;
  }
};

struct PlainPoissonDivergence {
  double size = 10, probability = 0.25;

  template <class Generator>
  double operator()(Generator& generator, const Eigen::VectorXd& theta) const {
    const double x = boost::random::poisson_distribution<>(theta[0])(generator);
    const double log_q = x * std::log(theta[0]) - theta[0] - std::lgamma(x + 1);
    const double log_p = std::lgamma(x + size) - std::lgamma(x + 1) - std::lgamma(size) + size * std::log(probability) +
                         x * std::log1p(-probability);
    return log_q - log_p;
  }
};

}  // namespace variational_inference
