// examples/surrogate_gradients/perceptron.hpp: one neuron, where all definitions of its gradient agree.
#pragma once

#include <cstdint>
#include <vector>

#include "chapter.hpp"
#include "neuron.hpp"

namespace surrogate_gradients {

/// The program that returns the spike of a neuron, 1 with probability escape(theta . input - threshold), else 0.
Program<double> perceptron(const Eigen::VectorXd& input, double threshold, const snn::SpikeFunction& escape);
/// The program that returns (spike - target)^2 / 2 of the same neuron: not linear in the spike.
Program<double> perceptron_loss(const Eigen::VectorXd& input, double threshold, const snn::SpikeFunction& escape, double target);

/// A stochastic derivative without smoothing, of one side: a coin that shows 0 is turned at the rate 1 / (1 - p) (right) or one
/// that shows 1 at the rate 1 / p (left), the program is run again on the same random numbers, and the change of the cost is swept
/// from the parameter of the coin. Unbiased from either side.
struct OneSided {
  enum class Side { right, left } side;
  static constexpr bool unbiased = true;
  std::string name() const { return side == Side::right ? "OneSided(right)" : "OneSided(left)"; }
  STOAT_SAMPLE;
};

/// What is found at one membrane potential u of a neuron with input 1 and threshold 0.
struct PerceptronPoint {
  double u = 0;
  double deterministic = 0;         ///< the spike without noise
  double surrogate = 0;             ///< surrogate gradient of the run that was recorded, whatever it drew
  double exact = 0;                 ///< d E[S] / du by enumeration
  double probability = 0;           ///< E[S] by enumeration
  double mean = 0, mean_error = 0;  ///< E[S] from samples, with its standard error
};
/// `points` potentials evenly spaced in [-range, range], each with so many samples. Throws InvalidArgument for fewer than two
/// points or samples.
std::vector<PerceptronPoint> perceptron_sweep(const snn::SpikeFunction& escape, double range, int points, std::uint64_t samples,
                                              std::uint64_t seed);

Chapter perceptron_chapter(const Options& options);

}  // namespace surrogate_gradients
