// lib/tape/binomial_term.hpp: logarithms of binomial probabilities and beta densities without cancellation, in long double.
//
// log k! is Stirling's formula plus a small error; the large parts of several of them combine into deviances, which are small
// near the mean (Loader 2000, "Fast and accurate computation of binomial probabilities").
#pragma once

#include <cmath>

#include <boost/math/constants/constants.hpp>
#include <boost/math/special_functions/log1p.hpp>

namespace stoat::detail {

using Long = long double;

/// log Gamma(x + 1) - (x + 1/2) log x + x - log(2 pi) / 2, x > 0
inline Long stirling_error(Long x) {
  if (x < 16) {
    // From x + 16: Gamma(x + 17) = (x + 16) ... (x + 1) Gamma(x + 1).
    const Long y = x + 16;
    Long product = 1;
    for (int j = 1; j <= 16; ++j) product *= x + j;
    return stirling_error(y) + (y + 0.5L) * std::log(y) - 16 - std::log(product) - (x + 0.5L) * std::log(x);
  }
  // sum over j of B_2j / (2j (2j - 1) x^(2j - 1)); the first term left out is below 1e-19
  constexpr Long c[] = {1 / 12.0L, -1 / 360.0L, 1 / 1260.0L, -1 / 1680.0L, 1 / 1188.0L, -691 / 360360.0L, 1 / 156.0L};
  const Long y = 1 / (x * x);
  Long sum = 0;
  for (int j = 6; j >= 0; --j) sum = sum * y + c[j];
  return sum / x;
}

/// x log(x / m) + m - x
inline Long deviance(Long x, Long m) {
  const Long e = (x - m) / m;
  return std::abs(e) < 0.5L ? x * boost::math::log1pmx(e) + m * e * e : x * std::log(x / m) + m - x;
}

/// log of Gamma(x + y + 1) / (Gamma(x + 1) Gamma(y + 1)) p^x q^y for real x, y >= 0 and p + q = 1.
inline Long log_binomial_term(Long x, Long y, Long p, Long q) {
  const auto power = [](Long n, Long a, Long rest) { return n == 0 ? 0 : n * (a < 0.5L ? std::log(a) : std::log1p(-rest)); };
  if (x == 0) return power(y, q, p);
  if (y == 0) return power(x, p, q);
  if (p == 0 || q == 0) return std::log(0.0L);
  const Long n = x + y;
  return stirling_error(n) - stirling_error(x) - stirling_error(y) - deviance(x, n * p) - deviance(y, n * q) +
         (std::log(n / x / y) - std::log(boost::math::constants::two_pi<Long>())) / 2;
}

/// log of x y beta_density(a, b, x), y = 1 - x in (0, 1)
inline Long log_beta_power(Long a, Long b, Long x, Long y) { return log_binomial_term(a, b, x, y) + std::log(a / (a + b) * b); }

}  // namespace stoat::detail
