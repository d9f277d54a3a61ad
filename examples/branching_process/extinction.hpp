// examples/branching_process/extinction.hpp: the probability that families die out, exactly.
#pragma once

#include <cmath>

#include "program.hpp"

namespace branching_process {

/// A family of one is gone after n generations with probability q_n = 1 - p + p e^(m (q_{n-1} - 1)), q_0 = 0: it did not breed,
/// or all its children's families are gone.
inline double extinction(const BranchingProcess& model, const Eigen::VectorXd& theta) {
  double q = 0;
  for (int n = 0; n < model.generations; ++n) q = 1 - theta[0] + theta[0] * std::exp(theta[1] * (q - 1));
  return std::pow(q, model.founders);
}

}  // namespace branching_process
