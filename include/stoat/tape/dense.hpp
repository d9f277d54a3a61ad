// stoat/tape/dense.hpp: Vector<S> and Matrix<S>, the same for plain numbers and for variables.
//
// The elements of a Dense never change. Copies, slices, blocks, rows, transposes and broadcasts are views of the same elements,
// with strides, and cost nothing; for variables a view's adjoint is a part of its parent's. For Var<T> the elements are a run
// of consecutive tape indices with values in the tape's arena, alive as long as the recording; an element is a scalar
// variable at no cost. For plain numbers they are shared storage.
//
// A vector is made from scalars (Vector<S>{a, b}, generate, a std::vector<S>), from an Eigen expression, or by an operation.
#pragma once

#include <cassert>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <stoat/tape/eigen.hpp>
#include <stoat/tape/var.hpp>

namespace stoat {

template <class S, int Cols>
class Dense;

/// A column of scalars S.
template <class S>
using Vector = Dense<S, 1>;
/// A matrix of scalars S.
template <class S>
using Matrix = Dense<S, Eigen::Dynamic>;

namespace detail {

[[noreturn]] void out_of_range(const char* what, Eigen::Index first, Eigen::Index count, Eigen::Index size);
[[noreturn]] void shape_mismatch(const char* what, Eigen::Index a_rows, Eigen::Index a_cols, Eigen::Index b_rows,
                                 Eigen::Index b_cols);
[[noreturn]] void no_tape(const char* what);
inline void check_range(const char* what, Eigen::Index first, Eigen::Index count, Eigen::Index size) {
  if (first < 0 || count < 0 || first > size - count) out_of_range(what, first, count, size);
}

/// The shape of a view, and the distance between neighbours within a column and within a row. Distance 0: one element
/// stands for all.
struct Layout {
  Eigen::Index rows = 0, cols = 0;
  Eigen::Index row_stride = 1, col_stride = 0;

  static Layout contiguous(Eigen::Index rows, Eigen::Index cols) { return {rows, cols, 1, rows}; }
  Eigen::Index size() const { return rows * cols; }
  Eigen::Index offset(Eigen::Index i, Eigen::Index j) const { return i * row_stride + j * col_stride; }
  /// Column by column without gaps.
  bool is_contiguous() const { return (row_stride == 1 || rows <= 1) && (col_stride == rows || cols <= 1); }
  bool repeats() const { return (row_stride == 0 && rows > 1) || (col_stride == 0 && cols > 1); }
};

/// Numbers in memory.
template <class T>
struct View : Layout {
  T* data = nullptr;
  View() = default;
  View(T* first, const Layout& layout) : Layout(layout), data(first) {}
  template <class U>
    requires std::same_as<const U, T> View(const View<U>& other) : Layout(other), data(other.data) {}
    T& operator()(Eigen::Index i, Eigen::Index j) const { return data[offset(i, j)]; }
};

/// Values with their place on the tape: `at` is the index of the first element, 0 if all are constants.
template <class T>
struct Run : Layout {
  const T* values = nullptr;
  Index at = 0;
  View<const T> view() const { return {values, *this}; }
  View<T> adjoint(T* adjoints) const { return {adjoints + at, *this}; }
};

}  // namespace detail

/// A vector (Cols = 1) or matrix (Cols = Eigen::Dynamic) of scalars S. Shapes that do not fit throw InvalidArgument; element
/// access is checked in debug builds.
template <class S, int Cols>
class Dense {
 public:
  using Scalar = S;
  using IsDense = void;
  using T = ValueOf<S>;
  using Map = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Cols>, 0, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>;

  Dense() { layout_.cols = Cols == 1 ? 1 : 0; }

  /// Constants, copied.
  template <class D>
    requires std::constructible_from<T, typename D::Scalar> Dense(const Eigen::MatrixBase<D>& m) {
      *this = filled(m.rows(), m.cols(),
                     [&](T* out) { Eigen::Map<Eigen::MatrixX<T>>(out, m.rows(), m.cols()) = m.template cast<T>(); });
    }
  /// Constants: a vector of numbers as a vector of variables or Duals. The elements of equal type are shared.
  template <class U, int C>
    requires(!std::same_as<U, S> && (std::same_as<U, T> || std::same_as<U, detail::BaseOf<S>>)&&(C == Cols || Cols != 1))
  Dense(const Dense<U, C>& numbers) {
    if constexpr (std::same_as<U, T>) {
      layout_ = numbers.layout();
      values_ = numbers.data();
      if constexpr (is_var<S>) tape("Vector")->keep(numbers.owner());
    } else {
      *this = filled(numbers.rows(), numbers.cols(), [&](T* out) {
        for (Eigen::Index j = 0; j < numbers.cols(); ++j)
          for (Eigen::Index i = 0; i < numbers.rows(); ++i) *out++ = T(numbers(i, j));
      });
    }
  }
  /// The same elements seen as a matrix or, if there is one column, as a vector.
  template <int C>
    requires(C != Cols)
  explicit(Cols == 1) Dense(const Dense<S, C>& other) { *this = view(other); }
  /// Evaluates an element-wise expression, as one operation.
  template <class E>
    requires(DenseLike<E>&& requires { typename std::remove_cvref_t<E>::IsCwise; } && std::same_as<ScalarOf<E>, S>)
  Dense(const E& expression) { *this = Dense(expression.template evaluate<Cols>()); }

