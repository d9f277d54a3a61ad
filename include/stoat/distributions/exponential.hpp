// stoat/distributions/exponential.hpp: waiting times at a constant rate, reparameterised.
#pragma once

#include <stoat/distributions/continuous.hpp>
#include <stoat/distributions/noise.hpp>

namespace stoat {

/// Exponential(rate): e / rate with e a standard exponential. rate > 0.
template <class S>
struct Exponential {
  using Scalar = S;
  using Pathwise = void;
  S rate;

  explicit Exponential(S per_unit) : rate(per_unit) {}

  static constexpr std::string_view name = "Exponential";
  template <class F>
  auto map(F&& f) const {
    return Exponential<std::decay_t<decltype(f(rate))>>(f(rate));
  }
  std::string problem() const { return rate > 0 && std::isfinite(rate) ? std::string() : outside("rate", rate, "(0, infinity)"); }
  template <class G>
  S draw(G& generator) const {
    return S(detail::standard_exponential(generator) / rate);
  }

  S cdf(const S& x) const { return detail::number(x) < 0 ? S(0) : S(-expm1(-rate * x)); }
  S survival(const S& x) const { return detail::number(x) < 0 ? S(1) : S(exp(-rate * x)); }
  S quantile(const S& p) const { return S(-log1p(-detail::probability(p)) / rate); }
  S upper_quantile(const S& q) const { return S(-log(detail::probability(q)) / rate); }
  S log_density(const S& x) const { return detail::number(x) < 0 ? S(-detail::infinity) : S(log(rate) - rate * x); }
  S mean() const { return S(1 / rate); }
};
template <class E>
Exponential(E&&) -> Exponential<ScalarOf<E>>;

}  // namespace stoat
