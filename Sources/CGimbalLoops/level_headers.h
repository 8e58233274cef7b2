// What the loops need of the system; included before any level switches its instructions on, so that the system's own
// inline functions stay as they are.

#pragma once

#include <math.h>
#include <string.h>

#include "CGimbalLoops.h"

extern const struct gimbal_loops gimbal_loops_baseline;
#if defined(__x86_64__)
extern const struct gimbal_loops gimbal_loops_avx2;
extern const struct gimbal_loops gimbal_loops_avx512;
#endif
