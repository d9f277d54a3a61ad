#include "tape/check_function.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "tape/differences.hpp"

namespace test {

void check_function(const std::string& name, const VectorFunction& f, const Eigen::VectorXd& x, double tolerance) {
  using namespace stoat;
  CAPTURE(name);
  const Eigen::Index n = x.size();
  const Eigen::VectorXd y = f(Vector<double>(x)).eigen();
  const Eigen::Index m = y.size();
  Eigen::MatrixXd reverse(m, n), forward(m, n);
  for (Eigen::Index i = 0; i < m; ++i) reverse.row(i) = value_and_gradient([&](const auto& at) { return f(at)[i]; }, x).second;
  for (Eigen::Index j = 0; j < n; ++j) {
    const Eigen::VectorXd column = directional_derivative(f, x, Eigen::VectorXd::Unit(n, j));
    REQUIRE(column.size() == m);
    forward.col(j) = column;
  }
  const double scale = std::max(1e-3, m > 0 ? reverse.cwiseAbs().maxCoeff() : 0.0);
  const auto shifted = [&](Eigen::Index j, double t) {
    Eigen::VectorXd at = x;
    at[j] = t;
    return at;
  };
  for (Eigen::Index i = 0; i < m; ++i)
    for (Eigen::Index j = 0; j < n; ++j) {
      CAPTURE(i);
      CAPTURE(j);
      const double d = difference([&](double t) { return f(Vector<double>(shifted(j, t)))[i]; }, x[j]);
      CHECK_MESSAGE(close(reverse(i, j), d, tolerance, scale), reverse(i, j), " against ", d);
      CHECK_MESSAGE(close(reverse(i, j), forward(i, j), 1e-11, scale), reverse(i, j), " against ", forward(i, j),
                    " in forward mode");
    }

  // The tangent sweep.
  {
    Tape<double> tape;
    const auto v = variables(tape, x);
    const Vector<Var<double>> out = f(v);
    for (Eigen::Index i = 0; i < m; ++i) CHECK(close(out[i].value(), y[i], 1e-13, 1e-13));
    for (Eigen::Index first = 0; first < n; first += 4) {
      tape.clear_tangents();
      for (Eigen::Index l = 0; l < 4 && first + l < n; ++l) tape.tangents()[v.first() + static_cast<Index>(first + l)][l] = 1;
      tape.forward();
      for (Eigen::Index l = 0; l < 4 && first + l < n; ++l)
        for (Eigen::Index i = 0; i < m; ++i) {
          const double t = out[i].active() ? tape.tangents()[out[i].index()][l] : 0.0;
          CHECK_MESSAGE(close(t, reverse(i, first + l), 1e-11, scale), t, " against ", reverse(i, first + l),
                        " in a tangent sweep");
        }
    }
  }

  // Second derivatives of a combination of the outputs.
  const auto combined = [&](const auto& at) {
    using S = ScalarOf<decltype(at)>;
    const Vector<S> out = f(at);
    S total = 0;
    for (Eigen::Index i = 0; i < out.size(); ++i) total += out[i] * std::cos(1.0 + 2.3 * static_cast<double>(i));
    return total;
  };
  Eigen::MatrixXd h(n, n);
  for (Eigen::Index j = 0; j < n; ++j) h.col(j) = hessian_vector_product(combined, x, Eigen::VectorXd::Unit(n, j));
  const double second_scale = n > 0 ? std::max(1e-2, h.cwiseAbs().maxCoeff()) : 0.0;
  for (Eigen::Index j = 0; j < n; ++j) {
    const auto gradient = [&](double t) { return value_and_gradient(combined, shifted(j, t)).second; };
    for (Eigen::Index i = 0; i < n; ++i) {
      const double d = difference([&](double t) { return gradient(t)[i]; }, x[j]);
      CHECK_MESSAGE(close(h(i, j), d, 30 * tolerance, second_scale), h(i, j), " against ", d, " in the Hessian");
    }
  }
}

}  // namespace test
