// The inner loops of layers, for several instruction sets. Which one runs is decided when the program starts.
//
// Rows are arrays of one number per unit, padded to a multiple of `pad` and aligned to 64 bytes, where not said otherwise. Spikes
// are bits: unit i is bit i % 64 of word i / 64, and a row of n units has words(n) words.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stoat::snn::kernels {

inline constexpr int pad = 16;
inline constexpr int padded(int n) { return (n + pad - 1) / pad * pad; }
inline constexpr int words(int n) { return (n + 63) / 64; }

/// What the random numbers of a row are keyed by, besides the unit.
struct RowKey {
  std::uint32_t seed[2];
  std::uint32_t counter[3];  ///< words 0, 2 and 3 of the counter
  std::uint32_t block;       ///< word 1: the number of the first block of 4 units; a row takes (n + 31) / 32 * 8 of them
};

template <class T>
struct Kernels {
  /// y[i] += sum over k of w[units[k] * n + i], i < n; w is not padded, y need not be.
  void (*gather)(T* y, int n, const T* w, const std::uint32_t* units, std::size_t count);
  /// w[units[k] * n + i] += g[i], i < n.
  void (*scatter)(const T* g, int n, T* w, const std::uint32_t* units, std::size_t count);
  /// y[i] += a x[i], i < n; any alignment.
  void (*axpy)(T a, const T* x, T* y, int n);
  /// sum of x[i] y[i], i < n; any alignment.
  T (*dot)(const T* x, const T* y, int n);
  /// out[r * ld_out + j] += sum over i < n of g[r * ld_g + i] w[i * cols + j] for r < rows, j < cols; cols is a multiple of `pad`.
  void (*multiply)(T* out, std::ptrdiff_t ld_out, const T* g, std::ptrdiff_t ld_g, int rows, int n, const T* w, int cols);
  /// bits = x > threshold.
  void (*compare)(const T* x, const T* threshold, int n, std::uint64_t* bits);
  /// bits = u < p for the keyed uniform numbers u of the row, multiples of 2^-24.
  void (*draw)(const RowKey& key, const T* p, int n, std::uint64_t* bits);
  /// The keyed uniform numbers themselves.
  void (*uniforms)(const RowKey& key, T* u, int n);
  /// One step of the membranes: v = a_m u + (1 - a_m) i, where the bits of drop_u and drop_i take the first and the second term
  /// away; before = a_m u + (1 - a_m) i without that, u = v, i = a_s i. `before` may be null.
  void (*membrane)(T* u, T* i, const T* a_m, const T* a_s, const std::uint64_t* drop_u, const std::uint64_t* drop_i, T* before,
                   int n);
  /// The same step backwards. In: the adjoints au, ai of u and i after it, as of the spike and az of z (null: 0), the slopes.
  /// reset (null: none): d u / d S = -reset[i]. Out: au, ai before it, `drive`, the adjoint of what was added to i in this step
  /// (the ai that came in); as gains -reset au.
  void (*membrane_back)(T* au, T* ai, T* as, const T* az, const T* slope, const T* reset, const T* a_m, const T* a_s,
                        const std::uint64_t* drop_u, const std::uint64_t* drop_i, T* drive, int n);
  /// x with zeros where a bit is set.
  void (*clear)(T* x, const std::uint64_t* bits, int n);
  void (*logistic)(T beta, const T* z, T* f, int n);             ///< 1 / (1 + e^(-beta z)); any n and alignment
  void (*logistic_derivative)(T beta, const T* z, T* f, int n);  ///< beta f (1 - f); likewise
  void (*super_spike)(T beta, const T* z, T* f, int n);          ///< 1 / (1 + beta |z|)^2; likewise
};

/// The best of this processor.
template <class T>
const Kernels<T>& best();

namespace sse2 {
extern const Kernels<float> floats;
extern const Kernels<double> doubles;
}  // namespace sse2
namespace avx2 {
extern const Kernels<float> floats;
extern const Kernels<double> doubles;
}  // namespace avx2
namespace avx512 {
extern const Kernels<float> floats;
extern const Kernels<double> doubles;
}  // namespace avx512

}  // namespace stoat::snn::kernels
