// The p-norm of many tensors together, and clipping by it (Pascanu et al. 2013).
//
//   norm  (Σ |x|ᵖ)^(1/p), max |x| for p = ∞: each group leaves the share of a slice of one tensor; the last group of the
//   last tensor adds all shares
//   clip         x ← x · min(1, max_norm / (norm + 10⁻⁶)), the norm read from device memory so that the host need not
//   wait
//   segment_norms   out[s] = (Σ |x|ᵖ)^(1/p) over segment s of x, max |x| for p = ∞
//   scale_segments  x ← x · factors[s] over segment s of x
//
// A segment is two int32: where it starts in x, and its length.
//
// Work-group: LANES * SLOTS work-items with SLOTS = 1, a slice to a group; clip: 256, four elements each. Of segments, LANES
// work-items share one, and SLOTS make a group.
//
//   NORM_KIND  1: p = 1, 2: p = 2, 3: p = ∞, 0: any other p, given as an argument. Default 2.
//   IS_LAST    1 in the launch for the last tensor. Default 1.
//   ALIGNED    1 where x is 16-byte aligned. Default 0.

#ifndef NORM_KIND
#define NORM_KIND 2
#endif
#ifndef IS_LAST
#define IS_LAST 1
#endif
#ifndef ALIGNED
#define ALIGNED 0
#endif

// A TERM is what a share is summed up in. Powers of gradients that have exploded do not fit float32, and those of
// gradients that have vanished are 0: for p = 2, large and small values are summed apart, scaled (Blue 1978); for other p,
// a sum goes with the largest value that it is measured in (the LAPACK routine lassq).
#if NORM_KIND == 2
#define TERM float4
#define POWER(value) scaled_squares(value)
#define ROOT(sum) root_of_squares(sum)

/// The square of x in the place of its magnitude: (middle, large · 2⁻¹⁸⁰, small · 2¹⁸⁰). NaN is in the middle.
static float4 scaled_squares(float x) {
    const float size = fabs(x);
    const int is_large = size > 0x1p52f, is_small = size < 0x1p-52f;
    const float scaled = is_large ? x * 0x1p-90f : is_small ? x * 0x1p90f : x;
    const float square = scaled * scaled;
    float4 result = (float4)(0.0f);
    if (is_large) result.y = square;
    else if (is_small) result.z = square;
    else result.x = square;
    return result;
}

static float root_of_squares(float4 sum) {
    if (sum.y > 0.0f) return sqrt(sum.y + sum.x * 0x1p-90f * 0x1p-90f) * 0x1p90f;
    if (sum.x != 0.0f) return sqrt(sum.x + sum.z * 0x1p-90f * 0x1p-90f);
    return sqrt(sum.z) * 0x1p-90f;
}
#elif NORM_KIND == 1 || NORM_KIND == 3
#define TERM float
#define POWER(value) fabs(value)
#define ROOT(sum) (sum)
#else
#define TERM float2
#define POWER(value) (float2)(fabs(value), 1.0f)
#define ROOT(sum) root_of_scaled(sum, p)

/// The sum of two, each (scale, Σ (|x| / scale)ᵖ). Equal scales may be infinite or 0.
static float2 sum_of_scaled(float2 a, float2 b, float p) {
    if (a.x == b.x) return (float2)(a.x, a.y + b.y);
    const int is_first = a.x > b.x;
    const float2 large = is_first ? a : b, small = is_first ? b : a;
    return (float2)(large.x, large.y + small.y * pow(small.x / large.x, p));
}

static float root_of_scaled(float2 sum, float p) {
    if (sum.x == 0.0f && sum.y >= 0.0f) return 0.0f;
    // In two halves: for a small p the root alone may not fit.
    const float half_root = pow(sum.y, 0.5f / p);
    return sum.x * half_root * half_root;
}
#endif
#if NORM_KIND == 3
#define COMBINE LARGER
#elif NORM_KIND == 0
#define COMBINE(a, b) sum_of_scaled(a, b, p)
#else
#define COMBINE ADD
#endif

#if NORM_KIND == 2
#define STORE_TERM(term, pointer)          \
    STORE_SHARE(term.x, pointer);          \
    STORE_SHARE(term.y, (pointer) + 1);    \
    STORE_SHARE(term.z, (pointer) + 2);
