// Eigen's own matrices and algorithms with variables and Duals as scalars.
#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <cmath>
#include <sstream>

#include <stoat/tape/gradient.hpp>

#include "tape/differences.hpp"

using namespace stoat;

namespace {

// Of fixed size, as Eigen's algorithms for dynamic sizes take a minute each to compile.
template <class S>
using EigenMatrix = Eigen::Matrix<S, 3, 3>;
template <class S>
using EigenVector = Eigen::Matrix<S, 3, 1>;

Eigen::VectorXd start() {
  Eigen::VectorXd x(12);
  x << 2.1, 0.4, -0.3, 0.2, 1.7, 0.5, -0.6, 0.3, 2.4, 0.3, -0.7, 1.2;
  return x;
}

/// f takes Eigen matrices of S: a 3x3 and a vector. Gradients in reverse mode, and if asked in Duals, against differences of
/// plain runs.
template <bool duals = false, class F>
void check(const char* name, F f, double tolerance = 1e-8) {
  CAPTURE(name);
  const auto on_vector = [&](const auto& x) {
    using S = ScalarOf<decltype(x)>;
    EigenMatrix<S> a;
    EigenVector<S> b;
    for (Eigen::Index i = 0; i < 9; ++i) a(i % 3, i / 3) = x[i];
    for (Eigen::Index i = 0; i < 3; ++i) b[i] = x[9 + i];
    return S(f(a, b));
  };
  const Eigen::VectorXd x = start();
  const auto result = value_and_gradient(on_vector, x);
  const auto& gradient = result.second;
  CHECK(result.first == doctest::Approx(on_vector(Vector<double>(x))).epsilon(1e-12));
  for (Eigen::Index j = 0; j < x.size(); ++j) {
    CAPTURE(j);
    const double d = test::difference(
        [&](double t) {
          Eigen::VectorXd at = x;
          at[j] = t;
          return on_vector(Vector<double>(at));
        },
        x[j]);
    CHECK_MESSAGE(test::close(gradient[j], d, tolerance), gradient[j], " against ", d);
    if constexpr (duals) CHECK(test::close(directional_derivative(on_vector, x, Eigen::VectorXd::Unit(12, j)), gradient[j], 1e-9));
  }
}

}  // namespace

TEST_CASE("Eigen expressions of variables") {
  check<true>("products", [](const auto& a, const auto& b) { return (a * b).dot(a.transpose() * b); });
  check("scalar multiples", [](const auto& a, const auto& b) { return ((2.0 * a * 0.5) * b + b * b[0] - b / 3.0).squaredNorm(); });
  check<true>("mixed with numbers", [](const auto& a, const auto& b) {
    const Eigen::Matrix3d m = Eigen::Matrix3d::Constant(0.25) + Eigen::Matrix3d::Identity();
    return (m * a).trace() + (a * m).sum() + m.row(0).dot(b);
  });
  check<true>("coefficient-wise", [](const auto& a, const auto& b) {
    return (a.array() * a.array() + 1.0).sum() + b.array().exp().sum() + b.cwiseAbs().sum() + b.array().square().sqrt().sum() +
           b.array().tanh().mean();
  });
  check("norm", [](const auto& a, const auto& b) { return a.norm() * b.normalized()[0] + b.maxCoeff() - a.minCoeff(); });
  check("blocks and assignment", [](const auto& a, const auto& b) {
    auto c = a;
    c.block(0, 1, 2, 2) += a.block(1, 0, 2, 2);
    c.col(0) = b;
    c(2, 2) *= 2;
    return c.sum() + c.prod();
  });
  check("cross and fixed size", [](const auto& a, const auto& b) {
    using S = typename std::remove_cvref_t<decltype(b)>::Scalar;
    const Eigen::Matrix<S, 3, 1> u = a.col(0), v = b;
    return u.cross(v).squaredNorm();
  });
}

TEST_CASE("Eigen's decompositions of variables") {
  check<true>("determinant", [](const auto& a, const auto&) { return a.determinant(); });
  check<true>("partial LU", [](const auto& a, const auto& b) { return a.partialPivLu().solve(b).eval().sum(); });
  check("partial LU of dynamic size", [](const auto& a, const auto& b) {
    using S = typename std::remove_cvref_t<decltype(b)>::Scalar;
    const Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic> m = a;
    const Eigen::Matrix<S, Eigen::Dynamic, 1> v = b;
    return m.partialPivLu().solve(m * v).eval().dot(m.transpose() * v);
  });
  check("full LU", [](const auto& a, const auto& b) { return a.fullPivLu().solve(b).eval().sum(); });
  check("Householder QR", [](const auto& a, const auto& b) { return a.householderQr().solve(b).eval().sum(); });
  check("column-pivoting QR", [](const auto& a, const auto& b) { return a.colPivHouseholderQr().solve(b).eval().sum(); });
  check<true>("Cholesky", [](const auto& a, const auto& b) { return (a * a.transpose()).eval().llt().solve(b).eval().sum(); });
  check("LDL^T", [](const auto& a, const auto& b) { return (a * a.transpose()).eval().ldlt().solve(b).eval().sum(); });
  check("inverse", [](const auto& a, const auto&) { return a.inverse().eval().sum(); });
  check(
      "symmetric eigenvalues",
      [](const auto& a, const auto&) {
        using M = std::remove_cvref_t<decltype(a)>;
        const Eigen::SelfAdjointEigenSolver<M> solver((a + a.transpose()).eval());
        return solver.eigenvalues()[0] * solver.eigenvalues()[2];
      },
      1e-7);
  check(
      "singular values",
      [](const auto& a, const auto&) {
        using M = std::remove_cvref_t<decltype(a)>;
        const Eigen::JacobiSVD<M> svd(a);
        return svd.singularValues()[0] - svd.singularValues()[2];
      },
      1e-7);
}

TEST_CASE("Eigen matrices of variables print their values and pass into ours") {
  Tape<double> tape;
  const auto x = variables(tape, Eigen::Vector2d(1.5, 2));
  Eigen::Matrix<Var<double>, Eigen::Dynamic, 1> v(2);
  v << x[0], x[1] * 2.0;
  std::ostringstream out;
  out << v << ' ' << (v + v).transpose();
  CHECK(out.str() == "1.5\n  4 3 8");
  const Vector<Var<double>> ours = Vector<Var<double>>::generate(2, [&](Eigen::Index i) { return v[i]; });
  tape.backward(sum(square(ours)));
  CHECK(tape.adjoint(x[1]) == 2 * 4 * 2);
}
