// out[o] = fold of x over the reduced axes: sum, product, maximum or minimum.
//
// Work-group: LANES * SLOTS work-items; dimension 0 runs over the outputs, SLOTS to a group; dimension 1 over splits of
// the reduced elements. With several splits, each leaves its share in shares[split, o], and the last one folds them: the
// same order every time.
//
//   REDUCTION     0 sum, 1 product, 2 maximum, 3 minimum. Default 0.
//   KEPT_RANK     axes that out keeps, at least 1. Default 1.
//   REDUCED_RANK  axes that are folded, at least 1. Default 1.
//   IS_INTEGER    1 to fold in int32, 0 in float. Default 0.
//   ACCUMULATES   1 to add to what out holds. Default 0.
//   IS_SPLIT      1 where there are several splits. Default 0.
//   ALIGNED       1 where the folded elements of each output and split lie side by side and begin aligned to four. Default 0.
//   X_TYPE, OUT_TYPE  the DTypes. Default float32.

#ifndef REDUCTION
#define REDUCTION 0
#endif
#ifndef KEPT_RANK
#define KEPT_RANK 1
#endif
#ifndef REDUCED_RANK
#define REDUCED_RANK 1
#endif
#ifndef IS_INTEGER
#define IS_INTEGER 0
#endif
#ifndef ACCUMULATES
#define ACCUMULATES 0
#endif
#ifndef IS_SPLIT
#define IS_SPLIT 0
#endif
#ifndef ALIGNED
#define ALIGNED 0
#endif
#ifndef X_TYPE
#define X_TYPE float32
#endif
#ifndef OUT_TYPE
#define OUT_TYPE float32
#endif

#if IS_INTEGER
typedef int VALUE;
typedef int4 VALUES;
#define AS_SHARE(value) as_float(value)
#define OF_SHARE(share) as_int(share)
#define HIGHEST INT_MAX
#define LOWEST INT_MIN
#else
typedef float VALUE;
typedef float4 VALUES;
#define AS_SHARE(value) (value)
#define OF_SHARE(share) (share)
#define HIGHEST INFINITY
#define LOWEST (-INFINITY)
#endif

#if REDUCTION == 0
#define START 0
#define COMBINE ADD
#elif REDUCTION == 1
#define START 1
#define COMBINE(p, q) ((p) * (q))
#elif REDUCTION == 2
#define START LOWEST
#define COMBINE LARGER
#else
#define START HIGHEST
#define COMBINE SMALLER
#endif

#if IS_INTEGER
#define CONVERT4(values) convert_int4(values)
#else
#define CONVERT4(values) convert_float4(values)
#endif
#define COMBINE4(values)            \
    p0 = COMBINE(p0, values.s0); \
    p1 = COMBINE(p1, values.s1); \
    p2 = COMBINE(p2, values.s2); \
    p3 = COMBINE(p3, values.s3);

/// Axes, outermost first: those kept, with x's and out's strides, and those folded, with x's.
typedef struct {
    INDEX kept_size[KEPT_RANK];
    INDEX kept_x[KEPT_RANK];
    INDEX kept_out[KEPT_RANK];
    INDEX reduced_size[REDUCED_RANK];
    INDEX reduced_x[REDUCED_RANK];
} Axes;

