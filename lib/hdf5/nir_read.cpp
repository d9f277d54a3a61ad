#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "nir.hpp"

namespace stoat::snn {
namespace {

using namespace nir;
using hdf5::Reader, hdf5::Session, hdf5::Shape, hdf5::text_of;

/// A connection as our weights: the input unit decides the column, the output unit or filter the row.
struct Weights {
  Eigen::MatrixXd matrix;
  std::string node;
};

class Import {
 public:
  Import(const Reader& file, const NirOptions& options) : file_(file), options_(options), steps_(options.steps) {}

  NirNetwork run() {
    require_type("node", "NIRGraph");
    if (steps_ == 0) {
      if (!file_.has("node/metadata/steps"))
        file_.fail("node/metadata/steps", "it is missing, and the options do not tell the steps");
      steps_ = integer("node/metadata/steps", 1);
    }
    read_graph();
    std::string name = only("Input");
    const std::string output = only("Output");
    start(name);
    for (name = next(name); name != output; name = next(name)) {
      if (!seen_.insert(name).second) fail(name, "the graph is no chain of layers: it comes back to this node");
      const std::string& type = types_.at(name);
      if (type == "Linear" || type == "Affine") linear(name);
      else if (type == "Conv1d") convolution(name);
      else if (type == "Flatten") flatten(name);
      else if (type == "CubaLIF") spiking(name);
      else if (type == "CubaLI" || type == "LI") readout(name, next(name) == output);
      else if (type == "LIF") fail(name, "neurons without synaptic current (LIF) cannot be read; CubaLIF can");
      else fail(name, "nodes of type '" + type + "' cannot be read");
    }
    if (connection_) fail(connection_->node, "it leads to no neurons");
    for (const auto& [node, type] : types_)
      if (!seen_.contains(node) && type != "Input" && type != "Output") fail(node, "it is not on the way from input to output");
    try {
      NirNetwork result{Network(inputs_, steps_, layers_), {}};
      result.theta = Eigen::Map<const Eigen::VectorXd>(theta_.data(), static_cast<Eigen::Index>(theta_.size()));
      if (result.theta.size() != result.network.parameters())
        file_.fail("node", "its shapes disagree: " + std::to_string(theta_.size()) + " parameters for a network of " +
                               std::to_string(result.network.parameters()));
      return result;
    } catch (const InvalidArgument& error) { file_.fail("node", error.what()); }
  }

 private:
  static std::string field(const std::string& node, const char* name) { return "node/nodes/" + node + "/" + name; }
  [[noreturn]] void fail(const std::string& node, const std::string& why) const { file_.fail("node/nodes/" + node, why); }

  void require_type(const std::string& group, const std::string& expected) const {
    file_.require_group(group);
    if (const std::string found = file_.text(group + "/type"); found != expected)
      file_.fail(group + "/type", "it is '" + found + "', not '" + expected + "'");
  }
  int integer(const std::string& name, std::int64_t least) const {
    const std::int64_t value = file_.integer(name);
    if (value < least || value > std::numeric_limits<int>::max())
      file_.fail(name, outside("value", static_cast<double>(value), "[" + std::to_string(least) + ", 2^31)"));
    return static_cast<int>(value);
  }

  void read_graph() {
    for (const std::string& name : file_.children("node/nodes")) {
      file_.require_group("node/nodes/" + name);
      types_[name] = file_.text(field(name, "type"));
    }
    const Shape shape = file_.shape("node/edges");
    if (shape.size() != 2 || shape[1] != 2) file_.fail("node/edges", "its shape is " + text_of(shape) + ", not two names an edge");
    const std::vector<std::string> names = file_.texts("node/edges");
    for (std::size_t k = 0; k + 1 < names.size(); k += 2) {
      for (const std::size_t end : {k, k + 1})
        if (!types_.contains(names[end]))
          file_.fail("node/edges, row " + std::to_string(k / 2), "there is no node '" + names[end] + "'");
      edges_.emplace_back(names[k], names[k + 1]);
    }
  }
  std::string only(const std::string& type) const {
    std::string found;
    for (const auto& [name, t] : types_) {
      if (t != type) continue;
      if (!found.empty()) file_.fail("node/nodes", "there is more than one " + type + ": " + found + " and " + name);
      found = name;
    }
    if (found.empty()) file_.fail("node/nodes", "there is no " + type);
    return found;
  }
  bool has_edge(const std::string& from, const std::string& to) const {
    return std::find(edges_.begin(), edges_.end(), std::pair{from, to}) != edges_.end();
  }
  /// The connection by which neurons reach themselves; empty if there is none.
  std::string loop(const std::string& node) const {
    std::string found;
    for (const auto& [from, to] : edges_) {
      if (from != node || !has_edge(to, node) || to == node) continue;
      if (!found.empty()) fail(node, "it has more than one recurrent connection");
      found = to;
    }
    return found;
  }
  std::string next(const std::string& node) const {
    std::string found;
    for (const auto& [from, to] : edges_) {
      if (from != node || (types_.at(node) == "CubaLIF" && has_edge(to, node))) continue;
      if (to == node) fail(node, "it has an edge to itself");
      if (!found.empty()) fail(node, "the graph is no chain of layers: edges lead to " + found + " and to " + to);
      found = to;
    }
    if (found.empty()) fail(node, "no edge leads on from it");
    return found;
  }

