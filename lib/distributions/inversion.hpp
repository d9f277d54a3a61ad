// lib/distributions/inversion.hpp: from a uniform number to the outcome, for laws on the integers. Small means are inverted by
// summing up from the lowest outcome, which is exact and fast; large ones start at an approximation, where the CDF is computed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <boost/math/constants/constants.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/erf.hpp>
#include <boost/math/special_functions/gamma.hpp>

#include <stoat/distributions/law.hpp>

namespace stoat::detail {

namespace bm = boost::math;
// Nothing here throws: a doubtful result comes back as the best guess.
using Ignore = bm::policies::policy<
    bm::policies::domain_error<bm::policies::ignore_error>, bm::policies::pole_error<bm::policies::ignore_error>,
    bm::policies::overflow_error<bm::policies::ignore_error>, bm::policies::evaluation_error<bm::policies::ignore_error>>;
inline constexpr Ignore precise{};  // through long double
inline constexpr bm::policies::normalise<Ignore, bm::policies::promote_double<false>>::type
    fast{};  // loses a digit as n grows tenfold
inline constexpr double small_mean = 40;
inline constexpr double large_variance = 1e5;            // from here on the approximation is as exact as the CDF: within 2e-13 in u
inline constexpr double negligible_probability = 1e-20;  // no uniform number with 53 bits can tell it from 0
inline constexpr double farthest = 0x1p62;               // no outcome is drawn beyond

/// The standard normal quantile at u, or at half a step of 2^-53 if u = 0.
inline double normal_at(double u) { return -bm::constants::root_two<double>() * bm::erfc_inv(2 * std::max(u, 0x1p-54), fast); }

/// An outcome, and whether it is known to be the quantile.
struct Approximation {
  double x;
  bool certain;
};
/// The quantile at u by a Cornish-Fisher expansion of fourth order with Sheppard's correction for the integers; a, b and c are
/// the third, fourth and fifth cumulant over the variance. For Poisson and binomial laws with a variance from 20 on and within
/// four standard deviations the unrounded value is measured to be right to 0.006 / variance^1.5 near the mean and 2 /
/// variance^1.5 at the ends: farther than several times that from where the rounding changes, it is certain.
inline Approximation approximate(double u, double mean, double variance, double a, double b, double c) {
  const double z = normal_at(u);
  const double v = variance - 1.0 / 12, sd = std::sqrt(v), z2 = z * z;
  a *= variance / v;
  const double x =
      mean + sd * z + a * (z2 - 1) / 6 + z * (3 * b * (z2 - 3) - 2 * a * a * (2 * z2 - 5)) / (72 * sd) +
      (27 * c * (z2 * (z2 - 6) + 3) - 135 * a * b * (z2 * (z2 - 5) + 2) + 10 * a * a * a * (z2 * (12 * z2 - 53) + 17)) / (3240 * v);
  const double rounded = std::round(x);
  return {rounded, z2 < 16 && 0.5 - std::abs(x - rounded) > (0.02 + 0.05 * z2 * z2) / (v * sd)};
}

/// The smallest k with u < F(k), summing up from p = pmf(lower) by the ratios up(k) = pmf(k+1) / pmf(k).
template <class T, class Up>
std::int64_t sum_up(T u, double mean, const Support& support, T p, const Up& up, double negligible = negligible_probability) {
  for (std::int64_t k = support.lower; k < support.upper; ++k) {
    if (u < p || (p < negligible && mean < static_cast<double>(k))) return k;
    u -= p;
    p *= up(k);
  }
  return support.upper;
}

/// The smallest k with u < F(k), walking from a start k with f = F(k), p = pmf(k) and the ratios up(k) = pmf(k+1) / pmf(k).
/// Where rounding in f hides the end, the walk ends at the first negligible probability of that tail.
template <class T, class Up>
std::int64_t walk(std::int64_t k, const Support& support, double u, T f, T p, const Up& up,
                  double negligible = negligible_probability) {
  if (u < f) {
    for (; k > support.lower; --k) {
      f -= p;  // F(k-1)
      if (u >= f || (p < negligible && up(k - 1) > 1)) return k;
      p /= up(k - 1);
    }
    return support.lower;
  }
  while (k < support.upper) {
    p *= up(k);
    ++k;
    f += p;
    if (u < f || (p < negligible && up(k) < 1)) return k;
  }
  return support.upper;
}

}  // namespace stoat::detail
