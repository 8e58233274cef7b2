// out[row] = position of the largest element of a row of x, the first of equals; a NaN counts as the largest.
//
// Work-group: LANES * SLOTS work-items, SLOTS rows.
//
//   RANK        axes of x before the one searched, at least 1. Default 1.
//   X_TYPE      DType of x. Default float32.
//   IS_INTEGER  1 where x holds integers, not all of which a float can tell apart. Default 0.

#ifndef RANK
#define RANK 1
#endif
#ifndef X_TYPE
#define X_TYPE float32
#endif
#ifndef IS_INTEGER
#define IS_INTEGER 0
#endif

#if IS_INTEGER
typedef int VALUE;
#elif USES_FLOAT64
typedef double VALUE;
#else
typedef float VALUE;
#endif

/// Axes of the rows, outermost first, with x's and out's strides.
typedef struct {
    INDEX size[RANK];
    INDEX x[RANK];
    INDEX out[RANK];
} Axes;

/// A candidate: its value and where it stands, -1 where there is none.
typedef struct {
    VALUE value;
    int position;
} Candidate;

static inline Candidate better(Candidate p, Candidate q) {
    if (q.position < 0) return p;
    if (p.position < 0) return q;
    const int p_is_nan = p.value != p.value, q_is_nan = q.value != q.value;
    const int equal = p_is_nan ? q_is_nan : p.value == q.value;
    if (equal) return p.position < q.position ? p : q;
    return p_is_nan || p.value > q.value ? p : q;
}

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void argmax(
    __global int *out, const ulong out_offset, __global const STORED(X_TYPE) *x, const ulong x_offset, const Axes axes,
    const COUNT rows, const int columns, const INDEX column_stride) {
    const COUNT row = (COUNT)get_group_id(0) * SLOTS + SLOT;
    INDEX from = 0, to = 0;
    COUNT rest = row;
#pragma unroll
    for (int axis = RANK - 1; axis >= 0; axis--) {
        COUNT next = axis > 0 ? rest / (COUNT)axes.size[axis] : 0;
        INDEX i = (INDEX)(rest - next * (COUNT)axes.size[axis]);
        from += i * axes.x[axis];
        to += i * axes.out[axis];
        rest = next;
    }
    x += x_offset;
    out += out_offset;

    Candidate best = {0, -1};
    if (row < rows) {
        for (int column = LANE; column < columns; column += LANES) {
            Candidate here = {LOAD(X_TYPE, x, from + column * column_stride), column};
            best = better(best, here);
        }
    }
#if LANES > 1
    __local Candidate shares[GROUP_SIZE];
    shares[get_local_id(0)] = best;
    FOLD_LANES(shares, better)
    best = shares[get_local_id(0)];
#endif
    if (LANE == 0 && row < rows) out[to] = best.position;
}
