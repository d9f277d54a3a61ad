// stoat/tape/cwise.hpp: element-wise operations on vectors and matrices, fused.
//
// exp(a * x + b) with vectors a, x, b is a tree of nodes; turning it into a Vector<S> or Matrix<S> evaluates the whole tree in
// one pass, a stretch of elements at a time so that intermediate results stay in the cache, and records one operation: for
// each variable in the tree the partial derivative of every element. Scalars, also scalar variables, stand for all elements.
#pragma once

#include <array>
#include <tuple>

#include <stoat/tape/dense.hpp>
#include <stoat/tape/vector_math.hpp>

namespace stoat {

namespace detail {

/// An operand of a recorded element-wise operation: d y / d x = scale * partials[element], or scale alone.
template <class T>
struct CwiseTerm : Layout {
  const T* partials = nullptr;
  T scale{};
  Index at = 0;
};
/// Records y = f(x, ...) with the given terms and returns the index of the first element; 0 if there are no terms.
template <class T>
Index record_cwise(Eigen::Index size, std::span<const CwiseTerm<T>> terms);

/// Elements evaluated at a time.
inline constexpr int stretch = 256;
struct Stretch {
  Eigen::Index row, col, first;  ///< the place of the first element, and its number counted column by column
  int n;
};

// ---- functions of arrays ----------------------------------------------------------------------------------------------

/// v = Op(x, ...), n elements.
template <class Op, class T, class... X>
void array_values(int n, T* v, const X*... x) {
  for (int i = 0; i < n; ++i) v[i] = evaluate<Op>(x[i]...);
}
/// d = d Op(x, ...) / d argument K, from v = Op(x, ...).
template <class Op, int K, class T, class... X>
void array_partials(int n, T* d, const T* v, const X*... x) {
  for (int i = 0; i < n; ++i) d[i] = Op::template partial<K>(x[i]..., v[i]);
}

/// Functions with a vector form.
#define X(name)                              \
  template <class Op, std::floating_point T> \
    requires std::same_as<Op, name##_op>     \
  void array_values(int n, T* v, const T* x) { vector_math::name(x, v, static_cast<std::size_t>(n)); }
STOAT_VECTOR_UNARY(X)
#undef X
#define X(name)                              \
  template <class Op, std::floating_point T> \
    requires std::same_as<Op, name##_op>     \
  void array_values(int n, T* v, const T* x, const T* y) { vector_math::name(x, y, v, static_cast<std::size_t>(n)); }
STOAT_VECTOR_BINARY(X)
#undef X

template <class T>
void array_logistic(int n, T* v, const T* x) {
  for (int i = 0; i < n; ++i) v[i] = -std::abs(x[i]);
  vector_math::exp(v, v, static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) v[i] = (x[i] >= 0 ? T(1) : v[i]) / (T(1) + v[i]);
}
template <class Op, std::floating_point T>
  requires std::same_as<Op, logistic_op>
void array_values(int n, T* v, const T* x) { array_logistic(n, v, x); }
template <class Op, std::floating_point T>
  requires std::same_as<Op, softplus_op>
void array_values(int n, T* v, const T* x) {
  for (int i = 0; i < n; ++i) v[i] = -std::abs(x[i]);
  vector_math::exp(v, v, static_cast<std::size_t>(n));
  vector_math::log1p(v, v, static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) v[i] += std::max(x[i], T(0));
}

// Derivatives that are vector functions themselves.
#define STOAT_ARRAY_PARTIAL(op, ...)                                                           \
  template <class Op, int K, std::floating_point T>                                            \
    requires std::same_as<Op, op##_op>                                                         \
  void array_partials(int n, T* d, [[maybe_unused]] const T* v, [[maybe_unused]] const T* x) { \
    [[maybe_unused]] const auto count = static_cast<std::size_t>(n);                           \
    __VA_ARGS__                                                                                \
  }
STOAT_ARRAY_PARTIAL(exp, std::copy_n(v, n, d);)
STOAT_ARRAY_PARTIAL(expm1, vector_math::exp(x, d, count);)
STOAT_ARRAY_PARTIAL(sin, vector_math::cos(x, d, count);)
STOAT_ARRAY_PARTIAL(cos, vector_math::sin(x, d, count); for (int i = 0; i < n; ++i) d[i] = -d[i];)
STOAT_ARRAY_PARTIAL(sinh, vector_math::cosh(x, d, count);)
STOAT_ARRAY_PARTIAL(cosh, vector_math::sinh(x, d, count);)
STOAT_ARRAY_PARTIAL(softplus, array_logistic(n, d, x);)
STOAT_ARRAY_PARTIAL(erf, for (int i = 0; i < n; ++i) d[i] = -x[i] * x[i]; vector_math::exp(d, d, count);
                    for (int i = 0; i < n; ++i) d[i] *= two_over_sqrt_pi<T>;)
STOAT_ARRAY_PARTIAL(erfc, for (int i = 0; i < n; ++i) d[i] = -x[i] * x[i]; vector_math::exp(d, d, count);
                    for (int i = 0; i < n; ++i) d[i] *= -two_over_sqrt_pi<T>;)
// 1 - v^2 and v (1 - v) cancel near 1; the few elements there are worked out one by one.
STOAT_ARRAY_PARTIAL(
    tanh, T largest = 0; for (int i = 0; i < n; ++i) {
      d[i] = T(1) - v[i] * v[i];
      largest = std::max(largest, std::abs(v[i]));
    } if (largest >= T(0.9)) for (int i = 0; i < n; ++i) if (std::abs(v[i]) >= T(0.9)) d[i] = tanh_slope(x[i], v[i]);)
STOAT_ARRAY_PARTIAL(
    logistic, T largest = 0; for (int i = 0; i < n; ++i) {
      d[i] = v[i] * (T(1) - v[i]);
      largest = std::max(largest, v[i]);
    } if (largest >= T(0.9)) for (int i = 0; i < n; ++i) if (v[i] >= T(0.9)) d[i] = Op::template partial<0>(x[i], v[i]);)
#undef STOAT_ARRAY_PARTIAL

/// A scalar among vectors.
template <class S>
struct CwiseScalar {
  S scalar;
};
template <class Op, class... A>
class Cwise;

/// Whether a type is known to have one column.
template <class A>
inline constexpr bool is_column = false;
template <class S>
inline constexpr bool is_column<Vector<S>> = true;
template <class Op, class... A>
inline constexpr bool is_column<Cwise<Op, A...>> = (is_column<A> || ...);
template <class A>
inline constexpr int columns_of = is_column<A> ? 1 : Eigen::Dynamic;

// ---- evaluation -------------------------------------------------------------------------------------------------------

/// What has been multiplied on the way down to an operand: the same for all elements ...
template <class T>
struct UniformSlope {
  T scale;
};
/// ... or for each its own, times a common factor.
template <class T>
struct ArraySlope {
  const T* values;
  T scale;
};

/// What operands of an expression have in common: they keep the slopes that arrive at them.
template <class T>
struct OperandEvaluator {
  T* partials = nullptr;
  T scale{};

