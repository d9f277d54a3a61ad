// Blocks of draws against single draws.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

Eigen::MatrixXd matrix(Eigen::Index rows, Eigen::Index cols) {
  return Eigen::MatrixXd::NullaryExpr(
      rows, cols, [](Eigen::Index i, Eigen::Index j) { return 0.5 + 0.45 * std::sin(static_cast<double>(3 * i + 7 * j) + 1); });
}

/// The layer by blocks and by single draws.
struct Layers {
  bool block;
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& t) const {
    const Matrix<S> weights = t.matrix(0, 3, 2), logits = t.matrix(6, 2, 2);
    const S first = draw(Bernoulli(logistic(t[0])));
    const Matrix<S> hidden = coins(draw, Matrix<S>(logistic(logits * first + t[1])));
    const Matrix<S> out = counts(draw, Matrix<S>(exp(weights * hidden)).transpose());
    return sum(square(out)) + sum(out.col(0)) * hidden(0, 1);
  }
  template <class S>
  Matrix<S> coins(Sampler<S>& draw, const Matrix<S>& p) const {
    if (block) return draw(Bernoulli(p));
    return Matrix<S>::generate(p.rows(), p.cols(), [&](Eigen::Index i, Eigen::Index j) { return S(draw(Bernoulli(p(i, j)))); });
  }
  template <class S>
  Matrix<S> counts(Sampler<S>& draw, const Matrix<S>& rate) const {
    if (block) return draw(Poisson(rate));
    return Matrix<S>::generate(rate.rows(), rate.cols(),
                               [&](Eigen::Index i, Eigen::Index j) { return S(draw(Poisson(rate(i, j)))); });
  }
};

Eigen::VectorXd layer_theta() { return matrix(10, 1).array() - 0.6; }

}  // namespace

TEST_CASE("uniform numbers in bulk are those of single sites, wherever they begin and end") {
  for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{17}, (std::uint64_t{1} << 33) - 21})
    for (const std::size_t n : std::initializer_list<std::size_t>{0, 1, 2, 3, 15, 16, 17, 33, 100}) {
      const RunKey key{0x123456789abcdef0, 77 + (std::uint64_t{1} << 30), Purpose::pilot};
      std::vector<double> u(n);
      uniforms(key, first, u);
      for (std::size_t i = 0; i < n; ++i) {
        const Words w = philox(key, (first + i) / 2, 0);
        CHECK(u[i] == ((first + i) % 2 ? uniform53(w[2], w[3]) : uniform53(w[0], w[1])));
      }
    }
}

TEST_CASE("a block draws what single draws would") {
  const Eigen::MatrixXd p = matrix(37, 23);
  const auto both = [&](const auto& by_block, const auto& singly) {
    Sampler<double> a, b;
    a.begin({.key = {.seed = 8}});
    b.begin({.key = {.seed = 8}});
    CHECK(a(Bernoulli(0.3)).value() == b(Bernoulli(0.3)).value());  // the block starts at an odd site
    const auto x = by_block(a);
    for (Eigen::Index j = 0; j < x.cols(); ++j)
      for (Eigen::Index i = 0; i < x.rows(); ++i) CHECK(x.value(i, j) == singly(b, i, j));
    CHECK(a.sites() == b.sites());
    CHECK(a.outcomes() == b.outcomes());
    CHECK(a(Normal(0, 1)) == b(Normal(0, 1)));
    CHECK(a(Geometric(0.2)).value() == b(Geometric(0.2)).value());
  };
  const Matrix<double> m(p);
  both([&](auto& d) { return d(Bernoulli(m)); }, [&](auto& d, auto i, auto j) { return d(Bernoulli(p(i, j))).value(); });
  both([&](auto& d) { return d(Bernoulli(m.transpose())); },
       [&](auto& d, auto i, auto j) { return d(Bernoulli(p(j, i))).value(); });
  both([&](auto& d) { return d(Poisson(9 * m)); }, [&](auto& d, auto i, auto j) { return d(Poisson(9 * p(i, j))).value(); });
  both([&](auto& d) { return d(Geometric(m.block(3, 2, 9, 11))); },
       [&](auto& d, auto i, auto j) { return d(Geometric(p(i + 3, j + 2))).value(); });
  both([&](auto& d) { return d(BernoulliLogit(4 * m)); },
       [&](auto& d, auto i, auto j) { return d(BernoulliLogit(4 * p(i, j))).value(); });
  both([&](auto& d) { return d(Bernoulli(m.col(4))); }, [&](auto& d, auto i, auto) { return d(Bernoulli(p(i, 4))).value(); });
}

