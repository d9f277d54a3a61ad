// Gradients, Jacobians, Hessians, checkpointed loops, custom functions, gradient_check.
#include <doctest/doctest.h>

#include <cmath>
#include <sstream>

#include <stoat/tape/checkpoint.hpp>
#include <stoat/tape/custom_function.hpp>
#include <stoat/tape/gradient_check.hpp>

#include "tape/check_function.hpp"
#include "tape/differences.hpp"

using namespace stoat;
using test::check_function;
using test::close;

namespace {

template <class A>
using S = ScalarOf<A>;

/// Rosenbrock's function in n dimensions.
const auto rosenbrock = [](const auto& x) {
  S<decltype(x)> total = 0;
  for (Eigen::Index i = 0; i + 1 < x.size(); ++i) total += 100 * square(x[i + 1] - square(x[i])) + square(1 - x[i]);
  return total;
};

}  // namespace

TEST_CASE("value and gradient") {
  const auto [value, gradient] = value_and_gradient([](const auto& x) { return sin(x[0]) * x[1]; }, Eigen::Vector2d(0.5, 2));
  CHECK(value == std::sin(0.5) * 2);
  CHECK(gradient[0] == std::cos(0.5) * 2);
  CHECK(gradient[1] == std::sin(0.5));
  // A function that does not depend on x, one of no variables, one in float.
  CHECK(value_and_gradient([](const auto&) { return 3.0; }, Eigen::Vector2d(1, 2)).second == Eigen::Vector2d(0, 0));
  CHECK(value_and_gradient([](const auto&) { return 3.0; }, Eigen::VectorXd()).second.size() == 0);
  CHECK(value_and_gradient(rosenbrock, Eigen::Vector2f(1, 1)).second.norm() == 0.0f);
  // No tape is left behind, and a tape of the caller's is current again.
  CHECK(Tape<double>::current() == nullptr);
  Tape<double> mine;
  value_and_gradient(rosenbrock, Eigen::Vector2d(1, 2));
  CHECK(Tape<double>::current() == &mine);
  CHECK(mine.size() == 1);
}

TEST_CASE("a gradient within a function is taken on a tape of its own") {
  const auto f = [](const auto& x) {
    const auto inner = value_and_gradient([](const auto& y) { return exp(2 * y[0]); }, Eigen::VectorXd::Constant(1, 0.5)).second[0];
    return x[0] * inner;
  };
  const auto [value, gradient] = value_and_gradient(f, Eigen::VectorXd::Constant(1, 3.0));
  CHECK(gradient[0] == doctest::Approx(2 * std::exp(1.0)));
}

TEST_CASE("a function that throws leaves no tape behind") {
  const auto broken = [](const auto& x) -> S<decltype(x)> {
    S<decltype(x)> y = exp(x[0]);
    if (value(y) > 0) throw Error("broken");
    return y;
  };
  CHECK_THROWS_WITH_AS(value_and_gradient(broken, Eigen::Vector2d(1, 2)), "broken", Error);
  CHECK_THROWS_AS(hessian(broken, Eigen::Vector2d(1, 2)), Error);
  CHECK(Tape<double>::current() == nullptr);
  CHECK(value_and_gradient(rosenbrock, Eigen::Vector2d(1, 1)).second.norm() == 0);
}

TEST_CASE("Jacobians by shape, forward and reverse") {
  Eigen::MatrixXd a(2, 3);
  a << 1, 2, 3, 4, 5, 6;
  const auto f = [&](const auto& x) { return a * x; };
  CHECK(jacobian(f, Eigen::Vector3d::Ones()).isApprox(a, 1e-15));
  CHECK(jacobian(f, Eigen::Vector3f::Ones()).isApprox(a.cast<float>(), 1e-6f));
  for (const Eigen::Index n : {1, 3, 4, 5, 40})
    for (const Eigen::Index m : {1, 3, 40}) {
      const auto g = [m](const auto& x) {
        return Vector<S<decltype(x)>>::generate(
            m, [&](Eigen::Index i) { return sin(x[i % x.size()] * static_cast<double>(i + 1)) * x[0]; });
      };
      const Eigen::VectorXd x = Eigen::VectorXd::LinSpaced(n, 0.1, 1);
      const Eigen::MatrixXd by_shape = jacobian(g, x);
      CHECK(by_shape.isApprox(jacobian(g, x, JacobianMode::forward), 1e-13));
      CHECK(by_shape.isApprox(jacobian(g, x, JacobianMode::reverse), 1e-13));
    }
  CHECK(jacobian([](const auto& x) { return x.head(0); }, Eigen::Vector3d::Ones()).rows() == 0);
}

