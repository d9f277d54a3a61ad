// hidden_layer.hpp: the free function of RELAX, a network with one hidden layer.
#pragma once

#include <Eigen/Core>
#include <boost/random/normal_distribution.hpp>

#include <stoat/random/philox.hpp>

namespace stoat::detail {

/// r(x) = v' tanh(W (x - 1/2) + a) for inputs between 0 and 1. The weights are one vector: W by columns, a, v.
class HiddenLayer {
 public:
  /// W and a are random, v is 0.
  HiddenLayer(Eigen::Index inputs, Eigen::Index units, Generator noise)
      : weights(Eigen::VectorXd::Zero((inputs + 2) * units)), inputs_(inputs), units_(units) {
    boost::random::normal_distribution<double> normal(0, 1);
    for (double& w : weights.head((inputs + 1) * units)) w = normal(noise);
  }

  Eigen::VectorXd weights;

  Eigen::Index inputs() const { return inputs_; }
  double operator()(const Eigen::VectorXd& x) const { return out().dot(hidden(x)); }
  /// dr / dx
  Eigen::VectorXd slope(const Eigen::VectorXd& x) const { return matrix().transpose() * out().cwiseProduct(bend(hidden(x))); }
  /// Multiplies r by a factor.
  void scale(double factor) { weights.tail(units_) *= factor; }
  /// Adds the derivative of value r(x) + slope (dr / dx) u in the weights.
  void add_derivative(const Eigen::VectorXd& x, const Eigen::VectorXd& u, double value, double slope, Eigen::VectorXd& sum) const {
    const Eigen::VectorXd h = hidden(x), d = bend(h), along = matrix() * u, vd = out().cwiseProduct(d);
    const Eigen::VectorXd inner = vd.cwiseProduct((value - 2 * slope * h.array() * along.array()).matrix());
    Eigen::Map<Eigen::MatrixXd> matrix_sum(sum.data(), units_, inputs_);
    matrix_sum += inner * (x.array() - 0.5).matrix().transpose() + slope * vd * u.transpose();
    sum.segment(inputs_ * units_, units_) += inner;
    sum.segment((inputs_ + 1) * units_, units_) += value * h + slope * d.cwiseProduct(along);
  }

 private:
  Eigen::Map<const Eigen::MatrixXd> matrix() const { return {weights.data(), units_, inputs_}; }
  Eigen::Map<const Eigen::VectorXd> out() const { return {weights.data() + (inputs_ + 1) * units_, units_}; }
  Eigen::VectorXd hidden(const Eigen::VectorXd& x) const {
    const Eigen::VectorXd a = weights.segment(inputs_ * units_, units_);
    return (matrix() * (x.array() - 0.5).matrix() + a).array().tanh();
  }
  /// The derivative of tanh where it is h.
  static Eigen::VectorXd bend(const Eigen::VectorXd& h) { return 1 - h.array().square(); }

  Eigen::Index inputs_, units_;
};

}  // namespace stoat::detail
