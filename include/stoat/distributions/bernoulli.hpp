// stoat/distributions/bernoulli.hpp: the coin toss.
#pragma once

#include <stoat/distributions/binomial.hpp>
#include <stoat/distributions/law.hpp>
#include <stoat/tape/vector.hpp>

namespace stoat {

/// Bernoulli(p): 1 with probability p in [0, 1], else 0. The outcome is 1 if and only if u < p for the keyed uniform u.
template <class S>
struct Bernoulli {
  using Scalar = S;
  S p;

  explicit Bernoulli(S probability) : p(probability) {}

  static constexpr std::string_view name = "Bernoulli";
  static constexpr int parameters = 1;
  template <class F>
  auto map(F&& f) const {
    return Bernoulli<std::decay_t<decltype(f(p))>>(f(p));
  }

  bool valid() const { return p >= 0 && p <= 1; }
  std::string problem() const { return valid() ? std::string() : outside("p", p, "[0, 1]"); }
  bool boundary() const { return p == 0 || p == 1; }
  Support support() const { return {0, 1}; }
  double pmf(std::int64_t k) const { return k == 1 ? p : k == 0 ? 1 - p : 0.0; }
  double cdf(std::int64_t k) const { return k < 0 ? 0.0 : k == 0 ? 1 - p : 1.0; }
  double log_pmf(std::int64_t k) const { return k == 1 ? std::log(p) : k == 0 ? std::log1p(-p) : std::log(0.0); }
  double survival(std::int64_t k) const { return k < 0 ? 1.0 : k == 0 ? p : 0.0; }
  void cdf_derivative(std::int64_t k, std::span<double> out) const { out[0] = k == 0 ? -1 : 0; }
  std::int64_t quantile(double u) const { return u < p; }

  void score(std::int64_t k, std::span<double> out) const { out[0] = k == 1 ? 1 / p : -1 / (1 - p); }
  void up_rate(std::int64_t, std::span<double> out) const { out[0] = 1 / (1 - p); }
  void down_rate(std::int64_t, std::span<double> out) const { out[0] = -1 / p; }
  /// alpha = 1 - p: the other value with weight 1, whichever was drawn. No other choice has a smaller second moment.
  double mixture() const { return 1 - p; }
  /// f(1) - f(0)
  MeasureValued<Binomial<double>> measure_valued(int) const { return {1, Binomial<double>(0, p)}; }
  S mean() const { return p; }
  S log_odds() const { return S(log(p) - log1p(-p)); }
  void mean_derivative(std::span<double> out) const { out[0] = 1; }
};
template <class E>
Bernoulli(E&&) -> Bernoulli<ScalarOf<E>>;
template <class E>
  requires DenseLike<std::remove_cvref_t<E>> Bernoulli(E&&)
->Bernoulli<Dense<ScalarOf<E>, detail::columns_of<std::remove_cvref_t<E>>>>;

}  // namespace stoat
