// One gradient draw of the 100-step walk against one plain run of the program, in the same process.
#include <benchmark/benchmark.h>

#include <cmath>

#include <Random123/philox.h>

#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

const auto walk = []<class S>(Sampler<S>& draw, const Vector<S>& theta) -> S {
  S x = 0;
  for (int t = 0; t < 100; ++t) {
    if (draw(Bernoulli(exp(-x / theta[0])))) x += 1;
    else x -= 1;
  }
  return x * x;
};

void plain_run(benchmark::State& state) {
  Trace<double> trace(walk, Eigen::VectorXd::Constant(1, 200.0));
  std::uint64_t r = 0;
  for (auto _ : state) benchmark::DoNotOptimize(trace.run({1, r++}));
}
BENCHMARK(plain_run);

/// The floor: the same walk by hand, with the same keyed uniforms.
void hand_written_run(benchmark::State& state) {
  std::uint64_t r = 0;
  for (auto _ : state) {
    double x = 0;
    for (std::uint64_t block = 0; block < 50; ++block) {
      const auto w = r123::Philox4x32{}({{0, static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(r << 16), 0}}, {{1, 0}});
      x += uniform53(w[0], w[1]) < std::exp(-x / 200.0) ? 1 : -1;
      x += uniform53(w[2], w[3]) < std::exp(-x / 200.0) ? 1 : -1;
    }
    benchmark::DoNotOptimize(x * x);
    ++r;
  }
}
BENCHMARK(hand_written_run);

void recorded_run(benchmark::State& state) {
  Trace<double> trace(walk, Eigen::VectorXd::Constant(1, 200.0));
  std::uint64_t r = 0;
  for (auto _ : state) benchmark::DoNotOptimize(trace.record({1, r++}, Outcomes::constants));
}
BENCHMARK(recorded_run);

template <class E>
void gradient_draw(benchmark::State& state, const E& estimator) {
  Trace<double> trace(walk, Eigen::VectorXd::Constant(1, 200.0));
  GradientDraw draw;
  draw.gradient.setZero(1);
  SampleContext context{1, 0, AnyEstimator(estimator).keys(), 4462.0};
  for (auto _ : state) {
    draw.gradient.setZero();
    estimator.sample(trace, context, draw);
    ++context.index;
    benchmark::DoNotOptimize(draw.gradient.data());
  }
}
BENCHMARK_CAPTURE(gradient_draw, StochasticDerivative_1, StochasticDerivative{1});
BENCHMARK_CAPTURE(gradient_draw, StochasticDerivative_4, StochasticDerivative{4});
BENCHMARK_CAPTURE(gradient_draw, DebiasedSurrogate_1, DebiasedSurrogate{1});
BENCHMARK_CAPTURE(gradient_draw, ScoreFunction, ScoreFunction{});
BENCHMARK_CAPTURE(gradient_draw, LeaveOneOut_4, LeaveOneOut{4});
BENCHMARK_CAPTURE(gradient_draw, StraightThrough, StraightThrough{});

}  // namespace
