// examples/train_snn/main.cpp: the same network with deterministic and with stochastic spikes learns to tell classes of spike times
// apart. README.md tells the story.
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <stoat/driver/interruption.hpp>
#include <stoat/driver/report.hpp>
#ifdef STOAT_EXAMPLE_MPI
#include <stoat/mpi/mpi.hpp>
#endif
#include <stoat/snn.hpp>

using namespace stoat;
using namespace stoat::snn;

namespace {

constexpr double dt = 0.002;  // s

struct Settings {
  Randman data{.units = 20, .classes = 10, .samples_per_class = 500, .steps = 100, .alpha = 1};
  std::vector<int> hidden{128};
  int epochs = 40, trials = 200;
  std::size_t batch = 200;
  double rate = 0.01, beta = 10;
  std::uint64_t seed = 1;
  int threads = 0;
  bool resume = false, mpi = false;
  std::shared_ptr<Ranks> ranks;
  bool first() const { return !ranks || ranks->rank() == 0; }  ///< the process that has files and tells what happens
  std::filesystem::path out = "report/train_snn";
};

struct Data {
  std::shared_ptr<const Dataset> train, validation, test;
};

Data make_data(const Settings& settings) {
  const std::vector<Dataset> parts = split(randman(settings.data, settings.seed), {0.8, 0.1, 0.1});
  const auto shared = [&](std::size_t k) { return std::make_shared<const Dataset>(parts[k]); };
  return {shared(0), shared(1), shared(2)};
}

/// Layers of spiking neurons and a leaky readout that remembers the whole sample.
Network make_network(const Settings& settings, Activation activation) {
  Lif lif{.tau_mem = 0.02, .tau_syn = 0.01, .dt = dt, .activation = activation, .escape = escape::Sigmoid{settings.beta}};
  lif.surrogate = surrogate::SuperSpike{settings.beta};
  std::vector<Layer> layers;
  for (const int units : settings.hidden) {
    layers.push_back(Linear{units});
    layers.push_back(lif);
  }
  layers.push_back(Linear{settings.data.classes});
  layers.push_back(LeakyReadout{.tau_mem = settings.data.steps * dt, .tau_syn = 0.01, .dt = dt});
  return Network(settings.data.units, settings.data.steps, layers);
}

/// A network that was trained, and what it does.
struct Result {
  std::string name;
  Training training;
  Evaluation test, other;  ///< with the activation of the training, and with the other one
  double rate = 0;         ///< of the first hidden layer over the test data, Hz
  double fano = 0;         ///< of the counts in windows of 20 ms over trials of one sample
  double seconds = 0;
};

/// Nothing but the training if that was interrupted.
Result train_one(const Settings& settings, const Data& data, Activation activation) {
  const bool coins = activation == Activation::stochastic;
  Result r;
  r.name = coins ? "stochastic" : "deterministic";
  const Network network = make_network(settings, activation);
  const Objective objective(network, data.train, MaxOverTimeCrossEntropy{}, {UpperBound{.strength = 0.1, .threshold = 7}});
  // Each input spikes once in a sample. Coins blur the threshold, so that stochastic neurons are to fluctuate more.
  const double nu = 1 / (settings.data.steps * dt);
  const Eigen::VectorXd start = network.initial<double>({.seed = settings.seed + 1, .sigma_u = coins ? 1.3 : 1.0, .nu = nu});

  TrainOptions options;
  options.epochs = settings.epochs;
  options.batch = settings.batch;
  options.seed = settings.seed;
  options.threads = settings.threads;
  options.ranks = settings.ranks;
  options.validation = data.validation;
  options.other_activation = true;
  options.monitor = Monitor::accuracy;
  options.csv = settings.out / (r.name + ".csv");
  options.checkpoint = settings.out / (r.name + ".checkpoint");
  if (settings.first()) {
    if (!settings.resume) std::filesystem::remove(options.checkpoint);
    std::cerr << "train_snn: " << r.name << " spikes, " << network.parameters() << " weights\n";
  }
  r.training = train(objective, start, Smorms3{settings.rate}, options);
  if (r.training.end == Training::End::interrupted) return r;
  for (const Epoch& e : r.training.epochs) r.seconds += e.seconds;

  const Objective test(network, data.test, objective.loss());
  const Activation other = coins ? Activation::deterministic : Activation::stochastic;
  const EvaluateOptions how{.threads = settings.threads, .ranks = settings.ranks};
  r.test = evaluate(test, r.training.best, how);
  r.other = evaluate(test.with(other), r.training.best, how);
  r.rate = r.test.spikes[0] / (settings.data.steps * dt);
  return r;
}

/// The same sample again and again: how variable is the answer? Draws the first hidden layer once, and one of its neurons in many
/// trials, a row a trial.
void show_trials(const Settings& settings, const Data& data, Activation activation, Result& r) {
  const Network network = make_network(settings, activation);
  const std::vector<std::size_t> repeats(static_cast<std::size_t>(settings.trials), 0);
  const SpikeEvents hidden =
      respond<float>(network, r.training.best.cast<float>(), data.test->inputs, repeats, settings.seed + 2).spikes[0];
  r.fano = nan_mean(sliding_fano(hidden, 10));
  plot_raster(hidden, 0, dt, settings.out / (r.name + "_layer.png"));

  Eigen::Index busiest = 0;
  firing_rates(hidden, dt).maxCoeff(&busiest);
  SpikeEvents trials(hidden.steps(), 30);
  std::vector<snn::Spike> spikes;
  for (int trial = 0; trial < std::min(30, settings.trials); ++trial)
    for (int step = 0; step < hidden.steps(); ++step)
      for (const SpikeEvents::Unit unit : hidden.at(static_cast<std::size_t>(trial), step))
        if (unit == static_cast<SpikeEvents::Unit>(busiest)) spikes.push_back({step, trial});
  trials.add(spikes);
  plot_raster(trials, 0, dt, settings.out / (r.name + "_trials.png"), "trial");
}

void print(const std::vector<Result>& results) {
  std::vector<std::vector<std::string>> table{
      {"spikes", "train", "validation", "test", "other activation", "Fano factor", "rate, Hz", "best epoch", "seconds"}};
  using report::digits;
  for (const Result& r : results) {
    const Training& t = r.training;
    std::vector<std::string> row{r.name, "-", "-"};
    if (t.best_epoch > 0) {
      const Epoch& best = t.epochs[static_cast<std::size_t>(t.best_epoch - 1)];
      row = {r.name, digits(best.accuracy), digits(best.validation_accuracy)};
    }
    row.insert(row.end(), {digits(r.test.accuracy), digits(r.other.accuracy), digits(r.fano), digits(r.rate),
                           std::to_string(t.best_epoch), digits(r.seconds)});
    table.push_back(std::move(row));
  }
  std::cout << "\nAccuracies with the weights of the best epoch; the others are of the test data.\n\n"
            << report::aligned(table) << '\n';
}

/// Pictures need gnuplot; a training is not lost without it.
void draw(const Settings& settings, const Data& data, std::vector<Result>& results) {
  try {
    for (Result& r : results)
      show_trials(settings, data, r.name == "stochastic" ? Activation::stochastic : Activation::deterministic, r);
    plot_raster(data.test->inputs, 0, dt, settings.out / "input.png");
    std::vector<LearningCurve> curves;
    for (const Result& r : results) curves.push_back({r.name, r.training.epochs});
    if (settings.epochs > 0) plot_learning(curves, settings.out / "learning.png");
  } catch (const Error& error) { std::cerr << "train_snn: no pictures: " << error.what() << '\n'; }
}

/// False if it was interrupted.
bool run(const Settings& settings) {
  const Interruption guard;  // Ctrl-C ends a training after its batch, with a checkpoint
  const Data data = make_data(settings);
  if (settings.first()) {
    std::filesystem::create_directories(settings.out);
    std::cerr << "train_snn: " << settings.data.classes << " classes of spike times of " << settings.data.units << " units, "
              << data.train->size() << " samples to learn, " << data.validation->size() << " to choose the best epoch, "
              << data.test->size() << " to test\n";
  }
  std::vector<Result> results;
  for (const Activation activation : {Activation::deterministic, Activation::stochastic}) {
    results.push_back(train_one(settings, data, activation));
    if (results.back().training.end == Training::End::interrupted) return false;
  }
  if (!settings.first()) return true;
  draw(settings, data, results);
  print(results);
  std::cout << std::filesystem::canonical(settings.out).string() << std::endl;
  return true;
}

int start(int& argc, char**& argv, Settings& settings) {
#ifdef STOAT_EXAMPLE_MPI
  if (settings.mpi)
    return mpi::run(argc, argv, [&](const std::shared_ptr<Ranks>& ranks) {
      settings.ranks = ranks;
      run(settings);
    });
#else
  (void)argc, (void)argv;
#endif
  if (run(settings)) return 0;
  std::cerr << "train_snn: --resume goes on\n";
  return 130;  // as after Ctrl-C
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  CLI::App app{"Trains a spiking network with deterministic and with stochastic spikes on the Randman data."};
  const auto positive = [&](const char* name, int& value, const char* text) {
    app.add_option(name, value, text)->check(CLI::Range(1, 1'000'000))->capture_default_str();
  };
  positive("--classes", settings.data.classes, "Classes");
  positive("--samples", settings.data.samples_per_class, "Samples of each class");
  positive("--units", settings.data.units, "Input units, each of which spikes once in a sample");
  app.add_option("--alpha", settings.data.alpha, "Smoothness of the manifolds: the smaller, the harder")->capture_default_str();
  app.add_option("--hidden", settings.hidden, "Neurons of each hidden layer")
      ->delimiter(',')
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--beta", settings.beta, "Steepness of the escape function and of the surrogate derivative")
      ->capture_default_str();
  app.add_option("--epochs", settings.epochs, "Epochs")->check(CLI::Range(0, 1'000'000))->capture_default_str();
  app.add_option("--batch", settings.batch, "Samples of a step")->check(CLI::Range(1, 1'000'000))->capture_default_str();
  app.add_option("--rate", settings.rate, "Learning rate of SMORMS3")->capture_default_str();
  app.add_option("--trials", settings.trials, "Repetitions of one sample for the Fano factor")
      ->check(CLI::Range(2, 100'000))
      ->capture_default_str();
  app.add_option("--seed", settings.seed, "Seed of data, weights and coins")->capture_default_str();
  app.add_option("--threads", settings.threads, "Threads; 0: all. The numbers do not depend on it")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_flag("--resume", settings.resume, "Go on from the checkpoints in the output folder");
#ifdef STOAT_EXAMPLE_MPI
  app.add_flag("--mpi", settings.mpi,
               "Share the samples of a batch between the processes of mpirun. The numbers do not depend on it");
#endif
  app.add_option("--out", settings.out, "Folder for tables, checkpoints and pictures")->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) { return app.exit(e) == 0 ? 0 : 2; }

  try {
    return start(argc, argv, settings);
  } catch (const InvalidArgument& e) {
    std::cerr << "train_snn: " << e.what() << '\n';
    return 2;
  } catch (const std::exception& e) {
    std::cerr << "train_snn: " << e.what() << '\n';
    return 1;
  }
}
