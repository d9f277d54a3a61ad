// Replays of one changed draw against plain runs of the same program, in turns in the same process. Sites are chosen evenly, so
// that a replay of nothing but what follows the changed site would take half a run.
//
//   replay    mean time of a replay / time of a run
//   drawn     mean number of sites that a replay draws / of sites of the run
//   keep      a run that keeps the states of its loops / a run
//   rejoined  share of the replays that left a loop because its state was that of the run again
//
// flow_moments: what it takes to choose the flow of a Categorical site, against the sums over all pairs of labels.
//
//   pairs     time of those sums / time of flow_moment(); it grows as K / log K
//
// categorical_sites: the alternatives of all draws of a particle filter: K draws among K labels a step.
//
//   record    time of a recording / time of a run
//   listed    of listing the alternatives with Flow::least_variance / of a run
//   fixed     of listing those of Flow::independent / of a run
//
// resampling: K labels among K, one by one, against as many of one law (Categorical::repeated). Time of the former / of the latter:
//
//   run       of a run
//   score     of a gradient draw of ScoreFunction
//   replays   of a gradient draw of StochasticDerivative{4}
#include <benchmark/benchmark.h>

#include <cmath>
#include <ctime>
#include <vector>

#include <boost/random/normal_distribution.hpp>
#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

/// A walk that its own position turns back, as a loop that the library sees or not.
struct Walk {
  int steps;
  bool visible;
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    S x = 0;
    const auto step = [&](S& y, int) {
      if (draw(Bernoulli(exp(-abs(y) / theta[0])))) y += 1;
      else y -= 1;
    };
    if (visible) draw.iterate(x, steps, step);
    else
      for (int t = 0; t < steps; ++t) step(x, t);
    return x * x;
  }
};

/// The same with a second draw in some steps.
const auto branching = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
  S x = 0;
  draw.iterate(x, 1000, [&](S& y, int) {
    if (draw(Bernoulli(exp(-abs(y) / theta[0])))) y += 1;
    else y -= draw(Bernoulli(0.5)) ? 2 : 1;
  });
  return x * x;
};

template <class S>
struct Population {
  S susceptible, infected;
  friend bool operator==(const Population&, const Population&) = default;
};
const auto epidemic = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
  Population<S> state{200, 5};
  draw.iterate(state, 100, [&](Population<S>& s, int) {
    const auto susceptible = static_cast<std::int64_t>(value(s.susceptible)),
               infected = static_cast<std::int64_t>(value(s.infected));
    const auto caught = draw(Binomial(susceptible, S(1 - exp(-theta[0] * s.infected / 205.0))));
    const auto recovered = draw(Binomial(infected, theta[1]));
    s.susceptible -= caught;
    s.infected += caught - recovered;
  });
  return state.susceptible;
};

/// A particle filter for a path in noise; its cost is minus the log-likelihood.
struct Particles {
  std::size_t count;
  int steps;
  bool proposed;
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    std::vector<S> particles(count, S(0)), moved(count), w(count);
    draw.iterate(particles, steps, [&](std::vector<S>& x, int t) {
      boost::random::normal_distribution<double> normal;
      S sum = 0;
      for (std::size_t i = 0; i < count; ++i) {
        moved[i] = theta[0] * x[i] + 0.5 * normal(draw);
        w[i] = exp(-0.5 * square(moved[i] - std::sin(0.1 * t)));
        sum += w[i];
      }
      draw.cost(-log(sum / static_cast<double>(count)));
      const Vector<S> weights(w);
      for (std::size_t i = 0; i < count; ++i) {
        const auto k = proposed ? draw(Categorical<S>::weights(weights, 1)) : draw(Categorical(weights));
        x[i] = moved[static_cast<std::size_t>(k.value())];
      }
    });
    return 0;
  }
};

