// One gradient draw by replays: alternatives are listed, some are chosen, each chosen one is replayed, and one sweep adds them up.
#include <algorithm>
#include <array>
#include <cmath>

#include <stoat/estimators/smoothed.hpp>

#include "replay_plan.hpp"

namespace stoat::detail {

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

namespace replay {
namespace {

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
template <class T>
void draw_in_segments(Trace<T>& trace, const Plan& plan, const Learned* learned, const RunKey& key, Generator choices,
                      GradientDraw& out, const std::function<void(const Chosen&)>& observe) {
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

}  // namespace

template <class T>
void draw(Trace<T>& trace, const Plan& plan, const Learned* learned, const RunKey& key, Generator choices, GradientDraw& out,
          const std::function<void(const Chosen&)>& observe) {
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

template void draw(Trace<float>&, const Plan&, const Learned*, const RunKey&, Generator, GradientDraw&,
                   const std::function<void(const Chosen&)>&);
template void draw(Trace<double>&, const Plan&, const Learned*, const RunKey&, Generator, GradientDraw&,
                   const std::function<void(const Chosen&)>&);

}  // namespace replay
}  // namespace stoat::detail
