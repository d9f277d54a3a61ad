// stoat/distributions/pareto.hpp: a power-law tail.
#pragma once

#include <stoat/distributions/continuous.hpp>
#include <stoat/distributions/noise.hpp>

namespace stoat {

/// Pareto(scale, shape): the survival at x > scale is (scale / x)^shape. scale > 0, shape > 0.
template <class S>
struct Pareto {
  using Scalar = S;
  using Pathwise = void;
  S scale, shape;

  Pareto(std::type_identity_t<S> least, std::type_identity_t<S> exponent) : scale(least), shape(exponent) {}

  static constexpr std::string_view name = "Pareto";
  template <class F>
  auto map(F&& f) const {
    return Pareto<std::decay_t<decltype(f(scale))>>(f(scale), f(shape));
  }
  std::string problem() const {
    if (!(scale > 0 && std::isfinite(scale))) return outside("scale", scale, "(0, infinity)");
    return shape > 0 && std::isfinite(shape) ? std::string() : outside("shape", shape, "(0, infinity)");
  }
  template <class G>
  S draw(G& generator) const {
    return S(scale * exp(detail::standard_exponential(generator) / shape));
  }

  S cdf(const S& x) const { return below(x) ? S(0) : S(-expm1(-shape * log_ratio(x))); }
  S survival(const S& x) const { return below(x) ? S(1) : S(exp(-shape * log_ratio(x))); }
  S quantile(const S& p) const { return S(scale * exp(-log1p(-detail::probability(p)) / shape)); }
  S upper_quantile(const S& q) const { return S(scale * exp(-log(detail::probability(q)) / shape)); }
  S log_density(const S& x) const { return below(x) ? S(-detail::infinity) : S(log(shape / x) - shape * log_ratio(x)); }
  /// Infinite for shape <= 1.
  S mean() const { return detail::number(shape) > 1 ? S(scale * shape / (shape - 1)) : S(detail::infinity); }

 private:
  bool below(const S& x) const { return detail::number(x) < detail::number(scale); }
  /// log(x / scale), without the rounding of x / scale near 1
  S log_ratio(const S& x) const { return S(log1p((x - scale) / scale)); }
};
template <class A, class B>
Pareto(A&&, B&&) -> Pareto<CommonScalar<A, B>>;

}  // namespace stoat
