// stoat/distributions/beta.hpp: the beta law, with implicit derivatives of its draws.
#pragma once

#include <stoat/distributions/gamma.hpp>

namespace stoat {

namespace detail {

/// log of beta_density(a, b, x), also where that underflows.
double log_beta_density(double a, double b, double x);
/// The x with ibeta(a, b, x) = p, with ibetac(a, b, x) = q.
double ibeta_inverse(double a, double b, double p);
double ibetac_inverse(double a, double b, double q);

/// log of the density of the beta law;
/// d/da = log x - digamma(a) + digamma(a + b), d/db likewise at 1 - x, d/dx = (a - 1) / x - (b - 1) / (1 - x)
struct log_beta_density_op {
  static constexpr const char* title = "Beta.log_density";
  template <class T>
  static T value(T a, T b, T x) {
    return T(log_beta_density(wide(a), wide(b), wide(x)));
  }
  template <int K, class T>
  static T partial(const T& a, const T& b, const T& x, const T&) {
    if constexpr (K == 0) return log_beta_density_slope(a, b, x, T(T(1) - x));
    else if constexpr (K == 1) return log_beta_density_slope(b, a, T(T(1) - x), x);
    else return quotient(T(a - T(1)), x) - quotient(T(b - T(1)), T(T(1) - x));
  }
};

}  // namespace detail

/// Beta(a, b): density x^(a-1) (1-x)^(b-1) / B(a, b) at x in (0, 1). a > 0, b > 0. Draws are differentiated implicitly, and
/// so are quantiles; both are constants where they round to 0 or 1.
template <class S>
struct Beta {
  using Scalar = S;
  using Pathwise = void;
  S a, b;

  Beta(std::type_identity_t<S> of_x, std::type_identity_t<S> of_rest) : a(of_x), b(of_rest) {}

  static constexpr std::string_view name = "Beta";
  static constexpr bool rejection = true;
  template <class F>
  auto map(F&& f) const {
    return Beta<std::decay_t<decltype(f(a))>>(f(a), f(b));
  }
  std::string problem() const {
    if (!(a > 0 && std::isfinite(a))) return outside("a", a, "(0, infinity)");
    return b > 0 && std::isfinite(b) ? std::string() : outside("b", b, "(0, infinity)");
  }
  /// X / (X + Y) with X, Y gamma draws, from their logarithms: a draw may round to 0 or 1, but is never NaN.
  template <class G>
  S draw(G& generator) const {
    const double log_x = detail::log_gamma_draw(detail::number(a), generator);
    const double log_odds = log_x - detail::log_gamma_draw(detail::number(b), generator);
    return log_odds < 0 ? near_zero(a, b, logistic(log_odds)) : S(1 - near_zero(b, a, logistic(-log_odds)));
  }

  S cdf(const S& x) const {
    if (const int side = beside(x); side != 0) return S(side > 0);
    return S(ibeta(a, b, x));
  }
  S survival(const S& x) const {
    if (const int side = beside(x); side != 0) return S(side < 0);
    return S(ibetac(a, b, x));
  }
  S quantile(const S& p) const {
    const double x = detail::ibeta_inverse(detail::number(a), detail::number(b), detail::number(p));
    return implicit_root<S>(x, density(x), [&](const S& at) { return S(ibeta(a, b, at) - p); });
  }
  S upper_quantile(const S& q) const {
    const double x = detail::ibetac_inverse(detail::number(a), detail::number(b), detail::number(q));
    return implicit_root<S>(x, density(x), [&](const S& at) { return S(q - ibetac(a, b, at)); });
  }
  /// At x = 0 and 1 the limit from inside.
  S log_density(const S& x) const {
    const double at = detail::number(x);
    return at < 0 || at > 1 ? S(-detail::infinity) : detail::call<detail::log_beta_density_op>(a, b, x);
  }
  S mean() const { return S(a / (a + b)); }

 private:
  /// -1 below (0, 1), 1 above it, else 0
  static int beside(const S& x) { return (detail::number(x) >= 1) - (detail::number(x) <= 0); }
  double density(double x) const { return beta_density(detail::number(a), detail::number(b), x); }
  /// A draw below 1/2 of Beta(a, b), made differentiable. One so small that its density may overflow counts as 0.
  static S near_zero(const S& a, const S& b, double x) {
    if (derivative_order<S> == 0 || detail::constant(a, b) || x < 1e-290) return S(x);
    return implicit_root<S>(x, beta_density(detail::number(a), detail::number(b), x),
                            [&](const S& at) { return S(ibeta(a, b, at)); });
  }
};
template <class A, class B>
Beta(A&&, B&&) -> Beta<CommonScalar<A, B>>;

}  // namespace stoat
