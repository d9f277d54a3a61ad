// Probabilities and inversion for Binomial and Poisson. Small means are inverted by summing up from 0, which is exact and
// fast; large ones start at the Cornish-Fisher approximation, where one incomplete beta or gamma function gives the CDF; very
// large ones end there.
#include <algorithm>
#include <cmath>

#include <boost/math/constants/constants.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/erf.hpp>
#include <boost/math/special_functions/gamma.hpp>

#include <stoat/distributions/binomial.hpp>
#include <stoat/distributions/poisson.hpp>

namespace stoat::detail {
namespace {

namespace bm = boost::math;
// Nothing here throws: a doubtful result comes back as the best guess.
using Ignore = bm::policies::policy<
    bm::policies::domain_error<bm::policies::ignore_error>, bm::policies::pole_error<bm::policies::ignore_error>,
    bm::policies::overflow_error<bm::policies::ignore_error>, bm::policies::evaluation_error<bm::policies::ignore_error>>;
constexpr Ignore precise{};                                                                   // through long double
constexpr bm::policies::normalise<Ignore, bm::policies::promote_double<false>>::type fast{};  // loses a digit as n grows tenfold
constexpr double small_mean = 40;
constexpr double large_variance = 1e5;  // from here on the approximation is as exact as the CDF: within 2e-13 in u
constexpr double negligible = 1e-20;    // a probability that no uniform number with 53 bits can tell from 0

/// The quantile at u by a Cornish-Fisher expansion of fourth order with Sheppard's correction for the integers; a, b and c are
/// the third, fourth and fifth cumulant over the variance.
double approximate(double u, double mean, double variance, double a, double b, double c) {
  const double z = -bm::constants::root_two<double>() * bm::erfc_inv(2 * std::max(u, 0x1p-54), fast);
  const double v = variance - 1.0 / 12, sd = std::sqrt(v), z2 = z * z;
  a *= variance / v;
  return std::round(
      mean + sd * z + a * (z2 - 1) / 6 + z * (3 * b * (z2 - 3) - 2 * a * a * (2 * z2 - 5)) / (72 * sd) +
      (27 * c * (z2 * (z2 - 6) + 3) - 135 * a * b * (z2 * (z2 - 5) + 2) + 10 * a * a * a * (z2 * (12 * z2 - 53) + 17)) /
          (3240 * v));
}

/// The smallest k with u < F(k), summing up from pmf(0) by the ratios up(k) = pmf(k+1) / pmf(k).
template <class Up>
std::int64_t sum_up(double u, double mean, std::int64_t upper, double p, const Up& up) {
  for (std::int64_t k = 0; k < upper; ++k) {
    if (u < p || (p < negligible && mean < static_cast<double>(k))) return k;
    u -= p;
    p *= up(k);
  }
  return upper;
}

/// The smallest k with u < F(k), walking from a start k with f = F(k), p = pmf(k) and the ratios up(k) = pmf(k+1) / pmf(k).
/// Where rounding in f hides the end, the walk ends at the first negligible probability of that tail.
template <class Up>
std::int64_t walk(std::int64_t k, std::int64_t upper, double u, double f, double p, const Up& up) {
  if (u < f) {
    for (; k > 0; --k) {
      f -= p;  // F(k-1)
      if (u >= f || (p < negligible && up(k - 1) > 1)) return k;
      p /= up(k - 1);
    }
    return 0;
  }
  while (k < upper) {
    p *= up(k);
    ++k;
    f += p;
    if (u < f || (p < negligible && up(k) < 1)) return k;
  }
  return upper;
}

template <class Policy>
double pmf_of(double n, double p, double k, const Policy& policy) {
  return bm::ibeta_derivative(k + 1, n - k + 1, p, policy) / (n + 1);
}
template <class Policy>
double cdf_of(double n, double p, double k, const Policy& policy) {
  return bm::ibetac(k + 1, n - k, p, policy);
}

}  // namespace

double binomial_pmf(std::int64_t n, double p, std::int64_t k) {
  if (k < 0 || k > n) return 0;
  if (p == 0) return k == 0;
  if (p == 1) return k == n;
  return pmf_of(static_cast<double>(n), p, static_cast<double>(k), precise);
}

double binomial_cdf(std::int64_t n, double p, std::int64_t k) {
  if (k < 0) return 0;
  if (k >= n) return 1;
  return cdf_of(static_cast<double>(n), p, static_cast<double>(k), precise);
}

std::int64_t binomial_quantile(std::int64_t n, double p, double u) {
  if (n == 0 || p == 0) return 0;
  if (p > 0.5) return n - binomial_quantile(n, 1 - p, 1 - 0x1p-53 - u);  // failures; u on its grid of 53 bits, mirrored
  const double q = 1 - p, trials = static_cast<double>(n), mean = trials * p;
  const auto up = [n, odds = p / q](std::int64_t k) { return odds * static_cast<double>(n - k) / static_cast<double>(k + 1); };
  if (mean <= small_mean) return sum_up(u, mean, n, std::exp(trials * std::log1p(-p)), up);
  const double x = std::clamp(approximate(u, mean, mean * q, q - p, 1 - 6 * p * q, (q - p) * (1 - 12 * p * q)), 0.0, trials);
  const auto k = std::min(static_cast<std::int64_t>(std::min(x, 0x1p62)), n);
  if (mean * q > large_variance || k == n) return k;
  const auto from = [&](const auto& policy) {
    return walk(k, n, u, cdf_of(trials, p, x, policy), pmf_of(trials, p, x, policy), up);
  };
  return n > 10'000 ? from(precise) : from(fast);
}

double poisson_pmf(double rate, std::int64_t k) {
  if (k < 0) return 0;
  if (rate == 0) return k == 0;
  return bm::gamma_p_derivative(static_cast<double>(k) + 1, rate, fast);
}

double poisson_cdf(double rate, std::int64_t k) {
  if (k < 0) return 0;
  if (rate == 0) return 1;
  return bm::gamma_q(static_cast<double>(k) + 1, rate, fast);
}

std::int64_t poisson_quantile(double rate, double u) {
  if (rate == 0) return 0;
  const auto up = [rate](std::int64_t k) { return rate / static_cast<double>(k + 1); };
  if (rate <= small_mean) return sum_up(u, rate, Support::unbounded, std::exp(-rate), up);
  const double x = std::clamp(approximate(u, rate, rate, 1, 1, 1), 0.0, 0x1p62);
  const auto k = static_cast<std::int64_t>(x);
  if (rate > large_variance) return k;
  return walk(k, Support::unbounded, u, poisson_cdf(rate, k), poisson_pmf(rate, k), up);
}

}  // namespace stoat::detail
