// The test of Kolmogorov and Smirnov for draws of a continuous law.
#pragma once

#include <algorithm>
#include <vector>

#include <stoat/random/philox.hpp>

namespace test {

/// sqrt(n) times the largest distance between the cdf and that of n = 20000 draws at a fixed seed. It exceeds 2.7 with probability
/// 2 exp(-2 * 2.7^2) = 1e-6 if the draws follow the cdf.
template <class Draw, class Cdf>
double kolmogorov_distance(Draw&& draw, Cdf&& cdf, std::uint64_t seed = 5) {
  constexpr int n = 20'000;
  stoat::Generator generator({.seed = seed});
  std::vector<double> x(n);
  for (double& v : x) v = draw(generator);
  std::sort(x.begin(), x.end());
  double distance = 0;
  for (int i = 0; i < n; ++i) {
    const double f = cdf(x[static_cast<std::size_t>(i)]);
    distance = std::max({distance, f - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - f});
  }
  return distance * std::sqrt(static_cast<double>(n));
}

}  // namespace test