/// Where element r of the folded axes lies.
static inline INDEX reduced_offset(COUNT r, const Axes *axes) {
    INDEX at = 0;
#pragma unroll
    for (int axis = REDUCED_RANK - 1; axis >= 0; axis--) {
        COUNT next = axis > 0 ? r / (COUNT)axes->reduced_size[axis] : 0;
        at += (INDEX)(r - next * (COUNT)axes->reduced_size[axis]) * axes->reduced_x[axis];
        r = next;
    }
    return at;
}

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void reduce(
    __global STORED(OUT_TYPE) *out, const ulong out_offset, __global const STORED(X_TYPE) *x, const ulong x_offset,
    const Axes axes, const COUNT outputs, const COUNT reduced, const COUNT split_size
#if IS_SPLIT
    ,
    __global float *shares, __global uint *counters
#endif
) {
    const COUNT output = (COUNT)get_group_id(0) * SLOTS + SLOT;
    const COUNT split = get_group_id(1);
    x += x_offset;
    out += out_offset;

    INDEX from = 0, to = 0;
    COUNT rest = output;
#pragma unroll
    for (int axis = KEPT_RANK - 1; axis >= 0; axis--) {
        COUNT next = axis > 0 ? rest / (COUNT)axes.kept_size[axis] : 0;
        INDEX i = (INDEX)(rest - next * (COUNT)axes.kept_size[axis]);
        from += i * axes.kept_x[axis];
        to += i * axes.kept_out[axis];
        rest = next;
    }

    VALUE total = START;
    const COUNT last = output < outputs ? min(reduced, (split + 1) * split_size) : 0;
    for (COUNT first = split * split_size; first < last; first += 4 * FOLD_BLOCK * LANES) {
        const COUNT end = min(last, first + 4 * FOLD_BLOCK * LANES);
        // Four independent chains keep the adder busy.
        VALUE p0 = START, p1 = START, p2 = START, p3 = START;
#if ALIGNED
        // The last few are left to what follows.
        const COUNT whole = end & ~(COUNT)3;
        COUNT quad = first + 4 * LANE;
        for (; quad + 12 * LANES < whole; quad += 16 * LANES) {
            const VALUES a = CONVERT4(LOAD4(X_TYPE, x + from + quad));
            const VALUES b = CONVERT4(LOAD4(X_TYPE, x + from + quad + 4 * LANES));
            const VALUES c = CONVERT4(LOAD4(X_TYPE, x + from + quad + 8 * LANES));
            const VALUES d = CONVERT4(LOAD4(X_TYPE, x + from + quad + 12 * LANES));
            COMBINE4(a) COMBINE4(b) COMBINE4(c) COMBINE4(d)
        }
        for (; quad < whole; quad += 4 * LANES) {
            const VALUES a = CONVERT4(LOAD4(X_TYPE, x + from + quad));
            COMBINE4(a)
        }
        COUNT r = max(whole, first) + LANE;
#else
        COUNT r = first + LANE;
#endif
        for (; r + 3 * LANES < end; r += 4 * LANES) {
            p0 = COMBINE(p0, LOAD(X_TYPE, x, from + reduced_offset(r, &axes)));
            p1 = COMBINE(p1, LOAD(X_TYPE, x, from + reduced_offset(r + LANES, &axes)));
            p2 = COMBINE(p2, LOAD(X_TYPE, x, from + reduced_offset(r + 2 * LANES, &axes)));
            p3 = COMBINE(p3, LOAD(X_TYPE, x, from + reduced_offset(r + 3 * LANES, &axes)));
        }
        for (; r < end; r += LANES) p0 = COMBINE(p0, LOAD(X_TYPE, x, from + reduced_offset(r, &axes)));
        p0 = COMBINE(p0, p1);
        p2 = COMBINE(p2, p3);
        p0 = COMBINE(p0, p2);
        total = COMBINE(total, p0);
    }

#if LANES > 1
    __local VALUE parts[GROUP_SIZE];
    parts[get_local_id(0)] = total;
    FOLD_LANES(parts, COMBINE)
    total = parts[get_local_id(0)];
#endif
#if IS_SPLIT
    if (LANE == 0 && output < outputs) STORE_SHARE(AS_SHARE(total), shares + split * outputs + output);
    __local int flag;
    if (!is_last_group(counters + get_group_id(0), get_num_groups(1), &flag)) return;
    total = START;
    const COUNT splits = output < outputs ? get_num_groups(1) : 0;
    FOLD_IN_BLOCKS(VALUE, START, COMBINE, total, other, LANE, splits, LANES,
                   OF_SHARE(LOAD_SHARE(shares + other * outputs + output)))
#if LANES > 1
    parts[get_local_id(0)] = total;
    FOLD_LANES(parts, COMBINE)
    total = parts[get_local_id(0)];
#endif
#endif
    if (LANE == 0 && output < outputs) {
#if ACCUMULATES
        total += LOAD(OUT_TYPE, out, to);
#endif
        STORE(OUT_TYPE, total, out, to);
    }
}
