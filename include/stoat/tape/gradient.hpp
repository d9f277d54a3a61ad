// stoat/tape/gradient.hpp: drivers for plain automatic differentiation, no randomness needed.
//
//   auto [value, gradient] = value_and_gradient([](const auto& x) { return sin(x[0]) * x[1]; }, x0);
//   Eigen::MatrixXd h = hessian([](const auto& x) { return log_sum_exp(x); }, x0);
//
// f is generic: it is called with a Vector<S> for the scalar S that the driver needs. Tape memory is kept between calls.
#pragma once

#include <algorithm>
#include <utility>

#include <stoat/tape/vector.hpp>

namespace stoat {

namespace detail {

/// The column that an argument of a driver stands for.
template <class D>
using ColumnOf = Eigen::VectorX<typename D::Scalar>;

/// What f returns as a vector of scalars S: a vector, an element-wise expression, or a list of scalars.
template <class S, class F>
Vector<S> vector_of(F&& f, const Vector<S>& x) {
  return Vector<S>(evaluated(f(x)));
}
/// What f returns as a scalar S.
template <class S, class F>
S scalar_of(F&& f, const Vector<S>& x) {
  return S(f(x));
}
template <class S, class F>
inline constexpr bool returns_vector = DenseLike<std::invoke_result_t<F&, const Vector<S>&>>;

/// x with a tangent in lane l of coordinate first + l.
template <int N>
Eigen::VectorX<Dual<double, N>> with_unit_tangents(const Eigen::VectorXd& x, Eigen::Index first) {
  Eigen::VectorX<Dual<double, N>> d = x.cast<Dual<double, N>>();
  for (Eigen::Index l = 0; l < N && first + l < x.size(); ++l) d[first + l].tangent(static_cast<int>(l)) = 1;
  return d;
}
inline Eigen::VectorX<Dual<double>> with_tangent(const Eigen::VectorXd& x, const Eigen::VectorXd& v) {
  if (x.size() != v.size()) shape_mismatch("direction", x.size(), 1, v.size(), 1);
  Eigen::VectorX<Dual<double>> d(x.size());
  for (Eigen::Index i = 0; i < x.size(); ++i) d[i] = Dual<double>(x[i], v[i]);
  return d;
}

}  // namespace detail

/// f(x) and its gradient by one reverse sweep, for f: Vector<S> -> S.
template <class F, class D>
auto value_and_gradient(F&& f, const Eigen::MatrixBase<D>& x) {
  using T = typename D::Scalar;
  typename Tape<T>::Scratch tape;
  const Vector<Var<T>> v = variables(*tape, detail::ColumnOf<D>(x));
  const Var<T> y = detail::scalar_of<Var<T>>(f, v);
  tape->backward(y);
  return std::pair<T, Eigen::VectorX<T>>(y.value(), Eigen::Map<const Eigen::VectorX<T>>(tape->adjoints() + 1, x.size()));
}

/// The derivative of f at x along v by forward mode, without a tape: a number for f: Vector<S> -> S, a vector for
/// f: Vector<S> -> Vector<S>. Throws InvalidArgument if x and v differ in length.
template <class F, class D, class V>
auto directional_derivative(F&& f, const Eigen::MatrixBase<D>& x, const Eigen::MatrixBase<V>& v) {
  using T = typename D::Scalar;
  using S = Dual<double>;
  const Vector<S> at(detail::with_tangent(x.template cast<double>(), v.template cast<double>()));
  if constexpr (detail::returns_vector<S, F>) {
    const Vector<S> y = detail::vector_of<S>(f, at);
    return Eigen::VectorX<T>(
        Eigen::VectorX<T>::NullaryExpr(y.size(), [&](Eigen::Index i) { return static_cast<T>(y[i].tangent()); }));
  } else {
    return static_cast<T>(detail::scalar_of<S>(f, at).tangent());
  }
}

/// How jacobian() goes through f.
enum class JacobianMode {
  by_shape,  ///< whichever needs less work for the numbers of inputs and outputs
  forward,   ///< once for every four inputs, in Duals, without a tape
  reverse,   ///< recorded once, then one sweep for each output
};

/// The matrix d f_i / d x_j, for f: Vector<S> -> Vector<S>.
template <class F, class D>
auto jacobian(F&& f, const Eigen::MatrixBase<D>& x, JacobianMode mode = JacobianMode::by_shape) {
  using T = typename D::Scalar;
  const Eigen::Index n = x.size();
  if (mode == JacobianMode::by_shape) {
    // In plain runs of f: four tangents cost about 5, a recording about 5, a sweep about 1.5.
    const Eigen::Index m = detail::vector_of<T>(f, Vector<T>(x)).size();
    mode = 5 * ((n + 3) / 4) <= 5 + 3 * m / 2 ? JacobianMode::forward : JacobianMode::reverse;
  }
  Eigen::MatrixX<T> j;
  if (mode == JacobianMode::forward) {
    using S = Dual<double, 4>;
    const Eigen::VectorXd at = x.template cast<double>();
    for (Eigen::Index first = 0; first == 0 || first < n; first += S::lanes) {
      const Vector<S> y = detail::vector_of<S>(f, Vector<S>(detail::with_unit_tangents<S::lanes>(at, first)));
      j.resize(y.size(), n);
      for (Eigen::Index i = 0; i < y.size(); ++i)
        for (Eigen::Index l = 0; l < S::lanes && first + l < n; ++l)
          j(i, first + l) = static_cast<T>(y[i].tangent(static_cast<int>(l)));
    }
  } else {
    typename Tape<T>::Scratch tape;
    const Vector<Var<T>> v = variables(*tape, detail::ColumnOf<D>(x));
    const Vector<Var<T>> y = detail::vector_of<Var<T>>(f, v);
    j.resize(y.size(), n);
    for (Eigen::Index i = 0; i < y.size(); ++i) {
      tape->backward(y[i]);
      j.row(i) = Eigen::Map<const Eigen::RowVectorX<T>>(tape->adjoints() + 1, n);
    }
  }
  return j;
}

/// The product of the Hessian of f at x with v, for f: Vector<S> -> S: forward over reverse, one recording and one sweep.
/// Throws InvalidArgument if x and v differ in length.
template <class F, class D, class V>
auto hessian_vector_product(F&& f, const Eigen::MatrixBase<D>& x, const Eigen::MatrixBase<V>& v) {
  using T = typename D::Scalar;
  using S = Dual<double>;
  typename Tape<S>::Scratch tape;
  const Vector<Var<S>> at = variables(*tape, detail::with_tangent(x.template cast<double>(), v.template cast<double>()));
  tape->backward(detail::scalar_of<Var<S>>(f, at));
  Eigen::VectorX<T> product(x.size());
  for (Eigen::Index i = 0; i < x.size(); ++i) product[i] = static_cast<T>(tape->adjoints()[1 + i].tangent());
  return product;
}

/// The Hessian of f at x, for f: Vector<S> -> S: forward over reverse, four columns with each recording.
template <class F, class D>
auto hessian(F&& f, const Eigen::MatrixBase<D>& x) {
  using T = typename D::Scalar;
  using S = Dual<double, 4>;
  const Eigen::VectorXd at = x.template cast<double>();
  const Eigen::Index n = x.size();
  Eigen::MatrixX<T> h(n, n);
  typename Tape<S>::Scratch tape;
  for (Eigen::Index first = 0; first < n; first += S::lanes) {
    tape->clear();
    const Vector<Var<S>> v = variables(*tape, detail::with_unit_tangents<S::lanes>(at, first));
    tape->backward(detail::scalar_of<Var<S>>(f, v));
    for (Eigen::Index i = 0; i < n; ++i)
      for (Eigen::Index l = 0; l < S::lanes && first + l < n; ++l)
        h(i, first + l) = static_cast<T>(tape->adjoints()[1 + i].tangent(static_cast<int>(l)));
  }
  return h;
}

}  // namespace stoat
