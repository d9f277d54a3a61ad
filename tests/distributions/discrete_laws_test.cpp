// The discrete laws of counts, ranks and mixtures against independent references: Boost.Math and sums in long double.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include <boost/math/distributions/hypergeometric.hpp>
#include <boost/math/distributions/negative_binomial.hpp>
#include <boost/math/special_functions/zeta.hpp>
#include <stoat/stoat.hpp>

#include "check_law.hpp"

using namespace stoat;
namespace bm = boost::math;

namespace {

Long log_choose(Long n, Long k) { return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1); }
Long log_beta(Long a, Long b) { return std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b); }

// Textbook probabilities in long double.
Long negative_binomial(Long r, Long p, Long x) {
  return std::exp(std::lgamma(r + x) - std::lgamma(r) - std::lgamma(x + 1) + r * std::log(p) + (x > 0 ? x * std::log1p(-p) : 0));
}
Long beta_binomial(Long n, Long a, Long b, Long x) {
  return std::exp(log_choose(n, x) + log_beta(x + a, n - x + b) - log_beta(a, b));
}
Long poisson(Long rate, Long x) { return std::exp(x * std::log(rate) - rate - std::lgamma(x + 1)); }
Long geometric(Long p, Long x) { return p * std::exp(x * std::log1p(-p)); }

/// weight(x, q) over its sum for x = lower, ..., upper; the sum is remembered for the last q.
template <class Weight>
struct Normalised {
  int lower, upper;
  Weight weight;
  mutable Long last = std::numeric_limits<Long>::quiet_NaN(), total = 0;
  Normalised(int first, int end, Weight w) : lower(first), upper(end), weight(w) {}
  Long operator()(int x, Long q) const {
    if (q != last) {
      total = 0, last = q;
      for (int k = upper; k >= lower; --k) total += weight(k, q);
    }
    return weight(x, q) / total;
  }
};

/// floor(mean + z sd) for z = -6, -5.5, ..., 8, within [lower, upper].
std::vector<std::int64_t> around(double mean, double sd, double lower, double upper = 1e18) {
  std::vector<std::int64_t> ks;
  for (double z = -6; z <= 8; z += 0.5)
    ks.push_back(static_cast<std::int64_t>(std::clamp(std::floor(mean + z * sd), lower, upper)));
  return ks;
}

/// The law against running sums of a long double pmf over lower, ..., upper, and beyond if the law has no upper end.
template <class L, class Pmf>
void check_sums(const L& law, std::int64_t lower, std::int64_t upper, const Pmf& pmf, Long tolerance = 1e-12L) {
  const std::size_t shown = static_cast<std::size_t>(upper - lower + 1), n = shown + (law.support().finite() ? 0 : 2000);
  std::vector<Long> p(n), below(n), above(n);
  for (std::size_t i = 0; i < n; ++i) p[i] = pmf(static_cast<Long>(lower + static_cast<std::int64_t>(i)));
  std::partial_sum(p.begin(), p.end(), below.begin());
  Long rest = 0;
  for (std::size_t i = n; i-- > 0; rest += p[i]) above[i] = rest;
  std::vector<std::int64_t> ks;
  for (std::size_t i = 0; i < shown; i += 1 + shown / 60) ks.push_back(lower + static_cast<std::int64_t>(i));
  const auto at = [&](const std::vector<Long>& v) {
    return [&v, lower](Long k) { return v[static_cast<std::size_t>(k - static_cast<Long>(lower))]; };
  };
  check_probabilities(law, ks, at(p), at(below), at(above), tolerance);
  check_quantile(law, ks);
}

/// Probabilities of a law too large for sums: they add up to 1 and to the cdf, and follow each other by the ratio up(k).
template <class L, class Up>
void check_large(const L& law, double mean, double sd, const Up& up) {
  const std::vector<std::int64_t> ks =
      around(mean, sd, static_cast<double>(law.support().lower), static_cast<double>(law.support().upper));
  const std::int64_t begin = std::max(law.support().lower, static_cast<std::int64_t>(mean - 40 * sd)),
                     end = std::min(law.support().upper, static_cast<std::int64_t>(mean + 40 * sd));
  std::vector<Long> p, below;
  Long total = 0;
  for (std::int64_t k = begin; k <= end; ++k) {
    p.push_back(k == begin || p.back() == 0 ? law.pmf(k) : p.back() * up(static_cast<Long>(k - 1)));
    below.push_back(total += p.back());
  }
  // Normalised at the mean, where probabilities are large and follow from the ratios.
  const std::size_t centre = static_cast<std::size_t>(static_cast<std::int64_t>(mean) - begin);
  std::vector<Long> exact(p.size());
  exact[centre] = 1;
  for (std::size_t i = centre; i + 1 < p.size(); ++i) exact[i + 1] = exact[i] * up(static_cast<Long>(begin) + static_cast<Long>(i));
  for (std::size_t i = centre; i > 0; --i) exact[i - 1] = exact[i] / up(static_cast<Long>(begin) + static_cast<Long>(i) - 1);
  std::vector<Long> above(p.size());
  total = 0;
  for (std::size_t i = 0; i < p.size(); ++i) below[i] = total += exact[i];
  for (Long& e : exact) e /= total;
  for (Long& b : below) b /= total;
  Long rest = 0;
  for (std::size_t i = p.size(); i-- > 0; rest += exact[i]) above[i] = rest;
  const auto at = [&](const std::vector<Long>& v) {
    return [&v, begin](Long k) { return v[static_cast<std::size_t>(k - static_cast<Long>(begin))]; };
  };
  check_probabilities(law, ks, at(exact), at(below), at(above));
  check_quantile(law, ks);
}

}  // namespace

