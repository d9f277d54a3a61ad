// examples/hidden_markov/plain.hpp: the same chain without stoat.
#pragma once

#include <cmath>
#include <vector>

#include <Eigen/Core>
#include <boost/random/discrete_distribution.hpp>

namespace hidden_markov {

struct PlainHiddenMarkov {
  std::vector<int> observed;
  int states = 2, symbols = 3, chains = 1;
  bool minus_log = false;

  template <class Generator>
  double operator()(Generator& generator, const Eigen::VectorXd& theta) const {
    const Eigen::MatrixXd next = theta.head(states * states).reshaped(states, states).array().exp();
    const Eigen::MatrixXd shown = theta.tail(symbols * states).reshaped(symbols, states).array().exp();
    double likelihood = 0;
    for (int c = 0; c < chains; ++c) {
      double probability = 1;
      int state = 0;
      for (const int symbol : observed) {
        const Eigen::VectorXd weights = next.col(state);
        state = boost::random::discrete_distribution<>(weights.begin(), weights.end())(generator);
        probability *= shown(symbol, state) / shown.col(state).sum();
      }
      likelihood += probability / chains;
    }
    return minus_log ? -std::log(likelihood) : likelihood;
  }
};

}  // namespace hidden_markov
