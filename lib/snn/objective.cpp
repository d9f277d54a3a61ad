#include <cmath>
#include <numeric>

#include <stoat/snn/network.hpp>

#include "pass.hpp"
#include "sources.hpp"

namespace stoat::snn {
namespace {

void check(const Network& network, const Dataset& data, const Loss& loss) {
  data.check();
  if (data.size() == 0) throw InvalidArgument("Objective: there are no data");
  if (data.inputs.units() != network.inputs() || data.inputs.steps() != network.steps())
    throw InvalidArgument("Objective: data of " + std::to_string(data.inputs.units()) + " units x " +
                          std::to_string(data.inputs.steps()) + " steps do not fit a network of " +
                          std::to_string(network.inputs()) + " x " + std::to_string(network.steps()));
  const auto labels = [&](const char* name) {
    const std::string where = std::string("Objective: ") + name + ": ";
    if (data.labels.empty()) throw InvalidArgument(where + "the data have no labels");
    if (!network.has_readout()) throw InvalidArgument(where + "the network has no readout");
    if (network.outputs() < data.classes)
      throw InvalidArgument(where + std::to_string(network.outputs()) + " outputs for " + std::to_string(data.classes) +
                            " classes");
  };
  const auto targets = [&](const char* name) {
    const std::string where = std::string("Objective: ") + name + ": ";
    if (data.targets.samples() == 0) throw InvalidArgument(where + "the data have no target spike trains");
    if (network.has_readout()) throw InvalidArgument(where + "the last layer does not spike");
    if (data.targets.units() != network.outputs() || data.targets.steps() != network.steps())
      throw InvalidArgument(where + "targets of " + std::to_string(data.targets.units()) + " units x " +
                            std::to_string(data.targets.steps()) + " steps for " + std::to_string(network.outputs()) + " x " +
                            std::to_string(network.steps()));
  };
  if (std::holds_alternative<MaxOverTimeCrossEntropy>(loss)) labels("MaxOverTimeCrossEntropy");
  if (std::holds_alternative<SumOfSoftmaxCrossEntropy>(loss)) labels("SumOfSoftmaxCrossEntropy");
  if (std::holds_alternative<MeanOverTimeCrossEntropy>(loss)) labels("MeanOverTimeCrossEntropy");
  if (const MeanOutput* mean = std::get_if<MeanOutput>(&loss); mean && (mean->output < 0 || mean->output >= network.outputs()))
    throw InvalidArgument("Objective: MeanOutput: " +
                          outside("output", mean->output, "[0, " + std::to_string(network.outputs()) + ")"));
  if (const VanRossum* r = std::get_if<VanRossum>(&loss)) {
    targets("VanRossum");
    if (!(r->tau_decay > 0 && r->tau_rise > 0 && r->dt > 0 && r->tau_decay > r->tau_rise && std::isfinite(r->amplitude)))
      throw InvalidArgument("Objective: VanRossum: needs tau_decay > tau_rise > 0, dt > 0 and a finite amplitude");
  }
  if (std::holds_alternative<SpikeMse>(loss)) targets("SpikeMse");
  if (std::holds_alternative<SpikeLogLikelihood>(loss)) {
    targets("SpikeLogLikelihood");
    if (network.stages()->list.back().lif()->activation != Activation::stochastic)
      throw InvalidArgument("Objective: SpikeLogLikelihood: the last layer is deterministic");
  }
}

void check(const Regularizer& regularizer) {
  std::visit(
      [](const auto& r) {
        if (!(r.strength >= 0 && std::isfinite(r.strength)))
          throw InvalidArgument("Regularizer: " + outside("strength", r.strength, "[0, infinity)"));
        if (!std::isfinite(r.threshold))
          throw InvalidArgument("Regularizer: " + outside("threshold", r.threshold, "(-infinity, infinity)"));
        if (r.power != 1 && r.power != 2)
          throw InvalidArgument("Regularizer: power = " + std::to_string(r.power) + " is not 1 or 2");
      },
      regularizer);
}

Dataset first_of(const DataSource& source) {
  if (source.size() == 0) throw InvalidArgument("Objective: there are no data");
  const std::size_t first = 0;
  return source.read(std::span(&first, 1));
}

template <class T>
class Scratch {
 public:
  Scratch() : mark_(arena().mark()) {}
  ~Scratch() { arena().rewind(mark_); }
  Arena& arena() const {
    static thread_local Arena memory;
    return memory;
  }

