#include <stoat/tape/special_functions.hpp>

#include <cmath>
#include <limits>
#include <numbers>

#include <boost/math/policies/policy.hpp>
#include <boost/math/special_functions/bessel.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/digamma.hpp>
#include <boost/math/special_functions/ellint_1.hpp>
#include <boost/math/special_functions/ellint_2.hpp>
#include <boost/math/special_functions/ellint_3.hpp>
#include <boost/math/special_functions/erf.hpp>
#include <boost/math/special_functions/expint.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <boost/math/special_functions/hermite.hpp>
#include <boost/math/special_functions/laguerre.hpp>
#include <boost/math/special_functions/legendre.hpp>
#include <boost/math/special_functions/log1p.hpp>
#include <boost/math/special_functions/polygamma.hpp>
#include <boost/math/special_functions/spherical_harmonic.hpp>
#include <boost/math/special_functions/zeta.hpp>

#include "binomial_term.hpp"

namespace stoat::special {

namespace {

namespace bm = boost::math;
namespace policies = boost::math::policies;
// No exceptions: NaN outside a domain, infinity at a pole or beyond the range, as in <cmath>.
using Quiet = policies::policy<policies::domain_error<policies::ignore_error>, policies::pole_error<policies::ignore_error>,
                               policies::overflow_error<policies::ignore_error>, policies::underflow_error<policies::ignore_error>,
                               policies::denorm_error<policies::ignore_error>, policies::evaluation_error<policies::ignore_error>,
                               policies::indeterminate_result_error<policies::ignore_error>, policies::promote_double<false>>;
constexpr Quiet quiet{};
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// P and Q for a large shape and x not far from it: P = erfc(-e sqrt(a/2)) / 2 - s, Q = erfc(e sqrt(a/2)) / 2 + s with
/// e^2 / 2 = m - log(1 + m), m = x / a - 1, and s by Temme's expansion (1979; DLMF 8.12). Boost.Math 1.74 instead sums sqrt(a)
/// terms, but no more than 10^6, so at a shape of 10^12 it is wrong in the first digit.
struct LargeGammaTails {
  double p, q;
  static bool covers(double a, double x) { return a > detail::large_shape && std::abs(x - a) < 0.2 * a; }
  LargeGammaTails(double a, double x) {
    const double m = (x - a) / a, half_square = -bm::log1pmx(m, quiet), e = std::copysign(std::sqrt(2 * half_square), m);
    const double c0 =
        -1.0 / 3 + e * (1.0 / 12 + e * (-2.0 / 135 + e * (1.0 / 864 + e * (1.0 / 2835 + e * (-139.0 / 777600 + e / 25515)))));
    const double c1 = -1.0 / 540 + e * (-1.0 / 288 + e * (25.0 / 12096)), c2 = 25.0 / 6048;
    const double s = std::exp(-a * half_square) / std::sqrt(2 * std::numbers::pi * a) * (c0 + (c1 + c2 / a) / a);
    const double z = e * std::sqrt(a / 2);
    p = 0.5 * std::erfc(-z) - s;
    q = 0.5 * std::erfc(z) + s;
  }
};

/// I_x(a, b) and 1 - I_x(a, b) for a large sum of the shapes, where Boost.Math 1.74 loses a digit as it grows tenfold, and all of
/// them beyond 10^12: by continued fraction, of about sqrt(a + b) steps at the mean.
struct LargeBetaTails {
  double p, q;
  static bool covers(double a, double b, double x) { return a + b > 500 && std::isfinite(a + b) && x > 0 && x < 1; }
  LargeBetaTails(double a, double b, double x) {
    // In long double: what thousands of steps round away adds up.
    using detail::Long;
    const Long y = 1 - static_cast<Long>(x), lambda = a * y - static_cast<Long>(b) * x;
    const Long power = std::exp(detail::log_beta_power(a, b, x, y));
    const Long tail =
        power * (lambda >= 0 ? detail::beta_fraction<Long>(a, b, x, y, lambda) : detail::beta_fraction<Long>(b, a, y, x, -lambda));
    p = static_cast<double>(lambda >= 0 ? tail : 1 - tail);
    q = static_cast<double>(lambda >= 0 ? 1 - tail : tail);
  }
};

}  // namespace

double digamma(double x) {
  if (x == infinity) return infinity;
  if (!(x > -infinity)) return nan;
  return bm::digamma(x, quiet);
}
double polygamma(int n, double x) {
  if (n == 0) return digamma(x);
  if (n < 0 || !(x > -infinity)) return nan;
  if (x == infinity) return 0;
  return bm::polygamma(n, x, quiet);
}
double normal_quantile(double p) {
  if (!(p >= 0 && p <= 1)) return nan;
  if (p == 0 || p == 1) return p == 0 ? -infinity : infinity;
  return -std::sqrt(2.0) * bm::erfc_inv(2 * p, quiet);
}

double gamma_p(double a, double x) {
  if (!(a > 0) || !(x >= 0)) return nan;
  if (LargeGammaTails::covers(a, x)) return LargeGammaTails(a, x).p;
  return x == infinity ? 1 : bm::gamma_p(a, x, quiet);
}
double gamma_q(double a, double x) {
  if (!(a > 0) || !(x >= 0)) return nan;
  if (LargeGammaTails::covers(a, x)) return LargeGammaTails(a, x).q;
  return x == infinity ? 0 : bm::gamma_q(a, x, quiet);
}
double gamma_density(double a, double x) {
  if (!(a > 0) || !(x >= 0)) return nan;
  if (x == 0) return a < 1 ? infinity : a == 1 ? 1 : 0;
  return x == infinity ? 0 : bm::gamma_p_derivative(a, x, quiet);
}

double beta(double x, double y) { return x > 0 && y > 0 ? bm::beta(x, y, quiet) : nan; }
double ibeta(double a, double b, double x) {
  if (!(a > 0 && b > 0 && x >= 0 && x <= 1)) return nan;
  return LargeBetaTails::covers(a, b, x) ? LargeBetaTails(a, b, x).p : bm::ibeta(a, b, x, quiet);
}
double ibetac(double a, double b, double x) {
  if (!(a > 0 && b > 0 && x >= 0 && x <= 1)) return nan;
  return LargeBetaTails::covers(a, b, x) ? LargeBetaTails(a, b, x).q : bm::ibetac(a, b, x, quiet);
}
double beta_density(double a, double b, double x) {
  if (!(a > 0 && b > 0 && x >= 0 && x <= 1)) return nan;
  if (x == 0) return a < 1 ? infinity : a == 1 ? b : 0;
  if (x == 1) return b < 1 ? infinity : b == 1 ? a : 0;
  if (!LargeBetaTails::covers(a, b, x)) return bm::ibeta_derivative(a, b, x, quiet);
  const detail::Long y = 1 - static_cast<detail::Long>(x);
  return static_cast<double>(std::exp(detail::log_beta_power(a, b, x, y)) / x / y);
}

double expint(double x) { return bm::expint(x, quiet); }
double riemann_zeta(double x) { return bm::zeta(x, quiet); }
double ellint_1(double k, double phi) { return std::abs(k) <= 1 ? bm::ellint_1(k, phi, quiet) : nan; }
double ellint_2(double k, double phi) { return std::abs(k) <= 1 ? bm::ellint_2(k, phi, quiet) : nan; }
double ellint_3(double k, double nu, double phi) { return std::abs(k) <= 1 ? bm::ellint_3(k, nu, phi, quiet) : nan; }
double comp_ellint_1(double k) { return std::abs(k) <= 1 ? bm::ellint_1(k, quiet) : nan; }
double comp_ellint_2(double k) { return std::abs(k) <= 1 ? bm::ellint_2(k, quiet) : nan; }
double comp_ellint_3(double k, double nu) { return std::abs(k) <= 1 ? bm::ellint_3(k, nu, quiet) : nan; }
// Orders below 0 occur in derivatives.
double cyl_bessel_i(double nu, double x) { return x >= 0 ? bm::cyl_bessel_i(nu, x, quiet) : nan; }
double cyl_bessel_j(double nu, double x) { return x >= 0 ? bm::cyl_bessel_j(nu, x, quiet) : nan; }
double cyl_bessel_k(double nu, double x) { return x >= 0 ? bm::cyl_bessel_k(nu, x, quiet) : nan; }
double cyl_neumann(double nu, double x) { return x >= 0 ? bm::cyl_neumann(nu, x, quiet) : nan; }
double sph_bessel(unsigned n, double x) { return x >= 0 ? bm::sph_bessel(n, x, quiet) : nan; }
double sph_neumann(unsigned n, double x) { return x >= 0 ? bm::sph_neumann(n, x, quiet) : nan; }
double legendre(unsigned n, double x) { return std::abs(x) <= 1 ? bm::legendre_p(static_cast<int>(n), x, quiet) : nan; }
double assoc_legendre(unsigned n, unsigned m, double x) {
  if (!(std::abs(x) <= 1)) return nan;
  // <cmath> leaves out the phase (-1)^m of Condon and Shortley.
  return (m % 2 ? -1 : 1) * bm::legendre_p(static_cast<int>(n), static_cast<int>(m), x, quiet);
}
double sph_legendre(unsigned n, unsigned m, double theta) {
  return m > n ? 0 : bm::spherical_harmonic_r(n, static_cast<int>(m), theta, 0.0, quiet);
}
double hermite(unsigned n, double x) { return bm::hermite(n, x, quiet); }
double laguerre(unsigned n, double x) { return x >= 0 ? bm::laguerre(n, x, quiet) : nan; }
double assoc_laguerre(unsigned n, unsigned m, double x) { return x >= 0 ? bm::laguerre(n, m, x, quiet) : nan; }

}  // namespace stoat::special
