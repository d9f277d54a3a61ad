#include <stoat/optim/optimizer.hpp>

#include <cmath>
#include <sstream>

namespace stoat {

std::string Optimizer::name() const {
  std::ostringstream text;
  if (is_adam_) text << "Adam(" << adam_.rate << ')';
  else if (sgd_.momentum == 0) text << "SGD(" << sgd_.rate << ')';
  else text << "SGD(" << sgd_.rate << ", momentum " << sgd_.momentum << ')';
  return text.str();
}

void Optimizer::step(Eigen::VectorXd& theta, const Eigen::VectorXd& gradient) {
  if (theta.size() != gradient.size()) throw InvalidArgument("Optimizer: theta and gradient differ in length");
  if (steps_++ == 0) {
    first_.setZero(theta.size());
    second_.setZero(theta.size());
  }
  if (is_adam_) {
    first_ = adam_.beta1 * first_ + (1 - adam_.beta1) * gradient.array();
    second_ = adam_.beta2 * second_ + (1 - adam_.beta2) * gradient.array().square();
    const double m = 1 - std::pow(adam_.beta1, steps_), v = 1 - std::pow(adam_.beta2, steps_);
    theta.array() -= adam_.rate * (first_ / m) / ((second_ / v).sqrt() + adam_.epsilon);
  } else {
    first_ = sgd_.momentum * first_ + gradient.array();
    theta.array() -= sgd_.rate * first_;
  }
}

}  // namespace stoat
