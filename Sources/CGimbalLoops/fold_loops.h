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
        if (columns == column_block) {
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

ALWAYS_INLINE void store_fold(double value, float *out, bool accumulates, double *partial) {
    if (partial) *partial = value;
    else *out = accumulates ? *out + (float)value : (float)value;
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
            for (size_t i = 0; i < columns; i++, done++)
                store_fold(total[i], to ? to + (ptrdiff_t)(c + i) * out_stride : NULL, accumulates,
                           partials ? partials + done : NULL);
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
    double total[8] = {0};
    size_t i = 0;
    if (p == 2) {
        for (; i + 8 <= count; i += 8)
            for (int l = 0; l < 8; l++) total[l] += (double)x[i + l] * (double)x[i + l];
        for (; i < count; i++) total[0] += (double)x[i] * (double)x[i];
    } else if (p == 1) {
        for (; i + 8 <= count; i += 8)
            for (int l = 0; l < 8; l++) total[l] += (double)__builtin_fabsf(x[i + l]);
        for (; i < count; i++) total[0] += (double)__builtin_fabsf(x[i]);
    } else {
        for (; i < count; i++) total[0] += pow(__builtin_fabs((double)x[i]) * scale, p);
    }
    return ((total[0] + total[4]) + (total[1] + total[5])) + ((total[2] + total[6]) + (total[3] + total[7]));
}

static void statistics(const float *x, size_t count, struct gimbal_statistics *s) {
    enum { width = 16 };
    for (size_t start = 0; start < count; start += fold_block) {
        size_t end = count - start < fold_block ? count : start + fold_block;
        double sum[width] = {0}, squares[width] = {0};
        float minimum[width], maximum[width];
        int32_t finite[width] = {0}, zeros[width] = {0}, nans[width] = {0};
        for (int l = 0; l < width; l++) minimum[l] = __builtin_inff(), maximum[l] = -__builtin_inff();
        for (size_t i = start; i < end; i += width) {
            float block[width];
            int live = end - i < width ? (int)(end - i) : width;
            // Missing elements become infinities, which touch nothing but the count that is the rest of the others.
            for (int l = 0; l < live; l++) block[l] = x[i + (size_t)l];
            for (int l = live; l < width; l++) block[l] = __builtin_inff();
            for (int l = 0; l < width; l++) {
                float value = block[l];
                bool is_finite = value - value == 0.0f;
                float kept = is_finite ? value : 0.0f;
                sum[l] += (double)kept;
                squares[l] += (double)kept * (double)kept;
                minimum[l] = is_finite && value < minimum[l] ? value : minimum[l];
                maximum[l] = is_finite && value > maximum[l] ? value : maximum[l];
                finite[l] += is_finite;
                zeros[l] += value == 0.0f;
                nans[l] += value != value;
            }
        }
        int64_t finite_here = 0, nans_here = 0;
        for (int l = 0; l < width; l++) {
            s->sum += sum[l];
            s->squares += squares[l];
            s->minimum = minimum[l] < s->minimum ? minimum[l] : s->minimum;
            s->maximum = maximum[l] > s->maximum ? maximum[l] : s->maximum;
            s->zeros += zeros[l];
            finite_here += finite[l];
            nans_here += nans[l];
        }
        s->finite += finite_here;
        s->nans += nans_here;
        s->infinities += (int64_t)(end - start) - finite_here - nans_here;
    }
}

static double squared_deviations(const float *x, size_t count, double mean) {
    double total[8] = {0};
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (int l = 0; l < 8; l++) {
            double d = (double)x[i + l] - mean;
            total[l] += x[i + l] - x[i + l] == 0.0f ? d * d : 0.0;
        }
    for (; i < count; i++) {
        double d = (double)x[i] - mean;
        total[0] += x[i] - x[i] == 0.0f ? d * d : 0.0;
    }
    return ((total[0] + total[4]) + (total[1] + total[5])) + ((total[2] + total[6]) + (total[3] + total[7]));
}
