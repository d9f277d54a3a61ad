// Estimators whose runs depend on each other: antithetic coins, double control variates.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

/// estimators.md section 6: three coins, as a block and one after the other.
template <class S>
S coins_cost(const S& x, const S& y, const S& z) {
  return sin(1.3 * x + 0.7 * y - z) + x * square(y) + 1.5 * square(z) * x + 0.3;
}
const auto coins = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
  const Vector<S> x = draw(BernoulliLogit(t));
  return coins_cost<S>(x[0], x[1], x[2]);
};
const auto single_coins = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
  const S x = draw(Bernoulli(logistic(t[0]))), y = draw(BernoulliLogit(t[1])), z = draw(Bernoulli(logistic(t[2])));
  return coins_cost<S>(x, y, z);
};
const Eigen::VectorXd coins_theta = Eigen::Vector3d(0.4, -0.9, 1.3);

/// Two layers of blocks, then coins of all kinds that depend on them; a direct derivative in theta, draws that do not move.
const auto layers = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
  const Vector<S> a = draw(Bernoulli(logistic(t)));
  const Vector<S> b = draw(BernoulliLogit(Vector<S>(t * sum(a) - 0.5)));
  S fixed = draw(Poisson(1.0));
  fixed += draw(Bernoulli(0.3));
  const S c = draw(Bernoulli(logistic(t[0] - b[1])));
  const Vector<S> e = draw(OneHot(softmax(Vector<S>(t.segment(0, 2)))));
  return square(a[0] - 2 * b[1] + c) + exp(0.3 * b[2] * fixed) * t[2] + e[1] * (a[1] + b[0]) * t[0];
};
const Eigen::VectorXd layers_theta = Eigen::Vector3d(0.5, -0.8, 0.9);

/// Each coin depends on the one before.
const auto chain = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
  const S a = draw(Bernoulli(logistic(t[0])));
  const S b = draw(Bernoulli(logistic(t[1] + 2 * a)));
  return square(1 + a - 3 * b);
};
const Eigen::VectorXd chain_theta = Eigen::Vector2d(0.2, -0.7);

double largest_z(const Estimate& e, const Eigen::VectorXd& truth) {
  return ((e.gradient - truth).array() / e.gradient_error.array().max(1e-12)).abs().maxCoeff();
}
double variance(const Estimate& e, const Eigen::VectorXd& truth) { return e.total_variance / truth.squaredNorm(); }

// With 5 standard errors one coordinate raises a false alarm once in 1.7 million; fewer than 100 are checked in this file.
constexpr double bound = 5;

}  // namespace

