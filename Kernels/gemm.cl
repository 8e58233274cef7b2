// out = scale Σₖ x[m, k] y[k, n] + out + bias on tiles in local memory; made for GPUs.
//
// A work-group makes a TILE_M × TILE_N tile of out. It steps through k by TILE_K, with the next slices of x and y on
// their way into registers while it multiplies the present ones from local memory (two buffers, one barrier a step). A
// work-item makes WORK_M × WORK_N values, in blocks of 4 × 4 spread over the tile, so that neighbours read neighbouring
// vectors:
//
//              TILE_N                         work-item (0, 0) with WORK 8 owns the four blocks #
//         +--------------------+
//         |#...    |#...       |
//  TILE_M |----------- ...     |
//         |#...    |#...       |
//         +--------------------+
//
// 32 consecutive work-items lie 4 × 8 on the tile: of all arrangements, this reads the least local memory.
//
// Work-group: (TILE_M / WORK_M) * (TILE_N / WORK_N) work-items in one dimension; groups run over tiles, over parts of k,
// and over the batch. Tiles are walked in bands of BAND rows of tiles, so that those under way at a time share what they
// read of x and y. Any strides are read; the host says along which axis neighbours in memory lie, so that global reads
// coalesce.
//
// With SPLIT_K, the groups along dimension 1 share the k axis of a tile. Each stores its sums; the one that finishes
// last, by a counter for each tile, adds those of all parts in their order, and sets the counter back to 0. So the result
// does not depend on which was last.
//
// With SUMS_ROWS, Σₖ x[m, k] goes to row_sums[m]: the bias gradient beside the weight gradient.
//
//   TILE_M, TILE_N, TILE_K   the tile and its step through k. Default 64, 64, 16.
//   WORK_M, WORK_N           values for each work-item; multiples of 4. Default 4, 4.
//   X_K_FIRST, Y_N_FIRST     1 where x's k, y's n axis is the contiguous one. Default 1.
//   X_WIDTH, Y_WIDTH         elements read from global memory at once: 4 where the contiguous axis is aligned and a
//                            multiple of 4 long, else 1. Default 1.
//   OUT_WIDTH                elements of out written at once: 4 where n is contiguous, aligned and a multiple of 4 long,
//                            else 1. Default 1.
//   SPLIT_K                  1 where groups share the k axis. Default 0.
//   SUMS_ROWS                1 to replace row_sums, 2 to add to what they hold; for a batch of 1. Default 0.
//   HAS_BIAS, ACCUMULATES    1 to add a bias, what out holds. Default 0.
//   X_TYPE, Y_TYPE, OUT_TYPE, BIAS_TYPE  the DTypes; row_sums are of BIAS_TYPE. Default float32.

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
#ifndef OUT_WIDTH
#define OUT_WIDTH 1
#endif
#ifndef SPLIT_K
#define SPLIT_K 0
#endif
#ifndef SUMS_ROWS
#define SUMS_ROWS 0
#endif

#define BAND 8
#define ITEMS_M (TILE_M / WORK_M)
#define ITEMS_N (TILE_N / WORK_N)
#define ITEMS (ITEMS_M * ITEMS_N)
#define X_READS (TILE_M * TILE_K / (ITEMS * X_WIDTH))
#define Y_READS (TILE_N * TILE_K / (ITEMS * Y_WIDTH))
// Floats that one part of a tile leaves for the last to add.
#define SHARE_SIZE (TILE_M * TILE_N + (SUMS_ROWS ? TILE_M : 0))
// One vector more for each row of a tile moves the rows to different banks and keeps vectors aligned.
#define ROW_M (TILE_M + 4)
#define ROW_N (TILE_N + 4)
// Reads that a line of a tile takes, and how many lines a work-item's next read is further on: always as many, so that
// no read needs registers of its own for where it is.
#define X_LINE ((X_K_FIRST ? TILE_K : TILE_M) / X_WIDTH)
#define Y_LINE ((Y_N_FIRST ? TILE_N : TILE_K) / Y_WIDTH)
#define X_LINES (ITEMS / X_LINE)
#define Y_LINES (ITEMS / Y_LINE)
// Rows of x that a work-item reads from: for each it keeps a sum.
#define X_SUMS (X_K_FIRST ? X_READS : X_WIDTH)
#if ITEMS % X_LINE != 0 || ITEMS % Y_LINE != 0
#error "the work-items of a group read whole lines"
#endif
// Where read number `read` of this work-item lies in a tile: (along, k), `along` being m or n.
#define X_ALONG(read) (X_K_FIRST ? item / X_LINE + (read) * X_LINES : item % X_LINE * X_WIDTH)
#define X_DEPTH(read) (X_K_FIRST ? item % X_LINE * X_WIDTH : item / X_LINE + (read) * X_LINES)
#define Y_ALONG(read) (Y_N_FIRST ? item % Y_LINE * Y_WIDTH : item / Y_LINE + (read) * Y_LINES)
#define Y_DEPTH(read) (Y_N_FIRST ? item / Y_LINE + (read) * Y_LINES : item % Y_LINE * Y_WIDTH)

