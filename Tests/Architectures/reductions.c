// Folds, norms and statistics.

#include "every_loop.h"

static const char *const reduction_names[] = {"sum", "product", "maximum", "minimum"};

/// Folds the axes of `x` that `folded` has a bit for; in the order of `order`, so that any of them may be the inner one.
static void run_fold(enum gimbal_reduction reduction, const size_t *sizes, const int *order, unsigned folded, size_t every,
                     const char *text) {
    ptrdiff_t strides[3];
    size_t count = 1;
    for (int i = 2; i >= 0; i--) {
        strides[order[i]] = (ptrdiff_t)count;
        count *= sizes[order[i]];
    }
    struct gimbal_fold fold = {0};
    size_t results = 1;
    for (int axis = 2; axis >= 0; axis--) {
        if (folded >> axis & 1) continue;
        fold.out_strides[axis] = (ptrdiff_t)results;
        results *= sizes[axis];
    }
    for (int axis = 0; axis < 3; axis++) {
        if (folded >> axis & 1) {
            fold.folded_sizes[fold.folded_rank] = (ptrdiff_t)sizes[axis];
            fold.folded_strides[fold.folded_rank++] = strides[axis];
        } else {
            fold.kept_sizes[fold.kept_rank] = (ptrdiff_t)sizes[axis];
            fold.kept_strides[fold.kept_rank] = strides[axis];
            fold.out_strides[fold.kept_rank++] = fold.out_strides[axis];
        }
    }
    float *x = every ? mixed_numbers(count, every, 20) : numbers(count, 20);
    float *out = zeros(results), *added = numbers(results, 21);
    double *partials = memory(results * sizeof *partials);
    LOOP(fold)(reduction, &fold, x, out, false, NULL);
    LOOP(fold)(reduction, &fold, x, added, true, NULL);
    LOOP(fold)(reduction, &fold, x, NULL, false, partials);
    record("f32", out, results, "fold %s, %s", reduction_names[reduction], text);
    record("f32", added, results, "fold %s, %s, added", reduction_names[reduction], text);
    record("f64", partials, results, "fold %s, %s, partials", reduction_names[reduction], text);
    let_go();
}

static void run_folds(void) {
    static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {2, 1, 0}};
    for (int reduction = gimbal_sum; reduction <= gimbal_minimum; reduction++)
        for (unsigned folded = 0; folded < 8; folded++)
            for (size_t order = 0; order < COUNT(orders); order++)
                for (size_t every = 0; every <= 37; every += 37)
                    EACH(width, 1, 5, 16, 33, 64, 100, 1100) {
                        char text[80];
                        size_t sizes[] = {2, width > 100 ? 2 : 19, width};
                        snprintf(text, sizeof text, "axes %u of [%zu, %zu, %zu], order %zu, peculiar %zu", folded, sizes[0],
                                 sizes[1], sizes[2], order, every);
                        run_fold(reduction, sizes, orders[order], folded, every, text);
                    }
}

static void run_argmax(void) {
    enum { rows = 9 };
    EACH(every, 1, 3, 50)
    EACH(columns, EDGES)
    EACH(step, 1, 3) {
        int32_t out[rows];
        LOOP(argmax)(mixed_numbers(rows * columns * step, every, (uint32_t)columns), rows, (ptrdiff_t)(columns * step), columns,
                     (ptrdiff_t)step, out);
        record("i32", out, rows, "argmax, %zu columns, stride %zu, peculiar %zu", columns, step, every);
        let_go();
    }
}

static void run_norms(const float *x, size_t count, const char *text) {
    static const double powers[] = {1, 2, INFINITY};
    for (size_t p = 0; p < COUNT(powers); p++) {
        double result = LOOP(power_sum)(x, count, powers[p], 1);
        record("f64", &result, 1, "power_sum, %s, p %g", text, powers[p]);
    }
    struct gimbal_statistics s;
    LOOP(statistics)(x, count, &s);
    record("f64", (double[]){s.mean, s.squares, (double)s.minimum, (double)s.maximum}, 4, "statistics, %s", text);
    record("i64", (int64_t[]){s.finite, s.zeros, s.nans, s.infinities}, 4, "statistics, %s, counts", text);
    float *product = copy_of(x, count), *sum = numbers(count, 29);
    LOOP(multiply)(product, count, 0.7f);
    LOOP(add)(sum, x, count);
    record("f32", product, count, "multiply, %s", text);
    record("f32", sum, count, "add, %s", text);
}

void run_reductions(void) {
    char text[80];
    run_folds();
    run_argmax();
    EACH(count, EDGES, 1023, 1024, 1040, 2100) {
        // pow of half a small whole number by 3 is exact, whichever C library computes it.
        double cubes = LOOP(power_sum)(whole_numbers(count, 30), count, 3, 0.5);
        record("f64", &cubes, 1, "power_sum, %zu elements, p 3", count);
        static const float sizes[] = {1.0f, 0x1p60f, 0x1p-70f, 0x1p118f};
        for (size_t s = 0; s < COUNT(sizes); s++) {
            float *x = numbers(count, 31);
            for (size_t i = 0; i < count; i++) x[i] *= sizes[s];
            snprintf(text, sizeof text, "%zu elements, size %g", count, (double)sizes[s]);
            run_norms(x, count, text);
        }
        snprintf(text, sizeof text, "%zu elements, peculiar", count);
        run_norms(mixed_numbers(count, 40, (uint32_t)count), count, text);
        let_go();
    }
}
