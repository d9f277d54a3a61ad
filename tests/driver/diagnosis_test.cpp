#include <cmath>
#include <sstream>

#include <doctest/doctest.h>

#include <stoat/distributions/bernoulli.hpp>
#include <stoat/distributions/normal.hpp>
#include <stoat/distributions/poisson.hpp>
#include <stoat/driver/diagnose.hpp>
#include <stoat/driver/estimate.hpp>
#include <stoat/estimators/replay.hpp>
#include <stoat/estimators/score_function.hpp>
#include <stoat/estimators/smoothed.hpp>

using namespace stoat;

namespace {

/// A walk of 100 steps: every draw steers.
const Program<double>& walk() {
  static const Program<double> program = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S x = 0;
    for (int t = 0; t < 100; ++t) {
      if (draw(Bernoulli(exp(-x / theta[0])))) x += 1;
      else x -= 1;
    }
    return x * x;
  };
  return program;
}

/// A square of a mean of as many coins as there are parameters, and one Poisson draw that depends on nothing.
const Program<double>& coins() {
  static const Program<double> program = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    S sum = 0;
    for (Eigen::Index i = 0; i < theta.size(); ++i) sum += draw(BernoulliLogit(theta[i]));
    return square(sum / static_cast<double>(theta.size()) - 0.3) + 0.01 * draw(Poisson(2.0));
  };
  return program;
}

/// No discrete draw, but a jump that is not in the gradient.
const Program<double>& smooth() {
  static const Program<double> program = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    const S x = draw(Normal(theta[0], 1.0));
    return x > 1 ? S(x * theta[0]) : S(x);
  };
  return program;
}

std::string text(const Diagnosis& d) {
  std::ostringstream out;
  out << d;
  return out.str();
}
bool told(const Diagnosis& d, const std::string& words) {
  for (const std::string& note : d.notes)
    if (note.find(words) != std::string::npos) return true;
  return false;
}
const Candidate& find(const Diagnosis& d, const std::string& name) {
  for (const Candidate& c : d.candidates)
    if (c.estimator == name) return c;
  throw Error("no candidate " + name);
}

}  // namespace

TEST_CASE("a diagnosis counts draws, finds an estimator, and its forecast comes true") {
  const Eigen::VectorXd theta = Eigen::VectorXd::Constant(1, 200.0);
  const Diagnosis d = diagnose(walk(), theta, {.relative_error = 0.03, .threads = 1});
  CHECK(d.parameters == 1);
  CHECK(d.sites == 100);
  CHECK(d.active == 100);
  CHECK(d.steering == 100);
  CHECK(d.arithmetic == 0);
  REQUIRE(d.laws.size() == 1);
  CHECK(d.laws[0].law == "Bernoulli");
  CHECK(d.resolved);
  CHECK(std::abs(d.gradient_length - 15.1349) < 5 * d.gradient_error);
  CHECK(d.wanted_error == doctest::Approx(0.03 * d.gradient_length));
  REQUIRE(d.replays);
  CHECK(d.replays->paths == 32);
  CHECK(told(d, "100 draws are read as bool or integer"));
  // The surrogate sees nothing, and replays beat score functions (CHOOSING.md).
  CHECK(find(d, "StraightThrough").bias == doctest::Approx(1).epsilon(0.1));
  CHECK_FALSE(told(d, "StraightThrough is"));
  REQUIRE(d.recommended);
  CHECK((d.recommended->name().starts_with("StochasticDerivative") || d.recommended->name().starts_with("DebiasedSurrogate")));
  CHECK(d.recommended->name() == d.candidates.front().estimator);
  for (const Candidate& c : d.candidates) {
    CHECK(c.skipped.empty());
    CHECK(c.seconds > 0);
    if (c.unbiased) CHECK(c.total_work >= d.candidates.front().total_work);
    if (c.unbiased) CHECK(c.samples == std::ceil(c.variance / (d.wanted_error * d.wanted_error)));
  }
  const Estimate e = estimate(walk(), theta, *d.recommended, {.samples = d.samples, .seed = 7});
  CHECK(e.gradient_error[0] == doctest::Approx(d.wanted_error).epsilon(0.25));
  const std::string shown = text(d);
  for (const char* part : {"program  1 parameter;", "Bernoulli    100", "interaction order M = ",
                           "most of a score function's noise: ", "costs (3 % of the gradient), with 1 thread\n", "use      "})
    CHECK(shown.find(part) != std::string::npos);

  // All but the seconds depends on nothing but the seed.
  const Diagnosis same = diagnose(walk(), theta, {.relative_error = 0.03, .threads = 2});
  CHECK(same.gradient_length == d.gradient_length);
  CHECK(same.recommended->name() == d.recommended->name());
  CHECK(same.samples == d.samples);
}

