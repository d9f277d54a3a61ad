// examples/metropolis_hastings/exact.hpp: the chain and its limit, summed over all states.
#pragma once

#include <bit>
#include <cmath>
#include <vector>

#include "program.hpp"

namespace metropolis_hastings {

/// Magnets of a state, bit by bit: 1 is up. Sums over its magnets, and over those around magnet i.
struct States {
  int rows, columns;
  int size() const { return rows * columns; }
  unsigned count() const { return 1u << size(); }
  int magnet(unsigned state, int i) const { return state >> i & 1 ? 1 : -1; }
  int total(unsigned state) const { return 2 * std::popcount(state) - size(); }
  int around(unsigned state, int i) const {
    const int row = i / columns, column = i % columns;
    const auto at = [&](int r, int c) { return magnet(state, (r + rows) % rows * columns + (c + columns) % columns); };
    return at(row - 1, column) + at(row + 1, column) + at(row, column - 1) + at(row, column + 1);
  }
};

/// The expected outcome of the program: the distribution over the states, step by step.
inline double expected(const Metropolis& model, const Eigen::VectorXd& theta) {
  const States states{model.rows, model.columns};
  const int n = states.size();
  Eigen::VectorXd chance = Eigen::VectorXd::Unit(states.count(), 0), total(states.count());
  Eigen::MatrixXd flips(n, states.count());  // probability that this magnet is chosen and flips
  for (unsigned s = 0; s < states.count(); ++s) {
    total[s] = states.total(s);
    for (int i = 0; i < n; ++i) {
      const double gain = -2 * states.magnet(s, i) * (theta[0] * states.around(s, i) + theta[1]);
      flips(i, s) = std::exp(std::min(gain, 0.0)) / n;
    }
  }
  double sum = 0;
  for (int step = 0; step < model.sweeps * n; ++step) {
    Eigen::VectorXd next = chance;
    for (unsigned s = 0; s < states.count(); ++s)
      for (int i = 0; i < n; ++i) {
        const double moved = chance[s] * flips(i, s);
        next[s] -= moved;
        next[s ^ 1u << i] += moved;
      }
    chance = next;
    if (step >= model.ignored * n) sum += chance.dot(total);
  }
  return sum / (n * n * (model.sweeps - model.ignored));
}

/// Mean magnet in the limit of many sweeps: a sum over all states by their Boltzmann weights.
inline double stationary(const Metropolis& model, const Eigen::VectorXd& theta) {
  const States states{model.rows, model.columns};
  double weights = 0, sum = 0;
  for (unsigned s = 0; s < states.count(); ++s) {
    double bonds = 0;  // twice their sum
    for (int i = 0; i < states.size(); ++i) bonds += states.magnet(s, i) * states.around(s, i);
    const double weight = std::exp(theta[0] * bonds / 2 + theta[1] * states.total(s));
    weights += weight;
    sum += weight * states.total(s) / states.size();
  }
  return sum / weights;
}

}  // namespace metropolis_hastings
