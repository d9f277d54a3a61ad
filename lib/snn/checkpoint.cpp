#include "checkpoint.hpp"

#include <algorithm>
#include <bit>
#include <fstream>
#include <iterator>
#include <string_view>
#include <type_traits>

#include <nlohmann/json.hpp>

#include <stoat/driver/report.hpp>
#include <stoat/error.hpp>

namespace stoat::snn {
namespace {

using nlohmann::json;

constexpr std::string_view format = "stoat training 1";

/// FNV-1a over whatever numbers come. Every step is a bijection, so a change of one number shows.
class Hash {
 public:
  void add(std::uint64_t number) { hash_ = (hash_ ^ number) * 0x100000001b3; }
  void add(double number) { add(std::bit_cast<std::uint64_t>(number)); }
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325;
};

void add(Hash& hash, const SpikeEvents& events) {
  for (std::size_t sample = 0; sample < events.samples(); ++sample)
    for (int step = 0; step < events.steps(); ++step) {
      hash.add(std::uint64_t{events.at(sample, step).size()});
      for (const SpikeEvents::Unit unit : events.at(sample, step)) hash.add(std::uint64_t{unit});
    }
}

json described(const Dataset& data) {
  Hash hash;
  add(hash, data.inputs);
  add(hash, data.targets);
  for (const int label : data.labels) hash.add(static_cast<std::uint64_t>(label));
  return {{"samples", data.size()}, {"checksum", hash.value()}};
}

json described(const SpikeFunction& f) {
  return {{"name", f.name()}, {"slopes", {f.derivative(0), f.derivative(0.1), f.derivative(0.7)}}};
}

json described(const Layer& layer) {
  return std::visit(
      [](const auto& l) -> json {
        using L = std::remove_cvref_t<decltype(l)>;
        if constexpr (std::is_same_v<L, Linear>) return {{"type", "Linear"}, {"units", l.units}};
        else if constexpr (std::is_same_v<L, Conv1d>)
          return {{"type", "Conv1d"}, {"channels", l.channels}, {"kernel", l.kernel}, {"stride", l.stride}, {"padding", l.padding}};
        else if constexpr (std::is_same_v<L, Dropout>) return {{"type", "Dropout"}, {"probability", l.probability}};
        else if constexpr (std::is_same_v<L, LeakyReadout>)
          return {{"type", "LeakyReadout"}, {"tau_mem", l.tau_mem}, {"tau_syn", l.tau_syn}, {"dt", l.dt}, {"initial", l.initial}};
        else
          return {{"type", "Lif"},
                  {"tau_mem", l.tau_mem},
                  {"tau_syn", l.tau_syn},
                  {"dt", l.dt},
                  {"threshold", l.threshold},
                  {"reset", static_cast<int>(l.reset)},
                  {"reset_kind", static_cast<int>(l.reset_kind)},
                  {"activation", l.activation == Activation::stochastic ? "stochastic" : "deterministic"},
                  {"escape", described(l.escape)},
                  {"surrogate", described(l.slope())},
                  {"recurrent", l.recurrent},
                  {"recurrent_kernel", l.recurrent_kernel},
                  {"refractory", l.refractory},
                  {"adaptation", l.adaptation},
                  {"tau_adaptation", l.tau_adaptation},
                  {"learned_tau", static_cast<int>(l.learned_tau)}};
      },
      layer);
}

json described(const Network& network) {
  json layers = json::array();
  for (const Layer& layer : network.layers()) layers.push_back(described(layer));
  return {{"inputs", network.inputs()}, {"steps", network.steps()}, {"layers", layers}};
}

json described(const Loss& loss) {
  json d = {{"kind", loss.index()}};
  if (const MeanOutput* mean = std::get_if<MeanOutput>(&loss)) d["output"] = mean->output;
  if (const VanRossum* v = std::get_if<VanRossum>(&loss))
    d.update({{"tau_decay", v->tau_decay}, {"tau_rise", v->tau_rise}, {"dt", v->dt}, {"amplitude", v->amplitude}});
  return d;
}

json described(const Regularizer& regularizer) {
  return std::visit(
      [&](const auto& r) -> json {
        return {{"kind", regularizer.index()}, {"strength", r.strength}, {"threshold", r.threshold}, {"power", r.power}};
      },
      regularizer);
}

/// Eight bytes a number, the lowest first, on every machine.
json packed(const Eigen::VectorXd& numbers) {
  std::vector<std::uint8_t> bytes;
  bytes.reserve(static_cast<std::size_t>(numbers.size()) * 8);
  for (const double x : numbers)
    for (int shift = 0; shift < 64; shift += 8)
      bytes.push_back(static_cast<std::uint8_t>(std::bit_cast<std::uint64_t>(x) >> shift));
  return json::binary(std::move(bytes));
}
Eigen::VectorXd unpacked(const json& packed) {
  const json::binary_t& bytes = packed.get_binary();
  Eigen::VectorXd numbers(static_cast<Eigen::Index>(bytes.size() / 8));
  for (std::size_t i = 0; i < bytes.size() / 8; ++i) {
    std::uint64_t word = 0;
    for (std::size_t k = 8; k-- > 0;) word = word << 8 | bytes[8 * i + k];
    numbers[static_cast<Eigen::Index>(i)] = std::bit_cast<double>(word);
  }
  return numbers;
}

/// The numbers of an epoch, spikes last.
json described(const Epoch& e) {
  json d = {e.number,     e.factor,         e.loss,   e.accuracy, e.gradient_norm, e.validation_loss, e.validation_accuracy,
            e.other_loss, e.other_accuracy, e.seconds};
  d.push_back(e.spikes);
  return d;
}
Epoch epoch_from(const json& d) {
  Epoch e;
  e.number = d.at(0).get<int>();
  std::size_t next = 1;
  for (double* const x : {&e.factor, &e.loss, &e.accuracy, &e.gradient_norm, &e.validation_loss, &e.validation_accuracy,
                          &e.other_loss, &e.other_accuracy, &e.seconds})
    *x = d.at(next++).get<double>();
  e.spikes = d.at(next).get<std::vector<double>>();
  return e;
}

std::uint64_t checksum(const json::binary_t& bytes) {
  Hash hash;
  for (const std::uint8_t byte : bytes) hash.add(std::uint64_t{byte});
  return hash.value();
}

/// "batch is 100 there and 200 here; data/checksum differs": the first few differences.
std::string differences(const json& there, const json& here) {
  const json patch = json::diff(there, here);
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(patch.size(), 5); ++i) {
    const json& change = patch[i];
    const std::string path = change.at("path").get<std::string>();
    text += (i > 0 ? "; " : "") + path.substr(1);
    if (path.ends_with("/checksum")) {
      text += " differs";
      continue;
    }
    const std::string old = change.at("op") == "add" ? "missing" : there.at(json::json_pointer(path)).dump();
    text += " is " + old + " there and " + (change.contains("value") ? change.at("value").dump() : "missing") + " here";
  }
  return text + (patch.size() > 5 ? "; ..." : "");
}

}  // namespace

