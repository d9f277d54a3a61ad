#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

/// The network of paper.md 2.2 at beta = 5: x -> g -> (h1, h2) -> y, theta = (w, v1, v2, u1, u2).
const auto network = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
  const S g = draw(Bernoulli(logistic(5 * t[0])));
  const S h1 = draw(Bernoulli(logistic(5 * t[1] * g)));
  const S h2 = draw(Bernoulli(logistic(5 * t[2] * g)));
  return draw(Bernoulli(logistic(5 * (t[3] * h1 + t[4] * h2))));
};
Eigen::VectorXd network_theta() {
  Eigen::VectorXd t(5);
  t << 0.3, 0.4, -0.2, 0.5, -0.6;
  return t;
}

/// Two layers of coins, a cost that is curved in them and depends on theta directly as well.
const auto curved = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
  const S a = draw(Bernoulli(logistic(t[0])));
  const S b = draw(Bernoulli(logistic(t[1] + 3 * a - 1)));
  const S c = draw(Bernoulli(logistic(t[2] - 2 * a * b + b)));
  return square(1 + a + 2 * b - 3 * a * c) * t[0] + exp(b + c - a);
};
Eigen::VectorXd curved_theta() { return Eigen::Vector3d(-1.2, 0.4, 0.7); }

/// Largest |z| over the coordinates of an estimate.
double largest_z(const Estimate& e, const Eigen::VectorXd& truth) {
  return ((e.gradient - truth).array() / e.gradient_error.array().max(1e-12)).abs().maxCoeff();
}

// With 5 standard errors one coordinate raises a false alarm once in 1.7 million; fewer than 300 are checked in this file.
constexpr double bound = 5;

}  // namespace

TEST_CASE("enumeration gives the exact numbers of the two-layer network (paper.md 2.2)") {
  const Exact x = enumerate(network, network_theta());
  Eigen::VectorXd truth(5);
  truth << .1993465152, .1711883126, -.4303083503, .4816690634, .2973756081;
  CHECK(x.value == doctest::Approx(0.680828213220).epsilon(1e-11));
  for (Eigen::Index j = 0; j < 5; ++j) CHECK(x.gradient[j] == doctest::Approx(truth[j]).epsilon(1e-9));
}

