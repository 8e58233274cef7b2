// The health of each segment of an arena: mean, standard deviation, minimum, maximum, absolute maximum and norm of its
// finite elements, and its numbers of zeros, NaNs and infinities; the columns are those of `Statistic`.
//
// Each group leaves a share of a segment, and the last one joins them in a fixed order. The segments' bounds are read from
// device memory.
//
// Work-group: LANES * SLOTS work-items with SLOTS = 1; dimension 0 runs over splits of a segment, 1 over segments.

/// What a segment's means are relative to, so that a large offset cancels: its first element, 0 where that is not finite.
static inline float origin_of(__global const float *x, COUNT length) {
    return length > 0 && x[0] - x[0] == 0.0f ? x[0] : 0.0f;
}

/// What is known of some elements. Sums of squares are kept about the mean and about zero.
typedef struct {
    float mean, squares, energy, minimum, maximum;
    uint finite_count, zero_count, nan_count, infinity_count;
} Share;

static inline Share empty_share(void) {
    Share share = {0.0f, 0.0f, 0.0f, INFINITY, -INFINITY, 0, 0, 0, 0};
    return share;
}

/// Both together (Chan et al. 1979).
static inline Share joined(Share p, Share q) {
    Share sum = p;
    if (p.finite_count == 0) {
        sum = q;
    } else if (q.finite_count > 0) {
        sum.finite_count = p.finite_count + q.finite_count;
        const float difference = q.mean - p.mean;
        const float weight = (float)q.finite_count / (float)sum.finite_count;
        sum.mean = p.mean + difference * weight;
        sum.squares = p.squares + q.squares + difference * difference * (float)p.finite_count * weight;
        sum.energy = p.energy + q.energy;
        sum.minimum = fmin(p.minimum, q.minimum);
        sum.maximum = fmax(p.maximum, q.maximum);
    }
    sum.zero_count = p.zero_count + q.zero_count;
    sum.nan_count = p.nan_count + q.nan_count;
    sum.infinity_count = p.infinity_count + q.infinity_count;
    return sum;
}

// Elements that a work-item takes at a time. On a GPU they stay in registers, all loads under way at once; a CPU reads them
// where they are.
#if LANES > 1
#define CHUNK 8
#define VALUES_SPACE __private
#define FOR_HELD(k, held) for (int k = 0; k < CHUNK; k++) if (k < (held))
#else
#define CHUNK 4096
#define VALUES_SPACE __global
#define FOR_HELD(k, held) for (int k = 0; k < (held); k++)
#endif

/// The share of the first `held` of `values`.
static inline Share share_of(VALUES_SPACE const float *values, int held, float origin) {
    Share share = empty_share();
    float sum = 0.0f, rest = 0.0f;
#pragma unroll
    FOR_HELD(k, held) {
        const float value = values[k];
        const int is_finite = value - value == 0.0f;
        share.finite_count += is_finite;
        sum += is_finite ? value - origin : 0.0f;
        share.energy += is_finite ? value * value : 0.0f;
        share.minimum = is_finite ? fmin(share.minimum, value) : share.minimum;
        share.maximum = is_finite ? fmax(share.maximum, value) : share.maximum;
        share.zero_count += value == 0.0f;
        share.nan_count += value != value;
    }
    share.infinity_count = (uint)held - share.finite_count - share.nan_count;
    if (share.finite_count == 0) return share;
    share.mean = sum / (float)share.finite_count;
#pragma unroll
    FOR_HELD(k, held) {
        const float difference = values[k] - values[k] == 0.0f ? (values[k] - origin) - share.mean : 0.0f;
        share.squares += difference * difference;
        rest += difference;
    }
    // What rounding left of the mean.
    share.squares -= rest * rest / (float)share.finite_count;
    share.mean += rest / (float)share.finite_count;
    return share;
}

#if LANES == 1
/// The same by eights: one chain of additions would keep a core waiting for each sum before the next.
static inline Share share_of_eights(__global const float *values, int held, float origin) {
    float8 sum = 0.0f, energy = 0.0f, squares = 0.0f, rest = 0.0f, minimum = INFINITY, maximum = -INFINITY;
    // A condition that holds is -1.
    int8 finite = 0, zero = 0, nan = 0;
    for (int k = 0; k < held; k += 8) {
        const float8 value = vload8(0, values + k);
        const int8 is_finite = value - value == 0.0f;
        finite -= is_finite;
        sum += select((float8)(0.0f), value - origin, is_finite);
        energy += select((float8)(0.0f), value * value, is_finite);
        minimum = select(minimum, value, is_finite & (value < minimum));
        maximum = select(maximum, value, is_finite & (value > maximum));
        zero -= value == 0.0f;
        nan -= value != value;
    }
    Share share = empty_share();
    share.finite_count = FOLD8(finite, ADD);
    share.zero_count = FOLD8(zero, ADD);
    share.nan_count = FOLD8(nan, ADD);
    share.infinity_count = (uint)held - share.finite_count - share.nan_count;
    if (share.finite_count == 0) return share;
    share.energy = FOLD8(energy, ADD);
    share.minimum = FOLD8(minimum, fmin);
    share.maximum = FOLD8(maximum, fmax);
    share.mean = FOLD8(sum, ADD) / (float)share.finite_count;
    for (int k = 0; k < held; k += 8) {
        const float8 value = vload8(0, values + k);
        const float8 difference = select((float8)(0.0f), (value - origin) - share.mean, value - value == 0.0f);
        squares += difference * difference;
        rest += difference;
    }
    const float all = FOLD8(rest, ADD);
    share.squares = FOLD8(squares, ADD) - all * all / (float)share.finite_count;
    share.mean += all / (float)share.finite_count;
    return share;
}
#endif

