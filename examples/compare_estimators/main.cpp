// Gradient estimators side by side on programs whose answer is known.
#include <algorithm>
#include <cmath>
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
      Enumeration{.max_leaves = 1 << 12},
      FiniteDifference{},
      ScoreFunction{Baseline::none},
      ScoreFunction{},
      ScoreFunctionCritic{},
      ScoreFunctionMartingale{},
      LeaveOneOut{2},
      LeaveOneOut{4},
      MuProp{},
      UnorderedSet{},
      UnorderedSet{4},
      SumAndSample{},
      SumAndSample{1, 4},
      MeasureValuedDerivative{},
      MeasureValuedDerivative{4},
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
      DebiasedSurrogate{.replays = 4, .control = Control::table},
      DebiasedSurrogate{.replays = 4, .choice = SiteChoice::neyman, .residuals = true},
      DebiasedSurrogate{.replays = automatic_replays, .choice = SiteChoice::neyman, .residuals = true},
      ForwardTriple{},
      Auto{},
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
      Spsa{},
      EvolutionStrategy{},
      Vimco{},
  };
  return list;
}

/// "LeaveOneOut(2)" is that one, "LeaveOneOut" the one with the library's default, LeaveOneOut{}.
const AnyEstimator* find_estimator(const std::string& name) {
  for (const AnyEstimator& e : known_estimators())
    if (e.name() == name) return &e;
  static const std::vector<AnyEstimator> defaults = {
      LeaveOneOut{},  StochasticDerivative{}, DebiasedSurrogate{},       SmoothedDerivative{},
      UnorderedSet{}, SumAndSample{},         MeasureValuedDerivative{}, Vimco{}};
  const auto named = [&](const AnyEstimator& e) { return e.name().substr(0, e.name().find('(')) == name; };
  for (const AnyEstimator& e : defaults)
    if (named(e)) return &e;
  for (const AnyEstimator& e : known_estimators())
    if (named(e)) return &e;
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

/// What one program costs is not what another does: finite differences run the program twice per parameter.
std::vector<AnyEstimator> affordable(const std::vector<AnyEstimator>& estimators, const GalleryProgram& g) {
  std::vector<AnyEstimator> result;
  for (const AnyEstimator& e : estimators)
    if (e.name() != "FiniteDifference" || g.theta.size() <= 50) result.push_back(e);
  return result;
}

/// Draws a truth that is itself estimated once more, from other random numbers.
int verify_truth(std::uint64_t samples, std::uint64_t seed) {
  const Exact stored = recurrent_network().truth(), again = recompute_recurrent_truth(samples, seed);
  const Eigen::ArrayXd z = (again.gradient - stored.gradient).array() /
                           (again.gradient_error.array().square() + stored.gradient_error.array().square()).sqrt();
  const double value_z = (again.value - stored.value) / std::hypot(again.value_error, stored.value_error);
  std::cout << "recurrent_network, " << samples << " draws of LeaveOneOut(16), seed " << seed << "\nvalue " << std::setprecision(8)
            << again.value << " +- " << again.value_error << " (z = " << std::setprecision(3) << value_z << ")\n";
  for (Eigen::Index j = 0; j < z.size(); ++j)
    std::cout << "g[" << j << "] " << std::setprecision(8) << again.gradient[j] << " +- " << again.gradient_error[j]
              << " (z = " << std::setprecision(3) << z[j] << ")\n";
  const bool agrees = z.abs().maxCoeff() < 5 && std::abs(value_z) < 5;
  std::cout << (agrees ? "agrees" : "DISAGREES") << " with the stored truth\n";
  return agrees ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Compares gradient estimators on stochastic programs whose expected cost and gradient are known exactly."};
  bool list = false, optimise = false, scaling = false, verify = false;
  std::string program = "all", out = "report", json;
  std::string estimators =
      "Enumeration,FiniteDifference,ScoreFunction,LeaveOneOut(4),StochasticDerivative(1),StochasticDerivative(4),DebiasedSurrogate("
      "4),"
      "SmoothedDerivative(0.5),StraightThrough,MeanField";
  std::uint64_t samples = 0, seed = 1, diagnose = 64;
  int threads = 0;
  app.add_flag("--list", list, "List programs and estimators");
  app.add_option("--program", program, "One program, or all")->capture_default_str();
  app.add_option("--estimators", estimators, "Names, separated by commas, or all")->capture_default_str();
  app.add_option("--samples", samples, "Gradient draws of each estimator; 0: as many as suit the program")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1'000'000'000'000}))
      ->capture_default_str();
  app.add_option("--diagnose", diagnose, "Paths for the diagnostics of each program; 0: none")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1'000'000}))
      ->capture_default_str();
  app.add_flag("--optimise", optimise, "Minimise the programs that are worth it with every estimator as well");
  app.add_flag("--scaling", scaling, "Compare on families of growing size as well; done with all programs");
  app.add_flag("--verify-truth", verify, "Estimate the truth again that is not exact (a minute), and stop");
  app.add_option("--seed", seed, "Seed of all randomness")->capture_default_str();
  app.add_option("--threads", threads, "Threads; 0: all. The numbers do not depend on it")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--out", out, "Folder for index.html and the .csv and .json files")->capture_default_str();
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
    if (verify) return verify_truth(samples > 0 ? samples : 20'000, seed + 1);
    std::vector<AnyEstimator> chosen;
    if (estimators == "all") chosen = known_estimators();
    for (const std::string& name : estimators == "all" ? std::vector<std::string>() : split(estimators)) {
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

    const auto options_for = [&](const GalleryProgram& g) {
      CompareOptions options;
      options.samples = samples > 0 ? samples : g.samples;
      options.seed = seed;
      options.threads = threads;
      options.truth = g.truth();
      options.name = g.name;
      return options;
    };
    Page page;
    for (std::size_t i = 0; i < programs.size(); ++i) {
      const GalleryProgram& g = *programs[i];
      std::cerr << "[" << i + 1 << "/" << programs.size() << "] " << g.name << '\n';
      CompareOptions options = options_for(g);
      options.diagnose_paths = diagnose == 0 ? 0 : std::max<std::uint64_t>(2, diagnose);
      page.comparisons.push_back(compare(g.program, g.theta, affordable(chosen, g), options));
      std::cout << page.comparisons.back() << std::endl;
    }
    if (scaling || program == "all") {
      for (const GalleryFamily& family : families()) {
        std::cerr << "growing: " << family.name << '\n';
        ScalingSeries series;
        series.name = family.name;
        for (const int size : family.sizes) {
          const GalleryProgram g = family.make(size);
          CompareOptions options = options_for(g);
          if (samples == 0) options.samples = std::max<std::uint64_t>(400, 40'000 / static_cast<std::uint64_t>(size));
          series.sizes.push_back(size);
          series.comparisons.push_back(compare(g.program, g.theta, affordable(chosen, g), options));
        }
        page.scalings.push_back(std::move(series));
      }
    }
    if (optimise) {
      for (const GalleryProgram* g : programs) {
        if (g->rate == 0) continue;
        std::cerr << "minimising " << g->name << '\n';
        OptimisationOptions options;
        options.seed = seed;
        options.threads = threads;
        options.name = g->name;
        options.loss = g->loss;
        page.optimisations.push_back(compare_optimisation(g->program, g->theta, affordable(chosen, *g), Adam{g->rate}, options));
        std::cout << page.optimisations.back() << std::endl;
      }
      if (page.optimisations.empty()) std::cerr << "none of these programs is worth minimising\n";
      write_csv(folder / "optimisation.csv", page.optimisations);
      write_json(folder / "optimisation.json", page.optimisations);
    }
    page.write_html(folder / "index.html");
    write_csv(folder / "comparison.csv", page.comparisons);
    write_json(folder / "comparison.json", page.comparisons);
    if (!json.empty()) write_json(json, page.comparisons);
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
