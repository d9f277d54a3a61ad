// stoat/program/parameters.hpp: the parameter vector of a program in parts with names.
//
//   Parameters parameters;
//   const auto weights = parameters.matrix("weights", start);      // start: an Eigen matrix
//   const auto rate = parameters.scalar("rate", 0.5);
//   auto program = [=]<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S { ... weights(theta) * x ... rate(theta) ... };
//   estimate(program, parameters.start(), StochasticDerivative{}, {.names = parameters.names()});
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <stoat/tape/vector.hpp>

namespace stoat {

/// Where a part of the parameter vector is. Small, and independent of the Parameters that made it.
struct ParameterPart {
  Eigen::Index offset = 0, rows = 0, cols = 0;  ///< first entry in theta; shape, column by column
  Eigen::Index size() const { return rows * cols; }
};
/// A matrix of parameters: handle(theta) is a view of theta, column by column.
struct MatrixParameter : ParameterPart {
  template <class S>
  Matrix<S> operator()(const Vector<S>& theta) const {
    return theta.matrix(offset, rows, cols);
  }
  Eigen::MatrixXd of(const Eigen::VectorXd& theta) const {
    return Eigen::Map<const Eigen::MatrixXd>(theta.data() + offset, rows, cols);
  }
};
/// A vector of parameters.
struct VectorParameter : ParameterPart {
  template <class S>
  Vector<S> operator()(const Vector<S>& theta) const {
    return theta.segment(offset, rows);
  }
  Eigen::VectorXd of(const Eigen::VectorXd& theta) const { return theta.segment(offset, rows); }
};
/// A single parameter.
struct ScalarParameter : ParameterPart {
  template <class S>
  S operator()(const Vector<S>& theta) const {
    return theta[offset];
  }
  double of(const Eigen::VectorXd& theta) const { return theta[offset]; }
};

/// Builds a parameter vector from parts. Names are there to be read: parts are found through their handles.
class Parameters {
 public:
  /// Throw InvalidArgument if the name is taken, or the part empty.
  MatrixParameter matrix(const std::string& name, const Eigen::MatrixXd& start);
  VectorParameter vector(const std::string& name, const Eigen::VectorXd& start);
  ScalarParameter scalar(const std::string& name, double start);

  Eigen::Index size() const { return start_.size(); }
  /// The values that the parts were given.
  const Eigen::VectorXd& start() const { return start_; }
  /// A name for every component: "weights(0, 2)", "bias[3]", "rate".
  const std::vector<std::string>& names() const { return names_; }

 private:
  ParameterPart add(const std::string& name, const Eigen::MatrixXd& start);

  Eigen::VectorXd start_;
  std::vector<std::string> parts_, names_;
};

}  // namespace stoat
