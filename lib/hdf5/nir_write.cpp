#include <cmath>

#include "nir.hpp"

namespace stoat::snn {
namespace {

using namespace nir;
using hdf5::Session, hdf5::Shape, hdf5::Writer;

std::string at(int layer) { return "write_nir: layer " + std::to_string(layer) + ": "; }

class Export {
 public:
  Export(Writer& file, const Network& network, const Eigen::VectorXd& theta)
      : file_(file), network_(network), theta_(theta), extent_{0, network.inputs()} {}

  void run() {
    file_.text("version", "1.0");
    file_.group("node");
    file_.text("node/type", "NIRGraph");
    file_.group("node/nodes");
    file_.group("node/metadata");
    file_.integer("node/metadata/steps", network_.steps());
    for (const Layer& layer : network_.layers()) std::visit([&](const auto& l) { add(l); }, layer);
    const std::string name = node("output", "Output");
    shape(name + "shape", extent_.shape());
    join("output");
    file_.texts("node/edges", {edges_.size() / 2, 2}, edges_);
  }

 private:
  /// A new node; the beginning of the names of its fields.
  std::string node(const std::string& name, const char* type) {
    const std::string group = "node/nodes/" + name;
    file_.group(group);
    file_.text(group + "/type", type);
    return group + "/";
  }
  void edge(const std::string& from, const std::string& to) { edges_.insert(edges_.end(), {from, to}); }
  /// The node comes after the one before.
  void join(const std::string& name) {
    edge(last_, name);
    last_ = name;
  }
  void shape(const std::string& name, const Shape& shape) {
    const std::vector<std::int64_t> numbers(shape.begin(), shape.end());
    file_.integers(name, {numbers.size()}, numbers);
  }
  void constants(const std::string& name, const std::vector<double>& values) {
    file_.numbers(name, {values.size()}, values.data());
  }

  /// The input's shape depends on what reads it.
  void begin(Extent extent) {
    if (last_.empty()) {
      extent_ = extent;
      shape(node("input", "Input") + "shape", extent.shape());
      last_ = "input";
    }
  }

  void linear(const std::string& name, const Network::Part& part, const Extent& from) {
    const auto outputs = static_cast<int>(part.rows), inputs = static_cast<int>(part.cols);
    std::vector<double> weights;
    for (int o = 0; o < outputs; ++o)
      for (int i = 0; i < inputs; ++i) weights.push_back(theta_[part.offset + from.unit(i) * part.rows + o]);
    file_.numbers(node(name, "Linear") + "weight", {static_cast<hsize_t>(outputs), static_cast<hsize_t>(inputs)}, weights.data(),
                  true);
  }
  void convolution(const std::string& name, const Network::Part& part, const Conv1d& conv, const Extent& from) {
    std::vector<double> weights;
    for (int o = 0; o < conv.channels; ++o)
      for (Eigen::Index column = 0; column < part.cols; ++column) weights.push_back(theta_[part.offset + column * part.rows + o]);
    const std::string group = node(name, "Conv1d");
    const auto channels = static_cast<hsize_t>(conv.channels), kernel = static_cast<hsize_t>(conv.kernel);
    file_.numbers(group + "weight", {channels, static_cast<hsize_t>(part.cols) / kernel, kernel}, weights.data(), true);
    file_.numbers(group + "bias", {channels}, std::vector<double>(channels, 0.0).data(), true);
    file_.integer(group + "input_shape", from.positions);
    file_.integer(group + "stride", conv.stride);
    file_.integer(group + "padding", conv.padding);
    file_.integer(group + "dilation", 1);
    file_.integer(group + "groups", 1);
  }
  void dropped(const std::string& node) {
    if (dropout_ == 0) return;
    file_.group("node/nodes/" + node + "/metadata");
    file_.number("node/nodes/" + node + "/metadata/dropout", dropout_);
    dropout_ = 0;
  }

