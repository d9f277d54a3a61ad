// Solves, factorisations, determinants.
#include <doctest/doctest.h>

#include <Eigen/LU>
#include <cmath>

#include "tape/check_function.hpp"
#include "tape/differences.hpp"

using namespace stoat;
using test::check_function;

namespace {

template <class A>
using S = ScalarOf<A>;

/// A 3x3 matrix away from singular, its nine elements in a vector.
Eigen::VectorXd nine() {
  Eigen::VectorXd x(9);
  x << 2.1, 0.4, -0.3, 0.2, 1.7, 0.5, -0.6, 0.3, 2.4;
  return x;
}
Eigen::VectorXd fifteen() {
  Eigen::VectorXd x(15);
  x << nine(), 0.3, -0.7, 1.2, 0.4, 0.9, -0.5;
  return x;
}
template <class T>
Vector<T> all(const Matrix<T>& m) {
  return Vector<T>::generate(m.size(), [&](Eigen::Index k) { return m[k]; });
}
/// A symmetric positive definite matrix from any.
template <class X>
auto spd(const X& x) {
  const Matrix<S<X>> a = x.matrix(0, 3, 3);
  return Matrix<S<X>>(a * a.transpose());
}

}  // namespace

TEST_CASE("triangular solves") {
  check_function(
      "lower", [](const auto& x) { return all(solve_lower(x.matrix(0, 3, 3), x.matrix(9, 3, 2))); }, fifteen());
  check_function(
      "upper", [](const auto& x) { return all(solve_upper(x.matrix(0, 3, 3), x.matrix(9, 3, 2))); }, fifteen());
  check_function(
      "lower, of a transpose", [](const auto& x) { return all(solve_lower(x.matrix(0, 3, 3).transpose(), x.matrix(9, 3, 2))); },
      fifteen());
  check_function(
      "lower, one column", [](const auto& x) { return solve_lower(x.matrix(0, 3, 3), x.tail(3)); }, fifteen());
  const Matrix<double> constant(Eigen::MatrixXd(nine().reshaped(3, 3)));
  check_function(
      "lower, constant matrix", [&](const auto& x) { return solve_lower(constant, x); }, nine().head(3));
  check_function(
      "upper, constant right side", [&](const auto& x) { return all(solve_upper(x.matrix(0, 3, 3), constant)); }, nine());
  CHECK_THROWS_WITH_AS(solve_lower(Matrix<double>(Eigen::MatrixXd::Zero(2, 2)), Vector<double>{1.0, 2.0}),
                       "solve_lower: the matrix is singular (at row 0)", Error);
}

TEST_CASE("general solves, inverse and determinant") {
  check_function(
      "solve", [](const auto& x) { return all(solve(x.matrix(0, 3, 3), x.matrix(9, 3, 2))); }, fifteen());
  check_function(
      "solve, one column", [](const auto& x) { return solve(x.matrix(0, 3, 3), x.tail(3)); }, fifteen());
  check_function(
      "solve, of a view", [](const auto& x) { return solve(x.matrix(0, 3, 3).block(0, 1, 2, 2).transpose(), x.tail(2)); },
      fifteen());
  const Matrix<double> constant(Eigen::MatrixXd(nine().reshaped(3, 3)));
  check_function(
      "solve, constant matrix", [&](const auto& x) { return solve(constant, x); }, nine().head(3));
  check_function(
      "inverse", [](const auto& x) { return all(inverse(x.matrix(0, 3, 3))); }, nine());
  check_function(
      "log_determinant", [](const auto& x) { return Vector<S<decltype(x)>>{log_determinant(x.matrix(0, 3, 3))}; }, nine());
  check_function(
      "trace", [](const auto& x) { return Vector<S<decltype(x)>>{trace(x.matrix(0, 3, 3) * x.matrix(0, 3, 3))}; }, nine());

  // Rows have to be exchanged, and the determinant is negative.
  Eigen::VectorXd swapped(9);
  swapped << 0.0, 1.3, 0.2, 2.0, 0.1, -0.4, 0.3, 0.5, 1.9;
  check_function(
      "solve with pivoting", [](const auto& x) { return solve(x.matrix(0, 3, 3), x.head(3)); }, swapped);
  check_function(
      "log_determinant with pivoting", [](const auto& x) { return Vector<S<decltype(x)>>{log_determinant(x.matrix(0, 3, 3))}; },
      swapped);
  const Eigen::Matrix3d m = swapped.reshaped(3, 3);
  CHECK(m.determinant() < 0);
  CHECK(log_determinant(Matrix<double>(m)) == doctest::Approx(std::log(-m.determinant())));

  CHECK_THROWS_WITH_AS(solve(Matrix<double>(Eigen::MatrixXd::Ones(3, 3)), Vector<double>{1.0, 2.0, 3.0}),
                       "solve: the matrix is singular (at row 1)", Error);
  CHECK_THROWS_AS(inverse(Matrix<double>(Eigen::MatrixXd::Ones(2, 2))), Error);
  CHECK_THROWS_AS(log_determinant(Matrix<double>(Eigen::MatrixXd::Zero(2, 2))), Error);
  CHECK_THROWS_WITH_AS(inverse(Matrix<double>(Eigen::MatrixXd::Ones(2, 3))), "inverse: shapes 2x3 and 3x3 do not fit",
                       InvalidArgument);
  CHECK_THROWS_AS(solve(Matrix<double>(Eigen::MatrixXd::Identity(2, 2)), Vector<double>{1.0, 2.0, 3.0}), InvalidArgument);
}

