// Gradient estimators side by side on programs whose answer is known.
#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <sstream>

#include <CLI/CLI.hpp>

#include "gallery.hpp"

using namespace stoat;

namespace {

const std::vector<AnyEstimator>& known_estimators() {
  static const std::vector<AnyEstimator> list = {
      Enumeration{.max_leaves = 1 << 16},
      FiniteDifference{},
      ScoreFunction{Baseline::none},
      ScoreFunction{},
      LeaveOneOut{2},
      LeaveOneOut{4},
      StochasticDerivative{1},
      StochasticDerivative{4},
      StochasticDerivative{0},
      DebiasedSurrogate{1},
      DebiasedSurrogate{4},
      DebiasedSurrogate{0},
      SmoothedDerivative{0},
      SmoothedDerivative{0.5},
      SmoothedDerivative{1},
      StraightThrough{},
      MeanField{},
  };
  return list;
}

/// "ScoreFunction" finds itself, "LeaveOneOut" the last of its kind, "LeaveOneOut(2)" that one.
const AnyEstimator* find_estimator(const std::string& name) {
  for (const AnyEstimator& e : known_estimators())
    if (e.name() == name) return &e;
  for (const AnyEstimator& e : known_estimators())
    if (e.name().substr(0, e.name().find('(')) == name) return &e;
  return nullptr;
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> names;
  std::istringstream in(list);
  for (std::string name; std::getline(in, name, ',');) names.push_back(name);
  return names;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Compares gradient estimators on stochastic programs whose expected cost and gradient are known exactly."};
  bool list = false;
  std::string program = "all", out = "report", json;
  std::string estimators =
      "Enumeration,FiniteDifference,ScoreFunction,LeaveOneOut(4),StochasticDerivative(1),StochasticDerivative(4),DebiasedSurrogate("
      "4),"
      "SmoothedDerivative(0.5),StraightThrough,MeanField";
  std::uint64_t samples = 20'000, seed = 1;
  int threads = 0;
  app.add_flag("--list", list, "List programs and estimators");
  app.add_option("--program", program, "One program, or all")->capture_default_str();
  app.add_option("--estimators", estimators, "Names, separated by commas")->capture_default_str();
  app.add_option("--samples", samples, "Gradient draws of each estimator")->capture_default_str();
  app.add_option("--seed", seed, "Seed of all randomness")->capture_default_str();
  app.add_option("--threads", threads, "Threads; 0: all. The numbers do not depend on it")->capture_default_str();
  app.add_option("--out", out, "Folder for index.html, comparison.csv and comparison.json")->capture_default_str();
  app.add_option("--json", json, "Write the JSON here as well");
  CLI11_PARSE(app, argc, argv);

  try {
    if (list) {
      std::cout << "programs:\n";
      for (const GalleryProgram& g : gallery()) std::cout << "  " << std::left << std::setw(24) << g.name << g.description << '\n';
      std::cout << "estimators:\n";
      for (const AnyEstimator& e : known_estimators()) std::cout << "  " << e.name() << (e.unbiased() ? "" : " (biased)") << '\n';
      return 0;
    }
    std::vector<AnyEstimator> chosen;
    for (const std::string& name : split(estimators)) {
      const AnyEstimator* e = find_estimator(name);
      if (!e) throw InvalidArgument("no estimator is called '" + name + "'; see --list");
      chosen.push_back(*e);
    }
    std::vector<const GalleryProgram*> programs;
    for (const GalleryProgram& g : gallery())
      if (program == "all" || program == g.name) programs.push_back(&g);
    if (programs.empty()) throw InvalidArgument("no program is called '" + program + "'; see --list");

    std::vector<Comparison> comparisons;
    for (std::size_t i = 0; i < programs.size(); ++i) {
      const GalleryProgram& g = *programs[i];
      std::cerr << "[" << i + 1 << "/" << programs.size() << "] " << g.name << '\n';
      CompareOptions options;
      options.samples = samples;
      options.seed = seed;
      options.threads = threads;
      options.truth = g.truth;
      options.name = g.name;
      comparisons.push_back(compare(g.program, g.theta, chosen, options));
      std::cout << comparisons.back() << std::endl;
    }
    const std::filesystem::path folder(out);
    std::filesystem::create_directories(folder);
    write_html(folder / "index.html", comparisons);
    write_csv(folder / "comparison.csv", comparisons);
    write_json(folder / "comparison.json", comparisons);
    if (!json.empty()) write_json(json, comparisons);
    std::cout << std::filesystem::absolute(folder / "index.html").string() << std::endl;
    return 0;
  } catch (const InvalidArgument& e) {
    std::cerr << "compare_estimators: " << e.what() << '\n';
    return 2;
  } catch (const std::exception& e) {
    std::cerr << "compare_estimators: " << e.what() << '\n';
    return 1;
  }
}
