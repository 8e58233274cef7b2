// What optimizers.h builds on, as OpenCL C; the host puts these lines and that file in front of optimizer.cl.

#define SQRT(x) sqrt(x)
#define FABS(x) fabs(x)

/// OptimizerStep, in the order of its properties.
typedef struct {
    float rate, weightDecay, shrinkage, beta1, blend1, beta2, blend2, epsilon, correction2, gradientRate, directionDecay;
} OptimizerSettings;

#define OPTIMIZER(name, states, body)                                                                              \
    static inline void step_##name(const OptimizerSettings c, float *weight, const float gradient, float *state0,   \
                                   float *state1, float *state2) {                                                  \
        float w = *weight * c.shrinkage;                                                                            \
        const float g = gradient + c.weightDecay * w;                                                               \
        float p = *state0, q = *state1, r = *state2;                                                                \
        body                                                                                                        \
        *weight = w, *state0 = p, *state1 = q, *state2 = r;                                                         \
    }
