#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include <boost/random/normal_distribution.hpp>
#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

const auto walk = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
  S x = 0;
  for (int t = 0; t < 100; ++t) {
    if (draw(Bernoulli(exp(-x / theta[0])))) x += 1;
    else x -= 1;
  }
  return x * x;
};

/// Different numbers of draws on two branches, a loop of random length, a container and integers of random values,
/// contracted arithmetic, and noise from Boost.
const auto tangle = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
  std::map<std::int64_t, int> seen;
  S total = 0;
  int rounds = 0;
  while (!draw(Bernoulli(logistic(theta[0]))) && rounds < 30) {
    ++rounds;
    const auto k = draw(Binomial(5, logistic(theta[1])));
    ++seen[k.value()];
    if (k > 2) total += draw(Poisson(exp(theta[2]))) * theta[1] + 0.3 * k;
    total += 0.01 * boost::random::normal_distribution<double>{}(draw);
  }
  for (const auto& [k, count] : seen) total += static_cast<double>(k * count) * 0.1 * theta[0];
  return total * total + static_cast<double>(seen.size());
};

Eigen::VectorXd tangle_theta() { return Eigen::Vector3d(-0.5, 0.2, 0.1); }

template <class S>
concept IndexesWithoutValue = requires(const std::vector<int>& v, const Discrete<S>& k) {
  v[k];
};

}  // namespace

TEST_CASE("a replay that forces the recorded outcome returns the cost of the plain run, bit for bit") {
  for (const auto& [program, theta] : {std::pair<Program<double>, Eigen::VectorXd>(walk, Eigen::VectorXd::Constant(1, 200.0)),
                                       std::pair<Program<double>, Eigen::VectorXd>(tangle, tangle_theta())}) {
    Trace<double> trace(program, theta);
    for (std::uint64_t r = 0; r < 50; ++r) {
      const double f = trace.run({11, r});
      trace.record();
      for (std::size_t i = 0; i < trace.sites(); ++i) CHECK(trace.replay(i, trace.site(i).outcome) == f);
    }
  }
}

TEST_CASE("the recording takes the path of the plain run") {
  Trace<double> trace(tangle, tangle_theta());
  for (std::uint64_t r = 0; r < 200; ++r) {
    const double f = trace.run({5, r});
    trace.record();
    Trace<double> other(tangle, tangle_theta());
    const double g = other.record({5, r});
    CHECK(g == doctest::Approx(f).epsilon(1e-12));  // not bit for bit: the compiler may contract the two differently
    CHECK(other.sites() == trace.sites());
    CHECK(run(tangle, tangle_theta(), {5, r}) == f);
  }
}

TEST_CASE("draws depend on seed, run and site alone") {
  const auto third = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    draw(Bernoulli(theta[0]));
    draw(Poisson(theta[0]));
    return S(draw(Binomial(1000, theta[0])));
  };
  const Eigen::VectorXd theta = Eigen::VectorXd::Constant(1, 0.5);
  CHECK(run(third, theta, {1, 2}) == run(third, theta, {1, 2}));
  CHECK(run(third, theta, {1, 2}) != run(third, theta, {1, 3}));
  CHECK(run(third, theta, {1, 2}) != run(third, theta, {2, 2}));
  // Extra words do not shift later sites.
  const auto noisy = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    draw(Bernoulli(theta[0]));
    for (int i = 0; i < 7; ++i) draw();
    draw(Normal(0.0, 1.0));
    draw(Poisson(theta[0]));
    return S(draw(Binomial(1000, theta[0])));
  };
  CHECK(run(noisy, theta, {1, 2}) == run(third, theta, {1, 2}));
}

TEST_CASE("noise from Boost.Random and continuous draws are repeated by a replay") {
  const auto noise = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    const auto k = draw(Bernoulli(theta[0]));
    const double a = boost::random::normal_distribution<double>{}(draw);
    const S b = draw(Normal(theta[0], 2.0));
    return S(a + b + 0.0 * k);
  };
  Trace<double> trace(noise, Eigen::VectorXd::Constant(1, 0.5));
  const double f = trace.run({1, 1});
  CHECK(trace.replay(0, 0) == f);
  CHECK(trace.replay(0, 1) == f);
}

TEST_CASE("labels keep the coupling where a changed outcome changes the number of draws") {
  // The first draw decides whether an extra one is made; by order all later draws shift, by label none does.
  const auto labelled = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S sum = 0;
    if (draw(Bernoulli(theta[0]), 1000)) draw(Bernoulli(theta[0]), 1001);
    for (std::uint64_t i = 0; i < 40; ++i) sum += static_cast<double>(i * i) * draw(Bernoulli(theta[0]), i);
    return sum;
  };
  Trace<double> trace(labelled, Eigen::VectorXd::Constant(1, 0.5));
  for (std::uint64_t r = 0; r < 20; ++r) {
    const double f = trace.run({3, r});
    CHECK(trace.replay(0, 0) == f);
    CHECK(trace.replay(0, 1) == f);
  }
}

