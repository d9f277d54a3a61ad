// stoat/tape/special_functions.hpp: gamma, beta and normal functions, and the special functions of <cmath>.
//
// Values come from Boost.Math, compiled into the library so that its headers stay out of this one, and are computed in double; the
// gamma and beta laws of large shapes, where it loses digits, have formulas of our own. Outside a domain they are NaN or infinite,
// like those of <cmath>. The columns are those of functions.hpp.
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

STOAT_NUMERIC(normal_cdf, 1)
/// The cumulative distribution function of the standard normal law; d = e^(-x^2/2) / sqrt(2 pi)
STOAT_UNARY(normal_cdf, T(0.5) * std::erfc(-x * T(std::numbers::sqrt2 / 2)),
            T(std::numbers::inv_sqrtpi* std::numbers::sqrt2 / 2) * exp(T(-0.5) * x * x))
STOAT_NUMERIC(normal_quantile, 1)
/// Its inverse, for x in [0, 1]; d = sqrt(2 pi) e^(v^2/2)
STOAT_UNARY(normal_quantile, T(special::normal_quantile(detail::wide(x))),
            T(std::numbers::sqrt2 / std::numbers::inv_sqrtpi) * exp(T(0.5) * v * v))

// ---- gamma ------------------------------------------------------------------------------------------------------------

STOAT_NUMERIC_ORDERED(polygamma)
/// The n-th derivative of digamma, n = 0, 1, ...; d = polygamma(n + 1, x)
STOAT_ORDERED(polygamma, T(special::polygamma(detail::order(n), detail::wide(x))), polygamma(detail::order(n) + 1, x))
STOAT_NUMERIC(trigamma, 1)
/// The derivative of digamma; d = polygamma(2, x)
STOAT_UNARY(trigamma, T(special::polygamma(1, detail::wide(x))), polygamma(2, x))
STOAT_NUMERIC(digamma, 1)
/// The derivative of lgamma; d = trigamma(x)
STOAT_UNARY(digamma, T(special::digamma(detail::wide(x))), trigamma(x))
/// log |Gamma(x)|; d = digamma(x)
STOAT_UNARY(lgamma, std::lgamma(x), digamma(x))
/// Gamma(x); d = Gamma(x) digamma(x)
STOAT_UNARY(tgamma, std::tgamma(x), v* digamma(x))

namespace detail {

inline constexpr double digamma_series_from = 100;  ///< from here on digamma_rest() is exact

/// log a - digamma(a) for large a (Abramowitz and Stegun 1964, 6.3.18)
template <class T>
T digamma_rest(const T& a) {
  const T i = T(1) / (a * a);
  return T(0.5) / a + i * (T(1.0 / 12) - i * (T(1.0 / 120) - i * T(1.0 / 252)));
}
/// log x - digamma(a), the derivative in a of the logarithm of the gamma density at x
template <class T>
T log_gamma_density_slope(const T& a, const T& x) {
  if (base_value(a) < digamma_series_from) return log(x) - digamma(a);
  const T excess = (x - a) / a;
  return (base_value(excess) > -0.5 ? log1p(excess) : log(x) - log(a)) + digamma_rest(a);
}
/// log x - digamma(a) + digamma(a + b), y = 1 - x, the derivative in a of the logarithm of the beta density at x. The smaller one
/// of x and y counts.
template <class T>
T log_beta_density_slope(const T& a, const T& b, const T& x, const T& y) {
  const T log_x = base_value(x) < 0.5 ? log(x) : log1p(-y);
  if (base_value(a) < digamma_series_from) return log_x - digamma(a) + digamma(a + b);
  const T excess = (b * x - a * y) / a;  // x (a + b) / a - 1
  return (base_value(excess) > -0.5 ? log1p(excess) : log_x + log1p(b / a)) + (digamma_rest(a) - digamma_rest(a + b));
}

}  // namespace detail