TEST_CASE("a Jacobian chooses the cheaper mode") {
  // The scalars that f is called with tell: Duals for forward mode, variables for reverse.
  bool forward = false, reverse = false;
  const auto spy = [&](Eigen::Index m) {
    return [&, m](const auto& x) {
      using T = S<decltype(x)>;
      forward = forward || is_dual<T>;
      reverse = reverse || is_var<T>;
      return Vector<T>::generate(m, [&](Eigen::Index i) { return x[i % x.size()]; });
    };
  };
  jacobian(spy(100), Eigen::VectorXd::Ones(3));
  CHECK(forward);
  CHECK_FALSE(reverse);
  forward = false;
  jacobian(spy(2), Eigen::VectorXd::Ones(300));
  CHECK(reverse);
  CHECK_FALSE(forward);
}

TEST_CASE("Hessians and their products") {
  Eigen::VectorXd x(6);
  x << 1.2, -0.3, 0.8, 1.9, 0.1, -1.1;
  const Eigen::MatrixXd h = hessian(rosenbrock, x);
  CHECK(h.isApprox(h.transpose(), 1e-14));
  for (Eigen::Index i = 0; i < 6; ++i) {
    const double expected = (i < 5 ? 1200 * x[i] * x[i] - 400 * x[i + 1] + 2 : 0) + (i > 0 ? 200 : 0);
    CHECK(h(i, i) == doctest::Approx(expected));
    if (i < 5) CHECK(h(i, i + 1) == doctest::Approx(-400 * x[i]));
    if (i < 4) CHECK(h(i, i + 2) == 0);
  }
  const Eigen::VectorXd v = Eigen::VectorXd::LinSpaced(6, -1, 1);
  CHECK(hessian_vector_product(rosenbrock, x, v).isApprox(h * v, 1e-13));
  CHECK(directional_derivative(rosenbrock, x, v) == doctest::Approx(value_and_gradient(rosenbrock, x).second.dot(v)));
  CHECK(directional_derivative([](const auto& y) { return exp(y); }, x, v)
            .isApprox(Eigen::VectorXd(x.array().exp() * v.array()), 1e-14));
  CHECK_THROWS_AS(directional_derivative(rosenbrock, x, Eigen::VectorXd::Ones(5)), InvalidArgument);
  CHECK_THROWS_AS(hessian_vector_product(rosenbrock, x, Eigen::VectorXd::Ones(7)), InvalidArgument);
  CHECK(hessian(rosenbrock, Eigen::Vector2f(1, 1)).isApprox((Eigen::Matrix2f() << 802, -400, -400, 200).finished(), 1e-5f));
}

TEST_CASE("four columns at a time are the columns one by one, in matrix operations too") {
  const auto f = [](const auto& x) {
    const auto a = evaluated(x.matrix(0, 3, 2));
    return concatenate(tanh(a * x.tail(2)) * 2, cwise_quotient(exp(x.head(2)), 1 + square(x.tail(2))),
                       cwise_product(x.head(3), a.col(1)));
  };
  const auto energy = [&](const auto& x) { return squared_norm(f(x)) + sum(log(1 + square(x))); };
  Eigen::VectorXd x(8);
  x << 0.3, -0.4, 1.2, 0.7, -0.9, 0.5, 1.1, -0.6;
  const Eigen::MatrixXd j = jacobian(f, x, JacobianMode::forward), h = hessian(energy, x);
  CHECK(j.isApprox(jacobian(f, x, JacobianMode::reverse), 1e-13));
  for (Eigen::Index i = 0; i < 8; ++i) {
    CHECK(j.col(i).isApprox(directional_derivative(f, x, Eigen::VectorXd::Unit(8, i)), 1e-13));
    CHECK(h.col(i).isApprox(hessian_vector_product(energy, x, Eigen::VectorXd::Unit(8, i)), 1e-13));
  }
}

