// stoat/snn/spike_events.hpp: spikes of many samples on a grid of time steps, stored as events.
//
// A spike train on a grid is sparse (1.5 % of the bins in the usual spoken-digit data), so a layer gathers the weights of the
// units that spike instead of multiplying by a matrix of zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <Eigen/Core>

namespace stoat::snn {

/// A spike of a unit in a time step, both from 0 on.
struct Spike {
  int step = 0, unit = 0;
  friend bool operator==(const Spike&, const Spike&) = default;
};

/// The spikes of some samples over the same steps and units: for each sample and step a sorted list of the units that spike.
class SpikeEvents {
 public:
  using Unit = std::uint32_t;

  SpikeEvents() = default;
  /// No samples yet. Throws InvalidArgument unless steps > 0 and units > 0.
  SpikeEvents(int steps, int units);

  int steps() const { return steps_; }
  int units() const { return units_; }
  std::size_t samples() const { return begin_.empty() ? 0 : (begin_.size() - 1) / static_cast<std::size_t>(steps_); }

  /// Appends a sample. The spikes may come in any order; several of one unit in one step count once. Throws InvalidArgument,
  /// naming the spike, if a step or unit is out of range; then nothing was added.
  void add(std::span<const Spike> spikes);
  /// Appends a sample from a raster, steps x units: every entry but 0 is a spike. Throws InvalidArgument for another shape or NaN.
  void add(const Eigen::Ref<const Eigen::MatrixXd>& raster);
  /// Appends all samples of another set. Throws InvalidArgument if its steps or units differ.
  void add(const SpikeEvents& other);

  /// The units that spike in this step of this sample, sorted.
  std::span<const Unit> at(std::size_t sample, int step) const {
    const std::size_t row = sample * static_cast<std::size_t>(steps_) + static_cast<std::size_t>(step);
    return {unit_.data() + begin_[row], begin_[row + 1] - begin_[row]};
  }
  /// The same for all steps of a sample: that of step t is units[begin[t]] to units[begin[t + 1] - 1]. Valid until the next add().
  struct Lists {
    const Unit* units = nullptr;
    const std::size_t* begin = nullptr;
  };
  Lists lists(std::size_t sample) const { return {unit_.data(), begin_.data() + sample * static_cast<std::size_t>(steps_)}; }
  /// The number of spikes of a sample.
  std::size_t spikes(std::size_t sample) const {
    const std::size_t row = sample * static_cast<std::size_t>(steps_);
    return begin_[row + static_cast<std::size_t>(steps_)] - begin_[row];
  }
  /// The number of spikes of all samples.
  std::size_t spikes() const { return unit_.size(); }
  /// A sample as a raster, steps x units, of zeros and ones.
  Eigen::MatrixXd raster(std::size_t sample) const;
  /// Some of the samples, in the order of the list. Throws InvalidArgument for an index out of range.
  SpikeEvents subset(std::span<const std::size_t> samples) const;
  /// Bytes held.
  std::size_t bytes() const { return unit_.capacity() * sizeof(Unit) + begin_.capacity() * sizeof(std::size_t); }

 private:
  int steps_ = 0, units_ = 0;
  std::vector<Unit> unit_;
  std::vector<std::size_t> begin_;  ///< where the list of each sample and step begins, and the end
};

/// Samples with what is to be learned about them: labels, or target spike trains, or both.
struct Dataset {
  SpikeEvents inputs;         ///< a sample each
  std::vector<int> labels{};  ///< of each sample, 0 <= label < classes; empty if there are none
  int classes = 0;            ///< labels are below
  SpikeEvents targets{};      ///< of each sample, over the units of the output layer; no samples if there are none

  std::size_t size() const { return inputs.samples(); }
  /// Throws InvalidArgument if the numbers of labels, targets and inputs disagree or a label is out of range.
  void check() const;
  /// Some of the samples.
  Dataset subset(std::span<const std::size_t> samples) const;
};

}  // namespace stoat::snn
