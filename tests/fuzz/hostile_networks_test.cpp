// Every constant of layers, losses, encoders and trainings with numbers that make trouble.
#include <doctest/doctest.h>

#include <limits>

#include <stoat/snn.hpp>
#include <stoat/stoat.hpp>

#include "fuzz/hostile.hpp"

using namespace stoat;
using namespace stoat::snn;
using namespace fuzz;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double most = std::numeric_limits<int>::max();

Dataset data() {
  Dataset d{SpikeEvents(6, 3), {0, 1}, 2, SpikeEvents(6, 2)};
  for (const int shift : {0, 1}) {
    d.inputs.add(std::vector<Spike>{{0, shift}, {1, 2}, {2, 1 - shift}, {3, shift}});
    d.targets.add(std::vector<Spike>{{1, shift}, {4, 1}});
  }
  return d;
}
/// Loss and surrogate gradient of a network on the data.
std::vector<double> works(const Network& network, const Loss& loss, const std::vector<Regularizer>& regularizers = {}) {
  SurrogateGradient<double> gradient(Objective(network, data(), loss, regularizers), 1);
  Eigen::VectorXd g;
  const std::size_t batch[] = {0, 1};
  const double value = gradient(network.initial<double>(), batch, {1, 0}, g).loss;
  return {value, g.sum()};
}
std::vector<double> works(const std::vector<Layer>& layers) { return works(Network(3, 6, layers), MaxOverTimeCrossEntropy{}); }
std::vector<double> works(const Lif& lif) { return works({Linear{4}, lif, Linear{2}, LeakyReadout{}}); }
std::vector<double> works(const LeakyReadout& readout) { return works({Linear{4}, Lif{}, Linear{2}, readout}); }
std::vector<double> works(const Conv1d& conv) { return works({conv, Lif{}, Linear{2}, LeakyReadout{}}); }
std::vector<double> spiking(const Loss& loss) { return works(Network(3, 6, {Linear{2}, Lif{}}), loss); }
std::vector<double> regular(const Regularizer& r) {
  return works(Network(3, 6, {Linear{4}, Lif{}, Linear{2}, LeakyReadout{}}), MaxOverTimeCrossEntropy{}, {r});
}
std::vector<double> count(const std::vector<Spike>& spikes) { return {static_cast<double>(spikes.size())}; }

}  // namespace

