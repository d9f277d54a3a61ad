// stoat/distributions/laplace.hpp: the double exponential law.
#pragma once

#include <stoat/distributions/continuous.hpp>
#include <stoat/distributions/noise.hpp>

namespace stoat {

/// Laplace(location, scale): exponential on either side, with density e^-|z| / (2 scale) at z = (x - location) / scale. scale > 0.
template <class S>
struct Laplace {
  using Scalar = S;
  using Pathwise = void;
  S location, scale;

  Laplace(std::type_identity_t<S> at, std::type_identity_t<S> width) : location(at), scale(width) {}

  static constexpr std::string_view name = "Laplace";
  template <class F>
  auto map(F&& f) const {
    return Laplace<std::decay_t<decltype(f(location))>>(f(location), f(scale));
  }
  std::string problem() const {
    if (!std::isfinite(location)) return outside("location", location, "(-infinity, infinity)");
    return scale > 0 && std::isfinite(scale) ? std::string() : outside("scale", scale, "(0, infinity)");
  }
  template <class G>
  S draw(G& generator) const {
    const detail::Tail u = detail::uniform_tail(generator);
    const double size = -std::log(2 * u.p);
    return S(location + scale * (u.upper ? size : -size));
  }

  S cdf(const S& x) const { return below((x - location) / scale); }
  S survival(const S& x) const { return below((location - x) / scale); }
  S quantile(const S& p) const { return S(location + scale * inverse(p)); }
  S upper_quantile(const S& q) const { return S(location - scale * inverse(q)); }
  S log_density(const S& x) const { return S(-abs(x - location) / scale - log(2 * scale)); }
  S mean() const { return location; }

 private:
  static S below(const S& z) { return detail::number(z) < 0 ? S(0.5 * exp(z)) : S(1 - 0.5 * exp(-z)); }
  static S inverse(const S& p) { return detail::number(p) < 0.5 ? S(log(2 * p)) : S(-log(2 * (1 - p))); }
};
template <class A, class B>
Laplace(A&&, B&&) -> Laplace<CommonScalar<A, B>>;

}  // namespace stoat
