#ifdef STOAT_LIBMVEC
#define STOAT_ISA sse2
#define STOAT_ISA_LETTER b
#define STOAT_ISA_BYTES 16
#define STOAT_N_DOUBLES N2
#define STOAT_N_FLOATS N4
#include "kernels.hpp"
#endif
