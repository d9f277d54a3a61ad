// Surrogate gradients of the wrong sign: paper.md 2.5.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include <surrogate_gradients/sign_change.hpp>

using namespace surrogate_gradients;

namespace {

constexpr double cell = 4e-5;  // of the sweep
/// Locations are printed to four digits: half a unit of the last one, and one cell.
constexpr double place = 5e-5 + cell;

double least(const Sweep& s) { return *std::min_element(s.value.begin(), s.value.end()); }
double largest(const Sweep& s) { return *std::max_element(s.value.begin(), s.value.end()); }
double at(const Sweep& s, double w) { return s.value[static_cast<std::size_t>(std::lround((w + 0.2) / cell))]; }

const Sweep& truth() {
  static const Sweep sweep = surrogate_sweep(100, 100);
  return sweep;
}

}  // namespace

TEST_CASE("A10: the output of the sweep and its derivative") {
  const Sweep y = output_sweep(100);
  REQUIRE(y.w.size() == 10001);
  CHECK(std::abs(y.w[1] - y.w[0] - cell) < 1e-12);
  CHECK(std::abs(y.value.front() - .5) < 1e-6);
  CHECK(std::abs(y.value.back() - .339674) < 1e-6);
  CHECK(least(y) < 5e-7);
  CHECK(std::abs(argmin(y) + .01312) < cell);
  const auto normalised = [&](double value) { return (value - least(y)) / (largest(y) - least(y)); };
  CHECK(std::abs(normalised(y.value.back()) - .67935) < 1e-5);
  double first = 1, last = -1;
  for (std::size_t i = 0; i < y.w.size(); ++i)
    if (normalised(y.value[i]) < .01) first = std::min(first, y.w[i]), last = y.w[i];
  CHECK(std::abs(first + .0309) < place);
  CHECK(std::abs(last - .0025) < place);

  CHECK(std::abs(least(truth()) + 22.01447) < 1e-5);
  CHECK(std::abs(argmin(truth()) + .0439) < place);
  CHECK(std::abs(largest(truth()) - 17.60334) < 1e-5);
  CHECK(std::abs(argmax(truth()) - .0120) < place);
  const std::vector<double> zeros = zero_crossings(truth());
  REQUIRE(zeros.size() == 1);
  CHECK(std::abs(zeros[0] + .01312) < cell);
  // The derivative is that of the output.
  for (const double w : {-0.15, -0.05, 0.01, 0.1})
    CHECK(std::abs((at(y, w + cell) - at(y, w - cell)) / (2 * cell) - at(truth(), w)) < 1e-3 * (1 + std::abs(at(truth(), w))));
}

TEST_CASE("A10: surrogate gradients of other slopes: zeros, extremes, wrong signs, minima of the integral") {
  struct Row {
    double beta, least, largest, from, to, argmin, smooth_argmin;
    std::vector<double> zeros;
  };
  const Row rows[] = {{15, -2.34687, -.15285, -.0113, .1351, .2, .2, {}},
                      {30, -13.46809, 3.63573, -.0113, .0088, .0088, .02944, {.0088}},
                      {60, -34.69590, 26.32199, -.0113, -.0060, -.0060, -.0100, {-.0060}}};
  for (const Row& row : rows) {
    CAPTURE(row.beta);
    const Sweep s = surrogate_sweep(100, row.beta);
    CHECK(std::abs(least(s) - row.least) < 1e-5);
    CHECK(std::abs(largest(s) - row.largest) < 1e-5);
    const std::vector<double> zeros = zero_crossings(s);
    REQUIRE(zeros.size() == row.zeros.size());
    for (std::size_t i = 0; i < zeros.size(); ++i) CHECK(std::abs(zeros[i] - row.zeros[i]) < place);
    const Disagreement d = disagreement(s, truth());
    CHECK(std::abs(d.from - row.from) < place);
    CHECK(std::abs(d.to - row.to) < place);
    CHECK(d.everywhere);
    CHECK(std::abs(argmin(integrated(s)) - row.argmin) < place);
    CHECK(std::abs(argmin(output_sweep(row.beta)) - row.smooth_argmin) < place);
  }
  CHECK(std::abs(argmin(surrogate_sweep(100, 15)) + .0411) < place);
  CHECK(std::abs(argmax(surrogate_sweep(100, 15)) - .2) < 1e-12);
  CHECK(std::abs(argmin(surrogate_sweep(100, 30)) + .0414) < place);
  CHECK(std::abs(argmax(surrogate_sweep(100, 30)) - .0296) < place);
  CHECK(std::abs(output_sweep(15).value.back() - .116072) < 1e-6);
  CHECK(std::abs(least(output_sweep(30)) - .010941) < 1e-6);
  // Slope 100 is the truth.
  const Disagreement none = disagreement(truth(), truth());
  CHECK(none.from == none.to);
  CHECK(std::abs(argmin(integrated(truth())) + .01312) < cell + 1e-5);
}

