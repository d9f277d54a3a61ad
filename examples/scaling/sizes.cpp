#include "sizes.hpp"

#include <algorithm>

#include <epidemic/program.hpp>
#include <game_of_life/program.hpp>
#include <traffic_lights/program.hpp>

namespace scaling {

using namespace stoat;

namespace {

/// The program with `natural` parameters, of which some are the same.
template <class Program>
auto shared(Program program, Eigen::Index natural) {
  return [program = std::move(program), natural]<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
    if (theta.size() == natural) return program(draw, theta);
    return program(draw, Vector<S>::generate(natural, [&](Eigen::Index i) { return theta[i % theta.size()]; }));
  };
}

}  // namespace

Sized epidemic(int people, int places, Eigen::Index parameters) {
  ::epidemic::Epidemic model{
      .network = ::epidemic::small_world(places), .people = people, .trajectory = std::vector<double>(25, 0.1)};
  const Eigen::Index natural = places + 2;
  return {"epidemic", shared(std::move(model), natural), Eigen::VectorXd::Constant(std::min(parameters, natural), -2),
          static_cast<std::size_t>(people) * 51, natural};
}

Sized traffic_lights(int side, int steps, Eigen::Index parameters) {
  const Eigen::Index natural = 4 * Eigen::Index(side) * side;
  return {"traffic_lights", shared(::traffic_lights::TrafficLights{.side = side, .steps = steps}, natural),
          Eigen::VectorXd::Constant(std::min(parameters, natural), 1), static_cast<std::size_t>(side * side * steps), natural};
}

Sized game_of_life(int half) {
  const ::game_of_life::GameOfLife game{.half = half};
  const int side = 2 * half + 1;
  return {"game_of_life", game, Eigen::VectorXd::Constant(1, 0.5), static_cast<std::size_t>(side * side * (game.steps + 1)), 1};
}

}  // namespace scaling
