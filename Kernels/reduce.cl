// out[o] = fold of x over the reduced axes: sum, product, maximum or minimum.
//
// Work-group: LANES * SLOTS work-items; dimension 0 runs over the outputs, SLOTS to a group; dimension 1 over splits of
// the reduced elements. With several splits, each writes its share to out[split, o], which a second launch folds: no
// atomics, and the same order every time.
//
//   REDUCTION     0 sum, 1 product, 2 maximum, 3 minimum. Default 0.
//   KEPT_RANK     axes that out keeps, at least 1. Default 1.
//   REDUCED_RANK  axes that are folded, at least 1. Default 1.
//   IS_INTEGER    1 to fold in int32, 0 in float. Default 0.
//   ACCUMULATES   1 to add to what out holds. Default 0.
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
#ifndef X_TYPE
#define X_TYPE float32
#endif
#ifndef OUT_TYPE
#define OUT_TYPE float32
#endif

#if IS_INTEGER
typedef int VALUE;
#define HIGHEST INT_MAX
#define LOWEST INT_MIN
#else
typedef float VALUE;
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
    const Axes axes, const COUNT outputs, const COUNT reduced, const COUNT split_size, const COUNT split_stride) {
    const COUNT output = (COUNT)get_group_id(0) * SLOTS + SLOT;
    const COUNT split = get_group_id(1);
    x += x_offset;
    out += out_offset + split * split_stride;

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

    // Four independent chains keep the adder busy and the sums short.
    VALUE p0 = START, p1 = START, p2 = START, p3 = START;
    if (output < outputs) {
        COUNT r = split * split_size + LANE;
        const COUNT end = min(reduced, (split + 1) * split_size);
        for (; r + 3 * LANES < end; r += 4 * LANES) {
            p0 = COMBINE(p0, LOAD(X_TYPE, x, from + reduced_offset(r, &axes)));
            p1 = COMBINE(p1, LOAD(X_TYPE, x, from + reduced_offset(r + LANES, &axes)));
            p2 = COMBINE(p2, LOAD(X_TYPE, x, from + reduced_offset(r + 2 * LANES, &axes)));
            p3 = COMBINE(p3, LOAD(X_TYPE, x, from + reduced_offset(r + 3 * LANES, &axes)));
        }
        for (; r < end; r += LANES) p0 = COMBINE(p0, LOAD(X_TYPE, x, from + reduced_offset(r, &axes)));
    }
    p0 = COMBINE(p0, p1);
    p2 = COMBINE(p2, p3);
    p0 = COMBINE(p0, p2);

#if LANES > 1
    __local VALUE shares[GROUP_SIZE];
    shares[get_local_id(0)] = p0;
    FOLD_LANES(shares, COMBINE)
    p0 = shares[get_local_id(0)];
#endif
    if (LANE == 0 && output < outputs) {
#if ACCUMULATES
        p0 += LOAD(OUT_TYPE, out, to);
#endif
        STORE(OUT_TYPE, p0, out, to);
    }
}
