// stoat/snn/gradient.hpp: surrogate gradients of mini-batches, at full speed.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <Eigen/Core>

#include <stoat/driver/ranks.hpp>
#include <stoat/random/philox.hpp>
#include <stoat/snn/network.hpp>

namespace stoat::snn {

/// What a mini-batch showed.
struct BatchResult {
  std::size_t samples = 0;     ///< of the batch
  double loss = 0;             ///< mean over the samples, regularisers included
  std::size_t correct = 0;     ///< samples whose label has the largest output, as the loss sees outputs; 0 if there are no labels
  std::vector<double> spikes;  ///< of each spiking layer: mean number per sample and unit
  std::vector<int> predicted;  ///< label of each sample, if there are labels
  bool interrupted = false;    ///< some rank was interrupted, before or while it ran; the same on all
  double accuracy() const { return samples ? static_cast<double>(correct) / static_cast<double>(samples) : 0; }
};

/// The gradient of the mean loss of a mini-batch, by back-propagation with the surrogates of the layers, dropout included. It makes
/// the same sweeps as the estimator StraightThrough on objective.program<T>(), with two differences: no sites are logged, so that
/// the memory of a step does not grow with the batch, and coins are tossed with uniform numbers of 24 bits, keyed by (seed, run,
/// layer, step, unit). The bits of the result do not depend on the numbers of threads and ranks: a batch is cut into blocks of
/// samples, 16 or a larger power of two with 16 to 31 samples each, whose gradients are added in a fixed tree. A rank holds one
/// gradient for each thread, and a few more. Not thread-safe itself.
template <class T>
class SurrogateGradient {
 public:
  /// threads, of each rank: 0: as many as OpenMP offers. `ranks` share the samples of a batch, and all get the results.
  explicit SurrogateGradient(Objective objective, int threads = 0, std::shared_ptr<Ranks> ranks = {});
  ~SurrogateGradient();
  SurrogateGradient(SurrogateGradient&&) noexcept;
  SurrogateGradient& operator=(SurrogateGradient&&) noexcept;

  const Objective& objective() const;
  /// Sample i of the batch has the run key.run + i. `gradient` is overwritten. Throws InvalidArgument for indices outside the data
  /// or parameters of the wrong number, Error if a loss or a component of the gradient is not finite.
  BatchResult operator()(const Eigen::VectorX<T>& theta, std::span<const std::size_t> batch, const RunKey& key,
                         Eigen::VectorX<T>& gradient);
  /// The same without a gradient and without dropout.
  BatchResult evaluate(const Eigen::VectorX<T>& theta, std::span<const std::size_t> batch, const RunKey& key);

  /// Which rank the others waited for, over all calls; empty unless one was slow.
  std::string slow_rank() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

extern template class SurrogateGradient<float>;
extern template class SurrogateGradient<double>;

}  // namespace stoat::snn
