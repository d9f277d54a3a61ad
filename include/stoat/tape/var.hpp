// stoat/tape/var.hpp: the scalar variable, expressions of it, and mathematical functions.
//
// An arithmetic expression of variables is a small tree on the stack (an expression template); assigning it to a Var
// evaluates it and records one statement with the partial derivative for each leaf. Declare values as S or Var, not auto: an
// expression is consumed where it stands, and using a kept one again does not compile.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdlib>
#include <ostream>

#include <boost/math/special_functions/digamma.hpp>

#include <stoat/tape/tape.hpp>

namespace stoat {

// A generic program must mean the same in double and in Var. Without these, abs(-0.5) could find the integer ::abs.
using std::abs, std::acos, std::asin, std::atan, std::atan2, std::cbrt, std::cos, std::cosh, std::erf, std::erfc, std::exp,
    std::expm1, std::fabs, std::fmax, std::fmin, std::hypot, std::isfinite, std::lgamma, std::log, std::log10, std::log1p,
    std::log2, std::max, std::min, std::pow, std::sin, std::sinh, std::sqrt, std::tan, std::tanh;

/// 1 / (1 + e^-x), without overflow.
template <std::floating_point T>
T logistic(T x) {
  if (x >= 0) return T(1) / (T(1) + std::exp(-x));
  const T e = std::exp(x);
  return e / (T(1) + e);
}
/// log(1 + e^x), without overflow.
template <std::floating_point T>
T softplus(T x) {
  return std::max(x, T(0)) + std::log1p(std::exp(-std::abs(x)));
}
/// x^2
template <class T>
  requires std::is_arithmetic_v<T> T square(T x) { return x * x; }

/// A scalar of type T with a place on the tape, or a plain constant ("passive", index 0). 16 bytes for double.
template <class T>
class Var {
 public:
  using Value = T;

  Var() = default;
  /// A passive value.
  template <class A>
    requires std::is_arithmetic_v<A> Var(A value) : value_(static_cast<T>(value)) {}
    /// Evaluates an expression and records it on the current tape, unless all of it is passive.
    template <class E>
      requires requires { typename std::remove_cvref_t<E>::IsExpression; } && std::same_as<ScalarOf<E>, Var<T>> Var(E&& e) {
        static_assert(!std::is_lvalue_reference_v<E>,
                      "stoat: an expression kept in `auto` is used again; declare it as S (or Var) instead");
        value_ = e.value();
        if (e.active()) {
          Tape<T>* tape = Tape<T>::current();
          e.check(tape);
          index_ = tape->statement(e);
          tag_ = tape->tag();
        }
      }
    Var(T value, Index index, std::uint32_t tag) : value_(value), index_(index), tag_(tag) {}

    T value() const { return value_; }
    Index index() const { return index_; }
    std::uint32_t tag() const { return tag_; }
    bool active() const { return index_ != 0; }

    template <class E>
    Var& operator+=(E&& e) {
      return *this = Var(*this + std::forward<E>(e));
    }
    template <class E>
    Var& operator-=(E&& e) {
      return *this = Var(*this - std::forward<E>(e));
    }
    template <class E>
    Var& operator*=(E&& e) {
      return *this = Var(*this * std::forward<E>(e));
    }
    template <class E>
    Var& operator/=(E&& e) {
      return *this = Var(*this / std::forward<E>(e));
    }

