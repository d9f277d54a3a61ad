// stoat/distributions/cauchy.hpp: the Cauchy (Lorentz) law.
#pragma once

#include <stoat/distributions/continuous.hpp>
#include <stoat/distributions/noise.hpp>

namespace stoat {

/// Cauchy(location, scale): density 1 / (pi scale (1 + z^2)) at z = (x - location) / scale. scale > 0. It has no mean.
template <class S>
struct Cauchy {
  using Scalar = S;
  using Pathwise = void;
  S location, scale;

  Cauchy(std::type_identity_t<S> at, std::type_identity_t<S> width) : location(at), scale(width) {}

  static constexpr std::string_view name = "Cauchy";
  template <class F>
  auto map(F&& f) const {
    return Cauchy<std::decay_t<decltype(f(location))>>(f(location), f(scale));
  }
  std::string problem() const {
    if (!std::isfinite(location)) return outside("location", location, "(-infinity, infinity)");
    return scale > 0 && std::isfinite(scale) ? std::string() : outside("scale", scale, "(0, infinity)");
  }
  template <class G>
  S draw(G& generator) const {
    return S(location + scale * detail::standard_cauchy(generator));
  }

  S cdf(const S& x) const { return below((x - location) / scale); }
  S survival(const S& x) const { return below((location - x) / scale); }
  S quantile(const S& p) const { return S(location + scale * inverse(detail::probability(p))); }
  S upper_quantile(const S& q) const { return S(location - scale * inverse(detail::probability(q))); }
  S log_density(const S& x) const { return S(-2 * log(hypot((x - location) / scale, 1)) - log(std::numbers::pi * scale)); }

 private:
  /// The angle of (-z, 1) over pi, without the cancellation of 1/2 + atan(z) / pi.
  static S below(const S& z) { return S(atan2(1, -z) / std::numbers::pi); }
  static S inverse(const S& p) {
    constexpr double pi = std::numbers::pi;
    if (std::abs(detail::number(p) - 0.5) < 0.25) return S(tan(pi * (p - 0.5)));
    return detail::number(p) < 0.5 ? S(-1 / tan(pi * p)) : S(1 / tan(pi * (1 - p)));
  }
};
template <class A, class B>
Cauchy(A&&, B&&) -> Cauchy<CommonScalar<A, B>>;

}  // namespace stoat
