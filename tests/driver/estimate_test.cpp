// What an estimate can tell: covariance, intervals, names, the choice of Auto.
#include <doctest/doctest.h>

#include <cmath>
#include <sstream>

#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

/// Coins in a row: the smooth cost is nearly additive, the parity not at all.
struct Coins {
  bool parity;
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& t) const {
    S sum = 0, product = 1;
    for (Eigen::Index i = 0; i < 12; ++i) {
      const S x = draw(BernoulliLogit(t[i % t.size()]));
      sum += static_cast<double>(i + 1) * x;
      product *= 1 - 2 * x;
    }
    if (parity) return product;
    return square(0.1 * sum);
  }
};

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

}  // namespace

TEST_CASE("the covariance of a gradient is that of its mean") {
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S x = draw(Normal(0.0 * t[0], 1.0)), y = draw(Normal(0.0 * t[0], 1.0));
    return t[0] * x + t[1] * (0.6 * x + 0.8 * y) + t[2] * 3 * y;  // gradient: (x, 0.6 x + 0.8 y, 3 y)
  };
  const Eigen::Vector3d theta(1, 2, 3);
  const Estimate e = estimate(program, theta, StraightThrough{}, {.samples = 40'000, .seed = 3, .covariance = true});
  Eigen::Matrix3d truth;
  truth << 1, 0.6, 0, 0.6, 1, 2.4, 0, 2.4, 9;
  REQUIRE(e.covariance.rows() == 3);
  CHECK(e.covariance == e.covariance.transpose());
  // Each entry is a mean of 40000 products with a variance of at most 2 * 81: 6 standard errors.
  CHECK((40'000 * e.covariance - truth).cwiseAbs().maxCoeff() < 6 * std::sqrt(162.0 / 40'000));
  for (Eigen::Index j = 0; j < 3; ++j) CHECK(std::sqrt(e.covariance(j, j)) == doctest::Approx(e.gradient_error[j]).epsilon(1e-10));
  const Estimate other =
      estimate(program, theta, StraightThrough{}, {.samples = 40'000, .seed = 3, .threads = 3, .covariance = true});
  CHECK(other.covariance == e.covariance);
  CHECK(estimate(program, theta, StraightThrough{}, {.samples = 10}).covariance.size() == 0);
  CHECK_THROWS_WITH_AS(estimate(program, Eigen::VectorXd::Ones(5000), StraightThrough{}, {.samples = 2, .covariance = true}),
                       doctest::Contains("covariance: parameters = 5000"), InvalidArgument);
}

TEST_CASE("confidence intervals cover as often as they say") {
  // Few samples, so that Student's t matters; normal gradients, so that it is exact.
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return t[0] * draw(Normal(0.0 * t[0] + 2, 1.0)); };
  int covered = 0, covered_half = 0;
  constexpr int trials = 2000;
  for (std::uint64_t seed = 1; seed <= trials; ++seed) {
    const Estimate e = estimate(program, Eigen::VectorXd::Ones(1), StraightThrough{}, {.samples = 4, .seed = seed, .threads = 1});
    const auto inside = [&](double confidence) {
      const Estimate::Intervals i = e.intervals(confidence);
      return i.lower[0] < 2 && 2 < i.upper[0];
    };
    covered += inside(0.95);
    covered_half += inside(0.5);
  }
  // 5 standard errors of a binomial; with normal quantiles 0.95 would be 0.85.
  CHECK(std::abs(covered - 0.95 * trials) < 5 * std::sqrt(0.95 * 0.05 * trials));
  CHECK(std::abs(covered_half - 0.5 * trials) < 5 * std::sqrt(0.25 * trials));
  const Estimate e = estimate(program, Eigen::VectorXd::Ones(1), StraightThrough{}, {.samples = 4});
  CHECK_THROWS_WITH_AS(e.intervals(1), doctest::Contains("confidence = 1"), InvalidArgument);
  const Estimate exact = estimate(Coins{true}, Eigen::VectorXd::Ones(2), Enumeration{});
  CHECK(exact.intervals().lower == exact.gradient);
}

TEST_CASE("parameters in parts with names") {
  Parameters parameters;
  const auto weights = parameters.matrix("weights", Eigen::MatrixXd::Identity(2, 3));
  const auto bias = parameters.vector("bias", Eigen::Vector2d(0.5, -0.5));
  const auto rate = parameters.scalar("rate", 0.25);
  CHECK(parameters.size() == 9);
  CHECK(parameters.names()[2] == "weights(0, 1)");
  CHECK(parameters.names()[7] == "bias[1]");
  CHECK(parameters.names()[8] == "rate");
  CHECK(weights.of(parameters.start()) == Eigen::MatrixXd::Identity(2, 3));
  const auto program = [=]<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    const Vector<S> x(Eigen::Vector3d(1, 2, 3).template cast<double>());
    const Vector<S> y = weights(theta) * x + bias(theta);
    return dot(y, y) + draw(Bernoulli(rate(theta)));
  };
  const Estimate e = estimate(program, parameters.start(), StochasticDerivative{}, {.samples = 200, .names = parameters.names()});
  // y = (1.5, 1.5): d/dW = 2 y x^T, d/dbias = 2 y, d/drate = 1.
  CHECK(weights.of(e.gradient)(1, 2) == doctest::Approx(9));
  CHECK(bias.of(e.gradient)[0] == doctest::Approx(3));
  CHECK(rate.of(e.gradient) == doctest::Approx(1));
  std::ostringstream text;
  text << e;
  CHECK(text.str().find("weights(1, 2)") != std::string::npos);
  CHECK_THROWS_WITH_AS(parameters.scalar("bias", 1), doctest::Contains("a part called bias already"), InvalidArgument);
  CHECK_THROWS_WITH_AS(parameters.vector("none", Eigen::VectorXd()), doctest::Contains("none is empty"), InvalidArgument);
  CHECK_THROWS_WITH_AS(estimate(program, parameters.start(), StochasticDerivative{}, {.samples = 1, .names = {"a"}}),
                       doctest::Contains("1 names for 9 parameters"), InvalidArgument);
}

TEST_CASE("Auto picks replays where costs are nearly additive and a score function where flips interact") {
  const Eigen::VectorXd theta = Eigen::VectorXd::LinSpaced(6, -0.4, 0.5);
  const Exact smooth = enumerate(Coins{false}, theta), parity = enumerate(Coins{true}, theta);
  const Estimate a = estimate(Coins{false}, theta, Auto{}, {.samples = 4000, .seed = 2});
  CHECK(((a.gradient - smooth.gradient).array() / a.gradient_error.array()).abs().maxCoeff() < 5);
  CHECK(joined(a.diagnostics).find("Auto picked DebiasedSurrogate") != std::string::npos);
  CHECK(joined(a.diagnostics).find("M_res = 0.") != std::string::npos);
  const Estimate b = estimate(Coins{true}, theta, Auto{}, {.samples = 4000, .seed = 2});
  CHECK(((b.gradient - parity.gradient).array() / b.gradient_error.array()).abs().maxCoeff() < 5);
  CHECK(joined(b.diagnostics).find("Auto picked ScoreFunction") != std::string::npos);
  INFO(joined(a.diagnostics), joined(b.diagnostics));
  // Better than a usual choice per work, in both cases.
  const auto cost = [](const Estimate& e) {
    return e.total_variance * (e.work.runs + e.work.sweeps) / static_cast<double>(e.samples);
  };
  CHECK(cost(a) < 0.7 * cost(estimate(Coins{false}, theta, LeaveOneOut{2}, {.samples = 4000})));
  CHECK(cost(b) < 0.7 * cost(estimate(Coins{true}, theta, DebiasedSurrogate{}, {.samples = 4000})));
  // Refusals are passed over; biased candidates are not allowed.
  const Estimate c = estimate(Coins{false}, theta, Auto{.candidates = {LeaveOneOut{2}, StochasticDerivative{2}}}, {.samples = 10});
  CHECK(joined(c.diagnostics).find("LeaveOneOut(2)") != std::string::npos);
  // The note has them in order of variance x work, which is that of the samples, and what refuses last.
  const auto branch = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S sum = 0;
    for (int i = 0; i < 12; ++i) {
      const auto x = draw(BernoulliLogit(t[0]));
      sum += x ? S(x) : S(0);
    }
    return sum;
  };
  const Auto several{.candidates = {Rebar{}, LeaveOneOut{2}, StochasticDerivative{4}}, .pilot = 2000};
  const Estimate d = estimate(branch, theta, several, {.samples = 10'000});
  const std::string note = joined(d.diagnostics);
  CAPTURE(note);
  const auto at = [&](const char* text) { return note.find(text); };
  CHECK(at(": StochasticDerivative(4) ") < at(", LeaveOneOut(2) "));
  CHECK(at(", LeaveOneOut(2) ") < at(", Rebar(0.5, 1) refused"));
  REQUIRE(at(", Rebar(0.5, 1) refused") != std::string::npos);
  // Variances of a pilot of 2000: 10 percent are 3 standard errors.
  CHECK(std::stod(note.substr(at(", LeaveOneOut(2) ") + 17)) ==
        doctest::Approx(cost(estimate(branch, theta, LeaveOneOut{2}, {.samples = 10'000}))).epsilon(0.1));
  // Slopes that are wrong by -6 and by 3 at a difference of 3: the moment of residuals is 5/2 of the variance at p = 1/2.
  const auto cubes = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S sum = 0;
    for (int i = 0; i < 12; ++i) {
      const S x = draw(BernoulliLogit(t[0]));
      sum += 3 * x * square(x);
    }
    return sum;
  };
  const std::string residuals = joined(
      estimate(cubes, Eigen::VectorXd::Zero(1), Auto{.candidates = {LeaveOneOut{2}}, .pilot = 2000}, {.samples = 10}).diagnostics);
  CAPTURE(residuals);
  REQUIRE(residuals.find("M_res = ") != std::string::npos);
  CHECK(std::stod(residuals.substr(residuals.find("M_res = ") + 8)) == doctest::Approx(2.5).epsilon(0.2));
  CHECK_THROWS_WITH_AS(estimate(Coins{false}, theta, Auto{.candidates = {StraightThrough{}}}, {.samples = 1}),
                       doctest::Contains("Auto: StraightThrough is biased"), InvalidArgument);
}

TEST_CASE("diagnostics know a labelled draw wherever it comes") {
  // The second coin is tossed only if the first shows 1, so that the third, with a label, is site 1 or 2.
  const auto program = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S x = 0;
    if (draw(Bernoulli(0.5))) x += S(draw(Bernoulli(0.5)));
    return x + 4 * draw(Bernoulli(logistic(t[0])), 77);
  };
  const ReplayDiagnostics d = diagnose_replays(program, Eigen::VectorXd::Zero(1), {.paths = 64});
  REQUIRE(d.by_score.size() == 1);
  CHECK(d.by_score[0].law == "Bernoulli, label 77");
  CHECK(d.by_score[0].paths == 64);
  CHECK(d.by_score[0].score_share == doctest::Approx(1));
}
