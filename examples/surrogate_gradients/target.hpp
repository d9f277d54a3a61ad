// examples/surrogate_gradients/target.hpp: a picture as spike trains to be learned.
#pragma once

#include <filesystem>
#include <vector>

#include "neuron.hpp"

namespace surrogate_gradients {

/// Our own drawing of a domed building, dithered by coins: 189 steps (columns) of 1 ms x 200 units (rows), one sample. Its
/// statistics are close to those of the paper's picture, which is not ours to ship.
snn::SpikeEvents drawn_target();

/// A picture in the PBM format, or the drawing if the path is empty. Throws Error, naming the file, if it cannot be read or is of
/// less than 20 steps.
snn::SpikeEvents target_from(const std::filesystem::path& pbm);

struct TargetStatistics {
  double density = 0;                             ///< spikes per step and unit
  double lowest = 0, highest = 0, deviation = 0;  ///< of the rates of the units, Hz
  double followed = 0;                            ///< fraction of the spikes that have another one of their unit in the next step
  double silent = 0;                              ///< L2 distance of an output without spikes: spikes / (2 units)
};
/// Of a sample with steps of 1 ms.
TargetStatistics statistics(const snn::SpikeEvents& target);

/// Times between successive spikes of a unit in ms, as fractions of all: entry k - 1 for k ms, the last for all longer ones. Sum 1,
/// or all 0 if no unit spikes twice. Over all samples.
std::vector<double> interval_histogram(const snn::SpikeEvents& events, int longest);

}  // namespace surrogate_gradients
