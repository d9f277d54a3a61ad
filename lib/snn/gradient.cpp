#include <stoat/snn/gradient.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <exception>

#ifdef _OPENMP
#include <omp.h>
#endif

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
  int threads = 1;
  /// One thread's tape, or memory where nothing is recorded.
  struct Worker {
    Tape<T> tape;
    Arena arena;
  };
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<Eigen::VectorX<T>> gradients;  ///< of blocks of samples

  explicit State(Objective o) : objective(std::move(o)) {}

  BatchResult run(const Eigen::VectorX<T>& theta, std::span<const std::size_t> batch, const RunKey& key,
                  Eigen::VectorX<T>* gradient);
  struct Part {
    double loss = 0;
    std::size_t correct = 0;
    std::vector<double> spikes;
  };
  /// The samples `first` to `last` of the batch.
  Part block(Worker& worker, const Vector<T>& theta, const Packed<T>* packed, std::span<const std::size_t> batch, std::size_t first,
             std::size_t last, RunKey key, Eigen::VectorX<T>* gradient, std::vector<int>& predicted) const;
};

template <class T>
typename SurrogateGradient<T>::State::Part SurrogateGradient<T>::State::block(
    Worker& worker, const Vector<T>& theta, const Packed<T>* packed, std::span<const std::size_t> batch, std::size_t first,
    std::size_t last, RunKey key, Eigen::VectorX<T>* gradient, std::vector<int>& predicted) const {
  const Network& network = objective.network();
  const detail::Stages& stages = *network.stages();
  const Dataset& data = objective.data();
  const bool labels = !data.labels.empty() && network.has_readout();
  const auto chunk = static_cast<std::size_t>(chunk_size(stages));
  Part part;
  part.spikes.resize(stages.list.size());
  Tape<T>& tape = worker.tape;
  typename Tape<T>::Use use(tape);
  typename Tape<T>::Mark mark;
  Index theta_at = 0;
  if (gradient) {
    tape.clear();
    align(tape);
    theta_at = variables(tape, theta).first();
    align(tape);
    mark = tape.mark();
    tape.clear_adjoints();
  }
  const T weight = T(1) / static_cast<T>(batch.size());
  for (std::size_t begin = first; begin < last; begin += chunk) {
    const std::size_t end = std::min(last, begin + chunk);
    if (gradient) tape.rewind(mark);
    worker.arena.rewind({});
    const RunKey here{key.seed, key.run + begin, key.purpose};
    KeyedCoins<T> coins(here);
    Pass<T> pass{.stages = stages,
                 .theta = packed ? packed->theta : theta.data(),
                 .arena = &worker.arena,
                 .source = &coins,
                 .packed = packed};
    if (gradient) pass.theta_at = theta_at, pass.tape = &tape, pass.arena = &tape.arena(), pass.training = true;
    pass.dropout_key = {key.seed, key.run + begin, Purpose::engine};
    pass.membranes = std::holds_alternative<SpikeLogLikelihood>(objective.loss());
    Signal<T> input{.samples = static_cast<int>(end - begin), .steps = network.steps(), .units = network.inputs()};
    input.stride = kernels::padded(input.units), input.events = &data.inputs, input.which = batch.data() + begin;
    const std::vector<Signal<T>> out = run_layers(pass, input);
    std::vector<Index> costs;
    const auto add = [&](const Cost<T>& cost, std::size_t sample) {
      if (!std::isfinite(cost.value))
        throw Error("the loss of sample " + std::to_string(batch[sample]) + " is " + std::to_string(cost.value) + " (run " +
                    std::to_string(key.run + sample) + ")");
      part.loss += static_cast<double>(cost.value);
      if (cost.at) costs.push_back(cost.at);
    };
    for (std::size_t i = begin; i < end; ++i) {
      const int g = static_cast<int>(i - begin);
      add(loss_of(pass, objective.loss(), stages.list.back(), out.back(), g, data, batch[i]), i);
      for (const Regularizer& r : objective.regularizers())
        for (std::size_t layer = 0; layer + 1 < out.size(); ++layer) add(regularizer_of(pass, r, out[layer], g), i);
      if (labels) {
        predicted[i] = predicted_label(objective.loss(), out.back(), g);
        part.correct += predicted[i] == data.labels[batch[i]];
      }
    }
    for (std::size_t layer = 0; layer < out.size(); ++layer)
      if (out[layer].bits) {
        const auto words = static_cast<std::ptrdiff_t>(out[layer].samples) * out[layer].steps * kernels::words(out[layer].units);
        std::int64_t count = 0;
        for (std::ptrdiff_t k = 0; k < words; ++k) count += std::popcount(out[layer].bits[k]);
        part.spikes[layer] += static_cast<double>(count);
      }
    if (gradient && !costs.empty()) {
      tape.clear_adjoints(mark);
      for (const Index at : costs) tape.adjoints()[at] = weight;
      tape.reverse();
    }
  }
  if (gradient) *gradient = Eigen::Map<const Eigen::VectorX<T>>(tape.adjoints() + theta_at, theta.size());
  return part;
}