STOAT_NUMERIC(gamma_density, 2)
STOAT_NUMERIC(beta_density, 3)
namespace detail {

/// density * d log density; 0 where the density is 0.
template <class T>
T weighted(const T& density, const T& factor) {
  return base_value(density) == 0 ? T(0) : density * factor;
}
/// v ((a - 1) / x - 1), and the limit at x = 0.
template <class T>
T gamma_density_slope(const T& a, const T& x, const T& v) {
  if (base_value(x) == 0) return (a > T(1) ? gamma_density(a - T(1), x) : a < T(1) ? -v : T(0)) - v;
  return weighted(v, (a - T(1)) / x - T(1));
}
/// v ((a - 1) / x - (b - 1) / (1 - x)), and the limits at 0 and 1.
template <class T>
T beta_density_slope(const T& a, const T& b, const T& x, const T& v) {
  if (base_value(x) == 0)
    return (a > T(1) ? (a + b - T(1)) * beta_density(a - T(1), b, x) : a < T(1) ? -v : T(0)) - weighted(v, b - T(1));
  if (base_value(x) == 1) return -beta_density_slope(b, a, T(0), v);
  return weighted(v, (a - T(1)) / x - (b - T(1)) / (T(1) - x));
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

/// Whether a continued fraction has settled. Tangents take up to twice the steps of the value; where they are small differences
/// of large numbers, rounding keeps them from ever standing still.
class Settled {
 public:
  template <class T>
  bool operator()(int step, const T& change, const T& now) {
    if (first_ == 0 && negligible(base_value(change), base_value(now))) first_ = step;
    return first_ != 0 && (step > 2 * first_ + 20 || negligible(change, now));
  }

 private:
  int first_ = 0;  ///< the step from which on the value stands still
};

inline constexpr int most_terms = 10'000'000;  ///< about 10 sqrt(a) are needed
inline constexpr double large_shape = 1e5;     ///< from here on the gamma law has expansions by normal deviates

}  // namespace detail

/// The density of the gamma law of shape a and scale 1, x^(a-1) e^-x / Gamma(a), a > 0, x >= 0;
/// d/da = v (log x - digamma(a)), d/dx = v ((a - 1) / x - 1)
STOAT_BINARY(gamma_density, T(special::gamma_density(detail::wide(x), detail::wide(y))),
             detail::weighted(v, detail::log_gamma_density_slope(x, y)), detail::gamma_density_slope(x, y, v))

namespace detail {

/// The quantile of the gamma law of a large shape a at normal_cdf(z): a + z sqrt(a) + (z^2 - 1) / 3 + (z^3 - 7 z) / (36 sqrt(a)) -
/// (3 z^4 + 7 z^2 - 16) / (810 a) + ..., after Cornish and Fisher 1938.
template <class T>
struct LargeGamma {
  T value, slope_a, slope_z;
  LargeGamma(const T& a, const T& z) {
    const T root = sqrt(a), z2 = z * z, c = z * (z2 - T(7)) / (T(36) * root), d = (z2 * (T(3) * z2 + T(7)) - T(16)) / (T(810) * a);
    value = a + z * root + (z2 - T(1)) / T(3) + c - d;
    slope_a = T(1) + (T(0.5) * z * root - T(0.5) * c + d) / a;
    slope_z = root + T(2.0 / 3) * z + (z2 - T(7.0 / 3)) / (T(12) * root);
  }
};

/// d P(a, x) / d a for a large shape: with P = normal_cdf(z) it is -density d x / d a at constant z.
template <class T>
T large_gamma_p_shape_slope(const T& a, const T& x) {
  T z = (x - a) / sqrt(a);
  for (int i = 0; i < 6; ++i) {
    const LargeGamma<T> at(a, z);
    z += (x - at.value) / at.slope_z;
  }
  return weighted(T(-gamma_density(a, x)), LargeGamma<T>(a, z).slope_a);
}

/// d P(a, x) / d a: term by term from P = sum_n x^(a+n) e^-x / Gamma(a+n+1) below x = a + 1, otherwise from the continued
/// fraction of Q = 1 - P (Abramowitz and Stegun 1964, 6.5.29 and 6.5.31).
template <class T>
T gamma_p_shape_slope(const T& a, const T& x) {
  if (!(base_value(x) > 0) || std::isinf(base_value(x))) return T(0) * x * a;
  if (base_value(a) > large_shape) return large_gamma_p_shape_slope(a, x);
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
  Settled settled;
  for (int i = 1; i < most_terms; ++i) {
    const D e = D(-i) * (D(i) - shape);
    b += 2;
    d = D(1) / (e * d + b);
    c = b + e / c;
    const D factor = d * c, change = h * (factor - 1);
    h *= factor;
    if (settled(i, change, h)) break;
  }
  return -gamma_density(a, x) * x * ((log(x) - digamma(a)) * h.value() + h.tangent());
}

}  // namespace detail

STOAT_NUMERIC(gamma_p, 2)
/// The regularised lower incomplete gamma function P(a, x), a > 0, x >= 0: the cumulative distribution function of the gamma law;
/// d/dx = gamma_density(a, x), d/da by series
STOAT_BINARY(gamma_p, T(special::gamma_p(detail::wide(x), detail::wide(y))), detail::gamma_p_shape_slope(x, y), gamma_density(x, y))
STOAT_NUMERIC(gamma_q, 2)
/// Q(a, x) = 1 - P(a, x) without cancellation
STOAT_BINARY(gamma_q, T(special::gamma_q(detail::wide(x), detail::wide(y))), -detail::gamma_p_shape_slope(x, y),
             -gamma_density(x, y))

// ---- beta -------------------------------------------------------------------------------------------------------------

STOAT_NUMERIC(beta, 2)
/// B(x, y) = Gamma(x) Gamma(y) / Gamma(x + y), x, y > 0; d/dx = v (digamma(x) - digamma(x + y))
STOAT_BINARY(beta, T(special::beta(detail::wide(x), detail::wide(y))), v*(digamma(x) - digamma(x + y)),
             v*(digamma(y) - digamma(x + y)))
/// The density of the beta law at z, z^(x-1) (1-z)^(y-1) / B(x, y), x, y > 0, z in [0, 1];
/// d/dx = v (log z - digamma(x) + digamma(x + y)), d/dz = v ((x - 1) / z - (y - 1) / (1 - z))
STOAT_TERNARY(beta_density, beta_density, T(special::beta_density(detail::wide(x), detail::wide(y), detail::wide(z))),
              detail::weighted(v, detail::log_beta_density_slope(x, y, z, T(T(1) - z))),
              detail::weighted(v, detail::log_beta_density_slope(y, x, T(T(1) - z), z)), detail::beta_density_slope(x, y, z, v))

namespace detail {

/// I_x(a, b) B(a, b) / (x^a y^b), y = 1 - x, for lambda = a y - b x > 0: the continued fraction of DiDonato and Morris (1992,
/// "Significant digit computation of the incomplete beta function ratios", 4.1), evaluated by Lentz's method.
template <class T>
T beta_fraction(const T& a, const T& b, const T& x, const T& y, const T& lambda) {
  T value = a / (a + T(1)) * (lambda + T(1)), c = value, d = 0;
  Settled settled;
  for (int i = 1; i < most_terms; ++i) {
    const T m(i), t = a + T(2) * m - T(1), w = m * (b - m) * x / t;
    const T numerator = (a + m - T(1)) / t * (a + b + m - T(1)) * x * w;
    const T term = m + w + (a + m) / (t + T(2)) * (lambda + T(1) + m * (T(1) + y));
    d = T(1) / (term + numerator * d);
    c = term + numerator / c;
    const T factor = c * d, change = value * (factor - T(1));
    value *= factor;
    if (settled(i, change, value)) break;
  }
  return T(1) / value;
}

/// d I_x(a, b) / d a (K = 0) or d b (K = 1), y = 1 - x, from the continued fraction of I_x(a, b) or 1 - I_y(b, a).
template <int K, class T>
T ibeta_slope(const T& a, const T& b, const T& x, const T& y) {
  if (!(base_value(x) > 0) || !(base_value(y) > 0)) return T(0) * x * a * b;
  const T lambda = a * y - b * x;
  if (base_value(lambda) < 0) return -ibeta_slope<1 - K>(b, a, y, x);
  using D = Dual<T>;
  const D fraction = beta_fraction(D(a, T(K == 0)), D(b, T(K == 1)), D(x), D(y), D(lambda, K == 0 ? y : -x));
  // The smaller of x and y is the one that was not rounded.
  const T density = base_value(x) < base_value(y) ? beta_density(a, b, x) : beta_density(b, a, y);
  const T log_slope = K == 0 ? log_beta_density_slope(a, b, x, y) : log_beta_density_slope(b, a, y, x);
  return density * x * y * (log_slope * fraction.value() + fraction.tangent());
}
template <int K, class T>
T ibeta_slope(const T& a, const T& b, const T& x) {
  return ibeta_slope<K>(a, b, x, T(1) - x);
}

}  // namespace detail

STOAT_NUMERIC(ibeta, 3)
/// The regularised incomplete beta function I_z(x, y), x, y > 0, z in [0, 1]: the cumulative distribution function of the
/// beta law at its third argument; d/dz = beta_density(x, y, z), d/dx and d/dy by continued fraction
STOAT_TERNARY(ibeta, ibeta, T(special::ibeta(detail::wide(x), detail::wide(y), detail::wide(z))), (detail::ibeta_slope<0>(x, y, z)),
              (detail::ibeta_slope<1>(x, y, z)), beta_density(x, y, z))
STOAT_NUMERIC(ibetac, 3)
/// 1 - I_z(x, y) without cancellation
STOAT_TERNARY(ibetac, ibetac, T(special::ibetac(detail::wide(x), detail::wide(y), detail::wide(z))),
              (-detail::ibeta_slope<0>(x, y, z)), (-detail::ibeta_slope<1>(x, y, z)), -beta_density(x, y, z))

// ---- the special functions of <cmath> ---------------------------------------------------------------------------------
//
// Names, argument order and conventions of the C++ standard. Orders and degrees (n, m, nu) are plain numbers.

namespace detail {
/// sum over n - 1, n - 3, ... of (2k + 1) P_k(x), which is P_n'(x) without the singularity of the textbook formula.
template <class T>
T legendre_slope(unsigned n, const T& x) {
  T below(0), now(1), sum(0);  // P_(k-1), P_k
  for (unsigned k = 0; k < n; ++k) {
    if ((n - 1 - k) % 2 == 0) sum += T(static_cast<BaseOf<T>>(2 * k + 1)) * now;
    const T above =
        (T(static_cast<BaseOf<T>>(2 * k + 1)) * x * now - T(static_cast<BaseOf<T>>(k)) * below) / T(static_cast<BaseOf<T>>(k + 1));
    below = now, now = above;
  }
  return sum;
}
template <class T>
constexpr T count(unsigned n) {
  return T(static_cast<BaseOf<T>>(n));
}
/// zeta'(x): the tangent of the Euler-Maclaurin sum, and below 0 of the reflection formula.
template <class T>
T zeta_slope(const T& x);
/// (complete elliptic integrals)' near k = 0, where the closed forms cancel.
template <class T>
T elliptic_series(const T& k, double a, double b, double c) {
  using B = BaseOf<T>;
  const T q = k * k;
  return T(B(std::numbers::pi / 2)) * k * (T(B(a)) + q * (T(B(b)) + q * T(B(c))));
}
template <class T>
bool small_modulus(const T& k) {
  return std::abs(base_value(k)) < BaseOf<T>(0.01);
}
}  // namespace detail

STOAT_NUMERIC(expint, 1)
/// The exponential integral Ei(x); d = e^x / x
STOAT_UNARY(expint, T(special::expint(detail::wide(x))), exp(x) / x)
STOAT_NUMERIC(riemann_zeta, 1)
/// The Riemann zeta function; d by Euler-Maclaurin summation
STOAT_UNARY(riemann_zeta, T(special::riemann_zeta(detail::wide(x))), detail::zeta_slope(x))

// The slopes of K and E need both functions.
STOAT_NUMERIC(comp_ellint_1, 1)
STOAT_NUMERIC(comp_ellint_2, 1)
/// The complete elliptic integral E(k); d = (E - K) / k
STOAT_UNARY(comp_ellint_2, T(special::comp_ellint_2(detail::wide(x))),
            detail::small_modulus(x) ? detail::elliptic_series(x, -1.0 / 2, -3.0 / 16, -15.0 / 128) : (v - comp_ellint_1(x)) / x)
/// The complete elliptic integral K(k); d = (E / (1 - k^2) - K) / k
STOAT_UNARY(comp_ellint_1, T(special::comp_ellint_1(detail::wide(x))),
            detail::small_modulus(x) ? detail::elliptic_series(x, 1.0 / 2, 9.0 / 16, 75.0 / 128)
                                     : (comp_ellint_2(x) / ((T(1) - x) * (T(1) + x)) - v) / x)
STOAT_NUMERIC(comp_ellint_3, 2)
/// The complete elliptic integral Pi(k, nu), at (x, y);
/// d/dk = k / (nu - k^2) (E / (k^2 - 1) + v), d/dnu = (E + (k^2 - nu) K / nu + (nu^2 - k^2) v / nu) / (2 (k^2 - nu) (nu - 1))
STOAT_BINARY(comp_ellint_3, T(special::comp_ellint_3(detail::wide(x), detail::wide(y))),
             x / (y - x * x) * (comp_ellint_2(x) / (x * x - T(1)) + v),
             (comp_ellint_2(x) + (x * x - y) / y * comp_ellint_1(x) + (y * y - x * x) / y * v) / (T(2) * (x * x - y) * (y - T(1))))
STOAT_NUMERIC(ellint_1, 2)
STOAT_NUMERIC(ellint_2, 2)
/// The incomplete elliptic integral E(k, phi), at (x, y); d/dk = (E - F) / k, d/dphi = sqrt(1 - k^2 sin(phi)^2)
STOAT_BINARY(ellint_2, T(special::ellint_2(detail::wide(x), detail::wide(y))), x == T(0) ? T(0) : (v - ellint_1(x, y)) / x,
             sqrt(T(1) - square(x * sin(y))))
/// The incomplete elliptic integral F(k, phi), at (x, y), with D = sqrt(1 - k^2 sin(phi)^2);
/// d/dk = (E / (1 - k^2) - F) / k - k sin(phi) cos(phi) / ((1 - k^2) D), d/dphi = 1 / D
STOAT_BINARY(ellint_1, T(special::ellint_1(detail::wide(x), detail::wide(y))),
             x == T(0) ? T(0)
                       : (ellint_2(x, y) / (T(1) - x * x) - v) / x -
                             x * sin(y) * cos(y) / ((T(1) - x * x) * sqrt(T(1) - square(x * sin(y)))),
             T(1) / sqrt(T(1) - square(x * sin(y))))
STOAT_NUMERIC(ellint_3, 3)
/// The incomplete elliptic integral Pi(k, nu, phi), at (x, y, z), with D = sqrt(1 - k^2 sin(phi)^2);
/// d/dk = k / (nu - k^2) (E / (k^2 - 1) + v - k^2 sin(phi) cos(phi) / ((k^2 - 1) D)),
/// d/dnu = (E + (k^2 - nu) F / nu + (nu^2 - k^2) v / nu - nu D sin(2 phi) / (2 (1 - nu sin(phi)^2))) / (2 (k^2 - nu) (nu - 1)),
/// d/dphi = 1 / ((1 - nu sin(phi)^2) D)
STOAT_TERNARY(ellint_3, ellint_3, T(special::ellint_3(detail::wide(x), detail::wide(y), detail::wide(z))),
              x / (y - x * x) *
                  (ellint_2(x, z) / (x * x - T(1)) + v -
                   x * x * sin(z) * cos(z) / ((x * x - T(1)) * sqrt(T(1) - square(x * sin(z))))),
              (ellint_2(x, z) + (x * x - y) / y * ellint_1(x, z) + (y * y - x * x) / y * v -
               y * sqrt(T(1) - square(x * sin(z))) * sin(T(2) * z) / (T(2) * (T(1) - y * square(sin(z))))) /
                  (T(2) * (x * x - y) * (y - T(1))),
              T(1) / ((T(1) - y * square(sin(z))) * sqrt(T(1) - square(x * sin(z)))))

STOAT_NUMERIC_ORDERED(cyl_bessel_j)
/// The Bessel function J_n(x), n >= 0; d = (J_(n-1) - J_(n+1)) / 2
STOAT_ORDERED(cyl_bessel_j, T(special::cyl_bessel_j(detail::wide(n), detail::wide(x))),
              n == T(0) ? T(-cyl_bessel_j(1, x))
                        : T(0.5) * (cyl_bessel_j(detail::base_value(n) - 1, x) - cyl_bessel_j(detail::base_value(n) + 1, x)))
STOAT_NUMERIC_ORDERED(cyl_neumann)
/// The Neumann function Y_n(x), n >= 0; d = (Y_(n-1) - Y_(n+1)) / 2
STOAT_ORDERED(cyl_neumann, T(special::cyl_neumann(detail::wide(n), detail::wide(x))),
              n == T(0) ? T(-cyl_neumann(1, x))
                        : T(0.5) * (cyl_neumann(detail::base_value(n) - 1, x) - cyl_neumann(detail::base_value(n) + 1, x)))
STOAT_NUMERIC_ORDERED(cyl_bessel_i)
/// The modified Bessel function I_n(x), n >= 0; d = (I_(n-1) + I_(n+1)) / 2
STOAT_ORDERED(cyl_bessel_i, T(special::cyl_bessel_i(detail::wide(n), detail::wide(x))),
              n == T(0) ? T(cyl_bessel_i(1, x))
                        : T(0.5) * (cyl_bessel_i(detail::base_value(n) - 1, x) + cyl_bessel_i(detail::base_value(n) + 1, x)))
STOAT_NUMERIC_ORDERED(cyl_bessel_k)
/// The modified Bessel function K_n(x), n >= 0; d = -(K_(n-1) + K_(n+1)) / 2
STOAT_ORDERED(cyl_bessel_k, T(special::cyl_bessel_k(detail::wide(n), detail::wide(x))),
              T(-0.5) * (cyl_bessel_k(std::abs(detail::base_value(n) - 1), x) + cyl_bessel_k(detail::base_value(n) + 1, x)))
STOAT_NUMERIC_ORDERED(sph_bessel)
/// The spherical Bessel function j_n(x); d = (n j_(n-1) - (n+1) j_(n+1)) / (2n + 1)
STOAT_ORDERED(sph_bessel, T(special::sph_bessel(detail::degree(n), detail::wide(x))),
              n == T(0) ? T(-sph_bessel(1, x))
                        : (n * sph_bessel(detail::degree(n) - 1, x) - (n + T(1)) * sph_bessel(detail::degree(n) + 1, x)) /
                              (T(2) * n + T(1)))
STOAT_NUMERIC_ORDERED(sph_neumann)
/// The spherical Neumann function y_n(x); d = (n y_(n-1) - (n+1) y_(n+1)) / (2n + 1)
STOAT_ORDERED(sph_neumann, T(special::sph_neumann(detail::degree(n), detail::wide(x))),
              n == T(0) ? T(-sph_neumann(1, x))
                        : (n * sph_neumann(detail::degree(n) - 1, x) - (n + T(1)) * sph_neumann(detail::degree(n) + 1, x)) /
                              (T(2) * n + T(1)))

STOAT_NUMERIC_ORDERED(legendre)
/// The Legendre polynomial P_n(x); d = sum over k = n-1, n-3, ... of (2k + 1) P_k
STOAT_ORDERED(legendre, T(special::legendre(detail::degree(n), detail::wide(x))), detail::legendre_slope(detail::degree(n), x))
STOAT_NUMERIC_ORDERED(hermite)
/// The (physicists') Hermite polynomial H_n(x); d = 2 n H_(n-1)
STOAT_ORDERED(hermite, T(special::hermite(detail::degree(n), detail::wide(x))),
              n == T(0) ? T(0) : T(2) * n * hermite(detail::degree(n) - 1, x))
STOAT_NUMERIC_ORDERED2(assoc_laguerre)
/// The associated Laguerre polynomial L_n^m(x); d = -L_(n-1)^(m+1)
STOAT_ORDERED2(assoc_laguerre, T(special::assoc_laguerre(detail::degree(n), detail::degree(m), detail::wide(x))),
               n == T(0) ? T(0) : T(-assoc_laguerre(detail::degree(n) - 1, detail::degree(m) + 1, x)))
STOAT_NUMERIC_ORDERED(laguerre)
/// The Laguerre polynomial L_n(x); d = -L_(n-1)^(1)
STOAT_ORDERED(laguerre, T(special::laguerre(detail::degree(n), detail::wide(x))),
              n == T(0) ? T(0) : T(-assoc_laguerre(detail::degree(n) - 1, 1, x)))
STOAT_NUMERIC_ORDERED2(assoc_legendre)
/// The associated Legendre function P_n^m(x) without the phase of Condon and Shortley;
/// d = P_n^(m+1) / sqrt(1 - x^2) - m x P_n^m / (1 - x^2)
STOAT_ORDERED2(assoc_legendre, T(special::assoc_legendre(detail::degree(n), detail::degree(m), detail::wide(x))),
               assoc_legendre(detail::degree(n), detail::degree(m) + 1, x) / sqrt(T(1) - x * x) - m * x * v / (T(1) - x * x))
STOAT_NUMERIC_ORDERED2(sph_legendre)
/// The spherical associated Legendre function Y_n^m(x, 0) of the polar angle x; d = m cot(x) Y_n^m + sqrt((n-m)(n+m+1)) Y_n^(m+1)
STOAT_ORDERED2(sph_legendre, T(special::sph_legendre(detail::degree(n), detail::degree(m), detail::wide(x))),
               m* v / tan(x) +
                   sqrt(n > m ? (n - m) * (n + m + T(1)) : T(0)) * sph_legendre(detail::degree(n), detail::degree(m) + 1, x))

namespace detail {
template <class T>
T zeta_slope(const T& x) {
  using D = Dual<T>;
  using B = BaseOf<T>;
  const D s(x, T(1));
  if (base_value(x) < 0) {
    // zeta(s) = 2^s pi^(s-1) sin(pi s / 2) Gamma(1 - s) zeta(1 - s)
    const T y = T(1) - x;
    const D mirrored(riemann_zeta(y), -zeta_slope(y));
    const B pi = std::numbers::pi_v<B>;
    return (exp2(s) * pow(D(pi), s - D(1)) * sin(D(pi / 2) * s) * tgamma(D(1) - s) * mirrored).tangent();
  }
  // sum_{k<N} k^-s + N^(1-s) / (s-1) + N^-s / 2 + sum_j B_2j / (2j)! s (s+1) ... (s+2j-2) N^(1-s-2j)
  constexpr int terms = 20;
  constexpr double bernoulli[] = {1.0 / 6,       -1.0 / 30, 1.0 / 42,      -1.0 / 30,     5.0 / 66,
                                  -691.0 / 2730, 7.0 / 6,   -3617.0 / 510, 43867.0 / 798, -174611.0 / 330};
  D sum(0);
  for (int k = 2; k < terms; ++k) sum += exp(-s * D(std::log(B(k))));
  const D last = exp(-s * D(std::log(B(terms))));
  sum += last * D(terms) / (s - D(1)) + last / D(2);
  D product = s / D(terms);
  double factorial = 2;
  for (int j = 1; j <= 10; ++j) {
    sum += D(B(bernoulli[j - 1] / factorial)) * product * last;
    product *= (s + D(2 * j - 1)) * (s + D(2 * j)) / D(terms * terms);
    factorial *= (2 * j + 1) * (2 * j + 2);
  }
  return sum.tangent();
}
}  // namespace detail

#undef STOAT_UNARY
#undef STOAT_BINARY
#undef STOAT_TERNARY
#undef STOAT_ORDERED
#undef STOAT_ORDERED2
#undef STOAT_NUMERIC
#undef STOAT_NUMERIC_ORDERED
#undef STOAT_NUMERIC_ORDERED2

}  // namespace stoat
