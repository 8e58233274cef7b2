// Scaled dot-product attention of one launch, and its gradient of two, without scores in memory (Dao 2023,
// "FlashAttention-2").
//
//   P = exp(S - max) / Σ exp(S - max), S = scale Q Kᵀ + mask     O = P V
//   dS = P (dP - δ), dP = dO Vᵀ, δ = Σ dO O     dQ = scale dS K, dK = scale dSᵀ Q, dV = Pᵀ dO
//
// A work-group owns OWNED rows of one head (queries; in the gradient of keys and values, keys), and the rows of the other
// kind stream past it in tiles of STREAMED. The weights of a tile are folded into what the group owns before the next
// one comes. Row by row, the forward pass saves the largest score and 1 / Σ, from which the gradient makes P anew.
//
// Work-group: 16 x 16 work-items. Each has every 16th owned row and every 16th streamed row of the scores; of what is
// owned, the same rows, and four columns of every 64. A warp is 4 of the rows by 8 of the columns, so that each reads
// 128 different bytes of local memory at most.
//
//   SIZE         features of a query and of a key, 1 to 128. Default 64.
//   VALUE_SIZE   features of a value, 1 to 128. Default 64.
//   OWNED        a multiple of 16. Default 32.
//   STREAMED     a multiple of 16. Default 64.
//   X_TYPE       of all real views but the mask. Default float32.
//   ALIGNED      1 where four neighbouring features of every view may be read as a float4. Default 0.
//   MASK         0 none, 1 uint8 (0 leaves a key out), 2 float (added). Default 0.
//   HAS_LENGTHS  1 where each sequence has its own number of keys. Default 0.
//   IS_CAUSAL    1 to leave out keys after the query. Default 0.
//   ACCUMULATES  1 where the gradient is added to what is there; for keys and values, plus 2 for values. Default 0.

#ifndef SIZE
#define SIZE 64
#endif
#ifndef VALUE_SIZE
#define VALUE_SIZE 64
#endif
#ifndef OWNED
#define OWNED 32
#endif
#ifndef STREAMED
#define STREAMED 64
#endif
#ifndef X_TYPE
#define X_TYPE float32
#endif
#ifndef ALIGNED
#define ALIGNED 0
#endif
#ifndef MASK
#define MASK 0
#endif
#ifndef HAS_LENGTHS
#define HAS_LENGTHS 0
#endif
#ifndef IS_CAUSAL
#define IS_CAUSAL 0
#endif
#ifndef ACCUMULATES
#define ACCUMULATES 0
#endif

#define ITEMS 256
#define ROWS (OWNED / 16)
#define COLUMNS (STREAMED / 16)
#define QUADS(size) (((size) + 3) / 4)
/// A row of a tile in local memory: an odd number of float4, so that eight rows read together lie in different banks.
#define STRIDE(size) (((size) + 7) / 8 * 8 + 4)
#define WEIGHT_STRIDE (STREAMED + 4)
#define FOLD_STRIDE 20
/// How many float4 of a row a work-item owns.
#define PARTS(size) (((size) + 63) / 64)
#define LARGEST(a, b) ((a) > (b) ? (a) : (b))

typedef struct {
    INDEX batch, head, row, element;
} Strides;
typedef __global const STORED(X_TYPE) * Source;
typedef __global STORED(X_TYPE) * Target;

// What decides who sees whom.
#if MASK == 1
#define MASK_PARAMETERS __global const uchar *mask, const ulong mask_offset, const Strides mask_strides,
#elif MASK == 2
#define MASK_PARAMETERS __global const float *mask, const ulong mask_offset, const Strides mask_strides,
#else
#define MASK_PARAMETERS
#endif
#if HAS_LENGTHS
#define LENGTH_PARAMETERS __global const int *lengths, const ulong lengths_offset,
#else
#define LENGTH_PARAMETERS
#endif
#define SHAPE_PARAMETERS \
    MASK_PARAMETERS LENGTH_PARAMETERS const COUNT matrices, const COUNT heads, const COUNT queries, const COUNT keys, \
        const float scale

// Where a work-item stands.
#define ITEM ((int)get_local_id(0))
#define ITEM_ROW (ITEM / 64 * 4 + ITEM % 32 / 8)
#define ITEM_COLUMN (ITEM / 32 % 2 * 8 + ITEM % 8)

