// stoat/optim/constraints.hpp: parameters that have to stay positive, in an interval or on a simplex.
//
//   Constraints constraints = Constraints{}.positive(0, 3).interval(3, 1, 0, 1).simplex(4, 5);
//   minimize(program, theta, StochasticDerivative{}, Adam{0.05}, {.constraints = constraints});
//
// A descent moves in free coordinates x, and theta = T(x) with the transforms that Stan uses for its bounds:
//   low < theta               theta = low + exp(x)
//   theta < high              theta = high - exp(-x)
//   low < theta < high        theta = low + (high - low) / (1 + exp(-x))
//   theta on the simplex      theta = softmax(x): n free coordinates for n of theta, so that no corner is special. A constant
//                             added to all x changes nothing, and no gradient points there.
// Coordinates without a constraint are their own free ones.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include <Eigen/Core>

#include <stoat/program/parameters.hpp>

namespace stoat {

/// Ranges of parameters; see the head of this file.
class Constraints {
 public:
  /// The `count` coordinates from `first` on are each above 0; each between `low` and `high`, of which one may be infinite; or
  /// at least 0 with sum 1. Throw InvalidArgument for an empty group, a negative `first`, a group that shares a coordinate with
  /// an earlier one, an interval without inside, and a simplex of one.
  Constraints& positive(Eigen::Index first, Eigen::Index count = 1);
  Constraints& interval(Eigen::Index first, Eigen::Index count, double low, double high);
  Constraints& simplex(Eigen::Index first, Eigen::Index count);
  /// The same for a part of a parameter vector.
  Constraints& positive(const ParameterPart& part) { return positive(part.offset, part.size()); }
  Constraints& interval(const ParameterPart& part, double low, double high) {
    return interval(part.offset, part.size(), low, high);
  }
  Constraints& simplex(const ParameterPart& part) { return simplex(part.offset, part.size()); }

  bool empty() const { return groups_.empty(); }
  /// "interval [0, 3) in (0, inf); simplex [4, 9)": what decides about the transform.
  std::string text() const;

  /// The free coordinates of theta. Throws InvalidArgument, naming the coordinate, its value and what is allowed, if theta lies
  /// outside or on the boundary (of a simplex: also if its sum is not 1 to nine digits), and if a group goes beyond its end.
  Eigen::VectorXd free(const Eigen::VectorXd& theta) const;
  /// theta = T(x). Where rounding would put it on the boundary, it is the nearest number inside.
  Eigen::VectorXd constrained(const Eigen::VectorXd& x) const;
  /// Turns a gradient at theta into the one in free coordinates, J^T g with J = d theta / dx, in place.
  void pull_back(const Eigen::VectorXd& theta, Eigen::Ref<Eigen::VectorXd> gradient) const;

 private:
  struct Group {
    Eigen::Index first, count;
    bool simplex;
    double low, high;
  };
  void add(const Group& group);
  static std::string name(const Group& group);

  std::vector<Group> groups_;
};

}  // namespace stoat
