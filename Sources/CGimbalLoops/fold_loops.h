// Reductions. Sums run in float over short blocks, in many lanes, and in double from block to block, so that their error
// does not grow with the number of elements.

enum { lane_count = 16, fold_block = 1024, column_block = 64, row_block = 16 };

ALWAYS_INLINE double fold_identity(enum gimbal_reduction reduction) {
    return reduction == gimbal_sum ? 0.0
        : reduction == gimbal_product ? 1.0
        : reduction == gimbal_maximum ? -__builtin_inf()
                                      : __builtin_inf();
}

ALWAYS_INLINE double fold_pair(enum gimbal_reduction reduction, double x, double y) {
    return reduction == gimbal_sum ? x + y
        : reduction == gimbal_product ? x * y
        : reduction == gimbal_maximum ? (x > y || x != x ? x : y)
                                      : (x < y || x != x ? x : y);
}

ALWAYS_INLINE float fold_float_pair(enum gimbal_reduction reduction, float x, float y) {
    return reduction == gimbal_sum ? x + y
        : reduction == gimbal_product ? x * y
        : reduction == gimbal_maximum ? (x > y || x != x ? x : y)
                                      : (x < y || x != x ? x : y);
}

/// Folds `count` contiguous elements, each passed through `term`.
#define FOLD_CONTIGUOUS(reduction, count, term)                                                                        \
    double total = fold_identity(reduction);                                                                           \
    for (size_t start = 0; start < (count); start += fold_block) {                                                     \
        size_t end = (count)-start < fold_block ? (count) : start + fold_block;                                        \
        float lane[4 * lane_count];                                                                                    \
        size_t i = start;                                                                                              \
        if (end - start >= 4 * lane_count) {                                                                           \
            for (int l = 0; l < 4 * lane_count; l++) lane[l] = (float)fold_identity(reduction);                        \
            for (; i + 4 * lane_count <= end; i += 4 * lane_count) {                                                   \
                _Pragma("clang loop vectorize(assume_safety)") for (int l = 0; l < 4 * lane_count; l++) lane[l] =      \
                    fold_float_pair(reduction, term(i + l), lane[l]);                                                  \
            }                                                                                                          \
            for (int width = 2 * lane_count; width >= 1; width /= 2)                                                   \
                for (int l = 0; l < width; l++) lane[l] = fold_float_pair(reduction, lane[l], lane[l + width]);        \
            total = fold_pair(reduction, lane[0], total);                                                              \
        }                                                                                                              \
        for (; i < end; i++) total = fold_pair(reduction, term(i), total);                                             \
    }                                                                                                                  \
    return total;

#define AT(i) x[i]
ALWAYS_INLINE double fold_contiguous(enum gimbal_reduction reduction, const float *x, size_t count) {
    FOLD_CONTIGUOUS(reduction, count, AT)
}

static double sum_contiguous(const float *x, size_t count) {
    FOLD_CONTIGUOUS(gimbal_sum, count, AT)
}
#undef AT

ALWAYS_INLINE double fold_row(enum gimbal_reduction reduction, const float *x, size_t count, ptrdiff_t stride) {
    if (stride == 1) return fold_contiguous(reduction, x, count);
    double total = fold_identity(reduction);
    for (size_t i = 0; i < count; i++, x += stride) total = fold_pair(reduction, *x, total);
    return total;
}

