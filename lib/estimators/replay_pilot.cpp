// What pilot runs tell a replay estimator: how large the residuals of its sites are, what their replays cost, how many to make.
#include <algorithm>
#include <cmath>

#include <stoat/estimators/score_function.hpp>
#include <stoat/estimators/smoothed.hpp>

#include "replay_plan.hpp"

namespace stoat::detail {
namespace replay {
namespace {

/// Residuals of replays at sites chosen alike.
template <class T>
void learn_residuals(Trace<T>& trace, const Plan& plan, int runs, const PilotContext& pilot, Learned& learned) {
  struct Entry {
    double replays = 0, residuals = 0, sizes = 0;
    std::array<double, 2> sum{}, squares{}, count{};
  };
  std::vector<Entry> table;
  Plan probe = plan;
  probe.choice = SiteChoice::uniform;
  probe.residuals = false;
  probe.replays = std::max(plan.replays, 8);
  GradientDraw out;
  double residuals = 0, sizes = 0, costs = 0, suffixes = 0;
  for (int k = 0; k < runs; ++k) {
    out.gradient.setZero(trace.parameters());
    const auto run = static_cast<std::uint64_t>(k);
    draw(trace, probe, &learned, pilot.run(trace, run), pilot.choices(run), out, [&](const Chosen& c) {
      const Alternative& y = c.alternative;
      if (table.size() <= y.site) table.resize(y.site + 1), learned.cost.resize(y.site + 1);
      Entry& e = table[y.site];
      if (c.cost > 0) {
        learned.cost[y.site][0] += 1, learned.cost[y.site][1] += c.cost;
        costs += c.cost, suffixes += Learned::suffix(y.site, trace.sites());
      }
      if (!std::isfinite(c.residual) || !std::isfinite(c.size)) return;
      e.replays += 1, e.residuals += c.residual * c.residual, e.sizes += c.size * c.size;
      residuals += c.residual * c.residual, sizes += c.size * c.size;
      if (!plan.residuals) return;
      const Site& s = trace.site(y.site);
      if (s.count != 1 || s.outcome < 0 || s.outcome > 1) return;
      double value = 0;
      for (const Weight& w : c.weights) value += w.value;
      const std::size_t x = s.outcome == 1;
      e.sum[x] += value, e.squares[x] += value * value, e.count[x] += 1;
    });
  }
  if (suffixes > 0) learned.cost_per_suffix = costs / suffixes;
  learned.usual_scale = sizes > 0 && residuals > 0 ? std::sqrt(residuals / sizes) : 1.0;
  learned.scale.assign(table.size(), learned.usual_scale);
  learned.residual.assign(plan.residuals ? table.size() : 0, {});
  for (std::size_t i = 0; i < table.size(); ++i) {
    const Entry& e = table[i];
    // As if two replays had shown the usual size.
    const double usual = learned.usual_scale * learned.usual_scale;
    if (e.sizes > 0) learned.scale[i] = std::sqrt((e.replays * e.residuals / e.sizes + 2 * usual) / (e.replays + 2));
    for (std::size_t x = 0; x < 2 && plan.residuals; ++x) {
      if (e.count[x] < 2) continue;
      // Shrunk by what its own noise takes of it (James and Stein).
      const double mean = e.sum[x] / e.count[x];
      const double noise = std::max(0.0, e.squares[x] / e.count[x] - mean * mean) / (e.count[x] - 1);
      if (mean * mean > noise) learned.residual[i][x] = mean * (1 - noise / (mean * mean));
    }
  }
}

/// The number of replays for the least work; see automatic_replays.
template <class T>
double learn_replays(Trace<T>& trace, const Plan& plan, int runs, const PilotContext& pilot, const Learned& learned) {
  Plan probe = plan;
  probe.replays = 8;
  GradientDraw out;
  Eigen::VectorXd mean = Eigen::VectorXd::Zero(trace.parameters());
  double squares = 0, excess = 0, most = 0, chosen = 0, costs = 0;
  for (int k = 0; k < runs; ++k) {
    out.gradient.setZero(trace.parameters());
    const auto run = static_cast<std::uint64_t>(runs + k);
    double here = 0;
    draw(trace, probe, &learned, pilot.run(trace, run), pilot.choices(run), out, [&](const Chosen& c) {
      if (c.cost > 0) chosen += 1, costs += c.cost;
      // sum_i r_i^2 / q_i over all sites, for one replay: q_i is an eighth of the probability now.
      if (c.probability < 1) excess += 8 * c.residual * c.residual / (c.probability * c.probability);
      here += 1 / c.probability;
    });
    most = std::max(most, here);
    squares += out.gradient.squaredNorm() / runs;
    mean += out.gradient / runs;
  }
  excess /= runs;
  if (chosen == 0 || !(excess > 0)) return 1;
  const double variance = squares - mean.squaredNorm(), floor = variance - excess / probe.replays;
  const double fixed = plan.control == Control::path ? 6 : 5, replay = costs / chosen;  // in runs; a sweep counts as one
  const double best = floor > 0 ? std::sqrt(excess * fixed / (floor * replay)) : most;
  // Less than one: a replay in some of the samples.
  return best < 1 ? std::max(best, 0.1) : std::min(std::round(best), std::max(1.0, most));
}

/// How far changes spread, by a few replays of some runs: outcomes that change with one, relative to the spikes that follow.
template <class T>
double measured_spread(Trace<T>& trace, const PilotContext& pilot) {
  double changed = 0, spikes = 0;
  for (std::uint64_t r = 0; r < 8; ++r) {
    trace.run(pilot.run(trace, r), 2);
    const auto outcomes = trace.baseline_plan().forced;
    Generator choices = pilot.choices(r);
    for (int k = 0; k < 8; ++k) {
      const auto site = static_cast<std::size_t>((k + choices.uniform()) / 8 * static_cast<double>(outcomes.size()));
      trace.change(site, 1 - outcomes[site]);
      const auto replayed = trace.replayed();
      for (std::size_t i = site + 1; i < outcomes.size(); ++i) changed += replayed[i] != outcomes[i], spikes += outcomes[i] == 1;
    }
  }
  // A share of next to nothing tells nothing.
  return spikes > 0 && changed > 8 * 64 ? changed / spikes : 0;
}

/// The least squares factors between what replays of coins show and the table, in parts of the sites: surrogate adjoints may be
/// many times too long (without the derivative of a reset, say), and by other factors in other layers. What is lost in noise counts
/// for less (James and Stein).
template <class T>
void learn_factors(Trace<T>& trace, int runs, const PilotContext& pilot, Learned& learned) {
  struct Sums {
    double products = 0, squares = 0, left = 0;
  };
  struct Shown {
    std::size_t part;
    double weight, table, change;
  };
  constexpr std::size_t parts = 32;
  constexpr int replays = 64;
  learned.factor.assign(parts, 1);
  std::vector<Sums> sums(parts);
  std::vector<Shown> shown;
  for (int r = 0; r < runs; ++r) {
    const auto run = static_cast<std::uint64_t>(r);
    trace.run(pilot.run(trace, run), 2);
    trace.record(Outcomes::constants);
    Generator choices = pilot.choices(run);
    for (int k = 0; k < replays; ++k) {
      const auto site = static_cast<std::size_t>((k + choices.uniform()) / replays * static_cast<double>(trace.sites()));
      const Site& s = trace.site(site);
      const double a = (*learned.adjoints)(site);
      if (a == 0 || s.count != 1 || s.law->support(s.plain).upper != 1) continue;
      double slope = 0;
      s.law->pmf_derivative(s.plain, 1, std::span<double>(&slope, 1));
      if (!(s.pmf(1 - s.outcome) > 0) || slope == 0) continue;
      const double change = static_cast<double>(trace.change(site, 1 - s.outcome)) * (s.outcome == 1 ? -1 : 1);
      shown.push_back({learned.part(site), slope * slope, a, change});
      Sums& here = sums[shown.back().part];
      here.products += slope * slope * a * change, here.squares += slope * slope * a * a;
    }
  }
  for (std::size_t p = 0; p < parts; ++p) learned.factor[p] = sums[p].squares > 0 ? sums[p].products / sums[p].squares : 0;
  for (const Shown& x : shown) {
    const double left = x.weight * x.table * (x.change - learned.factor[x.part] * x.table);
    sums[x.part].left += left * left;
  }
  for (std::size_t p = 0; p < parts; ++p)
    if (double& f = learned.factor[p]; f != 0) f *= std::max(0.0, 1 - sums[p].left / (sums[p].products * sums[p].products));
}

}  // namespace

Plan decided(Plan plan, const Learned* learned) {
  const bool quick = learned && learned->by_changes;
  if (plan.control == Control::usual) plan.control = quick ? Control::table : Control::path;
  if (plan.replays != usual_replays) return plan;
  plan.replays = 4;
  if (!quick) return plan;
  plan.replays = automatic_replays;
  plan.last = learned->last > 0;
  if (plan.choice == SiteChoice::importance) plan.choice = SiteChoice::neyman;
  // With all replays made nothing stands in for any.
  if (learned->last == learned->sites) plan.replays = 0, plan.control = Control::none, plan.choice = SiteChoice::importance;
  return plan;
}

template <class T>
std::shared_ptr<const Learned> learn(Trace<T>& trace, Plan plan, int runs, PilotContext pilot) {
  auto learned = std::make_shared<Learned>();
  if (plan.replays == usual_replays || plan.control == Control::usual) {
    if (!plan.martingale) trace.run(pilot.run(trace, 0), 1);
    learned->by_changes = !plan.martingale && trace.by_changes();
    if (learned->by_changes) {
      learned->last = trace.last_block(true).sites, learned->sites = trace.baseline_plan().forced.size();
      learned->spread = measured_spread(trace, pilot);
      if (plan.replays == usual_replays && learned->spread > 0.25) {
        learned->martingale = ScoreFunctionMartingale{runs}.learn(trace, pilot);
        return learned;
      }
    }
    plan = decided(plan, learned.get());
  }
  const bool table = plan.control == Control::table || plan.martingale;
  const bool residuals = plan.residuals || plan.choice == SiteChoice::neyman;
  const bool replays = plan.replays == automatic_replays;
  if (!table && !residuals && !replays && !learned->by_changes) return nullptr;
  if (table) learned->adjoints.emplace(trace, runs, pilot);
  PilotContext rest = pilot;
  rest.first += static_cast<std::uint64_t>(runs);
  if (table && learned->by_changes) {
    learn_factors(trace, runs, rest, *learned);
    rest.first += static_cast<std::uint64_t>(runs);
  }
  if (residuals) learn_residuals(trace, plan, runs, rest, *learned);
  if (replays) learned->replays = learn_replays(trace, plan, runs, rest, *learned);
  return learned;
}

template std::shared_ptr<const Learned> learn(Trace<float>&, Plan, int, PilotContext);
template std::shared_ptr<const Learned> learn(Trace<double>&, Plan, int, PilotContext);

}  // namespace replay

template <class T>
AdjointTable::AdjointTable(Trace<T>& trace, int runs, const PilotContext& pilot) {
  std::vector<std::vector<double>> sum;
  std::vector<double> visits;
  Eigen::VectorXd gradient = Eigen::VectorXd::Zero(trace.parameters());
  for (int k = 0; k < runs; ++k) {
    trace.record(pilot.run(trace, static_cast<std::uint64_t>(k)), Outcomes::variables);
    trace.open(StraightThroughEdge{});
    trace.begin_sweep();
    trace.seed_cost(1);
    trace.sweep(gradient);
    if (sum.size() < trace.sites()) sum.resize(trace.sites()), visits.resize(trace.sites(), 0.0);
    for (std::size_t i = 0; i < trace.sites(); ++i) {
      const Site& s = trace.site(i);
      const std::size_t outputs = s.law->one_hot ? s.count : 1;
      if (sum[i].size() < outputs) sum[i].resize(outputs, 0.0);
      for (std::size_t j = 0; j < outputs; ++j) sum[i][j] += static_cast<double>(trace.outcome_adjoint(i, j));
      visits[i] += 1;
    }
  }
  first_.push_back(0);
  for (std::size_t i = 0; i < sum.size(); ++i) {
    for (const double a : sum[i]) mean_.push_back(std::isfinite(a) ? a / visits[i] : 0.0);
    first_.push_back(mean_.size());
  }
}

template <class T>
double residual_moment(Trace<T>& trace, int runs, const PilotContext& pilot) {
  const replay::Plan plan{"", 8, SiteChoice::uniform, Flow::independent, Control::path};
  GradientDraw out;
  double moment = 0;
  for (int k = 0; k < runs; ++k) {
    out.gradient.setZero(trace.parameters());
    const auto run = static_cast<std::uint64_t>(k);
    replay::draw(trace, plan, nullptr, pilot.run(trace, run), pilot.choices(run), out, [&](const replay::Chosen& c) {
      const Alternative& y = c.alternative;
      const Site& s = trace.site(y.site);
      if (s.count != 1 || s.law->support(s.plain).upper != 1) return;
      double residual = 0, slope = 0;
      for (const Weight& w : c.weights) residual += w.value;
      s.law->pmf_derivative(s.plain, 1, std::span<double>(&slope, 1));
      if (slope == 0) return;
      residual /= slope;  // of the probability, whatever the parameter of the coin is
      moment += s.pmf(0) * s.pmf(1) * residual * residual / c.probability;
    });
  }
  return moment / runs;
}

template AdjointTable::AdjointTable(Trace<float>&, int, const PilotContext&);
template double residual_moment(Trace<float>&, int, const PilotContext&);
template AdjointTable::AdjointTable(Trace<double>&, int, const PilotContext&);
template double residual_moment(Trace<double>&, int, const PilotContext&);

}  // namespace stoat::detail
