// The inner loops of one instruction set: included once by a file that defines STOAT_ISA (the namespace) and STOAT_ISA_BYTES
// (register width), and is compiled for that instruction set. Nothing here may be an inline function with a name outside this file:
// the linker could let other code call it on a processor that lacks the instructions.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <stoat/tape/vector_math.hpp>

#include "table.hpp"

namespace stoat::snn::kernels::STOAT_ISA {

// NOLINTBEGIN(misc-definitions-in-headers): every file that includes this has its own, for its instruction set
namespace {

template <class T>
struct Lanes;
template <>
struct Lanes<float> {
  typedef float Value __attribute__((vector_size(STOAT_ISA_BYTES)));
  typedef std::int32_t Mask __attribute__((vector_size(STOAT_ISA_BYTES)));
  using Integer = std::int32_t;
  static constexpr int count = STOAT_ISA_BYTES / 4;
};
template <>
struct Lanes<double> {
  typedef double Value __attribute__((vector_size(STOAT_ISA_BYTES)));
  typedef std::int64_t Mask __attribute__((vector_size(STOAT_ISA_BYTES)));
  using Integer = std::int64_t;
  static constexpr int count = STOAT_ISA_BYTES / 8;
};
typedef std::uint64_t Wide __attribute__((vector_size(STOAT_ISA_BYTES)));
constexpr int wide = STOAT_ISA_BYTES / 8;

template <class V, class T>
V load(const T* x) {
  V v;
  __builtin_memcpy(&v, x, sizeof v);
  return v;
}
template <class V, class T>
void store(T* x, const V& v) {
  __builtin_memcpy(x, &v, sizeof v);
}

/// x in all lanes. (0 + x would cost an addition: it is not x for x = -0.)
template <class T>
typename Lanes<T>::Value splat(T x) {
  return x - typename Lanes<T>::Value{};
}

/// One bit for each lane that is all ones.
unsigned bits_of(const Lanes<float>::Mask& m) {
#if defined(__x86_64__) && STOAT_ISA_BYTES == 64
  return _mm512_movepi32_mask((__m512i)m);
#elif defined(__x86_64__) && STOAT_ISA_BYTES == 32
  return static_cast<unsigned>(_mm256_movemask_ps((__m256)m));
#elif defined(__x86_64__)
  return static_cast<unsigned>(_mm_movemask_ps((__m128)m));
#else
  unsigned bits = 0;
  for (int i = 0; i < Lanes<float>::count; ++i) bits |= static_cast<unsigned>(m[i] & 1) << i;
  return bits;
#endif
}
unsigned bits_of(const Lanes<double>::Mask& m) {
#if defined(__x86_64__) && STOAT_ISA_BYTES == 64
  return _mm512_movepi64_mask((__m512i)m);
#elif defined(__x86_64__) && STOAT_ISA_BYTES == 32
  return static_cast<unsigned>(_mm256_movemask_pd((__m256d)m));
#elif defined(__x86_64__)
  return static_cast<unsigned>(_mm_movemask_pd((__m128d)m));
#else
  unsigned bits = 0;
  for (int i = 0; i < Lanes<double>::count; ++i) bits |= static_cast<unsigned>(m[i] & 1) << i;
  return bits;
#endif
}
/// Lanes that are all ones where the bit of unit i + lane is clear.
template <class T>
typename Lanes<T>::Mask clear_lanes(const std::uint64_t* bits, int i) {
  using M = typename Lanes<T>::Mask;
  M lane{};
  for (int l = 0; l < Lanes<T>::count; ++l) lane[l] = static_cast<typename Lanes<T>::Integer>(1) << l;
  const M all = M{} + static_cast<typename Lanes<T>::Integer>(bits[i / 64] >> (i % 64) & 0xffff);
  return (all & lane) == 0;
}
template <class T>
typename Lanes<T>::Value only(const typename Lanes<T>::Value& v, const typename Lanes<T>::Mask& m) {
  return (typename Lanes<T>::Value)((typename Lanes<T>::Mask)v & m);
}
template <class T>
typename Lanes<T>::Value select(const typename Lanes<T>::Mask& m, const typename Lanes<T>::Value& a,
                                const typename Lanes<T>::Value& b) {
  using M = typename Lanes<T>::Mask;
  return (typename Lanes<T>::Value)(((M)a & m) | ((M)b & ~m));
}
template <class T>
typename Lanes<T>::Value magnitude(const typename Lanes<T>::Value& x) {
  using M = typename Lanes<T>::Mask;
  constexpr auto sign = static_cast<typename Lanes<T>::Integer>(static_cast<typename Lanes<T>::Integer>(1) << (8 * sizeof(T) - 1));
  return (typename Lanes<T>::Value)((M)x & ~(M{} + sign));
}
/// 1 / x, to 2 units in the last place, for x of ordinary size.
template <class T>
typename Lanes<T>::Value reciprocal(const typename Lanes<T>::Value& x) {
#if defined(__x86_64__) && STOAT_ISA_BYTES == 64
  if constexpr (sizeof(T) == 4) {
    const auto y = (typename Lanes<T>::Value)_mm512_rcp14_ps((__m512)x);
    return y * (T(2) - x * y);
  } else {
    return T(1) / x;
  }
#else
  return T(1) / x;
#endif
}
/// Collects `lanes` bits at unit i.
void put(std::uint64_t* bits, int i, unsigned value) {
  if (i % 64 == 0) bits[i / 64] = 0;
  bits[i / 64] |= std::uint64_t{value} << (i % 64);
}
/// Takes the bits of units from n on away.
void trim(std::uint64_t* bits, int n) {
  if (n % 64) bits[n / 64] &= (std::uint64_t{1} << (n % 64)) - 1;
}

/// The rows of a few columns at a time stay in registers while the units go by.
template <class T, int V>
void gather_columns(T* y, int n, const T* w, const std::uint32_t* units, std::size_t count) {
  using L = Lanes<T>;
  typename L::Value sum[V];
  for (int v = 0; v < V; ++v) sum[v] = load<typename L::Value>(y + v * L::count);
  for (std::size_t k = 0; k < count; ++k) {
    const T* const row = w + static_cast<std::size_t>(units[k]) * static_cast<std::size_t>(n);
    for (int v = 0; v < V; ++v) sum[v] += load<typename L::Value>(row + v * L::count);
  }
  for (int v = 0; v < V; ++v) store(y + v * L::count, sum[v]);
}
template <class T>
void gather(T* y, int n, const T* w, const std::uint32_t* units, std::size_t count) {
  constexpr int lanes = Lanes<T>::count;
  if (count == 0) return;
  int i = 0;
  for (; i + 8 * lanes <= n; i += 8 * lanes) gather_columns<T, 8>(y + i, n, w + i, units, count);
  for (; i + 2 * lanes <= n; i += 2 * lanes) gather_columns<T, 2>(y + i, n, w + i, units, count);
  for (; i + lanes <= n; i += lanes) gather_columns<T, 1>(y + i, n, w + i, units, count);
  for (std::size_t k = 0; i < n && k < count; ++k) {
    const T* const row = w + static_cast<std::size_t>(units[k]) * static_cast<std::size_t>(n);
    for (int j = i; j < n; ++j) y[j] += row[j];
  }
}

template <class T, int V, bool add>
void sum_columns(T* y, std::ptrdiff_t ld_y, int rows, const T* w, std::ptrdiff_t ld_w, const std::uint32_t* units,
                 const std::size_t* begin) {
  using L = Lanes<T>;
  for (int r = 0; r < rows; ++r, y += ld_y) {
    if (add && begin[r] == begin[r + 1]) continue;
    typename L::Value sum[V] = {};
    if (add)
      for (int v = 0; v < V; ++v) sum[v] = load<typename L::Value>(y + v * L::count);
    for (std::size_t k = begin[r]; k < begin[r + 1]; ++k) {
      const T* const row = w + static_cast<std::ptrdiff_t>(units[k]) * ld_w;
      for (int v = 0; v < V; ++v) sum[v] += load<typename L::Value>(row + v * L::count);
    }
    for (int v = 0; v < V; ++v) store(y + v * L::count, sum[v]);
  }
}
/// Less than a register of columns.
template <class T, bool add>
void sum_tail(T* y, std::ptrdiff_t ld_y, int rows, const T* w, std::ptrdiff_t ld_w, int n, const std::uint32_t* units,
              const std::size_t* begin) {
#if defined(__x86_64__) && STOAT_ISA_BYTES == 64
  const unsigned mask = (1u << n) - 1;
  for (int r = 0; r < rows; ++r, y += ld_y) {
    if (add && begin[r] == begin[r + 1]) continue;
    if constexpr (sizeof(T) == 4) {
      __m512 sum = add ? _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), y) : _mm512_setzero_ps();
      for (std::size_t k = begin[r]; k < begin[r + 1]; ++k)
        sum = _mm512_add_ps(sum,
                            _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), w + static_cast<std::ptrdiff_t>(units[k]) * ld_w));
      _mm512_mask_storeu_ps(y, static_cast<__mmask16>(mask), sum);
    } else {
      __m512d sum = add ? _mm512_maskz_loadu_pd(static_cast<__mmask8>(mask), y) : _mm512_setzero_pd();
      for (std::size_t k = begin[r]; k < begin[r + 1]; ++k)
        sum = _mm512_add_pd(sum,
                            _mm512_maskz_loadu_pd(static_cast<__mmask8>(mask), w + static_cast<std::ptrdiff_t>(units[k]) * ld_w));
      _mm512_mask_storeu_pd(y, static_cast<__mmask8>(mask), sum);
    }
  }
