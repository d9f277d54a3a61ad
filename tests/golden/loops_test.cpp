// Surrogate gradients are not gradients: paper.md 1.7 and 2.4.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include <surrogate_gradients/loops.hpp>
#include <surrogate_gradients/multilayer.hpp>

using namespace surrogate_gradients;

namespace {

constexpr double slopes[] = {1, 5, 20};

}  // namespace

TEST_CASE("A6: the curl of two neurons in a row is that of the formula, and 0 where slopes match") {
  CHECK(std::abs(pair_curl(0.8, 0.3, 1, 20, 5) - .176659252) < 1e-9);
  for (const double u : {-1.2, 0.1, 0.8})
    for (const double w : {-0.4, 0.3})
      for (const double x : {1.0, -0.7}) {
        CHECK(std::abs(pair_curl(u, w, x, 20, 5) - pair_curl_formula(u, w, x, 20, 5)) < 1e-12);
        CHECK(std::abs(pair_curl(u, w, x, 2, 3) - pair_curl_formula(u, w, x, 2, 3)) < 1e-12);
        CHECK(std::abs(pair_curl(u, w, x, 5, 5)) < 1e-12);
      }
  // By differences of the field itself.
  const auto field = [](double u, double w) {
    const auto unit = neuron(Sigmoid{20}, Sigmoid{5});
    return value_and_gradient([&](const auto& t) { return unit(t[0] * unit(t[1])); }, Eigen::Vector2d(u, w)).second;
  };
  const double h = 1e-5;
  const double difference =
      (field(0.8, 0.3 + h)[0] - field(0.8, 0.3 - h)[0] - field(0.8 + h, 0.3)[1] + field(0.8 - h, 0.3)[1]) / (2 * h);
  CHECK(std::abs(difference - .176659252) < 1e-7);
}

TEST_CASE("A6: a single layer has no curl") {
  for (const double beta_sg : {1.0, 5.0, 20.0}) CHECK(std::abs(layer_curl({0.8, 0.3}, {1, -0.5}, 20, beta_sg)) < 1e-12);
}

TEST_CASE("1.7: the mean surrogate gradient of a stochastic network has a curl though slopes match") {
  for (const double beta : {1.0, 5.0})
    for (const double u : {0.8, -0.4}) {
      CHECK(std::abs(stochastic_curl(u, 0.3, beta) - stochastic_curl_formula(u, 0.3, beta)) < 1e-7);
      CHECK(std::abs(stochastic_curl_formula(u, 0.3, beta)) > 1e-3);
    }
}

TEST_CASE("A7: closed loops in the published plane") {
  const Plane plane = published_plane();
  CHECK(std::abs(plane.first.norm() - 1) < 1e-7);
  CHECK(std::abs(plane.second.norm() - 1) < 1e-7);
  CHECK(std::abs(plane.first.dot(plane.second)) < 1e-7);
  const double converged[] = {-0.041237, -0.599310, -1.229198}, coarse[] = {-0.041506, -0.599461, -1.231323};
  const double highest[] = {.4317, .8888, .9617}, lowest[] = {-.0412, -.5993, -3.0079};
  const double notebook[] = {-5.52, -79.51, -163.31};
  for (int i = 0; i < 3; ++i) {
    CAPTURE(slopes[i]);
    const Field field = surrogate_field(1e4, slopes[i]);
    const std::vector<double> running = running_integral(field, plane, 96'000);
    CHECK(std::abs(running.back() - converged[i]) < 1e-5);
    CHECK(std::abs(*std::max_element(running.begin(), running.end()) - highest[i]) < 1e-4);
    CHECK(std::abs(*std::min_element(running.begin(), running.end()) - lowest[i]) < 1e-4);
    const double few = loop_integral(field, plane, 1500);
    CHECK(std::abs(few / coarse[i] - 1) < 0.005);
    // The published notebook sums without the length of an arc.
    CHECK(std::abs(few * 1500 / (2 * 3.14159265358979 * 1.8) / notebook[i] - 1) < 0.005);
    for (const int points : {1500, 96'000})
      CHECK(std::abs(loop_integral(surrogate_field(slopes[i], slopes[i]), plane, points)) < 1e-12);
  }
}

TEST_CASE("2.4: closed loops against the forward slope, 0 where it is that of the surrogate") {
  const double betas[] = {1, 5, 20, 100, 1000, 1e4};
  const double printed[3][6] = {{0, .10679, .10758, .01391, -.03388, -.04124},
                                {.01432, 0, -.08467, -.41937, -.56855, -.59931},
                                {.05051, -.02589, 0, -.65779, -1.11664, -1.2292}};
  for (int i = 0; i < 3; ++i)
    for (int k = 0; k < 6; ++k) {
      CAPTURE(slopes[i]);
      CAPTURE(betas[k]);
      const double loop = loop_integral(surrogate_field(betas[k], slopes[i]), published_plane(), k < 4 ? 6000 : 96'000);
      CHECK(std::abs(loop - printed[i][k]) < (printed[i][k] == 0 ? 1e-12 : 1e-5));
    }
}

TEST_CASE("2.4: the loop of the stochastic network: exact gradients close it, mean surrogate gradients do not") {
  const Program<double> program = stochastic_network(5, 5);
  const Plane plane = published_plane();
  CHECK(std::abs(loop_integral([&](const Eigen::VectorXd& t) { return enumerate(program, t).gradient; }, plane, 720)) < 1e-9);
  CHECK(std::abs(loop_integral([&](const Eigen::VectorXd& t) { return expected_surrogate(program, t).mean; }, plane, 720)) > 0.1);
}

TEST_CASE("A9: the steps of the output along the circle") {
  const std::vector<OutputStep> steps = output_steps(published_plane(), 1e4);
  const double angles[] = {61.4, 157.1, 220.2, 277.7}, levels[] = {0, 1, .5, 1, 0};
  REQUIRE(steps.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(std::abs(steps[i].angle - angles[i]) < 0.1);
    CHECK(steps[i].from == levels[i]);
    CHECK(steps[i].to == levels[i + 1]);
  }
  CHECK(smooth_output(1e4, on_circle(published_plane(), loop_radius, 0)) < 1e-12);
}

TEST_CASE("2.4: random planes") {
  // Means of |loop| over as many other planes in the paper: 4 standard errors of the difference. Shares: 4 of theirs.
  const double mean[] = {.159, .367, 1.77}, share[] = {1, 1, .97};
  for (int i = 0; i < 3; ++i) {
    CAPTURE(slopes[i]);
    const RandomLoops r = random_loops(200, 3000, 1e4, slopes[i], 1);
    CHECK(std::abs(r.mean - mean[i]) < 4 * std::sqrt(2.0) * r.error);
    CHECK(std::abs(r.share - share[i]) < 4 * std::sqrt(2 * .97 * .03 / 200));
  }
  for (std::uint64_t k = 0; k < 5; ++k) {
    const Plane plane = random_plane(1, k);
    CHECK(std::abs(plane.first.norm() - 1) < 1e-12);
    CHECK(std::abs(plane.second.norm() - 1) < 1e-12);
    CHECK(std::abs(plane.first.dot(plane.second)) < 1e-12);
  }
}
