// Softmax and what is made of it: cross-entropy, and the weights of attention.

#include "every_loop.h"

static void run_softmax(const float *x, size_t rows, size_t classes, const char *text) {
    for (int logarithmic = 0; logarithmic < 2; logarithmic++) {
        float *out = zeros(rows * classes), *gradient = zeros(rows * classes);
        LOOP(softmax)(x, out, rows, classes, logarithmic);
        record("f32", out, rows * classes, "softmax, %s, logarithmic %d", text, logarithmic);
        LOOP(softmax_gradient)(out, numbers(rows * classes, 23), gradient, rows, classes, logarithmic);
        record("f32", gradient, rows * classes, "softmax_gradient, %s, logarithmic %d", text, logarithmic);
    }
    // Targets that are there, one that is none, and one that is passed over.
    for (ptrdiff_t stride = 1; stride <= 2; stride++) {
        int32_t *targets = memory(rows * (size_t)stride * sizeof *targets), ignored = 0;
        for (size_t r = 0; r < rows * (size_t)stride; r++) targets[r] = (int32_t)((r * 7 + 1) % (classes + 1)) - (r == 2);
        float *losses = zeros(rows), *normalizers = zeros(2 * rows), *out = zeros(rows * classes);
        const int32_t *passed = stride == 1 ? NULL : &ignored;
        LOOP(cross_entropy)(x, targets, stride, passed, losses, normalizers, rows, classes);
        LOOP(cross_entropy_gradient)(x, targets, stride, passed, normalizers, numbers(rows * (size_t)stride, 24), stride, out,
                                     rows, classes);
        record("f32", losses, rows, "cross_entropy, %s, stride %td, losses", text, stride);
        record("f32", normalizers, 2 * rows, "cross_entropy, %s, stride %td, normalizers", text, stride);
        record("f32", out, rows * classes, "cross_entropy_gradient, %s, stride %td", text, stride);
    }
}

static void run_attention(size_t queries, size_t keys) {
    enum { batch = 2, heads = 3 };
    size_t rows = batch * heads * queries, count = rows * keys;
    // None, bytes, numbers added; each as it lies, and by way of other strides.
    for (int mask = 0; mask < 5; mask++) {
        for (int is_causal = 0; is_causal < 2; is_causal++) {
            uint8_t *keeps = any_bits(2 * count, 25);
            for (size_t i = 0; i < 2 * count; i++) keeps[i] &= 3;
            float *added = mixed_numbers(2 * count, 71, 26), *out = zeros(count), *gradient = zeros(count);
            ptrdiff_t step = mask > 2 ? 2 : 1, n = (ptrdiff_t)keys * step;
            struct gimbal_attention attention = {
                .heads = heads, .queries = queries, .keys = keys, .is_causal = is_causal,
                .keeps = mask == 1 || mask == 3 ? keeps : NULL,
                .added = mask == 2 || mask == 4 ? added : NULL,
                .mask_strides = {heads * (ptrdiff_t)queries * n, mask > 2 ? 0 : (ptrdiff_t)queries * n, n, step},
            };
            LOOP(attention_softmax)(&attention, mixed_numbers(count, 97, 27), out, 0, rows / 2);
            LOOP(attention_softmax)(&attention, mixed_numbers(count, 97, 27), out, rows / 2, rows);
            LOOP(attention_softmax_gradient)(&attention, out, numbers(count, 28), gradient, 0, rows);
            record("f32", out, count, "attention_softmax, %zu queries, %zu keys, mask %d, causal %d", queries, keys, mask,
                   is_causal);
            record("f32", gradient, count, "attention_softmax_gradient, %zu queries, %zu keys, mask %d, causal %d", queries,
                   keys, mask, is_causal);
            let_go();
        }
    }
}

void run_softmaxes(void) {
    char text[80];
    EACH(classes, EDGES, 257, 1200)
    EACH(every, 0, 211) {
        size_t rows = 6;
        float *x = every ? mixed_numbers(rows * classes, every, 22) : numbers(rows * classes, 22);
        for (size_t i = 0; i < rows * classes; i++) x[i] *= 4.0f;
        snprintf(text, sizeof text, "%zu classes, peculiar %zu", classes, every);
        run_softmax(x, rows, classes, text);
        let_go();
    }
    EACH(keys, 1, 4, 7, 16, 33, 100) run_attention(5, keys);
}
