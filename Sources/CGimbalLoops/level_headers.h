// What the loops need of the system; included before any level switches its instructions on, so that the system's own
// inline functions stay as they are.

#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include <math.h>
#include <string.h>

#include "CGimbalLoops.h"

/// At least so many bytes for the calling thread, aligned to 64, until it asks again; NULL where there are none.
void *gimbal_thread_memory(size_t bytes);

extern const struct gimbal_loops gimbal_loops_baseline;
#if defined(__x86_64__)
extern const struct gimbal_loops gimbal_loops_avx2;
extern const struct gimbal_loops gimbal_loops_avx512;
#endif
