#ifdef STOAT_LIBMVEC
#define STOAT_ISA avx512
#define STOAT_ISA_LETTER e
#define STOAT_ISA_BYTES 64
#define STOAT_N_DOUBLES N8
#define STOAT_N_FLOATS N16
#include "kernels.hpp"
#endif
