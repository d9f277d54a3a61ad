// stoat/distributions/weibull.hpp: waiting times whose rate is a power of time.
#pragma once

#include <stoat/distributions/continuous.hpp>
#include <stoat/distributions/noise.hpp>

namespace stoat {

/// Weibull(shape, scale): the survival at x > 0 is e^(-(x / scale)^shape). shape > 0, scale > 0.
template <class S>
struct Weibull {
  using Scalar = S;
  using Pathwise = void;
  S shape, scale;

  Weibull(std::type_identity_t<S> exponent, std::type_identity_t<S> width) : shape(exponent), scale(width) {}

  static constexpr std::string_view name = "Weibull";
  template <class F>
  auto map(F&& f) const {
    return Weibull<std::decay_t<decltype(f(shape))>>(f(shape), f(scale));
  }
  std::string problem() const {
    if (!(shape > 0 && std::isfinite(shape))) return outside("shape", shape, "(0, infinity)");
    return scale > 0 && std::isfinite(scale) ? std::string() : outside("scale", scale, "(0, infinity)");
  }
  template <class G>
  S draw(G& generator) const {
    return S(scale * pow(detail::standard_exponential(generator), 1 / shape));
  }

  S cdf(const S& x) const { return detail::number(x) > 0 ? S(-expm1(-pow(x / scale, shape))) : S(0); }
  S survival(const S& x) const { return detail::number(x) > 0 ? S(exp(-pow(x / scale, shape))) : S(1); }
  S quantile(const S& p) const { return S(scale * pow(-log1p(-p), 1 / shape)); }
  S upper_quantile(const S& q) const { return S(scale * pow(-log(q), 1 / shape)); }
  /// At x = 0 the limit from above.
  S log_density(const S& x) const {
    if (detail::number(x) < 0) return S(-detail::infinity);
    if (detail::number(x) == 0 && detail::number(shape) == 1) return S(-log(scale) - x / scale);
    const S z = x / scale;
    return S(log(shape / scale) + (shape - 1) * log(z) - pow(z, shape));
  }
  S mean() const { return S(scale * tgamma(1 + 1 / shape)); }
};
template <class A, class B>
Weibull(A&&, B&&) -> Weibull<CommonScalar<A, B>>;

}  // namespace stoat
