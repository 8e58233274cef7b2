// Attention block by block, so that scores stay in the second-level cache: a block of queries meets one block of keys after the
// other, and what is summed so far is scaled down where a larger score comes (Milakov and Gimelshein 2018; Dao et al. 2022,
// FlashAttention, algorithms 1 and 4). The gradient computes the scores anew.
//
// An element of the output, or of a gradient, is a sum over blocks in order. So its bits do not depend on what is computed at once.

enum {
    attention_queries = 128,
    // Whole panels of either width.
    attention_keys = 384,
};

/// Floats of the panels of all keys, or values.
ALWAYS_INLINE size_t attention_panels(size_t keys, size_t size) {
    return (keys + panel_columns - 1) / panel_columns * panel_columns * size;
}

/// Scratch memory for one thread: two blocks of scores, what is known of each query, and the panels of all keys and values.
static size_t attention_scratch(size_t keys, size_t size, size_t value_size) {
    return 2 * attention_queries * attention_keys + attention_queries + attention_panels(keys, size)
        + attention_panels(keys, value_size);
}

ALWAYS_INLINE float *key_panels(float *scratch) {
    return scratch + 2 * attention_queries * attention_keys + attention_queries;
}

ALWAYS_INLINE float *value_panels(const struct gimbal_attention_blocks *a, float *scratch) {
    return key_panels(scratch) + attention_panels(a->keys, a->size);
}

/// Rows as the columns of a product.
static void lay_rows(const float *rows, ptrdiff_t stride, size_t count, size_t size, float *panels) {
    for (size_t k = 0; k < count; k += panel_columns)
        lay_panel(rows + (ptrdiff_t)k * stride, 1, stride, size, at_most(count - k, panel_columns), panels + k * size);
}

static void attention_lay(const struct gimbal_attention_blocks *a, bool lays_values, float *scratch) {
    lay_rows(a->key, a->key_row, a->live, a->size, key_panels(scratch));
    if (lays_values) lay_rows(a->value, a->value_row, a->live, a->value_size, value_panels(a, scratch));
}

/// rows · columnsᵀ for a block of queries and keys.
static void attention_scores(const float *rows, ptrdiff_t stride, size_t count, const float *panels, size_t first,
                             size_t width, size_t size, float scale, float *out) {
    struct gimbal_matrix_product product = {
        .x = rows,
        .x_row = stride,
        .x_depth = 1,
        .y = panels,
        .y_column = 1,
        .out = out,
        .out_stride = attention_keys,
        .depth = size,
        .scale = scale,
        .panels = panels + first * size,
    };
    matrix_product(&product, count, width);
}

/// How many keys from `first` on the query sees, of `width`.
ALWAYS_INLINE size_t keys_seen(const struct gimbal_attention_blocks *a, size_t query, size_t first, size_t width) {
    if (!a->is_causal || query + 1 >= first + width) return width;
    return query + 1 > first ? query + 1 - first : 0;
}

/// Keys that any query before `last_query` sees, and others up to the end of their panel.
ALWAYS_INLINE size_t keys_of_block(const struct gimbal_attention_blocks *a, size_t last_query) {
    size_t seen = (last_query + panel_columns - 1) / panel_columns * panel_columns;
    return a->is_causal ? at_most(a->live, seen) : a->live;
}

/// The mask upon the scores of a query with `live` keys from `first` on.
ALWAYS_INLINE void mask_scores(const struct gimbal_attention_blocks *a, size_t query, size_t first, size_t live,
                               float *scores) {
    ptrdiff_t step = a->mask_key, at = (ptrdiff_t)query * a->mask_query + (ptrdiff_t)first * step;
    if (a->keeps) {
        const uint8_t *keeps = a->keeps + at;
        if (step == 1) {
            for (size_t k = 0; k < live; k++) scores[k] = keeps[k] ? scores[k] : -__builtin_inff();
        } else {
            for (size_t k = 0; k < live; k++) scores[k] = keeps[(ptrdiff_t)k * step] ? scores[k] : -__builtin_inff();
        }
    } else if (a->added) {
        const float *added = a->added + at;
        if (step == 1) {
            for (size_t k = 0; k < live; k++) scores[k] += added[k];
        } else {
            for (size_t k = 0; k < live; k++) scores[k] += added[(ptrdiff_t)k * step];
        }
    }
}

