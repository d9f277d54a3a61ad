#include <algorithm>

#include <Random123/philox.h>

#include <stoat/random/philox.hpp>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace stoat {

Words philox(const RunKey& key, std::uint64_t site, std::uint32_t word) {
  using Philox = r123::Philox4x32;
  const Philox::ctr_type counter = {
      {word, static_cast<std::uint32_t>(site),
       static_cast<std::uint32_t>(site >> 32 & 0xffff) | static_cast<std::uint32_t>(key.run << 16),
       static_cast<std::uint32_t>(key.run >> 16 & 0xffffff) | static_cast<std::uint32_t>(key.purpose) << 24}};
  const Philox::key_type seed = {{static_cast<std::uint32_t>(key.seed), static_cast<std::uint32_t>(key.seed >> 32)}};
  const Philox::ctr_type r = Philox{}(counter, seed);
  return {r[0], r[1], r[2], r[3]};
}

namespace {

/// The uniforms of the sites 2 b, 2 b + 1 for blocks b = first, ..., first + count - 1.
void portable(const RunKey& key, std::uint64_t first, std::size_t count, double* out) {
  for (std::size_t b = 0; b < count; ++b, out += 2) {
    const Words w = philox(key, first + b, 0);
    out[0] = uniform53(w[0], w[1]);
    out[1] = uniform53(w[2], w[3]);
  }
}

#if defined(__x86_64__)
/// (high << 32 | low) >> 11 in units of 2^-53; what is above the low 32 bits of `low` and `high` is ignored.
[[gnu::target("avx2"), gnu::always_inline]] inline __m256d uniform53_avx2(__m256i low, __m256i high) {
  const __m256i mask = _mm256_set1_epi64x(0xffffffff);
  const __m256i k = _mm256_srli_epi64(_mm256_or_si256(_mm256_slli_epi64(high, 32), _mm256_and_si256(low, mask)), 11);
  // Exact: both halves become doubles by writing them into the fractions of 2^84 and 2^52.
  const __m256d upper = _mm256_castsi256_pd(_mm256_or_si256(_mm256_srli_epi64(k, 32), _mm256_set1_epi64x(0x4530000000000000)));
  const __m256d lower = _mm256_castsi256_pd(_mm256_or_si256(_mm256_and_si256(k, mask), _mm256_set1_epi64x(0x4330000000000000)));
  const __m256d sum = _mm256_add_pd(_mm256_sub_pd(upper, _mm256_set1_pd(0x1p84 + 0x1p52)), lower);
  return _mm256_mul_pd(sum, _mm256_set1_pd(0x1p-53));
}

/// Eight blocks at a time, each word in the low half of a lane of 64 bits: the products need no shuffles, and what they leave
/// in the upper halves is never read.
[[gnu::target("avx2")]] void with_avx2(const RunKey& key, std::uint64_t first, std::size_t count, double* out) {
  constexpr std::size_t width = 8;
  const __m256i m0 = _mm256_set1_epi64x(0xD2511F53), m1 = _mm256_set1_epi64x(0xCD9E8D57);  // Salmon et al. 2011
  const auto run = static_cast<std::uint32_t>(key.run << 16);
  const auto last = static_cast<std::uint32_t>(key.run >> 16 & 0xffffff) | static_cast<std::uint32_t>(key.purpose) << 24;
  std::size_t done = 0;
  for (; done + width <= count; done += width, out += 2 * width) {
    const auto site = static_cast<long long>(first + done);
    __m256i c0[2], c1[2], c2[2], c3[2];
    for (int h = 0; h < 2; ++h) {
      const __m256i b = _mm256_add_epi64(_mm256_set1_epi64x(site + 4 * h), _mm256_set_epi64x(3, 2, 1, 0));
      c0[h] = _mm256_setzero_si256();
      c1[h] = b;
      c2[h] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi64(b, 32), _mm256_set1_epi64x(0xffff)), _mm256_set1_epi64x(run));
      c3[h] = _mm256_set1_epi64x(last);
    }
    auto k0 = static_cast<std::uint32_t>(key.seed), k1 = static_cast<std::uint32_t>(key.seed >> 32);
    for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9, k1 += 0xBB67AE85) {
      const __m256i key0 = _mm256_set1_epi64x(k0), key1 = _mm256_set1_epi64x(k1);
      for (int h = 0; h < 2; ++h) {
        const __m256i p0 = _mm256_mul_epu32(c0[h], m0), p1 = _mm256_mul_epu32(c2[h], m1);
        c0[h] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p1, 32), c1[h]), key0);
        c2[h] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p0, 32), c3[h]), key1);
        c1[h] = p1;
        c3[h] = p0;
      }
    }
    for (int h = 0; h < 2; ++h) {
      const __m256d even = uniform53_avx2(c0[h], c1[h]), odd = uniform53_avx2(c2[h], c3[h]);
      const __m256d low = _mm256_unpacklo_pd(even, odd), high = _mm256_unpackhi_pd(even, odd);
      _mm256_storeu_pd(out + 8 * h, _mm256_permute2f128_pd(low, high, 0x20));
      _mm256_storeu_pd(out + 8 * h + 4, _mm256_permute2f128_pd(low, high, 0x31));
    }
  }
  portable(key, first + done, count - done, out);
}
#endif

using Fill = void (*)(const RunKey&, std::uint64_t, std::size_t, double*);
Fill best() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return &with_avx2;
#endif
  return &portable;
}

}  // namespace

void uniforms(const RunKey& key, std::uint64_t first, std::span<double> out) {
  static const Fill fill = best();
  std::size_t begin = 0;
  if (first % 2 == 1 && !out.empty()) {  // the second half of a block
    const Words w = philox(key, first / 2, 0);
    out[begin++] = uniform53(w[2], w[3]);
  }
  const std::size_t pairs = (out.size() - begin) / 2;
  fill(key, (first + begin) / 2, pairs, out.data() + begin);
  if (begin + 2 * pairs < out.size()) {
    const Words w = philox(key, (first + begin) / 2 + pairs, 0);
    out.back() = uniform53(w[0], w[1]);
  }
}

}  // namespace stoat
