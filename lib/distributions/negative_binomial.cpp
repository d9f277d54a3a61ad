#include <stoat/distributions/negative_binomial.hpp>

#include <stoat/tape/special_functions.hpp>

#include "inversion.hpp"
#include "terms.hpp"

namespace stoat::detail {

constexpr double nearly_normal = 1e7;  // of r and the mean, from which on derivatives are those of a nearly normal law
constexpr double longest_sum = 250;    // up to this mean outcomes are summed if r is small and the expansion poor

double negative_binomial_log_pmf(double r, double p, std::int64_t k) {
  if (k < 0) return std::log(0.0);
  return static_cast<double>(log_negative_binomial_term(r, static_cast<Long>(k), p, 1 - static_cast<Long>(p)));
}

double negative_binomial_pmf(double r, double p, std::int64_t k) {
  if (k < 0) return 0;
  return static_cast<double>(std::exp(log_negative_binomial_term(r, static_cast<Long>(k), p, 1 - static_cast<Long>(p))));
}

double negative_binomial_cdf(double r, double p, std::int64_t k) {
  if (k < 0) return 0;
  return special::ibeta(r, static_cast<double>(k) + 1, p);
}

double negative_binomial_survival(double r, double p, std::int64_t k) {
  if (k < 0) return 1;
  return special::ibetac(r, static_cast<double>(k) + 1, p);
}

double negative_binomial_shape_slope(double r, double p, std::int64_t k) {
  if (k < 0) return 0;
  const double x = static_cast<double>(k), q = 1 - p, mean = r * q / p;
  if (std::min(r, mean) < nearly_normal) return ibeta_slope<0>(r, x + 1, p);
  // The fraction would take sqrt(r) steps. Spread evenly over k +- 1/2 the law is smooth, of variance mean / p + 1/12, and
  // d F / d r is -density d (quantile) / d r. The quantile is that of Cornish and Fisher (1938); the density at k + 1/2 the
  // geometric mean of pmf(k) and pmf(k + 1), but for terms of the variance. What is left out is of the order variance^-3/2.
  const double variance = mean / p + 1 / 12.0, sd = std::sqrt(variance), skewness = mean * (1 + q) / (p * p) / (variance * sd);
  const double z0 = (x + 0.5 - mean) / sd, z = z0 - skewness / 6 * (z0 * z0 - 1);
  const double density = negative_binomial_pmf(r, p, k) * std::sqrt(q * (r + x) / (x + 1)) * (1 + (4 - z * z) / (24 * variance));
  return -density * (q / p + z * (mean / p) / (2 * r * sd));
}

double negative_binomial_shape_score(double r, double p, std::int64_t k) {
  if (r >= digamma_series_from) return log_beta_density_slope(r, static_cast<double>(k), p, 1 - p);
  if (k > 100) return static_cast<double>(digamma_step(r, static_cast<Long>(k))) + std::log(p);
  double sum = 0;
  for (std::int64_t i = k - 1; i >= 0; --i) sum += 1 / (r + static_cast<double>(i));
  return sum + std::log(p);
}

namespace {

struct Ratios {
  double r, p, q, lower = 0, upper = std::numeric_limits<double>::infinity();

  double up(double k) const { return q * (r + k) / (k + 1); }
  double down(double k) const { return k / (q * (r + k - 1)); }
  double pmf(double k) const { return r / (r + k) * binomial_term(r, k, p); }
  /// From pmf(k); F(k) = I_p(r, k + 1) = 1 - I_q(k + 1, r).
  double cdf(double k, double term) const {
    const double factor = term * (r + k) * q, lambda = r * q - (k + 1) * p;
    return lambda > 0 ? factor * beta_fraction(r, k + 1, p, q, lambda) : 1 - factor * beta_fraction(k + 1, r, q, p, -lambda);
  }
};

}  // namespace

std::int64_t negative_binomial_quantile(double r, double p, double u) {
  if (p == 1) return 0;
  const Ratios law{r, p, 1 - p};
  const double q = law.q, mean = r * q / p;
  if (mean <= (r > 40 ? small_mean : longest_sum)) {
    double left = u, term = std::exp(r * std::log(p));
    for (double k = 0; k < 1000; ++k) {
      if (left < term || (term < negligible_probability && mean < k)) return static_cast<std::int64_t>(k);
      left -= term;
      term *= law.up(k);
    }
  }
  u = std::max(u, 0x1p-54);
  // Where to look: like a normal law if r is large, else p X is about Gamma(r), by its lower tail, its upper tail for small r, or
  // by Wilson and Hilferty (1931).
  const auto outcome = [](double y) { return y > 0 ? std::min(y, farthest) : 0.0; };  // 0 if it is not a number
  double x;
  if (r > 40) {
    const double a = (1 + q) / p, variance = mean / p;
    const Approximation guess =
        approximate(u, mean, variance, a, (1 + q * (4 + q)) / (p * p), (1 + q * (11 + q * (11 + q))) / (p * p * p));
    x = outcome(guess.x);
    if (guess.certain(a * a * a * a) || variance > large_variance * a * a) return static_cast<std::int64_t>(x);
  } else {
    const double log_gamma = bm::lgamma(r + 1, fast), lower_tail = std::exp((std::log(u) + log_gamma) / r);
    const double cube = 1 - 1 / (9 * r) + normal_at(u) / (3 * std::sqrt(r));
    const double y = lower_tail < 0.2 ? lower_tail : r < 0.5 ? std::log(r / (1 - u)) - log_gamma : r * cube * cube * cube;
    x = outcome(std::floor(y * q / p));
  }
  // Newton's method, kept between outcomes known to be too low and high enough.
  double low = -1, high = farthest;
  for (int i = 0; i < 100; ++i) {
    const double term = law.pmf(x), f = law.cdf(x, term), step = (u - f) / term;
    (u < f ? high : low) = x;
    if (std::abs(step) < 16) {
      if (term > 1e-13) return static_cast<std::int64_t>(walk(law, u, x, f, term));
      return static_cast<std::int64_t>(std::clamp(std::ceil(x + step), low + 1, high));  // within what 53 bits resolve
    }
    if (!(high - low > 1)) break;
    const double to = std::floor(x + step);
    x = to > low && to < high ? to : high < farthest ? std::floor((low + high) / 2) : std::min(4 * x + 1, farthest);
  }
  return static_cast<std::int64_t>(high);
}

}  // namespace stoat::detail