  void add(const Dropout& dropout) { dropout_ = dropout.probability; }
  void add(const Linear& layer) {
    begin(extent_);
    ++number_;
    if (extent_.channels > 0) {
      const std::string name = "flatten_" + std::to_string(number_), group = node(name, "Flatten");
      shape(group + "input_type", extent_.shape());
      file_.integer(group + "start_dim", 0);
      file_.integer(group + "end_dim", -1);
      join(name);
    }
    const std::string name = "linear_" + std::to_string(number_);
    linear(name, next_part(), extent_);
    dropped(name);
    join(name);
    extent_ = {0, layer.units};
  }
  void add(const Conv1d& layer) {
    if (!last_.empty() && extent_.channels == 0)
      throw InvalidArgument(at(number_ + 1) + "a convolution after an all-to-all layer has no form in NIR");
    begin({1, extent_.positions});
    const std::string name = "conv_" + std::to_string(++number_);
    convolution(name, next_part(), layer, extent_);
    dropped(name);
    join(name);
    extent_ = {layer.channels, (extent_.positions + 2 * layer.padding - layer.kernel) / layer.stride + 1};
  }
  void add(const Lif& lif) {
    const std::string name = "lif_" + std::to_string(number_);
    join(name);
    if (lif.recurrent) recurrent(name, lif);
    const int n = extent_.units();
    std::vector<double> tau_mem(static_cast<std::size_t>(n), lif.tau_mem), tau_syn(tau_mem.size(), lif.tau_syn);
    const std::string group = node(name, "CubaLIF"), metadata = group + "metadata";
    file_.group(metadata);
    if (lif.learned_tau != Learned::none) {
      const Network::Part& part = next_part();
      const double* const logs = theta_.data() + part.offset;
      for (int i = 0; i < n; ++i) {
        const Eigen::Index k = part.rows > 1 ? extent_.unit(i) : 0;
        tau_mem[static_cast<std::size_t>(i)] = std::exp(logs[k]);
        tau_syn[static_cast<std::size_t>(i)] = std::exp(logs[part.rows + k]);
      }
      file_.numbers(metadata + "/log_tau", {2, static_cast<hsize_t>(part.rows)}, logs, true);
    }
    neurons(group, tau_mem, tau_syn, lif.dt);
    const std::vector<double> thresholds(tau_mem.size(), lif.threshold), zeros(tau_mem.size(), 0.0);
    file_.numbers(group + "v_threshold", extent_.shape(), thresholds.data(), true);
    file_.numbers(group + "v_reset", extent_.shape(), zeros.data(), true);

    file_.number(metadata + "/dt", lif.dt);
    file_.text(metadata + "/activation", activations[static_cast<std::size_t>(lif.activation)]);
    file_.text(metadata + "/reset", resets[static_cast<std::size_t>(lif.reset)]);
    file_.text(metadata + "/reset_kind", reset_kinds[static_cast<std::size_t>(lif.reset_kind)]);
    file_.text(metadata + "/learned_tau", learned[static_cast<std::size_t>(lif.learned_tau)]);
    constants(metadata + "/tau", {lif.tau_mem, lif.tau_syn});
    file_.integer(metadata + "/refractory", lif.refractory);
    file_.number(metadata + "/adaptation", lif.adaptation);
    file_.number(metadata + "/tau_adaptation", lif.tau_adaptation);
    function(metadata + "/escape", lif.escape);
    if (lif.surrogate) function(metadata + "/surrogate", *lif.surrogate);
  }
  void add(const LeakyReadout& readout) {
    const std::string name = "readout";
    join(name);
    const std::vector<double> tau_mem(static_cast<std::size_t>(extent_.units()), readout.tau_mem);
    const std::string group = node(name, readout.tau_syn > 0 ? "CubaLI" : "LI");
    if (readout.tau_syn > 0) {
      neurons(group, tau_mem, std::vector<double>(tau_mem.size(), readout.tau_syn), readout.dt);
    } else {
      file_.numbers(group + "tau", extent_.shape(), tau_mem.data(), true);
      rest(group);
    }
    file_.group(group + "metadata");
    file_.number(group + "metadata/dt", readout.dt);
    file_.number(group + "metadata/initial", readout.initial);
  }

  void recurrent(const std::string& name, const Lif& lif) {
    const std::string back = "recurrent_" + std::to_string(number_);
    const Network::Part& part = next_part();
    if (lif.recurrent_kernel > 0 && extent_.channels == 0)
      throw InvalidArgument(at(number_) + "a recurrent convolution after an all-to-all layer has no form in NIR");
    if (lif.recurrent_kernel > 0)
      convolution(back, part, {extent_.channels, lif.recurrent_kernel, 1, lif.recurrent_kernel / 2}, extent_);
    else if (extent_.channels == 0) linear(back, part, extent_);
    else throw InvalidArgument(at(number_) + "an all-to-all recurrent connection after a convolution has no form in NIR");
    edge(name, back), edge(back, name);
  }
  void rest(const std::string& group) {
    const auto n = static_cast<std::size_t>(extent_.units());
    file_.numbers(group + "r", extent_.shape(), std::vector<double>(n, 1.0).data(), true);
    file_.numbers(group + "v_leak", extent_.shape(), std::vector<double>(n, 0.0).data(), true);
  }
  void neurons(const std::string& group, const std::vector<double>& tau_mem, const std::vector<double>& tau_syn, double dt) {
    file_.numbers(group + "tau_mem", extent_.shape(), tau_mem.data(), true);
    file_.numbers(group + "tau_syn", extent_.shape(), tau_syn.data(), true);
    std::vector<double> w_in;
    w_in.reserve(tau_syn.size());
    for (const double tau : tau_syn) w_in.push_back(tau / dt);
    file_.numbers(group + "w_in", extent_.shape(), w_in.data(), true);
    rest(group);
  }
  void function(const std::string& name, const SpikeFunction& f) {
    const std::optional<NamedFunction> found = named(f);
    if (!found)
      throw InvalidArgument(at(number_) + "the function '" + std::string(f.name()) +
                            "' is not the library's, and has no name in a file");
    file_.text(name, found->name);
    constants(name + "_constants", found->constants);
  }
  const Network::Part& next_part() { return network_.parts()[part_++]; }

  Writer& file_;
  const Network& network_;
  const Eigen::VectorXd& theta_;
  Extent extent_;  ///< of what the last node gives
  std::string last_;
  std::vector<std::string> edges_;
  int number_ = 0;  ///< of the layer, from 1 on
  std::size_t part_ = 0;
  double dropout_ = 0;
};

}  // namespace

void write_nir(const std::filesystem::path& path, const Network& network, const Eigen::VectorXd& theta) {
  if (theta.size() != network.parameters())
    throw InvalidArgument("write_nir: the network has " + std::to_string(network.parameters()) + " parameters, not " +
                          std::to_string(theta.size()));
  for (Eigen::Index i = 0; i < theta.size(); ++i)
    if (!std::isfinite(theta[i]))
      throw InvalidArgument("write_nir: parameter " + std::to_string(i) + " is " + std::to_string(theta[i]));
  const Session session;
  Writer file(path);
  Export(file, network, theta).run();
  file.commit();
}

}  // namespace stoat::snn
