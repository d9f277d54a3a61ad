// stoat/tape/vector.hpp: Vector<S> and Matrix<S>, the same operations for plain numbers and for variables.
//
// For a plain scalar they hold an Eigen matrix. For Var<T> they are a run of consecutive tape indices with values in the
// tape's arena, viewed through Eigen::Map; an element is a scalar variable at no cost. Elements are read-only; a
// vector is made from scalars (Vector<S>{a, b}), by Vector<S>::generate, or by an operation. Column-major.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include <Eigen/Core>

#include <stoat/tape/var.hpp>

namespace stoat {

template <class S, int Cols>
class Dense;

/// A column of scalars S.
template <class S>
using Vector = Dense<S, 1>;
/// A matrix of scalars S, column-major.
template <class S>
using Matrix = Dense<S, Eigen::Dynamic>;

namespace detail {
[[noreturn]] void out_of_range(const char* what, Eigen::Index first, Eigen::Index count, Eigen::Index size);
[[noreturn]] void shape_mismatch(const char* what, Eigen::Index a_rows, Eigen::Index a_cols, Eigen::Index b_rows,
                                 Eigen::Index b_cols);
inline void check_range(const char* what, Eigen::Index first, Eigen::Index count, Eigen::Index size) {
  if (first < 0 || count < 0 || first + count > size) out_of_range(what, first, count, size);
}
}  // namespace detail

/// Plain numbers: a thin owner of an Eigen matrix.
template <class S, int Cols>
class Dense {
 public:
  using Scalar = S;
  using Eigen_t = Eigen::Matrix<S, Eigen::Dynamic, Cols>;

  Dense() = default;
  template <class D>
  Dense(const Eigen::MatrixBase<D>& m) : m_(m) {}
  Dense(std::initializer_list<S> values) requires(Cols == 1)
      : m_(Eigen::Map<const Eigen_t>(values.begin(), static_cast<Eigen::Index>(values.size()))) {}
  /// The vector f(0), ..., f(n - 1).
  template <class F>
    requires(Cols == 1)
  static Dense generate(Eigen::Index n, F&& f) {
    Eigen_t m(n);
    for (Eigen::Index i = 0; i < n; ++i) m[i] = f(i);
    return Dense(m);
  }

  const Eigen_t& eigen() const { return m_; }
  Eigen::Index size() const { return m_.size(); }
  Eigen::Index rows() const { return m_.rows(); }
  Eigen::Index cols() const { return m_.cols(); }
  const S* data() const { return m_.data(); }
  S operator[](Eigen::Index i) const {
    assert(i >= 0 && i < size());
    return m_.data()[i];
  }
  S operator()(Eigen::Index i, Eigen::Index j) const { return m_(i, j); }

  Vector<S> segment(Eigen::Index first, Eigen::Index count) const {
    detail::check_range("segment", first, count, size());
    return Vector<S>(Eigen::Map<const Eigen::VectorX<S>>(m_.data() + first, count));
  }
  /// The elements offset, offset + 1, ... as a matrix, column by column.
  Matrix<S> matrix(Eigen::Index offset, Eigen::Index rows, Eigen::Index cols) const {
    detail::check_range("matrix", offset, rows * cols, size());
    return Matrix<S>(Eigen::Map<const Eigen::MatrixX<S>>(m_.data() + offset, rows, cols));
  }
  Vector<S> col(Eigen::Index j) const {
    detail::check_range("col", j, 1, cols());
    return Vector<S>(m_.col(j));
  }

 private:
  Eigen_t m_;
};

/// Variables: a run of indices on the tape. Copies are views of the same variables; they live as long as the recording.
template <class T, int Cols>
class Dense<Var<T>, Cols> {
 public:
  using Scalar = Var<T>;
  using Map = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Cols>>;

