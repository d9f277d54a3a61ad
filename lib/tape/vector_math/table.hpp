// The functions of one instruction set.
#pragma once

#include <cstddef>

#include <stoat/tape/vector_math.hpp>

namespace stoat::vector_math {

struct Table {
#define X(name)                                                        \
  void (*name##_double)(const double*, double*, std::size_t) noexcept; \
  void (*name##_float)(const float*, float*, std::size_t) noexcept;
  STOAT_VECTOR_UNARY(X)
#undef X
#define X(name)                                                                       \
  void (*name##_double)(const double*, const double*, double*, std::size_t) noexcept; \
  void (*name##_float)(const float*, const float*, float*, std::size_t) noexcept;
  STOAT_VECTOR_BINARY(X)
#undef X
};

namespace sse2 {
extern const Table table;
}
namespace avx2 {
extern const Table table;
}
namespace avx512 {
extern const Table table;
}

}  // namespace stoat::vector_math
