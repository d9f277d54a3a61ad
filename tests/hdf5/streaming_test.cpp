#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <new>
#include <numeric>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stoat/error.hpp>
#include <stoat/estimators/score_function.hpp>
#include <stoat/hdf5/spike_file.hpp>
#include <stoat/hdf5/weight_file.hpp>
#include <stoat/snn/train.hpp>

#include "files.hpp"
#include "sanitized.hpp"
#include "snn/small_training.hpp"

using namespace stoat;
using namespace stoat::snn;
using small_training::data, small_training::quiet, small_training::same_bits, small_training::small, small_training::start;

namespace {

/// Data in memory as a source that notes how much is asked for at a time.
class Watched final : public DataSource {
 public:
  explicit Watched(Dataset data, std::size_t copies = 1) : data_(std::move(data)), copies_(copies) {}
  std::size_t size() const override { return copies_ * data_.size(); }
  int steps() const override { return data_.inputs.steps(); }
  int units() const override { return data_.inputs.units(); }
  Dataset read(std::span<const std::size_t> samples) const override {
    largest = std::max(largest, samples.size());
    total += samples.size();
    std::vector<std::size_t> there(samples.begin(), samples.end());
    for (std::size_t& sample : there) sample %= data_.size();
    return data_.subset(there);
  }
  std::string identity() const override { return "watched"; }

  mutable std::size_t largest = 0, total = 0;

 private:
  Dataset data_;
  std::size_t copies_;
};

Objective streamed(std::shared_ptr<const DataSource> source) {
  return Objective(small(), std::move(source), MaxOverTimeCrossEntropy{});
}

#ifndef STOAT_SANITIZED
/// Runs f in a process that may ask for so many bytes more. 0 if f returns true, 1 if not, 2 if there were too few bytes, 3 if
/// anything else went wrong.
int with_memory(std::size_t bytes, const std::function<bool()>& f) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::ifstream in("/proc/self/statm");  // the sixth number: pages of data
    std::size_t pages = 0;
    for (int k = 0; k < 6; ++k) in >> pages;
    const rlim_t limit = pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) + bytes;
    const rlimit both{limit, limit};
    if (!in || setrlimit(RLIMIT_DATA, &both) != 0) _exit(3);
    try {
      _exit(f() ? 0 : 1);
    } catch (const std::bad_alloc&) { _exit(2); } catch (...) {
      _exit(3);
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}
#endif

}  // namespace

TEST_CASE("training from a file gives the bits of training from memory, and holds one batch") {
  const Folder folder("streaming");
  write_spike_file(folder / "a.h5", data()[0], 0.002);
  const SpikeFileOptions options{.units = 10, .dt = 0.002, .steps = 40, .classes = 3};
  const auto file = std::make_shared<const SpikeFile>(folder / "a.h5", options);
  const Training from_memory = train(small_training::objective(), start(), Adam{0.02}, quiet(3));
  const Training from_file = train(streamed(file), start(), Adam{0.02}, quiet(3));
  CHECK(same_bits(from_memory.theta, from_file.theta));
  CHECK(from_memory.epochs.back().loss == from_file.epochs.back().loss);
  CHECK(from_memory.epochs.back().accuracy == from_file.epochs.back().accuracy);
  CHECK(from_file.epochs.back().loss < from_file.epochs.front().loss);
  CHECK(from_memory.epochs[0].loss != train(streamed(file), start(), Adam{0.02},
                                            [] {
                                              TrainOptions o = quiet(1);
                                              o.seed = 2;
                                              return o;
                                            }())
                                          .epochs[0]
                                          .loss);

  const auto watched = std::make_shared<const Watched>(data()[0]);
  CHECK(same_bits(train(streamed(watched), start(), Adam{0.02}, quiet(3)).theta, from_memory.theta));
  CHECK(watched->largest == 20);
  CHECK(watched->total == 1 + 3 * 63);  // the first sample once, to see what there is

  const Evaluation a = evaluate(small_training::objective(), from_memory.theta, {.batch = 10}),
                   b = evaluate(streamed(file), from_memory.theta, {.batch = 10});
  CHECK(a.loss == b.loss);
  CHECK(a.predicted == b.predicted);
  CHECK(evaluate(streamed(file).with(Activation::deterministic), from_memory.theta).loss ==
        evaluate(small_training::objective().with(Activation::deterministic), from_memory.theta).loss);
}

