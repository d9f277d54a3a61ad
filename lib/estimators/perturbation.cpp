#include <stoat/estimators/perturbation.hpp>

#include <cmath>

#include <boost/random/normal_distribution.hpp>

namespace stoat {
namespace {

/// A central difference along a direction e.
template <class T>
void difference(const char* name, Trace<T>& trace, const SampleContext& context, const Eigen::VectorXd& e, double step,
                GradientDraw& out) {
  // The program may be sound at theta alone: what fails beside it is out of this estimator's reach.
  const auto cost = [&](double by) {
    try {
      return static_cast<double>(
          trace.run(context.key(), (trace.theta().template cast<double>() + by * e).template cast<T>().eval()));
    } catch (const Error& error) { throw Refusal(std::string(name) + ": beside theta: " + error.what()); }
  };
  const double up = cost(step), down = cost(-step);
  out.value = (up + down) / 2;
  out.gradient = (up - down) / (2 * step) * e;
}

}  // namespace

template <class T>
void Spsa::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  if (!(step > 0) || !std::isfinite(step)) throw InvalidArgument("Spsa: " + outside("step", step, "(0, infinity)"));
  Generator choices = context.choices();
  Eigen::VectorXd e(trace.parameters());
  for (double& x : e) x = choices() & 1 ? 1 : -1;
  difference("Spsa", trace, context, e, step, out);
}

template <class T>
void EvolutionStrategy::sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const {
  if (!(sigma > 0) || !std::isfinite(sigma))
    throw InvalidArgument("EvolutionStrategy: " + outside("sigma", sigma, "(0, infinity)"));
  Generator choices = context.choices();
  boost::random::normal_distribution<double> normal;
  Eigen::VectorXd e(trace.parameters());
  for (double& x : e) x = normal(choices);
  difference("EvolutionStrategy", trace, context, e, sigma, out);
}

template void Spsa::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void Spsa::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;
template void EvolutionStrategy::sample(Trace<float>&, const SampleContext&, GradientDraw&) const;
template void EvolutionStrategy::sample(Trace<double>&, const SampleContext&, GradientDraw&) const;

}  // namespace stoat
