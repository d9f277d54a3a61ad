// stoat/snn/loss.hpp: what a network is to do with a sample.
#pragma once

#include <variant>

namespace stoat::snn {

/// Cross-entropy of the labels under softmax(z), z_c the largest value of output c over all steps but the first, where the readout
/// has its initial value. The gradient enters at the first step where the maximum is attained.
struct MaxOverTimeCrossEntropy {};
/// -log softmax(q)[label], q_c the sum over time of the softmax of the outputs in component c.
struct SumOfSoftmaxCrossEntropy {};
/// Cross-entropy of the labels under softmax(z), z_c the mean over time of output c. What a single spike changes is a number times
/// a row of weights, so that replays of all spikes of the last hidden layer are cheap (DebiasedSurrogate).
struct MeanOverTimeCrossEntropy {};
/// The mean over time of one output: linear in it.
struct MeanOutput {
  int output = 0;
};
/// Of spike trains S against target trains Z: mean over units of 1/2 sum over t of (kernel * (Z - S))(t)^2, with the kernel
/// amplitude (e^(-t / tau_decay) - e^(-t / tau_rise)), t = 0, dt, 2 dt, ... (van Rossum 2001 with a double exponential).
struct VanRossum {
  double tau_decay = 0.01, tau_rise = 0.005, dt = 0.001;  ///< s
  double amplitude = 1;
};
/// Mean over units of 1/2 sum over t of (Z - S)^2.
struct SpikeMse {};
/// Minus the log-likelihood of the target trains, mean over units of -sum over t of (Z log f + (1 - Z) log(1 - f)), f the escape
/// probability of the last layer at its membrane potentials. The last layer must be stochastic.
struct SpikeLogLikelihood {};

/// Cross-entropies want a readout, the others a last layer that spikes, except MeanOutput, which takes either.
using Loss = std::variant<MaxOverTimeCrossEntropy, SumOfSoftmaxCrossEntropy, MeanOutput, VanRossum, SpikeMse, SpikeLogLikelihood,
                          MeanOverTimeCrossEntropy>;

/// A cost of too much activity, per sample and hidden layer: strength max(0, c - threshold)^power, c the mean over units of the
/// number of spikes.
struct UpperBound {
  double strength = 0.1, threshold = 7;
  int power = 2;  ///< 1 or 2
};
/// A cost of silence, per sample and hidden layer: strength times the mean over units of max(0, threshold - spikes of the
/// unit)^power.
struct LowerBound {
  double strength = 100, threshold = 1e-3;
  int power = 2;
};
using Regularizer = std::variant<UpperBound, LowerBound>;

}  // namespace stoat::snn
