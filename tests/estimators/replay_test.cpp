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
  CHECK(DebiasedSurrogate{}.name() == "DebiasedSurrogate(4 or by pilot)");
  CHECK(DebiasedSurrogate{4}.name() == "DebiasedSurrogate(4)");
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

// ---- what is learnt is right: each check turns red when a formula of the learning is changed --------------------------------

namespace {

/// Work of one sample, pilots included.
double work(const Estimate& e) { return (e.work.runs + e.work.sweeps) / static_cast<double>(e.samples); }

/// Independent draws, a cost that is linear in them.
const auto linear = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
  const S a = draw(Bernoulli(logistic(t[0])));
  const Vector<S> label = draw(OneHot(softmax(t)));
  const S b = draw(Bernoulli(logistic(t[1] - t[2])));
  return 3 * a + dot(label, Vector<double>(Eigen::Vector3d(1, -0.5, 2))) - 2 * b + 7;
};
const Eigen::VectorXd linear_theta = Eigen::Vector3d(0.4, -0.3, 0.8);

/// Coins with costs whose slope at the outcome is wrong by -6 at 1 and by 3 at 0, whatever the other coins do.
const auto cubes = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
  S cost = 0;
  for (int i = 0; i < 16; ++i) {
    const S x = draw(Bernoulli(logistic(t[i % 2])));
    cost += 3 * x * square(x);
  }
  return cost;
};

}  // namespace

TEST_CASE("tables leave no variance where the cost is linear in independent draws") {
  const Exact truth = enumerate(linear, linear_theta);
  for (const AnyEstimator& e :
       {AnyEstimator(DebiasedSurrogate{.replays = 1, .control = Control::table}), AnyEstimator(ScoreFunctionMartingale{})}) {
    CAPTURE(e.name());
    const Estimate x = estimate(linear, linear_theta, e, {.samples = 500});
    CHECK((x.gradient - truth.gradient).norm() < 1e-12);
    CHECK(x.gradient_error.norm() < 1e-12);
    CHECK(x.value_error > 0.05);
  }
  // The last coin is tossed in half of the runs. Its entry is the mean over those, and the only noise is whether it is tossed.
  const auto sometimes = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S cost = draw(Bernoulli(logistic(t[0])));
    if (draw(Bernoulli(0.5))) cost += 4 * draw(Bernoulli(logistic(t[1])));
    return cost;
  };
  const Eigen::Vector2d theta(0.4, 0);
  const Estimate x = estimate(sometimes, theta, DebiasedSurrogate{.replays = 1, .control = Control::table}, {.samples = 500});
  CHECK(x.gradient_error[0] < 1e-12);
  const double tossed = x.gradient[1];  // the derivative is 4 p (1 - p) = 1 if it is
  CHECK(x.gradient_error[1] == doctest::Approx(std::sqrt(tossed * (1 - tossed) / 499)).epsilon(1e-9));
}

