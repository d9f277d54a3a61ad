// Draws of each law in a program of 1000 of them: run, recorded, differentiated; against the samplers of Boost.Random, each with
// the fastest of its engines here. Then blocks of draws. Options of Google Benchmark are passed on.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <iostream>
#include <limits>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include <boost/random/bernoulli_distribution.hpp>
#include <boost/random/binomial_distribution.hpp>
#include <boost/random/gamma_distribution.hpp>
#include <boost/random/geometric_distribution.hpp>
#include <boost/random/lagged_fibonacci.hpp>
#include <boost/random/mersenne_twister.hpp>
#include <boost/random/negative_binomial_distribution.hpp>
#include <boost/random/normal_distribution.hpp>
#include <boost/random/poisson_distribution.hpp>
#include <boost/random/taus88.hpp>
#include <stoat/stoat.hpp>

using namespace stoat;

namespace {

constexpr int count = 1000;

/// Medians of the repetitions, in nanoseconds per draw.
class Medians : public benchmark::ConsoleReporter {
 public:
  Medians() : ConsoleReporter(OO_None) {}
  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs)
      if (run.run_type == Run::RT_Aggregate && run.aggregate_name == "median")
        median_[run.run_name.function_name] = run.GetAdjustedRealTime() / count;
  }
  double operator()(const std::string& name) const {
    const auto found = median_.find(name);
    return found == median_.end() ? std::numeric_limits<double>::quiet_NaN() : found->second;
  }

 private:
  std::map<std::string, double> median_;
};

std::vector<std::string>& laws() {
  static std::vector<std::string> names;
  return names;
}
const std::vector<std::string> engines = {"taus88", "mt11213b", "lagged_fibonacci607"};

template <class F>
void time(const std::string& name, F body) {
  benchmark::RegisterBenchmark(name.c_str(), [body](benchmark::State& state) mutable {
    for (auto _ : state) benchmark::DoNotOptimize(body());
  });
}
template <class Engine, class D>
void time_boost(const std::string& name, const std::string& engine, const D& make) {
  time(name + " " + engine, [make, e = Engine()]() mutable {
    // A program's parameters change from draw to draw, so a sampler is made for each.
    double sum = 0, parameter = 1;
    for (int i = 0; i < count; ++i) {
      benchmark::DoNotOptimize(parameter);
      sum += static_cast<double>(make(parameter)(e));
    }
    return sum;
  });
}

/// `law` makes the law from a parameter, near 1. Without a sampler of Boost.Random: nullptr.
template <class F, class D>
void add(const std::string& name, const F& law, const D& boost_sampler) {
  laws().push_back(name);
  const auto program = [law]<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    S sum = 0;
    for (int i = 0; i < count; ++i) sum += S(draw(law(t[0])));
    return sum;
  };
  const auto trace = std::make_shared<Trace<double>>(program, Eigen::VectorXd::Ones(1));
  time(name + " run", [trace, r = std::uint64_t{0}]() mutable { return trace->run({1, r++}); });
  time(name + " record", [trace, r = std::uint64_t{0}]() mutable { return trace->record({1, r++}); });
  const auto gradient = [&](const std::string& what, const AnyEstimator& e) {
    time(name + " " + what, [trace, e, r = std::uint64_t{0}, out = GradientDraw{0, Eigen::VectorXd::Zero(1)}]() mutable {
      e.sample(*trace, {.seed = 1, .index = r++}, out);
      return out.gradient[0];
    });
  };
  gradient("score", ScoreFunction{Baseline::none});
  gradient("smoothed", SmoothedDerivative{});
  if constexpr (!std::is_null_pointer_v<D>) {
    time_boost<boost::random::taus88>(name, engines[0], boost_sampler);
    time_boost<boost::random::mt11213b>(name, engines[1], boost_sampler);
    time_boost<boost::random::lagged_fibonacci607>(name, engines[2], boost_sampler);
  }
}

void add_poisson(double rate) {
  char name[40];
  std::snprintf(name, sizeof name, "Poisson(%g)", rate);
  add(
      name, [rate](const auto& x) { return Poisson(rate * x); },
      [rate](double x) { return boost::random::poisson_distribution<int>(rate * x); });
}
void add_binomial(int n, double p) {
  char name[40];
  std::snprintf(name, sizeof name, "Binomial(%d, %g)", n, p);
  add(
      name, [n, p](const auto& x) { return Binomial(n, p * x); },
      [n, p](double x) { return boost::random::binomial_distribution<int>(n, p * x); });
}

/// Blocks of 64 x 1000 entries, timed per 64 draws.
constexpr Eigen::Index rows = 64;
template <class F>
void add_block(const std::string& name, const F& law) {
  const auto p = std::make_shared<Matrix<double>>(Eigen::MatrixXd::NullaryExpr(
      rows, count, [](Eigen::Index i, Eigen::Index j) { return 0.05 + 0.9 * static_cast<double>((7 * i + 13 * j) % 101) / 101; }));
  time("block " + name, [p, law, draw = std::make_shared<Sampler<double>>(), r = std::uint64_t{0}]() mutable {
    draw->begin({.key = {1, r++}});
    return (*draw)(law(*p)).scalars().data()[0];
  });
}

}  // namespace

