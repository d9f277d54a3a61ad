// Vectors and matrices: products, views, element-wise expressions, reductions, concatenation, shapes that do not fit.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <sstream>

#include "tape/check_function.hpp"
#include "tape/differences.hpp"

using namespace stoat;
using test::check_function;

namespace {

template <class A>
using S = ScalarOf<A>;

Eigen::VectorXd numbers(Eigen::Index n, double shift = 0) {
  return Eigen::VectorXd::NullaryExpr(n,
                                      [&](Eigen::Index i) { return std::sin(1.7 * static_cast<double>(i) + shift) * 0.9 + 0.05; });
}
Eigen::MatrixXd number_matrix(Eigen::Index rows, Eigen::Index cols, double shift = 0) {
  return numbers(rows * cols, shift).reshaped(rows, cols);
}
/// All elements of a matrix, as a vector.
template <class M>
auto flat(const M& matrix) {
  using Scalar = S<M>;
  const Matrix<Scalar> m(evaluated(matrix));
  return Vector<Scalar>::generate(m.rows() * m.cols(), [&](Eigen::Index k) { return m(k % m.rows(), k / m.rows()); });
}

}  // namespace

TEST_CASE("products in all mixes of variables and constants") {
  const Eigen::MatrixXd a0 = number_matrix(3, 4, 1), b0 = number_matrix(4, 2, 2);
  const Eigen::VectorXd v0 = numbers(4, 3);
  const Matrix<double> a(a0), b(b0);
  const Vector<double> v(v0);
  check_function(
      "A B", [](const auto& x) { return flat(x.matrix(0, 3, 4) * x.matrix(12, 4, 2)); }, numbers(20));
  check_function(
      "A B, B constant", [&](const auto& x) { return flat(x.matrix(0, 3, 4) * b); }, numbers(12));
  check_function(
      "A B, A constant", [&](const auto& x) { return flat(a * x.matrix(0, 4, 2)); }, numbers(8));
  check_function(
      "A B, A an Eigen matrix", [&](const auto& x) { return flat(a0 * x.matrix(0, 4, 2)); }, numbers(8));
  check_function(
      "A B, B an Eigen expression", [&](const auto& x) { return flat(x.matrix(0, 3, 4) * (2 * b0)); }, numbers(12));
  check_function(
      "A v", [](const auto& x) { return x.matrix(0, 3, 4) * x.segment(12, 4); }, numbers(16));
  check_function(
      "A v, v constant", [&](const auto& x) { return x.matrix(0, 3, 4) * v; }, numbers(12));
  check_function(
      "A v, A constant", [&](const auto& x) { return a * x; }, numbers(4));
  check_function(
      "A v, A an Eigen matrix", [&](const auto& x) { return a0 * x; }, numbers(4));
  check_function(
      "v' A", [](const auto& x) { return flat(x.segment(12, 3).transpose() * x.matrix(0, 3, 4)); }, numbers(15));
  check_function(
      "v w'", [](const auto& x) { return flat(x.head(3) * x.tail(4).transpose()); }, numbers(7));
  check_function(
      "v' w", [](const auto& x) { return flat(x.head(3).transpose() * x.tail(3)); }, numbers(6));
  check_function(
      "x x' x", [](const auto& x) { return x * x.transpose() * x; }, numbers(3));
  check_function(
      "A' B", [](const auto& x) { return flat(x.matrix(0, 4, 3).transpose() * x.matrix(12, 4, 2)); }, numbers(20));
  check_function(
      "A B'", [](const auto& x) { return flat(x.matrix(0, 3, 4) * x.matrix(12, 2, 4).transpose()); }, numbers(20));
  check_function(
      "A' B'", [](const auto& x) { return flat(x.matrix(0, 4, 3).transpose() * x.matrix(12, 2, 4).transpose()); }, numbers(20));
  check_function(
      "A A", [](const auto& x) { return flat(x.matrix(0, 3, 3) * x.matrix(0, 3, 3)); }, numbers(9));
  check_function(
      "product of expressions", [&](const auto& x) { return exp(x.matrix(0, 2, 2)) * (x.head(2) - 1); }, numbers(4));
  check_function(
      "dot", [](const auto& x) { return Vector<S<decltype(x)>>{dot(x.head(3), x.tail(3))}; }, numbers(6));
  check_function(
      "dot with itself", [](const auto& x) { return Vector<S<decltype(x)>>{dot(x, x)}; }, numbers(6));
  check_function(
      "dot with constants", [&](const auto& x) { return Vector<S<decltype(x)>>{dot(x, v) + dot(v0, x)}; }, numbers(4));
  check_function(
      "dot of rows", [](const auto& x) { return Vector<S<decltype(x)>>{dot(x.matrix(0, 2, 3).row(0), x.tail(3))}; }, numbers(6));
}

