// Derivatives of expected costs of any order, against enumeration, closed forms and each other.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

// With 5 standard errors one number raises a false alarm once in 1.7 million; fewer than 100 are checked in this file.
constexpr double bound = 5;
double largest_z(const Estimate& e, const Eigen::VectorXd& truth) {
  return ((e.gradient - truth).array() / e.gradient_error.array().max(1e-12)).abs().maxCoeff();
}

/// The mean of the draws of an estimator over all sequences of outcomes, each with its probability: exact.
template <class E>
Eigen::VectorXd mean_draw(const Program<double>& program, const Eigen::VectorXd& theta, const E& estimator) {
  Trace<double> trace(program, theta);
  Eigen::VectorXd mean = Eigen::VectorXd::Zero(theta.size());
  const PilotContext pilot{.seed = 1};
  const auto learned = estimator.learn(trace, pilot);
  // Every path has some run that draws it: as many runs as it takes to see all of the probability.
  std::vector<std::vector<std::int64_t>> seen;
  double total = 0;
  for (std::uint64_t run = 0; run < 200'000 && total < 1 - 1e-9; ++run) {
    const SampleContext context{.seed = 2, .index = run, .learned = learned.get()};
    trace.record(context.key(), Outcomes::constants);
    std::vector<std::int64_t> path;
    double p = 1;
    for (std::size_t i = 0; i < trace.sites(); ++i) path.push_back(trace.site(i).outcome), p *= trace.site(i).pmf(path.back());
    if (std::find(seen.begin(), seen.end(), path) != seen.end()) continue;
    seen.push_back(path), total += p;
    GradientDraw draw{0, Eigen::VectorXd::Zero(theta.size())};
    estimator.sample(trace, context, draw);
    mean += p * draw.gradient;
  }
  CHECK(total == doctest::Approx(1).epsilon(1e-9));
  return mean;
}

/// Coins, a block, labels, a branch, a cost on the way, a matrix product, and theta directly.
struct Mixture {
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& t) const {
    const S a = draw(Bernoulli(logistic(t[0])));
    const Vector<S> block = draw(Bernoulli(logistic(Vector<S>(t.segment(0, 2)) + a)));
    draw.cost(square(block[0] + 2 * a - t[1]));
    const Matrix<double> turn((Eigen::Matrix2d() << 1, 0.5, -0.5, 1).finished());
    S x = sum(Vector<S>(turn * block)) * t[1];
    if (a > 0) x += S(draw(Binomial(2, logistic(t[2] * x))));
    else x *= 1 + 0.2 * draw(Categorical(exp(Vector<S>(t.segment(1, 2)))));
    return x * exp(0.3 * x) + t[0] * a;
  }
};
Eigen::VectorXd mixture_theta() { return Eigen::Vector3d(0.4, -0.3, 0.6); }

/// sum_k c_k f(x + k h) h^-m, to order h^6: the m-th derivative.
template <class F>
Eigen::VectorXd central_difference(const F& f, int m) {
  static const std::vector<std::vector<double>> odd{{3. / 4, -3. / 20, 1. / 60}, {-61. / 30, 169. / 120, -3. / 10, 7. / 240}};
  static const std::vector<double> even{-49. / 18, 3. / 2, -3. / 20, 1. / 90};
  const double h = 0.02;
  if (m == 0) return f(0.0);
  if (m == 2) {
    Eigen::VectorXd d = even[0] * f(0.0);
    for (int k = 1; k <= 3; ++k) d += even[static_cast<std::size_t>(k)] * (f(k * h) + f(-k * h));
    return d / (h * h);
  }
  const auto& c = odd[m == 1 ? 0 : 1];
  Eigen::VectorXd d = c[0] * (f(h) - f(-h));
  for (std::size_t k = 1; k < c.size(); ++k) d += c[k] * (f(static_cast<double>(k + 1) * h) - f(-static_cast<double>(k + 1) * h));
  return m == 1 ? Eigen::VectorXd(d / h) : Eigen::VectorXd(d / (h * h * h));
}

}  // namespace

