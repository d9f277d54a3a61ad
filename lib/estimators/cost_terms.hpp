// cost_terms.hpp: estimators whose site adjoints are linear in the costs of a few outcomes of the site.
//
//   start(trace, context, choices, out);              // run, record, tangents
//   terms.group(i), terms.term(i, y), terms.put(j, w) // adjoint of parameter j of site i: sum over terms of w f(y)
//   finish(trace, terms, count, choices, out);        // choose groups, replay, seed, sweep
#pragma once

#include <utility>
#include <vector>

#include <stoat/estimators/replay.hpp>

#include "sites.hpp"

namespace stoat::detail {

/// Terms, in groups that are of one site and are taken or left together.
class CostTerms {
 public:
  struct Group {
    std::size_t first, count;
  };
  void clear() { all_.clear(), groups_.clear(); }
  void group() { groups_.push_back({all_.list.size(), 0}); }
  void term(std::size_t site, std::int64_t outcome) {
    all_.list.push_back({site, outcome, all_.weights.size(), 0});
    ++groups_.back().count;
  }
  void put(std::uint32_t parameter, double weight) {
    if (weight == 0) return;
    all_.weights.push_back({parameter, weight});
    ++all_.list.back().count;
  }
  const std::vector<Group>& groups() const { return groups_; }
  std::span<const Alternative> of(const Group& g) const { return std::span(all_.list).subspan(g.first, g.count); }
  std::span<const Weight> of(const Alternative& t) const { return all_.of(t); }

 private:
  Alternatives all_;
  std::vector<Group> groups_;
};

/// The run, its recording and d_c of the parameters of its sites.
template <class T>
void start(Trace<T>& trace, const SampleContext& context, Generator& choices, GradientDraw& out) {
  out.value = static_cast<double>(trace.run(context.key()));
  trace.record(Outcomes::constants);
  sweep_tangents(trace, choices);
}

/// The costs of outcomes of one site after the other, each replayed once.
template <class T>
class SiteCosts {
 public:
  explicit SiteCosts(Trace<T>& trace) : trace_(&trace) {}
  double operator()(std::size_t site, std::int64_t outcome) {
    if (site != site_) {
      site_ = site;
      known_.assign(1, {trace_->site(site).outcome, static_cast<double>(trace_->cost())});
    }
    for (const auto& [y, f] : known_)
      if (y == outcome) return f;
    known_.emplace_back(outcome, static_cast<double>(trace_->replay(site, outcome)));
    return known_.back().second;
  }

 private:
  Trace<T>* trace_;
  std::size_t site_ = no_site;
  std::vector<std::pair<std::int64_t, double>> known_;
};

/// Chooses about `count` groups (0: all) in proportion to what they may move, and adds the gradient that they give.
template <class T>
void finish(Trace<T>& trace, const CostTerms& terms, int count, Generator& choices, GradientDraw& out) {
  static thread_local std::vector<double> size, probability;
  static thread_local std::vector<std::pair<const Alternative*, double>> costs;
  size.clear();
  for (const CostTerms::Group& g : terms.groups()) {
    size.push_back(0);
    for (const Alternative& t : terms.of(g)) size.back() += trace.importance(t.site, terms.of(t));
  }
  inclusion_probabilities(size, count, trace.parameters() > 4 ? 0.1 : 0.0, probability);
  // Replays first: a test of an impossible outcome uses the adjoints.
  costs.clear();
  SiteCosts<T> cost(trace);
  systematic_sample(probability, choices.uniform(), [&](std::size_t i) {
    const auto group = terms.of(terms.groups()[i]);
    for (const Alternative& t : group)
      if (trace.site(t.site).pmf(t.outcome) == 0 && !trace.moves(t.site, terms.of(t))) return;
    for (const Alternative& t : group) costs.emplace_back(&t, cost(t.site, t.outcome) / probability[i]);
  });
  trace.begin_sweep();
  trace.seed_cost(1);
  for (const auto& [t, f] : costs)
    for (const Weight& w : terms.of(*t)) trace.seed(t->site, w.parameter, static_cast<T>(w.value * f));
  trace.sweep(out.gradient);
}

}  // namespace stoat::detail
