#include <stoat/estimators/dice.hpp>

#include <string>
#include <vector>

#include <stoat/program/higher_order.hpp>

#include "sites.hpp"

namespace stoat {
namespace {

/// Mean costs by the order in which they were added, the returned one last.
struct MeanCosts {
  std::vector<double> added;
  double returned = 0;
};
constexpr int pilot_runs = 64;

/// x + t_1 v + ... + t_n v, with unit tangents in all t.
template <int Depth>
NestedDual<Depth> along(double x, double v) {
  if constexpr (Depth == 0) return x;
  else return {along<Depth - 1>(x, v), NestedDual<Depth - 1>(v)};
}
/// The derivative in all t.
template <int Depth>
double mixed_tangent(const NestedDual<Depth>& x) {
  if constexpr (Depth == 0) return x;
  else return mixed_tangent<Depth - 1>(x.tangent());
}

/// One draw of what the estimator called `name` wants: reverse mode over Order - 1 forward ones; at order 1 the gradient is what
/// the reverse mode gives beside a forward one.
template <int Order>
void sample_order(const std::string& name, const Eigen::VectorXd& direction, Trace<double>& trace, const SampleContext& context,
                  GradientDraw& out) {
  constexpr int depth = Order == 1 ? 1 : Order - 1;
  using Forward = NestedDual<depth>;
  using S = Var<Forward>;
  static thread_local Sampler<S> draw;
  typename Tape<Forward>::Scratch tape;
  out.value = trace.run(context.key());
  draw.begin(trace.baseline_plan());
  Eigen::VectorX<Forward> point(direction.size());
  for (Eigen::Index j = 0; j < point.size(); ++j) point[j] = along<depth>(trace.theta()[j], direction[j]);
  const Vector<S> theta = variables(*tape, point);
  const S returned = trace.program()(draw, theta);
  const auto* means = static_cast<const MeanCosts*>(context.learned);
  // E sum_c (cost - mean) factor + mean has the derivatives of the expected cost, of any order.
  S objective = 0;
  const std::size_t added = draw.costs().size();
  for (std::size_t c = 0; c < added; ++c) {
    const auto& [cost, factor] = draw.costs()[c];
    objective += (cost - (means && c < means->added.size() ? means->added[c] : 0.0)) * factor;
  }
  draw.add(returned);
  // Costs that this path did not add were 0: without their means there would be means on some paths only.
  double rest = means ? means->returned : 0.0;
  for (std::size_t c = added; means && c < means->added.size(); ++c) rest += means->added[c];
  objective += (returned - rest) * draw.costs().back().second;
  trace.count(1 << depth, 1 << depth);
  if (draw.boundary()) trace.record(), detail::refuse_boundaries(trace, name.c_str());
  if (!objective.active()) return;
  tape->backward(objective);
  for (Eigen::Index j = 0; j < theta.size(); ++j) {
    const Forward adjoint = tape->adjoint(S(theta[j]));
    out.gradient[j] = Order == 1 ? detail::base_value(adjoint) : mixed_tangent<depth>(adjoint);
  }
}

void sample_any(const std::string& name, int order, const Eigen::VectorXd& direction, Trace<double>& trace,
                const SampleContext& context, GradientDraw& out) {
  if (direction.size() != trace.parameters())
    throw InvalidArgument(name + ": a direction of " + std::to_string(direction.size()) + " numbers for " +
                          std::to_string(trace.parameters()) + " parameters");
  switch (order) {
    case 1: return sample_order<1>(name, direction, trace, context, out);
    case 2: return sample_order<2>(name, direction, trace, context, out);
    case 3: return sample_order<3>(name, direction, trace, context, out);
    case 4: return sample_order<4>(name, direction, trace, context, out);
    default: throw InvalidArgument(name + ": " + outside("order", order, "[1, 4]"));
  }
}

}  // namespace

std::shared_ptr<const void> Dice::learn(Trace<double>& trace, const PilotContext& pilot) const {
  if (!baseline) return nullptr;
  auto means = std::make_shared<MeanCosts>();
  for (int k = 0; k < pilot_runs; ++k) {
    trace.record(pilot.run(trace, static_cast<std::uint64_t>(k)), Outcomes::constants);
    const auto& costs = trace.costs();
    double added = 0;
    if (means->added.size() < costs.size()) means->added.resize(costs.size(), 0.0);
    for (std::size_t c = 0; c < costs.size(); ++c) means->added[c] += costs[c].value / pilot_runs, added += costs[c].value;
    means->returned += (trace.cost() - added) / pilot_runs;
  }
  return means;
}

void Dice::sample(Trace<double>& trace, const SampleContext& context, GradientDraw& out) const {
  sample_any(name(), order, direction, trace, context, out);
}

std::shared_ptr<const void> HessianVectorProduct::learn(Trace<double>& trace, const PilotContext& pilot) const {
  return Dice{direction, 2, baseline}.learn(trace, pilot);
}

void HessianVectorProduct::sample(Trace<double>& trace, const SampleContext& context, GradientDraw& out) const {
  sample_any(name(), 2, direction, trace, context, out);
}

}  // namespace stoat
