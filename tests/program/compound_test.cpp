// Draws with vector outcomes, flows of unordered labels, thresholds, random clocks.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

Eigen::VectorXd numbers(std::initializer_list<double> x) {
  return Eigen::Map<const Eigen::VectorXd>(x.begin(), static_cast<Eigen::Index>(x.size()));
}

// With 5 standard errors one number raises a false alarm once in 1.7 million; fewer than 500 are checked in this file.
constexpr double bound = 5;

/// Estimators of all kinds agree with the truth.
template <class F>
void check_unbiased(const F& program, const Eigen::VectorXd& theta, double value, const Eigen::VectorXd& gradient,
                    int samples = 20'000) {
  for (const AnyEstimator& e : {AnyEstimator(ScoreFunction{}), AnyEstimator(LeaveOneOut{3}), AnyEstimator(StochasticDerivative{}),
                                AnyEstimator(StochasticDerivative{3}), AnyEstimator(DebiasedSurrogate{2})}) {
    CAPTURE(e.name());
    const Estimate r = estimate(program, theta, e, {.samples = static_cast<std::uint64_t>(samples), .seed = 5});
    CHECK(std::abs(r.value - value) < bound * r.value_error + 1e-12);
    for (Eigen::Index j = 0; j < theta.size(); ++j) {
      CAPTURE(j);
      CHECK(std::abs(r.gradient[j] - gradient[j]) < bound * r.gradient_error[j] + 1e-9);
    }
  }
}
template <class F>
void check_against_enumeration(const F& program, const Eigen::VectorXd& theta, int samples = 20'000) {
  const Exact truth = enumerate(program, theta);
  check_unbiased(program, theta, truth.value, truth.gradient, samples);
}

/// A sampler whose run `run` starts now.
template <class F>
auto with_draws(std::uint64_t run, F&& f) {
  Sampler<double> draw;
  draw.begin({.key = {.seed = 3, .run = run}});
  return f(draw);
}

double integral(const std::function<double(double)>& f, double a, double b) {
  return boost::math::quadrature::gauss_kronrod<double, 61>::integrate(f, a, b, 12, 1e-12);
}

}  // namespace

// ---- flows --------------------------------------------------------------------------------------------------------------

namespace {

/// sum_x P(x) sum_y weight (f(y) - f(x)), and E (sum_y |weight|)^2, by the alternatives of a site.
std::pair<double, double> by_flow(const CategoricalView<double>& law, Flow flow, const std::vector<double>& rates,
                                  const std::vector<double>& f) {
  double derivative = 0, moment = 0;
  bool stays = false;
  for (std::int64_t x = 0; x < law.size; ++x) {
    double sum = 0;
    law.alternatives(x, flow, [&](std::int64_t y, auto&& weights) {
      stays = stays || y == x;
      double w = 0;
      weights([&](std::size_t j, double factor) { w += factor * rates[j]; });
      derivative += law.p(x) * w * (f[static_cast<std::size_t>(y)] - f[static_cast<std::size_t>(x)]);
      sum += std::abs(w);
    });
    moment += law.p(x) * sum * sum;
  }
  CHECK(!stays);
  return {derivative, moment};
}

}  // namespace

TEST_CASE("every flow gives the exact derivative, and its moment is what it says") {
  const std::vector<double> f = {1, -0.7, 2.2, 0.4, -3};
  const std::vector<std::vector<double>> laws = {
      {0.1, 0.3, 0.2, 0.25, 0.15}, {0.9, 0.02, 0.05, 0.01, 0.02}, {1e-6, 0.5, 0.5, 1e-3, 2}};
  const std::vector<std::vector<double>> directions = {{0.3, -0.5, 0.1, 0.4, -0.3}, {-1, 0.25, 0.25, 0.25, 0.25}, {0, 0, 1, -1, 0}};
  for (const auto& p : laws)
    for (const auto& t : directions) {
      const CategoricalView<double> law(p.data(), 5);
      double truth = 0;
      for (std::size_t k = 0; k < 5; ++k) truth += t[k] * f[k];
      for (const Flow flow : {Flow::inversion, Flow::independent, Flow::antisymmetric}) {
        const auto [derivative, moment] = by_flow(law, flow, t, f);
        CHECK(derivative == doctest::Approx(truth).epsilon(1e-10));
        CHECK(law.flow_moment(flow, t) == doctest::Approx(moment).epsilon(1e-12));
      }
    }
  // A label of probability 0 that is about to become possible: reached, whichever flow is asked for.
  const std::vector<double> p = {0.5, 0, 0.5, 0, 0}, t = {-1, 1, 0, 0, 0};
  const CategoricalView<double> law(p.data(), 5);
  for (const Flow flow : {Flow::inversion, Flow::independent, Flow::antisymmetric})
    CHECK(by_flow(law, flow, t, f).first == doctest::Approx(-1.7));
  CHECK(std::isinf(law.flow_moment(Flow::inversion, t)));
  CHECK(std::isinf(law.flow_moment(Flow::antisymmetric, t)));
}