/// Brings rows [first, first + rows) of a matrix into local memory, zeros from row `end` on.
static inline void load_tile(
    __local float *tile, Source matrix, const Strides strides, const COUNT first, const COUNT end, const int rows,
    const int size) {
    for (int place = ITEM; place < rows * QUADS(size); place += ITEMS) {
        const int row = place / QUADS(size), column = place % QUADS(size) * 4;
        float4 values = (float4)(0.0f);
        if (first + row < end) {
            Source from = matrix + (INDEX)(first + row) * strides.row;
#if ALIGNED
            values = *(__global const float4 *)(from + column);
#else
            values.x = LOAD(X_TYPE, from, (INDEX)column * strides.element);
            if (column + 1 < size) values.y = LOAD(X_TYPE, from, (INDEX)(column + 1) * strides.element);
            if (column + 2 < size) values.z = LOAD(X_TYPE, from, (INDEX)(column + 2) * strides.element);
            if (column + 3 < size) values.w = LOAD(X_TYPE, from, (INDEX)(column + 3) * strides.element);
#endif
        }
        *(__local float4 *)(tile + row * STRIDE(size) + column) = values;
    }
}

/// Products of this work-item's owned and streamed rows.
static inline void multiply_rows(
    float products[ROWS][COLUMNS], __local const float *owned, __local const float *streamed, const int size) {
    owned += ITEM_ROW * STRIDE(size);
    streamed += ITEM_COLUMN * STRIDE(size);
#pragma unroll
    for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int j = 0; j < COLUMNS; j++) products[i][j] = 0.0f;
#pragma unroll 4
    for (int quad = 0; quad < QUADS(size); quad++) {
        float4 a[ROWS], b[COLUMNS];
#pragma unroll
        for (int i = 0; i < ROWS; i++) a[i] = *(__local const float4 *)(owned + 16 * i * STRIDE(size) + 4 * quad);
#pragma unroll
        for (int j = 0; j < COLUMNS; j++) b[j] = *(__local const float4 *)(streamed + 16 * j * STRIDE(size) + 4 * quad);
#pragma unroll
        for (int i = 0; i < ROWS; i++)
#pragma unroll
            for (int j = 0; j < COLUMNS; j++) {
                products[i][j] = fma(a[i].x, b[j].x, products[i][j]);
                products[i][j] = fma(a[i].y, b[j].y, products[i][j]);
                products[i][j] = fma(a[i].z, b[j].z, products[i][j]);
                products[i][j] = fma(a[i].w, b[j].w, products[i][j]);
            }
    }
}

static inline float4 add_scaled(const float factor, const float4 x, const float4 sum) {
    return (float4)(fma(factor, x.x, sum.x), fma(factor, x.y, sum.y), fma(factor, x.z, sum.z), fma(factor, x.w, sum.w));
}

/// sums += weights · tile, for this work-item's owned rows and its columns of `size`.
static inline void add_product(
    float4 *sums, __local const float *weights, __local const float *tile, const int size) {
    weights += ITEM_ROW * WEIGHT_STRIDE;
#pragma unroll 2
    for (int n = 0; n < STREAMED; n += 4) {
        float4 w[ROWS];
#pragma unroll
        for (int i = 0; i < ROWS; i++) w[i] = *(__local const float4 *)(weights + 16 * i * WEIGHT_STRIDE + n);
#pragma unroll
        for (int part = 0; part < PARTS(size); part++) {
            const int column = 64 * part + 4 * ITEM_COLUMN;
            if (column < size) {
                __local const float *from = tile + n * STRIDE(size) + column;
                const float4 x0 = *(__local const float4 *)from;
                const float4 x1 = *(__local const float4 *)(from + STRIDE(size));
                const float4 x2 = *(__local const float4 *)(from + 2 * STRIDE(size));
                const float4 x3 = *(__local const float4 *)(from + 3 * STRIDE(size));
#pragma unroll
                for (int i = 0; i < ROWS; i++) {
                    float4 sum = sums[i * PARTS(size) + part];
                    sum = add_scaled(w[i].x, x0, sum);
                    sum = add_scaled(w[i].y, x1, sum);
                    sum = add_scaled(w[i].z, x2, sum);
                    sum = add_scaled(w[i].w, x3, sum);
                    sums[i * PARTS(size) + part] = sum;
                }
            }
        }
    }
}

static inline void clear(float4 *sums, const int size) {
#pragma unroll
    for (int place = 0; place < ROWS * PARTS(size); place++) sums[place] = (float4)(0.0f);
}

