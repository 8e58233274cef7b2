// Attention weights: softmax of masked scores [batch, heads, queries, keys] along the last axis, and its gradient.
//
//   y = exp(s - max) / Σ exp(s - max), 0 where every s is -infinity     ds = y (dy - Σ dy y)
//
// Work-group: LANES * SLOTS work-items, SLOTS queries.
//
//   MASK       0 none, 1 uint8 (0 leaves a key out), 2 float (added). Default 0.
//   IS_CAUSAL  1 to leave out keys after the query. Default 0.

#ifndef MASK
#define MASK 0
#endif
#ifndef IS_CAUSAL
#define IS_CAUSAL 0
#endif

/// How many keys, from the first, a query may see.
#if IS_CAUSAL
#define VISIBLE(row, queries, keys) min((COUNT)(keys), (COUNT)((row) % (queries) + 1))
#else
#define VISIBLE(row, queries, keys) (keys)
#endif

#if MASK == 1
#define SCORE(column) (mask[mask_at + (INDEX)(column) * strides.key] ? scores[column] : -INFINITY)
#elif MASK == 2
#define SCORE(column) (scores[column] + mask[mask_at + (INDEX)(column) * strides.key])
#else
#define SCORE(column) (scores[column])
#endif

typedef struct {
    INDEX batch, head, query, key;
} Strides;

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void attention_softmax(
    __global float *out, const ulong out_offset, __global const float *scores, const ulong scores_offset,
#if MASK == 1
    __global const uchar *mask, const ulong mask_offset, const Strides strides,
#elif MASK == 2
    __global const float *mask, const ulong mask_offset, const Strides strides,
#endif
    const COUNT heads, const COUNT queries, const COUNT rows, const COUNT columns) {
    const COUNT row = (COUNT)get_group_id(0) * SLOTS + SLOT;
    const COUNT end = row < rows ? VISIBLE(row, queries, columns) : 0;
    scores += scores_offset + row * columns;
    out += out_offset + row * columns;
#if MASK
    mask += mask_offset;
    const INDEX mask_at = (INDEX)(row / queries / heads) * strides.batch +
                          (INDEX)(row / queries % heads) * strides.head + (INDEX)(row % queries) * strides.query;
#endif

    float largest = -INFINITY;
    for (COUNT column = LANE; column < end; column += LANES) largest = LARGER(largest, SCORE(column));
#if LANES > 1
    __local float shares[GROUP_SIZE];
    shares[get_local_id(0)] = largest;
    FOLD_LANES(shares, LARGER)
    largest = shares[SLOT * SLOT_STEP];
    barrier(CLK_LOCAL_MEM_FENCE);
#endif
    if (largest == -INFINITY) largest = 0.0f;

    float sum = 0.0f;
    ADD_COLUMNS(float, sum, column, end, (out[column] = exp(SCORE(column) - largest)))
#if LANES > 1
    shares[get_local_id(0)] = sum;
    FOLD_LANES(shares, ADD)
    sum = shares[SLOT * SLOT_STEP];
#endif
    if (sum == 0.0f) sum = 1.0f;
    for (COUNT column = LANE; column < end; column += LANES) out[column] /= sum;
    if (row < rows)
        for (COUNT column = end + LANE; column < columns; column += LANES) out[column] = 0.0f;
}

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void attention_softmax_gradient(
    __global float *out, const ulong out_offset, __global const float *y, const ulong y_offset,
    __global const float *output_gradient, const ulong output_gradient_offset, const COUNT queries, const COUNT rows,
    const COUNT columns) {
    const COUNT row = (COUNT)get_group_id(0) * SLOTS + SLOT;
    const COUNT end = row < rows ? VISIBLE(row, queries, columns) : 0;
    y += y_offset + row * columns;
    output_gradient += output_gradient_offset + row * columns;
    out += out_offset + row * columns;

    float sum = 0.0f;
    ADD_COLUMNS(float, sum, column, end, output_gradient[column] * y[column])
#if LANES > 1
    __local float shares[GROUP_SIZE];
    shares[get_local_id(0)] = sum;
    FOLD_LANES(shares, ADD)
    sum = shares[SLOT * SLOT_STEP];
#endif
    for (COUNT column = LANE; column < end; column += LANES)
        out[column] = (output_gradient[column] - sum) * y[column];
    if (row < rows)
        for (COUNT column = end + LANE; column < columns; column += LANES) out[column] = 0.0f;
}
