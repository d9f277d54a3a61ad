// stoat/estimators/replay.hpp: unbiased gradients from replays of the run with one outcome changed.
#pragma once

#include <stoat/estimators/estimator.hpp>

namespace stoat {

/// How the replayed alternatives are chosen. Either way the estimate is unbiased.
enum class SiteChoice {
  importance,  ///< in proportion to |weight d_c p|, found for all sites at once by one tangent sweep
  uniform,     ///< every alternative that can matter alike
};

/// Stochastic derivative (Arya et al. 2022) in reverse mode: for alternatives y of chosen sites, the weight of the jump times
/// the change of the cost, divided by the probability of the choice, is seeded at the parameters of the site and swept with
/// discrete outcomes held fixed. The gradient of all parameters comes from one set of replays.
struct StochasticDerivative {
  int replays = 1;  ///< replays per sample; 0: every alternative of every site
  SiteChoice choice = SiteChoice::importance;
  Flow flow = Flow::least_variance;  ///< of unordered labels; one-hot draws of DebiasedSurrogate always use the independent flow
  static constexpr bool unbiased = true;
  std::string name() const;
  STOAT_SAMPLE;
};

/// Replays with a surrogate gradient as control variate: the surrogate's total adjoint s_i of an OPEN sweep stands in for
/// sites that are not replayed, and a CUT sweep seeded with (w_i Delta_i - s_i) / q_i at the replayed ones removes its bias.
struct DebiasedSurrogate {
  int replays = 4;  ///< replays per sample; 0: every alternative of every site
  SiteChoice choice = SiteChoice::importance;
  Flow flow = Flow::least_variance;  ///< of unordered labels; one-hot draws of DebiasedSurrogate always use the independent flow
  static constexpr bool unbiased = true;
  std::string name() const;
  STOAT_SAMPLE;
};

namespace detail {

/// Inclusion probabilities proportional to `size` for about `count` of its entries, none above 1, 0 where size is 0.
/// `defence` is the share that is spread evenly over the entries that are not 0.
void inclusion_probabilities(std::span<const double> size, double count, double defence, std::vector<double>& out);

/// Systematic sampling: visits each entry i with probability p[i], using one uniform offset in [0, 1).
template <class Visit>
void systematic_sample(std::span<const double> p, double offset, Visit&& visit) {
  double next = offset, sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (p[i] >= 1) {  // certain; kept out of the running sum, so that rounding can neither lose nor repeat it
      visit(i);
      continue;
    }
    sum += p[i];
    if (sum > next) visit(i), next += 1;
  }
}

}  // namespace detail

}  // namespace stoat