TEST_CASE("a draw is a leaf of arithmetic in every order, for double and for Var") {
  const auto arithmetic = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    const auto k = draw(Binomial(9, theta[0])), m = draw(Poisson(theta[0]));
    S x = 2.0 * k;
    x += k * 2 + k / 2 + 3 - m + m * theta[0] + theta[0] / (1 + k) + k * m;
    x -= m;
    x *= 1 + k;
    x /= 2 + m;
    x += draw(Bernoulli(theta[0]));
    const S y = k;
    return x + y - k + abs(m - 2 * k) + pow(k, 2) + exp(-k) + min(k, 3.0) + (-m);
  };
  Trace<double> trace(arithmetic, Eigen::VectorXd::Constant(1, 0.4));
  for (std::uint64_t r = 0; r < 50; ++r) {
    const double f = trace.run({1, r});
    Trace<double> recorded(arithmetic, Eigen::VectorXd::Constant(1, 0.4));
    CHECK(recorded.record({1, r}) == doctest::Approx(f).epsilon(1e-14));
  }
  // The larger and smaller of unlike numbers, in both orders.
  const auto extremes = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const auto k = draw(Binomial(9, t[0]));
    const S x = 0.5 * k;
    const S larger =
        max(x, 1.0) + 2 * max(1.5, x) + 3 * max(x, 2) + 4 * max(1, x) + 5 * max(k, 2.0) + 6 * max(3, k) + 7 * max(k, x);
    return larger + 8 * min(2 * x, 2.5) + 9 * min(1.0, x) + 10 * min(t[0], x) + 11 * min(k, 1) + 12 * min(2.0, k) +
           13 * min(x * x, k);
  };
  for (std::uint64_t r = 0; r < 20; ++r) {
    Trace<double> plain(extremes, Eigen::VectorXd::Constant(1, 0.4));
    const double f = plain.run({1, r}), k = static_cast<double>(plain.baseline_plan().forced[0]), x = 0.5 * k;
    const auto larger = [](double a, double b) { return a < b ? b : a; };
    const auto smaller = [](double a, double b) { return b < a ? b : a; };
    const double expected = larger(x, 1) + 2 * larger(1.5, x) + 3 * larger(x, 2) + 4 * larger(1, x) + 5 * larger(k, 2) +
                            6 * larger(3, k) + 7 * k + 8 * smaller(k, 2.5) + 9 * smaller(1, x) + 10 * smaller(0.4, x) +
                            11 * smaller(k, 1) + 12 * smaller(2, k) + 13 * smaller(x * x, k);
    CHECK(f == doctest::Approx(expected).epsilon(1e-14));
    CHECK(Trace<double>(extremes, Eigen::VectorXd::Constant(1, 0.4)).record({1, r}) == doctest::Approx(f).epsilon(1e-14));
  }
  // k / 2 is a division of numbers, not of integers.
  const auto half = []<class S>(Sampler<S>& draw, const Vector<S>&) -> S { return draw(Bernoulli(1.0)) / 2; };
  CHECK(run(half, Eigen::VectorXd::Ones(1), {}) == 0.5);
}

TEST_CASE("an outcome is no implicit integer") {
  static_assert(!IndexesWithoutValue<double>);
  static_assert(!IndexesWithoutValue<Var<double>>);
  static_assert(!std::is_convertible_v<Discrete<double>, int>);
  static_assert(!std::is_convertible_v<Discrete<double>, bool>);
  static_assert(std::is_convertible_v<Discrete<double>, double>);
  static_assert(std::is_constructible_v<int, Discrete<double>>);
  static_assert(std::is_constructible_v<bool, Discrete<Var<double>>>);
  static_assert(std::is_convertible_v<Discrete<Var<double>>, Var<double>>);
  CHECK(true);
}

TEST_CASE("a raw comparison with a parameter-dependent continuous value is noted with its place") {
  const auto threshold = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    draw(Bernoulli(0.5));
    draw(Bernoulli(0.5));
    const S x = draw(Normal(theta[0], 1.0));
    if (x > 3) return theta[0] - 5;
    return value(x) > 100 ? S(1) : S(0);
  };
  const Estimate e = estimate(threshold, Eigen::VectorXd::Constant(1, 4.0), ScoreFunction{}, {.samples = 10});
  REQUIRE(e.diagnostics.size() == 1);
  CHECK(e.diagnostics[0].find("10 comparisons") == 0);
  CHECK(e.diagnostics[0].find("after 2 sites") != std::string::npos);
}