TEST_CASE("of many samples the ones of a batch alone are read") {
  const auto source = std::make_shared<const Watched>(data()[0], 1000);
  const Objective objective = streamed(source);
  CHECK(objective.size() == 63'000);
  SurrogateGradient<float> gradient(objective, 1);
  Eigen::VectorXf g;
  std::vector<std::size_t> batch(20);
  for (std::size_t i = 0; i < batch.size(); ++i) batch[i] = 62'999 - 3 * i;
  const BatchResult far = gradient(start().cast<float>(), batch, {1, 5}, g);
  Eigen::VectorXf near_gradient;
  for (std::size_t& sample : batch) sample %= 63;
  SurrogateGradient<float> near(small_training::objective(), 1);
  CHECK(far.loss == near(start().cast<float>(), batch, {1, 5}, near_gradient).loss);
  CHECK(g == near_gradient);
  CHECK(source->largest == 20);
  batch[3] = 63'000;
  CHECK_THROWS_WITH_AS(gradient(start().cast<float>(), batch, {1, 5}, g), doctest::Contains("sample 63000 of 63000"),
                       InvalidArgument);
}

TEST_CASE("the optimiser's state of a training goes to a file, and another training goes on from it") {
  const Folder folder("streaming-optimizer");
  const Objective objective = small_training::objective();
  const Training first = train(objective, start(), Adam{0.02}, quiet(2));
  CHECK(first.optimizer.steps == 2 * 4);
  write_weights(folder / "w.h5", objective.network(), {first.theta, first.optimizer});
  const auto go_on = [&](const Eigen::VectorXd& theta, const OptimizerState* state) {
    Optimizer optimizer = Adam{0.02};
    if (state) optimizer.restore(*state);
    return train(objective, theta, optimizer, quiet(1));
  };
  const SavedWeights saved = read_weights(folder / "w.h5", objective.network());
  REQUIRE(saved.optimizer.has_value());
  const Training second = go_on(saved.theta, &*saved.optimizer);
  CHECK(second.optimizer.steps == 3 * 4);
  CHECK(same_bits(second.theta, go_on(first.theta, &first.optimizer).theta));
  CHECK_FALSE(same_bits(second.theta, go_on(first.theta, nullptr).theta));
}

#ifndef STOAT_SANITIZED

TEST_CASE("a file trains in a fourth of the memory that it takes on disk, and all of it at once does not fit there") {
  const Folder folder("streaming-memory");
  const int units = 4000, samples = 800;
  {
    SpikeFileWriter writer(folder / "a.h5", units);
    SpikeTrains trains;
    for (int i = 0; i < 4000; ++i) trains.times.push_back(2.5e-5 * i), trains.units.push_back(i * 7 % units);
    for (int k = 0; k < samples; ++k) writer.add(trains, k % 2);
    writer.close();
  }
  const std::size_t size = std::filesystem::file_size(folder / "a.h5");
  CHECK(size > 32'000'000);
  const auto open = [&] {
    return std::make_shared<const SpikeFile>(folder / "a.h5", SpikeFileOptions{.units = units, .dt = 0.002, .steps = 50});
  };
  const auto trained = [&](Objective objective) {
    return train(objective, objective.network().initial<double>(), Adam{0.02}, quiet(1)).epochs.size() == 1;
  };
  const Network network(units, 50, {Linear{4}, Lif{}, Linear{2}, LeakyReadout{}});
  CHECK(with_memory(size / 4, [&] { return trained(Objective(network, open(), MaxOverTimeCrossEntropy{})); }) == 0);
  const auto at_once = [&] { return trained(Objective(network, open()->read(), MaxOverTimeCrossEntropy{})); };
  CHECK(with_memory(size / 4, at_once) == 2);
  CHECK(with_memory(4 * size, at_once) == 0);
}

#endif

TEST_CASE("a training from a file goes on from its checkpoint, and not from one of other data") {
  const Folder folder("streaming-checkpoint");
  write_spike_file(folder / "a.h5", data()[0], 0.002);
  const auto file = std::make_shared<const SpikeFile>(folder / "a.h5", SpikeFileOptions{.units = 10, .steps = 40});
  TrainOptions options = quiet(4);
  const Training whole = train(streamed(file), start(), Adam{0.02}, options);
  options.checkpoint = folder / "checkpoint";
  options.epochs = 2;
  train(streamed(file), start(), Adam{0.02}, options);
  options.epochs = 4;
  std::vector<std::size_t> some(50);
  std::iota(some.begin(), some.end(), std::size_t{0});
  const auto part = std::make_shared<const SourceSubset>(file, some);
  CHECK_THROWS_WITH_AS(train(streamed(part), start(), Adam{0.02}, options), doctest::Contains("is of another training: data"),
                       InvalidArgument);
  const Training resumed = train(streamed(file), start(), Adam{0.02}, options);
  CHECK(resumed.resumed == 2);
  CHECK(same_bits(resumed.theta, whole.theta));
}

TEST_CASE("part of a source, and what cannot be done with one") {
  const auto source = std::make_shared<const Watched>(data()[0]);
  const SourceSubset part(source, {5, 0, 7});
  CHECK(part.size() == 3);
  const std::vector<std::size_t> order{2, 0};
  CHECK(part.read(order).inputs.raster(0) == data()[0].inputs.raster(7));
  CHECK(part.read(order).labels[1] == data()[0].labels[5]);
  const std::vector<std::size_t> beyond{3};
  CHECK_THROWS_WITH_AS(part.read(beyond), "SourceSubset: sample 3 of 3 does not exist", InvalidArgument);
  CHECK_THROWS_WITH_AS(SourceSubset(source, {0, 63}), "SourceSubset: entry 1 is sample 63 of 63, which does not exist",
                       InvalidArgument);

  CHECK_THROWS_AS(streamed(source).program<double>(), Refusal);
  CHECK_THROWS_AS(train(streamed(source), start(), ScoreFunction{}, Adam{0.02}, quiet(1)), Refusal);
  CHECK_THROWS_AS(streamed(std::make_shared<const SourceSubset>(source, std::vector<std::size_t>{})), InvalidArgument);
}

TEST_CASE("a sample that cannot be read ends a training with its row") {
  const Folder folder("streaming-bad");
  SpikeFileWriter writer(folder / "a.h5", 11);
  for (int k = 0; k < 6; ++k) writer.add({{0.01}, {k == 4 ? 10 : 3}}, k % 3);
  writer.close();
  const auto file = std::make_shared<const SpikeFile>(folder / "a.h5", SpikeFileOptions{.units = 10, .steps = 40});
  CHECK_THROWS_WITH_AS(train(streamed(file), start(), Adam{0.02}, quiet(1)),
                       doctest::Contains("spikes/units, row 4: spike 0: unit = 10 is outside [0, 10)"), Error);
}
