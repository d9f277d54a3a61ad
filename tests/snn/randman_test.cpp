#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include <stoat/error.hpp>
#include <stoat/random/philox.hpp>
#include <stoat/snn/randman.hpp>

using namespace stoat;
using namespace stoat::snn;

namespace {

/// The spike step of every unit of a sample.
std::vector<int> steps_of(const SpikeEvents& events, std::size_t sample) {
  std::vector<int> result(static_cast<std::size_t>(events.units()), -1);
  for (int step = 0; step < events.steps(); ++step)
    for (const SpikeEvents::Unit unit : events.at(sample, step)) result[unit] = step;
  return result;
}

}  // namespace

TEST_CASE("randman: balanced classes, one spike a unit, both ends of the active steps reached in every class") {
  const Randman options{.units = 6, .classes = 4, .samples_per_class = 60, .steps = 100, .active = 0.5, .alpha = 0.5};
  const Dataset data = randman(options, 3);
  CHECK_NOTHROW(data.check());
  CHECK(data.size() == 240);
  CHECK(data.classes == 4);
  CHECK(data.inputs.steps() == 100);
  CHECK(data.inputs.units() == 6);
  for (int c = 0; c < 4; ++c) CHECK(std::count(data.labels.begin(), data.labels.end(), c) == 60);
  // alpha = 0.5 makes every coordinate's extent larger than 2, so its largest value is 1 in single precision: step 50.
  std::vector<std::vector<int>> least(4, std::vector<int>(6, 1000)), largest(4, std::vector<int>(6, -1));
  for (std::size_t i = 0; i < data.size(); ++i) {
    CHECK(data.inputs.spikes(i) == 6);
    const std::vector<int> steps = steps_of(data.inputs, i);
    const auto c = static_cast<std::size_t>(data.labels[i]);
    for (std::size_t e = 0; e < 6; ++e) {
      least[c][e] = std::min(least[c][e], steps[e]);
      largest[c][e] = std::max(largest[c][e], steps[e]);
    }
  }
  CHECK(least == std::vector<std::vector<int>>(4, std::vector<int>(6, 0)));
  CHECK(largest == std::vector<std::vector<int>>(4, std::vector<int>(6, 50)));
}

TEST_CASE("randman is a function of the seed") {
  const Randman options{.units = 5, .classes = 3, .samples_per_class = 20, .alpha = 2};
  const Dataset a = randman(options, 1), b = randman(options, 1), other = randman(options, 2);
  CHECK(a.labels == b.labels);
  CHECK(a.labels != other.labels);
  bool same = true, differs = false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    same = same && steps_of(a.inputs, i) == steps_of(b.inputs, i);
    differs = differs || steps_of(a.inputs, i) != steps_of(other.inputs, i);
  }
  CHECK(same);
  CHECK(differs);
  CHECK_FALSE(std::is_sorted(a.labels.begin(), a.labels.end()));  // shuffled
}