TEST_CASE("the martingale of unit vectors is centred where they depend on earlier draws") {
  const auto chain = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S a = draw(Bernoulli(logistic(t[0])));
    const Vector<S> label = draw(OneHot(softmax(Vector<S>(t * (4 * a - 1)))));
    return dot(label, Vector<double>(Eigen::Vector3d(4, -3, 2))) + a;
  };
  const Estimate e = estimate(chain, linear_theta, ScoreFunctionMartingale{}, {.samples = 40'000, .seed = 12});
  CHECK(largest_z(e, enumerate(chain, linear_theta).gradient) < bound);
}

TEST_CASE("residuals by outcome leave no variance where they are all there is") {
  const Eigen::Vector2d theta(0, 0.7);
  const Estimate e = estimate(cubes, theta, DebiasedSurrogate{.replays = 1, .residuals = true}, {.samples = 500});
  CHECK((e.gradient - enumerate(cubes, theta).gradient).norm() < 1e-10);
  CHECK(e.gradient_error.norm() < 1e-10);
  CHECK(estimate(cubes, theta, DebiasedSurrogate{.replays = 1}, {.samples = 500}).gradient_error.norm() > 0.1);
}

TEST_CASE("the moment of residuals is that of the formula") {
  // p (1 - p) (p 36 + (1 - p) 9) for each coin, half of which are replayed.
  double expected = 0;
  for (const double x : {0.0, 0.7}) {
    const double p = logistic(x);
    expected += 8 * p * (1 - p) * (36 * p + 9 * (1 - p));
  }
  Trace<double> trace(cubes, Eigen::Vector2d(0, 0.7));
  CHECK(detail::residual_moment(trace, 2000, {.seed = 3}) == doctest::Approx(expected).epsilon(0.02));
  // It is the same whatever the parameter of the coins.
  const auto logits = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S cost = 0;
    for (int i = 0; i < 16; ++i) {
      const S x = draw(BernoulliLogit(t[i % 2]));
      cost += 3 * x * square(x);
    }
    return cost;
  };
  Trace<double> other(logits, Eigen::Vector2d(0, 0.7));
  CHECK(detail::residual_moment(other, 2000, {.seed = 3}) == doctest::Approx(expected).epsilon(0.02));
}

