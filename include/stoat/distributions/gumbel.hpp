// stoat/distributions/gumbel.hpp: the law of extreme values, for maxima.
#pragma once

#include <stoat/distributions/continuous.hpp>
#include <stoat/distributions/noise.hpp>

namespace stoat {

/// Gumbel(location, scale): the cdf at x is e^(-e^-z), z = (x - location) / scale; the limit law of maxima. scale > 0.
template <class S>
struct Gumbel {
  using Scalar = S;
  using Pathwise = void;
  S location, scale;

  Gumbel(std::type_identity_t<S> at, std::type_identity_t<S> width) : location(at), scale(width) {}

  static constexpr std::string_view name = "Gumbel";
  template <class F>
  auto map(F&& f) const {
    return Gumbel<std::decay_t<decltype(f(location))>>(f(location), f(scale));
  }
  std::string problem() const {
    if (!std::isfinite(location)) return outside("location", location, "(-infinity, infinity)");
    return scale > 0 && std::isfinite(scale) ? std::string() : outside("scale", scale, "(0, infinity)");
  }
  template <class G>
  S draw(G& generator) const {
    return S(location - scale * std::log(detail::standard_exponential(generator)));
  }

  S cdf(const S& x) const { return S(exp(-exp((location - x) / scale))); }
  S survival(const S& x) const { return S(-expm1(-exp((location - x) / scale))); }
  S quantile(const S& p) const { return S(location - scale * log(-log(p))); }
  S upper_quantile(const S& q) const { return S(location - scale * log(-log1p(-q))); }
  S log_density(const S& x) const {
    const S z = (x - location) / scale;
    return S(-z - exp(-z) - log(scale));
  }
  S mean() const { return S(location + std::numbers::egamma * scale); }
};
template <class A, class B>
Gumbel(A&&, B&&) -> Gumbel<CommonScalar<A, B>>;

}  // namespace stoat
