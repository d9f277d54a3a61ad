#include <stoat/tape/concatenate.hpp>

#include "block.hpp"

namespace stoat::detail {

namespace {

template <class T>
struct StackBlock {
  const Run<T>* parts;
  std::size_t count;
  Eigen::Index rows, cols;
  Index at_y = 0;

  /// f(part, the layout of its place in the result, the number of the first element there)
  template <class F>
  void each(F&& f) const {
    Eigen::Index row = 0;
    for (const Run<T>& part : std::span(parts, count)) {
      if (part.at) f(part, Layout{part.rows, cols, 1, rows}, static_cast<Index>(row));
      row += part.rows;
    }
  }
  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const StackBlock*>(payload);
    p.each([&](const Run<T>& part, const Layout& place, Index row) {
      map(part.adjoint(adjoints)) += map(View<const T>(adjoints + p.at_y + row, place));
    });
  }
  static void forward(const void* payload, Lanes<T>* t) {
    const auto& p = *static_cast<const StackBlock*>(payload);
    for (int l = 0; l < lanes<T>; ++l) {
      map(lane<T>(t, Layout::contiguous(p.rows, p.cols), p.at_y, l)).setZero();
      p.each([&](const Run<T>& part, const Layout& place, Index row) {
        map(lane<T>(t, place, p.at_y + row, l)) = map(lane(t, part, l));
      });
    }
  }
};

}  // namespace

template <class S>
Matrix<S> stacked(std::span<const Matrix<S>> given) {
  using T = ValueOf<S>;
  Eigen::Index rows = 0;
  const Eigen::Index cols = given.empty() ? 0 : given.front().cols();
  std::vector<Matrix<S>> parts;
  for (const Matrix<S>& part : given) {
    if (part.cols() != cols) shape_mismatch("concatenate", given.front().rows(), cols, part.rows(), part.cols());
    rows += part.rows();
    parts.push_back(without_repeats(part));
  }
  Matrix<S> y = Matrix<S>::filled(rows, cols, [&](T* out) {
    Eigen::Map<Eigen::MatrixX<T>> all(out, rows, cols);
    Eigen::Index row = 0;
    for (const Matrix<S>& part : parts) {
      all.middleRows(row, part.rows()) = part.eigen();
      row += part.rows();
    }
  });
  if constexpr (is_var<S>) {
    bool active = false;
    Run<T>* runs = Tape<T>::current()->arena().template allocate<Run<T>>(parts.size());
    for (std::size_t i = 0; i < parts.size(); ++i) {
      new (runs + i) Run<T>(parts[i].run());
      active = active || parts[i].active();
    }
    if (active) return recorded(y, StackBlock<T>{runs, parts.size(), rows, cols});
  }
  return y;
}

#define X(S) template Matrix<S> stacked(std::span<const Matrix<S>>);
STOAT_SCALARS(X)
#undef X

}  // namespace stoat::detail