/// Queries first..<last, at most `attention_queries` of them, of one head.
static void attention_forward(const struct gimbal_attention_blocks *a, size_t first, size_t last, float *scratch) {
    size_t count = last - first, keys = keys_of_block(a, last);
    float *scores = scratch, *panels = key_panels(scratch);
    float largest[attention_queries];
    double sums[attention_queries];
    float *out = a->out + (ptrdiff_t)first * a->out_row;
    for (size_t m = 0; m < count; m++) largest[m] = -__builtin_inff(), sums[m] = 0.0;
    if (keys == 0)
        for (size_t m = 0; m < count; m++) memset(out + (ptrdiff_t)m * a->out_row, 0, a->value_size * sizeof *out);
    for (size_t k0 = 0; k0 < keys; k0 += attention_keys) {
        size_t width = at_most(keys - k0, attention_keys);
        attention_scores(a->query + (ptrdiff_t)first * a->query_row, a->query_row, count, panels, k0, width, a->size,
                         a->scale, scores);
        for (size_t m = 0; m < count; m++) {
            float *row = scores + m * attention_keys, before = largest[m];
            size_t live = keys_seen(a, first + m, k0, width);
            mask_scores(a, first + m, k0, live, row);
            float now = fold_float_pair(gimbal_maximum, largest_of(row, live), before);
            // A row of -infinity alone: its exponentials are 0.
            float shift = now == -__builtin_inff() ? 0.0f : now;
#pragma clang loop vectorize(assume_safety)
            for (size_t k = 0; k < live; k++) row[k] = vector_exp(row[k] - shift);
            for (size_t k = live; k < width; k++) row[k] = 0.0f;
            largest[m] = now;
            if (k0 > 0 && now != before) {
                float factor = vector_exp(before - shift), *to = out + (ptrdiff_t)m * a->out_row;
                sums[m] *= (double)factor;
                for (size_t v = 0; v < a->value_size; v++) to[v] *= factor;
            }
            sums[m] += sum_contiguous(row, live);
        }
        struct gimbal_matrix_product product = {
            .x = scores,
            .y = a->value + (ptrdiff_t)k0 * a->value_row,
            .x_row = attention_keys,
            .x_depth = 1,
            .y_depth = a->value_row,
            .y_column = 1,
            .out = out,
            .out_stride = a->out_row,
            .depth = width,
            .scale = 1.0f,
            .accumulates = k0 > 0,
        };
        matrix_product(&product, count, a->value_size);
    }
    for (size_t m = 0; m < count; m++) {
        float factor = sums[m] == 0.0 ? 0.0f : (float)(1.0 / sums[m]), *to = out + (ptrdiff_t)m * a->out_row;
        for (size_t v = 0; v < a->value_size; v++) to[v] *= factor;
        a->normalizers[2 * (first + m)] = largest[m] == -__builtin_inff() ? 0.0f : largest[m];
        a->normalizers[2 * (first + m) + 1] = factor;
    }
}

ALWAYS_INLINE float row_dot(const float *x, const float *y, size_t count) {
    double total = 0.0;
    enum { block = 256 };
    for (size_t start = 0; start < count; start += block) {
        size_t live = at_most(count - start, block);
        float product[block];
        for (size_t c = 0; c < live; c++) product[c] = x[start + c] * y[start + c];
        total += sum_contiguous(product, live);
    }
    return (float)total;
}