  Dense() = default;
  /// For operations: `first` is the index of the first element, 0 if all are passive.
  Dense(const T* values, Index first, std::uint32_t tag, Eigen::Index rows, Eigen::Index cols)
      : values_(values), first_(first), tag_(tag), rows_(rows), cols_(cols) {}
  /// Gathers scalars into consecutive places.
  Dense(std::initializer_list<Var<T>> values) requires(Cols == 1)
      : Dense(generate(static_cast<Eigen::Index>(values.size()), [&](Eigen::Index i) { return values.begin()[i]; })) {}
  /// A passive vector or matrix on the current tape.
  template <class D>
    requires std::same_as<typename D::Scalar, T> Dense(const Eigen::MatrixBase<D>& m) : rows_(m.rows()), cols_(m.cols()) {
      T* values = room(m.size());
      Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Cols>>(values, rows_, cols_) = m;
      values_ = values;
    }
    template <class F>
      requires(Cols == 1)
    static Dense generate(Eigen::Index n, F&& f) {
      Tape<T>* tape = Tape<T>::current();
      T* values = room(n);
      // First evaluate (which may record), then gather: the gathered places are consecutive.
      Var<T>* scalars = tape->arena().template allocate<Var<T>>(static_cast<std::size_t>(n));
      bool active = false;
      for (Eigen::Index i = 0; i < n; ++i) {
        scalars[i] = Var<T>(f(i));
        values[i] = scalars[i].value();
        active = active || scalars[i].active();
      }
      Index first = 0;
      if (active)
        for (Eigen::Index i = 0; i < n; ++i) {
          const Index index = tape->statement(detail::Leaf<T>{values[i], scalars[i].index(), scalars[i].tag()});
          if (i == 0) first = index;
        }
      return Dense(values, first, tape->tag(), n, 1);
    }

    Map eigen() const { return Map(values_, rows_, cols_); }
    Eigen::Index size() const { return rows_ * cols_; }
    Eigen::Index rows() const { return rows_; }
    Eigen::Index cols() const { return cols_; }
    const T* data() const { return values_; }
    bool active() const { return first_ != 0; }
    Index first() const { return first_; }
    std::uint32_t tag() const { return tag_; }
    Var<T> operator[](Eigen::Index i) const {
      assert(i >= 0 && i < size());
      return Var<T>(values_[i], first_ ? first_ + static_cast<Index>(i) : 0, tag_);
    }
    Var<T> operator()(Eigen::Index i, Eigen::Index j) const { return (*this)[j * rows_ + i]; }

    Vector<Var<T>> segment(Eigen::Index first, Eigen::Index count) const {
      detail::check_range("segment", first, count, size());
      return {values_ + first, moved(first), tag_, count, 1};
    }
    Matrix<Var<T>> matrix(Eigen::Index offset, Eigen::Index rows, Eigen::Index cols) const {
      detail::check_range("matrix", offset, rows * cols, size());
      return {values_ + offset, moved(offset), tag_, rows, cols};
    }
    Vector<Var<T>> col(Eigen::Index j) const {
      detail::check_range("col", j, 1, cols());
      return {values_ + j * rows_, moved(j * rows_), tag_, rows_, 1};
    }

   private:
    Index moved(Eigen::Index by) const { return first_ ? first_ + static_cast<Index>(by) : 0; }
    static T* room(Eigen::Index n) {
      Tape<T>* tape = Tape<T>::current();
      if (!tape) throw InvalidArgument("Vector: a vector of variables is made while no tape is current");
      return tape->arena().template allocate<T>(static_cast<std::size_t>(n));
    }

