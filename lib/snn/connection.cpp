#include <algorithm>
#include <bit>

#include "signal.hpp"

namespace stoat::snn {

namespace {

/// Calls f(unit) for the units whose bits are set.
template <class F>
void each_unit(const std::uint64_t* word, int units, const F& f) {
  for (int base = 0; base < units; base += 64)
    for (std::uint64_t w = *word++; w; w &= w - 1) f(static_cast<Unit>(base + std::countr_zero(w)));
}

/// Calls f(step, unit) for the spikes of a sample of events or bits, by steps.
template <class T, class F>
void each_spike(const Signal<T>& s, int sample, const F& f) {
  if (s.bits) {
    for (int t = 0; t < s.steps; ++t) each_unit(s.row_bits(sample, t), s.units, [&](Unit unit) { f(t, unit); });
    return;
  }
  const SpikeEvents::Lists lists = s.events->lists(s.which[sample]);
  for (int t = 0; t < s.steps; ++t)
    for (std::size_t k = lists.begin[t]; k < lists.begin[t + 1]; ++k) f(t, lists.units[k]);
}

}  // namespace

template <class T>
SpikeLists::SpikeLists(const Signal<T>& signal, int sample) {
  if (signal.events) {
    static_cast<SpikeEvents::Lists&>(*this) = signal.events->lists(signal.which[sample]);
    return;
  }
  const std::uint64_t* const bits = signal.row_bits(sample, 0);
  std::size_t spikes = 0;
  for (std::ptrdiff_t w = 0; w < signal.row_bits(sample, signal.steps) - bits; ++w)
    spikes += static_cast<std::size_t>(std::popcount(bits[w]));
  found_.resize(spikes);
  starts_.reserve(static_cast<std::size_t>(signal.steps) + 1);
  Unit* next = found_.data();
  for (int t = 0; t < signal.steps; ++t) {
    starts_.push_back(static_cast<std::size_t>(next - found_.data()));
    each_unit(signal.row_bits(sample, t), signal.units, [&](Unit unit) { *next++ = unit; });
  }
  starts_.push_back(spikes);
  units = found_.data(), begin = starts_.data();
}

template <class T>
Active<T> Rows<T>::operator()(int sample, int step) {
  if (signal_.events) return {signal_.events->at(signal_.which[sample], step), nullptr};
  std::size_t count = 0;
  if (signal_.bits) {
    each_unit(signal_.row_bits(sample, step), signal_.units, [&](Unit unit) { units_[count++] = unit; });
    return {std::span<const Unit>(units_).first(count), nullptr};
  }
  const T* const row = signal_.numbers + signal_.row(sample, step);
  for (int i = 0; i < signal_.units; ++i)
    if (row[i] != T(0)) units_[count] = static_cast<Unit>(i), numbers_[count++] = row[i];
  return {std::span<const Unit>(units_).first(count), numbers_.data()};
}

Connection Connection::linear(int inputs, int outputs) {
  Connection c;
  c.inputs_ = inputs, c.outputs_ = c.width_ = outputs;
  c.weights_ = inputs * outputs;
  c.fan_in_ = inputs;
  c.linear_ = true;
  for (int k = 0; k <= inputs; ++k) c.begin_.push_back(static_cast<std::uint32_t>(k));
  for (int k = 0; k < inputs; ++k) c.taps_.push_back({0, static_cast<std::uint32_t>(k * outputs)});
  return c;
}

Connection Connection::convolution(int channels, int positions, const Conv1d& layer) {
  Connection c;
  const int out = (positions + 2 * layer.padding - layer.kernel) / layer.stride + 1;
  c.inputs_ = channels * positions, c.outputs_ = out * layer.channels, c.width_ = layer.channels;
  c.weights_ = channels * layer.kernel * layer.channels;
  c.fan_in_ = channels * layer.kernel;
  c.begin_.push_back(0);
  for (int position = 0; position < positions; ++position)
    for (int channel = 0; channel < channels; ++channel) {
      for (int k = 0; k < layer.kernel; ++k) {
        const int shifted = position + layer.padding - k;
        if (shifted < 0 || shifted % layer.stride || shifted / layer.stride >= out) continue;
        c.taps_.push_back({static_cast<std::uint32_t>(shifted / layer.stride * layer.channels),
                           static_cast<std::uint32_t>((channel * layer.kernel + k) * layer.channels)});
      }
      c.begin_.push_back(static_cast<std::uint32_t>(c.taps_.size()));
    }
  return c;
}

template <class T>
void Connection::forward(const Active<T>& s, const T* w, T* y) const {
  const auto& k = kernels::best<T>();
  if (linear_ && !s.numbers) {
    k.gather(y, outputs_, w, s.units.data(), s.units.size());
    return;
  }
  for (std::size_t i = 0; i < s.units.size(); ++i)
    for (const Tap& tap : taps(s.units[i])) k.axpy(s.numbers ? s.numbers[i] : T(1), w + tap.weight, y + tap.output, width_);
}

template <class T>
void Connection::gradient(const Active<T>& s, const T* g, T* dw) const {
  const auto& k = kernels::best<T>();
  if (linear_ && !s.numbers) {
    k.scatter(g, outputs_, dw, s.units.data(), s.units.size());
    return;
  }
  for (std::size_t i = 0; i < s.units.size(); ++i)
    for (const Tap& tap : taps(s.units[i])) k.axpy(s.numbers ? s.numbers[i] : T(1), g + tap.output, dw + tap.weight, width_);
}

template <class T>
void Connection::forward(const Signal<T>& s, int sample, const T* w, T* y, std::ptrdiff_t ld_y) const {
  if (linear_ && !s.numbers) {
    const SpikeLists lists(s, sample);
    kernels::best<T>().sum_rows(y, ld_y, s.steps, w, outputs_, outputs_, lists.units, lists.begin, false);
    return;
  }
  Rows<T> rows(s);
  for (int t = 0; t < s.steps; ++t, y += ld_y) {
    std::fill_n(y, kernels::padded(outputs_), T(0));
    forward(rows(sample, t), w, y);
  }
}

template <class T>
void Connection::gradient(const Signal<T>& s, int sample, const T* g, std::ptrdiff_t ld_g, T* dw) const {
  if (linear_ && !s.numbers) {
    // The steps at which each unit spikes: its weights' gradient is a sum of rows of g, which stays in the registers.
    std::vector<std::size_t> begin(static_cast<std::size_t>(inputs_) + 2);
    each_spike(s, sample, [&](int, Unit unit) { ++begin[unit + 2]; });
    for (std::size_t unit = 2; unit < begin.size(); ++unit) begin[unit] += begin[unit - 1];
    std::vector<Unit> steps(begin.back());
    each_spike(s, sample, [&](int step, Unit unit) { steps[begin[unit + 1]++] = static_cast<Unit>(step); });
    kernels::best<T>().sum_rows(dw, outputs_, inputs_, g, ld_g, outputs_, steps.data(), begin.data(), true);
    return;
  }
  Rows<T> rows(s);
  for (int t = 0; t < s.steps; ++t, g += ld_g) gradient(rows(sample, t), g, dw);
}

std::size_t Connection::packed_size() const {
  return linear_ ? static_cast<std::size_t>(outputs_) * static_cast<std::size_t>(kernels::padded(inputs_)) : 0;
}

template <class T>
void Connection::pack(const T* w, T* packed) const {
  if (!linear_) return;
  const int cols = kernels::padded(inputs_);
  for (int j = 0; j < cols; j += kernels::panel) {
    const int width = std::min(kernels::panel, cols - j);
    for (int k = j; k < j + width; ++k)
      for (int i = 0; i < outputs_; ++i)
        packed[static_cast<std::ptrdiff_t>(j) * outputs_ + static_cast<std::ptrdiff_t>(i) * width + k - j] =
            k < inputs_ ? w[static_cast<std::ptrdiff_t>(k) * outputs_ + i] : T(0);
  }
}

template <class T>
void Connection::backward(const T* w, const T* packed, const T* g, std::ptrdiff_t ld_g, int rows, T* out,
                          std::ptrdiff_t ld_out) const {
  const auto& k = kernels::best<T>();
  if (linear_) {
    k.multiply(out, ld_out, g, ld_g, rows, outputs_, packed, kernels::padded(inputs_));
    return;
  }
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < inputs_; ++i) {
      T sum = 0;
      for (const Tap& tap : taps(static_cast<std::size_t>(i))) sum += k.dot(w + tap.weight, g + r * ld_g + tap.output, width_);
      out[r * ld_out + i] += sum;
    }
}

#define INSTANTIATE(T)                                                                           \
  template SpikeLists::SpikeLists(const Signal<T>&, int);                                        \
  template class Rows<T>;                                                                        \
  template void Connection::forward(const Signal<T>&, int, const T*, T*, std::ptrdiff_t) const;  \
  template void Connection::gradient(const Signal<T>&, int, const T*, std::ptrdiff_t, T*) const; \
  template void Connection::forward(const Active<T>&, const T*, T*) const;                       \
  template void Connection::gradient(const Active<T>&, const T*, T*) const;                      \
  template void Connection::pack(const T*, T*) const;                                            \
  template void Connection::backward(const T*, const T*, const T*, std::ptrdiff_t, int, T*, std::ptrdiff_t) const;
INSTANTIATE(float)
INSTANTIATE(double)

}  // namespace stoat::snn