   private:
    T value_ = 0;
    Index index_ = 0;
    std::uint32_t tag_ = 0;
};

template <class T>
struct ScalarTraits<Var<T>> {
  using Scalar = Var<T>;
};

namespace detail {

template <class T>
void check_tape([[maybe_unused]] const Tape<T>* tape, [[maybe_unused]] Index index, [[maybe_unused]] std::uint32_t tag) {
#ifndef NDEBUG
  if (index == 0) return;
  if (!tape) throw InvalidArgument("Var: an active variable is used while no tape is current");
  if (tag != tape->tag()) throw InvalidArgument("Var: a variable of one tape is used while another tape is current");
  if (index >= tape->size()) throw InvalidArgument("Var: a variable is used after its tape was rewound");
#endif
}

/// A variable as part of an expression; holds a copy, so it outlives the variable.
template <class T>
struct Leaf {
  using IsExpression = void;
  static constexpr std::size_t leaves = 1;
  T value_;
  Index index_;
  std::uint32_t tag_;
  T value() const { return value_; }
  bool active() const { return index_ != 0; }
  void push(T multiplier, T* partials, Index* indices) const { *partials = multiplier, *indices = index_; }
  void check(const Tape<T>* tape) const { check_tape(tape, index_, tag_); }
};

template <class T>
struct Constant {
  static constexpr std::size_t leaves = 0;
  T value_;
  T value() const { return value_; }
  bool active() const { return false; }
  void push(T, T*, Index*) const {}
  void check(const Tape<T>*) const {}
};

/// f(a) for a function Op with value(a) and derivative(a, f(a)).
template <class T, class Op, class A>
struct Unary {
  using IsExpression = void;
  static constexpr std::size_t leaves = A::leaves;
  A a;
  T value_;
  explicit Unary(const A& operand) : a(operand), value_(Op::value(operand.value())) {}
  T value() const { return value_; }
  bool active() const { return a.active(); }
  void push(T multiplier, T* partials, Index* indices) const {
    a.push(multiplier * Op::derivative(a.value(), value_), partials, indices);
  }
  void check(const Tape<T>* tape) const { a.check(tape); }
};

/// f(a, b) for a function Op with value(a, b), left(a, b, f) = df/da and right(a, b, f) = df/db.
template <class T, class Op, class A, class B>
struct Binary {
  using IsExpression = void;
  static constexpr std::size_t leaves = A::leaves + B::leaves;
  A a;
  B b;
  T value_;
  Binary(const A& left, const B& right) : a(left), b(right), value_(Op::value(left.value(), right.value())) {}
  T value() const { return value_; }
  bool active() const { return a.active() || b.active(); }
  void push(T multiplier, T* partials, Index* indices) const {
    if constexpr (A::leaves > 0) a.push(multiplier * Op::left(a.value(), b.value(), value_), partials, indices);
    if constexpr (B::leaves > 0)
      b.push(multiplier * Op::right(a.value(), b.value(), value_), partials + A::leaves, indices + A::leaves);
  }
  void check(const Tape<T>* tape) const { a.check(tape), b.check(tape); }
};

}  // namespace detail

template <class T>
struct ScalarTraits<detail::Leaf<T>> {
  using Scalar = Var<T>;
};
template <class T, class Op, class A>
struct ScalarTraits<detail::Unary<T, Op, A>> {
  using Scalar = Var<T>;
};
template <class T, class Op, class A, class B>
struct ScalarTraits<detail::Binary<T, Op, A, B>> {
  using Scalar = Var<T>;
};

/// Anything that stands for a Var in arithmetic: a Var, an expression, a discrete draw of a recorded program.
template <class E>
concept VarLike = requires {
  typename ScalarOf<E>;
}
&&is_var<ScalarOf<E>>;

template <class E>
concept Number = std::is_arithmetic_v<std::remove_cvref_t<E>>;

namespace detail {

template <class E>
concept IsNode = requires {
  typename std::remove_cvref_t<E>::IsExpression;
};

/// The expression node of an operand, for arithmetic in T.
template <class T, class E>
auto node(E&& e) {
  if constexpr (Number<E>) {
    return Constant<T>{static_cast<T>(e)};
  } else if constexpr (IsNode<E>) {
    static_assert(!std::is_lvalue_reference_v<E>,
                  "stoat: an expression kept in `auto` is used again; declare it as S (or Var) instead");
    return std::forward<E>(e);
  } else if constexpr (std::same_as<std::remove_cvref_t<E>, Var<T>>) {
    return Leaf<T>{e.value(), e.index(), e.tag()};
  } else {
    const Var<T> v = e.scalar();
    return Leaf<T>{v.value(), v.index(), v.tag()};
  }
}

template <class E>
using ValueOf = typename ScalarOf<E>::Value;

template <class A, class B>
struct PairValue {
  using type = ValueOf<A>;
};
template <class A, class B>
  requires(!VarLike<A>)
struct PairValue<A, B> {
  using type = ValueOf<B>;
};
template <class A, class B>
concept VarPair = (VarLike<A> && VarLike<B> && std::same_as<ScalarOf<A>, ScalarOf<B>>) || (VarLike<A> && Number<B>) ||
                  (Number<A> && VarLike<B>);

template <class Op, class A>
auto unary(A&& a) {
  using T = ValueOf<A>;
  auto n = node<T>(std::forward<A>(a));
  return Unary<T, Op, decltype(n)>(n);
}
template <class Op, class A, class B>
auto binary(A&& a, B&& b) {
  using T = typename PairValue<A, B>::type;
  auto m = node<T>(std::forward<A>(a));
  auto n = node<T>(std::forward<B>(b));
  return Binary<T, Op, decltype(m), decltype(n)>(m, n);
}

/// The number behind a VarLike or a number; a comparison of an active value is noted on its tape.
template <class T, class E>
T compared(E&& e) {
  const auto n = node<T>(std::forward<E>(e));
  if (n.active())
    if (Tape<T>* tape = Tape<T>::current()) tape->note_comparison();
  return n.value();
}

struct Add {
  template <class T>
  static T value(T a, T b) {
    return a + b;
  }
  template <class T>
  static T left(T, T, T) {
    return T(1);
  }
  template <class T>
  static T right(T, T, T) {
    return T(1);
  }
};
struct Subtract {
  template <class T>
  static T value(T a, T b) {
    return a - b;
  }
  template <class T>
  static T left(T, T, T) {
    return T(1);
  }
  template <class T>
  static T right(T, T, T) {
    return T(-1);
  }
};
struct Multiply {
  template <class T>
  static T value(T a, T b) {
    return a * b;
  }
  template <class T>
  static T left(T, T b, T) {
    return b;
  }
  template <class T>
  static T right(T a, T, T) {
    return a;
  }
};
struct Divide {
  template <class T>
  static T value(T a, T b) {
    return a / b;
  }
  template <class T>
  static T left(T, T b, T) {
    return T(1) / b;
  }
  template <class T>
  static T right(T, T b, T v) {
    return -v / b;
  }
};
struct Negate {
  template <class T>
  static T value(T a) {
    return -a;
  }
  template <class T>
  static T derivative(T, T) {
    return T(-1);
  }
};

}  // namespace detail

template <class A, class B>
  requires detail::VarPair<A, B>
auto operator+(A&& a, B&& b) { return detail::binary<detail::Add>(std::forward<A>(a), std::forward<B>(b)); }
template <class A, class B>
  requires detail::VarPair<A, B>
auto operator-(A&& a, B&& b) { return detail::binary<detail::Subtract>(std::forward<A>(a), std::forward<B>(b)); }
template <class A, class B>
  requires detail::VarPair<A, B>
auto operator*(A&& a, B&& b) { return detail::binary<detail::Multiply>(std::forward<A>(a), std::forward<B>(b)); }
template <class A, class B>
  requires detail::VarPair<A, B>
auto operator/(A&& a, B&& b) { return detail::binary<detail::Divide>(std::forward<A>(a), std::forward<B>(b)); }
template <VarLike A>
auto operator-(A&& a) {
  return detail::unary<detail::Negate>(std::forward<A>(a));
}
template <VarLike A>
ScalarOf<A> operator+(A&& a) {
  return ScalarOf<A>(detail::node<detail::ValueOf<A>>(std::forward<A>(a)));
}

/// Two values that are compared as variables: a comparison of discrete draws alone is another matter.
template <class A, class B>
concept ComparedAsVar = detail::VarPair<A, B> &&
    (detail::IsNode<A> || detail::IsNode<B> || is_var<std::remove_cvref_t<A>> || is_var<std::remove_cvref_t<B>>);

#define STOAT_COMPARISON(op)                                \
  template <class A, class B>                               \
    requires ComparedAsVar<A, B>                            \
  bool operator op(A&& a, B&& b) {                          \
    using T = typename detail::PairValue<A, B>::type;       \
    const T left = detail::compared<T>(std::forward<A>(a)); \
    return left op detail::compared<T>(std::forward<B>(b)); \
  }
STOAT_COMPARISON(<)
STOAT_COMPARISON(<=)
STOAT_COMPARISON(>)
STOAT_COMPARISON(>=)
STOAT_COMPARISON(==)
STOAT_COMPARISON(!=)
#undef STOAT_COMPARISON

/// The number behind a value, cut off from the tape. Comparing value(x) is not counted.
template <Number A>
A value(A a) {
  return a;
}
template <VarLike A>
auto value(A&& a) {
  return detail::node<detail::ValueOf<A>>(std::forward<A>(a)).value();
}

// name, value of f(x), derivative f'(x) in terms of x and v = f(x)
#define STOAT_UNARY(name, f, df)                                      \
  namespace detail {                                                  \
  struct name##_op {                                                  \
    template <class T>                                                \
    static T value(T x) {                                             \
      return f;                                                       \
    }                                                                 \
    template <class T>                                                \
    static T derivative([[maybe_unused]] T x, [[maybe_unused]] T v) { \
      return df;                                                      \
    }                                                                 \
  };                                                                  \
  }                                                                   \
  template <VarLike A>                                                \
  auto name(A&& a) {                                                  \
    return detail::unary<detail::name##_op>(std::forward<A>(a));      \
  }

