// Batch and layer normalisation.

#include "every_loop.h"

static void run_batch_norm(size_t batch, size_t channels, size_t positions, int options, float size, float mean) {
    char text[120];
    snprintf(text, sizeof text, "[%zu, %zu, %zu], options %d, size %g about %g", batch, channels, positions, options, (double)size,
             (double)mean);
    size_t count = batch * channels * positions, middle = channels / 2;
    bool is_affine = options & 1, rectifies = options & 2, is_plain = options == 0;
    float *x = numbers(count, 40), *out = zeros(count), *means = zeros(channels), *deviations = zeros(channels);
    // Sizes are powers of two: products are exact, fused or not.
    for (size_t i = 0; i < count; i++) x[i] = x[i] * size + mean;
    struct gimbal_batch_norm b = {
        .batch = batch, .channels = channels, .positions = positions,
        .scale = is_affine ? numbers(channels, 41) : NULL, .shift = is_affine ? numbers(channels, 42) : NULL,
        .epsilon = 1e-5f,
        .running_mean = is_plain ? NULL : numbers(channels, 43), .running_variance = is_plain ? NULL : numbers(channels, 44),
        .momentum = 0.1f, .mean = means, .inverse_deviation = deviations,
        .residual = options == 3 ? numbers(count, 45) : NULL, .rectifies = rectifies,
    };
    LOOP(batch_norm)(&b, x, out, 0, middle);
    LOOP(batch_norm)(&b, x, out, middle, channels);
    record("f32", out, count, "batch_norm, %s", text);
    record("f32", means, channels, "batch_norm, %s, mean", text);
    record("f32", deviations, channels, "batch_norm, %s, inverse_deviation", text);
    if (!is_plain) {
        record("f32", b.running_mean, channels, "batch_norm, %s, running_mean", text);
        record("f32", b.running_variance, channels, "batch_norm, %s, running_variance", text);
    }

    float *gradient = numbers(count, 46), *input_gradient = zeros(count), *residual_gradient = zeros(count);
    float *scale_gradient = numbers(channels, 47), *shift_gradient = numbers(channels, 48);
    LOOP(batch_norm_gradient)(&b, x, rectifies ? out : NULL, gradient, input_gradient, options == 3 ? residual_gradient : NULL,
                              is_plain ? NULL : scale_gradient, options == 1, is_plain ? NULL : shift_gradient, options == 2,
                              0, channels);
    record("f32", input_gradient, count, "batch_norm_gradient, %s", text);
    record("f32", residual_gradient, count, "batch_norm_gradient, %s, residual", text);
    record("f32", scale_gradient, channels, "batch_norm_gradient, %s, scale", text);
    record("f32", shift_gradient, channels, "batch_norm_gradient, %s, shift", text);

    float *variance = numbers(channels, 49);
    for (size_t c = 0; c < channels; c++) variance[c] = variance[c] * variance[c];
    LOOP(batch_norm_inference)(&b, x, variance, out, 0, channels);
    record("f32", out, count, "batch_norm_inference, %s", text);
    let_go();
}

static void run_layer_norm(size_t width, int options, float size, float mean) {
    enum { rows = 5 };
    char text[120];
    snprintf(text, sizeof text, "width %zu, options %d, size %g about %g", width, options, (double)size, (double)mean);
    float *x = numbers(rows * width, 50), *out = zeros(rows * width), *gradient = numbers(rows * width, 51);
    for (size_t i = 0; i < rows * width; i++) x[i] = x[i] * size + mean;
    struct gimbal_layer_norm n = {
        .width = width, .scale = options & 1 ? numbers(width, 52) : NULL, .shift = options & 2 ? numbers(width, 53) : NULL,
        .epsilon = 1e-5f, .centers = !(options & 4), .mean = zeros(rows), .inverse_deviation = zeros(rows),
    };
    LOOP(layer_norm)(&n, x, out, 0, 2);
    LOOP(layer_norm)(&n, x, out, 2, rows);
    record("f32", out, rows * width, "layer_norm, %s", text);
    record("f32", n.mean, rows, "layer_norm, %s, mean", text);
    record("f32", n.inverse_deviation, rows, "layer_norm, %s, inverse_deviation", text);
    bool has_all = options != 3;
    float *input_gradient = zeros(rows * width), *scale_sums = numbers(width, 54), *shift_sums = numbers(width, 55);
    LOOP(layer_norm_gradient)(&n, x, gradient, has_all ? input_gradient : NULL, n.scale ? scale_sums : NULL,
                              n.shift ? shift_sums : NULL, 1, rows);
    record("f32", input_gradient, rows * width, "layer_norm_gradient, %s", text);
    record("f32", scale_sums, width, "layer_norm_gradient, %s, scale", text);
    record("f32", shift_sums, width, "layer_norm_gradient, %s, shift", text);
    let_go();
}

void run_normalizations(void) {
    // Where the mean takes digits from what is about it, where squares do not fit, and where nothing does.
    static const float sizes[][2] = {{1.0f, 0x1p20f}, {0x1p83f, 0x1p83f}, {1.0f, INFINITY}};
    for (int options = 0; options < 4; options++) {
        EACH(channels, 1, 3, 16, 17, 33, 64, 70) {
            run_batch_norm(20, channels, 1, options, 1.0f, 0.5f);
            run_batch_norm(3, channels, 7, options, 1.0f, 0.5f);
        }
        EACH(positions, EDGES, 300, 1100) run_batch_norm(2, 3, positions, options, 1.0f, 0.5f);
        run_batch_norm(1, 5, 1, options, 1.0f, 0.5f);
        for (size_t s = 0; s < COUNT(sizes); s++)
            EACH(positions, 1, 19) run_batch_norm(7, 5, positions, options, sizes[s][0], sizes[s][1]);
    }
    for (int options = 0; options < 8; options++) {
        EACH(width, EDGES, 257, 1100) run_layer_norm(width, options, 1.0f, 0.5f);
        for (size_t s = 0; s < COUNT(sizes); s++) run_layer_norm(19, options, sizes[s][0], sizes[s][1]);
    }
}
