// Every estimator on every program of the gallery, against the exact answer.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <set>
#include <string>

#include <compare_estimators/gallery.hpp>
#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

// About 200 pairs of program and unbiased estimator are checked on 32 projections each. With a bound of 5.5 standard errors
// (two-sided 3.8e-8) the whole matrix raises a false alarm at most once in 4000 choices of the seed.
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
    const Comparison c =
        compare(g.program, g.theta, estimators(), {.samples = 10'000, .seed = 2024, .truth = g.truth, .name = g.name});
    for (const ComparisonRow& row : c.rows) {
      CAPTURE(row.estimator);
      CAPTURE(row.skipped);
      if (!row.skipped.empty()) continue;
      ++ran[row.estimator];
      CHECK(row.unbiased);
      if (row.gradient_error.norm() > 1e-9 * (1 + g.truth.gradient.norm())) CHECK(row.projection_z < bound);
      // Variance 0 up to rounding leaves no z: the answer must then be exact.
      else CHECK((row.gradient - g.truth.gradient).norm() <= 1e-9 * (1 + g.truth.gradient.norm()));
      if (row.value_error > 0) CHECK(std::abs(row.value - g.truth.value) < bound * row.value_error);
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
      CHECK(x.value == doctest::Approx(g.truth.value).epsilon(1e-7));
      CHECK((x.gradient - g.truth.gradient).norm() <= 1e-6 * (1 + g.truth.gradient.norm()));
      ++enumerated;
    } catch (const Refusal&) {}
  }
  CHECK(enumerated >= 5);
}