TEST_CASE("the moments of flows are the sums over all pairs of labels, for random laws") {
  std::mt19937 generator(11);
  std::normal_distribution<double> normal;
  const auto direct = [](const std::vector<double>& p, const std::vector<double>& t) {  // antisymmetric, as in flow.hpp
    double moment = 0;
    for (std::size_t x = 0; x < p.size(); ++x) {
      double sum = 0;
      for (std::size_t y = 0; y < p.size(); ++y) sum += 0.5 * std::abs(p[x] * t[y] - p[y] * t[x]) / p[x];
      moment += p[x] * sum * sum;
    }
    return moment;
  };
  for (const std::size_t size : {1u, 2u, 3u, 16u, 100u})
    for (int trial = 0; trial < 20; ++trial) {
      std::vector<double> p(size), t(size);
      for (double& x : p) x = std::exp((trial % 3) * 2 * normal(generator));
      if (trial % 4 == 1) p[size / 2] = 0;
      const double total = std::accumulate(p.begin(), p.end(), 0.0);
      if (total == 0) continue;
      for (double& x : p) x /= total;
      for (double& x : t) x = normal(generator);
      if (trial % 5 == 2)  // equal ratios t / P
        for (std::size_t k = 0; k < size; ++k) t[k] = p[k] * std::round(t[k]);
      if (trial % 5 == 3)
        for (std::size_t k = 0; k < size; k += 2) t[k] = 0;
      const double drift = std::accumulate(t.begin(), t.end(), 0.0);
      for (std::size_t k = 0; k < size; ++k) t[k] -= drift * p[k];  // the probabilities add up to 1
      for (const CategoricalView<double>& law : {CategoricalView<double>(p.data(), static_cast<std::int64_t>(size)),
                                                 CategoricalView<double>(p.data(), static_cast<std::int64_t>(size), 1, 1.0)}) {
        const std::vector<double> f(size, 1.0);
        const bool impossible = law.boundary();
        for (const Flow flow : {Flow::inversion, Flow::independent, Flow::antisymmetric}) {
          const double moment = law.flow_moment(flow, t);
          if (impossible && flow != Flow::independent) CHECK((moment == 0 || std::isinf(moment)));
          else CHECK(moment == doctest::Approx(by_flow(law, flow, t, f).second).epsilon(1e-11));
        }
        if (!impossible) CHECK(law.flow_moment(Flow::antisymmetric, t) == doctest::Approx(direct(p, t)).epsilon(1e-11));
      }
    }
  // Rates and ratios that are not finite have no order.
  const std::vector<double> p = {0.5, 1e-310, 0.5}, t = {1, -2, 1};
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
    CHECK(std::isinf(CategoricalView<double>(p.data(), 3).flow_moment(Flow::antisymmetric, std::vector<double>{0, bad, 1})));
  CHECK(std::isinf(CategoricalView<double>(p.data(), 3).flow_moment(Flow::antisymmetric, t)));
}

