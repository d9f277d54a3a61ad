// A small problem, a network for it, and what tests of training compare.
#pragma once

#include <bit>
#include <cstring>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <stoat/snn.hpp>
#include <stoat/stoat.hpp>

#include "files.hpp"

namespace small_training {

using namespace stoat;
using namespace stoat::snn;

/// Deterministic or stochastic neurons with the same surrogate.
inline Lif neurons(Activation activation) {
  Lif lif{.activation = activation};
  lif.surrogate = surrogate::SuperSpike{10};
  return lif;
}

/// Three classes, told by which of ten units spike most: 63 samples to learn, 27 to test.
inline const std::vector<Dataset>& data() {
  static const std::vector<Dataset> parts = [] {
    Dataset all{.inputs = SpikeEvents(40, 10), .classes = 3};
    Generator words({3, 0, Purpose::data});
    for (int sample = 0; sample < 90; ++sample) {
      std::vector<snn::Spike> spikes;
      for (int unit = 0; unit < 10; ++unit)
        for (int k = 0; k < (unit % 3 == sample % 3 ? 4 : 2); ++k) spikes.push_back({static_cast<int>(40 * words.uniform()), unit});
      all.inputs.add(spikes);
      all.labels.push_back(sample % 3);
    }
    return split(all, {0.7, 0.3});
  }();
  return parts;
}
inline std::shared_ptr<const Dataset> held_out() { return std::make_shared<const Dataset>(data()[1]); }

inline Network small(Activation activation = Activation::stochastic) {
  return Network(10, 40, {Linear{16}, neurons(activation), Linear{3}, LeakyReadout{.tau_mem = 0.08}});
}
inline Objective objective(Activation activation = Activation::stochastic) {
  return Objective(small(activation), data()[0], MaxOverTimeCrossEntropy{});
}
inline Eigen::VectorXd start() { return small().initial<double>({.seed = 5, .nu = 5}); }

inline TrainOptions quiet(int epochs, std::size_t batch = 20) {
  return {.epochs = epochs, .batch = batch, .threads = 1, .progress = Display::none};
}

inline bool same_bits(const Eigen::VectorXd& a, const Eigen::VectorXd& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(double)) == 0;
}

/// All but the seconds.
inline bool same_numbers(const Epoch& a, const Epoch& b) {
  const auto bits = [](const Epoch& e) {
    std::vector<double> x = e.spikes;
    x.insert(x.end(), {e.factor, e.loss, e.accuracy, e.gradient_norm, e.validation_loss, e.validation_accuracy, e.other_loss,
                       e.other_accuracy, static_cast<double>(e.number)});
    std::vector<std::uint64_t> words;
    for (const double y : x) words.push_back(std::bit_cast<std::uint64_t>(y));
    return words;
  };
  return bits(a) == bits(b);
}

/// All but the seconds and what was resumed.
inline void check_same(const Training& a, const Training& b) {
  CHECK(same_bits(a.theta, b.theta));
  CHECK(same_bits(a.best, b.best));
  CHECK(a.best_epoch == b.best_epoch);
  CHECK(a.end == b.end);
  CHECK(a.optimizer.steps == b.optimizer.steps);
  REQUIRE(a.optimizer.moments.size() == b.optimizer.moments.size());
  for (std::size_t k = 0; k < a.optimizer.moments.size(); ++k) CHECK(same_bits(a.optimizer.moments[k], b.optimizer.moments[k]));
  REQUIRE(a.epochs.size() == b.epochs.size());
  for (std::size_t k = 0; k < a.epochs.size(); ++k) CHECK(same_numbers(a.epochs[k], b.epochs[k]));
}

/// Lines of a file, without the column of seconds (the tenth).
inline std::vector<std::string> rows(const std::filesystem::path& csv) {
  std::istringstream in(content(csv));
  std::vector<std::string> list;
  for (std::string line; std::getline(in, line);) {
    std::size_t begin = 0;
    for (int k = 0; k < 9; ++k) begin = line.find(',', begin) + 1;
    list.push_back(line.erase(begin, line.find(',', begin) - begin));
  }
  return list;
}

}  // namespace small_training
