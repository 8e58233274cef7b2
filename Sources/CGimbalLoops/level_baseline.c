// The loops for any processor of the architecture.

#include "level_headers.h"

#define LEVEL_TABLE gimbal_loops_baseline
#define LEVEL_NAME "baseline"
#include "level.h"