/// Leaves a value for each owned and streamed row in local memory.
static inline void keep_weights(__local float *weights, float values[ROWS][COLUMNS]) {
#pragma unroll
    for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int j = 0; j < COLUMNS; j++)
            weights[(ITEM_ROW + 16 * i) * WEIGHT_STRIDE + ITEM_COLUMN + 16 * j] = values[i][j];
}

/// Stores this work-item's part of the owned rows, times `factor`.
static inline void store_row(
    Target matrix, const Strides strides, const COUNT row, const float4 *sums, const int size, const float factor,
    const int accumulates) {
    matrix += (INDEX)row * strides.row;
#pragma unroll
    for (int part = 0; part < PARTS(size); part++) {
        const int column = 64 * part + 4 * ITEM_COLUMN;
        const float4 values = sums[part] * factor;
#if ALIGNED
        if (column < size) {
            __global float4 *to = (__global float4 *)(matrix + column);
            *to = accumulates ? *to + values : values;
        }
#else
        const float parts[4] = {values.x, values.y, values.z, values.w};
#pragma unroll
        for (int e = 0; e < 4; e++)
            if (column + e < size) {
                const INDEX at = (INDEX)(column + e) * strides.element;
                STORE(X_TYPE, accumulates ? LOAD(X_TYPE, matrix, at) + parts[e] : parts[e], matrix, at);
            }
#endif
    }
}

/// The matrix of a batch and head, and what of it is whose.
#define HEAD_OF(view, strides) (view + view##_offset + (INDEX)batch * strides.batch + (INDEX)head * strides.head)
#define OPEN_HEAD                                                      \
    const COUNT matrix = (COUNT)get_group_id(0) % matrices;            \
    const COUNT batch = matrix / heads, head = matrix % heads;
#if HAS_LENGTHS
#define KEYS_THERE ((COUNT)clamp((long)lengths[lengths_offset + batch], 0l, (long)keys))
#else
#define KEYS_THERE keys
#endif
#if MASK
#define OPEN_MASK mask = HEAD_OF(mask, mask_strides);
#define MASK_AT(query, key) mask[(INDEX)(query) * mask_strides.row + (INDEX)(key) * mask_strides.element]
#else
#define OPEN_MASK
#endif

/// Whether `query` may see `key`, masks by value aside.
#define SEES(query, key) ((query) < queries && (key) < there && (!IS_CAUSAL || (key) <= (query)))
/// The score of a product; -infinity where the query does not see the key.
#if MASK == 1
#define SCORE(product, query, key) (SEES(query, key) && MASK_AT(query, key) ? (product)*scale : -INFINITY)
#elif MASK == 2
#define SCORE(product, query, key) (SEES(query, key) ? (product)*scale + MASK_AT(query, key) : -INFINITY)
#else
#define SCORE(product, query, key) (SEES(query, key) ? (product)*scale : -INFINITY)
#endif

/// The first owned query; those that see most keys come first, so that the last groups to start are short.
#define FIRST_QUERY                                                                                     \
    ((IS_CAUSAL ? (queries + OWNED - 1) / OWNED - 1 - (COUNT)get_group_id(0) / matrices                \
                : (COUNT)get_group_id(0) / matrices) *                                                 \
     OWNED)
#define LAST_KEY(first) (IS_CAUSAL ? min(there, (COUNT)((first) + OWNED)) : there)