TEST_CASE("NegativeBinomial agrees with Boost.Math in long double to 1e-12") {
  for (const double r : {0.01, 0.5, 1.0, 3.0, 39.0, 41.0, 1e4})
    for (const double p : {1e-6, 1e-3, 0.1, 0.5, 0.9, 1 - 1e-9}) {
      CAPTURE(r);
      CAPTURE(p);
      const NegativeBinomial law(r, p);
      const bm::negative_binomial_distribution<Long> oracle(r, p);
      const std::vector<std::int64_t> ks = around(r * (1 - p) / p, std::sqrt(r * (1 - p)) / p, 0);
      // Boost.Math takes 1 - p in the pmf from a rounded p where p is tiny; the textbook formula does not.
      check_probabilities(
          law, ks, [&](Long k) { return k < 1000 && r < 100 ? negative_binomial(r, p, k) : pdf(oracle, k); },
          [&](Long k) { return cdf(oracle, k); }, [&](Long k) { return cdf(complement(oracle, k)); },
          r == 39 && p == 1e-6 ? 3e-12L : 1e-12L);  // there Boost.Math itself is off by 1.9e-12, as the next sum shows
      check_quantile(law, ks);
    }
  // P(K > k), term by term.
  const Long r = 39, q = 1 - static_cast<Long>(1e-6);
  const std::int64_t k = 79'592'427;
  Long term = NegativeBinomial(39.0, 1e-6).pmf(k + 1), sum = 0;
  for (Long j = k + 1; term > 1e-20L * sum; ++j) sum += term, term *= q * (r + j) / (j + 1);
  CHECK(relative_error(NegativeBinomial(39.0, 1e-6).survival(k), sum) < 5e-13L);
  CHECK(NegativeBinomial(2.5, 1.0).pmf(0) == 1);
  CHECK(NegativeBinomial(2.5, 1.0).cdf(0) == 1);
  CHECK(NegativeBinomial(2.5, 1.0).quantile(0.999) == 0);
  CHECK(boundary(NegativeBinomial(2.5, 1.0)));
}

