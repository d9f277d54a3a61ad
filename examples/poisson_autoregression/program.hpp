// examples/poisson_autoregression/program.hpp: counts whose rate remembers earlier counts.
#pragma once

#include <optional>

#include <stoat/stoat.hpp>

namespace poisson_autoregression {

using namespace stoat;

/// rate_{t+1} = a + b * count_t + c * rate_t with count_t ~ Poisson(rate_t); theta = (rate_0, a, b, c). The outcome is the last
/// rate; or, where a last count was observed, minus its probability, times the density of the rate under Exponential(mean 100).
struct PoissonAutoregression {
  int steps = 10;
  std::optional<int> observed{};

  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    S rate = theta[0];
    for (int t = 0; t < steps; ++t) rate = theta[1] + theta[2] * draw(Poisson(rate)) + theta[3] * rate;
    if (!observed) return rate;
    return -exp(-rate / 100.0) / 100.0 * exp(*observed * log(rate) - rate - lgamma(*observed + 1.0));
  }
};

}  // namespace poisson_autoregression