#if SPLIT_K
#define SPLIT_PARAMETERS , __global float *shares, volatile __global uint *counters
#else
#define SPLIT_PARAMETERS
#endif
#if SUMS_ROWS
#define ROW_SUM_PARAMETERS , __global STORED(BIAS_TYPE) *row_sums, const ulong row_sums_offset, const INDEX row_sums_stride
#define STORE_ROW_SUM(sum, row)                                                                               \
    if (row < shape.m) {                                                                                       \
        const INDEX to = (row) * row_sums_stride;                                                              \
        float value = sum;                                                                                     \
        if (SUMS_ROWS == 2) value += LOAD(BIAS_TYPE, row_sums + row_sums_offset, to);                          \
        STORE(BIAS_TYPE, value, row_sums + row_sums_offset, to);                                               \
    }
#else
#define ROW_SUM_PARAMETERS
#endif

// Where work-item `item` lies on the tile, counted in blocks.
#define ITEM_M(item) ((item) / 32 / (ITEMS_N / 8) * 4 + (item) % 32 / 8)
#define ITEM_N(item) ((item) / 32 % (ITEMS_N / 8) * 8 + (item) % 8)

/// Stores four values beside each other: those of a work-item's row and of a block of four of its columns.
#define STORE_VECTOR(values, row, block)                                                                       \
    {                                                                                                          \
        const INDEX m = first_m + ((row) / 4 * ITEMS_M + item_m) * 4 + (row) % 4;                              \
        const INDEX n = first_n + ((block)*ITEMS_N + item_n) * 4;                                              \
        const float4 vector = values;                                                                          \
        STORE_INSIDE(vector, m, n)                                                                             \
    }
#if OUT_WIDTH == 4
#define STORE_INSIDE(vector, m, n) \
    if (m < shape.m && n < shape.n) GEMM_STORE4(vector, m, n)
#else
#define STORE_INSIDE(vector, m, n)                                             \
    if (m < shape.m) {                                                         \
        if (n < shape.n) GEMM_STORE(vector.x, m, n)                            \
        if (n + 1 < shape.n) GEMM_STORE(vector.y, m, n + 1)                    \
        if (n + 2 < shape.n) GEMM_STORE(vector.z, m, n + 2)                    \
        if (n + 3 < shape.n) GEMM_STORE(vector.w, m, n + 3)                    \
    }
#endif

/// The first row and column of a tile.
static inline void place_tile(INDEX tile, INDEX m, INDEX n, INDEX *first_m, INDEX *first_n) {
    const INDEX tiles_n = (n + TILE_N - 1) / TILE_N, tiles_m = (m + TILE_M - 1) / TILE_M;
    const INDEX band = tile / (BAND * tiles_n), band_rows = min((INDEX)BAND, tiles_m - band * BAND);
    const INDEX in_band = tile - band * BAND * tiles_n;
    *first_m = (band * BAND + in_band % band_rows) * TILE_M;
    *first_n = in_band / band_rows * TILE_N;
}

