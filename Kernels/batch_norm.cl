// Batch normalisation of x [batch, channels, positions] for each channel (Ioffe and Szegedy 2015), and its gradient.
//
//   y = (x - μ) / √(σ² + ε) · scale + shift
//   with x̂ = (x - μ) / √(σ² + ε):  dscale = Σ dy x̂,  dshift = Σ dy,
//   dx = scale / √(σ² + ε) (dy - (dshift + x̂ dscale) / n)
//
// Three steps: shares of each channel (`moments`, `gradient_sums`), their sum in a fixed order (`finish_moments`,
// `finish_gradients`), then every element (`normalize_channels`, `input_gradient`). A share holds count, mean and
// Σ (x - mean)²; shares are joined by Chan et al. (1979). Means are kept relative to the channel's first element, in which
// a large offset cancels; else its rounding would grow with every join.
//
// Work-group of the shares: LANES * SLOTS work-items, SLOTS channels; dimension 1 runs over splits of a channel's
// elements. Of the sums: 64 work-items, one channel each. Of the elements: 256 work-items, one element each.
//
//   HAS_SCALE, HAS_SHIFT    1 where the parameter exists. Default 0.
//   HAS_RUNNING             1 where running statistics are to be moved. Default 0.
//   FROM_VARIANCE           1 where `deviation` holds variances instead of 1 / √(σ² + ε) (inference). Default 0.
//   SCALE_GRADIENT, SHIFT_GRADIENT  0 not wanted, 1 to write, 2 to add to. Default 0.

#ifndef HAS_SCALE
#define HAS_SCALE 0
#endif
#ifndef HAS_SHIFT
#define HAS_SHIFT 0
#endif
#ifndef HAS_RUNNING
#define HAS_RUNNING 0
#endif
#ifndef FROM_VARIANCE
#define FROM_VARIANCE 0
#endif
#ifndef SCALE_GRADIENT
#define SCALE_GRADIENT 0
#endif
#ifndef SHIFT_GRADIENT
#define SHIFT_GRADIENT 0
#endif

/// Where element i of a channel's batch * positions elements lies.
static inline COUNT element(COUNT i, COUNT channel, COUNT channels, COUNT positions) {
    if (positions == 1) return i * channels + channel;
    const COUNT example = i / positions;
    return (example * channels + channel) * positions + (i - example * positions);
}

/// What a channel's means are relative to: its first element, 0 where that is not finite.
static inline float origin_of(__global const float *x, COUNT channel, COUNT positions) {
    const float first = x[channel * positions];
    return first - first == 0.0f ? first : 0.0f;
}

/// The count, mean and sum of squares about the mean of a set of elements.
typedef struct {
    float count, mean, squares;
} Moments;

static inline Moments joined(Moments p, Moments q) {
    if (q.count == 0.0f) return p;
    if (p.count == 0.0f) return q;
    Moments sum;
    const float difference = q.mean - p.mean;
    sum.count = p.count + q.count;
    const float weight = q.count / sum.count;
    // An infinite mean stays one: ∞ + (m - ∞) would be NaN.
    sum.mean = difference - difference == 0.0f ? p.mean + difference * weight : p.mean + q.mean;
    sum.squares = p.squares + q.squares + difference * difference * p.count * weight;
    return sum;
}

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void moments(
    __global const float *x, const ulong x_offset, __global float *shares, const COUNT channels,
    const COUNT positions, const COUNT count, const COUNT split_size) {
    const COUNT channel = (COUNT)get_group_id(0) * SLOTS + SLOT;
    const COUNT split = get_group_id(1);
    const COUNT first = split * split_size + LANE;
    const COUNT end = channel < channels ? min(count, (split + 1) * split_size) : 0;
    x += x_offset;

    Moments here = {0.0f, 0.0f, 0.0f};
    if (first < end) {
        const float origin = origin_of(x, channel, positions);
        float sum = 0.0f;
        for (COUNT i = first; i < end; i += LANES) sum += x[element(i, channel, channels, positions)] - origin;
        here.count = (float)((end - first + LANES - 1) / LANES);
        here.mean = sum / here.count;
        float rest = 0.0f;
        for (COUNT i = first; i < end; i += LANES) {
            const float difference = (x[element(i, channel, channels, positions)] - origin) - here.mean;
            here.squares += difference * difference;
            rest += difference;
        }
        // What rounding left of the mean.
        here.squares -= rest * rest / here.count;
        if (rest - rest == 0.0f) here.mean += rest / here.count;
    }
#if LANES > 1
    __local Moments parts[GROUP_SIZE];
    parts[get_local_id(0)] = here;
    FOLD_LANES(parts, joined)
    here = parts[get_local_id(0)];
#endif
    if (LANE == 0 && channel < channels) {
        shares += (split * channels + channel) * 3;
        shares[0] = here.count;
        shares[1] = here.mean;
        shares[2] = here.squares;
    }
}

