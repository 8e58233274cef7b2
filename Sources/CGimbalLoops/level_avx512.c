// The loops for x86-64 processors with AVX-512 (Skylake server, Zen 4 and later).

#if defined(__x86_64__)
#include "level_headers.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)

#define LEVEL_HAS_WIDE_REGISTERS  // 32 of 16 floats.
#define LEVEL_TABLE gimbal_loops_avx512
#define LEVEL_NAME "avx512"
// Registers: bytes of each, and how many sums fit into them.
#define VECTOR_BYTES 64
enum { convolution_rows = 8, dot_rows = 4, dot_columns = 6 };
#include "level.h"

#pragma clang attribute pop
#endif
