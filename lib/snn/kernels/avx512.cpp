#if defined(__x86_64__)
#define STOAT_ISA avx512
#define STOAT_ISA_BYTES 64
#include "kernels.hpp"
#endif