TEST_CASE("the flow of least moment is used, and all of them are unbiased in programs") {
  // Two unordered draws, the second one depending on the first, and a cost that is curved in both.
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    static constexpr double cost[] = {1, -0.7, 2.2, 0.4};
    const auto k = draw(CategoricalLogit(t));
    const Vector<S> tilted = exp(t * S(k.value() == 2 ? -0.5 : 0.25));
    const auto l = draw(Categorical(tilted));
    return S(cost[k.value()]) * (t[0] + cost[l.value()]);
  };
  const Eigen::VectorXd theta = numbers({0.3, -0.5, 0.9, 0.1});
  const Exact truth = enumerate(program, theta);
  const auto error = [&](const AnyEstimator& e) {
    const Estimate r = estimate(program, theta, e, {.samples = 20'000, .seed = 9});
    CHECK(((r.gradient - truth.gradient).array() / r.gradient_error.array()).abs().maxCoeff() < bound);
    return r.gradient_error.squaredNorm();
  };
  double least = 1e9;
  for (const Flow flow : {Flow::inversion, Flow::independent, Flow::antisymmetric}) {
    least = std::min(least, error(StochasticDerivative{.replays = 1, .flow = flow}));
    error(StochasticDerivative{.replays = 0, .flow = flow});
    error(DebiasedSurrogate{.replays = 2, .flow = flow});
  }
  CHECK(error(StochasticDerivative{}) < 1.1 * least);

  // A recording follows the moments, summed over the directions.
  std::set<Flow> seen;
  for (const auto& logits : {numbers({3, 0, 0, 0}), numbers({-9, 0, 0, -9}), numbers({0.1, 0, 0.2, 0}), numbers({5, 0, 1, 5})}) {
    Trace<double> trace([]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return S(draw(CategoricalLogit(t))); }, logits);
    trace.run({.seed = 1});
    trace.record();
    trace.tangents(Eigen::Matrix<double, Eigen::Dynamic, 4>::Identity(4, 4));
    const Eigen::Vector4d p = logits.array().exp() / logits.array().exp().sum();
    Flow best = Flow::least_variance;
    double least = 1e9;
    for (const Flow flow : {Flow::inversion, Flow::independent, Flow::antisymmetric}) {
      double moment = 0;
      for (int l = 0; l < 4; ++l) {
        std::vector<double> t(4);  // d p_j / d logit_l
        for (int j = 0; j < 4; ++j) t[static_cast<std::size_t>(j)] = p[j] * ((j == l) - p[l]);
        moment += by_flow(CategoricalView<double>(p.data(), 4), flow, t, {0, 0, 0, 0}).second;
      }
      if (moment < least) best = flow, least = moment;
    }
    seen.insert(best);
    Alternatives chosen, expected;
    trace.alternatives(0, Flow::least_variance, chosen);
    trace.alternatives(0, best, expected);
    CHECK(std::equal(chosen.weights.begin(), chosen.weights.end(), expected.weights.begin(), expected.weights.end(),
                     [](const Weight& a, const Weight& b) { return a.parameter == b.parameter && a.value == b.value; }));
  }
  CHECK(seen.size() > 1);
}

TEST_CASE("a row of a matrix gives the weights of a draw") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const Matrix<S> m = exp(t.matrix(0, 2, 3));
    S x = 0;
    for (int i = 0; i < 2; ++i) x = 4 * x + draw(Categorical(m.row(i)));
    return x * x;
  };
  const Eigen::VectorXd theta = numbers({0.1, 0.5, -0.3, 0.2, 1.0, -0.7});
  double value = 0;
  const Eigen::MatrixXd w = theta.reshaped(2, 3).array().exp();
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) value += w(0, i) / w.row(0).sum() * w(1, j) / w.row(1).sum() * (4 * i + j) * (4 * i + j);
  CHECK(enumerate(program, theta).value == doctest::Approx(value).epsilon(1e-12));
  check_against_enumeration(program, theta);
}

// ---- vector outcomes ----------------------------------------------------------------------------------------------------

TEST_CASE("one-hot draws are unit vectors, with an edge from every entry to the probability of its label") {
  const auto curved = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const auto a = draw(OneHot(exp(t)));
    const Vector<S> w{t[0], S(2), t[1] * t[2]};
    const S x = dot(w, a.vector());
    const auto b = draw(OneHot(Vector<S>{S(1), exp(x), S(2)}));
    return square(x + 2 * b[1] - b[0]) + x;
  };
  const Eigen::VectorXd theta = numbers({0.3, -0.4, 0.8});
  check_against_enumeration(curved, theta);
  static_assert(!SingleDraw<OneHot<double>> && SingleDraw<Categorical<double>> && !SingleDraw<Bernoulli<Matrix<double>>>);
  Sampler<double> draw;
  draw.begin({});
  const auto k = draw(OneHot(Vector<double>(numbers({0.5, 2, 1}))));
  CHECK(k.size() == 3);
  for (int j = 0; j < 3; ++j) CHECK(k[j] == (j == k.value() ? 1 : 0));

  // Linear in the vector: the surrogate gradient and the mean field are exact, for any slope rule.
  const auto linear = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    return dot(Vector<S>{S(1), S(-2), S(5)}, draw(OneHot(exp(t))).vector()) * 3;
  };
  const Exact truth = enumerate(linear, theta);
  for (const AnyEstimator& e :
       {AnyEstimator(StraightThrough{}), AnyEstimator(SmoothedDerivative{0.3}), AnyEstimator(MeanField{})}) {
    CAPTURE(e.name());
    const Estimate r = estimate(linear, theta, e, {.samples = 100});
    CHECK((r.gradient - truth.gradient).norm() < 1e-12);
  }
  CHECK(estimate(linear, theta, MeanField{}, {.samples = 2}).value == doctest::Approx(truth.value));
  // As a control variate it leaves nothing to correct.
  CHECK((estimate(linear, theta, DebiasedSurrogate{1}, {.samples = 100}).gradient - truth.gradient).norm() < 1e-9);
  CHECK_THROWS_WITH_AS(estimate([]<class S>(Sampler<S>& d, const Vector<S>& t) -> S { return d(OneHot(t))[0]; }, numbers({1, -1}),
                                ScoreFunction{}, {.samples = 1}),
                       doctest::Contains("OneHot: probabilities[1] = -1 is outside [0, infinity)"), Error);
}

