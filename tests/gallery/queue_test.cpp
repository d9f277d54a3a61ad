// A queue against the Markov chain of its length.
#include <doctest/doctest.h>

#include <common/showcase.hpp>
#include <queue/chain.hpp>
#include <queue/plain.hpp>
#include <stoat/estimators/smoothed.hpp>

#include "agreement.hpp"

using namespace queue;

namespace {

stoat::Exact truth(const Queue& model, const Eigen::VectorXd& theta) {
  return showcase::differentiated([&](const Eigen::VectorXd& t) { return expected(model, t); }, theta, "Markov chain");
}

}  // namespace

TEST_CASE("many customers find the queue as Erlang says") {
  // P(i here) is proportional to (arrivals / services)^i; the mean number here, divided by the arrivals, is hours for each.
  const Eigen::VectorXd theta = Eigen::Vector2d(4, 5);
  double sum = 0, number = 0, full = 0;
  for (int i = 0; i <= 6; ++i) {
    full = std::pow(0.8, i);
    sum += full, number += i * full;
  }
  CHECK(expected({.customers = 100'000}, theta) == doctest::Approx(number / sum / 4 + 5 * full / sum).epsilon(1e-4));
}

TEST_CASE("a counter with room and one that is overrun, estimated, and of the plain twin") {
  for (const auto& theta : {Eigen::Vector2d(4, 5), Eigen::Vector2d(3, 1)}) {
    CAPTURE(theta);
    const Queue model{.customers = 10, .room = 3};
    const stoat::Exact t = truth(model, theta);
    agreement::check_estimates(model, theta, t, 20'000);
    agreement::check_plain(PlainQueue{.customers = 10, .room = 3}, theta, t.value, 100'000);
  }
}

TEST_CASE("without the draws of the order the gradient is biased") {
  const Queue model{.customers = 10, .room = 3};
  const Eigen::VectorXd theta = Eigen::Vector2d(4, 5);
  const stoat::Estimate e = stoat::estimate(model, theta, stoat::StraightThrough{}, {.samples = 20'000, .seed = 2024});
  CHECK(std::abs(e.gradient[0] - truth(model, theta).gradient[0]) > agreement::bound * e.gradient_error[0]);
}