TEST_CASE("A11: descent along the surrogate gradient of slope 30 ends at no critical point") {
  for (const double start : {-.15, -.05, .05, .15}) {
    CAPTURE(start);
    CHECK(std::abs(descend(start, 30, 4000).back() - .00883) < 1e-4);
  }
  const double end = descend(.05, 30, 4000).back();
  const Sweep y = output_sweep(100);
  const double next = std::floor((end + 0.2) / cell) * cell - 0.2, share = (end - next) / cell;
  const auto between = [&](const Sweep& s) { return (1 - share) * at(s, next) + share * at(s, next + cell); };
  CHECK(std::abs(between(y) - .06056) < 1e-5);
  CHECK(std::abs(between(truth()) - 15.17) < 5e-3);
}

TEST_CASE("A11: of slope 15 it goes on for ever; the true gradient stays on plateaus") {
  for (const double start : {-.15, -.05, .05, .15}) {
    const std::vector<double> path = descend(start, 15, 20'000);
    CHECK(path.back() > .41);
    CHECK(std::is_sorted(path.begin(), path.end()));
  }
  // After as many steps y is still .4998 and .3397. On the left that is not for ever: 50 000 steps lead to the minimum.
  const Sweep y = output_sweep(100);
  CHECK(std::abs(at(y, descend(-.15, 100, 20'000).back()) - .4998) < 1e-4);
  CHECK(std::abs(at(y, descend(.15, 100, 50'000).back()) - .3397) < 1e-4);
  CHECK(at(y, descend(-.15, 100, 50'000).back()) < 1e-6);
}

TEST_CASE("A12: the arrows of the plane") {
  const auto check = [](double beta_sg, double v1, double v2) {
    const auto found = plane_surrogate(1.7, -1.3, beta_sg);
    CHECK(std::abs(found.first / v1 - 1) < 1e-5);
    CHECK(std::abs(found.second / v2 - 1) < 1e-5);
    // As drawn.
    return std::pair(-50 * found.first, -50 * found.second);
  };
  const auto two = check(2, 1.312523e-2, -2.702883e-2), four = check(4, 3.140566e-4, -1.541940e-3);
  CHECK(std::abs(two.first + .656) < 5e-4);
  CHECK(std::abs(two.second - 1.351) < 5e-4);
  CHECK(std::abs(four.first + .0157) < 5e-5);
  CHECK(std::abs(four.second - .0771) < 5e-5);
  const auto truth = plane_surrogate(1.7, -1.3, 20);
  CHECK(std::abs(truth.first) < 1e-15);
  CHECK(std::abs(truth.second) < 1e-15);
  CHECK(truth.first == doctest::Approx(1.46e-21).epsilon(0.05).scale(0));
  CHECK(truth.second == doctest::Approx(-4.21e-18).epsilon(0.005).scale(0));
}

TEST_CASE("2.5: integrated one way and the other, the surrogate gradient gives two surfaces, the true one a single one") {
  const auto apart = [](double beta_sg) {
    const Surfaces s = plane_surfaces(beta_sg, 481);
    return (s.v1_first - s.v2_first).cwiseAbs().maxCoeff();
  };
  CHECK(apart(2) > 0.1);
  CHECK(apart(4) > 0.1);
  CHECK(apart(20) < 0.01);
}
