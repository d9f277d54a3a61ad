// The rest of Eigen's decompositions with variables and Duals as scalars: they take a minute or two to compile.
#include <doctest/doctest.h>

#include <Eigen/Dense>

#include "tape/check_eigen.hpp"

using namespace stoat;
using test::check_eigen;

TEST_CASE("LU") {
  check_eigen<true>("partial", [](const auto& a, const auto& b) { return a.partialPivLu().solve(b).eval().sum(); });
  check_eigen("partial, of dynamic size", [](const auto& a, const auto& b) {
    using S = typename std::remove_cvref_t<decltype(b)>::Scalar;
    const Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic> m = a;
    const Eigen::Matrix<S, Eigen::Dynamic, 1> v = b;
    return m.partialPivLu().solve(m * v).eval().dot(m.transpose() * v);
  });
  check_eigen("full", [](const auto& a, const auto& b) { return a.fullPivLu().solve(b).eval().sum(); });
}

TEST_CASE("QR and Cholesky") {
  check_eigen("Householder QR", [](const auto& a, const auto& b) { return a.householderQr().solve(b).eval().sum(); });
  check_eigen("column-pivoting QR", [](const auto& a, const auto& b) { return a.colPivHouseholderQr().solve(b).eval().sum(); });
  check_eigen<true>("Cholesky",
                    [](const auto& a, const auto& b) { return (a * a.transpose()).eval().llt().solve(b).eval().sum(); });
  check_eigen("LDL^T", [](const auto& a, const auto& b) { return (a * a.transpose()).eval().ldlt().solve(b).eval().sum(); });
}

TEST_CASE("eigenvalues and singular values") {
  check_eigen(
      "symmetric eigenvalues",
      [](const auto& a, const auto&) {
        using M = std::remove_cvref_t<decltype(a)>;
        const Eigen::SelfAdjointEigenSolver<M> solver((a + a.transpose()).eval());
        return solver.eigenvalues()[0] * solver.eigenvalues()[2];
      },
      1e-7);
  check_eigen(
      "singular values",
      [](const auto& a, const auto&) {
        using M = std::remove_cvref_t<decltype(a)>;
        const Eigen::JacobiSVD<M> svd(a);
        return svd.singularValues()[0] - svd.singularValues()[2];
      },
      1e-7);
}
