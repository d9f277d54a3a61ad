#include <stoat/estimators/forward.hpp>

#include <cmath>
#include <vector>

#include <stoat/program/higher_order.hpp>

namespace stoat {
namespace {

using Forward = Dual<double>;

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

}  // namespace stoat
