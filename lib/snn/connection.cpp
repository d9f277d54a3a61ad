#include <bit>

#include "signal.hpp"

namespace stoat::snn {

template <class T>
Active<T> Rows<T>::operator()(int sample, int step) {
  if (signal_.events) return {signal_.events->at(signal_.which[sample], step), nullptr};
  std::size_t count = 0;
  if (signal_.bits) {
    const std::uint64_t* word = signal_.row_bits(sample, step);
    for (int base = 0; base < signal_.units; base += 64)
      for (std::uint64_t w = *word++; w; w &= w - 1) units_[count++] = static_cast<Unit>(base + std::countr_zero(w));
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

double Connection::fan_in() const {
  return static_cast<double>(taps_.size()) * static_cast<double>(width_) / static_cast<double>(outputs_);
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

std::size_t Connection::packed_size() const {
  return linear_ ? static_cast<std::size_t>(outputs_) * static_cast<std::size_t>(kernels::padded(inputs_)) : 0;
}

template <class T>
void Connection::pack(const T* w, T* packed) const {
  if (!linear_) return;
  const int cols = kernels::padded(inputs_);
  for (int i = 0; i < outputs_; ++i)
    for (int k = 0; k < cols; ++k)
      packed[static_cast<std::ptrdiff_t>(i) * cols + k] = k < inputs_ ? w[static_cast<std::ptrdiff_t>(k) * outputs_ + i] : T(0);
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

#define INSTANTIATE(T)                                                      \
  template class Rows<T>;                                                   \
  template void Connection::forward(const Active<T>&, const T*, T*) const;  \
  template void Connection::gradient(const Active<T>&, const T*, T*) const; \
  template void Connection::pack(const T*, T*) const;                       \
  template void Connection::backward(const T*, const T*, const T*, std::ptrdiff_t, int, T*, std::ptrdiff_t) const;
INSTANTIATE(float)
INSTANTIATE(double)

}  // namespace stoat::snn
