// Attention weights: softmax of masked scores, row by row.

/// Softmax of one row whose largest element is given; a row of -infinity alone becomes 0.
ALWAYS_INLINE void attention_row(const float *scores, float *out, size_t live, float largest) {
    if (largest == -__builtin_inff()) largest = 0.0f;
#pragma clang loop vectorize(assume_safety)
    for (size_t k = 0; k < live; k++) out[k] = vector_exp(scores[k] - largest);
    double sum = sum_contiguous(out, live);
    float factor = sum == 0.0 ? 0.0f : (float)(1.0 / sum);
    for (size_t k = 0; k < live; k++) out[k] *= factor;
}

/// Rows first..<last of [batch · heads · queries, keys]; `mask` begins at the first of all rows.
static void attention_softmax(const struct gimbal_attention *a, const float *scores, float *out, size_t first,
                              size_t last) {
    size_t keys = a->keys;
    for (size_t r = first; r < last; r++) {
        size_t query = r % a->queries, head = r / a->queries % a->heads, batch = r / a->queries / a->heads;
        size_t live = a->is_causal && query + 1 < keys ? query + 1 : keys;
        const float *row = scores + r * keys;
        float *to = out + r * keys;
        ptrdiff_t at = (ptrdiff_t)batch * a->mask_strides[0] + (ptrdiff_t)head * a->mask_strides[1]
            + (ptrdiff_t)query * a->mask_strides[2];
        ptrdiff_t step = a->mask_strides[3];
        if (a->keeps) {
            const uint8_t *keeps = a->keeps + at;
            if (step == 1) {
#pragma clang loop vectorize(assume_safety)
                for (size_t k = 0; k < live; k++) {
                    float score = row[k];
                    to[k] = keeps[k] ? score : -__builtin_inff();
                }
            } else {
                for (size_t k = 0; k < live; k++) to[k] = keeps[(ptrdiff_t)k * step] ? row[k] : -__builtin_inff();
            }
            row = to;
        } else if (a->added) {
            const float *added = a->added + at;
            if (step == 1) {
#pragma clang loop vectorize(assume_safety)
                for (size_t k = 0; k < live; k++) to[k] = row[k] + added[k];
            } else {
                for (size_t k = 0; k < live; k++) to[k] = row[k] + added[(ptrdiff_t)k * step];
            }
            row = to;
        }
        attention_row(row, to, live, largest_of(row, live));
        for (size_t k = live; k < keys; k++) to[k] = 0.0f;
    }
}

static void attention_softmax_gradient(const struct gimbal_attention *a, const float *y, const float *output_gradient,
                                       float *out, size_t first, size_t last) {
    size_t keys = a->keys;
    for (size_t r = first; r < last; r++) {
        size_t query = r % a->queries;
        size_t live = a->is_causal && query + 1 < keys ? query + 1 : keys;
        softmax_gradient(y + r * keys, output_gradient + r * keys, out + r * keys, 1, live, false);
        for (size_t k = live; k < keys; k++) out[r * keys + k] = 0.0f;
    }
}
