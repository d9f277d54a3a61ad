// Every estimator on every program of the gallery, against the exact answer.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>

#include <compare_estimators/gallery.hpp>
#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

// About 320 pairs of program and unbiased estimator are checked on 32 projections each. With a bound of 5.5 standard errors
// (two-sided 3.8e-8) the whole matrix raises a false alarm at most once in 2000 choices of the seed.
constexpr double bound = 5.5;

const std::vector<AnyEstimator>& estimators() {
  static const std::vector<AnyEstimator> list = {
      ScoreFunction{},         ScoreFunction{Baseline::none}, LeaveOneOut{2},       LeaveOneOut{4},       StochasticDerivative{1},
      StochasticDerivative{4}, StochasticDerivative{0},       DebiasedSurrogate{1}, DebiasedSurrogate{4}, DebiasedSurrogate{0},
  };
  return list;
}

}  // namespace

TEST_CASE("every unbiased estimator agrees with the exact value on every program that it accepts") {
  std::map<std::string, int> ran;
  for (const GalleryProgram& g : gallery()) {
    CAPTURE(g.name);
    // Programs of many draws get fewer samples; their tests at full power are the reduced sizes below.
    const std::uint64_t samples = std::clamp<std::uint64_t>(g.samples / 10, 200, 2'000) * (g.samples >= 20'000 ? 5 : 1);
    std::vector<AnyEstimator> chosen;
    const bool long_program = g.samples < 20'000;
    for (const AnyEstimator& e : estimators())
      if (!long_program || e.name().find("all") == std::string::npos) chosen.push_back(e);
    const Comparison c =
        compare(g.program, g.theta, chosen, {.samples = samples, .seed = 2024, .truth = g.truth(), .name = g.name});
    if (long_program) ran["StochasticDerivative(all)"]++, ran["DebiasedSurrogate(all)"]++;
    for (const ComparisonRow& row : c.rows) {
      CAPTURE(row.estimator);
      CAPTURE(row.skipped);
      if (!row.skipped.empty()) continue;
      ++ran[row.estimator];
      CHECK(row.unbiased);
      if (row.gradient_error.norm() > 1e-9 * (1 + g.truth().gradient.norm())) CHECK(row.projection_z < bound);
      // Variance 0 up to rounding leaves no z: the answer must then be exact.
      else CHECK((row.gradient - g.truth().gradient).norm() <= 1e-9 * (1 + g.truth().gradient.norm()));
      if (row.value_error > 0) CHECK(std::abs(row.value - g.truth().value) < bound * row.value_error);
    }
  }
  // None of them may pass by refusing: these can do every program of the gallery.
  for (const AnyEstimator& e : estimators()) CHECK(ran[e.name()] == static_cast<int>(gallery().size()));
}

TEST_CASE("where a program can be enumerated, enumeration gives the stated truth") {
  int enumerated = 0;
  for (const GalleryProgram& g : gallery()) {
    CAPTURE(g.name);
    try {
      const Exact x = enumerate(g.program, g.theta, {.max_leaves = 5000});
      CHECK(x.value == doctest::Approx(g.truth().value).epsilon(1e-7));
      CHECK((x.gradient - g.truth().gradient).norm() <= 1e-6 * (1 + g.truth().gradient.norm()));
      ++enumerated;
    } catch (const Refusal&) {}
  }
  CHECK(enumerated >= 15);
}

TEST_CASE("reference problems at a size that can be enumerated have the truth that enumeration gives") {
  const std::vector<GalleryProgram> small = {toy(0.49, 1),     quadratic_coins(8),      tanh_of_sum(7),
                                             tanh_coins(8),    binary_network(3, 4),    bars_autoencoder(3, 4, 2),
                                             drifting_walk(8), binomial_epidemic(5, 3), inhomogeneous_walk(8, 16)};
  for (const GalleryProgram& g : small) {
    CAPTURE(g.name);
    const Exact x = enumerate(g.program, g.theta), &truth = g.truth();
    CHECK(x.value == doctest::Approx(truth.value).epsilon(1e-11));
    REQUIRE(x.gradient.size() == truth.gradient.size());
    CHECK((x.gradient - truth.gradient).norm() <= 1e-10 * truth.gradient.norm());
    if (g.loss) CHECK(g.loss(g.theta) == doctest::Approx(truth.value).epsilon(1e-12));
  }
}

TEST_CASE("constants of the literature") {
  // Tucker et al. 2017; Grathwohl et al. 2018: at theta = 0 and 1.
  CHECK(toy(0.45, 0).truth().gradient[0] == doctest::Approx(0.025));
  CHECK(toy(0.49, 0).truth().gradient[0] == doctest::Approx(0.005));
  CHECK(toy(0.499, 0).truth().gradient[0] == doctest::Approx(0.0005));
  CHECK(toy(0.45, 1).truth().gradient[0] == doctest::Approx(0.0196612).epsilon(1e-5));
  CHECK(toy(0.499, 1).truth().gradient[0] == doctest::Approx(0.00039322).epsilon(1e-4));
  // Arya et al. 2022.
  CHECK(inhomogeneous_walk(10, 20).truth().value == doctest::Approx(50.0327398).epsilon(1e-8));
  CHECK(inhomogeneous_walk(10, 20).truth().gradient[0] == doctest::Approx(1.48981782).epsilon(1e-8));
  CHECK(inhomogeneous_walk(100, 50).truth().gradient[0] == doctest::Approx(30.2949888).epsilon(1e-8));
}

TEST_CASE("the truth that is not exact says so, and other random numbers agree with it") {
  const Exact stored = recurrent_network().truth();
  CHECK(stored.source.find("not exact") != std::string::npos);
  REQUIRE(stored.gradient_error.size() == stored.gradient.size());
  const Exact again = recompute_recurrent_truth(500, 77);
  // 5 standard errors on 21 numbers: once in 80000 choices of the seed.
  CHECK(std::abs(again.value - stored.value) < 5 * std::hypot(again.value_error, stored.value_error));
  for (Eigen::Index j = 0; j < stored.gradient.size(); ++j)
    CHECK(std::abs(again.gradient[j] - stored.gradient[j]) < 5 * std::hypot(again.gradient_error[j], stored.gradient_error[j]));
}

TEST_CASE("replays lose on the recurrent network, and the diagnostics say so beforehand") {
  const GalleryProgram g = recurrent_network();
  const ReplayDiagnostics d = diagnose_replays(g.program, g.theta, {.paths = 16});
  CHECK(d.interaction_order > 15);
  CHECK(d.residual_order > 15);
  const Comparison c =
      compare(g.program, g.theta, {ScoreFunction{}, DebiasedSurrogate{4}}, {.samples = 300, .truth = g.truth(), .name = g.name});
  CHECK(work_variance(c.rows[1], c.truth) > 5 * work_variance(c.rows[0], c.truth));
}
