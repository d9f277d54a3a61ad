#include <stoat/distributions/beta_binomial.hpp>

#include "inversion.hpp"
#include "terms.hpp"

namespace stoat::detail {
namespace {

/// sum of pmf(i) and of pmf(i) * score(i) in a and in b, over some outcomes i.
struct Sums {
  Long p = 0, a = 0, b = 0;
};

struct Law {
  Long n, a, b;

  /// Three negative binomial probabilities; any p would do, this one makes all three of them large.
  Long log_pmf(Long k) const {
    const Long p = (a + b) / (a + b + n), q = n / (a + b + n);
    return log_negative_binomial_term(a, k, p, q) + log_negative_binomial_term(b, n - k, p, q) -
           log_negative_binomial_term(a + b, n, p, q);
  }
  /// pmf(k+1) / pmf(k)
  Long up(Long k) const { return (n - k) * (k + a) / ((k + 1) * (n - k - 1 + b)); }
  /// d log pmf(k) / d a; that in b is the mirror image's.
  Long score(Long k) const { return digamma_step(a, k) - digamma_step(a + b, n); }
  Law mirrored() const { return {n, b, a}; }

  /// Over i <= k, with pmf(k) taken to be `term`, with or without the sums of scores. Stops early where what is left is
  /// negligible: with a >= 1 the probabilities keep falling.
  template <bool scores>
  Sums below(Long k, Long term) const {
    Sums s;
    Long in_a = scores ? score(k) : 0, in_b = scores ? mirrored().score(n - k) : 0;
    for (Long i = k;; --i) {
      s.p += term;
      if (scores) s.a += term * in_a, s.b += term * in_b;
      if (i == 0) return s;
      const Long ratio = 1 / up(i - 1);
      term *= ratio;
      if (a >= 1 && ratio < 1 && term * i < 1e-20L * s.p) return s;
      if (scores) in_a -= 1 / (a + i - 1), in_b += 1 / (b + n - i);
    }
  }
  /// Over i > k, with pmf(k+1) taken to be `term`.
  template <bool scores>
  Sums above(Long k, Long term) const {
    const Sums s = mirrored().below<scores>(n - k - 1, term);
    return {s.p, s.b, s.a};
  }
  Long mean() const { return n * (a / (a + b)); }
  Long below(Long k) const { return below<false>(k, std::exp(log_pmf(k))).p; }
  Long above(Long k) const { return above<false>(k, std::exp(log_pmf(k + 1))).p; }
  /// The sum on the side away from the mean, or the other one if that leaves less than a quarter.
  Long cdf(Long k) const {
    if (k < 0 || k >= n) return k >= n;
    if (k < mean()) return below(k);
    const Long rest = above(k);
    return rest < 0.75L ? 1 - rest : below(k);
  }
  Long survival(Long k) const {
    if (k < 0 || k >= n) return k < 0;
    if (k >= mean()) return above(k);
    const Long rest = below(k);
    return rest < 0.75L ? 1 - rest : above(k);
  }
};

/// The law in double precision.
struct Ratios {
  double upper, a, b, lower = 0;

  double up(double k) const { return (upper - k) * (k + a) / ((k + 1) * (upper - k - 1 + b)); }
  double down(double k) const { return k * (upper - k + b) / ((upper - k + 1) * (k - 1 + a)); }
  /// pmf(0), one trial after the other
  double none() const {
    double p = 1;
    for (double i = 0; i < upper; ++i) p *= (b + i) / (a + b + i);
    return p;
  }
};

Law law_of(std::int64_t n, double a, double b) { return {static_cast<Long>(n), a, b}; }

}  // namespace

double beta_binomial_log_pmf(std::int64_t n, double a, double b, std::int64_t k) {
  return static_cast<double>(k < 0 || k > n ? std::log(0.0L) : law_of(n, a, b).log_pmf(static_cast<Long>(k)));
}

double beta_binomial_cdf(std::int64_t n, double a, double b, std::int64_t k) {
  return static_cast<double>(law_of(n, a, b).cdf(static_cast<Long>(k)));
}

double beta_binomial_survival(std::int64_t n, double a, double b, std::int64_t k) {
  return static_cast<double>(law_of(n, a, b).survival(static_cast<Long>(k)));
}

void beta_binomial_score(std::int64_t n, double a, double b, std::int64_t k, std::span<double> out) {
  const Law law = law_of(n, a, b);
  out[0] = static_cast<double>(law.score(static_cast<Long>(k)));
  out[1] = static_cast<double>(law.mirrored().score(static_cast<Long>(n - k)));
}

void beta_binomial_slope(std::int64_t n, double a, double b, std::int64_t k, std::int64_t j, std::span<double> out) {
  out[0] = out[1] = 0;
  if (k < 0 || k >= n) return;
  const Law law = law_of(n, a, b);
  const Long x = static_cast<Long>(k), unit = j < 0 ? std::exp(law.log_pmf(x)) : j == k ? 1 : 1 / law.up(x);
  // sum over i <= k of pmf * score, or minus the sum over i > k: the score is monotone in i, so on one side it keeps its sign.
  const bool a_below = !(law.score(x) > 0);
  const bool b_below = law.mirrored().score(law.n - x) > 0;
  Sums below, above;
  if (a_below || b_below) below = law.below<true>(x, unit);
  if (!a_below || !b_below) above = law.above<true>(x, unit * law.up(x));
  out[0] = static_cast<double>(a_below ? below.a : -above.a);
  out[1] = static_cast<double>(b_below ? below.b : -above.b);
}

std::int64_t beta_binomial_quantile(std::int64_t n, double a, double b, double u) {
  if (a > b) return n - beta_binomial_quantile(n, b, a, 1 - 0x1p-53 - u);  // failures; u on its grid of 53 bits, mirrored
  u = std::max(u, 0x1p-54);
  const double trials = static_cast<double>(n), mean = trials * (a / (a + b));
  const Ratios law{trials, a, b};
  const Long log_none = n <= 100 ? 0 : law_of(n, a, b).log_pmf(0);
  if (log_none > -600) {
    // With a < 1 or b < 1 the probabilities rise again towards that end: none is too small to go on.
    const double negligible = a < 1 || b < 1 ? 0.0 : negligible_probability;
    return sum_up(
        u, mean, Support{0, n}, n <= 100 ? law.none() : static_cast<double>(std::exp(log_none)),
        [&](double k) { return law.up(k); }, negligible);
  }
  // a and b are large, the law is like a normal one.
  const double variance = mean * (b / (a + b)) * ((a + b + trials) / (a + b + 1));
  const double k = std::clamp(std::round(mean + std::sqrt(variance) * normal_at(u)), 0.0, trials);
  return invert_from(law, u, mean, k, static_cast<double>(std::exp(law_of(n, a, b).log_pmf(k))));
}

}  // namespace stoat::detail
