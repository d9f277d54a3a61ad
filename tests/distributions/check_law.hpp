// tests/distributions/check_law.hpp: a law against independent references and against itself.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include <boost/math/distributions/chi_squared.hpp>
#include <stoat/distributions/law.hpp>

using Long = long double;

/// Absolute where the truth is beyond the range of double.
inline Long relative_error(double x, Long truth) { return truth < 1e-290L ? std::abs(x - truth) : std::abs(x / truth - 1); }

/// pmf, cdf and survival at some outcomes, and log_pmf also where pmf underflows.
template <class L, class Pmf, class Cdf, class Survival>
void check_probabilities(const L& law, const std::vector<std::int64_t>& outcomes, const Pmf& pmf, const Cdf& cdf,
                         const Survival& survival, Long tolerance = 1e-12L) {
  for (const std::int64_t k : outcomes) {
    CAPTURE(k);
    const Long p = pmf(static_cast<Long>(k));
    CHECK(relative_error(law.pmf(k), p) < tolerance);
    CHECK(relative_error(law.cdf(k), cdf(static_cast<Long>(k))) < tolerance);
    CHECK(relative_error(stoat::survival(law, k), survival(static_cast<Long>(k))) < tolerance);
    if (p > 0) CHECK(std::abs(stoat::log_pmf(law, k) - std::log(p)) < tolerance * std::max(1.0L, std::abs(std::log(p))));
  }
}

/// Just below and just above each F(k), and in between: F(k-1) <= u < F(k) within 1e-12, never decreasing in u.
template <class L>
void check_quantile(const L& law, const std::vector<std::int64_t>& outcomes) {
  std::mt19937_64 random(11);
  std::vector<double> us = {0, 0x1p-53, 1 - 0x1p-53};
  for (const std::int64_t k : outcomes)
    for (const double shift : {-2e-12, 0.0, 2e-12}) us.push_back(std::clamp(law.cdf(k) + shift, 0.0, 1 - 0x1p-53));
  for (int i = 0; i < 300; ++i) us.push_back(i / 300.0);
  for (int i = 0; i < 300; ++i) us.push_back(static_cast<double>(random() >> 11) * 0x1p-53);
  std::sort(us.begin(), us.end());
  std::int64_t last = law.support().lower;
  for (const double u : us) {
    const std::int64_t k = quantile(law, u);
    CAPTURE(u);
    CAPTURE(k);
    CHECK(law.support().contains(k));
    CHECK(k >= last);
    CHECK(law.cdf(k - 1) <= u + 1e-12);
    CHECK(u < law.cdf(k) + 1e-12);
    last = k;
  }
}

/// Chi-squared test of 50000 draws, cells merged to an expectation of at least 20. False alarms: 1e-6 for each law.
template <class L>
void check_draws(const L& law) {
  constexpr int n = 50'000;
  std::mt19937_64 random(2024);
  const std::int64_t lower = law.support().lower;
  std::vector<int> count(3000);
  for (int i = 0; i < n; ++i) {
    const std::int64_t k = quantile(law, static_cast<double>(random() >> 11) * 0x1p-53) - lower;
    ++count[static_cast<std::size_t>(std::min<std::int64_t>(k, 2999))];  // the last cell takes the rest
  }
  double chi = 0, expected = 0, seen = 0, rest = n, unseen = n;
  int cells = 0;
  const auto close = [&](double e, double s) {
    chi += (s - e) * (s - e) / e;
    ++cells;
  };
  for (std::size_t k = 0; k + 1 < count.size(); ++k) {
    expected += n * law.pmf(lower + static_cast<std::int64_t>(k));
    seen += count[k];
    if (expected < 20 || rest - expected < 20) continue;
    close(expected, seen);
    rest -= expected;
    unseen -= seen;
    expected = seen = 0;
  }
  close(rest, unseen);
  REQUIRE(cells > 1);
  CHECK(cdf(complement(boost::math::chi_squared(cells - 1), chi)) > 1e-6);
}

// ---- derivatives ----------------------------------------------------------------------------------------------------------

inline const std::vector<std::function<Long(Long)>> costs = {
    [](Long x) { return 7 * x - 3; }, [](Long x) { return (x + 1) * (x + 1); }, [](Long x) { return std::sqrt(x + 1); }};

inline constexpr std::int64_t last_outcome = 400;  ///< sums over an unbounded support end here

/// sum over x of pmf(x) * g(x), in long double.
template <class L, class G>
Long expectation(const L& law, const G& g) {
  Long sum = 0;
  const stoat::Support s = law.support();
  for (std::int64_t x = s.lower; x <= std::min(s.upper, last_outcome); ++x)
    if (const Long p = law.pmf(x); p > 0) sum += p * g(x);
  return sum;
}

