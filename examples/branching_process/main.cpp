// examples/branching_process/main.cpp: what keeps families from dying out.
#include <algorithm>

#include <common/showcase.hpp>

#include "extinction.hpp"
#include "plain.hpp"
#include "program.hpp"

using namespace stoat;
using namespace branching_process;

namespace {

/// Protection and food cost money; extinction costs 1. t = (logit of the survival, logarithm of the children).
struct Conservation {
  BranchingProcess families;

  template <class S>
  static S effort(const S& survival, const S& children) {
    return -0.05 * log1p(-survival) + 0.05 * children * children;
  }
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& t) const {
    const Vector<S> theta{logistic(t[0]), exp(t[1])};
    return families(draw, theta) + effort<S>(theta[0], theta[1]);
  }
};

/// The least expected cost, on a fine grid.
double least_cost(const BranchingProcess& families) {
  double least = 1;
  for (double survival = 0.005; survival < 1; survival += 0.005)
    for (double children = 0.02; children < 4; children += 0.02)
      least = std::min(least, extinction(families, Eigen::Vector2d(survival, children)) + Conservation::effort(survival, children));
  return least;
}

}  // namespace

int main(int argc, char** argv) {
  const BranchingProcess families;
  const Eigen::VectorXd theta = Eigen::Vector2d(0.7, 1.6);
  return showcase::run(
      {.name = "branching_process",
       .title = "Families that die out",
       .text =
           "<p>Every individual lives to breed with probability 0.7 and then has 1.6 children on average. How likely have three "
           "founders no descendants after ten generations, and how does that depend on survival and children?</p>",
       .program = families,
       .theta = theta,
       .parameters = {"survival", "children"},
       .plain = [](const Eigen::VectorXd& t, auto& generator) { return PlainBranchingProcess{}(generator, t); },
       .truth =
           [families, theta] {
             return showcase::differentiated([&](const Eigen::VectorXd& t) { return extinction(families, t); }, theta,
                                             "generating function");
           },
       .estimator = StochasticDerivative{4},
       .samples = 40'000,
       .descent = {.program = Conservation{families},
                   .start = Eigen::Vector2d(0.8, 0.3),
                   .estimator = StochasticDerivative{4},
                   .optimizer = Adam{0.03},
                   .iterations = 200,
                   .samples = 64,
                   .cost = "extinction and effort",
                   .parameters = {"logit survival", "log children"},
                   .known = [&] { return least_cost(families); },
                   .known_source = "least, on a grid of the closed form"}},
      argc, argv);
}
