// Gradients of the same workloads by stoat, by other libraries, by hand, and their plain evaluation.
//
//   bench_tape            times all of them, interleaved, and prints a table of ratios
//   bench_tape --check    compares every gradient with the one by hand, component by component, and times nothing
//   bench_tape --json FILE ...    writes the table to a file, too
//
// Options of Google Benchmark are passed on (--benchmark_filter=..., --benchmark_repetitions=...).
#include <benchmark/benchmark.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine.hpp"

namespace bench {

std::vector<Task>& tasks() {
  static std::vector<Task> all;
  return all;
}

namespace {

int check() {
  // By hand once for each workload: one whose data change from run to run starts with the same in every engine.
  std::map<std::string, std::pair<double, std::vector<double>>> by_hand;
  for (const Task& task : tasks())
    if (task.engine == "hand-written") {
      std::vector<double> g(task.inputs);
      const double value = task.gradient(g);
      by_hand[task.workload] = {value, g};
    }
  int failures = 0;
  for (const Task& task : tasks()) {
    if (task.engine == "plain" || task.engine == "hand-written") continue;
    const auto& [value, expected] = by_hand[task.workload];
    std::vector<double> g(task.inputs);
    double scale = 0, worst = std::abs(task.gradient(g) - value) / std::abs(value);
    for (const double e : expected) scale = std::max(scale, std::abs(e));
    for (std::size_t i = 0; i < g.size(); ++i) worst = std::max(worst, std::abs(g[i] - expected[i]) / scale);
    const bool good = worst < 1e-9;
    failures += !good;
    std::printf("%-22s %-16s %s (largest deviation %.1e)\n", task.workload.c_str(), task.engine.c_str(),
                good ? "agrees" : "DIFFERS", worst);
  }
  return failures > 0;
}

/// Medians of the repetitions.
class Medians : public benchmark::ConsoleReporter {
 public:
  Medians() : ConsoleReporter(OO_None) {}
  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs)
      if (run.run_type == Run::RT_Aggregate && run.aggregate_name == "median")
        median_[run.run_name.function_name] = run.GetAdjustedRealTime();
  }
  /// For each engine nanoseconds and, where they are known, bytes per statement.
  nlohmann::json of(const std::string& workload) const {
    nlohmann::json engines = nlohmann::json::object();
    for (const Task& task : tasks()) {
      const auto found = median_.find(workload + ", " + task.engine);
      if (task.workload != workload || found == median_.end()) continue;
      nlohmann::json& engine = engines[task.engine];
      engine["nanoseconds"] = found->second / task.statements;
      if (task.bytes) engine["bytes"] = std::lround(task.bytes());
    }
    return engines;
  }

 private:
  std::map<std::string, double> median_;
};

void print(const nlohmann::json& table, const std::vector<std::string>& workloads) {
  std::vector<std::string> engines = {"plain", "hand-written", "stoat", "stoat, matrices"};
  for (const Task& t : tasks())
    if (std::find(engines.begin(), engines.end(), t.engine) == engines.end()) engines.push_back(t.engine);
  std::cout
      << "\nWhole gradient, nanoseconds per statement; in brackets the ratio to the gradient by hand, and bytes per statement\n\n"
      << std::setw(22) << "";
  for (const std::string& e : engines) std::cout << std::setw(22) << e;
  for (const std::string& workload : workloads) {
    std::cout << '\n' << std::left << std::setw(22) << workload << std::right;
    const nlohmann::json& row = table.at(workload);
    for (const std::string& e : engines) {
      std::string cell = row.is_null() ? "failed" : "-";
      if (row.contains(e)) {
        const double time = row[e]["nanoseconds"],
                     hand = row.contains("hand-written") ? row["hand-written"]["nanoseconds"].get<double>() : 0;
        char text[64];
        std::snprintf(text, sizeof text, "%.2f (%.2f)", time, hand > 0 ? time / hand : 0.0);
        cell = text;
        if (row[e].contains("bytes")) cell += " " + row[e]["bytes"].dump() + " B";
      }
      std::cout << std::setw(22) << cell;
    }
  }
  std::cout << '\n';
}

void time(const std::string& workload, Medians& medians) {
  for (const Task& task : tasks())
    if (task.workload == workload)
      benchmark::RegisterBenchmark((task.workload + ", " + task.engine).c_str(), [&task](benchmark::State& state) {
        std::vector<double> g(task.inputs);
        for (auto _ : state) {
          benchmark::DoNotOptimize(task.gradient(g));
          benchmark::DoNotOptimize(g.data());
          benchmark::ClobberMemory();
        }
      });
  benchmark::RunSpecifiedBenchmarks(&medians);
}

/// Times a workload in a process of its own and returns its row, or null: ADOL-C pays for the largest number of variables that
/// were ever alive in the process, so that one workload would slow down the others.
nlohmann::json time_apart(const std::string& workload) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("bench_tape: no pipe");
  std::cout << std::flush;
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("bench_tape: no new process");
  if (child == 0) {
    Medians medians;
    time(workload, medians);
    std::cout << std::flush;
    const std::string row = medians.of(workload).dump();
    _exit(write(ends[1], row.data(), row.size()) == static_cast<ssize_t>(row.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string row;
  char text[1024];
  for (ssize_t n; (n = read(ends[0], text, sizeof text)) > 0;) row.append(text, static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return status == 0 ? nlohmann::json::parse(row) : nlohmann::json();
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--check") == 0) return bench::check();
  std::string file;
  std::vector<char*> arguments{argv[0]};
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--json") == 0 && i + 1 < argc) file = argv[++i];
    else arguments.push_back(argv[i]);
  }
  // Repetitions of different benchmarks are interleaved, so that a machine whose speed drifts favours none.
  std::string defaults[] = {"--benchmark_repetitions=9", "--benchmark_enable_random_interleaving=true", "--benchmark_min_time=0.1",
                            "--benchmark_report_aggregates_only=true"};
  for (std::string& option : defaults) arguments.insert(arguments.begin() + 1, option.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  std::vector<std::string> workloads;
  for (const bench::Task& task : bench::tasks())
    if (std::find(workloads.begin(), workloads.end(), task.workload) == workloads.end()) workloads.push_back(task.workload);
  nlohmann::json table;
  for (const std::string& workload : workloads) table[workload] = bench::time_apart(workload);
  bench::print(table, workloads);
  if (!file.empty() && !(std::ofstream(file) << table.dump(1) << '\n'))
    throw std::runtime_error("bench_tape: cannot write " + file);
}