TEST_CASE("a table of outcomes, moving in outcomes and probabilities") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const auto [row, x] = draw(Table(Vector<S>{S(2.5), t[0], S(-1), t[0] * t[1]}, exp(Vector<S>{t[1], S(0), t[2], S(0)})));
    return square(x) + (row.value() == 3 ? t[2] : S(0));
  };
  const Eigen::VectorXd theta = numbers({0.6, -0.4, 0.8});
  const auto expected = [](const auto& t) {
    using S = ScalarOf<decltype(t)>;
    const S a = exp(t[1]), b = exp(t[2]);
    return (a * 6.25 + square(t[0]) + b + square(t[0] * t[1]) + t[2]) / (a + b + 2);
  };
  const auto [value, gradient] = value_and_gradient(expected, theta);
  const Exact x = enumerate(program, theta);
  CHECK(x.value == doctest::Approx(value).epsilon(1e-13));
  CHECK((x.gradient - gradient).norm() < 1e-12);
  check_unbiased(program, theta, value, gradient);
  CHECK_THROWS_AS(Table(Vector<double>{1, 2}, Vector<double>{1}), InvalidArgument);
}

TEST_CASE("multinomial draws have the multinomial law and exact derivatives") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const auto n = draw(Multinomial(4, exp(t)));
    return square(n[0] - 2 * n[2]) + n[1] * n[2] + t[0] * n[1];
  };
  const Eigen::VectorXd theta = numbers({0.2, -0.5, 0.7});
  // By all sequences of four labels.
  const Eigen::VectorXd p = theta.array().exp() / theta.array().exp().sum();
  double value = 0;
  for (int s = 0; s < 81; ++s) {
    double n[3] = {0, 0, 0}, weight = 1;
    for (int i = 0, rest = s; i < 4; ++i, rest /= 3) ++n[rest % 3], weight *= p[rest % 3];
    value += weight * (std::pow(n[0] - 2 * n[2], 2) + n[1] * n[2] + theta[0] * n[1]);
  }
  CHECK(enumerate(program, theta).value == doctest::Approx(value).epsilon(1e-12));
  check_against_enumeration(program, theta);
  for (std::uint64_t run = 0; run < 200; ++run)
    with_draws(run, [](Sampler<double>& draw) {
      const auto n = draw(Multinomial(17, Vector<double>(numbers({1, 0, 5, 2, 0}))));
      CHECK(n.size() == 5);
      CHECK(n.vector().eigen().sum() == 17);
      CHECK((n.value(1) == 0 && n.value(4) == 0 && n.value(3) >= 0));
      return 0;
    });
  CHECK_THROWS_WITH_AS(with_draws(0,
                                  [](auto& draw) {
                                    return draw(Multinomial(-1, Vector<double>(numbers({1, 2})))).value(0);
                                  }),
                       doctest::Contains("Multinomial: n = -1 is outside [0, infinity)"), Error);
  CHECK_THROWS_WITH_AS(with_draws(0,
                                  [](auto& draw) {
                                    return draw(Multinomial(1, Vector<double>(numbers({0, 0})))).value(0);
                                  }),
                       doctest::Contains("Multinomial: sum of probabilities = 0"), Error);
}