  void start(const std::string& name) {
    const std::string shape = field(name, "shape");
    std::int64_t units = 1;
    const std::vector<std::int64_t> numbers = file_.integers(shape);
    if (numbers.empty() || numbers.size() > 2 || (numbers.size() == 2 && numbers[0] != 1))
      file_.fail(shape, "it is neither units nor one channel x positions");
    for (const std::int64_t n : numbers) {
      if (n < 1 || n > 1 << 24) file_.fail(shape, outside("units", static_cast<double>(n), "[1, 2^24]"));
      units *= n;
    }
    inputs_ = static_cast<int>(units);
    extent_ = {numbers.size() == 2 ? 1 : 0, inputs_};
  }

  Eigen::MatrixXd linear_weights(const std::string& name, int& outputs) const {
    const std::string weight = field(name, "weight");
    const Shape shape = file_.shape(weight);
    const auto inputs = static_cast<hsize_t>(extent_.units());
    if (shape.size() != 2 || shape[1] != inputs || shape[0] < 1)
      file_.fail(weight, "its shape is " + text_of(shape) + ", not units x " + std::to_string(inputs));
    const std::vector<double> values = finite(weight);
    Eigen::MatrixXd w(static_cast<Eigen::Index>(shape[0]), static_cast<Eigen::Index>(inputs));
    for (Eigen::Index o = 0; o < w.rows(); ++o)
      for (int i = 0; i < extent_.units(); ++i) w(o, extent_.unit(i)) = values[static_cast<std::size_t>(o * w.cols() + i)];
    if (types_.at(name) == "Affine") no_bias(name, shape[0]);
    outputs = static_cast<int>(w.rows());
    return w;
  }
  Eigen::MatrixXd convolution_weights(const std::string& name, Conv1d& conv) const {
    const std::string weight = field(name, "weight");
    const Shape shape = file_.shape(weight);
    const auto channels = static_cast<hsize_t>(extent_.channels);
    if (shape.size() != 3 || shape[1] != channels || shape[0] < 1 || shape[2] < 1)
      file_.fail(weight, "its shape is " + text_of(shape) + ", not filters x " + std::to_string(channels) + " channels x kernel");
    const std::vector<double> values = finite(weight);
    Eigen::MatrixXd w(static_cast<Eigen::Index>(shape[0]), static_cast<Eigen::Index>(shape[1] * shape[2]));
    for (Eigen::Index o = 0; o < w.rows(); ++o)
      for (Eigen::Index i = 0; i < w.cols(); ++i) w(o, i) = values[static_cast<std::size_t>(o * w.cols() + i)];
    no_bias(name, shape[0]);
    for (const char* one : {"dilation", "groups"})
      if (const std::string f = field(name, one); integer(f, 1) != 1) file_.fail(f, "only 1 can be read");
    conv.channels = static_cast<int>(shape[0]), conv.kernel = static_cast<int>(shape[2]);
    conv.stride = integer(field(name, "stride"), 1);
    conv.padding = padding(name, conv);
    if (file_.has(field(name, "input_shape")))
      if (const std::string f = field(name, "input_shape"); integer(f, 1) != extent_.positions)
        file_.fail(f, "the node before gives " + std::to_string(extent_.positions) + " positions");
    if (conv.padding > 1 << 24 || extent_.positions + 2 * conv.padding < conv.kernel)
      file_.fail(weight, "a kernel of " + std::to_string(conv.kernel) + " does not fit into " + std::to_string(extent_.positions) +
                             " positions with padding " + std::to_string(conv.padding));
    return w;
  }
  int padding(const std::string& name, const Conv1d& conv) const {
    const std::string f = field(name, "padding");
    if (!file_.is_text(f)) return integer(f, 0);
    const std::string text = file_.text(f);
    if (text == "valid") return 0;
    if (text == "same" && conv.stride == 1 && conv.kernel % 2 == 1) return conv.kernel / 2;
    file_.fail(f, "'" + text + "' cannot be read with stride " + std::to_string(conv.stride) + " and kernel " +
                      std::to_string(conv.kernel));
  }
  void no_bias(const std::string& name, hsize_t size) const {
    const std::string bias = field(name, "bias");
    std::vector<double> values(size);
    file_.numbers(bias, {size}, values.data());
    for (const double b : values)
      if (b != 0) file_.fail(bias, "a bias of " + std::to_string(b) + " cannot be read: our layers have none");
  }
  std::vector<double> finite(const std::string& name) const {
    std::vector<double> values = file_.numbers(name);
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!std::isfinite(values[i])) file_.fail(name + ", entry " + std::to_string(i), "it is " + std::to_string(values[i]));
    return values;
  }

