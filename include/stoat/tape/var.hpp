// stoat/tape/var.hpp: the scalar variable, and expressions of it.
//
// An arithmetic expression of variables is a small tree on the stack (an expression template); assigning it to a Var
// records one statement with the partial derivative for each leaf. Declare values as S or Var rather than auto: an expression
// kept in auto holds the values its variables had and may be used again, but each use records it again.
#pragma once

#include <concepts>
#include <ostream>

#include <stoat/tape/functions.hpp>
#include <stoat/tape/special_functions.hpp>
#include <stoat/tape/tape.hpp>

namespace stoat {

/// Base of all expressions; makes the functions of namespace stoat visible to them.
struct Expression {};

namespace detail {
template <class E>
concept IsNode = std::derived_from<std::remove_cvref_t<E>, Expression>;

}  // namespace detail

/// A scalar of type T with a place on the tape, or a plain constant ("passive", index 0). 16 bytes for double in every
/// build; debug builds check that it is used on its own tape and was not rewound.
template <class T>
class Var {
 public:
  using Value = T;

  Var() = default;
  /// A passive value.
  template <class A>
    requires(Number<A> || std::same_as<A, T>)
  Var(const A& value) : value_(static_cast<T>(value)) {}
  /// Evaluates an expression and records it on the current tape, unless all of it is passive.
  template <detail::IsNode E>
    requires std::same_as<ScalarOf<E>, Var<T>> Var(E&& e) { set(std::forward<E>(e)); }
  Var(T value, Index index, std::uint32_t tag) : value_(value), index_(index), tag_(tag) {}

  // Another holder of the same index: what is appended to one would change the other.
  Var(const Var& other) : value_(other.value_), index_(other.index_), tag_(other.tag_) { Tape<T>::close(index_); }
  Var& operator=(const Var& other) {
    value_ = other.value_, index_ = other.index_, tag_ = other.tag_;
    Tape<T>::close(index_);
    return *this;
  }
  template <detail::IsNode E>
  requires std::same_as<ScalarOf<E>, Var<T>> Var& operator=(E&& e) {
    set(std::forward<E>(e));
    return *this;
  }

  T value() const { return value_; }
  Index index() const {
    Tape<T>::close(index_);
    return index_;
  }
  std::uint32_t tag() const { return tag_; }
  bool active() const { return index_ != 0; }

  template <class E>
  Var& operator+=(E&& e) {
    accumulate(T(1), std::forward<E>(e));
    return *this;
  }
  template <class E>
  Var& operator-=(E&& e) {
    accumulate(T(-1), std::forward<E>(e));
    return *this;
  }
  template <class E>
  Var& operator*=(E&& e) {
    set(*this * std::forward<E>(e));
    return *this;
  }
  template <class E>
  Var& operator/=(E&& e) {
    set(*this / std::forward<E>(e));
    return *this;
  }

 private:
  template <class E>
  [[gnu::always_inline]] void set(E&& e);
  template <class E>
  [[gnu::always_inline]] void accumulate(T sign, E&& e);

