#include "problem.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#ifdef STOAT_HAS_HDF5
#include <boost/random/normal_distribution.hpp>

#include <stoat/hdf5.hpp>
#endif

namespace train_snn {

Objective Problem::objective(const Network& network) const {
  const MaxOverTimeCrossEntropy loss;
  const std::vector<Regularizer> regularizers{UpperBound{.strength = 0.1, .threshold = 7}};
  return source ? Objective(network, source, loss, regularizers) : Objective(network, train, loss, regularizers);
}

Problem randman_problem(const Settings& settings) {
  const Randman& r = settings.randman;
  const std::vector<Dataset> parts = split(randman(r, settings.seed), {0.8, 0.1, 0.1});
  const auto shared = [&](std::size_t k) { return std::make_shared<const Dataset>(parts[k]); };
  Problem problem{.name = std::to_string(r.classes) + " classes of spike times of " + std::to_string(r.units) + " units",
                  .train = shared(0),
                  .validation = shared(1),
                  .test = shared(2)};
  problem.classes = r.classes, problem.units = r.units, problem.steps = r.steps;
  problem.nu = 1 / (r.steps * problem.dt);  // each input spikes once in a sample
  return problem;
}

Network make_network(const Settings& settings, const Problem& problem, Activation activation) {
  Lif lif{.tau_mem = 0.02, .tau_syn = 0.01, .dt = problem.dt, .activation = activation, .escape = escape::Sigmoid{settings.beta}};
  lif.surrogate = surrogate::SuperSpike{settings.beta};
  std::vector<Layer> layers;
  if (settings.shape == Shape::convolutional) {
    lif.recurrent = true, lif.recurrent_kernel = 5;
    for (const Conv1d& conv : {Conv1d{.channels = 16, .kernel = 21, .stride = 10}, Conv1d{.channels = 32, .kernel = 7, .stride = 3},
                               Conv1d{.channels = 64, .kernel = 7, .stride = 3}})
      layers.insert(layers.end(), {conv, lif});
  } else {
    lif.recurrent = settings.shape == Shape::recurrent;
    for (const int units : settings.hidden) layers.insert(layers.end(), {Linear{units}, lif});
  }
  layers.push_back(Linear{problem.classes});
  LeakyReadout readout{.tau_mem = problem.steps * problem.dt, .tau_syn = 0.01, .dt = problem.dt};
  if (!settings.shd.empty()) readout.tau_mem = 0.7, readout.initial = -1e-3;
  layers.push_back(readout);
  return Network(problem.units, problem.steps, layers);
}

#ifdef STOAT_HAS_HDF5

Problem digits_problem(const Settings& settings) {
  auto file = std::make_shared<const SpikeFile>(settings.shd);
  const int classes = file->classes();
  std::vector<std::size_t> order(file->size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  Generator words({settings.seed, 0, Purpose::data});
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[static_cast<std::size_t>(words.uniform() * static_cast<double>(i))]);
  const auto held_out = order.end() - static_cast<std::ptrdiff_t>(order.size() / 10);
  const std::vector<std::size_t> train(order.begin(), held_out), validation(held_out, order.end());
  if (train.empty() || validation.empty()) throw Error(settings.shd.string() + " has too few samples to hold some of them out");
  Problem problem{
      .name = "spoken digits", .train = {}, .validation = std::make_shared<const Dataset>(file->read(validation)), .test = {}};
  if (settings.stream) problem.source = std::make_shared<const SourceSubset>(file, train);
  else problem.train = std::make_shared<const Dataset>(file->read(train));
  problem.test = problem.validation;
  if (!settings.shd_test.empty())
    problem.test = std::make_shared<const Dataset>(SpikeFile(settings.shd_test, {.classes = classes}).read());
  problem.classes = classes, problem.units = file->units(), problem.steps = file->steps();
  problem.nu = 15.8;
  return problem;
}

namespace {

/// A band of spikes: the channel where it begins, how far it moves in a sample, and how it bends (channels).
struct Band {
  double begin, move, bend;
};

void write_digits(const std::filesystem::path& path, const std::vector<std::vector<Band>>& classes, int samples_per_class,
                  std::uint64_t seed) {
  constexpr int channels = 700;
  SpikeFileWriter writer(path, channels);
  const auto count = static_cast<int>(classes.size());
  for (int sample = 0; sample < samples_per_class * count; ++sample) {
    Generator words({seed, static_cast<std::uint64_t>(sample), Purpose::data});
    boost::random::normal_distribution<> normal;
    const double length = 0.4 + 0.15 * words.uniform(), start = 0.1 * words.uniform(), height = 12 * normal(words);
    std::vector<std::pair<double, int>> spikes;
    const auto add = [&](double time, double channel) {
      const int unit = static_cast<int>(std::lround(channel));
      if (unit >= 0 && unit < channels) spikes.emplace_back(time, unit);
    };
    for (const Band& band : classes[static_cast<std::size_t>(sample % count)])
      for (int i = 0; i < 250; ++i) {
        const double x = words.uniform();
        add(start + length * x,
            band.begin + band.move * x + band.bend * std::sin(std::numbers::pi * x) + height + 15 * normal(words));
      }
    for (int i = 0; i < 100; ++i) add(0.7 * words.uniform(), channels * words.uniform());
    std::sort(spikes.begin(), spikes.end());
    SpikeTrains trains;
    for (const auto& [time, unit] : spikes) trains.times.push_back(time), trains.units.push_back(unit);
    writer.add(trains, sample % count);
  }
  writer.close();
}

}  // namespace

void make_digits(const std::filesystem::path& folder, int samples_per_class, std::uint64_t seed) {
  std::filesystem::create_directories(folder);
  std::vector<std::vector<Band>> classes(20);
  Generator words({seed, 0, Purpose::engine});
  for (std::vector<Band>& bands : classes)
    for (int k = 0; k < 3; ++k)
      bands.push_back({100 + 500 * words.uniform(), 300 * (words.uniform() - 0.5), 200 * (words.uniform() - 0.5)});
  write_digits(folder / "train.h5", classes, samples_per_class, seed);
  write_digits(folder / "test.h5", classes, std::max(1, samples_per_class / 4), seed + 1);
}

void save_network(const std::filesystem::path& folder, const std::string& name, const Network& network,
                  const Eigen::VectorXd& theta) {
  write_weights(folder / (name + ".h5"), network, {.theta = theta});
  write_nir(folder / (name + ".nir"), network, theta);
}

#else

Problem digits_problem(const Settings&) { throw Error("this build is without HDF5 (Debian: libhdf5-dev)"); }
void make_digits(const std::filesystem::path&, int, std::uint64_t) {
  throw Error("this build is without HDF5 (Debian: libhdf5-dev)");
}
void save_network(const std::filesystem::path&, const std::string&, const Network&, const Eigen::VectorXd&) {}

#endif

}  // namespace train_snn
