// stoat/tape/dual.hpp: forward-mode numbers.
//
// Dual<T, N> is a number of type T with its derivatives along N directions at once. Arithmetic and functions of it follow
// from the table in functions.hpp. A Var<Dual<double>> differentiates twice: forward over reverse.
#pragma once

#include <limits>
#include <ostream>

#include <stoat/tape/scalar.hpp>

namespace stoat {

/// value + sum_d tangent(d) eps_d, with eps_c eps_d = 0. Conversions from numbers have zero tangents. Comparisons look at the
/// value alone.
template <class T, int N>
class Dual {
 public:
  using Value = T;
  static constexpr int lanes = N;

  constexpr Dual() = default;
  template <Number A>
  constexpr Dual(A value) : value_(static_cast<T>(value)) {}
  constexpr Dual(const T& value) requires(!Number<T>) : value_(value) {}
  /// One direction.
  constexpr Dual(const T& value, const T& tangent) requires(N == 1) : value_(value), tangent_{tangent} {}

  constexpr const T& value() const { return value_; }
  constexpr const T& tangent(int d = 0) const { return tangent_[d]; }
  constexpr T& tangent(int d = 0) { return tangent_[d]; }

  template <class B>
  Dual& operator+=(const B& b) {
    return *this = *this + b;
  }
  template <class B>
  Dual& operator-=(const B& b) {
    return *this = *this - b;
  }
  template <class B>
  Dual& operator*=(const B& b) {
    return *this = *this * b;
  }
  template <class B>
  Dual& operator/=(const B& b) {
    return *this = *this / b;
  }

 private:
  T value_{};
  T tangent_[N]{};
};

template <class T, int N>
struct ScalarTraits<Dual<T, N>> {
  using Scalar = Dual<T, N>;
};

namespace detail {

template <int Depth>
struct Nested {
  using type = Dual<typename Nested<Depth - 1>::type>;
};
template <>
struct Nested<0> {
  using type = double;
};

/// True if a and all its tangents are 0: then nothing is to be passed on.
template <Number T>
constexpr bool is_zero(T a) {
  return a == T(0);
}
template <class T, int N>
constexpr bool is_zero(const Dual<T, N>& a) {
  if (!is_zero(a.value())) return false;
  for (int d = 0; d < N; ++d)
    if (!is_zero(a.tangent(d))) return false;
  return true;
}

/// The built-in number at the bottom of a Dual.
template <Number T>
constexpr T base_value(T a) {
  return a;
}
template <class T, int N>
constexpr auto base_value(const Dual<T, N>& a) {
  return base_value(a.value());
}
}  // namespace detail

/// Dual<Dual<... double>>, a number with its derivatives up to order Depth: NestedDual<0> is double, NestedDual<1> Dual<double>.
template <int Depth>
using NestedDual = typename detail::Nested<Depth>::type;

template <class T, int N>
std::ostream& operator<<(std::ostream& out, const Dual<T, N>& a) {
  out << a.value();
  for (int d = 0; d < N; ++d) out << (d == 0 ? " [" : ", ") << a.tangent(d);
  return out << "]";
}

}  // namespace stoat

/// Bounds and precision are those of the values.
template <class T, int N>
struct std::numeric_limits<stoat::Dual<T, N>> : std::numeric_limits<T> {
  using D = stoat::Dual<T, N>;
  static constexpr D min() { return std::numeric_limits<T>::min(); }
  static constexpr D max() { return std::numeric_limits<T>::max(); }
  static constexpr D lowest() { return std::numeric_limits<T>::lowest(); }
  static constexpr D epsilon() { return std::numeric_limits<T>::epsilon(); }
  static constexpr D infinity() { return std::numeric_limits<T>::infinity(); }
  static constexpr D quiet_NaN() { return std::numeric_limits<T>::quiet_NaN(); }
};
