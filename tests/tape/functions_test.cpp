// Every function in every mode: against finite differences, forward against reverse mode, second derivatives, and element by
// element in vectors; then the points where something special happens.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include <boost/math/special_functions/digamma.hpp>
#include <stoat/tape/gradient.hpp>

#include "tape/differences.hpp"

using namespace stoat;
using test::close;
using test::difference;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// f'(x) in forward mode.
template <class F>
double slope(F f, double x) {
  return Dual<double>(f(Dual<double>(x, 1))).tangent();
}

/// Value, f' and f'' at x by Var<Dual>.
struct Jet {
  double value, first, second;
};
template <class F>
Jet jet(F f, double x0) {
  using D = Dual<double>;
  Tape<D> tape;
  const Var<D> x = tape.variable(D(x0, 1));
  const Var<D> y = f(x);
  tape.backward(y);
  const D a = tape.adjoint(x);
  return {y.value().value(), a.value(), a.tangent()};
}

struct Unary {
  double tolerance = 1e-8;
  bool single = true;  ///< also in float
};

/// A generic function of one argument, for the types of argument it is tried with.
class UnaryFunction {
 public:
  template <class F>
    requires(!std::same_as<F, UnaryFunction>)
  UnaryFunction(F f)
      : forms_(form<double>(f), form<Dual<double>>(f), form<Dual<Dual<double>>>(f), form<Var<double>>(f), form<Var<float>>(f),
               form<Var<Dual<double>>>(f), form<Vector<double>>(f), form<Vector<Var<double>>>(f)) {}
  template <class S>
  S operator()(const S& x) const {
    return std::get<Form<S>>(forms_)(x);
  }

 private:
  template <class S>
  using Form = std::function<S(const S&)>;
  template <class S, class F>
  static Form<S> form(const F& f) {
    return [f](const S& x) -> S { return f(x); };
  }
  std::tuple<Form<double>, Form<Dual<double>>, Form<Dual<Dual<double>>>, Form<Var<double>>, Form<Var<float>>,
             Form<Var<Dual<double>>>, Form<Vector<double>>, Form<Vector<Var<double>>>>
      forms_;
};

void check_unary(const std::string& name, const UnaryFunction& f, std::initializer_list<double> points, Unary how = {}) {
  CAPTURE(name);
  for (const double x0 : points) {
    CAPTURE(x0);
    const auto plain = [&](double t) -> double { return f(t); };

    Tape<double> tape;
    const Var<double> x = tape.variable(x0);
    const Var<double> y = f(x);
    tape.backward(y);
    const double reverse = tape.adjoint(x);
    CHECK(y.value() == plain(x0));
    CHECK_MESSAGE(close(reverse, difference(plain, x0), how.tolerance), reverse, " against ", difference(plain, x0));

    const Dual<double> d = f(Dual<double>(x0, 1));
    CHECK(d.value() == y.value());
    CHECK(close(d.tangent(), reverse, 1e-15));

    // Second derivatives: forward over reverse, forward over forward, differences of the first.
    const Jet j = jet(f, x0);
    const double second = difference([&](double t) { return slope(f, t); }, x0);
    CHECK(j.value == y.value());
    CHECK(close(j.first, reverse, 1e-14));
    CHECK_MESSAGE(close(j.second, second, 30 * how.tolerance, 1e-2), j.second, " against ", second);
    using DD = Dual<Dual<double>>;
    const DD dd = f(DD(Dual<double>(x0, 1), Dual<double>(1)));
    CHECK(close(dd.tangent().tangent(), j.second, 1e-10, 1e-2));

    if (how.single) {
      Tape<float> narrow;
      const Var<float> xf = narrow.variable(static_cast<float>(x0));
      narrow.backward(Var<float>(f(xf)));
      CHECK(close(static_cast<double>(narrow.adjoint(xf)), slope(f, static_cast<double>(xf.value())), 3e-4, 1e-2));
    }
  }

  // In a vector, with lengths around those of registers and stretches.
  for (const Eigen::Index n : {1, 3, 7, 8, 9, 255, 256, 257, 600}) {
    CAPTURE(n);
    Eigen::VectorXd x0(n);
    for (Eigen::Index i = 0; i < n; ++i) x0[i] = points.begin()[static_cast<std::size_t>(i) % points.size()];
    Tape<double> tape;
    const auto x = variables(tape, x0);
    const Vector<Var<double>> y = f(x);
    const Vector<double> plain = f(Vector<double>(x0));
    tape.backward(sum(y));
    bool same = true, values = true, slopes = true;
    for (Eigen::Index i = 0; i < n; ++i) {
      same = same && y[i].value() == plain[i];
      values = values && close(plain[i], f(x0[i]), 4e-15);
      slopes = slopes && close(tape.adjoint(x[i]), slope(f, x0[i]), 2e-14);
    }
    CHECK(same);
    CHECK(values);
    CHECK(slopes);
  }
}

/// The same of two arguments.
class BinaryFunction {
  using D = Dual<double>;
  using D2 = Dual<double, 2>;
  using V = Var<double>;
  using VD = Var<Dual<double, 4>>;

 public:
  template <class F>
    requires(!std::same_as<F, BinaryFunction>)
  BinaryFunction(F f)
      : forms_(form<double, double>(f), form<V, V>(f), form<V, double>(f), form<double, V>(f), form<D2, D2>(f), form<D2, double>(f),
               form<double, D2>(f), form<VD, VD>(f), form<Vector<V>, Vector<V>>(f), form<Vector<V>, V>(f),
               form<Vector<V>, double>(f), form<V, Vector<V>>(f), form<double, Vector<V>>(f), form<Vector<V>, Vector<double>>(f),
               form<Vector<double>, Vector<V>>(f)) {}
  template <class A, class B>
  auto operator()(const A& a, const B& b) const {
    return std::get<Form<A, B>>(forms_)(a, b);
  }