/// Outcomes are changed to another one of so many labels, counts to one less.
constexpr std::int64_t counts = 0;
void replays(benchmark::State& state, const Program<double>& program, const Eigen::VectorXd& theta, std::int64_t labels) {
  constexpr int count = 16;
  Trace<double> plain(program, theta), trace(program, theta);
  Generator choices({.seed = 1, .purpose = Purpose::engine});
  std::clock_t run = 0, keep = 0, replay = 0;  // of the processor, in microseconds
  std::uint64_t r = 0, made = 0, rejoined = 0;
  double drawn = 0;
  for (auto _ : state) {
    const RunKey key{1, r++};
    const std::clock_t start = std::clock();
    benchmark::DoNotOptimize(plain.run(key));
    const std::clock_t ran = std::clock();
    trace.run(key, count);
    const std::clock_t kept = std::clock();
    const auto outcomes = trace.baseline_plan().forced;
    for (int i = 0; i < count; ++i) {
      const auto site = static_cast<std::size_t>((i + choices.uniform()) / count * static_cast<double>(outcomes.size()));
      const auto other = 1 + static_cast<std::int64_t>(choices.uniform() * static_cast<double>(labels - 1));
      if (labels == counts && outcomes[site] == 0) continue;
      benchmark::DoNotOptimize(trace.replay(site, labels == counts ? outcomes[site] - 1 : (outcomes[site] + other) % labels));
      ++made, rejoined += trace.rejoined(), drawn += trace.replay_cost();
    }
    replay += std::clock() - kept, keep += kept - ran, run += ran - start;
  }
  const auto ratio = [](std::clock_t a, std::clock_t b) { return static_cast<double>(a) / static_cast<double>(b); };
  state.counters["replay"] = ratio(replay, run) * static_cast<double>(r) / static_cast<double>(made);
  state.counters["drawn"] = drawn / static_cast<double>(made);
  state.counters["keep"] = ratio(keep, run);
  state.counters["rejoined"] = static_cast<double>(rejoined) / static_cast<double>(made);
}

Eigen::VectorXd one(double x) { return Eigen::VectorXd::Constant(1, x); }

