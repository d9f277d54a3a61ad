// Discrete laws at the ends of what double precision holds: tiny, huge, nearly another law.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include <stoat/stoat.hpp>

#include "check_law.hpp"

using namespace stoat;

TEST_CASE("quantiles of all laws stay in the support and return at once, whatever the parameters") {
  const double top = 1 - 0x1p-53;
  const auto check = [&](const auto& law) {
    for (const double u : {0.0, 0x1p-53, 1e-12, 0.3, 0.5, 0.99, top}) CHECK(law.support().contains(quantile(law, u)));
  };
  for (const double r : {1e-300, 1e-20, 1e-3, 1.0, 50.0, 1e9, 1e300})
    for (const double p : {1e-300, 1e-18, 1e-6, 0.5, top, 1.0}) {
      CAPTURE(r);
      CAPTURE(p);
      check(NegativeBinomial(r, p));
    }
  for (const double a : {1e-300, 1e-30, 0.1, 1.0, 1e5, 1e300})
    for (const double b : {1e-300, 1e-25, 1.0, 1e9, 1e300})
      for (const std::int64_t n : {0, 1, 50}) {
        CAPTURE(a);
        CAPTURE(b);
        check(BetaBinomial(n, a, b));
      }
  for (const double s : {0.0, 1.0, 1 + 1e-12, 700.0, 1e6})
    for (const std::int64_t n : {std::int64_t{1}, std::int64_t{1} << 40, std::int64_t{1} << 62, Support::unbounded})
      if (n != Support::unbounded || s > 1) {
        CAPTURE(s);
        CAPTURE(n);
        check(Zipf(s, n));
      }
  check(DiscreteUniform(Support::unbounded - 100, Support::unbounded - 1));
  check(DiscreteUniform(-Support::unbounded, -Support::unbounded + 5));
  check(Hypergeometric(1LL << 53, 1LL << 40, 1LL << 20));
  check(BernoulliLogit(std::numeric_limits<double>::infinity()));
  // Two atoms 1e-30 away from certainty each: the middle of the support is no end.
  CHECK(BetaBinomial(100, 1e-30, 1e-30).quantile(0.25) == 0);
  CHECK(BetaBinomial(100, 1e-30, 1e-30).quantile(0.75) == 100);
}

TEST_CASE("NegativeBinomial: derivatives in r where its law is nearly that of Poisson") {
  for (const double r : {1e4, 1e8, 1e11, 1e13, 1e15})
    for (const double mean : {0.5, 100.0, 1e4}) {
      CAPTURE(r);
      CAPTURE(mean);
      const double p = r / (r + mean), q = 1 - p;
      const NegativeBinomial law(r, p);
      const auto last = static_cast<std::int64_t>(mean + 12 * std::sqrt(mean) + 30);
      // d P(K <= k) / d r = sum over j <= k of pmf(j) (log p + 1 / r + ... + 1 / (r + j - 1))
      std::vector<Long> below = {0};
      Long log_slope = std::log1p(-static_cast<Long>(q)), first = 0, by_score = 0;
      for (std::int64_t j = 0; j <= last; ++j) {
        below.push_back(below.back() + law.pmf(j) * log_slope);
        log_slope += 1 / (static_cast<Long>(r) + static_cast<Long>(j));
      }
      for (std::int64_t k = 0; k <= last; ++k) {
        const double pmf = law.pmf(k);
        if (pmf < 1e-100) continue;
        double slope[2], up[2], score[2];
        law.cdf_derivative(k, slope);
        law.up_rate(k, up);
        law.score(k, score);
        first += static_cast<Long>(pmf) * static_cast<Long>(up[0]);
        by_score += static_cast<Long>(pmf) * (static_cast<Long>(k) - static_cast<Long>(mean)) * static_cast<Long>(score[0]);
        if (pmf > 1e-4)
          CHECK(slope[0] == doctest::Approx(static_cast<double>(below[static_cast<std::size_t>(k) + 1])).epsilon(1e-9).scale(0));
      }
      CHECK(static_cast<double>(first) == doctest::Approx(q / p).epsilon(1e-10).scale(0));  // d/dr E K
      CHECK(static_cast<double>(by_score) == doctest::Approx(q / p).epsilon(1e-9).scale(0));
    }
}

