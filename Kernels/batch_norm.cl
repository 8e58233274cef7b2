// Batch normalisation of x [batch, channels, positions] for each channel (Ioffe and Szegedy 2015), and its gradient;
// with the residual addition and the ReLU that may follow it.
//
//   y = (x - μ) / √(σ² + ε) · scale + shift (+ residual) (, 0 where negative)
//   with x̂ = (x - μ) / √(σ² + ε), g = dy (, 0 where y ≤ 0):  dresidual = g,  dscale = Σ g x̂,  dshift = Σ g,
//   dx = scale / √(σ² + ε) (g - (dshift + x̂ dscale) / n)
//
// Where a channel's values fit the registers of a group, one launch reads each of them once (`batch_norm`,
// `batch_norm_gradient`). Else there are two: one over the channels, whose splits leave shares that the last group joins
// (`moments`, `gradient_sums`), and one over the elements (`normalize_channels`, `input_gradient`). A share of moments
// holds count, mean and Σ (x - mean)²; they are joined by Chan et al. (1979). Means are kept relative to the channel's
// first element, in which a large offset cancels; else its rounding would grow with every join.
//
// Work-group over channels: LANES * SLOTS work-items, SLOTS channels; dimension 1 runs over splits of a channel's
// elements. Over elements: 256 work-items, VALUES packs each. Positions, and counts of elements, are given in packs.
//
//   WIDTH                   floats that are read and written together, a pack: 4 where they lie aligned and in one channel
//                           (positions are a multiple of 4), else 1. Default 1.
//   PACKS_CHANNELS          1 where a pack of an element launch spans as many channels (positions are 1); channels are
//                           then given in packs, too. Default 0.
//   VALUES                  packs that a work-item holds. Default 4.
//   HAS_SCALE, HAS_SHIFT    1 where the parameter exists. Default 0.
//   HAS_RUNNING             1 where running statistics are to be moved. Default 0.
//   HAS_RESIDUAL            1 to add a residual. Default 0.
//   IS_RECTIFIED            1 to end with the ReLU; of a gradient, where it ended so and y is given. Default 0.
//   FROM_VARIANCE           1 where `deviation` holds variances instead of 1 / √(σ² + ε) (inference). Default 0.
//   SCALE_GRADIENT, SHIFT_GRADIENT  0 not wanted, 1 to write, 2 to add to. Default 0.
//   RESIDUAL_GRADIENT       1 to write g. Default 0.

#ifndef WIDTH
#define WIDTH 1
#endif
#ifndef PACKS_CHANNELS
#define PACKS_CHANNELS 0
#endif
#ifndef VALUES
#define VALUES 4
#endif
#ifndef HAS_SCALE
#define HAS_SCALE 0
#endif
#ifndef HAS_SHIFT
#define HAS_SHIFT 0
#endif
#ifndef HAS_RUNNING
#define HAS_RUNNING 0
#endif
#ifndef HAS_RESIDUAL
#define HAS_RESIDUAL 0
#endif
#ifndef IS_RECTIFIED
#define IS_RECTIFIED 0
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
#ifndef RESIDUAL_GRADIENT
#define RESIDUAL_GRADIENT 0
#endif

#if WIDTH == 4
typedef float4 PACK;
#define SUM_OF(pack) ((pack.x + pack.y) + (pack.z + pack.w))
#else
typedef float PACK;
#define SUM_OF(pack) (pack)
#endif
#define PACKS(pointer) ((__global PACK *)(pointer))
#define CONSTANT_PACKS(pointer) ((__global const PACK *)(pointer))

/// What a channel's parameter is to a pack.
#if PACKS_CHANNELS
typedef PACK OF_CHANNEL;
#else
typedef float OF_CHANNEL;
#endif
#define PARAMETER(pointer, channel) (((__global const OF_CHANNEL *)(pointer))[channel])

/// Where pack i of a channel lies, in packs.
static inline COUNT place(COUNT i, COUNT channel, COUNT channels, COUNT positions) {
    if (positions == 1) return i * channels + channel;
    const COUNT example = i / positions;
    return (example * channels + channel) * positions + (i - example * positions);
}