TEST_CASE("hostile constants of layers, functions and losses") {
  // Weights are drawn by a simulation over 10 of the longer time constants: 1e8 steps at most.
  for (const Knob& k : {
           Knob{"tau_mem", 0.002, 2e4, [](double x) { return works(Lif{.tau_mem = x}); }, true, true},
           Knob{"tau_syn", 0.002, 2e4, [](double x) { return works(Lif{.tau_syn = x}); }, true, true},
           Knob{"dt", 2e-9, 0.01, [](double x) { return works(Lif{.dt = x}); }, true, true},
           Knob{"threshold", 0, infinity, [](double x) { return works(Lif{.threshold = x}); }, true, true},
           Knob{"adaptation", -infinity, infinity, [](double x) { return works(Lif{.adaptation = x}); }, true, true},
           Knob{"tau_adaptation", 0, infinity, [](double x) { return works(Lif{.adaptation = 1, .tau_adaptation = x}); }, true,
                true},
           Knob{"beta", 0, infinity, [](double x) { return works(Lif{.escape = escape::Sigmoid{x}}); }, true, true},
           Knob{"sigma", 0, infinity, [](double x) { return works(Lif{.escape = escape::Erf{x}}); }, true, true},
           Knob{"delta", 0, infinity,
                [](double x) {
                  return works(Lif{.escape = escape::Exponential{0.5, x}});
                },
                true, true},
           Knob{"beta", 0, infinity, [](double x) { return works(Lif{.surrogate = surrogate::SuperSpike{x}}); }, true, true},
           Knob{"alpha", 0, infinity, [](double x) { return works(Lif{.surrogate = surrogate::ArcTan{x}}); }, true, true},
           Knob{"alpha", 0, infinity, [](double x) { return works(Lif{.surrogate = surrogate::Triangle{x}}); }, true, true},
           Knob{"width", 0, infinity, [](double x) { return works(Lif{.surrogate = surrogate::Boxcar{x}}); }, true, true},
           Knob{"beta", 0, infinity, [](double x) { return works(Lif{.surrogate = surrogate::Tanh{x}}); }, true, true},
           Knob{"tau_mem", 0.002, infinity, [](double x) { return works(LeakyReadout{.tau_mem = x}); }, true, true},
           Knob{"tau_syn", 0, infinity, [](double x) { return works(LeakyReadout{.tau_syn = x}); }, false, true},
           Knob{"dt", 0, 0.2, [](double x) { return works(LeakyReadout{.dt = x}); }, true, true},
           Knob{"initial", -infinity, infinity, [](double x) { return works(LeakyReadout{.initial = x}); }, true, true},
           Knob{"probability", 0, 1,
                [](double x) {
                  return works({Linear{4}, Lif{}, Dropout{x}, Linear{2}, LeakyReadout{}});
                },
                false, true},
           Knob{"VanRossum", 0.005, infinity, [](double x) { return spiking(VanRossum{.tau_decay = x}); }, true},
           Knob{"VanRossum", 0, 0.01, [](double x) { return spiking(VanRossum{.tau_rise = x}); }, true, true},
           Knob{"VanRossum", 0, infinity, [](double x) { return spiking(VanRossum{.dt = x}); }, true},
           Knob{"VanRossum", -infinity, infinity, [](double x) { return spiking(VanRossum{.amplitude = x}); }, true, true},
           Knob{"strength", 0, infinity, [](double x) { return regular(UpperBound{.strength = x}); }, false, true},
           Knob{"threshold", -infinity, infinity, [](double x) { return regular(UpperBound{.threshold = x}); }, true, true},
           Knob{"strength", 0, infinity, [](double x) { return regular(LowerBound{.strength = x}); }, false, true},
           Knob{"threshold", -infinity, infinity, [](double x) { return regular(LowerBound{.threshold = x}); }, true, true},
       })
    check(k, hostile_numbers());
  for (const Knob& k : {
           Knob{"units", 1, most,
                [](double x) {
                  return works({Linear{static_cast<int>(x)}, Lif{}, Linear{2}, LeakyReadout{}});
                }},
           Knob{"channels", 1, most, [](double x) { return works(Conv1d{.channels = static_cast<int>(x)}); }},
           Knob{"stride", 1, most, [](double x) { return works(Conv1d{.stride = static_cast<int>(x)}); }},
           Knob{"kernel", 1, 3, [](double x) { return works(Conv1d{.kernel = static_cast<int>(x)}); }},
           Knob{"padding", 0, most, [](double x) { return works(Conv1d{.padding = static_cast<int>(x)}); }},
           Knob{"refractory", 0, most, [](double x) { return works(Lif{.refractory = static_cast<int>(x)}); }},
           Knob{"power", 1, 2, [](double x) { return regular(UpperBound{.power = static_cast<int>(x)}); }},
           Knob{"power", 1, 2, [](double x) { return regular(LowerBound{.power = static_cast<int>(x)}); }},
           Knob{"output", 0, 1, [](double x) { return spiking(MeanOutput{static_cast<int>(x)}); }},
       })
    check(k, as_numbers(hostile_integers()));
  for (const int n : hostile_integers()) {
    if (n < 1) refuses("inputs", [&] { Network(n, 6, {Linear{2}, Lif{}}); });
    if (n < 1) refuses("steps", [&] { Network(3, n, {Linear{2}, Lif{}}); });
    if (n < 0 || (n > 0 && n % 2 == 0)) refuses("recurrent_kernel", [&] { works(Lif{.recurrent = true, .recurrent_kernel = n}); });
  }
  refuses("no layer of neurons", [] { Network(3, 6, {}); });
  refuses("weights", [] { Network(70'000, 6, {Linear{70'000}, Lif{}}); });
  // Weights that are not finite are found when they are used.
  const Objective objective(Network(3, 6, {Linear{2}, Lif{}}), data(), SpikeMse{});
  const auto started = [&](const Initialization& init) {
    return std::vector<double>{evaluate(objective, objective.network().initial<double>(init), {.threads = 1}).loss};
  };
  for (const Knob& k : {
           Knob{"sigma_u", 0, infinity, [&](double x) { return started({.sigma_u = x}); }, true, true},
           Knob{"nu", 0, infinity, [&](double x) { return started({.nu = x}); }, true, true},
           Knob{"alpha", 0, 1, [&](double x) { return started({.alpha = x}); }, true},
       })
    check(k, hostile_numbers());
}

