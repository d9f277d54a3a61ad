#include <stoat/tape/product.hpp>

#include "block.hpp"

namespace stoat::detail {

namespace {

template <class T>
using ColumnMajor = Eigen::Map<const Eigen::MatrixX<T>, 0, Eigen::OuterStride<>>;
template <class T>
using RowMajor = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, 0, Eigen::OuterStride<>>;

/// f(v as an Eigen expression that its products take without a copy); a view with gaps within rows and columns is copied first.
template <class T, class F>
void with_matrix(const View<const T>& v, F&& f) {
  if (v.row_stride == 1 || v.rows <= 1) {
    f(ColumnMajor<T>(v.data, v.rows, v.cols, Eigen::OuterStride<>(v.cols > 1 ? v.col_stride : v.rows)));
  } else if (v.col_stride == 1 || v.cols <= 1) {
    f(RowMajor<T>(v.data, v.rows, v.cols, Eigen::OuterStride<>(v.row_stride)));
  } else {
    const Eigen::MatrixX<T> copy = map(v);
    f(ColumnMajor<T>(copy.data(), v.rows, v.cols, Eigen::OuterStride<>(v.rows)));
  }
}
/// f(v as a column), v a single column or row.
template <class T, class F>
void with_column(const View<const T>& v, F&& f) {
  using Column = Eigen::Map<const Eigen::VectorX<T>>;
  const Eigen::Index stride = v.cols == 1 ? v.row_stride : v.col_stride;
  if (stride == 1 || v.size() == 1) {
    f(Column(v.data, v.size()));
  } else {
    const Eigen::VectorX<T> copy =
        Eigen::Map<const Eigen::VectorX<T>, 0, Eigen::InnerStride<>>(v.data, v.size(), Eigen::InnerStride<>(stride));
    f(Column(copy.data(), v.size()));
  }
}

}  // namespace

template <class T>
void multiply_add(const View<T>& c, const View<const T>& a, const View<const T>& b, int sign) {
  if (c.size() == 0 || a.cols == 0) return;
  if constexpr (is_dual<T>) {
    // Plain loops; the inner one runs down columns of A and C.
    for (Eigen::Index j = 0; j < c.cols; ++j)
      for (Eigen::Index k = 0; k < a.cols; ++k) {
        const T factor = T(sign) * b(k, j);
        for (Eigen::Index i = 0; i < c.rows; ++i) c(i, j) += a(i, k) * factor;
      }
  } else {
    if (c.row_stride != 1 && c.rows > 1) {
      if (c.col_stride == 1) return multiply_add(transposed(c), transposed(b), transposed(a), sign);
      // A view with gaps within its columns: by way of a packed copy.
      Eigen::MatrixX<T> packed = Eigen::MatrixX<T>::Zero(c.rows, c.cols);
      multiply_add(packed_view(packed.data(), c.rows, c.cols), a, b, sign);
      auto target = map(c);
      target += packed;
      return;
    }
    Eigen::Map<Eigen::MatrixX<T>, 0, Eigen::OuterStride<>> target(c.data, c.rows, c.cols,
                                                                  Eigen::OuterStride<>(c.cols > 1 ? c.col_stride : c.rows));
    const T factor = T(sign);
    if (a.cols == 1) {
      with_column(a, [&](const auto& x) {
        with_column(b, [&](const auto& y) {
          if (c.cols == 1) target.col(0) += (factor * y[0]) * x;
          else target.noalias() += (factor * x) * y.transpose();
        });
      });
    } else if (c.cols == 1) {
      with_matrix(a, [&](const auto& m) { with_column(b, [&](const auto& x) { target.col(0).noalias() += factor * (m * x); }); });
    } else if (c.rows == 1) {
      // c^T += B^T a^T; a single row is a column with gaps.
      with_matrix(transposed(b), [&](const auto& m) {
        with_column(a, [&](const auto& x) { target.row(0).transpose().noalias() += factor * (m * x); });
      });
    } else {
      with_matrix(a, [&](const auto& m) { with_matrix(b, [&](const auto& n) { target.noalias() += factor * (m * n); }); });
    }
  }
}

namespace {

template <class T>
struct ProductBlock {  // Y = A B
  Run<T> a, b;
  Index at_y = 0;
  Layout y() const { return Layout::contiguous(a.rows, b.cols); }
  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const ProductBlock*>(payload);
    const View<const T> y(adjoints + p.at_y, p.y());
    if (p.a.at) multiply_add(p.a.adjoint(adjoints), y, transposed(p.b.view()));
    if (p.b.at) multiply_add(p.b.adjoint(adjoints), transposed(p.a.view()), y);
  }
  static void forward(const void* payload, Lanes<T>* t) {
    const auto& p = *static_cast<const ProductBlock*>(payload);
    for (int l = 0; l < lanes<T>; ++l) {
      const View<T> y = lane<T>(t, p.y(), p.at_y, l);
      map(y).setZero();
      if (p.a.at) multiply_add(y, View<const T>(lane(t, p.a, l)), p.b.view());
      if (p.b.at) multiply_add(y, p.a.view(), View<const T>(lane(t, p.b, l)));
    }
  }
};

template <class T>
struct DotBlock {  // y = a.b
  Run<T> a, b;
  Index at_y = 0;
  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const DotBlock*>(payload);
    const T y = adjoints[p.at_y];
    if (is_zero(y)) return;
    if (p.a.at) add(p.a.adjoint(adjoints), y, p.b.view());
    if (p.b.at) add(p.b.adjoint(adjoints), y, p.a.view());
  }
  static void add(const View<T>& target, const T& y, const View<const T>& x) {
    if (target.row_stride == 1 && x.row_stride == 1)
      Eigen::Map<Eigen::VectorX<T>>(target.data, x.rows) += y * Eigen::Map<const Eigen::VectorX<T>>(x.data, x.rows);
    else
      for (Eigen::Index i = 0; i < x.rows; ++i) target(i, 0) += y * x(i, 0);
  }
  static void forward(const void* payload, Lanes<T>* t) {
    const auto& p = *static_cast<const DotBlock*>(payload);
    for (int l = 0; l < lanes<T>; ++l) {
      T sum(0);
      for (Eigen::Index i = 0; i < p.a.rows; ++i) {
        if (p.a.at) sum += lane(t, p.a, l)(i, 0) * p.b.view()(i, 0);
        if (p.b.at) sum += lane(t, p.b, l)(i, 0) * p.a.view()(i, 0);
      }
      t[p.at_y][l] = sum;
    }
  }
};

}  // namespace

