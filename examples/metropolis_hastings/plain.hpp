// examples/metropolis_hastings/plain.hpp: the same chain without stoat.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <Eigen/Core>
#include <boost/random/bernoulli_distribution.hpp>
#include <boost/random/uniform_int_distribution.hpp>

namespace metropolis_hastings {

struct PlainMetropolis {
  int rows = 4, columns = 4, sweeps = 8, ignored = 2;

  template <class Generator>
  double operator()(Generator& generator, const Eigen::VectorXd& theta) const {
    const int size = rows * columns;
    std::vector<int> magnet(static_cast<std::size_t>(size), -1);
    const auto at = [&](int row, int column) -> int& { return magnet[std::size_t(row % rows * columns + column % columns)]; };
    boost::random::uniform_int_distribution<> any(0, size - 1);
    int total = -size;
    double sum = 0;
    for (int step = 0; step < sweeps * size; ++step) {
      const int i = any(generator), row = i / columns, column = i % columns;
      const int around = at(row + 1, column) + at(row + rows - 1, column) + at(row, column + 1) + at(row, column + columns - 1);
      const double gain = -2 * at(row, column) * (theta[0] * around + theta[1]);
      if (boost::random::bernoulli_distribution<>(std::exp(std::min(gain, 0.0)))(generator)) {
        at(row, column) *= -1;
        total += 2 * at(row, column);
      }
      if (step >= ignored * size) sum += total;
    }
    return sum / (size * size * (sweeps - ignored));
  }
};

}  // namespace metropolis_hastings
