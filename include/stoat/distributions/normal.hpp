// stoat/distributions/normal.hpp: the Gaussian law, reparameterised.
#pragma once

#include <boost/random/normal_distribution.hpp>

#include <stoat/distributions/continuous.hpp>

namespace stoat {

/// Normal(mean, sd): mean + sd * z with z a standard normal. sd >= 0 is the standard deviation.
template <class S>
struct Normal {
  using Scalar = S;
  using Pathwise = void;
  S centre, sd;  ///< mean and standard deviation

  Normal(std::type_identity_t<S> mean, std::type_identity_t<S> standard_deviation) : centre(mean), sd(standard_deviation) {}

  static constexpr std::string_view name = "Normal";
  static constexpr bool rejection = true;
  template <class F>
  auto map(F&& f) const {
    return Normal<std::decay_t<decltype(f(centre))>>(f(centre), f(sd));
  }
  std::string problem() const {
    if (!std::isfinite(centre)) return outside("mean", centre, "(-infinity, infinity)");
    return sd >= 0 && std::isfinite(sd) ? std::string() : outside("sd", sd, "[0, infinity)");
  }
  template <class G>
  S draw(G& generator) const {
    return S(centre + sd * boost::random::normal_distribution<double>{}(generator));
  }

  S cdf(const S& x) const { return S(normal_cdf((x - centre) / sd)); }
  S survival(const S& x) const { return S(normal_cdf((centre - x) / sd)); }
  S quantile(const S& p) const { return S(centre + sd * normal_quantile(p)); }
  S upper_quantile(const S& q) const { return S(centre - sd * normal_quantile(q)); }
  S log_density(const S& x) const {
    const S z = (x - centre) / sd;
    return S(-0.5 * z * z - log(sd) - detail::log_root_two_pi);
  }
  S mean() const { return centre; }
};
template <class A, class B>
Normal(A&&, B&&) -> Normal<CommonScalar<A, B>>;

}  // namespace stoat
