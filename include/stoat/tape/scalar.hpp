// stoat/tape/scalar.hpp: which scalar an expression stands for.
#pragma once

#include <type_traits>

namespace stoat {

template <class T>
class Var;

/// Specialised by every type that stands for a scalar: numbers, Var, expressions of it, Discrete.
template <class E>
struct ScalarTraits {};

template <class E>
  requires std::is_arithmetic_v<E>
struct ScalarTraits<E> {
  using Scalar = std::conditional_t<std::is_same_v<E, float>, float, double>;
};

/// The scalar S that an argument of type E stands for: double for integers, Var<T> for an expression of Var<T>.
template <class E>
using ScalarOf = typename ScalarTraits<std::remove_cvref_t<E>>::Scalar;

template <class S>
inline constexpr bool is_var = false;
template <class T>
inline constexpr bool is_var<Var<T>> = true;

namespace detail {
template <class A, class B>
struct Common {
  using type = std::conditional_t<
      is_var<A>, A,
      std::conditional_t<is_var<B>, B, std::conditional_t<std::is_same_v<A, float> && std::is_same_v<B, float>, float, double>>>;
};
template <class A>
struct Common<A, A> {
  using type = A;
};
}  // namespace detail

/// The scalar of an operation on A and B: the Var if one of them stands for a Var, otherwise the wider number.
template <class A, class B>
using CommonScalar = typename detail::Common<ScalarOf<A>, ScalarOf<B>>::type;

}  // namespace stoat
