// examples/inventory/main.cpp: when to order, and how much.
#include <algorithm>

#include <common/showcase.hpp>

#include "plain.hpp"
#include "program.hpp"
#include "renewal.hpp"

using namespace stoat;
using namespace inventory;

namespace {

constexpr double mean_demand = 10;

/// The least expected cost, on a fine grid.
double least_cost(const Inventory& model) {
  double least = expected(model, Eigen::Vector3d(0, 1, mean_demand));
  for (double low = 0; low < 40; low += 0.5)
    for (double full = low + 1; full < low + 80; full += 0.5)
      least = std::min(least, expected(model, Eigen::Vector3d(low, full, mean_demand)));
  return least;
}

}  // namespace

int main(int argc, char** argv) {
  const Inventory model;
  const Eigen::VectorXd theta = Eigen::Vector3d(12, 50, mean_demand);
  const auto policy = [model]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    return model(draw, Vector<S>{t[0], t[1], S(mean_demand)});
  };
  return showcase::run(
      {.name = "inventory",
       .title = "When to order, and how much",
       .text = "<p>A shop sells some ten units a week. If less than s is in stock at the start of a week, it is filled up to S. "
               "Deliveries, storage and debts to customers cost money: how does the mean cost of 26 weeks depend on s, on S and on "
               "the mean demand?</p>",
       .program = model,
       .theta = theta,
       .parameters = {"s", "S", "mean demand"},
       .plain = [](const Eigen::VectorXd& t, auto& generator) { return PlainInventory{}(generator, t); },
       .truth =
           [model, theta] {
             return showcase::differentiated([&](const Eigen::VectorXd& t) { return expected(model, t); }, theta, "renewal theory");
           },
       .estimator = StochasticDerivative{4},
       .samples = 20'000,
       .descent = {.program = policy,
                   .start = Eigen::Vector2d(2, 15),
                   .estimator = StochasticDerivative{4},
                   .optimizer = Adam{0.5},
                   .iterations = 300,
                   .samples = 32,
                   .cost = "mean cost of a week",
                   .parameters = {"s", "S"},
                   .known = [&] { return least_cost(model); },
                   .known_source = "least, on a grid, by renewal theory"}},
      argc, argv);
}
