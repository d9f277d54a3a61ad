// stoat/estimators/relaxed.hpp: coins and labels relaxed by Gumbel noise, and straight-through estimators for labels. One run,
// one sweep, biased. The Gumbel-max form of a draw with probabilities P is y = argmax_k log P_k + G_k with Gumbel noise G; its
// relaxation is softmax((log P + G) / temperature). A coin is a label of two.
#pragma once

#include <stoat/estimators/estimator.hpp>

namespace stoat {

/// Gumbel-softmax, Concrete (Jang, Gu and Poole 2017; Maddison, Mnih and Teh 2017): the program runs on the relaxed values, which
/// follow the outcomes of the run as the temperature > 0 falls to 0; the bias falls and the variance rises. The value that it
/// estimates is the cost of the relaxed program. Refuses programs that read a relaxed draw as bool or integer, laws other than
/// coins and labels, and probabilities of 0 or 1 that move.
struct GumbelSoftmax {
  double temperature = 0.5;
  static constexpr bool unbiased = false;
  std::string name() const;
  STOAT_SAMPLE;
};

/// Straight-through Gumbel-softmax (Jang, Gu and Poole 2017): the program sees the outcomes, whose derivative is that of the
/// relaxed value. Refuses what GumbelSoftmax refuses, but draws may steer control flow.
struct StraightThroughGumbel {
  double temperature = 0.5;  ///< > 0, as of GumbelSoftmax
  static constexpr bool unbiased = false;
  std::string name() const;
  STOAT_SAMPLE;
};

/// Rao-Blackwellised straight-through Gumbel-softmax (Paulus, Maddison and Krause 2021): the derivative of StraightThroughGumbel
/// averaged over `samples` >= 1 draws of the Gumbel noise given the outcome. The same mean, less variance, no more runs.
struct GumbelRao {
  double temperature = 0.5;  ///< > 0, as of GumbelSoftmax
  int samples = 10;
  static constexpr bool unbiased = false;
  std::string name() const;
  STOAT_SAMPLE;
};

/// Gapped straight-through (Fan, Chi, Rudnicky and Ramadge 2022): the derivative of softmax((log P + m) / temperature), where the
/// constants m lift the outcome to the top and push the others at least `gap` >= 0 below it. No noise besides the draws.
struct GappedStraightThrough {
  double temperature = 1;
  double gap = 1;
  static constexpr bool unbiased = false;
  std::string name() const;
  STOAT_SAMPLE;
};

}  // namespace stoat
