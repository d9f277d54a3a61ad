// Probabilities and inversion for Binomial and Poisson.
#include <stoat/distributions/binomial.hpp>
#include <stoat/distributions/poisson.hpp>

#include "inversion.hpp"
#include "terms.hpp"

namespace stoat::detail {
namespace {

struct BinomialRatios {
  double upper, odds, lower = 0;
  double up(double k) const { return odds * (upper - k) / (k + 1); }
  double down(double k) const { return k / (odds * (upper - k + 1)); }
};
struct PoissonRatios {
  double rate, lower = 0, upper = std::numeric_limits<double>::infinity();
  double up(double k) const { return rate / (k + 1); }
  double down(double k) const { return k / rate; }
};

}  // namespace

double binomial_pmf(std::int64_t n, double p, std::int64_t k) {
  if (k < 0 || k > n) return 0;
  if (p == 0) return k == 0;
  if (p == 1) return k == n;
  return binomial_term(static_cast<double>(k), static_cast<double>(n - k), p);
}

double binomial_cdf(std::int64_t n, double p, std::int64_t k) {
  if (k < 0) return 0;
  if (k >= n) return 1;
  return special::ibetac(static_cast<double>(k) + 1, static_cast<double>(n - k), p);
}

double binomial_log_pmf(std::int64_t n, double p, std::int64_t k) {
  if (k < 0 || k > n) return std::log(0.0);
  return static_cast<double>(log_binomial_term(static_cast<Long>(k), static_cast<Long>(n - k), p, 1 - static_cast<Long>(p)));
}

double binomial_survival(std::int64_t n, double p, std::int64_t k) {
  if (k < 0) return 1;
  if (k >= n) return 0;
  return special::ibeta(static_cast<double>(k) + 1, static_cast<double>(n - k), p);
}

std::int64_t binomial_quantile(std::int64_t n, double p, double u) {
  if (n == 0 || p == 0) return 0;
  if (p > 0.5) return n - binomial_quantile(n, 1 - p, 1 - 0x1p-53 - u);  // failures; u on its grid of 53 bits, mirrored
  const double q = 1 - p, trials = static_cast<double>(n), mean = trials * p;
  const BinomialRatios law{trials, p / q};
  if (mean <= small_mean)
    return sum_up(u, mean, Support{0, n}, std::exp(trials * std::log1p(-p)), [&](double k) { return law.up(k); });
  const Approximation guess = approximate(u, mean, mean * q, q - p, 1 - 6 * p * q, (q - p) * (1 - 12 * p * q));
  const double k = std::clamp(guess.x, 0.0, trials);
  if (guess.certain() || mean * q > large_variance) return std::min(static_cast<std::int64_t>(std::min(k, farthest)), n);
  return invert_from(law, u, mean, k, binomial_term(k, trials - k, p));
}

double poisson_pmf(double rate, std::int64_t k) {
  if (k < 0) return 0;
  if (rate == 0) return k == 0;
  return poisson_term(static_cast<double>(k), rate);
}

double poisson_cdf(double rate, std::int64_t k) {
  if (k < 0) return 0;
  if (rate == 0) return 1;
  return special::gamma_q(static_cast<double>(k) + 1, rate);
}

double poisson_log_pmf(double rate, std::int64_t k) {
  if (k < 0) return std::log(0.0);
  return static_cast<double>(log_poisson_term(static_cast<Long>(k), rate));
}

double poisson_survival(double rate, std::int64_t k) {
  if (k < 0) return 1;
  if (rate == 0) return 0;
  return special::gamma_p(static_cast<double>(k) + 1, rate);
}

std::int64_t poisson_quantile(double rate, double u) {
  if (rate == 0) return 0;
  const PoissonRatios law{rate};
  if (rate <= small_mean) return sum_up(u, rate, Support{}, std::exp(-rate), [&](double k) { return law.up(k); });
  const Approximation guess = approximate(u, rate, rate, 1, 1, 1);
  const double k = std::clamp(guess.x, 0.0, farthest);
  if (guess.certain() || rate > large_variance) return static_cast<std::int64_t>(k);
  return invert_from(law, u, rate, k, poisson_term(k, rate));
}

}  // namespace stoat::detail
