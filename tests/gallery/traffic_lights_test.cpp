// Lights of a small town against the probabilities of all queues.
#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <vector>

#include <common/showcase.hpp>
#include <traffic_lights/plain.hpp>
#include <traffic_lights/program.hpp>

#include "agreement.hpp"

using namespace traffic_lights;

namespace {

/// Queues of all crossings, four for each, and how likely they are.
using Queues = std::vector<int>;
using Distribution = std::map<Queues, double>;

/// Adds up what every queue becomes: change(queues, chance) calls the function that it gets for each outcome and its chance.
using Outcome = std::function<void(const Queues&, double)>;
Distribution after(const Distribution& before, const std::function<void(const Queues&, double, const Outcome&)>& change) {
  Distribution result;
  for (const auto& entry : before)
    change(entry.first, entry.second, [&](const Queues& to, double chance) { result[to] += chance; });
  return result;
}

/// Expected mean number of cars. Cars that have moved in a step are kept apart, in a second set of queues, until it is over.
double expected(const TrafficLights& model, const Eigen::VectorXd& theta) {
  const int n = model.side * model.side, apart = 4 * n;
  Distribution now{{Queues(static_cast<std::size_t>(2 * apart)), 1.0}};
  double cars = 0;
  for (int t = 0; t < model.steps; ++t) {
    for (int street = 0; street < model.side; ++street) {
      const auto entry = static_cast<std::size_t>(apart + (t % 4 < 2 ? 4 * model.side * street : 4 * street + 1));
      now = after(now, [&](Queues q, double chance, const Outcome& add) {
        add(q, chance * (1 - model.arrival));
        ++q[entry];
        add(q, chance * model.arrival);
      });
    }
    for (int c = 0; c < n; ++c) {
      // The car in front of queue 4 c + from, if there is one, goes straight on, to the right or to the left.
      const auto drive = [&](int from, const Queues& q, double chance, const Outcome& add) {
        const auto lane = static_cast<std::size_t>(4 * c + from);
        if (q[lane] == 0) return add(q, chance);
        for (const int turn : {0, 1, 3}) {
          Queues moved = q;
          --moved[lane];
          const int to = (from + turn) % 4;
          constexpr int down[] = {0, 1, 0, -1}, right[] = {1, 0, -1, 0};
          const int row = c / model.side + down[to], column = c % model.side + right[to];
          if (std::min(row, column) >= 0 && std::max(row, column) < model.side)
            ++moved[static_cast<std::size_t>(apart + 4 * (row * model.side + column) + to)];
          add(moved, chance * (turn == 0 ? 1 - 2 * model.turn : model.turn));
        }
      };
      const double p = 1 / (1 + std::exp(-theta[c + n * (t % 4)]));
      now = after(now, [&](const Queues& q, double chance, const Outcome& add) {
        for (const int first : {0, 1})
          drive(first, q, chance * (first == 0 ? p : 1 - p), [&](const Queues& r, double part) { drive(first + 2, r, part, add); });
      });
    }
    now = after(now, [&](Queues q, double chance, const Outcome& add) {
      for (int lane = 0; lane < apart; ++lane) {
        q[static_cast<std::size_t>(lane)] += q[static_cast<std::size_t>(apart + lane)];
        q[static_cast<std::size_t>(apart + lane)] = 0;
      }
      add(q, chance);
    });
    for (const auto& entry : now)
      for (const int queue : entry.first) cars += entry.second * queue;
  }
  return cars / model.steps;
}

void check(const TrafficLights& model, std::uint64_t samples) {
  CAPTURE(model.side);
  Eigen::VectorXd theta(4 * model.side * model.side);
  for (Eigen::Index j = 0; j < theta.size(); ++j) theta[j] = std::sin(static_cast<double>(j + 1));
  const stoat::Exact truth =
      showcase::differentiated([&](const Eigen::VectorXd& t) { return expected(model, t); }, theta, "all queues");
  agreement::check_estimates(model, theta, truth, samples);
  agreement::check_plain(PlainTrafficLights{model.side, model.steps, model.arrival, model.turn}, theta, truth.value, 200'000);
}

}  // namespace

TEST_CASE("one crossing for six steps and a town of four for three, estimated, and the plain twin") {
  check({.side = 1, .steps = 6}, 10'000);
  check({.side = 2, .steps = 3, .turn = 0.4}, 10'000);
}