    const T* values_ = nullptr;
    Index first_ = 0;
    std::uint32_t tag_ = 0;
    Eigen::Index rows_ = 0, cols_ = Cols == 1 ? 1 : 0;
};

/// Independent variables with the given values, consecutive on the current tape.
template <class T, int Cols>
Dense<Var<T>, Cols> variables(Tape<T>& tape, const Eigen::Matrix<T, Eigen::Dynamic, Cols>& values) {
  typename Tape<T>::Use use(tape);
  T* copy = tape.arena().template allocate<T>(static_cast<std::size_t>(values.size()));
  std::copy_n(values.data(), values.size(), copy);
  return {copy, tape.inputs(static_cast<Index>(values.size())), tape.tag(), values.rows(), values.cols()};
}

namespace detail {

/// Element by element: n statements with consecutive indices.
template <class T, int C, class F>
Dense<Var<T>, C> elementwise(Eigen::Index rows, Eigen::Index cols, F&& f) {
  Tape<T>* tape = Tape<T>::current();
  const Eigen::Index n = rows * cols;
  T* values = tape->arena().template allocate<T>(static_cast<std::size_t>(n));
  Index first = 0;
  for (Eigen::Index i = 0; i < n; ++i) {
    const Var<T> y = f(i);
    values[i] = y.value();
    if (i == 0) first = y.index();
  }
  return {values, first, tape->tag(), rows, cols};
}

template <class A, class B>
void check_same(const char* what, const A& a, const B& b) {
  if (a.rows() != b.rows() || a.cols() != b.cols()) shape_mismatch(what, a.rows(), a.cols(), b.rows(), b.cols());
}

}  // namespace detail

#define STOAT_ELEMENTWISE(name)                                                                                            \
  template <class S, int C>                                                                                                \
  Dense<S, C> name(const Dense<S, C>& a) {                                                                                 \
    if constexpr (is_var<S>) {                                                                                             \
      return detail::elementwise<typename S::Value, C>(a.rows(), a.cols(), [&](Eigen::Index i) { return S(name(a[i])); }); \
    } else {                                                                                                               \
      return Dense<S, C>(a.eigen().unaryExpr([](S x) { return S(name(x)); }));                                             \
    }                                                                                                                      \
  }
STOAT_ELEMENTWISE(exp)
STOAT_ELEMENTWISE(log)
STOAT_ELEMENTWISE(sqrt)
STOAT_ELEMENTWISE(tanh)
STOAT_ELEMENTWISE(sin)
STOAT_ELEMENTWISE(cos)
STOAT_ELEMENTWISE(abs)
STOAT_ELEMENTWISE(square)
STOAT_ELEMENTWISE(logistic)
STOAT_ELEMENTWISE(softplus)
#undef STOAT_ELEMENTWISE

// vector (+) vector, element by element, and vector (+) scalar on either side
#define STOAT_ELEMENTWISE_BINARY(name, op)                                                                                   \
  template <class S, int C>                                                                                                  \
  Dense<S, C> name(const Dense<S, C>& a, const Dense<S, C>& b) {                                                             \
    detail::check_same(#name, a, b);                                                                                         \
    if constexpr (is_var<S>) {                                                                                               \
      return detail::elementwise<typename S::Value, C>(a.rows(), a.cols(), [&](Eigen::Index i) { return S(a[i] op b[i]); }); \
    } else {                                                                                                                 \
      return Dense<S, C>((a.eigen().array() op b.eigen().array()).matrix());                                                 \
    }                                                                                                                        \
  }
STOAT_ELEMENTWISE_BINARY(operator+, +)
STOAT_ELEMENTWISE_BINARY(operator-, -)
STOAT_ELEMENTWISE_BINARY(cwise_product, *)
STOAT_ELEMENTWISE_BINARY(cwise_quotient, /)
#undef STOAT_ELEMENTWISE_BINARY

#define STOAT_SCALAR_BINARY(op)                                                                                           \
  template <class S, int C, class B>                                                                                      \
    requires std::convertible_to<B, S> Dense<S, C>                                                                        \
  operator op(const Dense<S, C>& a, B&& s) {                                                                              \
    const S b = std::forward<B>(s);                                                                                       \
    if constexpr (is_var<S>) {                                                                                            \
      return detail::elementwise<typename S::Value, C>(a.rows(), a.cols(), [&](Eigen::Index i) { return S(a[i] op b); }); \
    } else {                                                                                                              \
      return Dense<S, C>((a.eigen().array() op b).matrix());                                                              \
    }                                                                                                                     \
  }                                                                                                                       \
  template <class S, int C, class B>                                                                                      \
    requires std::convertible_to<B, S> Dense<S, C>                                                                        \
  operator op(B&& s, const Dense<S, C>& a) {                                                                              \
    const S b = std::forward<B>(s);                                                                                       \
    if constexpr (is_var<S>) {                                                                                            \
      return detail::elementwise<typename S::Value, C>(a.rows(), a.cols(), [&](Eigen::Index i) { return S(b op a[i]); }); \
    } else {                                                                                                              \
      return Dense<S, C>((b op a.eigen().array()).matrix());                                                              \
    }                                                                                                                     \
  }
STOAT_SCALAR_BINARY(+)
STOAT_SCALAR_BINARY(-)
STOAT_SCALAR_BINARY(*)
STOAT_SCALAR_BINARY(/)
#undef STOAT_SCALAR_BINARY

template <class S, int C>
Dense<S, C> operator-(const Dense<S, C>& a) {
  return S(-1) * a;
}

namespace detail {

// Each block operation is a payload with the shapes and places of its operands, a reverse and a forward rule.
// Place 0 is the passive sink: runs at 0 are skipped.

template <class T>
struct ProductBlock {  // Y = A B
  const T *a, *b;
  Index at_a, at_b, at_y;
  Eigen::Index m, k, n;
  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const ProductBlock*>(payload);
    using M = Eigen::MatrixX<T>;
    const Eigen::Map<const M> y(adjoints + p.at_y, p.m, p.n);
    if (p.at_a) Eigen::Map<M>(adjoints + p.at_a, p.m, p.k).noalias() += y * Eigen::Map<const M>(p.b, p.k, p.n).transpose();
    if (p.at_b) Eigen::Map<M>(adjoints + p.at_b, p.k, p.n).noalias() += Eigen::Map<const M>(p.a, p.m, p.k).transpose() * y;
  }
  static void forward(const void* payload, typename Tape<T>::Lanes* t) {
    const auto& p = *static_cast<const ProductBlock*>(payload);
    constexpr int lanes = Tape<T>::lanes;
    for (Eigen::Index j = 0; j < p.n; ++j)
      for (Eigen::Index i = 0; i < p.m; ++i) {
        T sum[lanes] = {};
        for (Eigen::Index l = 0; l < p.k; ++l)
          for (int d = 0; d < lanes; ++d) {
            if (p.at_a) sum[d] += t[p.at_a + static_cast<Index>(l * p.m + i)][d] * p.b[j * p.k + l];
            if (p.at_b) sum[d] += p.a[l * p.m + i] * t[p.at_b + static_cast<Index>(j * p.k + l)][d];
          }
        std::copy_n(sum, lanes, t[p.at_y + static_cast<Index>(j * p.m + i)]);
      }
  }
};

template <class T>
struct SumBlock {  // y = sum x
  Index at_x, at_y;
  Index n;
  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const SumBlock*>(payload);
    for (Index i = 0; i < p.n; ++i) adjoints[p.at_x + i] += adjoints[p.at_y];
  }
  static void forward(const void* payload, typename Tape<T>::Lanes* t) {
    const auto& p = *static_cast<const SumBlock*>(payload);
    for (int d = 0; d < Tape<T>::lanes; ++d) {
      t[p.at_y][d] = 0;
      for (Index i = 0; i < p.n; ++i) t[p.at_y][d] += t[p.at_x + i][d];
    }
  }
};

template <class T>
struct SoftmaxBlock {  // y = softmax(x): dy = y (dx - y.dx)
  const T* y;
  Index at_x, at_y;
  Index n;
  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const SoftmaxBlock*>(payload);
    T mean = 0;
    for (Index i = 0; i < p.n; ++i) mean += p.y[i] * adjoints[p.at_y + i];
    for (Index i = 0; i < p.n; ++i) adjoints[p.at_x + i] += p.y[i] * (adjoints[p.at_y + i] - mean);
  }
  static void forward(const void* payload, typename Tape<T>::Lanes* t) {
    const auto& p = *static_cast<const SoftmaxBlock*>(payload);
    for (int d = 0; d < Tape<T>::lanes; ++d) {
      T mean = 0;
      for (Index i = 0; i < p.n; ++i) mean += p.y[i] * t[p.at_x + i][d];
      for (Index i = 0; i < p.n; ++i) t[p.at_y + i][d] = p.y[i] * (t[p.at_x + i][d] - mean);
    }
  }
};

