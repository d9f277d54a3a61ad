// stoat/estimators/measure_valued.hpp: weak derivatives, as differences of two coupled replays.
#pragma once

#include <stoat/estimators/estimator.hpp>

namespace stoat {

/// Measure-valued derivative (Pflug 1989; Heidergott and Vazquez-Abad 2008; Mohamed et al. 2020): the derivative of a law in one
/// of its parameters is weight * (one law - another), so that the site adjoint is weight * (f(plus) - f(minus)). The two outcomes
/// are coupled to the one that was drawn, which is one of them for coins, labels, Binomial and Poisson: one replay a parameter.
/// The variance depends on the jumps of the cost, not on how improbable they are. Refuses laws without such a derivative in a
/// parameter that moves.
struct MeasureValuedDerivative {
  int parameters = 0;  ///< parameters of sites per sample, chosen in proportion to |weight d_c p|; 0: all
  static constexpr bool unbiased = true;
  std::string name() const;
  STOAT_SAMPLE;
};

}  // namespace stoat
