#include <stoat/estimators/score_function.hpp>

#include <vector>

#include "scores.hpp"

namespace stoat {

template <class T>
void ScoreFunction::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  static thread_local std::vector<double> score;
  const double f = static_cast<double>(trace.record(context.key(), Outcomes::constants));
  detail::refuse_boundaries(trace, "ScoreFunction");
  trace.begin_sweep();
  trace.seed_cost(1);
  detail::seed_scores(trace, baseline == Baseline::none ? f : f - context.mean_cost, score);
  trace.sweep(out.gradient);
  out.value = f;
}

template <class T>
void LeaveOneOut::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  if (runs < 2) throw InvalidArgument("LeaveOneOut: " + outside("runs", runs, "[2, infinity)"));
  // sum_k (f_k - mean f) s_k = sum_k (f_k - f_0) s_k - (mean f - f_0) sum_k s_k: one pass, no tape is kept.
  static thread_local std::vector<double> score;
  static thread_local Eigen::VectorXd scores;
  scores.setZero(out.gradient.size());
  double first = 0, total = 0;
  for (int k = 0; k < runs; ++k) {
    const double f = static_cast<double>(trace.record(context.key(k), Outcomes::constants));
    if (k == 0) first = f;
    total += f;
    detail::refuse_boundaries(trace, "LeaveOneOut");
    trace.begin_sweep();
    trace.seed_cost(static_cast<T>(1.0 / runs));
    detail::seed_scores(trace, (f - first) / (runs - 1), score);
    trace.sweep(out.gradient);
    trace.begin_sweep();
    detail::seed_scores(trace, 1.0, score);
    trace.sweep(scores);
  }
  out.value = total / runs;
  out.gradient -= (out.value - first) / (runs - 1) * scores;
}

template void ScoreFunction::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void ScoreFunction::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;
template void LeaveOneOut::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void LeaveOneOut::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

}  // namespace stoat