  /// Where slopes of a stretch are to be written.
  T* slopes(const Stretch& s, Eigen::Index size) {
    if (!partials) partials = Tape<T>::current()->arena().template allocate<T>(static_cast<std::size_t>(size));
    return partials + s.first;
  }
  void push(const Stretch&, Eigen::Index, UniformSlope<T> m) { scale = m.scale; }
  void push(const Stretch& s, Eigen::Index size, ArraySlope<T> m) {
    T* const to = slopes(s, size);
    if (to != m.values) std::copy_n(m.values, s.n, to);
    scale = m.scale;
  }
};

/// Evaluates a node in the numbers T of the operation.
template <class T, class Node>
struct Evaluator;

/// The elements of a vector or matrix.
template <class T, class U, int C>
struct Evaluator<T, Dense<U, C>> : OperandEvaluator<T> {
  using A = ValueOf<U>;
  static constexpr bool active = is_var<U>, constant = false;
  static constexpr std::size_t terms = active;
  Run<A> run;
  const T* now = nullptr;
  alignas(64) std::array<T, stretch> buffer;

  explicit Evaluator(const Dense<U, C>& d) : run(d.run()) {
    if constexpr (active) check_tape(Tape<T>::current(), d.first(), d.tag());
  }
  bool live() const { return active && run.at != 0; }
  bool flat() const { return run.is_contiguous(); }
  const T* values(const Stretch& s) {
    const A* from = run.values + run.offset(s.row, s.col);
    if constexpr (std::same_as<A, T>) {
      if (run.row_stride == 1 || s.n == 1) return now = from;
    }
    for (int i = 0; i < s.n; ++i) buffer[static_cast<std::size_t>(i)] = T(from[i * run.row_stride]);
    return now = buffer.data();
  }
  const T* again() const { return now; }
  CwiseTerm<T>* collect(CwiseTerm<T>* out) const {
    if (live()) *out++ = {run, this->partials, this->scale, run.at};
    return out;
  }
};

/// One scalar for all elements.
template <class T, class S>
struct Evaluator<T, CwiseScalar<S>> : OperandEvaluator<T> {
  static constexpr bool active = is_var<S>, constant = !active;
  static constexpr std::size_t terms = active;
  T value{};
  Index at = 0;
  int filled = 0;
  alignas(64) std::array<T, stretch> buffer;