TEST_CASE("continuous laws with vector outcomes are drawn in programs") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const Vector<S> p = draw(Dirichlet(exp(t)));
    return square(p[0]) + S(draw(Categorical(p)) == 1) * p[2];
  };
  // E p0^2 = a0 (a0 + 1) / (A (A + 1)), E [k = 1] p2 = E p1 p2 = a1 a2 / (A (A + 1)).
  const Eigen::VectorXd theta = numbers({0.4, 1.0, -0.2});
  const auto truth = [](const auto& t) {
    const auto a = exp(t).eval();
    const auto total = a.sum();
    return (a[0] * (a[0] + 1) + a[1] * a[2]) / (total * (total + 1));
  };
  const double value = truth(theta.array());
  Eigen::VectorXd gradient(3);
  for (int j = 0; j < 3; ++j) {
    const Eigen::ArrayXd h = Eigen::VectorXd::Unit(3, j).array() * 1e-5;
    gradient[j] = (truth(theta.array() + h) - truth(theta.array() - h)) / 2e-5;
  }
  check_unbiased(program, theta, value, gradient);
}

TEST_CASE("a draw by rejection shifts no later noise") {
  const auto later = [](double shape) {
    return with_draws(4, [&](Sampler<double>& draw) {
      const double x = draw(Gamma(shape, 1.0));
      return std::pair(draw(Normal(0, 1)), x);
    });
  };
  for (const double shape : {0.01, 0.3, 1.0, 7.0, 1e4}) CHECK(later(shape).first == later(2.5).first);
  CHECK(later(0.3).second != later(2.5).second);
}

// ---- thresholds ---------------------------------------------------------------------------------------------------------

TEST_CASE("T14: thresholds of continuous draws have their boundary terms") {
  // (theta - 5) 1{N(theta, 1) > 3} at theta = 4.
  const auto gauss = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    return (t[0] - 5) * (1 - draw.split(Normal(t[0], 1), 3).below);
  };
  check_unbiased(gauss, numbers({4}), -0.8413447461, numbers({0.5993740216}));
  // 1{x + N(0, 0.5) > 0} at x = 0: the threshold moves, not the law.
  const auto step = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return 1 - draw.split(Normal(0, 0.5), -t[0]).below; };
  check_unbiased(step, numbers({0}), 0.5, numbers({0.7978845608}));
}

namespace {

/// E of g(x) below c and 2 g(x) above, g(x) = exp(-x^2 / 50) + x / 10: by splits and by quadrature. `law` makes a law from a
/// scalar parameter, c(t) is the threshold; [low, high] holds all but 1e-13 of the law.
template <class MakeLaw>
void check_split(const std::string& name, const MakeLaw& law, double theta, double low, double high) {
  CAPTURE(name);
  const auto g = [](const auto& x) { return exp(-square(x) / 50) + x / 10; };
  const auto program = [&]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const auto [below, x] = draw.split(law(t[0]), 0.6 + t[0] / 10);
    return below ? S(g(x)) : S(2 * g(x));
  };
  const auto expected = [&](double t) {
    const auto density = [&](double x) { return std::exp(static_cast<double>(law(t).log_density(x))); };
    const double c = 0.6 + t / 10;
    return integral([&](double x) { return density(x) * g(x); }, low, c) +
           2 * integral([&](double x) { return density(x) * g(x); }, c, high);
  };
  const double h = 1e-4;
  const double slope =
      (8 * (expected(theta + h) - expected(theta - h)) - (expected(theta + 2 * h) - expected(theta - 2 * h))) / (12 * h);
  check_unbiased(program, numbers({theta}), expected(theta), numbers({slope}), 4000);
}

}  // namespace

TEST_CASE("splits of every law with a cdf are unbiased, with moving laws and moving thresholds") {
  check_split(
      "Normal", [](const auto& t) { return Normal(t, exp(t)); }, 0.3, -15, 15);
  check_split(
      "LogNormal", [](const auto& t) { return LogNormal(t, 0.5); }, 0.1, 1e-9, 60);
  check_split(
      "Uniform", [](const auto& t) { return Uniform(-1, 2 + 0 * t); }, 0.3, -1, 2);
  check_split(
      "Exponential", [](const auto& t) { return Exponential(t); }, 0.9, 0, 60);
  check_split(
      "Laplace", [](const auto& t) { return Laplace(t, exp(t)); }, 0.2, -50, 50);
  check_split(
      "Logistic", [](const auto& t) { return Logistic(t, 0.5 + square(t)); }, 0.4, -40, 40);
  check_split(
      "Gumbel", [](const auto& t) { return Gumbel(t, 0.7); }, 0.2, -3, 40);
  check_split(
      "Weibull", [](const auto& t) { return Weibull(1 + t, 1.5); }, 0.5, 0, 60);
  check_split(
      "Gamma", [](const auto& t) { return Gamma(2 * t, 1 + t); }, 0.7, 0, 80);
  check_split(
      "Beta", [](const auto& t) { return Beta(1 + t, 2.0); }, 0.8, 0, 1);
  check_split(
      "StudentT", [](const auto& t) { return StudentT(9 + t, t, 0.5); }, 0.3, -60, 60);
  check_split(
      "VonMises", [](const auto& t) { return VonMises(0.3, 1 + t); }, 0.6, 0.3 - 3.14159265358979, 0.3 + 3.14159265358979);
}

