// The loops for any processor of the architecture.

#include "level_headers.h"

#define LEVEL_TABLE gimbal_loops_baseline
#define LEVEL_NAME "baseline"
// Registers: bytes of each, and how many sums fit into them.
#define VECTOR_BYTES 16
enum { convolution_rows = 4, dot_rows = 4, dot_columns = 2 };
#include "level.h"
