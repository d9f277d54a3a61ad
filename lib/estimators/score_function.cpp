#include <stoat/estimators/score_function.hpp>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include <Eigen/Cholesky>

#include "sites.hpp"

namespace stoat {
namespace {

std::vector<double>& costs_to_go() {
  static thread_local std::vector<double> costs;
  return costs;
}

constexpr int baseline_runs = 64;

/// Mean costs to go, by the number of the site.
struct MeansToGo {
  std::vector<double> mean;
  double operator()(std::size_t i) const { return i < mean.size() ? mean[i] : mean.empty() ? 0.0 : mean.back(); }
};

}  // namespace

// ---- ScoreFunction ----------------------------------------------------------------------------------------------------

template <class T>
std::shared_ptr<const void> ScoreFunction::learn(Trace<T>& trace, const PilotContext& pilot) const {
  if (baseline == Baseline::none) return nullptr;
  auto means = std::make_shared<MeansToGo>();
  std::vector<double> visits;
  std::vector<double>& to_go = costs_to_go();
  for (int k = 0; k < baseline_runs; ++k) {
    trace.record_in_segments(pilot.run(trace, static_cast<std::uint64_t>(k)), Outcomes::constants);
    if (!trace.costs_added()) return nullptr;  // the running mean of the cost is better: it goes on learning
    trace.costs_to_go(to_go);
    if (visits.size() < to_go.size()) visits.resize(to_go.size(), 0.0), means->mean.resize(to_go.size(), 0.0);
    for (std::size_t i = 0; i < to_go.size(); ++i) means->mean[i] += (to_go[i] - means->mean[i]) / ++visits[i];
  }
  return means;
}

template <class T>
void ScoreFunction::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  const double f = static_cast<double>(trace.record_in_segments(context.key(), Outcomes::constants));
  detail::refuse_boundaries(trace, "ScoreFunction");
  // Which baseline it is must not depend on the run: costs may be added on some paths only. Pilot runs have decided.
  const auto* means = static_cast<const MeansToGo*>(context.learned);
  const double b = baseline == Baseline::none ? 0.0 : context.mean_cost;
  trace.begin_sweep();
  trace.seed_cost(1);
  const auto expected = [means, b](std::size_t i) { return means ? (*means)(i) : b; };
  trace.visit_sites([&trace, &expected](std::size_t first, std::size_t end) {
    std::vector<double>& to_go = costs_to_go();
    trace.costs_to_go(first, end, to_go);
    detail::seed_scores(trace, first, end, [&](std::size_t i) { return to_go[i - first] - expected(i); });
  });
  trace.sweep(out.gradient);
  out.value = f;
}

// ---- LeaveOneOut ------------------------------------------------------------------------------------------------------

namespace {

/// One pass over the runs for as long as none of them adds a cost; false once one does.
/// sum_k (f_k - mean f) s_k = sum_k (f_k - f_0) s_k - (mean f - f_0) sum_k s_k: no tape is kept.
template <class T>
bool leave_one_out_of_ends(Trace<T>& trace, const SampleContext& context, int runs, GradientDraw& out) {
  static thread_local Eigen::VectorXd scores;
  double first = 0, total = 0;
  scores.setZero(out.gradient.size());
  for (int k = 0; k < runs; ++k) {
    const double f = static_cast<double>(trace.record_in_segments(context.key(k), Outcomes::constants));
    if (trace.costs_added()) return false;
    if (k == 0) first = f;
    total += f;
    detail::refuse_boundaries(trace, "LeaveOneOut");
    trace.begin_sweep();
    trace.seed_cost(static_cast<T>(1.0 / runs));
    detail::seed_scores(trace, [noise = (f - first) / (runs - 1)](std::size_t) { return noise; });
    trace.sweep(out.gradient);
    trace.begin_sweep();
    detail::seed_scores(trace, [](std::size_t) { return 1.0; });
    trace.sweep(scores);
  }
  out.value = total / runs;
  out.gradient -= (out.value - first) / (runs - 1) * scores;
  return true;
}

/// The costs to go of all runs first; then each run once more, with what the others say about its sites. A run with fewer sites
/// says what was left after its last one: where none of the others adds a cost, these are their costs, as above. What the baseline
/// of a run is thus depends on the others alone.
template <class T>
void leave_one_out_of_costs_to_go(Trace<T>& trace, const SampleContext& context, int runs, GradientDraw& out) {
  static thread_local std::vector<double> sum;
  std::vector<double>& to_go = costs_to_go();
  double total = 0, ends = 0;  // of the runs so far
  sum.clear();
  for (int k = 0; k < runs; ++k) {
    const double f = static_cast<double>(trace.record_in_segments(context.key(k), Outcomes::constants));
    double end = f;
    for (const auto& cost : trace.costs()) end -= cost.value;
    trace.costs_to_go(to_go);
    if (sum.size() < to_go.size()) sum.resize(to_go.size(), ends);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += i < to_go.size() ? to_go[i] : end;
    total += f, ends += end;
  }
  for (int k = 0; k < runs; ++k) {
    trace.record_in_segments(context.key(k), Outcomes::constants);
    detail::refuse_boundaries(trace, "LeaveOneOut");
    trace.begin_sweep();
    trace.seed_cost(static_cast<T>(1.0 / runs));
    trace.visit_sites([&trace, runs](std::size_t first, std::size_t last) {
      std::vector<double>& own = costs_to_go();
      trace.costs_to_go(first, last, own);
      detail::seed_scores(trace, first, last,
                          [&](std::size_t i) { return (own[i - first] - (sum[i] - own[i - first]) / (runs - 1)) / runs; });
    });
    trace.sweep(out.gradient);
  }
  out.value = total / runs;
}

}  // namespace