__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void gemm(
    __global const STORED(X_TYPE) *x, const ulong x_offset, __global const STORED(Y_TYPE) *y, const ulong y_offset,
    GEMM_OUTPUT_PARAMETERS, const Product shape SPLIT_PARAMETERS ROW_SUM_PARAMETERS) {
    int item = get_local_id(0), item_m = ITEM_M(item), item_n = ITEM_N(item);
    INDEX first_m, first_n;
    place_tile(get_group_id(0), shape.m, shape.n, &first_m, &first_n);
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
#if SUMS_ROWS
    float x_sums[X_SUMS];
#pragma unroll
    for (int i = 0; i < X_SUMS; i++) x_sums[i] = 0.0f;
#endif

#if SPLIT_K
    const INDEX all_steps = (shape.k + TILE_K - 1) / TILE_K;
    const INDEX parts = get_num_groups(1), part = get_group_id(1);
    // The first `all_steps % parts` parts take one step more.
    const INDEX share = all_steps / parts, rest = all_steps % parts, first_step = part * share + min(part, rest);
    x += first_step * TILE_K * shape.x_k;
    y += first_step * TILE_K * shape.y_k;
    INDEX depth_left = min(shape.k - first_step * TILE_K, (share + (part < rest ? 1 : 0)) * TILE_K);
#else
    INDEX depth_left = shape.k;
#endif
    // The first read of each step, from there to the next, and rows, columns and depths that are left from there on.
    x += (first_m + X_ALONG(0)) * shape.x_m + X_DEPTH(0) * shape.x_k;
    y += Y_DEPTH(0) * shape.y_k + (first_n + Y_ALONG(0)) * shape.y_n;
    const INDEX x_step = X_LINES * (X_K_FIRST ? shape.x_m : shape.x_k);
    const INDEX y_step = Y_LINES * (Y_N_FIRST ? shape.y_k : shape.y_n);
    const INDEX m_left = shape.m - first_m - X_ALONG(0), n_left = shape.n - first_n - Y_ALONG(0);
    // The buffer that holds the present slices; -1 while there are none.
    int buffer = -1;
    while (true) {
        // The next slices set out for registers, zeros beyond the edges.
        const int has_next = depth_left > 0;
        if (has_next) {
            const INDEX x_left = depth_left - X_DEPTH(0), y_left = depth_left - Y_DEPTH(0);
            __global const STORED(X_TYPE) *x_from = x;
            __global const STORED(Y_TYPE) *y_from = y;
#pragma unroll
            for (int read = 0; read < X_READS; read++) {
                const int inside =
                    X_K_FIRST ? read * X_LINES < m_left && 0 < x_left : 0 < m_left && read * X_LINES < x_left;
#if X_WIDTH == 4
                vstore4(inside ? LOAD4(X_TYPE, x_from) : (float4)(0.0f), read, x_next);
#else
                x_next[read] = inside ? LOAD(X_TYPE, x_from, 0) : 0.0f;
#endif
                x_from += x_step;
            }
#pragma unroll
            for (int read = 0; read < Y_READS; read++) {
                const int inside =
                    Y_N_FIRST ? 0 < n_left && read * Y_LINES < y_left : read * Y_LINES < n_left && 0 < y_left;
#if Y_WIDTH == 4
                vstore4(inside ? LOAD4(Y_TYPE, y_from) : (float4)(0.0f), read, y_next);
#else
                y_next[read] = inside ? LOAD(Y_TYPE, y_from, 0) : 0.0f;
#endif
                y_from += y_step;
            }
            x += TILE_K * shape.x_k;
            y += TILE_K * shape.y_k;
            depth_left -= TILE_K;
        }

        // Meanwhile the present slices are multiplied.
        if (buffer >= 0) {
            MULTIPLY_SLICES(x_tile[buffer], y_tile[buffer])
        }

        // The next slices move into the other buffer, which was last read before the previous barrier.
        if (!has_next) break;
        buffer = buffer == 0;
#pragma unroll
            for (int read = 0; read < X_READS; read++) {
                __local float *const to = &x_tile[buffer][X_DEPTH(read) * ROW_M + X_ALONG(read)];
#if X_WIDTH == 4 && !X_K_FIRST
                *(__local float4 *)to = vload4(read, x_next);
#else
#pragma unroll
                for (int part_of_read = 0; part_of_read < X_WIDTH; part_of_read++)
                    to[part_of_read * ROW_M] = x_next[read * X_WIDTH + part_of_read];
#endif
            }
#pragma unroll
            for (int read = 0; read < Y_READS; read++) {
                __local float *const to = &y_tile[buffer][Y_DEPTH(read) * ROW_N + Y_ALONG(read)];
#if Y_WIDTH == 4 && Y_N_FIRST
                *(__local float4 *)to = vload4(read, y_next);
#else
#pragma unroll
                for (int part_of_read = 0; part_of_read < Y_WIDTH; part_of_read++)
                    to[part_of_read * ROW_N] = y_next[read * Y_WIDTH + part_of_read];
#endif
            }
#if SUMS_ROWS
            if (first_n == 0) {
#pragma unroll
                for (int i = 0; i < X_SUMS; i++) {
                    float sum = 0.0f;
#pragma unroll
                    for (int j = 0; j < X_READS * X_WIDTH / X_SUMS; j++)
                        sum += x_next[X_K_FIRST ? i * X_WIDTH + j : j * X_WIDTH + i];
                    x_sums[i] += sum;
                }
            }
#endif
        barrier(CLK_LOCAL_MEM_FENCE);
    }

#ifdef __NVPTX__
    // Computed anew, not kept in registers that the loop needs.
    int tile;
    asm volatile("mov.u32 %0, %%tid.x;" : "=r"(item));
    asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(tile));
    item_m = ITEM_M(item);
    item_n = ITEM_N(item);
    place_tile(tile, shape.m, shape.n, &first_m, &first_n);
