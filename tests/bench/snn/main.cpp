// One training step of spiking networks (forward, back-propagation through time, Adam), in single precision, on the workloads that
// our PyTorch peer beside this file times too:
//   build/tests/bench_snn                     the steps, one thread
//   build/tests/bench_snn --peer              the same, then the peer in the same run, and the ratios
//   build/tests/bench_snn --scaling           how a step grows with the number of steps and samples, and the memory it takes
//   build/tests/bench_snn --threads           two threads against one, and against what the machine gives two programs
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <array>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <numeric>
#include <string>
#include <thread>

#include <nlohmann/json.hpp>

#include <stoat/snn.hpp>
#include <stoat/stoat.hpp>

namespace {

using namespace stoat;
using namespace stoat::snn;

struct Workload {
  const char* name;
  int inputs;
  std::vector<int> hidden;
  int outputs, steps, batch;
  double rate;
  bool recurrent, stochastic;
};

const std::vector<Workload>& workloads() {
  static const std::vector<Workload> list = {
      {"S1", 700, {128}, 20, 350, 400, 0.015, false, false},        {"S1s", 700, {128}, 20, 350, 64, 0.015, false, false},
      {"S2", 700, {256}, 20, 100, 256, 0.015, true, false},         {"S3", 700, {128, 128, 128}, 20, 350, 64, 0.015, false, false},
      {"S4", 700, {128}, 20, 350, 400, 0.015, false, true},         {"S4s", 700, {128}, 20, 350, 64, 0.015, false, true},
      {"S5", 20, {128, 128, 128}, 15, 100, 400, 0.05, false, false}};
  return list;
}

class Step {
 public:
  explicit Step(const Workload& w, int threads = 1) : gradient_(objective(w), threads), adam_(Adam{.rate = 1e-4}) {
    theta_ = gradient_.objective().network().initial<double>({.seed = 1});
    batch_.resize(static_cast<std::size_t>(w.batch));
    std::iota(batch_.begin(), batch_.end(), 0);
  }
  double operator()() {
    single_ = theta_.cast<float>();
    const double loss = gradient_(single_, batch_, {1, run_}, g_).loss;
    run_ += batch_.size();
    adam_.step(theta_, g_.cast<double>());
    return loss;
  }

