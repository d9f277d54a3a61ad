#include <stoat/estimators/forward.hpp>

#include <cmath>
#include <vector>

#include <stoat/program/higher_order.hpp>

namespace stoat {
namespace {

using Forward = Dual<double>;
using Second = Var<Forward>;

Eigen::VectorX<Forward> along(const Eigen::VectorXd& theta, const Eigen::VectorXd& direction) {
  Eigen::VectorX<Forward> x(theta.size());
  for (Eigen::Index j = 0; j < theta.size(); ++j) x[j] = Forward(theta[j], direction[j]);
  return x;
}

/// An estimate of the derivative along a direction.
double derivative_along(Trace<double>& trace, const Eigen::VectorXd& direction, const Generator& choices, Flow flow) {
  static thread_local Sampler<Forward> draw;
  draw.begin(trace.baseline_plan());
  draw.start(choices, flow);
  const Forward returned = trace.program()(draw, Vector<Forward>(along(trace.theta(), direction)));
  const Forward cost = returned + draw.added_cost();
  trace.count(1, 0);
  const auto& kept = draw.kept();
  if (kept.total == 0) return cost.tangent();
  return cost.tangent() + kept.sign * kept.total * (trace.replay(kept.site, kept.outcome) - trace.cost());
}

/// Mean costs by the order in which they were added, the returned one last.
struct MeanCosts {
  std::vector<double> added;
  double returned = 0;
};
constexpr int pilot_runs = 64;

}  // namespace

void ForwardTriple::sample(Trace<double>& trace, const SampleContext& context, GradientDraw& out) const {
  if (flow == Flow::least_variance)
    throw InvalidArgument("ForwardTriple: Flow::least_variance is for estimators that know all sites; choose one of the others");
  out.value = trace.run(context.key());
  Generator choices = context.choices();
  Eigen::VectorXd v = Eigen::VectorXd::Zero(out.gradient.size());
  if (every_coordinate) {
    for (Eigen::Index j = 0; j < v.size(); ++j) {
      v[j] = 1;
      out.gradient[j] = derivative_along(trace, v, Generator({context.seed, choices(), Purpose::engine}, 1), flow);
      v[j] = 0;
    }
    return;
  }
  for (Eigen::Index j = 0; j < v.size(); ++j) v[j] = v.size() == 1 || choices() % 2 ? 1.0 : -1.0;
  out.gradient = derivative_along(trace, v, choices, flow) * v;
}

std::shared_ptr<const void> HessianVectorProduct::learn(Trace<double>& trace, const PilotContext& pilot) const {
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

void HessianVectorProduct::sample(Trace<double>& trace, const SampleContext& context, GradientDraw& out) const {
  if (direction.size() != trace.parameters())
    throw InvalidArgument("HessianVectorProduct: a direction of " + std::to_string(direction.size()) + " numbers for " +
                          std::to_string(trace.parameters()) + " parameters");
  static thread_local Sampler<Second> draw;
  typename Tape<Forward>::Scratch tape;
  trace.run(context.key());
  draw.begin(trace.baseline_plan());
  const Vector<Second> theta = variables(*tape, along(trace.theta(), direction));
  const Second returned = trace.program()(draw, theta);
  const auto* means = static_cast<const MeanCosts*>(context.learned);
  // E sum_c (cost - mean) factor + mean has the derivatives of the expected cost, of any order.
  Second objective = 0;
  for (std::size_t c = 0; c < draw.costs().size(); ++c) {
    const auto& [cost, factor] = draw.costs()[c];
    objective += (cost - (means && c < means->added.size() ? means->added[c] : 0.0)) * factor;
  }
  draw.add(returned);
  objective += (returned - (means ? means->returned : 0.0)) * draw.costs().back().second;
  if (objective.active()) tape->backward(objective);
  trace.count(2, 2);
  for (Eigen::Index j = 0; j < theta.size(); ++j)
    out.gradient[j] = objective.active() ? tape->adjoint(Second(theta[j])).tangent() : 0.0;
  out.value = trace.cost();
}

}  // namespace stoat
