// stoat/tape/apply.hpp: how a function of scalars is evaluated, recorded or spread over a vector.
//
// A function is a struct without state, `Op`, with
//   template <class T> static T value(T x, ...);                         // T = float or double
//   template <int K, class T> static T partial(T x, ..., T v);           // d value / d argument K, v = value(x, ...)
// partial() is generic in T: with T a Dual it yields second derivatives. functions.hpp is the table of these structs.
#pragma once

#include <cmath>
#include <type_traits>
#include <utility>

#include <stoat/tape/dual.hpp>
#include <stoat/tape/scalar.hpp>

namespace stoat::detail {

/// p * t, where an exact zero wins over an infinity: nothing times a vertical slope is nothing.
template <Number T>
T chained(T p, T t) {
  const T r = p * t;
  return std::isnan(r) && (p == T(0) || t == T(0)) ? T(0) : r;
}
template <class T, int N>
Dual<T, N> chained(const Dual<T, N>& p, const Dual<T, N>& t) {
  Dual<T, N> r(chained(p.value(), t.value()));
  for (int d = 0; d < N; ++d) r.tangent(d) = chained(p.value(), t.tangent(d)) + chained(p.tangent(d), t.value());
  return r;
}

/// The value of an argument of a Dual operation, in the numbers T of its values.
template <class T, class A>
T inner(const A& a) {
  if constexpr (is_dual<A>) return a.value();
  else return T(static_cast<BaseOf<T>>(a));
}

template <class Op, int K, class T, int N, class A, class... X>
void add_tangents(Dual<T, N>& r, const A& a, const T& v, const X&... x) {
  if constexpr (is_dual<A>) {
    const T p = Op::template partial<K>(x..., v);
    for (int d = 0; d < N; ++d) r.tangent(d) += chained(p, a.tangent(d));
  }
}

/// Op of numbers and Duals.
template <class Op, class... A>
auto evaluate(const A&... a) {
  using S = CommonScalar<A...>;
  if constexpr (!is_dual<S>) {
    return Op::value(static_cast<S>(a)...);
  } else {
    using T = typename S::Value;
    const T v = evaluate<Op>(inner<T>(a)...);
    S r(v);
    [&]<int... K>(std::integer_sequence<int, K...>) { (add_tangents<Op, K>(r, a, v, inner<T>(a)...), ...); }
    (std::make_integer_sequence<int, sizeof...(A)>{});
    return r;
  }
}

/// The number that an operand of a plain run stands for: itself, or the outcome of a draw.
template <class A>
decltype(auto) plain_operand(const A& a) {
  if constexpr (Number<A> || is_dual<A>) return (a);
  else return a.scalar();
}

/// The built-in number behind it.
template <class A>
auto plain_base(const A& a) {
  return base_value(plain_operand(a));
}

// Defined in var.hpp and cwise.hpp.
template <class Op, class... A>
auto expression(A&&... a);
template <class Op, class... A>
auto cwise(A&&... a);

/// Op of any operands: a number, a Dual, an expression to be recorded, or an element-wise expression.
template <class Op, class... A>
  requires Operands<A...>
auto apply(A&&... a) {
  if constexpr ((DenseLike<A> || ...)) return cwise<Op>(std::forward<A>(a)...);
  else if constexpr (is_var<CommonScalar<A...>>) return expression<Op>(std::forward<A>(a)...);
  else return evaluate<Op>(plain_operand(a)...);
}

}  // namespace stoat::detail
