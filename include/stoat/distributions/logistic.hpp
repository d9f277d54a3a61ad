// stoat/distributions/logistic.hpp: the logistic law.
#pragma once

#include <stoat/distributions/continuous.hpp>
#include <stoat/distributions/noise.hpp>

namespace stoat {

/// Logistic(location, scale): the cdf at x is 1 / (1 + e^-z), z = (x - location) / scale. scale > 0.
template <class S>
struct Logistic {
  using Scalar = S;
  using Pathwise = void;
  S location, scale;

  Logistic(std::type_identity_t<S> at, std::type_identity_t<S> width) : location(at), scale(width) {}

  static constexpr std::string_view name = "Logistic";
  template <class F>
  auto map(F&& f) const {
    return Logistic<std::decay_t<decltype(f(location))>>(f(location), f(scale));
  }
  std::string problem() const {
    if (!std::isfinite(location)) return outside("location", location, "(-infinity, infinity)");
    return scale > 0 && std::isfinite(scale) ? std::string() : outside("scale", scale, "(0, infinity)");
  }
  template <class G>
  S draw(G& generator) const {
    const detail::Tail u = detail::uniform_tail(generator);
    const double size = std::log((1 - u.p) / u.p);
    return S(location + scale * (u.upper ? size : -size));
  }

  S cdf(const S& x) const { return S(logistic((x - location) / scale)); }
  S survival(const S& x) const { return S(logistic((location - x) / scale)); }
  S quantile(const S& p) const { return S(location + scale * logit(p)); }
  S upper_quantile(const S& q) const { return S(location - scale * logit(q)); }
  S log_density(const S& x) const {
    const S z = (x - location) / scale;
    return S(-z - 2 * softplus(-z) - log(scale));
  }
  S mean() const { return location; }
};
template <class A, class B>
Logistic(A&&, B&&) -> Logistic<CommonScalar<A, B>>;

}  // namespace stoat