template <class T>
void LeaveOneOut::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  if (runs < 2) throw InvalidArgument("LeaveOneOut: " + outside("runs", runs, "[2, infinity)"));
  if (leave_one_out_of_ends(trace, context, runs, out)) return;
  out.gradient.setZero();
  leave_one_out_of_costs_to_go(trace, context, runs, out);
}

// ---- ScoreFunctionCritic ----------------------------------------------------------------------------------------------

namespace {

/// For each site a linear function of a few numbers known before its draw.
struct LinearCritic {
  static constexpr int features = 4;
  using Vector = Eigen::Matrix<double, features, 1>;
  std::vector<Vector> weights;

  static Vector look(const History& h, double sum) {
    return {1, sum, h.outcomes.empty() ? 0.0 : static_cast<double>(h.outcomes.back()), h.chance};
  }
  double operator()(const History& h, double sum) const {
    return weights.empty() ? 0.0 : weights[std::min(h.site, weights.size() - 1)].dot(look(h, sum));
  }
};

/// Calls visit(i, history, sum of the outcomes before it) for every site.
template <class T, class Visit>
void walk_history(const Trace<T>& trace, const Visit& visit) {
  static thread_local std::vector<std::int64_t> outcomes;
  outcomes.clear();
  for (std::size_t i = 0; i < trace.sites(); ++i) outcomes.push_back(trace.site(i).outcome);
  double sum = 0;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    visit(i, History{i, trace.datum(), std::span<const std::int64_t>(outcomes).first(i), trace.site(i).pmf(1)}, sum);
    sum += static_cast<double>(outcomes[i]);
  }
}

}  // namespace

template <class T>
std::shared_ptr<const void> ScoreFunctionCritic::learn(Trace<T>& trace, const PilotContext& context) const {
  if (critic) return nullptr;
  if (pilot < 2 || pilot > 500'000) throw InvalidArgument("ScoreFunctionCritic: " + outside("pilot", pilot, "[2, 500000]"));
  using Square = Eigen::Matrix<double, LinearCritic::features, LinearCritic::features>;
  struct Normal {
    Square squares = Square::Zero();
    LinearCritic::Vector products = LinearCritic::Vector::Zero();
    double visits = 0;
  };
  std::vector<Normal> normal;
  std::vector<double>& to_go = costs_to_go();
  for (int k = 0; k < pilot; ++k) {
    trace.record(context.run(trace, static_cast<std::uint64_t>(k)), Outcomes::constants);
    trace.costs_to_go(to_go);
    if (normal.size() < to_go.size()) normal.resize(to_go.size());
    walk_history(trace, [&](std::size_t i, const History& h, double sum) {
      const LinearCritic::Vector x = LinearCritic::look(h, sum);
      normal[i].squares += x * x.transpose();
      normal[i].products += to_go[i] * x;
      normal[i].visits += 1;
    });
  }
  auto learned = std::make_shared<LinearCritic>();
  for (const Normal& n : normal) {
    // A ridge for what varies little, none for the constant: the mean is fitted whatever the others do.
    Square squares = n.squares;
    for (int j = 1; j < LinearCritic::features; ++j) squares(j, j) += 1e-3 * n.visits + 1;
    const LinearCritic::Vector w = squares.ldlt().solve(n.products);
    learned->weights.push_back(w.allFinite() ? w : LinearCritic::Vector::Zero());
  }
  return learned;
}

template <class T>
void ScoreFunctionCritic::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  out.value = static_cast<double>(trace.record(context.key(), Outcomes::constants));
  detail::refuse_boundaries(trace, "ScoreFunctionCritic");
  static thread_local std::vector<double> expected;
  std::vector<double>& to_go = costs_to_go();
  trace.costs_to_go(to_go);
  const auto* linear = static_cast<const LinearCritic*>(context.learned);
  expected.resize(to_go.size());
  walk_history(trace, [&](std::size_t i, const History& h, double sum) { expected[i] = critic ? critic(h) : (*linear)(h, sum); });
  trace.begin_sweep();
  trace.seed_cost(1);
  detail::seed_scores(trace, [&](std::size_t i) { return to_go[i] - expected[i]; });
  trace.sweep(out.gradient);
}