TEST_CASE("hostile data, encoders and statistics") {
  const Eigen::VectorXd half = Eigen::VectorXd::Constant(2, 0.5);
  const auto both = [](double x) { return Eigen::VectorXd(Eigen::Vector2d(0.5, x)); };
  for (const Knob& k : {
           Knob{"rate", 0, 1000, [&](double x) { return count(encode::poisson(both(x), 0.001, 5, 1)); }},
           Knob{"dt", 0, 2, [&](double x) { return count(encode::poisson(half, x, 5, 1)); }, true},
           Knob{"value", 0, 1, [&](double x) { return count(encode::latency(both(x), 5)); }},
           Knob{"threshold", 0, 1, [&](double x) { return count(encode::latency(half, 5, x)); }, false, true},
           Knob{"current", -infinity, infinity, [&](double x) { return count(encode::current(both(x), 0.001, 5)); }, true, true},
           Knob{"dt", 0, infinity, [&](double x) { return count(encode::current(both(2), x, 5)); }, true, true},
           Knob{"tau_mem", 0, infinity, [&](double x) { return count(encode::current(both(2), 0.001, 5, {.tau_mem = x})); }, true,
                true},
           Knob{"threshold", 0, infinity, [&](double x) { return count(encode::current(both(2), 0.001, 5, {.threshold = x})); },
                true, true},
           Knob{"time", 0, infinity,
                [](double x) {
                  const double times[] = {x};
                  const int units[] = {0};
                  return count(encode::bin(times, units, 2, 0.001, 5));
                },
                false, true},
           Knob{"dt", 0, infinity,
                [](double x) {
                  const double times[] = {0.001};
                  const int units[] = {0};
                  return count(encode::bin(times, units, 2, x, 5));
                },
                true, true},
           Knob{"dt", 0, infinity, [](double x) { return std::vector<double>{firing_rates(data().inputs, x).sum()}; }, true, true},
           Knob{"dt", 0, infinity, [](double x) { return std::vector<double>{population_rates(data().inputs, x).sum()}; }, true,
                true},
           Knob{"dt", 0, infinity,
                [](double x) {
                  population_fano(data().inputs, x);  // NaN where nothing spikes
                  return std::vector<double>{};
                },
                true, true},
           Knob{"active", 0, 0.75,
                [](double x) {
                  return std::vector<double>{
                      static_cast<double>(randman({.classes = 2, .samples_per_class = 2, .steps = 4, .active = x}, 1).size())};
                },
                true},
           Knob{"alpha", 0, infinity,
                [](double x) {
                  return std::vector<double>{
                      static_cast<double>(randman({.classes = 2, .samples_per_class = 2, .alpha = x}, 1).size())};
                },
                true, true},
       })
    check(k, hostile_numbers());
  for (const int n : hostile_integers()) {
    CAPTURE(n);
    if (n < 1) {
      refuses("steps", [&] { SpikeEvents(n, 3); });
      refuses("units", [&] { SpikeEvents(3, n); });
      refuses("steps", [&] { encode::poisson(half, 0.001, n, 1); });
      refuses("steps", [&] { encode::latency(half, n); });
      refuses("steps", [&] { encode::current(half, 0.001, n); });
      refuses("units", [&] { randman({.units = n}, 1); });
      refuses("classes", [&] { randman({.classes = n}, 1); });
      refuses("samples_per_class", [&] { randman({.samples_per_class = n}, 1); });
      refuses("dimension", [&] { randman({.dimension = n}, 1); });
      refuses("window", [&] { sliding_fano(data().inputs, n); });
    }
    if (n < 2) refuses("steps", [&] { randman({.steps = n}, 1); });
    if (n < 0 || n > 2) {
      refuses("unit", [&] { inter_spike_intervals(data().inputs, n, 0.001); });
      refuses("unit", [&] { data().inputs.add(std::vector<Spike>{{0, n}}); });
    }
    if (n < 0 || n > 5) refuses("step", [&] { data().inputs.add(std::vector<Spike>{{n, 0}}); });
  }
  refuses("raster", [] { data().inputs.add(Eigen::MatrixXd(Eigen::MatrixXd::Zero(2, 2))); });
  refuses("NaN", [] { data().inputs.add(Eigen::MatrixXd(Eigen::MatrixXd::Constant(6, 3, std::nan("")))); });
  refuses("sample", [] { data().inputs.raster(2); });
  refuses("sample", [] { data().inputs.subset(std::vector<std::size_t>{0, 7}); });
  refuses("without steps", [] { SpikeEvents().add(std::vector<Spike>{}); });
  refuses("label", [] {
    Dataset d = data();
    d.labels[1] = 2;
    d.check();
  });
  refuses("labels", [] {
    Dataset d = data();
    d.labels.pop_back();
    d.check();
  });
  for (const std::vector<double>& f : {std::vector<double>{0.5, std::nan("")}, {-0.5, 0.5}, {0.9, 0.9}, {1e-9, 0.5}})
    refuses("split", [&] { split(data(), f); });
  refuses("samples", [] { firing_rates(SpikeEvents(3, 3), 0.001); });
  CHECK(std::isnan(nan_mean(Eigen::MatrixXd(0, 0))));
}

