// lib/distributions/terms.hpp: logarithms of probabilities without cancellation, in long double, and probabilities in double for
// the path of a draw. See lib/tape/binomial_term.hpp.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include <boost/math/constants/constants.hpp>
#include <boost/math/special_functions/digamma.hpp>

#include <stoat/tape/special_functions.hpp>

#include "../tape/binomial_term.hpp"

namespace stoat::detail {

/// digamma(a + x) - digamma(a), a > 0, x >= 0
inline Long digamma_step(Long a, Long x) {
  if (a < digamma_series_from) return boost::math::digamma(a + x) - boost::math::digamma(a);
  return std::log1p(x / a) + (digamma_rest(a) - digamma_rest(a + x));
}

/// log of m^x e^-m / Gamma(x + 1)
inline Long log_poisson_term(Long x, Long m) {
  if (x == 0) return -m;
  if (m == 0) return std::log(0.0L);
  return -stirling_error(x) - deviance(x, m) - (std::log(x) + std::log(boost::math::constants::two_pi<Long>())) / 2;
}

/// log of Gamma(r + k) / (Gamma(r) k!) p^r q^k for real r > 0
inline Long log_negative_binomial_term(Long r, Long k, Long p, Long q) {
  return std::log(r / (r + k)) + log_binomial_term(r, k, p, q);
}

// ---- in double ----------------------------------------------------------------------------------------------------------------

/// log k! - (k + 1/2) log k + k - log(2 pi) / 2 for a number k of 1 or more: rounded as its series is from 16 on.
inline double stirling_error_in_double(double k) {
  static const std::array<double, 16> small = [] {
    std::array<double, 16> errors{};
    for (std::size_t i = 1; i < errors.size(); ++i) errors[i] = static_cast<double>(stirling_error(static_cast<Long>(i)));
    return errors;
  }();
  if (k < 16) return k == std::floor(k) ? small[static_cast<std::size_t>(k)] : static_cast<double>(stirling_error(k));
  const double y = 1 / (k * k);
  return (1 / 12.0 - y * (1 / 360.0 - y * (1 / 1260.0 - y * (1 / 1680.0 - y * (1 / 1188.0 - y * (691 / 360360.0)))))) / k;
}

constexpr double near = 0.1;  // |x - m| / (x + m) up to which formulas near the mean m are used
/// deviance(x, m + error) for x near m, m + error being m without its rounding: from (x - m)^2 / (x + m) + 2 x (atanh v - v) with
/// v = (x - m) / (x + m), of which the first term left out is below 1e-17 of the sum.
inline double deviance_in_double(double x, double m, double error = 0) {
  const double d = x - m, v = d / (x + m), y = v * v;
  double sum = 0;
  for (int j = 15; j >= 3; j -= 2) sum = sum * y + 1.0 / j;
  return d * v + 2 * x * v * y * sum - d / m * error;
}

/// Poisson's probability of k at the mean m; in long double far from the mean.
inline double poisson_term(double k, double m) {
  if (!(std::abs(k - m) < near * (k + m))) return static_cast<double>(std::exp(log_poisson_term(k, m)));
  return std::exp(-stirling_error_in_double(k) - deviance_in_double(k, m)) /
         std::sqrt(boost::math::constants::two_pi<double>() * k);
}

/// Probability of x successes and y failures in x + y trials of probability p; in long double far from the mean.
inline double binomial_term(double x, double y, double p) {
  const double n = x + y, q = 1 - p, a = n * p, b = n * q;
  if (!(std::abs(x - a) < near * (x + a) && std::abs(y - b) < near * (y + b)))
    return static_cast<double>(std::exp(log_binomial_term(x, y, p, 1 - static_cast<Long>(p))));
  return std::exp(stirling_error_in_double(n) - stirling_error_in_double(x) - stirling_error_in_double(y) -
                  deviance_in_double(x, a, std::fma(n, p, -a)) - deviance_in_double(y, b, std::fma(n, q, -b) + n * ((1 - q) - p))) *
         std::sqrt(n / (boost::math::constants::two_pi<double>() * x) / y);
}

}  // namespace stoat::detail