// ---- custom functions -------------------------------------------------------------------------------------------------

TEST_CASE("custom functions of a scalar") {
  const auto cube = custom_function([](const auto& x) { return x * x * x; },
                                    [](const auto& x, const auto&, const auto& adjoint) { return adjoint * 3.0 * x * x; });
  check_function(
      "cube",
      [&](const auto& x) {
        return Vector<S<decltype(x)>>{cube(x[0]) * x[1], cube(x[1] + x[0])};
      },
      Eigen::Vector2d(0.7, -1.2));
  CHECK(cube(2.0) == 8);
  // The derivative is the user's, whatever the value does; a table of numbers has none of its own.
  const auto table =
      custom_function([](double x) { return std::floor(10 * x) / 10; }, [](double, double, double adjoint) { return adjoint; });
  Tape<double> tape;
  const Var<double> x = tape.variable(0.77);
  const Index before = tape.size();
  const Var<double> y = table(x * 2);
  CHECK(tape.size() == before + 2);
  CHECK(y.value() == 1.5);
  tape.backward(y);
  CHECK(tape.adjoint(x) == 2);
  CHECK_FALSE(table(Var<double>(3.0)).active());
}

TEST_CASE("custom functions of a vector") {
  // log sum exp, with softmax as its derivative.
  const auto soft = [](const auto& x) {
    using T = typename std::remove_cvref_t<decltype(x)>::Scalar;
    Eigen::VectorX<T> e(x.size());
    T total(0);
    for (Eigen::Index i = 0; i < x.size(); ++i) total += (e[i] = exp(x[i]));
    return Eigen::VectorX<T>(e / total);
  };
  const auto lse = custom_function(
      [](const auto& x) {
        using T = typename std::remove_cvref_t<decltype(x)>::Scalar;
        T total(0);
        for (Eigen::Index i = 0; i < x.size(); ++i) total += exp(x[i]);
        return T(log(total));
      },
      [soft](const auto& x, const auto&, const auto& adjoint) {
        return Eigen::VectorX<std::remove_cvref_t<decltype(adjoint)>>(adjoint * soft(x));
      });
  const Eigen::Vector3d x(0.4, -0.2, 1.1);
  check_function(
      "number", [&](const auto& v) { return Vector<S<decltype(v)>>{square(lse(v)) + lse(2 * v.head(2))}; }, x);
  const auto rotate = custom_function(
      [](const auto& v) { return Eigen::VectorX<typename std::remove_cvref_t<decltype(v)>::Scalar>(v.reverse().cwiseProduct(v)); },
      [](const auto& v, const auto&, const auto& a) {
        using T = typename std::remove_cvref_t<decltype(v)>::Scalar;
        return Eigen::VectorX<T>(v.reverse().cwiseProduct(a) + v.cwiseProduct(a).reverse());
      });
  check_function(
      "vector",
      [&](const auto& v) {
        const Vector<S<decltype(v)>> u = exp(v), y = rotate(u);
        return y + square(u);  // u has an adjoint before y passes its own on
      },
      x);
  check_function(
      "of a strided view", [&](const auto& v) { return rotate(v.matrix(0, 2, 3).row(1)); },
      Eigen::VectorXd(Eigen::VectorXd::LinSpaced(6, 0.1, 1)));
  const auto short_adjoint = custom_function(
      [](const Eigen::VectorXd& v) { return v; },
      [](const Eigen::VectorXd& v, const Eigen::VectorXd&, const Eigen::VectorXd&) { return Eigen::VectorXd(v.head(1)); });
  CHECK_THROWS_WITH_AS(value_and_gradient([&](const auto& v) { return sum(short_adjoint(v)); }, x),
                       "custom_function: adjoint: shapes 1x1 and 3x1 do not fit", InvalidArgument);
  // The functions live as long as the recording.
  Tape<double> tape;
  const auto v = variables(tape, x);
  Var<double> y;
  {
    const auto temporary = custom_function([](const auto& u) { return u.sum(); },
                                           [weight = std::vector<double>{1, 2, 3}](const auto& u, const auto&, const auto& a) {
                                             return Eigen::VectorXd(Eigen::VectorXd::NullaryExpr(u.size(), [&](Eigen::Index i) {
                                               return a * weight[static_cast<std::size_t>(i)];
                                             }));
                                           });
    y = temporary(v);
  }
  tape.backward(y);
  CHECK(tape.adjoint(v[2]) == 3);
}

