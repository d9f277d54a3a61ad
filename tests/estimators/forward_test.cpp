// Runs on Duals: stochastic triples and second derivatives.
#include <doctest/doctest.h>

#include <cmath>

#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

// With 5 standard errors one coordinate raises a false alarm once in 1.7 million; fewer than 100 are checked in this file.
constexpr double bound = 5;
double largest_z(const Estimate& e, const Eigen::VectorXd& truth) {
  return ((e.gradient - truth).array() / e.gradient_error.array().max(1e-12)).abs().maxCoeff();
}

/// Coins, a block, labels, counts, a branch, a cost on the way, and theta directly.
struct Mixture {
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& t) const {
    const S a = draw(Bernoulli(logistic(t[0])));
    const Vector<S> block = draw(Bernoulli(logistic(Vector<S>(t.segment(0, 2)) + a)));
    draw.cost(square(block[0] + 2 * a - t[1]));
    S x = sum(block) * t[1];
    const auto label = draw(OneHot(softmax(Vector<S>(t.segment(0, 3)))));
    x += dot(Vector<S>(label), Vector<S>(Vector<double>(Eigen::Vector3d(1, -0.5, 2))));
    if (label.value() == 1) x += S(draw(Binomial(3, logistic(t[2] * x))));
    else x *= 1 + 0.2 * draw(Categorical(exp(Vector<S>(t.segment(1, 2)))));
    return square(x) + t[0] * a;
  }
};
Eigen::VectorXd mixture_theta() { return Eigen::Vector3d(0.4, -0.3, 0.6); }

/// The Hessian by central differences of exact gradients: right to about 1e-8.
Eigen::MatrixXd hessian_of(const Program<double>& program, const Eigen::VectorXd& theta, const Enumeration& options = {}) {
  Eigen::MatrixXd h(theta.size(), theta.size());
  for (Eigen::Index j = 0; j < theta.size(); ++j) {
    Eigen::VectorXd up = theta, down = theta;
    up[j] += 1e-4, down[j] -= 1e-4;
    h.col(j) = (enumerate(program, up, options).gradient - enumerate(program, down, options).gradient) / 2e-4;
  }
  return h;
}

}  // namespace

