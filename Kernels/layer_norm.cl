// Layer normalisation of each row of [rows, columns], and its gradients.
//
//   y = (x - mean) / sqrt(variance + epsilon) * scale + shift
//   dx = (g - mean(g) - x^ mean(g x^)) / sqrt(variance + epsilon), with g = dy scale and x^ the normalised x
//   dscale = sum over rows of dy x^, dshift = sum over rows of dy
//
// Work-group of layer_norm and layer_norm_gradient: LANES * SLOTS work-items, SLOTS rows. Of layer_norm_sums: 64
// work-items, a column each; dimension 1 runs over blocks of rows, which a reduction adds up later.
//
//   CENTERS         0 to normalise about 0 instead of the mean. Default 1.
//   HAS_SCALE       1 with a scale. Default 0.
//   HAS_SHIFT       1 with a shift. Default 0.
//   SCALE_GRADIENT  1 to sum for the scale. Default 0.
//   SHIFT_GRADIENT  1 to sum for the shift. Default 0.

#ifndef CENTERS
#define CENTERS 1
#endif
#ifndef HAS_SCALE
#define HAS_SCALE 0
#endif
#ifndef HAS_SHIFT
#define HAS_SHIFT 0
#endif
#ifndef SCALE_GRADIENT
#define SCALE_GRADIENT 0
#endif
#ifndef SHIFT_GRADIENT
#define SHIFT_GRADIENT 0
#endif

/// Adds up `value`, a variable of each work-item, over the lanes of a slot; all of them receive the sum.
#if LANES > 1
#define SUM_LANES(value)                   \
    barrier(CLK_LOCAL_MEM_FENCE);          \
    shares[get_local_id(0)] = value;       \
    FOLD_LANES(shares, ADD)                \
    value = shares[SLOT * SLOT_STEP];
#else
#define SUM_LANES(value)
#endif

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void layer_norm(
    __global const float *x, const ulong x_offset,
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

    // Two chains keep the sums short.
    float center = 0.0f;
#if CENTERS
    float other = 0.0f;
    COUNT at = LANE;
    for (; at + LANES < end; at += 2 * LANES) {
        center += x[at];
        other += x[at + LANES];
    }
    if (at < end) center += x[at];
    center += other;
    SUM_LANES(center)
    center /= (float)columns;
    // The mean of what is left corrects the rounding of a long sum.
    float rest = 0.0f;
    for (COUNT column = LANE; column < end; column += LANES) rest += x[column] - center;
    SUM_LANES(rest)
    rest /= (float)columns;
    if (fabs(rest) < INFINITY) center += rest;
#endif
    float squares = 0.0f;
    for (COUNT column = LANE; column < end; column += LANES) {
        const float d = x[column] - center;
        squares += d * d;
    }
    SUM_LANES(squares)
    const float factor = 1.0f / sqrt(squares / (float)columns + epsilon);
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
    if (LANE == 0 && row < rows) {
        mean[mean_offset + row] = center;
        deviation[deviation_offset + row] = factor;
    }
}

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void layer_norm_gradient(
    __global const float *x, const ulong x_offset, __global const float *output_gradient,
    const ulong output_gradient_offset,
#if HAS_SCALE
    __global const float *scale, const ulong scale_offset,
#endif
    __global const float *mean, const ulong mean_offset, __global const float *deviation,
    const ulong deviation_offset, __global float *out, const ulong out_offset, const COUNT rows,
    const COUNT columns) {
    const COUNT row = (COUNT)get_group_id(0) * SLOTS + SLOT;
    const COUNT end = row < rows ? columns : 0;
    x += x_offset + row * columns;
    output_gradient += output_gradient_offset + row * columns;
    out += out_offset + row * columns;
    const float center = row < rows ? mean[mean_offset + row] : 0.0f;
    const float factor = row < rows ? deviation[deviation_offset + row] : 0.0f;
#if LANES > 1
    __local float shares[GROUP_SIZE];
#endif

    float sum = 0.0f, product = 0.0f;
    for (COUNT column = LANE; column < end; column += LANES) {
        float g = output_gradient[column];
#if HAS_SCALE
        g *= scale[scale_offset + column];
#endif
        sum += g;
        product += g * ((x[column] - center) * factor);
    }
#if CENTERS
    SUM_LANES(sum)
    sum /= (float)columns;
#else
    sum = 0.0f;
#endif
    SUM_LANES(product)
    product /= (float)columns;
    for (COUNT column = LANE; column < end; column += LANES) {
        float g = output_gradient[column];
#if HAS_SCALE
        g *= scale[scale_offset + column];
#endif
        out[column] = ((g - sum) - ((x[column] - center) * factor) * product) * factor;
    }
}

__kernel __attribute__((reqd_work_group_size(64, 1, 1))) void layer_norm_sums(
    __global const float *x, const ulong x_offset, __global const float *output_gradient,
    const ulong output_gradient_offset, __global const float *mean, const ulong mean_offset,
    __global const float *deviation, const ulong deviation_offset,
#if SCALE_GRADIENT
    __global float *scale_sums,
#endif
#if SHIFT_GRADIENT
    __global float *shift_sums,
#endif
    const COUNT rows, const COUNT columns, const COUNT block) {
    const COUNT column = get_global_id(0);
    if (column >= columns) return;
    const COUNT first = (COUNT)get_group_id(1) * block, last = min(rows, first + block);
    float for_scale = 0.0f, for_shift = 0.0f;
    for (COUNT row = first; row < last; row++) {
        const float g = output_gradient[output_gradient_offset + row * columns + column];
#if SCALE_GRADIENT
        for_scale +=
            g * ((x[x_offset + row * columns + column] - mean[mean_offset + row]) * deviation[deviation_offset + row]);
#endif
        for_shift += g;
    }
    const COUNT at = (COUNT)get_group_id(1) * columns + column;
#if SCALE_GRADIENT
    scale_sums[at] = for_scale;
#endif
#if SHIFT_GRADIENT
    shift_sums[at] = for_shift;
#endif
}
