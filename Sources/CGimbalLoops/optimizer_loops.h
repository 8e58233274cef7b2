// Optimizer steps and clipping, each one pass over contiguous memory.

static void multiply(float *x, size_t count, float factor) {
    for (size_t i = 0; i < count; i++) x[i] *= factor;
}

static void add(float *out, const float *x, size_t count) {
#pragma clang loop vectorize(assume_safety)
    for (size_t i = 0; i < count; i++) out[i] += x[i];
}

// `states` is a number in the source: what belongs to more states than a rule has is left out.
#define OPTIMIZER(name, states, body)                                                                                  \
    static void step_##name(const struct gimbal_optimizer *settings, float *weights, const float *gradients,           \
                            float *first, float *second, float *third, size_t count) {                                 \
        const struct gimbal_optimizer c = *settings;                                                                   \
        (void)first, (void)second, (void)third;                                                                        \
        _Pragma("clang loop vectorize(assume_safety)") for (size_t i = 0; i < count; i++) {                            \
            float w = weights[i] * c.shrinkage, g = gradients[i] + c.weightDecay * w;                                  \
            float p = states > 0 ? first[i] : 0.0f, q = states > 1 ? second[i] : 0.0f, r = states > 2 ? third[i] : 0.0f; \
            (void)p, (void)q, (void)r;                                                                                 \
            body                                                                                                       \
            weights[i] = w;                                                                                            \
            if (states > 0) first[i] = p;                                                                              \
            if (states > 1) second[i] = q;                                                                             \
            if (states > 2) third[i] = r;                                                                              \
        }                                                                                                              \
    }
#include "../../Kernels/optimizers.h"
#undef OPTIMIZER
