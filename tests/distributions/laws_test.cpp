#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/geometric.hpp>
#include <boost/math/distributions/poisson.hpp>
#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

const std::vector<std::function<double(double)>> costs = {
    [](double x) { return 7 * x - 3; }, [](double x) { return (x + 1) * (x + 1); }, [](double x) { return std::sqrt(x + 1); }};

/// Sums over outcomes until the law is exhausted.
template <class L, class F>
double expectation(const L& law, F&& f) {
  double sum = 0;
  const std::int64_t end = law.support().finite() ? law.support().upper : 2000;
  for (std::int64_t k = law.support().lower; k <= end; ++k) {
    const double p = law.pmf(k);
    if (p > 0) sum += p * f(k);
  }
  return sum;
}

/// d E f / d p by jumps to the neighbours with alpha * right + (1 - alpha) * left.
template <class L>
double by_jumps(const L& law, const std::function<double(double)>& f, double alpha) {
  return expectation(law, [&](std::int64_t k) {
    double up = 0, down = 0;
    up_rate(law, k, std::span(&up, 1));
    down_rate(law, k, std::span(&down, 1));
    const double x = static_cast<double>(k);
    double sum = 0;
    if (const double w = mixed_rate(up, alpha); w != 0) sum += w * (f(x + 1) - f(x));
    if (const double w = mixed_rate(down, alpha); w != 0) sum += w * (f(x - 1) - f(x));
    return sum;
  });
}

template <class Make>
void check_derivatives(const Make& make, std::vector<double> parameters) {
  for (const double p : parameters)
    for (const auto& f : costs) {
      CAPTURE(p);
      const auto law = make(p);
      const auto mean = [&](double q) { return expectation(make(q), [&](std::int64_t k) { return f(static_cast<double>(k)); }); };
      const double h = 1e-3 * p;
      const auto d = [&](double s) { return (mean(p + s) - mean(p - s)) / (2 * s); };
      const double truth = (4 * d(h / 2) - d(h)) / 3;
      const double tolerance = 1e-8 * (1 + std::abs(truth));
      for (const double alpha : {0.0, 0.3, 1.0, mixture(law)}) CHECK(std::abs(by_jumps(law, f, alpha) - truth) < tolerance);
      const double by_score = expectation(law, [&](std::int64_t k) {
        double s = 0;
        score(law, k, std::span(&s, 1));
        return s * f(static_cast<double>(k));
      });
      CHECK(std::abs(by_score - truth) < tolerance);
    }
  // The smoothed derivative and the straight-through slope have the derivative of the mean as their mean.
  for (const double p : parameters) {
    const auto law = make(p);
    double slope = 0;
    law.mean_derivative(std::span(&slope, 1));
    for (const double alpha : {0.0, 0.5, 1.0}) {
      const double mean = expectation(law, [&](std::int64_t k) {
        double s = 0, scratch = 0;
        smoothed_derivative(law, k, alpha, std::span(&s, 1), std::span(&scratch, 1));
        return s;
      });
      CHECK(mean == doctest::Approx(slope).epsilon(1e-9));
    }
    CHECK(law.mean() == doctest::Approx(expectation(law, [](std::int64_t k) { return static_cast<double>(k); })).epsilon(1e-10));
  }
}

/// u lies in [F(k-1), F(k)) of the quantile k, up to rounding.
template <class L>
void check_inversion(const L& law) {
  Generator g({17, 3});
  for (int i = 0; i < 400; ++i) {
    const double u = i < 5 ? std::ldexp(1.0, -10 * i - 1) : i < 10 ? 1 - std::ldexp(1.0, -8 * (i - 5) - 2) : g.uniform();
    const std::int64_t k = law.quantile(u);
    CAPTURE(u);
    CAPTURE(k);
    CHECK(law.support().contains(k));
    CHECK(law.cdf(k - 1) <= u + 1e-12);
    CHECK(u < law.cdf(k) + 1e-12);
  }
}

