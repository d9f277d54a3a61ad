#include <stoat/tape/vector_math.hpp>

#include <cmath>

#include "table.hpp"

namespace stoat::vector_math {

#ifdef STOAT_LIBMVEC

namespace {
const Table& best() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) return avx512::table;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::table;
  return sse2::table;
}
const Table& chosen() {
  static const Table& table = best();
  return table;
}
}  // namespace

#define X(name)                                                                                      \
  void name(const double* x, double* y, std::size_t n) noexcept { chosen().name##_double(x, y, n); } \
  void name(const float* x, float* y, std::size_t n) noexcept { chosen().name##_float(x, y, n); }
STOAT_VECTOR_UNARY(X)
#undef X
#define X(name)                                                                                                          \
  void name(const double* x, const double* y, double* z, std::size_t n) noexcept { chosen().name##_double(x, y, z, n); } \
  void name(const float* x, const float* y, float* z, std::size_t n) noexcept { chosen().name##_float(x, y, z, n); }
STOAT_VECTOR_BINARY(X)
#undef X

#else

#define X(name)                                                   \
  void name(const double* x, double* y, std::size_t n) noexcept { \
    for (std::size_t i = 0; i < n; ++i) y[i] = std::name(x[i]);   \
  }                                                               \
  void name(const float* x, float* y, std::size_t n) noexcept {   \
    for (std::size_t i = 0; i < n; ++i) y[i] = std::name(x[i]);   \
  }
STOAT_VECTOR_UNARY(X)
#undef X
#define X(name)                                                                    \
  void name(const double* x, const double* y, double* z, std::size_t n) noexcept { \
    for (std::size_t i = 0; i < n; ++i) z[i] = std::name(x[i], y[i]);              \
  }                                                                                \
  void name(const float* x, const float* y, float* z, std::size_t n) noexcept {    \
    for (std::size_t i = 0; i < n; ++i) z[i] = std::name(x[i], y[i]);              \
  }
STOAT_VECTOR_BINARY(X)
#undef X

#endif

}  // namespace stoat::vector_math
