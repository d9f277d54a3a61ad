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
/// Columns of a matrix that lie together, row after row, when it is packed for a product; the last panel may be narrower.
inline constexpr int panel = 32;
inline constexpr int words(int n) { return (n + 63) / 64; }

/// What the random numbers of a row are keyed by, besides the unit.
struct RowKey {
  std::uint32_t seed[2];
  std::uint32_t counter[3];  ///< words 0, 2 and 3 of the counter
  std::uint32_t block;       ///< word 1: the number of the first block of 4 units; a row takes (n + 31) / 32 * 8 of them
};

/// Leaky membranes driven by leaky currents, for some steps of one sample. Histories are rows, `stride` numbers or `words` words of
/// bits from one step to the next.
///   spike:  u > threshold, or a coin, or given; recorded are u and the spike of a step, then
///   u <- a_m u + (1 - a_m) i, where a spike can take the first and the second term away;   i <- a_s i + input
template <class T>
struct MembraneRun {
  enum class Spikes {
    none,
    threshold,
    coins,  ///< with probability 1 / (1 + e^(-beta (u - threshold))), keyed
    given,  ///< in drop_u and drop_i
  };
  Spikes kind = Spikes::none;
  int n = 0, stride = 0, steps = 1, words = 0;
  const T *a_m = nullptr, *a_s = nullptr, *threshold = nullptr;
  T *u = nullptr, *i = nullptr;  ///< the state, in and out
  const T* input = nullptr;      ///< rows; null: zeros
  T* membranes = nullptr;        ///< rows, out; may be `input`
  T* unreset = nullptr;          ///< rows, out: a_m u + (1 - a_m) i; null: not wanted
  std::uint64_t* spikes = nullptr;
  bool reset_u = false, reset_i = false;  ///< what a spike takes away
  T beta = 0;
  RowKey key{};  ///< of the coins of the first step; the blocks of a step follow those of the step before
  const std::uint64_t *drop_u = nullptr, *drop_i = nullptr;
};

/// The same steps backwards, from the last one on.
///   s = spike - reset a_u,   a_z = slope s + distance,
///   a_u <- a_m a_u + a_z, without the first term where drop_u,   a_i <- (1 - a_m) a_u + a_s a_i, likewise drop_i (the a_u before)
/// Recorded are s and the adjoint of what a step added to the current, the a_i before.
template <class T>
struct MembraneReverse {
  enum class Slope { one, given, super_spike, logistic };
  enum class Reset {
    none,
    all,   ///< d u / d spike = -unreset
    leak,  ///< d u / d spike = -a_m u
  };
  Slope kind = Slope::given;
  Reset reset = Reset::none;
  int n = 0, stride = 0, steps = 1, words = 0;
  const T *a_m = nullptr, *a_s = nullptr, *threshold = nullptr;
  T *a_u = nullptr, *a_i = nullptr;  ///< the adjoints of the state, in and out
  const T *membranes = nullptr, *unreset = nullptr;
  const std::uint64_t *drop_u = nullptr, *drop_i = nullptr;  ///< rows of bits; null: none
  const T* slope = nullptr;                                  ///< rows, if given
  T beta = 0, scale = 1;                                     ///< of the others
  const T* distance = nullptr;                               ///< rows of adjoints of u - threshold; null: 0
  T* spike = nullptr;                                        ///< rows, in; out if given
  T* input = nullptr;                                        ///< rows, out; may be `spike`
};

/// A number times a row that is added to a state after a step. The rows may end anywhere.
template <class T>
struct Impulse {
  int step;
  T by;
  const T* row;
};

/// Rows of |margin| are kept as minima over so many steps.
inline constexpr int span = 16;
inline constexpr int spans(int steps) { return (steps + span - 1) / span; }

/// How far membranes u and currents i of some neurons are from those of a run, given by its spikes and margins: where the
/// difference in u is above the margin and the run has no spike, or the other way round, the spike changes. A step is
///   u <- a_m u + (1 - a_m) i, where a spike can take the first and the second term away;   i <- a_s i + impulses
/// and a changed spike takes away, or gives back, what the run had there.
/// Where |u| + weight |i| <= radius at the first step of a span, and no impulse is to come, no spike will ever change.
template <class T>
struct MembraneChange {
  int n = 0, stride = 0, words = 0;
  int begin = 0, end = 0;   ///< units, multiples of `pad`
  int first = 0, last = 0;  ///< steps
  int forced = -1;          ///< the spike of this unit changes at the first step, whatever its margin
  const T *a_m = nullptr, *a_s = nullptr, *weight = nullptr;
  const T* margin = nullptr;  ///< rows; of padding: never passed
  const T* radius = nullptr;  ///< rows, one for each span of steps; null: go on to the last step
  const T* lost = nullptr;    ///< rows of the run: a_m u + (1 - a_m) i if a spike takes both terms away, u if the first alone
  const std::uint64_t* spikes = nullptr;
  bool reset_u = false, reset_i = false;
  T *u = nullptr, *i = nullptr;          ///< in, out
  const Impulse<T>* impulses = nullptr;  ///< in the order of steps, from the first one on
  int count = 0;
  T guard = 0;                     ///< not 0: note where a difference comes so close to a margin
  std::uint64_t* flips = nullptr;  ///< rows of bits: those that change are added
  bool close = false;              ///< out, or unchanged
  int live = 0;                    ///< out: after the last step with a change, if that is later
  std::size_t looked_at = 0;       ///< out: what it was, and neurons times steps
};

