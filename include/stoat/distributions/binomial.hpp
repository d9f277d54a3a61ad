// stoat/distributions/binomial.hpp: the number of successes in n trials.
#pragma once

#include <stoat/distributions/law.hpp>
#include <stoat/tape/scalar.hpp>

namespace stoat {

namespace detail {
double binomial_pmf(std::int64_t n, double p, std::int64_t k);
double binomial_log_pmf(std::int64_t n, double p, std::int64_t k);
double binomial_cdf(std::int64_t n, double p, std::int64_t k);
double binomial_survival(std::int64_t n, double p, std::int64_t k);
std::int64_t binomial_quantile(std::int64_t n, double p, double u);
}  // namespace detail

/// Binomial(n, p): successes among n <= 2^53 trials of probability p in [0, 1]. n may be the outcome of an earlier draw.
/// d F(k) / d p = -(n - k) / (1 - p) * pmf(k).
template <class S>
struct Binomial {
  using Scalar = S;
  std::int64_t n;
  S p;

  template <std::integral I>
  Binomial(I trials, std::type_identity_t<S> probability) : n(static_cast<std::int64_t>(trials)), p(probability) {}

  static constexpr std::string_view name = "Binomial";
  static constexpr int parameters = 1;
  template <class F>
  auto map(F&& f) const {
    return Binomial<std::decay_t<decltype(f(p))>>(n, f(p));
  }

  bool valid() const { return n >= 0 && n <= std::int64_t{1} << 53 && p >= 0 && p <= 1; }
  std::string problem() const {
    if (std::string text = detail::trouble_of_trials(n); !text.empty()) return text;
    return p >= 0 && p <= 1 ? std::string() : outside("p", p, "[0, 1]");
  }
  bool boundary() const { return n > 0 && (p == 0 || p == 1); }
  Support support() const { return {0, n}; }
  double pmf(std::int64_t k) const { return detail::binomial_pmf(n, p, k); }
  double ratio(std::int64_t k) const { return p / (1 - p) * static_cast<double>(n - k) / (static_cast<double>(k) + 1); }
  double log_pmf(std::int64_t k) const { return detail::binomial_log_pmf(n, p, k); }
  double cdf(std::int64_t k) const { return detail::binomial_cdf(n, p, k); }
  double survival(std::int64_t k) const { return detail::binomial_survival(n, p, k); }
  void cdf_derivative(std::int64_t k, std::span<double> out) const {
    // -n * pmf(k; n - 1, p): finite at p = 1 too.
    out[0] = k < 0 || k >= n ? 0.0 : -static_cast<double>(n) * detail::binomial_pmf(n - 1, p, k);
  }
  std::int64_t mode() const { return std::min(n, static_cast<std::int64_t>((static_cast<double>(n) + 1) * p)); }
  std::int64_t quantile(double u) const { return detail::binomial_quantile(n, p, u); }

  void score(std::int64_t k, std::span<double> out) const {
    const double x = static_cast<double>(k), rest = static_cast<double>(n - k);
    out[0] = (k > 0 ? x / p : 0.0) - (rest > 0 ? rest / (1 - p) : 0.0);
  }
  void up_rate(std::int64_t k, std::span<double> out) const { out[0] = static_cast<double>(n - k) / (1 - p); }
  void down_rate(std::int64_t k, std::span<double> out) const { out[0] = -static_cast<double>(k) / p; }
  /// alpha = 1 - p: one of the n trials, chosen at random, is turned over.
  double mixture() const { return 1 - p; }
  /// n E[f(K+1) - f(K)], K successes of n - 1 trials.
  MeasureValued<Binomial<double>> measure_valued(int) const {
    return {static_cast<double>(n), Binomial<double>(std::max<std::int64_t>(n - 1, 0), p)};
  }
  S mean() const { return S(static_cast<double>(n) * p); }
  void mean_derivative(std::span<double> out) const { out[0] = static_cast<double>(n); }
};
template <std::integral I, class E>
Binomial(I, E&&) -> Binomial<ScalarOf<E>>;

}  // namespace stoat