  void connect(const std::string& name, Eigen::MatrixXd weights) {
    if (connection_) fail(name, "there are no neurons between it and " + connection_->node);
    if (const std::string f = field(name, "metadata/dropout"); file_.has(f)) layers_.push_back(Dropout{file_.number(f)});
    connection_ = Weights{std::move(weights), name};
  }
  void linear(const std::string& name) {
    Linear layer;
    Eigen::MatrixXd weights = linear_weights(name, layer.units);
    connect(name, std::move(weights));
    layers_.push_back(layer);
    extent_ = {0, layer.units};
  }
  void convolution(const std::string& name) {
    if (extent_.channels == 0) fail(name, "the node before has no channels");
    Conv1d layer;
    Eigen::MatrixXd weights = convolution_weights(name, layer);
    connect(name, std::move(weights));
    layers_.push_back(layer);
    extent_ = {layer.channels, (extent_.positions + 2 * layer.padding - layer.kernel) / layer.stride + 1};
    if (extent_.positions > (1 << 24) / extent_.channels) fail(name, "it gives more than 2^24 units");
  }
  /// An all-to-all layer sees the units of channels x positions in NIR's order, which linear_weights() takes care of.
  void flatten(const std::string& name) const {
    if (connection_) fail(name, "it comes between a connection and its neurons");
    const std::string after = types_.at(next(name));
    if (after != "Linear" && after != "Affine")
      fail(name, "it leads to a node of type '" + after + "', not to an all-to-all layer");
  }

  /// A field with a number for each unit, in our order.
  std::vector<double> per_unit(const std::string& name, const char* what) const {
    const std::string f = field(name, what);
    const Shape shape = file_.shape(f);
    std::vector<double> values(static_cast<std::size_t>(extent_.units())), ours(values.size());
    if (shape != extent_.shape() && shape != Shape{values.size()})
      file_.fail(f, "its shape is " + text_of(shape) + ", not " + text_of(extent_.shape()));
    values = finite(f);
    for (std::size_t i = 0; i < values.size(); ++i) ours[static_cast<std::size_t>(extent_.unit(static_cast<int>(i)))] = values[i];
    return ours;
  }
  double common(const std::string& name, const char* what, const std::vector<double>& values) const {
    for (const double x : values)
      if (x != values[0])
        file_.fail(field(name, what),
                   "it is " + std::to_string(values[0]) + " and " + std::to_string(x) + ", and has to be the same for all units");
    return values[0];
  }
  double dt_of(const std::string& name) const {
    if (options_.dt > 0) return options_.dt;
    const std::string f = field(name, "metadata/dt");
    if (!file_.has(f)) file_.fail(f, "it is missing, and the options do not tell dt");
    return file_.number(f);
  }

