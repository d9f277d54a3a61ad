#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include <stoat/error.hpp>
#include <stoat/snn/encode.hpp>

using namespace stoat;
using namespace stoat::snn;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

Eigen::VectorXd vector(const std::vector<double>& x) {
  return Eigen::Map<const Eigen::VectorXd>(x.data(), static_cast<Eigen::Index>(x.size()));
}

bool sorted_and_unique(const std::vector<Spike>& spikes) {
  for (std::size_t i = 1; i < spikes.size(); ++i) {
    const Spike &a = spikes[i - 1], &b = spikes[i];
    if (a.step > b.step || (a.step == b.step && a.unit >= b.unit)) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("poisson: every unit spikes with probability rate dt, silent and certain ones included") {
  // 20000 steps of 2 ms. A false alarm at 4.9 standard deviations happens once in 1e6, so once in 2e5 over all counts here.
  const Eigen::VectorXd rates = vector({0, 5, 50, 250, 500});
  const int steps = 20000;
  const std::vector<Spike> spikes = encode::poisson(rates, 2e-3, steps, 7);
  CHECK(sorted_and_unique(spikes));
  std::vector<int> count(5);
  std::vector<std::vector<bool>> on(5, std::vector<bool>(steps));
  for (const Spike& s : spikes) {
    ++count[static_cast<std::size_t>(s.unit)];
    on[static_cast<std::size_t>(s.unit)][static_cast<std::size_t>(s.step)] = true;
  }
  CHECK(count[0] == 0);
  CHECK(count[4] == steps);
  for (std::size_t i = 1; i < 4; ++i) {
    const double p = rates[static_cast<Eigen::Index>(i)] * 2e-3;
    CHECK(std::abs(count[i] - steps * p) < 4.9 * std::sqrt(steps * p * (1 - p)));
  }
  // Independent: coincidences of unit 3 with itself one step later, and with unit 2.
  int later = 0, together = 0;
  for (std::size_t t = 0; t + 1 < static_cast<std::size_t>(steps); ++t) {
    later += on[3][t] && on[3][t + 1];
    together += on[3][t] && on[2][t];
  }
  CHECK(std::abs(later - steps * 0.25) < 4.9 * std::sqrt(steps * (0.1875 + 2 * 0.0625)));  // overlapping pairs correlate
  CHECK(std::abs(together - steps * 0.05) < 4.9 * std::sqrt(steps * 0.05 * 0.95));
}

TEST_CASE("poisson is a function of the seed and the sample, and a constant raster is the same as its row") {
  const Eigen::VectorXd rates = vector({20, 40, 60});
  const auto first = encode::poisson(rates, 1e-3, 300, 1, 5);
  CHECK_FALSE(first.empty());
  CHECK(first == encode::poisson(rates, 1e-3, 300, 1, 5));
  CHECK(first != encode::poisson(rates, 1e-3, 300, 1, 6));
  CHECK(first != encode::poisson(rates, 1e-3, 300, 2, 5));
  CHECK(first == encode::inhomogeneous_poisson(rates.transpose().replicate(300, 1), 1e-3, 1, 5));

  Eigen::MatrixXd onset = Eigen::MatrixXd::Zero(10, 2);
  onset.bottomRows(4).setConstant(1000);
  const auto spikes = encode::inhomogeneous_poisson(onset, 1e-3, 1);
  CHECK(spikes == std::vector<Spike>{{6, 0}, {6, 1}, {7, 0}, {7, 1}, {8, 0}, {8, 1}, {9, 0}, {9, 1}});
}

TEST_CASE("poisson refuses rates that give no probability") {
  const auto refuses = [](std::vector<double> rates, double dt, int steps, const char* why) {
    CHECK_THROWS_WITH_AS(encode::poisson(vector(rates), dt, steps, 1), why, InvalidArgument);
  };
  refuses({1, -2}, 1e-3, 5, "poisson: unit 1: rate = -2 is outside [0, infinity)");
  refuses({not_a_number}, 1e-3, 5, "poisson: unit 0: rate = nan is outside [0, infinity)");
  refuses({1, 600}, 2e-3, 5, "poisson: unit 1: rate dt = 1.2 is outside [0, 1]");
  refuses({infinity}, 1e-3, 5, "poisson: unit 0: rate dt = inf is outside [0, 1]");
  refuses({1}, 0, 5, "poisson: dt = 0 is outside (0, infinity)");
  refuses({1}, not_a_number, 5, "poisson: dt = nan is outside (0, infinity)");
  refuses({1}, 1e-3, 0, "poisson: steps = 0 is outside [1, infinity)");
  Eigen::MatrixXd raster = Eigen::MatrixXd::Zero(3, 2);
  raster(2, 1) = 2000;
  CHECK_THROWS_WITH_AS(encode::inhomogeneous_poisson(raster, 1e-3, 1),
                       "inhomogeneous_poisson: step 2, unit 1: rate dt = 2 is outside [0, 1]", InvalidArgument);
}

TEST_CASE("latency: 1 spikes first, small values late, what is not above the threshold never") {
  CHECK(encode::latency(vector({1, 0.5, 0, 1e-9, 0.76}), 101) == std::vector<Spike>{{0, 0}, {24, 4}, {50, 1}, {100, 3}});
  CHECK(encode::latency(vector({0.2, 0.6, 0.2 + 1e-9, 1}), 11, 0.2) == std::vector<Spike>{{0, 3}, {5, 1}, {10, 2}});
  CHECK(encode::latency(vector({0.3, 0}), 1) == std::vector<Spike>{{0, 0}});
  CHECK_THROWS_WITH_AS(encode::latency(vector({0, 1.5}), 5), "latency: unit 1: value = 1.5 is outside [0, 1]", InvalidArgument);
  CHECK_THROWS_WITH_AS(encode::latency(vector({-0.5}), 5), "latency: unit 0: value = -0.5 is outside [0, 1]", InvalidArgument);
  CHECK_THROWS_WITH_AS(encode::latency(vector({not_a_number}), 5), "latency: unit 0: value = nan is outside [0, 1]",
                       InvalidArgument);
  CHECK_THROWS_WITH_AS(encode::latency(vector({1}), 0), "latency: steps = 0 is outside [1, infinity)", InvalidArgument);
  CHECK_THROWS_WITH_AS(encode::latency(vector({1}), 5, 1), "latency: threshold = 1 is outside [0, 1)", InvalidArgument);
}

TEST_CASE("current: spikes fall into the steps of k tau ln(I / (I - threshold))") {
  const double dt = 1e-3, tau = 20e-3;
  const int steps = 500;
  const std::vector<double> currents = {0.5, 1, 1.01, 1.3, 2, 5, -3};
  std::vector<std::vector<int>> found(currents.size());
  const auto spikes = encode::current(vector(currents), dt, steps);
  CHECK(sorted_and_unique(spikes));
  for (const Spike& s : spikes) found[static_cast<std::size_t>(s.unit)].push_back(s.step);
  for (std::size_t i = 0; i < currents.size(); ++i) {
    std::vector<int> expected;
    const double period = tau * std::log(currents[i] / (currents[i] - 1));
    for (int k = 1; currents[i] > 1 && k * period < steps * dt; ++k) expected.push_back(static_cast<int>(k * period / dt));
    CHECK(found[i] == expected);
  }
  // Other parameters scale time and current.
  CHECK(encode::current(vector({1.3, 5}), dt, 100) ==
        encode::current(vector({2.6, 10}), 2 * dt, 100, {.tau_mem = 2 * tau, .threshold = 2}));
  // So many spikes that every step has one, and none of them takes time.
  CHECK(encode::current(vector({1e300}), dt, 3) == std::vector<Spike>{{0, 0}, {1, 0}, {2, 0}});
}

TEST_CASE("current: a changing input is integrated exactly, whatever the grid") {
  const double tau = 20e-3, dt = 5e-3;
  Eigen::MatrixXd coarse(8, 1);
  coarse << 2, 2, 0, 0.5, 3, 3, 30, -1;
  // The potential by hand: it charges for 10 ms, decays for 5, relaxes for 5, and then crosses.
  double U = 2 * (1 - std::exp(-10 / 20.0));
  U *= std::exp(-5 / 20.0);
  U = 0.5 + (U - 0.5) * std::exp(-5 / 20.0);
  const double crossing = 20e-3 + tau * std::log((3 - U) / (3 - 1));
  const auto spikes = encode::current(coarse, dt);
  REQUIRE_FALSE(spikes.empty());
  CHECK(spikes.front().step == static_cast<int>(crossing / dt));

  // The same input on a grid ten times finer has its spikes in the same coarse steps.
  Eigen::MatrixXd fine(80, 1);
  for (Eigen::Index t = 0; t < 80; ++t) fine(t, 0) = coarse(t / 10, 0);
  std::vector<Spike> merged;
  for (Spike s : encode::current(fine, dt / 10)) {
    s.step /= 10;
    if (merged.empty() || merged.back() != s) merged.push_back(s);
  }
  CHECK(merged == spikes);
  CHECK(encode::current(Eigen::MatrixXd(coarse.topRows(2)), dt) == encode::current(vector({2}), dt, 2));
}

TEST_CASE("current refuses what it cannot integrate") {
  CHECK_THROWS_WITH_AS(encode::current(vector({1, not_a_number}), 1e-3, 5),
                       "current: unit 1: current = nan is outside (-infinity, infinity)", InvalidArgument);
  Eigen::MatrixXd raster = Eigen::MatrixXd::Zero(3, 2);
  raster(1, 0) = infinity;
  CHECK_THROWS_WITH_AS(encode::current(raster, 1e-3), "current: step 1, unit 0: current = inf is outside (-infinity, infinity)",
                       InvalidArgument);
  CHECK_THROWS_WITH_AS(encode::current(vector({1}), -1e-3, 5), "current: dt = -0.001 is outside (0, infinity)", InvalidArgument);
  CHECK_THROWS_WITH_AS(encode::current(vector({1}), 1e-3, 5, {.tau_mem = 0}), "current: tau_mem = 0 is outside (0, infinity)",
                       InvalidArgument);
  CHECK_THROWS_WITH_AS(encode::current(vector({1}), 1e-3, 5, {.threshold = -1}), "current: threshold = -1 is outside (0, infinity)",
                       InvalidArgument);
}

TEST_CASE("bin: times are truncated to steps, duplicates merged, late events dropped") {
  const int steps = static_cast<int>(0.7 / 0.002);
  CHECK(steps == 349);
  const std::vector<double> times = {0, 0.0019, 0.0019, 0.0021, 0.6979, 0.6981, 0.7, 1e300};
  const std::vector<int> units = {5, 5, 2, 5, 699, 3, 4, 0};
  CHECK(encode::bin(times, units, 700, 0.002, steps) == std::vector<Spike>{{0, 2}, {0, 5}, {1, 5}, {348, 699}});
  CHECK(encode::bin({}, {}, 1, 0.002, steps).empty());
}

TEST_CASE("bin names the row that is wrong") {
  const auto refuses = [](std::vector<double> times, std::vector<int> units, const char* why) {
    CHECK_THROWS_WITH_AS(encode::bin(times, units, 3, 1e-3, 10), why, InvalidArgument);
  };
  refuses({0, -1e-3}, {0, 0}, "bin: row 1: time = -0.001 is outside [0, infinity)");
  refuses({not_a_number}, {0}, "bin: row 0: time = nan is outside [0, infinity)");
  refuses({0, infinity}, {0, 0}, "bin: row 1: time = inf is outside [0, infinity)");
  refuses({1e-3, 2e-3, 1e-3}, {0, 0, 0}, "bin: row 2: the time is before that of the row above");
  refuses({0, 0, 0}, {0, 2, 3}, "bin: row 2: unit = 3 is outside [0, 3)");
  refuses({0}, {-1}, "bin: row 0: unit = -1 is outside [0, 3)");
  refuses({1}, {7}, "bin: row 0: unit = 7 is outside [0, 3)");  // too late as well
  refuses({0, 0}, {0}, "bin: 2 times for 1 units");
  CHECK_THROWS_AS(encode::bin({}, {}, 0, 1e-3, 10), InvalidArgument);
  CHECK_THROWS_AS(encode::bin({}, {}, 3, 0, 10), InvalidArgument);
  CHECK_THROWS_AS(encode::bin({}, {}, 3, 1e-3, 0), InvalidArgument);
}
