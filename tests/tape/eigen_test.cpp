// Eigen's own matrices and algorithms with variables and Duals as scalars.
#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <cmath>
#include <sstream>

#include <stoat/tape/gradient.hpp>

#include "tape/check_eigen.hpp"

using namespace stoat;
using test::check_eigen;

TEST_CASE("Eigen expressions of variables") {
  check_eigen<true>("products", [](const auto& a, const auto& b) { return (a * b).dot(a.transpose() * b); });
  check_eigen("scalar multiples",
              [](const auto& a, const auto& b) { return ((2.0 * a * 0.5) * b + b * b[0] - b / 3.0).squaredNorm(); });
  check_eigen<true>("mixed with numbers", [](const auto& a, const auto& b) {
    const Eigen::Matrix3d m = Eigen::Matrix3d::Constant(0.25) + Eigen::Matrix3d::Identity();
    return (m * a).trace() + (a * m).sum() + m.row(0).dot(b);
  });
  check_eigen<true>("coefficient-wise", [](const auto& a, const auto& b) {
    return (a.array() * a.array() + 1.0).sum() + b.array().exp().sum() + b.cwiseAbs().sum() + b.array().square().sqrt().sum() +
           b.array().tanh().mean();
  });
  check_eigen("norm", [](const auto& a, const auto& b) { return a.norm() * b.normalized()[0] + b.maxCoeff() - a.minCoeff(); });
  check_eigen("blocks and assignment", [](const auto& a, const auto& b) {
    auto c = a;
    c.block(0, 1, 2, 2) += a.block(1, 0, 2, 2);
    c.col(0) = b;
    c(2, 2) *= 2;
    return c.sum() + c.prod();
  });
  check_eigen("cross and fixed size", [](const auto& a, const auto& b) {
    using S = typename std::remove_cvref_t<decltype(b)>::Scalar;
    const Eigen::Matrix<S, 3, 1> u = a.col(0), v = b;
    return u.cross(v).squaredNorm();
  });
}

TEST_CASE("Eigen's decompositions of variables") {
  check_eigen<true>("determinant", [](const auto& a, const auto&) { return a.determinant(); });
  check_eigen("partial LU", [](const auto& a, const auto& b) { return a.partialPivLu().solve(b).eval().sum(); });
  check_eigen("Cholesky", [](const auto& a, const auto& b) { return (a * a.transpose()).eval().llt().solve(b).eval().sum(); });
  check_eigen("inverse", [](const auto& a, const auto&) { return a.inverse().eval().sum(); });
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