  /// The weights that lead to neurons, each row times the factor of its units.
  void scaled(const Weights& weights, const std::vector<double>& gain, bool shared) {
    const Eigen::Index rows = weights.matrix.rows();
    std::vector<double> of_row(static_cast<std::size_t>(rows));
    for (std::size_t unit = 0; unit < gain.size(); ++unit) {
      double& g = of_row[unit % static_cast<std::size_t>(rows)];
      if (shared && unit >= static_cast<std::size_t>(rows) && g != gain[unit])
        fail(weights.node, "the neurons it leads to differ in r or w_in between positions of a filter");
      g = gain[unit];
    }
    for (Eigen::Index column = 0; column < weights.matrix.cols(); ++column)
      for (Eigen::Index row = 0; row < rows; ++row)
        theta_.push_back(weights.matrix(row, column) * of_row[static_cast<std::size_t>(row)]);
  }
  Weights take_connection(const std::string& name) {
    if (!connection_) fail(name, "no connection with weights leads to it");
    Weights weights = std::move(*connection_);
    connection_.reset();
    return weights;
  }
  /// What a spike of weight 1 adds to r I.
  std::vector<double> gains(const std::string& name, const std::vector<double>& tau_syn, double dt) const {
    const std::vector<double> r = per_unit(name, "r"), w_in = per_unit(name, "w_in");
    std::vector<double> gain = r;
    for (std::size_t i = 0; i < gain.size(); ++i)
      if (w_in[i] != tau_syn[i] / dt) gain[i] *= w_in[i] * dt / tau_syn[i];
    return gain;
  }
  std::vector<double> time_constants(const std::string& name, const char* what) const {
    std::vector<double> taus = per_unit(name, what);
    for (const double tau : taus)
      if (!(tau > 0)) file_.fail(field(name, what), outside("time constant", tau, "(0, infinity)"));
    return taus;
  }

  void spiking(const std::string& name) {
    const Weights input = take_connection(name);
    const bool shared = extent_.channels > 0;
    Lif lif = options_.neuron;
    lif.recurrent = false, lif.recurrent_kernel = 0, lif.learned_tau = Learned::none;
    lif.dt = dt_of(name);
    const std::vector<double> tau_mem = time_constants(name, "tau_mem"), tau_syn = time_constants(name, "tau_syn");
    const std::vector<double> v_leak = per_unit(name, "v_leak");
    std::vector<double> v_reset(v_leak.size(), 0.0), threshold = per_unit(name, "v_threshold");
    if (file_.has(field(name, "v_reset"))) v_reset = per_unit(name, "v_reset");
    for (std::size_t i = 0; i < threshold.size(); ++i) {
      if (v_reset[i] != v_leak[i]) file_.fail(field(name, "v_reset"), "it differs from v_leak, where our neurons are reset to");
      threshold[i] -= v_leak[i];
    }
    lif.threshold = common(name, "v_threshold", threshold);
    metadata(name, lif);

    const std::vector<double> gain = gains(name, tau_syn, lif.dt);
    scaled(input, gain, shared);
    if (const std::string back = loop(name); !back.empty()) {
      if (!seen_.insert(back).second) fail(back, "it leads to its neurons and back from them at once");
      lif.recurrent = true;
      Weights weights{{}, back};
      if (types_.at(back) == "Linear" || types_.at(back) == "Affine") {
        if (shared) fail(back, "an all-to-all recurrent connection after a convolution cannot be read");
        int units = 0;
        weights.matrix = linear_weights(back, units);
        if (units != extent_.units()) fail(back, "it leads to " + std::to_string(units) + " units, not back to " + name);
      } else if (types_.at(back) == "Conv1d" && shared) {
        Conv1d conv;
        weights.matrix = convolution_weights(back, conv);
        if (conv.channels != extent_.channels || conv.stride != 1 || conv.kernel % 2 == 0 || conv.padding != conv.kernel / 2)
          fail(back, "a recurrent convolution needs an odd kernel, stride 1, and a padding of half the kernel");
        lif.recurrent_kernel = conv.kernel;
      } else {
        fail(back, "a recurrent connection of type '" + types_.at(back) + "' cannot be read here");
      }
      scaled(weights, gain, shared);
    }
    learn(name, lif, tau_mem, tau_syn);
    layers_.push_back(lif);
  }

  /// Time constants: the layer's, or parameters.
  void learn(const std::string& name, Lif& lif, const std::vector<double>& tau_mem, const std::vector<double>& tau_syn) {
    const auto same = [](const std::vector<double>& x) {
      return std::all_of(x.begin(), x.end(), [&](double y) { return y == x[0]; });
    };
    if (lif.learned_tau == Learned::none && same(tau_mem) && same(tau_syn)) {
      lif.tau_mem = tau_mem[0], lif.tau_syn = tau_syn[0];
      return;
    }
    if (lif.learned_tau == Learned::layer && !(same(tau_mem) && same(tau_syn))) lif.learned_tau = Learned::none;
    const bool known = lif.learned_tau != Learned::none;
    if (!known) lif.learned_tau = Learned::neuron, lif.tau_mem = tau_mem[0], lif.tau_syn = tau_syn[0];
    const std::size_t n = lif.learned_tau == Learned::layer ? 1 : tau_mem.size();
    std::vector<double> logs(2 * n);
    if (known) file_.numbers(field(name, "metadata/log_tau"), {2, n}, logs.data());
    for (std::size_t i = 0; i < n; ++i) {
      // Our own logarithms, to the last bit, unless another program has changed the time constants.
      if (!known || std::exp(logs[i]) != tau_mem[i]) logs[i] = std::log(tau_mem[i]);
      if (!known || std::exp(logs[n + i]) != tau_syn[i]) logs[n + i] = std::log(tau_syn[i]);
    }
    theta_.insert(theta_.end(), logs.begin(), logs.end());
  }

