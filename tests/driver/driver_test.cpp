#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <sstream>

#include <stoat/stoat.hpp>

#include "sanitized.hpp"

using namespace stoat;

// Every allocation of this executable is counted, Eigen's too, unless a sanitizer owns the heap. glibc only.
#ifndef STOAT_SANITIZED
static std::atomic<std::size_t> allocations{0};
extern "C" void* __libc_malloc(std::size_t);
extern "C" void* malloc(std::size_t n) noexcept {
  ++allocations;
  return __libc_malloc(n);
}
#endif

namespace {

const auto walk = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
  S x = 0;
  for (int t = 0; t < 100; ++t) {
    if (draw(Bernoulli(exp(-x / theta[0])))) x += 1;
    else x -= 1;
  }
  return x * x;
};
const auto blend = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
  S x = draw(Bernoulli(logistic(t[0])));
  for (int i = 0; i < 5; ++i) x += draw(Poisson(exp(0.1 * x - t[1]))) * t[0] + draw(Normal(t[1], 0.1));
  return x * x + draw(Binomial(4, logistic(t[1] - 0.1 * x))) + draw(Geometric(logistic(1 + t[0])));
};
Eigen::VectorXd blend_theta() { return Eigen::Vector2d(0.3, 0.7); }

std::vector<AnyEstimator> all_estimators() {
  return {ScoreFunction{},      LeaveOneOut{3},    StochasticDerivative{2}, DebiasedSurrogate{2},
          SmoothedDerivative{}, StraightThrough{}, FiniteDifference{},      MeanField{}};
}

}  // namespace

TEST_CASE("results are the same, bit for bit, for any number of threads") {
  for (const AnyEstimator& e : all_estimators()) {
    CAPTURE(e.name());
    const Estimate one = estimate(blend, blend_theta(), e, {.samples = 3000, .seed = 5, .threads = 1});
    for (const int threads : {2, 3, 7}) {
      const Estimate many = estimate(blend, blend_theta(), e, {.samples = 3000, .seed = 5, .threads = threads});
      CHECK(many.value == one.value);
      CHECK(many.value_error == one.value_error);
      CHECK(many.gradient == one.gradient);
      CHECK(many.gradient_error == one.gradient_error);
      CHECK(many.work.runs == one.work.runs);
    }
  }
  const auto minimum = [](int threads) {
    return minimize(blend, blend_theta(), ScoreFunction{}, Adam{0.01}, {.iterations = 20, .samples = 8, .threads = threads}).theta;
  };
  CHECK(minimum(1) == minimum(2));
}

#ifndef STOAT_SANITIZED
TEST_CASE("a draw allocates nothing once warm") {
  const std::size_t at_start = allocations;
  CHECK(std::make_unique<Trace<double>>(walk, Eigen::VectorXd::Constant(1, 200.0)) != nullptr);
  REQUIRE(allocations > at_start);  // the counter counts
  Trace<double> trace(walk, Eigen::VectorXd::Constant(1, 200.0));
  GradientDraw draw;
  draw.gradient.setZero(1);
  for (const AnyEstimator& e : {AnyEstimator(ScoreFunction{}), AnyEstimator(LeaveOneOut{2}), AnyEstimator(StochasticDerivative{}),
                                AnyEstimator(DebiasedSurrogate{}), AnyEstimator(StraightThrough{})}) {
    CAPTURE(e.name());
    std::uint64_t index = 0;
    const auto sample = [&](int n) {
      for (int i = 0; i < n; ++i) {
        draw.gradient.setZero();
        e.sample(trace, SampleContext{1, index++, e.keys()}, draw);
      }
    };
    sample(50);
    const std::size_t before = allocations;
    sample(200);
    CHECK(allocations - before == 0);
  }
}

#endif

TEST_CASE("another seed gives another estimate, the same seed the same") {
  const auto at = [](std::uint64_t seed) {
    return estimate(blend, blend_theta(), StochasticDerivative{}, {.samples = 100, .seed = seed}).gradient;
  };
  CHECK(at(1) == at(1));
  CHECK(at(1) != at(2));
}