TEST_CASE("large products agree with Eigen in every layout") {
  const Eigen::MatrixXd a0 = number_matrix(37, 53), b0 = number_matrix(53, 29, 1);
  Tape<double> tape;
  const auto check = [&](const Matrix<Var<double>>& a, const Matrix<Var<double>>& b) {
    const Matrix<Var<double>> c = a * b;
    CHECK(c.eigen().isApprox(a.eigen() * b.eigen(), 1e-13));
    const Eigen::MatrixXd w = number_matrix(c.rows(), c.cols(), 2);
    tape.backward(sum(cwise_product(c, Matrix<double>(w))));
    const Eigen::MatrixXd da = w * b.eigen().transpose(), db = a.eigen().transpose() * w;
    double worst = 0;
    for (Eigen::Index i = 0; i < a.rows(); ++i)
      for (Eigen::Index j = 0; j < a.cols(); ++j) worst = std::max(worst, std::abs(tape.adjoint(a(i, j)) - da(i, j)));
    for (Eigen::Index i = 0; i < b.rows(); ++i)
      for (Eigen::Index j = 0; j < b.cols(); ++j) worst = std::max(worst, std::abs(tape.adjoint(b(i, j)) - db(i, j)));
    CHECK(worst < 1e-12);
  };
  const Matrix<Var<double>> a = variables(tape, a0), b = variables(tape, b0);
  const Matrix<Var<double>> at = variables(tape, Eigen::MatrixXd(a0.transpose())),
                            bt = variables(tape, Eigen::MatrixXd(b0.transpose()));
  check(a, b);
  check(at.transpose(), b);
  check(a, bt.transpose());
  check(at.transpose(), bt.transpose());
  check(a.block(3, 5, 20, 30), b.block(7, 2, 30, 11));
  check(at.block(5, 3, 30, 20).transpose(), bt.block(2, 7, 11, 30).transpose());
  // Every second row and column: gaps everywhere.
  const Vector<Var<double>> v = variables(tape, numbers(400));
  const Matrix<Var<double>> wide = v.matrix(0, 20, 20), gaps = wide.row(3).matrix(0, 4, 5);
  check(gaps, Matrix<Var<double>>(wide.row(5).matrix(0, 4, 5)).transpose());
  check(gaps.transpose(), Matrix<Var<double>>(wide.row(7)).block(0, 0, 4, 1));
}

