// Layer normalisation of the rows of contiguous [rows, width].

ALWAYS_INLINE void normalize_row(const float *x, const float *scale, const float *shift, float *out, size_t width,
                                 float mean, float factor, bool has_scale, bool has_shift) {
#pragma clang loop vectorize(assume_safety)
    for (size_t c = 0; c < width; c++) {
        float value = (x[c] - mean) * factor;
        if (has_scale) value *= scale[c];
        if (has_shift) value += shift[c];
        out[c] = value;
    }
}

static void layer_norm(const struct gimbal_layer_norm *n, const float *x, float *out, size_t first, size_t last) {
    size_t width = n->width;
    for (size_t r = first; r < last; r++) {
        const float *row = x + r * width;
        float *to = out + r * width;
        float mean = n->centers ? (float)(sum_contiguous(row, width) / (double)width) : 0.0f;
        double squares = centred_product(row, NULL, width, mean);
        if (!(squares < (double)INFINITY)) squares = extreme_squares(row, 1, width, width, n->centers, &mean);
        double variance = squares / (double)width;
        float factor = (float)(1.0 / __builtin_sqrt(variance + (double)n->epsilon));
        n->mean[r] = mean;
        n->inverse_deviation[r] = factor;
        if (n->scale && n->shift) normalize_row(row, n->scale, n->shift, to, width, mean, factor, true, true);
        else if (n->scale) normalize_row(row, n->scale, NULL, to, width, mean, factor, true, false);
        else if (n->shift) normalize_row(row, NULL, n->shift, to, width, mean, factor, false, true);
        else normalize_row(row, NULL, NULL, to, width, mean, factor, false, false);
    }
}

/// Adds up Σ g and Σ g x̂ of a row with g = dy · scale, and adds dy x̂ and dy to the columns' sums.
ALWAYS_INLINE void layer_norm_sums(const float *x, const float *gradient, const float *scale, size_t width, float mean,
                                   float factor, float *scale_sums, float *shift_sums, double *sum, double *product,
                                   bool has_scale) {
    enum { block = 256 };
    *sum = *product = 0;
    for (size_t start = 0; start < width; start += block) {
        size_t live = width - start < block ? width - start : block;
        const float *px = x + start, *pg = gradient + start, *ps = has_scale ? scale + start : NULL;
        float scaled[block], with_value[block];
        if (scale_sums) {
            float *sums = scale_sums + start;
#pragma clang loop vectorize(assume_safety)
            for (size_t c = 0; c < live; c++) sums[c] += pg[c] * ((px[c] - mean) * factor);
        }
        if (shift_sums) {
            float *sums = shift_sums + start;
#pragma clang loop vectorize(assume_safety)
            for (size_t c = 0; c < live; c++) sums[c] += pg[c];
        }
#pragma clang loop vectorize(assume_safety)
        for (size_t c = 0; c < live; c++) {
            scaled[c] = has_scale ? pg[c] * ps[c] : pg[c];
            with_value[c] = scaled[c] * ((px[c] - mean) * factor);
        }
        *sum += sum_contiguous(scaled, live);
        *product += sum_contiguous(with_value, live);
    }
}

/// Without contraction: fused with the subtraction, a product would not be rounded as it was in the sum, and what should
/// cancel would leave its rounding error.
ALWAYS_INLINE void layer_norm_row_gradient(const float *x, const float *gradient, const float *scale, float *out,
                                           size_t width, float mean, float factor, float sum, float product,
                                           bool has_scale) {
#pragma clang fp contract(off)
#pragma clang loop vectorize(assume_safety)
    for (size_t c = 0; c < width; c++) {
        float scaled = has_scale ? gradient[c] * scale[c] : gradient[c];
        out[c] = ((scaled - sum) - ((x[c] - mean) * factor) * product) * factor;
    }
}

/// Sums for scale and shift go to contiguous [width]; any destination may be NULL.
static void layer_norm_gradient(const struct gimbal_layer_norm *n, const float *x, const float *output_gradient,
                                float *input_gradient, float *scale_sums, float *shift_sums, size_t first,
                                size_t last) {
    size_t width = n->width;
    for (size_t c = 0; c < width; c++) {
        if (scale_sums) scale_sums[c] = 0.0f;
        if (shift_sums) shift_sums[c] = 0.0f;
    }
    for (size_t r = first; r < last; r++) {
        const float *row = x + r * width, *gradient = output_gradient + r * width, *scale = n->scale;
        float mean = n->mean[r], factor = n->inverse_deviation[r];
        double sum, product;
        if (scale)
            layer_norm_sums(row, gradient, scale, width, mean, factor, scale_sums, shift_sums, &sum, &product, true);
        else
            layer_norm_sums(row, gradient, NULL, width, mean, factor, scale_sums, shift_sums, &sum, &product, false);
        if (!input_gradient) continue;
        float *to = input_gradient + r * width;
        float m = n->centers ? (float)(sum / (double)width) : 0.0f, p = (float)(product / (double)width);
        if (scale) layer_norm_row_gradient(row, gradient, scale, to, width, mean, factor, m, p, true);
        else layer_norm_row_gradient(row, gradient, NULL, to, width, mean, factor, m, p, false);
    }
}
