// Random expressions of scalars, vectors and matrices, as lists of instructions that one generic callable interprets: reverse mode,
// forward mode, second derivatives and differences must agree. STOAT_FUZZ_EXPRESSIONS=100000 build/tests/test_fuzz tries so many.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <random>
#include <vector>

#include <stoat/tape/concatenate.hpp>
#include <stoat/tape/gradient.hpp>
#include <stoat/tape/linear_algebra.hpp>
#include <stoat/tape/special_functions.hpp>

#include "fuzz/amount.hpp"

using namespace stoat;

namespace {

constexpr Eigen::Index inputs = 6;
constexpr int operations = 56;

struct Instruction {
  int operation;
  std::size_t to, a, b;  ///< places of the result and of arguments
  double number;
};

/// Scalars, vectors of three and matrices of three by three; an instruction changes one of them.
template <class S>
struct Machine {
  std::array<S, 4> s;
  std::array<Vector<S>, 3> v;
  std::array<Matrix<S>, 3> m;

  explicit Machine(const Vector<S>& x)
      : s{S(x[0]), S(x[1]), S(0.7), S(x[5])}, v{x.head(3), x.tail(3), Vector<S>{S(x[2]), S(0.5), S(-0.4)}} {
    m[0] = concatenate_cols(v[0], v[1], Vector<S>(v[0] - v[1]));
    m[1] = concatenate_rows(x.matrix(0, 2, 3), Matrix<S>(v[2].as_columns(1).transpose()));
    m[2] = Matrix<S>(Eigen::MatrixXd(Eigen::MatrixXd::Identity(3, 3) * 0.6));
  }
  S result() const { return sum(v[0]) + 0.3 * s[0] - s[1] + 0.5 * s[2] * s[3] + dot(v[1], v[2]) + sum(m[0]) + 0.2 * mean(m[1]); }

  /// Every operation keeps its results of moderate size if its arguments are.
  void run(const Instruction& i) {
    const double c = i.number;
    const S a = s[i.a], b = s[i.b];
    S& y = s[i.to];
    const Vector<S> p = v[i.a % 3], q = v[i.b % 3];
    Vector<S>& w = v[i.to % 3];
    const Matrix<S> f = m[i.a % 3], g = m[i.b % 3];
    Matrix<S>& h = m[i.to % 3];
    switch (i.operation) {
      // Scalars: functions, statements of several operations, and statements that append to the one before.
      case 0: y = sin(a) + c * cos(b); return;
      case 1: y = exp(-0.3 * square(a)) * b; return;
      case 2: y = log(1.5 + square(a)) - log1p(exp(b)); return;
      case 3: y = sqrt(1 + square(a)) / (2 + sin(b)); return;
      case 4: y = tanh(a) * atan(b) + c * a; return;
      case 5: y = logistic(a) - softplus(c * b); return;
      case 6: y = expm1(tanh(a)) + cbrt(2 + sin(b)); return;
      case 7: y = erf(a) * normal_cdf(b); return;
      case 8: y = pow(1 + square(a), c) + hypot(a, 1 + b); return;
      case 9: y = atan2(a, 2 + square(b)) + log_sum_exp(a, b); return;
      case 10: y = asinh(a) + cosh(tanh(b)) - sinh(0.5 * tanh(a)); return;
      case 11: y = lgamma(1.5 + square(tanh(a))) + 0.1 * digamma(2 + sin(b)); return;
      case 12: y = fma(a, tanh(b), c) + lerp(a, b, logistic(c * a)); return;
      case 13: y = max(a, b) + 0.5 * abs(a) - min(a, c); return;
      case 14: y = 0.5 * a * tanh(b); return;
      case 15: y = a; return;
      case 16: y = S(c); return;
      case 17: y += 0.3 * a * tanh(b); return;
      case 18:
        y -= 0.5 * a;
        y += c * sin(b);
        return;
      case 19: y *= tanh(a); return;
      case 20: y /= 1 + square(b); return;
      case 21:
        for (int k = 0; k < 3; ++k) y += 0.2 * sin(a * static_cast<double>(k)) - 0.1 * b;
        return;
      case 22: y = 0.5 * (y + y) - 0.3 * y * tanh(y); return;
      case 23: y = p[0] * tanh(q[1]) - f(1, 2); return;
      case 24: y = gamma_p(1 + square(tanh(a)), 1.5 + tanh(b)); return;
      // Numbers made of vectors and matrices.
      case 25: y = sum(p) - c * mean(q); return;
      case 26: y = dot(p, tanh(q)); return;
      case 27: y = norm(Vector<S>(p + 2.0)) + 0.1 * squared_norm(q); return;
      case 28: y = log_sum_exp(f) + log_sum_exp(p); return;
      case 29: y = 0.3 * max_coeff(p) - min_coeff(f); return;
      case 30: y = log_determinant(dominant(f)); return;
      case 31: y = log_determinant_spd(definite(f)); return;
      case 32: y = trace(f) + sum(g.col(1)) - f.diagonal()[2]; return;
      // Vectors.
      case 33: w = Vector<S>{a, S(0.5 * b), S(c)}; return;
      case 34: w = 0.5 * p + cwise_product(tanh(p), q) - c; return;
      case 35: w = cwise_quotient(sin(p), 2 + square(q)) + a; return;
      case 36: w = softmax(p); return;
      case 37: w = log_softmax(q) * 0.5; return;
      case 38: w = normalised(exp(tanh(p))); return;
      case 39: w = 0.4 * (f * p); return;
      case 40: w = 0.4 * (f.transpose() * tanh(q)) + b * p; return;
      case 41: w = concatenate(p.tail(1), q.head(2)); return;
      case 42: w = solve(dominant(f), p); return;
      case 43: w = solve_lower(dominant(f), q); return;
      case 44: w = solve_spd(definite(f), p); return;
      case 45: w = colwise(f).sum() * 0.3 - rowwise(g).mean(); return;
      case 46: w = f.row(1) - g.diagonal(); return;
      case 47: w = max(p, q) - logistic(c * q); return;
      // Matrices.
      case 48: h = 0.4 * (f * g); return;
      case 49: h = cwise_product(tanh(f), g) + c * f.transpose(); return;
      case 50: h = p * tanh(q.as_columns(1).transpose()); return;
      case 51: h = (colwise(f) + p) * 0.5; return;
      case 52: h = (rowwise(f) * tanh(q)) - a; return;
      case 53: h = inverse(dominant(f)); return;
      case 54: h = cholesky(definite(g)); return;
      case 55: h = concatenate_rows(f.block(1, 0, 2, 3), Matrix<S>(softmax(g).block(0, 0, 1, 3))); return;
    }
  }

