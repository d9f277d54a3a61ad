// stoat/distributions/uniform.hpp: the uniform law on an interval, reparameterised.
#pragma once

#include <stoat/distributions/continuous.hpp>
#include <stoat/random/philox.hpp>

namespace stoat {

/// Uniform(a, b): a + (b - a) u with u uniform in [0, 1). a <= b.
template <class S>
struct Uniform {
  using Scalar = S;
  using Pathwise = void;
  S a, b;

  Uniform(std::type_identity_t<S> lower, std::type_identity_t<S> upper) : a(lower), b(upper) {}

  static constexpr std::string_view name = "Uniform";
  template <class F>
  auto map(F&& f) const {
    return Uniform<std::decay_t<decltype(f(a))>>(f(a), f(b));
  }
  std::string problem() const {
    if (!std::isfinite(a)) return outside("a", a, "(-infinity, infinity)");
    return b >= a && std::isfinite(b) ? std::string() : outside("b", b, "[a, infinity)");
  }
  template <class G>
  S draw(G& generator) const {
    const std::uint32_t low = generator();
    return S(a + (b - a) * uniform53(low, generator()));
  }

  S cdf(const S& x) const {
    if (const int side = beside(x); side != 0) return S(side > 0);
    return S((x - a) / (b - a));
  }
  S survival(const S& x) const {
    if (const int side = beside(x); side != 0) return S(side < 0);
    return S((b - x) / (b - a));
  }
  S quantile(const S& p) const { return S(a + (b - a) * detail::probability(p)); }
  S upper_quantile(const S& q) const { return S(b - (b - a) * detail::probability(q)); }
  S log_density(const S& x) const { return beside(x) != 0 ? S(-detail::infinity) : S(-log(b - a)); }
  S mean() const { return S(0.5 * a + 0.5 * b); }

 private:
  /// -1 below the interval, 1 above it, else 0
  int beside(const S& x) const { return (detail::number(x) > detail::number(b)) - (detail::number(x) < detail::number(a)); }
};
template <class A, class B>
Uniform(A&&, B&&) -> Uniform<CommonScalar<A, B>>;

}  // namespace stoat
