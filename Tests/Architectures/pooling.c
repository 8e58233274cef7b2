// Pooling by windows at edges, overlapping, apart and dilated.

#include "every_loop.h"

/// How windows lie along an axis.
struct axis {
    size_t size;
    int kernel, stride, padding, dilation;
};

static void run_pool(const struct axis *axes, size_t every, const char *text) {
    enum { planes = 3 };
    struct gimbal_windows windows;
    size_t inputs = planes, outputs = planes;
    for (int i = 0; i < 3; i++) {
        const struct axis *a = axes + i;
        int size = (int)a->size, extent = a->dilation * (a->kernel - 1) + 1;
        int count = (size + 2 * a->padding - extent) / a->stride + 1;
        int32_t *first = memory((size_t)count * sizeof *first), *end = memory((size_t)count * sizeof *end);
        float *divisor = memory((size_t)count * sizeof *divisor);
        for (int k = 0; k < count; k++) {
            int start = k * a->stride - a->padding;
            end[k] = start + extent < size ? start + extent : size;
            while (start < 0) start += a->dilation;
            first[k] = start;
            divisor[k] = (float)((end[k] - start + a->dilation - 1) / a->dilation);
        }
        windows.input_size[i] = a->size;
        windows.output_size[i] = (size_t)count;
        windows.first[i] = first;
        windows.end[i] = end;
        windows.divisor[i] = divisor;
        windows.step[i] = a->dilation;
        inputs *= a->size;
        outputs *= (size_t)count;
    }
    float *x = every ? mixed_numbers(inputs, every, 130) : numbers(inputs, 130), *out = zeros(outputs);
    float *output_gradient = numbers(outputs, 131), *gradient = numbers(inputs, 132);
    if (axes[2].dilation == 1) {
        LOOP(average_pool)(&windows, x, planes, out);
        LOOP(average_pool_gradient)(&windows, output_gradient, planes, gradient);
        record("f32", out, outputs, "average_pool, %s", text);
        record("f32", gradient, inputs, "average_pool_gradient, %s", text);
    }
    // Equals among them, of which the first counts.
    for (size_t i = 0; i < inputs; i++) x[i] = floorf(x[i] * 4.0f);
    int32_t *indices = memory(outputs * sizeof *indices);
    LOOP(max_pool)(&windows, x, planes, out, indices);
    LOOP(max_pool_gradient)(&windows, output_gradient, indices, planes, gradient);
    record("f32", out, outputs, "max_pool, %s", text);
    record("i32", indices, outputs, "max_pool, %s, indices", text);
    record("f32", gradient, inputs, "max_pool_gradient, %s", text);
    let_go();
}

void run_pooling(void) {
    static const struct axis kinds[] = {{0, 2, 2, 0, 1}, {0, 3, 1, 1, 1}, {0, 3, 2, 1, 1}, {0, 3, 3, 0, 1}, {0, 3, 1, 1, 2}};
    EACH(width, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100)
    for (size_t kind = 0; kind < COUNT(kinds); kind++)
        for (size_t every = 0; every <= 7; every += 7) {
            struct axis axes[] = {{2, 1, 1, 0, 1}, kinds[kind], kinds[kind]};
            axes[1].size = 7;
            axes[2].size = width;
            if (kind == 1) axes[0] = (struct axis){4, 2, 1, 1, 1};
            char text[60];
            snprintf(text, sizeof text, "width %zu, kind %zu, peculiar %zu", width, kind, every);
            run_pool(axes, every, text);
        }
}
