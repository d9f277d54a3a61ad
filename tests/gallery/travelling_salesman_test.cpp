// Tours that are drawn city by city against the sum over all tours.
#include <doctest/doctest.h>

#include <travelling_salesman/plain.hpp>
#include <travelling_salesman/tours.hpp>

#include "agreement.hpp"

using namespace travelling_salesman;

namespace {

/// Cities on a line at 0, 1, 3, 7, ..., with logits that favour some ways.
Tour on_a_line(Eigen::Index cities) {
  return {
      Eigen::MatrixXd::NullaryExpr(cities, cities, [](Eigen::Index i, Eigen::Index j) { return std::abs((1 << i) - (1 << j)); })};
}
Eigen::VectorXd logits(Eigen::Index cities) {
  return Eigen::VectorXd::NullaryExpr(cities * cities, [](Eigen::Index k) { return std::sin(static_cast<double>(3 * k)); });
}

}  // namespace

TEST_CASE("the length of a tour of five cities, enumerated") {
  const Tour tour = on_a_line(5);
  const stoat::Exact x = stoat::enumerate(tour, logits(5)), truth = expected_length(tour, logits(5));
  CHECK(x.value == doctest::Approx(truth.value).epsilon(1e-11));
  CHECK((x.gradient - truth.gradient).norm() <= 1e-10 * truth.gradient.norm());
  CHECK(shortest(tour) == 2 * 15);  // there and back
}

TEST_CASE("the length of a tour of six cities, estimated, and of the plain twin") {
  const Tour tour = on_a_line(6);
  const stoat::Exact truth = expected_length(tour, logits(6));
  agreement::check_estimates(tour, logits(6), truth, 10'000);
  agreement::check_plain(PlainTour{tour.distance}, logits(6), truth.value, 50'000);
}