/// Folds `rows` rows of up to `column_block` contiguous columns into `total`.
ALWAYS_INLINE void fold_columns(enum gimbal_reduction reduction, const float *x, size_t rows, ptrdiff_t row_stride,
                                size_t columns, double *restrict total) {
    for (size_t start = 0; start < rows; start += row_block) {
        size_t end = rows - start < row_block ? rows : start + row_block;
        float partial[column_block];
        for (size_t c = 0; c < column_block; c++) partial[c] = (float)fold_identity(reduction);
        if (columns == column_block && reduction == gimbal_sum) {
            // In registers, where the compiler would go by way of memory.
            vector sums[column_block / VECTOR_FLOATS] = {{0}};
            for (size_t r = start; r < end; r++) {
                const float *row = x + (ptrdiff_t)r * row_stride;
#pragma clang loop unroll(full)
                for (int v = 0; v < column_block / VECTOR_FLOATS; v++)
                    sums[v] = *(const vector *)(row + v * VECTOR_FLOATS) + sums[v];
            }
            memcpy(partial, sums, sizeof partial);
        } else if (columns == column_block) {
            for (size_t r = start; r < end; r++) {
                const float *row = x + (ptrdiff_t)r * row_stride;
                for (size_t c = 0; c < column_block; c++) partial[c] = fold_float_pair(reduction, row[c], partial[c]);
            }
        } else {
            for (size_t r = start; r < end; r++) {
                const float *row = x + (ptrdiff_t)r * row_stride;
                for (size_t c = 0; c < columns; c++) partial[c] = fold_float_pair(reduction, row[c], partial[c]);
            }
        }
        for (size_t c = 0; c < columns; c++) total[c] = fold_pair(reduction, partial[c], total[c]);
    }
}

/// Steps the odometer `index` over the first `rank` of `sizes`; false after the last position.
ALWAYS_INLINE bool advance(int rank, const ptrdiff_t *sizes, ptrdiff_t *index) {
    for (int axis = rank - 1; axis >= 0; axis--) {
        if (++index[axis] < sizes[axis]) return true;
        index[axis] = 0;
    }
    return false;
}

ALWAYS_INLINE ptrdiff_t position(int rank, const ptrdiff_t *strides, const ptrdiff_t *index) {
    ptrdiff_t offset = 0;
    for (int axis = 0; axis < rank; axis++) offset += index[axis] * strides[axis];
    return offset;
}

/// Each choice in a loop of its own: vectors with some lanes masked wait for what was just written.
ALWAYS_INLINE void store_folds(const double *totals, size_t count, float *out, ptrdiff_t stride, bool accumulates,
                               double *partials) {
    if (partials) memcpy(partials, totals, count * sizeof *partials);
    else if (stride == 1 && accumulates) for (size_t i = 0; i < count; i++) out[i] = out[i] + (float)totals[i];
    else if (stride == 1) for (size_t i = 0; i < count; i++) out[i] = (float)totals[i];
    else
        for (size_t i = 0; i < count; i++, out += stride) *out = accumulates ? *out + (float)totals[i] : (float)totals[i];
}

ALWAYS_INLINE void fold_as(enum gimbal_reduction reduction, const struct gimbal_fold *f, const float *x, float *out,
                           bool accumulates, double *partials) {
    // The last kept and the last folded axis are the inner ones; whichever lies closer in memory runs innermost.
    int kept = f->kept_rank - 1, folded = f->folded_rank - 1;
    size_t length = folded >= 0 ? (size_t)f->folded_sizes[folded] : 1;
    ptrdiff_t length_stride = folded >= 0 ? f->folded_strides[folded] : 0;
    size_t width = kept >= 0 ? (size_t)f->kept_sizes[kept] : 1;
    ptrdiff_t width_stride = kept >= 0 ? f->kept_strides[kept] : 0;
    ptrdiff_t out_stride = kept >= 0 ? f->out_strides[kept] : 0;
    bool by_columns = kept >= 0 && width_stride == 1 && (folded < 0 || length_stride != 1);
    size_t done = 0;

    ptrdiff_t kept_index[gimbal_maximum_rank] = {0};
    do {
        const float *from = x + position(kept, f->kept_strides, kept_index);
        float *to = out ? out + position(kept, f->out_strides, kept_index) : NULL;
        for (size_t c = 0; c < width; c += by_columns ? column_block : 1) {
            size_t columns = !by_columns ? 1 : (width - c < column_block ? width - c : column_block);
            double total[column_block];
            for (size_t i = 0; i < columns; i++) total[i] = fold_identity(reduction);
            ptrdiff_t folded_index[gimbal_maximum_rank] = {0};
            do {
                const float *start =
                    from + position(folded, f->folded_strides, folded_index) + (ptrdiff_t)c * width_stride;
                if (by_columns) fold_columns(reduction, start, length, length_stride, columns, total);
                else total[0] = fold_pair(reduction, fold_row(reduction, start, length, length_stride), total[0]);
            } while (advance(folded, f->folded_sizes, folded_index));
            store_folds(total, columns, to ? to + (ptrdiff_t)c * out_stride : NULL, out_stride, accumulates,
                        partials ? partials + done : NULL);
            done += columns;
        }
    } while (advance(kept, f->kept_sizes, kept_index));
}