int main(int argc, char** argv) {
  add(
      "Bernoulli(0.3)", [](const auto& x) { return Bernoulli(0.3 * x); },
      [](double x) { return boost::random::bernoulli_distribution<double>(0.3 * x); });
  add(
      "Geometric(0.2)", [](const auto& x) { return Geometric(0.2 * x); },
      [](double x) { return boost::random::geometric_distribution<int>(0.2 * x); });
  for (const double rate : {0.5, 3.0, 9.0, 30.0, 100.0, 1e4, 1e6}) add_poisson(rate);
  add_binomial(10, 0.3);
  add_binomial(100, 0.03);
  add_binomial(100, 0.3);
  add_binomial(10'000, 0.3);
  add_binomial(1'000'000, 0.3);
  add(
      "NegativeBinomial(4, 0.5)", [](const auto& x) { return NegativeBinomial(4 * x, 0.5); },
      [](double) { return boost::random::negative_binomial_distribution<int>(4, 0.5); });
  add(
      "Normal", [](const auto& x) { return Normal(x, x); },
      [](double x) { return boost::random::normal_distribution<double>(x, x); });
  add(
      "Gamma(2.5, 1)", [](const auto& x) { return Gamma(2.5 * x, x); },
      [](double x) { return boost::random::gamma_distribution<double>(2.5 * x, x); });
  // Laws that Boost.Random lacks, or draws in another way.
  add(
      "BernoulliLogit(0.3)", [](const auto& x) { return BernoulliLogit(0.3 * x); }, nullptr);
  add(
      "DiscreteUniform(1, 6)", [](const auto&) { return DiscreteUniform(1, 6); }, nullptr);
  add(
      "Hypergeometric(60, 20, 30)", [](const auto&) { return Hypergeometric(60, 20, 30); }, nullptr);
  add(
      "BetaBinomial(20, 2, 3)", [](const auto& x) { return BetaBinomial(20, 2 * x, 3); }, nullptr);
  add(
      "Zipf(1.5, 1000)", [](const auto& x) { return Zipf(1.5 * x, 1000); }, nullptr);
  add(
      "ZeroInflated Poisson(3)", [](const auto& x) { return ZeroInflated(0.3 * x, Poisson(3 * x)); }, nullptr);
  add(
      "Truncated Poisson(3)", [](const auto& x) { return Truncated(Poisson(3 * x), 1, 9); }, nullptr);
  add(
      "Categorical, 4 labels",
      [](const auto& x) {
        return Categorical(Vector<ScalarOf<decltype(x)>>{x, 2 * x, 3, 4});
      },
      nullptr);
  add(
      "Exponential", [](const auto& x) { return Exponential(x); }, nullptr);
  add(
      "Laplace", [](const auto& x) { return Laplace(x, x); }, nullptr);
  add(
      "Logistic", [](const auto& x) { return Logistic(x, x); }, nullptr);
  add(
      "Beta(2, 3)", [](const auto& x) { return Beta(2 * x, 3); }, nullptr);
  add(
      "StudentT(5)", [](const auto& x) { return StudentT(5 * x); }, nullptr);
  add(
      "VonMises(0, 2)", [](const auto& x) { return VonMises(0, 2 * x); }, nullptr);
  add_block("Bernoulli", [](const auto& p) { return Bernoulli(p); });
  add_block("Poisson", [](const auto& p) { return Poisson(p); });

  std::vector<char*> arguments(argv, argv + argc);
  std::string defaults[] = {"--benchmark_repetitions=7", "--benchmark_enable_random_interleaving=true", "--benchmark_min_time=0.02",
                            "--benchmark_report_aggregates_only=true"};
  for (std::string& option : defaults) arguments.insert(arguments.begin() + 1, option.data());
  int size = static_cast<int>(arguments.size());
  benchmark::Initialize(&size, arguments.data());
  Medians time_of;
  benchmark::RunSpecifiedBenchmarks(&time_of);

  std::printf("\nNanoseconds per draw\n\n%-26s %9s %9s %9s %9s %9s %9s\n", "", "Boost", "run", "run/Boost", "record", "score",
              "smoothed");
  for (const std::string& law : laws()) {
    double boost = std::numeric_limits<double>::infinity();
    for (const std::string& engine : engines) boost = std::min(boost, time_of(law + " " + engine));
    const double run = time_of(law + " run");
    std::printf("%-26s ", law.c_str());
    if (std::isinf(boost)) std::printf("%9s %9.2f %9s", "-", run, "-");
    else std::printf("%9.2f %9.2f %9.2f", boost, run, run / boost);
    std::printf(" %9.2f %9.2f %9.2f\n", time_of(law + " record"), time_of(law + " score"), time_of(law + " smoothed"));
  }
  for (const std::string law : {"Bernoulli", "Poisson"})
    std::printf("block of %-17s %9s %9.2f   (%.0f million draws per second)\n", law.c_str(), "", time_of("block " + law) / rows,
                1e3 / (time_of("block " + law) / rows));
}
