// lib/distributions/inversion.hpp: from a uniform number to the outcome, for laws on the integers. Small means are inverted by
// summing up from the lowest outcome, which is exact and fast; for large ones there is an expansion, which mostly is certain to
// be right. Where it is not, the CDF is summed there.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include <boost/math/constants/constants.hpp>
#include <boost/math/special_functions/erf.hpp>
#include <boost/math/special_functions/gamma.hpp>

#include <stoat/distributions/law.hpp>

namespace stoat::detail {

namespace bm = boost::math;
// Nothing here throws: a doubtful result comes back as the best guess.
inline constexpr bm::policies::policy<
    bm::policies::domain_error<bm::policies::ignore_error>, bm::policies::pole_error<bm::policies::ignore_error>,
    bm::policies::overflow_error<bm::policies::ignore_error>, bm::policies::evaluation_error<bm::policies::ignore_error>,
    bm::policies::promote_double<false>>
    fast{};
inline constexpr double small_mean = 20;
inline constexpr double large_variance = 1e5;            // from here on the approximation is as exact as the CDF: within 2e-13 in u
inline constexpr double negligible_probability = 1e-20;  // no uniform number with 53 bits can tell it from 0
inline constexpr double farthest = 0x1p62;               // no outcome is drawn beyond

/// The standard normal quantile at u, or at half a step of 2^-53 if u = 0.
inline double normal_at(double u) { return -bm::constants::root_two<double>() * bm::erfc_inv(2 * std::max(u, 0x1p-54), fast); }

/// The quantile by an expansion: rounded, how far it was from where the rounding changes, and the likely error of that.
struct Approximation {
  double x, margin, error;
  /// Whether x is known to be the quantile.
  bool certain(double factor = 1) const { return margin > factor * error; }
};
/// The quantile at u by a Cornish-Fisher expansion of fourth order with Sheppard's correction for the integers; a, b and c are
/// the third, fourth and fifth cumulant over the variance. For Poisson and binomial laws with a variance from 10 on and within
/// four standard deviations the unrounded value is measured to be right to 0.006 / variance^1.5 near the mean and 2 /
/// variance^1.5 at the ends; the error given is several times that, and infinite beyond.
inline Approximation approximate(double u, double mean, double variance, double a, double b, double c) {
  const double z = normal_at(u);
  const double v = variance - 1.0 / 12, sd = std::sqrt(v), z2 = z * z;
  a *= variance / v;
  const double x =
      mean + sd * z + a * (z2 - 1) / 6 + z * (3 * b * (z2 - 3) - 2 * a * a * (2 * z2 - 5)) / (72 * sd) +
      (27 * c * (z2 * (z2 - 6) + 3) - 135 * a * b * (z2 * (z2 - 5) + 2) + 10 * a * a * a * (z2 * (12 * z2 - 53) + 17)) / (3240 * v);
  const double rounded = std::round(x), infinity = std::numeric_limits<double>::infinity();
  return {rounded, 0.5 - std::abs(x - rounded), z2 < 16 ? (0.02 + 0.05 * z2 * z2) / (v * sd) : infinity};
}

/// The smallest k with u < F(k), summing up from p = pmf(lower) by the ratios up(k) = pmf(k+1) / pmf(k).
template <class Up>
std::int64_t sum_up(double u, double mean, const Support& support, double p, const Up& up,
                    double negligible = negligible_probability) {
  for (std::int64_t k = support.lower; k < support.upper; ++k) {
    if (u < p || (p < negligible && mean < static_cast<double>(k))) return k;
    u -= p;
    p *= up(static_cast<double>(k));
  }
  return support.upper;
}

// What follows takes a law as its ratios: lower and upper, the ends of its support, up(k) = pmf(k+1) / pmf(k) and
// down(k) = pmf(k-1) / pmf(k), both of which fall on the way out.

/// P(X <= k) and P(X >= k) from p = pmf(k), added up until the rest is below 1e-17 of the sum.
template <class Ratios>
double sum_below(const Ratios& law, double k, double p) {
  double sum = p;
  for (; k > law.lower; --k) {
    const double ratio = law.down(k);
    p *= ratio;
    sum += p;
    if (p <= 1e-17 * (1 - ratio) * sum) break;
  }
  return sum;
}
template <class Ratios>
double sum_above(const Ratios& law, double k, double p) {
  double sum = p;
  for (; k < law.upper; ++k) {
    const double ratio = law.up(k);
    p *= ratio;
    sum += p;
    if (p <= 1e-17 * (1 - ratio) * sum) break;
  }
  return sum;
}

/// The smallest k with u < F(k), walking from a start k with f = F(k) and p = pmf(k). Where rounding in f hides the end, the walk
/// ends at the first negligible probability of that tail.
template <class Ratios>
double walk(const Ratios& law, double u, double k, double f, double p) {
  if (u < f) {
    for (; k > law.lower; --k) {
      f -= p;  // F(k-1)
      const double ratio = law.down(k);
      if (u >= f || (p < negligible_probability && ratio < 1)) break;
      p *= ratio;
    }
    return k;
  }
  while (k < law.upper) {
    p *= law.up(k);
    ++k;
    f += p;
    if (u < f || (p < negligible_probability && law.up(k) < 1)) break;
  }
  return k;
}

/// The smallest k with u < F(k), from a start k with p = pmf(k) where the CDF is summed, on the side away from the mean.
template <class Ratios>
std::int64_t invert_from(const Ratios& law, double u, double mean, double k, double p) {
  const double f = k >= law.upper ? 1 : k < mean ? sum_below(law, k, p) : 1 - sum_above(law, k + 1, p * law.up(k));
  return static_cast<std::int64_t>(walk(law, u, k, f, p));
}

}  // namespace stoat::detail