BENCHMARK_CAPTURE(replays, rerun_walk_1000, Walk{1000, false}, one(200), 2);
BENCHMARK_CAPTURE(replays, rerun_walk_10000, Walk{10'000, false}, one(200), 2);
BENCHMARK_CAPTURE(replays, iterate_walk_100, Walk{100, true}, one(200), 2);
BENCHMARK_CAPTURE(replays, iterate_walk_1000, Walk{1000, true}, one(200), 2);
BENCHMARK_CAPTURE(replays, iterate_walk_10000, Walk{10'000, true}, one(200), 2);
BENCHMARK_CAPTURE(replays, iterate_branching_1000, branching, one(200), 2);
BENCHMARK_CAPTURE(replays, iterate_epidemic, epidemic, Eigen::Vector2d(0.3, 0.1), counts);
BENCHMARK_CAPTURE(replays, iterate_particles_64x50_inverted, Particles{64, 50, false}, one(0.9), 64);
BENCHMARK_CAPTURE(replays, iterate_particles_64x50, Particles{64, 50, true}, one(0.9), 64);
BENCHMARK_CAPTURE(replays, iterate_particles_64x500, Particles{64, 500, true}, one(0.9), 64);

/// E (sum_y |K(x, y)| / P(x))^2 of the antisymmetric flow, as flow.hpp defines it.
double over_pairs(const std::vector<double>& p, const std::vector<double>& t) {
  double moment = 0;
  for (std::size_t x = 0; x < p.size(); ++x) {
    double sum = 0;
    for (std::size_t y = 0; y < p.size(); ++y) sum += 0.5 * std::abs(t[y] - p[y] * t[x] / p[x]);
    moment += p[x] * sum * sum;
  }
  return moment;
}

void flow_moments(benchmark::State& state) {
  const auto labels = static_cast<std::size_t>(state.range(0));
  Generator random({.seed = 1, .purpose = Purpose::engine});
  std::vector<double> p(labels), t(labels);
  double total = 0;
  for (double& x : p) total += x = -std::log(random.uniform());
  for (std::size_t k = 0; k < labels; ++k) p[k] /= total, t[k] = p[k] * (random.uniform() - 0.5);
  const CategoricalView<double> law(p.data(), state.range(0));
  constexpr int repeats = 200;
  std::clock_t sorted = 0, pairs = 0;
  for (auto _ : state) {
    const std::clock_t start = std::clock();
    for (int i = 0; i < repeats; ++i) benchmark::DoNotOptimize(law.flow_moment(Flow::antisymmetric, t));
    const std::clock_t middle = std::clock();
    for (int i = 0; i < repeats; ++i) benchmark::DoNotOptimize(over_pairs(p, t));
    sorted += middle - start, pairs += std::clock() - middle;
  }
  state.counters["pairs"] = static_cast<double>(pairs) / static_cast<double>(sorted);
}

void categorical_sites(benchmark::State& state) {
  Trace<double> trace(Particles{static_cast<std::size_t>(state.range(0)), 20, false}, one(0.9));
  Alternatives alternatives;
  std::clock_t run = 0, record = 0, listed = 0, fixed = 0;
  std::uint64_t r = 0;
  const auto list = [&](Flow flow) {
    const std::clock_t start = std::clock();
    alternatives.clear();
    for (std::size_t i = 0; i < trace.sites(); ++i) trace.alternatives(i, flow, alternatives);
    return std::clock() - start;
  };
  for (auto _ : state) {
    const std::clock_t start = std::clock();
    benchmark::DoNotOptimize(trace.run({1, r++}));
    const std::clock_t ran = std::clock();
    trace.record(Outcomes::constants);
    run += ran - start, record += std::clock() - ran;
    trace.tangents(Eigen::Matrix<double, 1, 4>(1, 0, 0, 0));
    fixed += list(Flow::independent), listed += list(Flow::least_variance);
  }
  const auto ratio = [&](std::clock_t a) { return static_cast<double>(a) / static_cast<double>(run); };
  state.counters["record"] = ratio(record);
  state.counters["listed"] = ratio(listed);
  state.counters["fixed"] = ratio(fixed);
}

/// Particles on a line, resampled three times.
struct Resampling {
  int count;
  bool repeated;
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    Vector<S> x = Vector<double>(Eigen::VectorXd::LinSpaced(count, -1, 1));
    S cost = 0;
    for (int t = 0; t < 3; ++t) {
      const Vector<S> w = exp(-0.5 * square(x * theta[0] - 0.3));
      cost += log(sum(w));
      std::vector<Discrete<S>> ancestor;
      if (repeated) ancestor = draw(Categorical(w).repeated(count));
      else
        for (int k = 0; k < count; ++k) ancestor.push_back(draw(Categorical(w)));
      x = Vector<S>::generate(count, [&](Eigen::Index k) { return x[ancestor[static_cast<std::size_t>(k)].value()] * theta[0]; });
    }
    return cost;
  }
};

void resampling(benchmark::State& state) {
  const int count = static_cast<int>(state.range(0));
  Trace<double> single(Resampling{count, false}, one(0.9)), repeated(Resampling{count, true}, one(0.9));
  const ScoreFunction score{};
  const StochasticDerivative replays{4};
  GradientDraw out{0, Eigen::VectorXd::Zero(1)};
  std::clock_t time[3][2] = {};
  std::uint64_t r = 0;
  for (auto _ : state) {
    const SampleContext context{.seed = 1, .index = r++};
    int which = 0;
    for (Trace<double>* const trace : {&single, &repeated}) {
      const auto timed = [&](int what, const auto& work) {
        const std::clock_t start = std::clock();
        work();
        time[what][which] += std::clock() - start;
      };
      timed(0, [&] { benchmark::DoNotOptimize(trace->run(context.key())); });
      timed(1, [&] { score.sample(*trace, context, out); });
      timed(2, [&] { replays.sample(*trace, context, out); });
      ++which;
    }
  }
  const auto ratio = [](const std::clock_t(&t)[2]) { return static_cast<double>(t[0]) / static_cast<double>(t[1]); };
  state.counters["run"] = ratio(time[0]);
  state.counters["score"] = ratio(time[1]);
  state.counters["replays"] = ratio(time[2]);
}

BENCHMARK(resampling)->Arg(10)->Arg(100)->Arg(1000)->Unit(benchmark::kMillisecond);
BENCHMARK(flow_moments)->Arg(4)->Arg(16)->Arg(64)->Arg(256)->Arg(1024);
BENCHMARK(categorical_sites)->Arg(16)->Arg(64)->Arg(256)->Unit(benchmark::kMillisecond);

}  // namespace
