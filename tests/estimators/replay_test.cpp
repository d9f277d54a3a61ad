// Replays and score functions that learn from pilot runs: unbiased, and as good as measured elsewhere.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

// With 5 standard errors one coordinate raises a false alarm once in 1.7 million; fewer than 500 are checked in this file.
constexpr double bound = 5;
double largest_z(const Estimate& e, const Eigen::VectorXd& truth) {
  return ((e.gradient - truth).array() / e.gradient_error.array().max(1e-12)).abs().maxCoeff();
}
/// Variance of one draw over |g|^2.
double variance(const Estimate& e, const Eigen::VectorXd& truth) { return e.total_variance / truth.squaredNorm(); }

/// The walk of estimators.md 2.5 (d): up with probability logistic(t0 + t1 x), the cost is the square of the end.
struct Walk {
  int steps = 100;
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& t) const {
    S x = 0;
    for (int i = 0; i < steps; ++i) x += 2.0 * draw(BernoulliLogit(t[0] + t[1] * x)) - 1.0;
    return square(x);
  }
  /// By dynamic programming over the position.
  Exact truth(const Eigen::Vector2d& t) const {
    const int n = steps;
    Eigen::MatrixXd p = Eigen::MatrixXd::Zero(2 * n + 3, 3);  // probability and its derivatives
    p(n + 1, 0) = 1;
    for (int i = 0; i < n; ++i) {
      Eigen::MatrixXd next = Eigen::MatrixXd::Zero(2 * n + 3, 3);
      for (int k = 1; k < 2 * n + 2; ++k) {
        const double x = k - (n + 1), up = 1 / (1 + std::exp(-t[0] - t[1] * x)), slope = up * (1 - up);
        const Eigen::RowVector3d rate(0, slope, slope * x);
        next.row(k + 1) += up * p.row(k) + rate * p(k, 0);
        next.row(k - 1) += (1 - up) * p.row(k) - rate * p(k, 0);
      }
      p = next;
    }
    Exact e;
    e.gradient.setZero(2);
    for (int k = 0; k < 2 * n + 3; ++k) {
      const double f = (k - n - 1.0) * (k - n - 1.0);
      e.value += f * p(k, 0);
      e.gradient += f * p.row(k).tail<2>().transpose();
    }
    return e;
  }
};

/// Four coins whose chances depend on all coins of the step before, for some steps: every flip spreads.
struct Recurrent {
  int steps = 4;
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& t) const {
    Vector<S> x(Eigen::Vector4d(1, 0, 1, 0).cast<double>());
    S cost = 0;
    for (int i = 0; i < steps; ++i) {
      Vector<S> next = Vector<S>::generate(4, [&](Eigen::Index k) {
        const S drive = t[k] + 1.2 * (x[(k + 1) % 4] - x[(k + 3) % 4]) + 0.5 * t[(k + 2) % 4] * x[k];
        return S(draw(Bernoulli(logistic(drive))));
      });
      x = next;
      cost += square(sum(x) - 1.5) + x[0] * x[2];
    }
    return cost;
  }
};

/// Labels, counts, a branch and an integer: what general programs are made of.
const auto mixed = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
  const auto label = draw(OneHot(softmax(Vector<S>(t.segment(0, 3)))));
  const Vector<double> prices(Eigen::Vector3d(1, -0.5, 2));
  S cost = dot(Vector<S>(label), Vector<S>(prices));
  const S n = draw(Binomial(3, logistic(t[3] + 0.3 * cost)));
  if (label.value() == 1) cost += square(n - 1);
  else cost += S(draw(Bernoulli(logistic(t[1] + n)))) * t[2];
  return square(cost - 0.4) + n * draw(Bernoulli(logistic(t[0] * n)));
};

