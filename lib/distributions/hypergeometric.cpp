#include <stoat/distributions/hypergeometric.hpp>

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
  const Urn urn(population, successes, draws);
  const Support support{static_cast<std::int64_t>(urn.lower()), static_cast<std::int64_t>(urn.upper())};
  if (support.lower == support.upper) return support.lower;
  const auto up = [&](std::int64_t i) { return urn.up(static_cast<Long>(i)); };
  if (urn.mean() - urn.lower() <= small_mean)
    return sum_up<Long>(u, static_cast<double>(urn.mean()), support, std::exp(urn.log_pmf(urn.lower())), up);
  const Long variance = urn.mean() * ((urn.N - urn.K) / urn.N) * ((urn.N - urn.n) / (urn.N - 1));
  const Long start = std::round(urn.mean() + std::sqrt(variance) * normal_at(u));
  const Long k = std::clamp(start, urn.lower(), urn.upper());
  return walk(static_cast<std::int64_t>(k), support, u, urn.cdf(k), std::exp(urn.log_pmf(k)), up);
}

}  // namespace stoat::detail
