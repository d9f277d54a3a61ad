// stoat/distributions/poisson.hpp: the number of events at a constant rate.
#pragma once

#include <stoat/distributions/law.hpp>
#include <stoat/tape/vector.hpp>

namespace stoat {

namespace detail {
double poisson_pmf(double rate, std::int64_t k);
double poisson_log_pmf(double rate, std::int64_t k);
double poisson_cdf(double rate, std::int64_t k);
double poisson_survival(double rate, std::int64_t k);
std::int64_t poisson_quantile(double rate, double u);
}  // namespace detail

/// Poisson(rate): events of mean number rate in [0, 2^52]. d F(k) / d rate = -pmf(k).
template <class S>
struct Poisson {
  using Scalar = S;
  S rate;

  explicit Poisson(S mean_number) : rate(mean_number) {}

  static constexpr std::string_view name = "Poisson";
  static constexpr int parameters = 1;
  template <class F>
  auto map(F&& f) const {
    return Poisson<std::decay_t<decltype(f(rate))>>(f(rate));
  }

  bool valid() const { return rate >= 0 && rate <= 0x1p52; }
  std::string problem() const {
    if (valid()) return {};
    return rate > 0x1p52 ? detail::uncountable("rate", rate) : outside("rate", rate, "[0, infinity)");
  }
  bool boundary() const { return rate == 0; }
  Support support() const { return {}; }
  double pmf(std::int64_t k) const { return detail::poisson_pmf(rate, k); }
  double ratio(std::int64_t k) const { return rate / (static_cast<double>(k) + 1); }
  double log_pmf(std::int64_t k) const { return detail::poisson_log_pmf(rate, k); }
  double cdf(std::int64_t k) const { return detail::poisson_cdf(rate, k); }
  double survival(std::int64_t k) const { return detail::poisson_survival(rate, k); }
  void cdf_derivative(std::int64_t k, std::span<double> out) const { out[0] = -detail::poisson_pmf(rate, k); }
  std::int64_t mode() const { return static_cast<std::int64_t>(std::min(rate, 0x1p62)); }
  std::int64_t quantile(double u) const { return detail::poisson_quantile(rate, u); }

  void score(std::int64_t k, std::span<double> out) const { out[0] = (k > 0 ? static_cast<double>(k) / rate : 0.0) - 1; }
  void up_rate(std::int64_t, std::span<double> out) const { out[0] = 1; }
  void down_rate(std::int64_t k, std::span<double> out) const { out[0] = -static_cast<double>(k) / rate; }
  /// alpha = 1: always one event more, with weight 1.
  double mixture() const { return 1; }
  /// E[f(K+1) - f(K)], K of the law itself.
  MeasureValued<Poisson<double>> measure_valued(int) const { return {1, Poisson<double>(rate)}; }
  S mean() const { return rate; }
  void mean_derivative(std::span<double> out) const { out[0] = 1; }
};
template <class E>
Poisson(E&&) -> Poisson<ScalarOf<E>>;
template <class E>
  requires DenseLike<std::remove_cvref_t<E>> Poisson(E&&)
->Poisson<Dense<ScalarOf<E>, detail::columns_of<std::remove_cvref_t<E>>>>;

}  // namespace stoat