  T value_{};
  Index index_ = 0;
  std::uint32_t tag_ = 0;
};

template <class T>
struct ScalarTraits<Var<T>> {
  using Scalar = Var<T>;
};

namespace detail {

/// Debug builds: throws if a variable does not live on the current tape.
template <class T>
void check_tape([[maybe_unused]] const Tape<T>* tape, [[maybe_unused]] Index index, [[maybe_unused]] std::uint32_t tag) {
#ifndef NDEBUG
  if (index == 0) return;
  if (!tape) throw InvalidArgument("Var: an active variable is used while no tape is current");
  if (!tape->owns(index, tag))
    throw InvalidArgument("Var: a variable is used that is not on the current tape (of another tape, or rewound since)");
#endif
}

/// A variable as part of an expression; holds a copy, so it outlives the variable.
template <class T>
struct Leaf : Expression {
  static constexpr std::size_t leaves = 1;
  T value_;
  Index index_;
  std::uint32_t tag_;
  explicit Leaf(const Var<T>& v) : value_(v.value()), index_(v.index()), tag_(v.tag()) {}
  T value() const { return value_; }
  /// Not 0 if some leaf is active.
  Index activity() const { return index_; }
  void push(T multiplier, Partial<T>* partials, Argument* arguments) const {
    partials->value = multiplier;
    arguments->index = index_;
  }
  void check(const Tape<T>* tape) const { check_tape(tape, index_, tag_); }
};

template <class T>
struct Constant : Expression {
  static constexpr std::size_t leaves = 0;
  T value_;
  explicit Constant(T value) : value_(value) {}
  T value() const { return value_; }
  Index activity() const { return 0; }
  void push(T, Partial<T>*, Argument*) const {}
  void check(const Tape<T>*) const {}
};

/// Pushes what is behind argument `a`, whose partial derivative is worked out only if it has leaves.
template <class T, class A, class P>
[[gnu::always_inline]] inline void push_argument(const A& a, T multiplier, P&& partial, Partial<T>* partials, Argument* arguments) {
  if constexpr (A::leaves > 0) a.push(multiplier * partial(), partials, arguments);
}

/// Op(a), Op(a, b) or Op(a, b, c), see apply.hpp.
template <class T, class Op, class A, class... B>
struct Function;

template <class T, class Op, class A>
struct Function<T, Op, A> : Expression {
  static constexpr std::size_t leaves = A::leaves;
  A a;
  T value_;
  explicit Function(const A& x) : a(x), value_(evaluate<Op>(x.value())) {}
  T value() const { return value_; }
  Index activity() const { return a.activity(); }
  [[gnu::always_inline]] void push(T m, Partial<T>* partials, Argument* arguments) const {
    push_argument(
        a, m, [&] { return Op::template partial<0>(a.value(), value_); }, partials, arguments);
  }
  void check(const Tape<T>* tape) const { a.check(tape); }
};

template <class T, class Op, class A, class B>
struct Function<T, Op, A, B> : Expression {
  static constexpr std::size_t leaves = A::leaves + B::leaves;
  A a;
  B b;
  T value_;
  Function(const A& x, const B& y) : a(x), b(y), value_(evaluate<Op>(x.value(), y.value())) {}
  T value() const { return value_; }
  Index activity() const { return a.activity() | b.activity(); }
  [[gnu::always_inline]] void push(T m, Partial<T>* partials, Argument* arguments) const {
    push_argument(
        a, m, [&] { return Op::template partial<0>(a.value(), b.value(), value_); }, partials, arguments);
    push_argument(
        b, m, [&] { return Op::template partial<1>(a.value(), b.value(), value_); }, partials + A::leaves, arguments + A::leaves);
  }
  void check(const Tape<T>* tape) const { a.check(tape), b.check(tape); }
};

template <class T, class Op, class A, class B, class C>
struct Function<T, Op, A, B, C> : Expression {
  static constexpr std::size_t leaves = A::leaves + B::leaves + C::leaves;
  A a;
  B b;
  C c;
  T value_;
  Function(const A& x, const B& y, const C& z) : a(x), b(y), c(z), value_(evaluate<Op>(x.value(), y.value(), z.value())) {}
  T value() const { return value_; }
  Index activity() const { return a.activity() | b.activity() | c.activity(); }
  [[gnu::always_inline]] void push(T m, Partial<T>* partials, Argument* arguments) const {
    push_argument(
        a, m, [&] { return Op::template partial<0>(a.value(), b.value(), c.value(), value_); }, partials, arguments);
    push_argument(
        b, m, [&] { return Op::template partial<1>(a.value(), b.value(), c.value(), value_); }, partials + A::leaves,
        arguments + A::leaves);
    push_argument(
        c, m, [&] { return Op::template partial<2>(a.value(), b.value(), c.value(), value_); }, partials + A::leaves + B::leaves,
        arguments + A::leaves + B::leaves);
  }
  void check(const Tape<T>* tape) const { a.check(tape), b.check(tape), c.check(tape); }
};

/// sign * a
template <class T, class A>
struct Signed : Expression {
  static constexpr std::size_t leaves = A::leaves;
  const A& a;
  T sign;
  [[gnu::always_inline]] void push(T m, Partial<T>* partials, Argument* arguments) const { a.push(m * sign, partials, arguments); }
};
/// self + sign * a
template <class T, class A>
struct Accumulated : Expression {
  static constexpr std::size_t leaves = 1 + A::leaves;
  Leaf<T> self;
  const A& a;
  T sign;
  [[gnu::always_inline]] void push(T m, Partial<T>* partials, Argument* arguments) const {
    self.push(m, partials, arguments);
    a.push(m * sign, partials + 1, arguments + 1);
  }
};

}  // namespace detail

template <class T>
struct ScalarTraits<detail::Leaf<T>> {
  using Scalar = Var<T>;
};
template <class T, class Op, class... A>
struct ScalarTraits<detail::Function<T, Op, A...>> {
  using Scalar = Var<T>;
};

namespace detail {

/// The expression node of an operand, for arithmetic in T.
template <class T, class E>
auto node(E&& e) {
  if constexpr (Number<E> || std::same_as<std::remove_cvref_t<E>, T>) {
    return Constant<T>(static_cast<T>(e));
  } else if constexpr (IsNode<E>) {
    return std::remove_cvref_t<E>(e);
  } else if constexpr (std::same_as<std::remove_cvref_t<E>, Var<T>>) {
    return Leaf<T>(e);
  } else {
    return Leaf<T>(e.scalar());
  }
}

template <class Op, class... A>
auto expression(A&&... a) {
  using T = ValueOf<CommonScalar<A...>>;
  return Function<T, Op, decltype(node<T>(std::forward<A>(a)))...>(node<T>(std::forward<A>(a))...);
}

/// The number behind an operand; a comparison of an active value is noted on its tape.
template <class T, class E>
T compared(E&& e) {
  const auto n = node<T>(std::forward<E>(e));
  if (n.activity() != 0)
    if (Tape<T>* tape = Tape<T>::current()) tape->note_comparison();
  return n.value();
}

}  // namespace detail

template <class T>
template <class E>
inline void Var<T>::set(E&& e) {
  if (e.activity() != 0) {
    Tape<T>* const tape = Tape<T>::current();
    e.check(tape);
    index_ = tape->statement(e);
    tag_ = tape->tag();
  } else {
    index_ = 0;
  }
  value_ = e.value();
}

template <class T>
template <class E>
inline void Var<T>::accumulate(T sign, E&& e) {
  static_assert(Number<E> || std::same_as<std::remove_cvref_t<E>, T> || (VarLike<E> && std::same_as<ScalarOf<E>, Var<T>>),
                "stoat: += or -= with a value of another scalar type");
  const auto n = detail::node<T>(std::forward<E>(e));
  using Node = std::remove_const_t<decltype(n)>;
  const T value = value_ + sign * n.value();
  if (index_ == 0) {
    if (n.activity() != 0) {
      Tape<T>* const tape = Tape<T>::current();
      n.check(tape);
      index_ = tape->statement(detail::Signed<T, Node>{{}, n, sign});
      tag_ = tape->tag();
      Tape<T>::open(index_);
    }
  } else {
    Tape<T>* const tape = Tape<T>::current();
    n.check(tape);
    if (!tape->append(index_, sign, n)) {
      const detail::Leaf<T> self(*this);
      self.check(tape);
      index_ = tape->statement(detail::Accumulated<T, Node>{{}, self, n, sign});
      tag_ = tape->tag();
      Tape<T>::open(index_);
    }
  }
  value_ = value;
}

/// x itself, as a variable.
template <VarLike A>
ScalarOf<A> operator+(A&& a) {
  if constexpr (detail::IsNode<A>) return ScalarOf<A>(std::forward<A>(a));
  else return a;
}

/// Two values that are compared as variables: a comparison of discrete draws alone is another matter.
template <class A, class B>
concept ComparedAsVar =
    detail::Operands<A, B> && is_var<CommonScalar<A, B>> && !DenseLike<A> && !DenseLike<B> &&
    (detail::IsNode<A> || detail::IsNode<B> || is_var<std::remove_cvref_t<A>> || is_var<std::remove_cvref_t<B>>);
/// Two values that are compared as Duals, by their values.
template <class A, class B>
concept ComparedAsDual = detail::Operands<A, B> && is_dual<CommonScalar<A, B>> && !DenseLike<A> && !DenseLike<B> &&
                         (is_dual<std::remove_cvref_t<A>> || is_dual<std::remove_cvref_t<B>>);

#define STOAT_COMPARISON(op)                                \
  template <class A, class B>                               \
    requires ComparedAsVar<A, B>                            \
  bool operator op(A&& a, B&& b) {                          \
    using T = ValueOf<CommonScalar<A, B>>;                  \
    const T left = detail::compared<T>(std::forward<A>(a)); \
    return left op detail::compared<T>(std::forward<B>(b)); \
  }                                                         \
  template <class A, class B>                               \
    requires ComparedAsDual<A, B>                           \
  bool operator op(const A& a, const B& b) { return detail::plain_base(a) op detail::plain_base(b); }
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
  return detail::node<ValueOf<ScalarOf<A>>>(std::forward<A>(a)).value();
}
template <class T, int N>
T value(const Dual<T, N>& a) {
  return a.value();
}

