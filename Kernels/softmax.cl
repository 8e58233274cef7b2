// Softmax of each row of [rows, columns], its logarithm, and the gradients of both.
//
//   y = exp(x - max) / Σ exp(x - max)     dx = y (dy - Σ dy y)
//   y = x - max - log Σ exp(x - max)      dx = dy - exp(y) Σ dy
//
// Work-group: LANES * SLOTS work-items, SLOTS rows, in registers where they fit (rows.h).
//
//   IS_LOGARITHMIC  1 for the logarithm. Default 0.

#ifndef IS_LOGARITHMIC
#define IS_LOGARITHMIC 0
#endif

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void softmax(
    __global float *out, const ulong out_offset, __global const float *x, const ulong x_offset, const COUNT rows,
    const COUNT columns) {
    const COUNT row = (COUNT)get_group_id(0) * SLOTS + SLOT;
    const COUNT end = row < rows ? columns : 0;
    x += x_offset + row * columns;
    out += out_offset + row * columns;

#if LANES > 1
    __local float shares[GROUP_SIZE];
#endif
    float largest = -INFINITY, sum = 0.0f;
#if VALUES
    PACK values[VALUES];
#pragma unroll
    FOR_PACKS(k, end) {
        values[k] = PACK_AT(x, k);
        const float here = LARGEST_OF(values[k]);
        largest = LARGER(largest, here);
    }
    FOLD_FOR_ALL(largest, shares, LARGER)
#pragma unroll
    FOR_PACKS(k, end) {
#if IS_LOGARITHMIC
        values[k] -= largest;
        const PACK power = exp(values[k]);
        sum += SUM_OF(power);
#else
        values[k] = exp(values[k] - largest);
        sum += SUM_OF(values[k]);
#endif
    }
    FOLD_FOR_ALL(sum, shares, ADD)
    const float log_sum = IS_LOGARITHMIC ? log(sum) : 0.0f;
#pragma unroll
    FOR_PACKS(k, end) SET_PACK_AT(out, k, IS_LOGARITHMIC ? values[k] - log_sum : values[k] / sum);
#else
    for (COUNT column = LANE; column < end; column += LANES) largest = LARGER(largest, x[column]);
    FOLD_FOR_ALL(largest, shares, LARGER)

#if IS_LOGARITHMIC
    ADD_COLUMNS(float, sum, column, end, exp(x[column] - largest))
#else
    ADD_COLUMNS(float, sum, column, end, (out[column] = exp(x[column] - largest)))
#endif
    FOLD_FOR_ALL(sum, shares, ADD)

#if IS_LOGARITHMIC
    const float log_sum = log(sum);
    for (COUNT column = LANE; column < end; column += LANES) out[column] = (x[column] - largest) - log_sum;
#else
    for (COUNT column = LANE; column < end; column += LANES) out[column] /= sum;
#endif
#endif
}

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void softmax_gradient(
    __global float *out, const ulong out_offset, __global const float *y, const ulong y_offset,
    __global const float *output_gradient, const ulong output_gradient_offset, const COUNT rows, const COUNT columns) {
    const COUNT row = (COUNT)get_group_id(0) * SLOTS + SLOT;
    const COUNT end = row < rows ? columns : 0;
    y += y_offset + row * columns;
    output_gradient += output_gradient_offset + row * columns;
    out += out_offset + row * columns;

#if LANES > 1
    __local float shares[GROUP_SIZE];
#endif
    float sum = 0.0f;
#if VALUES
    PACK values[VALUES], gradients[VALUES];
#pragma unroll
    FOR_PACKS(k, end) {
        values[k] = PACK_AT(y, k);
        gradients[k] = PACK_AT(output_gradient, k);
    }
#pragma unroll
    FOR_PACKS(k, end) {
        const PACK term = IS_LOGARITHMIC ? gradients[k] : gradients[k] * values[k];
        sum += SUM_OF(term);
    }
    FOLD_FOR_ALL(sum, shares, ADD)
#pragma unroll
    FOR_PACKS(k, end) SET_PACK_AT(
        out, k, IS_LOGARITHMIC ? gradients[k] - exp(values[k]) * sum : (gradients[k] - sum) * values[k]);
#else
    ADD_COLUMNS(float, sum, column, end,
                IS_LOGARITHMIC ? output_gradient[column] : output_gradient[column] * y[column])
    FOLD_FOR_ALL(sum, shares, ADD)
    for (COUNT column = LANE; column < end; column += LANES)
        out[column] = IS_LOGARITHMIC ? output_gradient[column] - exp(y[column]) * sum
                                     : (output_gradient[column] - sum) * y[column];
#endif
}