#else
  for (int r = 0; r < rows; ++r, y += ld_y) {
    if (!add)
      for (int j = 0; j < n; ++j) y[j] = T(0);
    for (std::size_t k = begin[r]; k < begin[r + 1]; ++k) {
      const T* const from = w + static_cast<std::ptrdiff_t>(units[k]) * ld_w;
      for (int j = 0; j < n; ++j) y[j] += from[j];
    }
  }
#endif
}
template <class T, bool add>
void sum_rows_form(T* y, std::ptrdiff_t ld_y, int rows, const T* w, std::ptrdiff_t ld_w, int n, const std::uint32_t* units,
                   const std::size_t* begin) {
  constexpr int lanes = Lanes<T>::count;
  int i = 0;
  for (; i + 8 * lanes <= n; i += 8 * lanes) sum_columns<T, 8, add>(y + i, ld_y, rows, w + i, ld_w, units, begin);
  for (; i + 2 * lanes <= n; i += 2 * lanes) sum_columns<T, 2, add>(y + i, ld_y, rows, w + i, ld_w, units, begin);
  for (; i + lanes <= n; i += lanes) sum_columns<T, 1, add>(y + i, ld_y, rows, w + i, ld_w, units, begin);
  if (i < n) sum_tail<T, add>(y + i, ld_y, rows, w + i, ld_w, n - i, units, begin);
  if (!add)
    for (int r = 0; r < rows; ++r)
      for (int j = n; j < padded(n); ++j) y[r * ld_y + j] = T(0);
}
template <class T>
void sum_rows(T* y, std::ptrdiff_t ld_y, int rows, const T* w, std::ptrdiff_t ld_w, int n, const std::uint32_t* units,
              const std::size_t* begin, bool add) {
  (add ? &sum_rows_form<T, true> : &sum_rows_form<T, false>)(y, ld_y, rows, w, ld_w, n, units, begin);
}

