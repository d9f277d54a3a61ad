// stoat/optim/optimizer.hpp: first-order optimisers. One type, so that a list of them can be compared.
#pragma once

#include <string>

#include <Eigen/Core>

#include <stoat/error.hpp>

namespace stoat {

/// Adam (Kingma and Ba 2015) with bias correction.
struct Adam {
  double rate = 0.001;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
};

/// Gradient descent, with momentum if asked: v <- momentum v + g, theta <- theta - rate v.
struct Sgd {
  double rate = 0.01;
  double momentum = 0;
};
using SGD = Sgd;

/// The state of an optimiser for one parameter vector.
class Optimizer {
 public:
  Optimizer(const Adam& adam) : adam_(adam), is_adam_(true) {
    if (!(adam.rate > 0)) throw InvalidArgument("Adam: " + outside("rate", adam.rate, "(0, infinity)"));
  }
  Optimizer(const Sgd& sgd) : sgd_(sgd), is_adam_(false) {
    if (!(sgd.rate > 0)) throw InvalidArgument("SGD: " + outside("rate", sgd.rate, "(0, infinity)"));
  }
  /// "Adam(0.01)", with its rate.
  std::string name() const;
  /// One descent step in place.
  void step(Eigen::VectorXd& theta, const Eigen::VectorXd& gradient);

 private:
  Adam adam_;
  Sgd sgd_;
  bool is_adam_;
  int steps_ = 0;
  Eigen::ArrayXd first_, second_;
};

}  // namespace stoat
