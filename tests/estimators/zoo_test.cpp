#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

/// Three independent coins (estimators.md section 6).
const auto coins = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
  const S x0 = draw(Bernoulli(logistic(t[0])));
  const S x1 = draw(Bernoulli(logistic(t[1])));
  const S x2 = draw(Bernoulli(logistic(t[2])));
  return sin(1.3 * x0 + 0.7 * x1 - x2) + x0 * square(x1) + 1.5 * square(x2) * x0 + 0.3;
};
const Eigen::VectorXd coins_theta = Eigen::Vector3d(0.4, -0.9, 1.3);

/// One of four labels (same place).
const auto cat4 = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
  constexpr std::array<double, 4> cost = {1, -0.7, 2.2, 0.4};
  return S(cost[static_cast<std::size_t>(draw(CategoricalLogit(t)).value())]);
};
const Eigen::VectorXd cat4_theta = Eigen::Vector4d(0.3, -0.5, 0.9, 0.1);

/// Draws that depend on draws, by value and by control flow, of several laws; the cost depends on theta directly as well.
const auto branching = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
  S cost = 0.5 * t[2];
  int bag = 1;
  for (int round = 0; round < 4 && !draw(Bernoulli(logistic(t[0]))); ++round) {
    const auto n = draw(Binomial(3, logistic(t[1] - 0.4 * round)));
    const S a = draw(Bernoulli(logistic(t[2] + n - 1)));
    if (n == 2) {
      const auto label = draw(CategoricalLogit(Vector<S>{t[0], a * t[1], S(0.3)}));
      bag *= 1 + static_cast<int>(label.value());
    }
    cost += square(1 + n - 2 * a) * t[2];
  }
  return cost + 0.4 * bag * bag;
};
const Eigen::VectorXd branching_theta = Eigen::Vector3d(-0.3, 0.4, 0.7);

/// Two layers of coins without control flow: a mean field exists.
const auto layers = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
  const S a = draw(Bernoulli(logistic(t[0])));
  const S b = draw(Bernoulli(logistic(t[1] + 3 * a - 1)));
  const S c = draw(Bernoulli(logistic(t[2] - 2 * a * b + b)));
  return square(1 + a + 2 * b - 3 * a * c) * t[0] + exp(b + c - a);
};
const Eigen::VectorXd layers_theta = Eigen::Vector3d(-1.2, 0.4, 0.7);

/// More parameters than one sweep has exact tangents for: sites are then chosen by random directions.
const auto network = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
  const S g = draw(Bernoulli(logistic(5 * t[0])));
  const S h = draw(Bernoulli(logistic(5 * t[1] * g)));
  const auto k = draw(CategoricalLogit(Vector<S>{t[2] * g, t[3] + h, S(0)}));
  return draw(Bernoulli(logistic(5 * t[4] * h + k - g))) + 0.5 * k * t[5];
};
const Eigen::VectorXd network_theta = (Eigen::VectorXd(6) << 0.3, 0.4, -0.2, 0.5, -0.6, 0.7).finished();

/// Laws with infinitely many outcomes.
const auto counts = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
  const S n = draw(Poisson(exp(t[0])));
  const S m = draw(Geometric(logistic(t[1] + 0.2 * n)));
  const S k = draw(NegativeBinomial(2.5, logistic(t[2] + 0.1 * m)));
  return sin(n + m) + exp(-0.3 * k) * t[0] + 0.3 * k;
};
const Eigen::VectorXd counts_theta = Eigen::Vector3d(0.3, 0.6, 0.9);

double largest_z(const Estimate& e, const Eigen::VectorXd& truth) {
  return ((e.gradient - truth).array() / e.gradient_error.array().max(1e-12)).abs().maxCoeff();
}
double largest_z(const Estimate& e, const Exact& truth) { return largest_z(e, truth.gradient); }
double relative_variance(const Estimate& e, const Exact& truth) { return e.total_variance / truth.gradient.squaredNorm(); }

// With 5 standard errors one coordinate raises a false alarm once in 1.7 million; fewer than 210 are checked in this file: once in
// 8000 choices of the seeds.
constexpr double bound = 5;

}  // namespace

