#include <stoat/estimators/replay.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <iomanip>
#include <optional>
#include <sstream>

#include <stoat/estimators/score_function.hpp>
#include <stoat/estimators/smoothed.hpp>

#include "sites.hpp"

namespace stoat {
namespace detail {

void inclusion_probabilities(std::span<const double> size, double count, double defence, std::vector<double>& out) {
  out.assign(size.size(), 0.0);
  double total = 0, live = 0;
  for (const double s : size)
    if (s > 0) total += s, ++live;
  if (count <= 0 || count >= live || !std::isfinite(total)) {
    const double p = count <= 0 || count >= live ? 1.0 : count / live;
    for (std::size_t i = 0; i < size.size(); ++i) out[i] = size[i] > 0 || std::isnan(size[i]) ? p : 0.0;
    return;
  }
  for (std::size_t i = 0; i < size.size(); ++i)
    if (size[i] > 0) out[i] = (1 - defence) * size[i] / total + defence / live;
  // Scale to the wanted count; entries that would exceed 1 become certain and leave their surplus to the others.
  double wanted = count;
  for (;;) {
    double rest = 0;
    for (const double p : out)
      if (p < 1) rest += p;
    if (rest <= 0) break;
    const double scale = wanted / rest;
    bool capped = false;
    for (double& p : out)
      if (p > 0 && p < 1 && p * scale >= 1) p = 1, wanted -= 1, capped = true;
    if (capped) continue;
    for (double& p : out)
      if (p < 1) p *= scale;
    break;
  }
}

}  // namespace detail

namespace {

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

/// Scratch of one thread: what a sample needs, reused.
struct Workspace {
  Alternatives alternatives;
  std::vector<double> size;         // |w d_c p| of each alternative
  std::vector<double> preference;   // what the choice is proportional to
  std::vector<double> probability;  // of being chosen
  std::vector<double> share;        // of the site's control that an alternative answers for
  std::vector<double> predicted;    // change of the cost that the control predicts, for one-hot draws
  std::vector<double> control;      // s, by parameter of each site
  std::vector<std::size_t> first;   // of a site in `control`
  std::vector<std::size_t> others;  // sites that do not have a label
  std::size_t first_of(std::size_t site) const { return site < first.size() ? first[site] : 0; }  // 0: all its s are 0
  void clear_alternatives() { alternatives.clear(), size.clear(), share.clear(), predicted.clear(); }
  struct Change {
    std::size_t alternative;
    double delta, cost;  // cost: of the replay in runs, 0 if there was none
  };
  std::vector<Change> changes;
  std::vector<Weight> weights;
};

/// The changes of the cost that the sites of the last block make, if they come all at once.
template <class T>
struct LastBlock {
  std::size_t first = 0;
  std::vector<T> changes;
  void find(Trace<T>& trace, const Plan& plan) {
    changes.clear();
    if (!plan.last) return;
    const auto block = trace.last_block(true);
    first = block.first;
    changes.resize(block.sites);
    if (block.sites > 0) trace.changes_of_last(changes);
  }
  bool has(std::size_t site) const { return site - first < changes.size(); }
};

/// The control of every parameter of every site, and, with Control::path, the surrogate gradient itself.
template <class T>
void find_controls(Trace<T>& trace, const Plan& plan, const Learned* learned, Workspace& w, Eigen::VectorXd& gradient) {
  w.first.clear();
  if (plan.control == Control::none && !plan.residuals) return;
  std::uint32_t most = 0;
  for (std::size_t i = 0; i < trace.sites(); ++i) most = std::max(most, trace.site(i).count);
  w.control.assign(most, 0.0);  // for all sites that have none
  w.first.assign(trace.sites(), 0);
  if (plan.control == Control::path) {
    trace.open(StraightThroughEdge{});
    trace.begin_sweep();
    trace.seed_cost(1);
    trace.sweep(gradient);
  }
  for (std::size_t i = 0; i < trace.sites(); ++i) {
    const Site& s = trace.site(i);
    if (s.node == 0 && plan.control == Control::path && !plan.residuals) continue;  // no edge
    w.first[i] = w.control.size();
    w.control.resize(w.control.size() + s.count, 0.0);
    const std::span<double> out(w.control.data() + w.first[i], s.count);
    if (plan.control == Control::path) {
      for (std::uint32_t j = 0; j < s.count; ++j) out[j] = static_cast<double>(trace.edge_adjoint(i, j));
    } else if (plan.control == Control::table && s.count > 0) {
      if (s.law->one_hot) {
        for (std::uint32_t j = 0; j < s.count; ++j) out[j] = (*learned->adjoints)(i, j);
      } else if (const double a = (*learned->adjoints)(i); a != 0 && s.law->mean_derivative) {
        s.law->mean_derivative(s.plain, out);
        for (double& x : out) x *= learned->factor_of(i) * a;
      }
    }
    if (learned && plan.residuals && s.count == 1) out[0] += learned->residual_of(s, i);
  }
  trace.cut();
}

/// Lists alternatives of the sites first, ..., end - 1, which repeat one law of labels and have no control: for each label y one
/// that stands for all sites with another label, so many that it weighs more by. It is of one of them, drawn alike.
template <class T>
void list_repeated(const Trace<T>& trace, std::size_t first, std::size_t end, Generator& choices, Workspace& w) {
  const std::uint32_t labels = trace.site(first).count;
  w.others.assign(labels, end - first);
  for (std::size_t i = first; i < end; ++i) --w.others[static_cast<std::size_t>(trace.site(i).outcome)];
  for (std::uint32_t y = 0; y < labels; ++y) {
    if (w.others[y] == 0) continue;
    std::size_t site = first;
    do site = first + static_cast<std::size_t>(choices.uniform() * static_cast<double>(end - first));
    while (trace.site(site).outcome == y);
    w.alternatives.list.push_back({site, y, w.alternatives.weights.size(), 1});
    w.alternatives.weights.push_back({y, static_cast<double>(w.others[y])});
    w.size.push_back(trace.importance(site, w.alternatives.of(w.alternatives.list.back())));
    w.share.push_back(0.0);
    w.predicted.push_back(0.0);
  }
}

/// Lists the alternatives of site i, or of all that repeat its law, with what they answer for. Returns the
/// next one, at most `sites`. The residual of a site is shared by its alternatives:
/// sum_y (w_y Delta_y - share_y s). A site whose alternatives all weigh nothing still has its s to be taken back: one alternative
/// without a replay stands for it. A one-hot draw has a control for the cost of every label, so each change has its own
/// prediction: with the independent flow sum_y dP_y (s_y - s_x) = sum_y dP_y s_y, and the residual is w_y (Delta_y - (s_y - s_x)).
template <class T>
std::size_t list_alternatives(Trace<T>& trace, const Plan& plan, std::size_t i, std::size_t sites, Generator& choices,
                              Workspace& w) {
  const Site& site = trace.site(i);
  if (site.count == 0) return i + 1;
  if (site.count > 1 && plan.replays != 0 && (plan.flow == Flow::least_variance || plan.flow == Flow::independent)) {
    std::size_t end = i;
    while (end < sites && trace.site(end).plain == site.plain && w.first_of(end) == 0) ++end;
    if (end > i + 1) {
      list_repeated(trace, i, end, choices, w);
      return end;
    }
  }
  const std::size_t begin = w.alternatives.list.size();
  const bool predicted = site.law->one_hot && plan.control != Control::none;
  trace.alternatives(i, predicted ? Flow::independent : plan.flow, w.alternatives);
  double total = 0;
  for (std::size_t a = begin; a < w.alternatives.list.size(); ++a) {
    const Alternative& y = w.alternatives.list[a];
    w.size.push_back(trace.importance(y.site, w.alternatives.of(y)));
    total += w.size.back();
  }
  const std::span<const double> s = std::span<const double>(w.control).subspan(w.first_of(i));
  for (std::size_t a = begin; a < w.alternatives.list.size(); ++a) {
    const auto y = static_cast<std::size_t>(w.alternatives.list[a].outcome);
    w.share.push_back(total > 0 && !predicted ? w.size[a] / total : 0.0);
    w.predicted.push_back(predicted ? s[y] - s[static_cast<std::size_t>(site.outcome)] : 0.0);
  }
  if (total > 0 || predicted || w.first_of(i) == 0) return i + 1;
  const Alternative none{i, site.outcome, w.alternatives.weights.size(), site.count};
  const auto own = s.first(none.count);
  if (std::all_of(own.begin(), own.end(), [](double x) { return x == 0; })) return i + 1;
  for (std::uint32_t j = 0; j < none.count; ++j) w.alternatives.weights.push_back({j, s[j]});
  w.size.push_back(trace.importance(i, w.alternatives.of(none)));
  // It stands for -s alone: its own weights are 0.
  for (std::size_t j = 0; j < none.count; ++j) w.alternatives.weights[none.first + j].value = 0;
  w.alternatives.list.push_back(none);
  w.share.push_back(1.0);
  w.predicted.push_back(0.0);
  return i + 1;
}

/// What the choice of an alternative of this size is proportional to.
double preference(const Plan& plan, const Learned* learned, std::size_t site, std::size_t sites, double size) {
  if (!(size > 0)) return size;
  if (plan.choice == SiteChoice::uniform) return 1;
  if (plan.choice == SiteChoice::importance || !learned) return size;
  // What a sample costs besides replays is not saved by cheap ones: half of a run is added.
  return size * learned->scale_of(site) / std::sqrt(0.5 + learned->cost_of(site, sites));
}
/// How many are to be chosen; 0: all.
double wanted(const Plan& plan, const Learned* learned) {
  return plan.replays == automatic_replays ? learned->replays : plan.replays;
}
/// The share of the choice that is spread evenly: nothing if the importances are certain.
template <class T>
double defence(const Trace<T>& trace, const Plan& plan) {
  return trace.parameters() <= 4 && plan.choice != SiteChoice::neyman ? 0.0 : 0.1;
}

/// How likely each alternative is to be chosen. One whose weight times d_c p is 0 contributes exactly 0 and is never replayed.
template <class T>
void choose_probabilities(const Trace<T>& trace, const Plan& plan, const Learned* learned, const LastBlock<T>& last, Workspace& w) {
  w.preference = w.size;
  for (std::size_t a = 0; a < w.size.size() && !last.changes.empty(); ++a)
    if (last.has(w.alternatives.list[a].site)) w.preference[a] = 0;
  for (std::size_t a = 0; a < w.size.size(); ++a)
    w.preference[a] = preference(plan, learned, w.alternatives.list[a].site, trace.sites(), w.preference[a]);
  detail::inclusion_probabilities(w.preference, wanted(plan, learned), defence(trace, plan), w.probability);
  for (std::size_t a = 0; a < w.size.size() && !last.changes.empty(); ++a)
    if (last.has(w.alternatives.list[a].site)) w.probability[a] = w.size[a] > 0 || std::isnan(w.size[a]) ? 1 : 0;
}

/// The change of the cost that later flips of coins explain; see DebiasedSurrogate::martingale.
template <class T>
double explained(const Trace<T>& trace, std::size_t site, const detail::AdjointTable& adjoint) {
  const auto chances = trace.replayed_chances();
  const auto outcomes = trace.replayed();
  double sum = 0;
  for (std::size_t t = site + 1; t < outcomes.size(); ++t)
    if (const double a = adjoint(t); a != 0) sum += a * (static_cast<double>(outcomes[t] == 1) - chances[t]);
  for (std::size_t t = site + 1; t < trace.sites(); ++t)
    if (const double a = adjoint(t); a != 0) sum -= a * (static_cast<double>(trace.site(t).outcome == 1) - trace.site(t).pmf(1));
  return sum;
}

/// The change of the cost under an alternative, and the cost of its replay.
template <class T>
std::pair<double, double> change(Trace<T>& trace, const Plan& plan, const Learned* learned, const LastBlock<T>& last,
                                 const Alternatives& a, const Alternative& y) {
  if (y.outcome == trace.site(y.site).outcome || !detail::can_happen(trace, a, y)) return {0.0, 0.0};
  if (last.has(y.site)) return {static_cast<double>(last.changes[y.site - last.first]), 0.0};
  double delta = static_cast<double>(trace.change(y.site, y.outcome, plan.martingale));
  if (plan.martingale) delta -= explained(trace, y.site, *learned->adjoints);
  return {delta, trace.replay_cost()};
}

/// What learning sees of a chosen alternative.
struct Chosen {
  const Alternative& alternative;
  double probability;  ///< of being chosen
  double size;         ///< |w d_c p|
  double cost;         ///< of its replay, in runs; 0 if none was made
  double residual;     ///< |(w Delta - s) d_c p|
  std::span<const Weight> weights;
};

Workspace& workspace() {
  static thread_local Workspace w;
  return w;
}

/// Chooses alternatives while they come by and keeps no others. There are some places; each gets one of all, alike or in proportion
/// to the preferences. A place that was taken at the total S is taken again at S / u, u uniform: at a total T it is the same one
/// with probability S / T.
class PassingChoice {
 public:
  struct Place {
    Alternative alternative;
    std::vector<Weight> weights;
    double size, preference;
  };
  PassingChoice(std::size_t places, double evenly, Generator& choices) : places_(places), evenly_(evenly), choices_(&choices) {}

