// Softmax and cross-entropy, row by row.

/// log Σ exp(x - largest) without the logarithm. Blocks are filled up with -infinity, so that every exponential is taken
/// in full vectors; rows of few classes gain most.
static double sum_of_exponentials(const float *x, size_t count, float largest) {
    double total = 0;
    enum { block = 128 };
    for (size_t start = 0; start < count; start += block) {
        size_t live = count - start < block ? count - start : block;
        size_t padded = (live + 15) / 16 * 16;
        float value[block], lane[16] = {0};
        for (size_t i = 0; i < live; i++) value[i] = x[start + i] - largest;
        for (size_t i = live; i < padded; i++) value[i] = -__builtin_inff();
        for (size_t i = 0; i < padded; i += 16)
            for (int l = 0; l < 16; l++) lane[l] += vector_exp(value[i + (size_t)l]);
        for (int width = 8; width >= 1; width /= 2)
            for (int l = 0; l < width; l++) lane[l] += lane[l + width];
        total += (double)lane[0];
    }
    return total;
}

static float largest_of(const float *x, size_t count) { return (float)fold_contiguous(gimbal_maximum, x, count); }

static void softmax(const float *x, float *out, size_t rows, size_t classes, bool logarithmic) {
    for (size_t r = 0; r < rows; r++, x += classes, out += classes) {
        float largest = largest_of(x, classes);
        if (logarithmic) {
            float log_sum = vector_log((float)sum_of_exponentials(x, classes, largest));
            for (size_t c = 0; c < classes; c++) out[c] = (x[c] - largest) - log_sum;
        } else {
#pragma clang loop vectorize(assume_safety)
            for (size_t c = 0; c < classes; c++) out[c] = vector_exp(x[c] - largest);
            float factor = (float)(1.0 / sum_contiguous(out, classes));
            for (size_t c = 0; c < classes; c++) out[c] *= factor;
        }
    }
}

static void softmax_gradient(const float *y, const float *output_gradient, float *out, size_t rows, size_t classes,
                             bool logarithmic) {
    for (size_t r = 0; r < rows; r++, y += classes, output_gradient += classes, out += classes) {
        const float *g = output_gradient;
        if (logarithmic) {
            float sum = (float)sum_contiguous(g, classes);
#pragma clang loop vectorize(assume_safety)
            for (size_t c = 0; c < classes; c++) out[c] = g[c] - vector_exp(y[c]) * sum;
        } else {
            double total = 0;
            enum { block = 256 };
            for (size_t start = 0; start < classes; start += block) {
                size_t live = classes - start < block ? classes - start : block;
                float product[block];
                for (size_t c = 0; c < live; c++) product[c] = y[start + c] * g[start + c];
                total += sum_contiguous(product, live);
            }
            float sum = (float)total;
#pragma clang loop vectorize(assume_safety)
            for (size_t c = 0; c < classes; c++) out[c] = y[c] * (g[c] - sum);
        }
    }
}

static void cross_entropy(const float *logits, const int32_t *targets, ptrdiff_t target_stride,
                          const int32_t *ignored, float *losses, float *normalizers, size_t rows, size_t classes) {
    for (size_t r = 0; r < rows; r++, logits += classes, targets += target_stride) {
        float largest = largest_of(logits, classes);
        float log_sum = vector_log((float)sum_of_exponentials(logits, classes, largest));
        normalizers[2 * r] = largest;
        normalizers[2 * r + 1] = log_sum;
        int32_t target = *targets;
        bool is_valid = target >= 0 && (size_t)target < classes;
        bool is_ignored = ignored && target == *ignored;
        losses[r] = is_ignored ? 0.0f : is_valid ? log_sum - (logits[target] - largest) : __builtin_nanf("");
    }
}

static void cross_entropy_gradient(const float *logits, const int32_t *targets, ptrdiff_t target_stride,
                                   const int32_t *ignored, const float *normalizers, const float *loss_gradient,
                                   ptrdiff_t loss_gradient_stride, float *out, size_t rows, size_t classes) {
    for (size_t r = 0; r < rows; r++, logits += classes, out += classes) {
        float largest = normalizers[2 * r], log_sum = normalizers[2 * r + 1];
        float g = loss_gradient[(ptrdiff_t)r * loss_gradient_stride];
        int32_t target = targets[(ptrdiff_t)r * target_stride];
        if (ignored && target == *ignored) {
            for (size_t c = 0; c < classes; c++) out[c] = 0.0f;
            continue;
        }
        bool is_valid = target >= 0 && (size_t)target < classes;
        // Taken first, as `out` may be `logits`.
        float at_target = is_valid ? (vector_exp((logits[target] - largest) - log_sum) - 1.0f) * g : 0.0f;
#pragma clang loop vectorize(assume_safety)
        for (size_t c = 0; c < classes; c++) out[c] = vector_exp((logits[c] - largest) - log_sum) * g;
        if (is_valid) out[target] = at_target;
    }
}
