// stoat/distributions/geometric.hpp: failures before the first success.
#pragma once

#include <stoat/distributions/law.hpp>
#include <stoat/distributions/negative_binomial.hpp>
#include <stoat/tape/vector.hpp>

namespace stoat {

/// Geometric(p): failures before the first success of probability p in [2^-47, 1]. F(k) = 1 - (1 - p)^(k+1).
template <class S>
struct Geometric {
  using Scalar = S;
  S p;

  explicit Geometric(S probability) : p(probability) {}

  static constexpr std::string_view name = "Geometric";
  static constexpr int parameters = 1;
  template <class F>
  auto map(F&& f) const {
    return Geometric<std::decay_t<decltype(f(p))>>(f(p));
  }

  bool valid() const { return p >= 0x1p-47 && p <= 1; }
  std::string problem() const {
    if (valid()) return {};
    return p > 0 && p < 1 ? detail::uncountable("p", p) : outside("p", p, "(0, 1]");
  }
  bool boundary() const { return p == 1; }
  Support support() const { return {}; }
  double pmf(std::int64_t k) const { return k < 0 ? 0.0 : p * power(k); }
  double ratio(std::int64_t) const { return 1 - p; }
  double log_pmf(std::int64_t k) const {
    return k < 0 ? std::log(0.0) : std::log(p) + (k == 0 ? 0.0 : static_cast<double>(k) * std::log1p(-p));
  }
  double survival(std::int64_t k) const { return k < 0 ? 1.0 : std::exp((static_cast<double>(k) + 1) * std::log1p(-p)); }
  double cdf(std::int64_t k) const { return k < 0 ? 0.0 : -std::expm1((static_cast<double>(k) + 1) * std::log1p(-p)); }
  void cdf_derivative(std::int64_t k, std::span<double> out) const {
    out[0] = k < 0 ? 0.0 : (static_cast<double>(k) + 1) * power(k);
  }
  std::int64_t quantile(double u) const {
    if (p == 1) return 0;
    const double k = std::floor(std::log1p(-u) / std::log1p(-p));
    return k < 0x1p62 ? static_cast<std::int64_t>(k) : std::int64_t{1} << 62;
  }

  void score(std::int64_t k, std::span<double> out) const { out[0] = 1 / p - (k > 0 ? static_cast<double>(k) / (1 - p) : 0.0); }
  void up_rate(std::int64_t k, std::span<double> out) const { out[0] = -(static_cast<double>(k) + 1) / p; }
  void down_rate(std::int64_t k, std::span<double> out) const { out[0] = static_cast<double>(k) / (p * (1 - p)); }
  /// alpha = 0: always one failure more, with weight -(k + 1) / p.
  double mixture() const { return 0; }
  /// -1 / p^2 E[f(K+1) - f(K)], K failures before the second success.
  MeasureValued<NegativeBinomial<double>> measure_valued(int) const { return {-1 / (p * p), NegativeBinomial<double>(2, p)}; }
  S mean() const {
    if constexpr (DenseLike<S>) return S(cwise_quotient(1 - p, p));
    else return S((1 - p) / p);
  }
  void mean_derivative(std::span<double> out) const { out[0] = -1 / (p * p); }

 private:
  /// (1 - p)^k
  double power(std::int64_t k) const { return k == 0 ? 1.0 : std::exp(static_cast<double>(k) * std::log1p(-p)); }
};
template <class E>
Geometric(E&&) -> Geometric<ScalarOf<E>>;
template <class E>
  requires DenseLike<std::remove_cvref_t<E>> Geometric(E&&)
->Geometric<Dense<ScalarOf<E>, detail::columns_of<std::remove_cvref_t<E>>>>;

}  // namespace stoat
