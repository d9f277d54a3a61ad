// examples/variational_inference/program.hpp: distances between distributions of whole numbers.
#pragma once

#include <stoat/stoat.hpp>

namespace variational_inference {

using namespace stoat;

/// Which columns of a design explain y? The posterior over subsets z, with prior probability logistic(prior) of each column and
/// y ~ N(design z, noise^2), is approached by independent coins with logits theta. The outcome: log q(z) - log p(z) p(y | z), whose
/// mean is least, and minus the log evidence, where the coins are the posterior.
struct Selection {
  Eigen::MatrixXd design;
  Eigen::VectorXd y;
  double prior = -1, noise = 0.5;

  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    const Vector<S> z = draw(BernoulliLogit(theta));
    const S log_q = dot(z, theta) - sum(softplus(theta));
    const S log_prior = prior * sum(z) - double(design.cols()) * softplus(prior);
    const S log_likelihood = -0.5 / (noise * noise) * squared_norm(y - design * z);
    return log_q - log_prior - log_likelihood;
  }
};

/// log q(x) - log p(x), x ~ q = Poisson(theta[0]), p = NegativeBinomial(size, probability): the mean is their divergence.
struct PoissonDivergence {
  double size = 10, probability = 0.25;

  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    const S x = draw(Poisson(theta[0]));
    const S log_q = x * log(theta[0]) - theta[0] - lgamma(x + 1);
    const S log_p = lgamma(x + size) - lgamma(x + 1) - lgamma(size) + size * log(probability) + x * log1p(-probability);
    return log_q - log_p;
  }
};

}  // namespace variational_inference
