// examples/game_of_life/main.cpp: how the first board of a game of life decides how many cells live in the end.
#include <common/showcase.hpp>
#include <stoat/estimators/score_function.hpp>

#include "plain.hpp"
#include "program.hpp"

using namespace stoat;
using namespace game_of_life;

int main(int argc, char** argv) {
  const GameOfLife game;
  // Most life in the end: the negative count, in the logit of the probability, which is unbounded.
  const auto death = [game]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S { return -game(draw, Vector<S>{logistic(t[0])}); };
  return showcase::run(
      {.name = "game_of_life",
       .title = "A game of life whose cells sometimes disobey",
       .text = "<p>625 cells, each alive at first with probability p, play 10 steps of a game of life with 4 "
               "neighbours. Each does the opposite of what it should one time in ten. How does the number of cells "
               "alive in the end depend on p?</p>",
       .program = game,
       .theta = Eigen::VectorXd::Constant(1, 0.5),
       .parameters = {"p"},
       .plain = [](const Eigen::VectorXd& theta, auto& generator) { return PlainGameOfLife{}(generator, theta); },
       .estimator = StochasticDerivative{16, SiteChoice::uniform},
       .samples = 4000,
       .descent = {.program = death,
                   .start = Eigen::VectorXd::Constant(1, -0.5),
                   .estimator = LeaveOneOut{4},
                   .optimizer = Adam{0.1},
                   .iterations = 150,
                   .samples = 32,
                   .cost = "minus cells alive",
                   .parameters = {"logit p"},
                   .known = [] { return -114.4; },
                   .known_source = "plain twin at p = 0.70, the best"}},
      argc, argv);
}
