#include <stoat/snn/network.hpp>

#include <cmath>
#include <limits>
#include <sstream>

#include <boost/random/normal_distribution.hpp>

#include "pass.hpp"
#include "sources.hpp"

namespace stoat::snn {
namespace {

std::string at(std::size_t position, const char* what) {
  return "Network: layer " + std::to_string(position + 1) + " (" + what + "): ";
}

void require_positive(const std::string& where, const char* name, int x) {
  if (x < 1) throw InvalidArgument(where + outside(name, x, "[1, infinity)"));
}
void require_positive(const std::string& where, const char* name, double x) {
  if (!(x > 0 && std::isfinite(x))) throw InvalidArgument(where + outside(name, x, "(0, infinity)"));
}

/// Weights and units are counted in int.
void require_countable(const std::string& where, const char* name, double count) {
  if (count > std::numeric_limits<int>::max()) throw InvalidArgument(where + outside(name, count, "[1, 2^31)"));
}

void check(const std::string& where, const Lif& lif) {
  require_positive(where, "dt", lif.dt);
  require_positive(where, "tau_mem", lif.tau_mem);
  require_positive(where, "tau_syn", lif.tau_syn);
  require_positive(where, "threshold", lif.threshold);
  if (!(lif.dt < lif.tau_mem)) throw InvalidArgument(where + outside("dt", lif.dt, "(0, tau_mem)"));
  if (!(lif.dt < lif.tau_syn)) throw InvalidArgument(where + outside("dt", lif.dt, "(0, tau_syn)"));
  if (lif.refractory < 0) throw InvalidArgument(where + outside("refractory", lif.refractory, "[0, infinity)"));
  if (!std::isfinite(lif.adaptation)) throw InvalidArgument(where + outside("adaptation", lif.adaptation, "(-infinity, infinity)"));
  require_positive(where, "tau_adaptation", lif.tau_adaptation);
  if (lif.recurrent_kernel < 0 || (lif.recurrent_kernel > 0 && lif.recurrent_kernel % 2 == 0))
    throw InvalidArgument(where + "recurrent_kernel = " + std::to_string(lif.recurrent_kernel) + " is not odd");
  if (lif.activation == Activation::stochastic && !lif.escape.is_escape())
    throw InvalidArgument(where + "the escape function '" + std::string(lif.escape.name()) + "' is no probability");
}

void check(const std::string& where, const LeakyReadout& readout) {
  require_positive(where, "dt", readout.dt);
  require_positive(where, "tau_mem", readout.tau_mem);
  if (!(readout.tau_syn >= 0 && std::isfinite(readout.tau_syn)))
    throw InvalidArgument(where + outside("tau_syn", readout.tau_syn, "[0, infinity)"));
  if (!(readout.dt < readout.tau_mem)) throw InvalidArgument(where + outside("dt", readout.dt, "(0, tau_mem)"));
  if (!std::isfinite(readout.initial)) throw InvalidArgument(where + outside("initial", readout.initial, "(-infinity, infinity)"));
}

void check(const std::string& where, const Conv1d& conv, int channels, int positions) {
  require_positive(where, "channels", conv.channels);
  require_positive(where, "kernel", conv.kernel);
  require_positive(where, "stride", conv.stride);
  if (conv.padding < 0) throw InvalidArgument(where + outside("padding", conv.padding, "[0, infinity)"));
  const double padded = positions + 2.0 * conv.padding;
  require_countable(where, "units", padded * conv.channels);
  require_countable(where, "weights", static_cast<double>(channels) * conv.kernel * conv.channels);
  if (padded < conv.kernel)
    throw InvalidArgument(where + "a kernel of " + std::to_string(conv.kernel) + " does not fit into " + std::to_string(positions) +
                          " positions with padding " + std::to_string(conv.padding));
}

/// The stages of a list of layers.
class Builder {
 public:
  explicit Builder(detail::Stages& stages) : s_(stages), units_(stages.inputs), positions_(stages.inputs) {}