STOAT_UNARY(exp, std::exp(x), v)
STOAT_UNARY(expm1, std::expm1(x), v + T(1))
STOAT_UNARY(log, std::log(x), T(1) / x)
STOAT_UNARY(log1p, std::log1p(x), T(1) / (T(1) + x))
STOAT_UNARY(log2, std::log2(x), T(1.4426950408889634074) / x)
STOAT_UNARY(log10, std::log10(x), T(0.43429448190325182765) / x)
STOAT_UNARY(sqrt, std::sqrt(x), T(0.5) / v)
STOAT_UNARY(cbrt, std::cbrt(x), v / (T(3) * x))
STOAT_UNARY(sin, std::sin(x), std::cos(x))
STOAT_UNARY(cos, std::cos(x), -std::sin(x))
STOAT_UNARY(tan, std::tan(x), T(1) + v * v)
STOAT_UNARY(asin, std::asin(x), T(1) / std::sqrt(T(1) - x * x))
STOAT_UNARY(acos, std::acos(x), T(-1) / std::sqrt(T(1) - x * x))
STOAT_UNARY(atan, std::atan(x), T(1) / (T(1) + x * x))
STOAT_UNARY(sinh, std::sinh(x), std::cosh(x))
STOAT_UNARY(cosh, std::cosh(x), std::sinh(x))
STOAT_UNARY(tanh, std::tanh(x), T(1) - v * v)
STOAT_UNARY(erf, std::erf(x), T(1.1283791670955125739) * std::exp(-x * x))
STOAT_UNARY(erfc, std::erfc(x), T(-1.1283791670955125739) * std::exp(-x * x))
STOAT_UNARY(lgamma, std::lgamma(x), boost::math::digamma(x))
STOAT_UNARY(abs, std::abs(x), T(x > T(0)) - T(x < T(0)))
STOAT_UNARY(fabs, std::abs(x), T(x > T(0)) - T(x < T(0)))
STOAT_UNARY(square, x* x, T(2) * x)
STOAT_UNARY(logistic, stoat::logistic(x), v*(T(1) - v))
STOAT_UNARY(softplus, stoat::softplus(x), stoat::logistic(x))
#undef STOAT_UNARY

