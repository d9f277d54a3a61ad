// stoat/distributions/continuous.hpp: what a continuous law offers beside draws.
//
// Every law with one real outcome has, in its own scalar S and differentiable in the parameters and the argument,
//
//   S cdf(x), survival(x)                // P(X <= x), P(X > x), each accurate in its own tail
//   S quantile(p), upper_quantile(q)     // the x with cdf p, with survival q; NaN outside [0, 1]
//   S log_density(x)
//   S mean()
//
// Below and above the support cdf is 0 and 1 and log_density -infinity, all constant. A parameter at which a law is a single
// point (sd = 0) is good for draws only.
#pragma once

#include <cmath>
#include <concepts>
#include <limits>

#include <stoat/distributions/law.hpp>
#include <stoat/tape/var.hpp>

namespace stoat {

/// A continuous law that can be split at a threshold: it knows its tails and their inverses.
template <class L>
concept ThresholdLaw = ContinuousLaw<L> && requires(const L& law, const typename L::Scalar& x) {
  { law.cdf(x) } -> std::convertible_to<typename L::Scalar>;
  { law.survival(x) } -> std::convertible_to<typename L::Scalar>;
  { law.quantile(x) } -> std::convertible_to<typename L::Scalar>;
  { law.upper_quantile(x) } -> std::convertible_to<typename L::Scalar>;
};

namespace detail {

inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr double log_root_two_pi = 0.91893853320467274178;  // log(2 pi) / 2

/// The plain number behind a scalar. Laws branch on it: their own comparisons are not the program's.
template <class S>
double number(const S& x) {
  return static_cast<double>(base_value(value(x)));
}
/// p, or NaN where it is not a probability.
template <class S>
S probability(const S& p) {
  return number(p) >= 0 && number(p) <= 1 ? p : S(std::numeric_limits<double>::quiet_NaN());
}
/// True if none of these variables is on the tape: then nothing needs to be differentiated.
template <class... S>
bool constant([[maybe_unused]] const S&... x) {
  if constexpr ((std::same_as<S, Var<BaseOf<S>>> && ...)) return !(x.active() || ...);
  else return false;
}
/// Op, as in apply.hpp, of scalars S.
template <class Op, class S, class... A>
S call(const S& a, const A&... b) {
  if constexpr (Number<S>) return S(evaluate<Op>(a, b...));
  else return S(apply<Op>(a, b...));
}
/// a / x, and 0 where both are.
template <class T>
T quotient(const T& a, const T& x) {
  return base_value(a) == 0 && base_value(x) == 0 ? T(0) : T(a / x);
}

}  // namespace detail
}  // namespace stoat