  void operator()(std::size_t position, const Linear& linear) {
    connect(position, "Linear");
    require_positive(at(position, "Linear"), "units", linear.units);
    require_countable(at(position, "Linear"), "weights", static_cast<double>(units_) * linear.units);
    input_ = Connection::linear(units_, linear.units);
    channels_ = 1, positions_ = linear.units;
  }
  void operator()(std::size_t position, const Conv1d& conv) {
    connect(position, "Conv1d");
    check(at(position, "Conv1d"), conv, channels_, positions_);
    input_ = Connection::convolution(channels_, positions_, conv);
    channels_ = conv.channels, positions_ = input_->outputs() / conv.channels;
  }
  void operator()(std::size_t position, const Dropout& dropout) {
    connect(position, "Dropout");
    if (!(dropout.probability >= 0 && dropout.probability < 1))
      throw InvalidArgument(at(position, "Dropout") + outside("probability", dropout.probability, "[0, 1)"));
    dropout_ = dropout.probability;
  }
  void operator()(std::size_t position, const Lif& lif) {
    check(at(position, "Lif"), lif);
    Stage stage = begin(position, "Lif");
    if (lif.activation == Activation::deterministic && lif.reset == Reset::replay)
      throw InvalidArgument(at(position, "Lif") + "own-replay (Reset::replay) needs stochastic spikes");
    if (lif.recurrent) {
      if (lif.recurrent_kernel > 0)
        stage.recurrent =
            Connection::convolution(channels_, positions_, {channels_, lif.recurrent_kernel, 1, lif.recurrent_kernel / 2});
      else {
        require_countable(at(position, "Lif"), "recurrent weights", static_cast<double>(stage.units) * stage.units);
        stage.recurrent = Connection::linear(stage.units, stage.units);
      }
      stage.recurrent_weights =
          part(" recurrent weights", stage.recurrent->rows(), stage.recurrent->cols(), stage.recurrent->fan_in());
      s_.parts.back().recurrent = true;
    }
    if (lif.learned_tau != Learned::none) {
      stage.taus = part(" log time constants", lif.learned_tau == Learned::neuron ? stage.units : 1, 2, 0);
      s_.parts.back().time_constants = true;
    }
    stage.neuron = lif;
    s_.list.push_back(stage);
  }
  void operator()(std::size_t position, const LeakyReadout& readout) {
    check(at(position, "LeakyReadout"), readout);
    if (position + 1 != s_.layers.size()) throw InvalidArgument(at(position, "LeakyReadout") + "layers after the readout");
    Stage stage = begin(position, "LeakyReadout");
    stage.neuron = readout;
    s_.list.push_back(stage);
  }
  void end() const {
    if (s_.list.empty()) throw InvalidArgument("Network: no layer of neurons");
    if (input_ || dropout_ > 0) throw InvalidArgument("Network: the last layer leads to no neurons");
  }

 private:
  void connect(std::size_t position, const char* what) const {
    if (input_) throw InvalidArgument(at(position, what) + "a Lif or LeakyReadout must come between two connections");
  }
  Stage begin(std::size_t position, const char* what) {
    if (!input_) throw InvalidArgument(at(position, what) + "a Linear or Conv1d must come before it");
    Stage stage;
    stage.input = *input_;
    stage.dropout = dropout_;
    stage.units = units_ = input_->outputs();
    stage.weights = part(" weights", input_->rows(), input_->cols(), input_->fan_in());
    input_.reset();
    dropout_ = 0;
    return stage;
  }
  Eigen::Index part(const char* what, Eigen::Index rows, Eigen::Index cols, double fan_in) {
    const auto layer = static_cast<int>(s_.list.size());
    s_.parts.push_back({"layer " + std::to_string(layer + 1) + what, layer, s_.parameters, rows, cols, false, false, fan_in});
    s_.parameters += rows * cols;
    return s_.parts.back().offset;
  }

