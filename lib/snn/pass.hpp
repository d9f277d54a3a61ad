// A run of a network: layer by layer, each over all time steps.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include <stoat/snn/network.hpp>
#include <stoat/tape/memory.hpp>

#include "signal.hpp"

namespace stoat::snn {

/// A layer of neurons with what leads to it.
struct Stage {
  Connection input;
  std::optional<Connection> recurrent;
  std::variant<Lif, LeakyReadout> neuron;
  double dropout = 0;
  int units = 0;
  Eigen::Index weights = 0, recurrent_weights = 0, taus = 0;  ///< offsets in the parameter vector
  const Lif* lif() const { return std::get_if<Lif>(&neuron); }
  const LeakyReadout* readout() const { return std::get_if<LeakyReadout>(&neuron); }
};

namespace detail {
struct Stages {
  int inputs = 0, steps = 0;
  std::vector<Layer> layers;
  std::vector<Stage> list;
  std::vector<Network::Part> parts;
  Eigen::Index parameters = 0;
};
}  // namespace detail

/// The parameters at the begin of a cache line, and copies of the weights in the form that back-projections read: made once for
/// many runs at the same parameters.
template <class T>
struct Packed {
  Arena arena;
  const T* theta = nullptr;
  std::vector<std::vector<T>> input, recurrent;  ///< of each stage
  Packed(const detail::Stages& stages, const T* parameters);
};

/// What a layer that tosses coins sees of them.
enum class Coins {
  outcomes,  ///< spikes
  means,     ///< probabilities in place of spikes
};

template <class T>
struct Slopes;

/// Where the spikes of stochastic layers come from.
template <class T>
class SpikeSource {
 public:
  virtual ~SpikeSource() = default;
  virtual Coins coins() const { return Coins::outcomes; }
  /// A layer begins. If draws are sites of a recording, the edges between them and the distances to threshold, else null.
  virtual Edges<T>* begin(int layer, std::size_t sites) = 0;
  /// Decides the spikes of a row from the distances z to threshold. `f` is scratch for n padded numbers; `membrane` and `spike` are
  /// the variables of the first z and the first spike of the row.
  virtual void decide(const Lif& lif, int sample, int step, const T* z, T* f, int units, std::uint64_t* bits, Index membrane,
                      Index spike) = 0;
  /// If the coins of a row are tossed with keyed numbers alone, their key: then the loops over neurons may toss them.
  virtual std::optional<kernels::RowKey> key(int /*sample*/, int /*step*/, int /*units*/) const { return std::nullopt; }
  /// The uniform numbers behind the decisions of a row, in [0, 1): a spike where one is below the probability.
  virtual void uniforms(int sample, int step, int units, T* u) = 0;
  /// The distances to threshold at which the coins of the last row decided would have fallen on their other side.
  virtual void limits(const Lif& /*lif*/, int /*units*/, T* /*z*/) {}
  /// The first of the sites that the present layer has, if draws are sites.
  virtual std::size_t first_site() const { return 0; }
  /// In a run on means: the means of a row are variables from `mean` on.
  virtual void means(int /*units*/, Index /*mean*/) {}
};

/// The parameters, the memory and the tape of a run; everything lives until the tape or the arena is rewound.
template <class T>
struct Pass {
  const detail::Stages& stages;
  const T* theta;
  Index theta_at = 0;       ///< of the parameters; 0: constants
  Tape<T>* tape = nullptr;  ///< null: nothing is recorded
  Arena* arena = nullptr;   ///< the tape's, or another
  SpikeSource<T>* source = nullptr;
  const Packed<T>* packed = nullptr;  ///< null: made when needed
  bool membranes = false;             ///< the distances to threshold of the last layer are wanted
  bool all_membranes = false;         ///< those of every layer are
  bool training = false;              ///< units drop out
  RunKey dropout_key{};               ///< of the first sample; the next ones have the next runs
  ReplayLog<T>* log = nullptr;        ///< where all layers offer to tell what changes in a replay

  template <class U>
  U* allocate(std::size_t n) {
    return arena->template allocate<U>(n);
  }
};

template <class T>
Signal<T> lif_layer(Pass<T>& pass, std::size_t stage, const Signal<T>& in);
template <class T>
Signal<T> readout_layer(Pass<T>& pass, std::size_t stage, const Signal<T>& in);
template <class T>
Signal<T> dropout_layer(Pass<T>& pass, std::size_t stage, const Signal<T>& in);

/// All layers; the outputs of each.
template <class T>
std::vector<Signal<T>> run_layers(Pass<T>& pass, const Signal<T>& input);

/// Brings the next variable of a tape to the begin of a cache line, if its first one is at one.
template <class T>
void align(Tape<T>& tape) {
  if (const Index over = tape.size() % kernels::pad) tape.inputs(static_cast<std::size_t>(kernels::pad - over));
}

/// A cost per sample and its variable (0: a constant).
template <class T>
struct Cost {
  T value = 0;
  Index at = 0;
};
/// The loss of sample g of the output signal, datum d of the data.
template <class T>
Cost<T> loss_of(Pass<T>& pass, const Loss& loss, const Stage& last, const Signal<T>& output, int g, const Dataset& data,
                std::size_t datum);
template <class T>
Cost<T> regularizer_of(Pass<T>& pass, const Regularizer& regularizer, const Signal<T>& spikes, int g);

/// True if all layers and the loss of a network can tell what changes in a replay.
bool tells_changes(const Network& network, const Loss& loss);
/// Offers the loss of a sample to the log, and a regulariser.
template <class T>
void offer_loss(Pass<T>& pass, const Loss& loss, const Signal<T>& output, const Dataset& data, std::size_t datum, T value);
template <class T>
void offer_regularizer(Pass<T>& pass, const Regularizer& regularizer, const Signal<T>& spikes);

/// The kernel of a loss of target trains, at most so many steps long; and kernel * (Z - S) of sample g, a column for each unit.
std::vector<double> distance_kernel(const Loss& loss, int steps);
template <class T>
Eigen::MatrixX<T> filtered_error(const std::vector<T>& kernel, const Signal<T>& spikes, int g, const Dataset& data,
                                 std::size_t datum);

}  // namespace stoat::snn
