#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <vector>

#include <stoat/error.hpp>
#include <stoat/snn/spike_events.hpp>

using namespace stoat;
using namespace stoat::snn;

namespace {

std::vector<int> units_at(const SpikeEvents& events, std::size_t sample, int step) {
  std::vector<int> result;
  for (const SpikeEvents::Unit unit : events.at(sample, step)) result.push_back(static_cast<int>(unit));
  return result;
}

/// 3 steps, 4 units; sample 0 has spikes (0; 1, 3), (2; 0), sample 1 none, sample 2 a spike (1; 2).
SpikeEvents three_samples() {
  SpikeEvents events(3, 4);
  events.add(std::vector<Spike>{{2, 0}, {0, 3}, {0, 1}, {0, 3}});
  events.add(std::vector<Spike>{});
  events.add(std::vector<Spike>{{1, 2}});
  return events;
}

}  // namespace

TEST_CASE("spikes in any order become sorted lists, and duplicates one spike") {
  const SpikeEvents events = three_samples();
  CHECK(events.steps() == 3);
  CHECK(events.units() == 4);
  CHECK(events.samples() == 3);
  CHECK(events.spikes() == 4);
  CHECK(events.spikes(0) == 3);
  CHECK(events.spikes(1) == 0);
  CHECK(events.spikes(2) == 1);
  CHECK(units_at(events, 0, 0) == std::vector<int>{1, 3});
  CHECK(units_at(events, 0, 1).empty());
  CHECK(units_at(events, 0, 2) == std::vector<int>{0});
  CHECK(units_at(events, 2, 1) == std::vector<int>{2});
  CHECK(events.bytes() >= 4 * sizeof(SpikeEvents::Unit) + 10 * sizeof(std::size_t));
}

TEST_CASE("a raster and the events made of it are the same") {
  Eigen::MatrixXd raster = Eigen::MatrixXd::Zero(3, 4);
  raster(0, 1) = raster(2, 3) = 1;
  raster(1, 0) = -2;  // every entry but 0
  SpikeEvents events(3, 4);
  events.add(raster);
  raster(1, 0) = 1;
  CHECK(events.raster(0) == raster);
  CHECK_THROWS_WITH_AS(events.raster(1), "SpikeEvents: sample 1 of 1 does not exist", InvalidArgument);
}

TEST_CASE("events are appended and picked, also to and from themselves") {
  SpikeEvents events = three_samples();
  events.add(events);
  REQUIRE(events.samples() == 6);
  for (std::size_t i = 0; i < 3; ++i) CHECK(events.raster(i) == events.raster(i + 3));
  const SpikeEvents picked = events.subset(std::array<std::size_t, 3>{2, 0, 2});
  REQUIRE(picked.samples() == 3);
  CHECK(picked.raster(0) == events.raster(2));
  CHECK(picked.raster(1) == events.raster(0));
  CHECK(picked.raster(2) == events.raster(2));
  SpikeEvents none = events.subset({});
  CHECK(none.samples() == 0);
  none.add(picked);
  CHECK(none.samples() == 3);
  CHECK(SpikeEvents().samples() == 0);
  CHECK(SpikeEvents().subset({}).samples() == 0);
}

TEST_CASE("what does not fit is refused by name, and nothing is added") {
  CHECK_THROWS_WITH_AS(SpikeEvents(0, 4), "SpikeEvents: steps = 0 is outside [1, infinity)", InvalidArgument);
  CHECK_THROWS_WITH_AS(SpikeEvents(3, -1), "SpikeEvents: units = -1 is outside [1, infinity)", InvalidArgument);

  SpikeEvents events = three_samples();
  const auto add = [&](int step, int unit) { events.add(std::vector<Spike>{{0, 0}, {step, unit}}); };
  CHECK_THROWS_WITH_AS(add(3, 0), "SpikeEvents: spike 1: step = 3 is outside [0, 3)", InvalidArgument);
  CHECK_THROWS_WITH_AS(add(-1, 0), "SpikeEvents: spike 1: step = -1 is outside [0, 3)", InvalidArgument);
  CHECK_THROWS_WITH_AS(add(0, 4), "SpikeEvents: spike 1: unit = 4 is outside [0, 4)", InvalidArgument);
  CHECK_THROWS_WITH_AS(add(0, -2), "SpikeEvents: spike 1: unit = -2 is outside [0, 4)", InvalidArgument);
  CHECK_THROWS_WITH_AS(events.add(Eigen::MatrixXd::Zero(4, 3)),
                       "SpikeEvents: a raster of 4 steps x 3 units was added to events of 3 steps x 4 units", InvalidArgument);
  Eigen::MatrixXd raster = Eigen::MatrixXd::Ones(3, 4);
  raster(1, 2) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH_AS(events.add(raster), "SpikeEvents: the raster is NaN at step 1, unit 2", InvalidArgument);
  CHECK_THROWS_WITH_AS(events.add(SpikeEvents(3, 5)),
                       "SpikeEvents: events of 3 steps x 5 units were added to events of 3 steps x 4 units", InvalidArgument);
  CHECK_THROWS_WITH_AS(events.subset(std::array<std::size_t, 2>{0, 3}),
                       "SpikeEvents: entry 1 of a subset is sample 3 of 3, which does not exist", InvalidArgument);
  CHECK(events.samples() == 3);
  CHECK(events.spikes() == 4);

  SpikeEvents empty;
  CHECK_THROWS_AS(empty.add(std::vector<Spike>{}), InvalidArgument);
  CHECK(empty.samples() == 0);
}

TEST_CASE("a data set checks its parts and is picked from as a whole") {
  Dataset data{three_samples(), {1, 0, 1}, 2, {}};
  data.targets = SpikeEvents(3, 1);
  for (int step = 0; step < 3; ++step) data.targets.add(std::vector<Spike>{{step, 0}});
  CHECK_NOTHROW(data.check());
  const Dataset picked = data.subset(std::array<std::size_t, 2>{2, 1});
  CHECK(picked.size() == 2);
  CHECK(picked.labels == std::vector<int>{1, 0});
  CHECK(picked.classes == 2);
  CHECK(picked.inputs.raster(0) == data.inputs.raster(2));
  CHECK(picked.targets.raster(1) == data.targets.raster(1));
  CHECK_THROWS_AS(data.subset(std::array<std::size_t, 1>{3}), InvalidArgument);

  Dataset bare{three_samples()};
  CHECK_NOTHROW(bare.check());
  CHECK(bare.subset(std::array<std::size_t, 1>{2}).labels.empty());

  data.labels = {1, 0};
  CHECK_THROWS_WITH_AS(data.check(), "Dataset: 2 labels for 3 inputs", InvalidArgument);
  CHECK_THROWS_AS(data.subset(std::array<std::size_t, 1>{2}), InvalidArgument);
  data.labels = {1, 0, 2};
  CHECK_THROWS_WITH_AS(data.check(), "Dataset: sample 2: label = 2 is outside [0, 2)", InvalidArgument);
  data.labels = {1, -1, 0};
  CHECK_THROWS_WITH_AS(data.check(), "Dataset: sample 1: label = -1 is outside [0, 2)", InvalidArgument);
  data.labels = {1, 0, 1};
  data.targets.add(std::vector<Spike>{});
  CHECK_THROWS_WITH_AS(data.check(), "Dataset: 4 targets for 3 inputs", InvalidArgument);
}
