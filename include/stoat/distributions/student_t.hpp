// stoat/distributions/student_t.hpp: Student's t law.
#pragma once

#include <stoat/distributions/gamma.hpp>

namespace stoat {

namespace detail {

/// The standard t law with nu degrees of freedom: P(T > t) for t >= 0, the log of the density, and the t >= 0 with
/// P(T > t) = q for q <= 1/2.
double student_tail(double nu, double t);
double log_student_density(double nu, double t);
double student_tail_inverse(double nu, double q);

/// digamma(a + 1/2) - digamma(a) - 1 / (2 a), by its asymptotic series where the difference would cancel.
template <class T>
T digamma_half_excess(const T& a) {
  if (base_value(a) < digamma_series_from) return digamma(a + T(0.5)) - digamma(a) - T(0.5) / a;
  const T r2 = T(1) / (a * a);
  return r2 * (T(0.125) - r2 * (T(1.0 / 64) - r2 * T(1.0 / 128)));
}
/// w / (1 + w) - log(1 + w) for small w: the sum over n of -(n - 1) / n (-w)^n
template <class T>
T share_excess(const T& w) {
  T sum(0);
  for (int n = 9; n >= 2; --n) sum = T((n - 1.0) / n) - w * sum;
  return -w * w * sum;
}

/// d/dnu = (digamma((nu+1)/2) - digamma(nu/2) - log(1 + t^2/nu) + ((nu+1) t^2 / (nu + t^2) - 1) / nu) / 2,
/// d/dt = -(nu + 1) t / (nu + t^2)
struct log_student_density_op {
  static constexpr const char* title = "StudentT.log_density";
  template <class T>
  static T value(T nu, T t) {
    return T(log_student_density(wide(nu), wide(t)));
  }
  template <int K, class T>
  static T partial(const T& nu, const T& t, const T&) {
    // share = t^2 / (nu + t^2), and log(1 + t^2/nu), both without overflow
    const T r = t / sqrt(nu);
    const bool inner = std::abs(base_value(r)) < 1;
    const T part = inner ? r * r : T(1) / r / r, share = (inner ? part : T(1)) / (T(1) + part);
    if constexpr (K == 1) {
      return inner ? -(nu + T(1)) / nu * t / (T(1) + part) : -(nu + T(1)) * share / t;
    } else {
      // The terms 1 / nu and t^2 / nu of digamma, logarithm and share cancel.
      const T log_power = log1p(part) + (inner ? T(0) : T(2) * log(abs(r)));
      const T excess = inner && base_value(part) < 0.01 ? share_excess(part) : share - log_power;
      return T(0.5) * (digamma_half_excess(T(T(0.5) * nu)) + excess + share / nu);
    }
  }
};

/// P(T > t) = I_z(nu/2, 1/2) / 2 at z = nu / (nu + t^2), t >= 0 (Abramowitz and Stegun 1964, 26.7.1);
/// d/dnu = (dI_z/da / 2 + t density / nu) / 2, d/dt = -density
struct student_tail_op {
  static constexpr const char* title = "StudentT.survival";
  template <class T>
  static T value(T nu, T t) {
    return T(student_tail(wide(nu), wide(t)));
  }
  template <int K, class T>
  static T partial(const T& nu, const T& t, const T&) {
    const T density = exp(evaluate<log_student_density_op>(nu, t)), half(0.5), a = half * nu;
    if constexpr (K == 1) {
      return -density;
    } else {
      if (base_value(t) == 0) return -t * density * half * digamma_half_excess(a);
      if (base_value(nu) > 1e5 && base_value(t * t) * base_value(t * t) < 0.004 * base_value(nu)) return nearly_normal(nu, t);
      // The smaller one of z and 1 - z has no rounding of the other.
      const T r = t / sqrt(nu);
      const T slope = base_value(r) > 1 ? ibeta_slope<0>(a, half, T(T(1) / (T(1) + r * r)))
                                        : -ibeta_slope<1>(half, a, T(T(1) / (T(1) + T(1) / r / r)));
      return half * (half * slope + t * density / nu);
    }
  }

