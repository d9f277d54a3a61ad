// stoat/estimators/without_replacement.hpp: several distinct outcomes of a site in place of one.
#pragma once

#include <stoat/estimators/estimator.hpp>

namespace stoat {

/// Unordered set (Kool, van Hoof and Welling 2020) of two, site by site: the outcome a of the run and a second one b, drawn from
/// the law without a and replayed. The site adjoint is
///   (f(a) - f(b)) (s_a - s_b) / (1 / (1 - P_a) + 1 / (1 - P_b)),   s = d log P / d parameter.
/// Exact for coins.
struct UnorderedSet {
  int sites = 0;  ///< sites per sample, chosen in proportion to the move of the two scores; 0: every one
  static constexpr bool unbiased = true;
  std::string name() const;
  STOAT_SAMPLE;
};

/// Sum and sample (Liu et al. 2019), site by site: exact over the `top` most probable outcomes C, and one more v from the others,
///   sum_{y in C} f(y) dP_y / d parameter + (1 - P(C)) f(v) s_v.
/// The outcome of the run is one of them: `top` replays.
struct SumAndSample {
  int top = 1;
  int sites = 0;  ///< sites per sample, chosen in proportion to the moves of the probabilities; 0: every one
  static constexpr bool unbiased = true;
  std::string name() const;
  STOAT_SAMPLE;
};

}  // namespace stoat
