#ifdef STOAT_LIBMVEC
#define STOAT_ISA avx2
#define STOAT_ISA_LETTER d
#define STOAT_ISA_BYTES 32
#define STOAT_N_DOUBLES N4
#define STOAT_N_FLOATS N8
#include "kernels.hpp"
#endif