template <class T, int V>
void scatter_columns(const T* g, int n, T* w, const std::uint32_t* units, std::size_t count) {
  using L = Lanes<T>;
  typename L::Value add[V];
  for (int v = 0; v < V; ++v) add[v] = load<typename L::Value>(g + v * L::count);
  for (std::size_t k = 0; k < count; ++k) {
    T* const row = w + static_cast<std::size_t>(units[k]) * static_cast<std::size_t>(n);
    for (int v = 0; v < V; ++v) store(row + v * L::count, load<typename L::Value>(row + v * L::count) + add[v]);
  }
}
template <class T>
void scatter(const T* g, int n, T* w, const std::uint32_t* units, std::size_t count) {
  constexpr int lanes = Lanes<T>::count;
  if (count == 0) return;
  int i = 0;
  for (; i + 8 * lanes <= n; i += 8 * lanes) scatter_columns<T, 8>(g + i, n, w + i, units, count);
  for (; i + 2 * lanes <= n; i += 2 * lanes) scatter_columns<T, 2>(g + i, n, w + i, units, count);
  for (; i + lanes <= n; i += lanes) scatter_columns<T, 1>(g + i, n, w + i, units, count);
  for (std::size_t k = 0; i < n && k < count; ++k) {
    T* const row = w + static_cast<std::size_t>(units[k]) * static_cast<std::size_t>(n);
    for (int j = i; j < n; ++j) row[j] += g[j];
  }
}

