// The laws against independent references: long double sums, Boost.Math in long double, and closed forms.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/poisson.hpp>
#include <stoat/distributions/bernoulli.hpp>
#include <stoat/distributions/binomial.hpp>
#include <stoat/distributions/exponential.hpp>
#include <stoat/distributions/geometric.hpp>
#include <stoat/distributions/normal.hpp>
#include <stoat/distributions/poisson.hpp>
#include <stoat/distributions/uniform.hpp>
#include <stoat/random/philox.hpp>
#include <stoat/tape/var.hpp>

#include "check_law.hpp"

using namespace stoat;

namespace {

namespace bm = boost::math;

bm::binomial_distribution<Long> reference(const Binomial<double>& law) { return {static_cast<Long>(law.n), law.p}; }
bm::poisson_distribution<Long> reference(const Poisson<double>& law) { return bm::poisson_distribution<Long>(law.rate); }

/// Boost.Math computes (1 - p)^k from a rounded 1 - p, which loses 9 digits at p = 1e-12.
struct GeometricReference {
  Long p;
};
GeometricReference reference(const Geometric<double>& law) { return {law.p}; }
Long pdf(GeometricReference r, Long k) { return r.p * std::exp(k * std::log1p(-r.p)); }
Long cdf(GeometricReference r, Long k) { return -std::expm1((k + 1) * std::log1p(-r.p)); }
Long survival(GeometricReference r, Long k) { return std::exp((k + 1) * std::log1p(-r.p)); }
template <class R>
Long survival(const R& r, Long k) {
  return cdf(complement(r, k));
}
Long mean(GeometricReference r) { return (1 - r.p) / r.p; }
Long standard_deviation(GeometricReference r) { return std::sqrt(1 - r.p) / r.p; }

/// Outcomes at -6, -5.5, ..., 8 standard deviations from the mean.
template <class L>
std::vector<std::int64_t> outcomes(const L& law) {
  const auto r = reference(law);
  const double m = static_cast<double>(mean(r)), sd = static_cast<double>(standard_deviation(r));
  const double end = law.support().finite() ? static_cast<double>(law.support().upper) : 1e18;
  std::vector<std::int64_t> ks;
  for (double z = -6; z <= 8; z += 0.5) ks.push_back(static_cast<std::int64_t>(std::clamp(std::floor(m + z * sd), 0.0, end)));
  return ks;
}

template <class L>
void check_probabilities(const L& law) {
  const auto r = reference(law);
  ::check_probabilities(
      law, outcomes(law), [&](Long k) { return pdf(r, k); }, [&](Long k) { return cdf(r, k); },
      [&](Long k) { return survival(r, k); });
}
template <class L>
void check_quantile(const L& law) {
  ::check_quantile(law, outcomes(law));
}

template <class L>
double rate_of(const L& law, std::int64_t k, bool up) {
  double out;
  up ? up_rate(law, k, {&out, 1}) : down_rate(law, k, {&out, 1});
  return mixed_rate(out, mixture(law));
}
template <class L>
double score_of(const L& law, std::int64_t k) {
  double out;
  score(law, k, {&out, 1});
  return out;
}

}  // namespace