TEST_CASE("variances of the reference problems") {
  struct Row {
    AnyEstimator estimator;
    double variance;  // total variance / |gradient|^2 of one draw: estimators.md section 6, found there with 1e6 draws and more
  };
  const auto check = [](const Program<double>& program, const Eigen::VectorXd& theta, const std::vector<Row>& rows) {
    const Exact truth = enumerate(program, theta);
    for (const Row& row : rows) {
      const Estimate e = estimate(program, theta, row.estimator, {.samples = 100'000, .seed = 11});
      CAPTURE(e.estimator);
      CHECK(std::abs(relative_variance(e, truth) / row.variance - 1) < 0.1);
      if (e.unbiased) CHECK(largest_z(e, truth) < bound);
    }
  };
  check(coins, coins_theta,
        {{ScoreFunction{Baseline::none}, 4.12},
         {LeaveOneOut{2}, 2.89},
         {LeaveOneOut{4}, 0.798},
         {StochasticDerivative{0}, 0.186},
         {StraightThrough{}, 0.30},
         {MuProp{}, 0.51},
         {MeasureValuedDerivative{}, 0.186},
         {UnorderedSet{}, 0.186},  // for coins all three replay every site
         {SumAndSample{}, 0.186},
         {Spsa{}, 76},
         {EvolutionStrategy{}, 80},
         {ReinMax{}, 0.42}});
  // The table has 0.377 for weak derivatives in the logits themselves. In the probabilities, which is what a site knows, the
  // gradient is the projection of that one on sum = 0: 0.20759 by summation over both labels.
  check(cat4, cat4_theta,
        {{ScoreFunction{Baseline::none}, 3.54},
         {LeaveOneOut{2}, 2.72},
         {UnorderedSet{}, 1.55},
         {SumAndSample{}, 0.389},
         {MeasureValuedDerivative{}, 0.20759}});
}

TEST_CASE("replays of chosen or of all sites are unbiased where draws depend on draws") {
  const Exact branching_truth = enumerate(branching, branching_theta);
  const Exact network_truth = enumerate(network, network_theta);
  const Exact counts_truth = enumerate(counts, counts_theta, {.tail = 1e-8});
  for (const AnyEstimator& e : {AnyEstimator(MeasureValuedDerivative{}), AnyEstimator(MeasureValuedDerivative{2}),
                                AnyEstimator(UnorderedSet{}), AnyEstimator(UnorderedSet{1}), AnyEstimator(SumAndSample{}),
                                AnyEstimator(SumAndSample{2}), AnyEstimator(SumAndSample{1, 2})}) {
    CAPTURE(e.name());
    CHECK(e.unbiased());
    const Estimate b = estimate(branching, branching_theta, e, {.samples = 20'000, .seed = 12});
    CHECK(largest_z(b, branching_truth) < bound);
    CHECK(std::abs(b.value - branching_truth.value) < bound * b.value_error);
    CHECK(largest_z(estimate(network, network_theta, e, {.samples = 20'000, .seed = 25}), network_truth) < bound);
    CHECK(largest_z(estimate(counts, counts_theta, e, {.samples = 20'000, .seed = 13}), counts_truth) < bound);
  }
}

TEST_CASE("blocks and one-hot draws are sites like others") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const Vector<S> x = draw(Bernoulli(logistic(t)));
    const Vector<S> e = draw(OneHot(softmax(Vector<S>(t * sum(x)))));
    const Vector<S> n = draw(Binomial(2, logistic(t[0]))) * e;
    return exp(0.5 * dot(x, n)) + square(e[0] - x[1]) * t[2];
  };
  const Eigen::VectorXd theta = Eigen::Vector3d(0.4, -0.9, 0.8);
  const Exact truth = enumerate(program, theta);
  for (const AnyEstimator& e : {AnyEstimator(MeasureValuedDerivative{1}), AnyEstimator(UnorderedSet{}),
                                AnyEstimator(UnorderedSet{2}), AnyEstimator(SumAndSample{}), AnyEstimator(MuProp{})}) {
    CAPTURE(e.name());
    CHECK(largest_z(estimate(program, theta, e, {.samples = 20'000, .seed = 14}), truth) < bound);
  }
}

TEST_CASE("with every outcome in the sum no variance is left") {
  for (const AnyEstimator& e : {AnyEstimator(SumAndSample{4}), AnyEstimator(SumAndSample{3}), AnyEstimator(SumAndSample{9})}) {
    const Estimate x = estimate(cat4, cat4_theta, e, {.samples = 50});
    CHECK((x.gradient - enumerate(cat4, cat4_theta).gradient).norm() < 1e-14);
    CHECK(x.gradient_error.norm() < 1e-14);
  }
}

TEST_CASE("rare outcomes keep their derivative") {
  // d E f = f(1) - f(0) = 3 and 7, f(2) - f(0) = 4, whatever the probabilities.
  const auto coin = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return draw(Bernoulli(t[0])) ? S(5) : S(2); };
  const auto labels = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    constexpr std::array<double, 3> cost = {1, 8, 5};
    return S(cost[static_cast<std::size_t>(draw(Categorical(Vector<S>{1 - t[0] - t[1], t[0], t[1]})).value())]);
  };
  const Eigen::VectorXd rare = Eigen::VectorXd::Constant(1, 1e-20);
  for (const AnyEstimator& e :
       {AnyEstimator(MeasureValuedDerivative{}), AnyEstimator(UnorderedSet{}), AnyEstimator(SumAndSample{})}) {
    CAPTURE(e.name());
    CHECK(estimate(coin, rare, e, {.samples = 10}).gradient[0] == doctest::Approx(3));
  }
  const Estimate e = estimate(labels, Eigen::VectorXd(Eigen::Vector2d(1e-20, 3e-20)), SumAndSample{}, {.samples = 40'000});
  CHECK(std::abs(e.gradient[0] - 7) < bound * e.gradient_error[0]);
  CHECK(std::abs(e.gradient[1] - 4) < bound * e.gradient_error[1]);
}

TEST_CASE("outcomes of probability 0") {
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
  const Exact truth = enumerate(walk, theta);
  for (const AnyEstimator& e :
       {AnyEstimator(MeasureValuedDerivative{}), AnyEstimator(UnorderedSet{2}), AnyEstimator(SumAndSample{})}) {
    CAPTURE(e.name());
    CHECK(largest_z(estimate(walk, theta, e, {.samples = 20'000, .seed = 15}), truth) < bound);
  }
  // Where such a probability moves, weak derivatives see it and scores do not.
  const auto edge = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return draw(Bernoulli(t[0])) ? S(3) : S(5); };
  const Eigen::VectorXd one = Eigen::VectorXd::Ones(1);
  CHECK(estimate(edge, one, MeasureValuedDerivative{}, {.samples = 10}).gradient[0] == -2);
  for (const AnyEstimator& e : {AnyEstimator(UnorderedSet{}), AnyEstimator(SumAndSample{}), AnyEstimator(Vimco{2})})
    CHECK_THROWS_WITH_AS(estimate(edge, one, e),
                         doctest::Contains(": at site 0 the outcome 0 of Bernoulli has probability 0, which moves with theta"),
                         Refusal);
}

TEST_CASE("a weak derivative takes the outcome of the run for one of its two where it can") {
  const auto replays = [](const Program<double>& program) {
    const Estimate e = estimate(program, Eigen::VectorXd::Constant(1, 0.4), MeasureValuedDerivative{}, {.samples = 2000});
    return e.work.runs / static_cast<double>(e.samples) - 2;  // beside the run and its recording
  };
  CHECK(replays([]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return draw(Bernoulli(t[0])); }) == 1);
  CHECK(replays([]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return draw(BernoulliLogit(t[0])); }) == 1);
  CHECK(replays([]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return draw(Binomial(7, t[0])); }) == 1);
  CHECK(replays([]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return draw(Poisson(9 * t[0])); }) == 1);
  CHECK(replays([]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
          return draw(Categorical(Vector<S>{S(1), t[0], t[0] * t[0]}));
        }) == 2);  // every label once
  CHECK(replays([]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return draw(Geometric(t[0])); }) > 1.2);
}

TEST_CASE("weak derivatives of labels whose weights do not add up to 1") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const auto k = draw(Categorical(Vector<S>{S(1), t[0], t[0] * t[0]}));
    return (k == 1 ? S(3) : S(k.value())) * t[0];
  };
  const Eigen::VectorXd theta = Eigen::VectorXd::Constant(1, 1.7);  // they add up to 5.59
  const Exact truth = enumerate(program, theta);
  const Estimate e = estimate(program, theta, MeasureValuedDerivative{}, {.samples = 50'000, .seed = 19});
  CHECK(largest_z(e, truth) < bound);
  CHECK(e.gradient_error[0] < 0.02 * std::abs(truth.gradient[0]));
}

TEST_CASE("weak derivatives of thresholds") {
  // min of an exponential time and a normal one, and whether an event comes: P is closer to 1 or to 0.
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const auto high = draw.split(Normal(t[0], S(1)), -0.5 * t[1]);
    const auto low = draw.split(Normal(t[0], S(1)), 0.9 + t[1]);
    return (high.below ? S(1) : S(4)) + (low.below ? S(9) : S(2)) * (high.below ? S(1) : S(2)) + square(low.x);
  };
  const Eigen::VectorXd theta = Eigen::Vector2d(0.2, 0.3);
  const Estimate a = estimate(program, theta, MeasureValuedDerivative{}, {.samples = 50'000, .seed = 16});
  const Estimate b = estimate(program, theta, LeaveOneOut{}, {.samples = 50'000, .seed = 17});
  for (Eigen::Index j = 0; j < 2; ++j)
    CHECK(std::abs(a.gradient[j] - b.gradient[j]) < bound * std::hypot(a.gradient_error[j], b.gradient_error[j]));
}

TEST_CASE("MuProp is unbiased where sites depend on earlier ones") {
  CHECK(MuProp::unbiased);
  const Estimate e = estimate(layers, layers_theta, MuProp{}, {.samples = 100'000, .seed = 18});
  const Exact truth = enumerate(layers, layers_theta);
  CHECK(largest_z(e, truth) < bound);
  CHECK(std::abs(e.value - truth.value) < bound * e.value_error);
}

TEST_CASE("MuProp has no variance where the cost is affine in independent draws") {
  // Every kind of draw, and a probability that several draws and the cost itself use.
  const auto affine = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S p = logistic(t[0]);
    const S a = draw(Bernoulli(p));
    const S b = draw(Bernoulli(p));
    const Vector<S> rate = exp(t), q = softmax(t);
    const Vector<S> c = draw(Poisson(rate));
    const Vector<S> d = draw(Poisson(rate));
    const Vector<S> e = draw(OneHot(q));
    const S label = draw(CategoricalLogit(t));
    const Vector<S> labels = draw(Categorical(square(t * t.transpose()) + 1));
    return 2 * a - 3 * b + p * t[1] + c[0] - 4 * c[2] + 3 * d[2] + rate[0] + 2 * e[1] - e[2] + q[2] + 0.7 * label + labels[0] -
           2 * labels[2];
  };
  const Eigen::VectorXd theta = Eigen::Vector3d(0.4, -0.9, 0.3);
  const Estimate e = estimate(affine, theta, MuProp{}, {.samples = 200});
  CHECK(e.value_error > 0.1);
  CHECK(e.gradient_error.norm() < 1e-13);
  // The mean field of such a cost is exact.
  CHECK((e.gradient - estimate(affine, theta, MeanField{}, {.samples = 1}).gradient).norm() < 1e-12);
}

TEST_CASE("MuProp has no variance either where means are affine in earlier draws") {
  // The later draws know theta through the earlier ones alone.
  const auto chain = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S a = draw(Bernoulli(logistic(t[0])));
    const S b = draw(Bernoulli(0.3 + 0.2 * a));
    const Vector<S> c = draw(OneHot(Vector<S>{0.1 + 0.4 * b, 0.9 - 0.4 * b}));
    const S n = draw(Poisson(2 + c[0] - 0.5 * a));
    return a - 3 * b + 2 * c[1] + 0.7 * n;
  };
  const Eigen::VectorXd theta = Eigen::VectorXd::Constant(1, 0.4);
  const Estimate e = estimate(chain, theta, MuProp{}, {.samples = 200});
  CHECK(e.value_error > 0.1);
  CHECK(e.gradient_error.norm() < 1e-13);
  CHECK(e.gradient[0] == doctest::Approx(enumerate(chain, theta, {.tail = 1e-15}).gradient[0]).epsilon(1e-9));
}

TEST_CASE("perturbations differentiate the objective that they smooth") {
  const double s = 0.8;  // so large that the gradient at theta itself is far off
  Eigen::VectorXd expected = Eigen::VectorXd::Zero(3);
  double value = 0;
  for (int signs = 0; signs < 8; ++signs) {
    Eigen::VectorXd e(3);
    for (Eigen::Index j = 0; j < 3; ++j) e[j] = signs >> j & 1 ? 1 : -1;
    const double up = enumerate(layers, layers_theta + s * e).value, down = enumerate(layers, layers_theta - s * e).value;
    expected += (up - down) / (2 * s) * e / 8;
    value += (up + down) / 16;
  }
  const Estimate spsa = estimate(layers, layers_theta, Spsa{s}, {.samples = 200'000, .seed = 19});
  CHECK(std::abs(spsa.value - value) < bound * spsa.value_error);
  CHECK(largest_z(spsa, expected) < bound);
  CHECK(largest_z(spsa, enumerate(layers, layers_theta)) > 2 * bound);
  CHECK(spsa.work.runs == 2 * 200'000);

  // E of a coin at logistic(theta + s e), e normal: summation over a fine grid is exact to rounding.
  const auto coin = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return draw(Bernoulli(logistic(t[0]))); };
  double slope = 0;
  for (int i = -800; i <= 800; ++i) {
    const double e = 0.01 * i, p = 1 / (1 + std::exp(-0.5 - s * e));
    slope += 0.01 * std::exp(-e * e / 2) / std::sqrt(2 * M_PI) * p * (1 - p);
  }
  const Estimate es = estimate(coin, Eigen::VectorXd::Constant(1, 0.5), EvolutionStrategy{s}, {.samples = 200'000, .seed = 20});
  CHECK(std::abs(es.gradient[0] - slope) < bound * es.gradient_error[0]);
  CHECK(std::abs(es.gradient[0] - enumerate(coin, Eigen::VectorXd::Constant(1, 0.5)).gradient[0]) >
        2 * bound * es.gradient_error[0]);

  // Biased, so never taken for a truth.
  CHECK_FALSE(Spsa::unbiased);
  CHECK_FALSE(EvolutionStrategy::unbiased);
}

TEST_CASE("Vimco is unbiased for its own objective") {
  // K runs in one program, which enumeration can sum over.
  const auto check = [](const auto& log_weight, auto runs, const Eigen::VectorXd& theta, double variance) {
    constexpr int K = decltype(runs)::value;
    const auto objective = [log_weight]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
      S sum = 0;
      for (int k = 0; k < K; ++k) sum += exp(log_weight(draw, t));
      return log(sum / static_cast<double>(K));
    };
    const Exact truth = enumerate(objective, theta);
    const Estimate e = estimate(log_weight, theta, Vimco{K}, {.samples = 100'000, .seed = 21});
    CAPTURE(e.estimator);
    CHECK(std::abs(e.value - truth.value) < bound * e.value_error);
    CHECK(largest_z(e, truth) < bound);
    CHECK(largest_z(e, enumerate(log_weight, theta)) > 2 * bound);  // it is another objective
    if (variance > 0) CHECK(std::abs(relative_variance(e, truth) / variance - 1) < 0.1);
  };
  check(coins, std::integral_constant<int, 3>{}, coins_theta, 1.88);  // estimators.md section 6
  const auto scaled = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return 0.3 * layers(draw, t); };
  check(scaled, std::integral_constant<int, 2>{}, layers_theta, 0);
  CHECK_FALSE(Vimco::unbiased);  // as a gradient of E f
}

TEST_CASE("ReinMax is the two-sided smoothed derivative of coins") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Estimate a = estimate(layers, layers_theta, ReinMax{}, {.samples = 1, .seed = seed});
    const Estimate b = estimate(layers, layers_theta, SmoothedDerivative{0.5}, {.samples = 1, .seed = seed});
    CHECK((a.gradient - b.gradient).norm() <= 1e-13 * b.gradient.norm());
  }
  const auto quadratic = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const Vector<S> x = draw(Bernoulli(logistic(t)));
    return square(x[0] + 2 * x[1] - 3 * x[2] + 1) + x[0] * t[1];
  };
  const Exact truth = enumerate(quadratic, coins_theta);
  CHECK(largest_z(estimate(quadratic, coins_theta, ReinMax{}, {.samples = 50'000, .seed = 22}), truth) < bound);
  const Estimate biased = estimate(coins, coins_theta, ReinMax{}, {.samples = 50'000, .seed = 23});
  const Eigen::VectorXd g = enumerate(coins, coins_theta).gradient;
  CHECK(std::abs((biased.gradient - g).norm() / g.norm() / 0.059 - 1) < 0.1);  // estimators.md section 6
}

TEST_CASE("programs in float") {
  const Exact truth = enumerate(layers, layers_theta);
  for (const AnyEstimator& e : {AnyEstimator(MeasureValuedDerivative{}), AnyEstimator(UnorderedSet{}), AnyEstimator(SumAndSample{}),
                                AnyEstimator(MuProp{})}) {
    CAPTURE(e.name());
    CHECK(largest_z(estimate(layers, layers_theta.cast<float>().eval(), e, {.samples = 2000, .seed = 24}), truth) < bound);
  }
  for (const AnyEstimator& e :
       {AnyEstimator(Spsa{}), AnyEstimator(EvolutionStrategy{}), AnyEstimator(Vimco{}), AnyEstimator(ReinMax{})})
    CHECK_NOTHROW(estimate(layers, layers_theta.cast<float>().eval(), e, {.samples = 10}));
}

TEST_CASE("refusals and knobs name the culprit") {
  const Eigen::VectorXd theta = Eigen::Vector2d(0.6, 1.7);
  const auto tables = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S x = draw(Bernoulli(t[0]));
    return x + draw(Zipf(1 + t[1], 5));
  };
  CHECK_THROWS_WITH_AS(estimate(tables, theta, MeasureValuedDerivative{}),
                       "MeasureValuedDerivative: Zipf offers no measure-valued derivative in parameter 0 (site 1)", Refusal);
  const auto failures = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return draw(NegativeBinomial(t[1], t[0])); };
  CHECK_THROWS_WITH_AS(estimate(failures, theta, MeasureValuedDerivative{}),
                       "MeasureValuedDerivative: NegativeBinomial offers no measure-valued derivative in parameter 0 (site 0)",
                       Refusal);
  const auto branch = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return draw(Bernoulli(t[0])) ? S(1) : S(2); };
  CHECK_THROWS_WITH_AS(estimate(branch, theta, MuProp{}), doctest::Contains("reads the Bernoulli draw of site 0"), Refusal);
  const auto events = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return draw(Poisson(t[1])); };
  CHECK_THROWS_WITH_AS(estimate(events, theta, ReinMax{}), doctest::Contains("ReinMax: Poisson has no relaxation (site 0"),
                       Refusal);
  // Sound at theta = 0.99, with p > 1 beside it.
  const Eigen::VectorXd close = Eigen::VectorXd::Constant(1, 0.99);
  CHECK_THROWS_WITH_AS(estimate(branch, close, Spsa{}), doctest::Contains("Spsa: beside theta: Bernoulli: p = 1.09"), Refusal);
  CHECK_THROWS_WITH_AS(estimate(branch, close, EvolutionStrategy{}), doctest::Contains("EvolutionStrategy: beside theta: "),
                       Refusal);

  CHECK_THROWS_WITH_AS(estimate(coins, coins_theta, Spsa{0}), "Spsa: step = 0 is outside (0, infinity)", InvalidArgument);
  CHECK_THROWS_WITH_AS(estimate(coins, coins_theta, EvolutionStrategy{-1}),
                       "EvolutionStrategy: sigma = -1 is outside (0, infinity)", InvalidArgument);
  CHECK_THROWS_WITH_AS(estimate(coins, coins_theta, MeasureValuedDerivative{-1}),
                       "MeasureValuedDerivative: parameters = -1 is outside [0, infinity)", InvalidArgument);
  CHECK_THROWS_WITH_AS(estimate(coins, coins_theta, UnorderedSet{-1}), "UnorderedSet: sites = -1 is outside [0, infinity)",
                       InvalidArgument);
  CHECK_THROWS_WITH_AS(estimate(coins, coins_theta, SumAndSample{0}), "SumAndSample: top = 0 is outside [1, infinity)",
                       InvalidArgument);
  CHECK_THROWS_WITH_AS(estimate(coins, coins_theta, SumAndSample{1, -1}), "SumAndSample: sites = -1 is outside [0, infinity)",
                       InvalidArgument);
  CHECK_THROWS_WITH_AS(estimate(coins, coins_theta, Vimco{1}), "Vimco: runs = 1 is outside [2, infinity)", InvalidArgument);
}