/// What a channel's means are relative to: its first element, 0 where that is not finite.
static inline float origin_of(__global const float *x, COUNT channel, COUNT positions) {
    const float first = x[channel * positions * WIDTH];
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

/// The moments of `values[k]` relative to `origin`, for those k where `i + k * LANES < end`, of which there is one at least.
static inline Moments moments_of(const PACK *values, COUNT i, COUNT end, float origin) {
    float sum = 0.0f, rest = 0.0f;
    Moments all = {0.0f, 0.0f, 0.0f};
#pragma unroll
    for (int k = 0; k < VALUES; k++)
        if (i + k * LANES < end) {
            const PACK value = values[k] - origin;
            sum += SUM_OF(value);
            all.count += (float)WIDTH;
        }
    all.mean = sum / all.count;
#pragma unroll
    for (int k = 0; k < VALUES; k++)
        if (i + k * LANES < end) {
            const PACK difference = (values[k] - origin) - all.mean;
            const PACK square = difference * difference;
            all.squares += SUM_OF(square);
            rest += SUM_OF(difference);
        }
    // What rounding left of the mean.
    all.squares -= rest * rest / all.count;
    if (rest - rest == 0.0f) all.mean += rest / all.count;
    return all;
}

/// The mean of a channel and 1 / √(σ² + ε) where squares do not fit a float, or not a number: in numbers of another size,
/// beside which ε is nothing.
static __attribute__((noinline)) float2 extreme_statistics(
    __global const float *x, COUNT channel, COUNT channels, COUNT positions, COUNT count) {
    const float small = 0x1p-70f;
    const COUNT row = positions * WIDTH, rows = count / positions;
    float center = 0.0f, squares = 0.0f;
    for (COUNT example = 0; example < rows && center == center; example++) {
        __global const float *from = x + (example * channels + channel) * row;
        float sum = 0.0f;
        for (COUNT i = 0; i < row; i++) sum += from[i] * small;
        center += sum;
    }
    center /= (float)(rows * row);
    for (COUNT example = 0; example < rows && squares == squares; example++) {
        __global const float *from = x + (example * channels + channel) * row;
        float sum = 0.0f;
        for (COUNT i = 0; i < row; i++) {
            const float d = from[i] * small - center;
            sum += d * d;
        }
        squares += sum;
    }
    return (float2)(center / small, small / sqrt(squares / (float)(rows * row)));
}

/// Writes what the moments of a channel make of the statistics. Returns the mean and 1 / √(σ² + ε).
#define STATISTICS_PARAMETERS                                                                                  \
    __global float *mean, const ulong mean_offset, __global float *deviation, const ulong deviation_offset,    \
        RUNNING_PARAMETERS const float epsilon
#define STATISTICS_ARGUMENTS mean, mean_offset, deviation, deviation_offset, RUNNING_ARGUMENTS epsilon
#if HAS_RUNNING
#define RUNNING_PARAMETERS                                                                              \
    __global float *running_mean, const ulong running_mean_offset, __global float *running_variance,    \
        const ulong running_variance_offset, const float momentum,
#define RUNNING_ARGUMENTS running_mean, running_mean_offset, running_variance, running_variance_offset, momentum,
#else
#define RUNNING_PARAMETERS
#define RUNNING_ARGUMENTS
#endif
static inline float2 finished(
    Moments all, float origin, __global const float *x, COUNT channel, COUNT channels, COUNT positions, COUNT count,
    int writes, STATISTICS_PARAMETERS) {
    float center = origin + all.mean, factor = 1.0f / sqrt(all.squares / all.count + epsilon);
    if (!(all.squares < INFINITY)) {
        const float2 statistics = extreme_statistics(x, channel, channels, positions, count);
        center = statistics.x;
        factor = statistics.y;
    }
    if (writes) {
        mean[mean_offset + channel] = center;
        deviation[deviation_offset + channel] = factor;
#if HAS_RUNNING
        const ulong m = running_mean_offset + channel, v = running_variance_offset + channel;
        running_mean[m] = (1.0f - momentum) * running_mean[m] + momentum * center;
        running_variance[v] =
            (1.0f - momentum) * running_variance[v] + momentum * (all.squares / (all.count - 1.0f));
#endif
    }
    return (float2)(center, factor);
}

// The parameters of a launch over elements and of `batch_norm`, and what becomes of a pack.
#if HAS_SCALE
#define SCALE_PARAMETERS __global const float *scale, const ulong scale_offset,
#define SCALE_OF(channel) PARAMETER(scale + scale_offset, channel)
#else
#define SCALE_PARAMETERS
#define SCALE_OF(channel) ((OF_CHANNEL)(1.0f))
#endif
#if HAS_SHIFT
#define SHIFT_PARAMETERS __global const float *shift, const ulong shift_offset,
#define SHIFT_OF(channel) PARAMETER(shift + shift_offset, channel)
#else
#define SHIFT_PARAMETERS
#define SHIFT_OF(channel) ((OF_CHANNEL)(0.0f))
#endif
#if HAS_RESIDUAL
#define RESIDUAL_PARAMETERS __global const float *residual, const ulong residual_offset,
#define RESIDUAL_OF(at) CONSTANT_PACKS(residual + residual_offset)[at]
#else
#define RESIDUAL_PARAMETERS
#define RESIDUAL_OF(at) ((PACK)(0.0f))
#endif

static inline PACK normalized(
    PACK centered, OF_CHANNEL factor, OF_CHANNEL scale_value, OF_CHANNEL shift_value, PACK residual_value) {
    PACK value = centered * factor;
#if HAS_SCALE
    value *= scale_value;
#endif
#if HAS_SHIFT
    value += shift_value;
#endif
#if HAS_RESIDUAL
    value += residual_value;
#endif
#if IS_RECTIFIED
    value = value < 0.0f ? (PACK)(0.0f) : value;
#endif
    return value;
}

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void batch_norm(
    __global const float *x, const ulong x_offset, STATISTICS_PARAMETERS, SCALE_PARAMETERS SHIFT_PARAMETERS
    RESIDUAL_PARAMETERS __global float *out, const ulong out_offset, const COUNT channels, const COUNT positions,
    const COUNT count) {
    const COUNT channel = (COUNT)get_group_id(0) * SLOTS + SLOT;
    const COUNT end = channel < channels ? count : 0;
    x += x_offset;
    out += out_offset;

    const float origin = LANE < end ? origin_of(x, channel, positions) : 0.0f;
    PACK values[VALUES];
#pragma unroll
    for (int k = 0; k < VALUES; k++) {
        const COUNT i = LANE + k * LANES;
        if (i < end) values[k] = CONSTANT_PACKS(x)[place(i, channel, channels, positions)];
    }
    Moments here = {0.0f, 0.0f, 0.0f};
    if (LANE < end) here = moments_of(values, LANE, end, origin);
    __local Moments parts[GROUP_SIZE];
    parts[get_local_id(0)] = here;
    FOLD_LANES(parts, joined)
    here = parts[SLOT * SLOT_STEP];
    if (channel >= channels) return;
    const float2 statistics =
        finished(here, origin, x, channel, channels, positions, count, LANE == 0, STATISTICS_ARGUMENTS);
    const OF_CHANNEL scale_value = SCALE_OF(channel), shift_value = SHIFT_OF(channel);
#pragma unroll
    for (int k = 0; k < VALUES; k++) {
        const COUNT i = LANE + k * LANES;
        if (i < end) {
            const COUNT at = place(i, channel, channels, positions);
            PACKS(out)[at] = normalized(values[k] - statistics.x, statistics.y, scale_value, shift_value, RESIDUAL_OF(at));
        }
    }
}

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void moments(
    __global const float *x, const ulong x_offset, STATISTICS_PARAMETERS, const COUNT channels, const COUNT positions,
    const COUNT count, const COUNT split_size, __global float *shares, __global uint *counters) {
    const COUNT channel = (COUNT)get_group_id(0) * SLOTS + SLOT;
    const COUNT split = get_group_id(1), splits = get_num_groups(1);
    const COUNT end = channel < channels ? min(count, (split + 1) * split_size) : 0;
    x += x_offset;

    Moments here = {0.0f, 0.0f, 0.0f};
    const float origin = channel < channels ? origin_of(x, channel, positions) : 0.0f;
    for (COUNT first = split * split_size + LANE; first < end; first += VALUES * LANES) {
        PACK values[VALUES];
#pragma unroll
        for (int k = 0; k < VALUES; k++) {
            const COUNT i = first + k * LANES;
            if (i < end) values[k] = CONSTANT_PACKS(x)[place(i, channel, channels, positions)];
        }
        here = joined(here, moments_of(values, first, end, origin));
    }
#if LANES > 1
    __local Moments parts[GROUP_SIZE];
    parts[get_local_id(0)] = here;
    FOLD_LANES(parts, joined)
    here = parts[get_local_id(0)];
#endif
    __local int flag;
    if (splits > 1) {
        if (LANE == 0 && channel < channels) {
            __global float *share = shares + (split * channels + channel) * 3;
            STORE_SHARE(here.count, share);
            STORE_SHARE(here.mean, share + 1);
            STORE_SHARE(here.squares, share + 2);
        }
        if (!is_last_group(counters + get_group_id(0), splits, &flag)) return;
        here.count = 0.0f;
        if (channel < channels)
            for (COUNT other = LANE; other < splits; other += LANES) {
                __global const float *share = shares + (other * channels + channel) * 3;
                const Moments next = {LOAD_SHARE(share), LOAD_SHARE(share + 1), LOAD_SHARE(share + 2)};
                here = joined(here, next);
            }
#if LANES > 1
        parts[get_local_id(0)] = here;
        FOLD_LANES(parts, joined)
        here = parts[get_local_id(0)];
#endif
    }
    if (LANE == 0 && channel < channels)
        finished(here, origin, x, channel, channels, positions, count, 1, STATISTICS_ARGUMENTS);
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void normalize_channels(
    __global const float *x, const ulong x_offset, __global const float *mean, const ulong mean_offset,
    __global const float *deviation, const ulong deviation_offset, SCALE_PARAMETERS SHIFT_PARAMETERS
    RESIDUAL_PARAMETERS __global float *out, const ulong out_offset, const COUNT channels, const COUNT positions,
    const COUNT count, const float epsilon) {
    const COUNT first = (COUNT)get_group_id(0) * (256 * VALUES) + get_local_id(0);
    PACK values[VALUES];
#pragma unroll
    for (int k = 0; k < VALUES; k++)
        if (first + k * 256 < count) values[k] = CONSTANT_PACKS(x + x_offset)[first + k * 256];
#pragma unroll
    for (int k = 0; k < VALUES; k++) {
        const COUNT i = first + k * 256;
        if (i < count) {
            const COUNT channel = i / positions % channels;
            OF_CHANNEL factor = PARAMETER(deviation + deviation_offset, channel);
#if FROM_VARIANCE
            factor = 1.0f / sqrt(factor + epsilon);
#endif
            PACKS(out + out_offset)[i] = normalized(
                values[k] - PARAMETER(mean + mean_offset, channel), factor, SCALE_OF(channel), SHIFT_OF(channel),
                RESIDUAL_OF(i));
        }
    }
}

// Of the gradients.
#if IS_RECTIFIED
/// Both are read in any case: a read under a condition would keep compilers for CPUs from making vectors of the loop.
static inline PACK rectified(const PACK y, const PACK gradient) { return y <= 0.0f ? (PACK)(0.0f) : gradient; }
#define Y_PARAMETERS __global const float *y, const ulong y_offset,
#define ARRIVING(at) rectified(CONSTANT_PACKS(y + y_offset)[at], CONSTANT_PACKS(output_gradient)[at])
#else
#define Y_PARAMETERS
#define ARRIVING(at) CONSTANT_PACKS(output_gradient)[at]
#endif
#if RESIDUAL_GRADIENT
#define RESIDUAL_GRADIENT_PARAMETERS __global float *residual_gradient, const ulong residual_gradient_offset,
#define STORE_RESIDUAL_GRADIENT(value, at) PACKS(residual_gradient + residual_gradient_offset)[at] = value;
#else
#define RESIDUAL_GRADIENT_PARAMETERS
#define STORE_RESIDUAL_GRADIENT(value, at)
#endif
#if SCALE_GRADIENT
#define SCALE_GRADIENT_PARAMETERS __global float *scale_gradient, const ulong scale_gradient_offset,
#define STORE_SCALE_GRADIENT(value)                                              \
    {                                                                            \
        __global float *to = scale_gradient + scale_gradient_offset + channel;   \
        *to = SCALE_GRADIENT == 2 ? *to + (value) : (value);                     \
    }
#else
#define SCALE_GRADIENT_PARAMETERS
#define STORE_SCALE_GRADIENT(value)
#endif
#if SHIFT_GRADIENT
#define SHIFT_GRADIENT_PARAMETERS __global float *shift_gradient, const ulong shift_gradient_offset,
#define STORE_SHIFT_GRADIENT(value)                                              \
    {                                                                            \
        __global float *to = shift_gradient + shift_gradient_offset + channel;   \
        *to = SHIFT_GRADIENT == 2 ? *to + (value) : (value);                     \
    }
#else
#define SHIFT_GRADIENT_PARAMETERS
#define STORE_SHIFT_GRADIENT(value)
#endif

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void batch_norm_gradient(
    __global const float *x, const ulong x_offset, __global const float *output_gradient,
    const ulong output_gradient_offset, Y_PARAMETERS __global const float *mean, const ulong mean_offset,
    __global const float *deviation, const ulong deviation_offset, SCALE_PARAMETERS SCALE_GRADIENT_PARAMETERS
    SHIFT_GRADIENT_PARAMETERS RESIDUAL_GRADIENT_PARAMETERS __global float *out, const ulong out_offset,
    const COUNT channels, const COUNT positions, const COUNT count, const float inverse_count) {
    const COUNT channel = (COUNT)get_group_id(0) * SLOTS + SLOT;
    const COUNT end = channel < channels ? count : 0;
    x += x_offset;
    output_gradient += output_gradient_offset;
    out += out_offset;

    const float center = channel < channels ? mean[mean_offset + channel] : 0.0f;
    const float factor = channel < channels ? deviation[deviation_offset + channel] : 0.0f;
    PACK values[VALUES], gradients[VALUES];
#pragma unroll
    for (int k = 0; k < VALUES; k++) {
        const COUNT i = LANE + k * LANES;
        if (i < end) {
            const COUNT at = place(i, channel, channels, positions);
            values[k] = (CONSTANT_PACKS(x)[at] - center) * factor;
            gradients[k] = ARRIVING(at);
        }
    }
    PACK for_scale = (PACK)(0.0f), for_shift = (PACK)(0.0f);
#pragma unroll
    for (int k = 0; k < VALUES; k++)
        if (LANE + k * LANES < end) {
            for_scale += gradients[k] * values[k];
            for_shift += gradients[k];
        }
    __local float2 parts[GROUP_SIZE];
    parts[get_local_id(0)] = (float2)(SUM_OF(for_scale), SUM_OF(for_shift));
    FOLD_LANES(parts, ADD)
    const float2 sums = parts[SLOT * SLOT_STEP];
    if (channel >= channels) return;
    if (LANE == 0) {
        STORE_SCALE_GRADIENT(sums.x)
        STORE_SHIFT_GRADIENT(sums.y)
    }
    const OF_CHANNEL scale_value = SCALE_OF(channel);
#pragma unroll
    for (int k = 0; k < VALUES; k++) {
        const COUNT i = LANE + k * LANES;
        if (i < end) {
            const COUNT at = place(i, channel, channels, positions);
            STORE_RESIDUAL_GRADIENT(gradients[k], at)
            PACK value = (gradients[k] - (sums.y + values[k] * sums.x) * inverse_count) * factor;
#if HAS_SCALE
            value *= scale_value;
#endif
            PACKS(out)[at] = value;
        }
    }
}

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void gradient_sums(
    __global const float *x, const ulong x_offset, __global const float *output_gradient,
    const ulong output_gradient_offset, Y_PARAMETERS __global const float *mean, const ulong mean_offset,
    __global const float *deviation, const ulong deviation_offset, SCALE_GRADIENT_PARAMETERS SHIFT_GRADIENT_PARAMETERS
    RESIDUAL_GRADIENT_PARAMETERS __global float *sums, const COUNT channels, const COUNT positions, const COUNT count,
    const COUNT split_size, __global float *shares, __global uint *counters) {
    const COUNT channel = (COUNT)get_group_id(0) * SLOTS + SLOT;
    const COUNT split = get_group_id(1), splits = get_num_groups(1);
    const COUNT end = channel < channels ? min(count, (split + 1) * split_size) : 0;
    x += x_offset;
    output_gradient += output_gradient_offset;

    const float center = channel < channels ? mean[mean_offset + channel] : 0.0f;
    const float factor = channel < channels ? deviation[deviation_offset + channel] : 0.0f;
    float2 here = (float2)(0.0f);
    // In blocks, as all long sums; VALUES, a power of two, divides them.
    for (COUNT block = split * split_size + LANE; block < end; block += FOLD_BLOCK * LANES) {
        const COUNT block_end = min(end, block + FOLD_BLOCK * LANES);
        PACK for_scale = (PACK)(0.0f), for_shift = (PACK)(0.0f);
        for (COUNT first = block; first < block_end; first += VALUES * LANES) {
            PACK values[VALUES], gradients[VALUES];
#pragma unroll
            for (int k = 0; k < VALUES; k++)
                if (first + k * LANES < end) {
                    const COUNT at = place(first + k * LANES, channel, channels, positions);
                    values[k] = CONSTANT_PACKS(x)[at];
                    gradients[k] = ARRIVING(at);
                    STORE_RESIDUAL_GRADIENT(gradients[k], at)
                }
#pragma unroll
            for (int k = 0; k < VALUES; k++)
                if (first + k * LANES < end) {
                    for_scale += gradients[k] * ((values[k] - center) * factor);
                    for_shift += gradients[k];
                }
        }
        here += (float2)(SUM_OF(for_scale), SUM_OF(for_shift));
    }
#if LANES > 1
    __local float2 parts[GROUP_SIZE];
    parts[get_local_id(0)] = here;
    FOLD_LANES(parts, ADD)
    here = parts[get_local_id(0)];
#endif
    __local int flag;
    if (splits > 1) {
        if (LANE == 0 && channel < channels) {
            STORE_SHARE(here.x, shares + (split * channels + channel) * 2);
            STORE_SHARE(here.y, shares + (split * channels + channel) * 2 + 1);
        }
        if (!is_last_group(counters + get_group_id(0), splits, &flag)) return;
        here = (float2)(0.0f);
        const COUNT others = channel < channels ? splits : 0;
        ADD_COLUMNS(float2, here, other, others,
                    (float2)(LOAD_SHARE(shares + (other * channels + channel) * 2),
                             LOAD_SHARE(shares + (other * channels + channel) * 2 + 1)))
#if LANES > 1
        parts[get_local_id(0)] = here;
        FOLD_LANES(parts, ADD)
        here = parts[get_local_id(0)];
#endif
    }
    if (LANE == 0 && channel < channels) {
        sums[channel] = here.x;
        sums[channels + channel] = here.y;
        STORE_SCALE_GRADIENT(here.x)
        STORE_SHIFT_GRADIENT(here.y)
    }
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void input_gradient(
    __global const float *x, const ulong x_offset, __global const float *output_gradient,
    const ulong output_gradient_offset, Y_PARAMETERS __global const float *mean, const ulong mean_offset,
    __global const float *deviation, const ulong deviation_offset, SCALE_PARAMETERS __global const float *sums,
    __global float *out, const ulong out_offset, const COUNT channels, const COUNT positions, const COUNT count,
    const float inverse_count) {
    const COUNT first = (COUNT)get_group_id(0) * (256 * VALUES) + get_local_id(0);
    output_gradient += output_gradient_offset;
    PACK values[VALUES], gradients[VALUES];
#pragma unroll
    for (int k = 0; k < VALUES; k++) {
        const COUNT i = first + k * 256;
        if (i < count) {
            values[k] = CONSTANT_PACKS(x + x_offset)[i];
            gradients[k] = ARRIVING(i);
        }
    }
#pragma unroll
    for (int k = 0; k < VALUES; k++) {
        const COUNT i = first + k * 256;
        if (i < count) {
            const COUNT channel = i / positions % channels;
            const OF_CHANNEL factor = PARAMETER(deviation + deviation_offset, channel);
            const PACK x_hat = (values[k] - PARAMETER(mean + mean_offset, channel)) * factor;
            const OF_CHANNEL for_scale = PARAMETER(sums, channel), for_shift = PARAMETER(sums, channels + channel);
            PACK value = (gradients[k] - (for_shift + x_hat * for_scale) * inverse_count) * factor;
#if HAS_SCALE
            value *= SCALE_OF(channel);
#endif
            PACKS(out + out_offset)[i] = value;
        }
    }
}