 private:
  /// P(T > t) = P(N > t) + phi(t) sum over k of c_k / nu^k for large nu (Fisher 1925, "Expansion of Student's integral in powers of
  /// n^-1"), of which three terms, differentiated in nu.
  template <class T>
  static T nearly_normal(const T& nu, const T& t) {
    const T s = t * t, c1 = (s + T(1)) / T(4), c2 = (s * (s * (T(3) * s - T(7)) - T(5)) - T(3)) / T(96),
            c3 = (s * (s * (s * (s * (s - T(11)) + T(14)) + T(6)) - T(3)) - T(15)) / T(384);
    const T phi = T(std::numbers::inv_sqrtpi * std::numbers::sqrt2 / 2) * exp(T(-0.5) * s);
    return weighted(T(-phi), t / nu / nu * (c1 + (T(2) * c2 + T(3) * c3 / nu) / nu));
  }
};

}  // namespace detail

/// StudentT(freedom, location, scale): density proportional to (1 + z^2 / freedom)^(-(freedom + 1) / 2) at
/// z = (x - location) / scale. freedom > 0 is the number of degrees of freedom, scale > 0; location 0 and scale 1 if left out.
/// A draw is a normal one over the root of a gamma one, differentiated along both.
template <class S>
struct StudentT {
  using Scalar = S;
  using Pathwise = void;
  S freedom, location, scale;

  explicit StudentT(std::type_identity_t<S> degrees_of_freedom) : StudentT(degrees_of_freedom, S(0), S(1)) {}
  StudentT(std::type_identity_t<S> degrees_of_freedom, std::type_identity_t<S> at, std::type_identity_t<S> width)
      : freedom(degrees_of_freedom), location(at), scale(width) {}

  static constexpr std::string_view name = "StudentT";
  static constexpr bool rejection = true;
  template <class F>
  auto map(F&& f) const {
    return StudentT<std::decay_t<decltype(f(freedom))>>(f(freedom), f(location), f(scale));
  }
  std::string problem() const {
    if (!(freedom > 0 && std::isfinite(freedom))) return outside("freedom", freedom, "(0, infinity)");
    if (!std::isfinite(location)) return outside("location", location, "(-infinity, infinity)");
    return scale > 0 && std::isfinite(scale) ? std::string() : outside("scale", scale, "(0, infinity)");
  }
  template <class G>
  S draw(G& generator) const {
    const double z = boost::random::normal_distribution<double>{}(generator);
    const S half = S(0.5 * freedom), log_chi = detail::log_gamma_draw(half, generator);
    return S(location + scale * (z * exp(0.5 * (log(half) - log_chi))));
  }

  S cdf(const S& x) const { return above(S((location - x) / scale)); }
  S survival(const S& x) const { return above(S((x - location) / scale)); }
  S quantile(const S& p) const { return S(location + scale * inverse(p)); }
  S upper_quantile(const S& q) const { return S(location - scale * inverse(q)); }
  S log_density(const S& x) const {
    return S(detail::call<detail::log_student_density_op>(freedom, S((x - location) / scale)) - log(scale));
  }
  /// NaN for freedom <= 1, where there is none.
  S mean() const { return detail::number(freedom) > 1 ? location : S(std::numeric_limits<double>::quiet_NaN()); }

 private:
  S above(const S& t) const {
    if (detail::number(t) < 0) return S(1 - above(S(-t)));
    return detail::call<detail::student_tail_op>(freedom, t);
  }
  S inverse(const S& p) const {
    if (detail::number(p) > 0.5) return S(-inverse(S(1 - p)));
    const double nu = detail::number(freedom), t = detail::student_tail_inverse(nu, detail::number(p));
    return S(-implicit_root<S>(t, std::exp(detail::log_student_density(nu, t)), [&](const S& at) { return S(p - above(at)); }));
  }
};
template <class A>
StudentT(A&&) -> StudentT<ScalarOf<A>>;
template <class A, class B, class C>
StudentT(A&&, B&&, C&&) -> StudentT<CommonScalar<A, B, C>>;

}  // namespace stoat