template <class T>
void axpy(T a, const T* x, T* y, int n) {
  using L = Lanes<T>;
  int i = 0;
  for (; i + L::count <= n; i += L::count) store(y + i, load<typename L::Value>(y + i) + a * load<typename L::Value>(x + i));
  for (; i < n; ++i) y[i] += a * x[i];
}
template <class T>
T dot(const T* x, const T* y, int n) {
  using L = Lanes<T>;
  typename L::Value sum{};
  int i = 0;
  for (; i + L::count <= n; i += L::count) sum += load<typename L::Value>(x + i) * load<typename L::Value>(y + i);
  T total = 0;
  for (int l = 0; l < L::count; ++l) total += sum[l];
  for (; i < n; ++i) total += x[i] * y[i];
  return total;
}

/// R rows and V registers of columns of a product; rows of w are `width` apart.
template <class T, int R, int V>
void multiply_tile(T* out, std::ptrdiff_t ld_out, const T* g, std::ptrdiff_t ld_g, int n, const T* w, int width) {
  using L = Lanes<T>;
  typename L::Value sum[R][V];
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) sum[r][v] = load<typename L::Value>(out + r * ld_out + v * L::count);
  for (int i = 0; i < n; ++i, w += width) {
    typename L::Value row[V];
    for (int v = 0; v < V; ++v) row[v] = load<typename L::Value>(w + v * L::count);
    for (int r = 0; r < R; ++r) {
      const typename L::Value a = splat(g[r * ld_g + i]);
      for (int v = 0; v < V; ++v) sum[r][v] += a * row[v];
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) store(out + r * ld_out + v * L::count, sum[r][v]);
}
template <class T, int V>
void multiply_columns(T* out, std::ptrdiff_t ld_out, const T* g, std::ptrdiff_t ld_g, int rows, int n, const T* w, int width) {
  constexpr int R = STOAT_ISA_BYTES == 64 ? 12 : STOAT_ISA_BYTES == 32 ? 6 : 4;
  int r = 0;
  for (; r + R <= rows; r += R) multiply_tile<T, R, V>(out + r * ld_out, ld_out, g + r * ld_g, ld_g, n, w, width);
  for (; r + 4 <= rows; r += 4) multiply_tile<T, 4, V>(out + r * ld_out, ld_out, g + r * ld_g, ld_g, n, w, width);
  for (; r < rows; ++r) multiply_tile<T, 1, V>(out + r * ld_out, ld_out, g + r * ld_g, ld_g, n, w, width);
}
template <class T>
void multiply(T* out, std::ptrdiff_t ld_out, const T* g, std::ptrdiff_t ld_g, int rows, int n, const T* w, int cols) {
  constexpr int lanes = Lanes<T>::count;
  for (int j = 0; j < cols; j += panel) {
    const int width = cols - j < panel ? cols - j : panel;
    const T* const from = w + static_cast<std::ptrdiff_t>(j) * n;
    int k = 0;
    for (; k + 2 * lanes <= width; k += 2 * lanes) multiply_columns<T, 2>(out + j + k, ld_out, g, ld_g, rows, n, from + k, width);
    for (; k < width; k += lanes) multiply_columns<T, 1>(out + j + k, ld_out, g, ld_g, rows, n, from + k, width);
  }
}

