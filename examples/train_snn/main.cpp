// examples/train_snn/main.cpp: the same network with deterministic and with stochastic spikes learns to tell classes of spike
// times, or spoken digits, apart. README.md tells the story.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <stoat/driver/interruption.hpp>
#include <stoat/driver/report.hpp>
#ifdef STOAT_EXAMPLE_MPI
#include <stoat/mpi/mpi.hpp>
#endif
#include <stoat/snn.hpp>

#include "problem.hpp"

using namespace train_snn;

namespace {

struct Arguments {
  Settings problem;
  std::vector<Activation> activations{Activation::deterministic, Activation::stochastic};
  int epochs = 40, trials = 200, seeds = 1;
  std::size_t batch = 200;
  double rate = 0.01;
  int threads = 0;
  bool resume = false, mpi = false;
  double at_least = 0;
  std::shared_ptr<Ranks> ranks;
  bool first() const { return !ranks || ranks->rank() == 0; }  ///< the process that has files and tells what happens
  std::filesystem::path out = "report/train_snn";
};

/// A network that was trained, and what it does with the weights of the first seed.
struct Result {
  std::string name;
  Network network;
  std::vector<Training> trainings;  ///< of each seed
  Evaluation test, other;           ///< with the activation of the training, and with the other one
  double rate = 0;                  ///< of the first hidden layer over the test data, Hz
  double fano = 0;                  ///< of the counts in windows of 20 ms over trials of one sample
  double seconds = 0;
  const Training& first() const { return trainings.front(); }
  bool interrupted() const { return trainings.back().end == Training::End::interrupted; }
};

Training train_seed(const Arguments& o, const Problem& problem, const Network& network, const std::string& name, int k) {
  // Coins blur the threshold, so that stochastic neurons are to fluctuate more.
  const std::uint64_t seed = o.problem.seed + static_cast<std::uint64_t>(k);
  const Eigen::VectorXd start =
      network.initial<double>({.seed = seed + 1, .sigma_u = network.stochastic() ? 1.3 : 1.0, .nu = problem.nu});
  TrainOptions options;
  options.epochs = o.epochs;
  options.batch = o.batch;
  options.seed = seed;
  options.threads = o.threads;
  options.ranks = o.ranks;
  options.validation = problem.validation;
  options.other_activation = true;
  options.monitor = Monitor::accuracy;
  const std::string file = k == 0 ? name : name + "_" + std::to_string(k + 1);
  options.csv = o.out / (file + ".csv");
  options.checkpoint = o.out / (file + ".checkpoint");
  if (!o.resume && o.first()) std::filesystem::remove(options.checkpoint);
  return train(problem.objective(network), start, Smorms3{o.rate}, options);
}

Result train_one(const Arguments& o, const Problem& problem, Activation activation) {
  const bool coins = activation == Activation::stochastic;
  Result r{.name = coins ? "stochastic" : "deterministic",
           .network = make_network(o.problem, problem, activation),
           .trainings = {},
           .test = {},
           .other = {}};
  if (o.first()) std::cerr << "train_snn: " << r.name << " spikes, " << r.network.parameters() << " weights\n";
  for (int k = 0; k < o.seeds; ++k) {
    r.trainings.push_back(train_seed(o, problem, r.network, r.name, k));
    if (r.interrupted()) return r;  // nothing but the trainings
  }
  for (const Training& t : r.trainings)
    for (const Epoch& e : t.epochs) r.seconds += e.seconds;

  const Objective test(r.network, problem.test, MaxOverTimeCrossEntropy{});
  const Activation other = coins ? Activation::deterministic : Activation::stochastic;
  const EvaluateOptions how{.threads = o.threads, .ranks = o.ranks};
  r.test = evaluate(test, r.first().best, how);
  r.other = evaluate(test.with(other), r.first().best, how);
  r.rate = r.test.spikes[0] / (problem.steps * problem.dt);
  if (o.first()) save_network(o.out, r.name, r.network, r.first().best);
  return r;
}

/// The same sample again and again: how variable is the answer? Draws the first hidden layer once, and one of its neurons in many
/// trials, a row a trial.
std::vector<RunPage::Picture> show_trials(const Arguments& o, const Problem& problem, Result& r) {
  const std::vector<std::size_t> repeats(static_cast<std::size_t>(o.trials), 0), once(1, 0);
  const Eigen::VectorXf theta = r.first().best.cast<float>();
  const SpikeEvents hidden = respond<float>(r.network, theta, problem.test->inputs, repeats, o.problem.seed + 2).spikes[0];
  const Eigen::MatrixXd fano = sliding_fano(hidden, 10);
  r.fano = nan_mean(fano);
  const auto file = [&](const char* what) { return r.name + "_" + what + ".png"; };
  plot_raster(hidden, 0, problem.dt, o.out / file("layer"));

  Eigen::Index busiest = 0;
  firing_rates(hidden, problem.dt).maxCoeff(&busiest);
  const int shown = std::min(30, o.trials);
  SpikeEvents trials(hidden.steps(), shown);
  std::vector<snn::Spike> spikes;
  for (int trial = 0; trial < shown; ++trial)
    for (int step = 0; step < hidden.steps(); ++step)
      for (const SpikeEvents::Unit unit : hidden.at(static_cast<std::size_t>(trial), step))
        if (unit == static_cast<SpikeEvents::Unit>(busiest)) spikes.push_back({step, trial});
  trials.add(spikes);
  plot_raster(trials, 0, problem.dt, o.out / file("trials"), "trial");

  const Response<float> response = respond<float>(r.network, theta, problem.test->inputs, once, o.problem.seed + 2, 0, true);
  const double threshold = std::get<Lif>(r.network.layers()[1]).threshold;
  plot_membranes(response.membranes[0][0].cast<double>(), response.spikes[0], 0, threshold, problem.dt, o.out / file("membranes"));
  plot_weight_histograms(r.network, r.first().best, o.out / file("weights"));
  plot_confusion(problem.test->labels, r.test.predicted, problem.classes, o.out / file("confusion"));
  return {{file("confusion"), "Classes of the test data, " + r.name},
          {file("layer"), "First hidden layer, " + r.name},
          {file("trials"), "Its busiest neuron in trials of one sample, " + r.name},
          {file("membranes"), "Membranes of its busiest neurons, " + r.name},
          {file("weights"), "Weights after training, " + r.name}};
}

/// Fano factors and coefficients of variation of the first hidden layer over the test data, one trial a sample.
std::vector<RunPage::Picture> show_variability(const Arguments& o, const Problem& problem, const std::vector<Result>& results) {
  std::vector<Distribution> fano, cv;
  std::vector<std::size_t> samples(std::min<std::size_t>(problem.test->size(), 200));
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = i;
  const std::vector<std::size_t> repeats(static_cast<std::size_t>(o.trials), 0);
  for (const Result& r : results) {
    const auto spikes = [&](const std::vector<std::size_t>& which) {
      return respond<float>(r.network, r.first().best.cast<float>(), problem.test->inputs, which, o.problem.seed + 3).spikes[0];
    };
    const Eigen::MatrixXd of_windows = sliding_fano(spikes(repeats), 10);
    const Eigen::VectorXd of_units = interval_cv(spikes(samples));
    fano.push_back({r.name, {}}), cv.push_back({r.name, {of_units.data(), of_units.data() + of_units.size()}});
    for (Eigen::Index unit = 0; unit < of_windows.cols(); ++unit) fano.back().values.push_back(nan_mean(of_windows.col(unit)));
  }
  plot_distributions(fano, "Fano factor of a neuron, windows of 20 ms, trials of one sample", o.out / "fano.png");
  plot_distributions(cv, "CV of a neuron's inter-spike intervals, test data", o.out / "cv.png");
  return {{"fano.png", "Fano factors of the first hidden layer"}, {"cv.png", "Variation of its inter-spike intervals"}};
}

std::vector<std::vector<std::string>> table_of(const std::vector<Result>& results) {
  std::vector<std::vector<std::string>> table{
      {"spikes", "train", "validation", "test", "other activation", "Fano factor", "rate, Hz", "best epoch", "seconds"}};
  using report::digits;
  for (const Result& r : results) {
    const Training& t = r.first();
    std::vector<std::string> row{r.name, "-", "-"};
    if (t.best_epoch > 0) {
      const Epoch& best = t.epochs[static_cast<std::size_t>(t.best_epoch - 1)];
      row = {r.name, digits(best.accuracy), digits(best.validation_accuracy)};
    }
    row.insert(row.end(), {digits(r.test.accuracy), digits(r.other.accuracy), digits(r.fano), digits(r.rate),
                           std::to_string(t.best_epoch), digits(r.seconds)});
    table.push_back(std::move(row));
  }
  return table;
}

constexpr const char* caption = "Accuracies with the weights of the best epoch; the others are of the test data.";

/// Pictures, and a page of them, need gnuplot; a training is not lost without it.
void draw(const Arguments& o, const Problem& problem, std::vector<Result>& results) {
  try {
    RunPage page{.title = "A spiking network learns " + problem.name, .text = caption};
    if (o.epochs > 0) {
      std::vector<LearningCurve> curves;
      for (const Result& r : results) curves.push_back({r.name, r.first().epochs});
      plot_learning(curves, o.out / "learning.png");
      page.pictures.push_back({"learning.png", "Loss and accuracy by epoch"});
    }
    if (o.epochs > 0 && o.seeds > 1) {
      std::vector<LearningBand> bands;
      for (const Result& r : results) {
        bands.push_back({r.name, {}});
        for (const Training& t : r.trainings) bands.back().runs.push_back(t.epochs);
      }
      plot_learning_bands(bands, o.out / "seeds.png");
      page.pictures.push_back({"seeds.png", "Validation data, " + std::to_string(o.seeds) + " seeds: mean and standard deviation"});
    }
    plot_raster(problem.test->inputs, 0, problem.dt, o.out / "input.png");
    page.pictures.push_back({"input.png", "One sample of the test data"});
    for (Result& r : results)
      for (RunPage::Picture& picture : show_trials(o, problem, r)) page.pictures.push_back(std::move(picture));
    for (RunPage::Picture& picture : show_variability(o, problem, results)) page.pictures.push_back(std::move(picture));
    page.table = table_of(results);
    page.write_html(o.out);
  } catch (const Error& error) { std::cerr << "train_snn: no pictures: " << error.what() << '\n'; }
}

int run(const Arguments& o) {
  const Interruption guard;  // Ctrl-C ends a training after its batch, with a checkpoint
  if (o.first()) std::filesystem::create_directories(o.out);
  const Problem problem = o.problem.shd.empty() ? randman_problem(o.problem) : digits_problem(o.problem);
  if (o.first())
    std::cerr << "train_snn: " << problem.name << ", " << problem.training_samples() << " samples to learn, "
              << problem.validation->size() << " to choose the best epoch, " << problem.test->size() << " to test\n";
  std::vector<Result> results;
  for (const Activation activation : o.activations) {
    results.push_back(train_one(o, problem, activation));
    if (results.back().interrupted()) {
      if (o.first()) std::cerr << "train_snn: --resume goes on\n";
      return 130;  // as after Ctrl-C
    }
  }
  if (!o.first()) return 0;
  draw(o, problem, results);
  std::cout << '\n' << caption << "\n\n" << report::aligned(table_of(results)) << '\n';
  std::cout << std::filesystem::canonical(o.out).string() << std::endl;
  for (const Result& r : results)
    if (r.test.accuracy < o.at_least) {
      std::cerr << "train_snn: " << r.name << ": "
                << outside("test accuracy", r.test.accuracy, "[" + report::exact(o.at_least) + ", 1]") << '\n';
      return 1;
    }
  return 0;
}

int start(int& argc, char**& argv, Arguments& o) {
#ifdef STOAT_EXAMPLE_MPI
  if (o.mpi) {
    int status = 0;
    const int failed = mpi::run(argc, argv, [&](const std::shared_ptr<Ranks>& ranks) {
      o.ranks = ranks;
      status = run(o);
    });
    return failed ? failed : status;
  }
#else
  (void)argc, (void)argv;
#endif
  return run(o);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments o;
  CLI::App app{"Trains a spiking network with deterministic and with stochastic spikes, on the Randman data or on spoken digits."};
  const auto positive = [&](const char* name, int& value, const char* text) {
    app.add_option(name, value, text)->check(CLI::Range(1, 1'000'000))->capture_default_str();
  };
  Settings& settings = o.problem;
  positive("--classes", settings.randman.classes, "Classes");
  positive("--samples", settings.randman.samples_per_class, "Samples of each class");
  positive("--units", settings.randman.units, "Input units, each of which spikes once in a sample");
  app.add_option("--alpha", settings.randman.alpha, "Smoothness of the manifolds: the smaller, the harder")->capture_default_str();
  app.add_option("--shd", settings.shd, "Learns the spoken digits of this HDF5 file (SHD, SSC) instead")->check(CLI::ExistingFile);
  app.add_option("--shd-test", settings.shd_test, "The file they are tested on; without it the samples held out")
      ->check(CLI::ExistingFile);
  app.add_flag("--stream", settings.stream, "Leaves the training data in their file, and reads a batch at a time");
  std::filesystem::path made;
  app.add_option("--make-shd", made, "Writes train.h5 and test.h5 of made-up digits into this folder, and ends");
  const std::map<std::string, Shape> shapes{
      {"connected", Shape::connected}, {"recurrent", Shape::recurrent}, {"convolutional", Shape::convolutional}};
  app.add_option("--net", settings.shape, "connected, recurrent or convolutional")->transform(CLI::CheckedTransformer(shapes));
  app.add_option("--hidden", settings.hidden, "Neurons of each hidden layer, unless convolutional")
      ->delimiter(',')
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--beta", settings.beta, "Steepness of the escape function and of the surrogate derivative")
      ->capture_default_str();
  const std::map<std::string, std::vector<Activation>> kinds{{"deterministic", {Activation::deterministic}},
                                                             {"stochastic", {Activation::stochastic}}};
  std::string kind = "both";
  app.add_option("--spikes", kind, "deterministic, stochastic or both")
      ->check(CLI::IsMember({"deterministic", "stochastic", "both"}))
      ->capture_default_str();
  app.add_option("--epochs", o.epochs, "Epochs")->check(CLI::Range(0, 1'000'000))->capture_default_str();
  app.add_option("--batch", o.batch, "Samples of a step")->check(CLI::Range(1, 1'000'000))->capture_default_str();
  app.add_option("--rate", o.rate, "Learning rate of SMORMS3")->capture_default_str();
  app.add_option("--trials", o.trials, "Repetitions of one sample for the Fano factor")
      ->check(CLI::Range(2, 100'000))
      ->capture_default_str();
  app.add_option("--seed", settings.seed, "Seed of data, weights and coins")->capture_default_str();
  positive("--seeds", o.seeds, "Trainings of each kind, with seeds from --seed on");
  app.add_option("--threads", o.threads, "Threads; 0: all. The numbers do not depend on it")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_flag("--resume", o.resume, "Go on from the checkpoints in the output folder");
#ifdef STOAT_EXAMPLE_MPI
  app.add_flag("--mpi", o.mpi, "Share the samples of a batch between the processes of mpirun. The numbers do not depend on it");
#endif
  app.add_option("--at-least", o.at_least, "Fails if a test accuracy is below");
  app.add_option("--out", o.out, "Folder for tables, checkpoints and pictures")->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) { return app.exit(e) == 0 ? 0 : 2; }
  if (kind != "both") o.activations = kinds.at(kind);

  try {
    if (made.empty()) return start(argc, argv, o);
    make_digits(made, settings.randman.samples_per_class, settings.seed);
    std::cout << std::filesystem::canonical(made).string() << std::endl;
    return 0;
  } catch (const InvalidArgument& e) {
    std::cerr << "train_snn: " << e.what() << '\n';
    return 2;
  } catch (const std::exception& e) {
    std::cerr << "train_snn: " << e.what() << '\n';
    return 1;
  }
}
