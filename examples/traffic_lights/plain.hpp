// examples/traffic_lights/plain.hpp: the same town without stoat.
#pragma once

#include <array>
#include <vector>

#include <Eigen/Core>
#include <boost/random/bernoulli_distribution.hpp>
#include <boost/random/uniform_01.hpp>

namespace traffic_lights {

struct PlainTrafficLights {
  int side = 10, steps = 40;
  double arrival = 0.6, turn = 0.05;

  template <class Generator>
  double operator()(Generator& generator, const Eigen::VectorXd& theta) const {
    const int crossings = side * side;
    const Eigen::ArrayXd chance = (1 + (-theta.array()).exp()).inverse();
    boost::random::bernoulli_distribution<> comes(arrival);
    boost::random::uniform_01<double> uniform;
    std::vector<std::array<int, 4>> waiting(std::size_t(crossings), {0, 0, 0, 0});
    double cars = 0;
    for (int t = 0; t < steps; ++t) {
      std::vector<std::array<int, 4>> coming(waiting.size(), {0, 0, 0, 0});
      for (int street = 0; street < side; ++street)
        if (comes(generator)) ++(t % 4 < 2 ? coming[std::size_t(side * street)][0] : coming[std::size_t(street)][1]);
      for (int c = 0; c < crossings; ++c) {
        const bool west_east = boost::random::bernoulli_distribution<>(chance[c + crossings * (t % 4)])(generator);
        for (int from = west_east ? 0 : 1; from < 4; from += 2) {
          int& queue = waiting[std::size_t(c)][std::size_t(from)];
          if (queue == 0) continue;
          --queue;
          const double u = uniform(generator);
          const int to = (from + (u < turn ? 1 : u < 2 * turn ? 3 : 0)) % 4;
          const int row = c / side + (to == 1) - (to == 3), column = c % side + (to == 0) - (to == 2);
          if (row >= 0 && row < side && column >= 0 && column < side) ++coming[std::size_t(row * side + column)][std::size_t(to)];
        }
      }
      for (std::size_t c = 0; c < waiting.size(); ++c)
        for (std::size_t from = 0; from < 4; ++from) cars += waiting[c][from] += coming[c][from];
    }
    return cars / steps;
  }
};

}  // namespace traffic_lights
