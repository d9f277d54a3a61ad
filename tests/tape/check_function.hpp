// One check for any function of a vector, in all modes.
#pragma once

#include <functional>
#include <string>
#include <tuple>

#include <stoat/tape/gradient.hpp>

namespace test {

/// A generic function Vector<S> -> Vector<S> for the scalars of the check: each one more is compiled for every function checked.
class VectorFunction {
 public:
  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, VectorFunction>)
  VectorFunction(F f) : forms_(form<double>(f), form<D>(f), form<stoat::Var<double>>(f), form<stoat::Var<D>>(f)) {}
  template <class S>
  stoat::Vector<S> operator()(const stoat::Vector<S>& x) const {
    return std::get<Form<S>>(forms_)(x);
  }

 private:
  using D = stoat::Dual<double>;
  template <class S>
  using Form = std::function<stoat::Vector<S>(const stoat::Vector<S>&)>;
  template <class S, class F>
  static Form<S> form(const F& f) {
    return [f](const stoat::Vector<S>& x) { return stoat::Vector<S>(stoat::evaluated(f(x))); };
  }
  std::tuple<Form<double>, Form<D>, Form<stoat::Var<double>>, Form<stoat::Var<D>>> forms_;
};

/// Values in double, Dual and Var; the Jacobian in reverse mode against differences, Duals and the tape's tangent sweep; the
/// Hessian of a combination of the outputs against differences of its gradient.
void check_function(const std::string& name, const VectorFunction& f, const Eigen::VectorXd& x, double tolerance = 1e-8);

}  // namespace test
