#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <sstream>
#include <vector>

#include <stoat/tape/gradient.hpp>

using namespace stoat;

namespace {

/// Central difference with Richardson extrapolation.
double difference(const std::function<double(double)>& f, double x) {
  const double h = 1e-3 * std::max(1.0, std::abs(x));
  const auto d = [&](double s) { return (f(x + s) - f(x - s)) / (2 * s); };
  return (4 * d(h / 2) - d(h)) / 3;
}

}  // namespace

#define CHECK_FUNCTION(name, ...)                                                                              \
  for (const double x0 : {__VA_ARGS__}) {                                                                      \
    Tape<double> tape;                                                                                         \
    const Var<double> x = tape.variable(x0);                                                                   \
    const Var<double> y = name(x);                                                                             \
    tape.backward(y);                                                                                          \
    CAPTURE(#name);                                                                                            \
    CAPTURE(x0);                                                                                               \
    CHECK(y.value() == name(x0));                                                                              \
    CHECK(tape.adjoint(x) == doctest::Approx(difference([](double t) { return name(t); }, x0)).epsilon(1e-7)); \
  }

TEST_CASE("unary functions agree with finite differences"){
    CHECK_FUNCTION(exp, -1.5, 0.0, 2.0) CHECK_FUNCTION(expm1, -1.5, 0.0, 1e-3) CHECK_FUNCTION(log, 0.3, 1.0, 5.0)
        CHECK_FUNCTION(log1p, -0.5, 0.0, 3.0) CHECK_FUNCTION(log2, 0.3, 5.0) CHECK_FUNCTION(log10, 0.3, 5.0)
            CHECK_FUNCTION(sqrt, 0.3, 4.0) CHECK_FUNCTION(cbrt, -2.0, 0.3, 4.0) CHECK_FUNCTION(sin, -1.0, 0.0, 2.0)
                CHECK_FUNCTION(cos, -1.0, 0.5, 2.0) CHECK_FUNCTION(tan, -1.0, 0.0, 1.2) CHECK_FUNCTION(asin, -0.7, 0.0, 0.5)
                    CHECK_FUNCTION(acos, -0.7, 0.0, 0.5) CHECK_FUNCTION(atan, -3.0, 0.0, 0.5) CHECK_FUNCTION(sinh, -1.0, 0.0, 2.0)
                        CHECK_FUNCTION(cosh, -1.0, 0.3, 2.0) CHECK_FUNCTION(tanh, -1.0, 0.0, 2.0)
                            CHECK_FUNCTION(erf, -1.0, 0.0, 2.0) CHECK_FUNCTION(erfc, -1.0, 0.0, 2.0)
                                CHECK_FUNCTION(lgamma, 0.4, 1.5, 7.0) CHECK_FUNCTION(abs, -0.5, 2.0)
                                    CHECK_FUNCTION(square, -0.5, 2.0) CHECK_FUNCTION(logistic, -40.0, -1.0, 0.0, 3.0)
                                        CHECK_FUNCTION(softplus, -30.0, -1.0, 0.0, 3.0)}

TEST_CASE("binary functions agree with finite differences in both arguments and with constants on either side") {
  const auto check = [](auto f, double a0, double b0) {
    Tape<double> tape;
    const Var<double> a = tape.variable(a0), b = tape.variable(b0);
    const Var<double> y = f(a, b);
    tape.backward(y);
    const double da = difference([&](double t) { return f(t, b0); }, a0), db = difference([&](double t) { return f(a0, t); }, b0);
    CHECK(y.value() == doctest::Approx(f(a0, b0)).epsilon(1e-15));
    CHECK(tape.adjoint(a) == doctest::Approx(da).epsilon(1e-7));
    CHECK(tape.adjoint(b) == doctest::Approx(db).epsilon(1e-7));
    const Var<double> left = f(a, b0);
    tape.backward(left);
    CHECK(tape.adjoint(a) == doctest::Approx(da).epsilon(1e-7));
    const Var<double> right = f(a0, b);
    tape.backward(right);
    CHECK(tape.adjoint(b) == doctest::Approx(db).epsilon(1e-7));
  };
  for (const auto& [a, b] : std::vector<std::pair<double, double>>{{1.3, 0.7}, {0.2, 2.5}, {3.0, -1.5}}) {
    check([](const auto& x, const auto& y) { return x + y; }, a, b);
    check([](const auto& x, const auto& y) { return x - y; }, a, b);
    check([](const auto& x, const auto& y) { return x * y; }, a, b);
    check([](const auto& x, const auto& y) { return x / y; }, a, b);
    check([](const auto& x, const auto& y) { return pow(x, y); }, a, b);
    check([](const auto& x, const auto& y) { return atan2(x, y); }, a, b);
    check([](const auto& x, const auto& y) { return hypot(x, y); }, a, b);
    check([](const auto& x, const auto& y) { return max(x, y); }, a, b);
    check([](const auto& x, const auto& y) { return min(x, y); }, a, b);
  }
}

TEST_CASE("a variable used many times collects all its adjoints") {
  Tape<double> tape;
  const Var<double> x = tape.variable(0.7);
  Var<double> y = x * x * x + sin(x) * x - 2 / x;
  y *= y;
  y -= x;
  tape.backward(y);
  const double f = 0.7 * 0.7 * 0.7 + std::sin(0.7) * 0.7 - 2 / 0.7;
  const double df = 3 * 0.49 + std::cos(0.7) * 0.7 + std::sin(0.7) + 2 / 0.49;
  CHECK(tape.adjoint(x) == doctest::Approx(2 * f * df - 1).epsilon(1e-14));
}

TEST_CASE("passive values record nothing") {
  Tape<double> tape;
  Var<double> x = 2.0;
  x += 3;
  const Var<double> y = exp(x) * x;
  CHECK_FALSE(y.active());
  CHECK(tape.arguments() == 0);
  CHECK(y.value() == std::exp(5.0) * 5.0);
}

TEST_CASE("an infinite partial behind a zero adjoint does not poison the gradient") {
  Tape<double> tape;
  const Var<double> x = tape.variable(0.0);
  const Var<double> root = sqrt(x);  // slope infinity at 0
  const Var<double> y = 0.0 * root + x;
  tape.backward(y);
  CHECK(tape.adjoint(x) == 1);
}

TEST_CASE("rewinding forgets, and reuse gives the same bits") {
  Tape<double> tape;
  const Var<double> x = tape.variable(1.5);
  const auto mark = tape.mark();
  const auto gradient = [&] {
    tape.rewind(mark);
    Var<double> y = x;
    for (int i = 0; i < 1000; ++i) y = sin(y) * 1.01 + x / 7;
    tape.backward(y);
    return tape.adjoint(x);
  };
  const double first = gradient();
  const auto size = tape.size();
  CHECK(gradient() == first);
  CHECK(tape.size() == size);
}

TEST_CASE("tapes nest, and the newest live one is current whatever the order of death") {
  auto a = std::make_unique<Tape<double>>();
  auto b = std::make_unique<Tape<double>>();
  CHECK(Tape<double>::current() == b.get());
  {
    Tape<double>::Use use(*a);
    CHECK(Tape<double>::current() == a.get());
  }
  auto c = std::make_unique<Tape<double>>();
  b.reset();
  CHECK(Tape<double>::current() == c.get());
  c.reset();
  CHECK(Tape<double>::current() == a.get());
  a.reset();
  CHECK(Tape<double>::current() == nullptr);
}

TEST_CASE("the adjoint of another tape's variable is refused") {
  Tape<double> a;
  const Var<double> x = a.variable(1);
  Tape<double> b;
  b.variable(2);
  CHECK_THROWS_AS(b.adjoint(x), InvalidArgument);
  CHECK_THROWS_AS(b.backward(x), InvalidArgument);
}

TEST_CASE("float tapes work like double ones") {
  Tape<float> tape;
  const Var<float> x = tape.variable(0.5f);
  const Var<float> y = exp(2 * x) / x;
  tape.backward(y);
  CHECK(tape.adjoint(x) == doctest::Approx(std::exp(1.0) * (2 / 0.5 - 4)).epsilon(1e-5));
}

TEST_CASE("comparisons of active values are counted, those of value() are not") {
  Tape<double> tape;
  const Var<double> x = tape.variable(0.5);
  CHECK(x < 1);
  CHECK(bool(2 * x == 1.0));
  CHECK(tape.comparisons().count == 2);
  CHECK(value(x) < 1);
  const Var<double> constant = 3;
  CHECK(constant > 1);
  CHECK(tape.comparisons().count == 2);
}

TEST_CASE("generic code means the same in double and in Var") {
  // Without the overloads of std in namespace stoat, abs(-0.5) in double could be the integer 0.
  const auto f = []<class S>(const S& x) -> S { return abs(x - 1) + pow(x, 2) / 3 + max(x, S(0.25)) + 1 / x; };
  Tape<double> tape;
  const Var<double> x = tape.variable(0.5);
  CHECK(value(f(x)) == f(0.5));
  CHECK(abs(-0.5) == 0.5);
}

TEST_CASE("vectors and matrices: gradients agree with finite differences") {
  const auto f = [](const auto& x) {
    using S = typename std::remove_cvref_t<decltype(x)>::Scalar;
    const Matrix<S> a = x.matrix(0, 2, 3);
    const Vector<S> v = x.segment(6, 3);
    const Vector<S> w = tanh(a * v) + Vector<S>{x[0] * x[1], S(2.0)};
    const Matrix<S> b = a * x.matrix(6, 3, 1);
    const Vector<S> p = softmax(2.0 * w - 1.0), q = normalised(exp(v));
    return S(dot(p, w) + sum(cwise_product(v, q)) + b(1, 0) * a(0, 2) + sum(a.col(1) / x[2]) - log(sum(square(x))));
  };
  Eigen::VectorXd x(9);
  x << 0.3, -0.7, 1.2, 0.4, -0.1, 0.9, 0.5, -0.6, 0.8;
  const auto [value, gradient] = value_and_gradient(f, x);
  CHECK(value == doctest::Approx(f(Vector<double>(x))).epsilon(1e-14));
  for (Eigen::Index j = 0; j < x.size(); ++j) {
    const double d = difference(
        [&](double t) {
          Eigen::VectorXd y = x;
          y[j] = t;
          return f(Vector<double>(y));
        },
        x[j]);
    CAPTURE(j);
    CHECK(gradient[j] == doctest::Approx(d).epsilon(1e-7));
  }
  // The tangent sweep is the transpose of the reverse sweep.
  Tape<double> tape;
  const Vector<Var<double>> v = variables(tape, x);
  const Var<double> y = f(v);
  tape.clear_tangents();
  for (Index j = 0; j < 9; ++j)
    for (Index l = 0; l < 4; ++l) tape.tangents()[1 + j][l] = std::sin(1.0 + j + 10.0 * l);
  tape.forward();
  for (Index l = 0; l < 4; ++l) {
    double expected = 0;
    for (Index j = 0; j < 9; ++j) expected += gradient[j] * std::sin(1.0 + j + 10.0 * l);
    CHECK(tape.tangents()[y.index()][l] == doctest::Approx(expected).epsilon(1e-12));
  }
}

TEST_CASE("the Jacobian of a linear map is its matrix") {
  Eigen::MatrixXd a(2, 3);
  a << 1, 2, 3, 4, 5, 6;
  const auto f = [&](const auto& x) {
    using S = typename std::remove_cvref_t<decltype(x)>::Scalar;
    return Vector<S>(Matrix<S>(a) * x);
  };
  CHECK(jacobian(f, Eigen::VectorXd(Eigen::VectorXd::Ones(3))).isApprox(a, 1e-15));
}

TEST_CASE("shapes that do not fit are named") {
  const Vector<double> a{1, 2, 3}, b{1, 2};
  CHECK_THROWS_WITH_AS(a + b, "operator+: shapes 3x1 and 2x1 do not fit", InvalidArgument);
  CHECK_THROWS_WITH_AS(a.segment(2, 2), "segment: elements 2 to 4 (exclusive) of 3", InvalidArgument);
  CHECK_THROWS_AS(Matrix<double>(Eigen::MatrixXd::Ones(2, 2)) * a, InvalidArgument);
}

TEST_CASE("printing a variable prints its value") {
  std::ostringstream out;
  Tape<double> tape;
  out << tape.variable(1.5);
  CHECK(out.str() == "1.5");
}