TEST_CASE("views are parts of their parent, not copies") {
  check_function(
      "segment, head, tail", [](const auto& x) { return x.segment(1, 3) * x[0] + x.head(3) + exp(x.tail(3)); }, numbers(5));
  check_function(
      "block", [](const auto& x) { return flat(exp(x.matrix(0, 4, 3).block(1, 1, 2, 2))); }, numbers(12));
  check_function(
      "block of a block", [](const auto& x) { return flat(x.matrix(0, 4, 4).block(1, 0, 3, 4).block(1, 2, 2, 2) * 3); },
      numbers(16));
  check_function(
      "col and row", [](const auto& x) { return cwise_product(x.matrix(0, 3, 3).col(1), x.matrix(0, 3, 3).row(2)); }, numbers(9));
  check_function(
      "diagonal", [](const auto& x) { return square(x.matrix(0, 3, 4).diagonal()); }, numbers(12));
  check_function(
      "transpose", [](const auto& x) { return flat(x.matrix(0, 2, 3).transpose() + x.matrix(0, 3, 2)); }, numbers(6));
  check_function(
      "matrix of a strided vector", [](const auto& x) { return flat(x.matrix(0, 2, 6).row(1).matrix(0, 2, 3) * 2.0); },
      numbers(12));
  check_function(
      "element of everything",
      [](const auto& x) {
        const auto m = x.matrix(0, 2, 3);
        return Vector<S<decltype(x)>>{m(1, 2) * m.transpose()(2, 0) * m.row(1)[1] * m.col(0)[1] * m[3]};
      },
      numbers(6));

  Tape<double> tape;
  const auto x = variables(tape, numbers(1000));
  const auto before = tape.bytes();
  const Matrix<Var<double>> m = x.matrix(0, 10, 100);
  for (int i = 0; i < 1000; ++i) (void)m.block(2, 3, 5, 50).transpose().row(7).segment(1, 3).as_columns(9);
  CHECK(tape.bytes() == before);
  // The adjoint of a slice of a slice lands in the parent; nothing of the parent's size is made.
  const Var<double> y = sum(m.block(2, 3, 5, 50));
  CHECK(tape.bytes() - before < 1000);
  tape.backward(y);
  CHECK(tape.adjoint(m(2, 3)) == 1);
  CHECK(tape.adjoint(m(1, 3)) == 0);

  // Plain vectors share as well.
  const Vector<double> v(numbers(1000));
  CHECK(v.segment(10, 5).data() == v.data() + 10);
  CHECK(v.matrix(0, 10, 100).block(2, 3, 5, 50).data() == v.data() + 32);
  const Vector<double> copy = v;
  CHECK(copy.data() == v.data());
}

TEST_CASE("element-wise functions of a single row, whatever view it is") {
  // Found by random expressions: the distance between its (missing) rows was taken for that between its elements.
  check_function(
      "a vector as a row", [](const auto& x) { return flat(tanh(x.as_columns(1).transpose())); }, numbers(5));
  check_function(
      "a single column, transposed", [](const auto& x) { return flat(tanh(x.matrix(0, 5, 1).transpose())); }, numbers(5));
  check_function(
      "a row of a row", [](const auto& x) { return flat(sin(x.matrix(0, 5, 1).transpose().block(0, 1, 1, 3))); }, numbers(5));
  check_function(
      "an outer product with it",
      [](const auto& x) { return flat(x.head(3) * exp(Matrix<S<decltype(x)>>(x.tail(2).as_columns(1).transpose()))); }, numbers(5));
  const Eigen::MatrixXd column = number_matrix(1000, 1);
  const Matrix<double> row = sin(Matrix<double>(column).transpose());
  CHECK((row.eigen() - column.transpose().array().sin().matrix()).norm() < 1e-13);
}

