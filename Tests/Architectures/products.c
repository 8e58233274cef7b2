// Products of matrices, whose panels are recorded without what fills them up.

#include <pthread.h>

#include "every_loop.h"

/// The linker has memory be asked for here (--wrap).
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);

static _Thread_local bool is_refused;

void *__wrap_aligned_alloc(size_t alignment, size_t bytes) {
    return is_refused ? NULL : __real_aligned_alloc(alignment, bytes);
}

struct product {
    struct gimbal_matrix_product product;
    size_t rows, columns;
};

/// On a thread of its own, which keeps none from before.
static void *multiply_without_memory(void *context) {
    const struct product *p = context;
    is_refused = true;
    LOOP(matrix_product)(&p->product, p->rows, p->columns);
    return NULL;
}

static void run_product(size_t rows, size_t columns, size_t depth, int options) {
    bool x_lies = options & 1, y_lies = options & 2, has_panels = options & 4, has_more = options & 8;
    ptrdiff_t x_row = x_lies ? 1 : (ptrdiff_t)depth + 1, x_depth = x_lies ? (ptrdiff_t)rows + 2 : 1;
    ptrdiff_t y_depth = y_lies ? 1 : (ptrdiff_t)columns + 3, y_column = y_lies ? (ptrdiff_t)depth + 1 : 1;
    size_t x_count = (rows - 1) * (size_t)x_row + (depth - 1) * (size_t)x_depth + 1;
    size_t y_count = (depth - 1) * (size_t)y_depth + (columns - 1) * (size_t)y_column + 1;
    size_t stride = columns + 1, count = (rows - 1) * stride + columns;
    float *y = numbers(y_count, 111), *out = numbers(count, 112), *panels = NULL;
    char text[80];
    snprintf(text, sizeof text, "[%zu, %zu] depth %zu, options %d", rows, columns, depth, options);
    if (has_panels) {
        size_t width = LOOP(product_panel_columns), vector = LOOP(vector_lanes);
        panels = memory(rounded_up(columns, width) * depth * sizeof *panels);
        float *live = memory(depth * columns * sizeof *live);
        for (size_t first = 0; first < columns; first += width) {
            size_t some = columns - first < width ? columns - first : width;
            float *panel = panels + first * depth;
            LOOP(product_panel)(y + (ptrdiff_t)first * y_column, y_depth, y_column, depth, some, panel);
            put_columns(panel, rounded_up(some, vector), live, depth, columns, first, some);
        }
        record("f32", live, depth * columns, "product_panel, %s", text);
    }
    const struct gimbal_matrix_product product = {
        .x = numbers(x_count, 110), .y = y, .x_row = x_row, .x_depth = x_depth, .y_depth = y_depth, .y_column = y_column,
        .out = out, .out_stride = (ptrdiff_t)stride, .depth = depth, .scale = has_more ? 0.3f : 1.0f, .accumulates = has_more,
        .bias = has_more ? numbers(columns, 113) : NULL, .panels = panels,
    };
    struct product refused = {product, rows, columns};
    refused.product.out = copy_of(out, count);
    LOOP(matrix_product)(&product, rows, columns);
    record("f32", out, count, "matrix_product, %s", text);
    pthread_t thread;
    if (pthread_create(&thread, NULL, multiply_without_memory, &refused) || pthread_join(thread, NULL)) abort();
    if (memcmp(out, refused.product.out, count * sizeof *out) != 0) {
        fprintf(stderr, "matrix_product, %s: without memory the bits are others\n", text);
        exit(1);
    }
    let_go();
}

static void run_recurrent_product(size_t rows, size_t columns, size_t depth) {
    bool lies = rows % 2;
    size_t count = (depth - 1) * (lies ? 1 : columns + 2) + (columns - 1) * (lies ? depth + 1 : 1) + 1;
    float *panels = memory(depth * rounded_up(columns, 16) * sizeof *panels);
    LOOP(recurrent_pack)(numbers(count, 120), lies ? 1 : (ptrdiff_t)columns + 2, lies ? (ptrdiff_t)depth + 1 : 1, depth, columns,
                         panels);
    record("f32", panels, depth * rounded_up(columns, 16), "recurrent_pack, [%zu, %zu], %d", depth, columns, lies);
    size_t x_stride = depth + 3, stride = columns + 1, out_count = (rows - 1) * stride + columns;
    float *out = numbers(out_count, 121);
    LOOP(recurrent_product)(numbers((rows - 1) * x_stride + depth, 122), (ptrdiff_t)x_stride, panels, depth, columns, out,
                            (ptrdiff_t)stride, rows);
    record("f32", out, out_count, "recurrent_product, [%zu, %zu] depth %zu", rows, columns, depth);
    let_go();
}

void run_products(void) {
    (void)LOOP(product_most_rows);  // Which way is faster, not what comes out.
    for (int options = 0; options < 16; options++) {
        EACH(rows, 1, 2, 3, 4, 5, 6, 7, 8, 9, 17)
        EACH(columns, EDGES) run_product(rows, columns, 13, options);
        run_product(5, 17, 1100, options);
        run_product(4, 1000, 5, options);
        run_product(131, 32, 4, options);
    }
    EACH(rows, 1, 2, 3, 4, 7, 8, 15, 16, 17, 33)
    EACH(columns, EDGES) run_recurrent_product(rows, columns, rows == 7 ? 300 : 19);
}