TEST_CASE("programs with blocks have the estimates of programs with single draws, bit for bit") {
  for (const AnyEstimator& e :
       {AnyEstimator(ScoreFunction{}), AnyEstimator(StochasticDerivative{2}), AnyEstimator(DebiasedSurrogate{2}),
        AnyEstimator(StraightThrough{}), AnyEstimator(SmoothedDerivative{1}), AnyEstimator(FiniteDifference{})}) {
    CAPTURE(e.name());
    const Estimate a = estimate(Layers{true}, layer_theta(), e, {.samples = 300, .seed = 4});
    const Estimate b = estimate(Layers{false}, layer_theta(), e, {.samples = 300, .seed = 4});
    CHECK(a.value == b.value);
    CHECK((a.gradient - b.gradient).cwiseAbs().maxCoeff() <= 1e-13 * b.gradient.cwiseAbs().maxCoeff());
    CHECK(b.gradient.norm() > 0.1);
  }
}

TEST_CASE("a block is enumerated, replayed entry by entry, and has a mean") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const Vector<S> x = draw(Bernoulli(logistic(t)));
    return square(sum(x) + 2 * x[0] * x[2]) + dot(x, t);
  };
  const Eigen::VectorXd theta = layer_theta().head(4);
  const Exact truth = enumerate(program, theta);
  const Estimate e = estimate(program, theta, StochasticDerivative{0}, {.samples = 20'000});
  // Five standard errors: a false alarm in 1.7 million.
  CHECK(((e.gradient - truth.gradient).array() / e.gradient_error.array()).abs().maxCoeff() < 5);

  Trace<double> trace(program, theta);
  trace.run({.seed = 2});
  trace.record();
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(trace.replay(i, trace.site(i).outcome) == trace.cost());
    CHECK(trace.replay(i, 1 - trace.site(i).outcome) != trace.cost());
  }
  const auto linear = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return dot(draw(Poisson(exp(t))).scalars(), t); };
  const Estimate mean = estimate(linear, theta, MeanField{}, {.samples = 2});
  CHECK(mean.value == doctest::Approx((theta.array().exp() * theta.array()).sum()));
}

TEST_CASE("labels by column: those of single draws, with their estimates") {
  const auto program = [](bool block) {
    return [block]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
      const Matrix<S> w = exp(t.matrix(0, 3, 2)) * (1 + S(draw(Bernoulli(logistic(t[0])))));
      const Vector<S> tilt{S(1), t[1]};
      if (block) {
        const auto k = draw(Categorical(w));
        return square(dot(k.scalars(), tilt)) + static_cast<double>(k.value(1));
      }
      const auto a = draw(Categorical(w.col(0))), b = draw(Categorical(w.col(1)));
      return square(a + b * t[1]) + static_cast<double>(b.value());
    };
  };
  const Eigen::VectorXd theta = layer_theta().head(6);
  const Exact truth = enumerate(program(true), theta);
  CHECK((truth.gradient - enumerate(program(false), theta).gradient).norm() < 1e-12);
  CHECK(truth.gradient.norm() > 0.1);
  for (const AnyEstimator& e :
       {AnyEstimator(ScoreFunction{}), AnyEstimator(StochasticDerivative{2}), AnyEstimator(DebiasedSurrogate{2}),
        AnyEstimator(StraightThrough{}), AnyEstimator(SmoothedDerivative{1})}) {
    CAPTURE(e.name());
    const Estimate a = estimate(program(true), theta, e, {.samples = 300, .seed = 4});
    const Estimate b = estimate(program(false), theta, e, {.samples = 300, .seed = 4});
    CHECK(a.value == doctest::Approx(b.value).epsilon(1e-13));
    CHECK((a.gradient - b.gradient).cwiseAbs().maxCoeff() <= 1e-12 * b.gradient.cwiseAbs().maxCoeff());
  }
  const auto linear = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    return dot(draw(Categorical(exp(t.matrix(0, 3, 2)))).scalars(), t.head(2));
  };
  const Exact mean = enumerate(linear, theta);
  const Estimate field = estimate(linear, theta, MeanField{}, {.samples = 2});
  CHECK(field.value == doctest::Approx(mean.value));
  CHECK((field.gradient - mean.gradient).norm() < 1e-12);
}

TEST_CASE("a block names the entry that is wrong, and steers control flow by integers") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const auto x = draw(Bernoulli(t));
    return x.value(1) == 1 ? S(x.scalars()[0]) : t[0];
  };
  const Estimate e = estimate(program, Eigen::Vector3d(0.5, 0.4, 0.3), ScoreFunction{}, {.samples = 10});
  CHECK(e.value >= 0);
  CHECK_THROWS_WITH_AS(estimate(program, Eigen::Vector3d(0.5, 0.4, 1.3), ScoreFunction{}, {.samples = 1}),
                       doctest::Contains("Bernoulli: p = 1.3 is outside [0, 1] (site 2, run 0"), Error);
  CHECK_THROWS_WITH_AS(estimate(program, Eigen::Vector3d(0.5, 0.4, 0.3), MeanField{}, {.samples = 1}),
                       doctest::Contains("MeanField: the program reads the Bernoulli draw of site 1"), Error);
}