TEST_CASE("Neyman's choice goes where residuals are, and rather to late sites") {
  // Nine coins with large linear effects, of which a path control knows everything, and two small ones that interact.
  const auto few = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S cost = 0;
    for (int i = 0; i < 9; ++i) cost += 5 * draw(Bernoulli(logistic(t[0])));
    const S a = draw(Bernoulli(logistic(t[1]))), b = draw(Bernoulli(logistic(t[1])));
    return cost + 4 * square(a - b);
  };
  const Eigen::Vector2d theta(0.3, 0.2);
  const auto variance = [&](SiteChoice choice) {
    return estimate(few, theta, DebiasedSurrogate{.replays = 1, .choice = choice}, {.samples = 20'000, .seed = 4}).total_variance;
  };
  CHECK(variance(SiteChoice::neyman) < 0.4 * variance(SiteChoice::importance));
  const auto alike = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S cost = 0;
    for (int i = 0; i < 20; ++i) cost += draw(Bernoulli(logistic(t[0])));
    return cost;
  };
  const auto runs = [&](SiteChoice choice) {
    const Estimate e =
        estimate(alike, theta, StochasticDerivative{.replays = 1, .choice = choice, .pilot = 50}, {.samples = 50'000});
    return e.work.runs / static_cast<double>(e.samples);
  };
  // The mean share of a run that is replayed is 0.525, and 0.48 with the weights 1 / sqrt(1/2 + share).
  CHECK(runs(SiteChoice::neyman) < runs(SiteChoice::importance) - 0.02);
}

TEST_CASE("what later flips explain is taken from the change of the cost") {
  // A coin that pulls many others, whose costs are linear: the table knows them, the single flips are noise.
  const auto fan = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S a = draw(Bernoulli(logistic(t[0])));
    S cost = 0;
    for (int i = 0; i < 12; ++i) cost += draw(Bernoulli(logistic(t[1] + 2 * a)));
    return cost;
  };
  const Eigen::Vector2d theta(0.3, -1);
  const auto variance = [&](bool martingale) {
    const DebiasedSurrogate e{.replays = 0, .control = Control::table, .martingale = martingale};
    const Estimate x = estimate(fan, theta, e, {.samples = 20'000, .seed = 5});
    CHECK(largest_z(x, enumerate(fan, theta).gradient) < bound);
    return x.gradient_error[0] * x.gradient_error[0];
  };
  CHECK(variance(true) < 0.5 * variance(false));
}

TEST_CASE("the number of replays that is found is about the best") {
  // On the walk two replays are best and five are taken, as replays without replacement are better than they are thought to be.
  Eigen::VectorXd theta(4);
  theta << 0.4, -0.3, 0.8, -0.5;
  const auto cost = [&](const Program<double>& program, const Eigen::VectorXd& at, int replays) {
    const Estimate e =
        estimate(program, at, StochasticDerivative{.replays = replays, .pilot = 400}, {.samples = 20'000, .seed = 6});
    return e.total_variance * work(e);
  };
  const Walk walk{30};
  const Eigen::Vector2d drift(0.2, -0.05);
  double best = 1e300, best_recurrent = 1e300;
  for (const int k : {1, 2, 4, 8, 16}) {
    best = std::min(best, cost(walk, drift, k));
    best_recurrent = std::min(best_recurrent, cost(Recurrent{4}, theta, k));
  }
  CHECK(cost(walk, drift, automatic_replays) < 1.25 * best);
  CHECK(cost(Recurrent{4}, theta, automatic_replays) < 1.1 * best_recurrent);
}

TEST_CASE("baselines and critics take what they can know") {
  // Each coin adds to the cost at once, so that the mean cost to go falls from site to site.
  const auto steps = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    for (int i = 0; i < 6; ++i) draw.cost(10 + 2 * draw(Bernoulli(logistic(t[0] + 0.2 * static_cast<double>(i)))));
    return S(0);
  };
  const Eigen::VectorXd theta = Eigen::VectorXd::Constant(1, 0.3);
  const Eigen::VectorXd truth = enumerate(steps, theta).gradient;
  const Estimate score = estimate(steps, theta, ScoreFunction{}, {.samples = 20'000, .seed = 7});
  const Estimate many = estimate(steps, theta, LeaveOneOut{32}, {.samples = 2'000, .seed = 8});
  for (const Estimate& e : {score, many, estimate(steps, theta, LeaveOneOut{2}, {.samples = 20'000, .seed = 9})})
    CHECK(largest_z(e, truth) < bound);
  CHECK(score.total_variance < 1.2 * 32 * many.total_variance);
  // The cost comes at the end: given the history its mean is linear in the sum of the outcomes so far.
  const auto sums = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S sum = 0;
    for (int i = 0; i < 10; ++i) sum += draw(Bernoulli(logistic(t[0])));
    return sum;
  };
  const auto variance = [&](const AnyEstimator& e) {
    return estimate(sums, theta, e, {.samples = 20'000, .seed = 10}).total_variance;
  };
  CHECK(variance(ScoreFunctionCritic{}) < 0.7 * variance(ScoreFunction{}));
  // A critic is told the datum.
  std::vector<int> seen(3, 0);
  const auto data = over_data(3, []<class S>(Sampler<S>& draw, const Vector<S>& t, std::size_t i) -> S {
    return static_cast<double>(i) * draw(Bernoulli(logistic(t[0])));
  });
  estimate(data, theta, ScoreFunctionCritic{.critic = [&](const History& h) { return ++seen[h.datum], 0.0; }},
           {.samples = 30, .threads = 1});
  CHECK(seen == std::vector<int>{10, 10, 10});
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
  // More replays leave less variance.
  const auto variance = [&](int replays) {
    return estimate(Marked{}, theta, PerSite{Method::replay, replays}, {.samples = 10'000}).total_variance;
  };
  CHECK(variance(4) < 0.8 * variance(1));
}

TEST_CASE("draws with a method of their own at outcomes of probability 0") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S a = draw(Bernoulli(t[0]), Method::replay);
    return 2 * a + 3 * draw(BernoulliLogit(t[1]), Method::surrogate);
  };
  // The outcome 0 of the first coin is impossible, but its probability moves; the surrogate of the other one is exact.
  const Eigen::Vector2d theta(1, 0);
  const Estimate e = estimate(program, theta, PerSite{Method::replay, 1, true}, {.samples = 10});
  CHECK(e.gradient[0] == doctest::Approx(2));
  CHECK(e.gradient[1] == doctest::Approx(0.75));
  const auto scored = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return draw(Bernoulli(t[0])); };
  CHECK_THROWS_WITH_AS(estimate(scored, theta, PerSite{Method::score_function}, {.samples = 1}),
                       doctest::Contains("PerSite: at site 0 the outcome 0 of Bernoulli has probability 0"), Refusal);
}