TEST_CASE("far thresholds keep their derivatives to full relative accuracy") {
  // The coin of the rare side is replayed with weight 1, so the derivative of its probability is exact, sample by sample.
  const auto above = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return 1 - draw.split(Normal(t[0], 1), 9).below; };
  const auto below = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return draw.split(Normal(t[0], 1), -30).below; };
  const auto density = [](double x) { return std::exp(-x * x / 2) / std::sqrt(2 * 3.14159265358979323846); };
  CHECK(estimate(above, numbers({0}), StochasticDerivative{}, {.samples = 3}).gradient[0] / density(9) ==
        doctest::Approx(1).epsilon(1e-12));
  CHECK(estimate(below, numbers({0}), StochasticDerivative{}, {.samples = 3}).gradient[0] / -density(30) ==
        doctest::Approx(1).epsilon(1e-12));
  // What is drawn beyond such a threshold lies beyond it.
  Trace<double> trace([]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return draw.split(Normal(t[0], 1), 30).x; },
                      numbers({0}));
  trace.run({});
  CHECK(trace.cost() < 9);
  CHECK(trace.replay(0, 0) > 30);
  CHECK(trace.replay(0, 0) < 31);
}

TEST_CASE("several cuts: intervals, and draws within them") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const auto [k, x] = draw.split(Normal(t[0], exp(t[1])), Vector<S>{S(-1), t[0], 1 + t[1], S(2.5)});
    const double cost[] = {1, -2, 0.5, 4, 3};
    return cost[k.value()] * (x + 1);
  };
  const Eigen::VectorXd theta = numbers({0.2, 0.1});
  const auto expected = [](const Eigen::VectorXd& t) {
    const double cuts[] = {-20, -1, t[0], 1 + t[1], 2.5, 20}, cost[] = {1, -2, 0.5, 4, 3};
    const Normal<double> law(t[0], std::exp(t[1]));
    double sum = 0;
    for (int k = 0; k < 5; ++k)
      sum += cost[k] * integral([&](double x) { return std::exp(law.log_density(x)) * (x + 1); }, cuts[k], cuts[k + 1]);
    return sum;
  };
  Eigen::VectorXd gradient(2);
  for (int j = 0; j < 2; ++j) {
    const Eigen::VectorXd h = Eigen::VectorXd::Unit(2, j) * 1e-4;
    gradient[j] = (expected(theta + h) - expected(theta - h)) / 2e-4;
  }
  check_unbiased(program, theta, expected(theta), gradient);

  const std::vector<double> cuts = {-1, 0.25, 0.25, 9, 40};
  std::vector<double> xs;
  for (std::uint64_t run = 0; run < 5000; ++run) {
    const auto [k, x] = with_draws(run, [&](Sampler<double>& draw) { return draw.split(Normal(0.3, 1.2), Vector<double>(cuts)); });
    CHECK(k.value() == std::lower_bound(cuts.begin(), cuts.end(), x) - cuts.begin());
    xs.push_back(x);
  }
  // Kolmogorov-Smirnov: false alarms 1e-6.
  std::sort(xs.begin(), xs.end());
  double distance = 0;
  for (std::size_t i = 0; i < xs.size(); ++i)
    distance =
        std::max(distance, std::abs(Normal(0.3, 1.2).cdf(xs[i]) - (static_cast<double>(i) + 0.5) / static_cast<double>(xs.size())));
  CHECK(distance * std::sqrt(static_cast<double>(xs.size())) < 2.7);

  CHECK_THROWS_WITH_AS(with_draws(0,
                                  [](auto& d) {
                                    return d.split(Normal(0, 1), Vector<double>{1, 0}).x;
                                  }),
                       doctest::Contains("Normal: split at cuts that do not increase, cuts[1] < cuts[0] (site 0"), Error);
  CHECK_THROWS_WITH_AS(with_draws(0, [](auto& d) { return d.split(Normal(0, 1), std::nan("")).x; }),
                       doctest::Contains("Normal: split at NaN (site 0"), Error);
  CHECK_THROWS_WITH_AS(with_draws(0, [](auto& d) { return d.split(Normal(0, -1), 2).x; }),
                       doctest::Contains("Normal: sd = -1 is outside"), Error);
}

