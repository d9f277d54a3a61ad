// Replays by differences in spiking networks, in single precision, against forward passes of the same networks in the same run: 700
// inputs at 1.5 % per step, stochastic neurons (S4 of bench/snn and deeper ones), 20 outputs. One sample after the other: a run
// that keeps what replays need, then 32 replays while it is in the cache.
//
//   forward       microseconds of a forward pass of SurrogateGradient::evaluate, which keeps nothing: the unit of what follows
//   run           a plain run of the program, whose coins are sites
//   keep          a run that keeps what replays need / a plain run
//   replay        mean of a replay of a random site
//   last          of a random site of the last hidden layer
//   rerun         of a random site, run again from the start
//   all           all replays of the last hidden layer together, with the loss of each (where the loss tells them at once)
//   spikes        mean rate, per step
//   changed       mean number of outcomes that a replay changes, its own included
//   bytes         that a run keeps of its neurons, membranes and spikes included, per neuron and step
#include <benchmark/benchmark.h>

#include <ctime>
#include <vector>

#include <stoat/snn.hpp>
#include <stoat/stoat.hpp>

using namespace stoat;
using namespace stoat::snn;

namespace {

Objective objective(const std::vector<int>& hidden, int steps, bool recurrent, const Loss& loss) {
  constexpr int inputs = 700, outputs = 20, samples = 16;
  Dataset data{.inputs = SpikeEvents(steps, inputs), .classes = outputs};
  for (int k = 0; k < samples; ++k) {
    data.inputs.add(encode::poisson(Eigen::VectorXd::Constant(inputs, 7.5), 0.002, steps, 1, static_cast<std::uint64_t>(k)));
    data.labels.push_back(k % outputs);
  }
  Lif lif;
  lif.recurrent = recurrent;
  std::vector<Layer> layers;
  for (const int n : hidden) layers.insert(layers.end(), {Linear{n}, lif});
  layers.insert(layers.end(), {Linear{outputs}, LeakyReadout{.tau_mem = 0.002 * steps}});
  return Objective(Network(inputs, steps, layers), std::move(data), loss);
}

struct Clock {
  std::clock_t total = 0, begun = 0;
  void start() { begun = std::clock(); }
  void stop() { total += std::clock() - begun; }
  double over(double n) const { return static_cast<double>(total) / n; }
};

/// `gain`: the standard deviation of the membrane that recurrent weights cause, relative to that of the input.
void replays(benchmark::State& state, const std::vector<int>& hidden, int steps, double gain, const Loss& loss) {
  constexpr int count = 32;
  const Objective o = objective(hidden, steps, gain > 0, loss);
  const Network& network = o.network();
  const Eigen::VectorXf theta = network.initial<float>({.seed = 1, .nu = 10, .alpha = 1 / (1 + gain * gain)});
  SurrogateGradient<float> gradient(o, 1);
  const Program<float> program = o.program<float>();
  Trace<float> plain(program, theta), trace(program, theta);
  Generator choices({.seed = 1, .purpose = Purpose::engine});
  Clock forward, run, keep, replay, last, rerun, all;
  double samples = 0, made = 0, changed = 0, spikes = 0, sites = 0, reruns = 0;
  std::vector<float> changes;
  std::vector<std::size_t> batch(1);
  const auto begin_of_last = [&] { return trace.baseline_plan().forced.size() - static_cast<std::size_t>(hidden.back() * steps); };
  for (auto _ : state) {
    const auto r = static_cast<std::uint64_t>(samples);
    batch[0] = r % o.data().size();
    plain.set_datum(batch[0]), trace.set_datum(batch[0]);
    forward.start();
    benchmark::DoNotOptimize(gradient.evaluate(theta, batch, {1, r}));
    forward.stop();
    run.start();
    benchmark::DoNotOptimize(plain.run({1, r}));
    run.stop();
    keep.start();
    benchmark::DoNotOptimize(trace.run({1, r}, count));
    keep.stop();
    const auto outcomes = trace.baseline_plan().forced;
    const auto one = [&](Trace<float>& by, std::size_t first) {
      const auto site = first + static_cast<std::size_t>(choices.uniform() * static_cast<double>(outcomes.size() - first));
      benchmark::DoNotOptimize(by.change(site, 1 - outcomes[site]));
    };
    replay.start();
    for (int k = 0; k < count; ++k) one(trace, 0);
    replay.stop();
    last.start();
    for (int k = 0; k < count; ++k) one(trace, begin_of_last());
    last.stop();
    if (const auto block = trace.last_block(true); block.sites > 0) {
      changes.resize(block.sites);
      all.start();
      trace.changes_of_last(changes);
      all.stop();
    }
    if (r % 4 == 0) {
      rerun.start();
      for (int k = 0; k < 2; ++k) one(plain, 0), ++reruns;
      rerun.stop();
      one(trace, 0);
      const auto replayed = trace.replayed();
      for (std::size_t i = 0; i < outcomes.size(); ++i)
        changed += replayed[i] != outcomes[i], spikes += static_cast<double>(outcomes[i]), ++sites;
      ++made;
    }
    ++samples;
  }
  const double unit = forward.over(samples);
  state.counters["forward"] = unit * 1e6 / CLOCKS_PER_SEC;
  state.counters["run"] = run.over(samples) / unit;
  state.counters["keep"] = keep.over(1) / run.over(1);
  state.counters["replay"] = replay.over(samples * count) / unit;
  state.counters["last"] = last.over(samples * count) / unit;
  state.counters["rerun"] = rerun.over(reruns) / unit;
  if (all.total > 0) state.counters["all"] = all.over(samples) / unit;
  state.counters["changed"] = changed / made;
  state.counters["spikes"] = spikes / sites;

  ReplayLog<float> log;
  log.arena().allocate<char>(std::size_t{1} << 24);  // one piece of memory: what is used of it is what was asked for
  log.begin();
  Sampler<float> draw;
  draw.set_replay_log(&log);
  draw.begin({.key = {1, 0}});
  benchmark::DoNotOptimize(o(draw, Vector<float>(theta), 0));
  const double outputs = sizeof(float) * 32.0 * steps;  // 20 of them, padded
  state.counters["bytes"] = (static_cast<double>(log.arena().used()) - outputs) / static_cast<double>(draw.outcomes().size());
}

const Loss max = MaxOverTimeCrossEntropy{}, mean = MeanOverTimeCrossEntropy{};
BENCHMARK_CAPTURE(replays, 128, {128}, 350, 0, max)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(replays, 128_128, {128, 128}, 350, 0, max)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(replays, 128_128_128, {128, 128, 128}, 350, 0, max)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(replays, 512_512, {512, 512}, 350, 0, max)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(replays, recurrent_256_gain_005, {256}, 100, 0.05, max)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(replays, recurrent_256_gain_01, {256}, 100, 0.1, max)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(replays, recurrent_256_gain_04, {256}, 100, 0.4, max)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(replays, 128_mean, {128}, 350, 0, mean)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(replays, 128_128_mean, {128, 128}, 350, 0, mean)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(replays, 128_128_128_mean, {128, 128, 128}, 350, 0, mean)->Unit(benchmark::kMillisecond);

}  // namespace
