// stoat/tape/special_functions.hpp: gamma, beta and normal functions, and the special functions of <cmath>.
//
// Values come from Boost.Math, compiled into the library so that its headers stay out of this one, and are computed in double.
// Outside a domain they are NaN or infinite, like those of <cmath>. The columns are those of functions.hpp.
#pragma once

#include <stoat/tape/functions.hpp>

namespace stoat {

/// Values in double.
namespace special {
double digamma(double x);
double polygamma(int n, double x);
double normal_quantile(double p);
double beta(double x, double y);
double gamma_p(double a, double x);
double gamma_q(double a, double x);
double gamma_density(double a, double x);
double ibeta(double a, double b, double x);
double ibetac(double a, double b, double x);
double beta_density(double a, double b, double x);
double expint(double x);
double riemann_zeta(double x);
double ellint_1(double k, double phi);
double ellint_2(double k, double phi);
double ellint_3(double k, double nu, double phi);
double comp_ellint_1(double k);
double comp_ellint_2(double k);
double comp_ellint_3(double k, double nu);
double cyl_bessel_i(double nu, double x);
double cyl_bessel_j(double nu, double x);
double cyl_bessel_k(double nu, double x);
double cyl_neumann(double nu, double x);
double sph_bessel(unsigned n, double x);
double sph_neumann(unsigned n, double x);
double legendre(unsigned n, double x);
double assoc_legendre(unsigned n, unsigned m, double x);
double sph_legendre(unsigned n, unsigned m, double theta);
double hermite(unsigned n, double x);
double laguerre(unsigned n, double x);
double assoc_laguerre(unsigned n, unsigned m, double x);
}  // namespace special

namespace detail {
/// A built-in number in double, or an order.
template <class T>
constexpr double wide(const T& x) {
  return static_cast<double>(base_value(x));
}
template <class T>
constexpr int order(const T& n) {
  return static_cast<int>(base_value(n));
}
template <class T>
constexpr unsigned degree(const T& n) {
  return static_cast<unsigned>(base_value(n));
}
}  // namespace detail

// ---- the normal law ---------------------------------------------------------------------------------------------------

STOAT_NUMERIC(normal_cdf)
/// The cumulative distribution function of the standard normal law; d = e^(-x^2/2) / sqrt(2 pi)
STOAT_UNARY(normal_cdf, T(0.5) * std::erfc(-x * T(std::numbers::sqrt2 / 2)),
            T(std::numbers::inv_sqrtpi* std::numbers::sqrt2 / 2) * exp(T(-0.5) * x * x))
STOAT_NUMERIC(normal_quantile)
/// Its inverse, for x in [0, 1]; d = sqrt(2 pi) e^(v^2/2)
STOAT_UNARY(normal_quantile, T(special::normal_quantile(detail::wide(x))),
            T(std::numbers::sqrt2 / std::numbers::inv_sqrtpi) * exp(T(0.5) * v * v))

// ---- gamma ------------------------------------------------------------------------------------------------------------

STOAT_NUMERIC(polygamma)
/// The n-th derivative of digamma, n = 0, 1, ...; d = polygamma(n + 1, x)
STOAT_ORDERED(polygamma, T(special::polygamma(detail::order(n), detail::wide(x))), polygamma(detail::order(n) + 1, x))
STOAT_NUMERIC(trigamma)
/// The derivative of digamma; d = polygamma(2, x)
STOAT_UNARY(trigamma, T(special::polygamma(1, detail::wide(x))), polygamma(2, x))
STOAT_NUMERIC(digamma)
/// The derivative of lgamma; d = trigamma(x)
STOAT_UNARY(digamma, T(special::digamma(detail::wide(x))), trigamma(x))
/// log |Gamma(x)|; d = digamma(x)
STOAT_UNARY(lgamma, std::lgamma(x), digamma(x))
/// Gamma(x); d = Gamma(x) digamma(x)
STOAT_UNARY(tgamma, std::tgamma(x), v* digamma(x))

namespace detail {

/// x log-derivative style products: 0 where the density is 0.
template <class T>
T weighted(const T& density, const T& factor) {
  return base_value(density) == 0 ? T(0) : density * factor;
}

/// True once adding `term` no longer changes any component of `sum`.
template <Number T>
bool negligible(T term, T sum) {
  return !(std::abs(term) > std::numeric_limits<T>::epsilon() / 4 * std::abs(sum));
}
template <class T, int N>
bool negligible(const Dual<T, N>& term, const Dual<T, N>& sum) {
  if (!negligible(term.value(), sum.value())) return false;
  for (int d = 0; d < N; ++d)
    if (!negligible(term.tangent(d), sum.tangent(d))) return false;
  return true;
}

inline constexpr int most_terms = 10'000'000;  ///< about 10 sqrt(a) are needed

}  // namespace detail

STOAT_NUMERIC(gamma_density)
/// The density of the gamma law of shape a and scale 1, x^(a-1) e^-x / Gamma(a), a > 0, x >= 0;
/// d/da = v (log x - digamma(a)), d/dx = v ((a - 1) / x - 1)
STOAT_BINARY(gamma_density, T(special::gamma_density(detail::wide(x), detail::wide(y))),
             detail::weighted(v, log(y) - digamma(x)), detail::weighted(v, (x - T(1)) / y - T(1)))

namespace detail {

/// d P(a, x) / d a: term by term from P = sum_n x^(a+n) e^-x / Gamma(a+n+1) below x = a + 1, otherwise from the continued
/// fraction of Q = 1 - P (Abramowitz and Stegun 1964, 6.5.29 and 6.5.31).
template <class T>
T gamma_p_shape_slope(const T& a, const T& x) {
  if (!(base_value(x) > 0) || std::isinf(base_value(x))) return T(0) * x * a;
  if (base_value(x) < base_value(a) + 1) {
    const T log_x = log(x);
    T psi = digamma(a + T(1)), c = 1, sum = log_x - psi;
    bool small = false;
    for (int n = 1; n < most_terms; ++n) {
      const T next = a + T(n);
      c *= x / next;
      if (n > 0) psi += T(1) / next;
      // digamma(a + n + 1) = digamma(a + 1) + sum_{k=1..n} 1 / (a + k)
      const T term = c * (log_x - psi);
      sum += term;
      const bool smaller = negligible(term, sum);
      if (small && smaller) break;
      small = smaller;
    }
    return gamma_density(a + T(1), x) * sum;
  }
  // Lentz's method, with the derivative in a carried along.
  using D = Dual<T>;
  const D shape(a, T(1)), at(x);
  D b = at + 1 - shape, c = D(1) / D(1e-300), d = D(1) / b, h = d;
  for (int i = 1; i < most_terms; ++i) {
    const D e = D(-i) * (D(i) - shape);
    b += 2;
    d = D(1) / (e * d + b);
    c = b + e / c;
    const D factor = d * c, change = h * (factor - 1);
    h *= factor;
    if (negligible(change, h)) break;
  }
  return -gamma_density(a, x) * x * ((log(x) - digamma(a)) * h.value() + h.tangent());
}

}  // namespace detail

STOAT_NUMERIC(gamma_p)
/// The regularised lower incomplete gamma function P(a, x), a > 0, x >= 0: the cumulative distribution function of the gamma law;
/// d/dx = gamma_density(a, x), d/da by series
STOAT_BINARY(gamma_p, T(special::gamma_p(detail::wide(x), detail::wide(y))), detail::gamma_p_shape_slope(x, y),
             gamma_density(x, y))
STOAT_NUMERIC(gamma_q)
/// Q(a, x) = 1 - P(a, x) without cancellation
STOAT_BINARY(gamma_q, T(special::gamma_q(detail::wide(x), detail::wide(y))), -detail::gamma_p_shape_slope(x, y),
             -gamma_density(x, y))

// ---- beta -------------------------------------------------------------------------------------------------------------

STOAT_NUMERIC(beta)
/// B(x, y) = Gamma(x) Gamma(y) / Gamma(x + y), x, y > 0; d/dx = v (digamma(x) - digamma(x + y))
STOAT_BINARY(beta, T(special::beta(detail::wide(x), detail::wide(y))), v*(digamma(x) - digamma(x + y)),
             v*(digamma(y) - digamma(x + y)))
STOAT_NUMERIC(beta_density)
/// The density of the beta law at z, z^(x-1) (1-z)^(y-1) / B(x, y), x, y > 0, z in [0, 1];
/// d/dx = v (log z - digamma(x) + digamma(x + y)), d/dz = v ((x - 1) / z - (y - 1) / (1 - z))
STOAT_TERNARY(beta_density, beta_density, T(special::beta_density(detail::wide(x), detail::wide(y), detail::wide(z))),
              detail::weighted(v, log(z) - digamma(x) + digamma(x + y)),
              detail::weighted(v, log1p(-z) - digamma(y) + digamma(x + y)),
              detail::weighted(v, (x - T(1)) / z - (y - T(1)) / (T(1) - z)))

namespace detail {

/// d I_x(a, b) / d a (K = 0) or d b (K = 1), from the continued fraction of Abramowitz and Stegun 1964, 26.5.8, and
/// I_x(a, b) = 1 - I_(1-x)(b, a) where that converges faster.
template <int K, class T>
T ibeta_slope(const T& a, const T& b, const T& x) {
  if (!(base_value(x) > 0) || !(base_value(x) < 1)) return T(0) * x * a * b;
  if (base_value(x) > (base_value(a) + 1) / (base_value(a) + base_value(b) + 2)) return -ibeta_slope<1 - K>(b, a, T(1) - x);
  using D = Dual<T>;
  const D p(a, T(K == 0)), q(b, T(K == 1)), at(x);
  D c = 1, d = D(1) / (D(1) - (p + q) * at / (p + 1)), h = d;
  for (int m = 1; m < most_terms; ++m) {
    const D even = D(m) * (q - D(m)) * at / ((p + D(2 * m - 1)) * (p + D(2 * m)));
    d = D(1) / (D(1) + even * d);
    c = D(1) + even / c;
    h *= d * c;
    const D odd = -(p + D(m)) * (p + q + D(m)) * at / ((p + D(2 * m)) * (p + D(2 * m + 1)));
    d = D(1) / (D(1) + odd * d);
    c = D(1) + odd / c;
    const D factor = d * c, change = h * (factor - 1);
    h *= factor;
    if (negligible(change, h)) break;
  }
  const T weight = beta_density(a, b, x) * x * (T(1) - x) / a;
  const T log_slope = K == 0 ? log(x) - digamma(a) + digamma(a + b) - T(1) / a : log1p(-x) - digamma(b) + digamma(a + b);
  return weight * (log_slope * h.value() + h.tangent());
}

}  // namespace detail

STOAT_NUMERIC(ibeta)
/// The regularised incomplete beta function I_z(x, y), x, y > 0, z in [0, 1]: the cumulative distribution function of the
/// beta law at its third argument; d/dz = beta_density(x, y, z), d/dx and d/dy by continued fraction
STOAT_TERNARY(ibeta, ibeta, T(special::ibeta(detail::wide(x), detail::wide(y), detail::wide(z))), (detail::ibeta_slope<0>(x, y, z)),
              (detail::ibeta_slope<1>(x, y, z)), beta_density(x, y, z))
STOAT_NUMERIC(ibetac)
/// 1 - I_z(x, y) without cancellation
STOAT_TERNARY(ibetac, ibetac, T(special::ibetac(detail::wide(x), detail::wide(y), detail::wide(z))), (-detail::ibeta_slope<0>(x, y, z)),
              (-detail::ibeta_slope<1>(x, y, z)), -beta_density(x, y, z))

}  // namespace stoat