TEST_CASE("three coins: variances are those of estimators.md section 6") {
  const Eigen::VectorXd truth = enumerate(coins, coins_theta).gradient;
  struct Row {
    AnyEstimator estimator;
    double variance;
  };
  for (const Row& row : {Row{DisArm{}, 2.16}, Row{Arms{2}, 2.16}, Row{Arms{4}, 0.527}, Row{DoubleControlVariate{}, 1.03},
                         Row{DoubleControlVariate{0}, 2.89}}) {
    CAPTURE(row.estimator.name());
    CHECK(row.estimator.unbiased());
    const Estimate e = estimate(coins, coins_theta, row.estimator, {.samples = 100'000, .seed = 3});
    CHECK(largest_z(e, truth) < bound);
    CHECK(variance(e, truth) == doctest::Approx(row.variance).epsilon(0.1));
    // One after the other they are the same group, with the same uniform numbers.
    const Options few{.samples = 1000, .seed = 4};
    const Estimate a = estimate(coins, coins_theta, row.estimator, few);
    CHECK((a.gradient - estimate(single_coins, coins_theta, row.estimator, few).gradient).norm() < 1e-12);
  }
  CHECK(variance(estimate(coins, coins_theta, DisArm{AntitheticGroups::sites}, {.samples = 100'000, .seed = 5}), truth) < 1);
  // A cost that is linear in the outcomes leaves nothing to double control variates.
  const auto linear = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const Vector<S> x = draw(Bernoulli(logistic(t)));
    return x[0] - 3 * x[1] + 2 * x[2] + square(t[0]);
  };
  const Estimate e = estimate(linear, coins_theta, DoubleControlVariate{}, {.samples = 100});
  CHECK((e.gradient - enumerate(linear, coins_theta).gradient).norm() < 1e-12);
  CHECK(e.total_variance < 1e-24);
}

TEST_CASE("copulas of many runs, whatever the probabilities and the order of inversion") {
  // A coin that inverts the other way round: outcome 0 has the lower end of [0, 1).
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const Matrix<S> weights = exp(Matrix<S>(t * Vector<S>{S(1), S(-0.5)}.transpose()));
    const Vector<S> k = draw(Categorical(weights));
    return square(k[0] + 2 * k[1]) - k[0] * t[0];
  };
  for (const Eigen::Vector2d& theta : {Eigen::Vector2d(0.3, -0.4), Eigen::Vector2d(-2, 2.5)}) {
    const Eigen::VectorXd truth = enumerate(program, theta).gradient;
    for (const int runs : {2, 3, 10}) {
      CAPTURE(runs);
      CHECK(largest_z(estimate(program, theta, Arms{runs}, {.samples = 20'000, .seed = 6}), truth) < bound);
    }
    CHECK(largest_z(estimate(program, theta, DoubleControlVariate{}, {.samples = 20'000, .seed = 6}), truth) < bound);
  }
  for (const double logit : {-3.0, -0.5, 0.5, 3.0})
    for (const int runs : {3, 8}) {
      CAPTURE(logit);
      const Eigen::VectorXd theta = Eigen::Vector3d(logit, 0.5 * logit, -logit), truth = enumerate(coins, theta).gradient;
      CHECK(largest_z(estimate(coins, theta, Arms{runs}, {.samples = 20'000, .seed = 7}), truth) < bound);
    }
}

TEST_CASE("groups follow the blocks: layers are unbiased") {
  const Exact truth = enumerate(layers, layers_theta, {.tail = 1e-9});
  for (const AnyEstimator& e : {AnyEstimator(DisArm{}), AnyEstimator(DisArm{AntitheticGroups::sites}), AnyEstimator(Arms{3}),
                                AnyEstimator(Arms{3, AntitheticGroups::sites})}) {
    CAPTURE(e.name());
    const Estimate r = estimate(layers, layers_theta, e, {.samples = 20'000, .seed = 8});
    CHECK(largest_z(r, truth.gradient) < bound);
    CHECK(std::abs(r.value - truth.value) < bound * r.value_error);
  }
  // A run, a recording, and replays from the first coins of three groups on: 10 draws, from 0, 3 and 8 on.
  const Estimate e = estimate(layers, layers_theta, DisArm{}, {.samples = 100});
  CHECK(e.work.runs == doctest::Approx(100 * (2 + 1 + 0.7 + 0.2)));
  CHECK(e.work.sweeps == 100);
}

// ---- why there are groups (estimators.md 1.15) ---------------------------------------------------------------------------

namespace {

/// A pair of whole runs on u and 1 - u, as if all coins were independent.
struct WholePair {
  struct Antithetic : Coupling {
    double operator()(std::size_t, double u) const override { return 1 - 0x1p-53 - u; }
  };
  static constexpr bool unbiased = true;
  std::string name() const { return "WholePair"; }
  template <class T>
  void sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
    out.value = static_cast<double>(trace.run(context.key()));
    trace.record(Outcomes::constants);
    const double difference = out.value - static_cast<double>(trace.replay(0, Antithetic{}));
    trace.begin_sweep();
    trace.seed_cost(1);
    for (std::size_t i = 0; i < trace.sites(); ++i) {
      const double p = trace.site(i).pmf(1), b = static_cast<double>(trace.site(i).outcome - trace.replayed()[i]);
      trace.seed(i, 0, static_cast<T>(0.5 * difference * b / std::min(p, 1 - p)));
    }
    trace.sweep(out.gradient);
  }
};

}  // namespace

TEST_CASE("an antithetic pair of whole runs is right for independent coins only; each coin on its own always is") {
  const auto independent = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const Vector<S> x = draw(Bernoulli(logistic(t)));
    return coins_cost<S>(x[0], x[1], x[2]);
  };
  const Eigen::VectorXd coins_truth = enumerate(independent, coins_theta).gradient;
  CHECK(largest_z(estimate(independent, coins_theta, WholePair{}, {.samples = 20'000, .seed = 9}), coins_truth) < bound);
  const Exact truth = enumerate(chain, chain_theta);
  CHECK(largest_z(estimate(chain, chain_theta, WholePair{}, {.samples = 20'000, .seed = 10}), truth.gradient) > 5 * bound);
  for (const AnyEstimator& e : {AnyEstimator(DisArm{AntitheticGroups::sites}), AnyEstimator(Arms{4, AntitheticGroups::sites})})
    CHECK(largest_z(estimate(chain, chain_theta, e, {.samples = 50'000, .seed = 11}), truth.gradient) < bound);
  // The number of draws depends on the outcomes.
  const auto stopping = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S x = 0;
    for (int i = 0; i < 4 && draw(Bernoulli(logistic(t[0] + t[1] * x))); ++i) x += 1;
    return square(x) * t[1];
  };
  const Eigen::VectorXd stop = enumerate(stopping, chain_theta).gradient;
  CHECK(largest_z(estimate(stopping, chain_theta, DisArm{AntitheticGroups::sites}, {.samples = 50'000, .seed = 12}), stop) < bound);
  CHECK_THROWS_WITH_AS(estimate(stopping, chain_theta, DisArm{}), doctest::Contains("depends on earlier draws of its group"),
                       Refusal);
}

TEST_CASE("couplings refuse what they cannot do and name the culprit") {
  CHECK_THROWS_WITH_AS(estimate(chain, chain_theta, DisArm{}),
                       "DisArm: the probability of the draw of site 1 depends on earlier draws of its group, from site 0 on; make "
                       "independent draws blocks, or each draw its own group with AntitheticGroups::sites",
                       Refusal);
  CHECK_THROWS_WITH_AS(estimate(chain, chain_theta, Arms{}), doctest::Contains("Arms: the probability of the draw of site 1"),
                       Refusal);
  CHECK_THROWS_WITH_AS(
      estimate(chain, chain_theta, DoubleControlVariate{}),
      "DoubleControlVariate: the probability of the draw of site 1 differs between two runs; it needs draws that do "
      "not depend on others or on noise",
      Refusal);
  const auto counts = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S a = draw(Bernoulli(logistic(t[0])));
    return a + draw(Poisson(exp(t[1])));
  };
  const auto edge = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S a = draw(Bernoulli(logistic(t[0])));
    return a * draw(Bernoulli(t[1]));
  };
  const auto unmoved = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S one = draw(Bernoulli(1.0)), none = draw(Bernoulli(0.0));
    return one * t[0] + none + draw(Poisson(0.5)) * t[1];
  };
  const Eigen::VectorXd zero = Eigen::Vector2d(0.5, 0);
  for (const AnyEstimator& e : {AnyEstimator(DisArm{}), AnyEstimator(Arms{}), AnyEstimator(DoubleControlVariate{})}) {
    const std::string name = e.name().substr(0, e.name().find('('));
    CAPTURE(name);
    CHECK_THROWS_WITH_AS(
        estimate(counts, zero, e),
        (name + ": the draw of site 1 is from Poisson; only coins, with the outcomes 0 and 1, are possible").c_str(), Refusal);
    CHECK_THROWS_WITH_AS(estimate(edge, zero, e), doctest::Contains((name + ": at site 1 the outcome 1 of Bernoulli").c_str()),
                         Refusal);
    CHECK(estimate(unmoved, zero, e, {.samples = 10}).gradient[0] == doctest::Approx(1));
  }
  CHECK_THROWS_WITH_AS(estimate(coins, coins_theta, Arms{1}), "Arms: runs = 1 is outside [2, infinity)", InvalidArgument);
  CHECK_THROWS_WITH_AS(estimate(coins, coins_theta, DoubleControlVariate{std::nan("")}),
                       "DoubleControlVariate: alpha = nan is outside (-infinity, infinity)", InvalidArgument);
  CHECK(Arms{3, AntitheticGroups::sites}.name() == "Arms(3, sites)");
}

TEST_CASE("couplings in float, and far out in the tails") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const Vector<S> x = draw(BernoulliLogit(t));
    return square(x[0] - 2 * x[1] + x[2]) * x[0];
  };
  const Eigen::VectorXd truth = enumerate(program, coins_theta).gradient;
  for (const AnyEstimator& e : {AnyEstimator(DisArm{}), AnyEstimator(Arms{}), AnyEstimator(DoubleControlVariate{})}) {
    CAPTURE(e.name());
    CHECK(largest_z(estimate(program, coins_theta.cast<float>().eval(), e, {.samples = 5000, .seed = 13}), truth) < bound);
    CHECK(estimate(program, Eigen::Vector3d(800, -50, 40), e, {.samples = 100}).gradient.norm() < 1e-6);
  }
}