static void fold(enum gimbal_reduction reduction, const struct gimbal_fold *f, const float *x, float *out,
                 bool accumulates, double *partials) {
    switch (reduction) {
    case gimbal_sum: fold_as(gimbal_sum, f, x, out, accumulates, partials); break;
    case gimbal_product: fold_as(gimbal_product, f, x, out, accumulates, partials); break;
    case gimbal_maximum: fold_as(gimbal_maximum, f, x, out, accumulates, partials); break;
    case gimbal_minimum: fold_as(gimbal_minimum, f, x, out, accumulates, partials); break;
    }
}

static void argmax(const float *x, size_t rows, ptrdiff_t row_stride, size_t columns, ptrdiff_t column_stride,
                   int32_t *out) {
    for (size_t r = 0; r < rows; r++) {
        const float *row = x + (ptrdiff_t)r * row_stride;
        float largest = row[0];
        size_t at = 0;
        for (size_t c = 1; c < columns && largest == largest; c++) {
            float value = row[(ptrdiff_t)c * column_stride];
            if (value > largest || value != value) {
                largest = value;
                at = c;
            }
        }
        out[r] = (int32_t)at;
    }
}

// MARK: Norms and statistics

static double power_sum(const float *x, size_t count, double p, double scale) {
    if (__builtin_isinf(p)) {
#define ABSOLUTE(i) __builtin_fabsf(x[i])
        FOLD_CONTIGUOUS(gimbal_maximum, count, ABSOLUTE)
#undef ABSOLUTE
    }
    // Enough sums that none waits for the one before.
    enum { sums = 32 };
    double total[sums] = {0};
    size_t i = 0;
    if (p == 2) {
        for (; i + sums <= count; i += sums)
            for (size_t l = 0; l < sums; l++) total[l] += (double)x[i + l] * (double)x[i + l];
        for (; i < count; i++) total[0] += (double)x[i] * (double)x[i];
    } else if (p == 1) {
        for (; i + sums <= count; i += sums)
            for (size_t l = 0; l < sums; l++) total[l] += (double)__builtin_fabsf(x[i + l]);
        for (; i < count; i++) total[0] += (double)__builtin_fabsf(x[i]);
    } else {
        for (; i < count; i++) total[0] += pow(__builtin_fabs((double)x[i]) * scale, p);
    }
    for (size_t width = sums / 2; width >= 1; width /= 2)
        for (size_t l = 0; l < width; l++) total[l] += total[l + width];
    return total[0];
}

