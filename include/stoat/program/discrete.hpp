// stoat/program/discrete.hpp: the outcome of a discrete draw, as the program sees it. Arithmetic and functions of draws are
// those of tape/functions.hpp.
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
concept AnyDiscrete = is_discrete<std::remove_cvref_t<E>>;
}  // namespace detail

#define STOAT_DISCRETE_ASSIGNMENT(op)             \
  template <std::floating_point S>                \
  S& operator op##=(S& a, const Discrete<S>& b) { \
    return a op## = b.scalar();                   \
  }
STOAT_DISCRETE_ASSIGNMENT(+)
STOAT_DISCRETE_ASSIGNMENT(-)
STOAT_DISCRETE_ASSIGNMENT(*)
STOAT_DISCRETE_ASSIGNMENT(/)
#undef STOAT_DISCRETE_ASSIGNMENT

template <class S>
  requires(!is_var<S>)
S operator+(const Discrete<S>& a) { return a.scalar(); }
template <class S>
  requires(!is_var<S>)
S value(const Discrete<S>& a) { return a.scalar(); }

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

}  // namespace stoat
