// The discrete laws of counts, ranks and mixtures in programs, against enumeration and closed forms.
#include <doctest/doctest.h>

#include <cmath>

#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

/// StochasticDerivative, all replays and one, and the score function against enumeration. 5 standard errors: with some 60
/// coordinates here a false alarm once in 30 000.
template <class P>
void check_program(const P& program, const Eigen::VectorXd& theta, const Exact& exact) {
  for (const AnyEstimator& e : {AnyEstimator(StochasticDerivative{}), AnyEstimator(StochasticDerivative{0}),
                                AnyEstimator(ScoreFunction{}), AnyEstimator(DebiasedSurrogate{1})}) {
    CAPTURE(e.name());
    const Estimate r = estimate(program, theta, e, {.samples = 20'000, .seed = 8});
    CHECK(std::abs(r.value - exact.value) < 5 * r.value_error);
    for (Eigen::Index j = 0; j < theta.size(); ++j) {
      CAPTURE(j);
      CHECK(std::abs(r.gradient[j] - exact.gradient[j]) < 5 * r.gradient_error[j] + 1e-12);
    }
  }
}

}  // namespace

TEST_CASE("integer parameters that come from earlier draws: exact under replay and enumeration") {
  // A die with a random number of faces: E[U | b] = (1 + b) / 2, b = 1 + Binomial(5, p): E U = 1 + 5 p / 2.
  const auto die = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const auto more = draw(Binomial(5, t[0]));
    return S(draw(DiscreteUniform(1, 1 + more.value())));
  };
  const Eigen::VectorXd p = Eigen::VectorXd::Constant(1, 0.3);
  const Exact faces = enumerate(die, p);
  CHECK(faces.value == doctest::Approx(1.75).epsilon(1e-13));
  CHECK(faces.gradient[0] == doctest::Approx(2.5).epsilon(1e-12));
  check_program(die, p, faces);

  // Of Binomial(8, p) marked among 20 fish 5 are caught: a marked fish is caught with probability 1/4.
  // X is Binomial(8, p / 4): E (1 + X)^2 = 1 + 3 * 2 p + 56 p^2 / 16 with E X = 2 p, E X (X - 1) = 56 p^2 / 16.
  const auto fish = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const auto marked = draw(Binomial(8, t[0]));
    const S caught = draw(Hypergeometric(20, marked.value(), 5));
    return square(1 + caught);
  };
  const Exact catch_of = enumerate(fish, p);
  // Given m marked: E X = m / 4, E X (X - 1) = m (m - 1) 5 * 4 / (20 * 19).
  CHECK(catch_of.value == doctest::Approx(1 + 3 * 2 * 0.3 + 56 * 0.09 / 19).epsilon(1e-12));
  CHECK(catch_of.gradient[0] == doctest::Approx(6 + 2 * 56 * 0.3 / 19).epsilon(1e-12));
  check_program(fish, p, catch_of);
}

TEST_CASE("zero-inflated, truncated and all other laws in programs agree with enumeration") {
  const auto counts = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S x = draw(ZeroInflated(logistic(t[0]), Truncated(Poisson(exp(t[1])), 1, 9)));
    const S y = draw(Truncated(Binomial(6, logistic(t[2] + 0.2 * x)), 2, 5));
    return square(x - y) + t[0] * y;
  };
  const Eigen::VectorXd a = Eigen::Vector3d(-0.4, 0.8, -0.3);
  check_program(counts, a, enumerate(counts, a));

  // Both parameters of a law move, a gap between 0 and the law, logits.
  const auto mixed = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S x = draw(BetaBinomial(6, exp(t[0]), exp(t[1])));
    const S y = draw(ZeroInflated(logistic(t[2]), Zipf(exp(t[0]) + 0.1 * x, 7)));
    const S z = draw(Truncated(ZeroInflated(logistic(t[1]), Truncated(Geometric(logistic(t[0])), 4, 9)), 0, 7));
    return (x + draw(BernoulliLogit(t[2] * y))) * (1 + y + 0.5 * z);
  };
  const Eigen::VectorXd b = Eigen::Vector3d(0.3, -0.2, 0.4);
  check_program(mixed, b, enumerate(mixed, b));

  // A tail without end: NegativeBinomial in both of its parameters; E (X^2) = m + m^2 (1 + 1/r), m = r (1 - p) / p.
  const auto overdispersed = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S x = draw(NegativeBinomial(t[0], t[1]));
    return x * x;
  };
  const double r = 2.5, p = 0.6, m = r * (1 - p) / p;
  const auto second = [](double s, double q) { return s * (1 - q) / (q * q) + s * s * (1 - q) * (1 - q) / (q * q); };
  Exact exact;
  exact.value = second(r, p);
  exact.gradient = Eigen::Vector2d((1 - p) / (p * p) + 2 * m * (1 - p) / p, r * (p - 2) / (p * p * p) - 2 * m * r / (p * p));
  const Exact enumerated = enumerate(overdispersed, Eigen::Vector2d(r, p), {.tail = 1e-16});
  CHECK(enumerated.gradient[0] == doctest::Approx(exact.gradient[0]).epsilon(1e-8));
  CHECK(enumerated.gradient[1] == doctest::Approx(exact.gradient[1]).epsilon(1e-8));
  check_program(overdispersed, Eigen::Vector2d(r, p), exact);
}

