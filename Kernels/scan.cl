// Running sums and linear recurrences along the last axis.
//
//   out[r, i] = factors[r, i] * out[r, i - 1] + terms[r, i], with out[r, 0] = terms[r, 0]
//
// scan_rows: 64 work-items, one row each, step by step. scan_sums, for few and long rows without factors: a group of 256
// work-items for a row, which it takes in tiles of 1024 elements; each work-item sums four neighbours, the sums of the
// work-items are scanned in local memory, and the total is carried to the next tile.
//
//   RANK         axes of the rows, at least 1. Default 1.
//   X_TYPE       DType of terms. Default float32.
//   Y_TYPE       DType of factors. Default float32.
//   OUT_TYPE     DType of out. Default float32.
//   HAS_FACTORS  0 where all factors are 1. Default 0.
//   IS_INTEGER   1 where all are integers. Default 0.

#ifndef RANK
#define RANK 1
#endif
#ifndef X_TYPE
#define X_TYPE float32
#endif
#ifndef Y_TYPE
#define Y_TYPE float32
#endif
#ifndef OUT_TYPE
#define OUT_TYPE float32
#endif
#ifndef HAS_FACTORS
#define HAS_FACTORS 0
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

/// Axes of the rows, outermost first, with the strides of terms, out and factors.
typedef struct {
    INDEX size[RANK];
    INDEX x[RANK];
    INDEX out[RANK];
    INDEX y[RANK];
} Axes;

/// The last axis: its size, and the strides of terms, out and factors.
typedef struct {
    INDEX size, x, out, y;
} Last;

/// Where a row begins in terms, out and factors.
static inline void row_offsets(COUNT row, const Axes *axes, INDEX *x, INDEX *out, INDEX *y) {
    *x = *out = *y = 0;
#pragma unroll
    for (int axis = RANK - 1; axis >= 0; axis--) {
        COUNT next = axis > 0 ? row / (COUNT)axes->size[axis] : 0;
        INDEX i = (INDEX)(row - next * (COUNT)axes->size[axis]);
        *x += i * axes->x[axis];
        *out += i * axes->out[axis];
        *y += i * axes->y[axis];
        row = next;
    }
}

__kernel __attribute__((reqd_work_group_size(64, 1, 1))) void scan_rows(
    __global const STORED(X_TYPE) *terms, const ulong terms_offset, __global STORED(OUT_TYPE) *out,
    const ulong out_offset,
#if HAS_FACTORS
    __global const STORED(Y_TYPE) *factors, const ulong factors_offset,
#endif
    const Axes axes, const Last last, const COUNT rows) {
    const COUNT row = get_global_id(0);
    if (row >= rows) return;
    INDEX x, to, y;
    row_offsets(row, &axes, &x, &to, &y);
    terms += terms_offset;
    out += out_offset;
#if HAS_FACTORS
    factors += factors_offset;
#endif
    VALUE value = LOAD(X_TYPE, terms, x);
    STORE(OUT_TYPE, value, out, to);
    for (INDEX i = 1; i < last.size; i++) {
        const VALUE term = LOAD(X_TYPE, terms, x + i * last.x);
#if HAS_FACTORS
        value = (VALUE)LOAD(Y_TYPE, factors, y + i * last.y) * value + term;
#else
        value += term;
#endif
        STORE(OUT_TYPE, value, out, to + i * last.out);
    }
}

#if !HAS_FACTORS
#define TILE 1024
__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void scan_sums(
    __global const STORED(X_TYPE) *terms, const ulong terms_offset, __global STORED(OUT_TYPE) *out,
    const ulong out_offset, const Axes axes, const Last last, const COUNT rows) {
    INDEX x, to, y;
    row_offsets(get_group_id(0), &axes, &x, &to, &y);
    terms += terms_offset + x;
    out += out_offset + to;
    const int item = get_local_id(0);
    __local VALUE sums[256];
    VALUE carry = 0;
    for (INDEX tile = 0; tile < last.size; tile += TILE) {
        const INDEX first = tile + item * 4;
        VALUE own[4];
        VALUE sum = 0;
        for (int j = 0; j < 4; j++) {
            if (first + j < last.size) sum += LOAD(X_TYPE, terms, (first + j) * last.x);
            own[j] = sum;
        }
        sums[item] = sum;
        // After each round, a sum is that of twice as many work-items (Hillis and Steele 1986).
        for (int reach = 1; reach < 256; reach *= 2) {
            barrier(CLK_LOCAL_MEM_FENCE);
            const VALUE before = item >= reach ? sums[item - reach] : 0;
            barrier(CLK_LOCAL_MEM_FENCE);
            sums[item] += before;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        const VALUE before = carry + (item > 0 ? sums[item - 1] : 0);
        for (int j = 0; j < 4; j++) {
            if (first + j < last.size) STORE(OUT_TYPE, before + own[j], out, (first + j) * last.out);
        }
        carry += sums[255];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}
#endif
