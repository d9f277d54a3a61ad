#include <stoat/estimators/replay.hpp>

#include <algorithm>
#include <cmath>

#include <stoat/estimators/smoothed.hpp>

#include "site_choice.hpp"

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

/// Scratch of one thread: what a sample of the replay estimators needs, reused.
struct Workspace {
  Alternatives alternatives;
  std::vector<double> size, probability, surrogate;
  std::vector<std::size_t> surrogate_of_site;
};

Workspace& workspace() {
  static thread_local Workspace w;
  return w;
}

/// The change of the cost under an alternative, 0 if it is impossible and cannot become possible.
template <class T>
double change(Trace<T>& trace, const Alternatives& a, const Alternative& y) {
  if (trace.site(y.site).pmf(y.outcome) == 0 && !trace.moves(y.site, a.of(y))) return 0;
  return static_cast<double>(trace.replay(y.site, y.outcome)) - static_cast<double>(trace.cost());
}

void check(const char* name, int replays) {
  if (replays < 0) throw InvalidArgument(std::string(name) + ": " + outside("replays", replays, "[0, infinity)"));
}

}  // namespace

std::string StochasticDerivative::name() const { return detail::with_count("StochasticDerivative", replays); }
std::string DebiasedSurrogate::name() const { return detail::with_count("DebiasedSurrogate", replays); }

template <class T>
void StochasticDerivative::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  check("StochasticDerivative", replays);
  Workspace& w = workspace();
  Generator choices = context.choices();

  out.value = static_cast<double>(trace.run(context.key()));
  trace.record(Outcomes::constants);
  detail::sweep_tangents(trace, choices);
  w.alternatives.clear();
  for (std::size_t i = 0; i < trace.sites(); ++i)
    if (trace.active(i)) trace.alternatives(i, flow, w.alternatives);

  // An alternative whose weight times d_c p is 0 contributes exactly 0 and is never replayed.
  w.size.clear();
  for (const Alternative& y : w.alternatives.list) {
    const double size = trace.importance(y.site, w.alternatives.of(y));
    w.size.push_back(choice == SiteChoice::uniform && size > 0 ? 1.0 : size);
  }
  detail::inclusion_probabilities(w.size, replays, trace.parameters() > 4 ? 0.1 : 0.0, w.probability);

  // Replays first: a test of an impossible alternative uses the adjoints.
  static thread_local std::vector<std::pair<std::size_t, double>> changes;
  changes.clear();
  detail::systematic_sample(w.probability, choices.uniform(), [&](std::size_t i) {
    const double delta = change(trace, w.alternatives, w.alternatives.list[i]);
    if (delta != 0) changes.emplace_back(i, delta / w.probability[i]);
  });
  trace.begin_sweep();
  trace.seed_cost(1);
  for (const auto& [i, delta] : changes) {
    const Alternative& y = w.alternatives.list[i];
    for (const Weight& weight : w.alternatives.of(y)) trace.seed(y.site, weight.parameter, static_cast<T>(weight.value * delta));
  }
  trace.sweep(out.gradient);
}

