// Steps of optimizers, and random numbers.

#include "every_loop.h"

static void run_step(int rule, size_t count, size_t every) {
    static const struct gimbal_optimizer settings = {
        .rate = 0.01f, .weightDecay = 0.02f, .shrinkage = 0.99f, .beta1 = 0.9f, .blend1 = 0.1f, .beta2 = 0.95f,
        .blend2 = 0.05f, .epsilon = 1e-6f, .correction2 = 1.3f, .gradientRate = 0.003f, .directionDecay = 0.04f,
    };
    float *values[5];
    for (uint32_t i = 0; i < 5; i++) {
        values[i] = every ? mixed_numbers(count, every + i, 60 + i) : numbers(count, 60 + i);
        // What roots are taken of.
        for (size_t k = 0; k < count && i > 1 && !every; k++) values[i][k] = fabsf(values[i][k]) + 1.0f;
    }
    LOOP(step[rule])(&settings, values[0], values[1], values[2], values[3], values[4], count);
    static const char *const names[] = {"weights", "gradients", "first", "second", "third"};
    for (size_t i = 0; i < 5; i++)
        record("f32", values[i], count, "step %s, %zu elements, peculiar %zu, %s", gimbal_optimizer_name(rule), count, every,
               names[i]);
    let_go();
}

void run_optimizers(void) {
    for (int rule = 0; rule < gimbal_optimizer_count; rule++) {
        EACH(count, EDGES) run_step(rule, count, 0);
        run_step(rule, 3000, 3);
    }
}

void run_random(void) {
    static const uint64_t seeds[] = {0, 0x0123456789abcdef, UINT64_MAX}, counters[] = {0, 0xfffffff0, UINT64_MAX - 5};
    EACH(count, EDGES, 255, 256, 257, 5000)
    for (size_t i = 0; i < COUNT(seeds); i++) {
        float *uniform = zeros(count), *normal = zeros(count), *dropped = zeros(count);
        LOOP(random_uniform)(uniform, count, seeds[i], counters[i]);
        LOOP(random_normal)(normal, count, seeds[i], counters[i]);
        LOOP(dropout)(mixed_numbers(count, 9, 65), dropped, count, 0.3f, 1.0f / 0.7f, seeds[i], counters[i]);
        record("u32", uniform, count, "random_uniform, %zu elements, seed %zu", count, i);
        record("u32", normal, count, "random_normal, %zu elements, seed %zu", count, i);
        record("f32", dropped, count, "dropout, %zu elements, seed %zu", count, i);
        let_go();
    }
}
