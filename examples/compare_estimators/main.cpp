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
      DisArm{},
      DisArm{AntitheticGroups::sites},
      Arms{},
      DoubleControlVariate{},
      Rebar{},
      Relax{},
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
      ReinMax{},
      GumbelSoftmax{},
      StraightThroughGumbel{},
      GumbelRao{},
      GappedStraightThrough{},
      MeanField{},
  };
  return list;
}

/// "LeaveOneOut(2)" is that one, "LeaveOneOut" the one with the library's default, LeaveOneOut{}.
const AnyEstimator* find_estimator(const std::string& name) {
  for (const AnyEstimator& e : known_estimators())
    if (e.name() == name) return &e;
  static const std::vector<AnyEstimator> defaults = {LeaveOneOut{}, StochasticDerivative{}, DebiasedSurrogate{},
                                                     SmoothedDerivative{}};
  for (const AnyEstimator& e : defaults)
    if (e.name().substr(0, e.name().find('(')) == name) return &e;
  return nullptr;
}

/// The names between commas, blanks around them dropped.
std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> names;
  std::istringstream in(list);
  for (std::string name; std::getline(in, name, ',');) {
    const auto first = name.find_first_not_of(' ');
    if (first != std::string::npos) names.push_back(name.substr(first, name.find_last_not_of(' ') - first + 1));
  }
  return names;
}

/// "no program is called 'wak'; known: toy, ..."
InvalidArgument unknown(const std::string& kind, const std::string& name, const std::vector<std::string>& known) {
  std::string message = "no " + kind + " is called '" + name + "'; known:";
  for (const std::string& k : known) message += (&k == &known.front() ? " " : ", ") + k;
  return InvalidArgument(message);
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
  app.add_option("--samples", samples, "Gradient draws of each estimator")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000'000'000}))
      ->capture_default_str();
  app.add_option("--seed", seed, "Seed of all randomness")->capture_default_str();
  app.add_option("--threads", threads, "Threads; 0: all. The numbers do not depend on it")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--out", out, "Folder for index.html, comparison.csv and comparison.json")->capture_default_str();
  app.add_option("--json", json, "Write the JSON here as well");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) { return app.exit(e) == 0 ? 0 : 2; }

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
      if (!e) {
        std::vector<std::string> known;
        for (const AnyEstimator& k : known_estimators()) known.push_back(k.name());
        throw unknown("estimator", name, known);
      }
      const bool repeated = std::any_of(chosen.begin(), chosen.end(), [&](const AnyEstimator& c) { return c.name() == e->name(); });
      if (!repeated) chosen.push_back(*e);
    }
    if (chosen.empty()) throw InvalidArgument("--estimators names none; see --list");
    std::vector<const GalleryProgram*> programs;
    for (const GalleryProgram& g : gallery())
      if (program == "all" || program == g.name) programs.push_back(&g);
    if (programs.empty()) {
      std::vector<std::string> known = {"all"};
      for (const GalleryProgram& g : gallery()) known.push_back(g.name);
      throw unknown("program", program, known);
    }
    // Before the work, so that a folder that cannot be made is reported at once.
    const std::filesystem::path folder(out);
    std::filesystem::create_directories(folder);

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
    write_html(folder / "index.html", comparisons);
    write_csv(folder / "comparison.csv", comparisons);
    write_json(folder / "comparison.json", comparisons);
    if (!json.empty()) write_json(json, comparisons);
    std::cout << std::filesystem::canonical(folder / "index.html").string() << std::endl;
    return 0;
  } catch (const InvalidArgument& e) {
    std::cerr << "compare_estimators: " << e.what() << '\n';
    return 2;
  } catch (const std::exception& e) {
    std::cerr << "compare_estimators: " << e.what() << '\n';
    return 1;
  }
}
