// A law that a user writes: the required members only, everything else by the defaults of law.hpp.
#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

/// -1, 0 or 1 with probabilities (1 - mix) softmax(-tilt, 0, tilt) + mix / 3.
template <class S>
struct Tilted {
  using Scalar = S;
  S tilt, mix;

  static constexpr std::string_view name = "Tilted";
  static constexpr int parameters = 2;
  template <class F>
  auto map(F&& f) const {
    return Tilted<std::decay_t<decltype(f(tilt))>>{f(tilt), f(mix)};
  }

  Support support() const { return {-1, 1}; }
  double soft(std::int64_t k) const { return std::exp(static_cast<double>(k) * tilt) / (1 + 2 * std::cosh(tilt)); }
  double pmf(std::int64_t k) const { return support().contains(k) ? (1 - mix) * soft(k) + mix / 3 : 0.0; }
  double cdf(std::int64_t k) const {
    double sum = 0;
    for (std::int64_t j = -1; j <= std::min<std::int64_t>(k, 1); ++j) sum += pmf(j);
    return sum;
  }
  void cdf_derivative(std::int64_t k, std::span<double> out) const {
    out[0] = out[1] = 0;
    const double mean = soft(1) - soft(-1);
    for (std::int64_t j = -1; j <= std::min<std::int64_t>(k, 1); ++j) {
      out[0] += (1 - mix) * soft(j) * (static_cast<double>(j) - mean);
      out[1] += 1.0 / 3 - soft(j);
    }
  }
};

static_assert(PlainLaw<Tilted<double>> && DiscreteLaw<Tilted<double>>);

using Pair = std::array<double, 2>;

}  // namespace

TEST_CASE("a user's law works through the defaults") {
  const Tilted<double> law{0.4, 0.2};
  CHECK(parameter_count(law) == 2);
  CHECK(problem(law).empty());
  CHECK_FALSE(boundary(law));
  CHECK(mixture(law) == 0.5);

  // Rates are zero where they would leave the support, and the quotients elsewhere.
  Pair up, down, derivative;
  up_rate(law, 1, up);
  down_rate(law, -1, down);
  CHECK(up == Pair{0, 0});
  CHECK(down == Pair{0, 0});
  up_rate(law, 0, up);
  down_rate(law, 0, down);
  for (const std::size_t j : {0u, 1u}) {
    law.cdf_derivative(0, derivative);
    CHECK(up[j] == doctest::Approx(-derivative[j] / law.pmf(0)).epsilon(1e-15));
    law.cdf_derivative(-1, derivative);
    CHECK(down[j] == doctest::Approx(derivative[j] / law.pmf(0)).epsilon(1e-15));
  }

  // Jumps, scores and smoothed derivatives against central differences of the sum over the three outcomes.
  const auto f = [](std::int64_t x) { return std::exp(0.7 * static_cast<double>(x)); };
  const auto mean = [](double tilt, double mix, auto&& g) {
    double sum = 0;
    for (const std::int64_t x : {-1, 0, 1}) sum += Tilted<double>{tilt, mix}.pmf(x) * g(x);
    return sum;
  };
  const auto slope = [&](std::size_t j, auto&& g) {
    const double h = 1e-3, a = j == 0, b = j == 1;
    const auto central = [&](double s) {
      return (mean(0.4 + a * s, 0.2 + b * s, g) - mean(0.4 - a * s, 0.2 - b * s, g)) / (2 * s);
    };
    return (4 * central(h / 2) - central(h)) / 3;
  };
  for (const std::size_t j : {0u, 1u})
    for (const double alpha : {0.0, 0.5, 1.0}) {
      CAPTURE(j);
      CAPTURE(alpha);
      double by_jumps = 0, by_score = 0, smoothed = 0;
      for (const std::int64_t x : {-1, 0, 1}) {
        Pair s, smooth, scratch;
        up_rate(law, x, up);
        down_rate(law, x, down);
        score(law, x, s);
        smoothed_derivative(law, x, alpha, smooth, scratch);
        by_jumps += law.pmf(x) * (mixed_rate(up[j], alpha) * (f(x + 1) - f(x)) + mixed_rate(down[j], alpha) * (f(x - 1) - f(x)));
        by_score += law.pmf(x) * s[j] * f(x);
        smoothed += law.pmf(x) * smooth[j];
      }
      CHECK(by_jumps == doctest::Approx(slope(j, f)).epsilon(1e-9));
      CHECK(by_score == doctest::Approx(slope(j, f)).epsilon(1e-9));
      CHECK(smoothed == doctest::Approx(slope(j, [](std::int64_t x) { return static_cast<double>(x); })).epsilon(1e-9));
    }
}

TEST_CASE("a user's law is drawn, wrapped and differentiated like the library's own") {
  const Tilted<double> law{0.4, 0.2};
  for (const double u : {0.0, 0.2, 0.5, 0.9}) {
    const std::int64_t k = quantile(law, u);
    CHECK((law.cdf(k - 1) <= u && u < law.cdf(k)));
  }
  CHECK(survival(law, -1) == doctest::Approx(law.pmf(0) + law.pmf(1)).epsilon(1e-15));
  CHECK(log_pmf(law, 1) == std::log(law.pmf(1)));
  CHECK(mode(law) == -1);
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S tilt = 0.3 * t[0], mix = logistic(t[1]);
    const S x = draw(Tilted<S>{tilt, mix});
    const S y = draw(ZeroInflated(mix, Tilted<S>{S(tilt + x), mix}));
    const S z = draw(Truncated(Tilted<S>{S(tilt - y), mix}, 0, 5));
    return square(x + 2 * y - z) + t[0] * z;
  };
  const Eigen::Vector2d theta(0.7, -0.4);
  const Exact exact = enumerate(program, theta);
  // 5 standard errors: a false alarm once in 400 000 for these four numbers.
  for (const AnyEstimator& e : {AnyEstimator(StochasticDerivative{}), AnyEstimator(ScoreFunction{})}) {
    CAPTURE(e.name());
    const Estimate r = estimate(program, theta, e, {.samples = 40'000, .seed = 3});
    for (const Eigen::Index j : {0, 1}) CHECK(std::abs(r.gradient[j] - exact.gradient[j]) < 5 * r.gradient_error[j]);
  }
  // The exact gradient itself against differences of the exact value.
  for (const Eigen::Index j : {0, 1}) {
    const auto at = [&](double h) { return enumerate(program, theta + h * Eigen::Vector2d::Unit(j)).value; };
    CHECK(exact.gradient[j] == doctest::Approx((8 * (at(1e-3) - at(-1e-3)) - (at(2e-3) - at(-2e-3))) / 12e-3).epsilon(1e-9));
  }
}

TEST_CASE("a law without a mean has no mean field") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return t[0] * draw(Tilted<S>{t[0], t[1]}); };
  const Eigen::Vector2d theta(0.4, 0.2);
  CHECK_THROWS_WITH_AS(estimate(program, theta, MeanField{}, {.samples = 1}),
                       doctest::Contains("MeanField: Tilted offers no mean() (site 0, run 0"), Refusal);
  CHECK_THROWS_AS(estimate(program, theta, MuProp{}, {.samples = 1}), Refusal);
}