json identity_of(const Objective& objective, const Eigen::VectorXd& start, const Optimizer& optimizer, const std::string& gradient,
                 const TrainOptions& options) {
  Hash hash;
  for (const double x : start) hash.add(x);
  json regularizers = json::array();
  for (const Regularizer& r : objective.regularizers()) regularizers.push_back(described(r));
  return {{"network", described(objective.network())},
          {"data", described(objective.data())},
          {"validation", options.validation ? described(*options.validation) : json()},
          {"loss", described(objective.loss())},
          {"regularizers", regularizers},
          {"start", {{"parameters", start.size()}, {"checksum", hash.value()}}},
          {"optimizer", optimizer.rule()},
          {"gradient", gradient},
          {"batch", options.batch},
          {"seed", options.seed},
          {"clip", options.clip},
          {"monitor", options.monitor == Monitor::loss ? "loss" : "accuracy"}};
}

void save(const std::filesystem::path& path, const json& identity, const TrainingState& state) {
  json epochs = json::array(), moments = json::array();
  for (const Epoch& e : state.epochs) epochs.push_back(described(e));
  for (const Eigen::VectorXd& moment : state.optimizer.moments) moments.push_back(packed(moment));
  const json::binary_t content =
      json::to_cbor({{"identity", identity},
                     {"theta", packed(state.theta)},
                     {"best", packed(state.best)},
                     {"best_epoch", state.best_epoch},
                     {"optimizer", {{"rule", state.optimizer.rule}, {"steps", state.optimizer.steps}, {"moments", moments}}},
                     {"epochs", epochs}});
  const std::vector<std::uint8_t> file =
      json::to_cbor({{"format", format}, {"checksum", checksum(content)}, {"content", json::binary(content)}});
  report::write_file(path, {reinterpret_cast<const char*>(file.data()), file.size()});
}

std::optional<TrainingState> load(const std::filesystem::path& path, const json& identity) {
  if (!std::filesystem::exists(path)) return {};
  const std::string name = "checkpoint " + path.string();
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  try {
    const json file = json::from_cbor(bytes);
    if (file.at("format") != format) throw Error(name + ": it has another format");
    const json::binary_t& packed = file.at("content").get_binary();
    if (checksum(packed) != file.at("checksum")) throw Error(name + ": it is damaged: its checksum is wrong");
    const json content = json::from_cbor(packed);
    if (const json& there = content.at("identity"); there != identity)
      throw InvalidArgument(name + " is of another training: " + differences(there, identity) + "; remove it to start anew");
    TrainingState state{unpacked(content.at("theta")), unpacked(content.at("best")), content.at("best_epoch").get<int>(), {}, {}};
    const json& optimizer = content.at("optimizer");
    state.optimizer = {optimizer.at("rule").get<std::string>(), optimizer.at("steps").get<std::int64_t>(), {}};
    for (const json& moment : optimizer.at("moments")) state.optimizer.moments.push_back(unpacked(moment));
    for (const json& epoch : content.at("epochs")) state.epochs.push_back(epoch_from(epoch));
    return state;
  } catch (const json::exception& error) {
    throw Error(name + ": it is damaged, or no checkpoint of a training (" + error.what() + ")");
  }
}

}  // namespace stoat::snn