// ---- checkpointed loops -----------------------------------------------------------------------------------------------

namespace {

const auto pendulum = [](const auto& state, const auto& p, std::int64_t t) {
  using T = S<decltype(state)>;
  const T force = p[0] * sin(state[0]) + p[1] * std::cos(0.01 * static_cast<double>(t));
  return Vector<T>{state[0] + 0.01 * state[1], state[1] - 0.01 * force};
};

template <class X>
auto simulate(const X& x, std::int64_t steps, std::size_t memory) {
  return checkpointed_loop(x.head(2), x.tail(2), steps, pendulum, {.memory = memory});
}
template <class X>
auto simulate_plainly(const X& x, std::int64_t steps) {
  Vector<S<X>> state = x.head(2);
  for (std::int64_t t = 0; t < steps; ++t) state = pendulum(state, x.tail(2), t);
  return state;
}

}  // namespace

TEST_CASE("a checkpointed loop has the derivatives of the loop") {
  const Eigen::Vector4d x(0.5, 0.1, 1.3, 0.2);
  for (const std::int64_t steps : {0, 1, 2, 7, 100}) {
    CAPTURE(steps);
    for (const std::size_t memory : {std::size_t{3000}, std::size_t{5000}, std::size_t{1} << 20}) {
      CAPTURE(memory);
      const auto f = [&](const auto& v) { return simulate(v, steps, memory); };
      const auto g = [&](const auto& v) { return simulate_plainly(v, steps); };
      CHECK(jacobian(f, x, JacobianMode::reverse).isApprox(jacobian(g, x, JacobianMode::reverse), 1e-12));
      const auto energy = [&](const auto& h) { return [&h](const auto& v) { return squared_norm(h(v)); }; };
      CHECK(hessian(energy(f), x).isApprox(hessian(energy(g), x), 1e-10));
    }
  }
  check_function(
      "in all modes", [](const auto& v) { return simulate(v, 20, 4000); }, x);
  // Several loops on one tape, and several sweeps of it.
  const auto two = [](const auto& v) {
    return concatenate(simulate(v, 30, 4000), simulate(concatenate(simulate(v, 10, 1 << 20), v.tail(2)), 20, 4000));
  };
  const auto both = [](const auto& v) { return concatenate(simulate_plainly(v, 30), simulate_plainly(v, 30)); };
  const Eigen::MatrixXd j = jacobian(two, x, JacobianMode::reverse);
  CHECK(j.topRows(2).isApprox(jacobian(both, x).topRows(2), 1e-12));
}

TEST_CASE("a long loop keeps within its memory, and repeats steps no more than it must") {
  constexpr std::int64_t steps = 20000;
  constexpr std::size_t memory = 20000;
  const Eigen::Vector4d x(0.5, 0.1, 1.3, 0.2);
  std::int64_t calls = 0;
  const auto step = [&](const auto& state, const auto& p, std::int64_t t) {
    ++calls;
    return pendulum(state, p, t);
  };
  Tape<double> tape;
  const auto v = variables(tape, x);
  const auto before = tape.bytes();
  const Vector<Var<double>> y = checkpointed_loop(v.head(2), v.tail(2), steps, step, {.memory = memory});
  CHECK(tape.bytes() - before < 1000);  // the loop is one operation
  const std::int64_t forward = calls;
  CHECK(forward <= steps + 1);
  tape.backward(y[0]);
  // All steps recorded at once would take 150 times the memory; they are run about four times instead.
  CHECK(calls - forward < 5 * steps);
  const auto [value, gradient] = value_and_gradient([&](const auto& u) { return simulate_plainly(u, steps)[0]; }, x);
  CHECK(y[0].value() == doctest::Approx(value).epsilon(1e-10));
  for (Eigen::Index i = 0; i < 4; ++i) CHECK(close(tape.adjoint(v[i]), gradient[i], 1e-8));
}

