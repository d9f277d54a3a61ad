#include <stoat/distributions/negative_binomial.hpp>

#include <boost/math/special_functions/digamma.hpp>

#include <stoat/tape/special_functions.hpp>

#include "inversion.hpp"
#include "terms.hpp"

namespace stoat::detail {

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
  return bm::ibeta(r, static_cast<double>(k) + 1, p, precise);
}

double negative_binomial_survival(double r, double p, std::int64_t k) {
  if (k < 0) return 1;
  return bm::ibetac(r, static_cast<double>(k) + 1, p, precise);
}

double negative_binomial_shape_slope(double r, double p, std::int64_t k) {
  return k < 0 ? 0.0 : ibeta_slope<0>(r, static_cast<double>(k) + 1, p);
}

double digamma_step(double r, std::int64_t k) {
  if (k > 100)
    return static_cast<double>(bm::digamma(static_cast<Long>(r) + static_cast<Long>(k)) - bm::digamma(static_cast<Long>(r)));
  double sum = 0;
  for (std::int64_t i = k - 1; i >= 0; --i) sum += 1 / (r + static_cast<double>(i));
  return sum;
}

std::int64_t negative_binomial_quantile(double r, double p, double u) {
  if (p == 1) return 0;
  const double q = 1 - p, mean = r * q / p;
  if (mean <= small_mean) {
    double left = u, term = std::exp(r * std::log(p));
    for (std::int64_t k = 0; k < 1000; ++k) {
      if (left < term || (term < negligible_probability && mean < static_cast<double>(k))) return k;
      left -= term;
      term *= q * (r + static_cast<double>(k)) / static_cast<double>(k + 1);
    }
  }
  // Where to look: like a normal law if r is large, else p X is about Gamma(r), by its lower tail or by Wilson and Hilferty (1931).
  const auto cdf = [&](std::int64_t k) { return negative_binomial_cdf(r, p, k); };
  const auto outcome = [](double y) { return y > 0 ? static_cast<std::int64_t>(std::min(y, farthest)) : 0; };
  double x;
  if (r > 40) {
    x = approximate(u, mean, mean / p, (1 + q) / p, (1 + q * (4 + q)) / (p * p), (1 + q * (11 + q * (11 + q))) / (p * p * p)).x;
    if (mean < 1e9 * p)  // within a few outcomes
      return walk(outcome(x), Support{}, u, cdf(outcome(x)), negative_binomial_pmf(r, p, outcome(x)),
                  [&](std::int64_t k) { return q * (r + static_cast<double>(k)) / static_cast<double>(k + 1); });
  } else {
    const double lower_tail = std::exp((std::log(std::max(u, 0x1p-54)) + bm::lgamma(r + 1, fast)) / r);
    const double cube = 1 - 1 / (9 * r) + normal_at(u) / (3 * std::sqrt(r));
    x = (lower_tail < 0.2 ? lower_tail : r * cube * cube * cube) * q / p;
  }
  for (int i = 0; i < 6; ++i) {  // Newton's method while it moves far
    const double step = (cdf(outcome(x)) - u) / negative_binomial_pmf(r, p, outcome(x));
    if (!std::isfinite(step)) break;
    x = std::max(x - step, 0.0);
    if (std::abs(step) < 1) break;
  }
  return search(cdf, Support{}, outcome(x), u);
}

}  // namespace stoat::detail