__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void attention_forward(
    Target out, const ulong out_offset, const Strides out_strides, Source query, const ulong query_offset,
    const Strides query_strides, Source key, const ulong key_offset, const Strides key_strides, Source value,
    const ulong value_offset, const Strides value_strides, __global float *normalizers,
    const ulong normalizers_offset, SHAPE_PARAMETERS) {
    __local float query_tile[OWNED * STRIDE(SIZE)] __attribute__((aligned(16)));
    __local float stream[STREAMED * STRIDE(LARGEST(SIZE, VALUE_SIZE))] __attribute__((aligned(16)));
    __local float weights[OWNED * WEIGHT_STRIDE] __attribute__((aligned(16)));
    __local float fold[OWNED * FOLD_STRIDE] __attribute__((aligned(16)));
    OPEN_HEAD
    OPEN_MASK
    const COUNT there = KEYS_THERE;
    const COUNT first = FIRST_QUERY, end = LAST_KEY(first);
    key = HEAD_OF(key, key_strides);
    value = HEAD_OF(value, value_strides);

    float4 sums[ROWS * PARTS(VALUE_SIZE)];
    float largest[ROWS], total[ROWS];
    clear(sums, VALUE_SIZE);
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        largest[i] = -INFINITY;
        total[i] = 0.0f;
    }
    load_tile(query_tile, HEAD_OF(query, query_strides), query_strides, first, queries, OWNED, SIZE);
    for (COUNT tile = 0; tile < end; tile += STREAMED) {
        load_tile(stream, key, key_strides, tile, there, STREAMED, SIZE);
        barrier(CLK_LOCAL_MEM_FENCE);
        float scores[ROWS][COLUMNS];
        multiply_rows(scores, query_tile, stream, SIZE);
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
            float most = -INFINITY;
#pragma unroll
            for (int j = 0; j < COLUMNS; j++) {
                const COUNT at_query = first + ITEM_ROW + 16 * i, at_key = tile + ITEM_COLUMN + 16 * j;
                scores[i][j] = SCORE(scores[i][j], at_query, at_key);
                most = LARGER(most, scores[i][j]);
            }
            fold[(ITEM_ROW + 16 * i) * FOLD_STRIDE + ITEM_COLUMN] = most;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
            float most = largest[i];
#pragma unroll
            for (int lane = 0; lane < 16; lane++)
                most = LARGER(most, fold[(ITEM_ROW + 16 * i) * FOLD_STRIDE + lane]);
            // Of a query that has seen no key yet, every power is 0.
            const float offset = most == -INFINITY ? 0.0f : most;
            const float correction = exp(largest[i] - offset);
            largest[i] = most;
            total[i] *= correction;
#pragma unroll
            for (int j = 0; j < COLUMNS; j++) {
                scores[i][j] = exp(scores[i][j] - offset);
                total[i] += scores[i][j];
            }
#pragma unroll
            for (int part = 0; part < PARTS(VALUE_SIZE); part++) sums[i * PARTS(VALUE_SIZE) + part] *= correction;
        }
        keep_weights(weights, scores);
        load_tile(stream, value, value_strides, tile, there, STREAMED, VALUE_SIZE);
        barrier(CLK_LOCAL_MEM_FENCE);
        add_product(sums, weights, stream, VALUE_SIZE);
        barrier(CLK_LOCAL_MEM_FENCE);
    }

#pragma unroll
    for (int i = 0; i < ROWS; i++) fold[(ITEM_ROW + 16 * i) * FOLD_STRIDE + ITEM_COLUMN] = total[i];
    barrier(CLK_LOCAL_MEM_FENCE);
    out = HEAD_OF(out, out_strides);
    normalizers += normalizers_offset + (INDEX)matrix * queries * 2;
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        const COUNT row = first + ITEM_ROW + 16 * i;
        float sum = 0.0f;
#pragma unroll
        for (int lane = 0; lane < 16; lane++) sum += fold[(ITEM_ROW + 16 * i) * FOLD_STRIDE + lane];
        const float inverse = sum == 0.0f ? 0.0f : 1.0f / sum;
        if (row < queries) {
            store_row(out, out_strides, row, sums + i * PARTS(VALUE_SIZE), VALUE_SIZE, inverse, 0);
            if (ITEM_COLUMN == 0) {
                normalizers[2 * row] = largest[i] == -INFINITY ? 0.0f : largest[i];
                normalizers[2 * row + 1] = inverse;
            }
        }
    }
}

/// The weight of a product: what the forward pass had.
#define WEIGHT(score, largest, inverse) ((score) == -INFINITY ? 0.0f : exp((score) - (largest)) * (inverse))