using Rates = std::array<double, 4>;
template <class L>
std::span<double> parameters_of(const L& law, Rates& rates) {
  return {rates.data(), static_cast<std::size_t>(parameter_count(law))};
}

/// d E f / d parameter j by the jumps of alpha * right + (1 - alpha) * left.
template <class L>
Long by_jumps(const L& law, const std::function<Long(Long)>& f, double alpha, std::size_t j = 0) {
  return expectation(law, [&](std::int64_t k) {
    Rates up, down;
    up_rate(law, k, parameters_of(law, up));
    down_rate(law, k, parameters_of(law, down));
    const Long x = static_cast<Long>(k);
    Long sum = 0;
    if (const double w = stoat::mixed_rate(up[j], alpha); w != 0) sum += w * (f(static_cast<Long>(next(law, k))) - f(x));
    if (const double w = stoat::mixed_rate(down[j], alpha); w != 0) sum += w * (f(static_cast<Long>(previous(law, k))) - f(x));
    return sum;
  });
}

/// d E f / d parameter j by the jumps that replays use.
template <class L>
Long by_jumps(const L& law, const std::function<Long(Long)>& f, std::size_t j = 0) {
  return expectation(law, [&](std::int64_t k) {
    Long sum = 0;
    alternatives(law, k, [&](std::int64_t y, auto first, std::span<const double> weights) {
      const std::size_t begin = static_cast<std::size_t>(first);
      if (j >= begin && j < begin + weights.size()) sum += weights[j - begin] * (f(static_cast<Long>(y)) - f(static_cast<Long>(k)));
    });
    return sum;
  });
}

/// Every kind of derivative in parameter j of the law make(p), to 1e-10. The truth is the derivative of sums in long double of
/// the textbook pmf(x, p), by central differences of sixth order.
template <class Make, class Pmf>
void check_derivatives(const Make& make, const Pmf& pmf, const std::vector<double>& parameters, std::size_t j = 0) {
  for (const double p : parameters) {
    CAPTURE(p);
    const auto law = make(p);
    REQUIRE(problem(law) == "");
    const stoat::Support support = law.support();
    const auto slope = [&](const std::function<Long(Long)>& f) {
      const auto mean = [&](Long q) {
        Long sum = 0;
        for (std::int64_t x = support.lower; x <= std::min(support.upper, last_outcome); ++x)
          sum += pmf(static_cast<int>(x), q) * f(static_cast<Long>(x));
        return sum;
      };
      const auto central = [&](Long h) { return (mean(p + h) - mean(p - h)) / (2 * h); };
      const Long h = 1e-3L * std::max<Long>(std::abs(p), 1e-3L) * (1 - std::clamp<Long>(p, 0, 0.9L));
      return (64 * central(h / 4) - 20 * central(h / 2) + central(h)) / 45;
    };
    const auto close = [](Long x, Long truth) { return std::abs(x - truth) < 1e-10L * (1 + std::abs(truth)); };
    for (const auto& f : costs) {
      const Long truth = slope(f);
      for (const double alpha : {1.0, 0.0, mixture(law), 0.3}) CHECK(close(by_jumps(law, f, alpha, j), truth));
      CHECK(close(by_jumps(law, f, j), truth));
      CHECK(close(expectation(law,
                              [&](std::int64_t k) {
                                Rates s;
                                score(law, k, parameters_of(law, s));
                                return s[j] * f(static_cast<Long>(k));
                              }),
                  truth));
      if constexpr (requires { measure_valued(law, 0); }) {
        const auto m = measure_valued(law, static_cast<int>(j));
        if (!std::isnan(m.weight)) {
          CHECK(problem(m.law) == "");
          CHECK(close(
              m.weight * expectation(m.law, [&](std::int64_t k) { return f(static_cast<Long>(k) + 1) - f(static_cast<Long>(k)); }),
              truth));
        }
      }
    }
    for (const double u : {0.1, 0.5, 0.95}) {
      const std::int64_t k = quantile(law, u);
      Rates out;
      law.cdf_derivative(k, parameters_of(law, out));
      CHECK(close(out[j], slope([&](Long x) { return x <= static_cast<Long>(k); })));
    }
    const Long truth = slope([](Long x) { return x; });
    if constexpr (requires(std::span<double> out) { law.mean_derivative(out); }) {
      Rates out;
      law.mean_derivative(parameters_of(law, out));
      CHECK(close(out[j], truth));
      CHECK(close(law.mean(), expectation(law, [](std::int64_t k) { return static_cast<Long>(k); })));
    }
    for (const double alpha : {0.0, 0.5, 1.0, mixture(law)}) {
      CHECK(close(expectation(law,
                              [&](std::int64_t k) {
                                Rates s, scratch;
                                smoothed_derivative(law, k, alpha, parameters_of(law, s), parameters_of(law, scratch));
                                return s[j];
                              }),
                  truth));
    }
  }
}
