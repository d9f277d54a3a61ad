// stoat/distributions/uniform.hpp: the uniform law on an interval, reparameterised.
#pragma once

#include <stoat/distributions/law.hpp>
#include <stoat/random/philox.hpp>
#include <stoat/tape/scalar.hpp>

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
};
template <class A, class B>
Uniform(A&&, B&&) -> Uniform<CommonScalar<A, B>>;

}  // namespace stoat