#define LOAD_TERM(pointer) (float4)(LOAD_SHARE(pointer), LOAD_SHARE((pointer) + 1), LOAD_SHARE((pointer) + 2), 0.0f)
#define TERM_SIZE 3
#elif NORM_KIND == 0
#define STORE_TERM(term, pointer) \
    STORE_SHARE(term.x, pointer); \
    STORE_SHARE(term.y, (pointer) + 1);
#define LOAD_TERM(pointer) (float2)(LOAD_SHARE(pointer), LOAD_SHARE((pointer) + 1))
#define TERM_SIZE 2
#else
#define STORE_TERM(term, pointer) STORE_SHARE(term, pointer);
#define LOAD_TERM(pointer) LOAD_SHARE(pointer)
#define TERM_SIZE 1
#endif

#if LANES == 1 && NORM_KIND == 2
/// Elements of which one that is large or small sends all to be summed up one by one.
#define PLAIN_BLOCK 4096

/// Whether `count` elements, a multiple of eight, can be squared as they are; their sum of squares is in `squares` then.
static inline int squares_of_eights(__global const float *x, COUNT count, float *squares) {
    float8 sum = 0.0f;
    int8 is_odd = 0;
    for (COUNT i = 0; i < count; i += 8) {
        const float8 value = vload8(0, x + i), size = fabs(value);
        sum += value * value;
        is_odd |= (size > 0x1p52f) | ((size < 0x1p-52f) & (size != 0.0f));
    }
    *squares = FOLD8(sum, ADD);
    return !any(is_odd);
}
#endif

#define TAKE(sum, value)                       \
    {                                          \
        const TERM term = POWER(value);        \
        sum = COMBINE(sum, term);              \
    }