  explicit Evaluator(const CwiseScalar<S>& s) {
    if constexpr (!active) {
      value = T(s.scalar);
    } else {
      value = s.scalar.value();
      at = s.scalar.index();
      check_tape(Tape<T>::current(), at, s.scalar.tag());
    }
  }
  bool live() const { return at != 0; }
  bool flat() const { return true; }
  const T* values(const Stretch& s) {
    while (filled < s.n) buffer[static_cast<std::size_t>(filled++)] = value;
    return buffer.data();
  }
  const T* again() const { return buffer.data(); }
  CwiseTerm<T>* collect(CwiseTerm<T>* out) const {
    if (live()) *out++ = {Layout{0, 0, 0, 0}, this->partials, this->scale, at};
    return out;
  }
};

/// The derivative of Op with respect to argument K where it is the same number everywhere, else 0.
template <class Op, int K>
inline constexpr int constant_partial = 0;
template <int K>
inline constexpr int constant_partial<Add, K> = 1;
template <>
inline constexpr int constant_partial<Subtract, 0> = 1;
template <>
inline constexpr int constant_partial<Subtract, 1> = -1;
template <>
inline constexpr int constant_partial<Negate, 0> = -1;

/// Op of other nodes.
template <class T, class Op, class... A>
struct Evaluator<T, Cwise<Op, A...>> {
  static constexpr bool active = (Evaluator<T, A>::active || ...), constant = false;
  static constexpr std::size_t terms = (Evaluator<T, A>::terms + ...);
  std::tuple<Evaluator<T, A>...> arguments;
  T* now = nullptr;
  alignas(64) std::array<T, stretch> buffer, slope_buffer;

  explicit Evaluator(const Cwise<Op, A...>& node) : arguments(node.operands()) {}
  bool live() const {
    return std::apply([](const auto&... a) { return (a.live() || ...); }, arguments);
  }
  bool flat() const {
    return std::apply([](const auto&... a) { return (a.flat() && ...); }, arguments);
  }
  const T* values(const Stretch& s) { return values(s, buffer.data()); }
  const T* values(const Stretch& s, T* target) {
    now = target;
    std::apply([&](auto&... a) { array_values<Op>(s.n, now, a.values(s)...); }, arguments);
    return now;
  }
  const T* again() const { return now; }
  T* slopes(const Stretch&, Eigen::Index) { return slope_buffer.data(); }
  /// Sends a slope at the result on to the operands. Arguments and result of this stretch must just have been evaluated.
  template <class Slope>
  void push(const Stretch& s, Eigen::Index size, Slope m) {
    [&]<int... K>(std::integer_sequence<int, K...>) { (push_argument<K>(s, size, m), ...); }
    (std::make_integer_sequence<int, sizeof...(A)>{});
  }
  CwiseTerm<T>* collect(CwiseTerm<T>* out) const {
    std::apply([&](const auto&... a) { ((out = a.collect(out)), ...); }, arguments);
    return out;
  }

 private:
  template <int K>
  using Argument = std::tuple_element_t<static_cast<std::size_t>(K), std::tuple<Evaluator<T, A>...>>;
  /// x c or c x with a constant c.
  template <int K>
  static constexpr bool scaled() {
    if constexpr (std::same_as<Op, Multiply>) return Argument<1 - K>::constant;
    else return false;
  }
  template <int K, class Slope>
  void push_argument(const Stretch& s, Eigen::Index size, Slope m) {
    if constexpr (Argument<K>::active) {
      auto& a = std::get<static_cast<std::size_t>(K)>(arguments);
      if (!a.live()) return;
      if constexpr (constant_partial<Op, K> != 0) {
        m.scale = T(constant_partial<Op, K>) * m.scale;
        a.push(s, size, m);
      } else if constexpr (scaled<K>()) {
        m.scale = std::get<static_cast<std::size_t>(1 - K)>(arguments).value * m.scale;
        a.push(s, size, m);
      } else {
        T* const d = a.slopes(s, size);
        std::apply([&](const auto&... x) { array_partials<Op, K>(s.n, d, static_cast<const T*>(now), x.again()...); }, arguments);
        if constexpr (std::same_as<Slope, ArraySlope<T>>)
          for (int i = 0; i < s.n; ++i) d[i] = d[i] * m.values[i];
        a.push(s, size, ArraySlope<T>{d, m.scale});
      }
    }
  }
};

/// Op of vectors, matrices and scalars, element by element.
template <class Op, class... A>
class Cwise {
 public:
  using IsDense = void;
  using IsCwise = void;
  using Scalar = CommonScalar<A...>;

  explicit Cwise(A... operands) : operands_(std::move(operands)...) {
    std::apply([&](const auto&... a) { (fit(a), ...); }, operands_);
  }
  Eigen::Index rows() const { return rows_; }
  Eigen::Index cols() const { return cols_; }
  Eigen::Index size() const { return rows_ * cols_; }
  const std::tuple<A...>& operands() const { return operands_; }

