// stoat/tape/scalar.hpp: which scalar an operand stands for, and which kinds of operands there are.
//
// A generic program is written in a scalar S: a plain number, a Dual (forward mode) or a Var (reverse mode). Besides S
// itself, expressions of it, discrete draws and whole vectors take part in arithmetic. Every function and operator is defined
// once, for all of them; apply() in functions.hpp sends a call where it belongs by the kind of its operands.
#pragma once

#include <concepts>
#include <type_traits>

namespace stoat {

template <class T>
class Var;
template <class T, int N = 1>
class Dual;

/// Specialised by every type that stands for a scalar: numbers, Var, expressions of it, Dual, Discrete.
template <class E>
struct ScalarTraits {};

template <class E>
  requires std::is_arithmetic_v<E>
struct ScalarTraits<E> {
  using Scalar = std::conditional_t<std::is_same_v<E, float>, float, double>;
};

/// The scalar S that an argument of type E stands for: double for integers, Var<T> for an expression of Var<T>. For
/// vectors and matrices, the scalar of their elements.
template <class E>
using ScalarOf = typename ScalarTraits<std::remove_cvref_t<E>>::Scalar;

template <class S>
inline constexpr bool is_var = false;
template <class T>
inline constexpr bool is_var<Var<T>> = true;

template <class S>
inline constexpr bool is_dual = false;
template <class T, int N>
inline constexpr bool is_dual<Dual<T, N>> = true;

/// A built-in number.
template <class E>
concept Number = std::is_arithmetic_v<std::remove_cvref_t<E>>;

/// Anything that stands for a Var in arithmetic: a Var, an expression, a discrete draw of a recorded program.
template <class E>
concept VarLike = requires {
  typename ScalarOf<E>;
}
&&is_var<ScalarOf<E>> && !requires { typename std::remove_cvref_t<E>::IsDense; };

/// A vector, a matrix, or an element-wise expression of them.
template <class E>
concept DenseLike = requires {
  typename std::remove_cvref_t<E>::IsDense;
};

namespace detail {

/// The type of the partial derivatives: T for Var<T>, otherwise the scalar itself.
template <class S>
struct NumberBehind {
  using type = S;
};
template <class T>
struct NumberBehind<Var<T>> {
  using type = T;
};

/// Which of two scalars an operation on both has: Var before Dual before the wider number.
template <class S>
inline constexpr int rank = is_var<S>                   ? 3
                            : is_dual<S>                ? 2
                            : std::is_same_v<S, double> ? 1
                                                        : 0;
template <class A, class... B>
struct Common {
  using type = A;
};
template <class A, class B, class... C>
struct Common<A, B, C...> {
  using type = typename Common<std::conditional_t<(rank<A> >= rank<B>), A, B>, C...>::type;
};

}  // namespace detail

/// The number behind a scalar: T for Var<T>, otherwise the scalar itself.
template <class S>
using ValueOf = typename detail::NumberBehind<S>::type;

namespace detail {
/// Built-in numbers are constants beside anything else, whatever their width.
template <class A, class... E>
struct CommonOf {
  using type = typename Common<ScalarOf<A>, ScalarOf<E>...>::type;
};
template <class A, class B, class... E>
  requires(Number<A> != Number<B>)
struct CommonOf<A, B, E...> : CommonOf<std::conditional_t<Number<A>, B, A>, E...> {};
template <class A, class B, class... E>
  requires(Number<A> == Number<B> && sizeof...(E) > 0)
struct CommonOf<A, B, E...> : CommonOf<std::conditional_t<(rank<ScalarOf<A>> >= rank<ScalarOf<B>>), A, B>, E...> {};
}  // namespace detail

/// The scalar of an operation on operands of these types.
template <class... E>
using CommonScalar = typename detail::CommonOf<E...>::type;

namespace detail {

/// The built-in number at the bottom of a scalar.
template <class S>
struct Base {
  using type = S;
};
template <class T>
struct Base<Var<T>> : Base<T> {};
template <class T, int N>
struct Base<Dual<T, N>> : Base<T> {};
template <class S>
using BaseOf = typename Base<S>::type;

template <class E>
concept Operand = requires {
  typename ScalarOf<E>;
};
/// A may stand beside scalars S: S itself, a constant of the numbers behind S, or a built-in number.
template <class A, class S>
concept Fits = Number<A> || std::same_as<ScalarOf<A>, S> || std::same_as<ScalarOf<A>, ValueOf<S>> ||
    (DenseLike<A>&& std::same_as<ScalarOf<A>, BaseOf<S>>);
template <class S, class... A>
inline constexpr bool all_fit = (Fits<A, S> && ...);

/// Operands of one operation, not all of them built-in numbers.
template <class... A>
concept Operands = (Operand<A> && ...) && !(Number<A> && ...) && all_fit<CommonScalar<A...>, A...>;

}  // namespace detail

}  // namespace stoat