  /// The given scalars; variables are gathered into consecutive places.
  Dense(std::initializer_list<S> elements) requires(Cols == 1) : Dense(std::span<const S>(elements.begin(), elements.size())) {}
  explicit Dense(const std::vector<S>& elements) requires(Cols == 1) : Dense(std::span<const S>(elements)) {}
  explicit Dense(std::span<const S> elements) requires(Cols == 1)
      : Dense(gathered(static_cast<Eigen::Index>(elements.size()), 1,
                       [&](Eigen::Index i, Eigen::Index) -> const S& { return elements[static_cast<std::size_t>(i)]; })) {}
  /// The vector f(0), ..., f(n - 1).
  template <class F>
    requires(Cols == 1)
  static Dense generate(Eigen::Index n, F&& f) {
    return gathered(n, 1, [&](Eigen::Index i, Eigen::Index) { return S(f(i)); });
  }
  /// The matrix of f(i, j), called column by column.
  template <class F>
    requires(Cols != 1)
  static Dense generate(Eigen::Index rows, Eigen::Index cols, F&& f) {
    return gathered(rows, cols, [&](Eigen::Index i, Eigen::Index j) { return S(f(i, j)); });
  }
  /// All elements equal to the constant c.
  static Dense constant(Eigen::Index n, T c) requires(Cols == 1) { return constants(n, 1, c); }
  static Dense constant(Eigen::Index rows, Eigen::Index cols, T c) requires(Cols != 1) { return constants(rows, cols, c); }

  Eigen::Index rows() const { return layout_.rows; }
  Eigen::Index cols() const { return layout_.cols; }
  Eigen::Index size() const { return layout_.size(); }
  /// The values as an Eigen expression, in place.
  Map eigen() const { return Map(values_, rows(), cols(), {layout_.col_stride, layout_.row_stride}); }
  /// The first value; the others are where layout() says.
  const T* data() const { return values_; }
  const detail::Layout& layout() const { return layout_; }

  /// Element i, counted column by column.
  S operator[](Eigen::Index i) const {
    assert(i >= 0 && i < size());
    if constexpr (Cols == 1 && is_var<S>) {
      if (place_.direct != 0) [[likely]]
        return S(values_[i], place_.direct + static_cast<Index>(i), place_.tag);
    }
    if constexpr (Cols == 1) return element(i * layout_.row_stride);
    else return element(layout_.offset(i % rows(), i / rows()));
  }
  S operator()(Eigen::Index i, Eigen::Index j) const {
    assert(i >= 0 && i < rows() && j >= 0 && j < cols());
    return element(layout_.offset(i, j));
  }

  /// True if the shapes are the same and all elements equal.
  friend bool operator==(const Dense& a, const Dense& b) {
    if (a.rows() != b.rows() || a.cols() != b.cols()) return false;
    for (Eigen::Index j = 0; j < a.cols(); ++j)
      for (Eigen::Index i = 0; i < a.rows(); ++i)
        if (!(a(i, j) == b(i, j))) return false;
    return true;
  }

  // ---- views ----------------------------------------------------------------------------------------------------

