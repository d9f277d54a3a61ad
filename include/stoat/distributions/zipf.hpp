// stoat/distributions/zipf.hpp: ranks whose probabilities fall as a power.
#pragma once

#include <stoat/distributions/law.hpp>
#include <stoat/tape/var.hpp>

namespace stoat {

namespace detail {

inline constexpr double no_last_rank = std::numeric_limits<double>::infinity();

template <class S>
double number_behind(const S& x) {
  return static_cast<double>(base_value(value(x)));
}
/// (e^z - 1) / z
template <class S>
S relative_exponential(const S& z) {
  if constexpr (Number<S>) return z == 0 ? S(1) : std::expm1(z) / z;
  if (std::abs(number_behind(z)) >= 0.5) return S(expm1(z) / z);
  S sum = 1;
  for (int i = 16; i > 1; --i) sum = 1 + z / i * sum;
  return sum;
}

/// sum over k = M, ..., n of (k / M)^-s, M well above s, by Euler and Maclaurin's formula, for f(k) = (k / M)^-s:
/// integral + (f(M) + f(n)) / 2 + sum over j of B_2j / (2j)! (f^(2j-1)(n) - f^(2j-1)(M)). n may be no_last_rank if s > 1.
template <class S>
S zipf_rest(const S& s, double M, double n) {
  const bool ends = n < no_last_rank;
  const S last(ends ? S(exp(-s * std::log(ends ? n / M : 1.0))) : S(0));  // f(n)
  S rest(0.5 * (1 + last));
  if (ends) rest += M * std::log(n / M) * relative_exponential(S((1 - s) * std::log(n / M)));
  else rest += M / (s - 1);
  // f^(2j-1)(x) = -s (s+1) ... (s+2j-2) x^-(2j-1) f(x)
  constexpr double bernoulli[] = {1.0 / 12,           -1.0 / 720,     1.0 / 30240,
                                  -1.0 / 1209600,     1.0 / 47900160, -691.0 / 1307674368000.0,
                                  1.0 / 74724249600.0};  // B_2j / (2j)!
  S rising = s;
  double at_first = 1 / M, at_last = 1 / n;  // M^(1-2j), n^(1-2j)
  for (int j = 1; j <= 7; ++j) {
    rest += bernoulli[j - 1] * rising * (at_first - at_last * last);
    rising = rising * (s + (2 * j - 1)) * (s + 2 * j);
    at_first /= M * M;
    at_last /= n * n;
  }
  return rest;
}

/// sum over k = m, ..., n of (k / m)^-s; n may be no_last_rank if s > 1. Terms are added up until zipf_rest gives the others to
/// 1e-17.
template <class S>
S zipf_sum(const S& s, double m, double n) {
  const double power = number_behind(s);
  const double M = std::max(m, std::ceil(std::abs(power)) + 16);
  S sum = 0;
  for (double k = m; k < M; ++k) {
    if (k > n) return sum;
    const S term(exp(-s * std::log(k / m)));
    sum += term;
    if (number_behind(term) < 1e-25) return sum;
  }
  if (n < M) return sum;
  sum += S(exp(-s * std::log(M / m))) * zipf_rest(s, M, n);
  return sum;
}

std::int64_t zipf_quantile(double s, double n, double u);
/// d F(k) / d s / pmf(j), j = k or k + 1; d F(k) / d s if j = 0
double zipf_slope(double s, double n, double k, double j);
/// E log X
double zipf_mean_log(double s, double n);
/// d E X / d s
double zipf_mean_slope(double s, double n);

}  // namespace detail

/// Zipf(s, n): k = 1, ..., n with probability k^-s / H, H = sum of j^-s, for s >= 0. Zipf(s): all k >= 1, for s > 1, H = zeta(s);
/// its mean is finite for s > 2, and double precision does not tell outcomes beyond 2^53 apart. A finite n is at most 2^53.
/// Everything costs O(s), however large n is.
template <class S>
struct Zipf {
  using Scalar = S;
  S s;
  std::int64_t n;

  template <std::integral I>
  Zipf(std::type_identity_t<S> exponent, I ranks) : s(exponent), n(static_cast<std::int64_t>(ranks)) {}
  explicit Zipf(S exponent) : s(exponent), n(Support::unbounded) {}

  static constexpr std::string_view name = "Zipf";
  static constexpr int parameters = 1;
  template <class F>
  auto map(F&& f) const {
    return Zipf<std::decay_t<decltype(f(s))>>(f(s), n);
  }

  std::string problem() const {
    if (n < 1) return outside("n", static_cast<double>(n), "[1, infinity]");
    if (support().finite() && n > std::int64_t{1} << 53) return detail::uncountable("n", static_cast<double>(n));
    const bool valid = std::isfinite(s) && (support().finite() ? s >= 0 : s > 1);
    return valid ? std::string() : outside("s", s, support().finite() ? "[0, infinity)" : "(1, infinity) for unbounded n");
  }
  Support support() const { return {1, n}; }
  double pmf(std::int64_t k) const {
    return support().contains(k) ? std::pow(static_cast<double>(k), -s) / detail::zipf_sum(s, 1, last()) : 0.0;
  }
  double log_pmf(std::int64_t k) const {
    return support().contains(k) ? -s * std::log(static_cast<double>(k)) - std::log(detail::zipf_sum(s, 1, last())) : std::log(0.0);
  }
  double cdf(std::int64_t k) const {
    if (k < 1 || k >= n) return k >= n;
    return detail::zipf_sum(s, 1, static_cast<double>(k)) / detail::zipf_sum(s, 1, last());
  }
  double survival(std::int64_t k) const {
    if (k < 1 || k >= n) return k < 1;
    const double next = static_cast<double>(k) + 1;
    return std::pow(next, -s) * detail::zipf_sum(s, next, last()) / detail::zipf_sum(s, 1, last());
  }
  void cdf_derivative(std::int64_t k, std::span<double> out) const {
    out[0] = k < 1 || k >= n ? 0.0 : detail::zipf_slope(s, last(), static_cast<double>(k), 0);
  }
  std::int64_t mode() const { return 1; }
  std::int64_t quantile(double u) const { return detail::zipf_quantile(s, last(), u); }

  void score(std::int64_t k, std::span<double> out) const {
    out[0] = detail::zipf_mean_log(s, last()) - std::log(static_cast<double>(k));
  }
  void up_rate(std::int64_t k, std::span<double> out) const {
    out[0] = -detail::zipf_slope(s, last(), static_cast<double>(k), static_cast<double>(k));
  }
  void down_rate(std::int64_t k, std::span<double> out) const {
    out[0] = detail::zipf_slope(s, last(), static_cast<double>(k) - 1, static_cast<double>(k));
  }
  /// alpha = 0: always one rank further; the weights of the other jump have a larger second moment.
  double mixture() const { return 0; }
  S mean() const {
    if (!support().finite() && !(detail::number_behind(s) > 2)) return S(detail::no_last_rank);
    return S(detail::zipf_sum(S(s - 1), 1, last()) / detail::zipf_sum(s, 1, last()));
  }
  void mean_derivative(std::span<double> out) const { out[0] = detail::zipf_mean_slope(s, last()); }

 private:
  double last() const { return support().finite() ? static_cast<double>(n) : detail::no_last_rank; }
};
template <class E>
Zipf(E&&) -> Zipf<ScalarOf<E>>;
template <class E, std::integral I>
Zipf(E&&, I) -> Zipf<ScalarOf<E>>;

}  // namespace stoat