 private:
  /// Away from singular.
  static Matrix<S> dominant(const Matrix<S>& a) {
    return tanh(a) + Matrix<S>(Eigen::MatrixXd(Eigen::MatrixXd::Identity(3, 3) * 4));
  }
  static Matrix<S> definite(const Matrix<S>& a) {
    const Matrix<S> t = tanh(a);
    return t * t.transpose() + Matrix<S>(Eigen::MatrixXd(Eigen::MatrixXd::Identity(3, 3)));
  }
};

struct RandomExpression {
  std::vector<Instruction> instructions;
  template <class S>
  S operator()(const Vector<S>& x) const {
    Machine<S> machine(x);
    for (const Instruction& i : instructions) machine.run(i);
    return machine.result();
  }
  bool has(int operation) const {
    return std::any_of(instructions.begin(), instructions.end(), [&](const Instruction& i) { return i.operation == operation; });
  }
  /// Kinks, which differences may straddle.
  bool smooth() const { return !has(13) && !has(29) && !has(47); }
};

RandomExpression random_expression(std::mt19937_64& random) {
  RandomExpression e;
  const std::size_t length = 3 + random() % 15;
  for (std::size_t k = 0; k < length; ++k)
    e.instructions.push_back({static_cast<int>(random() % operations), random() % 4, random() % 4, random() % 4,
                              static_cast<double>(random() % 2001) / 1000 - 1});
  return e;
}

/// Central differences of fourth order.
template <class F>
auto difference(const F& f, double h) {
  using Y = decltype(f(h));
  return Y((8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h));
}

}  // namespace

TEST_CASE("random expressions: reverse, forward, second order and differences") {
  std::uint64_t tried = 0;
  std::array<std::uint64_t, operations> uses{};
  for (std::uint64_t number = 0; number < fuzz::amount("STOAT_FUZZ_EXPRESSIONS", 400); ++number) {
    CAPTURE(number);
    std::mt19937_64 random(number);
    const RandomExpression f = random_expression(random);
    Eigen::VectorXd x(inputs), direction(inputs);
    for (double& t : x) t = static_cast<double>(random() % 2001) / 1000 - 1;
    for (double& t : direction) t = static_cast<double>(random() % 2001) / 1000 - 1;
    const double plain = f(Vector<double>(x));
    REQUIRE(std::isfinite(plain));

    const auto [value, gradient] = value_and_gradient(f, x);
    const double size = 1 + gradient.norm() + std::abs(value);
    CHECK(std::abs(value - plain) < 1e-12 * size);
    CHECK(value_and_gradient(f, x).second == gradient);  // the same bits from a warm tape
    for (Eigen::Index j = 0; j < inputs; ++j)
      CHECK(std::abs(directional_derivative(f, x, Eigen::VectorXd::Unit(inputs, j)) - gradient[j]) < 1e-11 * size);

    // Forward on the tape: tangents of what was recorded.
    Tape<double> tape;
    const Vector<Var<double>> v = variables(tape, x);
    const Var<double> y = f(v);
    tape.clear_tangents();
    for (Eigen::Index j = 0; j < inputs; ++j) tape.tangents()[1 + j][2] = direction[j];
    tape.forward();
    if (y.active()) CHECK(std::abs(tape.tangents()[y.index()][2] - gradient.dot(direction)) < 1e-11 * size);

    const Eigen::VectorXd second = hessian_vector_product(f, x, direction);
    if (f.smooth() && size < 1e3) {
      const auto at = [&](double t) { return Eigen::VectorXd(x + t * direction); };
      const double d = difference([&](double t) { return f(Vector<double>(at(t))); }, 1e-3);
      CHECK(std::abs(d - gradient.dot(direction)) < 1e-6 * size);
      const Eigen::VectorXd dg = difference([&](double t) { return Eigen::VectorXd(value_and_gradient(f, at(t)).second); }, 1e-3);
      CHECK((dg - second).norm() < 1e-5 * (size + second.norm()));
      ++tried;
    }
    for (const Instruction& i : f.instructions) ++uses[static_cast<std::size_t>(i.operation)];
  }
  CHECK(tried > 100);
  CHECK(*std::min_element(uses.begin(), uses.end()) > 10);
}
