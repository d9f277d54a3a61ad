#include <stoat/estimators/vimco.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sites.hpp"

namespace stoat {
namespace {

/// log(1/K sum_k exp(x_k))
double log_mean_exp(std::span<const double> x) {
  const double largest = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (const double v : x) sum += std::exp(v - largest);
  return largest + std::log(sum / static_cast<double>(x.size()));
}

}  // namespace

template <class T>
void Vimco::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  if (runs < 2) throw InvalidArgument("Vimco: " + outside("runs", runs, "[2, infinity)"));
  static thread_local std::vector<double> log_weights;
  log_weights.clear();
  for (int k = 0; k < runs; ++k) log_weights.push_back(static_cast<double>(trace.run(context.key(k))));
  out.value = log_mean_exp(log_weights);
  const double sum = std::accumulate(log_weights.begin(), log_weights.end(), 0.0);
  for (int k = 0; k < runs; ++k) {
    double& own = log_weights[static_cast<std::size_t>(k)];
    const double share = std::exp(own - out.value) / runs;
    const double kept = std::exchange(own, (sum - own) / (runs - 1));
    const double advantage = out.value - log_mean_exp(log_weights);
    own = kept;
    trace.record(context.key(k), Outcomes::constants);
    detail::refuse_boundaries(trace, "Vimco");
    trace.begin_sweep();
    trace.seed_cost(static_cast<T>(share));
    detail::seed_scores(trace, [advantage](std::size_t) { return advantage; });
    trace.sweep(out.gradient);
  }
}

template void Vimco::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void Vimco::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

}  // namespace stoat
