// What the operations on vectors and matrices share: the numbers they are compiled for, views as Eigen sees them, the
// recording of an operation.
#pragma once

#include <cstddef>
#include <utility>

#include <stoat/tape/dense.hpp>
#include <stoat/tape/tape.hpp>

#define STOAT_DUAL4 Dual<double, 4>
/// X(T) for all numbers on a tape, X(S) for all scalars.
#define STOAT_TAPE_NUMBERS(X) X(float) X(double) X(Dual<double>) X(STOAT_DUAL4) X(NestedDual<2>) X(NestedDual<3>)
#define STOAT_SCALARS(X) \
  STOAT_TAPE_NUMBERS(X)  \
  X(Var<float>) X(Var<double>) X(Var<Dual<double>>) X(Var<STOAT_DUAL4>) X(Var<NestedDual<2>>) X(Var<NestedDual<3>>)

namespace stoat::detail {

template <class T>
using Lanes = typename Tape<T>::Lanes;
template <class T>
inline constexpr int lanes = Tape<T>::lanes;

// ---- views ------------------------------------------------------------------------------------------------------------

template <class T>
using AnyStride =
    Eigen::Map<std::conditional_t<std::is_const_v<T>, const Eigen::MatrixX<std::remove_const_t<T>>, Eigen::MatrixX<T>>, 0,
               Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>;
template <class T>
AnyStride<T> map(const View<T>& v) {
  return {v.data, v.rows, v.cols, {v.col_stride, v.row_stride}};
}
template <class T>
View<T> transposed(const View<T>& v) {
  return {v.data, {v.cols, v.rows, v.col_stride, v.row_stride}};
}
/// Contiguous memory as a view.
template <class T>
View<T> packed_view(T* data, Eigen::Index rows, Eigen::Index cols) {
  return {data, Layout::contiguous(rows, cols)};
}
/// Lane l of the tangents of a run.
template <class T>
View<T> lane(Lanes<T>* tangents, const Layout& layout, Index at, int l) {
  return {&tangents[at][l], {layout.rows, layout.cols, layout.row_stride * lanes<T>, layout.col_stride * lanes<T>}};
}
template <class T>
View<T> lane(Lanes<T>* tangents, const Run<T>& run, int l) {
  return lane<T>(tangents, run, run.at, l);
}

/// C += sign A B
template <class T>
void multiply_add(const View<T>& c, const View<const T>& a, const View<const T>& b, int sign = 1);

// ---- recording --------------------------------------------------------------------------------------------------------

/// A run that no element of which stands for several: operations that add to an adjoint at once need that.
template <class S>
Matrix<S> without_repeats(const Matrix<S>& a);

/// Stores a payload and records its block. A payload has reverse(), forward(), and at_y, the index of its first output.
template <class T, class Payload>
Index record_block(Tape<T>& tape, Payload payload, Eigen::Index count) {
  Payload* stored = tape.arena().template allocate<Payload>(1);
  payload.at_y = tape.block(static_cast<std::size_t>(count), stored, &Payload::reverse, &Payload::forward);
  return (new (stored) Payload(std::move(payload)))->at_y;
}

/// The result of an operation, y, as the output of a block with this payload.
template <class S, int C, class Payload>
Dense<S, C> recorded(const Dense<S, C>& y, const Payload& payload) {
  using T = ValueOf<S>;
  if (y.size() == 0) return y;
  const Index first = record_block(*Tape<T>::current(), payload, y.size());
  return Dense<S, C>::on_tape(y.data(), first, y.rows(), y.cols());
}
/// The same for a scalar result.
template <class T, class Payload>
Var<T> recorded(const T& y, const Payload& payload) {
  Tape<T>& tape = *Tape<T>::current();
  const Index index = record_block(tape, payload, 1);
  return Var<T>(y, index, tape.tag());
}

}  // namespace stoat::detail