template <class S>
Matrix<S> without_repeats(const Matrix<S>& a) {
  return a.layout().repeats() ? Matrix<S>(1 * a) : a;
}

template <class S>
Matrix<S> product(const Matrix<S>& left, const Matrix<S>& right) {
  using T = ValueOf<S>;
  if (left.cols() != right.rows()) shape_mismatch("operator*", left.rows(), left.cols(), right.rows(), right.cols());
  const Matrix<S> a = without_repeats(left), b = without_repeats(right);
  Matrix<S> y = Matrix<S>::filled(a.rows(), b.cols(), [&](T* out) {
    std::fill_n(out, a.rows() * b.cols(), T(0));
    multiply_add(packed_view(out, a.rows(), b.cols()), a.run().view(), b.run().view());
  });
  if constexpr (is_var<S>)
    if ((a.active() || b.active()) && a.cols() > 0) return recorded(y, ProductBlock<T>{a.run(), b.run()});
  return y;
}

template <class S>
S inner_product(const Vector<S>& left, const Vector<S>& right) {
  using T = ValueOf<S>;
  if (left.size() != right.size()) shape_mismatch("dot", left.rows(), 1, right.rows(), 1);
  const Run<T> a = left.run(), b = right.run();
  T y(0);
  if (a.row_stride == 1 && b.row_stride == 1) {
    using Column = Eigen::Map<const Eigen::VectorX<T>>;
    if (a.rows > 0) y = Column(a.values, a.rows).dot(Column(b.values, b.rows));
  } else {
    for (Eigen::Index i = 0; i < a.rows; ++i) y += a.view()(i, 0) * b.view()(i, 0);
  }
  if constexpr (is_var<S>) return left.active() || right.active() ? recorded(y, DotBlock<T>{a, b}) : S(y);
  else return y;
}

#define X(S)                                                      \
  template Matrix<S> without_repeats(const Matrix<S>&);           \
  template Matrix<S> product(const Matrix<S>&, const Matrix<S>&); \
  template S inner_product(const Vector<S>&, const Vector<S>&);
STOAT_SCALARS(X)
#undef X
#define X(T) template void multiply_add(const View<T>&, const View<const T>&, const View<const T>&, int);
STOAT_TAPE_NUMBERS(X)
#undef X

}  // namespace stoat::detail
