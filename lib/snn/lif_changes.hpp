// What changes in a layer of neurons when one of its spikes, or of its inputs, does (stoat/program/changes.hpp).
#pragma once

#include <stoat/program/changes.hpp>

#include "lif_layer.hpp"

namespace stoat::snn {

/// The columns of a connection as impulses to the currents behind it.
template <class T>
class Impulses {
 public:
  /// These entries, steps x units, of what it leads from. Valid until the next call.
  std::span<const kernels::Impulse<T>> operator()(const Connection& connection, const T* w, std::span<const Change> changes);

 private:
  std::vector<kernels::Impulse<T>> list_;
  std::vector<T> rows_;
};

/// Neurons with a margin for every coin: how far the membrane was from where the coin would have fallen on its other side. A step
/// is linear between spikes, so that differences from the run are all that is followed.
template <class T>
class LifChanges final : public Replayable {
 public:
  /// Of a layer that was run for one sample with margins.
  LifChanges(const LifLayer<T>& layer, Pass<T>& pass);
  /// True if a layer is one of those.
  static bool possible(const Lif& lif);

  void forced(std::uint32_t entry, std::vector<Change>& out) override;
  void respond(std::span<const Change> in, std::vector<Change>& out) override;
  bool separate() const override { return !stage_->recurrent; }

  int units() const { return neurons_.n; }
  int steps() const { return steps_; }
  int stride() const { return neurons_.stride; }
  /// For each spike changed alone, steps x stride: the sum over all spikes that change with it of +-weights[step], + for one more.
  void each(const T* weights, T* sums) const;

 private:
  void follow(kernels::MembraneChange<T> m, std::span<const kernels::Impulse<T>> impulses, std::vector<Change>& out);
  /// Step by step, as neurons see each other.
  void follow_steps(kernels::MembraneChange<T>& m, std::span<const kernels::Impulse<T>> impulses);
  bool safe(const kernels::MembraneChange<T>& m, int step) const;

  const Stage* stage_;
  const T *w_, *v_;
  int steps_;
  kernels::MembraneChange<T> neurons_;
};

}  // namespace stoat::snn
