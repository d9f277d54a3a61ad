// Every knob of every estimator, of the drivers and of the optimisers with numbers that make trouble; parameter vectors, shapes.
#include <doctest/doctest.h>

#include <limits>

#include <stoat/stoat.hpp>

#include "fuzz/hostile.hpp"

using namespace stoat;
using namespace fuzz;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Two coins, the second after the first: one program for all.
const auto coins = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
  const S a = draw(Bernoulli(logistic(t[0])));
  const S b = draw(Bernoulli(logistic(t[1])));
  return square(a - 0.3 * b) + 0.1 * t[0] + b;
};
const Program<double>& program() {
  static const Program<double> p = with_duals(coins);
  return p;
}
const Eigen::VectorXd theta = Eigen::Vector2d(0.2, -0.4);

std::vector<double> numbers(const AnyEstimator& e) {
  const Estimate x = estimate(program(), theta, e, {.samples = 3, .threads = 1});
  return {x.value, x.gradient[0], x.gradient[1]};
}
Knob of_number(const char* name, double lower, double upper, const std::function<AnyEstimator(double)>& make, bool open = true) {
  return {name, lower, upper, [make](double x) { return numbers(make(x)); }, open, open};
}
Knob of_integer(const char* name, double lower, double upper, const std::function<AnyEstimator(int)>& make) {
  return {name, lower, upper, [make](double x) { return numbers(make(static_cast<int>(x))); }};
}

std::vector<double> descend(const Optimizer& rule, const MinimizeOptions& options) {
  const Minimum m = minimize(program(), theta, StraightThrough{}, rule, options);
  return {m.theta[0], m.theta[1], m.value};
}
std::vector<double> step(Optimizer rule, double factor = 1) {
  Eigen::VectorXd x = theta;
  rule.step(x, Eigen::Vector2d(0.1, -2), factor);
  return {x[0], x[1]};
}

}  // namespace

TEST_CASE("hostile knobs of estimators") {
  for (const Knob& k : {
           of_number(
               "alpha", 0, 1, [](double x) { return SmoothedDerivative{x}; }, false),
           of_number("temperature", 0, infinity, [](double x) { return GumbelSoftmax{x}; }),
           of_number("temperature", 0, infinity, [](double x) { return StraightThroughGumbel{x}; }),
           of_number("temperature", 0, infinity, [](double x) { return GumbelRao{x}; }),
           of_number("temperature", 0, infinity, [](double x) { return GappedStraightThrough{x}; }),
           of_number("temperature", 0, infinity, [](double x) { return ReinMax{x}; }),
           of_number("temperature", 0, infinity, [](double x) { return Rebar{x}; }),
           of_number("temperature", 0, infinity, [](double x) { return Relax{.temperatures = {x}, .pilots = 4}; }),
           of_number("eta", -infinity, infinity,
                     [](double x) {
                       return Rebar{0.5, x};
                     }),
           of_number("alpha", -infinity, infinity, [](double x) { return DoubleControlVariate{x}; }),
           of_number("step", 0, infinity, [](double x) { return FiniteDifference{x}; }),
           of_number("step", 0, infinity, [](double x) { return Spsa{x}; }),
           of_number("sigma", 0, infinity, [](double x) { return EvolutionStrategy{x}; }),
       })
    check(k, hostile_numbers());
  check({"gap", 0, infinity, [](double x) { return numbers(GappedStraightThrough{1, x}); }, false, true}, hostile_numbers());
  check({"tail", 0, 1, [](double x) { return numbers(Enumeration{.tail = x}); }, false, true}, hostile_numbers());
  constexpr double most = std::numeric_limits<int>::max();
  const Eigen::VectorXd v = Eigen::Vector2d(1, -1);
  for (const Knob& k : {
           of_integer("runs", 2, most, [](int n) { return LeaveOneOut{n}; }),
           of_integer("runs", 2, most, [](int n) { return Arms{n}; }),
           of_integer("runs", 2, most, [](int n) { return Vimco{n}; }),
           of_integer("samples", 1, most,
                      [](int n) {
                        return GumbelRao{0.5, n};
                      }),
           of_integer("replays", -1, most, [](int n) { return StochasticDerivative{n}; }),
           of_integer("replays", -1, most, [](int n) { return DebiasedSurrogate{n}; }),
           of_integer("replays", 0, most,
                      [](int n) {
                        return PerSite{Method::replay, n};
                      }),
           of_integer("parameters", 0, most, [](int n) { return MeasureValuedDerivative{n}; }),
           of_integer("sites", 0, most, [](int n) { return UnorderedSet{n}; }),
           of_integer("top", 1, most, [](int n) { return SumAndSample{n}; }),
           of_integer("sites", 0, most,
                      [](int n) {
                        return SumAndSample{1, n};
                      }),
           of_integer("pilot", 2, most, [](int n) { return ScoreFunctionCritic{.pilot = n}; }),
           of_integer("pilot", 4, most, [](int n) { return ScoreFunctionMartingale{.pilot = n}; }),
           of_integer("pilot", 2, most, [](int n) { return StochasticDerivative{.choice = SiteChoice::neyman, .pilot = n}; }),
           of_integer("pilots", 4, most, [](int n) { return Relax{.pilots = n}; }),
           of_integer("training", 2, most,
                      [](int n) { return Relax{.temperatures = {1}, .pilots = 4, .hidden = 2, .training = n}; }),
           of_integer("pilot", 8, most, [](int n) { return Auto{.pilot = n}; }),
       })
    check(k, as_numbers(hostile_integers()));
  for (const int n : {-3, -1}) refuses("hidden", [&] { numbers(Relax{.hidden = n}); });
  for (const int n : {-3, 0, 5, 1000}) refuses("order", [&] { numbers(Dice{v, n}); });
  refuses("Relax: there are no temperatures", [] { numbers(Relax{.temperatures = {}}); });
  refuses("a direction of 0 numbers for 2 parameters", [] { numbers(HessianVectorProduct{Eigen::VectorXd()}); });
  refuses("Enumeration: more than 0 sequences", [] { numbers(Enumeration{.max_leaves = 0}); });
  refuses("biased", [] { numbers(Auto{.candidates = {StraightThrough{}}}); });
  refuses("Flow::least_variance", [] { numbers(ForwardTriple{false, Flow::least_variance}); });
}

