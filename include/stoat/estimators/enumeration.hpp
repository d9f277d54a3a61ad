// stoat/estimators/enumeration.hpp: the exact answer, by running the program through every sequence of outcomes.
#pragma once

#include <stoat/estimators/estimator.hpp>

namespace stoat {

/// Exact value and gradient: sum over outcome sequences of P f, and of P d_c f + f dP. Outcomes of probability 0 are visited
/// if their probability is moving. The program must have no other randomness, and every law finitely many outcomes, unless
/// `tail` > 0: then sequences are left out once their probability is below it.
struct Enumeration {
  std::size_t max_leaves = std::size_t{1} << 22;  ///< refuse larger programs
  double tail = 0;
  static constexpr bool unbiased = true;
  static constexpr bool deterministic = true;
  std::string name() const { return "Enumeration"; }
  STOAT_SAMPLE;
};

}  // namespace stoat
