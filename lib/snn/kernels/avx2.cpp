#if defined(__x86_64__)
#define STOAT_ISA avx2
#define STOAT_ISA_BYTES 32
#include "kernels.hpp"
#endif
