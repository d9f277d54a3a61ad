// stoat/distributions/normal.hpp: the Gaussian law, reparameterised.
#pragma once

#include <boost/random/normal_distribution.hpp>

#include <stoat/distributions/law.hpp>
#include <stoat/tape/scalar.hpp>

namespace stoat {

/// Normal(mean, sd): mean + sd * z with z a standard normal. sd >= 0 is the standard deviation.
template <class S>
struct Normal {
  using Scalar = S;
  using Pathwise = void;
  S mean, sd;

  Normal(std::type_identity_t<S> centre, std::type_identity_t<S> standard_deviation) : mean(centre), sd(standard_deviation) {}

  static constexpr std::string_view name = "Normal";
  template <class F>
  auto map(F&& f) const {
    return Normal<std::decay_t<decltype(f(mean))>>(f(mean), f(sd));
  }
  std::string problem() const {
    if (!std::isfinite(mean)) return outside("mean", mean, "(-infinity, infinity)");
    return sd >= 0 && std::isfinite(sd) ? std::string() : outside("sd", sd, "[0, infinity)");
  }
  template <class G>
  S draw(G& generator) const {
    return S(mean + sd * boost::random::normal_distribution<double>{}(generator));
  }
};
template <class A, class B>
Normal(A&&, B&&) -> Normal<CommonScalar<A, B>>;

}  // namespace stoat