// name, value of f(x, y), df/dx and df/dy in terms of x, y and v = f(x, y)
#define STOAT_BINARY(name, f, dx, dy)                                                  \
  namespace detail {                                                                   \
  struct name##_op {                                                                   \
    template <class T>                                                                 \
    static T value(T x, T y) {                                                         \
      return f;                                                                        \
    }                                                                                  \
    template <class T>                                                                 \
    static T left([[maybe_unused]] T x, [[maybe_unused]] T y, [[maybe_unused]] T v) {  \
      return dx;                                                                       \
    }                                                                                  \
    template <class T>                                                                 \
    static T right([[maybe_unused]] T x, [[maybe_unused]] T y, [[maybe_unused]] T v) { \
      return dy;                                                                       \
    }                                                                                  \
  };                                                                                   \
  }                                                                                    \
  template <class A, class B>                                                          \
    requires detail::VarPair<A, B>                                                     \
  auto name(A&& a, B&& b) { return detail::binary<detail::name##_op>(std::forward<A>(a), std::forward<B>(b)); }

STOAT_BINARY(pow, std::pow(x, y), y == T(0) ? T(0) : y * std::pow(x, y - T(1)), x == T(0) ? T(0) : std::log(x) * v)
STOAT_BINARY(atan2, std::atan2(x, y), y / (x * x + y * y), -x / (x * x + y * y))
STOAT_BINARY(hypot, std::hypot(x, y), x / v, y / v)
// At a tie the first argument is taken.
STOAT_BINARY(max, std::max(x, y), T(!(x < y)), T(x < y))
STOAT_BINARY(min, std::min(x, y), T(!(y < x)), T(y < x))
STOAT_BINARY(fmax, std::fmax(x, y), T(!(x < y)), T(x < y))
STOAT_BINARY(fmin, std::fmin(x, y), T(!(y < x)), T(y < x))
#undef STOAT_BINARY

template <VarLike A>
std::ostream& operator<<(std::ostream& out, A&& a) {
  return out << value(std::forward<A>(a));
}

}  // namespace stoat