/// Chi-squared of 20000 draws at a fixed seed over cells of expectation 20 and more; bound: mean + 4.5 standard deviations.
template <class L>
void check_draws(const L& law) {
  Generator g({23, 5});
  const int n = 20000;
  std::vector<int> count(4000);
  for (int i = 0; i < n; ++i) ++count[static_cast<std::size_t>(std::min<std::int64_t>(law.quantile(g.uniform()), 3999))];
  double chi = 0, expected = 0, seen = 0;
  int cells = 0;
  for (std::size_t k = 0; k < count.size(); ++k) {
    expected += n * law.pmf(static_cast<std::int64_t>(k));
    seen += count[k];
    if (expected >= 20) {
      chi += (seen - expected) * (seen - expected) / expected;
      ++cells;
      expected = seen = 0;
    }
  }
  const double freedom = std::max(cells - 1, 1);
  CHECK(chi < freedom + 4.5 * std::sqrt(2 * freedom) + 12);
}

}  // namespace

TEST_CASE("stochastic derivatives, scores and smoothed derivatives are exact in expectation") {
  check_derivatives([](double p) { return Bernoulli(p); }, {0.2, 0.5, 0.8});
  check_derivatives([](double p) { return Binomial(3, p); }, {0.2, 0.5, 0.8});
  check_derivatives([](double p) { return Binomial(20, p); }, {0.2, 0.5, 0.8});
  check_derivatives([](double p) { return Geometric(p); }, {0.2, 0.5, 0.8});
  check_derivatives([](double p) { return Poisson(p); }, {0.2, 3.0, 30.0});
}

