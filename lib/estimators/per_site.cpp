#include <stoat/estimators/per_site.hpp>

#include <vector>

#include <stoat/estimators/smoothed.hpp>

#include "sites.hpp"

namespace stoat {

std::string PerSite::name() const {
  const char* const method = otherwise == Method::replay      ? "replay"
                             : otherwise == Method::surrogate ? "surrogate"
                                                              : "score function";
  return "PerSite(" + std::string(method) + ", " + (replays == 0 ? "all" : std::to_string(replays)) +
         (unbiased ? ")" : ", surrogates)");
}

template <class T>
void PerSite::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  if (replays < 0) throw InvalidArgument("PerSite: " + outside("replays", replays, "[0, infinity)"));
  const auto method = [this](const Site& s) {
    if (s.method != Method::unspecified) return s.method;
    return otherwise == Method::unspecified ? Method::score_function : otherwise;
  };
  static thread_local Alternatives alternatives;
  static thread_local std::vector<double> size, probability;
  static thread_local std::vector<std::pair<std::size_t, double>> changes;
  Generator choices = context.choices();
  const double f = out.value = static_cast<double>(trace.run(context.key()));
  trace.record(Outcomes::variables);
  alternatives.clear();
  for (std::size_t i = 0; i < trace.sites(); ++i) {
    const Site& s = trace.site(i);
    if (s.count == 0) continue;
    if (method(s) == Method::replay) trace.alternatives(i, Flow::independent, alternatives);
    if (method(s) == Method::surrogate && unbiased)
      throw Refusal("PerSite: site " + std::to_string(i) + " (" + std::string(s.law->name) +
                    ") is marked as a surrogate, which is biased; PerSite(method, replays, true) allows it");
    if (method(s) == Method::score_function) detail::refuse_boundary(trace, i, s, "PerSite");
  }
  const auto open = [&] { trace.open(StraightThroughEdge{}, [&](const Site& s) { return method(s) == Method::surrogate; }); };
  open();
  changes.clear();
  if (!alternatives.list.empty()) {
    detail::sweep_tangents(trace, choices);
    size.clear();
    for (const Alternative& y : alternatives.list) size.push_back(trace.importance(y.site, alternatives.of(y)));
    detail::inclusion_probabilities(size, replays, trace.parameters() > 4 ? 0.1 : 0.0, probability);
    detail::systematic_sample(probability, choices.uniform(), [&](std::size_t a) {
      changes.emplace_back(a, detail::change(trace, alternatives, alternatives.list[a]) / probability[a]);
    });
    open();  // the test of impossible alternatives cuts
  }
  trace.begin_sweep();
  trace.seed_cost(1);
  detail::seed_scores(trace,
                      [&](std::size_t i) { return method(trace.site(i)) == Method::score_function ? f - context.mean_cost : 0.0; });
  for (const auto& [a, delta] : changes) {
    const Alternative& y = alternatives.list[a];
    for (const Weight& weight : alternatives.of(y)) trace.seed(y.site, weight.parameter, static_cast<T>(weight.value * delta));
  }
  trace.sweep(out.gradient);
}

template void PerSite::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void PerSite::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

}  // namespace stoat