template <class T>
struct NormaliseBlock {  // y = x / sum x: dy = (dx - y sum dx) / sum x
  const T* y;
  T total;
  Index at_x, at_y;
  Index n;
  static void reverse(const void* payload, T* adjoints) {
    const auto& p = *static_cast<const NormaliseBlock*>(payload);
    T mean = 0;
    for (Index i = 0; i < p.n; ++i) mean += p.y[i] * adjoints[p.at_y + i];
    for (Index i = 0; i < p.n; ++i) adjoints[p.at_x + i] += (adjoints[p.at_y + i] - mean) / p.total;
  }
  static void forward(const void* payload, typename Tape<T>::Lanes* t) {
    const auto& p = *static_cast<const NormaliseBlock*>(payload);
    for (int d = 0; d < Tape<T>::lanes; ++d) {
      T sum = 0;
      for (Index i = 0; i < p.n; ++i) sum += t[p.at_x + i][d];
      for (Index i = 0; i < p.n; ++i) t[p.at_y + i][d] = (t[p.at_x + i][d] - p.y[i] * sum) / p.total;
    }
  }
};

/// Stores a payload and records its block.
template <class T, class Payload>
void record_block(Tape<T>& tape, Payload payload, Index count) {
  Payload* stored = tape.arena().template allocate<Payload>(1);
  payload.at_y = tape.block(count, stored, &Payload::reverse, &Payload::forward);
  *stored = payload;
}

}  // namespace detail