#define TAKE4(values)     \
    TAKE(sum0, values.x) \
    TAKE(sum1, values.y) \
    TAKE(sum2, values.z) \
    TAKE(sum3, values.w)

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void norm(
    __global const float *x, const ulong x_offset, __global float *shares, const COUNT first_share, const float p,
    const COUNT count, const COUNT slice
#if IS_LAST
    ,
    __global float *out, const ulong out_offset, __global uint *counters
#endif
) {
    const COUNT first = (COUNT)get_group_id(0) * slice;
    const COUNT end = min(count, first + slice);
    x += x_offset;
    TERM sum0 = (TERM)(0.0f), sum1 = (TERM)(0.0f), sum2 = (TERM)(0.0f), sum3 = (TERM)(0.0f);
#if LANES == 1 && NORM_KIND == 2
    // A core takes eight at a time, where none of a block is large or small; as a rule none is.
    COUNT i = first;
    while (i < end) {
        const COUNT block = min((COUNT)PLAIN_BLOCK, end - i), eights = block & ~(COUNT)7;
        float squares;
        COUNT taken = 0;
        if (squares_of_eights(x + i, eights, &squares)) {
            sum1.x += squares;
            taken = eights;
        }
        for (; taken < block; taken++) TAKE(sum0, x[i + taken])
        i += block;
    }
#elif ALIGNED
    // A slice begins on a multiple of four; the last few elements are left to what follows.
    const COUNT whole = max(first, end & ~(COUNT)3);
    COUNT quad = first + 4 * LANE;
    for (; quad + 12 * LANES < whole; quad += 16 * LANES) {
        const float4 a = LOAD4(float32, x + quad), b = LOAD4(float32, x + quad + 4 * LANES);
        const float4 c = LOAD4(float32, x + quad + 8 * LANES), d = LOAD4(float32, x + quad + 12 * LANES);
        TAKE4(a) TAKE4(b) TAKE4(c) TAKE4(d)
    }
    for (; quad < whole; quad += 4 * LANES) {
        const float4 a = LOAD4(float32, x + quad);
        TAKE4(a)
    }
    COUNT i = whole + LANE;
#else
    COUNT i = first + LANE;
    for (; i + 3 * LANES < end; i += 4 * LANES) {
        const float4 a = (float4)(x[i], x[i + LANES], x[i + 2 * LANES], x[i + 3 * LANES]);
        TAKE4(a)
    }
#endif
    for (; i < end; i += LANES) TAKE(sum0, x[i])
    sum0 = COMBINE(sum0, sum1);
    sum2 = COMBINE(sum2, sum3);
    sum0 = COMBINE(sum0, sum2);
#if LANES > 1
    __local TERM parts[GROUP_SIZE];
    parts[get_local_id(0)] = sum0;
    FOLD_LANES(parts, COMBINE)
    sum0 = parts[get_local_id(0)];
#endif
    if (LANE == 0) {
        __global float *share = shares + (first_share + get_group_id(0)) * TERM_SIZE;
        STORE_TERM(sum0, share)
    }
#if IS_LAST
    __local int flag;
    if (!is_last_group(counters, get_num_groups(0), &flag)) return;
    sum0 = (TERM)(0.0f);
    for (COUNT other = LANE; other < first_share + get_num_groups(0); other += LANES) {
        const TERM share = LOAD_TERM(shares + other * TERM_SIZE);
        sum0 = COMBINE(sum0, share);
    }
#if LANES > 1
    parts[get_local_id(0)] = sum0;
    FOLD_LANES(parts, COMBINE)
    sum0 = parts[get_local_id(0)];
#endif
    if (LANE == 0) out[out_offset] = ROOT(sum0);
#endif
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void clip(
    __global float *x, const ulong x_offset, __global const float *norm, const ulong norm_offset, const float max_norm,
    const COUNT count) {
    const COUNT first = (COUNT)get_global_id(0) * 4;
    if (first >= count) return;
    const float factor = max_norm / (norm[norm_offset] + 1e-6f);
    // Nothing is to be scaled, and nothing need be read.
    if (factor >= 1.0f) return;
    x += x_offset;
    // Gaps between parameters hold zeros, and must go on doing so.
    if (isnan(factor)) {
        for (COUNT i = first; i < first + 4 && i < count; i++) {
            if (x[i] != 0.0f) x[i] = factor;
        }
        return;
    }
#if ALIGNED
    if (first + 4 <= count) {
        *(__global float4 *)(x + first) *= factor;
        return;
    }
#endif
    for (COUNT i = first; i < first + 4 && i < count; i++) x[i] *= factor;
}

/// Elements that a lane sums up on their own, so that no chain of additions gets long.
#define SEGMENT_BLOCK 1024

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void segment_norms(
    __global const float *x, const ulong x_offset, __global const int *segments, const ulong segments_offset,
    __global float *out, const ulong out_offset, const float p, const COUNT count) {
    const COUNT segment = (COUNT)get_group_id(0) * SLOTS + SLOT;
    TERM sum = (TERM)(0.0f);
    if (segment < count) {
        segments += segments_offset + 2 * (ulong)segment;
        x += x_offset + segments[0];
        const int length = segments[1];
        for (int start = LANE; start < length; start += SEGMENT_BLOCK * LANES) {
            TERM part = (TERM)(0.0f);
            const int end = length - start > SEGMENT_BLOCK * LANES ? start + SEGMENT_BLOCK * LANES : length;
            for (int i = start; i < end; i += LANES) {
                const TERM value = POWER(x[i]);
                part = COMBINE(part, value);
            }
            sum = COMBINE(sum, part);
        }
    }
#if LANES > 1
    __local TERM parts[GROUP_SIZE];
    parts[get_local_id(0)] = sum;
    FOLD_LANES(parts, COMBINE)
    sum = parts[get_local_id(0)];
#endif
    if (LANE == 0 && segment < count) out[out_offset + segment] = ROOT(sum);
}

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void scale_segments(
    __global float *x, const ulong x_offset, __global const int *segments, const ulong segments_offset,
    __global const float *factors, const ulong factors_offset, const COUNT count) {
    const COUNT segment = (COUNT)get_group_id(0) * SLOTS + SLOT;
    if (segment >= count) return;
    segments += segments_offset + 2 * (ulong)segment;
    x += x_offset + segments[0];
    const float factor = factors[factors_offset + segment];
    const int length = segments[1];
    for (int i = LANE; i < length; i += LANES) x[i] *= factor;
}
