// stoat/tape/functions.hpp: the table of functions and their derivatives.
//
// Each line defines a function for every kind of operand at once: variables, Duals, discrete draws, and element by element for
// vectors and matrices. Columns: name, value, partial derivatives, in terms of the arguments and of v, the value. A
// derivative that does not exist is chosen as follows: 0 for |x| and hypot at the origin, the first argument where min and
// max tie, the one-sided limit (which may be infinite) at the end of a domain. Outside a domain values are NaN, as in <cmath>.
#pragma once

#include <algorithm>
#include <concepts>
#include <numbers>

#include <stoat/tape/apply.hpp>

namespace stoat {

// A generic program must mean the same in double and in Var. Without these, abs(-0.5) could find the integer ::abs.
using std::abs, std::acos, std::acosh, std::asin, std::asinh, std::atan, std::atan2, std::atanh, std::cbrt, std::ceil,
    std::copysign, std::cos, std::cosh, std::erf, std::erfc, std::exp, std::exp2, std::expm1, std::fabs, std::fdim, std::floor,
    std::fma, std::fmax, std::fmin, std::fmod, std::frexp, std::hypot, std::isfinite, std::isinf, std::isnan, std::isnormal,
    std::ldexp, std::lerp, std::lgamma, std::log, std::log10, std::log1p, std::log2, std::max, std::min, std::modf, std::nearbyint,
    std::pow, std::remainder, std::remquo, std::rint, std::round, std::scalbln, std::scalbn, std::signbit, std::sin, std::sinh,
    std::sqrt, std::tan, std::tanh, std::tgamma, std::trunc;

namespace detail {
template <class T>
inline constexpr T two_over_sqrt_pi = T(2 * std::numbers::inv_sqrtpi_v<BaseOf<T>>);
}  // namespace detail

// clang-format off
#define STOAT_UNARY(name, f, df)                                                                                \
  namespace detail {                                                                                            \
  struct name##_op {                                                                                            \
    static constexpr const char* title = #name;                                                                 \
    template <class T> static T value([[maybe_unused]] T x) { return f; }                                       \
    template <int K, class T> static T partial([[maybe_unused]] const T& x, [[maybe_unused]] const T& v) {      \
      return df;                                                                                                \
    }                                                                                                           \
  };                                                                                                            \
  }                                                                                                             \
  template <class A> requires detail::Operands<A>                                                               \
  auto name(A&& a) { return detail::apply<detail::name##_op>(std::forward<A>(a)); }

#define STOAT_BINARY(name, f, dx, dy)                                                                           \
  namespace detail {                                                                                            \
  struct name##_op {                                                                                            \
    static constexpr const char* title = #name;                                                                 \
    template <class T> static T value(T x, T y) { return f; }                                                   \
    template <int K, class T> static T partial([[maybe_unused]] const T& x, [[maybe_unused]] const T& y,        \
                                               [[maybe_unused]] const T& v) {                                   \
      if constexpr (K == 0) return dx; else return dy;                                                          \
    }                                                                                                           \
  };                                                                                                            \
  }                                                                                                             \
  template <class A, class B> requires detail::Operands<A, B>                                                   \
  auto name(A&& a, B&& b) { return detail::apply<detail::name##_op>(std::forward<A>(a), std::forward<B>(b)); }

#define STOAT_TERNARY(name, op, f, dx, dy, dz)                                                                  \
  namespace detail {                                                                                            \
  struct op##_op {                                                                                              \
    static constexpr const char* title = #name;                                                                 \
    template <class T> static T value(T x, T y, T z) { return f; }                                              \
    template <int K, class T> static T partial([[maybe_unused]] const T& x, [[maybe_unused]] const T& y,        \
                                               [[maybe_unused]] const T& z, [[maybe_unused]] const T& v) {      \
      if constexpr (K == 0) return dx; else if constexpr (K == 1) return dy; else return dz;                    \
    }                                                                                                           \
  };                                                                                                            \
  }                                                                                                             \
  template <class A, class B, class C> requires detail::Operands<A, B, C>                                       \
  auto name(A&& a, B&& b, C&& c) {                                                                              \
    return detail::apply<detail::op##_op>(std::forward<A>(a), std::forward<B>(b), std::forward<C>(c));          \
  }