#endif
#if SPLIT_K
    const ulong number = (ulong)get_group_id(2) * get_num_groups(0) + get_group_id(0);
    __global float *const tile_shares = shares + number * parts * SHARE_SIZE;
    __global float *const own_share = tile_shares + part * SHARE_SIZE;
#pragma unroll
    for (int i = 0; i < WORK_M; i++)
#pragma unroll
        for (int j = 0; j < WORK_N / 4; j++)
            STORE_SHARE4(vload4(j, sums[i]), own_share + ((i * (WORK_N / 4) + j) * ITEMS + item) * 4);
#endif
#if SUMS_ROWS
    // Every work-item's sums go where what it read went; then each column is added from top to bottom.
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (int i = 0; i < X_SUMS; i++)
        x_tile[0][(X_K_FIRST ? item % X_LINE * ROW_M : item / X_LINE * ROW_M + i) + X_ALONG(i)] = x_sums[i];
    barrier(CLK_LOCAL_MEM_FENCE);
    if (first_n == 0) {
        for (int row = item; row < TILE_M; row += ITEMS) {
            float sum = 0.0f;
            for (int i = 0; i < (X_K_FIRST ? X_LINE : X_LINES); i++) sum += x_tile[0][i * ROW_M + row];
#if SPLIT_K
            STORE_SHARE(sum, own_share + TILE_M * TILE_N + row);
#else
            STORE_ROW_SUM(sum, first_m + row)
#endif
        }
    }
#endif
#if SPLIT_K
    __local int is_last;
    if (!is_last_group(counters + number, (uint)parts, &is_last)) return;
    // Four vectors at a time, so that many reads are under way.
#pragma unroll 1
    for (int first = 0; first < WORK_M * WORK_N / 4; first += 4) {
        float4 totals[4];
#pragma unroll
        for (int i = 0; i < 4; i++) totals[i] = (float4)(0.0f);
#pragma unroll 4
        for (INDEX other = 0; other < parts; other++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                totals[i] += LOAD_SHARE4(tile_shares + other * SHARE_SIZE + ((first + i) * ITEMS + item) * 4);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int row = (first + i) / (WORK_N / 4), block = (first + i) % (WORK_N / 4);
            STORE_VECTOR(totals[i], row, block)
        }
    }
#if SUMS_ROWS
    if (first_n == 0)
        for (int row = item; row < TILE_M; row += ITEMS) {
            float sum = 0.0f;
            for (INDEX other = 0; other < parts; other++)
                sum += LOAD_SHARE(tile_shares + other * SHARE_SIZE + TILE_M * TILE_N + row);
            STORE_ROW_SUM(sum, first_m + row)
        }
#endif
#else
#pragma unroll
    for (int i = 0; i < WORK_M; i++)
#pragma unroll
        for (int j = 0; j < WORK_N / 4; j++) STORE_VECTOR(vload4(j, sums[i]), i, j)
#endif
}
