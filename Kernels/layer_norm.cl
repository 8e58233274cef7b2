// Layer normalisation of each row of [rows, columns], and its gradients.
//
//   y = (x - mean) / sqrt(variance + epsilon) * scale + shift
//   dx = (g - mean(g) - x^ mean(g x^)) / sqrt(variance + epsilon), with g = dy scale and x^ the normalised x
//   dscale = sum over rows of dy x^, dshift = sum over rows of dy
//
// Work-group: LANES * SLOTS work-items, SLOTS rows, in registers where they fit (rows.h). In a launch of the gradient the
// first `row_groups` groups take rows; the others take the sums over rows, SUM_COLUMNS columns each, whose splits leave shares that
// the last group adds.
//
//   CENTERS         0 to normalise about 0 instead of the mean. Default 1.
//   HAS_SCALE       1 with a scale. Default 0.
//   HAS_SHIFT       1 with a shift. Default 0.
//   HAS_ADDEND      1 where x is a sum of two, which is written as well. Default 0.
//   INPUT_GRADIENT  1 where the gradient of x is wanted. Default 1.
//   HAS_PASSING     1 where another gradient of x is added to it. Default 0.
//   SCALE_GRADIENT, SHIFT_GRADIENT  0 not wanted, 1 to write, 2 to add to. Default 0.

#ifndef CENTERS
#define CENTERS 1
#endif
#ifndef HAS_SCALE
#define HAS_SCALE 0
#endif
#ifndef HAS_SHIFT
#define HAS_SHIFT 0
#endif
#ifndef HAS_ADDEND
#define HAS_ADDEND 0
#endif
#ifndef HAS_PASSING
#define HAS_PASSING 0
#endif
#ifndef INPUT_GRADIENT
#define INPUT_GRADIENT 1
#endif
#ifndef SCALE_GRADIENT
#define SCALE_GRADIENT 0
#endif
#ifndef SHIFT_GRADIENT
#define SHIFT_GRADIENT 0
#endif

/// The mean of a row and 1 / √(σ² + ε) where squares do not fit a float, or not a number: each work-item for itself, in
/// numbers of another size, beside which ε is nothing.
static __attribute__((noinline)) float2 extreme_statistics(__global const float *x, COUNT columns) {
    const float small = 0x1p-70f;
    float center = 0.0f, squares = 0.0f;
#if CENTERS
    for (COUNT column = 0; column < columns && center == center; column++) center += x[column] * small;
    center /= (float)columns;
#endif
    for (COUNT column = 0; column < columns && squares == squares; column++) {
        const float d = x[column] * small - center;
        squares += d * d;
    }
    return (float2)(center / small, small / sqrt(squares / (float)columns));
}
// From here on x is the sum; a row of extremes is read by all its work-items.
#if LANES > 1
#define SUM_IS_WRITTEN                 \
    barrier(CLK_GLOBAL_MEM_FENCE);     \
    x = (__global const float *)sum;