 private:
  template <class A, class B>
  using Result = std::conditional_t<DenseLike<A> || DenseLike<B>, Vector<CommonScalar<A, B>>, CommonScalar<A, B>>;
  template <class A, class B>
  using Form = std::function<Result<A, B>(const A&, const B&)>;
  template <class A, class B, class F>
  static Form<A, B> form(const F& f) {
    return [f](const A& a, const B& b) -> Result<A, B> { return f(a, b); };
  }
  std::tuple<Form<double, double>, Form<V, V>, Form<V, double>, Form<double, V>, Form<D2, D2>, Form<D2, double>, Form<double, D2>,
             Form<VD, VD>, Form<Vector<V>, Vector<V>>, Form<Vector<V>, V>, Form<Vector<V>, double>, Form<V, Vector<V>>,
             Form<double, Vector<V>>, Form<Vector<V>, Vector<double>>, Form<Vector<double>, Vector<V>>>
      forms_;
};

void check_binary(const std::string& name, const BinaryFunction& f, std::initializer_list<std::pair<double, double>> points,
                  double tolerance = 1e-8) {
  CAPTURE(name);
  for (const auto& point : points) {
    const double a0 = point.first, b0 = point.second;
    CAPTURE(a0);
    CAPTURE(b0);
    const auto plain = [&](double s, double t) -> double { return f(s, t); };
    const double da = difference([&](double t) { return plain(t, b0); }, a0);
    const double db = difference([&](double t) { return plain(a0, t); }, b0);

    Tape<double> tape;
    const Var<double> a = tape.variable(a0), b = tape.variable(b0);
    const Var<double> both = f(a, b);
    tape.backward(both);
    CHECK(both.value() == plain(a0, b0));
    CHECK_MESSAGE(close(tape.adjoint(a), da, tolerance), tape.adjoint(a), " against ", da);
    CHECK_MESSAGE(close(tape.adjoint(b), db, tolerance), tape.adjoint(b), " against ", db);
    const double ra = tape.adjoint(a), rb = tape.adjoint(b);
    const Var<double> left = f(a, b0);
    tape.backward(left);
    CHECK(left.value() == both.value());
    CHECK(close(tape.adjoint(a), ra, 1e-15));
    const Var<double> right = f(a0, b);
    tape.backward(right);
    CHECK(close(tape.adjoint(b), rb, 1e-15));

    using D = Dual<double, 2>;
    D p(a0), q(b0);
    p.tangent(0) = 1, q.tangent(1) = 1;
    const D r = f(p, q);
    CHECK(close(r.tangent(0), ra, 1e-15));
    CHECK(close(r.tangent(1), rb, 1e-15));
    CHECK(close(D(f(p, b0)).tangent(0), ra, 1e-15));
    CHECK(close(D(f(a0, q)).tangent(1), rb, 1e-15));

    // The Hessian against differences of the gradient.
    const auto gradient = [&](double s, double t, int k) {
      D u(s), v(t);
      u.tangent(0) = 1, v.tangent(1) = 1;
      return D(f(u, v)).tangent(k);
    };
    const Eigen::Matrix2d h = hessian([&](const auto& x) { return f(x[0], x[1]); }, Eigen::Vector2d(a0, b0));
    for (int k = 0; k < 2; ++k) {
      const double by_a = difference([&](double t) { return gradient(t, b0, k); }, a0);
      const double by_b = difference([&](double t) { return gradient(a0, t, k); }, b0);
      CHECK_MESSAGE(close(h(k, 0), by_a, 30 * tolerance, 1e-2), h(k, 0), " against ", by_a);
      CHECK_MESSAGE(close(h(k, 1), by_b, 30 * tolerance, 1e-2), h(k, 1), " against ", by_b);
    }
  }

  // Vectors with vectors, with variables and with numbers on either side.
  constexpr Eigen::Index n = 261;
  Eigen::VectorXd a0(n), b0(n);
  for (Eigen::Index i = 0; i < n; ++i) {
    const auto& p = points.begin()[static_cast<std::size_t>(i) % points.size()];
    a0[i] = p.first, b0[i] = p.second;
  }
  const double a1 = points.begin()->first, b1 = points.begin()->second;
  Tape<double> tape;
  const auto a = variables(tape, a0), b = variables(tape, b0);
  const Var<double> s = tape.variable(a1), t = tape.variable(b1);
  const auto partials = [&](double u, double v) {
    Dual<double, 2> p(u), q(v);
    p.tangent(0) = 1, q.tangent(1) = 1;
    return Dual<double, 2>(f(p, q));
  };
  tape.backward(sum(Vector<Var<double>>(f(a, b))));
  for (Eigen::Index i = 0; i < n; ++i) {
    const auto d = partials(a0[i], b0[i]);
    CHECK(close(tape.adjoint(a[i]), d.tangent(0), 2e-14));
    CHECK(close(tape.adjoint(b[i]), d.tangent(1), 2e-14));
  }
  const auto check_spread = [&](const auto& y, const auto& x, const Eigen::VectorXd& left, const Eigen::VectorXd& right, int k,
                                const Var<double>* scalar) {
    tape.backward(sum(Vector<Var<double>>(y)));
    double total = 0;
    for (Eigen::Index i = 0; i < n; ++i) {
      const auto d = partials(left[i], right[i]);
      CHECK(close(tape.adjoint(x[i]), d.tangent(k), 2e-14));
      total += d.tangent(1 - k);
    }
    if (scalar) CHECK(close(tape.adjoint(*scalar), total, 1e-12));
  };
  // Mixed operands may leave the domain of the pairs above; then partials agree as NaN.
  check_spread(f(a, t), a, a0, Eigen::VectorXd::Constant(n, b1), 0, &t);
  check_spread(f(a, b1), a, a0, Eigen::VectorXd::Constant(n, b1), 0, nullptr);
  check_spread(f(s, b), b, Eigen::VectorXd::Constant(n, a1), b0, 1, &s);
  check_spread(f(a1, b), b, Eigen::VectorXd::Constant(n, a1), b0, 1, nullptr);
  check_spread(f(a, Vector<double>(b0)), a, a0, b0, 0, nullptr);
  check_spread(f(Vector<double>(a0), b), b, a0, b0, 1, nullptr);
}

}  // namespace

