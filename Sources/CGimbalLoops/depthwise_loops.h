// Convolution of each channel by kernels of its own (depthwise), plane by plane. A band of rows of the source lies on a grid with
// zeros around it, small enough for the first- or second-level cache, and each row of the target is a sum of shifted rows:
//
//   target[phase + t phases][j] = Σₖ weight[k] grid[t row_step][offset[k] + j]
//
// for a convolution, whose grid has every `split`-th column side by side where it skips columns. The gradient of its input is the
// same sum over what comes back from the outputs, a class of positions (`phases` of them on each axis) after the other: where the
// stride is 2, every other row and column of the input meets other elements of the kernel.

enum {
    // Rows at a time, whose sums do not wait for each other.
    depthwise_rows = 4,
    // Elements of the kernel whose gradients are summed at a time.
    depthwise_elements = 9,
    // Vectors of products that a lane sums before they are added in double precision.
    depthwise_terms = 256,
};

/// Which elements of the kernel on an axis meet a class of targets, and how far each shifts the grid.
ALWAYS_INLINE bool depthwise_shift(const struct gimbal_depthwise *p, int axis, size_t phase, size_t element,
                                   ptrdiff_t *shift) {
    ptrdiff_t reach = (ptrdiff_t)(element * p->dilation[axis]), stride = (ptrdiff_t)p->stride[axis];
    if (!p->is_gradient) {
        *shift = reach;
        return true;
    }
    ptrdiff_t position = (ptrdiff_t)(phase + p->padding[axis]) - reach;
    *shift = position / stride;
    return position % stride == 0;
}

static bool depthwise_plan(struct gimbal_depthwise *p) {
    const size_t *sources = p->is_gradient ? p->output : p->image, *targets = p->is_gradient ? p->image : p->output;
    for (int axis = 0; axis < 2; axis++) {
        // So that what follows does not overflow.
        bool is_far = p->padding[axis] > gimbal_depthwise_most_scratch || p->dilation[axis] > gimbal_depthwise_most_scratch;
        if (is_far || p->stride[axis] > gimbal_depthwise_most_classes) return false;
        if (p->kernel[axis] > gimbal_depthwise_most_elements) return false;
    }
    if (p->kernel[0] * p->kernel[1] > gimbal_depthwise_most_elements) return false;
    ptrdiff_t furthest[2];
    for (int axis = 0; axis < 2; axis++) {
        ptrdiff_t least = 0, most = 0, shift;
        p->phases[axis] = p->is_gradient ? p->stride[axis] : 1;
        for (size_t phase = 0; phase < p->phases[axis]; phase++)
            for (size_t k = 0; k < p->kernel[axis]; k++) {
                if (!depthwise_shift(p, axis, phase, k, &shift)) continue;
                if (shift < least) least = shift;
                if (shift > most) most = shift;
            }
        p->margin[axis] = p->is_gradient ? (size_t)-least : p->padding[axis];
        furthest[axis] = most + (p->is_gradient ? (ptrdiff_t)p->margin[axis] : 0);
    }
    if (p->phases[0] * p->phases[1] > gimbal_depthwise_most_classes) return false;
    p->split = p->is_gradient ? 1 : p->stride[1];
    p->row_step = p->is_gradient ? 1 : p->stride[0];
    size_t columns = (targets[1] + p->phases[1] - 1) / p->phases[1];
    // Whole vectors of targets are computed, and read so far; and whole vectors of a row are laid.
    size_t read = padded(columns) + (size_t)furthest[1] / p->split + 1;
    size_t laid = p->margin[1] / p->split + 1 + padded((sources[1] + p->split - 1) / p->split);
    p->length = padded(read > laid ? read : laid);
    p->pitch = p->length * p->split;
    p->furthest_row = (size_t)furthest[0];
    if (p->pitch > gimbal_depthwise_most_scratch || p->furthest_row > gimbal_depthwise_most_scratch) return false;
    size_t rows = (targets[0] + p->phases[0] - 1) / p->phases[0], room = gimbal_depthwise_band / p->pitch;
    p->band = room > p->furthest_row + 1 ? (room - p->furthest_row - 1) / p->row_step + 1 : 1;
    if (p->band > rows) p->band = rows;
    size_t grid = ((p->band - 1) * p->row_step + p->furthest_row + 1) * p->pitch;
    // And a row of each class of columns.
    p->scratch = grid + (p->phases[1] > 1 ? depthwise_rows * p->phases[1] * padded(columns) : 0);
    if (p->scratch > gimbal_depthwise_most_scratch) return false;
    for (int axis = 0; axis < 2; axis++) p->source[axis] = sources[axis], p->target[axis] = targets[axis];

    size_t count = 0;
    for (size_t class = 0; class < p->phases[0] * p->phases[1]; class++) {
        p->first[class] = count;
        for (size_t i = 0; i < p->kernel[0]; i++)
            for (size_t j = 0; j < p->kernel[1]; j++) {
                ptrdiff_t row, column;
                if (!depthwise_shift(p, 0, class / p->phases[1], i, &row)) continue;
                if (!depthwise_shift(p, 1, class % p->phases[1], j, &column)) continue;
                if (p->is_gradient) row += (ptrdiff_t)p->margin[0], column += (ptrdiff_t)p->margin[1];
                ptrdiff_t split = (ptrdiff_t)p->split;
                p->element[count] = (int32_t)(i * p->kernel[1] + j);
                p->offset[count++] =
                    row * (ptrdiff_t)p->pitch + column % split * (ptrdiff_t)p->length + column / split;
            }
    }
    p->first[p->phases[0] * p->phases[1]] = count;
    return true;
}

