// stoat/distributions/gamma.hpp: the gamma law, with implicit derivatives of its draws.
#pragma once

#include <boost/random/normal_distribution.hpp>

#include <stoat/distributions/continuous.hpp>
#include <stoat/distributions/implicit.hpp>
#include <stoat/distributions/noise.hpp>

namespace stoat {

namespace detail {

/// log of gamma_density(a, x), also where that underflows.
double log_gamma_density(double a, double x);
/// The x with gamma_p(a, x) = p, with gamma_q(a, x) = q.
double gamma_p_inverse(double a, double p);
double gamma_q_inverse(double a, double q);
/// d (v - 1 - log v) - z^2 / 2 with v = (1 + t)^3 and z^2 = 9 d t^2, without cancellation.
double gamma_excess(double d, double t);

/// log of the density of the standard gamma law; d/da = log x - digamma(a), d/dx = (a - 1) / x - 1
struct log_gamma_density_op {
  static constexpr const char* title = "Gamma.log_density";
  template <class T>
  static T value(T a, T x) {
    return T(log_gamma_density(wide(a), wide(x)));
  }
  template <int K, class T>
  static T partial(const T& a, const T& x, const T&) {
    if constexpr (K == 0) return log_gamma_density_slope(a, x);
    else return quotient(T(a - T(1)), x) - T(1);
  }
};

/// log of a standard gamma draw, plain: the draw itself underflows for small shapes. Marsaglia and Tsang (2000); below
/// shape 1, G(a) = G(a + 1) u^(1/a).
template <class G>
double log_gamma_draw(double shape, G& generator) {
  const double boost = shape < 1 ? -standard_exponential(generator) / shape : 0;
  const double d = shape + (shape < 1) - 1.0 / 3, c = 1 / (3 * std::sqrt(d));
  for (;;) {
    const double t = c * boost::random::normal_distribution<double>{}(generator);
    if (t > -1 && standard_exponential(generator) >= gamma_excess(d, t)) return std::log(d) + 3 * std::log1p(t) + boost;
  }
}

/// The same, differentiable in the shape.
template <class S, class G>
S log_gamma_draw(const S& shape, G& generator) {
  const double a = number(shape), y = log_gamma_draw(a, generator);
  if (derivative_order<S> == 0 || constant(shape)) return S(y);
  const double x = std::exp(y);
  // P(a, x) = x^a / Gamma(a + 1), within rounding.
  if (x < 1e-17) return implicit_root<S>(y, a, [&](const S& at) { return S(shape * at - lgamma(shape + 1)); });
  return implicit_root<S>(y, x * gamma_density(a, x), [&](const S& at) { return S(gamma_p(shape, exp(at))); });
}

}  // namespace detail

/// Gamma(shape, scale): density x^(shape-1) e^(-x/scale) / (Gamma(shape) scale^shape) at x > 0. shape > 0, scale > 0; the mean is
/// shape * scale. Draws are differentiated implicitly, and so are quantiles, which are constants where they round to 0.
template <class S>
struct Gamma {
  using Scalar = S;
  using Pathwise = void;
  S shape, scale;

  Gamma(std::type_identity_t<S> exponent, std::type_identity_t<S> width) : shape(exponent), scale(width) {}

  static constexpr std::string_view name = "Gamma";
  static constexpr bool rejection = true;
  template <class F>
  auto map(F&& f) const {
    return Gamma<std::decay_t<decltype(f(shape))>>(f(shape), f(scale));
  }
  std::string problem() const {
    if (!(shape > 0 && std::isfinite(shape))) return outside("shape", shape, "(0, infinity)");
    return scale > 0 && std::isfinite(scale) ? std::string() : outside("scale", scale, "(0, infinity)");
  }
  template <class G>
  S draw(G& generator) const {
    return S(scale * exp(detail::log_gamma_draw(shape, generator)));
  }

  S cdf(const S& x) const { return detail::number(x) > 0 ? S(gamma_p(shape, x / scale)) : S(0); }
  S survival(const S& x) const { return detail::number(x) > 0 ? S(gamma_q(shape, x / scale)) : S(1); }
  S quantile(const S& p) const {
    const double a = detail::number(shape), x = detail::gamma_p_inverse(a, detail::number(p));
    return S(scale * implicit_root<S>(x, gamma_density(a, x), [&](const S& at) { return S(gamma_p(shape, at) - p); }));
  }
  S upper_quantile(const S& q) const {
    const double a = detail::number(shape), x = detail::gamma_q_inverse(a, detail::number(q));
    return S(scale * implicit_root<S>(x, gamma_density(a, x), [&](const S& at) { return S(q - gamma_q(shape, at)); }));
  }
  /// At x = 0 the limit from above.
  S log_density(const S& x) const {
    if (detail::number(x) < 0) return S(-detail::infinity);
    return S(detail::call<detail::log_gamma_density_op>(shape, S(x / scale)) - log(scale));
  }
  S mean() const { return S(shape * scale); }
};
template <class A, class B>
Gamma(A&&, B&&) -> Gamma<CommonScalar<A, B>>;

}  // namespace stoat
