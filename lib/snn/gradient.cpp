#include <stoat/snn/gradient.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

#include <stoat/driver/reduce.hpp>

#include "pass.hpp"
#include "sources.hpp"

namespace stoat::snn {
namespace {

/// Samples that go through the network at once. Where a layer is recurrent, several share a product with its weights; else the
/// state of one sample stays in the cache.
int chunk_size(const detail::Stages& stages) {
  for (const Stage& stage : stages.list)
    if (stage.recurrent) return 12;
  return 1;
}

/// Blocks that a batch is cut into: the same whatever the number of threads and ranks. At least 16 if there are so many chunks, and
/// a power of two, so that they suit as many workers; further ones only if each has `least` samples, for a block has a gradient
/// of its own.
std::int64_t block_count(std::size_t samples, std::size_t chunks, std::size_t least) {
  return static_cast<std::int64_t>(std::min(chunks, std::max<std::size_t>(16, std::bit_floor(samples / least))));
}

/// What samples add up to, in the order of the batch.
template <class T>
struct Sum {
  double loss = 0;
  std::size_t correct = 0;
  std::vector<double> spikes;  ///< of each layer
  std::vector<int> predicted;
  Eigen::VectorX<T> gradient;
  void merge(Sum&& right) {
    loss += right.loss, correct += right.correct;
    for (std::size_t layer = 0; layer < spikes.size(); ++layer) spikes[layer] += right.spikes[layer];
    predicted.insert(predicted.end(), right.predicted.begin(), right.predicted.end());
    gradient += right.gradient;
  }
  template <class A>
  void fields(A& archive) {
    archive(loss, correct, spikes, predicted, gradient);
  }
};

/// The label that the outputs of sample g tell, as the loss reads them.
template <class T>
int predicted_label(const Loss& loss, const Signal<T>& o, int g) {
  if (std::holds_alternative<MeanOverTimeCrossEntropy>(loss)) {
    std::vector<T> sum(static_cast<std::size_t>(o.units));
    for (int t = 0; t < o.steps; ++t)
      for (int c = 0; c < o.units; ++c) sum[static_cast<std::size_t>(c)] += o.numbers[o.row(g, t) + c];
    return static_cast<int>(std::max_element(sum.begin(), sum.end()) - sum.begin());
  }
  if (!std::holds_alternative<SumOfSoftmaxCrossEntropy>(loss)) {
    std::vector<T> top(static_cast<std::size_t>(o.stride)), when(top.size());
    kernels::best<T>().peaks(o.numbers + o.row(g, 0), o.stride, std::min(1, o.steps - 1), o.steps, o.stride, top.data(),
                             when.data());
    return static_cast<int>(std::max_element(top.begin(), top.begin() + o.units) - top.begin());
  }
  std::vector<double> score(static_cast<std::size_t>(o.units));
  for (int t = std::min(1, o.steps - 1); t < o.steps; ++t) {
    const T* const row = o.numbers + o.row(g, t);
    const T top = *std::max_element(row, row + o.units);
    double total = 0;
    for (int c = 0; c < o.units; ++c) total += std::exp(static_cast<double>(row[c] - top));
    for (int c = 0; c < o.units; ++c) score[static_cast<std::size_t>(c)] += std::exp(static_cast<double>(row[c] - top)) / total;
  }
  return static_cast<int>(std::max_element(score.begin(), score.end()) - score.begin());
}

}  // namespace

template <class T>
struct SurrogateGradient<T>::State {
  Objective objective;
  std::shared_ptr<Ranks> ranks;
  stoat::detail::RankTimes times;
  /// One thread's tape, or memory where nothing is recorded.
  struct Worker {
    Tape<T> tape;
    Arena arena;
    std::uint64_t call = 0;       ///< whose parameters lie on the tape ...
    Index theta_at = 0;           ///< ... from this variable ...
    typename Tape<T>::Mark mark;  ///< ... up to here
    void record(const Vector<T>& theta);
  };
  std::vector<std::unique_ptr<Worker>> workers;
  std::uint64_t calls = 0;

  State(Objective o, std::shared_ptr<Ranks> r) : objective(std::move(o)), ranks(std::move(r)) {}