TEST_CASE("hostile options of estimates and comparisons") {
  const AnyEstimator e = ScoreFunction{};
  const auto estimated = [&](const Options& o) {
    const Estimate x = estimate(program(), theta, e, o);
    return std::vector<double>{x.value, x.gradient.sum()};
  };
  check({"target_error", 0, infinity, [&](double x) { return estimated({.samples = 3, .threads = 1, .target_error = x}); }},
        hostile_numbers());
  check({"time_limit", 0, infinity, [&](double x) { return estimated({.samples = 3, .threads = 1, .time_limit = x}); }},
        hostile_numbers());
  check({"confidence", 0, 1,
         [&](double x) {
           const auto i = estimate(program(), theta, e, {.samples = 10}).intervals(x);
           return std::vector<double>{i.lower.sum()};
         },
         true, true},
        hostile_numbers());
  check({"confidence", 0, 1,
         [&](double x) {
           return std::vector<double>{compare(program(), theta, {e}, {.samples = 10, .threads = 1, .confidence = x}).rows[0].value};
         },
         true, true},
        hostile_numbers());
  refuses("samples = 0", [&] { estimated({.samples = 0}); });
  refuses("samples = 0", [&] { compare(program(), theta, {e}, {.samples = 0}); });
  refuses("threads = -1", [&] { estimated({.threads = -1}); });
  refuses("threads = -1", [&] { compare(program(), theta, {e}, {.threads = -1}); });
  refuses("3 names for 2 parameters", [&] { estimated({.names = {"a", "b", "c"}}); });
  refuses("draws", [&] { estimated({.samples = 3, .max_draws = 1}); });
  refuses("intervals", [&] { estimate(program(), theta, e, {.samples = 1}).intervals(1); });
  Exact truth;
  for (const Eigen::VectorXd& g : {Eigen::VectorXd(), Eigen::VectorXd(Eigen::Vector3d(1, 2, 3))}) {
    truth.gradient = g;
    refuses("components, theta has 2", [&] { compare(program(), theta, {e}, {.samples = 10, .truth = truth}); });
  }
  truth.gradient = Eigen::Vector2d(1, std::nan(""));
  refuses("the truth is not finite", [&] { compare(program(), theta, {e}, {.samples = 10, .truth = truth}); });
  truth.gradient = theta, truth.gradient_error = Eigen::Vector3d(1, 2, 3);
  refuses("3 components of its error", [&] { compare(program(), theta, {e}, {.samples = 10, .truth = truth}); });
  CHECK(compare(program(), theta, {}, {.samples = 10}).rows.empty());
  // Parameter vectors.
  const Eigen::VectorXd bad = Eigen::Vector2d(0.1, infinity);
  for (const Eigen::VectorXd& x : {Eigen::VectorXd(), bad, Eigen::VectorXd(Eigen::Vector2d(std::nan(""), 0))}) {
    const char* const words = x.size() == 0 ? "the parameter vector is empty" : "theta";
    refuses(words, [&] { estimate(program(), x, e, {.samples = 3}); });
    refuses(words, [&] { enumerate(program(), x); });
    refuses(words, [&] { compare(program(), x, {e}, {.samples = 3}); });
    refuses(words, [&] { minimize(program(), x, e, Adam{}, {.iterations = 2}); });
    refuses(words, [&] { diagnose(program(), x); });
    refuses(words, [&] { diagnose_replays(program(), x); });
  }
  // A program that returns no number is caught in the run that did it.
  const auto broken = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    return draw(Bernoulli(logistic(t[0]))) ? S(std::numeric_limits<double>::quiet_NaN()) : t[1];
  };
  refuses("nan", [&] { estimate(broken, theta, e, {.samples = 100}); });
  refuses("nan", [&] { enumerate(broken, theta); });
  refuses("there are no data", [] { over_data(0, [](auto&, const auto& t, std::size_t) { return t[0]; }); });
}