 private:
  Arena::Mark mark_;
};

}  // namespace

Objective::Objective(Network network, Dataset data, Loss loss, std::vector<Regularizer> regularizers)
    : Objective(std::move(network), std::make_shared<const Dataset>(std::move(data)), loss, std::move(regularizers)) {}

Objective::Objective(Network network, std::shared_ptr<const Dataset> data, Loss loss, std::vector<Regularizer> regularizers)
    : network_(std::move(network)), data_(std::move(data)), loss_(loss), regularizers_(std::move(regularizers)) {
  check(network_, *data_, loss_);
  for (const Regularizer& r : regularizers_) check(r);
}

Objective::Objective(Network network, std::shared_ptr<const DataSource> source, Loss loss, std::vector<Regularizer> regularizers)
    : Objective(std::move(network), first_of(*source), loss, std::move(regularizers)) {
  source_ = std::move(source);
}

Objective Objective::with(Activation activation) const {
  Objective other = *this;
  other.network_ = network_.with(activation);
  check(other.network_, *data_, loss_);
  return other;
}

Objective::Batch Objective::batch(std::span<const std::size_t> samples) const {
  for (const std::size_t sample : samples)
    if (sample >= size()) throw InvalidArgument("sample " + std::to_string(sample) + " of " + std::to_string(size()));
  if (!source_) return {data_, {samples.begin(), samples.end()}};
  auto read = std::make_shared<const Dataset>(source_->read(samples));
  check(network_, *read, loss_);
  if (read->size() != samples.size())
    throw Error("Objective: the source gave " + std::to_string(read->size()) + " samples for " + std::to_string(samples.size()));
  Batch batch{std::move(read), std::vector<std::size_t>(samples.size())};
  std::iota(batch.samples.begin(), batch.samples.end(), std::size_t{0});
  return batch;
}

template <class S>
S Objective::operator()(Sampler<S>& draw, const Vector<S>& theta, std::size_t datum) const {
  using T = ValueOf<S>;
  if (theta.size() != network_.parameters())
    throw InvalidArgument("the network has " + std::to_string(network_.parameters()) + " parameters, not " +
                          std::to_string(theta.size()));
  if (datum >= data_->size())
    throw InvalidArgument("datum " + std::to_string(datum) + " of " + std::to_string(data_->size()) + " in memory");
  const detail::Stages& stages = *network_.stages();
  std::conditional_t<is_var<S>, RecordedCoins<T>, PlainCoins<T>> coins(draw);
  const Scratch<T> scratch;
  Pass<T> pass{.stages = stages, .theta = theta.data(), .arena = &scratch.arena(), .source = &coins};
  if constexpr (is_var<S>) {
    pass.tape = &draw.tape();
    pass.arena = &pass.tape->arena();
    pass.theta_at = theta.first();
  }
  if constexpr (!is_var<S>)
    if (auto* const log = draw.replay_log(); log && tells_changes(network_, loss_)) pass.log = log, pass.arena = &log->arena();
  pass.membranes = std::holds_alternative<SpikeLogLikelihood>(loss_);
  Signal<T> input{.steps = network_.steps(), .units = network_.inputs(), .stride = kernels::padded(network_.inputs())};
  auto* const which = pass.template allocate<std::size_t>(1);  // the sweeps come when we have returned
  *which = datum;
  input.events = &data_->inputs, input.which = which;
  const std::vector<Signal<T>> out = run_layers(pass, input);
  const auto variable = [&](const Cost<T>& cost) {
    if constexpr (is_var<S>) return cost.at ? S(cost.value, cost.at, draw.tape().tag()) : S(cost.value);
    else return cost.value;
  };
  const S loss = variable(loss_of(pass, loss_, stages.list.back(), out.back(), 0, *data_, datum));
  S total = loss;
  for (const Regularizer& r : regularizers_)
    for (std::size_t i = 0; i + 1 < out.size(); ++i) total += variable(regularizer_of(pass, r, out[i], 0));
  if constexpr (!is_var<S>)
    if (pass.log) {
      offer_loss(pass, loss_, out.back(), *data_, datum, loss);
      for (const Regularizer& r : regularizers_)
        for (std::size_t i = 0; i + 1 < out.size(); ++i) offer_regularizer(pass, r, out[i]);
      pass.log->total(total);
    }
  return total;
}

template float Objective::operator()(Sampler<float>&, const Vector<float>&, std::size_t) const;
template double Objective::operator()(Sampler<double>&, const Vector<double>&, std::size_t) const;
template Var<float> Objective::operator()(Sampler<Var<float>>&, const Vector<Var<float>>&, std::size_t) const;
template Var<double> Objective::operator()(Sampler<Var<double>>&, const Vector<Var<double>>&, std::size_t) const;

}  // namespace stoat::snn
