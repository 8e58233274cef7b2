// Optimizer steps and clipping, each one pass over contiguous memory.

static void multiply(float *x, size_t count, float factor) {
    for (size_t i = 0; i < count; i++) x[i] *= factor;
}

static void add(float *out, const float *x, size_t count) {
#pragma clang loop vectorize(assume_safety)
    for (size_t i = 0; i < count; i++) out[i] += x[i];
}

static void sgd(const struct gimbal_sgd *s, float *weights, const float *gradient, float *velocity, size_t count) {
    float rate = s->learning_rate, momentum = s->momentum, fresh = 1.0f - s->dampening, decay = s->weight_decay;
    bool is_first = s->is_first_step, is_nesterov = s->is_nesterov;
    if (!velocity) {
#pragma clang loop vectorize(assume_safety)
        for (size_t i = 0; i < count; i++) weights[i] -= rate * (gradient[i] + decay * weights[i]);
        return;
    }
#pragma clang loop vectorize(assume_safety)
    for (size_t i = 0; i < count; i++) {
        float g = gradient[i] + decay * weights[i];
        // Selected, not multiplied by 0: on the first step the buffer may hold anything, NaN included.
        float old = velocity[i];
        float v = is_first ? g : momentum * old + fresh * g;
        velocity[i] = v;
        weights[i] -= rate * (is_nesterov ? g + momentum * v : v);
    }
}

static void adam(const struct gimbal_adam *s, float *weights, const float *gradient, float *first, float *second,
                 size_t count) {
    struct gimbal_adam a = *s;
#pragma clang loop vectorize(assume_safety)
    for (size_t i = 0; i < count; i++) {
        float w = weights[i] * a.shrinking;
        float g = gradient[i] + a.weight_decay * w;
        float m = a.beta1 * first[i] + a.one_minus_beta1 * g;
        float v = a.beta2 * second[i] + a.one_minus_beta2 * g * g;
        first[i] = m;
        second[i] = v;
        weights[i] = w - a.step_size * m / (__builtin_elementwise_sqrt(v * a.second_correction) + a.epsilon);
    }
}