#else
#define SUM_IS_WRITTEN x = (__global const float *)sum;
#endif
#define CORRECT_EXTREMES                                       \
    if (!(squares < INFINITY) && end > 0) {                    \
        const float2 statistics = extreme_statistics(x, end);  \
        center = statistics.x;                                 \
        factor = statistics.y;                                 \
    }

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void layer_norm(
    __global const float *x, const ulong x_offset,
#if HAS_ADDEND
    __global const float *addend, const ulong addend_offset, __global float *sum, const ulong sum_offset,
#endif
#if HAS_SCALE
    __global const float *scale, const ulong scale_offset,
#endif
#if HAS_SHIFT
    __global const float *shift, const ulong shift_offset,
#endif
    __global float *out, const ulong out_offset, __global float *mean, const ulong mean_offset,
    __global float *deviation, const ulong deviation_offset, const float epsilon, const COUNT rows,
    const COUNT columns) {
    const COUNT row = (COUNT)get_group_id(0) * SLOTS + SLOT;
    const COUNT end = row < rows ? columns : 0;
    x += x_offset + row * columns;
    out += out_offset + row * columns;
#if LANES > 1
    __local float shares[GROUP_SIZE];
#endif
#if HAS_ADDEND
    addend += addend_offset + row * columns;
    sum += sum_offset + row * columns;
#endif

#if VALUES
    PACK values[VALUES];
    float center = 0.0f, squares = 0.0f;
#pragma unroll
    FOR_PACKS(k, end) {
        values[k] = PACK_AT(x, k);
#if HAS_ADDEND
        values[k] += PACK_AT(addend, k);
        SET_PACK_AT(sum, k, values[k]);
#endif
        center += SUM_OF(values[k]);
    }
#if HAS_ADDEND
    SUM_IS_WRITTEN
#endif
#if CENTERS
    FOLD_FOR_ALL(center, shares, ADD)
    center /= (float)columns;
    float rest = 0.0f;
#else
    center = 0.0f;
#endif
#pragma unroll
    FOR_PACKS(k, end) {
        const PACK d = values[k] - center, square = d * d;
        squares += SUM_OF(square);
#if CENTERS
        rest += SUM_OF(d);
#endif
    }
    FOLD_FOR_ALL(squares, shares, ADD)
#if CENTERS
    // What rounding left of the mean.
    FOLD_FOR_ALL(rest, shares, ADD)
    rest /= (float)columns;
    if (fabs(rest) < INFINITY) center += rest;
    float factor = 1.0f / sqrt((squares / (float)columns - rest * rest) + epsilon);
#else
    float factor = 1.0f / sqrt(squares / (float)columns + epsilon);
#endif
    CORRECT_EXTREMES
#pragma unroll
    FOR_PACKS(k, end) {
        PACK value = (values[k] - center) * factor;
#if HAS_SCALE
        value *= PACK_AT(scale + scale_offset, k);
#endif
#if HAS_SHIFT
        value += PACK_AT(shift + shift_offset, k);
#endif
        SET_PACK_AT(out, k, value);
    }
#else
#if HAS_ADDEND
    for (COUNT column = LANE; column < end; column += LANES) sum[column] = x[column] + addend[column];
    SUM_IS_WRITTEN
#endif
    float center = 0.0f;
#if CENTERS
    ADD_COLUMNS(float, center, column, end, x[column])
    FOLD_FOR_ALL(center, shares, ADD)
    center /= (float)columns;
    // The mean of what is left corrects the rounding of a long sum.
    float rest = 0.0f;
    ADD_COLUMNS(float, rest, column, end, x[column] - center)
    FOLD_FOR_ALL(rest, shares, ADD)
    rest /= (float)columns;
    if (fabs(rest) < INFINITY) center += rest;
#endif
    float squares = 0.0f;
    ADD_COLUMNS(float, squares, column, end, (x[column] - center) * (x[column] - center))
    FOLD_FOR_ALL(squares, shares, ADD)
    float factor = 1.0f / sqrt(squares / (float)columns + epsilon);
    CORRECT_EXTREMES
    for (COUNT column = LANE; column < end; column += LANES) {
        float value = (x[column] - center) * factor;
#if HAS_SCALE
        value *= scale[scale_offset + column];
#endif
#if HAS_SHIFT
        value += shift[shift_offset + column];
#endif
        out[column] = value;
    }
#endif
    if (LANE == 0 && row < rows) {
        mean[mean_offset + row] = center;
        deviation[deviation_offset + row] = factor;
    }
}

#if SCALE_GRADIENT
#define FOR_SCALE(row, column) ((x[(row) * columns + (column)] - mean[row]) * deviation[row])
#else
#define FOR_SCALE(row, column) 0.0f
#endif
#if HAS_SCALE
#define SCALED_GRADIENT(column) (output_gradient[column] * scale[scale_offset + (column)])
#else
#define SCALED_GRADIENT(column) (output_gradient[column])
#endif

