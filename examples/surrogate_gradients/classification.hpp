// examples/surrogate_gradients/classification.hpp: spike times in classes, learned with and without coins; how reliable the layers
// are.
#pragma once

#include <vector>

#include "chapter.hpp"
#include "neuron.hpp"

namespace surrogate_gradients {

/// Randman data, of which a fifth is for validation, and a network for them: a layer of neurons behind each connection, and a leaky
/// readout. Steps of 2 ms; membranes 20 ms, synapses 10 ms, the reset detached.
struct ClassificationTask {
  snn::Randman data{.units = 20, .classes = 10, .samples_per_class = 500, .steps = 100, .alpha = 1};
  std::vector<snn::Layer> connections{snn::Linear{128}};
  int epochs = 20;
  std::size_t batch = 200;
  std::uint64_t data_seed = 1, seed = 1;  ///< the second one is of weights, order and coins
  int trials = 200;                       ///< of one validation sample, for the variability
  int threads = 0;                        ///< 0: all

  snn::Network network(snn::Activation activation) const;
};

/// Variability of a layer over trials of one sample.
struct Reliability {
  double fano = 0;  ///< of the counts in sliding windows of 20 ms, mean over units and windows; NaN if no neuron spikes
  double rate = 0;  ///< Hz
};
struct ClassificationRun {
  snn::Activation activation = snn::Activation::stochastic;
  snn::Training training;
  std::vector<Reliability> before, after;  ///< of each hidden layer
  snn::SpikeEvents one_neuron;             ///< after training: the busiest neuron of the first layer, a unit a trial
};
ClassificationRun classify(const ClassificationTask& task, snn::Activation activation);

Chapter classification_chapter(const Options& options);

}  // namespace surrogate_gradients
