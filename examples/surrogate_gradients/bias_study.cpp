#include "bias_study.hpp"

#include <algorithm>
#include <limits>

namespace surrogate_gradients {
namespace {

constexpr int study_inputs = 50, study_classes = 5;
constexpr double study_dt = 0.002, study_rate = 15.8;

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

}  // namespace

snn::Objective StudyNetwork::objective() const {
  snn::Lif lif{.dt = study_dt, .reset = reset};
  lif.escape = snn::escape::Sigmoid{beta};
  lif.recurrent = recurrent;
  std::vector<snn::Layer> list;
  for (int l = 0; l < layers; ++l) list.push_back(snn::Linear{width}), list.push_back(lif);
  list.push_back(snn::Linear{study_classes});
  list.push_back(snn::LeakyReadout{.tau_mem = steps * study_dt, .tau_syn = 0.01, .dt = study_dt});
  snn::Dataset data{.inputs = snn::SpikeEvents(steps, study_inputs), .labels = {0}, .classes = study_classes};
  data.inputs.add(snn::encode::poisson(Eigen::VectorXd::Constant(study_inputs, study_rate), study_dt, steps, seed));
  return snn::Objective(snn::Network(study_inputs, steps, list), std::move(data), loss);
}

Eigen::VectorXd StudyNetwork::parameters() const { return objective().network().initial<double>({.seed = seed}); }

snn::Bias StudyNetwork::bias(std::uint64_t paths) const {
  return snn::bias_meter(
      objective(), parameters(),
      {.accuracy = 0, .bound = 0, .seconds = std::numeric_limits<double>::infinity(), .samples = paths, .seed = seed});
}

double length(const snn::RelativeBias& bias) { return bias.cosine.value / bias.shrink.value; }

std::vector<FlipEffect> flip_effects(const StudyNetwork& network, std::uint64_t runs, int flips) {
  Trace<double> trace(network.objective().program<double>(), network.parameters());
  const auto width = static_cast<std::size_t>(network.width), size = width * static_cast<std::size_t>(network.steps);
  std::vector<FlipSums> sums(static_cast<std::size_t>(network.layers));
  std::vector<double> variance(size), chosen;
  trace.set_datum(0);
  for (std::uint64_t run = 0; run < runs; ++run) {
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

}  // namespace surrogate_gradients