TEST_CASE("BetaBinomial: derivatives where its law is nearly binomial") {
  constexpr std::int64_t n = 20;
  for (const double a : {50.0, 1e4, 1e8, 1e12, 1e15})
    for (const double ratio : {0.25, 1.0, 1e6}) {
      CAPTURE(a);
      CAPTURE(ratio);
      const double b = ratio * a;
      const BetaBinomial law(n, a, b);
      Long jumps[2] = {}, scores[2] = {};
      for (std::int64_t k = 0; k <= n; ++k) {
        const Long pmf = law.pmf(k), centred = static_cast<Long>(k) - n * (static_cast<Long>(a) / (static_cast<Long>(a) + b));
        double up[2] = {}, score[2];
        if (k < n) law.up_rate(k, up);
        law.score(k, score);
        for (int j = 0; j < 2; ++j)
          jumps[j] += pmf * static_cast<Long>(up[j]), scores[j] += pmf * centred * static_cast<Long>(score[j]);
      }
      // d E K / d a = n b / (a + b)^2, d E K / d b = -n a / (a + b)^2
      const double exact[] = {n * b / (a + b) / (a + b), -n * a / (a + b) / (a + b)};
      for (int j = 0; j < 2; ++j) {
        CHECK(static_cast<double>(jumps[j]) == doctest::Approx(exact[j]).epsilon(1e-9).scale(0));
        CHECK(static_cast<double>(scores[j]) == doctest::Approx(exact[j]).epsilon(1e-9).scale(0));
      }
    }
}

TEST_CASE("NegativeBinomial: derivatives in r where its law is nearly normal") {
  // Against the continued fraction where both are good, on both sides of where one takes over from the other.
  for (const double r : {0.9e7, 1.1e7, 3e7})
    for (const double p : {0.2, 0.45})
      for (const double z : {-5.0, -1.0, 0.3, 4.0}) {
        const auto k = static_cast<std::int64_t>(r * (1 - p) / p + z * std::sqrt(r * (1 - p)) / p);
        double slope[2];
        NegativeBinomial(r, p).cdf_derivative(k, slope);
        CHECK(slope[0] == doctest::Approx(detail::ibeta_slope<0>(r, static_cast<double>(k) + 1, p)).epsilon(1e-8));
      }
  // Beyond, by what the moments say: d/dr E K = q / p, d/dr E (K - c)^2 = q / p^2 at c = E K. Sums over every h-th outcome are
  // exact.
  for (const double r : {1e8, 1e12, 1e15})
    for (const double p : {0.3, 0.5, 0.95}) {
      CAPTURE(r);
      CAPTURE(p);
      const NegativeBinomial law(r, p);
      const double q = 1 - p, c = std::round(r * q / p), sd = std::sqrt(r * q) / p, h = std::floor(sd / 16);
      Long mass = 0, first = 0, second = 0;
      for (double x = -160; x <= 160; ++x) {
        const auto k = static_cast<std::int64_t>(c + x * h);
        double up[2];
        law.up_rate(k, up);
        const Long pmf = law.pmf(k), weight = pmf * static_cast<Long>(up[0]);
        mass += pmf;
        first += weight;
        second += weight * (2 * static_cast<Long>(x * h) + 1);
      }
      CHECK(static_cast<double>(first / mass) == doctest::Approx(q / p).epsilon(1e-8));
      const Long mean = r * (1 - static_cast<Long>(p)) / p;
      CHECK(static_cast<double>(second / mass) ==
            doctest::Approx(q / (p * p) + 2 * q / p * static_cast<double>(mean - c)).epsilon(1e-3));
    }
}

