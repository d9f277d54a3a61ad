// stoat/program/discrete.hpp: the outcome of a discrete draw, as the program sees it.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>

#include <stoat/tape/var.hpp>

namespace stoat {

template <class S>
class Sampler;

/// The outcome of a draw in a plain run.
template <class S>
class Discrete {
 public:
  explicit Discrete(std::int64_t outcome) : outcome_(outcome) {}
  /// The outcome as an integer, to steer control flow, index and count.
  std::int64_t value() const { return outcome_; }
  S scalar() const { return static_cast<S>(outcome_); }
  /// Only the exact scalar type: no detour over a floating-point number makes an index of a draw.
  template <std::same_as<S> U>
  operator U() const {
    return scalar();
  }
  template <std::integral I>
  explicit operator I() const {
    return static_cast<I>(value());
  }

 private:
  std::int64_t outcome_;
};

/// The outcome of a draw in a recorded run. In arithmetic it is a variable that the edge rule of an OPEN sweep connects to
/// the parameters of its law; read as bool or integer it is a number, and the sampler takes a note.
template <class T>
class Discrete<Var<T>> {
 public:
  Discrete(Sampler<Var<T>>& sampler, std::size_t site, std::int64_t outcome) : sampler_(&sampler), site_(site), outcome_(outcome) {}
  std::int64_t value() const;
  Var<T> scalar() const;
  operator Var<T>() const { return scalar(); }
  template <std::integral I>
  explicit operator I() const {
    return static_cast<I>(value());
  }

 private:
  Sampler<Var<T>>* sampler_;
  std::size_t site_;
  std::int64_t outcome_;
};

template <class S>
struct ScalarTraits<Discrete<S>> {
  using Scalar = S;
};

template <class E>
inline constexpr bool is_discrete = false;
template <class S>
inline constexpr bool is_discrete<Discrete<S>> = true;

namespace detail {

template <class E>
concept PlainDiscrete = is_discrete<std::remove_cvref_t<E>> && !VarLike<E>;
template <class E>
concept AnyDiscrete = is_discrete<std::remove_cvref_t<E>>;

/// A draw of a plain run combined with a number or another draw.
template <class A, class B>
concept PlainDiscretePair = (PlainDiscrete<A> && PlainDiscrete<B>) || (PlainDiscrete<A> && Number<B>) ||
                            (Number<A> && PlainDiscrete<B>);
template <class A, class B>
struct PlainScalar {
  using type = ScalarOf<A>;
};
template <class A, class B>
  requires(!PlainDiscrete<A>)
struct PlainScalar<A, B> {
  using type = ScalarOf<B>;
};
template <class S, class E>
S number(const E& e) {
  if constexpr (AnyDiscrete<E>) return e.scalar();
  else return static_cast<S>(e);
}

}  // namespace detail

#define STOAT_DISCRETE_ARITHMETIC(op)                    \
  template <class A, class B>                            \
    requires detail::PlainDiscretePair<A, B>             \
  auto operator op(const A& a, const B& b) {             \
    using S = typename detail::PlainScalar<A, B>::type;  \
    return detail::number<S>(a) op detail::number<S>(b); \
  }                                                      \
  template <std::floating_point S>                       \
  S& operator op##=(S& a, const Discrete<S>& b) {        \
    return a op## = b.scalar();                          \
  }
STOAT_DISCRETE_ARITHMETIC(+)
STOAT_DISCRETE_ARITHMETIC(-)
STOAT_DISCRETE_ARITHMETIC(*)
STOAT_DISCRETE_ARITHMETIC(/)
#undef STOAT_DISCRETE_ARITHMETIC

template <std::floating_point S>
S operator-(const Discrete<S>& a) {
  return -a.scalar();
}
template <std::floating_point S>
S operator+(const Discrete<S>& a) {
  return a.scalar();
}
template <std::floating_point S>
S value(const Discrete<S>& a) {
  return a.scalar();
}

// A draw compared with a number or another draw steers control flow by its outcome.
#define STOAT_DISCRETE_COMPARISON(op)                                \
  template <detail::AnyDiscrete A, detail::AnyDiscrete B>            \
  bool operator op(const A& a, const B& b) {                         \
    return a.value() op b.value();                                   \
  }                                                                  \
  template <detail::AnyDiscrete A, Number B>                         \
  bool operator op(const A& a, const B& b) {                         \
    return static_cast<double>(a.value()) op static_cast<double>(b); \
  }                                                                  \
  template <Number A, detail::AnyDiscrete B>                         \
  bool operator op(const A& a, const B& b) {                         \
    return static_cast<double>(a) op static_cast<double>(b.value()); \
  }
STOAT_DISCRETE_COMPARISON(<)
STOAT_DISCRETE_COMPARISON(<=)
STOAT_DISCRETE_COMPARISON(>)
STOAT_DISCRETE_COMPARISON(>=)
STOAT_DISCRETE_COMPARISON(==)
STOAT_DISCRETE_COMPARISON(!=)
#undef STOAT_DISCRETE_COMPARISON

#define STOAT_DISCRETE_FUNCTION(name) \
  template <std::floating_point S>    \
  S name(const Discrete<S>& k) {      \
    using std::name;                  \
    return name(k.scalar());          \
  }
STOAT_DISCRETE_FUNCTION(exp)
STOAT_DISCRETE_FUNCTION(expm1)
STOAT_DISCRETE_FUNCTION(log)
STOAT_DISCRETE_FUNCTION(log1p)
STOAT_DISCRETE_FUNCTION(sqrt)
STOAT_DISCRETE_FUNCTION(abs)
STOAT_DISCRETE_FUNCTION(sin)
STOAT_DISCRETE_FUNCTION(cos)
STOAT_DISCRETE_FUNCTION(tanh)
STOAT_DISCRETE_FUNCTION(lgamma)
#undef STOAT_DISCRETE_FUNCTION
template <std::floating_point S>
S square(const Discrete<S>& k) {
  return k.scalar() * k.scalar();
}
template <std::floating_point S>
S logistic(const Discrete<S>& k) {
  return logistic(k.scalar());
}
template <class A, class B>
  requires detail::PlainDiscretePair<A, B>
auto pow(const A& a, const B& b) {
  using S = typename detail::PlainScalar<A, B>::type;
  return std::pow(detail::number<S>(a), detail::number<S>(b));
}
#define STOAT_DISCRETE_PAIR(name)                                 \
  template <class A, class B>                                     \
    requires detail::PlainDiscretePair<A, B>                      \
  auto name(const A& a, const B& b) {                             \
    using S = typename detail::PlainScalar<A, B>::type;           \
    return std::name(detail::number<S>(a), detail::number<S>(b)); \
  }
STOAT_DISCRETE_PAIR(min)
STOAT_DISCRETE_PAIR(max)
#undef STOAT_DISCRETE_PAIR

}  // namespace stoat
