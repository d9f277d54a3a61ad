// examples/surrogate_gradients/main.cpp: the experiments of "Elucidating the theoretical underpinnings of surrogate gradient
// learning in spiking neural networks" (Gygax and Zenke 2025) on one page. README.md tells the story.
#include <algorithm>
#include <exception>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <common/page.hpp>

#include <stoat/driver/interruption.hpp>

#include "bias_chapter.hpp"
#include "classification.hpp"
#include "cost_chapter.hpp"
#include "lif.hpp"
#include "loops.hpp"
#include "matching.hpp"
#include "multilayer.hpp"
#include "perceptron.hpp"
#include "sign_change.hpp"

namespace surrogate_gradients {
namespace {

struct Entry {
  std::string name;
  Chapter (*run)(const Options&);
};

/// The page, from top to bottom.
const std::vector<Entry>& chapters() {
  static const std::vector<Entry> all{{"perceptron", perceptron_chapter},
                                      {"multilayer", multilayer_chapter},
                                      {"lif", lif_chapter},
                                      {"loops", loops_chapter},
                                      {"sign_change", sign_change_chapter},
                                      {"matching", matching_chapter},
                                      {"classification", classification_chapter},
                                      {"bias", bias_chapter},
                                      {"cost", cost_chapter}};
  return all;
}

int main(int argc, char** argv) {
  Options options;
  std::vector<std::string> names;
  std::filesystem::path out = "report/surrogate_gradients";
  CLI::App app{"What surrogate gradients are, and are not: experiments with spiking neurons on one page."};
  std::vector<std::string> known;
  for (const Entry& e : chapters()) known.push_back(e.name);
  app.add_option("--chapters", names, "which to run; default: all")->delimiter(',')->check(CLI::IsMember(known));
  app.add_flag("--quick", options.quick, "fewer points and samples");
  app.add_option("--seed", options.seed, "seed of all random numbers")->capture_default_str();
  app.add_option("--seeds", options.seeds, "seeds of every network of the chapter bias; default: 8 of some, 2 of the others")
      ->check(CLI::Range(1, 1000));
  app.add_option("--target", options.target, "PBM picture that the chapter matching is to learn, a column a ms, a row a neuron")
      ->check(CLI::ExistingFile);
  app.add_option("--out", out, "folder of the report")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  const Interruption guard;  // Ctrl-C ends the page after the chapters that are complete
  std::vector<Chapter> done;
  for (const Entry& e : chapters()) {
    if (!names.empty() && std::find(names.begin(), names.end(), e.name) == names.end()) continue;
    std::cerr << "surrogate_gradients: " << e.name << " ...\n";
    std::optional<Chapter> chapter;
    try {
      chapter = e.run(options);
    } catch (const Error&) {
      if (!interrupted()) throw;
    }
    if (interrupted()) {
      std::cerr << "surrogate_gradients: interrupted: " << e.name << " and what follows are missing\n";
      break;
    }
    done.push_back(std::move(*chapter));
    print(std::cout, done.back());
  }
  std::cout << '\n' << write_page("What surrogate gradients are, and are not", done, out).string() << '\n';
  return 0;
}

}  // namespace
}  // namespace surrogate_gradients

int main(int argc, char** argv) try { return surrogate_gradients::main(argc, argv); } catch (const std::exception& error) {
  std::cerr << "surrogate_gradients: " << error.what() << '\n';
  return 1;
}