// MARK: The grid

#if VECTOR_BYTES == 64
#define EVEN(x, y) __builtin_shufflevector(x, y, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#define ODD(x, y) __builtin_shufflevector(x, y, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)
#elif VECTOR_BYTES == 32
#define EVEN(x, y) __builtin_shufflevector(x, y, 0, 2, 4, 6, 8, 10, 12, 14)
#define ODD(x, y) __builtin_shufflevector(x, y, 1, 3, 5, 7, 9, 11, 13, 15)
#else
#define EVEN(x, y) __builtin_shufflevector(x, y, 0, 2, 4, 6)
#define ODD(x, y) __builtin_shufflevector(x, y, 1, 3, 5, 7)
#endif

/// Columns of a row side by side, zeros behind them up to the end of a vector. Planes of a few kilobytes follow each other, too short
/// for the processor to foresee: those `ahead` are asked for.
ALWAYS_INLINE void lay_columns(const float *from, size_t count, ptrdiff_t ahead, float *to) {
    for (size_t c = 0; c < count; c += VECTOR_FLOATS) {
        __builtin_prefetch(from + (ptrdiff_t)c + ahead);
        *(vector *)(to + c) = load_part(from + c, at_most(count - c, VECTOR_FLOATS));
    }
}

/// Every other column of a row, and those between.
ALWAYS_INLINE void lay_two_phases(const float *from, size_t count, ptrdiff_t ahead, float *even, float *odd) {
    for (size_t c = 0; c < count; c += 2 * VECTOR_FLOATS) {
        __builtin_prefetch(from + (ptrdiff_t)c + ahead);
        __builtin_prefetch(from + (ptrdiff_t)c + VECTOR_FLOATS + ahead);
        size_t live = at_most(count - c, 2 * VECTOR_FLOATS);
        vector x = load_part(from + c, at_most(live, VECTOR_FLOATS)), y = {0};
        if (live > VECTOR_FLOATS) y = load_part(from + c + VECTOR_FLOATS, live - VECTOR_FLOATS);
        *(vector *)(even + c / 2) = EVEN(x, y);
        *(vector *)(odd + c / 2) = ODD(x, y);
    }
}

