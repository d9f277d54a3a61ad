// examples/traffic_lights/program.hpp: cars that wait at the lights of a town.
#pragma once

#include <array>
#include <vector>

#include <boost/random/uniform_01.hpp>
#include <stoat/stoat.hpp>

namespace traffic_lights {

using namespace stoat;

/// A square of crossings. In step t each has green for the streets from west to east with probability logistic(theta[c + n (t mod
/// 4)]), n being the number of crossings, and else for those from north to south; one car from each side that has green goes on,
/// straight ahead or, now and then, to the right or left. Cars come from the west in the first two steps of four, from the north in
/// the others. The outcome: mean number of cars in town.
struct TrafficLights {
  int side = 10, steps = 40;
  double arrival = 0.6, turn = 0.05;  // probabilities of a car in each street, and of a turn to each side

  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    const int crossings = side * side;
    const Matrix<S> chance = Vector<S>(logistic(theta)).matrix(0, crossings, 4);
    boost::random::uniform_01<double> uniform;
    struct Town {
      std::vector<std::array<int, 4>> waiting;  // to go east, south, west, north
      double cars = 0;
      bool operator==(const Town&) const = default;
    } town{std::vector<std::array<int, 4>>(std::size_t(crossings), {0, 0, 0, 0})};
    draw.iterate(town, steps, [&](Town& now, int t) {
      auto& [waiting, cars] = now;
      const DiscreteBlock<S, 1> west_east = draw(Bernoulli(chance.col(t % 4)));
      // Chance that no parameter touches comes from draw as a generator; as much of it whoever drives, for the sake of replays.
      std::vector<std::array<int, 4>> coming(waiting.size(), {0, 0, 0, 0});
      for (int street = 0; street < side; ++street)
        if (uniform(draw) < arrival) ++(t % 4 < 2 ? coming[std::size_t(side * street)][0] : coming[std::size_t(street)][1]);
      for (int c = 0; c < crossings; ++c)
        for (int from = west_east.value(c) ? 0 : 1; from < 4; from += 2) {
          const double u = uniform(draw);
          int& queue = waiting[std::size_t(c)][std::size_t(from)];
          if (queue == 0) continue;
          --queue;
          const int to = (from + (u < turn ? 1 : u < 2 * turn ? 3 : 0)) % 4;
          const int row = c / side + (to == 1) - (to == 3), column = c % side + (to == 0) - (to == 2);
          if (row >= 0 && row < side && column >= 0 && column < side) ++coming[std::size_t(row * side + column)][std::size_t(to)];
        }
      for (std::size_t c = 0; c < waiting.size(); ++c)
        for (std::size_t from = 0; from < 4; ++from) cars += waiting[c][from] += coming[c][from];
    });
    return town.cars / steps;
  }
};

}  // namespace traffic_lights