TEST_CASE("a diagnosis sees what a surrogate explains") {
  const Diagnosis d = diagnose(coins(), Eigen::VectorXd::Constant(40, 0.5), {.pilot = 128, .threads = 1});
  CHECK(d.sites == 41);
  CHECK(d.active == 40);
  CHECK(d.arithmetic == 40);
  REQUIRE(d.laws.size() == 2);
  CHECK(d.laws[0].law == "BernoulliLogit");
  CHECK(d.laws[1].law == "Poisson");
  CHECK(d.laws[1].active == 0);
  CHECK(told(d, "1 of 41 draws do not depend on theta"));
  CHECK(told(d, "debiased replays pay off"));
  CHECK(d.recommended->name().starts_with("DebiasedSurrogate"));
  const Candidate &score = find(d, "ScoreFunction"), &surrogate = find(d, "StraightThrough");
  CHECK(score.total_work > 5 * d.candidates.front().total_work);
  CHECK(d.candidates.back().estimator == "StraightThrough");
  CHECK(surrogate.bias < 0.6 * surrogate.detectable_bias);
  CHECK(surrogate.detectable_bias < 0.2);
  CHECK(told(d, "StraightThrough is"));
  // An absolute error instead: a hundredth of it takes ten thousand times the draws.
  const auto samples = [&](double error) {
    return diagnose(coins(), Eigen::VectorXd::Constant(40, 0.5),
                    {.target_error = error, .candidates = {ScoreFunction{}}, .pilot = 128, .max_replays = 2, .threads = 1});
  };
  const Diagnosis coarse = samples(1e-2), fine = samples(1e-4);
  CHECK(static_cast<double>(fine.samples) == doctest::Approx(1e4 * static_cast<double>(coarse.samples)).epsilon(0.01));
  CHECK_FALSE(coarse.replays);
  CHECK(told(coarse, "more than max_replays = 2"));
}

TEST_CASE("programs without draws, of few outcomes, of many parameters, and those nobody can do") {
  const Diagnosis none = diagnose(smooth(), Eigen::VectorXd::Constant(1, 0.5), {.threads = 1});
  CHECK(none.sites == 0);
  CHECK(none.candidates.size() == 1);
  CHECK(told(none, "nothing discrete is drawn"));
  CHECK(told(none, "comparisons of continuous values that depend on theta"));
  CHECK(none.comparisons == 1);
  CHECK(text(none).find("draws    0 in a run") != std::string::npos);

  const auto few = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S a = draw(Bernoulli(t[0]));
    return a + square(a - draw(Bernoulli(t[0] * 0.5)));
  };
  const Diagnosis exact = diagnose(few, Eigen::VectorXd::Constant(1, 0.4), {.relative_error = 1e-3, .threads = 1});
  CHECK(exact.recommended->name() == "Enumeration");
  CHECK(exact.samples == 1);
  CHECK(exact.gradient_error == 0);
  // E f = p + p + p / 2 - 2 p p / 2 = 2.5 p - p^2.
  CHECK(exact.gradient_length == doctest::Approx(2.5 - 0.8));

  // 5000 coins and as many parameters: bounded, and without replays of all of them.
  const Diagnosis many = diagnose(coins(), Eigen::VectorXd::Zero(5000),
                                  {.candidates = {ScoreFunction{}, StochasticDerivative{}, StraightThrough{}},
                                   .max_visits = 1e6,
                                   .max_replays = 5000,
                                   .threads = 1});
  CHECK(many.sites == 5001);
  CHECK(find(many, "ScoreFunction").pilot == 24);  // 1e6 / (4 * 10002)
  CHECK_FALSE(many.replays);
  CHECK(text(many).find("5000 parameters") != std::string::npos);

  const Diagnosis flat = diagnose(coins(), Eigen::VectorXd::Zero(3), {.candidates = {StraightThrough{}}, .threads = 1});
  CHECK_FALSE(flat.recommended);
  CHECK(told(flat, "no unbiased candidate can do this program"));
  CHECK_NOTHROW(text(flat));
  const Diagnosis late = diagnose(coins(), Eigen::VectorXd::Zero(3), {.time_limit = 1e-9, .threads = 1});
  CHECK(late.candidates.front().skipped == "no time was left");
  CHECK(told(late, "no unbiased candidate can do this program: no time was left"));
}

TEST_CASE("a gradient that is lost in noise is called so") {
  // Whether two coins agree, one of them fair: the other one's chance does not matter, and the score function does not know.
  const auto lost = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const auto a = draw(BernoulliLogit(t[0])).value();
    return S(a == draw(Bernoulli(0.5)).value() ? 1.0 : -1.0);
  };
  const Diagnosis d = diagnose(lost, Eigen::VectorXd::Zero(1), {.candidates = {ScoreFunction{}}, .threads = 1});
  CHECK_FALSE(d.resolved);
  CHECK(told(d, "does not tell the gradient from zero"));
  CHECK(text(d).find("gradient of length at most ") != std::string::npos);
}

TEST_CASE("a diagnosis that cannot be is refused by name") {
  const auto refused = [](const DiagnosisOptions& options, const char* message) {
    CHECK_THROWS_WITH_AS(diagnose(coins(), Eigen::VectorXd::Zero(3), options), message, InvalidArgument);
  };
  refused({.relative_error = 0}, "diagnose: relative_error = 0 is outside (0, infinity)");
  refused({.target_error = -1}, "diagnose: target_error = -1 is outside [0, infinity)");
  refused({.pilot = 15}, "diagnose: pilot = 15 is outside [16, infinity)");
  refused({.max_visits = 0}, "diagnose: max_visits = 0 is outside [1, infinity)");
  refused({.time_limit = 0}, "diagnose: time_limit = 0 is outside (0, infinity]");
}

TEST_CASE("replays of a program over data are about all of them") {
  // Datum i turns the coin's effect: of the first one alone there is none.
  const Program<double> program = over_data(4, []<class S>(Sampler<S>& draw, const Vector<S>& t, std::size_t i) -> S {
    return static_cast<double>(i) * draw(Bernoulli(t[0]));
  });
  const ReplayDiagnostics r = diagnose_replays(program, Eigen::VectorXd::Constant(1, 0.5), {.paths = 64});
  // Var f = E i^2 / 2 - (E i)^2 / 4 = 1.75 - 0.5625.
  CHECK(r.cost_variance == doctest::Approx(1.1875).epsilon(0.1));
  CHECK(diagnose(program, Eigen::VectorXd::Constant(1, 0.5), {.threads = 1}).data == 4);
}