  void offer(const Alternative& y, std::span<const Weight> weights, double size, double preference) {
    if (!(preference > 0)) return;
    total_ += preference, ++count_;
    for (Both& p : places_) {
      take(p[0], total_, y, weights, size, preference);
      take(p[1], count_, y, weights, size, preference);
    }
  }
  /// visit(place, q) for each, if there was any alternative; q is the probability of what is in it.
  template <class Visit>
  void visit(const Visit& visit) {
    const double evenly = std::isfinite(total_) ? evenly_ : 1;  // one that counts as infinite: all count alike
    if (count_ == 0) return;
    for (const Both& p : places_) {
      const Place& place = choices_->uniform() < evenly ? p[1].place : p[0].place;
      visit(place, (evenly < 1 ? (1 - evenly) * place.preference / total_ : 0) + evenly / count_);
    }
  }

 private:
  struct Candidate {
    Place place{};
    double next = 0;  ///< total at which it gives way
  };
  using Both = std::array<Candidate, 2>;
  void take(Candidate& c, double total, const Alternative& y, std::span<const Weight> weights, double size, double preference) {
    if (!(total > c.next)) return;
    c.next = total / (1 - choices_->uniform());
    c.place.alternative = y, c.place.size = size, c.place.preference = preference;
    c.place.weights.assign(weights.begin(), weights.end());
  }

