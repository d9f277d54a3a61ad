#include <stoat/estimators/muprop.hpp>

#include "sites.hpp"

namespace stoat {

template <class T>
void MuProp::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  static thread_local std::vector<double> slopes, score;
  static thread_local std::vector<std::size_t> first;  // where the slopes of a site begin, and where the last ones end
  static thread_local Eigen::VectorXd unused;

  // The mean field, on the continuous noise of the run.
  const double at_means = static_cast<double>(trace.record(context.key(), Outcomes::means));
  trace.begin_sweep();
  trace.seed_cost(1);
  unused.setZero(out.gradient.size());
  trace.sweep(unused);
  slopes.clear();
  first.assign(1, 0);
  for (std::size_t i = 0; i < trace.sites(); ++i) {
    for (const T a : trace.mean_adjoints(i)) slopes.push_back(static_cast<double>(a));
    first.push_back(slopes.size());
  }

  out.value = static_cast<double>(trace.record(context.key(), Outcomes::constants));
  detail::refuse_boundaries(trace, "MuProp");
  trace.begin_sweep();
  trace.seed_cost(1);
  // A branch on a continuous value may give the run other sites than the mean field: any slopes that do not depend on the outcomes
  // are sound, 0 where there are none.
  double residual = out.value - at_means;
  for (std::size_t i = 0; i < std::min(trace.sites(), first.size() - 1); ++i) {
    const Site& s = trace.site(i);
    const std::span<const double> slope = std::span(slopes).subspan(first[i], first[i + 1] - first[i]);
    if (slope.empty()) continue;
    if (s.law->one_hot) {
      if (static_cast<std::int64_t>(slope.size()) != s.law->support(s.plain).upper + 1) continue;
      residual -= slope[static_cast<std::size_t>(s.outcome)];
      for (std::uint32_t j = 0; j < slope.size(); ++j) {
        residual += slope[j] * s.pmf(j);
        if (s.count > 0) trace.seed(i, j, static_cast<T>(slope[j]));
      }
      continue;
    }
    if (!s.law->mean || !s.law->mean_derivative)
      throw Refusal("MuProp: " + std::string(s.law->name) + " offers no mean() with a mean_derivative() (site " +
                    std::to_string(i) + ")");
    residual -= slope[0] * (static_cast<double>(s.outcome) - s.law->mean(s.plain));
    if (s.count == 0) continue;
    score.resize(s.count);
    detail::mean_derivative(s, score);
    for (std::uint32_t j = 0; j < s.count; ++j) trace.seed(i, j, static_cast<T>(slope[0] * score[j]));
  }
  detail::seed_scores(trace, [residual](std::size_t) { return residual; });
  trace.sweep(out.gradient);
}

template void MuProp::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void MuProp::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

}  // namespace stoat