TEST_CASE("probabilities agree with Boost.Math") {
  for (const std::int64_t n : {1, 7, 100, 10'000, 1'000'000})
    for (const double p : {1e-12, 1e-4, 0.3, 0.9}) {
      const boost::math::binomial_distribution<double> oracle(static_cast<double>(n), p);
      const Binomial law(n, p);
      const double mean = static_cast<double>(n) * p, sd = std::sqrt(mean * (1 - p));
      for (const double z : {-3.0, -1.0, 0.0, 0.5, 2.0, 5.0}) {
        const auto k = static_cast<std::int64_t>(std::clamp(mean + z * sd, 0.0, static_cast<double>(n)));
        CHECK(law.pmf(k) == doctest::Approx(boost::math::pdf(oracle, static_cast<double>(k))).epsilon(1e-9));
        CHECK(law.cdf(k) == doctest::Approx(boost::math::cdf(oracle, static_cast<double>(k))).epsilon(1e-9));
      }
    }
  for (const double rate : {1e-3, 0.7, 12.0, 300.0, 1e6}) {
    const boost::math::poisson_distribution<double> oracle(rate);
    const Poisson law(rate);
    for (const double z : {-3.0, -1.0, 0.0, 0.5, 2.0, 5.0}) {
      const auto k = static_cast<std::int64_t>(std::max(rate + z * std::sqrt(rate), 0.0));
      CHECK(law.pmf(k) == doctest::Approx(boost::math::pdf(oracle, static_cast<double>(k))).epsilon(1e-9));
      CHECK(law.cdf(k) == doctest::Approx(boost::math::cdf(oracle, static_cast<double>(k))).epsilon(1e-9));
    }
  }
  for (const double p : {1e-6, 0.3, 0.999}) {
    const boost::math::geometric_distribution<double> oracle(p);
    for (const std::int64_t k : {0, 1, 10}) {
      CHECK(Geometric(p).pmf(k) == doctest::Approx(boost::math::pdf(oracle, static_cast<double>(k))).epsilon(1e-12));
      CHECK(Geometric(p).cdf(k) == doctest::Approx(boost::math::cdf(oracle, static_cast<double>(k))).epsilon(1e-12));
    }
  }
}

TEST_CASE("draws invert the cdf") {
  for (const std::int64_t n : {0, 1, 7, 100, 10'000, 1'000'000})
    for (const double p : {0.0, 1e-12, 1e-4, 0.3, 0.5, 0.97, 1.0}) check_inversion(Binomial(n, p));
  for (const double rate : {0.0, 1e-3, 0.7, 12.0, 39.0, 41.0, 300.0, 1e6}) check_inversion(Poisson(rate));
  for (const double p : {1e-9, 1e-3, 0.3, 0.999, 1.0}) check_inversion(Geometric(p));
  check_draws(Binomial(12, 0.3));
  check_draws(Binomial(900, 0.4));
  check_draws(Poisson(3.5));
  check_draws(Poisson(250.0));
  check_draws(Geometric(0.15));
  const std::vector<double> weights = {0.2, 0, 0.5, 0.3};
  check_draws(CategoricalView<double>(weights.data(), 4));
}

TEST_CASE("at the ends of the parameter range rates stay finite and right") {
  double out = 0;
  const std::span<double> one(&out, 1);
  const auto weight = [&](const auto& law, std::int64_t k, bool up) {
    up ? up_rate(law, k, one) : down_rate(law, k, one);
    return mixed_rate(out, mixture(law));
  };
  CHECK(weight(Bernoulli(1.0), 1, false) == -1);
  CHECK(weight(Bernoulli(0.0), 0, true) == 1);
  CHECK(weight(Binomial(5, 1.0), 5, false) == -5);
  CHECK(weight(Binomial(5, 0.0), 0, true) == 5);
  CHECK(weight(Poisson(0.0), 0, true) == 1);
  CHECK(weight(Geometric(1.0), 0, true) == -1);
  CHECK(boundary(Bernoulli(1.0)));
  CHECK(boundary(Binomial(5, 0.0)));
  CHECK_FALSE(boundary(Poisson(0.5)));
}

TEST_CASE("problems name parameter, value and range") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(problem(Bernoulli(1.2)) == "p = 1.2 is outside [0, 1]");
  CHECK(problem(Bernoulli(nan)) == "p = nan is outside [0, 1]");
  CHECK(problem(Binomial(-1, 0.5)) == "n = -1 is outside [0, infinity)");
  CHECK(problem(Binomial(4, -0.5)) == "p = -0.5 is outside [0, 1]");
  CHECK(problem(Geometric(0.0)) == "p = 0 is outside (0, 1]");
  CHECK(problem(Poisson(-2.0)) == "rate = -2 is outside [0, infinity)");
  CHECK(problem(Poisson(0.0)).empty());
  CHECK(Normal(0.0, -1.0).problem() == "sd = -1 is outside [0, infinity)");
  CHECK(Uniform(1.0, 0.0).problem() == "b = 0 is outside [a, infinity)");
  CHECK(Exponential(0.0).problem() == "rate = 0 is outside (0, infinity)");
  const std::vector<double> weights = {0.2, -0.1};
  CHECK(problem(CategoricalView<double>(weights.data(), 2)) == "probabilities[1] = -0.1 is outside [0, infinity)");
  CHECK(problem(CategoricalView<double>(weights.data(), 0)) == "no probabilities");
}

TEST_CASE("continuous laws are differentiated along the path") {
  // E of x^2 + x: Normal m^2 + s^2 + m; Uniform on (a, b) and Exponential(r) likewise in closed form.
  const auto check = [](auto program, Eigen::VectorXd theta, double value, Eigen::VectorXd gradient) {
    const Estimate e = estimate(program, theta, ScoreFunction{}, {.samples = 100'000, .seed = 3});
    CHECK(std::abs(e.value - value) < 5 * e.value_error);
    for (Eigen::Index j = 0; j < theta.size(); ++j) CHECK(std::abs(e.gradient[j] - gradient[j]) < 5 * e.gradient_error[j] + 1e-12);
  };
  check(
      []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
        const S x = draw(Normal(t[0], t[1]));
        return x * x + x;
      },
      Eigen::Vector2d(0.7, 1.3), 0.49 + 1.69 + 0.7, Eigen::Vector2d(2 * 0.7 + 1, 2 * 1.3));
  check(
      []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
        const S x = draw(Uniform(t[0], t[1]));
        return x * x + x;
      },
      Eigen::Vector2d(1, 3), 13.0 / 3 + 2, Eigen::Vector2d((2 * 1 + 3) / 3.0 + 0.5, (2 * 3 + 1) / 3.0 + 0.5));
  check(
      []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
        const S x = draw(Exponential(t[0]));
        return x * x + x;
      },
      Eigen::VectorXd::Constant(1, 2.0), 0.5 + 0.5, Eigen::VectorXd::Constant(1, -4.0 / 8 - 1.0 / 4));
}
