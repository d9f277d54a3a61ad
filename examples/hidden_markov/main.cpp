// examples/hidden_markov/main.cpp: the gradient of the likelihood of a hidden Markov chain, without a forward algorithm.
#include <cmath>

#include <common/showcase.hpp>
#include <stoat/estimators/score_function.hpp>

#include "forward.hpp"
#include "plain.hpp"
#include "program.hpp"

using namespace stoat;
using namespace hidden_markov;

int main(int argc, char** argv) {
  const HiddenMarkov model{.observed = {0, 0, 1, 0, 2, 2, 1, 2, 0, 0}};
  const PlainHiddenMarkov plain{model.observed};
  HiddenMarkov fit = model;
  fit.chains = 16;
  fit.minus_log = true;
  // States last for some time; state 0 mostly shows symbol 0, state 1 symbol 2.
  Eigen::VectorXd theta(10), start(10);
  theta << 1, -1, -1, 1, 1, 0, -1, -1, 0, 1;
  start << 0, 0, 0, 0, 0.1, 0, 0, 0, 0, 0.1;
  const std::vector<std::string> names{"0 after 0", "1 after 0", "0 after 1", "1 after 1", "0 shows 0",
                                       "0 shows 1", "0 shows 2", "1 shows 0", "1 shows 1", "1 shows 2"};
  return showcase::run(
      {.name = "hidden_markov",
       .title = "A hidden Markov chain, run instead of summed",
       .text = "<p>A chain of hidden states shows ten symbols. Their likelihood is the mean, over runs of the chain, of the "
               "probability "
               "of the symbols given the states. How does it depend on the logits of the next state and of the symbols?</p>",
       .program = model,
       .theta = theta,
       .parameters = names,
       .plain = [plain](const Eigen::VectorXd& t, auto& generator) { return plain(generator, t); },
       .truth =
           [model, theta] {
             return showcase::differentiated([&](const Eigen::VectorXd& t) { return likelihood(model, t); }, theta,
                                             "forward algorithm");
           },
       .estimator = StochasticDerivative{8},
       .samples = 20'000,
       .descent = {.program = fit,
                   .start = start,
                   .estimator = LeaveOneOut{4},
                   .optimizer = Adam{0.05},
                   .iterations = 200,
                   .samples = 16,
                   .cost = "minus log likelihood",
                   .parameters = names}},
      argc, argv);
}
