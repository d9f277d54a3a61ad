#include <stoat/driver/minimize.hpp>

#include <algorithm>
#include <cmath>

namespace stoat {

Minimum minimize(const Program<double>& program, const Eigen::VectorXd& start, const AnyEstimator& estimator, Optimizer optimizer,
                 const MinimizeOptions& options) {
  if (options.iterations < 1) throw InvalidArgument("minimize: " + outside("iterations", options.iterations, "[1, infinity)"));
  if (!(options.average >= 0 && options.average <= 1))
    throw InvalidArgument("minimize: " + outside("average", options.average, "[0, 1]"));
  detail::MonteCarlo<double> monte_carlo(program, start, options.threads, options.max_draws);
  Minimum minimum;
  Eigen::VectorXd theta = start;
  Options sampling;
  sampling.samples = options.samples;
  sampling.seed = options.seed;
  const Eigen::MatrixXd none(theta.size(), 0);
  for (int i = 0; i < options.iterations; ++i) {
    const auto result = monte_carlo.sample(theta, estimator, sampling, static_cast<std::uint64_t>(i) * options.samples, none);
    minimum.work += result.work;
    minimum.seconds += result.seconds;
    MinimizeStep step;
    step.iteration = i;
    step.value = result.moments.mean[0];
    step.value_error = result.moments.error(0);
    step.theta = theta;
    step.gradient = result.moments.mean.segment(1, theta.size());
    step.work = minimum.work.runs;
    step.seconds = minimum.seconds;
    if (options.progress) options.progress(i, step.value);
    optimizer.step(theta, step.gradient);
    minimum.trace.push_back(std::move(step));
  }
  // Polyak averaging over the last iterates; trace[i].theta is the point before step i.
  const int averaged = std::max(1, static_cast<int>(std::lround(options.average * options.iterations)));
  minimum.theta = theta;
  if (options.average > 0) {
    for (int i = options.iterations - averaged + 1; i < options.iterations; ++i)
      minimum.theta += minimum.trace[static_cast<std::size_t>(i)].theta;
    minimum.theta /= averaged;
  }
  double variance = 0;
  for (int i = options.iterations - averaged; i < options.iterations; ++i) {
    const MinimizeStep& s = minimum.trace[static_cast<std::size_t>(i)];
    minimum.value += s.value / averaged;
    variance += s.value_error * s.value_error;
  }
  minimum.value_error = std::sqrt(variance) / averaged;
  return minimum;
}

}  // namespace stoat
