// examples/scaling/sizes.hpp: programs of the gallery in any size.
#pragma once

#include <cstddef>
#include <string>

#include <Eigen/Core>
#include <stoat/program/program.hpp>

namespace scaling {

/// A program with so many draws a run, and where to differentiate it. Natural parameters beyond theta.size() are shared: the i-th
/// one is theta[i mod theta.size()], so that a town of any size can have any number of parameters up to `most_parameters`.
struct Sized {
  std::string name;
  stoat::Program<double> program;
  Eigen::VectorXd theta;
  std::size_t sites;
  Eigen::Index most_parameters;
};

/// 51 draws a person: the first state, and a way and a state in each of 25 steps. A natural parameter for each place.
Sized epidemic(int people, int places, Eigen::Index parameters);
/// A draw for each of side * side crossings in each step. 4 natural parameters for each crossing.
Sized traffic_lights(int side, int steps, Eigen::Index parameters);
/// 11 draws for each of (2 half + 1)^2 cells, one parameter.
Sized game_of_life(int half);

}  // namespace scaling