/// Matrix product, matrix-vector product.
template <class S, int C>
Dense<S, C> operator*(const Matrix<S>& a, const Dense<S, C>& b) {
  if (a.cols() != b.rows()) detail::shape_mismatch("operator*", a.rows(), a.cols(), b.rows(), b.cols());
  if constexpr (is_var<S>) {
    using T = typename S::Value;
    Tape<T>* tape = Tape<T>::current();
    T* values = tape->arena().template allocate<T>(static_cast<std::size_t>(a.rows() * b.cols()));
    Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, C>>(values, a.rows(), b.cols()).noalias() = a.eigen() * b.eigen();
    Index first = 0;
    if (a.active() || b.active()) {
      first = tape->size();
      detail::record_block(*tape,
                           detail::ProductBlock<T>{a.data(), b.data(), a.first(), b.first(), 0, a.rows(), a.cols(), b.cols()},
                           static_cast<Index>(a.rows() * b.cols()));
    }
    return Dense<S, C>(values, first, tape->tag(), a.rows(), b.cols());
  } else {
    return Dense<S, C>(a.eigen() * b.eigen());
  }
}

/// Sum of all elements.
template <class S, int C>
S sum(const Dense<S, C>& a) {
  if constexpr (is_var<S>) {
    using T = typename S::Value;
    const T total = a.size() ? a.eigen().sum() : T(0);
    if (!a.active()) return S(total);
    Tape<T>* tape = Tape<T>::current();
    const Index index = tape->size();
    detail::record_block(*tape, detail::SumBlock<T>{a.first(), 0, static_cast<Index>(a.size())}, 1);
    return S(total, index, tape->tag());
  } else {
    return a.eigen().sum();
  }
}

/// Inner product of two vectors of equal length.
template <class S>
S dot(const Vector<S>& a, const Vector<S>& b) {
  detail::check_same("dot", a, b);
  if constexpr (is_var<S>) {
    using T = typename S::Value;
    const T total = a.eigen().dot(b.eigen());
    if (!a.active() && !b.active()) return S(total);
    Tape<T>* tape = Tape<T>::current();
    const Index index = tape->size();
    detail::record_block(*tape, detail::ProductBlock<T>{a.data(), b.data(), a.first(), b.first(), 0, 1, a.size(), 1}, 1);
    return S(total, index, tape->tag());
  } else {
    return a.eigen().dot(b.eigen());
  }
}

/// e^x_i / sum_j e^x_j, without overflow.
template <class S>
Vector<S> softmax(const Vector<S>& x) {
  if constexpr (is_var<S>) {
    using T = typename S::Value;
    Tape<T>* tape = Tape<T>::current();
    T* y = tape->arena().template allocate<T>(static_cast<std::size_t>(x.size()));
    Eigen::Map<Eigen::VectorX<T>> map(y, x.size());
    map = (x.eigen().array() - x.eigen().maxCoeff()).exp();
    map /= map.sum();
    Index first = 0;
    if (x.active()) {
      first = tape->size();
      detail::record_block(*tape, detail::SoftmaxBlock<T>{y, x.first(), 0, static_cast<Index>(x.size())},
                           static_cast<Index>(x.size()));
    }
    return Vector<S>(y, first, tape->tag(), x.size(), 1);
  } else {
    Eigen::VectorX<S> y = (x.eigen().array() - x.eigen().maxCoeff()).exp();
    y /= y.sum();
    return Vector<S>(y);
  }
}

/// x / sum(x)
template <class S>
Vector<S> normalised(const Vector<S>& x) {
  if constexpr (is_var<S>) {
    using T = typename S::Value;
    Tape<T>* tape = Tape<T>::current();
    T* y = tape->arena().template allocate<T>(static_cast<std::size_t>(x.size()));
    Eigen::Map<Eigen::VectorX<T>> map(y, x.size());
    const T total = x.eigen().sum();
    map = x.eigen() / total;
    Index first = 0;
    if (x.active()) {
      first = tape->size();
      detail::record_block(*tape, detail::NormaliseBlock<T>{y, total, x.first(), 0, static_cast<Index>(x.size())},
                           static_cast<Index>(x.size()));
    }
    return Vector<S>(y, first, tape->tag(), x.size(), 1);
  } else {
    return Vector<S>(x.eigen() / x.eigen().sum());
  }
}

template <class S, int C>
std::ostream& operator<<(std::ostream& out, const Dense<S, C>& a) {
  return out << a.eigen();
}

}  // namespace stoat