TEST_CASE("enumeration passes over gaps and second modes of infinite laws") {
  const auto inflated = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return draw(ZeroInflated(t[0], Poisson(t[1]))); };
  const Exact x = enumerate(inflated, Eigen::Vector2d(0.3, 100), {.tail = 1e-16});
  CHECK(x.value == doctest::Approx(70).epsilon(1e-12));
  CHECK(x.gradient[0] == doctest::Approx(-100).epsilon(1e-12));
  CHECK(x.gradient[1] == doctest::Approx(0.7).epsilon(1e-10));
  const auto gap = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    return draw(ZeroInflated(t[0], Truncated(Poisson(2.0), 5, Support::unbounded)));
  };
  const double above = survival(Poisson(2.0), 4);  // E [X; X >= 5] = 2 P(X >= 4)
  const double mean = 2 * survival(Poisson(2.0), 3) / above;
  CHECK(enumerate(gap, Eigen::VectorXd::Constant(1, 0.3), {.tail = 1e-16}).value == doctest::Approx(0.7 * mean).epsilon(1e-12));
}

TEST_CASE("means are differentiable functions of the parameters") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S sum = draw(BernoulliLogit(t[0]));
    sum += draw(NegativeBinomial(exp(t[0]), logistic(t[1])));
    sum += draw(BetaBinomial(9, exp(t[0]), exp(t[1])));
    sum += draw(Zipf(exp(t[0]), 50));
    sum += draw(ZeroInflated(logistic(t[1]), Poisson(exp(t[0]))));
    sum += draw(Hypergeometric(20, 5, 8));
    sum += draw(DiscreteUniform(3, 6));
    sum += draw(Truncated(Poisson(exp(t[0])), 1, Support::unbounded));
    return sum;
  };
  const Eigen::Vector2d theta(0.4, -0.3);
  const auto mean = [](const auto& t) {
    using S = std::decay_t<decltype(t[0])>;
    S zipf = 0, total = 0;
    for (int k = 1; k <= 50; ++k) {
      const S weight(exp(-exp(t[0]) * std::log(static_cast<double>(k))));
      zipf += static_cast<double>(k) * weight;
      total += weight;
    }
    return S(logistic(t[0]) + exp(t[0]) * (1 - logistic(t[1])) / logistic(t[1]) + 9 * exp(t[0]) / (exp(t[0]) + exp(t[1])) +
             zipf / total + (1 - logistic(t[1])) * exp(t[0]) + 2 + 4.5 + exp(t[0]) / (1 - exp(-exp(t[0]))));
  };
  const auto [value, gradient] = value_and_gradient(mean, theta);
  const Estimate e = estimate(program, theta, MeanField{}, {.samples = 2});
  CHECK(e.value == doctest::Approx(value).epsilon(1e-13));
  for (const Eigen::Index j : {0, 1}) CHECK(e.gradient[j] == doctest::Approx(gradient[j]).epsilon(1e-12));
}
