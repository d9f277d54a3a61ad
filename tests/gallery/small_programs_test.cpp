// Small programs with exact values from the literature on stochastic derivatives that are in no showcase.
#include <doctest/doctest.h>

#include <numbers>
#include <string>
#include <vector>

#include <stoat/stoat.hpp>

#include "gallery/agreement.hpp"

using namespace stoat;

TEST_CASE("ascent to the maximum of the introductory program of StochasticAD.jl") {
  const auto negative = []<class S>(Sampler<S>& draw, const Vector<S>& p) -> S {
    const S a = p[0] * (1 - p[0]), b = draw(Binomial(10, p[0])), c = 2 * b + 3 * draw(Bernoulli(p[0]));
    return -a * c * draw(Normal(b, a));
  };
  // 20 p^2 + 190 p^3 - 210 p^4 is largest where its derivative is 0.
  const double best = 0.7426885446;
  CHECK(std::abs(40 * best + 570 * best * best - 840 * best * best * best) < 1e-6);
  MinimizeOptions options{.iterations = 200, .samples = 256, .average = 0.5};
  options.constraints.interval(0, 1, 0, 1);
  const Minimum m = minimize(negative, Eigen::VectorXd::Constant(1, 0.3), StochasticDerivative{2}, Adam{0.05}, options);
  CHECK(m.theta[0] == doctest::Approx(best).epsilon(0.01));
}

TEST_CASE("a coin decides how often others are tossed") {
  for (const int more : {-2, -1, 0, 1, 2}) {
    CAPTURE(more);
    const auto program = [more]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
      const int n = 5 + (draw(Bernoulli(3.5 * t[0])) ? more : 0);
      return draw(Binomial(n, 0.5 + t[0]));
    };
    // E = (5 + 3.5 t more) (0.5 + t). At t = 0 the coin cannot come up; its alternative is replayed all the same.
    for (const double t : {0.0, 0.1}) {
      Exact truth;
      truth.value = (5 + 3.5 * t * more) * (0.5 + t);
      truth.gradient = Eigen::VectorXd::Constant(1, 3.5 * more * (0.5 + t) + 5 + 3.5 * t * more);
      truth.source = "closed form";
      const Eigen::VectorXd theta = Eigen::VectorXd::Constant(1, t);
      CHECK(enumerate(program, theta).gradient[0] == doctest::Approx(truth.gradient[0]).epsilon(1e-12));
      agreement::check_estimate(program, theta, StochasticDerivative{}, truth, 20'000, 1);
    }
  }
}

TEST_CASE("a string at a random index") {
  const std::vector<std::string> strings{"cat", "dog", "wolf", "otter"};
  const auto points = [](const std::string& s) {
    int sum = 0;
    for (const char c : s) sum += c;
    return sum;
  };
  const auto program = [&]<class S>(Sampler<S>& draw, const Vector<S>& p) -> S {
    const std::string s = strings[std::size_t(draw(Categorical(p)))];
    return points(s);
  };
  const Eigen::Vector4d p(0.1, 0.5, 0.3, 0.1), direction(1, 2, 4, -7);
  const Eigen::Vector4d values(312, 314, 440, 558);
  for (std::size_t i = 0; i < 4; ++i) CHECK(points(strings[i]) == values[Eigen::Index(i)]);
  Exact truth;
  truth.value = 376;
  // Probabilities are weights over their sum, so the gradient is that of the values less their mean.
  truth.gradient = values.array() - truth.value;
  truth.source = "closed form";
  const Eigen::VectorXd gradient = enumerate(program, p).gradient;
  CHECK(gradient.isApprox(truth.gradient, 1e-12));
  CHECK(gradient.dot(direction) == doctest::Approx(-1206).epsilon(1e-12));
  agreement::check_estimates(program, p, truth, 20'000);
}

TEST_CASE("without draws the estimators give the gradient of the function") {
  const auto program = []<class S>(Sampler<S>&, const Vector<S>& x) -> S {
    return (x[0] * x[1] * sin(x[2]) + exp(x[0] * x[1])) / x[2];
  };
  const Eigen::Vector3d x(1, 2, std::numbers::pi / 2);
  const auto [value, gradient] =
      value_and_gradient([](const auto& t) { return (t[0] * t[1] * sin(t[2]) + exp(t[0] * t[1])) / t[2]; }, x);
  const std::vector<AnyEstimator> estimators{Enumeration{},
                                             ScoreFunction{},
                                             LeaveOneOut{4},
                                             MeasureValuedDerivative{},
                                             StochasticDerivative{},
                                             DebiasedSurrogate{},
                                             SmoothedDerivative{},
                                             StraightThrough{},
                                             GumbelSoftmax{},
                                             Rebar{},
                                             DisArm{}};
  for (const AnyEstimator& estimator : estimators) {
    CAPTURE(estimator.name());
    const Estimate e = estimate(program, x, estimator, {.samples = 4});
    CHECK(e.value == doctest::Approx(value).epsilon(1e-14));
    CHECK(e.gradient.isApprox(gradient, 1e-13));
  }
}