TEST_CASE("hostile options of trainings, evaluations and measurements") {
  const Network network(3, 6, {Linear{4}, Lif{}, Linear{2}, LeakyReadout{}});
  const Objective objective(network, data(), MaxOverTimeCrossEntropy{});
  const Eigen::VectorXd theta = network.initial<double>();
  const auto trained = [&](const TrainOptions& o) { return std::vector<double>{train(objective, theta, Sgd{0.1}, o).theta.sum()}; };
  TrainOptions one;
  one.epochs = 1, one.progress = Display::none;
  const auto with = [&](const auto& change) {
    return [=](double x) {
      TrainOptions o = one;
      change(o, x);
      return trained(o);
    };
  };
  check({"clip", 0, infinity, with([](TrainOptions& o, double x) { o.clip = x; }), false, true}, hostile_numbers());
  check({"schedule", 0, infinity, with([](TrainOptions& o, double x) { o.schedule = [x](int) { return x; }; }), false, true},
        hostile_numbers());
  check({"checkpoint_every", 1, most, with([](TrainOptions& o, double x) { o.checkpoint_every = static_cast<int>(x); })},
        as_numbers(hostile_integers()));
  refuses("epochs", [&] { with([](TrainOptions& o, double) { o.epochs = -1; })(0); });
  refuses("batch", [&] { with([](TrainOptions& o, double) { o.batch = 0; })(0); });
  refuses("threads", [&] { with([](TrainOptions& o, double) { o.threads = -1; })(0); });
  refuses("patience", [&] { with([](TrainOptions& o, double) { o.patience = -1; })(0); });
  refuses("validation", [&] { with([](TrainOptions& o, double) { o.patience = 1; })(0); });
  refuses("batch", [&] { evaluate(objective, theta, {.batch = 0}); });
  refuses("threads", [&] { evaluate(objective, theta, {.threads = -1}); });
  refuses("accuracy", [&] { bias_meter(objective, theta, {.accuracy = std::nan("")}); });
  refuses("bound", [&] { bias_meter(objective, theta, {.bound = -1}); });
  refuses("seconds", [&] { bias_meter(objective, theta, {.seconds = 0}); });
  refuses("blocks", [&] { bias_meter(objective, theta, {.blocks = 3}); });
  refuses("samples", [&] { bias_meter(objective, theta, {.samples = 1}); });
  refuses("biased", [&] { bias_meter(objective, theta, {.estimator = StraightThrough{}}); });
  refuses("blocks", [] { relative_bias(Eigen::MatrixXd::Zero(3, 3), Eigen::MatrixXd::Zero(3, 3)); });
  for (const double x : {std::nan(""), infinity}) {
    Eigen::VectorXd bad = theta;
    bad[3] = x;
    refuses("parameter 3", [&] { train(objective, bad, Sgd{0.1}, one); });
    refuses("parameter 3", [&] { evaluate(objective, bad); });
    refuses("parameter 3", [&] { bias_meter(objective, bad); });
  }
  for (const Eigen::Index n : {0, 1, 1000}) {
    const Eigen::VectorXd bad = Eigen::VectorXd::Zero(n);
    refuses("parameters", [&] { train(objective, bad, Sgd{0.1}, one); });
    refuses("parameters", [&] { evaluate(objective, bad); });
    refuses("parameters", [&] { bias_meter(objective, bad); });
    refuses("parameters",
            [&] { estimate(objective.program<double>(), n ? bad : Eigen::VectorXd::Zero(2), StraightThrough{}, {.samples = 2}); });
  }
  Dataset empty = data();
  empty.inputs = SpikeEvents(6, 3), empty.labels.clear(), empty.targets = SpikeEvents(6, 2);
  refuses("no data", [&] { Objective(network, empty, MaxOverTimeCrossEntropy{}); });
}
