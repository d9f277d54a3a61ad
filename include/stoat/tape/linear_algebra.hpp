// stoat/tape/linear_algebra.hpp: solves, factorisations, determinants. Each is one operation on the tape.
//
// Adjoints after Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation" (2008),
// and Murray, "Differentiation of the Cholesky decomposition" (2016). A function that reads one triangle of its argument has
// derivative 0 in the other.
#pragma once

#include <stoat/tape/reduce.hpp>

namespace stoat {

namespace detail {

enum class Triangle { lower, upper };
template <class S>
Matrix<S> solved_triangular(Triangle which, const Matrix<S>& a, const Matrix<S>& b);
template <class S>
Matrix<S> solved(const Matrix<S>& a, const Matrix<S>& b);
template <class S>
Matrix<S> solved_spd(const Matrix<S>& a, const Matrix<S>& b);
template <class S>
Matrix<S> cholesky_factor(const Matrix<S>& a);
template <class S>
Matrix<S> inverted(const Matrix<S>& a);
template <class S>
S log_abs_determinant(const Matrix<S>& a);
template <class S>
S log_determinant_of_spd(const Matrix<S>& a);

/// A solve whose result has the type of its right-hand side.
template <class A, class B, class F>
auto solve_like(const A& a, const B& b, F&& f) {
  using S = CommonScalar<A, B>;
  return Dense<S, columns_of<B>>(f(matrix_operand<S>(a), matrix_operand<S>(b)));
}

}  // namespace detail

/// L^-1 B for a lower triangular L; what is above its diagonal is not read. Throws Error if a diagonal element is 0.
template <DenseLike A, DenseLike B>
auto solve_lower(const A& l, const B& b) {
  return detail::solve_like(l, b,
                            [](const auto& x, const auto& y) { return detail::solved_triangular(detail::Triangle::lower, x, y); });
}
/// U^-1 B for an upper triangular U; what is below its diagonal is not read. Throws Error if a diagonal element is 0.
template <DenseLike A, DenseLike B>
auto solve_upper(const A& u, const B& b) {
  return detail::solve_like(u, b,
                            [](const auto& x, const auto& y) { return detail::solved_triangular(detail::Triangle::upper, x, y); });
}
/// A^-1 B for a square A, by LU factorisation with partial pivoting. Throws Error if A is singular.
template <DenseLike A, DenseLike B>
auto solve(const A& a, const B& b) {
  return detail::solve_like(a, b, [](const auto& x, const auto& y) { return detail::solved(x, y); });
}
/// A^-1 B for a symmetric positive definite A, by Cholesky factorisation of its lower triangle; what is above its diagonal is
/// not read. Throws Error if A is not positive definite.
template <DenseLike A, DenseLike B>
auto solve_spd(const A& a, const B& b) {
  return detail::solve_like(a, b, [](const auto& x, const auto& y) { return detail::solved_spd(x, y); });
}
/// The lower triangular L with L L^T = A, for a symmetric positive definite A; what is above its diagonal is not read. Throws Error
/// if A is not positive definite.
template <DenseLike A>
auto cholesky(const A& a) {
  return detail::cholesky_factor(detail::matrix_operand<ScalarOf<A>>(a));
}
/// A^-1. Throws Error if A is singular. To solve a system, solve() is faster and more accurate.
template <DenseLike A>
auto inverse(const A& a) {
  return detail::inverted(detail::matrix_operand<ScalarOf<A>>(a));
}
/// log |det A|. Throws Error if A is singular.
template <DenseLike A>
auto log_determinant(const A& a) {
  return detail::log_abs_determinant(detail::matrix_operand<ScalarOf<A>>(a));
}
/// log det A for a symmetric positive definite A; what is above its diagonal is not read. Throws Error if A is not positive
/// definite.
template <DenseLike A>
auto log_determinant_spd(const A& a) {
  return detail::log_determinant_of_spd(detail::matrix_operand<ScalarOf<A>>(a));
}
/// The sum of the diagonal elements.
template <DenseLike A>
ScalarOf<A> trace(const A& a) {
  return sum(detail::matrix_operand<ScalarOf<A>>(a).diagonal());
}

}  // namespace stoat