TEST_CASE("surrogate gradients show the bias that the theory predicts (paper.md 2.2)") {
  const auto check = [](const AnyEstimator& e, std::vector<double> expected) {
    const Estimate r = estimate(network, network_theta(), e, {.samples = 200'000, .seed = 2});
    CAPTURE(r.estimator);
    for (std::size_t j = 0; j < 5; ++j) {
      const auto i = static_cast<Eigen::Index>(j);
      CHECK(std::abs(r.gradient[i] - expected[j]) < bound * r.gradient_error[i] + 1e-9);
    }
  };
  check(StraightThrough{}, {.1251422034, .1330987977, -.2990904082, .4816690634, .2973756081});
  check(SmoothedDerivative{1}, {.2270935991, .2091434638, -.2207378180, .4816690634, .2973756081});
  check(SmoothedDerivative{0}, {.1382218807, .1228072713, -.5120748303, .4816690634, .2973756081});
  check(MeanField{}, {.1776148167, .2517355474, -.4701581044, .7550112489, .2763187554});
  // 0.12514 against 0.19935: far outside the error bars.
  const Estimate st = estimate(network, network_theta(), StraightThrough{}, {.samples = 20'000});
  CHECK((0.1993465152 - st.gradient[0]) / st.gradient_error[0] > 50);
}

TEST_CASE("unbiased estimators agree with enumeration") {
  const Exact x = enumerate(curved, curved_theta());
  const Exact n = enumerate(network, network_theta());
  for (const AnyEstimator& e :
       {AnyEstimator(ScoreFunction{}), AnyEstimator(ScoreFunction{Baseline::none}), AnyEstimator(LeaveOneOut{2}),
        AnyEstimator(LeaveOneOut{5}), AnyEstimator(StochasticDerivative{}), AnyEstimator(StochasticDerivative{2}),
        AnyEstimator(StochasticDerivative{0}), AnyEstimator(StochasticDerivative{1, SiteChoice::uniform}),
        AnyEstimator(DebiasedSurrogate{1}), AnyEstimator(DebiasedSurrogate{2}), AnyEstimator(DebiasedSurrogate{0}),
        AnyEstimator(DebiasedSurrogate{1, SiteChoice::uniform})}) {
    CAPTURE(e.name());
    CHECK(e.unbiased());
    const Estimate a = estimate(curved, curved_theta(), e, {.samples = 100'000, .seed = 4});
    CHECK(largest_z(a, x.gradient) < bound);
    CHECK(std::abs(a.value - x.value) < bound * a.value_error);
    CHECK(largest_z(estimate(network, network_theta(), e, {.samples = 100'000, .seed = 5}), n.gradient) < bound);
  }
}

TEST_CASE("finite differences agree up to their own bias") {
  const Exact x = enumerate(curved, curved_theta());
  const Estimate e = estimate(curved, curved_theta(), FiniteDifference{}, {.samples = 200'000});
  CHECK(largest_z(e, x.gradient) < bound);
}

// ---- wrong variants of DebiasedSurrogate (DESIGN.md section 4): each must be caught by the same check -----------------

namespace {

enum class Wrong { none, in_place, cost_twice, one_sided };

/// DebiasedSurrogate on programs of coins, with one replay at a uniformly chosen site, and optionally with a known mistake.
struct Variant {
  Wrong wrong = Wrong::none;
  static constexpr bool unbiased = true;
  std::string name() const { return "Variant"; }
  template <class T>
  void sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
    out.value = static_cast<double>(trace.run(context.key()));
    trace.record();
    trace.open(StraightThroughEdge{});
    trace.begin_sweep();
    trace.seed_cost(1);
    trace.sweep(out.gradient);
    std::vector<T> s(trace.sites());
    for (std::size_t i = 0; i < s.size(); ++i) s[i] = trace.edge_adjoint(i, 0);
    // One-sided weights: only sites with outcome 0 have an alternative (right derivative).
    std::vector<std::size_t> sites;
    for (std::size_t i = 0; i < trace.sites(); ++i)
      if (wrong != Wrong::one_sided || trace.site(i).outcome == 0) sites.push_back(i);
    if (sites.empty()) return;
    Generator choices = context.choices();
    const std::size_t i = sites[static_cast<std::size_t>(choices.uniform() * static_cast<double>(sites.size()))];
    const Site& site = trace.site(i);
    const T delta = (site.outcome == 1 ? T(1) : T(-1)) * (trace.cost() - trace.replay(i, 1 - site.outcome));
    const double w = wrong == Wrong::one_sided ? 1 / site.pmf(0) : 1;
    if (wrong != Wrong::in_place) trace.cut();  // the mistake: the correction goes on through open edges
    trace.begin_sweep();
    trace.seed(i, 0, (static_cast<T>(w) * delta - s[i]) * static_cast<T>(sites.size()));
    if (wrong == Wrong::cost_twice) trace.seed_cost(1);  // the mistake: d_c f once more
    trace.sweep(out.gradient);
  }
};

}  // namespace

TEST_CASE("the wrong variants of DebiasedSurrogate are caught") {
  const Exact x = enumerate(curved, curved_theta());
  const auto z = [&](Wrong wrong) {
    return largest_z(estimate(curved, curved_theta(), Variant{wrong}, {.samples = 200'000, .seed = 6}), x.gradient);
  };
  CHECK(z(Wrong::none) < bound);
  CHECK(z(Wrong::in_place) > 1.5 * bound);
  CHECK(z(Wrong::cost_twice) > 2 * bound);
  CHECK(z(Wrong::one_sided) > 2 * bound);
}

// ---- control flow ------------------------------------------------------------------------------------------------------

TEST_CASE("branches with different numbers of draws, random loop lengths, containers and integers are unbiased") {
  // Stop with probability p in each of at most 6 rounds; otherwise draw one or two more coins and remember them.
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    std::vector<int> bag;
    S cost = 0;
    for (int round = 0; round < 6 && !draw(Bernoulli(logistic(t[0]))); ++round) {
      const bool two = bool(draw(Bernoulli(logistic(t[1]))));
      const int n = int(draw(Binomial(2, logistic(t[0] - t[1]))));
      bag.push_back(n);
      if (two) {
        const auto k = draw(Bernoulli(logistic(t[1] + n)));
        bag.push_back(static_cast<int>(k.value()) + 1);
        cost += k * t[0];
      }
    }
    int product = 1;
    for (const int b : bag) product += b * static_cast<int>(bag.size());
    return cost + static_cast<double>(product) * 0.3;
  };
  const Eigen::VectorXd theta = Eigen::Vector2d(-0.3, 0.4);
  const Exact x = enumerate(program, theta);
  for (const AnyEstimator& e : {AnyEstimator(ScoreFunction{}), AnyEstimator(LeaveOneOut{}), AnyEstimator(StochasticDerivative{}),
                                AnyEstimator(StochasticDerivative{3}), AnyEstimator(DebiasedSurrogate{2})}) {
    CAPTURE(e.name());
    CHECK(largest_z(estimate(program, theta, e, {.samples = 100'000, .seed = 8}), x.gradient) < bound);
  }
  CHECK_THROWS_AS(estimate(program, theta, MeanField{}), Refusal);
}

TEST_CASE("alternatives of probability 0 are replayed only if their probability moves") {
  // At x = 0 the walk has p = 1 whatever theta; the impossible alternative would lead to p > 1 and an error.
  const auto walk = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S x = 0;
    for (int i = 0; i < 10; ++i) {
      if (draw(Bernoulli(exp(-x / t[0])))) x += 1;
      else x -= 1;
    }
    return x * x;
  };
  const Eigen::VectorXd theta = Eigen::VectorXd::Constant(1, 20.0);
  CHECK_NOTHROW(estimate(walk, theta, StochasticDerivative{0}, {.samples = 500}));
  CHECK_NOTHROW(estimate(walk, theta, StochasticDerivative{1, SiteChoice::uniform}, {.samples = 500}));
  CHECK_NOTHROW(estimate(walk, theta, ScoreFunction{}, {.samples = 500}));
  const Exact x = enumerate(walk, theta);
  CHECK(x.value == doctest::Approx(50.0327398).epsilon(1e-8));  // stochastic-ad.md T1
  CHECK(x.gradient[0] == doctest::Approx(1.4898178246).epsilon(1e-9));

  // p = theta at theta = 1: the other outcome is impossible but its probability moves. E = 3 theta + 5 (1 - theta).
  const auto edge = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return draw(Bernoulli(t[0])) ? S(3) : S(5); };
  const Eigen::VectorXd at_one = Eigen::VectorXd::Ones(1);
  CHECK(enumerate(edge, at_one).gradient[0] == -2);
  const Estimate e = estimate(edge, at_one, StochasticDerivative{}, {.samples = 100});
  CHECK(e.gradient[0] == -2);
  CHECK(e.gradient_error[0] == 0);
  CHECK_THROWS_AS(estimate(edge, at_one, ScoreFunction{}), Refusal);
  CHECK_THROWS_AS(estimate(edge, at_one, LeaveOneOut{}), Refusal);

  // A label of probability 0 whose probability moves is reached too.
  const auto labels = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const double f[] = {1, 2, 10};
    return S(f[draw(Categorical(Vector<S>{1 - t[0] - t[1], t[0], t[1]})).value()]);
  };
  const Eigen::VectorXd p = Eigen::Vector2d(0.3, 0.0);
  const Exact l = enumerate(labels, p);
  CHECK(l.gradient[0] == doctest::Approx(1));
  CHECK(l.gradient[1] == doctest::Approx(9));
  CHECK(largest_z(estimate(labels, p, StochasticDerivative{}, {.samples = 20'000}), l.gradient) < bound);
  CHECK_THROWS_AS(estimate(labels, p, ScoreFunction{}), Refusal);
}

namespace {

/// A law from outside: 0, 1, 2 with probabilities (1 - q)^2, 2 q (1 - q) e^-q, and the rest. Only the required members.
template <class S>
struct Tilted {
  using Scalar = S;
  S q;
  explicit Tilted(S tilt) : q(tilt) {}
  static constexpr std::string_view name = "Tilted";
  static constexpr int parameters = 1;
  template <class F>
  auto map(F&& f) const {
    return Tilted<std::decay_t<decltype(f(q))>>(f(q));
  }
  double below(std::int64_t k) const {
    return k < 0 ? 0.0 : k == 0 ? (1 - q) * (1 - q) : k == 1 ? (1 - q) * (1 - q) + 2 * q * (1 - q) * std::exp(-q) : 1.0;
  }
  Support support() const { return {0, 2}; }
  double pmf(std::int64_t k) const { return below(k) - below(k - 1); }
  double cdf(std::int64_t k) const { return below(k); }
  void cdf_derivative(std::int64_t k, std::span<double> out) const {
    out[0] = k == 0 ? -2 * (1 - q) : k == 1 ? -2 * (1 - q) + 2 * std::exp(-q) * (1 - 2 * q - q * (1 - q)) : 0.0;
  }
  std::int64_t quantile(double u) const { return u < below(0) ? 0 : u < below(1) ? 1 : 2; }
};
template <class E>
Tilted(E&&) -> Tilted<ScalarOf<E>>;

}  // namespace

TEST_CASE("a user's law needs pmf, cdf, its derivative and a quantile; every estimator then applies") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S a = draw(Tilted(logistic(t[0])));
    const auto k = draw(Tilted(logistic(t[1] - a)));
    if (k == 2) return exp(a);
    return square(a + 0.7 * k) * t[1];
  };
  const Eigen::VectorXd theta = Eigen::Vector2d(0.2, 0.9);
  const Exact x = enumerate(program, theta);
  // The truth has its own witness: central differences of the enumerated value.
  for (Eigen::Index j = 0; j < 2; ++j) {
    Eigen::VectorXd up = theta, down = theta;
    up[j] += 1e-5, down[j] -= 1e-5;
    CHECK((enumerate(program, up).value - enumerate(program, down).value) / 2e-5 == doctest::Approx(x.gradient[j]).epsilon(1e-8));
  }
  for (const AnyEstimator& e : {AnyEstimator(ScoreFunction{}), AnyEstimator(LeaveOneOut{}), AnyEstimator(StochasticDerivative{}),
                                AnyEstimator(StochasticDerivative{0})}) {
    CAPTURE(e.name());
    CHECK(largest_z(estimate(program, theta, e, {.samples = 100'000, .seed = 9}), x.gradient) < bound);
  }
  CHECK_NOTHROW(estimate(program, theta, SmoothedDerivative{}, {.samples = 10}));
  CHECK_THROWS_AS(estimate(program, theta, StraightThrough{}, {.samples = 10}), Refusal);
}

TEST_CASE("enumeration refuses what it cannot finish") {
  const auto endless = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S n = 0;
    while (!draw(Bernoulli(t[0]))) n += 1;
    return n;
  };
  CHECK_THROWS_AS(enumerate(endless, Eigen::VectorXd::Constant(1, 0.4)), Refusal);
  const auto poisson = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return t[0] * draw(Poisson(t[0])); };
  CHECK_THROWS_WITH_AS(enumerate(poisson, Eigen::VectorXd::Constant(1, 0.4)),
                       doctest::Contains("Poisson has infinitely many outcomes (site 0)"), Refusal);
  const Exact x = enumerate(poisson, Eigen::VectorXd::Constant(1, 4.0), {.tail = 1e-15});
  CHECK(x.value == doctest::Approx(16).epsilon(1e-10));
  CHECK(x.gradient[0] == doctest::Approx(8).epsilon(1e-10));
  const auto many = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S n = 0;
    for (int i = 0; i < 30; ++i) n += draw(Bernoulli(t[0]));
    return n;
  };
  const auto noisy = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    return draw(Normal(t[0], 1.0)) * draw(Bernoulli(t[0]));
  };
  CHECK_THROWS_WITH_AS(enumerate(noisy, Eigen::VectorXd::Constant(1, 0.4)), doctest::Contains("continuous noise"), Refusal);
  CHECK_THROWS_AS(enumerate(many, Eigen::VectorXd::Constant(1, 0.4), {.max_leaves = 1000}), Refusal);
}

TEST_CASE("knobs are checked") {
  const Eigen::VectorXd t = network_theta();
  CHECK_THROWS_WITH_AS(estimate(network, t, LeaveOneOut{1}), "LeaveOneOut: runs = 1 is outside [2, infinity)", InvalidArgument);
  CHECK_THROWS_AS(estimate(network, t, SmoothedDerivative{1.5}), InvalidArgument);
  CHECK_THROWS_AS(estimate(network, t, StochasticDerivative{-2}), InvalidArgument);
  CHECK_THROWS_AS(estimate(network, t, FiniteDifference{0}), InvalidArgument);
}

TEST_CASE("systematic sampling includes entries with their probabilities") {
  std::vector<double> p;
  const std::vector<double> size = {5, 0, 1, 1, 0.5, 20, 0, 2};
  detail::inclusion_probabilities(size, 3, 0.1, p);
  double sum = 0;
  for (const double x : p) sum += x;
  CHECK(sum == doctest::Approx(3));
  CHECK(p[1] == 0);
  CHECK(p[5] == 1);
  // Nine tenths by size, one tenth evenly.
  std::vector<double> q;
  detail::inclusion_probabilities(std::vector<double>{1, 0, 3}, 1, 0.1, q);
  CHECK(q[0] == doctest::Approx(0.275));
  CHECK(q[1] == 0);
  CHECK(q[2] == doctest::Approx(0.725));
  std::vector<int> hits(size.size());
  const int n = 10000;
  for (int i = 0; i < n; ++i) detail::systematic_sample(p, (i + 0.5) / n, [&](std::size_t k) { ++hits[k]; });
  for (std::size_t k = 0; k < size.size(); ++k) CHECK(std::abs(hits[k] - n * p[k]) <= 1.01);
}