// Columns that a group sums up, and work-items for each.
#define SUM_COLUMNS (LANES > 1 ? 32 : GROUP_SIZE)
#define SUM_ROWS (GROUP_SIZE / SUM_COLUMNS)

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void layer_norm_gradient(
    __global const float *x, const ulong x_offset, __global const float *output_gradient,
    const ulong output_gradient_offset,
#if HAS_SCALE
    __global const float *scale, const ulong scale_offset,
#endif
    __global const float *mean, const ulong mean_offset, __global const float *deviation,
    const ulong deviation_offset,
#if HAS_PASSING
    __global const float *passing, const ulong passing_offset,
#endif
#if INPUT_GRADIENT
    __global float *out, const ulong out_offset,
#endif
#if SCALE_GRADIENT
    __global float *scale_gradient, const ulong scale_gradient_offset,
#endif
#if SHIFT_GRADIENT
    __global float *shift_gradient, const ulong shift_gradient_offset,
#endif
#if SCALE_GRADIENT || SHIFT_GRADIENT
    __global float *shares, __global uint *counters, const COUNT splits, const COUNT block,
#endif
    const COUNT row_groups, const COUNT rows, const COUNT columns) {
    x += x_offset;
    output_gradient += output_gradient_offset;
    mean += mean_offset;
    deviation += deviation_offset;
    __local float2 parts[GROUP_SIZE];

#if SCALE_GRADIENT || SHIFT_GRADIENT
    __local int flag;
    if (get_group_id(0) >= row_groups) {
        const COUNT number = (COUNT)get_group_id(0) - row_groups;
        const COUNT split = number % splits, column_block = number / splits;
        const int lane = (int)get_local_id(0) / SUM_COLUMNS, slot = (int)get_local_id(0) % SUM_COLUMNS;
        const COUNT column = column_block * SUM_COLUMNS + slot;
        const COUNT last = column < columns ? min(rows, (split + 1) * block) : 0;
        float2 sums = (float2)(0.0f);
        FOLD_IN_BLOCKS(float2, (float2)(0.0f), ADD, sums, row, split * block + lane, last, SUM_ROWS,
                       output_gradient[row * columns + column] * (float2)(FOR_SCALE(row, column), 1.0f))
        for (int stage = 0; stage < 2; stage++) {
            parts[get_local_id(0)] = sums;
            for (int half_rows = SUM_ROWS / 2; half_rows > 0; half_rows /= 2) {
                barrier(CLK_LOCAL_MEM_FENCE);
                if (lane < half_rows) parts[get_local_id(0)] += parts[(int)get_local_id(0) + half_rows * SUM_COLUMNS];
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            sums = parts[slot];
            if (stage == 1 || splits == 1) break;
            // Shares of [column block, split, column].
            __global float *of_column = shares + (column_block * splits * SUM_COLUMNS + slot) * 2;
            if (lane == 0) {
                STORE_SHARE(sums.x, of_column + split * SUM_COLUMNS * 2);
                STORE_SHARE(sums.y, of_column + split * SUM_COLUMNS * 2 + 1);
            }
            if (!is_last_group(counters + column_block, splits, &flag)) return;
            sums = (float2)(0.0f);
            FOLD_IN_BLOCKS(float2, (float2)(0.0f), ADD, sums, other, lane, splits, SUM_ROWS,
                           (float2)(LOAD_SHARE(of_column + other * SUM_COLUMNS * 2),
                                    LOAD_SHARE(of_column + other * SUM_COLUMNS * 2 + 1)))
        }
        if (lane > 0 || column >= columns) return;
#if SCALE_GRADIENT
        scale_gradient += scale_gradient_offset + column;
        *scale_gradient = SCALE_GRADIENT == 2 ? *scale_gradient + sums.x : sums.x;
#endif
#if SHIFT_GRADIENT
        shift_gradient += shift_gradient_offset + column;
        *shift_gradient = SHIFT_GRADIENT == 2 ? *shift_gradient + sums.y : sums.y;
#endif
        return;
    }
#endif

#if INPUT_GRADIENT
    const COUNT row = (COUNT)get_group_id(0) * SLOTS + SLOT;
    const COUNT end = row < rows ? columns : 0;
    x += row * columns;
    output_gradient += row * columns;
    out += out_offset + row * columns;
#if HAS_PASSING
    passing += passing_offset + row * columns;
#endif
    const float center = row < rows ? mean[row] : 0.0f;
    const float factor = row < rows ? deviation[row] : 0.0f;
    __local float *totals = (__local float *)parts;

    float sum = 0.0f, product = 0.0f;
#if VALUES
    PACK values[VALUES], gradients[VALUES];
#pragma unroll
    FOR_PACKS(k, end) {
        values[k] = PACK_AT(x, k);
        gradients[k] = PACK_AT(output_gradient, k);
    }
#pragma unroll
    FOR_PACKS(k, end) {
        values[k] = (values[k] - center) * factor;
#if HAS_SCALE
        gradients[k] *= PACK_AT(scale + scale_offset, k);
#endif
        const PACK term = gradients[k] * values[k];
        sum += SUM_OF(gradients[k]);
        product += SUM_OF(term);
    }
#else
    float2 both = (float2)(0.0f);
    ADD_COLUMNS(float2, both, column, end, SCALED_GRADIENT(column) * (float2)(1.0f, (x[column] - center) * factor))
    sum = both.x;
    product = both.y;
#endif
#if CENTERS
    FOLD_FOR_ALL(sum, totals, ADD)
    sum /= (float)columns;
#else
    sum = 0.0f;
#endif
    FOLD_FOR_ALL(product, totals, ADD)
    product /= (float)columns;
#if VALUES
#pragma unroll
    FOR_PACKS(k, end) {
        PACK gradient = ((gradients[k] - sum) - values[k] * product) * factor;
#if HAS_PASSING
        gradient += PACK_AT(passing, k);
#endif
        SET_PACK_AT(out, k, gradient);
    }
#else
    for (COUNT column = LANE; column < end; column += LANES) {
        float gradient =
            ((SCALED_GRADIENT(column) - sum) - ((x[column] - center) * factor) * product) * factor;
#if HAS_PASSING
        gradient += passing[column];
#endif
        out[column] = gradient;
    }
#endif
#endif
}
