// examples/surrogate_gradients/matching.hpp: a network of two layers learns to answer one frozen input with a picture.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "chapter.hpp"
#include "hand_rule.hpp"

namespace surrogate_gradients {

/// The problem: 200 frozen Poisson trains of 50 Hz in, 200 hidden neurons, the target out.
struct MatchingTask {
  snn::SpikeEvents input, target;  ///< one sample each
  int hidden = 200;
  std::uint64_t seed = 1;

  /// Throws InvalidArgument unless the target has one sample.
  explicit MatchingTask(snn::SpikeEvents target, std::uint64_t seed = 1, int inputs = 200, int hidden = 200);
  /// Escape functions of slope 10 in the hidden layer and 100 in the output layer; deterministic neurons learn with SuperSpike
  /// surrogates.
  snn::Network network(snn::Activation activation) const;
  /// Normal weights of standard deviation 0.34641 sqrt(200 / fan-in).
  Eigen::VectorXd start() const;
};

struct HandDerived {
  HiddenSlope slope = HiddenSlope::sigmoid;
  double rate_hidden = 1e-5, rate_output = 1e-5;
};
struct BackPropagation {
  snn::Loss loss;
  double rate = 0.001;  ///< of Adam
};

/// How to learn.
struct LearningMethod {
  std::string name;
  snn::Activation activation = snn::Activation::stochastic;
  int trials = 10;  ///< whose mean is an update
  std::variant<HandDerived, BackPropagation> rule;
};
/// The paper's three, by its rule.
LearningMethod by_hand_deterministic();
LearningMethod by_hand_stochastic();
LearningMethod by_hand_multilayer_spiker();
/// Back-propagation of the van Rossum distance, and of the log-likelihood of the target.
LearningMethod by_gradient_deterministic();
LearningMethod by_gradient_stochastic();
LearningMethod by_gradient_likelihood();

/// The network before the update with this number.
struct MatchingEpoch {
  int number = 0;
  double l2 = 0, van_rossum = 0;              ///< of the last trial: mean over outputs of 1/2 sum over t of squares
  double other_l2 = 0, other_van_rossum = 0;  ///< with the other activation
  double rate_hidden = 0, rate_output = 0;    ///< Hz, over all trials
  double fano_hidden = 0, fano_output = 0;    ///< of the counts of 1 ms over 10 trials; NaN without coins
};
/// A network in action: 10 trials, 1 without coins.
struct MatchingState {
  snn::SpikeEvents hidden, output;
};
struct MatchingRun {
  LearningMethod method;
  std::vector<MatchingEpoch> epochs;  ///< 0, every, 2 every, ...
  MatchingState before, after;
  Eigen::VectorXd theta;
};
/// Throws InvalidArgument unless epochs >= 0 and every > 0.
MatchingRun learn(const MatchingTask& task, const LearningMethod& method, int epochs, int every = 10);

/// The means over the epochs with first <= number <= last; NaN where there are none.
MatchingEpoch mean(const MatchingRun& run, int first, int last);

Chapter matching_chapter(const Options& options);

}  // namespace surrogate_gradients
