// The chain of Metropolis against its transition matrix.
#include <doctest/doctest.h>

#include <common/showcase.hpp>
#include <metropolis_hastings/exact.hpp>
#include <metropolis_hastings/plain.hpp>

#include "agreement.hpp"

using namespace metropolis_hastings;

namespace {

const Eigen::VectorXd theta = Eigen::Vector2d(0.25, 0.15);

stoat::Exact truth(const Metropolis& model) {
  return showcase::differentiated([&](const Eigen::VectorXd& t) { return expected(model, t); }, theta, "transition matrix");
}

}  // namespace

TEST_CASE("the transition matrix has the Boltzmann distribution as its limit") {
  const Metropolis model{.rows = 3, .columns = 3, .sweeps = 120, .ignored = 119};
  CHECK(expected(model, theta) == doctest::Approx(stationary(model, theta)).epsilon(1e-8));
}

TEST_CASE("a short chain, enumerated") {
  const Metropolis model{.rows = 2, .columns = 2, .sweeps = 1, .ignored = 0};
  const stoat::Exact x = stoat::enumerate(model, theta), t = truth(model);
  CHECK(x.value == doctest::Approx(t.value).epsilon(1e-11));
  CHECK((x.gradient - t.gradient).norm() <= 1e-9 * t.gradient.norm());
}

TEST_CASE("the mean magnet of nine, estimated, and of the plain twin") {
  const Metropolis model{.rows = 3, .columns = 3, .sweeps = 4, .ignored = 1};
  agreement::check_estimates(model, theta, truth(model), 20'000);
  agreement::check_plain(PlainMetropolis{3, 3, 4, 1}, theta, truth(model).value, 100'000);
}