/// Also writes δ for the other kernel.
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void attention_query_gradient(
    Target query_gradient, const ulong query_gradient_offset, const Strides query_gradient_strides, Source query,
    const ulong query_offset, const Strides query_strides, Source key, const ulong key_offset,
    const Strides key_strides, Source value, const ulong value_offset, const Strides value_strides, Source out,
    const ulong out_offset, const Strides out_strides, Source out_gradient, const ulong out_gradient_offset,
    const Strides out_gradient_strides, __global const float *normalizers, const ulong normalizers_offset,
    __global float *deltas, const ulong deltas_offset, SHAPE_PARAMETERS) {
    __local float query_tile[OWNED * STRIDE(SIZE)] __attribute__((aligned(16)));
    __local float gradient_tile[OWNED * STRIDE(VALUE_SIZE)] __attribute__((aligned(16)));
    __local float stream[STREAMED * STRIDE(LARGEST(SIZE, VALUE_SIZE))] __attribute__((aligned(16)));
    __local float weights[OWNED * WEIGHT_STRIDE] __attribute__((aligned(16)));
    __local float fold[OWNED * FOLD_STRIDE] __attribute__((aligned(16)));
    OPEN_HEAD
    OPEN_MASK
    const COUNT there = KEYS_THERE;
    const COUNT first = FIRST_QUERY, end = LAST_KEY(first);
    key = HEAD_OF(key, key_strides);
    value = HEAD_OF(value, value_strides);
    out = HEAD_OF(out, out_strides);

    load_tile(query_tile, HEAD_OF(query, query_strides), query_strides, first, queries, OWNED, SIZE);
    load_tile(
        gradient_tile, HEAD_OF(out_gradient, out_gradient_strides), out_gradient_strides, first, queries, OWNED,
        VALUE_SIZE);
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        const int row = ITEM_ROW + 16 * i;
        float sum = 0.0f;
        if (first + row < queries) {
            Source from = out + (INDEX)(first + row) * out_strides.row;
            for (int column = ITEM_COLUMN; column < VALUE_SIZE; column += 16)
                sum = fma(
                    LOAD(X_TYPE, from, (INDEX)column * out_strides.element),
                    gradient_tile[row * STRIDE(VALUE_SIZE) + column], sum);
        }
        fold[row * FOLD_STRIDE + ITEM_COLUMN] = sum;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    float delta[ROWS], largest[ROWS], inverse[ROWS];
    normalizers += normalizers_offset + (INDEX)matrix * queries * 2;
    deltas += deltas_offset + (INDEX)matrix * queries;
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        const COUNT row = first + ITEM_ROW + 16 * i;
        delta[i] = 0.0f;
#pragma unroll
        for (int lane = 0; lane < 16; lane++) delta[i] += fold[(ITEM_ROW + 16 * i) * FOLD_STRIDE + lane];
        largest[i] = row < queries ? normalizers[2 * row] : 0.0f;
        inverse[i] = row < queries ? normalizers[2 * row + 1] : 0.0f;
        if (row < queries && ITEM_COLUMN == 0) deltas[row] = delta[i];
    }

    float4 sums[ROWS * PARTS(SIZE)];
    clear(sums, SIZE);
    for (COUNT tile = 0; tile < end; tile += STREAMED) {
        load_tile(stream, value, value_strides, tile, there, STREAMED, VALUE_SIZE);
        barrier(CLK_LOCAL_MEM_FENCE);
        float gradients[ROWS][COLUMNS], scores[ROWS][COLUMNS];
        multiply_rows(gradients, gradient_tile, stream, VALUE_SIZE);
        barrier(CLK_LOCAL_MEM_FENCE);
        load_tile(stream, key, key_strides, tile, there, STREAMED, SIZE);
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply_rows(scores, query_tile, stream, SIZE);
#pragma unroll
        for (int i = 0; i < ROWS; i++)
#pragma unroll
            for (int j = 0; j < COLUMNS; j++) {
                const COUNT at_query = first + ITEM_ROW + 16 * i, at_key = tile + ITEM_COLUMN + 16 * j;
                const float score = SCORE(scores[i][j], at_query, at_key);
                const float weight = WEIGHT(score, largest[i], inverse[i]);
                scores[i][j] = score == -INFINITY ? 0.0f : weight * (gradients[i][j] - delta[i]);
            }
        keep_weights(weights, scores);
        barrier(CLK_LOCAL_MEM_FENCE);
        add_product(sums, weights, stream, SIZE);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    query_gradient = HEAD_OF(query_gradient, query_gradient_strides);
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        const COUNT row = first + ITEM_ROW + 16 * i;
        if (row < queries)
            store_row(
                query_gradient, query_gradient_strides, row, sums + i * PARTS(SIZE), SIZE, scale, ACCUMULATES & 1);
    }
}

