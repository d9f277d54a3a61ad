// stoat/estimators/smoothed.hpp: one run, one OPEN sweep: surrogate gradients. Biased unless the cost is affine in each draw.
#pragma once

#include <stoat/estimators/estimator.hpp>

namespace stoat {

/// The edge slopes of smoothed stochastic derivatives: every jump replaced by its mean, alpha * right + (1 - alpha) * left.
struct SmoothedEdge {
  double alpha = 0.5;
  void operator()(const Site& site, std::span<double> out) const { site.law->smoothed(site.plain, site.outcome, alpha, out); }
};

/// The straight-through edge d mean / d parameter: slope 1 for a coin. For Bernoulli(p) it is the smoothed derivative with
/// alpha = 1 - p.
struct StraightThroughEdge {
  void operator()(const Site& site, std::span<double> out) const {
    if (!site.law->mean_derivative)
      throw Refusal("StraightThrough: " + std::string(site.law->name) + " offers no mean_derivative()");
    site.law->mean_derivative(site.plain, out);
  }
};

/// Smoothed stochastic derivative (Arya et al. 2022). alpha = 1: right, 0: left, 1/2: two-sided (ReinMax for coins).
struct SmoothedDerivative {
  double alpha = 0.5;
  static constexpr bool unbiased = false;
  std::string name() const;
  STOAT_SAMPLE;
};

/// Straight-through (Hinton 2012; Bengio et al. 2013): the outcome passes its adjoint on as if it were its mean.
struct StraightThrough {
  static constexpr bool unbiased = false;
  std::string name() const { return "StraightThrough"; }
  STOAT_SAMPLE;
};

/// Mean field: the program runs on the means of its draws. Refuses programs that read a draw as bool or integer.
struct MeanField {
  static constexpr bool unbiased = false;
  std::string name() const { return "MeanField"; }
  STOAT_SAMPLE;
};

}  // namespace stoat
