#define STOAT_ISA sse2
#define STOAT_ISA_BYTES 16
#include "kernels.hpp"
