// stoat/distributions/implicit.hpp: derivatives of what is known only as the solution of an equation.
//
// A draw x of a law with cumulative distribution function F keeps its place u = F(x; theta) when theta moves, so
// dx/dtheta = -(dF/dtheta) / f with f the density (Figurnov, Mohamed, Mnih 2018). However x itself was found (rejection
// sampling, an approximate inverse), a Newton step from its plain value makes it differentiable:
//
//   x = implicit_root<S>(x0, f(x0), [&](const S& x) { return cdf(x); });         // a draw
//   x = implicit_root<S>(x0, f(x0), [&](const S& x) { return S(cdf(x) - p); });  // the quantile at p
#pragma once

#include <cmath>

#include <stoat/tape/var.hpp>

namespace stoat {

/// How many times a scalar is differentiated: 0 for numbers, 1 for Var<double> and Dual<double>, 2 for Var<Dual<double>>.
template <class S>
inline constexpr int derivative_order = 0;
template <class T, int N>
inline constexpr int derivative_order<Dual<T, N>> = 1 + derivative_order<T>;
template <class T>
inline constexpr int derivative_order<Var<T>> = 1 + derivative_order<T>;

/// The x near `root` where residual(x) has the plain value it has at `root`, differentiated in all that residual depends on.
/// The value of x is `root` exactly; `slope` is d residual / dx there, a plain number. Where it is 0, infinite or NaN, as at
/// the ends of a support, x is constant. For plain S residual is not called.
template <class S, class F>
S implicit_root(double root, double slope, F&& residual) {
  S x = static_cast<detail::BaseOf<S>>(root);
  if constexpr (derivative_order < S >> 0) {
    if (slope == 0 || !std::isfinite(slope)) return x;
    // With the plain slope each step makes one more order of derivatives right.
    for (int i = 0; i < derivative_order<S>; ++i) {
      const S r = residual(x);
      x = x - (r - detail::base_value(value(r))) / slope;
    }
  }
  return x;
}

}  // namespace stoat
