// stoat/tape/product.hpp: products of matrices and vectors, in all mixes of variables and constants.
//
// An operand may be a Vector<S> or Matrix<S>, a constant Vector<double> or Matrix<double> (shared, never copied: keep data in
// these outside the program), an Eigen expression (copied) or an element-wise expression (evaluated first).
#pragma once

#include <stoat/tape/cwise.hpp>

namespace stoat {

namespace detail {

/// Numbers for which the operations on vectors and matrices are compiled into the library.
template <class T>
inline constexpr bool has_operations =
    std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, Dual<double>> || std::same_as<T, Dual<double, 4>> ||
    std::same_as<T, NestedDual<2>> || std::same_as<T, NestedDual<3>>;

/// An operand as a Dense<S>, checked in debug builds like a scalar variable. Copies are views.
template <class S, class A>
auto dense_operand(const A& a) {
  static_assert(
      has_operations<ValueOf<S>>,
      "stoat: vectors and matrices work in float, double, Dual<double, 1 or 4>, NestedDual<2 or 3>, and variables of these");
  const Dense<S, columns_of<A>> dense(evaluated(a));
  if constexpr (is_var<S>) check_tape(Tape<ValueOf<S>>::current(), dense.first(), dense.tag());
  return dense;
}
/// The same as a matrix.
template <class S, class A>
Matrix<S> matrix_operand(const A& a) {
  return Matrix<S>(dense_operand<S>(a));
}

/// An Eigen vector or matrix as constants beside A.
template <class A, class D>
auto constants_beside(const Eigen::MatrixBase<D>& m) {
  using N = std::conditional_t<Number<typename D::Scalar>, BaseOf<ScalarOf<A>>, typename D::Scalar>;
  constexpr int columns = D::ColsAtCompileTime == 1 ? 1 : Eigen::Dynamic;
  return Dense<N, columns>(m);
}
template <class D, class A>
concept EigenBeside = std::derived_from<D, Eigen::MatrixBase<D>> && DenseLike<A> &&
    (Number<typename D::Scalar> || std::same_as<typename D::Scalar, ValueOf<ScalarOf<A>>>);

template <class S>
Matrix<S> product(const Matrix<S>& a, const Matrix<S>& b);
template <class S>
S inner_product(const Vector<S>& a, const Vector<S>& b);

}  // namespace detail

/// The matrix product; a column times a row is the outer product. d(AB) = dA B + A dB.
template <class A, class B>
  requires(detail::Operands<A, B>&& detail::BothDense<A, B>)
auto operator*(const A& a, const B& b) {
  using S = CommonScalar<A, B>;
  return Dense<S, detail::columns_of<B>>(detail::product<S>(detail::matrix_operand<S>(a), detail::matrix_operand<S>(b)));
}

/// The inner product of two vectors of equal length.
template <class A, class B>
  requires(detail::Operands<A, B>&& detail::is_column<std::remove_cvref_t<A>>&& detail::is_column<std::remove_cvref_t<B>>)
auto dot(const A& a, const B& b) {
  using S = CommonScalar<A, B>;
  return detail::inner_product<S>(detail::dense_operand<S>(a), detail::dense_operand<S>(b));
}

// Eigen expressions beside ours.
#define STOAT_BESIDE_EIGEN(op)                                                                                     \
  template <class D, class A>                                                                                      \
    requires detail::EigenBeside<D, std::remove_cvref_t<A>>                                                        \
  auto op(const Eigen::MatrixBase<D>& m, A&& a) { return op(detail::constants_beside<A>(m), std::forward<A>(a)); } \
  template <class D, class A>                                                                                      \
    requires detail::EigenBeside<D, std::remove_cvref_t<A>>                                                        \
  auto op(A&& a, const Eigen::MatrixBase<D>& m) { return op(std::forward<A>(a), detail::constants_beside<A>(m)); }
STOAT_BESIDE_EIGEN(operator+)
STOAT_BESIDE_EIGEN(operator-)
STOAT_BESIDE_EIGEN(operator*)
STOAT_BESIDE_EIGEN(cwise_product)
STOAT_BESIDE_EIGEN(cwise_quotient)
STOAT_BESIDE_EIGEN(dot)
#undef STOAT_BESIDE_EIGEN

}  // namespace stoat
