// examples/hidden_markov/program.hpp: the likelihood of what a hidden Markov chain shows, by running the chain.
#pragma once

#include <vector>

#include <stoat/stoat.hpp>

namespace hidden_markov {

using namespace stoat;

/// A chain of hidden states that starts from state 0; each shows a symbol. theta = logits of the next state, one column for each
/// state, then logits of the symbol, likewise. The outcome is the probability of the symbols given the states that were drawn,
/// averaged over some runs of the chain: its mean is the likelihood. Or it is minus the logarithm of that average.
struct HiddenMarkov {
  std::vector<int> observed;
  int states = 2, symbols = 3, chains = 1;
  bool minus_log = false;

  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    const Matrix<S> next = theta.matrix(0, states, states);
    const Matrix<S> shown = theta.matrix(states * states, symbols, states);
    S likelihood = 0;
    for (int c = 0; c < chains; ++c) {
      S log_probability = 0;
      int state = 0;
      for (const int symbol : observed) {
        state = int(draw(CategoricalLogit(next.col(state))));
        const Vector<S> logits = shown.col(state);
        log_probability += logits[symbol] - log_sum_exp(logits);
      }
      likelihood += exp(log_probability) / chains;
    }
    return minus_log ? S(-log(likelihood)) : likelihood;
  }
};

}  // namespace hidden_markov