TEST_CASE("target_error stops early, at the same sample for any number of threads") {
  const auto samples = [](int threads) {
    return estimate(walk, Eigen::VectorXd::Constant(1, 200.0), StochasticDerivative{},
                    {.samples = 1'000'000, .threads = threads, .target_error = 0.2});
  };
  const Estimate e = samples(1);
  CHECK(e.samples < 100'000);
  CHECK(e.gradient_error[0] <= 0.2);
  CHECK(samples(2).samples == e.samples);
}

TEST_CASE("time_limit stops a long run and progress is reported") {
  int calls = 0;
  const Estimate e = estimate(walk, Eigen::VectorXd::Constant(1, 200.0), ScoreFunction{},
                              {.samples = 1'000'000'000, .time_limit = 0.05, .progress = [&](const Progress& p) {
                                 ++calls;
                                 CHECK(p.wanted == 1'000'000'000);
                               }});
  CHECK(e.samples < 1'000'000'000);
  CHECK(calls > 0);
}

TEST_CASE("an estimate prints its numbers") {
  std::ostringstream out;
  out << estimate(walk, Eigen::VectorXd::Constant(1, 200.0), StraightThrough{}, {.samples = 100});
  CHECK(out.str().find("StraightThrough: 100 samples") == 0);
  CHECK(out.str().find("surrogate edges ignored at 100 sites") != std::string::npos);
}

TEST_CASE("the error bars are honest") {
  // 200 independent estimates: the squared z-scores have mean 1; the bound is 4.5 standard errors of a chi-squared mean.
  double sum = 0;
  const int n = 200;
  for (int i = 0; i < n; ++i) {
    const Estimate e = estimate(walk, Eigen::VectorXd::Constant(1, 200.0), StochasticDerivative{},
                                {.samples = 500, .seed = 100 + static_cast<std::uint64_t>(i)});
    const double z = (e.gradient[0] - 15.1349014418) / e.gradient_error[0];
    sum += z * z;
  }
  CHECK(std::abs(sum / n - 1) < 4.5 * std::sqrt(2.0 / n));
}

TEST_CASE("programs in float are estimated too") {
  const Estimate e = estimate(walk, Eigen::VectorXf::Constant(1, 200.0f), StochasticDerivative{}, {.samples = 20'000});
  CHECK(std::abs(e.gradient[0] - 15.1349) < 5 * e.gradient_error[0]);
}

TEST_CASE("minimize finds the minimum of an expected cost") {
  // E (b - 0.3)^2 + theta^2 / 10 with b ~ Bernoulli(logistic(theta)); stationary where 0.4 p (1 - p) + theta / 5 = 0.
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    return square(draw(Bernoulli(logistic(t[0]))) - 0.3) + t[0] * t[0] / 10;
  };
  double theta = 0;
  for (int i = 0; i < 200; ++i) {
    const double p = 1 / (1 + std::exp(-theta));
    theta = -2 * p * (1 - p);
  }
  for (const AnyEstimator& e : {AnyEstimator(StochasticDerivative{}), AnyEstimator(ScoreFunction{})}) {
    const Minimum m = minimize(program, Eigen::VectorXd::Constant(1, 2.0), e, Adam{0.05}, {.iterations = 600, .samples = 32});
    CHECK(m.theta[0] == doctest::Approx(theta).epsilon(0.1));
    CHECK(m.trace.size() == 600);
    CHECK(m.trace.front().value > m.value);
  }
  const Minimum s =
      minimize(program, Eigen::VectorXd::Constant(1, 2.0), StochasticDerivative{}, Sgd{0.3}, {.iterations = 600, .samples = 32});
  CHECK(s.theta[0] == doctest::Approx(theta).epsilon(0.1));
  CHECK_THROWS_AS(minimize(program, Eigen::VectorXd::Ones(1), ScoreFunction{}, Adam{-1}), InvalidArgument);
  CHECK_THROWS_AS(minimize(program, Eigen::VectorXd::Ones(1), ScoreFunction{}, Adam{}, {.iterations = 0}), InvalidArgument);
}

TEST_CASE("compare skips refusals only: a program that fails is an error") {
  const auto broken = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    return draw(Bernoulli(0.5)) ? log(t[0] - 2) : S(1);
  };
  CHECK_THROWS_AS(compare(broken, Eigen::VectorXd::Ones(1), {ScoreFunction{}}, {.samples = 100}), Error);
  // Finite differences step outside [0, 1], which is their own limit.
  const auto edge = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return S(draw(Bernoulli(t[0]))); };
  const Comparison c =
      compare(edge, Eigen::VectorXd::Constant(1, 0.99), {FiniteDifference{}, StochasticDerivative{}}, {.samples = 100});
  CHECK(c.rows[0].skipped.find("FiniteDifference: at theta[0] = 1.01") == 0);
  CHECK(c.rows[1].skipped.empty());
}

TEST_CASE("an absurd number of samples is only a bound") {
  const Estimate e =
      estimate(walk, Eigen::VectorXd::Constant(1, 200.0), StraightThrough{}, {.samples = ~std::uint64_t{0}, .time_limit = 0.01});
  CHECK(e.samples > 0);
}

TEST_CASE("compare judges estimators against the truth and lists what was refused") {
  Exact truth;
  truth.value = 4462.4603562;
  truth.gradient = Eigen::VectorXd::Constant(1, 15.1349014418);
  truth.source = "dynamic programming";
  const Comparison c =
      compare(walk, Eigen::VectorXd::Constant(1, 200.0),
              {ScoreFunction{}, StochasticDerivative{}, StraightThrough{}, MeanField{}, Enumeration{.max_leaves = 100}},
              {.samples = 4000, .truth = truth});
  REQUIRE(c.rows.size() == 5);
  CHECK(c.sites == 100);
  CHECK(c.rows[0].verdict.find("unbiased within") == 0);
  CHECK(c.rows[1].verdict.find("unbiased within") == 0);
  CHECK(c.rows[1].total_variance < c.rows[0].total_variance);
  CHECK(c.rows[2].verdict.find("BIASED") == 0);
  CHECK(c.rows[3].skipped.find("MeanField") == 0);
  CHECK_FALSE(c.rows[4].skipped.empty());
  CHECK_THROWS_AS(compare(walk, Eigen::VectorXd::Ones(1), {ScoreFunction{}}, {.truth = Exact{}}), InvalidArgument);
}