  /// One call.
  struct Batch {
    const Vector<T>& theta;
    const Packed<T>* packed;  ///< null: no gradient is wanted
    std::span<const std::size_t> samples;
    const Objective::Batch& loaded;
    RunKey key;
  };
  BatchResult run(const Eigen::VectorX<T>& theta, std::span<const std::size_t> samples, const RunKey& key,
                  Eigen::VectorX<T>* gradient);
  /// The samples `first` to `last` of the batch.
  Sum<T> block(Worker& worker, const Batch& batch, std::size_t first, std::size_t last) const;
};

template <class T>
void SurrogateGradient<T>::State::Worker::record(const Vector<T>& theta) {
  tape.clear();
  align(tape);
  theta_at = variables(tape, theta).first();
  align(tape);
  mark = tape.mark();
}

template <class T>
Sum<T> SurrogateGradient<T>::State::block(Worker& worker, const Batch& batch, std::size_t first, std::size_t last) const {
  const Network& network = objective.network();
  const detail::Stages& stages = *network.stages();
  const Dataset& data = *batch.loaded.data;
  const RunKey& key = batch.key;
  const bool labels = !data.labels.empty() && network.has_readout(), gradient = batch.packed != nullptr;
  const auto chunk = static_cast<std::size_t>(chunk_size(stages));
  Sum<T> sum;
  sum.spikes.resize(stages.list.size());
  Tape<T>& tape = worker.tape;
  typename Tape<T>::Use use(tape);
  if (gradient) {
    if (worker.call != calls) worker.record(batch.theta), worker.call = calls;
    tape.rewind(worker.mark);
    tape.clear_adjoints();
  }
  const T weight = T(1) / static_cast<T>(batch.samples.size());
  for (std::size_t begin = first; begin < last; begin += chunk) {
    const std::size_t end = std::min(last, begin + chunk);
    if (gradient) tape.rewind(worker.mark);
    worker.arena.rewind({});
    const RunKey here{key.seed, key.run + begin, key.purpose};
    KeyedCoins<T> coins(here);
    Pass<T> pass{.stages = stages,
                 .theta = gradient ? batch.packed->theta : batch.theta.data(),
                 .arena = &worker.arena,
                 .source = &coins,
                 .packed = batch.packed};
    if (gradient) pass.theta_at = worker.theta_at, pass.tape = &tape, pass.arena = &tape.arena(), pass.training = true;
    pass.dropout_key = {key.seed, key.run + begin, Purpose::engine};
    pass.membranes = std::holds_alternative<SpikeLogLikelihood>(objective.loss());
    Signal<T> input{.samples = static_cast<int>(end - begin), .steps = network.steps(), .units = network.inputs()};
    input.stride = kernels::padded(input.units), input.events = &data.inputs, input.which = batch.loaded.samples.data() + begin;
    const std::vector<Signal<T>> out = run_layers(pass, input);
    std::vector<Index> costs;
    const auto add = [&](const Cost<T>& cost, std::size_t sample) {
      if (!std::isfinite(cost.value))
        throw Error("the loss of sample " + std::to_string(batch.samples[sample]) + " is " + std::to_string(cost.value) + " (run " +
                    std::to_string(key.run + sample) + ")");
      sum.loss += static_cast<double>(cost.value);
      if (cost.at) costs.push_back(cost.at);
    };
    for (std::size_t i = begin; i < end; ++i) {
      const int g = static_cast<int>(i - begin);
      add(loss_of(pass, objective.loss(), stages.list.back(), out.back(), g, data, batch.loaded.samples[i]), i);
      for (const Regularizer& r : objective.regularizers())
        for (std::size_t layer = 0; layer + 1 < out.size(); ++layer) add(regularizer_of(pass, r, out[layer], g), i);
      if (labels) {
        sum.predicted.push_back(predicted_label(objective.loss(), out.back(), g));
        sum.correct += sum.predicted.back() == data.labels[batch.loaded.samples[i]];
      }
    }
    for (std::size_t layer = 0; layer < out.size(); ++layer)
      if (out[layer].bits) {
        const auto words = static_cast<std::ptrdiff_t>(out[layer].samples) * out[layer].steps * kernels::words(out[layer].units);
        std::int64_t count = 0;
        for (std::ptrdiff_t k = 0; k < words; ++k) count += std::popcount(out[layer].bits[k]);
        sum.spikes[layer] += static_cast<double>(count);
      }
    if (gradient && !costs.empty()) {
      tape.clear_adjoints(worker.mark);
      for (const Index at : costs) tape.adjoints()[at] = weight;
      tape.reverse();
    }
  }
  if (gradient) sum.gradient = Eigen::Map<const Eigen::VectorX<T>>(tape.adjoints() + worker.theta_at, network.parameters());
  return sum;
}

template <class T>
BatchResult SurrogateGradient<T>::State::run(const Eigen::VectorX<T>& theta, std::span<const std::size_t> samples,
                                             const RunKey& key, Eigen::VectorX<T>* gradient) {
  const Network& network = objective.network();
  if (theta.size() != network.parameters())
    throw InvalidArgument("the network has " + std::to_string(network.parameters()) + " parameters, not " +
                          std::to_string(theta.size()));
  for (Eigen::Index i = 0; i < theta.size(); ++i)
    if (!std::isfinite(theta[i]))
      throw InvalidArgument("parameter " + std::to_string(i) + " is " + std::to_string(static_cast<double>(theta[i])));
  if (samples.empty()) throw InvalidArgument("the batch is empty");
  const Objective::Batch loaded = objective.batch(samples);
  const Vector<T> values(theta);
  std::optional<Packed<T>> packed;
  if (gradient) packed.emplace(*network.stages(), theta.data());
  const Batch batch{values, packed ? &*packed : nullptr, samples, loaded, key};
  ++calls;

  const auto chunk = static_cast<std::size_t>(chunk_size(*network.stages()));
  const std::size_t chunks = (samples.size() + chunk - 1) / chunk;
  const std::int64_t blocks = block_count(samples.size(), chunks, gradient ? 16 : 4);
  const auto begin = [&](std::int64_t b) {
    return std::min(samples.size(), chunks * static_cast<std::size_t>(b) / static_cast<std::size_t>(blocks) * chunk);
  };
  auto reduced = stoat::detail::reduce<Sum<T>>(
      ranks.get(), static_cast<int>(workers.size()), blocks, true,
      [&](std::int64_t b, int thread) { return block(*workers[static_cast<std::size_t>(thread)], batch, begin(b), begin(b + 1)); });
  times.add(reduced.times);
  Sum<T>& sum = reduced.pieces[0].node;

  const auto size = static_cast<double>(samples.size());
  BatchResult result;
  result.samples = samples.size(), result.correct = sum.correct, result.loss = sum.loss / size;
  result.interrupted = reduced.interrupted;
  result.predicted = std::move(sum.predicted);
  sum.spikes.resize(network.stages()->list.size() - (network.has_readout() ? 1 : 0));
  for (std::size_t layer = 0; layer < sum.spikes.size(); ++layer)
    result.spikes.push_back(sum.spikes[layer] / (size * network.units(static_cast<int>(layer))));
  if (gradient) {
    *gradient = std::move(sum.gradient);
    for (Eigen::Index i = 0; i < gradient->size(); ++i)
      if (!std::isfinite((*gradient)[i]))
        throw Error("component " + std::to_string(i) + " of the gradient is " + std::to_string((*gradient)[i]) + " (runs " +
                    std::to_string(key.run) + " to " + std::to_string(key.run + samples.size() - 1) + ")");
  }
  return result;
}

template <class T>
SurrogateGradient<T>::SurrogateGradient(Objective objective, int threads, std::shared_ptr<Ranks> ranks)
    : state_(std::make_unique<State>(std::move(objective), std::move(ranks))) {
  if (threads < 0) throw InvalidArgument("SurrogateGradient: " + outside("threads", threads, "[0, infinity)"));
  for (int i = 0; i < stoat::detail::thread_count(threads); ++i)
    state_->workers.push_back(std::make_unique<typename State::Worker>());
}
template <class T>
SurrogateGradient<T>::~SurrogateGradient() = default;
template <class T>
SurrogateGradient<T>::SurrogateGradient(SurrogateGradient&&) noexcept = default;
template <class T>
SurrogateGradient<T>& SurrogateGradient<T>::operator=(SurrogateGradient&&) noexcept = default;

template <class T>
const Objective& SurrogateGradient<T>::objective() const {
  return state_->objective;
}
template <class T>
BatchResult SurrogateGradient<T>::operator()(const Eigen::VectorX<T>& theta, std::span<const std::size_t> batch, const RunKey& key,
                                             Eigen::VectorX<T>& gradient) {
  return state_->run(theta, batch, key, &gradient);
}
template <class T>
BatchResult SurrogateGradient<T>::evaluate(const Eigen::VectorX<T>& theta, std::span<const std::size_t> batch, const RunKey& key) {
  return state_->run(theta, batch, key, nullptr);
}

template <class T>
std::string SurrogateGradient<T>::slow_rank() const {
  return state_->times.note();
}

template class SurrogateGradient<float>;
template class SurrogateGradient<double>;

}  // namespace stoat::snn
