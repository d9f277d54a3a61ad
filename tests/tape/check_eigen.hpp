// One check for any function of Eigen matrices.
#pragma once

#include <doctest/doctest.h>

#include <Eigen/Dense>

#include <stoat/tape/gradient.hpp>

#include "tape/differences.hpp"

namespace test {

// Of fixed size, as Eigen's algorithms for dynamic sizes take a minute each to compile.
template <class S>
using EigenMatrix = Eigen::Matrix<S, 3, 3>;
template <class S>
using EigenVector = Eigen::Matrix<S, 3, 1>;

inline Eigen::VectorXd eigen_start() {
  Eigen::VectorXd x(12);
  x << 2.1, 0.4, -0.3, 0.2, 1.7, 0.5, -0.6, 0.3, 2.4, 0.3, -0.7, 1.2;
  return x;
}

/// f takes Eigen matrices of S: a 3x3 and a vector. Gradients in reverse mode, and if asked in Duals, against differences of
/// plain runs.
template <bool duals = false, class F>
void check_eigen(const char* name, F f, double tolerance = 1e-8) {
  CAPTURE(name);
  const auto on_vector = [&](const auto& x) {
    using S = stoat::ScalarOf<decltype(x)>;
    EigenMatrix<S> a;
    EigenVector<S> b;
    for (Eigen::Index i = 0; i < 9; ++i) a(i % 3, i / 3) = x[i];
    for (Eigen::Index i = 0; i < 3; ++i) b[i] = x[9 + i];
    return S(f(a, b));
  };
  const Eigen::VectorXd x = eigen_start();
  const auto result = stoat::value_and_gradient(on_vector, x);
  const auto& gradient = result.second;
  CHECK(result.first == doctest::Approx(on_vector(stoat::Vector<double>(x))).epsilon(1e-12));
  for (Eigen::Index j = 0; j < x.size(); ++j) {
    CAPTURE(j);
    const double d = difference(
        [&](double t) {
          Eigen::VectorXd at = x;
          at[j] = t;
          return on_vector(stoat::Vector<double>(at));
        },
        x[j]);
    CHECK_MESSAGE(close(gradient[j], d, tolerance), gradient[j], " against ", d);
    if constexpr (duals) CHECK(close(stoat::directional_derivative(on_vector, x, Eigen::VectorXd::Unit(12, j)), gradient[j], 1e-9));
  }
}

}  // namespace test
