// stoat/distributions/von_mises.hpp: the normal law of the circle.
//
// Written with 1 - cos t = 2 sin^2(t/2) throughout, so that nothing cancels or overflows at any concentration. The integrals
// of the density have no closed form; they are sums over the nodes of a quadrature rule, in any scalar, so that derivatives of
// every order are as exact as they are.
#pragma once

#include <numbers>
#include <span>

#include <stoat/distributions/continuous.hpp>
#include <stoat/distributions/implicit.hpp>
#include <stoat/distributions/noise.hpp>

namespace stoat {

namespace detail {

/// Nodes and weights of Gauss and Legendre on (0, 1): two panels of 30, exact to rounding for what decays by e^-50.
struct Node {
  double at, weight;
};
std::span<const Node> panel_rule();
/// The theta in [0, pi] with P(T > theta) = q, q <= 1/2, for the law of concentration kappa around 0.
double von_mises_tail_inverse(double kappa, double q);

/// 1 - cos t
template <class T>
T versine(const T& t) {
  const T s = sin(T(0.5) * t);
  return T(2) * s * s;
}

/// mass = int_theta^pi e^(-kappa d) dt and first = int_theta^pi d e^(-kappa d) dt with d(t) = cos theta - cos t.
template <class T>
struct VonMisesTail {
  T mass{0}, first{0};
  VonMisesTail(const T& kappa, const T& theta) {
    // Beyond kappa d = 50 there is nothing.
    const double half = std::sin(0.5 * wide(theta)), end = std::sqrt(half * half + 25 / wide(kappa));
    const T length = T(BaseOf<T>(end < 1 ? 2 * std::asin(end) : std::numbers::pi)) - theta;
    for (const Node& node : panel_rule()) {
      const T step = BaseOf<T>(node.at) * length;
      const T d = T(2) * sin(theta + T(0.5) * step) * sin(T(0.5) * step), e = BaseOf<T>(node.weight) * exp(-kappa * d);
      mass += e;
      first += d * e;
    }
    mass *= length;
    first *= length;
  }
};

/// log int_-pi^pi e^(-kappa (1 - cos t)) dt = log(2 pi I_0(kappa)) - kappa; d = -E(1 - cos T)
struct log_von_mises_total_op {
  static constexpr const char* title = "VonMises.log_density";
  template <class T>
  static T value(T kappa) {
    return T(std::log(2 * VonMisesTail<double>(wide(kappa), 0).mass));
  }
  template <int K, class T>
  static T partial(const T& kappa, const T&) {
    const VonMisesTail<T> all(kappa, T(0));
    return -all.first / all.mass;
  }
};

/// P(T > theta), theta in [0, pi];
/// d/dkappa = v (E(1 - cos T) - E(1 - cos T | T > theta)), d/dtheta = -density
struct von_mises_tail_op {
  static constexpr const char* title = "VonMises.survival";
  template <class T>
  static T value(T kappa, T theta) {
    const VonMisesTail<double> above(wide(kappa), wide(theta)), all(wide(kappa), 0);
    return T(std::exp(-wide(kappa) * versine(wide(theta))) * above.mass / (2 * all.mass));
  }
  template <int K, class T>
  static T partial(const T& kappa, const T& theta, const T&) {
    const VonMisesTail<T> all(kappa, T(0));
    const T density = exp(-kappa * versine(theta)) / (T(2) * all.mass);
    if constexpr (K == 0) {
      const VonMisesTail<T> above(kappa, theta);
      return density * ((all.first / all.mass - versine(theta)) * above.mass - above.first);
    } else {
      return -density;
    }
  }
};

/// A draw of the law of concentration kappa around 0: Best and Fisher (1979), in half-angles. The envelope is the law of
/// 2 atan(m c), c standard Cauchy, of density proportional to 1 / (a + kappa (1 - cos t)).
template <class G>
double von_mises_draw(double kappa, G& generator) {
  const double a = 0.5 + 0.5 / (std::hypot(1, 2 * kappa) + 2 * kappa), m = std::sqrt(a / (a + 2 * kappa));
  for (;;) {
    const double theta = 2 * std::atan(m * standard_cauchy(generator)), c = a + kappa * versine(theta);
    if (standard_exponential(generator) >= c - 1 - std::log(c)) return theta;
  }
}

}  // namespace detail

/// VonMises(direction, concentration): density proportional to e^(concentration cos(x - direction)) on the interval
/// [direction - pi, direction + pi], in radians: x is not wrapped into another one, so that it moves with the direction.
/// concentration >= 0; 0 is the uniform law. Draws and quantiles are differentiated implicitly.
template <class S>
struct VonMises {
  using Scalar = S;
  using Pathwise = void;
  S direction, concentration;

  VonMises(std::type_identity_t<S> centre, std::type_identity_t<S> kappa) : direction(centre), concentration(kappa) {}

  static constexpr std::string_view name = "VonMises";
  static constexpr bool rejection = true;
  template <class F>
  auto map(F&& f) const {
    return VonMises<std::decay_t<decltype(f(direction))>>(f(direction), f(concentration));
  }
  std::string problem() const {
    if (!std::isfinite(direction)) return outside("direction", direction, "(-infinity, infinity)");
    return concentration >= 0 && std::isfinite(concentration) ? std::string()
                                                              : outside("concentration", concentration, "[0, infinity)");
  }
  template <class G>
  S draw(G& generator) const {
    const double theta = detail::von_mises_draw(detail::number(concentration), generator);
    if (derivative_order<S> == 0 || detail::constant(concentration)) return S(direction + theta);
    const S size = root(std::abs(theta), S(0));
    return theta < 0 ? S(direction - size) : S(direction + size);
  }

  S cdf(const S& x) const { return beyond(S(direction - x)); }
  S survival(const S& x) const { return beyond(S(x - direction)); }
  S quantile(const S& p) const { return S(direction + inverse(p)); }
  S upper_quantile(const S& q) const { return S(direction - inverse(q)); }
  S log_density(const S& x) const {
    const S d = x - direction;
    if (std::abs(detail::number(d)) > std::numbers::pi) return S(-detail::infinity);
    const S s = S(sin(0.5 * d));
    return S(-2 * concentration * s * s - detail::call<detail::log_von_mises_total_op>(concentration));
  }
  S mean() const { return direction; }

 private:
  S above(const S& theta) const { return detail::call<detail::von_mises_tail_op>(concentration, theta); }
  /// P(X - direction > d)
  S beyond(const S& d) const {
    const double at = detail::number(d);
    if (std::abs(at) >= std::numbers::pi) return S(at < 0);
    return at < 0 ? S(1 - above(S(-d))) : above(d);
  }
  /// The theta near this one from which P(X - direction > theta) - q does not change.
  S root(double theta, const S& q) const {
    const double kappa = detail::number(concentration);
    return implicit_root<S>(theta, -detail::von_mises_tail_op::partial<1>(kappa, theta, 0.0),
                            [&](const S& at) { return S(q - above(at)); });
  }
  S inverse(const S& p) const {
    if (detail::number(p) > 0.5) return S(-inverse(S(1 - p)));
    return S(-root(detail::von_mises_tail_inverse(detail::number(concentration), detail::number(p)), p));
  }
};
template <class A, class B>
VonMises(A&&, B&&) -> VonMises<CommonScalar<A, B>>;

}  // namespace stoat