TEST_CASE("the schedule of checkpoints is the optimal one") {
  using detail::reversible_steps;
  using detail::steps_to_checkpoint;
  CHECK(reversible_steps(3, 2) == 10);
  CHECK(reversible_steps(1, 5) == 6);
  CHECK(reversible_steps(100, 100) == std::numeric_limits<std::int64_t>::max());
  // Extra runs of steps with the schedule, against the minimum by dynamic programming.
  constexpr std::int64_t most = 60;
  for (const std::int64_t states : {1, 2, 3, 5}) {
    std::vector<std::vector<std::int64_t>> best(static_cast<std::size_t>(states) + 1, std::vector<std::int64_t>(most + 1, 0)),
        ours = best;
    for (std::size_t n = 2; n <= most; ++n) {
      best[0][n] = ours[0][n] = static_cast<std::int64_t>(n * (n - 1) / 2);
      for (std::size_t s = 1; s <= static_cast<std::size_t>(states); ++s) {
        best[s][n] = std::numeric_limits<std::int64_t>::max();
        for (std::size_t m = 1; m < n; ++m)
          best[s][n] = std::min(best[s][n], static_cast<std::int64_t>(m) + best[s - 1][n - m] + best[s][m]);
        const auto m = static_cast<std::size_t>(steps_to_checkpoint(static_cast<std::int64_t>(n), static_cast<std::int64_t>(s)));
        ours[s][n] = static_cast<std::int64_t>(m) + ours[s - 1][n - m] + ours[s][m];
        CAPTURE(n);
        CAPTURE(s);
        CHECK(ours[s][n] == best[s][n]);
      }
    }
  }
}

TEST_CASE("what a checkpointed loop refuses") {
  Tape<double> tape;
  const auto v = variables(tape, Eigen::Vector4d(0.5, 0.1, 1.3, 0.2));
  CHECK_THROWS_WITH_AS(simulate(v, -1, 1 << 20), "checkpointed_loop: steps = -1 is outside [0, infinity)", InvalidArgument);
  CHECK_THROWS_WITH_AS(
      simulate(v, 10, 300),
      doctest::Contains("checkpointed_loop: a memory of 300 bytes is too small: one recorded step and two states take"),
      InvalidArgument);
  const auto shrinking = [](const auto& state, const auto&, std::int64_t) { return state.head(1); };
  CHECK_THROWS_WITH_AS(checkpointed_loop(v.head(2), v.tail(2), 10, shrinking),
                       "checkpointed_loop: step 0 turned a state of length 2 into one of length 1", InvalidArgument);
}

// ---- gradient_check ---------------------------------------------------------------------------------------------------

TEST_CASE("gradient_check passes what is right and names what is wrong") {
  Eigen::VectorXd x(4);
  x << 0.5, 1.5, 1e-4, 300;
  const auto f = [](const auto& v) { return log(v[2]) * v[0] + exp(-v[1]) * v[3] + sqrt(v[3]); };
  const GradientCheck good = gradient_check(f, x);
  CHECK_MESSAGE(good, good);
  CHECK(good.reverse.isApprox(good.forward, 1e-14));

  const auto wrong =
      custom_function([](const auto& v) { return v * v; }, [](const auto& v, const auto&, const auto& a) { return a * 2.001 * v; });
  const GradientCheck bad = gradient_check([&](const auto& v) { return v[0] + wrong(v[1]) + v[2]; }, x);
  CHECK_FALSE(bad);
  CHECK(bad.worst == 1);
  std::ostringstream out;
  out << bad;
  CHECK(out.str().find("gradient check FAILED") == 0);
  CHECK(out.str().find("\n        1        ") != std::string::npos);

  // A kink and an undefined value do not pass.
  CHECK_FALSE(gradient_check([](const auto& v) { return abs(v[0] - 0.5) + v[1]; }, x));
  CHECK_FALSE(gradient_check([](const auto& v) { return log(-v[0]); }, x));
  CHECK(gradient_check([](const auto& v) { return 0 * v[0]; }, x));
}