  std::vector<Both> places_;
  double evenly_;
  Generator* choices_;
  double total_ = 0, count_ = 0;
};

/// One gradient draw with the loops recorded in segments. An alternative is at hand only while its segment is recorded: for the
/// first time when the sweep is still to come, and with it the choice. All alternatives, if none is to be left out, are kept.
template <class T, class Observe>
void draw_in_segments(Trace<T>& trace, const Plan& plan, const Learned* learned, const RunKey& key, Generator choices,
                      GradientDraw& out, const Observe& observe) {
  struct Term {
    Alternative alternative;
    std::vector<Weight> weights;
    double size, probability, delta, cost;
  };
  Workspace& w = workspace();
  std::vector<Term> terms;
  out.value = static_cast<double>(trace.run(key, plan.replays == 1 ? 1 : 2));
  const std::size_t sites = trace.baseline_plan().forced.size();
  const double count = wanted(plan, learned);
  const double places = count > 0 && choices.uniform() >= std::ceil(count) - count ? std::ceil(count) : std::floor(count);
  PassingChoice choice(static_cast<std::size_t>(places), defence(trace, plan), choices);
  w.control.clear(), w.first.clear();
  trace.record_in_segments(Outcomes::constants, detail::tangent_directions(trace, choices),
                           [&](std::size_t first, std::size_t end) {
                             for (std::size_t i = first; i < end;) {
                               w.clear_alternatives();
                               i = list_alternatives(trace, plan, i, end, choices, w);
                               for (std::size_t a = 0; a < w.size.size(); ++a) {
                                 const Alternative& y = w.alternatives.list[a];
                                 const auto weights = w.alternatives.of(y);
                                 if (count > 0)
                                   choice.offer(y, weights, w.size[a], preference(plan, learned, y.site, sites, w.size[a]));
                                 else if (w.size[a] > 0) terms.push_back({y, {weights.begin(), weights.end()}, w.size[a], 1, 0, 0});
                               }
                             }
                           });
  choice.visit([&](const PassingChoice::Place& p, double q) {
    terms.push_back({p.alternative, p.weights, p.size, count * q, 0, 0});
  });
  std::sort(terms.begin(), terms.end(), [](const Term& a, const Term& b) { return a.alternative.site < b.alternative.site; });
  for (Term& t : terms) {
    t.delta = static_cast<double>(trace.change(t.alternative.site, t.alternative.outcome));
    t.cost = trace.replay_cost();
    observe(Chosen{t.alternative, t.probability, t.size, t.cost, std::abs(t.delta) * t.size, t.weights});
  }
  trace.begin_sweep();
  trace.seed_cost(1);
  trace.visit_sites([&trace, &terms](std::size_t first, std::size_t end) {
    auto t = std::partition_point(terms.begin(), terms.end(), [&](const Term& x) { return x.alternative.site < first; });
    for (; t != terms.end() && t->alternative.site < end; ++t)
      for (const Weight& weight : t->weights)
        trace.seed(t->alternative.site, weight.parameter, static_cast<T>(weight.value * t->delta / t->probability));
  });
  trace.sweep(out.gradient);
}

/// One gradient draw; `observe` is shown every chosen alternative.
template <class T, class Observe>
void draw(Trace<T>& trace, const Plan& plan, const Learned* learned, const RunKey& key, Generator choices, GradientDraw& out,
          const Observe& observe) {
  if (trace.segments() && plan.control == Control::none && !plan.martingale)
    return draw_in_segments(trace, plan, learned, key, choices, out, observe);
  Workspace& w = workspace();
  static thread_local LastBlock<T> last;
  // With the martingale more is kept than states: by the first replay.
  out.value = static_cast<double>(trace.run(key, plan.martingale ? 0 : plan.replays == 1 ? 1 : 2));
  trace.record(plan.control == Control::path ? Outcomes::variables : Outcomes::constants);
  find_controls(trace, plan, learned, w, out.gradient);
  detail::sweep_tangents(trace, choices);
  w.clear_alternatives();
  for (std::size_t i = 0; i < trace.sites();) i = list_alternatives(trace, plan, i, trace.sites(), choices, w);
  last.find(trace, plan);
  choose_probabilities(trace, plan, learned, last, w);

  // Replays first: a test of an impossible alternative uses the adjoints.
  w.changes.clear();
  detail::systematic_sample(w.probability, choices.uniform(), [&](std::size_t a) {
    const auto [delta, cost] = change(trace, plan, learned, last, w.alternatives, w.alternatives.list[a]);
    w.changes.push_back({a, delta, cost});
  });
  // With a control from the path the first sweep had the cost and the control of every site in it, but for the table's part.
  trace.begin_sweep();
  if (plan.control != Control::path) trace.seed_cost(1);
  for (std::size_t i = 0; i < trace.sites() && (plan.control == Control::table || plan.residuals); ++i) {
    const Site& s = trace.site(i);
    if (plan.control != Control::path) {
      for (std::uint32_t j = 0; j < s.count; ++j)
        if (const double a = w.control[w.first[i] + j]; a != 0) trace.seed(i, j, static_cast<T>(a));
    } else if (learned && s.count == 1) {
      trace.seed(i, 0, static_cast<T>(learned->residual_of(s, i)));
    }
  }
  for (const auto& [a, delta, cost] : w.changes) {
    const Alternative& y = w.alternatives.list[a];
    w.weights.clear();
    for (const Weight& weight : w.alternatives.of(y))
      w.weights.push_back({weight.parameter, weight.value * (delta - w.predicted[a])});
    if (w.share[a] > 0 && w.first_of(y.site) > 0)
      for (std::uint32_t j = 0; j < trace.site(y.site).count; ++j)
        if (const double s = w.control[w.first[y.site] + j]; s != 0) w.weights.push_back({j, -w.share[a] * s});
    if (!last.has(y.site)) observe(Chosen{y, w.probability[a], w.size[a], cost, trace.importance(y.site, w.weights), w.weights});
    for (const Weight& weight : w.weights)
      if (weight.value != 0) trace.seed(y.site, weight.parameter, static_cast<T>(weight.value / w.probability[a]));
  }
  trace.sweep(out.gradient);
}

// ---- learning ---------------------------------------------------------------------------------------------------------

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

/// What is left to the pilot, decided.
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
std::shared_ptr<const Learned> learn_plan(Trace<T>& trace, Plan plan, int runs, PilotContext pilot) {
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

std::string described(const Plan& plan) {
  std::string text = std::string(plan.name) + "(" +
                     (plan.replays == automatic_replays ? "auto"
                      : plan.replays == usual_replays   ? "4 or by pilot"
                      : plan.replays == 0               ? "all"
                                                        : std::to_string(plan.replays));
  if (plan.control == Control::table) text += ", table";
  if (plan.choice == SiteChoice::uniform) text += ", uniform";
  if (plan.choice == SiteChoice::neyman) text += ", Neyman";
  if (plan.residuals) text += ", residuals";
  if (plan.martingale) text += ", martingale";
  return text + ")";
}

void check(const Plan& plan, int pilot) {
  const auto fail = [&](const std::string& why) { throw InvalidArgument(plan.name + (": " + why)); };
  if (plan.replays < automatic_replays && !(plan.replays == usual_replays && plan.usual))
    fail(outside("replays", plan.replays, "[-1, infinity)"));
  if (pilot < 2 || pilot > 200'000) fail(outside("pilot", pilot, "[2, 200000]"));
}

Plan plan_of(const StochasticDerivative& e) { return {"StochasticDerivative", e.replays, e.choice, e.flow}; }
Plan plan_of(const DebiasedSurrogate& e) {
  return {"DebiasedSurrogate", e.replays, e.choice, e.flow, e.control, e.residuals, e.martingale, true};
}

}  // namespace

template <class T>
detail::AdjointTable::AdjointTable(Trace<T>& trace, int runs, const PilotContext& pilot) {
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
double detail::residual_moment(Trace<T>& trace, int runs, const PilotContext& pilot) {
  const Plan plan{"", 8, SiteChoice::uniform, Flow::independent, Control::path};
  GradientDraw out;
  double moment = 0;
  for (int k = 0; k < runs; ++k) {
    out.gradient.setZero(trace.parameters());
    const auto run = static_cast<std::uint64_t>(k);
    draw(trace, plan, nullptr, pilot.run(trace, run), pilot.choices(run), out, [&](const Chosen& c) {
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

std::string StochasticDerivative::name() const { return described(plan_of(*this)); }
std::string DebiasedSurrogate::name() const { return described(plan_of(*this)); }

template <class T>
std::shared_ptr<const void> StochasticDerivative::learn(Trace<T>& trace, const PilotContext& context) const {
  const Plan plan = plan_of(*this);
  check(plan, pilot);
  return learn_plan(trace, plan, pilot, context);
}

template <class T>
void StochasticDerivative::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  const Plan plan = plan_of(*this);
  check(plan, pilot);
  draw(trace, plan, static_cast<const Learned*>(context.learned), context.key(), context.choices(), out, [](const Chosen&) {});
}

template <class T>
std::shared_ptr<const void> DebiasedSurrogate::learn(Trace<T>& trace, const PilotContext& context) const {
  const Plan plan = plan_of(*this);
  check(plan, pilot);
  return learn_plan(trace, plan, pilot, context);
}

template <class T>
void DebiasedSurrogate::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  Plan plan = plan_of(*this);
  check(plan, pilot);
  const auto* const learned = static_cast<const Learned*>(context.learned);
  if (learned && learned->martingale) {
    SampleContext here = context;
    here.learned = learned->martingale.get();
    ScoreFunctionMartingale{pilot}.sample(trace, here, out);
    return;
  }
  plan = decided(plan, learned);
  draw(trace, plan, learned, context.key(), context.choices(), out, [](const Chosen&) {});
}

std::string DebiasedSurrogate::note(const void* what) const {
  const auto& learned = *static_cast<const Learned*>(what);
  if (!learned.by_changes || replays != usual_replays) return {};
  std::ostringstream text;
  text << std::setprecision(3);
  if (learned.martingale) {
    text << "a change spreads over " << std::round(100 * learned.spread)
         << " % of the spikes that follow: ScoreFunctionMartingale in place of replays";
  } else {
    text << "replays by what they change";
    if (learned.last > 0) text << ": all " << learned.last << " of the last block";
    if (learned.last < learned.sites) {
      text << (learned.last > 0 ? ", " : ": ");
      if (learned.replays < static_cast<double>(learned.sites - learned.last)) text << "about " << std::round(learned.replays);
      else text << "all";
      text << (learned.last > 0 ? " of the others" : " of them");
    }
  }
  return text.str();
}

template detail::AdjointTable::AdjointTable(Trace<float>&, int, const PilotContext&);
template double detail::residual_moment(Trace<float>&, int, const PilotContext&);
template std::shared_ptr<const void> StochasticDerivative::learn(Trace<float>&, const PilotContext&) const;
template void StochasticDerivative::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template std::shared_ptr<const void> DebiasedSurrogate::learn(Trace<float>&, const PilotContext&) const;
template void DebiasedSurrogate::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template detail::AdjointTable::AdjointTable(Trace<double>&, int, const PilotContext&);
template double detail::residual_moment(Trace<double>&, int, const PilotContext&);
template std::shared_ptr<const void> StochasticDerivative::learn(Trace<double>&, const PilotContext&) const;
template void StochasticDerivative::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;
template std::shared_ptr<const void> DebiasedSurrogate::learn(Trace<double>&, const PilotContext&) const;
template void DebiasedSurrogate::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

}  // namespace stoat
