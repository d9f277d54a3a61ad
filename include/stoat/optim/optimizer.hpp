// stoat/optim/optimizer.hpp: first-order optimisers. One type, so that a list of them can be compared.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <Eigen/Core>

#include <stoat/error.hpp>

namespace stoat {

/// Adam (Kingma and Ba 2015) with bias correction.
struct Adam {
  double rate = 0.001;                                ///< > 0
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  ///< memories of the moments, in [0, 1); added to the root of the second
};

/// Gradient descent, with momentum if asked: v <- momentum v + g, theta <- theta - rate v.
struct Sgd {
  double rate = 0.01;
  double momentum = 0;
};
using SGD = Sgd;

/// SMORMS3 (Funk 2015): the rate is at most q = a^2 / b, a and b running means of the gradient g and its square over a memory of m
/// steps that fades with q. With r = 1 / (m + 1), from m = 1, a = b = 0:
///   a <- (1 - r) a + r g,  b <- (1 - r) b + r g^2,  q = a^2 / (b + epsilon),  m <- m (1 - q) + 1,
///   theta <- theta - min(rate, q) g / (sqrt(b) + epsilon).
struct Smorms3 {
  double rate = 0.001, epsilon = 1e-16;
};
using SMORMS3 = Smorms3;

/// All that an optimiser remembers from step to step.
struct OptimizerState {
  std::string rule;                        ///< Optimizer::rule() of the one it belongs to
  std::int64_t steps = 0;                  ///< taken so far
  std::vector<Eigen::VectorXd> moments{};  ///< empty before the first step
};

/// A rule with its state for one parameter vector. Throws InvalidArgument, naming rule and knob, unless the rate and epsilon are
/// positive and finite, and the betas and momentum are in [0, 1).
class Optimizer {
 public:
  Optimizer(const Adam& adam);
  Optimizer(const Sgd& sgd);
  Optimizer(const Smorms3& smorms3);

  /// "Adam(0.01)", with its rate.
  std::string name() const;
  /// The rule with all its knobs: "Adam(rate 0.01, beta1 0.9, beta2 0.999, epsilon 1e-08)".
  std::string rule() const;
  /// One descent step in place. The rate is multiplied by `factor`, for schedules. Throws InvalidArgument if theta, the gradient
  /// and the state differ in length or the factor is negative or not finite.
  void step(Eigen::VectorXd& theta, const Eigen::VectorXd& gradient, double factor = 1);

  /// What it takes to go on from here with the same bits.
  OptimizerState state() const { return {rule(), steps_, moments_}; }
  /// Goes on from a state. Throws InvalidArgument, and changes nothing, if it belongs to another rule, or if the lengths of its
  /// moments differ or are not those of the present ones.
  void restore(OptimizerState state);

 private:
  std::variant<Adam, Sgd, Smorms3> rule_;
  std::int64_t steps_ = 0;
  std::vector<Eigen::VectorXd> moments_;
};

}  // namespace stoat