  /// Elements first, ..., first + count - 1 of a vector.
  Vector<S> segment(Eigen::Index first, Eigen::Index count) const requires(Cols == 1) {
    detail::check_range("segment", first, count, size());
    return part<1>(first * layout_.row_stride, {count, 1, layout_.row_stride, layout_.row_stride * count});
  }
  Vector<S> head(Eigen::Index count) const requires(Cols == 1) { return segment(0, count); }
  Vector<S> tail(Eigen::Index count) const requires(Cols == 1) { return segment(size() - count, count); }
  /// Elements offset, offset + 1, ... of a vector as a matrix, column by column.
  Matrix<S> matrix(Eigen::Index offset, Eigen::Index rows, Eigen::Index cols) const requires(Cols == 1) {
    if (rows < 0 || cols < 0) detail::out_of_range("matrix", rows, cols, size());
    detail::check_range("matrix", offset, rows * cols, size());
    return part<Eigen::Dynamic>(offset * layout_.row_stride, {rows, cols, layout_.row_stride, layout_.row_stride * rows});
  }
  /// The block of `rows` x `cols` elements whose first one is (i, j).
  Matrix<S> block(Eigen::Index i, Eigen::Index j, Eigen::Index rows, Eigen::Index cols) const {
    detail::check_range("block (rows)", i, rows, this->rows());
    detail::check_range("block (columns)", j, cols, this->cols());
    return part<Eigen::Dynamic>(layout_.offset(i, j), {rows, cols, layout_.row_stride, layout_.col_stride});
  }
  Vector<S> col(Eigen::Index j) const {
    detail::check_range("col", j, 1, cols());
    return part<1>(layout_.offset(0, j), {rows(), 1, layout_.row_stride, layout_.row_stride * rows()});
  }
  /// Row i, as a vector.
  Vector<S> row(Eigen::Index i) const {
    detail::check_range("row", i, 1, rows());
    return part<1>(layout_.offset(i, 0), {cols(), 1, layout_.col_stride, layout_.col_stride * cols()});
  }
  /// Elements (0, 0), (1, 1), ...
  Vector<S> diagonal() const {
    const Eigen::Index n = std::min(rows(), cols()), stride = layout_.row_stride + layout_.col_stride;
    return part<1>(0, {n, 1, stride, stride * n});
  }
  Matrix<S> transpose() const { return part<Eigen::Dynamic>(0, {cols(), rows(), layout_.col_stride, layout_.row_stride}); }
  /// n columns (rows) equal to this vector: a view, so an operation on it sums the adjoints by itself.
  Matrix<S> as_columns(Eigen::Index n) const requires(Cols == 1) {
    return part<Eigen::Dynamic>(0, {size(), n, layout_.row_stride, 0});
  }
  Matrix<S> as_rows(Eigen::Index n) const requires(Cols == 1) {
    return part<Eigen::Dynamic>(0, {n, size(), 0, layout_.row_stride});
  }

  // ---- for operations -------------------------------------------------------------------------------------------

  detail::Run<T> run() const {
    detail::Run<T> r;
    static_cast<detail::Layout&>(r) = layout_;
    r.values = values_;
    if constexpr (is_var<S>) r.at = place_.first;
    return r;
  }
  /// Results of an operation on the current tape: contiguous values in its arena, `first` the index of the first element or 0.
  static Dense on_tape(const T* values, Index first, Eigen::Index rows, Eigen::Index cols) requires(is_var<S>) {
    return on_tape(values, first, tape("Vector")->tag(), rows, cols);
  }
  /// The same of an operation that was recorded under this tag.
  static Dense on_tape(const T* values, Index first, std::uint32_t tag, Eigen::Index rows, Eigen::Index cols) requires(is_var<S>) {
    Dense d;
    d.values_ = values;
    d.layout_ = detail::Layout::contiguous(rows, cols);
    d.place_ = {rows * cols > 0 ? first : 0, tag, d.layout_};
    return d;
  }
  /// Constants whose values fill(T*) writes, column by column.
  template <class F>
  static Dense filled(Eigen::Index rows, Eigen::Index cols, F&& fill) {
    if (Cols == 1 && cols != 1) detail::shape_mismatch("Vector", rows, cols, rows, 1);
    Dense d;
    d.layout_ = detail::Layout::contiguous(rows, cols);
    T* values = nullptr;
    if constexpr (is_var<S>) {
      values = tape("Vector")->arena().template allocate<T>(static_cast<std::size_t>(rows * cols));
    } else {
      auto owner = std::make_shared_for_overwrite<T[]>(static_cast<std::size_t>(rows * cols));
      values = owner.get();
      d.place_.owner = std::move(owner);
    }
    fill(values);
    d.values_ = values;
    return d;
  }
  bool active() const {
    if constexpr (is_var<S>) return place_.first != 0;
    else return false;
  }
  /// Index of the first element, 0 if all are constants.
  Index first() const requires(is_var<S>) { return place_.first; }
  std::uint32_t tag() const requires(is_var<S>) { return place_.tag; }
  std::shared_ptr<const void> owner() const requires(!is_var<S>) { return place_.owner; }

 private:
  template <class, int>
  friend class Dense;

  struct OnTape {
    Index first = 0;
    Index direct = 0;  ///< = first if element i is at first + i, else 0: one test for the loops of a program
    std::uint32_t tag = 0;
    OnTape() = default;
    OnTape(Index index, std::uint32_t t, const detail::Layout& layout)
        : first(index), direct(layout.row_stride == 1 ? index : 0), tag(t) {}
  };
  struct InMemory {
    std::shared_ptr<const void> owner;
  };

