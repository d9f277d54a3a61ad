// What the showcase `scaling` measures: the sizes are what they say, and memory grows in proportion to draws alone.
#include <doctest/doctest.h>

#include <vector>

#include <scaling/measure.hpp>
#include <stoat/driver/estimate.hpp>
#include <stoat/estimators/replay.hpp>
#include <stoat/estimators/score_function.hpp>

using namespace stoat;

namespace {

/// Bytes of one recording: of the tape, and of what is kept of the sites.
double recorded_bytes(const scaling::Sized& sized) {
  Trace<double> trace(sized.program, sized.theta);
  trace.run({.seed = 1});
  trace.record(Outcomes::constants);
  CHECK(trace.sites() == sized.sites);
  CHECK(trace.parameters() == sized.theta.size());
  return static_cast<double>(trace.tape().bytes() + trace.sites() * sizeof(Site));
}

void check_memory(const scaling::Sized& small, const scaling::Sized& large, double bound) {
  CAPTURE(small.name);
  const double growth = recorded_bytes(large) - recorded_bytes(small);
  const double bytes_a_site = growth / static_cast<double>(large.sites - small.sites);
  CAPTURE(bytes_a_site);
  CHECK(bytes_a_site < bound);
  CHECK(bytes_a_site > sizeof(Site));
}

}  // namespace

TEST_CASE("a recording takes a bounded number of bytes for each draw") {
  check_memory(scaling::epidemic(20, 10, 10), scaling::epidemic(400, 200, 10), 128);
  check_memory(scaling::traffic_lights(5, 40, 10), scaling::traffic_lights(20, 40, 10), 128);
  check_memory(scaling::game_of_life(4), scaling::game_of_life(20), 128);
}

TEST_CASE("as many parameters as asked for, up to one for each place") {
  CHECK(scaling::epidemic(20, 30, 7).theta.size() == 7);
  CHECK(scaling::epidemic(20, 30, 1000).theta.size() == 32);
  CHECK(scaling::traffic_lights(3, 4, 1000).theta.size() == 36);
  // A parameter counts as often as it is used: of 3 for 36 natural ones, each has the derivatives of 12 of them.
  const scaling::Sized tied = scaling::traffic_lights(3, 4, 3), free = scaling::traffic_lights(3, 4, 36);
  const Options options{.samples = 5, .seed = 3};
  const Eigen::VectorXd few = estimate(tied.program, tied.theta, ScoreFunction{}, options).gradient;
  const Eigen::VectorXd all = estimate(free.program, free.theta, ScoreFunction{}, options).gradient;
  CHECK((few - Eigen::MatrixXd(all.reshaped(3, 12)).rowwise().sum()).norm() < 1e-12 * all.norm());
}

TEST_CASE("a measurement in a process of its own tells what it saw; slopes are exponents") {
  const scaling::Point p = scaling::measure(scaling::game_of_life(4), StochasticDerivative{2}, 0, 1);
  CHECK(p.sites == 891);
  CHECK(p.parameters == 1);
  CHECK(p.draw_memory >= p.run_memory);
  CHECK_THROWS_WITH_AS(scaling::measure(scaling::game_of_life(4), StochasticDerivative{-7}, 0, 1),
                       doctest::Contains("game_of_life with 891 sites: StochasticDerivative: replays = -7"), Error);
  // Recorded in segments: the tape of 100 000 draws takes 13 MB as a whole.
  const scaling::Sized town = scaling::traffic_lights(50, 40, 100);
  const scaling::Point whole = scaling::measure(town, ScoreFunction{}, 0, 1);
  const scaling::Point parts = scaling::measure(town, ScoreFunction{}, 0, 1, {.recording = std::size_t{1} << 20});
  CHECK(parts.draw_memory < whole.draw_memory - 6e6);
  const LoopOptions little{.memory = std::size_t{4} << 20, .recording = std::size_t{1} << 20};
  const scaling::Point replays = scaling::measure(town, StochasticDerivative{4}, 0, 1, {.memory = little.memory});
  CHECK(scaling::measure(town, StochasticDerivative{4}, 0, 1, little).draw_memory < replays.draw_memory - 6e6);
  const std::vector<double> x{1, 10, 50}, y{3, 300, 7500};
  CHECK(scaling::slope(x, y) == doctest::Approx(2));
}
