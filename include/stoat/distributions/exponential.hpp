// stoat/distributions/exponential.hpp: waiting times at a constant rate, reparameterised.
#pragma once

#include <boost/random/exponential_distribution.hpp>

#include <stoat/distributions/law.hpp>
#include <stoat/tape/scalar.hpp>

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
    return S(boost::random::exponential_distribution<double>{}(generator) / rate);
  }
};
template <class E>
Exponential(E&&) -> Exponential<ScalarOf<E>>;

}  // namespace stoat
