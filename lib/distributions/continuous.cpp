// Plain numbers behind the continuous laws: logarithms of densities, tails and their inverses, mostly from Boost.Math.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <boost/math/distributions/students_t.hpp>
#include <boost/math/quadrature/gauss.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <boost/math/special_functions/log1p.hpp>

#include <stoat/distributions/beta.hpp>
#include <stoat/distributions/gamma.hpp>
#include <stoat/distributions/student_t.hpp>
#include <stoat/distributions/von_mises.hpp>

namespace stoat::detail {
namespace {

namespace bm = boost::math;
// Nothing here throws: NaN outside a domain, infinity beyond the range, the best guess where an iteration does not settle.
using Quiet = bm::policies::policy<
    bm::policies::domain_error<bm::policies::ignore_error>, bm::policies::pole_error<bm::policies::ignore_error>,
    bm::policies::overflow_error<bm::policies::ignore_error>, bm::policies::underflow_error<bm::policies::ignore_error>,
    bm::policies::denorm_error<bm::policies::ignore_error>, bm::policies::evaluation_error<bm::policies::ignore_error>,
    bm::policies::indeterminate_result_error<bm::policies::ignore_error>>;
constexpr Quiet quiet{};
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

bool is_probability(double p) { return p >= 0 && p <= 1; }
/// log of a density that may underflow: from the density where that is accurate, else from the formula.
template <class F>
double log_of(double density, F&& formula) {
  return density > 1e-290 && density < 1e290 ? std::log(density) : formula();
}
/// Newton steps in log x for log tail(x) = log p, from a guess that Boost.Math may have given up on far out in a tail.
template <class Tail, class Density>
double polished(double x, double p, int direction, Tail&& tail, Density&& density) {
  for (int i = 0; i < 100; ++i) {
    const double now = tail(x), step = std::log(p / now) * now / (x * density(x));
    const double next = x * std::exp(direction * step);
    if (!(next > 0) || !std::isfinite(next)) return x;
    x = next;
    if (std::abs(step) < 1e-15) break;
  }
  return x;
}

/// c log x, and 0 where c is.
double times_log(double c, double x) { return c == 0 ? 0 : c * std::log(x); }

}  // namespace

double log_gamma_density(double a, double x) {
  if (!(a > 0 && x >= 0)) return nan;
  const auto formula = [&] { return times_log(a - 1, x) - x - std::lgamma(a); };
  return x == 0 || std::isinf(x) ? formula() : log_of(special::gamma_density(a, x), formula);
}
double gamma_p_inverse(double a, double p) {
  if (!is_probability(p)) return nan;
  if (!(a > large_shape && p > 0 && p < 1)) return bm::gamma_p_inv(a, p, quiet);
  if (p > 0.5) return gamma_q_inverse(a, 1 - p);
  return polished(
      LargeGamma(a, special::normal_quantile(p)).value, p, 1, [a](double x) { return special::gamma_p(a, x); },
      [a](double x) { return special::gamma_density(a, x); });
}
double gamma_q_inverse(double a, double q) {
  if (!is_probability(q)) return nan;
  if (!(a > large_shape && q > 0 && q < 1)) return bm::gamma_q_inv(a, q, quiet);
  if (q > 0.5) return gamma_p_inverse(a, 1 - q);
  return polished(
      LargeGamma(a, -special::normal_quantile(q)).value, q, -1, [a](double x) { return special::gamma_q(a, x); },
      [a](double x) { return special::gamma_density(a, x); });
}

double gamma_excess(double d, double t) {
  // v - 1 - log v = 3 t + 3 t^2 + t^3 - 3 log(1 + t), and log1pmx is log(1 + t) - t
  return d * (t * t * (t - 1.5) - 3 * bm::log1pmx(t, quiet));
}
double log_beta_density(double a, double b, double x) {
  if (!(a > 0 && b > 0 && x >= 0 && x <= 1)) return nan;
  const auto formula = [&] {
    return times_log(a - 1, x) + times_log(b - 1, 1 - x) - std::lgamma(a) - std::lgamma(b) + std::lgamma(a + b);
  };
  return x == 0 || x == 1 ? formula() : log_of(special::beta_density(a, b, x), formula);
}
double ibeta_inverse(double a, double b, double p) {
  if (!is_probability(p)) return nan;
  const auto density = [&](double x) { return special::beta_density(a, b, x); };
  const double x = bm::ibeta_inv(a, b, p, quiet);
  if (!(x > 0 && x < 1) || p > 0.5) return x;
  return polished(
      x, p, 1, [&](double at) { return at < 1 ? special::ibeta(a, b, at) : nan; }, density);
}
double ibetac_inverse(double a, double b, double q) {
  const double rest = ibeta_inverse(b, a, q);
  if (!(rest > 0.99)) return 1 - rest;
  const double x = bm::ibetac_inv(a, b, q, quiet);
  if (!(x > 0) || q > 0.5) return x;
  return polished(
      x, q, -1, [&](double at) { return at < 1 ? special::ibetac(a, b, at) : nan; },
      [&](double at) { return special::beta_density(a, b, at); });
}

double student_tail(double nu, double t) {
  const double r = t / std::sqrt(nu), r2 = r * r;
  if (r > 1e150) return std::pow(r, -nu) / (nu * bm::beta(nu / 2, 0.5, quiet));
  return 0.5 * (r < 1 ? bm::ibetac(0.5, nu / 2, r2 / (1 + r2), quiet) : bm::ibeta(nu / 2, 0.5, 1 / (1 + r2), quiet));
}
double log_student_density(double nu, double t) {
  const double r = t / std::sqrt(nu);
  const double log_power = std::abs(r) < 1e150 ? std::log1p(r * r) : 2 * std::log(std::abs(r));
  return -std::log(bm::tgamma_delta_ratio(nu / 2, 0.5, quiet)) - 0.5 * std::log(nu * std::numbers::pi) - (nu + 1) / 2 * log_power;
}
double student_tail_inverse(double nu, double q) {
  if (!is_probability(q)) return nan;
  if (q == 0) return infinity;
  return bm::quantile(complement(bm::students_t_distribution<double, Quiet>(nu), q));
}

std::span<const Node> panel_rule() {
  static const std::vector<Node> rule = [] {
    using Gauss = bm::quadrature::gauss<double, 30>;
    std::vector<Node> nodes;
    for (const double middle : {0.25, 0.75})
      for (std::size_t i = 0; i < Gauss::abscissa().size(); ++i)
        for (const double side : {-0.25, 0.25}) nodes.push_back({middle + side * Gauss::abscissa()[i], 0.25 * Gauss::weights()[i]});
    return nodes;
  }();
  return rule;
}

double von_mises_tail_inverse(double kappa, double q) {
  if (!(q >= 0 && q <= 0.5)) return nan;
  if (q == 0) return std::numbers::pi;
  // Newton's method for log P(T > theta) = log q, held between the two ends.
  double low = 0, high = std::numbers::pi, theta = 0;
  for (int i = 0; i < 200; ++i) {
    const double tail = von_mises_tail_op::value(kappa, theta), density = -von_mises_tail_op::partial<1>(kappa, theta, tail);
    (tail > q ? low : high) = theta;
    double next = theta + std::log(tail / q) * tail / density;
    if (!(next > low && next < high)) next = 0.5 * (low + high);
    if (std::abs(next - theta) <= 2e-16 * theta) return next;
    theta = next;
  }
  return theta;
}

}  // namespace stoat::detail
