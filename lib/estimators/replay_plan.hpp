// What StochasticDerivative and DebiasedSurrogate share: their plan, what pilot runs tell, and one draw of a gradient.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <stoat/estimators/replay.hpp>

#include "sites.hpp"

namespace stoat::detail::replay {

/// What a replay estimator does.
struct Plan {
  const char* name;
  int replays;
  SiteChoice choice;
  Flow flow;
  Control control = Control::none;
  bool residuals = false, martingale = false;
  bool usual = false;  ///< replays may be usual_replays
  bool last = false;   ///< all alternatives of the last block, beside the chosen ones
};

/// What pilot runs told, by the number of the site.
struct Learned {
  std::optional<detail::AdjointTable> adjoints;
  std::vector<std::array<double, 2>> residual;  ///< mean residual of a coin, by its outcome
  std::vector<double> scale;                    ///< root mean square residual of an alternative, relative to |w d_c p|
  double usual_scale = 1;                       ///< of sites that are not in the table
  std::vector<std::array<double, 2>> cost;      ///< of replays of a site: their number, and the sum in runs
  double cost_per_suffix = 1;                   ///< of all of them, relative to the fraction of a run that follows the site
  double replays = 0;
  std::vector<double> factor;              ///< of the table's adjoints, for each of as many equal parts of the sites; empty: 1
  bool by_changes = false;                 ///< replays cost what they change
  std::size_t last = 0, sites = 0;         ///< sites of the last block, if all its changes come at once; and of the run
  double spread = 0;                       ///< changed outcomes of a replay, relative to the spikes that follow
  std::shared_ptr<const void> martingale;  ///< of ScoreFunctionMartingale, if that takes the place of replays

  double residual_of(const Site& s, std::size_t i) const {
    return i < residual.size() && s.count == 1 && (s.outcome == 0 || s.outcome == 1) ? residual[i][s.outcome == 1] : 0.0;
  }
  double factor_of(std::size_t i) const { return factor.empty() ? 1.0 : factor[part(i)]; }
  std::size_t part(std::size_t i) const { return std::min(factor.size() - 1, i * factor.size() / std::max<std::size_t>(sites, 1)); }
  double scale_of(std::size_t i) const { return i < scale.size() ? scale[i] : usual_scale; }
  /// Of a replay of site i of so many, in runs: the mean of those seen, as if two more had cost what is usual.
  double cost_of(std::size_t i, std::size_t sites) const {
    const double usual = cost_per_suffix * suffix(i, sites);
    return i < cost.size() ? (cost[i][1] + 2 * usual) / (cost[i][0] + 2) : usual;
  }
  static double suffix(std::size_t i, std::size_t sites) { return 1 - static_cast<double>(i) / static_cast<double>(sites); }
};

/// What learning sees of a chosen alternative.
struct Chosen {
  const Alternative& alternative;
  double probability;  ///< of being chosen
  double size;         ///< |w d_c p|
  double cost;         ///< of its replay, in runs; 0 if none was made
  double residual;     ///< |(w Delta - s) d_c p|
  std::span<const Weight> weights;
};

/// The plan with what it leaves to the pilot.
Plan decided(Plan plan, const Learned* learned);

/// One gradient draw; `observe` is shown every chosen alternative.
template <class T>
void draw(Trace<T>& trace, const Plan& plan, const Learned* learned, const RunKey& key, Generator choices, GradientDraw& out,
          const std::function<void(const Chosen&)>& observe);

/// Pilot runs; null if the plan needs none.
template <class T>
std::shared_ptr<const Learned> learn(Trace<T>& trace, Plan plan, int runs, PilotContext pilot);

}  // namespace stoat::detail::replay
