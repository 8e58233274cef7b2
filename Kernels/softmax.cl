// Softmax of each row of [rows, columns], its logarithm, and the gradients of both.
//
//   y = exp(x - max) / Σ exp(x - max)     dx = y (dy - Σ dy y)
//   y = x - max - log Σ exp(x - max)      dx = dy - exp(y) Σ dy
//
// Work-group: LANES * SLOTS work-items, SLOTS rows.
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

    float largest = -INFINITY;
    for (COUNT column = LANE; column < end; column += LANES) largest = LARGER(largest, x[column]);
#if LANES > 1
    __local float shares[GROUP_SIZE];
    shares[get_local_id(0)] = largest;
    FOLD_LANES(shares, LARGER)
    largest = shares[SLOT * SLOT_STEP];
    barrier(CLK_LOCAL_MEM_FENCE);
#endif

    float sum = 0.0f;
    for (COUNT column = LANE; column < end; column += LANES) {
        const float power = exp(x[column] - largest);
        sum += power;
#if !IS_LOGARITHMIC
        out[column] = power;
#endif
    }
#if LANES > 1
    shares[get_local_id(0)] = sum;
    FOLD_LANES(shares, ADD)
    sum = shares[SLOT * SLOT_STEP];
#endif

#if IS_LOGARITHMIC
    const float log_sum = log(sum);
    for (COUNT column = LANE; column < end; column += LANES) out[column] = (x[column] - largest) - log_sum;
#else
    for (COUNT column = LANE; column < end; column += LANES) out[column] /= sum;
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

    float sum = 0.0f;
    for (COUNT column = LANE; column < end; column += LANES)
        sum += IS_LOGARITHMIC ? output_gradient[column] : output_gradient[column] * y[column];
#if LANES > 1
    __local float shares[GROUP_SIZE];
    shares[get_local_id(0)] = sum;
    FOLD_LANES(shares, ADD)
    sum = shares[SLOT * SLOT_STEP];
#endif

    for (COUNT column = LANE; column < end; column += LANES)
        out[column] = IS_LOGARITHMIC ? output_gradient[column] - exp(y[column]) * sum
                                     : (output_gradient[column] - sum) * y[column];
}