const std::vector<AnyEstimator>& learners() {
  static const std::vector<AnyEstimator> list = {
      ScoreFunctionCritic{},
      ScoreFunctionCritic{.critic = [](const History& h) { return 1 + static_cast<double>(h.site) + h.chance; }},
      ScoreFunctionMartingale{},
      StochasticDerivative{.replays = 2, .choice = SiteChoice::neyman},
      StochasticDerivative{.replays = automatic_replays},
      DebiasedSurrogate{.replays = 2, .choice = SiteChoice::neyman, .residuals = true},
      DebiasedSurrogate{.replays = 2, .control = Control::table},
      DebiasedSurrogate{.replays = 0, .control = Control::table},
      DebiasedSurrogate{.replays = 2, .control = Control::table, .residuals = true},
      DebiasedSurrogate{.replays = 3, .control = Control::table, .martingale = true},
      DebiasedSurrogate{.replays = 2, .martingale = true},
      DebiasedSurrogate{.replays = automatic_replays, .choice = SiteChoice::neyman, .residuals = true},
  };
  return list;
}

}  // namespace

TEST_CASE("estimators that learn from pilot runs are unbiased") {
  Eigen::VectorXd theta(4);
  theta << 0.4, -0.3, 0.8, -0.5;
  const Exact recurrent = enumerate(Recurrent{3}, theta), labels = enumerate(mixed, theta);
  for (const AnyEstimator& e : learners()) {
    CAPTURE(e.name());
    CHECK(e.unbiased());
    const Estimate a = estimate(Recurrent{3}, theta, e, {.samples = 30'000, .seed = 2});
    CHECK(largest_z(a, recurrent.gradient) < bound);
    CHECK(std::abs(a.value - recurrent.value) < bound * a.value_error);
    CHECK(largest_z(estimate(mixed, theta, e, {.samples = 30'000, .seed = 3}), labels.gradient) < bound);
  }
}

TEST_CASE("estimators that learn say what they do, and check it") {
  CHECK(DebiasedSurrogate{.replays = automatic_replays,
                          .choice = SiteChoice::neyman,
                          .control = Control::table,
                          .residuals = true,
                          .martingale = true}
            .name() == "DebiasedSurrogate(auto, table, Neyman, residuals, martingale)");
  CHECK(StochasticDerivative{0, SiteChoice::uniform}.name() == "StochasticDerivative(all, uniform)");
  const Eigen::VectorXd theta = Eigen::VectorXd::Zero(4);
  CHECK_THROWS_WITH_AS(estimate(Recurrent{1}, theta, StochasticDerivative{-2}, {.samples = 1}),
                       doctest::Contains("StochasticDerivative: replays = -2"), InvalidArgument);
  CHECK_THROWS_WITH_AS(estimate(Recurrent{1}, theta, DebiasedSurrogate{.pilot = 1}, {.samples = 1}),
                       doctest::Contains("DebiasedSurrogate: pilot = 1"), InvalidArgument);
  CHECK_THROWS_WITH_AS(estimate(Recurrent{1}, theta, ScoreFunctionCritic{.pilot = 0}, {.samples = 1}),
                       doctest::Contains("ScoreFunctionCritic: pilot = 0"), InvalidArgument);
}

TEST_CASE("what is learnt depends on no thread, and the same samples give the same bits") {
  Eigen::VectorXd theta(4);
  theta << 0.4, -0.3, 0.8, -0.5;
  for (const AnyEstimator& e : learners()) {
    const Estimate a = estimate(Recurrent{2}, theta, e, {.samples = 300, .seed = 5, .threads = 1});
    const Estimate b = estimate(Recurrent{2}, theta, e, {.samples = 300, .seed = 5, .threads = 3});
    CHECK(a.gradient == b.gradient);
  }
}

TEST_CASE("the variances on the walk of 100 steps are those of estimators.md 2.5 (d)") {
  const Walk walk;
  const Eigen::Vector2d theta(0.2, -0.05);
  const Exact truth = walk.truth(theta);
  const auto check = [&](const AnyEstimator& e, double expected, double tolerance, std::uint64_t samples) {
    const Estimate r = estimate(walk, theta, e, {.samples = samples, .seed = 11});
    const double v = variance(r, truth.gradient);
    INFO(r.estimator, ": ", v, ", expected ", expected);
    CHECK(std::abs(v / expected - 1) < tolerance);
    CHECK(largest_z(r, truth.gradient) < bound + (e.unbiased() ? 0.0 : 1e9));
  };
  check(ScoreFunction{Baseline::none}, 18, 0.2, 20'000);
  check(ScoreFunction{}, 12, 0.2, 20'000);
  check(LeaveOneOut{2}, 8, 0.3, 10'000);
  check(StochasticDerivative{1, SiteChoice::uniform}, 8.7, 0.2, 10'000);
  check(StochasticDerivative{1}, 5.5, 0.2, 10'000);
  check(StochasticDerivative{.replays = 4, .choice = SiteChoice::neyman}, 2.9, 0.2, 5'000);
  check(DebiasedSurrogate{1}, 4.3, 0.2, 10'000);
  check(DebiasedSurrogate{.replays = 2, .choice = SiteChoice::neyman, .residuals = true}, 3.5, 0.2, 10'000);
  check(StochasticDerivative{0}, 2.4, 0.2, 2'000);
  check(StraightThrough{}, 1.85, 0.2, 10'000);
}

// ---- PerSite ---------------------------------------------------------------------------------------------------------------

namespace {

/// Two layers, each differentiated in its own way.
struct Marked {
  Method first, second;
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& t) const {
    const S a = draw(Bernoulli(logistic(t[0])), first);
    const Vector<S> b = draw(Bernoulli(logistic(Vector<S>(t.segment(1, 3)) + 2 * a)), second);
    const S c = draw(Bernoulli(logistic(b[0] - t[0] * b[1])));
    return square(a + b[0] - 2 * b[1] * c) + t[0] * b[2] + exp(c - a);
  }
};

}  // namespace

TEST_CASE("every draw can have a method of its own") {
  Eigen::VectorXd theta(4);
  theta << 0.4, -0.3, 0.8, -0.5;
  const Exact truth = enumerate(Marked{}, theta);
  for (const Method first : {Method::score_function, Method::replay, Method::unspecified})
    for (const Method second : {Method::score_function, Method::replay})
      for (const AnyEstimator& e : {AnyEstimator(PerSite{}), AnyEstimator(PerSite{Method::replay, 2})}) {
        CAPTURE(e.name());
        CHECK(e.unbiased());
        CHECK(largest_z(estimate(Marked{first, second}, theta, e, {.samples = 20'000, .seed = 9}), truth.gradient) < bound);
      }
  // Methods that agree are the estimators of that name.
  const Estimate a = estimate(Marked{Method::score_function, Method::score_function}, theta, PerSite{}, {.samples = 100});
  CHECK((a.gradient - estimate(Marked{}, theta, ScoreFunction{}, {.samples = 100}).gradient).norm() < 1e-12);
  const Estimate b =
      estimate(Marked{Method::surrogate, Method::surrogate}, theta, PerSite{Method::surrogate, 1, true}, {.samples = 100});
  CHECK((b.gradient - estimate(Marked{}, theta, StraightThrough{}, {.samples = 100}).gradient).norm() < 1e-12);
  CHECK_FALSE(AnyEstimator(PerSite{Method::replay, 1, true}).unbiased());
  // A surrogate in one layer alone is biased, and refused where that was not asked for.
  const Marked mixture{Method::replay, Method::surrogate};
  CHECK(largest_z(estimate(mixture, theta, PerSite{Method::replay, 0, true}, {.samples = 20'000}), truth.gradient) > 2 * bound);
  CHECK_THROWS_WITH_AS(estimate(mixture, theta, PerSite{}, {.samples = 1}),
                       doctest::Contains("PerSite: site 1 (Bernoulli) is marked as a surrogate"), Refusal);
}