 private:
  static Objective objective(const Workload& w) {
    Dataset data{.inputs = SpikeEvents(w.steps, w.inputs), .classes = w.outputs};
    for (int k = 0; k < w.batch; ++k) {
      const Eigen::VectorXd rates = Eigen::VectorXd::Constant(w.inputs, w.rate / 0.002);
      data.inputs.add(encode::poisson(rates, 0.002, w.steps, 1, static_cast<std::uint64_t>(k)));
      data.labels.push_back(k % w.outputs);
    }
    Lif lif{.activation = w.stochastic ? Activation::stochastic : Activation::deterministic};
    if (!w.stochastic) lif.surrogate = surrogate::SuperSpike{10};
    lif.recurrent = w.recurrent;
    std::vector<Layer> layers;
    for (const int n : w.hidden) {
      layers.push_back(Linear{n});
      layers.push_back(lif);
    }
    layers.push_back(Linear{w.outputs});
    layers.push_back(LeakyReadout{.tau_mem = 0.002 * w.steps});
    return Objective(Network(w.inputs, w.steps, layers), std::move(data), MaxOverTimeCrossEntropy{});
  }
  SurrogateGradient<float> gradient_;
  Optimizer adam_;
  Eigen::VectorXd theta_;
  Eigen::VectorXf single_, g_;
  std::vector<std::size_t> batch_;
  std::uint64_t run_ = 0;
};

/// Median milliseconds of a step.
double median(const Workload& w, int threads) {
  Step step(w, threads);
  step();
  std::vector<double> ms;
  for (int k = 0; k < 9; ++k) {
    const auto start = std::chrono::steady_clock::now();
    step();
    ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(ms.begin(), ms.begin() + 4, ms.end());
  return ms[4];
}

/// The most memory that this process has had, MB.
double peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

int scaling() {
  // First, while the process is small: its peak with the data alone, and after a step.
  const Workload& s1 = workloads()[0];
  {
    Step step(s1);
    const double before = peak_memory();
    step();
    std::printf("S1: %.1f MB of memory above the input\n", peak_memory() - before);
  }
  const auto row = [](const char* what, int value, const Workload& w, double& first) {
    const double ms = median(w, 1);
    if (first == 0) first = ms;
    std::printf("%s %4d: %8.1f ms, %.2f times the first\n", what, value, ms, ms / first);
    std::fflush(stdout);
  };
  double first = 0;
  for (const int steps : {100, 200, 400}) {
    Workload w = s1;
    w.steps = steps;
    row("steps", steps, w, first);
  }
  first = 0;
  for (const int batch : {100, 200, 400}) {
    Workload w = s1;
    w.batch = batch;
    row("batch", batch, w, first);
  }
  return 0;
}

/// The machine's own limit: two steps of half the batch at the same time, which share nothing.
int threads() {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](auto&& work) {
    const auto start = Clock::now();
    work();
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const auto middle = [](std::vector<double> x) {
    std::nth_element(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(x.size() / 2), x.end());
    return x[x.size() / 2];
  };
  std::printf("%-5s %16s %16s %12s\n", "", "2 threads over 1", "2 halves over 1", "of the limit");
  for (const Workload& w : workloads()) {
    Workload part = w;
    part.batch /= 2;
    Step one(w), two(w, 2), left(part), right(part);
    std::vector<double> threads, halves;
    constexpr int rounds = 16;
    std::barrier begin(2), end(2);
    std::thread other([&] {
      for (int round = 0; round < rounds; ++round) begin.arrive_and_wait(), left(), end.arrive_and_wait();
    });
    for (int round = 0; round < rounds; ++round) {
      const double alone = seconds([&] { one(); }), both = seconds([&] { two(); }),
                   apart = seconds([&] { begin.arrive_and_wait(), right(), end.arrive_and_wait(); });
      if (round > 0) threads.push_back(alone / both), halves.push_back(alone / apart);
    }
    other.join();
    std::printf("%-5s %15.2fx %15.2fx %10.0f %%\n", w.name, middle(threads), middle(halves),
                100 * middle(threads) / middle(halves));
    std::fflush(stdout);
  }
  return 0;
}

int against_peer() {
  std::printf("%-5s %10s %12s %10s %9s\n", "", "stoat, ms", "PyTorch, ms", "PyTorch /", "2 threads");
  for (const Workload& w : workloads()) {
    const double one = median(w, 1), two = median(w, 2);
    const std::string command = std::string("/usr/bin/python3 " STOAT_PEER " --workloads ") + w.name;
    double peer = 0;
    if (std::FILE* const pipe = popen(command.c_str(), "r")) {
      std::string text;
      std::array<char, 4096> buffer;
      for (std::size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) text.append(buffer.data(), n);
      if (pclose(pipe) == 0) peer = nlohmann::json::parse(text).at(w.name).at("ms").get<double>();
    }
    if (peer > 0) std::printf("%-5s %10.1f %12.1f %9.1fx %8.2fx\n", w.name, one, peer, peer / one, one / two);
    else std::printf("%-5s %10.1f %12s %10s %8.2fx\n", w.name, one, "-", "-", one / two);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "--peer") == 0) return against_peer();
  if (argc > 1 && std::strcmp(argv[1], "--scaling") == 0) return scaling();
  if (argc > 1 && std::strcmp(argv[1], "--threads") == 0) return threads();
  for (const Workload& w : workloads())
    benchmark::RegisterBenchmark(w.name, [&w](benchmark::State& state) {
      Step step(w);
      for (auto _ : state) benchmark::DoNotOptimize(step());
    })->Unit(benchmark::kMillisecond);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
