#include <stoat/distributions/hypergeometric.hpp>

#include <utility>

#include "inversion.hpp"
#include "terms.hpp"

namespace stoat::detail {
namespace {

/// The law in real numbers: successes K among n of N, and the rest of the items.
struct Urn {
  Long N, K, n;
  Urn(std::int64_t population, std::int64_t successes, std::int64_t draws)
      : N(static_cast<Long>(population)), K(static_cast<Long>(successes)), n(static_cast<Long>(draws)) {}

  Long lower() const { return std::max<Long>(0, n - (N - K)); }
  Long upper() const { return std::min(n, K); }
  Long mean() const { return N == 0 ? 0 : n * (K / N); }
  /// Three binomial probabilities; any p would do, n / N makes all three of them large.
  Long log_pmf(Long k) const {
    const Long p = N == 0 ? 0 : n / N, q = N == 0 ? 1 : (N - n) / N;
    return log_binomial_term(k, K - k, p, q) + log_binomial_term(n - k, N - K - (n - k), p, q) - log_binomial_term(n, N - n, p, q);
  }
  /// pmf(k+1) / pmf(k)
  Long up(Long k) const { return (K - k) * (n - k) / ((k + 1) * (N - K - n + k + 1)); }

  /// pmf(k-1) / pmf(k)
  Long down(Long k) const { return k * (N - K - n + k) / ((K - k + 1) * (n - k + 1)); }

  /// P(X <= k) for k up to about the mean, P(X > k) from there on: sums whose ratios fall.
  Long below(Long k) const {
    Long term = std::exp(log_pmf(k)), sum = term;
    for (; k > lower(); --k) {
      const Long ratio = down(k);
      term *= ratio;
      sum += term;
      if (ratio < 1 && term * ratio < 1e-20L * (1 - ratio) * sum) break;
    }
    return sum;
  }
  Long above(Long k) const {
    Long term = std::exp(log_pmf(k + 1)), sum = term;
    for (++k; k < upper(); ++k) {
      const Long ratio = up(k);
      term *= ratio;
      sum += term;
      if (ratio < 1 && term * ratio < 1e-20L * (1 - ratio) * sum) break;
    }
    return sum;
  }
  Long cdf(Long k) const { return k < lower() ? 0 : k >= upper() ? 1 : k < mean() ? below(k) : 1 - above(k); }
  Long survival(Long k) const { return k < lower() ? 1 : k >= upper() ? 0 : k < mean() ? 1 - below(k) : above(k); }
};

/// The law in double precision, with n <= K <= N / 2.
struct Ratios {
  double N, K, n, lower = 0, upper = n;

  double up(double k) const { return (K - k) * (n - k) / ((k + 1) * (N - K - n + k + 1)); }
  double down(double k) const { return k * (N - K - n + k) / ((K - k + 1) * (n - k + 1)); }
  /// As Urn::log_pmf.
  double pmf(double k) const {
    const double p = n / N;
    return binomial_term(k, K - k, p) * binomial_term(n - k, N - K - (n - k), p) / binomial_term(n, N - n, p);
  }
  /// pmf(0), one item after the other
  double none() const {
    double p = 1;
    for (double i = 0; i < n; ++i) p *= (N - K - i) / (N - i);
    return p;
  }
};
constexpr double smallest_variance = 10;  // below it the expansion is not certain enough

}  // namespace

double hypergeometric_log_pmf(std::int64_t population, std::int64_t successes, std::int64_t draws, std::int64_t k) {
  const Urn urn(population, successes, draws);
  const Long x = static_cast<Long>(k);
  return static_cast<double>(x < urn.lower() || x > urn.upper() ? std::log(0.0L) : urn.log_pmf(x));
}

double hypergeometric_cdf(std::int64_t population, std::int64_t successes, std::int64_t draws, std::int64_t k) {
  return static_cast<double>(Urn(population, successes, draws).cdf(static_cast<Long>(k)));
}

double hypergeometric_survival(std::int64_t population, std::int64_t successes, std::int64_t draws, std::int64_t k) {
  return static_cast<double>(Urn(population, successes, draws).survival(static_cast<Long>(k)));
}

std::int64_t hypergeometric_quantile(std::int64_t population, std::int64_t successes, std::int64_t draws, double u) {
  // At most half of the items are successes and at most half are drawn, else those that are not are counted.
  const auto mirrored = [u] { return 1 - 0x1p-53 - u; };  // u is on a grid of 53 bits
  if (successes > population / 2) return draws - hypergeometric_quantile(population, population - successes, draws, mirrored());
  if (draws > population / 2) return successes - hypergeometric_quantile(population, successes, population - draws, mirrored());
  if (draws > successes) std::swap(draws, successes);  // the same law
  if (draws == 0) return 0;
  const double N = static_cast<double>(population), K = static_cast<double>(successes), n = static_cast<double>(draws);
  const Ratios law{N, K, n};
  const double mean = n * (K / N), variance = mean * ((N - K) / N) * ((N - n) / (N - 1));
  if (variance <= smallest_variance)
    return sum_up(u, mean, Support{0, draws}, draws <= 40 ? law.none() : law.pmf(0), [&](double k) { return law.up(k); });
  // The fifth cumulant is as it is for a binomial law of the third and fourth: measured to be wrong by less than a tenth of what
  // is allowed for it here.
  const double a = (N - 2 * K) / N * ((N - 2 * n) / (N - 2));
  const double b = (N * (N + 1) - 6 * K * (N - K) - 6 * n * (N - n) + 6 * variance * (5 * N - 6)) / ((N - 2) * (N - 3));
  const Approximation guess = approximate(u, mean, variance, a, b, a * (2 * b - 1));
  const double k = std::clamp(guess.x, 0.0, n);
  if (guess.certain(1 + std::sqrt(variance) / 2)) return static_cast<std::int64_t>(k);
  return invert_from(law, u, mean, k, law.pmf(k));
}

}  // namespace stoat::detail
