// out = activation(scale Σₖ x[m, k] y[k, n] + out + bias) on tiles in local memory; made for GPUs.
//
// A work-group makes a TILE_M × TILE_N tile of out. It steps through k by TILE_K, with the next slices of x and y on
// their way into registers while it multiplies the present ones from local memory (two buffers, one barrier a step). A
// work-item makes WORK_M × WORK_N values, in blocks of VECTOR × VECTOR spread over the tile, so that neighbours read
// neighbouring vectors:
//
//              TILE_N                         work-item (0, 0) with WORK 8, VECTOR 4 owns the four blocks #
//         +--------------------+
//         |#...    |#...       |
//  TILE_M |----------- ...     |
//         |#...    |#...       |
//         +--------------------+
//
// Work-group: (TILE_M / WORK_M) * (TILE_N / WORK_N) work-items in one dimension; groups run over tiles of n, of m, and
// the batch. Any strides are read; the host says along which axis neighbours in memory lie, so that global reads
// coalesce.
//
//   TILE_M, TILE_N, TILE_K   the tile and its step through k. Default 64, 64, 16.
//   WORK_M, WORK_N           values for each work-item; multiples of VECTOR. Default 4, 4.
//   VECTOR                   floats read from local memory at once: 2 or 4. Default 4.
//   X_K_FIRST, Y_N_FIRST     1 where x's k, y's n axis is the contiguous one. Default 1.
//   X_WIDTH, Y_WIDTH         floats read from global memory at once: 4 where the contiguous axis is float32, aligned
//   and a
//                            multiple of 4 long, else 1. Default 1.
//   HAS_BIAS, ACCUMULATES    1 to add a bias, what out holds. Default 0.
//   ACTIVATION               unary function of functions.cl, such as unary_relu. Default none.
//   X_TYPE, Y_TYPE, OUT_TYPE, BIAS_TYPE  the DTypes. Default float32.

#ifndef TILE_M
#define TILE_M 64
#endif
#ifndef TILE_N
#define TILE_N 64
#endif
#ifndef TILE_K
#define TILE_K 16
#endif
#ifndef WORK_M
#define WORK_M 4
#endif
#ifndef WORK_N
#define WORK_N 4
#endif
#ifndef VECTOR
#define VECTOR 4
#endif
#ifndef X_K_FIRST
#define X_K_FIRST 1
#endif
#ifndef Y_N_FIRST
#define Y_N_FIRST 1
#endif
#ifndef X_WIDTH
#define X_WIDTH 1
#endif
#ifndef Y_WIDTH
#define Y_WIDTH 1
#endif

#define ITEMS_M (TILE_M / WORK_M)
#define ITEMS_N (TILE_N / WORK_N)
#define ITEMS (ITEMS_M * ITEMS_N)
#define X_READS (TILE_M * TILE_K / (ITEMS * X_WIDTH))
#define Y_READS (TILE_N * TILE_K / (ITEMS * Y_WIDTH))
// One vector more for each row of a tile moves the rows to different banks and keeps vectors aligned.
#define ROW_M (TILE_M + VECTOR)
#define ROW_N (TILE_N + VECTOR)
// Where read number `read` of this work-item lies in a tile: (along, k), `along` being m or n.
#define X_ALONG(read) \
    (X_K_FIRST ? ((read) * ITEMS + item) / (TILE_K / X_WIDTH) : ((read) * ITEMS + item) % (TILE_M / X_WIDTH) * X_WIDTH)
#define X_DEPTH(read) \
    (X_K_FIRST ? ((read) * ITEMS + item) % (TILE_K / X_WIDTH) * X_WIDTH : ((read) * ITEMS + item) / (TILE_M / X_WIDTH))
#define Y_ALONG(read) \
    (Y_N_FIRST ? ((read) * ITEMS + item) % (TILE_N / Y_WIDTH) * Y_WIDTH : ((read) * ITEMS + item) / (TILE_K / Y_WIDTH))
#define Y_DEPTH(read) \
    (Y_N_FIRST ? ((read) * ITEMS + item) / (TILE_N / Y_WIDTH) : ((read) * ITEMS + item) % (TILE_K / Y_WIDTH) * Y_WIDTH)
#define VECTOR_TYPE CONCATENATE(float, VECTOR)
#define VECTOR_STORE CONCATENATE(vstore, VECTOR)