TEST_CASE("hostile options of descents, diagnoses, optimisers, schedules and constraints") {
  const MinimizeOptions two{.iterations = 2, .samples = 2, .threads = 1};
  const auto with = [&](const auto& change) {
    return [=](double x) {
      MinimizeOptions o = two;
      change(o, x);
      return descend(Sgd{0.1}, o);
    };
  };
  for (const Knob& k : {
           Knob{"average", 0, 1, with([](MinimizeOptions&o, double x) { o.average = x; })},
           Knob{"noise", 0, infinity, with([](MinimizeOptions&o, double x) { o.max_samples = 4, o.noise = x; }), true, true},
           Knob{"confidence", 0.5, 1, with([](MinimizeOptions&o, double x) { o.confidence = x; }), true, true},
           Knob{"tolerance", 0, infinity, with([](MinimizeOptions&o, double x) { o.tolerance = x; }), false, true},
           Knob{"time_limit", 0, infinity, with([](MinimizeOptions&o, double x) { o.time_limit = x; }), true},
           Knob{"rate", 0, infinity, [](double x) { return step(Adam{x}); }, true, true},
           Knob{"beta1", 0, 1,
                [](double x) {
                  return step(Adam{0.1, x});
                },
                false, true},
           Knob{"beta2", 0, 1, [](double x) { return step(Adam{.rate = 0.1, .beta2 = x}); }, false, true},
           Knob{"epsilon", 0, infinity, [](double x) { return step(Adam{.epsilon = x}); }, true, true},
           Knob{"rate", 0, infinity, [](double x) { return step(Sgd{x}); }, true, true},
           Knob{"momentum", 0, 1,
                [](double x) {
                  return step(Sgd{0.1, x});
                },
                false, true},
           Knob{"rate", 0, infinity, [](double x) { return step(Smorms3{x}); }, true, true},
           Knob{"epsilon", 0, infinity, [](double x) { return step(Smorms3{.epsilon = x}); }, true, true},
           Knob{"factor", 0, infinity, [](double x) { return step(Sgd{0.1}, x); }, false, true},
           Knob{"decay", 0, 1, [](double x) { return std::vector<double>{schedule::exponential(x)(3)}; }, true},
           Knob{"last", 0, 1, [](double x) { return std::vector<double>{schedule::cosine(5, x)(3)}; }},
           Knob{"factor", 0, 1, [](double x) { return std::vector<double>{schedule::steps(2, x)(3)}; }, true},
           Knob{"schedule", 0, infinity, with([](MinimizeOptions&o, double x) { o.schedule = [x](int) { return x; }; }), false,
                true},
       })
    check(k, hostile_numbers());
  constexpr double most = std::numeric_limits<int>::max();
  for (const Knob& k : {
           Knob{"iterations", 1, most, with([](MinimizeOptions&o, double x) { o.iterations = static_cast<int>(x); })},
           Knob{"checkpoint_every", 1, most, with([](MinimizeOptions&o, double x) { o.checkpoint_every = static_cast<int>(x); })},
           Knob{"epochs", 1, most, [](double x) { return std::vector<double>{schedule::cosine(static_cast<int>(x), 0)(0)}; }},
           Knob{"every", 1, most, [](double x) { return std::vector<double>{schedule::steps(static_cast<int>(x), 0.5)(0)}; }},
       })
    check(k, as_numbers(hostile_integers()));
  refuses("window", [&] { with([](MinimizeOptions& o, double) { o.window = 3; })(0); });
  refuses("samples = 0", [&] { with([](MinimizeOptions& o, double) { o.samples = 0; })(0); });
  refuses("threads = -2", [&] { with([](MinimizeOptions& o, double) { o.threads = -2; })(0); });
  refuses("differ in length", [] {
    Eigen::VectorXd x = theta;
    Optimizer(Adam{}).step(x, Eigen::VectorXd::Zero(3));
  });
  for (const double x : hostile_numbers()) {
    if (!(x > 0 && std::isfinite(x))) refuses("relative_error", [&] { diagnose(program(), theta, {.relative_error = x}); });
    if (!(x >= 0 && std::isfinite(x))) refuses("target_error", [&] { diagnose(program(), theta, {.target_error = x}); });
    if (!(x >= 1)) refuses("max_visits", [&] { diagnose(program(), theta, {.max_visits = x}); });
    if (!(x > 0)) refuses("time_limit", [&] { diagnose(program(), theta, {.time_limit = x}); });
  }
  refuses("pilot", [] { diagnose(program(), theta, {.pilot = 3}); });
  refuses("paths", [] { diagnose_replays(program(), theta, {.paths = 1}); });
  const double nan = std::nan("");
  refuses("first", [] { Constraints{}.positive(-1); });
  refuses("count", [] { Constraints{}.positive(0, 0); });
  refuses("nothing between", [&] { Constraints{}.interval(0, 1, nan, 1); });
  refuses("nothing between", [] { Constraints{}.interval(0, 1, 1, 1); });
  refuses("finite", [] { Constraints{}.interval(0, 1, -infinity, infinity); });
  refuses("one coordinate", [] { Constraints{}.simplex(0, 1); });
  refuses("overlaps", [] { Constraints{}.positive(0, 2).simplex(1, 3); });
  refuses("goes beyond", [] { Constraints{}.positive(1, 2).free(theta); });
  for (const double x : hostile_numbers())
    if (!(x > 0 && std::isfinite(x))) refuses("theta[0]", [&] { Constraints{}.positive(0).free(Eigen::Vector2d(x, 1)); });
  Parameters parameters;
  parameters.scalar("rate", 1);
  refuses("rate", [&] { parameters.scalar("rate", 2); });
  refuses("weights", [&] { parameters.matrix("weights", Eigen::MatrixXd(0, 3)); });
}