  void readout(const std::string& name, bool last) {
    if (!last) fail(name, "only the last layer may be leaky integrators");
    const Weights input = take_connection(name);
    const bool filtered = types_.at(name) == "CubaLI";
    LeakyReadout readout{.dt = dt_of(name)};
    const std::vector<double> tau_mem = time_constants(name, filtered ? "tau_mem" : "tau");
    readout.tau_mem = common(name, filtered ? "tau_mem" : "tau", tau_mem);
    std::vector<double> gain;
    if (filtered) {
      const std::vector<double> tau_syn = time_constants(name, "tau_syn");
      readout.tau_syn = common(name, "tau_syn", tau_syn);
      gain = gains(name, tau_syn, readout.dt);
    } else {
      readout.tau_syn = 0;
      gain = per_unit(name, "r");
    }
    for (const double v : per_unit(name, "v_leak"))
      if (v != 0) file_.fail(field(name, "v_leak"), outside("v_leak of a readout", v, "{0}"));
    if (const std::string f = field(name, "metadata/initial"); file_.has(f)) readout.initial = file_.number(f);
    scaled(input, gain, extent_.channels > 0);
    layers_.push_back(readout);
  }

  template <class Enum>
  void choice(const std::string& name, const char* what, const std::vector<std::string>& names, Enum& out) const {
    const std::string f = field(name, what), value = file_.text(f);
    const auto found = std::find(names.begin(), names.end(), value);
    if (found == names.end()) file_.fail(f, "'" + value + "' is not known");
    out = static_cast<Enum>(found - names.begin());
  }
  SpikeFunction function(const std::string& name, const std::string& what) const {
    const std::string f = field(name, what.c_str());
    const NamedFunction named{file_.text(f), file_.numbers(f + "_constants")};
    try {
      if (const std::optional<SpikeFunction> found = nir::function(named)) return *found;
    } catch (const InvalidArgument& error) { file_.fail(f + "_constants", error.what()); }
    file_.fail(f, "'" + named.name + "' with " + std::to_string(named.constants.size()) + " constants is not known");
  }
  /// What we wrote beside NIR's fields; nothing in files of other programs.
  void metadata(const std::string& name, Lif& lif) const {
    if (!file_.has(field(name, "metadata/activation"))) return;
    choice(name, "metadata/activation", activations, lif.activation);
    choice(name, "metadata/reset", resets, lif.reset);
    choice(name, "metadata/reset_kind", reset_kinds, lif.reset_kind);
    choice(name, "metadata/learned_tau", learned, lif.learned_tau);
    double taus[2];
    file_.numbers(field(name, "metadata/tau"), {2}, taus);
    lif.tau_mem = taus[0], lif.tau_syn = taus[1];
    lif.refractory = integer(field(name, "metadata/refractory"), 0);
    lif.adaptation = file_.number(field(name, "metadata/adaptation"));
    lif.tau_adaptation = file_.number(field(name, "metadata/tau_adaptation"));
    lif.escape = function(name, "metadata/escape");
    lif.surrogate.reset();
    if (file_.has(field(name, "metadata/surrogate"))) lif.surrogate = function(name, "metadata/surrogate");
  }

  const Reader& file_;
  const NirOptions& options_;
  int steps_ = 0, inputs_ = 0;
  std::map<std::string, std::string> types_;  ///< of each node
  std::vector<std::pair<std::string, std::string>> edges_;
  std::set<std::string> seen_;
  Extent extent_;  ///< of what the last node gives
  std::optional<Weights> connection_;
  std::vector<Layer> layers_;
  std::vector<double> theta_;
};

}  // namespace

NirNetwork read_nir(const std::filesystem::path& path, const NirOptions& options) {
  if (!(options.dt >= 0 && std::isfinite(options.dt)))
    throw InvalidArgument("read_nir: " + outside("dt", options.dt, "[0, infinity)"));
  if (options.steps < 0) throw InvalidArgument("read_nir: " + outside("steps", options.steps, "[0, infinity)"));
  const Session session;
  const Reader file("NIR file", path);
  return Import(file, options).run();
}

}  // namespace stoat::snn
