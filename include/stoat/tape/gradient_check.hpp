// stoat/tape/gradient_check.hpp: is the gradient right?
//
//   CHECK(gradient_check(f, x));            // in a test
//   std::cout << gradient_check(f, x);      // a table, the worst component first
#pragma once

#include <functional>
#include <iosfwd>

#include <stoat/tape/gradient.hpp>

namespace stoat {

/// When gradient_check() is content.
struct GradientCheckOptions {
  double tolerance = 1e-6;  ///< largest deviation that passes, relative to the larger of derivative and 1e-3 of the largest one
  double step = 0;          ///< first step of the differences; 0: by the size of each x_j
};

/// Reverse mode, forward mode and finite differences of one function at one point.
struct GradientCheck {
  double value = 0;                               ///< of the function
  Eigen::VectorXd reverse, forward, differences;  ///< the gradient by each
  Eigen::VectorXd difference_error;               ///< what the differences say of their own error
  Eigen::VectorXd deviation;  ///< of the modes from each other or of reverse from the differences, beyond their error
  Eigen::Index worst = 0;     ///< component of the largest deviation
  bool passed = false;        ///< no deviation is beyond the tolerance
  explicit operator bool() const { return passed; }
};
std::ostream& operator<<(std::ostream& out, const GradientCheck& check);

namespace detail {
GradientCheck checked_gradient(const std::function<double(const Eigen::VectorXd&)>& f, const Eigen::VectorXd& x,
                               GradientCheck modes, const GradientCheckOptions& options);
}

/// Compares derivatives of f: Vector<S> -> S at x by reverse mode, by forward mode and by differences extrapolated to step 0
/// (Ridders 1982). At a kink or a jump they rightly differ.
template <class F>
GradientCheck gradient_check(F&& f, const Eigen::VectorXd& x, const GradientCheckOptions& options = {}) {
  GradientCheck check;
  std::tie(check.value, check.reverse) = value_and_gradient(f, x);
  check.forward.resize(x.size());
  for (Eigen::Index j = 0; j < x.size(); ++j) check.forward[j] = directional_derivative(f, x, Eigen::VectorXd::Unit(x.size(), j));
  return detail::checked_gradient([&](const Eigen::VectorXd& at) { return detail::scalar_of<double>(f, Vector<double>(at)); }, x,
                                  std::move(check), options);
}

}  // namespace stoat
