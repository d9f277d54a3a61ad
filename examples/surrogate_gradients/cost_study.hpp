// examples/surrogate_gradients/cost_study.hpp: what an unbiased gradient of a network costs. The experiment of the chapter on cost,
// as functions that return numbers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <stoat/snn.hpp>
#include <stoat/stoat.hpp>

namespace surrogate_gradients {

using namespace stoat;

/// Layers of stochastic neurons in 2 ms steps behind 700 Poisson inputs, and a leaky readout of 20 classes. A class is a rate for
/// each input, uniform between 0 and 15 Hz.
struct CostNetwork {
  std::string name;
  std::vector<int> hidden{128};
  int steps = 350;
  /// 0: none. Else every layer is recurrent, and this is the standard deviation of the membranes that recurrent weights cause, over
  /// that which the input causes, in the weights before training.
  double recurrence = 0;
  snn::Loss loss = snn::MaxOverTimeCrossEntropy{};
  std::uint64_t seed = 1;

  static constexpr int inputs = 700, classes = 20;
  /// Of samples `first`, first + 1, ...
  snn::Objective objective(int samples, int first = 0) const;
  /// Before training; and after as many mini-batches of 32 samples by surrogate gradients and Adam(0.002).
  Eigen::VectorXd parameters(int updates = 0) const;
};

/// A gradient draw, of the weights of the layers of neurons.
struct GradientCost {
  double loss = 0;                               ///< mean
  double seconds = 0;                            ///< of processor time
  double pilot = 0;                              ///< seconds before the first one
  double variance = 0, variance_error = 0;       ///< trace of its covariance, standard error of that
  double squared_length = 0, squared_noise = 0;  ///< of the gradient, and the variance of the mean that it was found with
  std::string note;                              ///< what the estimator tells about its pilot
};
/// For as many seconds, at least 8 pairs of draws.
GradientCost gradient_cost(const snn::Objective& objective, const Eigen::VectorXd& theta, const AnyEstimator& estimator,
                           double seconds, std::uint64_t seed);

}  // namespace surrogate_gradients
