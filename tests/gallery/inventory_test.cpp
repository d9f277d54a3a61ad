// An (s, S) policy against renewal theory.
#include <doctest/doctest.h>

#include <common/showcase.hpp>
#include <inventory/plain.hpp>
#include <inventory/renewal.hpp>
#include <stoat/estimators/smoothed.hpp>

#include "agreement.hpp"

using namespace inventory;

namespace {

stoat::Exact truth(const Inventory& model, const Eigen::VectorXd& theta) {
  return showcase::differentiated([&](const Eigen::VectorXd& t) { return expected(model, t); }, theta, "renewal theory");
}

}  // namespace

TEST_CASE("the cost of many weeks tends to that of a cycle divided by its length") {
  // The first half of the weeks is taken off, and with it what depends on the start.
  const Eigen::VectorXd theta = Eigen::Vector3d(8, 31, 10);
  const double late = 2 * expected({.weeks = 400}, theta) - expected({.weeks = 200}, theta);
  CHECK(late == doctest::Approx(in_the_long_run({}, theta)).epsilon(1e-6));
}

TEST_CASE("policies with one delivery in a while, with one a week and without, estimated, and of the plain twin") {
  const Inventory model{.weeks = 8};
  for (const auto& policy : {Eigen::Vector3d(8, 31, 10), Eigen::Vector3d(19, 20, 10), Eigen::Vector3d(3, 90, 10)}) {
    CAPTURE(policy);
    const stoat::Exact t = truth(model, policy);
    agreement::check_estimates(model, policy, t, 20'000);
    agreement::check_plain(PlainInventory{.weeks = 8}, policy, t.value, 100'000);
  }
}

TEST_CASE("without the draw of the threshold the gradient is biased") {
  // Differentiating along the path alone: infinitesimal perturbation analysis.
  const Inventory model{.weeks = 8};
  const Eigen::VectorXd theta = Eigen::Vector3d(8, 31, 10);
  const stoat::Estimate e = stoat::estimate(model, theta, stoat::StraightThrough{}, {.samples = 20'000, .seed = 2024});
  CHECK(std::abs(e.gradient[0] - truth(model, theta).gradient[0]) > agreement::bound * e.gradient_error[0]);
}