template <class T>
BatchResult SurrogateGradient<T>::State::run(const Eigen::VectorX<T>& theta, std::span<const std::size_t> batch, const RunKey& key,
                                             Eigen::VectorX<T>* gradient) {
  const Network& network = objective.network();
  if (theta.size() != network.parameters())
    throw InvalidArgument("the network has " + std::to_string(network.parameters()) + " parameters, not " +
                          std::to_string(theta.size()));
  for (Eigen::Index i = 0; i < theta.size(); ++i)
    if (!std::isfinite(theta[i]))
      throw InvalidArgument("parameter " + std::to_string(i) + " is " + std::to_string(static_cast<double>(theta[i])));
  if (batch.empty()) throw InvalidArgument("the batch is empty");
  for (const std::size_t sample : batch)
    if (sample >= objective.data().size())
      throw InvalidArgument("sample " + std::to_string(sample) + " of " + std::to_string(objective.data().size()));
  // The same blocks whatever the number of threads, and few of them: each has a gradient of its own.
  const auto chunk = static_cast<std::size_t>(chunk_size(*network.stages()));
  const std::size_t chunks = (batch.size() + chunk - 1) / chunk, blocks = std::min<std::size_t>(16, chunks);
  const auto begin = [&](std::size_t b) { return std::min(batch.size(), chunks * b / blocks * chunk); };
  const Vector<T> values(theta);
  std::optional<Packed<T>> packed;
  if (gradient) packed.emplace(*network.stages(), theta.data()), gradients.resize(blocks);
  std::vector<Part> parts(blocks);
  BatchResult result;
  result.samples = batch.size();
  if (!objective.data().labels.empty() && network.has_readout()) result.predicted.resize(batch.size());
  std::exception_ptr trouble;
  const auto count = static_cast<int>(blocks);
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
#endif
  for (int b = 0; b < count; ++b) {
    try {
#ifdef _OPENMP
      Worker& worker = *workers[static_cast<std::size_t>(omp_get_thread_num())];
#else
      Worker& worker = *workers[0];
#endif
      const auto k = static_cast<std::size_t>(b);
      parts[k] = block(worker, values, packed ? &*packed : nullptr, batch, begin(k), begin(k + 1), key,
                       gradient ? &gradients[k] : nullptr, result.predicted);
    } catch (...) {
#ifdef _OPENMP
#pragma omp critical(stoat_snn_gradient)
#endif
      if (!trouble) trouble = std::current_exception();
    }
  }
  if (trouble) std::rethrow_exception(trouble);
  result.spikes.resize(network.stages()->list.size() - (network.has_readout() ? 1 : 0));
  for (const Part& part : parts) {
    result.loss += part.loss;
    result.correct += part.correct;
    for (std::size_t layer = 0; layer < result.spikes.size(); ++layer)
      result.spikes[layer] += part.spikes[layer] / (static_cast<double>(batch.size()) * network.units(static_cast<int>(layer)));
  }
  result.loss /= static_cast<double>(batch.size());
  if (gradient) {
    *gradient = gradients[0];
    for (std::size_t b = 1; b < blocks; ++b) *gradient += gradients[b];
    for (Eigen::Index i = 0; i < gradient->size(); ++i)
      if (!std::isfinite((*gradient)[i]))
        throw Error("component " + std::to_string(i) + " of the gradient is " + std::to_string((*gradient)[i]) + " (runs " +
                    std::to_string(key.run) + " to " + std::to_string(key.run + batch.size() - 1) + ")");
  }
  return result;
}

template <class T>
SurrogateGradient<T>::SurrogateGradient(Objective objective, int threads) : state_(std::make_unique<State>(std::move(objective))) {
#ifdef _OPENMP
  state_->threads = threads > 0 ? threads : omp_get_max_threads();
#endif
  if (threads < 0) throw InvalidArgument("SurrogateGradient: " + outside("threads", threads, "[0, infinity)"));
  for (int i = 0; i < state_->threads; ++i) state_->workers.push_back(std::make_unique<typename State::Worker>());
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

template class SurrogateGradient<float>;
template class SurrogateGradient<double>;

}  // namespace stoat::snn