// Functions without a derivative to speak of: steps, whose jumps are noted like a comparison, and questions about the value.
#define STOAT_STEP(name)                                                              \
  template <VarLike A>                                                                \
  ScalarOf<A> name(A&& a) {                                                           \
    using T = ValueOf<ScalarOf<A>>;                                                   \
    return T(std::name(detail::base_value(detail::compared<T>(std::forward<A>(a))))); \
  }                                                                                   \
  template <class T, int N>                                                           \
  Dual<T, N> name(const Dual<T, N>& a) {                                              \
    return std::name(detail::base_value(a));                                          \
  }
/// The nearest integer in the direction of the name, a constant.
STOAT_STEP(ceil)
STOAT_STEP(floor)
STOAT_STEP(nearbyint)
STOAT_STEP(rint)
STOAT_STEP(round)
STOAT_STEP(trunc)
#undef STOAT_STEP

#define STOAT_QUESTION(name)                                         \
  template <VarLike A>                                               \
  bool name(A&& a) {                                                 \
    return std::name(detail::base_value(value(std::forward<A>(a)))); \
  }                                                                  \
  template <class T, int N>                                          \
  bool name(const Dual<T, N>& a) {                                   \
    return std::name(detail::base_value(a));                         \
  }
STOAT_QUESTION(isfinite)
STOAT_QUESTION(isinf)
STOAT_QUESTION(isnan)
STOAT_QUESTION(isnormal)
STOAT_QUESTION(signbit)
#undef STOAT_QUESTION