#define UNARY(name, ...) \
  check_unary(           \
      #name, [](const auto& x) { return name(x); }, __VA_ARGS__)
#define BINARY(name, ...) \
  check_binary(           \
      #name, [](const auto& x, const auto& y) { return name(x, y); }, __VA_ARGS__)

TEST_CASE("powers, exponentials and logarithms") {
  UNARY(exp, {-30.0, -1.5, 0.0, 2.0});
  UNARY(exp2, {-30.0, -1.5, 0.0, 2.0});
  UNARY(expm1, {-40.0, -1.5, -0.3, 0.0, 1e-3, 2.0});
  UNARY(log, {1e-3, 0.3, 1.0, 5.0, 1e6});
  UNARY(log1p, {-0.9, -0.5, 0.0, 1e-3, 3.0});
  UNARY(log2, {0.3, 1.0, 5.0});
  UNARY(log10, {0.3, 1.0, 5.0});
  UNARY(sqrt, {0.3, 1.0, 4.0, 1e4});
  UNARY(cbrt, {-2.0, 0.3, 4.0});
  UNARY(square, {-0.5, 0.0, 2.0});
  BINARY(pow, {{1.3, 0.7}, {0.2, 2.5}, {3.0, -1.5}, {1e-2, 1.0}, {2.0, 0.0}});
  BINARY(hypot, {{3.0, 4.0}, {-1e-2, 2.0}, {5.0, 0.0}});
}

TEST_CASE("circular and hyperbolic functions") {
  UNARY(sin, {-1.0, 0.0, 2.0, 50.0});
  UNARY(cos, {-1.0, 0.0, 0.5, 50.0});
  UNARY(tan, {-1.0, 0.0, 1.2});
  UNARY(asin, {-0.7, 0.0, 0.5});
  UNARY(acos, {-0.7, 0.0, 0.5});
  UNARY(atan, {-3.0, 0.0, 0.5});
  UNARY(sinh, {-1.0, 0.0, 2.0});
  UNARY(cosh, {-1.0, 0.0, 0.3, 2.0});
  UNARY(tanh, {-9.0, -1.0, 0.0, 1e-3, 2.0, 5.0});
  UNARY(asinh, {-3.0, 0.0, 2.0});
  UNARY(acosh, {1.1, 3.0});
  UNARY(atanh, {-0.7, 0.0, 0.5});
  BINARY(atan2, {{1.3, 0.7}, {0.2, -2.5}, {-3.0, -1.5}, {1.0, 0.0}});
}

TEST_CASE("sigmoids") {
  UNARY(logistic, {-20.0, -1.0, 0.0, 3.0, 10.0});
  UNARY(logit, {1e-3, 0.3, 0.5, 0.7, 0.95});
  UNARY(softplus, {-20.0, -1.0, 0.0, 3.0, 40.0});
  UNARY(erf, {-1.0, 0.0, 1e-3, 2.0});
  UNARY(erfc, {-1.0, 0.0, 2.0, 5.0});
  UNARY(normal_cdf, {-6.0, -1.0, 0.0, 2.0});
  UNARY(normal_quantile, {1e-2, 0.3, 0.5, 0.97});
  BINARY(log_sum_exp, {{1.3, 0.7}, {-5.0, 20.0}, {0.0, 0.0}});
}

TEST_CASE("pieces") {
  UNARY(abs, {-0.5, 2.0});
  UNARY(fabs, {-0.5, 2.0});
  BINARY(max, {{1.3, 0.7}, {0.2, 2.5}});
  BINARY(min, {{1.3, 0.7}, {0.2, 2.5}});
  BINARY(fmax, {{1.3, 0.7}, {0.2, 2.5}});
  BINARY(fmin, {{1.3, 0.7}, {0.2, 2.5}});
  BINARY(fdim, {{1.3, 0.7}, {0.2, 2.5}});
  BINARY(copysign, {{1.3, 0.7}, {0.2, -2.5}, {-1.0, 3.0}, {-1.0, -3.0}});
  BINARY(fmod, {{7.3, 2.0}, {-7.3, 2.1}, {0.5, 3.0}});
  BINARY(remainder, {{7.3, 2.0}, {-7.3, 2.1}, {0.5, 3.0}});
  check_unary("ldexp", [](const auto& x) { return ldexp(x, 3); }, {-0.5, 2.0});
  check_unary("scalbn", [](const auto& x) { return scalbn(x, -2); }, {-0.5, 2.0});
  check_unary("frexp",
              [](const auto& x) -> std::remove_cvref_t<decltype(x)> {
                if constexpr (DenseLike<decltype(x)>) {
                  return ldexp(x, -1);  // of numbers in [1, 2)
                } else {
                  int exponent = 0;
                  const std::remove_cvref_t<decltype(x)> mantissa = frexp(x, &exponent);
                  return mantissa * std::pow(2.0, exponent - 1);
                }
              },
              {1.2, 1.7});
}

TEST_CASE("max and min of numbers of two types are those of a variable") {
  const auto clipped = [](const auto& x) { return max(min(x, 2), 0) + min(1, max(-1, x)); };
  static_assert(std::same_as<decltype(max(1.5f, 2)), float> && std::same_as<decltype(min(1, 2.5)), double>);
  for (const double x0 : {-1.5, 0.3, 1.2, 7.0}) {
    Tape<double> tape;
    const Var<double> x = tape.variable(x0);
    const Var<double> y = clipped(x);
    CHECK(clipped(x0) == y.value());
    CHECK(clipped(x0) == std::clamp(x0, 0.0, 2.0) + std::clamp(x0, -1.0, 1.0));
  }
}

TEST_CASE("arithmetic") {
  check_binary("+", [](const auto& x, const auto& y) { return x + y; }, {{1.3, 0.7}, {0.0, -2.0}});
  check_binary("-", [](const auto& x, const auto& y) { return x - y; }, {{1.3, 0.7}, {0.0, -2.0}});
  check_binary("*",
               [](const auto& x, const auto& y) {
                 if constexpr (DenseLike<decltype(x)> && DenseLike<decltype(y)>) return cwise_product(x, y);
                 else return x * y;
               },
               {{1.3, 0.7}, {0.0, -2.0}});
  check_binary("/",
               [](const auto& x, const auto& y) {
                 if constexpr (DenseLike<decltype(x)> && DenseLike<decltype(y)>) return cwise_quotient(x, y);
                 else return x / y;
               },
               {{1.3, 0.7}, {0.0, -2.0}});
  check_unary("-", [](const auto& x) { return -x; }, {-1.0, 0.0, 2.0});
}

TEST_CASE("functions of three arguments") {
  const auto check = [](const std::string& name, auto f, double a, double b, double c, double tolerance = 1e-8) {
    CAPTURE(name);
    const auto on_vector = [&](const auto& x) { return f(x[0], x[1], x[2]); };
    const Eigen::Vector3d x(a, b, c);
    const auto result = value_and_gradient(on_vector, x);
    const auto& gradient = result.second;
    CHECK(result.first == f(a, b, c));
    const Eigen::Matrix3d h = hessian(on_vector, x);
    const auto forward = [&](const Eigen::Vector3d& at, int k) {
      return directional_derivative(on_vector, at, Eigen::Vector3d::Unit(k));
    };
    for (int k = 0; k < 3; ++k) {
      CAPTURE(k);
      const auto at = [&](double t) {
        Eigen::Vector3d y = x;
        y[k] = t;
        return y;
      };
      const double d = difference(
          [&](double t) {
            const auto y = at(t);
            return double(f(y[0], y[1], y[2]));
          },
          x[k]);
      CHECK_MESSAGE(close(gradient[k], d, tolerance), gradient[k], " against ", d);
      CHECK(close(forward(x, k), gradient[k], 1e-14));
      for (int l = 0; l < 3; ++l) {
        const double dd = difference([&](double t) { return forward(at(t), l); }, x[k]);
        CHECK_MESSAGE(close(h(l, k), dd, 30 * tolerance, 1e-2), h(l, k), " against ", dd);
      }
    }
    // Constants in any place.
    Tape<double> tape;
    const Var<double> u = tape.variable(a), v = tape.variable(b), w = tape.variable(c);
    const auto adjoint = [&](const Var<double>& y, const Var<double>& z) {
      tape.backward(y);
      return tape.adjoint(z);
    };
    CHECK(close(adjoint(f(u, b, c), u), gradient[0], 1e-15));
    CHECK(close(adjoint(f(a, v, c), v), gradient[1], 1e-15));
    CHECK(close(adjoint(f(a, b, w), w), gradient[2], 1e-15));
    CHECK(close(adjoint(f(a, v, w), v), gradient[1], 1e-15));
  };
  check(
      "fma", [](const auto& x, const auto& y, const auto& z) { return fma(x, y, z); }, 1.5, -0.7, 2.0);
  check(
      "hypot", [](const auto& x, const auto& y, const auto& z) { return hypot(x, y, z); }, 1.5, -0.7, 2.0);
  check(
      "lerp", [](const auto& x, const auto& y, const auto& z) { return lerp(x, y, z); }, 1.5, -0.7, 0.3);
  for (const double x : {0.02, 0.3, 0.8}) {
    check(
        "ibeta", [](const auto& a, const auto& b, const auto& z) { return ibeta(a, b, z); }, 2.3, 1.7, x, 1e-7);
    check(
        "ibetac", [](const auto& a, const auto& b, const auto& z) { return ibetac(a, b, z); }, 0.6, 4.5, x, 1e-7);
    check(
        "beta_density", [](const auto& a, const auto& b, const auto& z) { return beta_density(a, b, z); }, 2.3, 1.7, x);
  }
  check(
      "ellint_3", [](const auto& k, const auto& nu, const auto& phi) { return ellint_3(k, nu, phi); }, 0.6, 0.3, 0.8);
}

TEST_CASE("gamma and beta functions") {
  UNARY(lgamma, {0.4, 1.5, 7.0, 100.0});
  UNARY(tgamma, {0.4, 1.5, 5.0});
  UNARY(digamma, {0.4, 1.5, 7.0});
  UNARY(trigamma, {0.4, 1.5, 7.0});
  check_unary("polygamma", [](const auto& x) { return polygamma(3, x); }, {0.8, 1.5, 7.0});
  BINARY(beta, {{1.3, 0.7}, {0.2, 2.5}, {3.0, 1.5}});
  BINARY(gamma_density, {{1.3, 0.7}, {0.2, 2.5}, {30.0, 31.5}});
  BINARY(gamma_p, {{1.3, 0.7}, {0.2, 2.5}, {30.0, 31.5}, {30.0, 20.5}, {5.0, 12.0}}, 1e-7);
  BINARY(gamma_q, {{1.3, 0.7}, {0.2, 2.5}, {30.0, 31.5}, {30.0, 20.5}, {5.0, 12.0}}, 1e-7);
}

TEST_CASE("parameter derivatives of the incomplete gamma function at large shape") {
  // By the central limit theorem P(a, x) is near Phi((x - a) / sqrt(a)); the differences know better.
  for (const double a : {1e3, 1e5}) {
    for (const double z : {-2.0, -0.1, 0.1, 2.0}) {
      const double x = a + z * std::sqrt(a);
      const double d = difference([&](double t) { return gamma_p(t, x); }, a, 0.2 * std::sqrt(a));
      CHECK(close(slope([&](const auto& t) { return gamma_p(t, x); }, a), d, 1e-6, 0));
    }
  }
}

TEST_CASE("the incomplete gamma function at the shape where its formulas change, and far beyond") {
  // The two sides of the shape agree in value, first and second derivatives, as functions of the normal deviate.
  const double a = detail::large_shape, step = 1e-6 * a;
  using DD = Dual<Dual<double>>;
  const auto jet_of = [](auto f, double shape, double x) { return f(DD(Dual<double>(shape, 1), Dual<double>(1)), x); };
  for (const double z : {-6.0, -2.0, -0.3, 0.0, 1.0, 5.0}) {
    CAPTURE(z);
    const double x = a + z * std::sqrt(a);
    const auto check = [&](auto f) {
      const DD below = jet_of(f, a - step, x), above = jet_of(f, a + step, x);
      const double d = 0.5 * (below.value().tangent() + above.value().tangent()),
                   d2 = 0.5 * (below.tangent().tangent() + above.tangent().tangent());
      CHECK(close(above.value().value() - below.value().value(), 2 * step * d, 1e-5));
      CHECK(close(above.value().tangent() - below.value().tangent(), 2 * step * d2, 1e-4, 1e-3 * std::abs(d)));
    };
    check([](const auto& s, double t) { return gamma_p(s, t); });
    check([](const auto& s, double t) { return gamma_q(s, t); });
  }
  // Cornish and Fisher's quantile, to which x itself rounds by 1e-16 a / sqrt(a) in units of z.
  for (const double shape : {1e7, 1e12, 1e15})
    for (const double z : {-5.0, -1.0, 0.0, 2.0, 6.0}) {
      const double x = detail::LargeGamma<double>(shape, z).value, tolerance = 1e-12 + 2e-15 * std::sqrt(shape);
      CHECK(close(gamma_p(shape, x), normal_cdf(z), tolerance, 0));
      CHECK(close(gamma_q(shape, x), normal_cdf(-z), tolerance, 0));
    }
}

TEST_CASE("the special functions of <cmath>") {
  UNARY(expint, {-1.5, 0.3, 2.0}, {1e-7});
  UNARY(riemann_zeta, {-2.5, -0.7, 0.4, 1.5, 3.0, 20.0}, {1e-7});
  UNARY(comp_ellint_1, {-0.6, 0.005, 0.3, 0.9}, {1e-7});
  UNARY(comp_ellint_2, {-0.6, 0.005, 0.3, 0.9}, {1e-7});
  BINARY(comp_ellint_3, {{0.6, 0.3}, {0.3, -0.5}}, 1e-7);
  BINARY(ellint_1, {{0.6, 0.8}, {0.9, 1.2}}, 1e-7);
  BINARY(ellint_2, {{0.6, 0.8}, {0.9, 1.2}}, 1e-7);
  for (const double nu : {0.0, 1.0, 2.5}) {
    check_unary("cyl_bessel_j", [nu](const auto& x) { return cyl_bessel_j(nu, x); }, {0.7, 3.0});
    check_unary("cyl_neumann", [nu](const auto& x) { return cyl_neumann(nu, x); }, {0.9, 3.0}, {1e-7});
    check_unary("cyl_bessel_i", [nu](const auto& x) { return cyl_bessel_i(nu, x); }, {0.7, 3.0});
    check_unary("cyl_bessel_k", [nu](const auto& x) { return cyl_bessel_k(nu, x); }, {0.9, 3.0}, {1e-7});
  }
  for (const unsigned n : {0u, 1u, 4u}) {
    check_unary("sph_bessel", [n](const auto& x) { return sph_bessel(n, x); }, {0.7, 3.0});
    check_unary("sph_neumann", [n](const auto& x) { return sph_neumann(n, x); }, {0.9, 3.0}, {1e-7});
    check_unary("legendre", [n](const auto& x) { return legendre(n, x); }, {-0.7, 0.0, 0.4});
    check_unary("hermite", [n](const auto& x) { return hermite(n, x); }, {-0.7, 0.0, 1.4});
    check_unary("laguerre", [n](const auto& x) { return laguerre(n, x); }, {0.3, 1.4});
    check_unary("assoc_laguerre", [n](const auto& x) { return assoc_laguerre(n, 2, x); }, {0.3, 1.4});
    check_unary("assoc_legendre", [n](const auto& x) { return assoc_legendre(n, 1, x); }, {-0.7, 0.1, 0.4});
    check_unary("sph_legendre", [n](const auto& x) { return sph_legendre(n, 1, x); }, {0.3, 1.4, 2.5});
  }
#ifdef __cpp_lib_math_special_functions
  // Conventions are those of the standard library.
  CHECK(close(assoc_legendre(3, 2, 0.4), std::assoc_legendre(3, 2, 0.4), 1e-14));
  CHECK(close(assoc_legendre(3, 1, 0.4), std::assoc_legendre(3, 1, 0.4), 1e-14));
  CHECK(close(sph_legendre(3, 1, 0.4), std::sph_legendre(3, 1, 0.4), 1e-14));
  CHECK(close(ellint_3(0.6, 0.3, 0.8), std::ellint_3(0.6, 0.3, 0.8), 1e-14));
  CHECK(close(comp_ellint_3(0.6, 0.3), std::comp_ellint_3(0.6, 0.3), 1e-14));
  CHECK(close(cyl_bessel_k(2.5, 0.7), std::cyl_bessel_k(2.5, 0.7), 1e-14));
  CHECK(close(hermite(4, 0.7), std::hermite(4, 0.7), 1e-14));
  CHECK(close(assoc_laguerre(4, 2, 0.7), std::assoc_laguerre(4, 2, 0.7), 1e-14));
  CHECK(close(expint(0.7), std::expint(0.7), 1e-14));
  CHECK(close(riemann_zeta(-1.5), std::riemann_zeta(-1.5), 1e-13));
#endif
}

TEST_CASE("zeros, infinities and branch points") {
  // name, x, value, first and second derivative; forward and reverse mode agree, and so do vectors.
  const auto at = [](const std::string& name, const UnaryFunction& f, double x0, double value, double first, double second) {
    CAPTURE(name);
    CAPTURE(x0);
    const Jet j = jet(f, x0);
    CHECK_MESSAGE(close(j.value, value, 1e-14), "value ", j.value);
    CHECK_MESSAGE(close(j.first, first, 1e-14, 1e-300), "first ", j.first);
    CHECK_MESSAGE(close(j.second, second, 1e-13, 1e-300), "second ", j.second);
    CHECK(close(slope(f, x0), first, 1e-14, 1e-300));
    Tape<double> tape;
    const Var<double> x = tape.variable(x0);
    tape.backward(Var<double>(f(x)));
    CHECK(close(tape.adjoint(x), first, 1e-14, 1e-300));
    const auto v = variables(tape, Eigen::VectorXd::Constant(5, x0));
    const Vector<Var<double>> y = f(v);
    tape.backward(sum(y));
    CHECK(close(y[4].value(), value, 4e-15, 1e-300));
    CHECK(close(tape.adjoint(v[4]), first, 1e-14, 1e-300));
  };
#define AT(name, ...) \
  at(                 \
      #name, [](const auto& x) { return name(x); }, __VA_ARGS__)
  AT(exp, -inf, 0, 0, 0);
  AT(exp, inf, inf, inf, inf);
  AT(exp, not_a_number, not_a_number, not_a_number, not_a_number);
  AT(expm1, -inf, -1, 0, 0);
  AT(expm1, -50.0, -1, std::exp(-50.0), std::exp(-50.0));
  AT(log, 0.0, -inf, inf, -inf);
  AT(log, inf, inf, 0, -0.0);
  AT(log, -1.0, not_a_number, -1, -1);
  AT(log1p, -1.0, -inf, inf, -inf);
  AT(sqrt, 0.0, 0, inf, -inf);
  AT(sqrt, inf, inf, 0, -0.0);
  AT(cbrt, 0.0, 0, inf, 0);  // between -infinity on the right and +infinity on the left
  AT(asin, 1.0, std::asin(1.0), inf, inf);
  AT(acos, -1.0, std::acos(-1.0), -inf, inf);
  AT(atan, inf, std::atan(inf), 0, -0.0);
  AT(atanh, 1.0, inf, inf, inf);
  AT(acosh, 1.0, 0, inf, -inf);
  AT(tanh, inf, 1, 0, 0);
  AT(tanh, -inf, -1, 0, 0);
  AT(tanh, 20.0, std::tanh(20.0), 1.6993417021166355e-17, -3.398683404233271e-17);
  AT(logistic, inf, 1, 0, -0.0);
  AT(logistic, -inf, 0, 0, 0);
  AT(logistic, 40.0, 1, 4.248354255291589e-18, -4.248354255291589e-18);
  AT(logit, 0.0, -inf, inf, -inf);
  AT(logit, 1.0, inf, inf, inf);
  AT(softplus, -inf, 0, 0, 0);
  AT(softplus, inf, inf, 1, 0);
  AT(erf, inf, 1, 0, 0);
  AT(normal_cdf, -40.0, normal_cdf(-40.0), std::exp(-800.0) / std::sqrt(2 * std::acos(-1.0)), 0.0);
  AT(normal_quantile, 0.0, -inf, inf, -inf);
  AT(abs, 0.0, 0, 0, 0);
  AT(abs, -inf, inf, -1, 0);
  AT(square, 0.0, 0, 0, 2);
  AT(lgamma, inf, inf, inf, 0);
  AT(digamma, inf, inf, 0, 0);
  at(
      "x^2 at 0", [](const auto& x) { return pow(x, 2); }, 0.0, 0, 0, 2);
  at(
      "x^1 at 0", [](const auto& x) { return pow(x, 1); }, 0.0, 0, 1, 0);
  at(
      "x^0 at 0", [](const auto& x) { return pow(x, 0); }, 0.0, 1, 0, 0);
  at(
      "x^1.5 at 0", [](const auto& x) { return pow(x, 1.5); }, 0.0, 0, 0, inf);
  at(
      "x^0.5 at 0", [](const auto& x) { return pow(x, 0.5); }, 0.0, 0, inf, -inf);
  at(
      "x^3 at -2", [](const auto& x) { return pow(x, 3); }, -2.0, -8, 12, -12);
  at(
      "0^x at 1", [](const auto& x) { return pow(0.0, x); }, 1.0, 0, 0, 0);
  at(
      "hypot(x, 0) at 0", [](const auto& x) { return hypot(x, 0.0); }, 0.0, 0, 0, 0);
  at(
      "max(x, 0) at 0", [](const auto& x) { return max(x, 0.0); }, 0.0, 0, 1, 0);
  at(
      "max(0, x) at 0", [](const auto& x) { return max(0.0, x); }, 0.0, 0, 0, 0);
  at(
      "min(x, 0) at 0", [](const auto& x) { return min(x, 0.0); }, 0.0, 0, 1, 0);
  at(
      "fmax(x, NaN)", [](const auto& x) { return fmax(x, not_a_number); }, 2.0, 2, 1, 0);
  at(
      "fmin(NaN, x)", [](const auto& x) { return fmin(not_a_number, x); }, 2.0, 2, 1, 0);
  at(
      "fdim(x, 0) at 0", [](const auto& x) { return fdim(x, 0.0); }, 0.0, 0, 0, 0);
  at(
      "log_sum_exp(x, -inf)", [](const auto& x) { return log_sum_exp(x, -inf); }, 1.0, 1, 1, 0);
  at(
      "log_sum_exp(x, 0) at inf", [](const auto& x) { return log_sum_exp(x, 0.0); }, inf, inf, 1, 0);
  at(
      "log_sum_exp(x, -inf) at -inf", [](const auto& x) { return log_sum_exp(x, -inf); }, -inf, -inf, 0.5, 0);
  at(
      "atan2(x, -1) at 0", [](const auto& x) { return atan2(x, -1.0); }, 0.0, std::acos(-1.0), -1, 0);
  at(
      "gamma_p(2, x) at 0", [](const auto& x) { return gamma_p(2.0, x); }, 0.0, 0, 0, 1);
  at(
      "gamma_p(1, x) at 0", [](const auto& x) { return gamma_p(1.0, x); }, 0.0, 0, 1, -1);
  at(
      "gamma_p(1/2, x) at 0", [](const auto& x) { return gamma_p(0.5, x); }, 0.0, 0, inf, -inf);
  at(
      "ibeta(2, 3, x) at 0", [](const auto& x) { return ibeta(2.0, 3.0, x); }, 0.0, 0, 0, 12);
  at(
      "ibeta(1, 3, x) at 0", [](const auto& x) { return ibeta(1.0, 3.0, x); }, 0.0, 0, 3, -6);
  at(
      "ibeta(3, 2, x) at 1", [](const auto& x) { return ibeta(3.0, 2.0, x); }, 1.0, 1, 0, -12);
  at(
      "gamma_p(2, x) at inf", [](const auto& x) { return gamma_p(2.0, x); }, inf, 1, 0, 0);
#undef AT
}

TEST_CASE("ibeta: derivatives for large shapes") {
  // Where the beta law is nearly normal the slope at constant z = (x - mean) / sd is that of its quantile, but for terms 1 / a.
  for (const double a : {1e8, 1e11, 1e14})
    for (const double ratio : {1.0, 3.0, 1000.0})
      for (const double z : {-2.0, 0.0, 2.0}) {
        CAPTURE(a);
        CAPTURE(ratio);
        CAPTURE(z);
        const double b = ratio * a, n = a + b, sd = std::sqrt(a * b / (n + 1)) / n, x = a / n + z * sd;
        const auto slope = [&](double shape, double to_mean) {
          return -beta_density(a, b, x) * (to_mean / (n * n) + z * sd / 2 * (1 / shape - 2 / n - 1 / (n + 1)));
        };
        Dual<double> value = ibeta(Dual<double>(a, 1), Dual<double>(b), Dual<double>(x));
        CHECK(value.tangent() == doctest::Approx(slope(a, b)).epsilon(4e-8).scale(0));
        value = ibeta(Dual<double>(a), Dual<double>(b, 1), Dual<double>(x));
        CHECK(value.tangent() == doctest::Approx(slope(b, -a)).epsilon(4e-8).scale(0));
      }
  // I_x(a, 1) = x^a, I_x(1, b) = 1 - (1 - x)^b; x near 1 or 0.
  for (const double a : {50.0, 200.0, 1e8, 1e16, 1e200})
    for (const double y : {0.1, 1.0, 5.0}) {
      CAPTURE(a);
      CAPTURE(y);
      const double tiny = y / a, power = std::exp(a * std::log1p(-tiny)), slope = -std::log1p(-tiny) * power;
      CHECK(ibeta(Dual<double>(1), Dual<double>(a, 1), Dual<double>(tiny)).tangent() ==
            doctest::Approx(slope).epsilon(1e-12).scale(0));
      if (a > 1e15) continue;
      const double x = 1 - tiny;
      CHECK(ibeta(Dual<double>(a, 1), Dual<double>(1), Dual<double>(x)).tangent() ==
            doctest::Approx(std::log(x) * std::pow(x, a)).epsilon(1e-12).scale(0));
    }
}

TEST_CASE("beta densities and tails for large shapes") {
  const double pi = std::acos(-1.0);
  for (const double a : {300.0, 1e4, 1e7, 1e12, 1e15}) {
    CAPTURE(a);
    // Gamma(2 a) / (Gamma(a)^2 4^(a-1)) = 2 sqrt(a / pi) (1 - 1 / (8 a) + 1 / (128 a^2) + ...)
    CHECK(beta_density(a, a, 0.5) ==
          doctest::Approx(2 * std::sqrt(a / pi) * (1 - 1 / (8 * a) * (1 - 1 / (16 * a)))).epsilon(1e-9).scale(0));
    CHECK(ibeta(a, a, 0.5) == doctest::Approx(0.5).epsilon(1e-12));
    for (const double z : {-3.0, -1.0, 2.0}) {
      CAPTURE(z);
      // Symmetric: normal but for terms 1 / a.
      const double x = 0.5 + z * std::sqrt(1 / (8 * a + 4)), at = (x - 0.5) * std::sqrt(8 * a + 4);
      CHECK(ibeta(a, a, x) == doctest::Approx(normal_cdf(at)).epsilon(1e-9 + 10 / a).scale(0));
      CHECK(ibetac(a, a, x) == doctest::Approx(normal_cdf(-at)).epsilon(1e-9 + 10 / a).scale(0));
      CHECK(ibeta(a, a, x) + ibetac(a, a, x) == doctest::Approx(1).epsilon(1e-15));
    }
    // Around where the formula changes, against closed forms: I_x(a, 1) = x^a, I_x(a, 2) = x^a (1 + a (1 - x)).
    for (const double shape : {a, 498.0, 499.0, 501.0}) {
      const double y = 2 / shape, power = std::exp(shape * std::log1p(-y));
      CHECK(ibetac(1.0, shape, y) == doctest::Approx(power).epsilon(1e-12).scale(0));
      CHECK(ibetac(2.0, shape, y) == doctest::Approx(power * (1 + shape * y)).epsilon(1e-12).scale(0));
    }
  }
}

TEST_CASE("gamma and beta densities: derivatives in large shapes") {
  using Long = long double;
  using boost::math::digamma;
  for (const double a : {90.0, 110.0, 1e5, 1e10, 1e15})
    for (const double z : {-2.0, 0.5, 3.0}) {
      CAPTURE(a);
      CAPTURE(z);
      const double x = a + z * std::sqrt(a);
      const Dual<double> gamma = gamma_density(Dual<double>(a, 1), Dual<double>(x));
      CHECK(gamma.tangent() / gamma.value() ==
            doctest::Approx(static_cast<double>(std::log(static_cast<Long>(x)) - digamma(static_cast<Long>(a))))
                .epsilon(1e-8)
                .scale(0));
      for (const double ratio : {0.5, 20.0}) {
        const double b = ratio * a, n = a + b, y = a / n + z * std::sqrt(a * b / (n + 1)) / n;
        const Dual<double> beta = beta_density(Dual<double>(a, 1), Dual<double>(b), Dual<double>(y));
        CHECK(beta.tangent() / beta.value() ==
              doctest::Approx(static_cast<double>(std::log(static_cast<Long>(y)) - digamma(static_cast<Long>(a)) +
                                                  digamma(static_cast<Long>(a) + static_cast<Long>(b))))
                  .epsilon(1e-8)
                  .scale(0));
      }
    }
}

TEST_CASE("outside their domains functions are NaN, and nothing throws") {
  CHECK(std::isnan(normal_quantile(1.5)));
  CHECK(std::isnan(normal_quantile(not_a_number)));
  CHECK(std::isnan(gamma_p(-1.0, 2.0)));
  CHECK(std::isnan(gamma_p(1.0, -2.0)));
  CHECK(std::isnan(ibeta(1.0, 1.0, 1.5)));
  CHECK(std::isnan(digamma(-inf)));
  CHECK(std::isnan(digamma(not_a_number)));
  CHECK(std::isnan(logit(-0.5)));
  CHECK(std::isnan(comp_ellint_1(1.5)));
  CHECK(std::isnan(legendre(3, 1.5)));
  CHECK(lgamma(0.0) == inf);
  Tape<double> tape;
  const Var<double> x = tape.variable(-1.0);
  CHECK_NOTHROW(tape.backward(gamma_p(x, 2.0) + ibeta(x, 1.0, 0.5) + digamma(x) + lgamma(x)));
}

TEST_CASE("steps are constants whose jumps are noted, questions are answered by the value") {
  Tape<double> tape;
  const Var<double> x = tape.variable(2.7);
  const Var<double> steps = floor(x) + ceil(x) + round(x) + trunc(x) + rint(x) + nearbyint(x);
  CHECK(steps.value() == 2 + 3 + 3 + 2 + 3 + 3);
  CHECK_FALSE(steps.active());
  CHECK(tape.comparisons().count == 6);
  CHECK(isfinite(x));
  CHECK_FALSE(isnan(x));
  CHECK_FALSE(isinf(x / 1));
  CHECK(signbit(-x));
  CHECK(tape.comparisons().count == 6);
  CHECK(floor(Dual<double>(2.7, 1)).tangent() == 0);
  Var<double> whole;
  const Var<double> part = modf(x, &whole);
  CHECK(part.value() == doctest::Approx(0.7));
  CHECK(whole.value() == 2);
  int quotient = 0, expected = 0;
  CHECK(value(remquo(x, 0.4, &quotient)) == std::remquo(2.7, 0.4, &expected));
  CHECK(quotient == expected);
  tape.backward(part);
  CHECK(tape.adjoint(x) == 1);
}

TEST_CASE("expressions work without the namespace being opened") {
  // Argument-dependent lookup must find operators and functions for nested expressions.
  stoat::Tape<double> tape;
  const auto x = tape.variable(0.5);
  const stoat::Var<double> y = log(1.0 + exp(-x * x)) / (x + sqrt(x));
  CHECK(y.value() == std::log(1.0 + std::exp(-0.25)) / (0.5 + std::sqrt(0.5)));
}