__kernel __attribute__((reqd_work_group_size(64, 1, 1))) void finish_moments(
    __global const float *x, const ulong x_offset, __global const float *shares, __global float *mean, const ulong mean_offset, __global float *deviation,
    const ulong deviation_offset,
#if HAS_RUNNING
    __global float *running_mean, const ulong running_mean_offset, __global float *running_variance,
    const ulong running_variance_offset, const float momentum,
#endif
    const COUNT channels, const COUNT positions, const COUNT splits, const float epsilon) {
    const COUNT channel = get_global_id(0);
    if (channel >= channels) return;
    Moments all = {0.0f, 0.0f, 0.0f};
    for (COUNT split = 0; split < splits; split++) {
        __global const float *share = shares + (split * channels + channel) * 3;
        Moments next = {share[0], share[1], share[2]};
        all = joined(all, next);
    }
    const float center = origin_of(x + x_offset, channel, positions) + all.mean;
    mean[mean_offset + channel] = center;
    deviation[deviation_offset + channel] = 1.0f / sqrt(all.squares / all.count + epsilon);
#if HAS_RUNNING
    const ulong m = running_mean_offset + channel, v = running_variance_offset + channel;
    running_mean[m] = (1.0f - momentum) * running_mean[m] + momentum * center;
    running_variance[v] =
        (1.0f - momentum) * running_variance[v] + momentum * (all.squares / (all.count - 1.0f));
#endif
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void normalize_channels(
    __global const float *x, const ulong x_offset, __global const float *mean, const ulong mean_offset,
    __global const float *deviation, const ulong deviation_offset,
#if HAS_SCALE
    __global const float *scale, const ulong scale_offset,
#endif
#if HAS_SHIFT
    __global const float *shift, const ulong shift_offset,
#endif
    __global float *out, const ulong out_offset, const COUNT channels, const COUNT positions, const COUNT count,
    const float epsilon) {
    const COUNT i = get_global_id(0);
    if (i >= count) return;
    const COUNT channel = i / positions % channels;
    float factor = deviation[deviation_offset + channel];
#if FROM_VARIANCE
    factor = 1.0f / sqrt(factor + epsilon);
#endif
    float value = (x[x_offset + i] - mean[mean_offset + channel]) * factor;
#if HAS_SCALE
    value *= scale[scale_offset + channel];
#endif
#if HAS_SHIFT
    value += shift[shift_offset + channel];
#endif
    out[out_offset + i] = value;
}

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void gradient_sums(
    __global const float *x, const ulong x_offset, __global const float *output_gradient,
    const ulong output_gradient_offset, __global const float *mean, const ulong mean_offset,
    __global const float *deviation, const ulong deviation_offset, __global float *shares, const COUNT channels,
    const COUNT positions, const COUNT count, const COUNT split_size) {
    const COUNT channel = (COUNT)get_group_id(0) * SLOTS + SLOT;
    const COUNT split = get_group_id(1);
    const COUNT end = channel < channels ? min(count, (split + 1) * split_size) : 0;
    x += x_offset;
    output_gradient += output_gradient_offset;

    float for_scale = 0.0f, for_shift = 0.0f;
    if (channel < channels) {
        const float center = mean[mean_offset + channel], factor = deviation[deviation_offset + channel];
        for (COUNT i = split * split_size + LANE; i < end; i += LANES) {
            const COUNT at = element(i, channel, channels, positions);
            for_scale += output_gradient[at] * ((x[at] - center) * factor);
            for_shift += output_gradient[at];
        }
    }
#if LANES > 1
    __local float2 parts[GROUP_SIZE];
    parts[get_local_id(0)] = (float2)(for_scale, for_shift);
    FOLD_LANES(parts, ADD)
    for_scale = parts[get_local_id(0)].s0;
    for_shift = parts[get_local_id(0)].s1;
#endif
    if (LANE == 0 && channel < channels) {
        shares += (split * channels + channel) * 2;
        shares[0] = for_scale;
        shares[1] = for_shift;
    }
}

__kernel __attribute__((reqd_work_group_size(64, 1, 1))) void finish_gradients(
    __global const float *shares, __global float *sums,
#if SCALE_GRADIENT
    __global float *scale_gradient, const ulong scale_gradient_offset,
#endif
#if SHIFT_GRADIENT
    __global float *shift_gradient, const ulong shift_gradient_offset,
#endif
    const COUNT channels, const COUNT splits) {
    const COUNT channel = get_global_id(0);
    if (channel >= channels) return;
    float for_scale = 0.0f, for_shift = 0.0f;
    for (COUNT split = 0; split < splits; split++) {
        for_scale += shares[(split * channels + channel) * 2];
        for_shift += shares[(split * channels + channel) * 2 + 1];
    }
    sums[channel * 2] = for_scale;
    sums[channel * 2 + 1] = for_shift;
#if SCALE_GRADIENT == 2
    scale_gradient[scale_gradient_offset + channel] += for_scale;
#elif SCALE_GRADIENT == 1
    scale_gradient[scale_gradient_offset + channel] = for_scale;
#endif
#if SHIFT_GRADIENT == 2
    shift_gradient[shift_gradient_offset + channel] += for_shift;
#elif SHIFT_GRADIENT == 1
    shift_gradient[shift_gradient_offset + channel] = for_shift;
#endif
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void input_gradient(
    __global const float *x, const ulong x_offset, __global const float *output_gradient,
    const ulong output_gradient_offset, __global const float *mean, const ulong mean_offset,
    __global const float *deviation, const ulong deviation_offset,
#if HAS_SCALE
    __global const float *scale, const ulong scale_offset,
#endif
    __global const float *sums, __global float *out, const ulong out_offset, const COUNT channels,
    const COUNT positions, const COUNT count, const float inverse_count) {
    const COUNT i = get_global_id(0);
    if (i >= count) return;
    const COUNT channel = i / positions % channels;
    const float inverse_deviation = deviation[deviation_offset + channel];
    const float normalized = (x[x_offset + i] - mean[mean_offset + channel]) * inverse_deviation;
    float value = output_gradient[output_gradient_offset + i] -
                  (sums[channel * 2 + 1] + normalized * sums[channel * 2]) * inverse_count;
    value *= inverse_deviation;
#if HAS_SCALE
    value *= scale[scale_offset + channel];
#endif
    out[out_offset + i] = value;
}
