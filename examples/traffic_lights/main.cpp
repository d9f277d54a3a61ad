// examples/traffic_lights/main.cpp: 400 parameters of the lights of a town.
#include <common/showcase.hpp>
#include <stoat/estimators/score_function.hpp>

#include "plain.hpp"
#include "program.hpp"

using namespace stoat;
using namespace traffic_lights;

namespace {

/// Lights that cars hardly wait at unless they turn: green from the west for two steps and from the north for two, a step later at
/// each crossing to the east or south.
Eigen::VectorXd green_wave(int side) {
  Eigen::VectorXd theta(4 * side * side);
  for (int c = 0; c < side * side; ++c)
    for (int step = 0; step < 4; ++step) theta[c + side * side * step] = (step + 3 * (c % side + c / side + 1)) % 4 < 2 ? 10 : -10;
  return theta;
}

double mean_cost(const PlainTrafficLights& town, const Eigen::VectorXd& theta) {
  boost::random::mt19937 generator(3);
  double mean = 0;
  constexpr int runs = 2000;
  for (int r = 0; r < runs; ++r) mean += town(generator, theta) / runs;
  return mean;
}

/// Four maps of the town, one for each step of the cycle.
showcase::Figure maps(const Eigen::VectorXd& theta, int side) {
  showcase::Figure figure{"lights",
                          "How likely the lights are green for the streets from west to east (bright) in each step of the "
                          "cycle. Cars come from the west (left) in steps 1 and 2, from the north (above) in steps 3 and 4.",
                          1000,
                          280,
                          4,
                          {}};
  for (int step = 0; step < 4; ++step) {
    showcase::Curve curve{"", "with image pixels", {}};
    for (int c = 0; c < side * side; ++c)
      curve.points.push_back(
          {static_cast<double>(c % side), static_cast<double>(c / side), logistic(theta[c + side * side * step])});
    figure.panels.push_back({"step " + std::to_string(step + 1),
                             "",
                             "",
                             "set yrange [" + std::to_string(side) + " - 0.5:-0.5]; set xrange [-0.5:" + std::to_string(side) +
                                 " - 0.5]; set cbrange [0:1]; unset colorbox; unset tics; set size square",
                             {curve}});
  }
  return figure;
}

}  // namespace

int main(int argc, char** argv) {
  const TrafficLights town;
  const PlainTrafficLights plain;
  const Eigen::VectorXd theta = Eigen::VectorXd::Constant(4 * town.side * town.side, 1);
  std::vector<std::string> names;
  for (int step = 0; step < 4; ++step)
    for (int c = 0; c < town.side * town.side; ++c)
      names.push_back("row " + std::to_string(c / town.side) + " column " + std::to_string(c % town.side) + " step " +
                      std::to_string(step + 1));
  return showcase::run(
      {.name = "traffic_lights",
       .title = "400 parameters of the lights of a town",
       .text =
           "<p>A town of 10 x 10 crossings. Each tosses a coin in every step for who has green; its probability is one of 400, for "
           "each crossing and each step of a cycle of four. Cars come from the west in two steps, from the north in the other "
           "two. How does the mean number of cars in town depend on all of them, if lights are green for the west three times in "
           "four?</p>",
       .program = town,
       .theta = theta,
       .parameters = names,
       .plain = [plain](const Eigen::VectorXd& t, auto& generator) { return plain(generator, t); },
       .difference_step = 2,
       .estimator = StochasticDerivative{16},
       .samples = 2000,
       .descent = {.program = town,
                   .start = theta,
                   .estimator = StochasticDerivative{16},
                   .optimizer = Adam{0.1},
                   .iterations = 1000,
                   .samples = 16,
                   .cost = "mean number of cars in town",
                   .parameters = names,
                   .known = [&] { return mean_cost(plain, green_wave(town.side)); },
                   .known_source = "a green wave to the south-east"},
       .figures = [town](const showcase::Findings& found) -> std::vector<showcase::Figure> {
         return {maps(found.minimum.theta, town.side)};
       }},
      argc, argv);
}