#define SHARE_SIZE 9

static inline void store_share(Share share, __global float *at) {
    STORE_SHARE(share.mean, at);
    STORE_SHARE(share.squares, at + 1);
    STORE_SHARE(share.energy, at + 2);
    STORE_SHARE(share.minimum, at + 3);
    STORE_SHARE(share.maximum, at + 4);
    STORE_SHARE(as_float(share.finite_count), at + 5);
    STORE_SHARE(as_float(share.zero_count), at + 6);
    STORE_SHARE(as_float(share.nan_count), at + 7);
    STORE_SHARE(as_float(share.infinity_count), at + 8);
}

static inline Share load_share(__global const float *at) {
    Share share;
    share.mean = LOAD_SHARE(at);
    share.squares = LOAD_SHARE(at + 1);
    share.energy = LOAD_SHARE(at + 2);
    share.minimum = LOAD_SHARE(at + 3);
    share.maximum = LOAD_SHARE(at + 4);
    share.finite_count = as_uint(LOAD_SHARE(at + 5));
    share.zero_count = as_uint(LOAD_SHARE(at + 6));
    share.nan_count = as_uint(LOAD_SHARE(at + 7));
    share.infinity_count = as_uint(LOAD_SHARE(at + 8));
    return share;
}

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void statistics(
    __global const float *x, const ulong x_offset, __global const int *segments, const ulong segments_offset,
    __global float *out, const ulong out_offset, __global float *shares, __global uint *counters) {
    const COUNT segment = get_group_id(1), split = get_group_id(0), splits = get_num_groups(0);
    const COUNT start = segments[segments_offset + segment * 2], length = segments[segments_offset + segment * 2 + 1];
    const COUNT split_size = (length + splits - 1) / splits;
    const COUNT first = min(length, split * split_size) + LANE;
    const COUNT end = min(length, (split + 1) * split_size);
    x += x_offset + start;

    const float origin = origin_of(x, length);
    Share here = empty_share();
    for (COUNT base = first; base < end; base += CHUNK * LANES) {
        int held = (int)min((COUNT)CHUNK, (end - base + LANES - 1) / LANES);
#if LANES > 1
        float values[CHUNK];
#pragma unroll
        FOR_HELD(k, held) values[k] = x[base + k * LANES];
#else
        const int eights = held & ~7;
        here = joined(here, share_of_eights(x + base, eights, origin));
        __global const float *values = x + base + eights;
        held -= eights;
#endif
        here = joined(here, share_of(values, held, origin));
    }
#if LANES > 1
    __local Share parts[GROUP_SIZE];
    parts[get_local_id(0)] = here;
    FOLD_LANES(parts, joined)
    here = parts[get_local_id(0)];
#endif
    __local int flag;
    if (splits > 1) {
        if (LANE == 0) store_share(here, shares + (segment * splits + split) * SHARE_SIZE);
        if (!is_last_group(counters + segment, splits, &flag)) return;
        here = empty_share();
        for (COUNT other = LANE; other < splits; other += LANES)
            here = joined(here, load_share(shares + (segment * splits + other) * SHARE_SIZE));
#if LANES > 1
        parts[get_local_id(0)] = here;
        FOLD_LANES(parts, joined)
        here = parts[get_local_id(0)];
#endif
    }
    if (LANE > 0) return;
    out += out_offset + segment * 9;
    const int is_empty = here.finite_count == 0;
    out[0] = is_empty ? 0.0f : origin + here.mean;
    out[1] = is_empty ? 0.0f : sqrt(here.squares / (float)here.finite_count);
    out[2] = here.minimum;
    out[3] = here.maximum;
    out[4] = is_empty ? 0.0f : fmax(fabs(here.minimum), fabs(here.maximum));
    out[5] = sqrt(here.energy);
    out[6] = (float)here.zero_count;
    out[7] = (float)here.nan_count;
    out[8] = (float)here.infinity_count;
}
