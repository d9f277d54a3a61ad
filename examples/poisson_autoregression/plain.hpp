// examples/poisson_autoregression/plain.hpp: the same counts without stoat.
#pragma once

#include <cmath>
#include <optional>

#include <Eigen/Core>
#include <boost/random/poisson_distribution.hpp>

namespace poisson_autoregression {

struct PlainPoissonAutoregression {
  int steps = 10;
  std::optional<int> observed{};

  template <class Generator>
  double operator()(Generator& generator, const Eigen::VectorXd& theta) const {
    double rate = theta[0];
    for (int t = 0; t < steps; ++t) {
      const int count = boost::random::poisson_distribution<>(rate)(generator);
      rate = theta[1] + theta[2] * count + theta[3] * rate;
    }
    if (!observed) return rate;
    return -std::exp(-rate / 100) / 100 * std::exp(*observed * std::log(rate) - rate - std::lgamma(*observed + 1.0));
  }
};

}  // namespace poisson_autoregression
