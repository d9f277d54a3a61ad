// examples/surrogate_gradients/bias_study.hpp: how far surrogate gradients of networks are from the gradient, and what of it
// matters for training. The experiments of the chapter on bias, as functions that return numbers.
#pragma once

#include <cstdint>
#include <vector>

#include <stoat/snn.hpp>
#include <stoat/stoat.hpp>

namespace surrogate_gradients {

using namespace stoat;

/// 50 Poisson inputs at 15.8 Hz, layers of stochastic neurons in 2 ms steps, a leaky readout of 5 classes.
struct StudyNetwork {
  int layers = 1;
  snn::Reset reset = snn::Reset::differentiated;
  int width = 64, steps = 50;
  double beta = 10;  ///< slope of the escape function
  bool recurrent = false;
  snn::Loss loss = snn::MaxOverTimeCrossEntropy{};
  std::uint64_t seed = 1;  ///< of the weights and of the one input pattern

  snn::Objective objective() const;
  Eigen::VectorXd parameters() const;
  /// Of a fixed number of paths, so that the result is the same everywhere.
  snn::Bias bias(std::uint64_t paths) const;
};

/// |E SG| / |g|: by how much the mean surrogate gradient is too long.
double length(const snn::RelativeBias& bias);

/// What a flip of a coin from 0 to 1 does in the layer it is in, as the change of later spikes of the same neuron. Means over all
/// coins with the weight p (1 - p) that the gradient gives them.
struct FlipEffect {
  double removed = 0, added = 0;  ///< later spikes of its neuron
  double steps = 0;               ///< from the flip to a removed spike, mean
  /// What is left of the spike: 1 - removed + added. The effect of the flip on the number of spikes of its neuron.
  double kept() const { return 1 - removed + added; }
};
/// For each layer, by replays: `runs` runs with about `flips` flips in each layer.
std::vector<FlipEffect> flip_effects(const StudyNetwork& network, std::uint64_t runs, int flips);

}  // namespace surrogate_gradients
