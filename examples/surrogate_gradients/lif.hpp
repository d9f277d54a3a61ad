// examples/surrogate_gradients/lif.hpp: one leaky integrate-and-fire neuron whose spikes feed back through its reset.
#pragma once

#include <vector>

#include "chapter.hpp"
#include "neuron.hpp"

namespace surrogate_gradients {

/// Time steps of the experiment: 1 ms each, input spikes at 0, 2, 3 and 6 with weight 3.
inline constexpr int lif_length = 12;

/// The mean number of spikes per step over the first `steps` steps, 1 <= steps <= lif_length, as a function of the input weight.
snn::Objective lif_neuron(double beta, snn::Reset reset, int steps = lif_length);

/// One step, or the sum over all: E[S] and its derivative in the input weight, exact and by surrogate gradients.
struct LifStep {
  double spikes = 0, exact = 0;
  double detached = 0, differentiated = 0;            ///< means of the surrogate gradient by what the reset passes on
  double exact_without_reset = 0, without_reset = 0;  ///< of the neuron that does not reset itself
};
/// All steps, by enumeration of the histories of spikes (4096 in the last step).
std::vector<LifStep> lif_steps(double beta);
LifStep sum(const std::vector<LifStep>& steps);

Chapter lif_chapter(const Options& options);

}  // namespace surrogate_gradients
