// stoat/program/log_probability.hpp: log P(k) as a differentiable function of the parameters, for derivatives of higher order.
// A law of one's own takes part with a member S log_probability(std::int64_t k) const.
#pragma once

#include <cmath>
#include <cstdint>

#include <stoat/distributions/bernoulli.hpp>
#include <stoat/distributions/bernoulli_logit.hpp>
#include <stoat/distributions/binomial.hpp>
#include <stoat/distributions/categorical.hpp>
#include <stoat/distributions/discrete_uniform.hpp>
#include <stoat/distributions/geometric.hpp>
#include <stoat/distributions/negative_binomial.hpp>
#include <stoat/distributions/one_hot.hpp>
#include <stoat/distributions/poisson.hpp>
#include <stoat/tape/special_functions.hpp>

namespace stoat::detail {

/// n log x, 0 for n = 0 whatever x is.
template <class S>
S times_log(double n, const S& x) {
  return n == 0 ? S(0) : S(n * log(x));
}

template <class S>
S log_probability(const Bernoulli<S>& law, std::int64_t k) {
  return k == 1 ? S(log(law.p)) : S(log1p(-law.p));
}
template <class S>
S log_probability(const BernoulliLogit<S>& law, std::int64_t k) {
  return k == 1 ? S(-log1p(exp(-law.logit))) : S(-log1p(exp(law.logit)));
}
/// Without the term in n and k alone, which no parameter moves.
template <class S>
S log_probability(const Binomial<S>& law, std::int64_t k) {
  return times_log(static_cast<double>(k), law.p) + times_log(static_cast<double>(law.n - k), S(1 - law.p));
}
template <class S>
S log_probability(const Geometric<S>& law, std::int64_t k) {
  return log(law.p) + times_log(static_cast<double>(k), S(1 - law.p));
}
template <class S>
S log_probability(const Poisson<S>& law, std::int64_t k) {
  return times_log(static_cast<double>(k), law.rate) - law.rate;
}
template <class S>
S log_probability(const NegativeBinomial<S>& law, std::int64_t k) {
  const double n = static_cast<double>(k);
  return lgamma(law.r + n) - lgamma(law.r) + law.r * log(law.p) + times_log(n, S(1 - law.p));
}
template <class S>
S log_probability(const Categorical<S>& law, std::int64_t k) {
  return log(law.weights()[k]) - log(sum(law.weights()));
}
inline double log_probability(const DiscreteUniform&, std::int64_t) { return 0; }

/// Laws whose log-probability is a differentiable function here.
template <class L>
concept HasLogProbability = requires(const L& law) {
  law.log_probability(std::int64_t{0});
}
|| requires(const L& law) { log_probability(law, std::int64_t{0}); };

template <class S, class L>
S log_probability_of(const L& law, std::int64_t k) {
  if constexpr (requires { law.log_probability(k); }) return S(law.log_probability(k));
  else return S(log_probability(law, k));
}

}  // namespace stoat::detail