  detail::Stages& s_;
  int units_, channels_ = 1, positions_;
  std::optional<Connection> input_;
  double dropout_ = 0;
};

void describe(std::ostream& out, const Stage& stage) {
  out << stage.units << " units, " << stage.input.weights() << " weights";
  if (stage.recurrent) out << " + " << stage.recurrent->weights() << " recurrent";
  if (stage.dropout > 0) out << ", dropout " << stage.dropout;
  if (const LeakyReadout* r = stage.readout()) {
    out << ", leaky readout, tau_mem " << r->tau_mem << " s, tau_syn " << r->tau_syn << " s";
    return;
  }
  const Lif& lif = *stage.lif();
  constexpr const char* resets[] = {"none", "detached", "differentiated", "own replay"};
  out << ", LIF, tau_mem " << lif.tau_mem << " s, tau_syn " << lif.tau_syn << " s, dt " << lif.dt << " s";
  if (lif.activation == Activation::stochastic) out << ", spikes with probability " << lif.escape.name();
  else out << ", deterministic spikes";
  out << ", surrogate " << lif.slope().name();
  if (lif.surrogate && lif.activation == Activation::stochastic) out << " (given, not the derivative of the escape function)";
  out << ", reset " << resets[static_cast<int>(lif.reset)];
  if (lif.refractory) out << ", refractory for " << lif.refractory << " steps";
  if (lif.adaptation != 0) out << ", adaptation " << lif.adaptation;
}

template <class T>
void check_inputs(const Network& network, const Eigen::VectorX<T>& theta, const SpikeEvents& inputs) {
  if (theta.size() != network.parameters())
    throw InvalidArgument("the network has " + std::to_string(network.parameters()) + " parameters, not " +
                          std::to_string(theta.size()));
  for (Eigen::Index i = 0; i < theta.size(); ++i)
    if (!std::isfinite(theta[i]))
      throw InvalidArgument("parameter " + std::to_string(i) + " is " + std::to_string(static_cast<double>(theta[i])));
  if (inputs.units() != network.inputs() || inputs.steps() != network.steps())
    throw InvalidArgument("inputs of " + std::to_string(inputs.units()) + " units x " + std::to_string(inputs.steps()) +
                          " steps do not fit a network of " + std::to_string(network.inputs()) + " x " +
                          std::to_string(network.steps()));
}

}  // namespace

Network::Network(int inputs, int steps, std::vector<Layer> layers) {
  require_positive("Network: ", "inputs", inputs);
  require_positive("Network: ", "steps", steps);
  auto stages = std::make_shared<detail::Stages>();
  stages->inputs = inputs, stages->steps = steps, stages->layers = std::move(layers);
  Builder builder(*stages);
  for (std::size_t i = 0; i < stages->layers.size(); ++i)
    std::visit([&](const auto& layer) { builder(i, layer); }, stages->layers[i]);
  builder.end();
  stages_ = std::move(stages);
}

int Network::inputs() const { return stages_->inputs; }
int Network::steps() const { return stages_->steps; }
int Network::outputs() const { return stages_->list.back().units; }
bool Network::has_readout() const { return stages_->list.back().readout() != nullptr; }
int Network::depth() const { return static_cast<int>(stages_->list.size()); }
int Network::units(int layer) const {
  if (layer < 0 || layer >= depth()) throw InvalidArgument("Network: " + outside("layer", layer, "[0, depth)"));
  return stages_->list[static_cast<std::size_t>(layer)].units;
}
const std::vector<Layer>& Network::layers() const { return stages_->layers; }
bool Network::stochastic() const {
  for (const Stage& stage : stages_->list)
    if (stage.lif() && stage.lif()->activation == Activation::stochastic) return true;
  return false;
}
Network Network::with(Activation activation) const {
  std::vector<Layer> layers = stages_->layers;
  for (Layer& layer : layers)
    if (Lif* lif = std::get_if<Lif>(&layer)) {
      lif->activation = activation;
      if (activation == Activation::deterministic && lif->reset == Reset::replay) lif->reset = Reset::detached;
    }
  return Network(inputs(), steps(), std::move(layers));
}
const std::vector<Network::Part>& Network::parts() const { return stages_->parts; }
Eigen::Index Network::parameters() const { return stages_->parameters; }

std::string Network::description() const {
  std::ostringstream out;
  out << inputs() << " inputs, " << steps() << " steps\n";
  for (std::size_t i = 0; i < stages_->list.size(); ++i) {
    out << "layer " << i + 1 << ": ";
    describe(out, stages_->list[i]);
    out << "\n";
  }
  return out.str();
}

PotentialIntegrals potential_integrals(double tau_mem, double tau_syn, double dt) {
  require_positive("potential_integrals: ", "dt", dt);
  require_positive("potential_integrals: ", "tau_mem", tau_mem);
  require_positive("potential_integrals: ", "tau_syn", tau_syn);
  const double am = std::exp(-dt / tau_mem), as = std::exp(-dt / tau_syn), length = 10 * std::max(tau_mem, tau_syn) / dt;
  if (!(length <= 1e8))
    throw InvalidArgument("potential_integrals: " + outside("10 max(tau_mem, tau_syn) / dt", length, "(0, 1e8]"));
  const auto steps = static_cast<int>(length);
  double u = 0, i = 1;
  PotentialIntegrals sum;
  for (int t = 0; t < steps; ++t) {
    sum.bar += u * dt;
    sum.hat += u * u * dt;
    u = am * u + (1 - am) * i;
    i *= as;
  }
  return sum;
}

template <class T>
Eigen::VectorX<T> Network::initial(const Initialization& init) const {
  require_positive("Initialization: ", "sigma_u", init.sigma_u);
  require_positive("Initialization: ", "nu", init.nu);
  if (!(init.alpha > 0 && init.alpha <= 1)) throw InvalidArgument("Initialization: " + outside("alpha", init.alpha, "(0, 1]"));
  Eigen::VectorX<T> theta(parameters());
  for (std::size_t k = 0; k < parts().size(); ++k) {
    const Part& part = parts()[k];
    const Stage& stage = stages_->list[static_cast<std::size_t>(part.layer)];
    if (part.time_constants) {
      const auto n = part.rows;
      theta.segment(part.offset, n).setConstant(static_cast<T>(std::log(stage.lif()->tau_mem)));
      theta.segment(part.offset + n, n).setConstant(static_cast<T>(std::log(stage.lif()->tau_syn)));
      continue;
    }
    double sd = 1 / std::sqrt(part.fan_in);
    if (const Lif* lif = stage.lif()) {
      const double share = !stage.recurrent ? 1 : part.recurrent ? 1 - init.alpha : init.alpha;
      sd = init.sigma_u * std::sqrt(share / (part.fan_in * init.nu * potential_integrals(lif->tau_mem, lif->tau_syn, lif->dt).hat));
    }
    Generator noise({init.seed, k, Purpose::data});
    boost::random::normal_distribution<double> normal;
    for (Eigen::Index i = 0; i < part.size(); ++i) theta[part.offset + i] = static_cast<T>(sd * normal(noise));
  }
  return theta;
}
template Eigen::VectorX<float> Network::initial(const Initialization&) const;
template Eigen::VectorX<double> Network::initial(const Initialization&) const;

template <class T>
Packed<T>::Packed(const detail::Stages& stages, const T* parameters) {
  T* const copy = arena.template allocate<T>(static_cast<std::size_t>(stages.parameters) + kernels::pad);
  std::copy_n(parameters, stages.parameters, copy);
  theta = copy;
  for (const Stage& stage : stages.list) {
    input.emplace_back(stage.input.packed_size());
    stage.input.pack(theta + stage.weights, input.back().data());
    recurrent.emplace_back(stage.recurrent ? stage.recurrent->packed_size() : 0);
    if (stage.recurrent) stage.recurrent->pack(theta + stage.recurrent_weights, recurrent.back().data());
  }
}
template struct Packed<float>;
template struct Packed<double>;

template <class T>
std::vector<Signal<T>> run_layers(Pass<T>& pass, const Signal<T>& input) {
  std::vector<Signal<T>> out;
  for (std::size_t i = 0; i < pass.stages.list.size(); ++i) {
    Signal<T> in = i == 0 ? input : out.back();
    if (pass.training && pass.stages.list[i].dropout > 0) in = dropout_layer(pass, i, in);
    out.push_back(pass.stages.list[i].lif() ? lif_layer(pass, i, in) : readout_layer(pass, i, in));
  }
  return out;
}
template std::vector<Signal<float>> run_layers(Pass<float>&, const Signal<float>&);
template std::vector<Signal<double>> run_layers(Pass<double>&, const Signal<double>&);

template <class T>
Response<T> respond(const Network& network, const Eigen::VectorX<T>& theta, const SpikeEvents& inputs,
                    std::span<const std::size_t> samples, std::uint64_t seed, std::uint64_t run, bool membranes) {
  check_inputs(network, theta, inputs);
  const detail::Stages& stages = *network.stages();
  Response<T> response;
  for (const Stage& stage : stages.list)
    if (stage.lif()) response.spikes.emplace_back(network.steps(), stage.units);
  if (membranes) response.membranes.resize(response.spikes.size());
  Arena arena;
  for (std::size_t k = 0; k < samples.size(); ++k) {
    if (samples[k] >= inputs.samples())
      throw InvalidArgument("sample " + std::to_string(samples[k]) + " of " + std::to_string(inputs.samples()));
    arena.rewind({});
    KeyedCoins<T> coins({seed, run + k});
    Pass<T> pass{.stages = stages, .theta = theta.data(), .arena = &arena, .source = &coins, .all_membranes = membranes};
    Signal<T> input{.steps = network.steps(), .units = network.inputs(), .stride = kernels::padded(network.inputs())};
    input.events = &inputs, input.which = &samples[k];
    const std::vector<Signal<T>> out = run_layers(pass, input);
    std::vector<Spike> spikes;
    for (std::size_t layer = 0; layer < out.size(); ++layer) {
      if (!out[layer].bits) continue;
      spikes.clear();
      Rows<T> rows(out[layer]);
      for (int t = 0; t < network.steps(); ++t)
        for (const Unit u : rows(0, t).units) spikes.push_back({t, static_cast<int>(u)});
      response.spikes[layer].add(spikes);
      if (!membranes) continue;
      const T threshold = static_cast<T>(stages.list[layer].lif()->threshold);
      Eigen::MatrixX<T> u(out[layer].steps, out[layer].units);
      for (int t = 0; t < out[layer].steps; ++t)
        for (int i = 0; i < out[layer].units; ++i) u(t, i) = out[layer].distances[out[layer].row(0, t) + i] + threshold;
      response.membranes[layer].push_back(std::move(u));
    }
    if (const Signal<T>& o = out.back(); o.numbers) {
      Eigen::MatrixX<T> readout(o.steps, o.units);
      for (int t = 0; t < o.steps; ++t)
        for (int c = 0; c < o.units; ++c) readout(t, c) = o.numbers[o.row(0, t) + c];
      response.readout.push_back(std::move(readout));
    }
  }
  return response;
}
template Response<float> respond(const Network&, const Eigen::VectorX<float>&, const SpikeEvents&, std::span<const std::size_t>,
                                 std::uint64_t, std::uint64_t, bool);
template Response<double> respond(const Network&, const Eigen::VectorX<double>&, const SpikeEvents&, std::span<const std::size_t>,
                                  std::uint64_t, std::uint64_t, bool);

}  // namespace stoat::snn
