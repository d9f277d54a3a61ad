#include <stoat/optim/optimizer.hpp>

#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include <stoat/optim/schedule.hpp>

using namespace stoat;

namespace {

/// Steps on f = theta^2 from theta = 1.
std::vector<double> path(Optimizer optimizer, int steps) {
  Eigen::VectorXd theta = Eigen::VectorXd::Ones(1);
  std::vector<double> points;
  for (int i = 0; i < steps; ++i) {
    optimizer.step(theta, 2 * theta);
    points.push_back(theta[0]);
  }
  return points;
}

void check_path(const Optimizer& optimizer, const std::vector<double>& expected) {
  const std::vector<double> points = path(optimizer, static_cast<int>(expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(std::abs(points[i] - expected[i]) < 1e-9);
}

/// A gradient that differs from step to step and component to component.
Eigen::VectorXd gradient_of(const Eigen::VectorXd& theta, int step) {
  Eigen::VectorXd g(theta.size());
  for (Eigen::Index i = 0; i < g.size(); ++i)
    g[i] = 2 * theta[i] + std::sin(static_cast<double>(step) + 2.0 * static_cast<double>(i));
  return g;
}

const std::vector<Optimizer>& rules() {
  static const std::vector<Optimizer> all = {Adam{0.1}, Sgd{0.1}, Sgd{0.1, 0.9}, Smorms3{0.1}};
  return all;
}

}  // namespace

TEST_CASE("steps on a parabola") {
  check_path(Smorms3{0.1}, {.8585786438, .7472590445, .6491404080, .5582700214, .4719335135});
  // theta (1 - 2 rate) each step; v_1 = 2, v_2 = 1.6 + 0.5 v_1, ...
  check_path(Sgd{0.1}, {0.8, 0.64, 0.512, 0.4096});
  check_path(Sgd{0.1, 0.5}, {0.8, 0.54, 0.302, 0.1226});
  // By hand: m = 0.2, v = 0.004, both corrected: 2 and 4, so a step of rate; then m = 0.36, v = 0.007236, corrected by 0.19 and
  // 0.001999.
  const double second = 0.9 - 0.1 * (0.36 / 0.19) / (std::sqrt(0.007236 / 0.001999) + 1e-8);
  check_path(Adam{0.1}, {1 - 0.1 * 2 / (2 + 1e-8), second});
}

TEST_CASE("a component without a gradient stays where it is") {
  for (const Optimizer& rule : rules()) {
    Optimizer optimizer = rule;
    Eigen::VectorXd theta = Eigen::Vector2d(3, 1);
    for (int i = 0; i < 3; ++i) optimizer.step(theta, Eigen::Vector2d(0, 1));
    CHECK(theta[0] == 3);
    CHECK(theta[1] < 1);
  }
}

TEST_CASE("a factor multiplies the rate") {
  const auto after = [](Optimizer optimizer, double factor) {
    Eigen::VectorXd theta = Eigen::VectorXd::Ones(2);
    for (int i = 0; i < 4; ++i) optimizer.step(theta, gradient_of(theta, i), factor);
    return theta;
  };
  CHECK(after(Adam{0.1}, 0.5) == after(Adam{0.05}, 1));
  CHECK(after(Sgd{0.1, 0.9}, 0.5) == after(Sgd{0.05, 0.9}, 1));
  CHECK(after(Smorms3{0.1}, 0.5) == after(Smorms3{0.05}, 1));
  for (const Optimizer& rule : rules()) CHECK(after(rule, 0) == Eigen::VectorXd::Ones(2));
  Optimizer optimizer(Adam{});
  Eigen::VectorXd theta = Eigen::VectorXd::Ones(2);
  for (const double bad : {-1.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
    CHECK_THROWS_WITH_AS(optimizer.step(theta, theta, bad), doctest::Contains("factor = "), InvalidArgument);
}

TEST_CASE("a state continues with the same bits, and fits its own rule and size only") {
  for (const Optimizer& rule : rules()) {
    CAPTURE(rule.rule());
    Optimizer whole = rule, first = rule, second = rule;
    Eigen::VectorXd a = Eigen::Vector3d(1, -2, 3), b = a;
    for (int i = 0; i < 7; ++i) whole.step(a, gradient_of(a, i));
    for (int i = 0; i < 4; ++i) first.step(b, gradient_of(b, i));
    second.restore(first.state());
    for (int i = 4; i < 7; ++i) second.step(b, gradient_of(b, i));
    CHECK(a == b);
    CHECK(second.state().steps == 7);

    for (const Optimizer& other : rules()) {
      if (other.rule() == rule.rule()) continue;
      Optimizer stranger = other;
      CHECK_THROWS_WITH_AS(stranger.restore(first.state()), doctest::Contains(("a state of " + rule.rule()).c_str()),
                           InvalidArgument);
    }
    Eigen::VectorXd larger = Eigen::VectorXd::Ones(4);
    CHECK_THROWS_WITH_AS(second.step(larger, larger), doctest::Contains("for 3 parameters, not 4"), InvalidArgument);
    CHECK_THROWS_WITH_AS(second.step(a, larger), doctest::Contains("differ in length"), InvalidArgument);
    OptimizerState broken = first.state();
    broken.moments.back().conservativeResize(2);
    CHECK_THROWS_WITH_AS(second.restore(broken), doctest::Contains("2 numbers instead of 3"), InvalidArgument);
    broken = first.state();
    broken.moments.clear();
    CHECK_THROWS_WITH_AS(second.restore(broken), doctest::Contains("4 steps with 0 moments"), InvalidArgument);
    CHECK(second.state().steps == 7);  // nothing of that changed it
    Optimizer fresh = rule;
    second.restore(Optimizer(fresh).state());  // a state before the first step
    CHECK(second.state().moments.empty());
  }
}

TEST_CASE("names and knobs") {
  CHECK(Optimizer(Adam{0.01}).name() == "Adam(0.01)");
  CHECK(Optimizer(Sgd{0.3}).name() == "SGD(0.3)");
  CHECK(Optimizer(Sgd{0.3, 0.9}).name() == "SGD(0.3, momentum 0.9)");
  CHECK(Optimizer(SMORMS3{0.01}).name() == "SMORMS3(0.01)");
  CHECK(Optimizer(Adam{0.01}).rule() == "Adam(rate 0.01, beta1 0.9, beta2 0.999, epsilon 1e-08)");
  CHECK(Optimizer(Smorms3{}).rule() == "SMORMS3(rate 0.001, epsilon 1e-16)");

  constexpr double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  for (const double bad : {0.0, -1.0, nan, infinity}) {
    CAPTURE(bad);
    CHECK_THROWS_WITH_AS(Optimizer(Adam{.rate = bad}), doctest::Contains("Adam: rate = "), InvalidArgument);
    CHECK_THROWS_WITH_AS(Optimizer(Adam{.epsilon = bad}), doctest::Contains("Adam: epsilon = "), InvalidArgument);
    CHECK_THROWS_WITH_AS(Optimizer(Sgd{.rate = bad}), doctest::Contains("SGD: rate = "), InvalidArgument);
    CHECK_THROWS_WITH_AS(Optimizer(Smorms3{.rate = bad}), doctest::Contains("SMORMS3: rate = "), InvalidArgument);
    CHECK_THROWS_WITH_AS(Optimizer(Smorms3{.epsilon = bad}), doctest::Contains("SMORMS3: epsilon = "), InvalidArgument);
  }
  for (const double bad : {-0.1, 1.0, nan}) {
    CAPTURE(bad);
    CHECK_THROWS_WITH_AS(Optimizer(Adam{.beta1 = bad}), doctest::Contains("Adam: beta1 = "), InvalidArgument);
    CHECK_THROWS_WITH_AS(Optimizer(Adam{.beta2 = bad}), doctest::Contains("Adam: beta2 = "), InvalidArgument);
    CHECK_THROWS_WITH_AS(Optimizer(Sgd{.momentum = bad}), doctest::Contains("SGD: momentum = "), InvalidArgument);
  }
}

TEST_CASE("schedules") {
  CHECK(schedule::constant()(7) == 1);
  CHECK(schedule::exponential(0.5)(0) == 1);
  CHECK(schedule::exponential(0.5)(3) == 0.125);
  const Schedule wave = schedule::cosine(10, 0.2);
  CHECK(wave(0) == 1);
  CHECK(wave(5) == doctest::Approx(0.6));
  CHECK(wave(10) == doctest::Approx(0.2));
  CHECK(wave(99) == wave(10));
  const Schedule stairs = schedule::steps(3, 0.1);
  CHECK(stairs(2) == 1);
  CHECK(stairs(3) == 0.1);
  CHECK(stairs(6) == doctest::Approx(0.01));
  CHECK_THROWS_WITH_AS(schedule::exponential(0), doctest::Contains("decay = 0"), InvalidArgument);
  CHECK_THROWS_WITH_AS(schedule::cosine(0), doctest::Contains("epochs = 0"), InvalidArgument);
  CHECK_THROWS_WITH_AS(schedule::cosine(3, 2), doctest::Contains("last = 2"), InvalidArgument);
  CHECK_THROWS_WITH_AS(schedule::steps(0), doctest::Contains("every = 0"), InvalidArgument);
  CHECK_THROWS_WITH_AS(schedule::steps(2, -1), doctest::Contains("factor = -1"), InvalidArgument);
}