TEST_CASE("tails of laws of huge means are those of Edgeworth's expansion") {
  const auto check = [](const auto& law, double mean, double variance, double skewness) {
    const double sd = std::sqrt(variance), centre = std::floor(mean);
    for (const double z : {-3.0, -1.0, 0.0, 0.01, 2.0}) {
      CAPTURE(z);
      const double k = centre + std::floor(z * sd), at = (k - centre + (centre - mean) + 0.5) / sd;
      const double density = std::exp(-at * at / 2) / std::sqrt(2 * std::numbers::pi),
                   skew = density * skewness / 6 * (at * at - 1);
      const auto outcome = static_cast<std::int64_t>(k);
      CHECK(law.cdf(outcome) == doctest::Approx(normal_cdf(at) - skew).epsilon(1e-8).scale(0));
      CHECK(law.survival(outcome) == doctest::Approx(normal_cdf(-at) + skew).epsilon(1e-8).scale(0));
    }
  };
  for (const double mean : {1e10, 1e12, 1e14, 1e15}) {
    CAPTURE(mean);
    check(Poisson(mean), mean, mean, 1 / std::sqrt(mean));
    for (const double p : {0.25, 0.5}) {
      CAPTURE(p);
      check(Binomial(static_cast<std::int64_t>(2 * mean), p), 2 * mean * p, 2 * mean * p * (1 - p),
            (1 - 2 * p) / std::sqrt(2 * mean * p * (1 - p)));
      check(NegativeBinomial(mean / 4, p), mean / 4 * (1 - p) / p, mean / 4 * (1 - p) / (p * p),
            (2 - p) / std::sqrt(mean / 4 * (1 - p)));
    }
  }
}

TEST_CASE("parameters whose counts double precision cannot tell apart are refused, up to there none") {
  constexpr std::int64_t most = std::int64_t{1} << 53;
  const double below = 1 + 1e-9, above = 1 - 1e-9;
  const std::string why = " is outside what can be counted in double precision: outcomes up to 2^53";
  CHECK(problem(Poisson(0x1p52)) == "");
  CHECK(problem(Poisson(0x1p52 * below)) == "rate = 4.5036e+15" + why);
  CHECK(problem(Poisson(std::numeric_limits<double>::infinity())) == "rate = inf" + why);
  CHECK(problem(Geometric(0x1p-47)) == "");
  CHECK(problem(Geometric(0x1p-47 * above)) == "p = 7.10543e-15" + why);
  CHECK(problem(Binomial(most, 0.5)) == "");
  CHECK(problem(Binomial(most + 1, 0.5)) == "n = 9.0072e+15" + why);
  CHECK(problem(BetaBinomial(most, 1.0, 1.0)) == "");
  CHECK(problem(BetaBinomial(most + 1, 1.0, 1.0)) == "n = 9.0072e+15" + why);
  CHECK(Multinomial(most, Vector<double>{1.0, 1.0}).problem() == "");
  CHECK(Multinomial(most + 1, Vector<double>{1.0, 1.0}).problem() == "n = 9.0072e+15" + why);
  CHECK(problem(NegativeBinomial(0x1p52 - 64, 0.5)) == "");
  CHECK(problem(NegativeBinomial(0x1p52, 0.5)) == "r = 4.5036e+15" + why);
  CHECK(problem(NegativeBinomial(0.5, 1e-15)) == "p = 1e-15" + why);
  CHECK(problem(NegativeBinomial(1e300, 1.0)) == "");
  CHECK(problem(Zipf(0.5, most)) == "");
  CHECK(problem(Zipf(0.5, most + 1)) == "n = 9.0072e+15" + why);
  // What is let through stays below 2^53, however unlikely its outcome.
  const double top = 1 - 0x1p-53;
  CHECK(quantile(Poisson(0x1p52), top) < most);
  CHECK(quantile(Geometric(0x1p-47), top) < most);
  for (const double r : {1e-9, 1e-3, 0.3, 1.0, 5.0, 20.0, 44.0, 100.0, 1e3, 1e6, 1e12}) {
    CAPTURE(r);
    const double p = (r + 64) / (0x1p52 + r + 64) * below;
    REQUIRE(problem(NegativeBinomial(r, p)) == "");
    CHECK(quantile(NegativeBinomial(r, p), top) < most);
  }
}