TEST_CASE("stochastic triples are unbiased, along random directions and along each coordinate") {
  const Exact truth = enumerate(Mixture{}, mixture_theta());
  for (const Flow flow : {Flow::inversion, Flow::independent, Flow::antisymmetric})
    for (const bool every : {false, true}) {
      const ForwardTriple triple{.every_coordinate = every, .flow = flow};
      const Estimate e = estimate(with_duals(Mixture{}), mixture_theta(), triple, {.samples = 40'000, .seed = 3});
      CAPTURE(e.estimator);
      CHECK(largest_z(e, truth.gradient) < bound);
      CHECK(std::abs(e.value - truth.value) < bound * e.value_error);
    }
  // Along each coordinate the variance is that of a single direction; a random direction adds that of all others.
  const auto variance = [](bool every) {
    return estimate(with_duals(Mixture{}), mixture_theta(), ForwardTriple{.every_coordinate = every}, {.samples = 20'000})
        .total_variance;
  };
  CHECK(variance(true) < 0.7 * variance(false));
}

TEST_CASE("with one parameter a triple is a replay estimator that chooses by |w dp|") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S x = 0;
    for (int i = 0; i < 6; ++i) x += S(draw(Bernoulli(logistic(0.3 * static_cast<double>(i) - 1 + t[0] - 0.4 * x))));
    return square(x) + draw(Poisson(exp(t[0])));
  };
  const Eigen::VectorXd theta = Eigen::VectorXd::Constant(1, 0.2);
  const Exact truth = enumerate(program, theta, {.tail = 1e-14});
  const Estimate a = estimate(with_duals(program), theta, ForwardTriple{}, {.samples = 40'000, .seed = 5});
  const Estimate b = estimate(program, theta, StochasticDerivative{1}, {.samples = 40'000, .seed = 6});
  CHECK(largest_z(a, truth.gradient) < bound);
  CHECK(a.total_variance == doctest::Approx(b.total_variance).epsilon(0.1));
}

TEST_CASE("second derivatives of expected costs") {
  const Eigen::MatrixXd truth = hessian_of(Mixture{}, mixture_theta());
  for (const bool baseline : {true, false})
    for (Eigen::Index j = 0; j < 3; ++j) {
      const HessianVectorProduct product{.direction = Eigen::Vector3d::Unit(j), .baseline = baseline};
      const Estimate e = estimate(with_duals(Mixture{}), mixture_theta(), product, {.samples = 60'000, .seed = 7});
      CHECK(largest_z(e, truth.col(j)) < bound);
      // The test can fail: the score function squared alone, or the direct terms alone, are many standard errors away.
      CHECK(truth.col(j).norm() > 3 * e.gradient_error.norm());
    }
  // One coin: E f = p f1 + (1 - p) f0, of which the second derivative in the logit is p (1 - p) (1 - 2 p) (f1 - f0).
  const auto coin = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return 3 * draw(BernoulliLogit(t[0])) - 1; };
  const Eigen::VectorXd theta = Eigen::VectorXd::Constant(1, 0.8);
  const double p = 1 / (1 + std::exp(-0.8));
  const Estimate e = estimate(with_duals(coin), theta, HessianVectorProduct{Eigen::VectorXd::Ones(1)}, {.samples = 40'000});
  CHECK(std::abs(e.gradient[0] - 3 * p * (1 - p) * (1 - 2 * p)) < bound * e.gradient_error[0]);
}

TEST_CASE("baselines of second derivatives take the level of each cost") {
  const auto shifted = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S a = draw(Bernoulli(logistic(t[0])));
    draw.cost(a * t[1] + 10);
    const S b = draw(Bernoulli(logistic(t[1] + a)));
    return square(a - 2 * b) + 10;
  };
  const Eigen::Vector2d theta(0.4, -0.3);
  const auto variance = [&](bool baseline) {
    const HessianVectorProduct product{.direction = Eigen::Vector2d(1, 1), .baseline = baseline};
    return estimate(with_duals(shifted), theta, product, {.samples = 5000, .seed = 8}).total_variance;
  };
  CHECK(variance(true) < 0.1 * variance(false));
}

TEST_CASE("second derivatives through counts") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S n = draw(Poisson(exp(t[0])));
    const S k = draw(Geometric(logistic(t[1] + 0.1 * n)));
    const S b = draw(NegativeBinomial(exp(t[0]) + 1, logistic(t[1] + 1)));
    return log1p(n + k) + 0.1 * square(b - n);
  };
  const Eigen::Vector2d theta(0.1, 0.7);
  const Eigen::MatrixXd truth = hessian_of(program, theta, {.max_leaves = std::size_t{1} << 24, .tail = 1e-9});
  for (Eigen::Index j = 0; j < 2; ++j) {
    const Estimate e =
        estimate(with_duals(program), theta, HessianVectorProduct{Eigen::Vector2d::Unit(j)}, {.samples = 60'000, .seed = 9});
    CHECK(largest_z(e, truth.col(j)) < bound);
  }
}

TEST_CASE("runs on Duals are refused where they cannot be") {
  const Eigen::VectorXd theta = mixture_theta();
  CHECK_THROWS_WITH_AS(estimate(Mixture{}, theta, ForwardTriple{}, {.samples = 1}), doctest::Contains("make it with with_duals(f)"),
                       Refusal);
  CHECK_THROWS_WITH_AS(estimate(with_duals(Mixture{}), theta, HessianVectorProduct{Eigen::VectorXd::Ones(2)}, {.samples = 1}),
                       doctest::Contains("a direction of 2 numbers for 3 parameters"), InvalidArgument);
  CHECK_THROWS_WITH_AS(estimate(with_duals(Mixture{}), theta, ForwardTriple{.flow = Flow::least_variance}, {.samples = 1}),
                       doctest::Contains("ForwardTriple: Flow::least_variance"), InvalidArgument);
  const auto rare = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return draw(Zipf(S(exp(t[0])), 20)).scalar(); };
  CHECK_THROWS_WITH_AS(estimate(with_duals(rare), theta, HessianVectorProduct{Eigen::VectorXd::Ones(3)}, {.samples = 1}),
                       doctest::Contains("Zipf offers no log_probability() (site 0, run 0"), Refusal);
  CHECK(std::abs(estimate(with_duals(rare), theta, ForwardTriple{}, {.samples = 100}).value) > 0);
}

TEST_CASE("predicates of a draw branch: their jumps are in the gradient, whatever the outcome") {
  // Where a program asks for a draw, a triple that went on with its own outcome alone would lose these jumps without a word.
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    const auto coin = draw(Bernoulli(theta[0]));
    S sum = 0;
    if (coin > 0.5) sum += 2;
    if (coin == 0) sum += 3 * theta[0];
    if (coin != 1 && !(coin >= 1)) sum -= 1;
    return sum;
  };
  for (const double p : {0.5, 0.2}) {
    const Eigen::VectorXd theta = Eigen::VectorXd::Constant(1, p);
    const Eigen::VectorXd truth = Eigen::VectorXd::Constant(1, 2 + 3 * (1 - 2 * p) + 1);  // of 2 p + (1 - p) (3 p - 1)
    CHECK((enumerate(program, theta).gradient - truth).norm() < 1e-12);
    for (const AnyEstimator& e :
         {AnyEstimator(ForwardTriple{}), AnyEstimator(StochasticDerivative{1}), AnyEstimator(ScoreFunction{})}) {
      CAPTURE(e.name());
      const Estimate r = estimate(with_duals(program), theta, e, {.samples = 10'000, .seed = 4});
      CHECK(largest_z(r, truth) < bound);
    }
  }
}