TEST_CASE("symmetric positive definite matrices") {
  check_function(
      "cholesky", [](const auto& x) { return all(cholesky(spd(x))); }, nine());
  check_function(
      "solve_spd", [](const auto& x) { return all(solve_spd(spd(x), x.matrix(9, 3, 2))); }, fifteen());
  check_function(
      "log_determinant_spd", [](const auto& x) { return Vector<S<decltype(x)>>{log_determinant_spd(spd(x))}; }, nine());
  // The lower triangle alone is read, so differences element by element see the same function.
  const Eigen::Matrix3d a = Eigen::Matrix3d(nine().reshaped(3, 3)) * Eigen::Matrix3d(nine().reshaped(3, 3)).transpose();
  Eigen::VectorXd x(12);
  x << a.reshaped(), 0.3, -0.7, 1.2;
  check_function(
      "cholesky, one triangle", [](const auto& v) { return all(cholesky(v.matrix(0, 3, 3))); }, x);
  check_function(
      "solve_spd, one triangle", [](const auto& v) { return solve_spd(v.matrix(0, 3, 3), v.tail(3)); }, x);
  check_function(
      "log_determinant_spd, one triangle",
      [](const auto& v) { return Vector<S<decltype(v)>>{log_determinant_spd(v.matrix(0, 3, 3))}; }, x);
  const auto density = [](const auto& v) {  // of a multivariate normal law, up to a constant
    using T = S<decltype(v)>;
    const Matrix<T> l = cholesky(v.matrix(0, 3, 3));
    const Vector<T> z = solve_lower(l, v.tail(3));
    return Vector<T>{-0.5 * squared_norm(z) - sum(log(l.diagonal()))};
  };
  check_function("normal density", density, x);

  Eigen::Matrix2d indefinite;
  indefinite << 1, 2, 2, 1;
  CHECK_THROWS_WITH_AS(cholesky(Matrix<double>(indefinite)), "cholesky: the matrix is not positive definite (at row 1)", Error);
  CHECK_THROWS_WITH_AS(solve_spd(Matrix<double>(indefinite), Vector<double>{1.0, 2.0}),
                       "solve_spd: the matrix is not positive definite (at row 1)", Error);
  CHECK_THROWS_AS(log_determinant_spd(Matrix<double>(Eigen::MatrixXd::Zero(2, 2))), Error);
}

TEST_CASE("matrices of no size and of size one") {
  CHECK(log_determinant(Matrix<double>(Eigen::MatrixXd(0, 0))) == 0);
  CHECK(inverse(Matrix<double>(Eigen::MatrixXd(0, 0))).size() == 0);
  CHECK(cholesky(Matrix<double>(Eigen::MatrixXd::Constant(1, 1, 4)))(0, 0) == 2);
  Tape<double> tape;
  const Matrix<Var<double>> none = variables(tape, Eigen::MatrixXd(Eigen::MatrixXd(0, 0)));
  CHECK(solve(none, none).size() == 0);
}

TEST_CASE("larger systems agree with Eigen, and their gradients with the formulas") {
  constexpr Eigen::Index n = 40;
  const Eigen::MatrixXd a0 = Eigen::MatrixXd::NullaryExpr(
      n, n, [](Eigen::Index i, Eigen::Index j) { return std::sin(1.3 * static_cast<double>(i + 7 * j)) + (i == j ? 6 : 0); });
  const Eigen::VectorXd b0 = a0.col(3);
  Tape<double> tape;
  const Matrix<Var<double>> a = variables(tape, a0);
  const Vector<Var<double>> b = variables(tape, b0);
  const Vector<Var<double>> x = solve(a, b);
  const Eigen::VectorXd expected = a0.partialPivLu().solve(b0);
  CHECK(x.eigen().isApprox(expected, 1e-12));
  tape.backward(sum(x));
  const Eigen::VectorXd g = a0.transpose().partialPivLu().solve(Eigen::VectorXd::Ones(n));
  for (Eigen::Index i = 0; i < n; ++i) {
    CHECK(test::close(tape.adjoint(b[i]), g[i], 1e-10));
    CHECK(test::close(tape.adjoint(a(i, 5)), -g[i] * expected[5], 1e-10));
  }
}
