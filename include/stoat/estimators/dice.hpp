// stoat/estimators/dice.hpp: derivatives of second and higher order, by score functions.
//
// With L the log-probability of the draws before a cost c, c exp(L - value of L) has the value c, and for every n the mean of its
// n-th derivative is that of the expected cost: DiCE, the infinitely differentiable Monte Carlo estimator (Foerster et al. 2018).
// Programs must be made with with_duals(f), for an order above 2 with with_duals<order>(f), and their laws must have a
// log-probability that is a differentiable function.
#pragma once

#include <stoat/estimators/estimator.hpp>

namespace stoat {

/// The derivative of an order n = 1 to 4, applied to a direction v in all arguments but one:
///   estimate(program, theta, Dice{v, n}).gradient is the gradient of d^(n-1)/dt^(n-1) E f(theta + t v) at t = 0
/// as a function of theta. Order 1 is the gradient itself, whatever v is, 2 the Hessian times v, and the product with v is
/// d^n/dt^n E f(theta + t v). The cost is taken minus its mean over a pilot, costs added by draw.cost() each minus its own, which
/// leaves every derivative unbiased. The variance grows fast with n, the time of a run by a factor of about 3.5 with each order
/// above 2.
struct Dice {
  Eigen::VectorXd direction;  ///< v, as long as theta
  int order = 2;
  bool baseline = true;  ///< the cost is taken minus its mean over a pilot
  static constexpr bool unbiased = true;
  std::string name() const { return "Dice(" + std::to_string(order) + ")"; }
  std::shared_ptr<const void> learn(Trace<double>& trace, const PilotContext& pilot) const;
  void sample(Trace<double>& trace, const SampleContext& context, GradientDraw& out) const;
};

/// The second derivative along v: estimate(program, theta, HessianVectorProduct{v}).gradient is the Hessian of the expected cost
/// times v, as by Dice of order 2.
struct HessianVectorProduct {
  Eigen::VectorXd direction;  ///< v, as long as theta
  bool baseline = true;       ///< as in Dice
  static constexpr bool unbiased = true;
  std::string name() const { return "HessianVectorProduct"; }
  std::shared_ptr<const void> learn(Trace<double>& trace, const PilotContext& pilot) const;
  void sample(Trace<double>& trace, const SampleContext& context, GradientDraw& out) const;
};

}  // namespace stoat
