// The threads that loops run on: each part is done once in each run.

#include "every_loop.h"

static void count_part(void *counts, int part) { ((int32_t *)counts)[part] += part + 1; }

void run_threads(void) {
    enum { parts = 37, runs = 200 };
    int32_t counts[parts] = {0};
    gimbal_pool *pool = gimbal_pool_create(3);
    for (int run = 0; run < runs; run++) gimbal_pool_run(pool, parts, count_part, counts);
    gimbal_pool_destroy(pool);
    record("i32", counts, parts, "gimbal_pool_run");
}