/// Of `count` elements, a multiple of `lane_count` and of one block: false where they are not all finite, or too large for
/// their sum. The second pass finds them in the cache; about their mean, little is lost to rounding or to an offset.
static bool block_statistics(const float *x, size_t count, struct gimbal_statistics *s) {
    float sum[lane_count] = {0}, minimum[lane_count], maximum[lane_count];
    int32_t largest[lane_count] = {0}, zeros[lane_count] = {0};
    for (int l = 0; l < lane_count; l++) minimum[l] = __builtin_inff(), maximum[l] = -__builtin_inff();
    for (size_t i = 0; i < count; i += lane_count) {
        for (int l = 0; l < lane_count; l++) {
            float value = x[i + (size_t)l];
            // The bits of |x| are ordered as |x| is, with infinity and NaN above all others.
            int32_t magnitude = (int32_t)(bits_of(value) & 0x7fffffffu);
            largest[l] = magnitude > largest[l] ? magnitude : largest[l];
            sum[l] += value;
            minimum[l] = value < minimum[l] ? value : minimum[l];
            maximum[l] = value > maximum[l] ? value : maximum[l];
            zeros[l] += magnitude == 0;
        }
    }
    for (int width = lane_count / 2; width >= 1; width /= 2) {
        for (int l = 0; l < width; l++) {
            largest[l] = largest[l + width] > largest[l] ? largest[l + width] : largest[l];
            sum[l] += sum[l + width];
            minimum[l] = minimum[l + width] < minimum[l] ? minimum[l + width] : minimum[l];
            maximum[l] = maximum[l + width] > maximum[l] ? maximum[l + width] : maximum[l];
            zeros[l] += zeros[l + width];
        }
    }
    if (largest[0] >= (int32_t)bits_of(0x1p117f)) return false;

    // By a power of two to where float holds squares.
    float scale = largest[0] > (int32_t)bits_of(0x1p40f) ? 0x1p-80f
        : largest[0] < (int32_t)bits_of(0x1p-40f)        ? 0x1p80f
                                                         : 1.0f;
    float center = sum[0] / (float)count;
    float rest[lane_count] = {0}, squares[lane_count] = {0};
    for (size_t i = 0; i < count; i += lane_count) {
        for (int l = 0; l < lane_count; l++) {
            float difference = (x[i + (size_t)l] - center) * scale;
            rest[l] += difference;
            squares[l] += difference * difference;
        }
    }
    double all_rest = 0, all_squares = 0;
    for (int l = 0; l < lane_count; l++) all_rest += (double)rest[l], all_squares += (double)squares[l];
    // `center` is the mean as float rounds it.
    double correction = all_rest / (double)count;
    all_squares -= all_rest * correction;
    *s = (struct gimbal_statistics){
        .mean = (double)center + correction / (double)scale,
        .squares = (all_squares > 0 ? all_squares : 0) / ((double)scale * (double)scale),
        .minimum = minimum[0], .maximum = maximum[0], .finite = (int64_t)count, .zeros = zeros[0],
    };
    return true;
}

/// Of any elements.
static void careful_statistics(const float *x, size_t count, struct gimbal_statistics *s) {
    *s = gimbal_empty_statistics();
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        bool is_finite = x[i] - x[i] == 0.0f;
        sum += is_finite ? (double)x[i] : 0;
        s->minimum = is_finite && x[i] < s->minimum ? x[i] : s->minimum;
        s->maximum = is_finite && x[i] > s->maximum ? x[i] : s->maximum;
        s->finite += is_finite;
        s->zeros += x[i] == 0.0f;
        s->nans += x[i] != x[i];
    }
    s->infinities = (int64_t)count - s->finite - s->nans;
    if (s->finite == 0) return;
    s->mean = sum / (double)s->finite;
    for (size_t i = 0; i < count; i++) {
        double difference = (double)x[i] - s->mean;
        s->squares += x[i] - x[i] == 0.0f ? difference * difference : 0;
    }
}

static void statistics(const float *x, size_t count, struct gimbal_statistics *s) {
    *s = gimbal_empty_statistics();
    for (size_t start = 0; start < count; start += fold_block) {
        size_t length = count - start < fold_block ? count - start : fold_block;
        size_t done = length / lane_count * lane_count;
        struct gimbal_statistics block;
        if (done > 0 && block_statistics(x + start, done, &block)) gimbal_join_statistics(s, &block);
        else done = 0;
        if (done == length) continue;
        careful_statistics(x + start + done, length - done, &block);
        gimbal_join_statistics(s, &block);
    }
}
