// stoat/distributions/flow.hpp: where a moving probability of unordered labels sends the draw.
//
// A flow K(x, y) with  sum_y K(x, y) - sum_y K(y, x) = -dP(x)  gives d E f = E[ sum_y K(x, y) / P(x) (f(y) - f(x)) ], x being the
// label that was drawn. There are many. Which one has the least variance depends on P and dP:
//
//   inversion      to the two neighbours, as for ordered outcomes; the mean of the right and the left derivative
//   independent    K = P(x) dP(y): a fresh label y with weight dP(y), whatever was drawn. With all labels replayed it is exact;
//                  labels of probability 0 are reached
//   antisymmetric  K = (P(x) dP(y) - P(y) dP(x)) / 2
#pragma once

#include <cstdint>

namespace stoat {

enum class Flow : std::uint8_t {
  least_variance,  ///< at each site: the least mean of (sum_y |K(x, y)| / P(x))^2, the variance when one label is replayed and
                   ///< nothing is known about the costs of the labels
  inversion,       ///< where a label has probability 0: independent
  independent,
  antisymmetric,  ///< where a label has probability 0: independent
};

}  // namespace stoat