// ---- bad input ------------------------------------------------------------------------------------------------------

namespace {
const auto coin = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S { return S(draw(Bernoulli(theta[0]))); };
Eigen::VectorXd one(double x) { return Eigen::VectorXd::Constant(1, x); }
}  // namespace

TEST_CASE("a parameter outside its range names law, value, range, site and run") {
  const auto late = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    for (int i = 0; i < 17; ++i) draw(Bernoulli(0.5));
    return S(draw(Bernoulli(theta[0])));
  };
  Trace<double> trace(late, one(1.2));
  CHECK_THROWS_WITH_AS(trace.run({1, 3}), "Bernoulli: p = 1.2 is outside [0, 1] (site 17, run 3)", Error);
  CHECK_THROWS_WITH_AS(trace.record({1, 3}), "Bernoulli: p = 1.2 is outside [0, 1] (site 17, run 3)", Error);
  for (const AnyEstimator& e :
       {AnyEstimator(ScoreFunction{}), AnyEstimator(StochasticDerivative{}), AnyEstimator(StraightThrough{}),
        AnyEstimator(MeanField{}), AnyEstimator(Enumeration{}), AnyEstimator(FiniteDifference{})})
    CHECK_THROWS_AS(estimate(coin, one(-0.1), e), Error);
}

TEST_CASE("NaN parameters are refused") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH_AS(estimate(coin, one(nan), ScoreFunction{}), "theta[0] = nan is outside (-infinity, infinity)", Error);
  const auto zero_by_zero = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    return S(draw(Bernoulli((theta[0] - 1) / (theta[0] - 1))));
  };
  CHECK_THROWS_AS(estimate(zero_by_zero, one(1), StochasticDerivative{}), Error);
}

TEST_CASE("a cost or gradient that is not finite names the run") {
  const auto infinite = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    return 1 / S(theta[0] * draw(Bernoulli(0.0)));
  };
  CHECK_THROWS_WITH_AS(estimate(infinite, one(1), ScoreFunction{Baseline::none}, {.threads = 1}), doctest::Contains("cost is inf"),
                       Error);
  const auto kink = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    return sqrt(theta[0] - 1) + draw(Bernoulli(0.5));
  };
  Trace<double> trace(kink, one(1));
  trace.record({1, 7});
  trace.begin_sweep();
  trace.seed_cost(1);
  Eigen::VectorXd gradient = Eigen::VectorXd::Zero(1);
  CHECK_THROWS_WITH_AS(trace.sweep(gradient), "component 0 of the gradient is inf (run 7)", Error);
}

TEST_CASE("an empty parameter vector and zero samples are refused") {
  CHECK_THROWS_WITH_AS(estimate(coin, Eigen::VectorXd(), ScoreFunction{}), "the parameter vector is empty", Error);
  CHECK_THROWS_AS(estimate(coin, one(0.5), ScoreFunction{}, {.samples = 0}), Error);
  CHECK_THROWS_AS(compare(coin, one(0.5), {ScoreFunction{}}, {.samples = 0}), Error);
  CHECK_THROWS_AS(estimate(coin, one(0.5), ScoreFunction{}, {.threads = -1}), InvalidArgument);
}

TEST_CASE("a forced outcome outside the range of the law is refused, one of probability 0 is not") {
  Trace<double> trace(coin, one(1.0));
  trace.run({1, 0});
  CHECK_THROWS_WITH_AS(
      trace.replay(0, 2),
      "Bernoulli: forced outcome 2 is outside the range 0, ..., 1 (site 0, replay of run 0 with site 0 forced to 2)", Error);
  CHECK_THROWS_AS(trace.replay(0, -1), Error);
  CHECK_THROWS_AS(trace.replay(1, 0), Error);
  CHECK(trace.replay(0, 0) == 0);
}

TEST_CASE("a replay that would never end names the forced site") {
  const auto trap = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    const bool caught = bool(draw(Bernoulli(theta[0])));
    while (caught) draw(Bernoulli(0.5));
    return S(1);
  };
  Trace<double> trace(trap, one(1e-9), 1000);
  trace.run({1, 0});
  CHECK_THROWS_WITH_AS(
      trace.replay(0, 1),
      "a run made more than 1000 draws and may never end; raise max_draws if it should (site 1000, replay of run 0 with "
      "site 0 forced to 1)",
      Error);
  CHECK_THROWS_AS(estimate(trap, one(1e-9), StochasticDerivative{}, {.samples = 2, .max_draws = 1000}), Error);
}
