// examples/inventory/renewal.hpp: the expected cost of an (s, S) policy, exactly.
#pragma once

#include <cmath>
#include <vector>

#include "program.hpp"

namespace inventory {

/// Expected cost of a week that starts with so much in stock, without deliveries.
inline double week_cost(const Inventory& model, double stock, double demand) {
  if (stock < 0) return model.shortage * (demand - stock);
  const double owed = demand * std::exp(-stock / demand);
  return model.storage * (stock - demand + owed) + model.shortage * owed;
}

/// The distances below S after 1, 2, ... weeks are the points of a Poisson process; the first beyond S - s ends a cycle. So a
/// cycle lasts for 1 + Poisson((S - s) / demand) weeks, and within it the distance after j weeks has the density of a sum of j
/// exponentials, cut off at S - s. Needs 0 <= s <= S. Integrals by Simpson's rule.
inline double expected(const Inventory& model, const Eigen::VectorXd& theta) {
  const double full = theta[1], demand = theta[2], depth = full - theta[0];
  const auto weeks = static_cast<std::size_t>(model.weeks);
  // Of a cycle, by its age in weeks: expected cost of the next one, where the cycle goes on; chance that it ends before the next.
  std::vector<double> cost(weeks), end(weeks);
  cost[0] = week_cost(model, full, demand);
  constexpr int intervals = 200;
  for (int i = 0; i <= intervals; ++i) {
    const double below = depth * i / intervals, at = week_cost(model, full - below, demand);
    double density = depth / (3 * intervals) * (i == 0 || i == intervals ? 1 : i % 2 ? 4 : 2) * std::exp(-below / demand) / demand;
    for (std::size_t age = 1; age < weeks; ++age) {
      cost[age] += density * at;
      density *= below / (demand * static_cast<double>(age));
    }
  }
  double chance = std::exp(-depth / demand);
  for (std::size_t age = 0; age < weeks; ++age) {
    end[age] = chance;
    chance *= depth / (demand * static_cast<double>(age + 1));
  }
  // starts[t]: probability that a cycle starts with week t.
  std::vector<double> starts(weeks);
  double total = -model.delivery;  // the first cycle has a full stock without one
  for (std::size_t t = 0; t < weeks; ++t) {
    starts[t] = t == 0;
    for (std::size_t age = 0; age < t; ++age) starts[t] += starts[t - 1 - age] * end[age];
    total += starts[t] * model.delivery;
    for (std::size_t age = 0; age <= t; ++age) total += starts[t - age] * cost[age];
  }
  return total / model.weeks;
}

/// Mean cost of a week in the long run: that of a cycle, divided by its length.
inline double in_the_long_run(const Inventory& model, const Eigen::VectorXd& theta) {
  const double depth = theta[1] - theta[0], demand = theta[2];
  constexpr int intervals = 1000;
  double cycle = model.delivery + week_cost(model, theta[1], demand);
  for (int i = 0; i < intervals; ++i)
    cycle += week_cost(model, theta[0] + depth * (i + 0.5) / intervals, demand) * depth / (demand * intervals);
  return cycle / (1 + depth / demand);
}

}  // namespace inventory
