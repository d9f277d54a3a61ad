// examples/surrogate_gradients/bias_study.hpp: how far surrogate gradients of networks are from the gradient, and what of it
// matters for training. The experiments of the chapter on bias, as functions that return numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <stoat/snn.hpp>
#include <stoat/stoat.hpp>

namespace surrogate_gradients {

using namespace stoat;

/// Poisson inputs, layers of stochastic neurons in 2 ms steps, and a leaky readout of 5 classes; under a loss of spike trains no
/// readout, and random targets of 25 Hz.
struct StudyNetwork {
  int layers = 1;
  snn::Reset reset = snn::Reset::differentiated;
  int width = 64, steps = 50;
  double beta = 10;  ///< slope of the escape function
  bool recurrent = false;
  snn::Loss loss = snn::MaxOverTimeCrossEntropy{};
  int inputs = 50;
  double rate = 15.8;      ///< Hz, of the inputs, and the one that the weights are drawn for
  double sigma_u = 1;      ///< of the potentials that they are drawn for
  std::uint64_t seed = 1;  ///< of the weights and of the one input pattern

  snn::Objective objective() const;
  Eigen::VectorXd parameters() const;
};

/// The bias of one way to differentiate resets: of each layer, and of all.
struct RuleBias {
  snn::Reset rule;
  std::vector<snn::RelativeBias> layers;
  snn::RelativeBias total;
};
/// Of the network without resets, by bias_meter on a fixed number of paths.
RuleBias no_reset_bias(StudyNetwork network, std::uint64_t paths);
/// Of own replay, differentiated and detached resets, in this order. The gradient is the same for all, so it is measured once:
/// `paths` paths of ScoreFunctionMartingale, 4 times as many with each surrogate gradient, half as many with own replay, in 32
/// blocks.
std::vector<RuleBias> reset_biases(StudyNetwork network, std::uint64_t paths);
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

/// A network that learns to tell the classes of spike times on smooth random curves (Randman) apart: 8 classes, 20 inputs, layers
/// of 64 neurons, 50 steps of 2 ms.
struct Learner {
  int layers = 2;
  snn::Reset reset = snn::Reset::detached;  ///< what surrogate gradients do with resets
  std::optional<AnyEstimator> estimator{};  ///< in place of the surrogate gradient
  Optimizer optimizer = Adam{.rate = 5e-3};
  std::size_t batch = 32;
  int updates = 600;
  std::vector<double> scale{};  ///< factors of the gradients of the layers of neurons; empty: 1
  std::uint64_t seed = 1;       ///< of data, weights and coins

  static constexpr int samples = 480;
  snn::Objective objective() const;
};

/// How training went.
struct Learned {
  struct Point {
    int updates;
    double seconds;  ///< of one core, for the training so far
    double loss;     ///< mean over the batches since the point before
  };
  std::vector<Point> curve;  ///< 10 points
  Eigen::VectorXd theta;     ///< after the last update
  double loss = 0;           ///< of theta, on all training data
};
Learned learn(const Learner& learner);

/// The surrogate gradient of a mini-batch as a signal in noise, all layers of neurons together.
struct Signal {
  snn::Reset rule;
  snn::RelativeBias bias;  ///< of its mean for the first 8 samples: of all of them the gradient would be lost in noise
  double noise = 0;        ///< tr Cov SG / |E SG|^2 of a mini-batch of all samples
};
/// Of own replay, differentiated and detached resets at theta: `paths` paths with 32 replays each for the gradient, `batches`
/// mini-batches with each surrogate gradient.
std::vector<Signal> signals(Learner learner, const Eigen::VectorXd& theta, std::uint64_t paths, int batches);

}  // namespace surrogate_gradients
