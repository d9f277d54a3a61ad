// The kernels of one instruction set: included once by a file that defines STOAT_ISA (the namespace), STOAT_ISA_LETTER (of the
// vector ABI) and STOAT_ISA_BYTES (register width), and is compiled for that instruction set. Nothing here may be an inline
// function with a name outside this file: the linker could let other code call it on a processor that lacks the instructions.
#include <cstddef>

#include <stoat/tape/vector_math.hpp>

#include "table.hpp"

#define STOAT_JOIN_(a, b, c, d, e) a##b##c##d##e
#define STOAT_JOIN(a, b, c, d, e) STOAT_JOIN_(a, b, c, d, e)

namespace stoat::vector_math::STOAT_ISA {

// NOLINTBEGIN(misc-definitions-in-headers): every file that includes this has its own, for its instruction set
namespace {

typedef double Doubles __attribute__((vector_size(STOAT_ISA_BYTES)));
typedef float Floats __attribute__((vector_size(STOAT_ISA_BYTES)));
constexpr std::size_t doubles = STOAT_ISA_BYTES / sizeof(double), floats = STOAT_ISA_BYTES / sizeof(float);

}  // namespace

extern "C" {
#define X(name)                                                                   \
  Doubles STOAT_JOIN(_ZGV, STOAT_ISA_LETTER, STOAT_N_DOUBLES, v_, name)(Doubles); \
  Floats STOAT_JOIN(_ZGV, STOAT_ISA_LETTER, STOAT_N_FLOATS, v_, name##f)(Floats);
STOAT_VECTOR_UNARY(X)
#undef X
#define X(name)                                                                             \
  Doubles STOAT_JOIN(_ZGV, STOAT_ISA_LETTER, STOAT_N_DOUBLES, vv_, name)(Doubles, Doubles); \
  Floats STOAT_JOIN(_ZGV, STOAT_ISA_LETTER, STOAT_N_FLOATS, vv_, name##f)(Floats, Floats);
STOAT_VECTOR_BINARY(X)
#undef X
}

namespace {

// What is left over at the end is padded with ones, where every function is defined, to a full register.
#define STOAT_LOOPS(name, T, V, lanes, function)        \
  void name(const T* x, T* y, std::size_t n) noexcept { \
    std::size_t i = 0;                                  \
    V v;                                                \
    for (; i + lanes <= n; i += lanes) {                \
      __builtin_memcpy(&v, x + i, sizeof v);            \
      v = function(v);                                  \
      __builtin_memcpy(y + i, &v, sizeof v);            \
    }                                                   \
    if (i == n) return;                                 \
    v = V{} + T(1);                                     \
    __builtin_memcpy(&v, x + i, (n - i) * sizeof(T));   \
    v = function(v);                                    \
    __builtin_memcpy(y + i, &v, (n - i) * sizeof(T));   \
  }
#define X(name)                                                                                              \
  STOAT_LOOPS(name, double, Doubles, doubles, STOAT_JOIN(_ZGV, STOAT_ISA_LETTER, STOAT_N_DOUBLES, v_, name)) \
  STOAT_LOOPS(name, float, Floats, floats, STOAT_JOIN(_ZGV, STOAT_ISA_LETTER, STOAT_N_FLOATS, v_, name##f))
STOAT_VECTOR_UNARY(X)
#undef X

#define STOAT_LOOPS2(name, T, V, lanes, function)                   \
  void name(const T* x, const T* y, T* z, std::size_t n) noexcept { \
    std::size_t i = 0;                                              \
    V v, w;                                                         \
    for (; i + lanes <= n; i += lanes) {                            \
      __builtin_memcpy(&v, x + i, sizeof v);                        \
      __builtin_memcpy(&w, y + i, sizeof w);                        \
      v = function(v, w);                                           \
      __builtin_memcpy(z + i, &v, sizeof v);                        \
    }                                                               \
    if (i == n) return;                                             \
    v = V{} + T(1);                                                 \
    w = v;                                                          \
    __builtin_memcpy(&v, x + i, (n - i) * sizeof(T));               \
    __builtin_memcpy(&w, y + i, (n - i) * sizeof(T));               \
    v = function(v, w);                                             \
    __builtin_memcpy(z + i, &v, (n - i) * sizeof(T));               \
  }
#define X(name)                                                                                                \
  STOAT_LOOPS2(name, double, Doubles, doubles, STOAT_JOIN(_ZGV, STOAT_ISA_LETTER, STOAT_N_DOUBLES, vv_, name)) \
  STOAT_LOOPS2(name, float, Floats, floats, STOAT_JOIN(_ZGV, STOAT_ISA_LETTER, STOAT_N_FLOATS, vv_, name##f))
STOAT_VECTOR_BINARY(X)
#undef X

}  // namespace

const Table table = {
#define X(name) name, name,
    STOAT_VECTOR_UNARY(X) STOAT_VECTOR_BINARY(X)
#undef X
};
// NOLINTEND(misc-definitions-in-headers)

}  // namespace stoat::vector_math::STOAT_ISA