template <class T>
void peaks(const T* x, std::ptrdiff_t ld_x, int first, int rows, int n, T* top, T* when) {
  using L = Lanes<T>;
  using V = typename L::Value;
  for (int i = 0; i < n; i += L::count) {
    V best = load<V>(x + first * ld_x + i), at = splat(static_cast<T>(first));
    for (int r = first + 1; r < rows; ++r) {
      const V now = load<V>(x + r * ld_x + i);
      const auto above = (typename L::Mask)(now > best);
      best = select<T>(above, now, best);
      at = select<T>(above, splat(static_cast<T>(r)), at);
    }
    store(top + i, best);
    store(when + i, at);
  }
}

template <class T>
void compare(const T* x, const T* threshold, int n, std::uint64_t* bits) {
  using L = Lanes<T>;
  for (int i = 0; i < n; i += L::count)
    put(bits, i, bits_of((typename L::Mask)(load<typename L::Value>(x + i) > load<typename L::Value>(threshold + i))));
  trim(bits, n);
}

/// a * b of the low halves of lanes of 64 bits.
Wide multiply_low(const Wide& a, const Wide& b) {
#if defined(__x86_64__) && STOAT_ISA_BYTES == 64
  return (Wide)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(__x86_64__) && STOAT_ISA_BYTES == 32
  return (Wide)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__x86_64__)
  return (Wide)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
  return (a & 0xffffffff) * (b & 0xffffffff);
#endif
}
/// 32 random words: blocks 8 at a time, each word in the low half of a lane of 64 bits, what is above it never read. Words 0 and 1
/// of the blocks make the first 16, words 2 and 3 the others, the same on every machine. Philox4x32-10 (Salmon et al. 2011).
void random_words(const RowKey& key, std::uint32_t block, std::uint32_t* out) {
  constexpr int parts = 8 / wide;
  const Wide m0 = Wide{} + 0xD2511F53u, m1 = Wide{} + 0xCD9E8D57u, low = Wide{} + 0xffffffffu;
  Wide c0[parts], c1[parts], c2[parts], c3[parts];
  for (int h = 0; h < parts; ++h) {
    for (int l = 0; l < wide; ++l) c1[h][l] = block + static_cast<std::uint32_t>(h * wide + l);
    c0[h] = Wide{} + key.counter[0], c2[h] = Wide{} + key.counter[1], c3[h] = Wide{} + key.counter[2];
  }
  std::uint32_t k0 = key.seed[0], k1 = key.seed[1];
  for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
    const Wide key0 = Wide{} + k0, key1 = Wide{} + k1;
    for (int h = 0; h < parts; ++h) {
      const Wide p0 = multiply_low(c0[h], m0), p1 = multiply_low(c2[h], m1);
      c0[h] = (p1 >> 32) ^ c1[h] ^ key0;
      c2[h] = (p0 >> 32) ^ c3[h] ^ key1;
      c1[h] = p1;
      c3[h] = p0;
    }
  }
  for (int h = 0; h < parts; ++h) {
    store(out + 2 * wide * h, (c0[h] & low) | c1[h] << 32);
    store(out + 16 + 2 * wide * h, (c2[h] & low) | c3[h] << 32);
  }
}
template <class T>
void uniforms(const RowKey& key, T* u, int n) {
  alignas(64) std::uint32_t w[32];
  for (int i = 0; i < n; i += 32) {
    random_words(key, key.block + static_cast<std::uint32_t>(i / 4), w);
    for (int k = 0; k < 32 && i + k < n; ++k) u[i + k] = static_cast<T>(w[k] >> 8) * static_cast<T>(0x1p-24);
  }
}
void draw(const RowKey& key, const float* p, int n, std::uint64_t* bits) {
  using L = Lanes<float>;
  alignas(64) std::uint32_t w[32];
  for (int i = 0; i < n; i += 32) {
    random_words(key, key.block + static_cast<std::uint32_t>(i / 4), w);
    for (int k = 0; k < 32 && i + k < n; k += L::count) {
      const L::Mask top = (L::Mask)(load<L::Mask>(w + k) >> 8) & 0xffffff;
      const L::Value u = __builtin_convertvector(top, L::Value);
      put(bits, i + k, bits_of((L::Mask)(u < load<L::Value>(p + i + k) * 0x1p24f)));
    }
  }
  trim(bits, n);
}
void draw(const RowKey& key, const double* p, int n, std::uint64_t* bits) {
  alignas(64) std::uint32_t w[32];
  for (int i = 0; i < n; i += 32) {
    random_words(key, key.block + static_cast<std::uint32_t>(i / 4), w);
    for (int k = 0; k < 32 && i + k < n; ++k) put(bits, i + k, (w[k] >> 8) * 0x1p-24 < p[i + k]);
  }
  trim(bits, n);
}

