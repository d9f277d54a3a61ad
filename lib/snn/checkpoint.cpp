#include "checkpoint.hpp"

#include <string_view>
#include <type_traits>

#include <nlohmann/json.hpp>

#include <stoat/driver/checkpoint_file.hpp>
#include <stoat/driver/reduce.hpp>
#include <stoat/error.hpp>

namespace stoat::snn {
namespace {

using nlohmann::json;
using stoat::detail::Hash, stoat::detail::packed, stoat::detail::unpacked;

constexpr std::string_view format = "stoat training 2";

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

json described(const RunningEpoch& r) {
  const Total& t = r.total;
  return {{"batches", r.batches},
          {"samples", t.samples},
          {"correct", t.correct},
          {"labels", t.labels},
          {"loss", t.loss},
          {"spikes", t.spikes},
          {"gradient_norms", r.gradient_norms},
          {"seconds", r.seconds},
          {"learnt", r.learnt}};
}
RunningEpoch running_from(const json& d) {
  RunningEpoch r;
  r.batches = d.at("batches").get<std::size_t>();
  r.total.samples = d.at("samples").get<std::size_t>();
  r.total.correct = d.at("correct").get<std::size_t>();
  r.total.labels = d.at("labels").get<bool>();
  r.total.loss = d.at("loss").get<double>();
  r.total.spikes = d.at("spikes").get<std::vector<double>>();
  r.gradient_norms = d.at("gradient_norms").get<double>();
  r.seconds = d.at("seconds").get<double>();
  r.learnt = d.at("learnt");
  return r;
}

}  // namespace

json identity_of(const Objective& objective, const Eigen::VectorXd& start, const Optimizer& optimizer, const std::string& gradient,
                 const TrainOptions& options) {
  Hash hash;
  for (const double x : start) hash.add(x);
  json regularizers = json::array();
  for (const Regularizer& r : objective.regularizers()) regularizers.push_back(described(r));
  return {{"network", described(objective.network())},
          {"data", objective.source() ? json(objective.source()->identity()) : described(objective.data())},
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
  for (const Eigen::VectorXd& moment : state.optimizer.moments) moments.push_back(json::binary(packed(moment)));
  stoat::detail::write_checkpoint(
      path, format,
      json::to_cbor({{"identity", identity},
                     {"theta", json::binary(packed(state.theta))},
                     {"best", json::binary(packed(state.best))},
                     {"best_epoch", state.best_epoch},
                     {"optimizer", {{"rule", state.optimizer.rule}, {"steps", state.optimizer.steps}, {"moments", moments}}},
                     {"epochs", epochs},
                     {"running", described(state.running)}}));
}

std::optional<TrainingState> load(const std::filesystem::path& path, const json& identity, Ranks* ranks) {
  const Ranks::Bytes bytes = stoat::detail::from_first(
      ranks, [&] { return std::filesystem::exists(path) ? stoat::detail::read_checkpoint(path, format) : Ranks::Bytes(); });
  if (bytes.empty()) return {};
  const std::string name = "checkpoint " + path.string();
  try {
    const json content = json::from_cbor(bytes);
    if (const json& there = content.at("identity"); there != identity)
      throw InvalidArgument(name + " is of another training: " + stoat::detail::differences(there.dump(), identity.dump()) +
                            "; remove it to start anew");
    const auto numbers = [](const json& packed) { return unpacked(packed.get_binary()); };
    TrainingState state{numbers(content.at("theta")), numbers(content.at("best")), content.at("best_epoch").get<int>(), {}, {}, {}};
    const json& optimizer = content.at("optimizer");
    state.optimizer = {optimizer.at("rule").get<std::string>(), optimizer.at("steps").get<std::int64_t>(), {}};
    for (const json& moment : optimizer.at("moments")) state.optimizer.moments.push_back(numbers(moment));
    for (const json& epoch : content.at("epochs")) state.epochs.push_back(epoch_from(epoch));
    state.running = running_from(content.at("running"));
    return state;
  } catch (const json::exception& error) {
    throw Error(name + ": it is damaged, or no checkpoint of a training (" + error.what() + ")");
  }
}

}  // namespace stoat::snn