template <class T>
void DebiasedSurrogate::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  check("DebiasedSurrogate", replays);
  Workspace& w = workspace();
  Generator choices = context.choices();

  out.value = static_cast<double>(trace.run(context.key()));
  trace.record(Outcomes::variables);

  // OPEN sweep: the surrogate gradient, and the surrogate adjoint s_ij = slope_ij * (adjoint of the outcome) of every site.
  trace.open(StraightThroughEdge{});
  trace.begin_sweep();
  trace.seed_cost(1);
  trace.sweep(out.gradient);
  w.surrogate.clear();
  w.surrogate_of_site.assign(trace.sites(), 0);
  for (std::size_t i = 0; i < trace.sites(); ++i) {
    w.surrogate_of_site[i] = w.surrogate.size();
    for (std::uint32_t j = 0; j < trace.site(i).count; ++j) w.surrogate.push_back(static_cast<double>(trace.edge_adjoint(i, j)));
  }
  trace.cut();

  // The residual of a site is shared by its alternatives: sum_y (w_y Delta_y - share_y s). A site whose alternatives all
  // weigh nothing still has its s to be taken back: one alternative without a replay stands for it. A one-hot draw has a
  // surrogate for the cost of every label, so each change has its own prediction: with the independent flow
  // sum_y dP_y (s_y - s_x) = sum_y dP_y s_y, and the residual is w_y (Delta_y - (s_y - s_x)).
  detail::sweep_tangents(trace, choices);
  w.alternatives.clear();
  w.size.clear();
  static thread_local std::vector<double> share, predicted;
  share.clear();
  predicted.clear();
  for (std::size_t i = 0; i < trace.sites(); ++i) {
    if (!trace.active(i)) continue;
    const std::size_t begin = w.alternatives.list.size();
    const bool one_hot = trace.site(i).law->one_hot;
    trace.alternatives(i, one_hot ? Flow::independent : flow, w.alternatives);
    double total = 0;
    for (std::size_t a = begin; a < w.alternatives.list.size(); ++a) {
      const Alternative& y = w.alternatives.list[a];
      w.size.push_back(trace.importance(y.site, w.alternatives.of(y)));
      total += w.size.back();
    }
    const double* const s = w.surrogate.data() + w.surrogate_of_site[i];
    for (std::size_t a = begin; a < w.alternatives.list.size(); ++a) {
      share.push_back(total > 0 && !one_hot ? w.size[a] / total : 0.0);
      predicted.push_back(one_hot ? s[w.alternatives.list[a].outcome] - s[trace.site(i).outcome] : 0.0);
    }
    if (total > 0 || one_hot) continue;
    const Alternative none{i, trace.site(i).outcome, w.alternatives.weights.size(), trace.site(i).count};
    for (std::uint32_t j = 0; j < none.count; ++j) w.alternatives.weights.push_back({j, s[j]});
    const double size = trace.importance(i, w.alternatives.of(none));
    // It stands for -s alone: its own weights are 0.
    for (std::size_t j = 0; j < none.count; ++j) w.alternatives.weights[none.first + j].value = 0;
    w.alternatives.list.push_back(none);
    w.size.push_back(size);
    share.push_back(1.0);
    predicted.push_back(0.0);
  }
  if (choice == SiteChoice::uniform)
    for (double& s : w.size) s = s > 0 ? 1.0 : s;
  detail::inclusion_probabilities(w.size, replays, trace.parameters() > 4 ? 0.1 : 0.0, w.probability);

  static thread_local std::vector<std::pair<std::size_t, double>> changes;
  changes.clear();
  detail::systematic_sample(w.probability, choices.uniform(), [&](std::size_t i) {
    const Alternative& y = w.alternatives.list[i];
    changes.emplace_back(i, y.outcome == trace.site(y.site).outcome ? 0.0 : change(trace, w.alternatives, y));
  });
  // CUT sweep, seeded at the chosen sites only and not at f.
  trace.begin_sweep();
  for (const auto& [i, delta] : changes) {
    const Alternative& y = w.alternatives.list[i];
    for (const Weight& weight : w.alternatives.of(y))
      trace.seed(y.site, weight.parameter, static_cast<T>(weight.value * (delta - predicted[i]) / w.probability[i]));
    if (share[i] == 0) continue;
    for (std::uint32_t j = 0; j < trace.site(y.site).count; ++j)
      trace.seed(y.site, j, static_cast<T>(-share[i] * w.surrogate[w.surrogate_of_site[y.site] + j] / w.probability[i]));
  }
  trace.sweep(out.gradient);
}

template void StochasticDerivative::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void StochasticDerivative::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;
template void DebiasedSurrogate::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void DebiasedSurrogate::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

}  // namespace stoat
