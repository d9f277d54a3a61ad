#include "bias_study.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "chapter.hpp"
#include "cores.hpp"

namespace surrogate_gradients {
namespace {

constexpr int blocks = 32;
constexpr int study_classes = 5;
constexpr double study_dt = 0.002, target_rate = 25;

constexpr snn::Reset reset_rules[] = {snn::Reset::replay, snn::Reset::differentiated, snn::Reset::detached};

/// Sums over the flips of a layer.
struct FlipSums {
  double weight = 0, removed = 0, added = 0, steps = 0;
};

/// Adds what the last replay, of a flip at `site`, changed in later spikes of the same neuron. Sites of a layer are in the order of
/// steps, those of one step in the order of units.
void add_changes(const Trace<double>& trace, std::size_t site, std::size_t end, std::size_t width, double weight, FlipSums& sums) {
  const bool spike = trace.site(site).outcome == 1;
  for (std::size_t later = site + width; later < end; later += width) {
    const bool was = trace.site(later).outcome == 1, is = trace.replayed()[later] == 1;
    if (was == is) continue;
    // Seen from the run without the spike.
    if (was != spike) sums.removed += weight, sums.steps += weight * static_cast<double>((later - site) / width);
    else sums.added += weight;
  }
}

/// Mini-batches of random samples.
class Batches {
 public:
  Batches(std::size_t data, std::size_t size, std::uint64_t seed) : data_(data), size_(size), words_({seed, 0, Purpose::data}) {}
  const std::vector<std::size_t>& next() {
    batch_.resize(size_);
    for (std::size_t& i : batch_) i = static_cast<std::size_t>(words_.uniform() * static_cast<double>(data_));
    return batch_;
  }

