// stoat/estimators/replay.hpp: unbiased gradients from replays of the run with one outcome changed.
//
// The derivative is E[ d_c f + sum over sites and alternatives y of (w_y d_c p) (f with y - f) ]. A few alternatives are chosen
// with known probabilities q and replayed; what is known of the others beforehand, a *control* s, stands in for them, and the
// chosen ones add (w Delta - s) / q. Whatever the control and the probabilities, as long as they do not depend on the results
// of the replays, the estimate is unbiased; they decide its variance.
#pragma once

#include <span>
#include <vector>

#include <stoat/estimators/estimator.hpp>

namespace stoat {

/// How the replayed alternatives are chosen.
enum class SiteChoice {
  importance,  ///< in proportion to |w d_c p|, found for all sites at once by one tangent sweep
  uniform,     ///< every alternative that can matter alike
  neyman,      ///< in proportion to |w d_c p| times the size of the residual there in pilot runs, over the root of the cost
               ///< of replays there, in pilot runs too
};

/// What stands in for sites that are not replayed.
enum class Control {
  none,   ///< nothing
  path,   ///< the surrogate adjoint of the run itself, from an OPEN sweep with straight-through edges
  table,  ///< the mean of those adjoints over pilot runs, by the number of the site; where replays cost what they change, brought
          ///< by least squares to the length of what replays show, in parts of the sites
  usual,  ///< path; table where replays cost what they change
};

/// The number of replays that spends the least work on a given error, from pilot runs: sqrt(R c_0 / (V c_r)) with the variance
/// V that all replays together leave, the excess R of a single one, and the costs c_0 of a sample and c_r of a replay.
inline constexpr int automatic_replays = -1;
/// Four. Where replays cost what they change (Trace::by_changes(): networks of spiking neurons): automatic_replays, chosen as by
/// SiteChoice::neyman, and in addition all alternatives of the last block of sites where that costs little more than a run. If a
/// change spreads over more than a quarter of the later sites that could change with it, as in a recurrent network with strong
/// weights, replays tell less than they cost, and samples are those of ScoreFunctionMartingale.
inline constexpr int usual_replays = -2;

/// Stochastic derivative (Arya et al. 2022) in reverse mode: for alternatives y of chosen sites, the weight of the jump times
/// the change of the cost, divided by the probability of the choice, is seeded at the parameters of the site and swept with
/// discrete outcomes held fixed. The gradient of all parameters comes from one set of replays.
struct StochasticDerivative {
  int replays = 1;                             ///< replays per sample; 0: every alternative of every site; or automatic_replays
  SiteChoice choice = SiteChoice::importance;  ///< which alternatives are replayed
  Flow flow = Flow::least_variance;            ///< of unordered labels
  int pilot = 200;  ///< runs from which the site choice and the number of replays are learnt, if they are
  static constexpr bool unbiased = true;
  std::string name() const;
  template <class T>
  std::shared_ptr<const void> learn(Trace<T>& trace, const PilotContext& pilot) const;
  STOAT_SAMPLE;
};

/// Replays with a surrogate gradient as control: straight-through with an unbiased correction.
struct DebiasedSurrogate {
  int replays = usual_replays;                 ///< replays per sample; 0: every alternative of every site; or automatic_replays
  SiteChoice choice = SiteChoice::importance;  ///< which alternatives are replayed
  Flow flow = Flow::least_variance;            ///< of unordered labels; one-hot draws always use the independent flow
  Control control = Control::usual;            ///< a table serves better where the adjoints of single runs are noisy: resets, chaos
  /// Adds to the control of a coin the mean residual that pilot runs found at this site for this outcome.
  bool residuals = false;
  /// Takes from the change of the cost what later coins that were flipped by it explain: sum over later sites t of the table's
  /// adjoint times the change of (x_t - p_t), which has mean 0.
  bool martingale = false;
  int pilot = 200;  ///< runs from which tables are learnt, if any are
  static constexpr bool unbiased = true;
  std::string name() const;
  template <class T>
  std::shared_ptr<const void> learn(Trace<T>& trace, const PilotContext& pilot) const;
  /// How the replays are made where that was left to the pilot.
  std::string note(const void* learned) const;
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

/// Means of surrogate adjoints over pilot runs, by the number of the site.
class AdjointTable {
 public:
  /// Records `runs` pilot runs and sweeps them with straight-through edges.
  template <class T>
  AdjointTable(Trace<T>& trace, int runs, const PilotContext& pilot);
  /// The adjoint of the outcome of a site (of entry j of its unit vector).
  double operator()(std::size_t site, std::size_t j = 0) const {
    return site + 1 < first_.size() && first_[site] + j < first_[site + 1] ? mean_[first_[site] + j] : 0.0;
  }

 private:
  std::vector<std::size_t> first_;  // of each site in mean_
  std::vector<double> mean_;
};

/// E sum_i v_i r_i^2 over the coins of pilot runs, v_i the variance of the coin, r_i the residual of its replay against the
/// straight-through adjoint of the run.
template <class T>
double residual_moment(Trace<T>& trace, int runs, const PilotContext& pilot);

}  // namespace detail

}  // namespace stoat
