#include "cost_study.hpp"

#include <cmath>

#include "cores.hpp"

namespace surrogate_gradients {
namespace {

constexpr double study_dt = 0.002;

}  // namespace

snn::Objective CostNetwork::objective(int samples, int first) const {
  snn::Dataset data{.inputs = snn::SpikeEvents(steps, inputs), .classes = classes};
  for (int k = first; k < first + samples; ++k) {
    const int label = k % classes;
    Generator words({seed, static_cast<std::uint64_t>(label), Purpose::data});
    Eigen::VectorXd rates(inputs);
    for (double& rate : rates) rate = 15 * words.uniform();
    data.inputs.add(snn::encode::poisson(rates, study_dt, steps, seed, static_cast<std::uint64_t>(k)));
    data.labels.push_back(label);
  }
  snn::Lif lif{.dt = study_dt};
  lif.recurrent = recurrence > 0;
  std::vector<snn::Layer> layers;
  for (const int n : hidden) layers.push_back(snn::Linear{n}), layers.push_back(lif);
  layers.push_back(snn::Linear{classes});
  layers.push_back(snn::LeakyReadout{.tau_mem = study_dt * steps, .dt = study_dt});
  return snn::Objective(snn::Network(inputs, steps, layers), std::move(data), loss);
}

Eigen::VectorXd CostNetwork::parameters(int updates) const {
  constexpr std::size_t batch = 32;
  const snn::Objective data = objective(16 * classes);
  Eigen::VectorXd theta = data.network().initial<double>({.seed = seed, .nu = 10, .alpha = 1 / (1 + recurrence * recurrence)});
  snn::SurrogateGradient<float> surrogate(data, 1);
  Optimizer adam = Adam{.rate = 2e-3};
  Eigen::VectorXf gradient;
  std::vector<std::size_t> samples(batch);
  for (std::size_t update = 0; update < static_cast<std::size_t>(updates); ++update) {
    for (std::size_t i = 0; i < batch; ++i) samples[i] = (update * batch + i) % data.data().size();
    surrogate(theta.cast<float>(), samples, {seed, update * batch}, gradient);
    adam.step(theta, gradient.cast<double>());
  }
  return theta;
}

GradientCost gradient_cost(const snn::Objective& objective, const Eigen::VectorXd& theta, const AnyEstimator& estimator,
                           double seconds, std::uint64_t seed) {
  const snn::Network::Part& readout = objective.network().parts().back();
  const Eigen::Index weights = readout.offset;
  GradientCost cost;
  Trace<double> trace(objective.program<double>(), theta);
  double start = cpu_seconds();
  const std::shared_ptr<const void> learned = estimator.learn(trace, {seed, 0});
  cost.pilot = cpu_seconds() - start;
  cost.note = estimator.note(learned.get());
  trace.set_datum(0);

  // Half of the squared difference of two draws is an unbiased estimate of the variance.
  Eigen::VectorXd sum = Eigen::VectorXd::Zero(weights);
  GradientDraw draws[2];
  double pairs = 0, squares = 0;
  start = cpu_seconds();
  for (std::uint64_t run = 0; pairs < 8 || cpu_seconds() - start < seconds; ++pairs) {
    for (GradientDraw& draw : draws) {
      draw.gradient.setZero(theta.size());
      estimator.sample(trace, {seed, run++, estimator.keys(), 0, learned.get()}, draw);
      sum += draw.gradient.head(weights);
      cost.loss += draw.value;
    }
    const double variance = (draws[0].gradient - draws[1].gradient).head(weights).squaredNorm() / 2;
    cost.variance += variance, squares += variance * variance;
  }
  cost.seconds = (cpu_seconds() - start) / (2 * pairs);
  cost.variance /= pairs;
  cost.loss /= 2 * pairs;
  cost.variance_error = std::sqrt(std::max(0.0, squares / pairs - cost.variance * cost.variance) / (pairs - 1));
  cost.squared_noise = cost.variance / (2 * pairs);
  cost.squared_length = (sum / (2 * pairs)).squaredNorm() - cost.squared_noise;
  return cost;
}

}  // namespace surrogate_gradients
