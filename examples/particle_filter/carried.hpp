// examples/particle_filter/carried.hpp: the filter with ancestors drawn from constants.
#pragma once

#include <cstddef>

#include "program.hpp"

namespace particle_filter {

/// The same estimate of the same density, with its gradient along the path. The probabilities of the ancestors are taken as numbers
/// that no longer depend on theta; a particle carries on the probability that its ancestor should have had, over the one that it
/// had (Scibior and Wood 2021). That is 1, but its derivative is the score of the draw: it acts on what descends from the ancestor
/// alone, where a score function acts on the whole outcome. The mean is right for all theta near by, so its derivative is.
struct CarriedWeights : ParticleFilter {
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    const Eigen::Index dimension = start.size();
    const Matrix<S> motion = theta.matrix(0, dimension, dimension);
    std::vector<Vector<S>> x(static_cast<std::size_t>(particles), Vector<S>(start));
    Vector<S> weight, carried = Vector<S>::constant(particles, 1);
    S log_density = 0;
    for (Eigen::Index t = 0; t < observations.cols(); ++t) {
      const double sd = std::sqrt(t == 0 ? start_variance : motion_variance);
      if (t > 0) {
        const std::vector<Vector<S>> before = x;
        const Vector<S> constant = Vector<double>(Eigen::VectorXd(weight.eigen()));
        const auto ancestor = draw(Categorical(constant).repeated(particles));
        const S mean = sum(weight) / sum(constant);
        for (std::size_t k = 0; k < x.size(); ++k) x[k] = motion * before[std::size_t(ancestor[k])];
        carried = Vector<S>::generate(particles, [&](Eigen::Index k) {
          const std::int64_t a = ancestor[std::size_t(k)].value();
          return weight[a] / (constant[a] * mean);
        });
      }
      for (Vector<S>& particle : x)
        particle = Vector<S>::generate(dimension, [&](Eigen::Index i) { return draw(Normal(particle[i], sd)); });
      weight = Vector<S>::generate(particles, [&](Eigen::Index k) {
        return carried[k] * exp(-0.5 / noise_variance * squared_norm(x[std::size_t(k)] - observations.col(t)));
      });
      const double scale = std::pow(2 * std::numbers::pi * noise_variance, -0.5 * double(dimension));
      log_density += log(scale / double(particles) * sum(weight));
    }
    return minus_log ? S(-log_density) : S(exp(log_density));
  }
};

}  // namespace particle_filter