TEST_CASE("a block of draws is one operation on the tape, whatever its size") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const Matrix<S> p(logistic(t.matrix(0, 20, 5)));
    const Matrix<S> x = draw(Bernoulli(p));
    const Matrix<S> y = draw(Geometric(p));
    return sum(square(x + 2.0 * y));
  };
  Trace<double> trace(program, Eigen::VectorXd::LinSpaced(100, -1, 1));
  trace.run({1, 0});
  trace.record(Outcomes::constants);
  const auto index = trace.tape().size();
  trace.record(Outcomes::variables);
  CHECK(trace.sites() == 200);
  CHECK(trace.tape().arguments() == 0);       // no statements but operations
  CHECK(trace.tape().size() - index >= 200);  // the outcomes are variables
  CHECK(trace.site(0).edges == trace.site(99).edges);
  CHECK(trace.site(100).edges == trace.site(199).edges);
  CHECK(trace.site(0).edges != trace.site(100).edges);
  // The slopes of the two-sided smoothed derivative by hand: 2 (x + 2 y) (slope + 2 slope') p (1 - p).
  trace.open(SmoothedEdge{});
  trace.begin_sweep();
  trace.seed_cost(1);
  Eigen::VectorXd gradient = Eigen::VectorXd::Zero(100);
  trace.sweep(gradient);
  for (Eigen::Index i = 0; i < 100; ++i) {
    const double p = 1 / (1 + std::exp(1 - 2 * static_cast<double>(i) / 99));
    const auto x = trace.site(static_cast<std::size_t>(i)).outcome, y = trace.site(static_cast<std::size_t>(100 + i)).outcome;
    const double slope = 0.5 / (x ? p : 1 - p);
    const double slopes = -0.5 * (static_cast<double>(y) / (p * (1 - p)) + static_cast<double>(y + 1) / p);
    const double expected = 2 * static_cast<double>(x + 2 * y) * (slope + 2 * slopes) * p * (1 - p);
    CHECK(gradient[i] == doctest::Approx(expected).epsilon(1e-12));
    CHECK(trace.edge_adjoint(static_cast<std::size_t>(i), 0) ==
          doctest::Approx(2 * static_cast<double>(x + 2 * y) * slope).epsilon(1e-12));
  }
  // Cut again, nothing passes.
  trace.cut();
  trace.begin_sweep();
  trace.seed_cost(1);
  gradient.setZero();
  trace.sweep(gradient);
  CHECK(gradient.isZero());
}

TEST_CASE("a label of many has edges to all its probabilities") {
  // The cost is linear in the label, so that the smoothed derivative is unbiased.
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const Vector<double> slopes(Eigen::VectorXd::LinSpaced(400, -1, 1));
    return 0.01 * draw(Categorical(Vector<S>(exp(slopes * t[0]))));
  };
  const Eigen::VectorXd theta = Eigen::VectorXd::Constant(1, 0.4);
  const Exact x = enumerate(program, theta);
  const Estimate e = estimate(program, theta, SmoothedDerivative{}, {.samples = 4000, .seed = 8});
  CHECK(std::abs(e.gradient[0] - x.gradient[0]) < 5 * e.gradient_error[0]);  // false alarm once in 1.7 million
  CHECK(std::abs(x.gradient[0]) > 20 * e.gradient_error[0]);
}

namespace {

/// Labels that are indices and numbers, from weights that theta moves; drawn one by one or repeated, by inversion or proposals.
struct Labels {
  bool repeated;
  double bound;
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& t) const {
    const S coin = draw(Bernoulli(logistic(t[0])));
    S cost = 0, tilt = t[1];
    for (int round = 0; round < 2; ++round) {
      const Vector<S> w{S(0), logistic(t[0]), logistic(tilt), S(0), S(0.3 + 0.2 * coin), logistic(t[2]), S(0)};
      const auto law = bound > 0 ? Categorical<S>::weights(w, bound) : Categorical(w);
      std::vector<Discrete<S>> drawn;
      if (repeated) drawn = draw(law.repeated(4));
      else
        for (int i = 0; i < 4; ++i) drawn.push_back(draw(law));
      S sum = 0;
      int i = 0;
      for (const Discrete<S>& k : drawn) sum += ++i % 2 ? S(w[k.value()] * i) : S(0.1 * k);
      tilt = t[2] - 0.3 * sum;
      cost += square(sum);
    }
    return cost;
  }
};
/// The same without arithmetic in labels.
const auto indices = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
  S cost = 1, first = exp(t[0]);
  for (int round = 0; round < 2; ++round) {
    const Vector<S> w{first, exp(t[1]), exp(t[2])};
    S sum = 0;
    for (const Discrete<S>& k : draw(Categorical(w).repeated(3))) sum += w[k.value()] * (1 + sum);
    first = 0.1 * sum;
    cost *= sum;
  }
  return S(log(cost));
};

}  // namespace