TEST_CASE("pmf, cdf and quantile agree with Boost.Math in long double to 1e-12") {
  for (const std::int64_t n : {1, 7, 100, 10'000, 1'000'000})
    for (const double p : {1e-12, 1e-4, 0.3, 0.5, 0.7, 0.97, 1 - 1e-9}) {
      CAPTURE(n);
      CAPTURE(p);
      check_probabilities(Binomial(n, p));
      check_quantile(Binomial(n, p));
    }
  for (const double mean : {100.0, 5e4}) check_quantile(Binomial(1'000'000'000, mean / 1e9));
  for (const double rate : {1e-12, 1e-3, 0.7, 12.0, 39.9, 40.1, 300.0, 9.9e4, 1.1e5, 1e6}) {
    CAPTURE(rate);
    check_probabilities(Poisson(rate));
    check_quantile(Poisson(rate));
  }
  for (const double p : {1e-12, 1e-3, 0.3, 0.999, 1 - 0x1p-53}) {
    CAPTURE(p);
    check_probabilities(Geometric(p));
    check_quantile(Geometric(p));
  }
}

TEST_CASE("quantiles of medium and large means are exact right up to the steps of the cdf") {
  const auto check = [](const auto& law) {
    const auto r = reference(law);
    const double m = static_cast<double>(mean(r)), sd = static_cast<double>(standard_deviation(r));
    for (double z = -4.5; z <= 4.5; z += 0.15) {
      const auto k = static_cast<std::int64_t>(std::floor(m + z * sd));
      if (!law.support().contains(k) || !law.support().contains(k + 1)) continue;
      CAPTURE(k);
      const Long step = cdf(r, static_cast<Long>(k));
      for (double part = 0.3; part > 1e-9; part *= 0.3) {
        const double below = part * law.pmf(k), above = part * law.pmf(k + 1);
        CAPTURE(part);
        if (below > 1e-12) CHECK(law.quantile(static_cast<double>(step - below)) == k);
        if (above > 1e-12) CHECK(law.quantile(static_cast<double>(step + above)) == k + 1);
      }
    }
  };
  for (const double rate : {40.1, 55.0, 100.0, 1e3, 3e4, 9.9e4, 1.1e5, 1e6}) {
    CAPTURE(rate);
    check(Poisson(rate));
  }
  for (const auto& [n, p] :
       {std::pair(82, 0.495), {100, 0.45}, {500, 0.1}, {500, 0.9}, {100'000, 0.001}, {10'000, 0.3}, {1'000'000, 0.3}}) {
    const Binomial law(n, p);
    CAPTURE(law.n);
    CAPTURE(law.p);
    check(law);
  }
}

TEST_CASE("quantile stays in the support and returns at once, whatever the parameters") {
  const double top = 1 - 0x1p-53;
  for (const double u : {0.0, 0x1p-53, 1e-12, 0.3, 0.5, 0.99, top}) {
    CAPTURE(u);
    CHECK(Binomial(0, 0.5).quantile(u) == 0);
    CHECK(Binomial(9, 0.0).quantile(u) == 0);
    CHECK(Binomial(9, 1.0).quantile(u) == 9);
    CHECK(Poisson(0.0).quantile(u) == 0);
    CHECK(Geometric(1.0).quantile(u) == 0);
    for (const double p : {5e-324, 1e-300, 0.5, top})
      for (const std::int64_t n : {std::int64_t{60}, std::int64_t{1} << 40, std::int64_t{1} << 62})
        CHECK(Binomial(n, p).support().contains(Binomial(n, p).quantile(u)));
    for (const double rate : {5e-324, 1e9, 1e15, 1e19, 1e300}) CHECK(Poisson(rate).quantile(u) >= 0);
    for (const double p : {5e-324, 1e-300, 1e-18}) CHECK(Geometric(p).quantile(u) >= 0);
  }
  // No outcome that 53 bits cannot justify: beyond these lies less than 1e-19.
  CHECK(Poisson(1.0).quantile(top) <= 20);
  CHECK(Binomial(1000, 0.01).quantile(top) <= 60);
  CHECK(Binomial(1000, 0.99).quantile(0) >= 940);
  CHECK(Poisson(1e6).quantile(0) > 990'000);
}

TEST_CASE("draws follow the pmf") {
  check_draws(Bernoulli(0.3));
  check_draws(Binomial(12, 0.3));
  check_draws(Binomial(30, 0.9));
  check_draws(Binomial(900, 0.4));
  check_draws(Binomial(2000, 0.9));
  check_draws(Poisson(0.4));
  check_draws(Poisson(3.5));
  check_draws(Poisson(250.0));
  check_draws(Geometric(0.15));
}

TEST_CASE("T5: jumps, scores and smoothed derivatives have the exact derivative as their mean, to 1e-10") {
  const auto binomial = [](int n) {
    return [n](int x, Long p) {
      return std::exp(std::lgamma(n + 1.0L) - std::lgamma(x + 1.0L) - std::lgamma(n - x + 1.0L)) * std::pow(p, x) *
             std::pow(1 - p, n - x);
    };
  };
  check_derivatives([](double p) { return Bernoulli(p); }, binomial(1), {0.2, 0.5, 0.8});
  check_derivatives([](double p) { return Binomial(3, p); }, binomial(3), {0.2, 0.5, 0.8});
  check_derivatives([](double p) { return Binomial(20, p); }, binomial(20), {0.2, 0.5, 0.8});
  check_derivatives([](double p) { return Geometric(p); }, [](int x, Long p) { return p * std::pow(1 - p, x); }, {0.2, 0.5, 0.8});
  check_derivatives([](double p) { return Poisson(p); },
                    [](int x, Long r) { return std::exp(x * std::log(r) - r - std::lgamma(x + 1.0L)); }, {0.2, 0.8, 30.0});
}

TEST_CASE("at the ends of the parameter range rates, scores and one-sided derivatives are finite and right") {
  CHECK(rate_of(Bernoulli(1.0), 1, false) == -1);
  CHECK(rate_of(Bernoulli(0.0), 0, true) == 1);
  CHECK(rate_of(Binomial(5, 1.0), 5, false) == -5);
  CHECK(rate_of(Binomial(5, 1.0), 5, true) == 0);
  CHECK(rate_of(Binomial(5, 0.0), 0, true) == 5);
  CHECK(rate_of(Binomial(5, 0.0), 0, false) == 0);
  CHECK(rate_of(Binomial(0, 0.5), 0, true) == 0);
  CHECK(rate_of(Poisson(0.0), 0, true) == 1);
  CHECK(rate_of(Poisson(0.0), 0, false) == 0);
  CHECK(rate_of(Geometric(1.0), 0, true) == -1);
  CHECK(rate_of(Geometric(1.0), 0, false) == 0);
  for (const auto& f : costs) {
    CHECK(by_jumps(Binomial(5, 0.0), f) == 5 * (f(1) - f(0)));
    CHECK(by_jumps(Binomial(5, 1.0), f) == 5 * (f(5) - f(4)));
    CHECK(by_jumps(Poisson(0.0), f) == f(1) - f(0));
    CHECK(by_jumps(Geometric(1.0), f) == f(0) - f(1));
  }
  CHECK(score_of(Binomial(5, 1.0), 5) == 5);
  CHECK(score_of(Binomial(5, 0.0), 0) == -5);
  CHECK(score_of(Binomial(0, 0.0), 0) == 0);
  CHECK(score_of(Poisson(0.0), 0) == -1);
  CHECK(score_of(Geometric(1.0), 0) == 1);
  CHECK(boundary(Binomial(5, 1.0)));
  CHECK_FALSE(boundary(Binomial(0, 1.0)));
  CHECK(boundary(Poisson(0.0)));
  CHECK(boundary(Geometric(1.0)));
  CHECK_FALSE(boundary(Geometric(0.5)));
  for (const double p : {0.0, 1.0}) {
    CHECK(Binomial(5, p).pmf(p == 0 ? 0 : 5) == 1);
    CHECK(Binomial(5, p).cdf(4) == 1 - p);
  }
  CHECK(Poisson(0.0).cdf(0) == 1);
  CHECK(Geometric(1.0).cdf(0) == 1);
}

TEST_CASE("arguments are turned into scalars: no integer and no expression becomes the scalar of a law") {
  using V = Var<double>;
  using Product = decltype(std::declval<V>() * std::declval<V>());
  static_assert(std::is_same_v<decltype(Bernoulli(1)), Bernoulli<double>>);
  static_assert(std::is_same_v<decltype(Binomial(3, 1)), Binomial<double>>);
  static_assert(std::is_same_v<decltype(Binomial(std::int64_t{3}, 1)), Binomial<double>>);
  static_assert(std::is_same_v<decltype(Normal(0, 1)), Normal<double>>);
  static_assert(std::is_same_v<decltype(Normal(0.0f, 1.0f)), Normal<float>>);
  static_assert(std::is_same_v<decltype(Uniform(0, 1)), Uniform<double>>);
  static_assert(std::is_same_v<decltype(Normal(0, std::declval<V>())), Normal<V>>);
  static_assert(std::is_same_v<decltype(Normal(std::declval<Product>(), std::declval<Product>())), Normal<V>>);
  static_assert(std::is_same_v<decltype(Uniform(std::declval<Product>(), std::declval<Product>())), Uniform<V>>);
  static_assert(std::is_same_v<decltype(Binomial(std::int64_t{3}, std::declval<Product>())), Binomial<V>>);
  static_assert(std::is_same_v<decltype(Poisson(std::declval<Product>())), Poisson<V>>);
  static_assert(!std::is_constructible_v<Binomial<double>, double, double>, "n must be an integer");
  static_assert(DiscreteLaw<Binomial<V>> && DiscreteLaw<Poisson<V>> && DiscreteLaw<Geometric<V>>);
  static_assert(ContinuousLaw<Normal<V>> && ContinuousLaw<Uniform<V>> && ContinuousLaw<Exponential<V>>);
}
