// examples/epidemic/main.cpp: an epidemic among people who meet at places, and its derivatives in 102 parameters.
#include <common/showcase.hpp>
#include <stoat/estimators/score_function.hpp>

#include "plain.hpp"
#include "program.hpp"

using namespace stoat;
using namespace epidemic;

namespace {

constexpr int steps = 25;

/// Few infected at first, some ten steps until recovery, and places of which every fifth is dangerous.
Eigen::VectorXd true_parameters() {
  Eigen::VectorXd theta = Eigen::VectorXd::Constant(102, -3);
  theta[0] = -3.5, theta[1] = -2.2;
  for (Eigen::Index v = 0; v < 100; v += 5) theta[2 + v] = 0;
  return theta;
}

/// Mean infected share in each step, of many plain runs.
std::vector<double> mean_trajectory(const PlainEpidemic& model, const Eigen::VectorXd& theta) {
  boost::random::mt19937 generator(3);
  std::vector<double> mean(steps), shares;
  constexpr int runs = 500;
  for (int r = 0; r < runs; ++r) {
    shares.clear();
    model(generator, theta, &shares);
    for (std::size_t t = 0; t < mean.size(); ++t) mean[t] += shares[t] / runs;
  }
  return mean;
}

double mean_cost(const PlainEpidemic& model, const Eigen::VectorXd& theta) {
  boost::random::mt19937 generator(4);
  double mean = 0;
  constexpr int runs = 1000;
  for (int r = 0; r < runs; ++r) mean += model(generator, theta) / runs;
  return mean;
}

showcase::Curve curve(const std::string& title, const char* colour, const std::vector<double>& shares) {
  showcase::Curve c{title, showcase::line(colour), {}};
  for (std::size_t t = 0; t < shares.size(); ++t) c.points.push_back({static_cast<double>(t + 1), 100 * shares[t]});
  return c;
}

}  // namespace

int main(int argc, char** argv) {
  PlainEpidemic plain{small_world(), 200, std::vector<double>(steps)};
  plain.trajectory = mean_trajectory(plain, true_parameters());
  const Epidemic model{plain.network, plain.people, plain.trajectory};
  // The epidemic takes off at theta and dies out at the start of the descent.
  Eigen::VectorXd theta = Eigen::VectorXd::Constant(102, -2), start = Eigen::VectorXd::Constant(102, -3.5);
  start[1] = -1;
  std::vector<std::string> names{"infected at first", "recovery"};
  for (int v = 0; v < 100; ++v) names.push_back("place " + std::to_string(v));
  return showcase::run(
      {.name = "epidemic",
       .title = "An epidemic among people who meet at places",
       .text = "<p>200 people walk on a network of 100 places for 25 steps; who meets an infected person may be infected, with a "
               "probability that belongs to the place. How does the distance of the epidemic to a given trajectory depend on the "
               "102 probabilities?</p>",
       .program = model,
       .theta = theta,
       .parameters = names,
       .plain = [plain](const Eigen::VectorXd& t, auto& generator) { return plain(generator, t); },
       .difference_step = 0.5,
       .estimator = StochasticDerivative{16, SiteChoice::uniform},
       .samples = 2000,
       .descent = {.program = model,
                   .start = start,
                   .estimator = LeaveOneOut{4},
                   .optimizer = Adam{0.1},
                   .iterations = 200,
                   .samples = 16,
                   .cost = "distance, squared percent",
                   .parameters = names,
                   .known = [&] { return mean_cost(plain, true_parameters()); },
                   .known_source = "at the parameters behind it"},
       .figures = [plain, start](const showcase::Findings& found) -> std::vector<showcase::Figure> {
         namespace colour = showcase::colour;
         const showcase::Panel panel{
             "",
             "step",
             "infected, percent",
             "",
             {curve("given", colour::red, plain.trajectory), curve("at the start", colour::orange, mean_trajectory(plain, start)),
              curve("at the end", colour::blue, mean_trajectory(plain, found.minimum.theta))}};
         return {{"trajectories", "Mean share of infected people, of 500 runs of the plain twin.", 760, 340, 1, {panel}}};
       }},
      argc, argv);
}
