// Which loops this processor can run, and what they are called.

#include "level_headers.h"

static const char *const unary_names[] = {
#define UNARY(name, body) #name,
#include "../../Kernels/elementwise.h"
#undef UNARY
};

static const char *const binary_names[] = {
#define ARITHMETIC(name, formula) #name,
#include "../../Kernels/elementwise.h"
#undef ARITHMETIC
#define BINARY(name, body) #name,
#include "../../Kernels/elementwise.h"
#undef BINARY
};

static const char *const optimizer_names[] = {
#define OPTIMIZER(name, states, body) #name,
#include "../../Kernels/optimizers.h"
#undef OPTIMIZER
};

const char *gimbal_unary_name(int position) {
    return position >= 0 && position < gimbal_unary_count ? unary_names[position] : NULL;
}

const char *gimbal_binary_name(int position) {
    return position >= 0 && position < gimbal_binary_count ? binary_names[position] : NULL;
}

const char *gimbal_optimizer_name(int position) {
    return position >= 0 && position < gimbal_optimizer_count ? optimizer_names[position] : NULL;
}

const struct gimbal_loops *gimbal_loops_named(const char *name) {
    if (strcmp(name, "baseline") == 0) return &gimbal_loops_baseline;
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (strcmp(name, "avx2") == 0) return has_avx2 ? &gimbal_loops_avx2 : NULL;
    bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (strcmp(name, "avx512") == 0) return has_avx512 ? &gimbal_loops_avx512 : NULL;
#endif
    return NULL;
}

const struct gimbal_loops *gimbal_loops_best(void) {
    static const char *const descending[] = {"avx512", "avx2"};
    for (int i = 0; i < 2; i++) {
        const struct gimbal_loops *loops = gimbal_loops_named(descending[i]);
        if (loops) return loops;
    }
    return &gimbal_loops_baseline;
}
