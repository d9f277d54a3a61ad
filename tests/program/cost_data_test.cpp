// Costs added during a run, programs over data, couplings.
#include <doctest/doctest.h>

#include <cmath>
#include <set>
#include <vector>

#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

/// A walk that pays for its position after every step: returned at the end, or added on the way.
struct Walk {
  bool added;
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& t) const {
    S x = 0, total = 0;
    for (int i = 0; i < 6; ++i) {
      x += 2.0 * draw(Bernoulli(logistic(t[0] - t[1] * x))) - 1.0;
      if (added) draw.cost(square(x) + t[0] * x);
      else total += square(x) + t[0] * x;
    }
    return total;
  }
};

// With 5 standard errors one coordinate raises a false alarm once in 1.7 million.
constexpr double bound = 5;
double largest_z(const Estimate& e, const Eigen::VectorXd& truth) {
  return ((e.gradient - truth).array() / e.gradient_error.array().max(1e-12)).abs().maxCoeff();
}

struct Antithetic : Coupling {
  std::size_t from;
  explicit Antithetic(std::size_t first) : from(first) {}
  double operator()(std::size_t site, double u) const override { return site < from ? u : 1 - 0x1p-53 - u; }
};

}  // namespace

TEST_CASE("a cost added on the way counts like one returned at the end") {
  const Eigen::Vector2d theta(0.3, 0.2);
  const Exact a = enumerate(Walk{false}, theta), b = enumerate(Walk{true}, theta);
  CHECK(a.value == doctest::Approx(b.value).epsilon(1e-14));
  CHECK((a.gradient - b.gradient).norm() < 1e-12);
  for (const AnyEstimator& e : {AnyEstimator(ScoreFunction{}), AnyEstimator(LeaveOneOut{3}), AnyEstimator(StochasticDerivative{2}),
                                AnyEstimator(DebiasedSurrogate{2})}) {
    CAPTURE(e.name());
    const Estimate r = estimate(Walk{true}, theta, e, {.samples = 20'000, .seed = 3});
    CHECK(largest_z(r, a.gradient) < bound);
    CHECK(std::abs(r.value - a.value) < bound * r.value_error);
  }
  // Who is held responsible for less makes less noise.
  const auto variance = [&](const Walk& walk, const AnyEstimator& e) {
    return estimate(walk, theta, e, {.samples = 20'000, .seed = 6}).total_variance;
  };
  CHECK(variance(Walk{true}, ScoreFunction{}) < 0.7 * variance(Walk{false}, ScoreFunction{}));
  CHECK(variance(Walk{true}, ScoreFunction{Baseline::none}) < 0.7 * variance(Walk{false}, ScoreFunction{Baseline::none}));
  CHECK(variance(Walk{true}, LeaveOneOut{2}) < 0.7 * variance(Walk{false}, LeaveOneOut{2}));
  Trace<double> trace(Walk{true}, theta);
  trace.record({5, 1}, Outcomes::constants);
  std::vector<double> to_go;
  trace.costs_to_go(to_go);
  REQUIRE(to_go.size() == 6);
  double x = 0, left = trace.cost();
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(to_go[i] == doctest::Approx(left));
    x += 2.0 * static_cast<double>(trace.site(i).outcome) - 1.0;
    left -= x * x + theta[0] * x;
  }
}

TEST_CASE("where only some paths add costs, the baseline of a run does not depend on it") {
  // Found by random programs: the baseline was chosen by whether the run had added a cost.
  const auto sometimes = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S x = 3.0 * draw(Bernoulli(logistic(t[0])));
    if (x > 0) draw.cost(1 + x);
    const S y = draw(Bernoulli(logistic(t[1] - x)));
    if (y > 0) draw.cost(2 * y - t[0]);
    else if (draw(Bernoulli(logistic(t[1])))) x += 2;
    return 5 + x;
  };
  const Eigen::Vector2d theta(-0.6, 0.8);
  const Exact truth = enumerate(sometimes, theta);
  for (const AnyEstimator& e : {AnyEstimator(ScoreFunction{}), AnyEstimator(ScoreFunction{Baseline::none}),
                                AnyEstimator(LeaveOneOut{2}), AnyEstimator(LeaveOneOut{4}), AnyEstimator(ScoreFunctionCritic{})}) {
    CAPTURE(e.name());
    const Estimate r = estimate(sometimes, theta, e, {.samples = 40'000, .seed = 7});
    CHECK(largest_z(r, truth.gradient) < bound);
    CHECK(r.gradient_error.norm() < 0.05 * truth.gradient.norm());
  }
}

TEST_CASE("runs of other lengths say the same of a site whether it adds a cost or not") {
  // Only runs with a 1 have a second site, and only there a cost may be added.
  const auto late = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S x = draw(Bernoulli(logistic(t[0])));
    if (x > 0 && draw(Bernoulli(logistic(t[1]))) == 1) draw.cost(3 - t[1]);
    return 7 - 2 * x;
  };
  const Eigen::Vector2d theta(-1, 0.3);
  const Exact truth = enumerate(late, theta);
  for (const int runs : {2, 3}) {
    const Estimate r = estimate(late, theta, LeaveOneOut{runs}, {.samples = 40'000, .seed = 8});
    CHECK(largest_z(r, truth.gradient) < bound);
    CHECK(r.gradient_error.norm() < 0.05 * truth.gradient.norm());
  }
}

TEST_CASE("a program over data averages over them and sees each once an epoch") {
  const std::vector<double> data = {0.5, -1, 2, 0.25, 1.5};
  const auto one = [data]<class S>(Sampler<S>& draw, const Vector<S>& t, std::size_t datum) -> S {
    const S a = draw(Bernoulli(logistic(t[0] * data[datum])));
    return square(a - 0.3 + t[1] * data[datum]);
  };
  const Eigen::Vector2d theta(0.4, -0.3);
  const auto program = over_data(data.size(), one);
  const Exact exact = enumerate(program, theta);
  Exact mean;
  mean.gradient.setZero(2);
  for (std::size_t i = 0; i < data.size(); ++i) {
    const Exact x = enumerate([one, i]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return one(draw, t, i); }, theta);
    mean.value += x.value / 5;
    mean.gradient += x.gradient / 5;
  }
  CHECK(exact.value == doctest::Approx(mean.value).epsilon(1e-13));
  CHECK((exact.gradient - mean.gradient).norm() < 1e-13);
  for (const AnyEstimator& e : {AnyEstimator(LeaveOneOut{2}), AnyEstimator(StochasticDerivative{1}), AnyEstimator(ScoreFunction{})})
    CHECK(largest_z(estimate(program, theta, e, {.samples = 20'000, .seed = 4}), mean.gradient) < bound);

  // A cost that is the datum: its mean over an epoch has no error left, whatever the seed.
  const auto plain =
      over_data(data.size(), [data]<class S>(Sampler<S>&, const Vector<S>& t, std::size_t i) -> S { return data[i] * t[0]; });
  for (std::uint64_t seed = 1; seed < 4; ++seed) {
    const Estimate e = estimate(plain, Eigen::VectorXd::Ones(1), StraightThrough{}, {.samples = 15, .seed = seed});
    CHECK(e.gradient[0] == doctest::Approx(0.65).epsilon(1e-14));
  }
  std::set<double> seen;
  for (std::uint64_t seed = 1; seed < 40; ++seed)
    seen.insert(estimate(plain, Eigen::VectorXd::Ones(1), StraightThrough{}, {.samples = 1, .seed = seed}).value);
  CHECK(seen.size() == data.size());  // the order depends on the seed
  CHECK_THROWS_WITH_AS(over_data(0, one), doctest::Contains("there are no data"), InvalidArgument);
}

TEST_CASE("a coupling changes the uniform numbers of the sites it wants, single or in blocks") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S first = draw(Bernoulli(t[0]));
    const Vector<S> block = draw(Bernoulli(Vector<S>(t.segment(1, 40))));
    return first + sum(block) + draw(Bernoulli(0.1 + 0.5 * t[0] * first));
  };
  Eigen::VectorXd theta = Eigen::VectorXd::Constant(41, 0.5);
  Trace<double> trace(program, theta);
  trace.run({1, 0});
  trace.record(Outcomes::constants);
  trace.replay(1, Antithetic(1));
  REQUIRE(trace.replayed().size() == 42);
  CHECK(trace.replayed()[0] == trace.site(0).outcome);
  for (std::size_t i = 1; i < 41; ++i) CHECK(trace.replayed()[i] == 1 - trace.site(i).outcome);  // p = 1/2
  CHECK(trace.replayed_chances()[3] == 0.5);
  CHECK(trace.replayed_chances()[41] == doctest::Approx(trace.site(0).outcome ? 0.35 : 0.1));
  // The same uniforms: the same run.
  const double again = trace.replay(1, Antithetic(1000));
  CHECK(again == trace.cost());
}
