// stoat/distributions/log_normal.hpp: a number whose logarithm is normal.
#pragma once

#include <boost/random/normal_distribution.hpp>

#include <stoat/distributions/continuous.hpp>

namespace stoat {

/// LogNormal(mu, sigma): e^(mu + sigma z) with z a standard normal; mu and sigma >= 0 are mean and standard deviation of the
/// logarithm.
template <class S>
struct LogNormal {
  using Scalar = S;
  using Pathwise = void;
  S mu, sigma;

  LogNormal(std::type_identity_t<S> log_mean, std::type_identity_t<S> log_sd) : mu(log_mean), sigma(log_sd) {}

  static constexpr std::string_view name = "LogNormal";
  static constexpr bool rejection = true;
  template <class F>
  auto map(F&& f) const {
    return LogNormal<std::decay_t<decltype(f(mu))>>(f(mu), f(sigma));
  }
  std::string problem() const {
    if (!std::isfinite(mu)) return outside("mu", mu, "(-infinity, infinity)");
    return sigma >= 0 && std::isfinite(sigma) ? std::string() : outside("sigma", sigma, "[0, infinity)");
  }
  template <class G>
  S draw(G& generator) const {
    return S(exp(mu + sigma * boost::random::normal_distribution<double>{}(generator)));
  }

  S cdf(const S& x) const { return detail::number(x) > 0 ? S(normal_cdf((log(x) - mu) / sigma)) : S(0); }
  S survival(const S& x) const { return detail::number(x) > 0 ? S(normal_cdf((mu - log(x)) / sigma)) : S(1); }
  S quantile(const S& p) const { return S(exp(mu + sigma * normal_quantile(p))); }
  S upper_quantile(const S& q) const { return S(exp(mu - sigma * normal_quantile(q))); }
  S log_density(const S& x) const {
    if (!(detail::number(x) > 0)) return S(-detail::infinity);
    const S y = log(x), z = (y - mu) / sigma;
    return S(-0.5 * z * z - log(sigma) - y - detail::log_root_two_pi);
  }
  S mean() const { return S(exp(mu + 0.5 * sigma * sigma)); }
};
template <class A, class B>
LogNormal(A&&, B&&) -> LogNormal<CommonScalar<A, B>>;

}  // namespace stoat
