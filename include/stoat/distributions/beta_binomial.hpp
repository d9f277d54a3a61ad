// stoat/distributions/beta_binomial.hpp: successes in n trials whose probability was drawn from a beta law.
#pragma once

#include <stoat/distributions/law.hpp>
#include <stoat/tape/scalar.hpp>

namespace stoat {

namespace detail {
double beta_binomial_log_pmf(std::int64_t n, double a, double b, std::int64_t k);
double beta_binomial_cdf(std::int64_t n, double a, double b, std::int64_t k);
double beta_binomial_survival(std::int64_t n, double a, double b, std::int64_t k);
std::int64_t beta_binomial_quantile(std::int64_t n, double a, double b, double u);
void beta_binomial_score(std::int64_t n, double a, double b, std::int64_t k, std::span<double> out);
/// d F(k) / d (a, b), over pmf(j) if j = k or k + 1 is given
void beta_binomial_slope(std::int64_t n, double a, double b, std::int64_t k, std::int64_t j, std::span<double> out);
}  // namespace detail

/// BetaBinomial(n, a, b): successes among n <= 2^53 trials of a probability drawn from Beta(a, b), a, b > 0:
/// pmf(k) = C(n, k) B(k + a, n - k + b) / B(a, b). n may be the outcome of an earlier draw. pmf and score are closed forms; cdf,
/// rates and draws are sums of at most n terms, of O(standard deviation) terms where a, b >= 1. None of the sums cancels.
template <class S>
struct BetaBinomial {
  using Scalar = S;
  std::int64_t n;
  S a, b;

  template <std::integral I>
  BetaBinomial(I trials, std::type_identity_t<S> first, std::type_identity_t<S> second)
      : n(static_cast<std::int64_t>(trials)), a(first), b(second) {}

  static constexpr std::string_view name = "BetaBinomial";
  static constexpr int parameters = 2;
  template <class F>
  auto map(F&& f) const {
    return BetaBinomial<std::decay_t<decltype(f(a))>>{n, f(a), f(b)};
  }

  std::string problem() const {
    if (std::string text = detail::trouble_of_trials(n); !text.empty()) return text;
    if (!(a > 0 && std::isfinite(a))) return outside("a", a, "(0, infinity)");
    return b > 0 && std::isfinite(b) ? std::string() : outside("b", b, "(0, infinity)");
  }
  Support support() const { return {0, n}; }
  double pmf(std::int64_t k) const { return std::exp(log_pmf(k)); }
  double log_pmf(std::int64_t k) const { return detail::beta_binomial_log_pmf(n, a, b, k); }
  double cdf(std::int64_t k) const { return detail::beta_binomial_cdf(n, a, b, k); }
  double survival(std::int64_t k) const { return detail::beta_binomial_survival(n, a, b, k); }
  void cdf_derivative(std::int64_t k, std::span<double> out) const { detail::beta_binomial_slope(n, a, b, k, -1, out); }
  std::int64_t mode() const {
    if (a <= 1 || b <= 1) return a < b ? 0 : n;
    return std::min(n, static_cast<std::int64_t>((static_cast<double>(n) + 1) * ((a - 1) / (a + b - 2))));
  }
  std::int64_t quantile(double u) const { return detail::beta_binomial_quantile(n, a, b, u); }

  void score(std::int64_t k, std::span<double> out) const { detail::beta_binomial_score(n, a, b, k, out); }
  void up_rate(std::int64_t k, std::span<double> out) const {
    detail::beta_binomial_slope(n, a, b, k, k, out);
    for (double& o : out) o = -o;
  }
  void down_rate(std::int64_t k, std::span<double> out) const { detail::beta_binomial_slope(n, a, b, k - 1, k, out); }
  S mean() const { return S(static_cast<double>(n) * a / (a + b)); }
  void mean_derivative(std::span<double> out) const {
    const double scale = static_cast<double>(n) / ((a + b) * (a + b));
    out[0] = scale * b;
    out[1] = -scale * a;
  }
};
template <std::integral I, class A, class B>
BetaBinomial(I, A&&, B&&) -> BetaBinomial<CommonScalar<A, B>>;

}  // namespace stoat
