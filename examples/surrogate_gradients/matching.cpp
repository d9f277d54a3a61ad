#include "matching.hpp"

#include <cmath>
#include <functional>
#include <memory>

namespace surrogate_gradients {
namespace {

using snn::Activation;

constexpr std::size_t fano_trials = 10;
/// Between the two measures: with the long kernel of the van Rossum distance back-propagation learns rates, with no kernel it
/// learns to be silent where it is in doubt.
constexpr snn::VanRossum short_distance{.tau_decay = 0.002, .tau_rise = 0.001, .dt = matching_dt, .amplitude = 1};

snn::Lif neurons(Activation activation, double beta) {
  snn::Lif lif{.tau_mem = matching_tau_mem, .tau_syn = matching_tau_syn, .dt = matching_dt};
  lif.reset_kind = snn::ResetKind::leak;
  lif.activation = activation;
  lif.escape = snn::escape::Sigmoid{beta};
  if (activation == Activation::deterministic) lif.surrogate = snn::surrogate::SuperSpike{10};
  return lif;
}

std::vector<std::size_t> first_sample(std::size_t times) { return std::vector<std::size_t>(times, 0); }

/// Trials number run, run + 1, ... of a network.
MatchingState trials(const MatchingTask& task, const snn::Network& network, const Eigen::VectorXd& theta, std::size_t count,
                     std::uint64_t run) {
  auto response = snn::respond<double>(network, theta, task.input, first_sample(count), task.seed, run);
  return {std::move(response.spikes[0]), std::move(response.spikes[1])};
}

/// Target minus output of the last trial.
Trains error_of(const MatchingTask& task, const snn::SpikeEvents& output) {
  return task.target.raster(0) - output.raster(output.samples() - 1);
}
double l2_distance(const Trains& error) { return error.squaredNorm() / (2 * static_cast<double>(error.cols())); }

MatchingEpoch measured(const MatchingTask& task, int number, const MatchingState& own, const MatchingState& other) {
  MatchingEpoch e{.number = number};
  const Trains error = error_of(task, own.output), other_error = error_of(task, other.output);
  e.l2 = l2_distance(error), e.van_rossum = van_rossum_distance(error);
  e.other_l2 = l2_distance(other_error), e.other_van_rossum = van_rossum_distance(other_error);
  e.rate_hidden = snn::firing_rates(own.hidden, matching_dt).mean();
  e.rate_output = snn::firing_rates(own.output, matching_dt).mean();
  const bool coins = own.hidden.samples() > 1;
  e.fano_hidden = coins ? snn::nan_mean(snn::fano_per_bin(own.hidden)) : snn::not_measured;
  e.fano_output = coins ? snn::nan_mean(snn::fano_per_bin(own.output)) : snn::not_measured;
  return e;
}

/// One update after the other.
using Update = std::function<void(int epoch, Eigen::VectorXd& theta)>;

Update updates(const MatchingTask& task, const LearningMethod& method, const HandDerived& rule) {
  return [&task, trial_count = static_cast<std::size_t>(method.trials), rule, network = task.network(method.activation)](
             int epoch, Eigen::VectorXd& theta) {
    const MatchingState state = trials(task, network, theta, trial_count, static_cast<std::uint64_t>(epoch) * trial_count);
    Eigen::VectorXd change = Eigen::VectorXd::Zero(theta.size());
    for (std::size_t trial = 0; trial < trial_count; ++trial)
      change += hand_derived(theta, task.input, state.hidden, state.output, trial, task.target, rule.slope);
    change /= static_cast<double>(trial_count);
    const Eigen::Index hidden_weights = network.parts()[0].size();
    theta.head(hidden_weights) += rule.rate_hidden * change.head(hidden_weights);
    theta.tail(theta.size() - hidden_weights) += rule.rate_output * change.tail(theta.size() - hidden_weights);
  };
}

Update updates(const MatchingTask& task, const LearningMethod& method, const BackPropagation& rule) {
  snn::Dataset data{.inputs = task.input, .targets = task.target};
  auto gradient = std::make_shared<snn::SurrogateGradient<double>>(
      snn::Objective(task.network(method.activation), std::move(data), rule.loss), 1);
  return [&task, batch = first_sample(static_cast<std::size_t>(method.trials)), gradient, adam = Optimizer(Adam{rule.rate})](
             int epoch, Eigen::VectorXd& theta) mutable {
    Eigen::VectorXd gradient_of_loss;
    (*gradient)(theta, batch, {task.seed, static_cast<std::uint64_t>(epoch) * batch.size()}, gradient_of_loss);
    adam.step(theta, gradient_of_loss);
  };
}

}  // namespace

MatchingTask::MatchingTask(snn::SpikeEvents trains, std::uint64_t seed_of_all, int inputs, int hidden_units)
    : target(std::move(trains)), hidden(hidden_units), seed(seed_of_all) {
  if (target.samples() != 1)
    throw InvalidArgument("MatchingTask: " + outside("samples", static_cast<double>(target.samples()), "{1}"));
  input = snn::SpikeEvents(target.steps(), inputs);
  input.add(snn::encode::poisson(Eigen::VectorXd::Constant(inputs, 50), matching_dt, target.steps(), seed));
}

snn::Network MatchingTask::network(Activation activation) const {
  return {input.units(),
          input.steps(),
          {snn::Linear{hidden}, neurons(activation, 10), snn::Linear{target.units()}, neurons(activation, 100)}};
}

Eigen::VectorXd MatchingTask::start() const {
  const snn::Network net = network(Activation::stochastic);
  Eigen::VectorXd theta = standard_normal(net.parameters(), seed, 0);
  for (const snn::Network::Part& part : net.parts())
    theta.segment(part.offset, part.size()) *= 0.34641 * std::sqrt(200 / part.fan_in);
  return theta;
}

LearningMethod by_hand_deterministic() {
  return {"hand-derived, deterministic", Activation::deterministic, 1, HandDerived{HiddenSlope::super_spike, 1e-5, 1e-4}};
}
LearningMethod by_hand_stochastic() { return {"hand-derived, stochastic", Activation::stochastic, 10, HandDerived{}}; }
LearningMethod by_hand_multilayer_spiker() {
  return {"hand-derived, multilayer spiker", Activation::stochastic, 10, HandDerived{HiddenSlope::own_spikes}};
}
LearningMethod by_gradient_deterministic() {
  return {"back-propagation, deterministic", Activation::deterministic, 1, BackPropagation{short_distance, 0.004}};
}
LearningMethod by_gradient_stochastic() {
  return {"back-propagation, stochastic", Activation::stochastic, 10, BackPropagation{short_distance, 0.01}};
}
LearningMethod by_gradient_likelihood() {
  return {"back-propagation, likelihood", Activation::stochastic, 10, BackPropagation{snn::SpikeLogLikelihood{}, 0.01}};
}

MatchingRun learn(const MatchingTask& task, const LearningMethod& method, int epochs, int every) {
  if (epochs < 0) throw InvalidArgument("learn: " + outside("epochs", epochs, "[0, infinity)"));
  if (every < 1) throw InvalidArgument("learn: " + outside("every", every, "[1, infinity)"));
  const bool coins = method.activation == Activation::stochastic;
  const snn::Network own = task.network(method.activation);
  const snn::Network other = task.network(coins ? Activation::deterministic : Activation::stochastic);
  constexpr std::uint64_t measurements = std::uint64_t{1} << 32;  // runs that no update uses
  const std::size_t count = coins ? fano_trials : 1;
  const auto run_of = [&](int epoch) { return measurements + static_cast<std::uint64_t>(epoch) * fano_trials; };

  MatchingRun run{.method = method, .epochs = {}, .before = {}, .after = {}, .theta = task.start()};
  const Update update = std::visit([&](const auto& rule) { return updates(task, method, rule); }, method.rule);
  for (int epoch = 0; epoch <= epochs; ++epoch) {
    heed_interruption();
    if (epoch % every == 0) {
      run.after = trials(task, own, run.theta, count, run_of(epoch));
      run.epochs.push_back(measured(task, epoch, run.after, trials(task, other, run.theta, 1, run_of(epoch))));
      if (epoch == 0) run.before = run.after;
    }
    if (epoch < epochs) update(epoch, run.theta);
  }
  return run;
}

MatchingEpoch mean(const MatchingRun& run, int first, int last) {
  constexpr double MatchingEpoch::*fields[] = {
      &MatchingEpoch::l2,          &MatchingEpoch::van_rossum,  &MatchingEpoch::other_l2,    &MatchingEpoch::other_van_rossum,
      &MatchingEpoch::rate_hidden, &MatchingEpoch::rate_output, &MatchingEpoch::fano_hidden, &MatchingEpoch::fano_output};
  MatchingEpoch total{.number = last};
  double count = 0;
  for (const MatchingEpoch& e : run.epochs)
    if (first <= e.number && e.number <= last) {
      for (const auto field : fields) total.*field += e.*field;
      ++count;
    }
  for (const auto field : fields) total.*field /= count;
  return total;
}

}  // namespace surrogate_gradients
