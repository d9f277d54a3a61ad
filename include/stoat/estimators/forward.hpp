// stoat/estimators/forward.hpp: gradients by runs on Duals. Programs must be made with with_duals(f).
#pragma once

#include <stoat/estimators/estimator.hpp>

namespace stoat {

/// Stochastic triples with pruning (Arya et al. 2022), forward mode without a tape: a plain run, a run on Duals in a direction v
/// that keeps one alternative of all in proportion to |w dp|, and one replay of it:
///   derivative along v = tangent of the cost + sign(w dp) sum |w dp| (f with the alternative - f).
/// The gradient is v times that for random signs v, whose variance grows with the number of parameters, or the derivative along
/// each coordinate in turn, whose work does.
struct ForwardTriple {
  bool every_coordinate = false;  ///< one after the other, in place of a random direction
  Flow flow = Flow::inversion;    ///< of labels: inversion, independent or antisymmetric
  static constexpr bool unbiased = true;
  std::string name() const { return every_coordinate ? "ForwardTriple(every coordinate)" : "ForwardTriple"; }
  void sample(Trace<double>& trace, const SampleContext& context, GradientDraw& out) const;
};

}  // namespace stoat
