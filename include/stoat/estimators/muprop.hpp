// stoat/estimators/muprop.hpp: the score function with the linearisation of the cost at the mean field as control variate.
#pragma once

#include <stoat/estimators/estimator.hpp>

namespace stoat {

/// MuProp (Gu, Levine, Sutskever and Mnih 2016). One mean-field run gives f(xbar) and its total derivatives f'_k in the means of
/// the sites; the estimate is
///   d_c f + sum_i ( [f(x) - f(xbar) - sum_k f'_k (x_k - mu_k)] d log P(x_i) + f'_i d_c mu_i ),
/// mu_k being the mean of site k given the outcomes before it. x_k - mu_k has mean 0 given these, so its product with the score of
/// site i has mean 0 if k > i, f'_i d_c mu_i if k = i, and 0 again if k < i: unbiased also where sites depend on earlier ones.
/// For independent sites it is the formula of the paper. Refuses what MeanField refuses.
struct MuProp {
  static constexpr bool unbiased = true;
  std::string name() const { return "MuProp"; }
  STOAT_SAMPLE;
};

}  // namespace stoat
