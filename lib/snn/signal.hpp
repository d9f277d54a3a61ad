// What layers hand to each other, and the connections between them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <stoat/program/changes.hpp>
#include <stoat/snn/layers.hpp>
#include <stoat/snn/spike_events.hpp>
#include <stoat/tape/tape.hpp>

#include "kernels/table.hpp"

namespace stoat::snn {

using Unit = SpikeEvents::Unit;

class Connection;

/// What makes outputs of spikes: leaky integrators behind a connection.
template <class T>
struct LeakyOutputs {
  const Connection* input;
  const T *w, *r, *a_s;  ///< weights, and rows of decays
};

/// The output of a layer for some samples at once: as events (the network's input), as bits (spikes), or as numbers. `stride` is
/// the length of a row of numbers; adjoints have the layout of numbers.
template <class T>
struct Signal {
  int samples = 1, steps = 0, units = 0, stride = 0;
  const SpikeEvents* events = nullptr;
  const std::size_t* which = nullptr;   ///< the samples among the events
  const std::uint64_t* bits = nullptr;  ///< samples x steps x words(units)
  const T* numbers = nullptr;           ///< samples x steps x stride
  Index at = 0;                         ///< the variable of the first number; 0: constants
  Index membrane = 0;            ///< of spikes: the variable of the first distance to threshold, in the layout of numbers ...
  const T* distances = nullptr;  ///< ... and these distances, if somebody asked for them
  std::size_t operation = ReplayLog<T>::none;  ///< in a replay log: that of these spikes, or of those that the readout reads
  const LeakyOutputs<T>* readout = nullptr;    ///< of the numbers of a readout, if there is a log

  std::ptrdiff_t row(int sample, int step) const { return (static_cast<std::ptrdiff_t>(sample) * steps + step) * stride; }
  const std::uint64_t* row_bits(int sample, int step) const {
    return bits + (static_cast<std::ptrdiff_t>(sample) * steps + step) * kernels::words(units);
  }
  std::size_t size() const {
    return static_cast<std::size_t>(samples) * static_cast<std::size_t>(steps) * static_cast<std::size_t>(stride);
  }
};

/// The units of a row that are not 0, with their numbers if these are not all 1.
template <class T>
struct Active {
  std::span<const Unit> units;
  const T* numbers = nullptr;
};

/// Reads rows of a signal one at a time.
template <class T>
class Rows {
 public:
  explicit Rows(const Signal<T>& signal) : signal_(signal) {
    if (!signal.events) units_.resize(static_cast<std::size_t>(signal.units));
    if (signal.numbers) numbers_.resize(static_cast<std::size_t>(signal.units));
  }
  /// Valid until the next call.
  Active<T> operator()(int sample, int step);

 private:
  const Signal<T>& signal_;
  std::vector<Unit> units_;
  std::vector<T> numbers_;
};

/// Lists of the units that spike in each step of a sample of events or bits.
class SpikeLists : public SpikeEvents::Lists {
 public:
  template <class T>
  SpikeLists(const Signal<T>& signal, int sample);
  SpikeLists(const SpikeLists&) = delete;
  SpikeLists& operator=(const SpikeLists&) = delete;

 private:
  std::vector<Unit> found_;
  std::vector<std::size_t> starts_;
};

/// Which weight joins which units: each input unit has some taps, each of which adds `width` consecutive weights to as many
/// consecutive output units. A matrix is one tap per unit; a convolution has one per position that sees the unit.
class Connection {
 public:
  struct Tap {
    std::uint32_t output, weight;
  };
  /// From a layer of channels x positions, units = position * channels + channel.
  static Connection linear(int inputs, int outputs);
  static Connection convolution(int channels, int positions, const Conv1d& layer);

  int inputs() const { return inputs_; }
  int outputs() const { return outputs_; }
  int weights() const { return weights_; }
  /// Connections that reach one output unit away from the ends of a convolution.
  int fan_in() const { return fan_in_; }
  /// Rows and columns of the weights as a matrix in memory order: the weights of a unit (or of a channel and a place in the
  /// kernel) are a column.
  int rows() const { return width_; }
  int cols() const { return weights_ / width_; }

  /// Of all steps of a sample of spikes, row by row (rows are padded(outputs()) long): y = W s ...
  template <class T>
  void forward(const Signal<T>& s, int sample, const T* w, T* y, std::ptrdiff_t ld_y) const;
  /// ... and dw += g s'.
  template <class T>
  void gradient(const Signal<T>& s, int sample, const T* g, std::ptrdiff_t ld_g, T* dw) const;
  /// Of one step: y += W s
  template <class T>
  void forward(const Active<T>& s, const T* w, T* y) const;
  /// dw += g s'
  template <class T>
  void gradient(const Active<T>& s, const T* g, T* dw) const;
  /// Room that pack() needs, in numbers; and a copy of the weights in the form that backward() reads fastest.
  std::size_t packed_size() const;
  template <class T>
  void pack(const T* w, T* packed) const;
  /// Row by row out += W' g. Rows of `out` are padded(inputs()) long.
  template <class T>
  void backward(const T* w, const T* packed, const T* g, std::ptrdiff_t ld_g, int rows, T* out, std::ptrdiff_t ld_out) const;
  std::span<const Tap> taps(std::size_t unit) const {
    return std::span(taps_).subspan(begin_[unit], begin_[unit + 1] - begin_[unit]);
  }
  int width() const { return width_; }
  /// True if the weights of input unit k are those from k outputs() on.
  bool linear_columns() const { return linear_; }

 private:
  int inputs_ = 0, outputs_ = 0, weights_ = 0, width_ = 0, fan_in_ = 0;
  bool linear_ = false;
  std::vector<std::uint32_t> begin_;
  std::vector<Tap> taps_;
};

}  // namespace stoat::snn