TEST_CASE("broadcasting along rows and columns") {
  const auto f = [](auto op) {
    return [op](const auto& x) { return flat(Matrix<S<decltype(x)>>(op(x.matrix(0, 2, 3), x.segment(6, 2), x.segment(8, 3)))); };
  };
  check_function("columns + v", f([](const auto& m, const auto& v, const auto&) { return colwise(m) + v; }), numbers(11));
  check_function("v - columns", f([](const auto& m, const auto& v, const auto&) { return v - colwise(m); }), numbers(11));
  check_function("rows * v", f([](const auto& m, const auto&, const auto& v) { return rowwise(m) * v; }), numbers(11));
  check_function("rows / v", f([](const auto& m, const auto&, const auto& v) { return rowwise(m) / (v + 3); }), numbers(11));
  check_function("tanh(rows + v) * 2", f([](const auto& m, const auto&, const auto& v) { return tanh(rowwise(m) + v) * 2; }),
                 numbers(11));
  check_function(
      "as_columns", [](const auto& x) { return flat(exp(x.as_columns(4))); }, numbers(3));
  check_function(
      "as_rows", [](const auto& x) { return flat(exp(x.as_rows(4))); }, numbers(3));
  check_function(
      "product of a broadcast", [](const auto& x) { return flat(x.as_columns(3) * x.as_rows(3)); }, numbers(3));
  // Large enough for the blocked products, which write several columns at once.
  check_function(
      "large product of a broadcast",
      [](const auto& x) {
        const Matrix<S<decltype(x)>> y = x.as_columns(24) * x.as_rows(24) + x.as_rows(24) * x.as_columns(24);
        return y.col(5) + y.row(7);
      },
      numbers(24));
  check_function(
      "sum of a broadcast", [](const auto& x) { return Vector<S<decltype(x)>>{sum(x.as_rows(4)) + norm(x.as_columns(2))}; },
      numbers(3));
  CHECK_THROWS_AS(colwise(Matrix<double>(number_matrix(2, 3))) + Vector<double>(numbers(3)), InvalidArgument);
}

TEST_CASE("element-wise chains are one operation") {
  Tape<double> tape;
  const auto x = variables(tape, numbers(50)), y = variables(tape, numbers(50, 1));
  const Var<double> s = tape.variable(0.3);
  const Index before = tape.size();
  const auto bytes = tape.bytes();
  const Vector<Var<double>> z = tanh(s * x + y) - exp(cwise_product(x, y)) * 2.0 + 1;
  CHECK(tape.size() == before + 50);
  CHECK(z.first() == before);
  CHECK(tape.arguments() == 0);  // no scalar statements
  // Partials for five operands, values and adjoints of the result, and some bookkeeping.
  CHECK(tape.bytes() - bytes < 50 * 8 * (5 + 2) + 1000);
  // Sums and differences need no partials at all.
  const auto sum_bytes = tape.bytes();
  const Vector<Var<double>> w = x - y + s - 2 * x;
  CHECK(tape.bytes() - sum_bytes < 50 * 8 * 2 + 50 + 1000);
  tape.backward(sum(w));
  CHECK(tape.adjoint(x[7]) == -1);
  CHECK(tape.adjoint(y[7]) == -1);
  CHECK(tape.adjoint(s) == 50);

  check_function(
      "chain",
      [](const auto& v) {
        const auto a = v.head(4), b = v.segment(4, 4);
        return tanh(v[8] * a + b) - exp(cwise_product(a, b)) * 2.0 + 1 / (2 + square(a)) - v[8];
      },
      numbers(9));
  check_function(
      "the same operand several times", [](const auto& v) { return cwise_product(v, cwise_product(v, v)) - v; }, numbers(5));
  check_function(
      "constants inside", [&](const auto& v) { return cwise_product(exp(Vector<double>(numbers(5, 2))), v) + numbers(5, 3); },
      numbers(5));
  check_function(
      "cwise functions of two",
      [](const auto& v) { return pow(v.head(3) + 2, v.tail(3)) + atan2(v.tail(3), v.head(3)) + max(v.head(3), 0.1); }, numbers(6));
  check_function(
      "views inside", [](const auto& v) { return flat(exp(v.matrix(0, 3, 3).transpose()) + v.matrix(0, 3, 3)); }, numbers(9));
  check_function(
      "long", [](const auto& v) { return Vector<S<decltype(v)>>{sum(log1p(exp(v.as_columns(400))))}; }, numbers(3));

  // Nodes may be kept and used again: they hold their operands.
  const auto kept = exp(x) + y;
  const Vector<Var<double>> first = kept, second = kept;
  CHECK(first[3].value() == second[3].value());
}