  static Tape<T>* tape(const char* what) requires(is_var<S>) {
    Tape<T>* t = Tape<T>::current();
    if (!t) detail::no_tape(what);
    return t;
  }
  S element(Eigen::Index offset) const {
    if constexpr (is_var<S>) return S(values_[offset], place_.first ? place_.first + static_cast<Index>(offset) : 0, place_.tag);
    else return values_[offset];
  }
  template <int C>
  Dense<S, C> part(Eigen::Index offset, const detail::Layout& layout) const {
    Dense<S, C> d;
    d.values_ = values_ + offset;
    // A single row or column without gaps may come with any distance the other way. Operations go by the usual one.
    d.layout_ = layout.is_contiguous() ? detail::Layout::contiguous(layout.rows, layout.cols) : layout;
    if constexpr (is_var<S>) d.place_ = {place_.first ? place_.first + static_cast<Index>(offset) : 0, place_.tag, d.layout_};
    else d.place_.owner = place_.owner;
    return d;
  }
  template <int C>
  static Dense view(const Dense<S, C>& other) {
    if (Cols == 1 && other.cols() != 1) detail::shape_mismatch("Vector", other.rows(), other.cols(), other.rows(), 1);
    return other.template part<Cols>(0, other.layout());
  }
  static Dense constants(Eigen::Index rows, Eigen::Index cols, const T& c) {
    return filled(rows, cols, [&](T* out) { std::fill_n(out, rows * cols, c); });
  }
  template <class F>
  static Dense gathered(Eigen::Index rows, Eigen::Index cols, F&& f) {
    if constexpr (is_var<S>) {
      // First evaluate, which may record, then gather: the gathered places are consecutive.
      Tape<T>* const t = tape("Vector");
      const Eigen::Index n = rows * cols;
      T* values = t->arena().template allocate<T>(static_cast<std::size_t>(n));
      S* scalars = t->arena().template allocate<S>(static_cast<std::size_t>(n));
      bool active = false;
      for (Eigen::Index j = 0, k = 0; j < cols; ++j)
        for (Eigen::Index i = 0; i < rows; ++i, ++k) {
          new (scalars + k) S(f(i, j));
          values[k] = scalars[k].value();
          active = active || scalars[k].active();
        }
      Index first = 0;
      if (active)
        for (Eigen::Index k = 0; k < n; ++k) {
          const detail::Leaf<T> leaf(scalars[k]);
          leaf.check(t);
          const Index index = t->statement(leaf);
          if (k == 0) first = index;
        }
      return on_tape(values, first, rows, cols);
    } else {
      return filled(rows, cols, [&](T* out) {
        for (Eigen::Index j = 0; j < cols; ++j)
          for (Eigen::Index i = 0; i < rows; ++i) *out++ = f(i, j);
      });
    }
  }

  const T* values_ = nullptr;
  detail::Layout layout_;
  std::conditional_t<is_var<S>, OnTape, InMemory> place_;
};

template <class S, int C>
struct ScalarTraits<Dense<S, C>> {
  using Scalar = S;
};

/// Independent variables with the given values, consecutive on the tape.
template <class T, class D>
  requires std::same_as<typename D::Scalar, T>
auto variables(Tape<T>& tape, const Eigen::MatrixBase<D>& values) {
  typename Tape<T>::Use use(tape);
  using Variables = Dense<Var<T>, D::ColsAtCompileTime == 1 ? 1 : Eigen::Dynamic>;
  const Eigen::Index rows = values.rows(), cols = values.cols();
  T* copy = tape.arena().template allocate<T>(static_cast<std::size_t>(rows * cols));
  Eigen::Map<Eigen::MatrixX<T>>(copy, rows, cols) = values;
  return Variables::on_tape(copy, tape.inputs(static_cast<std::size_t>(rows * cols)), rows, cols);
}
/// The same; the values of a Vector<T> or Matrix<T> are shared, not copied.
template <class T, int C>
Dense<Var<T>, C> variables(Tape<T>& tape, const Dense<T, C>& values) {
  typename Tape<T>::Use use(tape);
  if (!values.layout().is_contiguous()) return variables(tape, values.eigen());
  tape.keep(values.owner());
  return Dense<Var<T>, C>::on_tape(values.data(), tape.inputs(static_cast<std::size_t>(values.size())), values.rows(),
                                   values.cols());
}

template <class S, int C>
std::ostream& operator<<(std::ostream& out, const Dense<S, C>& a) {
  return out << a.eigen();
}

}  // namespace stoat