TEST_CASE("over all outcomes of a program, derivatives of order 1 to 4 are exact") {
  const Program<double> program = with_duals<4>(Mixture{});
  const Eigen::VectorXd theta = mixture_theta(), v = Eigen::Vector3d(0.5, -1, 0.7);
  const auto gradient = [&](double t) { return enumerate(program, Eigen::VectorXd(theta + t * v)).gradient; };
  for (int order = 1; order <= 4; ++order) {
    const Eigen::VectorXd truth = central_difference(gradient, order - 1);
    CAPTURE(order);
    CHECK(truth.norm() > 0.1);
    for (const bool baseline : {true, false})
      CHECK((mean_draw(program, theta, Dice{v, order, baseline}) - truth).norm() < 1e-6 * truth.norm());
  }
}

TEST_CASE("a baseline of a cost that only some paths add is taken from all of them") {
  // Found by random programs: where the cost was not added, its mean was not taken away either.
  const auto sometimes = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const auto first = draw(Bernoulli(logistic(t[0])));
    if (first == 1) draw.cost(3 + t[1]);
    if (draw(Bernoulli(logistic(t[1] - first))) == 1) draw.cost(square(1 + t[0]));
    return 2.0 * first;
  };
  const Program<double> program = with_duals(sometimes);
  const Eigen::VectorXd theta = Eigen::Vector2d(0.3, -0.4), v = Eigen::Vector2d(0.5, -1);
  const auto gradient = [&](double t) { return enumerate(program, Eigen::VectorXd(theta + t * v)).gradient; };
  for (int order = 1; order <= 2; ++order) {
    CAPTURE(order);
    const Eigen::VectorXd truth = central_difference(gradient, order - 1);
    CHECK(largest_z(estimate(program, theta, Dice{v, order}, {.samples = 20'000, .seed = 8}), truth) < bound);
  }
}

TEST_CASE("order 2 is the Hessian-vector product, and order 1 the score function without the costs before a draw") {
  const Program<double> program = with_duals<3>(Mixture{});
  const Eigen::VectorXd theta = mixture_theta(), v = Eigen::Vector3d(0.5, -1, 0.7);
  Trace<double> trace(program, theta);
  for (std::uint64_t k = 0; k < 50; ++k) {
    const SampleContext context{.seed = 3, .index = k};
    const auto draw = [&](const auto& estimator) {
      GradientDraw out{0, Eigen::VectorXd::Zero(3)};
      estimator.sample(trace, context, out);
      return out.gradient;
    };
    CHECK(draw(Dice{v, 2}) == draw(HessianVectorProduct{v}));
    CHECK((draw(Dice{v, 1}) - draw(ScoreFunction{Baseline::none})).norm() < 1e-12);
  }
}

TEST_CASE("derivatives of closed forms") {
  // E N^2 = r + r^2 for a Poisson N of rate r = exp(theta): the n-th derivative is r + 2^n r^2.
  const auto count = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return square(S(draw(Poisson(exp(t[0]))))); };
  const Eigen::VectorXd theta = Eigen::VectorXd::Constant(1, -0.2), one = Eigen::VectorXd::Ones(1);
  const double r = std::exp(-0.2);
  // A coin of theta, and after a 1 two more, of theta^2 and theta: all show 1 with probability theta^4.
  const auto coins = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    if (!draw(Bernoulli(t[0]))) return S(0);
    return draw(Bernoulli(square(t[0]))) * draw(Bernoulli(t[0]));
  };
  const Eigen::VectorXd p = Eigen::VectorXd::Constant(1, 0.7);
  for (int order = 1; order <= 4; ++order) {
    CAPTURE(order);
    const Estimate e = estimate(with_duals<4>(count), theta, Dice{one, order}, {.samples = 40'000, .seed = 4});
    const double truth = r + std::pow(2, order) * r * r;
    CHECK(largest_z(e, Eigen::VectorXd::Constant(1, truth)) < bound);
    CHECK(e.gradient_error[0] < 0.3 * truth);
    const double power[] = {4 * std::pow(0.7, 3), 12 * std::pow(0.7, 2), 24 * 0.7, 24};
    CHECK(mean_draw(with_duals<4>(coins), p, Dice{one, order})[0] == doctest::Approx(power[order - 1]).epsilon(1e-10));
  }
}

TEST_CASE("derivatives through laws with functions of their own, thresholds and implicit draws") {
  // Means of a negative binomial and a gamma draw are r (1 - p) / p and r, with r = exp(theta) every derivative is itself.
  const auto laws = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    return draw(NegativeBinomial(exp(t[0]), S(0.6))) + S(draw(Gamma(exp(t[0]), S(1))));
  };
  // The mean of the smaller of 1 and the first event of a Poisson process: (1 - exp(-r)) / r.
  const auto event = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const auto next = draw.next_event(exp(t[0]), 1.0);
    return next.happened.value() ? next.wait : S(1);
  };
  const Eigen::VectorXd theta = Eigen::VectorXd::Constant(1, 0.3), one = Eigen::VectorXd::Ones(1);
  const double r = std::exp(0.3);
  const auto mean_wait = [](double t) { return Eigen::VectorXd::Constant(1, -std::expm1(-std::exp(t)) / std::exp(t)); };
  for (int order = 1; order <= 3; ++order) {
    CAPTURE(order);
    const Estimate a = estimate(with_duals<3>(laws), theta, Dice{one, order}, {.samples = 40'000, .seed = 5});
    CHECK(largest_z(a, Eigen::VectorXd::Constant(1, r * (1 + 0.4 / 0.6))) < bound);
    const auto from_theta = [&](double t) { return mean_wait(0.3 + t); };
    const Estimate b = estimate(with_duals<3>(event), theta, Dice{one, order}, {.samples = 40'000, .seed = 6});
    CHECK(largest_z(b, central_difference(from_theta, order)) < bound);
  }
}

TEST_CASE("what order a program is compiled for") {
  const Eigen::VectorXd theta = mixture_theta(), v = Eigen::VectorXd::Ones(3);
  CHECK_THROWS_WITH_AS(estimate(Mixture{}, theta, Dice{v, 1}, {.samples = 1}), doctest::Contains("make it with with_duals(f)"),
                       Refusal);
  CHECK_THROWS_WITH_AS(estimate(with_duals(Mixture{}), theta, Dice{v, 3}, {.samples = 1}),
                       doctest::Contains("not compiled for derivatives of order 3: make it with with_duals<3>(f)"), Refusal);
  CHECK_THROWS_WITH_AS(estimate(with_duals<3>(Mixture{}), theta, Dice{v, 4}, {.samples = 1}), doctest::Contains("with_duals<4>(f)"),
                       Refusal);
  CHECK_THROWS_WITH_AS(estimate(with_duals(Mixture{}), theta, Dice{v, 5}, {.samples = 1}),
                       doctest::Contains("Dice(5): order = 5 is outside [1, 4]"), InvalidArgument);
  CHECK_THROWS_WITH_AS(estimate(with_duals(Mixture{}), theta, Dice{Eigen::VectorXd::Ones(2)}, {.samples = 1}),
                       doctest::Contains("Dice(2): a direction of 2 numbers for 3 parameters"), InvalidArgument);
}

TEST_CASE("an impossible outcome whose probability moves is refused, as the score function does") {
  const auto coin = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return draw(Bernoulli(t[0])).scalar(); };
  const Eigen::VectorXd zero = Eigen::VectorXd::Zero(1), one = Eigen::VectorXd::Ones(1);
  CHECK_THROWS_WITH_AS(estimate(with_duals(coin), zero, HessianVectorProduct{one}, {.samples = 1}),
                       doctest::Contains("HessianVectorProduct: at site 0 the outcome 1 of Bernoulli has probability 0"), Refusal);
  // One that stays impossible is none of its business.
  const auto still = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    return (draw(Bernoulli(S(0 * t[0]))) + 1) * square(t[0]);
  };
  CHECK(estimate(with_duals(still), one, HessianVectorProduct{one}, {.samples = 4}).gradient[0] == doctest::Approx(2));
}