template <class T>
void clear(T* x, const std::uint64_t* bits, int n) {
  using L = Lanes<T>;
  for (int k = 0; k < n; k += L::count) store(x + k, only<T>(load<typename L::Value>(x + k), clear_lanes<T>(bits, k)));
}

template <class T>
void logistic(T beta, const T* z, T* f, int n) {
  for (int i = 0; i < n; ++i) f[i] = -beta * z[i];
  vector_math::exp(f, f, static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) f[i] = T(1) / (T(1) + f[i]);
}
template <class T>
void logistic_derivative(T beta, const T* z, T* f, int n) {
  for (int i = 0; i < n; ++i) f[i] = -beta * (z[i] < T(0) ? -z[i] : z[i]);
  vector_math::exp(f, f, static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) {
    const T a = T(1) + f[i];
    f[i] = beta * f[i] / (a * a);
  }
}
template <class T>
void super_spike(T beta, const T* z, T* f, int n) {
  for (int i = 0; i < n; ++i) {
    const T a = beta * (z[i] < T(0) ? -z[i] : z[i]) + T(1);
    f[i] = T(1) / (a * a);
  }
}

template <class T>
void odds(const double* u, T* f, int n) {
  for (int i = 0; i < n; ++i) f[i] = static_cast<T>(u[i]) / static_cast<T>(1 - u[i]);
}

}  // namespace

}  // namespace stoat::snn::kernels::STOAT_ISA

#include "changes.hpp"

namespace stoat::snn::kernels::STOAT_ISA {

namespace {

template <class T>
constexpr Kernels<T> table() {
  return {&gather<T>,
          &scatter<T>,
          &sum_rows<T>,
          &axpy<T>,
          &dot<T>,
          &multiply<T>,
          &peaks<T>,
          &compare<T>,
          static_cast<void (*)(const RowKey&, const T*, int, std::uint64_t*)>(&draw),
          &uniforms<T>,
          &run_membranes<T>,
          &reverse_membranes<T>,
          &clear<T>,
          &logistic<T>,
          &logistic_derivative<T>,
          &super_spike<T>,
          &odds<T>,
          &keep_margins<T>,
          &change_membranes<T>,
          &change_each<T>,
          &change_readout<T>};
}

}  // namespace

const Kernels<float> floats = table<float>();
const Kernels<double> doubles = table<double>();
// NOLINTEND(misc-definitions-in-headers)

}  // namespace stoat::snn::kernels::STOAT_ISA
