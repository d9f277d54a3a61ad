// stoat/estimators/vimco.hpp: the gradient of a multi-sample objective.
#pragma once

#include <stoat/estimators/estimator.hpp>

namespace stoat {

/// VIMCO (Mnih and Rezende 2016). The program returns a log-weight log w, and the objective is
///   L = E log(1/K sum_k w_k)   over K independent runs: an importance-weighted bound,
/// not the mean of what the program returns: value and gradient are unbiased for L, and biased as those of E f, which is what
/// `unbiased` speaks of. The estimate is
///   sum_k ( [Lhat - Lhat_{-k}] d log P(x_k) + w_k / (sum_j w_j) d_c log w_k ),
/// Lhat_{-k} being Lhat with the mean of the other log-weights in place of log w_k. K >= 2.
struct Vimco {
  int runs = 5;  ///< K
  static constexpr bool unbiased = false;
  int keys() const { return runs; }
  std::string name() const { return "Vimco(" + std::to_string(runs) + ")"; }
  STOAT_SAMPLE;
};

}  // namespace stoat
