// Probabilities and inversion for Binomial and Poisson. Small means are inverted by summing up from 0, which is exact and
// fast; large ones start at the normal approximation, where one incomplete beta or gamma function gives the CDF.
#include <algorithm>
#include <cmath>

#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/gamma.hpp>

#include <stoat/distributions/binomial.hpp>
#include <stoat/distributions/poisson.hpp>

namespace stoat::detail {
namespace {

namespace bm = boost::math;
using Policy = bm::policies::policy<bm::policies::overflow_error<bm::policies::ignore_error>, bm::policies::promote_double<false>>;
constexpr Policy policy{};
constexpr double small_mean = 40;

/// A rational approximation of the standard normal quantile is enough for a start (Abramowitz and Stegun 26.2.23).
double normal_guess(double u) {
  const double p = std::clamp(std::min(u, 1 - u), 1e-300, 0.5);
  const double t = std::sqrt(-2 * std::log(p));
  const double z = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  return u < 0.5 ? -z : z;
}

/// The smallest k with u < F(k), walking from a start with cdf(k), pmf(k) and the ratios pmf(k+1)/pmf(k).
template <class Cdf, class Pmf, class Up>
std::int64_t walk(std::int64_t k, std::int64_t upper, double u, const Cdf& cdf, const Pmf& pmf, const Up& up) {
  double f = cdf(k), p = pmf(k);
  if (u < f) {
    while (k > 0) {
      f -= p;  // F(k-1)
      if (u >= f) return k;
      --k;
      p /= up(k);
    }
    return 0;
  }
  while (k < upper) {
    p *= up(k);
    ++k;
    f += p;
    if (u < f || p == 0) return k;
  }
  return upper;
}

}  // namespace

double binomial_pmf(std::int64_t n, double p, std::int64_t k) {
  if (k < 0 || k > n) return 0;
  if (p == 0) return k == 0;
  if (p == 1) return k == n;
  // pmf(k; n, p) = ibeta_derivative(k + 1, n - k + 1, p) / (n + 1)
  return bm::ibeta_derivative(static_cast<double>(k + 1), static_cast<double>(n - k + 1), p, policy) / static_cast<double>(n + 1);
}

double binomial_cdf(std::int64_t n, double p, std::int64_t k) {
  if (k < 0) return 0;
  if (k >= n) return 1;
  return bm::ibetac(static_cast<double>(k + 1), static_cast<double>(n - k), p, policy);
}

std::int64_t binomial_quantile(std::int64_t n, double p, double u) {
  if (n == 0 || p == 0) return 0;
  if (p == 1) return n;
  const double q = 1 - p, mean = static_cast<double>(n) * p;
  if (mean <= small_mean) {
    const double odds = p / q;
    double probability = std::exp(static_cast<double>(n) * std::log1p(-p));
    for (std::int64_t k = 0; k < n; ++k) {
      if (u < probability) return k;
      u -= probability;
      probability *= odds * static_cast<double>(n - k) / static_cast<double>(k + 1);
      if (probability < 1e-300 && static_cast<double>(k) > mean) return k;
    }
    return n;
  }
  const double guess = std::round(mean + std::sqrt(mean * q) * normal_guess(u));
  const auto start = static_cast<std::int64_t>(std::clamp(guess, 0.0, static_cast<double>(n)));
  return walk(
      start, n, u, [&](std::int64_t k) { return binomial_cdf(n, p, k); }, [&](std::int64_t k) { return binomial_pmf(n, p, k); },
      [&](std::int64_t k) { return static_cast<double>(n - k) / static_cast<double>(k + 1) * (p / q); });
}

double poisson_pmf(double rate, std::int64_t k) {
  if (k < 0) return 0;
  if (rate == 0) return k == 0;
  return bm::gamma_p_derivative(static_cast<double>(k + 1), rate, policy);
}

double poisson_cdf(double rate, std::int64_t k) {
  if (k < 0) return 0;
  if (rate == 0) return 1;
  return bm::gamma_q(static_cast<double>(k + 1), rate, policy);
}

std::int64_t poisson_quantile(double rate, double u) {
  if (rate == 0) return 0;
  if (rate <= small_mean) {
    double probability = std::exp(-rate);
    for (std::int64_t k = 0;; ++k) {
      if (u < probability) return k;
      u -= probability;
      probability *= rate / static_cast<double>(k + 1);
      if (probability < 1e-300 && static_cast<double>(k) > rate) return k;
    }
  }
  const double guess = std::round(rate + std::sqrt(rate) * normal_guess(u));
  return walk(
      static_cast<std::int64_t>(std::max(guess, 0.0)), Support::unbounded, u, [&](std::int64_t k) { return poisson_cdf(rate, k); },
      [&](std::int64_t k) { return poisson_pmf(rate, k); }, [&](std::int64_t k) { return rate / static_cast<double>(k + 1); });
}

}  // namespace stoat::detail
