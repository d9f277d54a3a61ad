// examples/surrogate_gradients/hand_rule.hpp: the paper's rule for spike-train matching, derived by hand for two layers.
#pragma once

#include "neuron.hpp"

namespace surrogate_gradients {

/// Neurons of both layers: 1 ms steps, membrane 10 ms, synapse 5 ms; the reset takes the leaking potential only.
inline constexpr double matching_dt = 0.001, matching_tau_mem = 0.01, matching_tau_syn = 0.005;

/// What stands for the derivative sg of a hidden spike S in its membrane potential U.
enum class HiddenSlope {
  super_spike,  ///< 1 / (1 + 10 |U - 1|)^2
  sigmoid,      ///< the derivative of the escape probability 1 / (1 + e^(-10 (U - 1)))
  own_spikes,   ///< S itself (multilayer spiker: Gardner, Sporea, Gruening 2015)
};

using Trains = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;  ///< steps x units

/// The kernel eps(k) = 0.2 (e^(-t_k / 10 ms) - e^(-t_k / 5 ms)), t_k = k T / (T - 1) ms for trains of T steps: y(t) = sum over
/// s <= t of eps(t - s) x(s).
Trains smoothed(const Trains& x);
/// Mean over units of 1/2 sum over t of smoothed(x)(t)^2: the van Rossum distance of two trains whose difference is x.
double van_rossum_distance(const Trains& x);

/// What the rule adds to the weights at rate 1, from one sample of each of the events, in the order of the parameters of
/// Network(inputs, T, {Linear, Lif, Linear, Lif}). With delta = (target - output) / 0.013, a and b the inputs and hidden spikes as
/// potentials of a neuron that does not reset itself, sg by `slope` at the hidden potentials U:
///   output weights: sum over t of delta_o(t) b_h(t),
///   hidden weights: sum over s of sg_h(s) a_i(s) sum over t >= s of eps(t - s) sum over o of W_oh delta_o(t).
/// Ascent on the log-likelihood of the target, with output spikes in the place of their probabilities and resets disregarded.
Eigen::VectorXd hand_derived(const Eigen::VectorXd& theta, const snn::SpikeEvents& input, const snn::SpikeEvents& hidden,
                             const snn::SpikeEvents& output, std::size_t trial, const snn::SpikeEvents& target, HiddenSlope slope);

}  // namespace surrogate_gradients
