// examples/metropolis_hastings/program.hpp: magnets that flip by the rule of Metropolis.
#pragma once

#include <cstddef>
#include <vector>

#include <stoat/stoat.hpp>

namespace metropolis_hastings {

using namespace stoat;

/// An Ising model on a torus: magnets +1 or -1 with energy -coupling * sum of s_i s_j over neighbours - field * sum of s_i (in
/// units of the temperature). theta = (coupling, field). All magnets are -1 at first. In each step one of them, any, flips with
/// probability min(1, e^-(change of the energy)); a sweep is as many steps as there are magnets. The outcome: mean magnet after
/// the first sweeps.
struct Metropolis {
  int rows = 4, columns = 4, sweeps = 8, ignored = 2;

  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    const int size = rows * columns;
    std::vector<int> magnet(static_cast<std::size_t>(size), -1);
    const auto at = [&](int row, int column) -> int& { return magnet[std::size_t(row % rows * columns + column % columns)]; };
    int total = -size;
    double sum = 0;
    for (int step = 0; step < sweeps * size; ++step) {
      const int i = int(draw(DiscreteUniform(0, size - 1))), row = i / columns, column = i % columns;
      const int around = at(row + 1, column) + at(row + rows - 1, column) + at(row, column + 1) + at(row, column + columns - 1);
      const S gain = -2 * at(row, column) * (theta[0] * around + theta[1]);
      if (draw(Bernoulli(exp(min(gain, 0.0))))) {
        at(row, column) *= -1;
        total += 2 * at(row, column);
      }
      if (step >= ignored * size) sum += total;
    }
    return sum / (size * size * (sweeps - ignored));
  }
};

}  // namespace metropolis_hastings
