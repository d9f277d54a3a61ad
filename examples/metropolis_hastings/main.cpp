// examples/metropolis_hastings/main.cpp: the derivative of what a Markov chain Monte Carlo simulation measures.
#include <common/showcase.hpp>

#include "exact.hpp"
#include "plain.hpp"
#include "program.hpp"

using namespace stoat;
using namespace metropolis_hastings;

int main(int argc, char** argv) {
  const Metropolis model{.rows = 4, .columns = 3};
  const Eigen::VectorXd theta = Eigen::Vector2d(0.2, 0.1);
  // Half magnetised, with little noise; both parameters are free.
  const auto distance = [model]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S off = model(draw, t) - 0.5;
    return off * off;
  };
  return showcase::run(
      {.name = "metropolis_hastings",
       .title = "The derivative of a Markov chain Monte Carlo simulation",
       .text =
           "<p>Twelve magnets on a torus flip by the rule of Metropolis, for eight sweeps. How does their mean direction, measured "
           "after the second sweep, depend on the coupling of neighbours and on the field?</p>",
       .program = model,
       .theta = theta,
       .parameters = {"coupling", "field"},
       .plain =
           [model](const Eigen::VectorXd& t, auto& generator) {
             return PlainMetropolis{model.rows, model.columns}(generator, t);
           },
       .truth =
           [model, theta] {
             return showcase::differentiated([&](const Eigen::VectorXd& t) { return expected(model, t); }, theta,
                                             "transition matrix");
           },
       .estimator = StochasticDerivative{8, SiteChoice::uniform},
       .samples = 20'000,
       .descent = {.program = distance,
                   .start = Eigen::Vector2d(0.3, -0.1),
                   .estimator = StochasticDerivative{8, SiteChoice::uniform},
                   .optimizer = Adam{0.02},
                   .iterations = 200,
                   .samples = 32,
                   .cost = "squared distance to 1/2",
                   .parameters = {"coupling", "field"}}},
      argc, argv);
}