/// Adds what queries first..<last and keys first_key..<last_key of one head have of its gradients; those that are NULL are not wanted.
/// Both begin with whole blocks.
static void attention_backward(const struct gimbal_attention_blocks *a, size_t first, size_t last, size_t first_key,
                               size_t last_key, float *scratch) {
    float *weights = scratch, *gradients = weights + attention_queries * attention_keys;
    float *deltas = gradients + attention_queries * attention_keys, *panels = key_panels(scratch);
    for (size_t q0 = first; q0 < last; q0 += attention_queries) {
        size_t count = at_most(last - q0, attention_queries), keys = at_most(keys_of_block(a, q0 + count), last_key);
        const float *query = a->query + (ptrdiff_t)q0 * a->query_row;
        const float *arrived = a->output_gradient + (ptrdiff_t)q0 * a->output_gradient_row;
        for (size_t m = 0; m < count; m++)
            deltas[m] = row_dot(arrived + (ptrdiff_t)m * a->output_gradient_row,
                                a->out + (ptrdiff_t)(q0 + m) * a->out_row, a->value_size);
        for (size_t k0 = first_key; k0 < keys; k0 += attention_keys) {
            size_t width = at_most(keys - k0, attention_keys);
            attention_scores(query, a->query_row, count, panels, k0, width, a->size, a->scale, weights);
            for (size_t m = 0; m < count; m++) {
                float *row = weights + m * attention_keys;
                size_t live = keys_seen(a, q0 + m, k0, width);
                float shift = a->normalizers[2 * (q0 + m)], factor = a->normalizers[2 * (q0 + m) + 1];
                mask_scores(a, q0 + m, k0, live, row);
#pragma clang loop vectorize(assume_safety)
                for (size_t k = 0; k < live; k++) row[k] = vector_exp(row[k] - shift) * factor;
                for (size_t k = live; k < width; k++) row[k] = 0.0f;
            }
            struct gimbal_matrix_product by_queries = {
                .x = weights,
                .y = arrived,
                .x_row = 1,
                .x_depth = attention_keys,
                .y_depth = a->output_gradient_row,
                .y_column = 1,
                .depth = count,
                .scale = 1.0f,
                .accumulates = true,
            };
            if (a->value_gradient) {
                by_queries.out = a->value_gradient + (ptrdiff_t)k0 * a->value_gradient_row;
                by_queries.out_stride = a->value_gradient_row;
                matrix_product(&by_queries, width, a->value_size);
            }
            if (!a->query_gradient && !a->key_gradient) continue;
            attention_scores(arrived, a->output_gradient_row, count, value_panels(a, scratch), k0, width, a->value_size,
                             1.0f, gradients);
            for (size_t m = 0; m < count; m++) {
                float *row = gradients + m * attention_keys, delta = deltas[m];
                const float *weight = weights + m * attention_keys;
                size_t live = keys_seen(a, q0 + m, k0, width);
                for (size_t k = 0; k < live; k++) row[k] = weight[k] * (row[k] - delta);
                for (size_t k = live; k < width; k++) row[k] = 0.0f;
            }
            if (a->query_gradient) {
                struct gimbal_matrix_product by_keys = {
                    .x = gradients,
                    .y = a->key + (ptrdiff_t)k0 * a->key_row,
                    .x_row = attention_keys,
                    .x_depth = 1,
                    .y_depth = a->key_row,
                    .y_column = 1,
                    .out = a->query_gradient + (ptrdiff_t)q0 * a->query_gradient_row,
                    .out_stride = a->query_gradient_row,
                    .depth = width,
                    .scale = a->scale,
                    .accumulates = true,
                };
                matrix_product(&by_keys, count, a->size);
            }
            if (a->key_gradient) {
                by_queries.x = gradients;
                by_queries.y = query;
                by_queries.y_depth = a->query_row;
                by_queries.out = a->key_gradient + (ptrdiff_t)k0 * a->key_gradient_row;
                by_queries.out_stride = a->key_gradient_row;
                by_queries.scale = a->scale;
                matrix_product(&by_queries, width, a->size);
            }
        }
    }
}
