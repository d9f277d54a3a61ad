#include <stoat/estimators/score_function.hpp>

#include <vector>

namespace stoat {
namespace {

/// Throws where an outcome of probability 0 would become possible when theta moves: the score does not see it.
template <class T>
void refuse_boundaries(Trace<T>& trace, const char* name) {
  static thread_local Alternatives a;
  for (std::size_t i = 0; i < trace.sites(); ++i) {
    const Site& s = trace.site(i);
    if (!trace.active(i) || !s.law->boundary(s.plain)) continue;
    a.clear();
    trace.alternatives(i, Flow::independent, a);
    for (const Alternative& y : a.list)
      if (s.pmf(y.outcome) == 0 && trace.moves(i, a.of(y)))
        throw Refusal(std::string(name) + ": at site " + std::to_string(i) + " the outcome " + std::to_string(y.outcome) + " of " +
                      std::string(s.law->name) + " has probability 0, which moves with theta; the score function misses that term");
  }
}

/// Adds a * d log P(x_i) to the adjoints of the parameters of every site.
template <class T>
void seed_scores(Trace<T>& trace, double a, std::vector<double>& score) {
  for (std::size_t i = 0; i < trace.sites(); ++i) {
    const Site& s = trace.site(i);
    if (s.count == 0) continue;
    score.resize(s.count);
    s.law->score(s.plain, s.outcome, score);
    for (std::uint32_t j = 0; j < s.count; ++j)
      if (score[j] != 0) trace.seed(i, j, static_cast<T>(a * score[j]));
  }
}

}  // namespace

template <class T>
void ScoreFunction::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  static thread_local std::vector<double> score;
  const double f = static_cast<double>(trace.record(context.key(), Outcomes::constants));
  refuse_boundaries(trace, "ScoreFunction");
  trace.begin_sweep();
  trace.seed_cost(1);
  seed_scores(trace, baseline == Baseline::none ? f : f - context.mean_cost, score);
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
    refuse_boundaries(trace, "LeaveOneOut");
    trace.begin_sweep();
    trace.seed_cost(static_cast<T>(1.0 / runs));
    seed_scores(trace, (f - first) / (runs - 1), score);
    trace.sweep(out.gradient);
    trace.begin_sweep();
    seed_scores(trace, 1.0, score);
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
