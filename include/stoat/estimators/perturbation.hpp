// stoat/estimators/perturbation.hpp: gradients of a smoothed objective, from two plain runs at perturbed parameters.
#pragma once

#include <stoat/estimators/estimator.hpp>

namespace stoat {

/// Simultaneous perturbation (Spall 1992): (f(theta + step e) - f(theta - step e)) / (2 step) e on the same keys, the entries of e
/// being +1 or -1 at random. Two plain runs whatever the number of parameters, no tape. Value and gradient are biased by
/// O(step^2); the variance is O(parameters / step).
struct Spsa {
  double step = 0.1;
  static constexpr bool unbiased = false;
  std::string name() const { return "Spsa"; }
  STOAT_SAMPLE;
};

/// Evolution strategy (Nesterov and Spokoiny 2017; Salimans et al. 2017), antithetic: the same with e standard normal and sigma for
/// the step. Unbiased for the objective smoothed by a normal law of that width, E f(theta + sigma e).
struct EvolutionStrategy {
  double sigma = 0.1;
  static constexpr bool unbiased = false;
  std::string name() const { return "EvolutionStrategy"; }
  STOAT_SAMPLE;
};

}  // namespace stoat
