// examples/hidden_markov/forward.hpp: the likelihood of a hidden Markov chain, exactly.
#pragma once

#include "program.hpp"

namespace hidden_markov {

/// The forward algorithm: probabilities of the state together with the symbols so far, step by step.
inline double likelihood(const HiddenMarkov& model, const Eigen::VectorXd& theta) {
  const Eigen::Index k = model.states, m = model.symbols;
  Eigen::MatrixXd next = Eigen::Map<const Eigen::MatrixXd>(theta.data(), k, k).array().exp();
  Eigen::MatrixXd shown = Eigen::Map<const Eigen::MatrixXd>(theta.data() + k * k, m, k).array().exp();
  for (Eigen::Index j = 0; j < k; ++j) {
    next.col(j) /= next.col(j).sum();
    shown.col(j) /= shown.col(j).sum();
  }
  Eigen::VectorXd forward = Eigen::VectorXd::Unit(k, 0);
  for (const int symbol : model.observed) forward = (next * forward).cwiseProduct(shown.row(symbol).transpose()).eval();
  return forward.sum();
}

}  // namespace hidden_markov