  template <int C>
  Dense<Scalar, C> evaluate() const {
    using T = ValueOf<Scalar>;
    Evaluator<T, Cwise> e(*this);
    if constexpr (!is_var<Scalar>) {
      return Dense<Scalar, C>::filled(rows_, cols_,
                                      [&](T* out) { each_stretch(e, [&](const Stretch& s) { e.values(s, out + s.first); }); });
    } else {
      auto constants = Dense<Scalar, C>::filled(rows_, cols_, [&](T* out) {
        const bool live = e.live();
        each_stretch(e, [&](const Stretch& s) {
          e.values(s, out + s.first);
          if (live) e.push(s, size(), UniformSlope<T>{T(1)});
        });
      });
      std::array<CwiseTerm<T>, Evaluator<T, Cwise>::terms> terms;
      const auto count = static_cast<std::size_t>(e.collect(terms.data()) - terms.data());
      if (count == 0 || size() == 0) return constants;
      const Index first = record_cwise<T>(size(), std::span<const CwiseTerm<T>>(terms.data(), count));
      return Dense<Scalar, C>::on_tape(constants.data(), first, rows_, cols_);
    }
  }

 private:
  template <class E, class F>
  void each_stretch(const E& e, F&& f) const {
    // Without gaps anywhere, the elements are one long column.
    const bool flat = e.flat();
    const Eigen::Index rows = flat ? size() : rows_, cols = flat ? (size() > 0) : cols_;
    for (Eigen::Index j = 0; j < cols; ++j)
      for (Eigen::Index i = 0; i < rows; i += stretch)
        f(Stretch{i, j, j * rows + i, static_cast<int>(std::min<Eigen::Index>(stretch, rows - i))});
  }
  template <class B>
  void fit(const B& b) {
    if constexpr (DenseLike<B>) {
      if (rows_ < 0) rows_ = b.rows(), cols_ = b.cols();
      else if (rows_ != b.rows() || cols_ != b.cols()) shape_mismatch(Op::title, rows_, cols_, b.rows(), b.cols());
    }
  }

  std::tuple<A...> operands_;
  Eigen::Index rows_ = -1, cols_ = -1;
};

/// An operand of an operation on scalars S as a node: dense ones by value (copies are views), scalars evaluated.
template <class S, class A>
auto cwise_operand(A&& a) {
  if constexpr (DenseLike<A>) return std::remove_cvref_t<A>(std::forward<A>(a));
  else if constexpr (Number<A>) return CwiseScalar<BaseOf<S>>{static_cast<BaseOf<S>>(a)};
  else return CwiseScalar<ScalarOf<A>>{ScalarOf<A>(std::forward<A>(a))};
}

template <class Op, class... A>
auto cwise(A&&... a) {
  using S = CommonScalar<A...>;
  return Cwise<Op, decltype(cwise_operand<S>(std::forward<A>(a)))...>(cwise_operand<S>(std::forward<A>(a))...);
}

}  // namespace detail

template <class S>
struct ScalarTraits<detail::CwiseScalar<S>> {
  using Scalar = S;
};
template <class Op, class... A>
struct ScalarTraits<detail::Cwise<Op, A...>> {
  using Scalar = typename detail::Cwise<Op, A...>::Scalar;
};

/// The result of an element-wise expression, or the vector or matrix itself.
template <class S, int C>
const Dense<S, C>& evaluated(const Dense<S, C>& a) {
  return a;
}
template <class Op, class... A>
auto evaluated(const detail::Cwise<Op, A...>& e) {
  if constexpr (detail::is_column<detail::Cwise<Op, A...>>) return Vector<ScalarOf<detail::Cwise<Op, A...>>>(e);
  else return Matrix<ScalarOf<detail::Cwise<Op, A...>>>(e);
}

template <class Op, class... A>
std::ostream& operator<<(std::ostream& out, const detail::Cwise<Op, A...>& e) {
  return out << evaluated(e);
}

extern template Index detail::record_cwise<float>(Eigen::Index, std::span<const detail::CwiseTerm<float>>);
extern template Index detail::record_cwise<double>(Eigen::Index, std::span<const detail::CwiseTerm<double>>);
extern template Index detail::record_cwise<Dual<double>>(Eigen::Index, std::span<const detail::CwiseTerm<Dual<double>>>);
extern template Index detail::record_cwise<Dual<double, 4>>(Eigen::Index, std::span<const detail::CwiseTerm<Dual<double, 4>>>);
extern template Index detail::record_cwise<NestedDual<2>>(Eigen::Index, std::span<const detail::CwiseTerm<NestedDual<2>>>);
extern template Index detail::record_cwise<NestedDual<3>>(Eigen::Index, std::span<const detail::CwiseTerm<NestedDual<3>>>);

}  // namespace stoat
