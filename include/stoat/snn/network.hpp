// stoat/snn/network.hpp: layers of spiking neurons as a stochastic program.
//
//   const Network network(700, 350, {Linear{128}, Lif{}, Linear{20}, LeakyReadout{}});
//   const Objective objective{network, data, MaxOverTimeCrossEntropy{}};
//   Estimate e = estimate(objective.program<double>(), network.initial<double>({.seed = 1}), StraightThrough{}, {.samples = 100});
//
// A layer over all time steps is one operation on the tape, with an adjoint of its own. Every coin toss of a neuron is a sample
// site of the program, so all estimators apply; the surrogate gradient is StraightThrough.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <Eigen/Core>

#include <stoat/program/program.hpp>
#include <stoat/snn/data_source.hpp>
#include <stoat/snn/layers.hpp>
#include <stoat/snn/loss.hpp>
#include <stoat/snn/spike_events.hpp>

namespace stoat::snn {

/// How weights are drawn: fluctuation-driven, so that the membranes (without reset) have mean 0 and standard deviation sigma_u when
/// every input spikes at rate nu (Rossbroich, Gygax, Zenke 2022; centred form). With a recurrent connection the variance is shared,
/// alpha to the input and 1 - alpha to it. The weights of a readout have standard deviation 1 / sqrt(fan-in).
struct Initialization {
  std::uint64_t seed = 1;  ///< of the weights
  double sigma_u = 1;      ///< in units of the threshold's distance from rest
  double nu = 15.8;        ///< Hz
  double alpha = 0.9;      ///< used where a layer is recurrent
};

/// Integrals of the postsynaptic potential K that a spike of weight 1 causes, by simulation over 10 of the longer time constants:
/// epsilon_bar = sum of K dt, epsilon_hat = sum of K^2 dt (s). Throws InvalidArgument unless all are positive, for more than 1e8
/// steps.
struct PotentialIntegrals {
  double bar = 0, hat = 0;  ///< epsilon_bar and epsilon_hat
};
PotentialIntegrals potential_integrals(double tau_mem, double tau_syn, double dt);

namespace detail {
struct Stages;
}

/// Layers in a row. Immutable and cheap to copy.
class Network {
 public:
  /// Throws InvalidArgument, naming the layer, for a list that makes no sense or a constant out of range.
  Network(int inputs, int steps, std::vector<Layer> layers);

  int inputs() const;
  int steps() const;
  /// Units of the last layer.
  int outputs() const;
  /// True if the last layer does not spike.
  bool has_readout() const;
  /// Layers of neurons, the readout included, and the units of each.
  int depth() const;
  int units(int layer) const;
  const std::vector<Layer>& layers() const;
  /// True if some layer tosses coins.
  bool stochastic() const;
  /// The same network with all spikes deterministic, or all stochastic: parameters fit both.
  Network with(Activation activation) const;

  /// A part of the parameter vector: a matrix, column by column.
  struct Part {
    std::string name;                                ///< "layer 1 weights"
    int layer = 0;                                   ///< from 0 on
    Eigen::Index offset = 0, rows = 0, cols = 0;     ///< first entry in the vector; shape
    bool recurrent = false, time_constants = false;  ///< what it is, if not input weights
    double fan_in = 0;                               ///< of weights
    Eigen::Index size() const { return rows * cols; }
  };
  const std::vector<Part>& parts() const;
  /// Length of the parameter vector.
  Eigen::Index parameters() const;
  /// Parameters to start from.
  template <class T = float>
  Eigen::VectorX<T> initial(const Initialization& initialization = {}) const;
  /// What the layers are, one line each: sizes, time constants, escape function, surrogate (and whether it is an override), reset.
  std::string description() const;

  const std::shared_ptr<const detail::Stages>& stages() const { return stages_; }

 private:
  std::shared_ptr<const detail::Stages> stages_;
};

/// The spikes and outputs of a run.
template <class T>
struct Response {
  std::vector<SpikeEvents> spikes;  ///< of each spiking layer: the samples asked for
  /// The readout: steps x outputs for each sample; of a network without one, empty.
  std::vector<Eigen::MatrixX<T>> readout;
  /// If asked for, of each spiking layer and sample: U - adaptation A, steps x units, which the threshold is compared with.
  std::vector<std::vector<Eigen::MatrixX<T>>> membranes{};
};
/// Runs samples of the input on the keys (seed, run, run + 1, ...), one for each sample. Throws InvalidArgument for inputs or
/// parameters of another shape, or weights that are not finite.
template <class T>
Response<T> respond(const Network& network, const Eigen::VectorX<T>& theta, const SpikeEvents& inputs,
                    std::span<const std::size_t> samples, std::uint64_t seed, std::uint64_t run = 0, bool membranes = false);

/// What training minimises: the mean over the data of the expected loss of a network, with regularisers.
class Objective {
 public:
  /// Throws InvalidArgument if the data do not fit the network or the loss.
  Objective(Network network, Dataset data, Loss loss, std::vector<Regularizer> regularizers = {});
  Objective(Network network, std::shared_ptr<const Dataset> data, Loss loss, std::vector<Regularizer> regularizers = {});
  /// Over data that are read a batch at a time, by SurrogateGradient, train and evaluate.
  Objective(Network network, std::shared_ptr<const DataSource> source, Loss loss, std::vector<Regularizer> regularizers = {});

  const Network& network() const { return network_; }
  /// The number of samples.
  std::size_t size() const { return source_ ? source_->size() : data_->size(); }
  /// The data; of a source its first sample alone, which shows what the others have.
  const Dataset& data() const { return *data_; }
  /// Null if the data are in memory.
  const DataSource* source() const { return source_.get(); }
  /// Samples in memory, and their numbers there. Throws InvalidArgument for an index out of range, and what the source throws.
  struct Batch {
    std::shared_ptr<const Dataset> data;  ///< what is in memory
    std::vector<std::size_t> samples;     ///< the numbers
  };
  Batch batch(std::span<const std::size_t> samples) const;
  const Loss& loss() const { return loss_; }
  const std::vector<Regularizer>& regularizers() const { return regularizers_; }
  /// The same with all spikes deterministic or stochastic.
  Objective with(Activation activation) const;

  /// The loss of one datum as a program: S is float, double or a Var of them.
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta, std::size_t datum) const;
  /// The objective as a program over the data. Throws Refusal if they are not in memory.
  template <class T>
  Program<T> program() const {
    if (source_) throw Refusal("Objective: a program needs its data in memory, not a source of them");
    return Program<T>(over_data(data_->size(), *this));
  }

 private:
  Network network_;
  std::shared_ptr<const DataSource> source_{};
  std::shared_ptr<const Dataset> data_;
  Loss loss_;
  std::vector<Regularizer> regularizers_;
};

}  // namespace stoat::snn