TEST_CASE("Hypergeometric agrees with sums to 1e-12, also among 1e9 items") {
  for (const auto& numbers : std::vector<std::array<std::int64_t, 3>>{{0, 0, 0},
                                                                      {5, 0, 3},
                                                                      {5, 5, 3},
                                                                      {5, 2, 5},
                                                                      {5, 3, 4},
                                                                      {50, 20, 10},
                                                                      {1000, 10, 900},
                                                                      {1000, 500, 500},
                                                                      {2000, 1990, 1000}}) {
    const auto N = numbers[0], K = numbers[1], n = numbers[2];
    CAPTURE(N);
    CAPTURE(K);
    CAPTURE(n);
    const Hypergeometric law(N, K, n);
    const Long total = log_choose(static_cast<Long>(N), static_cast<Long>(n));
    check_sums(law, law.support().lower, law.support().upper,
               [&, K = static_cast<Long>(K), rest = static_cast<Long>(N - K), n = static_cast<Long>(n)](Long k) {
                 return std::exp(log_choose(K, k) + log_choose(rest, n - k) - total);
               });
  }
  for (const auto& numbers : std::vector<std::array<std::int64_t, 3>>{{1'000'000'000, 1000, 300'000'000},
                                                                      {1'000'000'000, 400'000'000, 10'000'000},
                                                                      {1'000'000'000, 10, 500'000'000},
                                                                      {1'000'000'000, 999'000'000, 1'000'000}}) {
    const auto N = numbers[0], K = numbers[1], n = numbers[2];
    CAPTURE(K);
    const Hypergeometric law(N, K, n);
    const double p = static_cast<double>(K) / static_cast<double>(N), f = static_cast<double>(n) / static_cast<double>(N);
    check_large(law, law.mean(), std::sqrt(law.mean() * (1 - p) * (1 - f)),
                [N = static_cast<Long>(N), K = static_cast<Long>(K), n = static_cast<Long>(n)](Long k) {
                  return (K - k) * (n - k) / ((k + 1) * (N - K - n + k + 1));
                });
  }
  CHECK(Hypergeometric(50, 20, 10).mean() == 4);
  CHECK(Hypergeometric(0, 0, 0).mean() == 0);
}

TEST_CASE("BetaBinomial agrees with sums to 1e-12") {
  for (const std::int64_t n : {0, 1, 20, 1000})
    for (const double a : {1e-3, 0.4, 1.0, 3.0, 500.0})
      for (const double b : {1e-3, 0.7, 2.0, 80.0}) {
        CAPTURE(n);
        CAPTURE(a);
        CAPTURE(b);
        check_sums(BetaBinomial(n, a, b), 0, n, [&](Long k) { return beta_binomial(static_cast<Long>(n), a, b, k); });
      }
  for (const auto& numbers : std::vector<std::array<double, 2>>{{2.0, 3.0}, {300.0, 1e5}, {1e5, 4e5}, {0.5, 0.5}}) {
    const auto a = numbers[0], b = numbers[1];
    CAPTURE(a);
    CAPTURE(b);
    const std::int64_t n = 100'000;
    const double mean = 1e5 * a / (a + b), sd = std::sqrt(mean * (b / (a + b)) * ((a + b + 1e5) / (a + b + 1)));
    check_large(BetaBinomial(n, a, b), mean, sd, [a = static_cast<Long>(a), b = static_cast<Long>(b), n = 1e5L](Long k) {
      return (n - k) * (k + a) / ((k + 1) * (n - k - 1 + b));
    });
  }
}

TEST_CASE("Zipf agrees with sums and with the zeta function to 1e-12") {
  for (const double s : {0.0, 0.3, 0.999999, 1.0, 1.5, 4.0, 60.0})
    for (const std::int64_t n : {1, 2, 20, 100'000}) {
      CAPTURE(s);
      CAPTURE(n);
      Long total = 0;
      for (std::int64_t k = n; k >= 1; --k) total += std::pow(static_cast<Long>(k), -static_cast<Long>(s));
      check_sums(Zipf(s, n), 1, n, [&](Long k) { return std::pow(k, -static_cast<Long>(s)) / total; });
      if (s < 60) {
        Long mean = 0;
        for (std::int64_t k = n; k >= 1; --k) mean += std::pow(static_cast<Long>(k), 1 - static_cast<Long>(s)) / total;
        CHECK(relative_error(Zipf(s, n).mean(), mean) < 1e-12L);
      }
    }
  for (const double s : {1.05, 1.5, 2.0, 3.7, 30.0}) {
    CAPTURE(s);
    const Zipf law(s);
    const Long zeta = bm::zeta(static_cast<Long>(s));
    Long below = 0;
    for (int k = 1; k <= 5000; ++k) {
      const Long p = std::pow(static_cast<Long>(k), -static_cast<Long>(s)) / zeta;
      below += p;
      if (k > 5 && k % 500 != 0) continue;
      CAPTURE(k);
      CHECK(relative_error(law.pmf(k), p) < 1e-12L);
      CHECK(relative_error(law.cdf(k), below) < 1e-12L);
      if (below < 0.99L) CHECK(relative_error(law.survival(k), 1 - below) < 1e-12L);
    }
    if (s >= 2) check_quantile(law, {1, 2, 3, 31, 32, 33, 1000, 123'456});  // below, 2^62 is too close
    if (s > 2) CHECK(relative_error(law.mean(), bm::zeta(static_cast<Long>(s) - 1) / zeta) < 1e-12L);
  }
  CHECK(std::isinf(Zipf(2.0).mean()));
  // All of the tail beyond 1e6: integral + f(M) / 2 + s f(M) / (12 M) - ...
  const Long M = 1e6L + 1, s = 2.5L, f = std::pow(M, -s);
  CHECK(relative_error(Zipf(2.5).survival(1'000'000), (f * M / (s - 1) + f / 2 + s * f / (12 * M)) / bm::zeta(s)) < 1e-12L);
}

TEST_CASE("BernoulliLogit keeps its relative accuracy in both tails") {
  for (const double l : {-700.0, -40.0, -3.0, 0.0, 1e-9, 2.0, 36.0, 38.0, 700.0}) {
    CAPTURE(l);
    const BernoulliLogit law(l);
    const Long p = 1 / (1 + std::exp(-static_cast<Long>(l))), q = 1 / (1 + std::exp(static_cast<Long>(l)));
    check_probabilities(
        law, {0, 1}, [&](Long k) { return k == 1 ? p : q; }, [&](Long k) { return k == 1 ? 1 : q; },
        [&](Long k) { return k == 1 ? 0 : p; }, 1e-14L);
    double out;
    const std::span<double> one(&out, 1);
    score(law, 1, one);
    CHECK(relative_error(out, q) < 1e-14L);
    score(law, 0, one);
    CHECK(relative_error(-out, p) < 1e-14L);
    up_rate(law, 0, one);
    CHECK(relative_error(out, p) < 1e-14L);
    down_rate(law, 1, one);
    CHECK(relative_error(-out, q) < 1e-14L);
    law.cdf_derivative(0, one);
    CHECK(relative_error(-out, p * q) < 1e-14L);
    law.mean_derivative(one);
    CHECK(relative_error(out, p * q) < 1e-14L);
    // Mixed, the jump weighs p (1 - p) whichever was drawn.
    int jumps = 0;
    for (const std::int64_t k : {0, 1})
      alternatives(law, k, [&](std::int64_t y, int, std::span<const double> w) {
        ++jumps;
        CHECK(y == 1 - k);
        CHECK(relative_error(w[0] * (k == 0 ? 1 : -1), p * q) < 1e-14L);
      });
    CHECK(jumps == 2);
    CHECK(law.quantile(std::nextafter(law.pmf(1), 0)) == 1);
    if (p < 0.999L) CHECK(law.quantile(law.pmf(1)) == 0);
  }
}

TEST_CASE("DiscreteUniform is uniform to one step of the uniform number") {
  for (const auto& [a, b] :
       std::vector<std::array<std::int64_t, 2>>{{0, 0}, {-3, 3}, {1, 6}, {1'000'000'000'000, 1'000'000'000'006}}) {
    const Long n = static_cast<Long>(b - a + 1);
    check_sums(DiscreteUniform(a, b), a, b, [&](Long) { return 1 / n; });
    CHECK(DiscreteUniform(a, b).mean() == static_cast<double>(a + b) / 2);
  }
  // The first uniform number of each outcome is the smallest multiple of 2^-53 at or above k / n, for any n up to 2^53.
  for (const std::int64_t n : {3LL, 1'000'003LL, (1LL << 53) - 111, 1LL << 53})
    for (const std::int64_t k : {std::int64_t{1}, n / 3, n - 1}) {
      const DiscreteUniform law(-7, n - 8);
      // ceil(k 2^53 / n): k 2^53 = (2^53 / n) k + (2^53 % n) k / n, without overflow for these n.
      const Long x = std::ceil(static_cast<Long>(k) * 0x1p53L / static_cast<Long>(n));
      const double first = static_cast<double>(x * 0x1p-53L);
      CAPTURE(n);
      CAPTURE(k);
      if (n < (std::int64_t{1} << 50)) {
        CHECK(law.quantile(first) == k - 7);
        CHECK(law.quantile(first - 0x1p-53) == k - 8);
      }
      CHECK(law.quantile(1 - 0x1p-53) == n - 8);
      CHECK(law.quantile(0) == -7);
    }
}

TEST_CASE("ZeroInflated and Truncated agree with sums to 1e-12") {
  check_sums(ZeroInflated(0.3, Poisson(4.0)), 0, 60, [](Long k) { return 0.7L * poisson(4, k) + (k == 0 ? 0.3L : 0); });
  check_sums(ZeroInflated(0.0, Poisson(4.0)), 0, 60, [](Long k) { return poisson(4, k); });
  // With a gap between 0 and the law, and with a law on both sides of 0.
  check_sums(ZeroInflated(0.25, DiscreteUniform(5, 8)), 0, 8, [](Long k) { return k == 0 ? 0.25L : k >= 5 ? 0.1875L : 0; });
  check_sums(ZeroInflated(0.25, DiscreteUniform(-8, -7)), -8, 0, [](Long k) { return k == 0 ? 0.25L : k <= -7 ? 0.375L : 0; });
  check_sums(ZeroInflated(0.2, DiscreteUniform(-2, 1)), -2, 1, [](Long k) { return 0.2L + (k == 0 ? 0.2L : 0); });

  const auto truncated = [](auto law, std::int64_t lower, std::int64_t upper, std::int64_t last, const auto& pmf,
                            Long tolerance = 1e-12L) {
    Long mass = 0;
    for (std::int64_t k = upper == last ? last : last + 2000; k >= lower; --k) mass += pmf(static_cast<Long>(k));
    check_sums(
        Truncated(law, lower, upper), lower, last, [&](Long k) { return pmf(k) / mass; }, tolerance);
  };
  const auto rate = [](Long r) { return [r](Long k) { return poisson(r, k); }; };
  truncated(Poisson(4.0), 1, Support::unbounded, 80, rate(4));
  truncated(Poisson(4.0), 0, 3, 3, rate(4));
  truncated(Poisson(100.0), 95, 105, 105, rate(100));
  truncated(Poisson(100.0), 60, 140, 140, rate(100));
  truncated(Poisson(2.0), 40, Support::unbounded, 130, rate(2));   // far tails: 1e-36 ...
  truncated(Poisson(2.0), 150, Support::unbounded, 190, rate(2));  // ... and 1e-217
  truncated(Binomial(1000, 0.5), 0, 300, 300, [](Long k) { return std::exp(log_choose(1000, k) - 1000 * std::log(2.0L)); });
  truncated(Poisson(1000.0), 300, 400, 400, rate(1000));
  truncated(Poisson(1000.0), 1500, 1600, 1600, rate(1000));
  truncated(Geometric(0.5), 500, 700, 700, [](Long k) { return geometric(0.5L, k); });
  truncated(Geometric(0.05), 1'000, Support::unbounded, 2'000, [](Long k) { return geometric(0.05, k); });
  truncated(BetaBinomial(50, 2.0, 9.0), 30, 50, 50, [](Long k) { return beta_binomial(50, 2, 9, k); });
  // A few outcomes of many, where the difference of two cdfs would keep four digits.
  truncated(DiscreteUniform(0, 1'000'000'000'000), 500'000'000'000, 500'000'000'020, 500'000'000'020, [](Long) { return 1e-12L; });
  check_sums(Truncated(Poisson(3.0), -Support::unbounded, Support::unbounded), 0, 60, rate(3));
  // One in another.
  check_sums(Truncated(ZeroInflated(0.25, DiscreteUniform(5, 8)), 0, 6), 0, 6, [](Long k) {
    return k == 0 ? 0.4L : k >= 5 ? 0.3L : 0;
  });
  check_sums(ZeroInflated(0.5, Truncated(Poisson(2.0), 1, 90)), 0, 90,
             [](Long k) { return k == 0 ? 0.5L : 0.5L * poisson(2, k) / -std::expm1(-2.0L); });
  check_sums(Truncated(Truncated(Poisson(4.0), 2, 30), 1, 5), 2, 5,
             [](Long k) { return poisson(4, k) / (poisson(4, 2) + poisson(4, 3) + poisson(4, 4) + poisson(4, 5)); });
}

namespace {

/// Just below and just above F(k), by parts of a probability down to 2e-13, where the cdf is right to 1e-13 or so.
template <class L>
void check_steps(const L& law, const std::vector<std::int64_t>& ks) {
  for (const std::int64_t k : ks) {
    if (!law.support().contains(k) || k >= law.support().upper) continue;
    CAPTURE(k);
    const double step = law.cdf(k), p = law.pmf(k), q = law.pmf(k + 1);
    for (double part = 0.3; part > 1e-9; part *= 0.1) {
      CAPTURE(part);
      if (part * p > 2e-13) CHECK(quantile(law, step - part * p) == k);
      if (part * q > 2e-13 && step + part * q < 1) CHECK(quantile(law, step + part * q) == k + 1);
    }
  }
  // u = 0 and the last u are outcomes within 2e-14 of the ends: a rounded 1 - p weighs k times.
  CHECK(law.cdf(quantile(law, 0) - 1) < 2e-14);
  CHECK(survival(law, quantile(law, 1 - 0x1p-53)) < 2e-14);
}

}  // namespace

TEST_CASE("quantiles of all laws are exact right up to the steps of the cdf") {
  // Around the variances and means where the way of drawing changes, and away from them.
  for (const double mean : {0.01, 3.0, 19.9, 20.1, 150.0, 2e4, 9e4}) {
    CAPTURE(mean);
    check_steps(Poisson(mean), around(mean, std::sqrt(mean), 0));
    for (const std::int64_t n : {50LL, 400LL, 1'000'000LL, 1LL << 50}) {
      CAPTURE(n);
      const double p = mean / static_cast<double>(n);
      if (p >= 1) continue;
      const double sd = std::sqrt(mean * (1 - p));
      check_steps(Binomial(n, p), around(mean, sd, 0, static_cast<double>(n)));
      if (n <= 1'000'000) check_steps(Binomial(n, 1 - p), around(static_cast<double>(n) - mean, sd, 0));
    }
    for (const double r : {0.02, 0.6, 7.0, 39.0, 41.0, 1000.0}) {
      CAPTURE(r);
      check_steps(NegativeBinomial(r, r / (r + mean)), around(mean, std::sqrt(mean * (1 + mean / r)), 0));
    }
  }
  for (const std::int64_t N : {30LL, 60LL, 1000LL, 1001LL, 100'000LL, 1LL << 40})
    for (const double part : {0.003, 0.1, 0.45, 0.5, 0.8})
      for (const std::int64_t n : {N / 50, N / 3, N / 2, N - N / 7, N - 2}) {
        const std::int64_t K = N > 1'000'000 ? 1 + n % 1000 : static_cast<std::int64_t>(part * static_cast<double>(N));
        const Hypergeometric law(N, K, n);
        CAPTURE(N);
        CAPTURE(K);
        CAPTURE(n);
        const double p = static_cast<double>(n) / static_cast<double>(N),
                     fraction = static_cast<double>(K) / static_cast<double>(N);
        check_steps(law, around(law.mean(), std::sqrt(law.mean() * (1 - p) * (1 - fraction)), 0));
      }
  for (const std::int64_t n : {1, 20, 100, 101, 3000})
    for (const double a : {0.01, 0.9, 1.0, 6.0, 400.0, 1e5})
      for (const double b : {0.3, 1.0, 25.0, 1e5}) {
        CAPTURE(n);
        CAPTURE(a);
        CAPTURE(b);
        const double trials = static_cast<double>(n), mean = trials * a / (a + b);
        check_steps(BetaBinomial(n, a, b), around(mean, std::sqrt(mean * b / (a + b) * (a + b + trials) / (a + b + 1)), 0, trials));
      }
  for (const double s : {0.0, 0.4, 1 - 1e-9, 1.0, 1.02, 1.5, 4.0, 15.9, 16.0, 40.0})
    for (const std::int64_t n : std::vector<std::int64_t>{2, 10, 11, 12, 26, 27, 1000, 1LL << 40, Support::unbounded}) {
      if (n == Support::unbounded && s < 2) continue;  // the last outcome drawn, 2^62, has too much beyond
      CAPTURE(s);
      CAPTURE(n);
      check_steps(Zipf(s, n), {1, 2, 3, 9, 10, 11, 12, 13, 24, 25, 26, 27, 28, 100, 999, 54'321});
    }
  // Conditional laws: by their ratios, and where too many outcomes matter for that.
  for (const double rate : {0.2, 3.0, 60.0, 3000.0, 1e5}) {
    CAPTURE(rate);
    const std::vector<std::int64_t> ks = around(rate, std::sqrt(rate), 0);
    const auto mean = static_cast<std::int64_t>(rate);
    check_steps(Truncated(Poisson(rate), 1, Support::unbounded), ks);
    check_steps(Truncated(Poisson(rate), mean, mean + 40), ks);
    check_steps(Truncated(Poisson(rate), 0, mean + 3), ks);
    check_steps(ZeroInflated(0.3, Poisson(rate)), ks);
  }
  check_steps(Truncated(NegativeBinomial(0.3, 0.02), 2, 500), around(40, 30, 2, 500));
  check_steps(Truncated(Hypergeometric(1000, 300, 100), 20, 28), {20, 21, 22, 23, 24, 25, 26, 27, 28});
  check_steps(Truncated(Truncated(Binomial(80, 0.7), 30, 70), 60, 90), {60, 61, 65, 68, 69, 70});
}

TEST_CASE("log_pmf goes on where pmf underflows") {
  const auto close = [](double x, Long truth) { CHECK(std::abs(x / truth - 1) < 1e-13L); };
  close(log_pmf(Poisson(1.0), 1000), -1 - std::lgamma(1001.0L));
  close(log_pmf(Poisson(5000.0), 0), -5000);
  close(log_pmf(Binomial(5000, 0.001), 4000), log_choose(5000, 4000) + 4000 * std::log(0.001L) + 1000 * std::log1p(-0.001L));
  close(log_pmf(Geometric(0.9), 1000), std::log(0.9L) + 1000 * std::log1p(-static_cast<Long>(0.9)));
  close(log_pmf(NegativeBinomial(2.0, 0.75), 5000), std::log(5001.0L) + 2 * std::log(0.75L) + 5000 * std::log(0.25L));
  close(log_pmf(BetaBinomial(5000, 4000.0, 2.0), 10), log_choose(5000, 10) + log_beta(4010, 4992) - log_beta(4000, 2));
  close(log_pmf(Hypergeometric(10'000, 5000, 5000), 0), -log_choose(10'000, 5000));
  close(log_pmf(Zipf(200.0), 100), -200 * std::log(100.0L));
  close(log_pmf(BernoulliLogit(-2000.0), 1), -2000);
  CHECK(std::isinf(log_pmf(Poisson(1.0), -1)));
}

TEST_CASE("every kind of derivative of E f is exact to 1e-10") {
  const auto logistic_of = [](int x, Long l) { return 1 / (1 + std::exp(x == 1 ? -l : l)); };
  check_derivatives([](double l) { return BernoulliLogit(l); }, logistic_of, {-3.0, 0.4, 5.0});
  check_derivatives([](double p) { return NegativeBinomial(2.5, p); }, [](int x, Long p) { return negative_binomial(2.5L, p, x); },
                    {0.3, 0.5, 0.8}, 1);
  check_derivatives([](double r) { return NegativeBinomial(r, 0.4); }, [](int x, Long r) { return negative_binomial(r, 0.4, x); },
                    {0.05, 1.0, 12.0}, 0);
  for (const auto& [n, b] : std::vector<std::pair<int, double>>{{1, 0.5}, {12, 0.6}, {40, 3.0}}) {
    const auto law = [n = n, b = b](int x, Long a) { return beta_binomial(n, a, b, x); };
    check_derivatives([n = n, b = b](double a) { return BetaBinomial(n, a, b); }, law, {0.3, 1.0, 9.0}, 0);
    const auto mirrored = [n = n, b = b](int x, Long a) { return beta_binomial(n, a, b, n - x); };
    check_derivatives([n = n, b = b](double a) { return BetaBinomial(n, b, a); }, mirrored, {0.3, 1.0, 9.0}, 1);
  }
  for (const int n : {1, 7, 300}) {
    const Normalised zipf(1, n, [](int x, Long s) { return std::pow(static_cast<Long>(x), -s); });
    check_derivatives([n](double s) { return Zipf(s, n); }, zipf, {0.5, 1.0, 2.5});
  }
}

TEST_CASE("derivatives of the wrapped laws are exact to 1e-10") {
  const auto inflated = [](Long pi, Long rate) { return [=](int x) { return (1 - pi) * poisson(rate, x) + (x == 0 ? pi : 0); }; };
  check_derivatives([](double pi) { return ZeroInflated(pi, Poisson(3.0)); }, [&](int x, Long pi) { return inflated(pi, 3)(x); },
                    {0.1, 0.5, 0.9}, 0);
  check_derivatives([](double r) { return ZeroInflated(0.25, Poisson(r)); }, [&](int x, Long r) { return inflated(0.25L, r)(x); },
                    {0.3, 3.0, 20.0}, 1);
  const auto truncated = [](int lower, int upper, auto pmf) { return Normalised(lower, upper, pmf); };
  const auto poisson_of = [](int x, Long r) { return poisson(r, x); };
  check_derivatives([](double r) { return Truncated(Poisson(r), 1, Support::unbounded); }, truncated(1, 400, poisson_of),
                    {0.3, 3.0, 30.0});
  check_derivatives([](double r) { return Truncated(Poisson(r), 3, 7); }, truncated(3, 7, poisson_of), {0.3, 3.0, 30.0});
  check_derivatives([](double r) { return Truncated(Poisson(r), 40, Support::unbounded); }, truncated(40, 400, poisson_of),
                    {0.3, 3.0, 30.0});
  check_derivatives([](double r) { return Truncated(Poisson(r), 20, 90); }, truncated(20, 90, poisson_of), {3.0, 60.0, 300.0});
  check_derivatives([](double p) { return Truncated(NegativeBinomial(2.5, p), 2, 30); },
                    truncated(2, 30, [](int x, Long p) { return negative_binomial(2.5L, p, x); }), {0.3, 0.5, 0.8}, 1);
  // A gap: 0, then 5, ..., 12; the neighbours of 0 and 5 are each other.
  const auto above_gap = truncated(5, 12, poisson_of);
  const auto with_gap = [&](Long pi, Long r) {
    return [=](int x) { return x == 0 ? pi : x < 5 ? 0 : (1 - pi) * above_gap(x, r); };
  };
  check_derivatives([](double pi) { return ZeroInflated(pi, Truncated(Poisson(6.0), 5, 12)); },
                    [&](int x, Long pi) { return with_gap(pi, 6)(x); }, {0.1, 0.5, 0.9}, 0);
  check_derivatives([](double r) { return ZeroInflated(0.3, Truncated(Poisson(r), 5, 12)); },
                    [&](int x, Long r) { return with_gap(0.3, r)(x); }, {2.0, 6.0, 15.0}, 1);
  // ... and truncated once more.
  check_derivatives([](double pi) { return Truncated(ZeroInflated(pi, Truncated(Poisson(6.0), 5, 12)), 0, 7); },
                    truncated(0, 7, [&](int x, Long pi) { return with_gap(pi, 6)(x); }), {0.1, 0.5, 0.9}, 0);
}

TEST_CASE("at the ends of the parameter range the wrapped laws' jumps stay finite and right") {
  for (const auto& f : costs) {
    CHECK(std::abs(by_jumps(Truncated(Binomial(5, 0.0), 0, 3), f) - 5 * (f(1) - f(0))) < 1e-12L);
    CHECK(std::abs(by_jumps(Truncated(Binomial(5, 1.0), 3, 5), f) - 5 * (f(5) - f(4))) < 1e-12L);
    const Long mean = expectation(Poisson(2.0), [&](std::int64_t k) { return f(static_cast<Long>(k)); });
    CHECK(std::abs(by_jumps(ZeroInflated(0.0, Poisson(2.0)), f, std::size_t{0}) - (f(0) - mean)) < 1e-12L);
    CHECK(std::abs(by_jumps(ZeroInflated(0.5, Poisson(0.0)), f, std::size_t{1}) - (f(1) - f(0)) / 2) < 1e-12L);
    CHECK(by_jumps(NegativeBinomial(2.5, 1.0), f, std::size_t{1}) == 2.5L * (f(0) - f(1)));
  }
  CHECK(boundary(ZeroInflated(0.0, Zipf(1.0, 9))));
  CHECK_FALSE(boundary(ZeroInflated(0.0, Poisson(2.0))));
  CHECK(boundary(Truncated(Binomial(5, 0.0), 0, 3)));
}

TEST_CASE("means of truncated laws: all outcomes that matter, or none") {
  const double m = std::exp(-1.0);
  CHECK(Truncated(Poisson(1.0), 1, Support::unbounded).mean() == doctest::Approx(1 / (1 - m)).epsilon(1e-14));
  CHECK(Truncated(Poisson(1e4), 9000, Support::unbounded).mean() == doctest::Approx(1e4).epsilon(1e-13));
  CHECK(Truncated(DiscreteUniform(-5, 5), -3, 1).mean() == doctest::Approx(-1).epsilon(1e-15));
  CHECK(Truncated(ZeroInflated(0.5, Poisson(300.0)), 0, 2000).mean() == doctest::Approx(150).epsilon(1e-13));  // two modes
  CHECK(Truncated(Zipf(4.0, 90), 1, 90).mean() == doctest::Approx(Zipf(4.0, 90).mean()).epsilon(1e-14));
  CHECK(std::isnan(Truncated(Zipf(2.5), 3, Support::unbounded).mean()));
  // At the end of the parameter range: 5 (f(1) - f(0)) for f(x) = x.
  double slope;
  Truncated(Binomial(5, 0.0), 0, 3).mean_derivative({&slope, 1});
  CHECK(slope == doctest::Approx(5).epsilon(1e-14));
}

TEST_CASE("draws of every law follow the pmf") {
  check_draws(BernoulliLogit(-1.0));
  check_draws(NegativeBinomial(0.3, 0.05));
  check_draws(NegativeBinomial(4.0, 0.3));
  check_draws(NegativeBinomial(30.0, 0.1));
  check_draws(NegativeBinomial(400.0, 0.5));
  check_draws(DiscreteUniform(-5, 70));
  check_draws(Hypergeometric(60, 25, 30));
  check_draws(Hypergeometric(100'000, 40'000, 2'000));
  check_draws(BetaBinomial(30, 0.5, 0.6));
  check_draws(BetaBinomial(200, 4.0, 9.0));
  check_draws(Zipf(0.7, 100));
  check_draws(Zipf(1.5));
  check_draws(ZeroInflated(0.3, Poisson(4.0)));
  check_draws(Truncated(Poisson(4.0), 2, 9));
  check_draws(Truncated(Poisson(1.0), 9, Support::unbounded));
}

// ---- the default quantile ---------------------------------------------------------------------------------------------------

namespace {

/// A law with nothing but what it must have, that counts how often its cdf is asked for.
struct Stepped {
  static constexpr std::string_view name = "Stepped";
  static constexpr int parameters = 0;
  Support range;
  double (*function)(std::int64_t);
  int* calls;
  Support support() const { return range; }
  double pmf(std::int64_t k) const { return function(k) - function(k - 1); }
  double cdf(std::int64_t k) const {
    ++*calls;
    return k >= range.upper && range.finite() ? function(range.upper) : function(k);
  }
  void cdf_derivative(std::int64_t, std::span<double>) const {}
};
static_assert(PlainLaw<Stepped> && Stepped::parameters == 0);

}  // namespace

TEST_CASE("a law without a quantile is searched: plateaus, infinity, rounding, and never for ever") {
  int calls = 0;
  const auto draw = [&](Support support, double (*cdf)(std::int64_t), double u) {
    calls = 0;
    const std::int64_t k = quantile(Stepped{support, cdf, &calls}, u);
    CHECK(calls < 200);
    return k;
  };
  const double top = 1 - 0x1p-53;
  constexpr std::int64_t million = 1'000'000, whole = Support::unbounded;
  // Half at 3, half at a million: a plateau of probability 0 between them.
  const auto plateau = [](std::int64_t k) { return k < 3 ? 0.0 : k < million ? 0.5 : 1.0; };
  for (const Support s : {Support{0, whole}, Support{-whole, whole}, Support{3, million}, Support{-5, 2 * million}}) {
    CHECK(draw(s, plateau, 0) == 3);
    CHECK(draw(s, plateau, 0.4999) == 3);
    CHECK(draw(s, plateau, 0.5) == million);
    CHECK(draw(s, plateau, top) == million);
  }
  // Rounding keeps the cdf below u: the last outcome at which it grows.
  const auto short_of_one = [](std::int64_t k) { return k < 7 ? 0.0 : k < 50 ? 0.5 : 1 - 1e-9; };
  for (const Support s : {Support{0, whole}, Support{0, 1000}, Support{-whole, whole}}) {
    CHECK(draw(s, short_of_one, 1 - 1e-10) == 50);
    CHECK(draw(s, short_of_one, top) == 50);
    CHECK(draw(s, short_of_one, 0.6) == 50);
  }
  // A double-sided tail: discrete Laplace, F(k) = 1 - t^(k+1) / (1 + t) for k >= 0, t^-k / (1 + t) below.
  const auto laplace = [](std::int64_t k) {
    const double t = std::exp(-0.001), x = static_cast<double>(k);
    return k >= 0 ? 1 - std::exp(-0.001 * (x + 1)) / (1 + t) : std::exp(0.001 * x) / (1 + t);
  };
  for (const double u : {0.0, 1e-6, 0.3, 0.5, 0.7, top}) {
    const std::int64_t k = draw({-whole, whole}, laplace, u);
    CHECK(laplace(k - 1) <= std::max(u, 0x1p-54));
    CHECK(u < laplace(k));
    CHECK(std::abs(static_cast<double>(k)) < 40'000);  // u = 0 is no reason to leave the last 2^-54 of probability
  }
  // Probability beyond any integer, no probability, and no number at all: some outcome of the support.
  CHECK(draw(
            {0, whole}, [](std::int64_t k) { return k < 0 ? 0.0 : 1e-3; }, 0.5) == 0);
  CHECK(draw(
            {0, whole}, [](std::int64_t k) { return 1 - 1 / std::log(static_cast<double>(k) + 3); }, 0.9999) > 1LL << 60);
  CHECK(draw(
            {4, 9}, [](std::int64_t) { return 0.0; }, 0.5) == 9);
  CHECK(draw(
            {4, 9}, [](std::int64_t) { return std::numeric_limits<double>::quiet_NaN(); }, 0.5) == 9);
  CHECK(draw(
            {4, 9}, [](std::int64_t) { return 1.0; }, 0.5) == 4);
  CHECK(draw(
            {4, 4}, [](std::int64_t) { return 1.0; }, 0.5) == 4);
  CHECK(draw(
            {std::numeric_limits<std::int64_t>::min(), whole - 1}, [](std::int64_t k) { return k < 12 ? 0.0 : 1.0; }, 0.5) == 12);
}

TEST_CASE("problems of every law name parameter, value and range") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  CHECK(problem(BernoulliLogit(nan)) == "logit = nan is outside [-infinity, infinity]");
  CHECK(problem(NegativeBinomial(0.0, 0.5)) == "r = 0 is outside (0, infinity)");
  CHECK(problem(NegativeBinomial(infinity, 0.5)) == "r = inf is outside (0, infinity)");
  CHECK(problem(NegativeBinomial(1.0, nan)) == "p = nan is outside (0, 1]");
  CHECK(problem(DiscreteUniform(3, 2)) == "b = 2 is outside [a, a + 2^53) for a = 3");
  CHECK_FALSE(problem(DiscreteUniform(0, Support::unbounded)).empty());
  CHECK_FALSE(problem(DiscreteUniform(-1, 1LL << 53)).empty());
  CHECK(problem(DiscreteUniform(0, (1LL << 53) - 1)).empty());
  CHECK(problem(Hypergeometric(-1, 0, 0)) == "population = -1 is outside [0, 9007199254740992]");
  CHECK(problem(Hypergeometric(10, 11, 3)) == "successes = 11 is outside [0, 10]");
  CHECK(problem(Hypergeometric(10, 4, -3)) == "draws = -3 is outside [0, 10]");
  CHECK(problem(BetaBinomial(-2, 1.0, 1.0)) == "n = -2 is outside [0, infinity)");
  CHECK(problem(BetaBinomial(2, -1.0, 1.0)) == "a = -1 is outside (0, infinity)");
  CHECK(problem(BetaBinomial(2, 1.0, nan)) == "b = nan is outside (0, infinity)");
  CHECK(problem(Zipf(1.0)) == "s = 1 is outside (1, infinity) for unbounded n");
  CHECK(problem(Zipf(-0.5, 10)) == "s = -0.5 is outside [0, infinity)");
  CHECK(problem(Zipf(1.0, 0)) == "n = 0 is outside [1, infinity]");
  CHECK(problem(ZeroInflated(1.0, Poisson(1.0))) == "pi = 1 is outside [0, 1)");
  CHECK(problem(ZeroInflated(nan, Poisson(1.0))) == "pi = nan is outside [0, 1)");
  CHECK(problem(ZeroInflated(0.5, Poisson(-1.0))) == "Poisson: rate = -1 is outside [0, infinity)");
  CHECK(problem(Truncated(Poisson(-1.0), 0, 3)) == "Poisson: rate = -1 is outside [0, infinity)");
  CHECK(problem(Truncated(Poisson(1.0), 4, 3)) == "upper = 3 is outside [lower, infinity] for lower = 4");
  CHECK(problem(Truncated(Binomial(5, 0.5), 6, Support::unbounded)) == "Binomial has no probability on [6, infinity]");
  CHECK(problem(Truncated(Poisson(1.0), -9, -1)) == "Poisson has no probability on [-9, -1]");
  CHECK(problem(Truncated(Poisson(1.0), 500, 600)) == "Poisson has no probability on [500, 600]");
  CHECK(problem(Truncated(Zipf(0.0), 1, 5)) == "Zipf: s = 0 is outside (1, infinity) for unbounded n");
  // The error of a program names law and site too.
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    draw(DiscreteUniform(1, 6));
    return S(draw(Truncated(Binomial(5, t[0]), 6, 9)));
  };
  CHECK_THROWS_WITH_AS(run(program, Eigen::VectorXd::Constant(1, 0.5), {1, 3}),
                       doctest::Contains("Truncated: Binomial has no probability on [6, 9]"), Error);
}

TEST_CASE("arguments of the new laws are turned into scalars, for every scalar") {
  using V = Var<double>;
  using D = Dual<double>;
  using Product = decltype(std::declval<V>() * std::declval<V>());
  static_assert(std::is_same_v<decltype(BernoulliLogit(1)), BernoulliLogit<double>>);
  static_assert(std::is_same_v<decltype(BernoulliLogit(std::declval<Product>())), BernoulliLogit<V>>);
  static_assert(std::is_same_v<decltype(NegativeBinomial(2, 0.5)), NegativeBinomial<double>>);
  static_assert(std::is_same_v<decltype(NegativeBinomial(2, std::declval<Product>())), NegativeBinomial<V>>);
  static_assert(std::is_same_v<decltype(NegativeBinomial(1.0f, 0.5f)), NegativeBinomial<float>>);
  static_assert(std::is_same_v<decltype(BetaBinomial(3, 1, std::declval<Product>())), BetaBinomial<V>>);
  static_assert(std::is_same_v<decltype(Zipf(2)), Zipf<double>>);
  static_assert(std::is_same_v<decltype(Zipf(std::declval<Product>(), 9)), Zipf<V>>);
  static_assert(std::is_same_v<decltype(Zipf(std::declval<D>())), Zipf<D>>);
  static_assert(std::is_same_v<decltype(ZeroInflated(0, Poisson(std::declval<V>()))), ZeroInflated<double, Poisson<V>>>);
  static_assert(std::is_same_v<decltype(ZeroInflated(std::declval<Product>(), Poisson(1)))::Scalar, V>);
  static_assert(std::is_same_v<decltype(Truncated(Poisson(std::declval<Product>()), 1, 2)), Truncated<Poisson<V>>>);
  static_assert(!std::is_constructible_v<BetaBinomial<double>, double, double, double>, "n must be an integer");
  static_assert(!std::is_constructible_v<DiscreteUniform, double, double>, "bounds must be integers");
  static_assert(!std::is_constructible_v<Hypergeometric, double, int, int>, "numbers must be integers");
  static_assert(DiscreteLaw<DiscreteUniform> && DiscreteLaw<Hypergeometric>);
  const auto all = []<class S>() {
    return DiscreteLaw<BernoulliLogit<S>> && DiscreteLaw<NegativeBinomial<S>> && DiscreteLaw<BetaBinomial<S>> &&
           DiscreteLaw<Zipf<S>> && DiscreteLaw<ZeroInflated<S, Poisson<S>>> &&
           DiscreteLaw<Truncated<ZeroInflated<S, Truncated<Binomial<S>>>>>;
  };
  static_assert(all.operator()<double>() && all.operator()<float>() && all.operator()<V>() && all.operator()<Var<float>>() &&
                all.operator()<D>());
  static_assert(std::is_trivially_copyable_v<Truncated<ZeroInflated<double, Poisson<double>>>>);
}