 private:
  std::size_t data_, size_;
  Generator words_;
  std::vector<std::size_t> batch_;
};

/// Means of an unbiased estimator over blocks of paths about random data.
Eigen::MatrixXd unbiased_blocks(const snn::Objective& objective, const Eigen::VectorXd& theta, const AnyEstimator& estimator,
                                std::uint64_t paths, std::uint64_t seed) {
  Trace<double> trace(objective.program<double>(), theta);
  const std::shared_ptr<const void> learned = estimator.learn(trace, {seed, 0});
  Generator words({seed, 1, Purpose::data});
  Eigen::MatrixXd means = Eigen::MatrixXd::Zero(theta.size(), blocks);
  GradientDraw draw;
  for (std::uint64_t i = 0; i < paths; ++i) {
    heed_interruption();
    draw.gradient.setZero(theta.size());
    trace.set_datum(static_cast<std::size_t>(words.uniform() * static_cast<double>(objective.data().size())));
    estimator.sample(trace, {seed, i, estimator.keys(), 0, learned.get()}, draw);
    means.col(static_cast<Eigen::Index>(i % blocks)) += draw.gradient;
  }
  return means / (static_cast<double>(paths) / blocks);
}

/// Surrogate gradients of so many mini-batches: their means over blocks, and the mean of their squared norms.
struct SurrogateBlocks {
  Eigen::MatrixXd means;
  double squares = 0;
};
SurrogateBlocks surrogate_blocks(const snn::Objective& objective, const Eigen::VectorXd& theta, std::size_t batch, int batches,
                                 std::uint64_t seed, Eigen::Index parameters) {
  snn::SurrogateGradient<double> surrogate(objective, 1);
  Batches data(objective.data().size(), batch, seed);
  SurrogateBlocks result{Eigen::MatrixXd::Zero(parameters, blocks)};
  Eigen::VectorXd gradient;
  for (int b = 0; b < batches; ++b) {
    heed_interruption();
    surrogate(theta, data.next(), {seed, static_cast<std::uint64_t>(b) * batch}, gradient);
    result.means.col(b % blocks) += gradient.head(parameters) * blocks / batches;
    result.squares += gradient.head(parameters).squaredNorm() / batches;
  }
  return result;
}

/// Where the parameters of layers of neurons begin, and their end.
std::vector<Eigen::Index> layer_bounds(const snn::Network& network) {
  std::vector<Eigen::Index> bounds;
  for (const snn::Network::Part& part : network.parts())
    if (static_cast<std::size_t>(part.layer) == bounds.size()) bounds.push_back(part.offset);
  if (!network.has_readout()) bounds.push_back(network.parameters());
  return bounds;
}

}  // namespace

snn::Objective StudyNetwork::objective() const {
  snn::Lif lif{.dt = study_dt, .reset = reset};
  lif.escape = snn::escape::Sigmoid{beta};
  lif.recurrent = recurrent;
  std::vector<snn::Layer> list;
  for (int l = 0; l < layers; ++l) list.push_back(snn::Linear{width}), list.push_back(lif);
  snn::Dataset data{.inputs = snn::SpikeEvents(steps, inputs)};
  data.inputs.add(snn::encode::poisson(Eigen::VectorXd::Constant(inputs, rate), study_dt, steps, seed));
  if (std::holds_alternative<snn::VanRossum>(loss)) {
    data.targets = snn::SpikeEvents(steps, width);
    data.targets.add(snn::encode::poisson(Eigen::VectorXd::Constant(width, target_rate), study_dt, steps, seed + (1u << 16)));
  } else {
    list.push_back(snn::Linear{study_classes});
    list.push_back(snn::LeakyReadout{.tau_mem = steps * study_dt, .tau_syn = 0.01, .dt = study_dt});
    data.labels = {0}, data.classes = study_classes;
  }
  return snn::Objective(snn::Network(inputs, steps, list), std::move(data), loss);
}

Eigen::VectorXd StudyNetwork::parameters() const {
  return objective().network().initial<double>({.seed = seed, .sigma_u = sigma_u, .nu = rate});
}

RuleBias no_reset_bias(StudyNetwork network, std::uint64_t paths) {
  network.reset = snn::Reset::none;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  snn::Bias bias =
      snn::bias_meter(network.objective(), network.parameters(),
                      {.accuracy = 0, .bound = 0, .seconds = infinity, .samples = paths, .seed = network.seed, .threads = 1});
  return {network.reset, std::move(bias.layers), std::move(bias.total)};
}

std::vector<RuleBias> reset_biases(StudyNetwork network, std::uint64_t paths) {
  const Eigen::VectorXd theta = network.parameters();
  const std::vector<Eigen::Index> bounds = layer_bounds(network.objective().network());
  const Eigen::MatrixXd unbiased = unbiased_blocks(network.objective(), theta, ScoreFunctionMartingale{}, paths, network.seed);
  std::vector<RuleBias> result;
  for (const snn::Reset rule : reset_rules) {
    network.reset = rule;
    const std::uint64_t batch = (rule == snn::Reset::replay ? paths / 2 : 4 * paths) / blocks;
    const Eigen::MatrixXd surrogate =
        surrogate_blocks(network.objective(), theta, batch, blocks, network.seed, bounds.back()).means;
    RuleBias bias{rule, {}, snn::relative_bias(unbiased.topRows(bounds.back()), surrogate)};
    for (std::size_t l = 0; l + 1 < bounds.size(); ++l) {
      const Eigen::Index size = bounds[l + 1] - bounds[l];
      bias.layers.push_back(snn::relative_bias(unbiased.middleRows(bounds[l], size), surrogate.middleRows(bounds[l], size)));
    }
    result.push_back(std::move(bias));
  }
  return result;
}

double length(const snn::RelativeBias& bias) { return bias.cosine.value / bias.shrink.value; }

std::vector<FlipEffect> flip_effects(const StudyNetwork& network, std::uint64_t runs, int flips) {
  Trace<double> trace(network.objective().program<double>(), network.parameters());
  const auto width = static_cast<std::size_t>(network.width), size = width * static_cast<std::size_t>(network.steps);
  std::vector<FlipSums> sums(static_cast<std::size_t>(network.layers));
  std::vector<double> variance(size), chosen;
  trace.set_datum(0);
  for (std::uint64_t run = 0; run < runs; ++run) {
    heed_interruption();
    trace.run({network.seed, run});
    trace.record(Outcomes::constants);
    Generator choices({network.seed, run, Purpose::engine});
    for (std::size_t layer = 0; layer < sums.size(); ++layer) {
      const std::size_t first = layer * size;
      double total = 0;
      for (std::size_t i = 0; i < size; ++i) {
        const double p = trace.site(first + i).pmf(1);
        total += variance[i] = p * (1 - p);
      }
      chosen.assign(static_cast<std::size_t>(flips), 0.0);
      for (double& x : chosen) x = choices.uniform() * total;
      std::sort(chosen.begin(), chosen.end());
      double sum = 0;
      std::size_t next = 0;
      for (std::size_t i = 0; i < size && next < chosen.size(); ++i) {
        sum += variance[i];
        for (; next < chosen.size() && (chosen[next] < sum || i + 1 == size); ++next) {
          trace.replay(first + i, 1 - trace.site(first + i).outcome);
          add_changes(trace, first + i, first + size, width, total / flips, sums[layer]);
        }
      }
      sums[layer].weight += total;
    }
  }
  std::vector<FlipEffect> effects;
  for (const FlipSums& s : sums) effects.push_back({s.removed / s.weight, s.added / s.weight, s.steps / s.removed});
  return effects;
}

snn::Objective Learner::objective() const {
  constexpr int inputs = 20, classes = 8, width = 64, steps = 50;
  std::vector<snn::Layer> list;
  for (int l = 0; l < layers; ++l) list.push_back(snn::Linear{width}), list.push_back(snn::Lif{.dt = study_dt, .reset = reset});
  list.push_back(snn::Linear{classes});
  list.push_back(snn::LeakyReadout{.tau_mem = steps * study_dt, .tau_syn = 0.01, .dt = study_dt});
  return snn::Objective(
      snn::Network(inputs, steps, list),
      snn::randman({.units = inputs, .classes = classes, .samples_per_class = samples / classes, .steps = steps}, seed),
      snn::MaxOverTimeCrossEntropy{});
}

Learned learn(const Learner& learner) {
  const snn::Objective objective = learner.objective();
  const snn::Network& network = objective.network();
  Learned result;
  result.theta = network.initial<double>({.seed = learner.seed});
  Eigen::VectorXd gradient, scale = Eigen::VectorXd::Ones(network.parameters());
  for (const snn::Network::Part& part : network.parts())
    if (const auto layer = static_cast<std::size_t>(part.layer); layer < learner.scale.size())
      scale.segment(part.offset, part.size()).setConstant(learner.scale[layer]);
  Optimizer optimizer = learner.optimizer;
  Batches batches(objective.data().size(), learner.batch, learner.seed);
  snn::SurrogateGradient<float> surrogate(objective, 1);
  Eigen::VectorXf single;
  const double start = cpu_seconds();
  double sum = 0;
  for (int update = 1; update <= learner.updates; ++update) {
    heed_interruption();
    const std::vector<std::size_t>& batch = batches.next();
    if (learner.estimator) {
      const snn::Objective part(network, objective.data().subset(batch), objective.loss());
      const auto seed = learner.seed << 32 | static_cast<std::uint64_t>(update);
      const Estimate e =
          estimate(part.program<double>(), result.theta, *learner.estimator, {.samples = batch.size(), .seed = seed, .threads = 1});
      gradient = e.gradient, sum += e.value;
    } else {
      const auto run = static_cast<std::uint64_t>(update) * batch.size();
      sum += surrogate(result.theta.cast<float>(), batch, {learner.seed, run}, single).loss;
      gradient = single.cast<double>();
    }
    optimizer.step(result.theta, gradient.cwiseProduct(scale));
    const int span = std::max(1, learner.updates / 10);
    if (update % span == 0) result.curve.push_back({update, cpu_seconds() - start, sum / span}), sum = 0;
  }
  result.loss = snn::evaluate(objective, result.theta, {.threads = 1}).loss;
  return result;
}

std::vector<Signal> signals(Learner learner, const Eigen::VectorXd& theta, std::uint64_t paths, int batches) {
  const Eigen::Index parameters = layer_bounds(learner.objective().network()).back();
  const auto few = [&] {
    const snn::Objective all = learner.objective();
    std::vector<std::size_t> first(8);
    std::iota(first.begin(), first.end(), std::size_t{0});
    return snn::Objective(all.network(), all.data().subset(first), all.loss());
  };
  const Eigen::MatrixXd unbiased =
      unbiased_blocks(few(), theta, StochasticDerivative{.replays = 32}, paths, learner.seed).topRows(parameters);
  std::vector<Signal> result;
  for (const snn::Reset rule : reset_rules) {
    learner.reset = rule;
    const SurrogateBlocks mean = surrogate_blocks(few(), theta, learner.batch, batches, learner.seed, parameters),
                          all = surrogate_blocks(learner.objective(), theta, learner.batch, batches, learner.seed, parameters);
    // Products of different blocks have no noise in their mean.
    const double squared = (all.means.rowwise().sum().squaredNorm() - all.means.squaredNorm()) / (blocks * (blocks - 1));
    result.push_back({rule, snn::relative_bias(unbiased, mean.means), all.squares / squared - 1});
  }
  return result;
}

}  // namespace surrogate_gradients