/// Mantissa and exponent of x = m 2^e; dm/dx = 2^-e.
template <class A>
  requires(VarLike<A> || is_dual<std::remove_cvref_t<A>>)
auto frexp(A&& a, int* exponent) {
  const ScalarOf<A> x = std::forward<A>(a);
  (void)std::frexp(detail::base_value(value(x)), exponent);
  return ScalarOf<A>(ldexp(x, -*exponent));
}
/// Fractional and integral part, the latter a constant; d = 1.
template <class A>
  requires(VarLike<A> || is_dual<std::remove_cvref_t<A>>)
auto modf(A&& a, ScalarOf<A>* integral) {
  const ScalarOf<A> x = std::forward<A>(a);
  *integral = trunc(x);
  return ScalarOf<A>(x - *integral);
}
/// As remainder(), and the low bits of n.
template <class A, class B>
  requires(detail::Operands<A, B> && !DenseLike<A> && !DenseLike<B>)
auto remquo(A&& a, B&& b, int* quotient) {
  using S = CommonScalar<A, B>;
  const S x = std::forward<A>(a), y = std::forward<B>(b);
  (void)std::remquo(detail::base_value(value(x)), detail::base_value(value(y)), quotient);
  return S(remainder(x, y));
}

template <VarLike A>
std::ostream& operator<<(std::ostream& out, A&& a) {
  return out << value(std::forward<A>(a));
}

}  // namespace stoat
