// Random programs against an enumeration of their own. STOAT_FUZZ_PROGRAMS=10000 build/tests/test_fuzz makes 10000 of them.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

#include <stoat/driver/enumerate.hpp>
#include <stoat/driver/estimate.hpp>
#include <stoat/estimators/dice.hpp>
#include <stoat/estimators/disarm.hpp>
#include <stoat/estimators/double_control_variate.hpp>
#include <stoat/estimators/forward.hpp>
#include <stoat/estimators/measure_valued.hpp>
#include <stoat/estimators/muprop.hpp>
#include <stoat/estimators/per_site.hpp>
#include <stoat/estimators/rebar.hpp>
#include <stoat/estimators/replay.hpp>
#include <stoat/estimators/score_function.hpp>
#include <stoat/estimators/smoothed.hpp>
#include <stoat/estimators/without_replacement.hpp>

#include "fuzz/amount.hpp"
#include "fuzz/random_program.hpp"

using namespace stoat;
using namespace fuzz;

namespace {

/// A small program with a truth.
struct Case {
  RandomProgram program;
  Eigen::VectorXd theta;
  std::vector<Leaf> leaves;
  Flavour flavour;
};

/// The case of a number: of five, three are general.
Case make_case(std::uint64_t number) {
  std::mt19937_64 random(number);
  constexpr std::size_t most_leaves = 150;
  Case c;
  c.flavour = number % 5 == 3 ? Flavour::coins : number % 5 == 4 ? Flavour::independent_coins : Flavour::general;
  do {
    c.program = random_program(c.flavour, random);
    c.theta.resize(RandomProgram::parameters);
    for (double& t : c.theta) t = static_cast<double>(random() % 2001) / 1000 - 1;
    c.leaves = leaves(c.program, c.theta, most_leaves);
  } while (c.leaves.size() < 2);
  return c;
}

double mean_cost(const std::vector<Leaf>& leaves) {
  double sum = 0;
  for (const Leaf& leaf : leaves) sum += leaf.probability * leaf.cost;
  return sum;
}

/// Central differences of fourth order of the mean cost.
Eigen::VectorXd differences(const Case& c, double h) {
  const auto at = [&](Eigen::Index j, double step) {
    Eigen::VectorXd x = c.theta;
    x[j] += step;
    return mean_cost(leaves(c.program, x, 100'000));
  };
  Eigen::VectorXd g(c.theta.size());
  for (Eigen::Index j = 0; j < g.size(); ++j) g[j] = (8 * (at(j, h) - at(j, -h)) - (at(j, 2 * h) - at(j, -2 * h))) / (12 * h);
  return g;
}

using Path = std::vector<std::int64_t>;

/// The mean cost given the first outcomes.
class Conditional {
 public:
  explicit Conditional(const std::vector<Leaf>& leaves) {
    for (const Leaf& leaf : leaves)
      for (std::size_t n = 0; n <= leaf.outcomes.size(); ++n) {
        auto& [probability, cost] = sums_[Path(leaf.outcomes.begin(), leaf.outcomes.begin() + static_cast<std::ptrdiff_t>(n))];
        probability += leaf.probability, cost += leaf.probability * leaf.cost;
      }
  }
  /// 0 for what has no probability.
  double operator()(const Path& first) const {
    const auto found = sums_.find(first);
    return found == sums_.end() || found->second.first == 0 ? 0 : found->second.second / found->second.first;
  }

 private:
  std::map<Path, std::pair<double, double>> sums_;
};

constexpr std::array<Flow, 4> flows{Flow::least_variance, Flow::inversion, Flow::independent, Flow::antisymmetric};

/// The mean of what replays of all alternatives give, with every flow: a sum over all paths, in which the cost of a replay is the
/// mean cost given its first outcomes.
std::array<Eigen::VectorXd, 4> mean_of_replays(const Case& c) {
  std::array<Eigen::VectorXd, 4> gradients;
  gradients.fill(Eigen::VectorXd::Zero(c.theta.size()));
  const Conditional expected(c.leaves);
  Trace<double> trace(c.program, c.theta);
  Alternatives alternatives;
  for (const Leaf& leaf : c.leaves) {
    trace.record_lowest({}, leaf.outcomes);
    CHECK(trace.cost() == doctest::Approx(leaf.cost).epsilon(1e-12));
    REQUIRE(trace.sites() == leaf.outcomes.size());
    trace.tangents(Eigen::Matrix<double, Eigen::Dynamic, 4>::Identity(c.theta.size(), 4));
    for (std::size_t f = 0; f < flows.size(); ++f) {
      trace.begin_sweep();
      trace.seed_cost(1);
      Path first;
      for (std::size_t i = 0; i < trace.sites(); ++i) {
        alternatives.clear();
        trace.alternatives(i, flows[f], alternatives);
        first.push_back(leaf.outcomes[i]);
        const double here = expected(first);
        for (const Alternative& y : alternatives.list) {
          first.back() = y.outcome;
          const double change = expected(first) - here;
          for (const Weight& w : alternatives.of(y)) trace.seed(i, w.parameter, w.value * change);
        }
        first.back() = leaf.outcomes[i];
      }
      trace.sweep(gradients[f], leaf.probability);
    }
  }
  return gradients;
}

/// On a path: an OPEN sweep, less what came through its edges, is a CUT sweep.
void check_edges(const Case& c, const Leaf& leaf) {
  Trace<double> trace(c.program, c.theta);
  trace.record_lowest({}, leaf.outcomes, Outcomes::variables);
  Eigen::VectorXd cut = Eigen::VectorXd::Zero(c.theta.size()), open = cut;
  trace.begin_sweep();
  trace.seed_cost(1);
  trace.sweep(cut);
  trace.open(SmoothedEdge{0.3});
  trace.begin_sweep();
  trace.seed_cost(1);
  trace.sweep(open);
  std::vector<double> edge;
  for (std::size_t i = 0; i < trace.sites(); ++i)
    for (std::uint32_t j = 0; j < trace.site(i).count; ++j) edge.push_back(trace.edge_adjoint(i, j));
  trace.cut();
  trace.begin_sweep();
  for (std::size_t i = 0, k = 0; i < trace.sites(); ++i)
    for (std::uint32_t j = 0; j < trace.site(i).count; ++j) trace.seed(i, j, -edge[k++]);
  trace.sweep(open);
  CHECK((open - cut).norm() < 1e-10 * (1 + cut.norm()));
}

/// The Hessian times a direction, by central differences of gradients.
Exact second_order(const Case& c, const Exact& truth, const Eigen::VectorXd& direction) {
  const auto at = [&](double step) {
    return enumerate(c.program, Eigen::VectorXd(c.theta + step * direction), {.tail = 1e-14}).gradient;
  };
  const double h = 2e-3;
  Exact second;
  second.value = truth.value;
  second.gradient = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
  return second;
}

/// Differences between the means of an estimator and the truth, over many programs.
struct Tally {
  AnyEstimator estimator;
  bool second_order = false;    ///< it estimates the Hessian times the direction, not the gradient
  double sum = 0, squares = 0;  ///< of differences along the gradient, in standard errors of other samples
  int programs = 0, refused = 0;
  int suspects = 0;  ///< programs whose difference had to be looked at twice
  int failures = 0;
};

/// One half of the samples judges the other, so that both have mean 0 without a bias whatever the law of the samples is: by their
/// own standard errors samples of skewed laws would not.
void compare(const Case& c, const Exact& truth, std::uint64_t number, Tally& tally) {
  const Program<double> program = with_duals(c.program);
  const Eigen::VectorXd along = truth.gradient.normalized();
  const auto sample = [&](std::uint64_t samples, std::uint64_t seed) {
    return estimate(program, c.theta, tally.estimator,
                    {.samples = samples, .seed = seed, .threads = 1, .covariance = true, .loops = {.check = true}});
  };
  const auto difference = [&](const Estimate& e) { return along.dot(e.gradient - truth.gradient); };
  const auto variance = [&](const Estimate& e) { return along.dot(e.covariance * along); };
  const double exact = 1e-8 * (1 + truth.gradient.norm());
  std::uint64_t samples = 160;
  try {
    for (int attempt = 0;; ++attempt, samples *= 12) {
      const Estimate e = sample(samples, 2 * number + 1000 * static_cast<std::uint64_t>(attempt));
      const Estimate f = sample(samples, 2 * number + 1000 * static_cast<std::uint64_t>(attempt) + 1);
      const double v = variance(e), w = variance(f), d = difference(e), g = difference(f);
      if (attempt == 0) {
        ++tally.programs;
        const double floor = 1e-2 * truth.gradient.norm() + exact, p = std::max(std::sqrt(v), floor),
                     q = std::max(std::sqrt(w), floor);
        tally.sum += d / q + g / p;
        tally.squares += v / (q * q) + w / (p * p);
      }
      const double value_error = std::hypot(e.value_error, f.value_error);
      if (std::abs(d + g) <= 4.5 * std::sqrt(v + w) + exact &&
          std::abs(e.value + f.value - 2 * truth.value) <= 4.5 * value_error + 1e-8 * (1 + std::abs(truth.value)))
        return;
      tally.suspects += attempt == 0;
      if (attempt < 3) continue;
      ++tally.failures;
      CAPTURE(number);
      CAPTURE(e.gradient.transpose());
      CAPTURE(f.gradient.transpose());
      CAPTURE(truth.gradient.transpose());
      FAIL_CHECK(e.estimator << " is off by " << std::abs(d + g) / std::sqrt(v + w) << " standard errors, its value by "
                             << std::abs(e.value + f.value - 2 * truth.value) / value_error);
      return;
    }
  } catch (const Refusal&) { ++tally.refused; }
}

}  // namespace

TEST_CASE("random programs: enumeration, its differences, and the mean of all replays") {
  const std::uint64_t programs = amount("STOAT_FUZZ_PROGRAMS", 200);
  std::size_t moving = 0;
  for (std::uint64_t number = 0; number < programs; ++number) {
    CAPTURE(number);
    const Case c = make_case(number);
    double total = 0;
    for (const Leaf& leaf : c.leaves) total += leaf.probability;
    CHECK(std::abs(total - 1) < 1e-11);
    const Exact exact = enumerate(c.program, c.theta, {.tail = 1e-14});
    CHECK(exact.value == doctest::Approx(mean_cost(c.leaves)).epsilon(1e-8));
    const Eigen::VectorXd fine = differences(c, 1e-3);
    const double error = (differences(c, 2e-3) - fine).norm();
    CHECK((exact.gradient - fine).norm() < 1e-8 * (1 + exact.gradient.norm()) + error);
    CHECK(error < 1e-6 * (1 + exact.gradient.norm()));
    for (const Eigen::VectorXd& g : mean_of_replays(c)) CHECK((g - exact.gradient).norm() < 1e-7 * (1 + exact.gradient.norm()));
    check_edges(c, c.leaves[c.leaves.size() / 2]);
    moving += exact.gradient.norm() > 1e-3;
  }
  CHECK(moving > programs * 9 / 10);
}

TEST_CASE("random programs: unbiased estimators") {
  // A difference above 4.5 standard errors must come again with other random numbers and 12, 144 and 1728 times the samples: of
  // normal means 7e-6 fall out each time. The means over all programs are off by 5 standard errors once in 1.7 million.
  const Eigen::VectorXd direction = Eigen::Vector3d(0.5, -1, 0.25);
  std::vector<Tally> tallies;
  for (const AnyEstimator& e : {
           AnyEstimator(ScoreFunction{}),
           AnyEstimator(ScoreFunction{Baseline::none}),
           AnyEstimator(LeaveOneOut{3}),
           AnyEstimator(ScoreFunctionCritic{.pilot = 40}),
           AnyEstimator(ScoreFunctionMartingale{.pilot = 40}),
           AnyEstimator(MuProp{}),
           AnyEstimator(DisArm{}),
           AnyEstimator(Arms{3, AntitheticGroups::sites}),
           AnyEstimator(DoubleControlVariate{}),
           AnyEstimator(Rebar{}),
           AnyEstimator(Relax{.temperatures = {0.5}, .pilots = 20}),
           AnyEstimator(StochasticDerivative{}),
           AnyEstimator(StochasticDerivative{0, SiteChoice::uniform, Flow::antisymmetric}),
           AnyEstimator(StochasticDerivative{.replays = 2, .choice = SiteChoice::neyman, .pilot = 20}),
           AnyEstimator(DebiasedSurrogate{2}),
           AnyEstimator(DebiasedSurrogate{.replays = 1, .control = Control::table, .martingale = true, .pilot = 20}),
           AnyEstimator(DebiasedSurrogate{.replays = 1, .residuals = true, .pilot = 20}),
           AnyEstimator(MeasureValuedDerivative{}),
           AnyEstimator(MeasureValuedDerivative{1}),
           AnyEstimator(UnorderedSet{}),
           AnyEstimator(SumAndSample{2, 1}),
           AnyEstimator(PerSite{Method::replay}),
           AnyEstimator(ForwardTriple{}),
           AnyEstimator(ForwardTriple{true, Flow::independent}),
           AnyEstimator(Dice{direction, 1}),
       })
    tallies.push_back({e});
  tallies.push_back({HessianVectorProduct{direction}, true});
  const std::uint64_t programs = amount("STOAT_FUZZ_PROGRAMS", 200);
  for (std::uint64_t number = 0; number < programs; ++number) {
    const Case c = make_case(number);
    const Exact truth = enumerate(c.program, c.theta, {.tail = 1e-14});
    // Each program meets a quarter of the estimators, and in turn all kinds of programs meet all of them.
    for (std::size_t i = number / 5 % 4; i < tallies.size(); i += 4)
      compare(c, tallies[i].second_order ? second_order(c, truth, direction) : truth, number, tallies[i]);
  }
  for (const Tally& t : tallies) {
    CAPTURE(t.estimator.name());
    const double z = t.sum / std::sqrt(t.squares);
    if (programs > 200)
      MESSAGE(t.estimator.name() << ": " << t.programs << " programs, " << t.refused << " refused, " << t.suspects
                                 << " looked at twice, mean off by " << z << " standard errors (relative error "
                                 << std::sqrt(t.squares) / t.programs << ")");
    CHECK(std::abs(z) < 5);
    CHECK(t.failures == 0);
    CHECK(t.programs > static_cast<int>(programs) / 40);
  }
}

TEST_CASE("random programs: what is biased is found out") {
  Tally tally{SmoothedDerivative{}};
  for (std::uint64_t number = 0; number < 40; ++number) {
    const Case c = make_case(number);
    const Estimate e = estimate(c.program, c.theta, tally.estimator, {.samples = 5000, .seed = number, .threads = 1});
    const Exact truth = enumerate(c.program, c.theta, {.tail = 1e-14});
    tally.suspects += ((e.gradient - truth.gradient).array().abs() > 5 * e.gradient_error.array() + 1e-8).any();
  }
  CHECK(tally.suspects > 10);
}