/// Row `row` of the grid, whose margins are zeros already.
ALWAYS_INLINE void lay_grid_row(const struct gimbal_depthwise *p, const float *source, ptrdiff_t ahead, size_t row,
                                float *to) {
    if (row < p->margin[0] || row - p->margin[0] >= p->source[0]) {
        memset(to, 0, p->pitch * sizeof *to);
        return;
    }
    const float *from = source + (row - p->margin[0]) * p->source[1];
    size_t split = p->split, left = p->margin[1], columns = p->source[1];
    if (split == 1) {
        lay_columns(from, columns, ahead, to + left);
    } else if (split == 2) {
        // The first column lies among the even ones, or among the odd.
        float *even = to + left / 2, *odd = even + p->length;
        if (left % 2 == 0) lay_two_phases(from, columns, ahead, even, odd);
        else lay_two_phases(from, columns, ahead, odd, even + 1);
    } else {
        for (size_t c = 0; c < columns; c++) to[(c + left) % split * p->length + (c + left) / split] = from[c];
    }
}

static void lay_grid(const struct gimbal_depthwise *p, const float *source, ptrdiff_t ahead, size_t first, size_t rows,
                     float *grid) {
    for (size_t row = 0; row < rows; row++) lay_grid_row(p, source, ahead, first + row, grid + row * p->pitch);
}

// MARK: Sums

ALWAYS_INLINE void depthwise_sums(const float *grid, size_t step, const ptrdiff_t *offsets, const float *weights,
                                  size_t count, size_t columns, float bias, bool accumulates, float *out, size_t out_step,
                                  const int rows) {
    for (size_t j = 0; j < columns; j += VECTOR_FLOATS) {
        vector sums[depthwise_rows];
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) sums[r] = (vector){0};
        for (size_t k = 0; k < count; k++) {
            const float *from = grid + offsets[k] + j;
#pragma clang loop unroll(full)
            for (int r = 0; r < rows; r++) sums[r] += weights[k] * *(const vector *)(from + (size_t)r * step);
        }
        size_t live = at_most(columns - j, VECTOR_FLOATS);
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            float *to = out + (size_t)r * out_step + j;
            vector value = sums[r] + bias;
            if (accumulates) value += load_part(to, live);
            store_part(to, value, live);
        }
    }
}

/// Puts columns that lie class by class, `width` apart, side by side, or adds them to what is there.
ALWAYS_INLINE void join_columns(const float *classes, size_t width, size_t count, size_t columns, bool accumulates,
                                float *out) {
    for (size_t class = 0; class < count; class++) {
        const float *from = classes + class * width;
        float *to = out + class;
        size_t each = (columns - class + count - 1) / count;
        if (class >= columns) return;
        if (accumulates) for (size_t m = 0; m < each; m++) to[m * count] += from[m];
        else for (size_t m = 0; m < each; m++) to[m * count] = from[m];
    }
}

static void depthwise(const struct gimbal_depthwise *p, const float *source, const float *weight, float bias,
                      bool accumulates, float *scratch, float *out) {
    size_t row_phases = p->phases[0], column_phases = p->phases[1], width = p->target[1];
    size_t class_width = padded((width + column_phases - 1) / column_phases);
    size_t all_rows = (p->target[0] + row_phases - 1) / row_phases;
    float weights[gimbal_depthwise_most_elements];
    for (size_t k = 0; k < p->first[row_phases * column_phases]; k++) weights[k] = weight[p->element[k]];
    for (size_t first = 0; first < all_rows; first += p->band) {
        size_t band = at_most(all_rows - first, p->band);
        size_t grid_rows = (band - 1) * p->row_step + p->furthest_row + 1;
        float *joined = scratch + p->scratch - depthwise_rows * column_phases * class_width;
        // The next plane lies behind this one.
        lay_grid(p, source, (ptrdiff_t)(p->source[0] * p->source[1]), first * p->row_step, grid_rows, scratch);
        for (size_t phase = 0; phase < row_phases; phase++) {
            size_t rows = p->target[0] > phase ? (p->target[0] - phase + row_phases - 1) / row_phases : 0;
            rows = rows > first ? at_most(rows - first, band) : 0;
            float *to = out + (first * row_phases + phase) * width;
            size_t step = p->row_step * p->pitch, out_step = row_phases * width;
            for (size_t t = 0, count; t < rows; t += count, to += count * out_step) {
                count = rows - t >= depthwise_rows ? depthwise_rows : 1;
                const float *grid = scratch + t * step;
                for (size_t column = 0; column < column_phases; column++) {
                    size_t class = phase * column_phases + column, start = p->first[class];
                    size_t columns = (width - column + column_phases - 1) / column_phases;
                    if (column >= width) break;
                    bool is_whole = column_phases == 1;
                    float *target = is_whole ? to : joined + column * class_width;
                    size_t target_step = is_whole ? out_step : column_phases * class_width;
#define SUMS(rows)                                                                                                     \
    depthwise_sums(grid, step, p->offset + start, weights + start, p->first[class + 1] - start, columns, bias,         \
                   is_whole && accumulates, target, target_step, rows)
                    if (count == depthwise_rows) SUMS(depthwise_rows);
                    else SUMS(1);
#undef SUMS
                }
                if (column_phases == 1) continue;
                for (size_t r = 0; r < count; r++)
                    join_columns(joined + r * column_phases * class_width, class_width, column_phases, width, accumulates,
                                 to + r * out_step);
            }
        }
    }
}

