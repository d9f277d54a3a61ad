// Probabilities and inversion for Binomial and Poisson.
#include <stoat/distributions/binomial.hpp>
#include <stoat/distributions/poisson.hpp>

#include "inversion.hpp"
#include "terms.hpp"

namespace stoat::detail {
namespace {

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

double binomial_log_pmf(std::int64_t n, double p, std::int64_t k) {
  if (k < 0 || k > n) return std::log(0.0);
  return static_cast<double>(log_binomial_term(static_cast<Long>(k), static_cast<Long>(n - k), p, 1 - static_cast<Long>(p)));
}

double binomial_survival(std::int64_t n, double p, std::int64_t k) {
  if (k < 0) return 1;
  if (k >= n) return 0;
  return bm::ibeta(static_cast<double>(k) + 1, static_cast<double>(n - k), p, precise);
}

std::int64_t binomial_quantile(std::int64_t n, double p, double u) {
  if (n == 0 || p == 0) return 0;
  if (p > 0.5) return n - binomial_quantile(n, 1 - p, 1 - 0x1p-53 - u);  // failures; u on its grid of 53 bits, mirrored
  const double q = 1 - p, trials = static_cast<double>(n), mean = trials * p;
  const auto up = [n, odds = p / q](std::int64_t k) { return odds * static_cast<double>(n - k) / static_cast<double>(k + 1); };
  if (mean <= small_mean) return sum_up(u, mean, Support{0, n}, std::exp(trials * std::log1p(-p)), up);
  const auto [guess, certain] = approximate(u, mean, mean * q, q - p, 1 - 6 * p * q, (q - p) * (1 - 12 * p * q));
  const double x = std::clamp(guess, 0.0, trials);
  const auto k = std::min(static_cast<std::int64_t>(std::min(x, 0x1p62)), n);
  if (certain || mean * q > large_variance || k == n) return k;
  const auto from = [&](const auto& policy) {
    return walk(k, Support{0, n}, u, cdf_of(trials, p, x, policy), pmf_of(trials, p, x, policy), up);
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

double poisson_log_pmf(double rate, std::int64_t k) {
  if (k < 0) return std::log(0.0);
  return static_cast<double>(log_poisson_term(static_cast<Long>(k), rate));
}

double poisson_survival(double rate, std::int64_t k) {
  if (k < 0) return 1;
  if (rate == 0) return 0;
  return bm::gamma_p(static_cast<double>(k) + 1, rate, fast);
}

std::int64_t poisson_quantile(double rate, double u) {
  if (rate == 0) return 0;
  const auto up = [rate](std::int64_t k) { return rate / static_cast<double>(k + 1); };
  if (rate <= small_mean) return sum_up(u, rate, Support{}, std::exp(-rate), up);
  const auto [guess, certain] = approximate(u, rate, rate, 1, 1, 1);
  const double x = std::clamp(guess, 0.0, 0x1p62);
  const auto k = static_cast<std::int64_t>(x);
  if (certain || rate > large_variance) return k;
  return walk(k, Support{}, u, poisson_cdf(rate, k), poisson_pmf(rate, k), up);
}

}  // namespace stoat::detail
