#include "classification.hpp"

#include <algorithm>
#include <memory>

#include <stoat/driver/report.hpp>

namespace surrogate_gradients {
namespace {

using report::digits;
using snn::Activation;

constexpr double dt = 0.002;  // s
constexpr int raster_trials = 30;

std::string name_of(Activation activation) { return activation == Activation::stochastic ? "stochastic" : "deterministic"; }
const char* colour_of(Activation activation) { return activation == Activation::stochastic ? colour::orange : colour::blue; }

/// The hidden layers in `task.trials` trials of the first sample.
std::vector<snn::SpikeEvents> trials(const ClassificationTask& task, const snn::Network& network, const Eigen::VectorXd& theta,
                                     const snn::Dataset& data) {
  const std::vector<std::size_t> repeats(static_cast<std::size_t>(task.trials), 0);
  return snn::respond<float>(network, theta.cast<float>(), data.inputs, repeats, task.seed).spikes;
}

std::vector<Reliability> reliabilities(const std::vector<snn::SpikeEvents>& layers) {
  std::vector<Reliability> list;
  for (const snn::SpikeEvents& layer : layers)
    list.push_back({snn::nan_mean(snn::sliding_fano(layer, 10)), snn::firing_rates(layer, dt).mean()});
  return list;
}

/// The busiest neuron's first trials as the units of one sample.
snn::SpikeEvents busiest(const snn::SpikeEvents& layer) {
  Eigen::Index unit = 0;
  snn::firing_rates(layer, dt).maxCoeff(&unit);
  const int count = std::min(raster_trials, static_cast<int>(layer.samples()));
  std::vector<snn::Spike> spikes;
  for (int trial = 0; trial < count; ++trial)
    for (int step = 0; step < layer.steps(); ++step)
      for (const auto u : layer.at(static_cast<std::size_t>(trial), step))
        if (static_cast<Eigen::Index>(u) == unit) spikes.push_back({step, trial});
  snn::SpikeEvents events(layer.steps(), count);
  events.add(spikes);
  return events;
}

double best_accuracy(const ClassificationRun& run) {
  return run.training.epochs[static_cast<std::size_t>(run.training.best_epoch - 1)].validation_accuracy;
}

Figure learning_figure(const std::vector<ClassificationRun>& runs) {
  Panel loss{"", "epoch", "loss", "set key top right\nset yrange [0:*]", {}};
  Panel accuracy{"", "epoch", "accuracy", "set key bottom right\nset yrange [0:1]", {}};
  for (const ClassificationRun& run : runs) {
    const char* const colour = colour_of(run.activation);
    Curve train_loss{"", line(colour, 1, "'-'"), {}}, own_loss{name_of(run.activation), line(colour), {}};
    Curve train{"", line(colour, 1, "'-'"), {}}, own{name_of(run.activation), line(colour), {}};
    Curve other{"the same weights, other spikes", line(colour, 2, "'.'"), {}};
    for (const snn::Epoch& e : run.training.epochs) {
      const double n = e.number;
      train_loss.points.push_back({n, e.loss}), own_loss.points.push_back({n, e.validation_loss});
      train.points.push_back({n, e.accuracy}), own.points.push_back({n, e.validation_accuracy});
      other.points.push_back({n, e.other_accuracy});
    }
    loss.curves.insert(loss.curves.end(), {train_loss, own_loss});
    accuracy.curves.insert(accuracy.curves.end(), {train, own, other});
  }
  return {"classification",
          "Learning to tell classes of spike times apart, with deterministic and with stochastic spikes. Solid: validation data; "
          "dashed: training data; dotted: the validation data with the other kind of spikes, without retraining.",
          860,
          340,
          2,
          {loss, accuracy}};
}

Figure reliability_figure(const std::vector<ClassificationRun>& runs) {
  const std::size_t depth = runs[0].after.size();
  Panel fano{
      "stochastic network",
      "hidden layer",
      "Fano factor",
      "set xrange [0.5:" + digits(static_cast<double>(depth) + 0.5) + "]\nset xtics 1\nset yrange [0:1]\nset key bottom left",
      {}};
  Figure figure{
      "reliability",
      "Trial-to-trial variability. Left, the Fano factor of spike counts in windows of 20 ms over trials of one sample, layer by "
      "layer, before and after training; a deterministic network has 0. Right, the busiest neuron of the first hidden layer after "
      "training, a row a trial.",
      980,
      340,
      3,
      {}};
  for (const ClassificationRun& run : runs) {
    if (run.activation == Activation::stochastic) {
      Curve before{"before training", std::string("with linespoints lw 2 pt 6 lc rgb '") + colour::grey + "'", {}};
      Curve after{"after training", std::string("with linespoints lw 2 pt 7 lc rgb '") + colour::orange + "'", {}};
      for (std::size_t layer = 0; layer < depth; ++layer) {
        before.points.push_back({static_cast<double>(layer + 1), run.before[layer].fano});
        after.points.push_back({static_cast<double>(layer + 1), run.after[layer].fano});
      }
      fano.curves = {before, after};
    }
    Curve spikes{"", std::string("with points pt 7 ps 0.25 lc rgb '") + colour_of(run.activation) + "'", {}};
    const snn::SpikeEvents& trial = run.one_neuron;
    for (int step = 0; step < trial.steps(); ++step)
      for (const auto unit : trial.at(0, step)) spikes.points.push_back({1000 * dt * step, static_cast<double>(unit) + 1});
    figure.panels.push_back(
        {name_of(run.activation),
         "time (ms)",
         "trial",
         "set xrange [0:" + digits(1000 * dt * trial.steps()) + "]\nset yrange [" + digits(trial.units() + 1.0) + ":0]",
         {spikes}});
  }
  figure.panels.insert(figure.panels.begin(), fano);
  return figure;
}

Table accuracy_table(const std::vector<ClassificationRun>& runs) {
  Table table{"Accuracies on the validation data, after the last epoch except where said", {}};
  table.rows.push_back({"spikes", "training data", "validation", "best epoch", "with the other spikes", "seconds"});
  for (const ClassificationRun& run : runs) {
    const snn::Epoch& last = run.training.epochs.back();
    double seconds = 0;
    for (const snn::Epoch& e : run.training.epochs) seconds += e.seconds;
    table.rows.push_back({name_of(run.activation), digits(last.accuracy), digits(last.validation_accuracy),
                          digits(best_accuracy(run)), digits(last.other_accuracy), digits(seconds)});
  }
  return table;
}

Table reliability_table(const std::vector<ClassificationRun>& runs) {
  Table table{"Trials of one validation sample: Fano factor (20 ms windows) and rate (Hz) of each hidden layer", {}};
  table.rows.push_back({"spikes, layer", "Fano before", "Fano after", "rate before", "rate after"});
  for (const ClassificationRun& run : runs)
    for (std::size_t layer = 0; layer < run.after.size(); ++layer)
      table.rows.push_back({name_of(run.activation) + ", " + std::to_string(layer + 1), digits(run.before[layer].fano),
                            digits(run.after[layer].fano), digits(run.before[layer].rate), digits(run.after[layer].rate)});
  return table;
}

}  // namespace

snn::Network ClassificationTask::network(Activation activation) const {
  snn::Lif lif{.tau_mem = 0.02, .tau_syn = 0.01, .dt = dt, .activation = activation, .escape = snn::escape::Sigmoid{10}};
  lif.surrogate = snn::surrogate::SuperSpike{10};
  std::vector<snn::Layer> layers;
  for (const snn::Layer& connection : connections) {
    layers.push_back(connection);
    layers.push_back(lif);
  }
  layers.push_back(snn::Linear{data.classes});
  layers.push_back(snn::LeakyReadout{.tau_mem = data.steps * dt, .tau_syn = 0.01, .dt = dt, .initial = -1e-3});
  return {data.units, data.steps, layers};
}

ClassificationRun classify(const ClassificationTask& task, Activation activation) {
  const std::vector<snn::Dataset> parts = snn::split(snn::randman(task.data, task.data_seed), {0.8, 0.2});
  const snn::Network network = task.network(activation);
  const snn::Objective objective(network, parts[0], snn::MaxOverTimeCrossEntropy{},
                                 {snn::UpperBound{.strength = 0.1, .threshold = 7}});
  // Each input spikes once. Coins blur the threshold, so that stochastic neurons are to fluctuate more.
  const double nu = 1 / (task.data.steps * dt), sigma_u = activation == Activation::stochastic ? 1.3 : 1;
  const Eigen::VectorXd start = network.initial<double>({.seed = task.seed, .sigma_u = sigma_u, .nu = nu});

  snn::TrainOptions options;
  options.epochs = task.epochs;
  options.batch = task.batch;
  options.seed = task.seed;
  options.threads = task.threads;
  options.validation = std::make_shared<const snn::Dataset>(parts[1]);
  options.other_activation = true;
  options.monitor = snn::Monitor::accuracy;
  options.progress = snn::Display::none;

  ClassificationRun run{.activation = activation, .training = {}, .before = {}, .after = {}, .one_neuron = {}};
  run.before = reliabilities(trials(task, network, start, parts[1]));
  run.training = snn::train(objective, start, Smorms3{0.01}, options);
  if (run.training.end == snn::Training::End::interrupted) throw Error("the training was interrupted");
  const std::vector<snn::SpikeEvents> after = trials(task, network, run.training.theta, parts[1]);
  run.after = reliabilities(after);
  run.one_neuron = busiest(after[0]);
  return run;
}

Chapter classification_chapter(const Options& options) {
  ClassificationTask task;
  task.data = {.units = 20, .classes = 5, .samples_per_class = options.quick ? 100 : 400, .steps = 100, .alpha = 1};
  task.connections = {snn::Conv1d{16, 11, 1, 0}, snn::Conv1d{32, 5, 1, 0}, snn::Conv1d{64, 5, 1, 0}};
  task.epochs = options.quick ? 3 : 20;
  task.batch = options.quick ? 50 : 100;
  task.seed = options.seed;
  std::vector<ClassificationRun> runs;
  for (const Activation activation : {Activation::deterministic, Activation::stochastic})
    runs.push_back(classify(task, activation));
  return {"Classes of spike times, and how reliable neurons are",
          "<p>Classes of spike times on random manifolds, 20 input units that spike once in every sample, three layers of "
          "convolutions and a readout. The network learns about as well whether its neurons have a threshold or toss coins, and "
          "its weights also work with the other kind of spikes. Training does not remove the variability: neurons go on to "
          "differ from trial to trial.</p><p>This is the paper's network at half its filters, with fewer classes, samples and "
          "epochs than there, so accuracies do not compare.</p>",
          {accuracy_table(runs), reliability_table(runs)},
          {learning_figure(runs), reliability_figure(runs)}};
}

}  // namespace surrogate_gradients