__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void attention_key_gradient(
    Target key_gradient, const ulong key_gradient_offset, const Strides key_gradient_strides, Target value_gradient,
    const ulong value_gradient_offset, const Strides value_gradient_strides, Source query, const ulong query_offset,
    const Strides query_strides, Source key, const ulong key_offset, const Strides key_strides, Source value,
    const ulong value_offset, const Strides value_strides, Source out_gradient, const ulong out_gradient_offset,
    const Strides out_gradient_strides, __global const float *normalizers, const ulong normalizers_offset,
    __global const float *deltas, const ulong deltas_offset, SHAPE_PARAMETERS) {
    __local float key_tile[OWNED * STRIDE(SIZE)] __attribute__((aligned(16)));
    __local float value_tile[OWNED * STRIDE(VALUE_SIZE)] __attribute__((aligned(16)));
    __local float stream[STREAMED * STRIDE(LARGEST(SIZE, VALUE_SIZE))] __attribute__((aligned(16)));
    __local float weights[OWNED * WEIGHT_STRIDE] __attribute__((aligned(16)));
    OPEN_HEAD
    OPEN_MASK
    const COUNT there = KEYS_THERE;
    const COUNT first = (COUNT)get_group_id(0) / matrices * OWNED;
    query = HEAD_OF(query, query_strides);
    out_gradient = HEAD_OF(out_gradient, out_gradient_strides);
    normalizers += normalizers_offset + (INDEX)matrix * queries * 2;
    deltas += deltas_offset + (INDEX)matrix * queries;

    load_tile(key_tile, HEAD_OF(key, key_strides), key_strides, first, there, OWNED, SIZE);
    load_tile(value_tile, HEAD_OF(value, value_strides), value_strides, first, there, OWNED, VALUE_SIZE);
    float4 key_sums[ROWS * PARTS(SIZE)], value_sums[ROWS * PARTS(VALUE_SIZE)];
    clear(key_sums, SIZE);
    clear(value_sums, VALUE_SIZE);
    // Keys that are not there receive nothing.
    const COUNT end = first < there ? queries : 0;
    for (COUNT tile = IS_CAUSAL ? first : 0; tile < end; tile += STREAMED) {
        load_tile(stream, query, query_strides, tile, queries, STREAMED, SIZE);
        barrier(CLK_LOCAL_MEM_FENCE);
        float powers[ROWS][COLUMNS], gradients[ROWS][COLUMNS];
        multiply_rows(powers, key_tile, stream, SIZE);
        barrier(CLK_LOCAL_MEM_FENCE);
        load_tile(stream, out_gradient, out_gradient_strides, tile, queries, STREAMED, VALUE_SIZE);
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply_rows(gradients, value_tile, stream, VALUE_SIZE);
#pragma unroll
        for (int j = 0; j < COLUMNS; j++) {
            const COUNT at_query = tile + ITEM_COLUMN + 16 * j;
            const int isThere = at_query < queries;
            const float largest = isThere ? normalizers[2 * at_query] : 0.0f;
            const float inverse = isThere ? normalizers[2 * at_query + 1] : 0.0f;
            const float delta = isThere ? deltas[at_query] : 0.0f;
#pragma unroll
            for (int i = 0; i < ROWS; i++) {
                const COUNT at_key = first + ITEM_ROW + 16 * i;
                const float score = SCORE(powers[i][j], at_query, at_key);
                powers[i][j] = WEIGHT(score, largest, inverse);
                gradients[i][j] = score == -INFINITY ? 0.0f : powers[i][j] * (gradients[i][j] - delta);
            }
        }
        keep_weights(weights, powers);
        barrier(CLK_LOCAL_MEM_FENCE);
        add_product(value_sums, weights, stream, VALUE_SIZE);
        barrier(CLK_LOCAL_MEM_FENCE);
        load_tile(stream, query, query_strides, tile, queries, STREAMED, SIZE);
        keep_weights(weights, gradients);
        barrier(CLK_LOCAL_MEM_FENCE);
        add_product(key_sums, weights, stream, SIZE);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    key_gradient = HEAD_OF(key_gradient, key_gradient_strides);
    value_gradient = HEAD_OF(value_gradient, value_gradient_strides);
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        const COUNT row = first + ITEM_ROW + 16 * i;
        if (row < keys) {
            store_row(
                key_gradient, key_gradient_strides, row, key_sums + i * PARTS(SIZE), SIZE, scale, ACCUMULATES & 1);
            store_row(
                value_gradient, value_gradient_strides, row, value_sums + i * PARTS(VALUE_SIZE), VALUE_SIZE, 1.0f,
                ACCUMULATES >> 1);
        }
    }
}