__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void gemm(
    __global const STORED(X_TYPE) *x, const ulong x_offset, __global const STORED(Y_TYPE) *y, const ulong y_offset,
    GEMM_OUTPUT_PARAMETERS, const Product shape) {
    const int item = get_local_id(0);
    const int item_n = item % ITEMS_N, item_m = item / ITEMS_N;
    const int first_n = (int)get_group_id(0) * TILE_N, first_m = (int)get_group_id(1) * TILE_M;
    const INDEX batch_outer = (INDEX)get_group_id(2) / shape.batch_inner;
    const INDEX batch_inner = (INDEX)get_group_id(2) % shape.batch_inner;
    x += x_offset + batch_outer * shape.x_batch_outer + batch_inner * shape.x_batch_inner;
    y += y_offset + batch_outer * shape.y_batch_outer + batch_inner * shape.y_batch_inner;
    out += out_offset + batch_outer * shape.out_batch_outer + batch_inner * shape.out_batch_inner;

    __local float x_tile[2][TILE_K * ROW_M] __attribute__((aligned(16)));
    __local float y_tile[2][TILE_K * ROW_N] __attribute__((aligned(16)));
    float x_next[X_READS * X_WIDTH], y_next[Y_READS * Y_WIDTH];
    float sums[WORK_M][WORK_N];
#pragma unroll
    for (int i = 0; i < WORK_M; i++)
#pragma unroll
        for (int j = 0; j < WORK_N; j++) sums[i][j] = 0.0f;

    const int steps = (int)((shape.k + TILE_K - 1) / TILE_K);
    int buffer = 0;
    for (int step = 0; step <= steps; step++) {
        // The next slices set out for registers, zeros beyond the edges.
        if (step < steps) {
#pragma unroll
            for (int read = 0; read < X_READS; read++) {
                const int m = first_m + X_ALONG(read), k = step * TILE_K + X_DEPTH(read);
                const INDEX at = (INDEX)m * shape.x_m + (INDEX)k * shape.x_k;
                const int inside = m < shape.m && k < shape.k;
#if X_WIDTH == 4
                vstore4(inside ? *(__global const float4 *)(x + at) : (float4)(0.0f), read, x_next);
#else
                x_next[read] = inside ? LOAD(X_TYPE, x, at) : 0.0f;
#endif
            }
#pragma unroll
            for (int read = 0; read < Y_READS; read++) {
                const int n = first_n + Y_ALONG(read), k = step * TILE_K + Y_DEPTH(read);
                const INDEX at = (INDEX)k * shape.y_k + (INDEX)n * shape.y_n;
                const int inside = n < shape.n && k < shape.k;
#if Y_WIDTH == 4
                vstore4(inside ? *(__global const float4 *)(y + at) : (float4)(0.0f), read, y_next);
#else
                y_next[read] = inside ? LOAD(Y_TYPE, y, at) : 0.0f;
#endif
            }
        }

        // Meanwhile the present slices are multiplied.
        if (step > 0) {
#pragma unroll
            for (int depth = 0; depth < TILE_K; depth++) {
                float x_values[WORK_M], y_values[WORK_N];
#pragma unroll
                for (int block = 0; block < WORK_M / VECTOR; block++) {
                    const int at = depth * ROW_M + (block * ITEMS_M + item_m) * VECTOR;
                    VECTOR_STORE(*(__local const VECTOR_TYPE *)&x_tile[buffer][at], block, x_values);
                }
#pragma unroll
                for (int block = 0; block < WORK_N / VECTOR; block++) {
                    const int at = depth * ROW_N + (block * ITEMS_N + item_n) * VECTOR;
                    VECTOR_STORE(*(__local const VECTOR_TYPE *)&y_tile[buffer][at], block, y_values);
                }
#pragma unroll
                for (int i = 0; i < WORK_M; i++)
#pragma unroll
                    for (int j = 0; j < WORK_N; j++) sums[i][j] = fma(x_values[i], y_values[j], sums[i][j]);
            }
        }

        // The next slices move into the other buffer, which was last read before the barrier of the previous step.
        buffer = 1 - buffer;
        if (step < steps) {
#pragma unroll
            for (int read = 0; read < X_READS; read++)
#pragma unroll
                for (int part = 0; part < X_WIDTH; part++) {
                    const int along = X_ALONG(read) + (X_K_FIRST ? 0 : part);
                    const int depth = X_DEPTH(read) + (X_K_FIRST ? part : 0);
                    x_tile[buffer][depth * ROW_M + along] = x_next[read * X_WIDTH + part];
                }
#pragma unroll
            for (int read = 0; read < Y_READS; read++)
#pragma unroll
                for (int part = 0; part < Y_WIDTH; part++) {
                    const int along = Y_ALONG(read) + (Y_N_FIRST ? part : 0);
                    const int depth = Y_DEPTH(read) + (Y_N_FIRST ? 0 : part);
                    y_tile[buffer][depth * ROW_N + along] = y_next[read * Y_WIDTH + part];
                }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

#pragma unroll
    for (int i = 0; i < WORK_M; i++) {
        const int m = first_m + (i / VECTOR * ITEMS_M + item_m) * VECTOR + i % VECTOR;
#pragma unroll
        for (int j = 0; j < WORK_N; j++) {
            const int n = first_n + (j / VECTOR * ITEMS_N + item_n) * VECTOR + j % VECTOR;
            if (m < shape.m && n < shape.n) { GEMM_STORE(sums[i][j], m, n) }
        }
    }
}
