// stoat/tape/vector_math.hpp: functions of whole arrays, several elements at a time.
//
// On x86-64 with glibc these are the vector functions of its libmvec (at most 4 units in the last place off) with the widest
// registers the processor has, chosen when the program starts; elsewhere plain loops over <cmath>. An element's result does
// not depend on its place in the array.
#pragma once

#include <cstddef>

// The functions of one argument that have a vector form, and those of two.
#define STOAT_VECTOR_UNARY(X) \
  X(acos)                     \
  X(acosh)                    \
  X(asin)                     \
  X(asinh)                    \
  X(atan)                     \
  X(atanh)                    \
  X(cbrt) X(cos) X(cosh) X(erf) X(erfc) X(exp) X(exp2) X(expm1) X(log) X(log10) X(log1p) X(log2) X(sin) X(sinh) X(tan) X(tanh)
#define STOAT_VECTOR_BINARY(X) X(atan2) X(hypot) X(pow)

namespace stoat::vector_math {

#define X(name)                                                  \
  void name(const double* x, double* y, std::size_t n) noexcept; \
  void name(const float* x, float* y, std::size_t n) noexcept;
STOAT_VECTOR_UNARY(X)
#undef X
#define X(name)                                                                   \
  void name(const double* x, const double* y, double* z, std::size_t n) noexcept; \
  void name(const float* x, const float* y, float* z, std::size_t n) noexcept;
STOAT_VECTOR_BINARY(X)
#undef X

}  // namespace stoat::vector_math