// ---- ScoreFunctionMartingale ------------------------------------------------------------------------------------------

namespace {

struct Martingale {
  std::optional<detail::AdjointTable> adjoint;
  double factor = 0, mean = 0;

  /// The increment of a site: A (x - mean), of a unit vector A_x - sum_y P_y A_y.
  double increment(const Site& s, std::size_t i) const {
    if (s.count == 0) return 0;
    if (s.law->one_hot) {
      double expected = 0;
      for (std::size_t y = 0; y < s.count; ++y) expected += s.pmf(static_cast<std::int64_t>(y)) * (*adjoint)(i, y);
      return (*adjoint)(i, static_cast<std::size_t>(s.outcome)) - expected;
    }
    const double a = (*adjoint)(i);
    return a == 0 || !known(s) ? 0.0 : a * (static_cast<double>(s.outcome) - s.law->mean(s.plain));
  }
  static bool known(const Site& s) { return s.law->mean && s.law->mean_derivative; }
  template <class T>
  double sum(const Trace<T>& trace) const {
    double m = 0;
    for (std::size_t i = 0; i < trace.sites(); ++i) m += increment(trace.site(i), i);
    return m;
  }
};

}  // namespace

template <class T>
std::shared_ptr<const void> ScoreFunctionMartingale::learn(Trace<T>& trace, const PilotContext& context) const {
  if (pilot < 4 || pilot > 500'000) throw InvalidArgument("ScoreFunctionMartingale: " + outside("pilot", pilot, "[4, 500000]"));
  auto learned = std::make_shared<Martingale>();
  learned->adjoint.emplace(trace, pilot, context);
  // The regression of the cost on the martingale.
  double n = 0, mean_f = 0, mean_m = 0, squares = 0, products = 0;
  for (int k = 0; k < pilot / 2; ++k) {
    const double f =
        static_cast<double>(trace.record(context.run(trace, static_cast<std::uint64_t>(pilot + k)), Outcomes::constants));
    const double m = learned->sum(trace), d = m - mean_m;
    ++n;
    mean_m += d / n;
    squares += d * (m - mean_m);
    mean_f += (f - mean_f) / n;
    products += d * (f - mean_f);
  }
  learned->factor = squares > 0 ? products / squares : 0.0;
  learned->mean = mean_f - learned->factor * mean_m;  // where the martingale is 0, its mean
  return learned;
}

template <class T>
void ScoreFunctionMartingale::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  const auto& learned = *static_cast<const Martingale*>(context.learned);
  const double f = out.value = static_cast<double>(trace.record(context.key(), Outcomes::constants));
  detail::refuse_boundaries(trace, "ScoreFunctionMartingale");
  const double noise = f - learned.mean - learned.factor * learned.sum(trace);
  trace.begin_sweep();
  trace.seed_cost(1);
  detail::seed_scores(trace, [&](std::size_t) { return noise; });
  static thread_local std::vector<double> slope;
  for (std::size_t i = 0; i < trace.sites(); ++i) {
    const Site& s = trace.site(i);
    if (s.count == 0) continue;
    if (s.law->one_hot) {
      for (std::uint32_t j = 0; j < s.count; ++j) trace.seed(i, j, static_cast<T>(learned.factor * (*learned.adjoint)(i, j)));
    } else if (const double a = learned.factor * (*learned.adjoint)(i); a != 0 && Martingale::known(s)) {
      slope.resize(s.count);
      detail::mean_derivative(s, slope);
      for (std::uint32_t j = 0; j < s.count; ++j) trace.seed(i, j, static_cast<T>(a * slope[j]));
    }
  }
  trace.sweep(out.gradient);
}

template void ScoreFunction::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template std::shared_ptr<const void> ScoreFunction::learn(Trace<float>&, const PilotContext&) const;
template void LeaveOneOut::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void ScoreFunctionCritic::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template std::shared_ptr<const void> ScoreFunctionCritic::learn(Trace<float>&, const PilotContext&) const;
template void ScoreFunctionMartingale::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template std::shared_ptr<const void> ScoreFunctionMartingale::learn(Trace<float>&, const PilotContext&) const;
template void ScoreFunction::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;
template std::shared_ptr<const void> ScoreFunction::learn(Trace<double>&, const PilotContext&) const;
template void LeaveOneOut::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;
template void ScoreFunctionCritic::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;
template std::shared_ptr<const void> ScoreFunctionCritic::learn(Trace<double>&, const PilotContext&) const;
template void ScoreFunctionMartingale::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;
template std::shared_ptr<const void> ScoreFunctionMartingale::learn(Trace<double>&, const PilotContext&) const;

}  // namespace stoat
