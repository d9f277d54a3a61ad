// The driver against loops by hand: what it adds to the samples, what a second thread gains, what a node of the tree costs.
//
// Times that are compared are taken in turns in one run, the least of many: see the counters. Two threads need two idle cores.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <memory>
#include <thread>
#include <vector>

#include <stoat/driver/monte_carlo.hpp>
#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

/// The walk of so many steps.
struct Walk {
  int steps;
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    S x = 0;
    for (int t = 0; t < steps; ++t) {
      if (draw(Bernoulli(exp(-x / theta[0])))) x += 1;
      else x -= 1;
    }
    return x * x;
  }
};
Eigen::VectorXd start() { return Eigen::VectorXd::Constant(1, 200.0); }

template <class F>
double seconds(const F& f) {
  const auto begin = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// The samples of an estimate by hand, on threads with a trace each.
class ByHand {
 public:
  ByHand(const Program<double>& program, AnyEstimator estimator, int threads) : estimator_(std::move(estimator)) {
    for (int t = 0; t < threads; ++t) traces_.push_back(std::make_unique<Trace<double>>(program, start()));
  }
  void operator()(std::uint64_t samples) {
    std::vector<std::thread> threads;
    const std::uint64_t each = samples / traces_.size();
    for (std::size_t t = 1; t < traces_.size(); ++t) threads.emplace_back([&, t] { run(*traces_[t], t * each, each); });
    run(*traces_[0], 0, each);
    for (std::thread& thread : threads) thread.join();
  }

 private:
  void run(Trace<double>& trace, std::uint64_t first, std::uint64_t count) {
    GradientDraw draw;
    double sum = 0;
    SampleContext context{1, 0, estimator_.keys(), 4462.0};
    for (std::uint64_t i = first; i < first + count; ++i) {
      context.index = i;
      draw.gradient.setZero(1);
      estimator_.sample(trace, context, draw);
      sum += draw.gradient[0];
    }
    benchmark::DoNotOptimize(sum);
  }
  AnyEstimator estimator_;
  std::vector<std::unique_ptr<Trace<double>>> traces_;
};

/// Time of the processor: other processes do not count.
template <class F>
double processor_seconds(const F& f) {
  const std::clock_t begin = std::clock();
  f();
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

/// estimate() on one thread beside the loop by hand, in percent of the latter.
void overhead(benchmark::State& state, const AnyEstimator& estimator) {
  const Program<double> program = Walk{static_cast<int>(state.range(0))};
  const auto samples = static_cast<std::uint64_t>(4'000'000 / state.range(0));
  ByHand by_hand(program, estimator, 1);
  double driver = 1e9, hand = 1e9;
  for (auto _ : state) {
    driver =
        std::min(driver, processor_seconds([&] { estimate(program, start(), estimator, {.samples = samples, .threads = 1}); }));
    hand = std::min(hand, processor_seconds([&] { by_hand(samples); }));
  }
  state.counters["percent"] = 100 * (driver / hand - 1);
}
BENCHMARK_CAPTURE(overhead, score_function, ScoreFunction{})->Arg(10)->Arg(100)->Arg(1000)->Iterations(5);
BENCHMARK_CAPTURE(overhead, stochastic_derivative, StochasticDerivative{})->Arg(100)->Arg(1000)->Iterations(5);

/// Two threads against one, of estimate() and by hand: what the machine gives at best.
void two_threads(benchmark::State& state, const AnyEstimator& estimator) {
  const Program<double> program = Walk{100};
  constexpr std::uint64_t samples = 10'000;
  ByHand one(program, estimator, 1), two(program, estimator, 2);
  double hand_one = 1e9, hand_two = 1e9, driver_one = 1e9, driver_two = 1e9;
  const auto driver = [&](int threads) {
    return seconds([&] { estimate(program, start(), estimator, {.samples = samples, .threads = threads}); });
  };
  for (auto _ : state) {
    hand_one = std::min(hand_one, seconds([&] { one(samples); }));
    hand_two = std::min(hand_two, seconds([&] { two(samples); }));
    driver_one = std::min(driver_one, driver(1));
    driver_two = std::min(driver_two, driver(2));
  }
  state.counters["gain"] = driver_one / driver_two;
  state.counters["gain_by_hand"] = hand_one / hand_two;
  state.counters["of_it"] = state.counters["gain"] / state.counters["gain_by_hand"];
}
BENCHMARK_CAPTURE(two_threads, score_function, ScoreFunction{})->Iterations(15);
BENCHMARK_CAPTURE(two_threads, stochastic_derivative, StochasticDerivative{})->Iterations(15);

/// What a rank does for one node of the tree that it shares with another, apart from the network.
void node(benchmark::State& state) {
  detail::Moments left, right;
  for (detail::Moments* m : {&left, &right})
    for (int i = 0; i < 2; ++i) m->add(Eigen::VectorXd::Random(state.range(0) + 1));
  std::size_t bytes = 0;
  for (auto _ : state) {
    detail::Packer packer;
    packer(right);
    bytes = packer.bytes.size();
    detail::Moments other;
    detail::Unpacker(packer.bytes)(other);
    left.merge(other);
  }
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(node)->Arg(1)->Arg(100)->Arg(100'000);

}  // namespace