TEST_CASE("shapes that do not fit") {
  const Vector<double> v{1.0, 2.0, 3.0}, empty(Eigen::VectorXd(0));
  const Matrix<double> m(Eigen::MatrixXd(Eigen::MatrixXd::Ones(2, 3))), square(Eigen::MatrixXd(Eigen::MatrixXd::Ones(2, 2))),
      none(Eigen::MatrixXd(0, 0));
  const Vector<double> two{1.0, 2.0};
  const auto call = [](const auto& result) { return evaluated(result).rows(); };
  for (const auto& f : std::initializer_list<std::function<void()>>{
           [&] { call(v + two); },
           [&] { call(cwise_product(v, two)); },
           [&] { call(m * two); },
           [&] { call(m * m); },
           [&] { dot(v, two); },
           [&] { call(solve(m, two)); },
           [&] { call(solve(square, v)); },
           [&] { call(solve_lower(m, two)); },
           [&] { call(solve_upper(square, v)); },
           [&] { call(solve_spd(m, two)); },
           [&] { call(cholesky(m)); },
           [&] { call(inverse(m)); },
           [&] { log_determinant(m); },
           [&] { log_determinant_spd(m); },
           [&] { call(solve(square, two)); },  // singular
           [&] { call(inverse(square)); },
           [&] { call(cholesky(Matrix<double>(-1.0 * square))); },
           [&] { call(concatenate_rows(m, square)); },
           [&] { call(v.segment(2, 2)); },
           [&] { call(v.segment(-1, 2)); },
           [&] { call(v.segment(0, -1)); },
           [&] { call(v.head(4)); },
           [&] { call(v.tail(4)); },
           [&] { call(v.matrix(0, 2, 2)); },
           [&] { call(v.matrix(0, -1, -1)); },
           [&] { call(m.block(0, 0, 3, 3)); },
           [&] { call(m.block(1, 2, 1, 2)); },
           [&] { call(m.row(2)); },
           [&] { call(m.col(-1)); },
           [&] { call(Vector<double>(m)); },
           [&] { call(colwise(m) + v); },
           [&] { call(rowwise(m) * two); },
           [&] { mean(empty); },
           [&] { max_coeff(none); },
           [&] { directional_derivative([](const auto& x) { return x[0]; }, theta, Eigen::VectorXd(Eigen::VectorXd::Ones(3))); },
           [&] { hessian_vector_product([](const auto& x) { return x[0]; }, theta, Eigen::VectorXd(Eigen::VectorXd::Ones(3))); },
       })
    CHECK(!outcome_of([&] { return f(), std::vector<double>{}; }).error.empty());
  CHECK(sum(empty) == 0);
  CHECK(call(softmax(empty)) == 0);
  CHECK(call(none * none) == 0);
}