TEST_CASE("randman: the coordinates of a class follow the formula") {
  // Written out anew in plain loops from the addresses of its random numbers: points at site 2, unit e at site 3 + e, columns
  // of a, b, c in turn; alpha = 2 has 32 terms. Two dimensions.
  const int units = 3, samples = 50;
  const std::uint64_t seed = 11;
  const Dataset data = randman(
      {.units = units, .classes = 1, .samples_per_class = samples, .steps = 40, .active = 0.8, .dimension = 2, .alpha = 2}, seed);
  std::vector<std::vector<double>> x(2, std::vector<double>(samples));
  Generator points({seed, 0, Purpose::data}, 2);
  for (auto& column : x)
    for (double& value : column) value = points.uniform();
  std::vector<std::vector<int>> expected(samples, std::vector<int>(units));
  for (int e = 0; e < units; ++e) {
    Generator draw({seed, 0, Purpose::data}, static_cast<std::uint64_t>(3 + e));
    double theta[2][3][32];
    for (auto& d : theta)
      for (auto& row : d)
        for (double& value : row) value = draw.uniform();
    std::vector<float> y;
    for (std::size_t s = 0; s < samples; ++s) {
      double product = 1;
      for (std::size_t d = 0; d < 2; ++d) {
        double sum = 0;
        for (int i = 1; i < 32; ++i)
          sum += theta[d][0][i] / ((i + 1.0) * (i + 1.0) + 1) *
                 std::sin(2 * std::numbers::pi * (i * x[d][s] * theta[d][1][i] + theta[d][2][i]));
        product *= sum;
      }
      y.push_back(static_cast<float>(product));
    }
    const auto [low, high] = std::minmax_element(y.begin(), y.end());
    for (std::size_t s = 0; s < samples; ++s)
      expected[s][static_cast<std::size_t>(e)] = static_cast<int>(32 * ((y[s] - *low) / (*high - *low + 1e-7f)));
  }
  std::vector<std::vector<int>> found;
  for (std::size_t s = 0; s < samples; ++s) found.push_back(steps_of(data.inputs, s));
  std::sort(found.begin(), found.end());
  std::sort(expected.begin(), expected.end());
  CHECK(found == expected);
}

TEST_CASE("randman refuses options out of range") {
  const auto refuses = [](const Randman& options, const char* why) {
    CHECK_THROWS_WITH_AS(randman(options, 1), why, InvalidArgument);
  };
  refuses({.units = 0}, "Randman: units = 0 is outside (0, infinity)");
  refuses({.classes = -1}, "Randman: classes = -1 is outside (0, infinity)");
  refuses({.samples_per_class = 0}, "Randman: samples_per_class = 0 is outside (0, infinity)");
  refuses({.steps = 1}, "Randman: steps = 1 is outside [2, infinity)");
  refuses({.active = 1}, "Randman: active = 1 is outside (0, 1 - 1 / steps]");
  refuses({.active = 0}, "Randman: active = 0 is outside (0, 1 - 1 / steps]");
  refuses({.dimension = 0}, "Randman: dimension = 0 is outside (0, infinity)");
  refuses({.alpha = 0}, "Randman: alpha = 0 is outside (0, infinity)");
  CHECK_NOTHROW(randman({.units = 2, .classes = 1, .samples_per_class = 3, .steps = 100, .active = 0.99}, 1));
}

TEST_CASE("split cuts a data set in its order and leaves nothing out") {
  const Dataset data = randman({.units = 2, .classes = 5, .samples_per_class = 3, .alpha = 2}, 1);
  const std::vector<Dataset> parts = split(data, {0.8, 0.1, 0.1});
  REQUIRE(parts.size() == 3);
  CHECK(parts[0].size() == 12);
  CHECK(parts[1].size() == 2);  // 13.5 rounds to 14
  CHECK(parts[2].size() == 1);
  std::vector<int> labels;
  std::size_t sample = 0;
  for (const Dataset& part : parts) {
    CHECK(part.classes == 5);
    for (std::size_t i = 0; i < part.size(); ++i) CHECK(part.inputs.raster(i) == data.inputs.raster(sample++));
    labels.insert(labels.end(), part.labels.begin(), part.labels.end());
  }
  CHECK(labels == data.labels);
  CHECK(split(data, {0.2}).front().size() == 3);
  CHECK(split(data, {}).empty());
  CHECK_THROWS_WITH_AS(split(data, {0.5, -0.1}), "split: part 1: fraction = -0.1 is outside (0, 1]", InvalidArgument);
  CHECK_THROWS_WITH_AS(split(data, {0.75, 0.5}), "split: part 1: the sum of the fractions so far = 1.25 is outside (0, 1]",
                       InvalidArgument);
  CHECK_THROWS_WITH_AS(split(data, {0.5, 0.01}), "split: part 1: none of the 15 samples falls into it", InvalidArgument);
}