TEST_CASE("an infinite slope behind a zero adjoint does not poison a vector") {
  Tape<double> tape;
  Eigen::VectorXd x0 = numbers(300).cwiseAbs();
  x0[7] = 0;
  const auto x = variables(tape, x0);
  const Vector<Var<double>> y = sqrt(x);  // slope infinity at element 7
  tape.backward(sum(cwise_product(Vector<double>(x0), y)));
  CHECK(tape.adjoint(x[7]) == 0);
  CHECK(std::isfinite(tape.adjoint(x[8])));
}

TEST_CASE("reductions") {
  const auto one = [](auto f) { return [f](const auto& x) { return Vector<S<decltype(x)>>{S<decltype(x)>(f(x))}; }; };
  check_function("sum", one([](const auto& x) { return sum(x) * sum(square(x)); }), numbers(5));
  check_function("mean", one([](const auto& x) { return square(mean(x)); }), numbers(5));
  check_function("squared_norm", one([](const auto& x) { return squared_norm(x); }), numbers(5));
  check_function("norm", one([](const auto& x) { return norm(x); }), numbers(5));
  check_function("norm of a matrix view", one([](const auto& x) { return norm(x.matrix(0, 3, 3).block(0, 1, 2, 2)); }), numbers(9));
  check_function("log_sum_exp", one([](const auto& x) { return log_sum_exp(3 * x); }), numbers(5));
  check_function("max_coeff", one([](const auto& x) { return square(max_coeff(x)) + min_coeff(x); }), numbers(5));
  const auto lines = [](auto f) { return [f](const auto& x) { return f(Matrix<S<decltype(x)>>(x.matrix(0, 3, 2))); }; };
  check_function("column sums", lines([](const auto& m) { return colwise(m).sum(); }), numbers(6));
  check_function("row sums", lines([](const auto& m) { return rowwise(m).sum(); }), numbers(6));
  check_function("column means", lines([](const auto& m) { return square(colwise(m).mean()); }), numbers(6));
  check_function("row norms", lines([](const auto& m) { return rowwise(m).norm(); }), numbers(6));
  check_function("row squared norms", lines([](const auto& m) { return rowwise(m).squared_norm(); }), numbers(6));
  check_function("column log_sum_exp", lines([](const auto& m) { return colwise(m).log_sum_exp(); }), numbers(6));
  check_function("row max", lines([](const auto& m) { return rowwise(m).max_coeff() - rowwise(m).min_coeff(); }), numbers(6));

  const double inf = std::numeric_limits<double>::infinity();
  CHECK(sum(Vector<double>()) == 0);
  CHECK(log_sum_exp(Vector<double>()) == -inf);
  CHECK_THROWS_WITH_AS(mean(Vector<double>()), "mean: of no elements", InvalidArgument);
  CHECK_THROWS_AS(max_coeff(Vector<double>()), InvalidArgument);
  CHECK(log_sum_exp(Vector<double>{1000.0, 1000.0}) == doctest::Approx(1000 + std::log(2)));
  CHECK(log_sum_exp(Vector<double>{-inf, -inf}) == -inf);
  CHECK(std::isnan(max_coeff(Vector<double>{1.0, std::nan(""), 2.0})));
  // Slopes at infinities, at the origin, at ties.
  Tape<double> tape;
  const auto slopes = [&](auto f, std::initializer_list<double> at) {
    const auto x = variables(tape, Eigen::VectorXd(Vector<double>(at).eigen()));
    tape.backward(f(x));
    return std::vector<double>{tape.adjoint(x[0]), tape.adjoint(x[1])};
  };
  using Pair = std::vector<double>;
  CHECK(slopes([](const auto& x) { return norm(x); }, {0.0, 0.0}) == Pair{0, 0});
  CHECK(slopes([](const auto& x) { return max_coeff(x); }, {2.0, 2.0}) == Pair{1, 0});
  CHECK(slopes([](const auto& x) { return min_coeff(x); }, {2.0, 2.0}) == Pair{1, 0});
  CHECK(slopes([](const auto& x) { return log_sum_exp(x); }, {1.0, -inf}) == Pair{1, 0});
  CHECK(slopes([](const auto& x) { return log_sum_exp(x); }, {-inf, -inf}) == Pair{0, 0});
  CHECK(slopes([](const auto& x) { return log_sum_exp(x); }, {inf, inf}) == Pair{0.5, 0.5});
}