/// The same for every spike of a neuron changed alone, when neurons do not see each other: the sum over the changed spikes of
/// +-weights[step], + where there is one more.
template <class T>
struct EachChange {
  MembraneChange<T> neurons;  ///< state, impulses, flips and guard unused
  const T* weights = nullptr;
  T* sums = nullptr;  ///< rows, out
};

/// How far leaky readouts o with currents q are from a run: as a membrane without spikes, from rest.
template <class T>
struct ReadoutChange {
  int n = 0, stride = 0;
  int first = 0, last = 0;  ///< steps
  const T *a_m = nullptr, *a_s = nullptr;
  const T* outputs = nullptr;            ///< rows of the run
  const Impulse<T>* impulses = nullptr;  ///< in the order of steps; those before the first step are added before it
  int count = 0;
  T* top = nullptr;   ///< a row: raised to the largest of the changed outputs in these steps
  T* sum = nullptr;   ///< a row, out: sums of the changes over these steps
  T* rows = nullptr;  ///< rows, out: the changed outputs; null: not wanted
};

template <class T>
struct Kernels {
  /// y[i] += sum over k of w[units[k] * n + i], i < n; w is not padded, y need not be.
  void (*gather)(T* y, int n, const T* w, const std::uint32_t* units, std::size_t count);
  /// w[units[k] * n + i] += g[i], i < n.
  void (*scatter)(const T* g, int n, T* w, const std::uint32_t* units, std::size_t count);
  /// Row r of y, n long, = (add: +=) the sum over begin[r] <= k < begin[r + 1] of the rows units[k] of w. If not added, a row of y
  /// is padded and the padding becomes 0.
  void (*sum_rows)(T* y, std::ptrdiff_t ld_y, int rows, const T* w, std::ptrdiff_t ld_w, int n, const std::uint32_t* units,
                   const std::size_t* begin, bool add);
  /// y[i] += a x[i], i < n; any alignment.
  void (*axpy)(T a, const T* x, T* y, int n);
  /// sum of x[i] y[i], i < n; any alignment.
  T (*dot)(const T* x, const T* y, int n);
  /// out[r * ld_out + j] += sum over i < n of g[r * ld_g + i] w(i, j) for r < rows, j < cols; cols is a multiple of `pad`, and w
  /// lies in panels.
  void (*multiply)(T* out, std::ptrdiff_t ld_out, const T* g, std::ptrdiff_t ld_g, int rows, int n, const T* w, int cols);
  /// The largest number of each column of the rows first, first + 1, ..., rows - 1, and the row where it first appears.
  void (*peaks)(const T* x, std::ptrdiff_t ld_x, int first, int rows, int n, T* top, T* when);
  /// bits = x > threshold.
  void (*compare)(const T* x, const T* threshold, int n, std::uint64_t* bits);
  /// bits = u < p for the keyed uniform numbers u of the row, multiples of 2^-24.
  void (*draw)(const RowKey& key, const T* p, int n, std::uint64_t* bits);
  /// The keyed uniform numbers themselves.
  void (*uniforms)(const RowKey& key, T* u, int n);
  /// Membranes over some steps, forwards and backwards.
  void (*run_membranes)(const MembraneRun<T>& run);
  void (*reverse_membranes)(const MembraneReverse<T>& reverse);
  /// x with zeros where a bit is set.
  void (*clear)(T* x, const std::uint64_t* bits, int n);
  void (*logistic)(T beta, const T* z, T* f, int n);             ///< 1 / (1 + e^(-beta z)); any n and alignment
  void (*logistic_derivative)(T beta, const T* z, T* f, int n);  ///< beta f (1 - f); likewise
  void (*super_spike)(T beta, const T* z, T* f, int n);          ///< 1 / (1 + beta |z|)^2; likewise
  void (*odds)(const double* u, T* f, int n);                    ///< u / (1 - u); likewise
  /// margin = limit - z, made negative where a spike is and not negative elsewhere: rounding must not contradict the spikes.
  /// `least` is lowered to |margin|. Of padding both are the largest number.
  void (*keep_margins)(const T* limit, const T* z, const std::uint64_t* spikes, int n, T* margin, T* least);
  /// Differences from a run.
  void (*change_membranes)(MembraneChange<T>& change);
  void (*change_each)(const EachChange<T>& change);
  void (*change_readout)(const ReadoutChange<T>& change);
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
