// stoat/tape/gradient.hpp: drivers for plain automatic differentiation, no randomness needed.
#pragma once

#include <utility>

#include <stoat/tape/vector.hpp>

namespace stoat {

/// f(x) and its gradient, for f: Vector<S> -> S, generic in S.
template <class F, std::floating_point T>
std::pair<T, Eigen::VectorX<T>> value_and_gradient(F&& f, const Eigen::VectorX<T>& x) {
  Tape<T> tape;
  const Vector<Var<T>> v = variables(tape, x);
  const Var<T> y = f(v);
  tape.backward(y);
  return {y.value(), Eigen::Map<const Eigen::VectorX<T>>(tape.adjoints() + 1, x.size())};
}

/// The matrix d f_i / d x_j, for f: Vector<S> -> Vector<S>: one reverse sweep for each component of f.
template <class F, std::floating_point T>
Eigen::MatrixX<T> jacobian(F&& f, const Eigen::VectorX<T>& x) {
  Tape<T> tape;
  const Vector<Var<T>> v = variables(tape, x);
  const Vector<Var<T>> y = f(v);
  Eigen::MatrixX<T> j(y.size(), x.size());
  for (Eigen::Index i = 0; i < y.size(); ++i) {
    tape.backward(y[i]);
    j.row(i) = Eigen::Map<const Eigen::RowVectorX<T>>(tape.adjoints() + 1, x.size());
  }
  return j;
}

}  // namespace stoat
