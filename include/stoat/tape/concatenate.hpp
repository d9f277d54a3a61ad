// stoat/tape/concatenate.hpp: vectors and matrices put together from parts.
#pragma once

#include <stoat/tape/product.hpp>

namespace stoat {

namespace detail {
/// The parts below each other.
template <class S>
Matrix<S> stacked(std::span<const Matrix<S>> parts);
}  // namespace detail

/// The parts below each other; they have as many columns.
template <class S>
Matrix<S> concatenate_rows(const std::vector<Matrix<S>>& parts) {
  return detail::stacked(std::span<const Matrix<S>>(parts));
}
template <DenseLike A, DenseLike... B>
auto concatenate_rows(const A& a, const B&... b) {
  using S = CommonScalar<A, B...>;
  const std::array<Matrix<S>, 1 + sizeof...(B)> parts{detail::matrix_operand<S>(a), detail::matrix_operand<S>(b)...};
  return detail::stacked(std::span<const Matrix<S>>(parts));
}
/// The parts beside each other; they have as many rows.
template <class S>
Matrix<S> concatenate_cols(const std::vector<Matrix<S>>& parts) {
  std::vector<Matrix<S>> transposed;
  for (const Matrix<S>& part : parts) transposed.push_back(part.transpose());
  return detail::stacked(std::span<const Matrix<S>>(transposed)).transpose();
}
template <DenseLike A, DenseLike... B>
auto concatenate_cols(const A& a, const B&... b) {
  using S = CommonScalar<A, B...>;
  const std::array<Matrix<S>, 1 + sizeof...(B)> parts{detail::matrix_operand<S>(a).transpose(),
                                                      detail::matrix_operand<S>(b).transpose()...};
  return detail::stacked(std::span<const Matrix<S>>(parts)).transpose();
}
/// One vector after the other.
template <DenseLike A, DenseLike... B>
  requires(detail::is_column<A> && (detail::is_column<B> && ...))
auto concatenate(const A& a, const B&... b) { return Vector<CommonScalar<A, B...>>(concatenate_rows(a, b...)); }
template <class S>
Vector<S> concatenate(const std::vector<Vector<S>>& parts) {
  const std::vector<Matrix<S>> matrices(parts.begin(), parts.end());
  return Vector<S>(concatenate_rows(matrices));
}

}  // namespace stoat
