// stoat/estimators/disarm.hpp: coins drawn again with antithetic uniform numbers. Unbiased, no relaxation of the cost.
#pragma once

#include <stoat/estimators/estimator.hpp>

namespace stoat {

/// The coins that are drawn again together. They must be independent of each other given what was drawn before: a pair of whole
/// runs on u and 1 - u is biased where the probability of a coin depends on an earlier one.
enum class AntitheticGroups {
  blocks,  ///< each block draw is a group, and so are single draws that follow one another with no block between
  sites,   ///< each coin on its own: always right, one replay for each
};

/// DisARM (Dong, Mnih and Tucker 2020), U2G (Yin, Ho, Yan, Qian and Zhou 2020): a replay of each group with the uniform numbers
/// 1 - u in place of u, later draws on their own, gives the coin with log-odds l the derivative
///   d f / d l = 1/2 (f(b) - f(b')) (b - b') logistic(|l|),
/// seeded in one CUT sweep. Refuses draws that depend on theta and have other outcomes than 0 and 1, coins that depend on others
/// of their group, and probabilities of 0 that move.
struct DisArm {
  AntitheticGroups groups = AntitheticGroups::blocks;  ///< which coins are flipped together
  static constexpr bool unbiased = true;
  std::string name() const;
  STOAT_SAMPLE;
};

/// ARMS (Dimitriev and Zhou 2021): `runs` >= 2 mutually antithetic runs of each group by a Dirichlet copula. With m the smaller
/// probability of the two outcomes and M that of both runs of a pair to have that outcome,
///   d f / d l = 1/(K-1) sum_k (f_k - mean f) (b_k - p) p (1 - p) / (m - M),  M = max(0, 2 m^(1/(K-1)) - 1)^(K-1).
/// Arms{2} is DisArm. Refuses what DisArm refuses.
struct Arms {
  int runs = 4;
  AntitheticGroups groups = AntitheticGroups::blocks;  ///< which coins are antithetic together
  static constexpr bool unbiased = true;
  std::string name() const;
  STOAT_SAMPLE;
};

}  // namespace stoat