// ---- random clocks ------------------------------------------------------------------------------------------------------

TEST_CASE("two clocks: which one is first") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const auto [first, a, b] = draw.race(Exponential(t[0]), Exponential(t[1]));
    return first ? S(3 * a) : S(b + 1);
  };
  // The minimum is exponential with rate r = a + b and independent of who is first.
  const double a = 0.8, b = 1.7, r = a + b;
  const double value = 3 * a / (r * r) + b / (r * r) + b / r;
  check_unbiased(program, numbers({a, b}), value,
                 numbers({3 / (r * r) - 2 * (3 * a + b) / (r * r * r) - b / (r * r),
                          1 / (r * r) - 2 * (3 * a + b) / (r * r * r) + a / (r * r)}));
}

TEST_CASE("T14: events of a Poisson process counted by exponential gaps") {
  const auto events = [](auto&& f) {
    return [f]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
      S time = 0;
      double n = 0;
      for (;;) {
        const auto next = draw.next_event(t[0], t[1] - time);
        if (!next.happened) return S(f(n));
        time += next.wait;
        ++n;
      }
    };
  };
  const double rate = 1.5, horizon = 4, mean = rate * horizon;
  check_unbiased(events([](double n) { return n; }), numbers({rate, horizon}), mean, numbers({horizon, rate}));
  check_unbiased(events([](double n) { return n * n; }), numbers({rate, horizon}), mean * mean + mean,
                 numbers({horizon * (2 * mean + 1), rate * (2 * mean + 1)}));
  // The same through a split of the gap.
  const auto by_split = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S time = 0;
    for (double n = 0;; ++n) {
      const auto [before, gap] = draw.split(Exponential(t[0]), 4 - time);
      if (!before) return S(n);
      time += gap;
    }
  };
  check_unbiased(by_split, numbers({rate}), mean, numbers({horizon}));
  // A rate of 0 that is about to grow: the event that cannot happen yet is replayed.
  for (const double start : {0.0, 1e-30}) {
    const Estimate e = estimate(events([](double n) { return n; }), numbers({start, 4}), StochasticDerivative{}, {.samples = 10});
    CHECK(e.gradient[0] == doctest::Approx(4));
  }
  CHECK(with_draws(0, [](auto& d) { return d.next_event(2.0, -1).happened.value(); }) == 0);
  CHECK(with_draws(0, [](auto& d) { return d.next_event(2.0, std::numeric_limits<double>::infinity()).happened.value(); }) == 1);
  CHECK(with_draws(0, [](auto& d) { return d.next_event(0.0, std::numeric_limits<double>::infinity()).happened.value(); }) == 0);
  CHECK_THROWS_WITH_AS(with_draws(0, [](auto& d) { return d.next_event(-2.0, 1).wait; }),
                       doctest::Contains("next_event: rate = -2 is outside [0, infinity) (site 0"), Error);
}

TEST_CASE("competing clocks: birth and death until a horizon, by Gillespie's direct method") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    double n = 5;
    S time = 0;
    for (;;) {
      const auto next = draw.next_event(Vector<S>{n * t[0], n * t[1]}, 2 - time);
      if (!next.happened) return S(n);
      time += next.wait;
      n += next.which == 0 ? 1 : -1;
    }
  };
  const double birth = 0.5, death = 0.7, mean = 5 * std::exp((birth - death) * 2);
  check_unbiased(program, numbers({birth, death}), mean, numbers({2 * mean, -2 * mean}));
  CHECK_THROWS_WITH_AS(with_draws(0,
                                  [](auto& d) {
                                    return d.next_event(Vector<double>{1, -2}, 1).wait;
                                  }),
                       doctest::Contains("next_event: rates[1] = -2 is outside [0, infinity) (site 0"), Error);
  // Nothing left to happen: no event, whatever the horizon.
  CHECK(with_draws(0, [](auto& d) { return d.next_event(Vector<double>{0, 0}, 1e9).which; }) == -1);
}