// A function whose first argument n is a plain number, in which it is not differentiated.
#define STOAT_ORDERED(name, f, dx)                                                                              \
  namespace detail {                                                                                            \
  struct name##_op {                                                                                            \
    static constexpr const char* title = #name;                                                                 \
    template <class T> static T value(T n, T x) { return f; }                                                   \
    template <int K, class T> static T partial([[maybe_unused]] const T& n, [[maybe_unused]] const T& x,        \
                                               [[maybe_unused]] const T& v) {                                   \
      if constexpr (K == 0) return T(0); else return dx;                                                        \
    }                                                                                                           \
  };                                                                                                            \
  }                                                                                                             \
  template <Number N, class A> requires detail::Operands<A>                                                     \
  auto name(N n, A&& a) { return detail::apply<detail::name##_op>(n, std::forward<A>(a)); }

// The same with two such arguments n and m.
#define STOAT_ORDERED2(name, f, dx)                                                                             \
  namespace detail {                                                                                            \
  struct name##_op {                                                                                            \
    static constexpr const char* title = #name;                                                                 \
    template <class T> static T value(T n, T m, T x) { return f; }                                              \
    template <int K, class T> static T partial([[maybe_unused]] const T& n, [[maybe_unused]] const T& m,        \
                                               [[maybe_unused]] const T& x, [[maybe_unused]] const T& v) {      \
      if constexpr (K < 2) return T(0); else return dx;                                                         \
    }                                                                                                           \
  };                                                                                                            \
  }                                                                                                             \
  template <Number N, Number M, class A> requires detail::Operands<A>                                           \
  auto name(N n, M m, A&& a) { return detail::apply<detail::name##_op>(n, m, std::forward<A>(a)); }

// The overload for built-in numbers of a function that <cmath> does not have.
#define STOAT_NUMERIC(name, arity)                                                                              \
  namespace detail { struct name##_op; }                                                                        \
  template <Number... A> requires(sizeof...(A) == arity)                                                        \
  auto name(A... a) { return detail::evaluate<detail::name##_op>(a...); }
// The same where the first arguments are orders, which do not widen the result.
#define STOAT_NUMERIC_ORDERED(name)                                                                             \
  namespace detail { struct name##_op; }                                                                        \
  template <Number N, Number A>                                                                                 \
  auto name(N n, A x) { return detail::evaluate<detail::name##_op>(static_cast<ScalarOf<A>>(n), x); }
#define STOAT_NUMERIC_ORDERED2(name)                                                                            \
  namespace detail { struct name##_op; }                                                                        \
  template <Number N, Number M, Number A>                                                                       \
  auto name(N n, M m, A x) {                                                                                    \
    return detail::evaluate<detail::name##_op>(static_cast<ScalarOf<A>>(n), static_cast<ScalarOf<A>>(m), x);    \
  }
// clang-format on

// ---- arithmetic -------------------------------------------------------------------------------------------------------

namespace detail {
struct Add {
  static constexpr const char* title = "operator+";
  template <class T>
  static T value(T x, T y) {
    return x + y;
  }
  template <int K, class T>
  static T partial(const T&, const T&, const T&) {
    return T(1);
  }
};
struct Subtract {
  static constexpr const char* title = "operator-";
  template <class T>
  static T value(T x, T y) {
    return x - y;
  }
  template <int K, class T>
  static T partial(const T&, const T&, const T&) {
    return T(K == 0 ? 1 : -1);
  }
};
struct Multiply {
  static constexpr const char* title = "element-wise product";
  template <class T>
  static T value(T x, T y) {
    return x * y;
  }
  template <int K, class T>
  static T partial(const T& x, const T& y, const T&) {
    return K == 0 ? y : x;
  }
};
struct Divide {
  static constexpr const char* title = "element-wise quotient";
  template <class T>
  static T value(T x, T y) {
    return x / y;
  }
  template <int K, class T>
  static T partial(const T&, const T& y, const T& v) {
    if constexpr (K == 0) return T(1) / y;
    else return -v / y;
  }
};
struct Negate {
  static constexpr const char* title = "operator-";
  template <class T>
  static T value(T x) {
    return -x;
  }
  template <int K, class T>
  static T partial(const T&, const T&) {
    return T(-1);
  }
};
template <class A, class B>
concept BothDense = DenseLike<A> && DenseLike<B>;
}  // namespace detail

/// x + y; element by element for vectors and matrices, with a scalar on either side added to every element.
template <class A, class B>
  requires detail::Operands<A, B>
auto operator+(A&& a, B&& b) { return detail::apply<detail::Add>(std::forward<A>(a), std::forward<B>(b)); }
/// x - y, likewise.
template <class A, class B>
  requires detail::Operands<A, B>
auto operator-(A&& a, B&& b) { return detail::apply<detail::Subtract>(std::forward<A>(a), std::forward<B>(b)); }
/// x y; of two vectors or matrices see product.hpp (the matrix product) and cwise_product.
template <class A, class B>
  requires(detail::Operands<A, B> && !detail::BothDense<A, B>)
auto operator*(A&& a, B&& b) { return detail::apply<detail::Multiply>(std::forward<A>(a), std::forward<B>(b)); }
/// x / y; of two vectors or matrices see cwise_quotient.
template <class A, class B>
  requires(detail::Operands<A, B> && !detail::BothDense<A, B>)
auto operator/(A&& a, B&& b) { return detail::apply<detail::Divide>(std::forward<A>(a), std::forward<B>(b)); }
/// -x
template <class A>
  requires detail::Operands<A>
auto operator-(A&& a) { return detail::apply<detail::Negate>(std::forward<A>(a)); }

/// The element-wise product of two vectors or matrices of equal shape.
template <class A, class B>
  requires(detail::Operands<A, B>&& detail::BothDense<A, B>)
auto cwise_product(A&& a, B&& b) { return detail::apply<detail::Multiply>(std::forward<A>(a), std::forward<B>(b)); }
/// The element-wise quotient of two vectors or matrices of equal shape.
template <class A, class B>
  requires(detail::Operands<A, B>&& detail::BothDense<A, B>)
auto cwise_quotient(A&& a, B&& b) { return detail::apply<detail::Divide>(std::forward<A>(a), std::forward<B>(b)); }

// ---- powers, exponentials, logarithms ---------------------------------------------------------------------------------

/// e^x; d = e^x
STOAT_UNARY(exp, std::exp(x), v)
/// 2^x; d = log(2) 2^x
STOAT_UNARY(exp2, std::exp2(x), T(std::numbers::ln2_v<detail::BaseOf<T>>) * v)
/// e^x - 1; d = e^x
STOAT_UNARY(expm1, std::expm1(x), v < T(-0.5) ? exp(x) : v + T(1))
/// log x; d = 1 / x
STOAT_UNARY(log, std::log(x), T(1) / x)
/// log(1 + x); d = 1 / (1 + x)
STOAT_UNARY(log1p, std::log1p(x), T(1) / (T(1) + x))
/// log2 x; d = 1 / (x log 2)
STOAT_UNARY(log2, std::log2(x), T(std::numbers::log2e_v<detail::BaseOf<T>>) / x)
/// log10 x; d = 1 / (x log 10)
STOAT_UNARY(log10, std::log10(x), T(std::numbers::log10e_v<detail::BaseOf<T>>) / x)
/// sqrt x; d = 1 / (2 sqrt x)
STOAT_UNARY(sqrt, std::sqrt(x), T(0.5) / v)
/// cbrt x; d = 1 / (3 cbrt(x)^2)
STOAT_UNARY(cbrt, std::cbrt(x), T(1) / (T(3) * v * v))
STOAT_NUMERIC(square, 1)
/// x^2; d = 2 x
STOAT_UNARY(square, x* x, T(2) * x)

namespace detail {
/// y x^(y-1), from v = x^y where that is no loss.
template <class T>
T power_slope(const T& x, const T& y, const T& v) {
  if (std::isnormal(base_value(v)) && std::isnormal(base_value(x))) return y * v / x;
  return base_value(y) == 0 ? T(0) : y * pow(x, y - T(1));
}
}  // namespace detail
/// x^y; d/dx = y x^(y-1), d/dy = x^y log x (0 at x = 0, y >= 0)
STOAT_BINARY(pow, std::pow(x, y), detail::power_slope(x, y, v), x == T(0) && y >= T(0) ? T(0) : log(x) * v)
/// sqrt(x^2 + y^2) without overflow; d/dx = x / v, d/dy = y / v
STOAT_BINARY(hypot, std::hypot(x, y), v == T(0) ? T(0) : x / v, v == T(0) ? T(0) : y / v)
/// sqrt(x^2 + y^2 + z^2) without overflow; d/dx = x / v and so on
STOAT_TERNARY(hypot, hypot3, std::hypot(x, y, z), v == T(0) ? T(0) : x / v, v == T(0) ? T(0) : y / v, v == T(0) ? T(0) : z / v)

// ---- circular and hyperbolic functions --------------------------------------------------------------------------------

/// d = cos x
STOAT_UNARY(sin, std::sin(x), cos(x))
/// d = -sin x
STOAT_UNARY(cos, std::cos(x), -sin(x))
/// d = 1 + tan(x)^2
STOAT_UNARY(tan, std::tan(x), T(1) + v * v)
/// d = 1 / sqrt(1 - x^2)
STOAT_UNARY(asin, std::asin(x), T(1) / sqrt((T(1) - x) * (T(1) + x)))
/// d = -1 / sqrt(1 - x^2)
STOAT_UNARY(acos, std::acos(x), T(-1) / sqrt((T(1) - x) * (T(1) + x)))
/// d = 1 / (1 + x^2)
STOAT_UNARY(atan, std::atan(x), T(1) / (T(1) + x * x))
/// The angle of the point (y, x), its first argument being the ordinate: with r^2 = x^2 + y^2, d/dx = y / r^2 and
/// d/dy = -x / r^2 for atan2(x, y). NaN at the origin.
STOAT_BINARY(atan2, std::atan2(x, y), y / hypot(x, y) / hypot(x, y), -x / hypot(x, y) / hypot(x, y))
/// d = cosh x
STOAT_UNARY(sinh, std::sinh(x), cosh(x))
/// d = sinh x
STOAT_UNARY(cosh, std::cosh(x), sinh(x))
namespace detail {
template <class T>
T tanh_slope(const T& x, const T& v) {
  if (std::abs(base_value(v)) < BaseOf<T>(0.9)) return T(1) - v * v;
  const T e = exp(T(-2) * abs(x));  // 1 - v^2 would cancel
  return T(4) * e / ((T(1) + e) * (T(1) + e));
}
}  // namespace detail
/// d = 1 - tanh(x)^2
STOAT_UNARY(tanh, std::tanh(x), detail::tanh_slope(x, v))
/// d = 1 / sqrt(1 + x^2)
STOAT_UNARY(asinh, std::asinh(x), T(1) / hypot(T(1), x))
/// d = 1 / sqrt(x^2 - 1)
STOAT_UNARY(acosh, std::acosh(x), T(1) / (sqrt(x - T(1)) * sqrt(x + T(1))))
/// d = 1 / (1 - x^2)
STOAT_UNARY(atanh, std::atanh(x), T(1) / ((T(1) - x) * (T(1) + x)))

// ---- sigmoids ---------------------------------------------------------------------------------------------------------

namespace detail {
template <class T>
T logistic_value(T x) {
  const T e = std::exp(-std::abs(x));
  return (x >= 0 ? T(1) : e) / (T(1) + e);
}
}  // namespace detail
STOAT_NUMERIC(logistic, 1)
/// 1 / (1 + e^-x) without overflow; d = v (1 - v)
STOAT_UNARY(logistic, detail::logistic_value(x), v < T(0.9) ? v * (T(1) - v) : v * logistic(-x))
STOAT_NUMERIC(logit, 1)
/// log(x / (1 - x)) for x in [0, 1]; d = 1 / (x (1 - x))
STOAT_UNARY(logit, std::abs(x - T(0.5)) < T(0.25) ? T(2) * std::atanh(T(2) * x - T(1)) : std::log(x) - std::log1p(-x),
            T(1) / (x * (T(1) - x)))
STOAT_NUMERIC(softplus, 1)
/// log(1 + e^x) without overflow; d = logistic(x)
STOAT_UNARY(softplus, std::max(x, T(0)) + std::log1p(std::exp(-std::abs(x))), logistic(x))
namespace detail {
template <class T>
T log_sum_exp_value(T x, T y) {
  const T high = std::max(x, y), low = std::min(x, y);
  return std::isinf(high) ? high : high + std::log1p(std::exp(low - high));
}
/// d log(e^x + e^y) / dx
template <class T>
T softmax_of_two(const T& x, const T& y) {
  const T d = x - y;
  return std::isnan(base_value(d)) ? T(0.5) : logistic(d);  // both infinite: an even split
}
}  // namespace detail
STOAT_NUMERIC(log_sum_exp, 2)
/// log(e^x + e^y) without overflow; d/dx = logistic(x - y), d/dy = logistic(y - x)
STOAT_BINARY(log_sum_exp, detail::log_sum_exp_value(x, y), detail::softmax_of_two(x, y), detail::softmax_of_two(y, x))
/// The error function; d = 2 / sqrt(pi) e^(-x^2)
STOAT_UNARY(erf, std::erf(x), detail::two_over_sqrt_pi<T>* exp(-x* x))
/// 1 - erf(x) without cancellation; d = -2 / sqrt(pi) e^(-x^2)
STOAT_UNARY(erfc, std::erfc(x), -detail::two_over_sqrt_pi<T>* exp(-x* x))

// ---- pieces -----------------------------------------------------------------------------------------------------------

/// |x|; d = sign x
STOAT_UNARY(abs, std::abs(x), T((x > T(0)) - (x < T(0))))
/// |x|; d = sign x
STOAT_UNARY(fabs, std::abs(x), T((x > T(0)) - (x < T(0))))
/// The larger, as std::max: the first where they tie or compare as NaN.
STOAT_BINARY(max, std::max(x, y), T(!(x < y)), T(x < y))
/// The smaller, as std::min: the first where they tie or compare as NaN.
STOAT_BINARY(min, std::min(x, y), T(!(y < x)), T(y < x))
// std::max is the better match for two operands of one type, unless there is one like it with constraints.
template <class A>
  requires detail::Operands<A, A>
auto max(const A& a, const A& b) { return detail::apply<detail::max_op>(a, b); }
template <class A>
  requires detail::Operands<A, A>
auto min(const A& a, const A& b) { return detail::apply<detail::min_op>(a, b); }
/// Of built-in numbers of two types, which std::max and std::min refuse, so that max(x, 0) means the same for a double as for a
/// variable.
template <Number A, Number B>
  requires(!std::same_as<A, B> && (std::floating_point<A> || std::floating_point<B>))
auto max(A a, B b) {
  using T = std::common_type_t<A, B>;
  return std::max(static_cast<T>(a), static_cast<T>(b));
}
template <Number A, Number B>
  requires(!std::same_as<A, B> && (std::floating_point<A> || std::floating_point<B>))
auto min(A a, B b) {
  using T = std::common_type_t<A, B>;
  return std::min(static_cast<T>(a), static_cast<T>(b));
}
namespace detail {
/// Whether fmax or fmin, when `second` is the better one, takes its first argument: NaN counts as missing.
template <class T>
bool takes_first(const T& x, const T& y, bool second) {
  return std::isnan(base_value(y)) || !(second || std::isnan(base_value(x)));
}
}  // namespace detail
/// The larger, as std::fmax: a NaN counts as missing, the first where they tie.
STOAT_BINARY(fmax, std::fmax(x, y), T(detail::takes_first(x, y, x < y)), T(!detail::takes_first(x, y, x < y)))
/// The smaller, as std::fmin: a NaN counts as missing, the first where they tie.
STOAT_BINARY(fmin, std::fmin(x, y), T(detail::takes_first(x, y, y < x)), T(!detail::takes_first(x, y, y < x)))
/// max(x - y, 0); d = (1, -1) where x > y
STOAT_BINARY(fdim, std::fdim(x, y), T(x > y), -T(x > y))
/// |x| with the sign of y; d/dx = 1 if the signs agree, else -1
STOAT_BINARY(copysign, std::copysign(x, y), T(std::signbit(detail::base_value(x)) == std::signbit(detail::base_value(y)) ? 1 : -1),
             T(0))
/// x - n y with n = trunc(x / y); d = (1, -n)
STOAT_BINARY(fmod, std::fmod(x, y), T(1), (v - x) / y)
/// x - n y with n the integer nearest to x / y; d = (1, -n)
STOAT_BINARY(remainder, std::remainder(x, y), T(1), (v - x) / y)
namespace detail {
struct ldexp_op {
  static constexpr const char* title = "ldexp";
  template <class T>
  static T value(T x, T n) {
    return std::ldexp(x, static_cast<int>(n));
  }
  template <int K, class T>
  static T partial(const T&, const T& n, const T&) {
    return K == 0 ? T(std::ldexp(BaseOf<T>(1), static_cast<int>(base_value(n)))) : T(0);
  }
};
}  // namespace detail
/// x 2^n; d/dx = 2^n
template <class A, std::integral N>
  requires detail::Operands<A>
auto ldexp(A&& a, N n) { return detail::apply<detail::ldexp_op>(std::forward<A>(a), n); }
/// x 2^n; d/dx = 2^n
template <class A, std::integral N>
  requires detail::Operands<A>
auto scalbn(A&& a, N n) { return detail::apply<detail::ldexp_op>(std::forward<A>(a), n); }
/// x 2^n; d/dx = 2^n
template <class A, std::integral N>
  requires detail::Operands<A>
auto scalbln(A&& a, N n) { return detail::apply<detail::ldexp_op>(std::forward<A>(a), n); }
/// x y + z, rounded once; d = (y, x, 1)
STOAT_TERNARY(fma, fma, std::fma(x, y, z), y, x, T(1))
/// x + z (y - x); d = (1 - z, z, y - x)
STOAT_TERNARY(lerp, lerp, std::lerp(x, y, z), T(1) - z, z, y - x)

}  // namespace stoat