TEST_CASE("softmax and its kin") {
  check_function(
      "softmax", [](const auto& x) { return softmax(3 * x); }, numbers(4));
  check_function(
      "log_softmax", [](const auto& x) { return log_softmax(3 * x); }, numbers(4));
  check_function(
      "normalised", [](const auto& x) { return normalised(exp(x)); }, numbers(4));
  check_function(
      "softmax by columns", [](const auto& x) { return flat(softmax(x.matrix(0, 3, 2))); }, numbers(6));
  check_function(
      "log_softmax by rows", [](const auto& x) { return flat(log_softmax(x.matrix(0, 2, 3).transpose())); }, numbers(6));
  check_function(
      "normalised by columns", [](const auto& x) { return flat(normalised(x.matrix(0, 3, 2) + 2)); }, numbers(6));
  const Vector<double> p = softmax(Vector<double>{1000.0, 0.0, -1000.0});
  CHECK(p[0] == 1);
  CHECK(p[2] == 0);
  CHECK(log_softmax(Vector<double>{1000.0, 0.0})[1] == -1000);
}

TEST_CASE("concatenation") {
  check_function(
      "vectors",
      [](const auto& x) {
        return concatenate(exp(x), x.head(2), Vector<double>{1.0, 2.0});
      },
      numbers(3));
  check_function(
      "a list of vectors",
      [](const auto& x) {
        std::vector<Vector<S<decltype(x)>>> parts;
        for (Eigen::Index i = 0; i < 3; ++i) parts.push_back(x.segment(i, 2) * x[i]);
        return concatenate(parts);
      },
      numbers(5));
  check_function(
      "rows",
      [](const auto& x) { return flat(concatenate_rows(x.matrix(0, 2, 2), x.matrix(0, 2, 2).transpose(), x.matrix(2, 1, 2))); },
      numbers(4));
  check_function(
      "columns", [](const auto& x) { return flat(concatenate_cols(x.head(2), x.matrix(0, 2, 2), x.tail(2))); }, numbers(4));
  CHECK_THROWS_AS(concatenate_rows(Matrix<double>(number_matrix(2, 2)), Matrix<double>(number_matrix(2, 3))), InvalidArgument);
}

TEST_CASE("vectors are made in many ways") {
  const auto f = [](const auto& x) {
    using T = S<decltype(x)>;
    const Vector<T> a{x[0] * x[1], T(2.0), x[2]};
    const Vector<T> b = Vector<T>::generate(3, [&](Eigen::Index i) { return x[i] * x[i]; });
    const std::vector<T> list{x[1], x[0], x[2] - 1};
    const Vector<T> c(list);
    const Vector<T> d = numbers(3, 5);
    const Matrix<T> e = Matrix<T>::generate(3, 2, [&](Eigen::Index i, Eigen::Index j) { return x[i] + 2 * x[j]; });
    return a + b + c + d + e.col(1) + Vector<T>::constant(3, 0.5);
  };
  check_function("made", f, numbers(3));
  const Vector<double> v = f(Vector<double>(numbers(3)));
  std::ostringstream out;
  out << Vector<double>{1.0, 2.0} << ' ' << (Vector<double>{1.0, 2.0} + 1);
  CHECK(out.str() == "1\n2 2\n3");
  CHECK(Vector<double>(Matrix<double>(v)).size() == 3);
  CHECK_THROWS_AS(Vector<double>(Matrix<double>(number_matrix(2, 2))), InvalidArgument);
}