TEST_CASE("the waiting times of competing clocks follow their law") {
  std::vector<double> waits;
  int first = 0, none = 0;
  for (std::uint64_t run = 0; run < 20'000; ++run) {
    const auto next = with_draws(run, [](auto& d) { return d.next_event(Vector<double>{0.6, 0.9}, 1.2); });
    if (!next.happened) {
      ++none;
      continue;
    }
    waits.push_back(next.wait);
    first += next.which == 0;
  }
  // Binomial counts and a Kolmogorov-Smirnov distance: false alarms 1e-6 each.
  const double p = std::exp(-1.5 * 1.2), happened = static_cast<double>(waits.size());
  CHECK(std::abs(none - 20'000 * p) < bound * std::sqrt(20'000 * p * (1 - p)));
  CHECK(std::abs(first - 0.4 * happened) < bound * std::sqrt(0.24 * happened));
  std::sort(waits.begin(), waits.end());
  double distance = 0;
  for (std::size_t i = 0; i < waits.size(); ++i)
    distance = std::max(distance, std::abs(std::expm1(-1.5 * waits[i]) / (p - 1) - (static_cast<double>(i) + 0.5) / happened));
  CHECK(distance * std::sqrt(happened) < 2.7);
}

// ---- the cases of other systems -----------------------------------------------------------------------------------------

TEST_CASE("T5: labels with moving, vanishing and unnormalised weights") {
  const auto weights = []<class S>(int form, const S& p) {
    if (form == 0) return Vector<S>{S(p * p), S(1 - p * p)};
    if (form == 1) return Vector<S>{S(0), S(p * p), S(0), S(0), S(1 - p * p)};
    return Vector<S>{S(1), S(exp(p))};
  };
  for (int form = 0; form < 3; ++form)
    for (const double p : {0.2, 0.5, 0.8})
      for (int cost = 0; cost < 3; ++cost) {
        CAPTURE(form);
        CAPTURE(p);
        const auto f = [cost](double x) { return cost == 0 ? 7 * x - 3 : cost == 1 ? (x + 1) * (x + 1) : std::sqrt(x + 1); };
        const auto program = [&]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
          return S(f(static_cast<double>(draw(Categorical(weights(form, S(t[0])))).value())));
        };
        // P of the last label, its derivative, and the two labels that are possible.
        const double last = form < 2 ? 1 - p * p : std::exp(p) / (1 + std::exp(p)), slope = form < 2 ? -2 * p : last * (1 - last);
        const double low = form == 1 ? 1 : 0, high = form == 1 ? 4 : 1;
        const Exact x = enumerate(program, numbers({p}));
        CHECK(x.value == doctest::Approx(f(low) + last * (f(high) - f(low))).epsilon(1e-13));
        CHECK(x.gradient[0] == doctest::Approx(slope * (f(high) - f(low))).epsilon(1e-12));
        for (const Flow flow : {Flow::least_variance, Flow::inversion, Flow::independent, Flow::antisymmetric}) {
          const Estimate e = estimate(program, numbers({p}), StochasticDerivative{.replays = 0, .flow = flow}, {.samples = 4000});
          CHECK(std::abs(e.gradient[0] - x.gradient[0]) < bound * e.gradient_error[0] + 1e-12);
        }
      }
}

TEST_CASE("T7: a number of trials that is itself about to change") {
  for (const int change : {-2, -1, 0, 1, 2}) {
    CAPTURE(change);
    const auto program = [change]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
      const auto n = 5 + change * draw(Bernoulli(3.5 * t[0])).value();
      return S(draw(Binomial(n, 0.5 + t[0])));
    };
    const Exact x = enumerate(program, numbers({0}));
    CHECK(x.gradient[0] == doctest::Approx(3.5 * 0.5 * change + 5).epsilon(1e-12));
    const Estimate e = estimate(program, numbers({0}), StochasticDerivative{2}, {.samples = 20'000});
    CHECK(std::abs(e.gradient[0] - x.gradient[0]) < bound * e.gradient_error[0] + 1e-9);
  }
}

TEST_CASE("T12: the divergence of a Poisson law from a negative binomial one") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const auto k = draw(Poisson(t[0])).value();
    return S(static_cast<double>(k) * log(t[0]) - t[0] - std::lgamma(static_cast<double>(k) + 1)) -
           log_pmf(NegativeBinomial(10, 0.25), k);
  };
  check_unbiased(program, numbers({10}), 2.97227531, numbers({-0.392921554}));
  check_unbiased(program, numbers({30}), 0.31384743 + 0.00538, numbers({0.009484256}), 1000);
}

TEST_CASE("T13: a Poisson autoregression") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S rate = t[0];
    for (int i = 0; i < 10; ++i) {
      const S z = draw(Poisson(rate));
      rate = 0.25 + 0.9 * z + 0.51 * rate;
    }
    return rate;
  };
  const double growth = std::pow(1.41, 10);
  check_unbiased(program, numbers({5.42}), growth * 5.42 + 0.25 * (growth - 1) / 0.41, numbers({31.0592616}));
}
