// stoat/estimators/score_function.hpp: likelihood-ratio estimators. Unbiased, one sweep a run, any control flow.
//
// Where a program adds costs on the way (draw.cost(c)), a site answers only for those added after it was drawn: for the cost
// to go, instead of the whole cost f.
#pragma once

#include <functional>
#include <span>

#include <stoat/estimators/estimator.hpp>
#include <stoat/estimators/replay.hpp>

namespace stoat {

enum class Baseline {
  none,
  running_mean,  ///< the mean cost of a pilot and of the earlier rounds; of costs to go, their means by site over a pilot
};

/// Score function, REINFORCE (Glynn 1990; Williams 1992): seed (f - b) d log P(x_i) at the parameters of every site.
/// Where an outcome of probability 0 has a moving probability a boundary term is missing: such programs are refused.
struct ScoreFunction {
  Baseline baseline = Baseline::running_mean;  ///< b
  static constexpr bool unbiased = true;
  static constexpr bool uses_mean = true;
  std::string name() const { return baseline == Baseline::none ? "ScoreFunction(no baseline)" : "ScoreFunction"; }
  template <class T>
  std::shared_ptr<const void> learn(Trace<T>& trace, const PilotContext& pilot) const;
  STOAT_SAMPLE;
};

/// Leave-one-out (Salimans and Knowles 2014; Kool et al. 2019): K independent runs, each with the mean of the others as its
/// baseline: 1/(K-1) sum_k (f_k - mean f) score_k; of costs to go, the mean of the others' at the same site. K >= 2.
struct LeaveOneOut {
  int runs = 4;
  static constexpr bool unbiased = true;
  int keys() const { return runs; }
  std::string name() const { return "LeaveOneOut(" + std::to_string(runs) + ")"; }
  STOAT_SAMPLE;
};

/// What a critic may know of a site: everything before its draw.
struct History {
  std::size_t site = 0;                      ///< its number
  std::size_t datum = 0;                     ///< of a program over data
  std::span<const std::int64_t> outcomes{};  ///< of the sites before it
  double chance = 0;                         ///< the probability of outcome 1
};
/// The cost to go that a critic expects.
using Critic = std::function<double(const History&)>;

/// Score function with a baseline for each site (Mnih and Gregor 2014): (f - b(history)) d log P(x_i). Any critic leaves it
/// unbiased. Without one a linear critic is fitted to pilot runs: for each site the regression of the cost to go on the sum of
/// the outcomes so far, the last one and the chance of a 1.
struct ScoreFunctionCritic {
  Critic critic{};
  int pilot = 200;  ///< runs to fit the linear critic to
  static constexpr bool unbiased = true;
  std::string name() const { return critic ? "ScoreFunctionCritic(own)" : "ScoreFunctionCritic"; }
  template <class T>
  std::shared_ptr<const void> learn(Trace<T>& trace, const PilotContext& pilot) const;
  STOAT_SAMPLE;
};

/// Score function minus a linear martingale: with the mean adjoint A_i of the outcome of site i over pilot runs,
///   a_i = A_i d mean_i + (f - b - M) d log P(x_i),  M = c sum_i A_i (x_i - mean_i),
/// where b and the factor c are fitted to pilot runs. Unbiased for any A, since E[M d log P(x_i) | history] = c A_i d mean_i and
/// the first term (times c) gives it back. No replays; it takes from the noise of f what is linear in the draws.
struct ScoreFunctionMartingale {
  int pilot = 200;  ///< runs for A; half as many for b and c
  static constexpr bool unbiased = true;
  std::string name() const { return "ScoreFunctionMartingale"; }
  template <class T>
  std::shared_ptr<const void> learn(Trace<T>& trace, const PilotContext& pilot) const;
  STOAT_SAMPLE;
};

}  // namespace stoat
