// stoat/snn/layers.hpp: what a network is made of.
#pragma once

#include <optional>
#include <variant>

#include <stoat/snn/functions.hpp>

namespace stoat::snn {

/// All to all: `units` weighted sums of the layer before.
struct Linear {
  int units = 1;
};

/// Convolution over positions: every filter sees `kernel` positions of all channels of the layer before. The units of a
/// convolution are position * channels + channel; those of other layers count as one channel. There are
/// (positions + 2 padding - kernel) / stride + 1 positions.
struct Conv1d {
  int channels = 1, kernel = 1, stride = 1, padding = 0;
};

/// While training, drops each unit of the layer before with this probability, for the whole of a sample, and divides what is
/// left by 1 - probability. Does nothing in evaluations.
struct Dropout {
  double probability = 0.5;
};

/// How a spike comes about.
enum class Activation {
  deterministic,  ///< at or above the threshold: S = H(z), H(0) = 0
  stochastic,     ///< with probability escape(z)
};

/// What the reset after a spike passes on in back-propagation (paper: both reset conventions, and own-replay).
enum class Reset {
  none,            ///< a spike leaves the membrane alone
  detached,        ///< the reset is a constant
  differentiated,  ///< the reset is differentiated, with the surrogate derivative of the spike
  replay,  ///< an exact replay of the neuron itself takes the place of the reset's derivative: the effect of a spike on the later
           ///< spikes of its neuron, its input currents and random numbers held fixed. Stochastic spikes only.
};

/// Which part of the membrane a spike resets.
enum class ResetKind {
  all,   ///< U[t+1] = (a_m U[t] + (1 - a_m) I[t]) (1 - S[t])
  leak,  ///< U[t+1] = a_m U[t] (1 - S[t]) + (1 - a_m) I[t]
};

/// Time constants that are learned: none, one of each kind for the layer, or one for each neuron.
enum class Learned { none, layer, neuron };

/// Current-based leaky integrate-and-fire neurons with exact exponential decays a_m = exp(-dt / tau_mem), a_s = exp(-dt / tau_syn):
///   I[t+1] = a_s I[t] + W S_in[t] + V S[t],   U as in ResetKind,   U[0] = I[0] = 0,
///   S[t] = H(z[t]) or a coin with probability escape(z[t]),   z[t] = U[t] - threshold - adaptation A[t],
///   A[t+1] = a_a A[t] + (1 - a_a) S[t],   a_a = exp(-dt / tau_adaptation),   A[0] = 0.
struct Lif {
  double tau_mem = 0.02, tau_syn = 0.01, dt = 0.002;  ///< s; dt < tau
  double threshold = 1;                               ///< of U, above rest
  Reset reset = Reset::detached;                      ///< how back-propagation sees it
  ResetKind reset_kind = ResetKind::all;              ///< what a spike does to the membrane
  Activation activation = Activation::stochastic;     ///< how a spike comes about
  SpikeFunction escape = escape::Sigmoid{10};
  std::optional<SpikeFunction> surrogate{};  ///< in place of the derivative of `escape`
  bool recurrent = false;                    ///< all to all; after a convolution with `recurrent_kernel` a convolution
  int recurrent_kernel = 0;                  ///< odd; 0: all to all
  int refractory = 0;                        ///< steps after the step of a spike with U = 0 and no spike
  double adaptation = 0;                     ///< by how much a neuron that spikes all the time raises its threshold
  double tau_adaptation = 0.1;               ///< s
  Learned learned_tau = Learned::none;       ///< the parameters are log tau_mem and log tau_syn, tau in s

  /// What back-propagation uses: the override, or the escape function.
  const SpikeFunction& slope() const { return surrogate ? *surrogate : escape; }
};

/// Leaky integrators that do not spike: q[t+1] = a_s q[t] + W S[t], o[t+1] = r o[t] + (1 - r) q[t], r = exp(-dt / tau_mem),
/// a_s = exp(-dt / tau_syn), q[0] = 0, o[0] = initial.
struct LeakyReadout {
  double tau_mem = 0.2, tau_syn = 0.01, dt = 0.002;  ///< s; tau_syn = 0: no synaptic filter, I = W S
  double initial = 0;
};

/// A network is a list of these: a connection (Linear, Conv1d) before each Lif or LeakyReadout; Dropout before a connection; the
/// readout, if there is one, comes last.
using Layer = std::variant<Linear, Conv1d, Dropout, Lif, LeakyReadout>;

}  // namespace stoat::snn
