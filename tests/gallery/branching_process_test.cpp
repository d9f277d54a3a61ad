// Families that die out against generating functions.
#include <doctest/doctest.h>

#include <branching_process/extinction.hpp>
#include <branching_process/plain.hpp>
#include <common/showcase.hpp>

#include "agreement.hpp"

using namespace branching_process;

namespace {

stoat::Exact truth(const BranchingProcess& model, const Eigen::VectorXd& theta) {
  return showcase::differentiated([&](const Eigen::VectorXd& t) { return extinction(model, t); }, theta, "generating function");
}

}  // namespace

TEST_CASE("two generations, enumerated") {
  const BranchingProcess model{.founders = 1, .generations = 2};
  const Eigen::VectorXd theta = Eigen::Vector2d(0.7, 0.5);
  const stoat::Exact x = stoat::enumerate(model, theta, {.tail = 1e-10}), t = truth(model, theta);
  CHECK(x.value == doctest::Approx(t.value).epsilon(1e-7));
  CHECK((x.gradient - t.gradient).norm() <= 1e-6 * t.gradient.norm());
}

TEST_CASE("extinction with fewer than one child each and with one, estimated, and of the plain twin") {
  const BranchingProcess model{.founders = 2, .generations = 6};
  for (const double children : {1.0, 1.6}) {
    const Eigen::VectorXd theta = Eigen::Vector2d(0.625, children);
    agreement::check_estimates(model, theta, truth(model, theta), 20'000);
    agreement::check_plain(PlainBranchingProcess{2, 6}, theta, truth(model, theta).value, 100'000);
  }
}
