// stoat/distributions/negative_binomial.hpp: failures before the r-th success; counts with more spread than Poisson ones.
#pragma once

#include <stoat/distributions/law.hpp>
#include <stoat/tape/scalar.hpp>

namespace stoat {

namespace detail {
double negative_binomial_pmf(double r, double p, std::int64_t k);
double negative_binomial_log_pmf(double r, double p, std::int64_t k);
double negative_binomial_cdf(double r, double p, std::int64_t k);
double negative_binomial_survival(double r, double p, std::int64_t k);
std::int64_t negative_binomial_quantile(double r, double p, double u);
/// d F(k) / d r
double negative_binomial_shape_slope(double r, double p, std::int64_t k);
/// d log pmf(k) / d r = digamma(r + k) - digamma(r) + log p
double negative_binomial_shape_score(double r, double p, std::int64_t k);
}  // namespace detail

/// NegativeBinomial(r, p): failures before the r-th success of probability p in (0, 1], for any real r > 0
/// such that (r + 64) (1 - p) / p <= 2^52, which keeps outcomes below 2^53:
/// pmf(k) = Gamma(r + k) / (Gamma(r) k!) p^r (1 - p)^k, F(k) = I_p(r, k + 1), mean r (1 - p) / p. With r as dispersion and mean m,
/// p = r / (r + m). d F(k) / d p = (r + k) / p * pmf(k); d F(k) / d r is that of the incomplete beta function, by continued
/// fraction.
template <class S>
struct NegativeBinomial {
  using Scalar = S;
  S r, p;

  NegativeBinomial(std::type_identity_t<S> successes, std::type_identity_t<S> probability) : r(successes), p(probability) {}

  static constexpr std::string_view name = "NegativeBinomial";
  static constexpr int parameters = 2;
  template <class F>
  auto map(F&& f) const {
    return NegativeBinomial<std::decay_t<decltype(f(r))>>{f(r), f(p)};
  }

  bool valid() const { return r > 0 && p > 0 && p <= 1 && (r + 64) * (1 - p) <= 0x1p52 * p && std::isfinite(r); }
  std::string problem() const {
    if (valid()) return {};
    if (!(r > 0 && std::isfinite(r))) return outside("r", r, "(0, infinity)");
    if (!(p > 0 && p <= 1)) return outside("p", p, "(0, 1]");
    return r * p > 1 ? detail::uncountable("r", r) : detail::uncountable("p", p);
  }
  bool boundary() const { return p == 1; }
  Support support() const { return {}; }
  double pmf(std::int64_t k) const { return detail::negative_binomial_pmf(r, p, k); }
  double ratio(std::int64_t k) const {
    const double x = static_cast<double>(k);
    return (1 - p) * (r + x) / (x + 1);
  }
  double log_pmf(std::int64_t k) const { return detail::negative_binomial_log_pmf(r, p, k); }
  double cdf(std::int64_t k) const { return detail::negative_binomial_cdf(r, p, k); }
  double survival(std::int64_t k) const { return detail::negative_binomial_survival(r, p, k); }
  void cdf_derivative(std::int64_t k, std::span<double> out) const {
    out[0] = detail::negative_binomial_shape_slope(r, p, k);
    out[1] = k < 0 ? 0.0 : (r + static_cast<double>(k)) / p * pmf(k);
  }
  std::int64_t mode() const { return r > 1 ? static_cast<std::int64_t>(std::min((r - 1) * (1 - p) / p, 0x1p62)) : 0; }
  std::int64_t quantile(double u) const { return detail::negative_binomial_quantile(r, p, u); }

  void score(std::int64_t k, std::span<double> out) const {
    out[0] = detail::negative_binomial_shape_score(r, p, k);
    out[1] = r / p - (k > 0 ? static_cast<double>(k) / (1 - p) : 0.0);
  }
  void up_rate(std::int64_t k, std::span<double> out) const {
    out[0] = -detail::negative_binomial_shape_slope(r, p, k) / pmf(k);
    out[1] = -(r + static_cast<double>(k)) / p;
  }
  void down_rate(std::int64_t k, std::span<double> out) const {
    out[0] = detail::negative_binomial_shape_slope(r, p, k - 1) / pmf(k);
    out[1] = static_cast<double>(k) / (p * (1 - p));
  }
  /// alpha = 0: in p always one failure more, with weight -(r + k) / p.
  double mixture() const { return 0; }
  /// In p: -r / p^2 E[f(K+1) - f(K)], K failures before the (r+1)-th success. In r there is none that is easily drawn from.
  MeasureValued<NegativeBinomial<double>> measure_valued(int j) const {
    return {j == 1 ? -r / (p * p) : std::numeric_limits<double>::quiet_NaN(), NegativeBinomial<double>(r + 1, p)};
  }
  S mean() const { return S(r * (1 - p) / p); }
  void mean_derivative(std::span<double> out) const {
    out[0] = (1 - p) / p;
    out[1] = -r / (p * p);
  }
};
template <class A, class B>
NegativeBinomial(A&&, B&&) -> NegativeBinomial<CommonScalar<A, B>>;

}  // namespace stoat
