// The loops for x86-64 processors with AVX2 and fused multiply-add (Haswell, Zen and later).

#if defined(__x86_64__)
#include "level_headers.h"

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)

#define LEVEL_TABLE gimbal_loops_avx2
#define LEVEL_NAME "avx2"
// Registers: bytes of each, and how many sums fit into them.
#define VECTOR_BYTES 32
enum { convolution_rows = 4, dot_rows = 4, dot_columns = 2 };
#include "level.h"

#pragma clang attribute pop
#endif