TEST_CASE("constants are shared with the tape and stay alive for it") {
  Tape<double> tape;
  const auto w = variables(tape, numbers(4));
  Var<double> y;
  {
    const Matrix<double> data(number_matrix(3, 4));
    const auto bytes = tape.bytes();
    y = sum(data * w);
    CHECK(tape.bytes() - bytes < 800);
  }
  tape.backward(y);  // the matrix is gone for everybody else
  CHECK(tape.adjoint(w[1]) == doctest::Approx(number_matrix(3, 4).col(1).sum()));
}

TEST_CASE("float vectors") {
  Tape<float> tape;
  const auto x = variables(tape, Eigen::VectorXf(Eigen::VectorXf::LinSpaced(40, -1, 1)));
  const Matrix<float> a(Eigen::MatrixXf(Eigen::MatrixXf::Constant(3, 40, 0.5f)));
  tape.backward(sum(tanh(a * x + 1)) + norm(2 * x) + log_sum_exp(x));
  const auto f = [](const auto& v) {
    return sum(tanh(Matrix<double>(Eigen::MatrixXd::Constant(3, 40, 0.5)) * v + 1)) + norm(2 * v) + log_sum_exp(v);
  };
  const auto [value, gradient] = value_and_gradient(f, Eigen::VectorXd(Eigen::VectorXd::LinSpaced(40, -1, 1)));
  for (Eigen::Index i = 0; i < 40; ++i) CHECK(test::close(static_cast<double>(tape.adjoint(x[i])), gradient[i], 1e-4, 1e-2));
}

TEST_CASE("shapes that do not fit are named") {
  const Vector<double> a{1, 2, 3}, b{1, 2};
  CHECK_THROWS_WITH_AS(a + b, "operator+: shapes 3x1 and 2x1 do not fit", InvalidArgument);
  CHECK_THROWS_WITH_AS(a - b, "operator-: shapes 3x1 and 2x1 do not fit", InvalidArgument);
  CHECK_THROWS_WITH_AS(cwise_product(a, b), "element-wise product: shapes 3x1 and 2x1 do not fit", InvalidArgument);
  CHECK_THROWS_WITH_AS(pow(a, b), "pow: shapes 3x1 and 2x1 do not fit", InvalidArgument);
  CHECK_THROWS_WITH_AS(dot(a, b), "dot: shapes 3x1 and 2x1 do not fit", InvalidArgument);
  CHECK_THROWS_WITH_AS(a.segment(2, 2), "segment: elements 2 to 4 (exclusive) of 3", InvalidArgument);
  CHECK_THROWS_AS(a.segment(-1, 2), InvalidArgument);
  CHECK_THROWS_AS(a.matrix(0, 2, 2), InvalidArgument);
  CHECK_THROWS_AS(a.matrix(0, -1, -3), InvalidArgument);
  CHECK_THROWS_AS(Matrix<double>(Eigen::MatrixXd::Ones(2, 2)).block(1, 1, 2, 1), InvalidArgument);
  CHECK_THROWS_AS(Matrix<double>(Eigen::MatrixXd::Ones(2, 2)).row(2), InvalidArgument);
  CHECK_THROWS_WITH_AS(Matrix<double>(Eigen::MatrixXd::Ones(2, 2)) * a, "operator*: shapes 2x2 and 3x1 do not fit",
                       InvalidArgument);
}

TEST_CASE("empty vectors and matrices") {
  Tape<double> tape;
  const Vector<Var<double>> none;
  CHECK(none.size() == 0);
  CHECK(sum(exp(none)).value() == 0);
  CHECK(concatenate(none, none).size() == 0);
  const auto x = variables(tape, numbers(3));
  CHECK((x.matrix(0, 3, 1) * x.matrix(0, 1, 0)).cols() == 0);
  const Matrix<Var<double>> zero = x.matrix(0, 3, 0) * x.matrix(0, 0, 2);
  CHECK(zero.rows() == 3);
  CHECK(zero(2, 1).value() == 0);
  CHECK(softmax(none).size() == 0);
  CHECK(x.as_columns(0).size() == 0);
}