// MARK: The gradient of the weight

/// partial[k] += Σ y[i][j] grid[i step][offset[k] + j], lane by lane.
ALWAYS_INLINE void depthwise_products(const float *y, size_t width, size_t rows, const float *grid, size_t step,
                                      const ptrdiff_t *offsets, vector *partial, const int count) {
    vector sums[depthwise_elements];
#pragma clang loop unroll(full)
    for (int k = 0; k < count; k++) sums[k] = partial[k];
    for (size_t i = 0; i < rows; i++, y += width, grid += step)
        for (size_t j = 0; j < width; j += VECTOR_FLOATS) {
            vector arrived = load_part(y + j, at_most(width - j, VECTOR_FLOATS));
#pragma clang loop unroll(full)
            for (int k = 0; k < count; k++) sums[k] += arrived * *(const vector *)(grid + offsets[k] + j);
        }
#pragma clang loop unroll(full)
    for (int k = 0; k < count; k++) partial[k] = sums[k];
}

static void depthwise_weight_gradient(const struct gimbal_depthwise *p, const float *image, size_t image_stride,
                                      const float *arrived, size_t arrived_stride, size_t images, float *scratch,
                                      double *sums) {
    vector partial[gimbal_depthwise_most_elements];
    size_t elements = p->first[1], width = p->target[1], terms = 0;
    for (size_t k = 0; k < elements; k++) partial[k] = (vector){0};
    for (size_t n = 0; n < images; n++, image += image_stride, arrived += arrived_stride) {
        for (size_t first = 0; first < p->target[0]; first += p->band) {
            size_t rows = at_most(p->target[0] - first, p->band), step = p->row_step * p->pitch, k = 0;
            size_t grid_rows = (rows - 1) * p->row_step + p->furthest_row + 1;
            lay_grid(p, image, (ptrdiff_t)image_stride, first * p->row_step, grid_rows, scratch);
            const float *y = arrived + first * width;
            for (; k + depthwise_elements <= elements; k += depthwise_elements)
                depthwise_products(y, width, rows, scratch, step, p->offset + k, partial + k, depthwise_elements);
            for (; k + 3 <= elements; k += 3)
                depthwise_products(y, width, rows, scratch, step, p->offset + k, partial + k, 3);
            for (; k < elements; k++)
                depthwise_products(y, width, rows, scratch, step, p->offset + k, partial + k, 1);
            terms += rows * padded(width) / VECTOR_FLOATS;
            bool is_last = n + 1 == images && first + rows == p->target[0];
            if (terms < depthwise_terms && !is_last) continue;
            for (size_t e = 0; e < elements; e++) {
                sums[p->element[e]] += (double)vector_total(partial[e]);
                partial[e] = (vector){0};
            }
            terms = 0;
        }
    }
}