TEST_CASE("labels of one law: those of single draws, with their estimates") {
  const Eigen::Vector3d theta(0.3, -0.4, 0.6);
  for (const double bound : {0.0, 1.0}) {
    CAPTURE(bound);
    const Program<double> repeated(Labels{true, bound}), single(Labels{false, bound});
    for (const AnyEstimator& e :
         {AnyEstimator(ScoreFunction{Baseline::none}), AnyEstimator(StochasticDerivative{0}), AnyEstimator(DebiasedSurrogate{2}),
          AnyEstimator(StraightThrough{}), AnyEstimator(SmoothedDerivative{0.3}), AnyEstimator(MeasureValuedDerivative{})}) {
      CAPTURE(e.name());
      const Estimate a = estimate(repeated, theta, e, {.samples = 30, .seed = 4, .threads = 1});
      const Estimate b = estimate(single, theta, e, {.samples = 30, .seed = 4, .threads = 1});
      CHECK(a.value == b.value);
      CHECK((a.gradient - b.gradient).cwiseAbs().maxCoeff() <= 1e-12 * b.gradient.cwiseAbs().maxCoeff());
      CHECK(a.diagnostics == b.diagnostics);
    }
  }
  const auto linear = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const auto k = draw(Categorical(Vector<S>(exp(t))).repeated(2));
    return S(k[0] * t[0] + k[1] * t[1]);
  };
  const Exact mean = enumerate(linear, theta);
  CHECK((estimate(linear, theta, MeanField{}, {.samples = 2}).gradient - mean.gradient).norm() < 1e-12);
  CHECK_NOTHROW(estimate(linear, theta, GumbelSoftmax{0.5}, {.samples = 2}));
}

TEST_CASE("replays of labels of one law, some of them standing for all") {
  const Eigen::Vector3d theta(0.3, -0.4, 0.6);
  const Exact truth = enumerate(indices, theta);
  for (const AnyEstimator& e :
       {AnyEstimator(StochasticDerivative{1}), AnyEstimator(StochasticDerivative{2, SiteChoice::uniform}),
        AnyEstimator(StochasticDerivative{100}), AnyEstimator(DebiasedSurrogate{2}), AnyEstimator(ScoreFunction{}),
        AnyEstimator(StochasticDerivative{1, SiteChoice::importance, Flow::antisymmetric})}) {
    CAPTURE(e.name());
    const Estimate a = estimate(indices, theta, e, {.samples = 10'000, .seed = 9});
    // Five standard errors: a false alarm in 500 000 for each estimator.
    CHECK(((a.gradient - truth.gradient).array() / a.gradient_error.array()).abs().maxCoeff() < 5);
    CHECK(a.gradient_error.norm() < 0.1 * truth.gradient.norm());
  }
}

TEST_CASE("labels that cannot be drawn") {
  const auto program = [](const Vector<double>& w, int n, double bound = 0) {
    return [w, n, bound]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
      const Vector<S> weights = w;
      const auto law = bound > 0 ? Categorical<S>::weights(weights, bound) : Categorical<S>(weights);
      S sum = 0;
      for (const Discrete<S>& k : draw(law.repeated(n))) sum += k.value() == 1 || k.value() == 3 ? S(0) : S(1);
      return S(sum + 0 * t[0]);
    };
  };
  const auto value = [&](const Program<double>& p) {
    return estimate(p, Eigen::VectorXd::Ones(1), ScoreFunction{}, {.samples = 20}).value;
  };
  CHECK(value(program({0.0, 1.0, 0.0, 2.0, 0.0}, 1000)) == 0);
  CHECK(value(program({1.0, 1.0}, 0)) == 0);
  CHECK(value(program({-1.0, 1.0}, 0)) == 0);  // nothing is drawn
  CHECK_THROWS_WITH_AS(value(program({1.0, 1.0}, -1)), "Categorical: repeated = -1 is outside [0, infinity)", InvalidArgument);
  CHECK_THROWS_WITH_AS(value(program({1.0, -1.0}, 2)), doctest::Contains("Categorical: probabilities[1] = -1 is outside"), Error);
  CHECK_THROWS_WITH_AS(value(program({0.0, 0.0}, 2)), doctest::Contains("Categorical: sum of probabilities = 0"), Error);
  CHECK_THROWS_WITH_AS(value(program({3.0, 3.0}, 2, 1)), doctest::Contains("Categorical: probabilities[0] = 3 is outside"), Error);
}
