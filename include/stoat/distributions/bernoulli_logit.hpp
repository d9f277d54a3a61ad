// stoat/distributions/bernoulli_logit.hpp: the coin toss whose parameter is the log-odds.
#pragma once

#include <stoat/distributions/binomial.hpp>
#include <stoat/distributions/law.hpp>
#include <stoat/tape/vector.hpp>

namespace stoat {

/// BernoulliLogit(l): 1 with probability p = 1 / (1 + e^-l), else 0. The outcome is 1 if and only if u < p for the keyed uniform u.
/// Both probabilities and every derivative in l keep their relative accuracy in both tails, where p itself rounds to 1.
template <class S>
struct BernoulliLogit {
  using Scalar = S;
  S logit;  ///< log p - log(1 - p)

  explicit BernoulliLogit(S log_odds) : logit(log_odds) {}

  static constexpr std::string_view name = "BernoulliLogit";
  static constexpr int parameters = 1;
  template <class F>
  auto map(F&& f) const {
    return BernoulliLogit<std::decay_t<decltype(f(logit))>>(f(logit));
  }

  std::string problem() const { return std::isnan(logit) ? outside("logit", logit, "[-infinity, infinity]") : std::string(); }
  Support support() const { return {0, 1}; }
  double pmf(std::int64_t k) const { return k == 1 ? p() : k == 0 ? q() : 0.0; }
  double log_pmf(std::int64_t k) const { return k == 1 ? -softplus(-logit) : k == 0 ? -softplus(logit) : std::log(0.0); }
  double cdf(std::int64_t k) const { return k < 0 ? 0.0 : k == 0 ? q() : 1.0; }
  double survival(std::int64_t k) const { return k < 0 ? 1.0 : k == 0 ? p() : 0.0; }
  void cdf_derivative(std::int64_t k, std::span<double> out) const { out[0] = k == 0 ? -p() * q() : 0.0; }
  std::int64_t quantile(double u) const { return u < p(); }

  void score(std::int64_t k, std::span<double> out) const { out[0] = k == 1 ? q() : -p(); }
  void up_rate(std::int64_t, std::span<double> out) const { out[0] = p(); }
  void down_rate(std::int64_t, std::span<double> out) const { out[0] = -q(); }
  /// alpha = 1 - p: the other value with weight p (1 - p), whichever was drawn.
  double mixture() const { return q(); }
  template <class Visit>
  void alternatives(std::int64_t k, const Visit& visit) const {
    const double weight = k == 0 ? p() * q() : -p() * q();  // not by 1 - alpha, which cancels where p is small
    visit(1 - k, 0, std::span<const double>(&weight, 1));
  }
  /// p (1 - p) (f(1) - f(0))
  MeasureValued<Binomial<double>> measure_valued(int) const { return {p() * q(), Binomial<double>(0, p())}; }
  S mean() const { return S(logistic(logit)); }
  const S& log_odds() const { return logit; }
  void mean_derivative(std::span<double> out) const { out[0] = p() * q(); }

 private:
  double p() const { return logistic(logit); }
  double q() const { return logistic(-logit); }
};
template <class E>
BernoulliLogit(E&&) -> BernoulliLogit<ScalarOf<E>>;
template <class E>
  requires DenseLike<std::remove_cvref_t<E>> BernoulliLogit(E&&)
->BernoulliLogit<Dense<ScalarOf<E>, detail::columns_of<std::remove_cvref_t<E>>>>;

}  // namespace stoat
