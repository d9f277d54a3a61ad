#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include <stoat/error.hpp>
#include <stoat/optim/constraints.hpp>
#include <stoat/random/philox.hpp>

using namespace stoat;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Every kind of constraint and two coordinates without one.
Constraints all_kinds() {
  return Constraints{}.positive(1, 2).interval(3, 2, -1, 3).interval(5, 1, -infinity, 2).interval(6, 1, 5, infinity).simplex(8, 3);
}
Eigen::VectorXd inside() {
  Eigen::VectorXd theta(11);
  theta << -4, 0.1, 30, -0.9, 2.5, -7, 5.25, 3, 0.2, 0.7, 0.1;
  return theta;
}

}  // namespace

TEST_CASE("free coordinates lead there and back") {
  const Constraints constraints = all_kinds();
  const Eigen::VectorXd x = constraints.free(inside());
  CHECK(constraints.constrained(x).isApprox(inside(), 1e-14));
  CHECK(x[0] == -4);
  CHECK(x[7] == 3);
  CHECK(x[2] == doctest::Approx(std::log(30.0)));
  CHECK(x.tail(3).sum() == doctest::Approx(0));
  CHECK(constraints.free(constraints.constrained(x)).isApprox(x, 1e-13));
  CHECK(Constraints{}.free(inside()) == inside());
  CHECK(Constraints{}.constrained(inside()) == inside());

  // Wherever a descent goes, theta is inside.
  Generator words({4});
  for (const double far : {1.0, 30.0, 1000.0}) {
    const Eigen::VectorXd there = Eigen::VectorXd::NullaryExpr(11, [&] { return far * (2 * words.uniform() - 1); });
    if (far == 1000) {  // exp(1000) is infinity, which the program will complain about
      CHECK(constraints.constrained(Eigen::VectorXd::Constant(11, 1000))[1] == infinity);
      CHECK(std::isnan(constraints.constrained(Eigen::VectorXd::Constant(11, std::nan("")))[1]));
    }
    const Eigen::VectorXd theta = constraints.constrained(there.cwiseMin(700));
    CHECK(theta[1] > 0);
    CHECK(theta.segment(3, 2).minCoeff() > -1);
    CHECK(theta.segment(3, 2).maxCoeff() < 3);
    CHECK(theta[5] < 2);
    CHECK(theta[6] > 5);
    CHECK(theta.tail(3).minCoeff() > 0);
    CHECK(theta.tail(3).sum() == doctest::Approx(1));
    CHECK_NOTHROW(constraints.free(theta.cwiseMin(1e300)));
  }
}

TEST_CASE("the gradient in free coordinates is that of finite differences") {
  const Constraints constraints = all_kinds();
  const Eigen::VectorXd theta = inside(), x = constraints.free(theta);
  // A function of all coordinates that mixes some of them, and its gradient by hand.
  const auto f = [](const Eigen::VectorXd& t) {
    double sum = 0;
    for (Eigen::Index i = 0; i < t.size(); ++i) sum += std::cos(0.3 * t[i] + static_cast<double>(i));
    return sum + t[1] * t[8] * t[9];
  };
  Eigen::VectorXd gradient(11);
  for (Eigen::Index i = 0; i < 11; ++i) gradient[i] = -0.3 * std::sin(0.3 * theta[i] + static_cast<double>(i));
  gradient[1] += theta[8] * theta[9];
  gradient[8] += theta[1] * theta[9];
  gradient[9] += theta[1] * theta[8];
  constraints.pull_back(theta, gradient);
  for (Eigen::Index i = 0; i < 11; ++i) {
    const double h = 1e-6;
    Eigen::VectorXd up = x, down = x;
    up[i] += h, down[i] -= h;
    CHECK(gradient[i] ==
          doctest::Approx((f(constraints.constrained(up)) - f(constraints.constrained(down))) / (2 * h)).epsilon(1e-7));
  }
  CHECK(gradient.tail(3).sum() == doctest::Approx(0));
}

TEST_CASE("constraints that cannot be are refused by name") {
  const auto refused = [](auto make, const char* message) {
    CAPTURE(message);
    CHECK_THROWS_WITH_AS(make(), doctest::Contains(message), InvalidArgument);
  };
  refused([] { return Constraints{}.positive(0, 3).interval(2, 1, 0, 1); },
          "interval [2, 3) in (0, 1) overlaps interval [0, 3) in (0, inf)");
  refused([] { return Constraints{}.interval(2, 1, 0, 1).simplex(0, 4); }, "simplex [0, 4) overlaps interval [2, 3) in (0, 1)");
  refused([] { return Constraints{}.positive(-1); }, "first = -1 is outside [0, infinity)");
  refused([] { return Constraints{}.positive(0, 0); }, "count = 0 is outside [1, infinity)");
  refused([] { return Constraints{}.interval(0, 1, 2, 2); }, "nothing between its ends");
  refused([] { return Constraints{}.interval(0, 1, std::nan(""), 2); }, "nothing between its ends");
  refused([] { return Constraints{}.interval(0, 1, -infinity, infinity); }, "at least one end must be finite");
  refused([] { return Constraints{}.simplex(0, 1); }, "one coordinate alone");
  // What threw changed nothing.
  Constraints constraints = Constraints{}.positive(0, 3);
  CHECK_THROWS_AS(constraints.simplex(2, 2), InvalidArgument);
  CHECK(constraints.text() == "interval [0, 3) in (0, inf)");

  const auto starts = [](const Constraints& c, const Eigen::VectorXd& theta, const char* message) {
    CAPTURE(message);
    CHECK_THROWS_WITH_AS(c.free(theta), doctest::Contains(message), InvalidArgument);
  };
  starts(Constraints{}.positive(1), Eigen::Vector2d(1, 0), "theta[1] = 0 is outside (0, inf): a descent cannot leave the boundary");
  starts(Constraints{}.positive(0, 2), Eigen::Vector2d(1, -2), "theta[1] = -2 is outside (0, inf)");
  starts(Constraints{}.positive(0), Eigen::Vector2d(std::nan(""), 0), "theta[0] = nan is outside");
  starts(Constraints{}.interval(0, 1, 0, 1), Eigen::Vector2d(1, 0), "theta[0] = 1 is outside (0, 1): a descent cannot");
  starts(Constraints{}.simplex(0, 2), Eigen::Vector2d(1, 0), "theta[0] = 1 is outside (0, 1)");
  starts(Constraints{}.simplex(0, 2), Eigen::Vector2d(0.5, 0.5001), "simplex [0, 2): its sum is 1.0001, not 1");
  starts(Constraints{}.positive(1, 2), Eigen::Vector2d(1, 1), "interval [1, 3) in (0, inf) goes beyond the 2 parameters");
}

TEST_CASE("parts of a parameter vector are constrained by their handles") {
  Parameters parameters;
  const auto rate = parameters.scalar("rate", 2);
  const auto weights = parameters.matrix("weights", Eigen::MatrixXd::Constant(2, 2, 0.25));
  const auto chance = parameters.vector("chance", Eigen::Vector2d(0.5, 0.5));
  CHECK(Constraints{}.positive(rate).simplex(weights).interval(chance, 0, 1).text() ==
        "interval [0, 1) in (0, inf); simplex [1, 5); interval [5, 7) in (0, 1)");
}
