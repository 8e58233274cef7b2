// out = scale Σₖ x[m, k] y[k, n] + out + bias on tensor cores (`mma.sync`), for NVIDIA GPUs of sm_80 and newer.
//
// A work-group makes a TILE_M × TILE_N tile of out, each of its warps a WARP_M × WARP_N part in registers. It steps through k
// by slabs of 64 bytes, of which STAGES lie in local memory: one is multiplied while the next are on their way. Products
// of the operands are exact, their sums float32.
//
// A slab of an operand is cut into chunks of 16 bytes along the operand's contiguous axis. Where an operand is stored in
// the type that is multiplied and whole chunks lie inside or outside of it, they are copied asynchronously, past the registers;
// otherwise they are read into registers ahead of the multiplications, converted and stored after them.
//
//   contiguous along k (rows of 64 bytes)         contiguous along m or n (one row for each k)
//   16 and 32 bits: chunk c of row r lies at      16 bits: the same by c ^ (k % 8), read by transposing
//   c ^ (r / 2 % 4), so that eight rows of a      loads; 32 bits: unmixed, rows 8 words longer than the
//   matrix lie in eight groups of banks           tile, read word by word without conflicts
//
// Work-group: (TILE_M / WARP_M) * (TILE_N / WARP_N) * 32 work-items in one dimension; dimension 0 runs over the tiles, eight rows
// of tiles at a time, so that those running together share operands in the L2 cache; 1 over the parts of k, 2 over the batch.
//
//   OPERAND             what is multiplied: 0 bfloat16, 1 float16, 2 tf32. Default 0.
//   SPLIT               1 for tf32 operands in two parts each, high + low: x y = high high + (high low + low high) to nearly
//                       float32's accuracy. What 8 values of k give is summed apart and added as float32, since tensor cores
//                       round sums towards zero. Default 0.
//   TILE_M, TILE_N      the tile. Default 128, 128.
//   WARP_M, WARP_N      a warp's part; multiples of 16. Default 64, 64.
//   STAGES              slabs in local memory, 2 or more. Default 2.
//   X_K_FIRST, Y_N_FIRST  1 where x's k, y's n axis is the contiguous one. Default 1.
//   X_COPIES, Y_COPIES  1 where chunks can be copied as they are: stored in the operand's type, aligned, the contiguous axis
//                       and the other's stride multiples of a chunk. Default 0.
//   X_WIDTH, Y_WIDTH    where not copied: floats read at once, as in gemm.cl. Default 1.
//   OUT_WIDTH           2 where pairs of out can be stored at once: out's n is contiguous, even, and aligned. Default 1.
//   SPLIT_K, SUMS_ROWS  as in gemm.cl: parts of k for several groups, of which the last adds them; sums of x's rows. Default 0.
//   HAS_BIAS, ACCUMULATES, X_TYPE, Y_TYPE, OUT_TYPE, BIAS_TYPE   as in gemm.cl.
//
// Infinity and NaN: the parts of an infinite value do not add up to it, and rounding to tf32 may make one of a finite value. Such
// values leave sums that are not finite, and those are computed again without tensor cores.

#ifndef SPLIT
#define SPLIT 0
#endif
#ifndef TILE_M
#define TILE_M 128
#endif
#ifndef TILE_N
#define TILE_N 128
#endif
#ifndef WARP_M
#define WARP_M 64
#endif
#ifndef WARP_N
#define WARP_N 64
#endif
#ifndef STAGES
#define STAGES 2
#endif
#ifndef X_K_FIRST
#define X_K_FIRST 1
#endif
#ifndef Y_N_FIRST
#define Y_N_FIRST 1
#endif
#ifndef X_COPIES
#define X_COPIES 0
#endif
#ifndef Y_COPIES
#define Y_COPIES 0
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

#define Y_K_FIRST (!Y_N_FIRST)
#define OPERAND_BYTES (OPERAND == 2 ? 4 : 2)
#define CHUNK (16 / OPERAND_BYTES)
#define TILE_K (64 / OPERAND_BYTES)
#define WARPS_N (TILE_N / WARP_N)
#define ITEMS (TILE_M / WARP_M * WARPS_N * 32)
#define BLOCKS_M (WARP_M / 16)
#define BLOCKS_N (WARP_N / 8)

// The layout of a slab: its rows, their chunks and length in bytes, and where a chunk lies.
#define ROW_CHUNKS(k_first, tile) ((k_first) ? 4 : (tile) / CHUNK)
#define ROW_BYTES(k_first, tile) ((k_first) ? 64 : OPERAND == 2 ? ((tile) + 8) * 4 : (tile) * 2)
#define SLAB_BYTES(k_first, tile) (((k_first) ? (tile) : TILE_K) * ROW_BYTES(k_first, tile))
#define MIX(k_first, tile, row) \
    ((k_first) || (OPERAND != 2 && (tile) == 32) ? (row) / 2 % 4 : OPERAND == 2 ? 0 : (row) % 8)
#define PLACE(k_first, tile, row, chunk) \
    ((row) * ROW_BYTES(k_first, tile) + (((chunk) ^ MIX(k_first, tile, row)) << 4))
#define X_BYTES SLAB_BYTES(X_K_FIRST, TILE_M)
#define Y_BYTES SLAB_BYTES(Y_K_FIRST, TILE_N)
#define STAGE_BYTES (X_BYTES + Y_BYTES)

// Chunk number `read` of this work-item: its row and place in the row; the first m or n, and the first k in the slab.
#define X_READS (TILE_M * 4 / ITEMS)
#define Y_READS (TILE_N * 4 / ITEMS)
#define CHUNK_ROW(k_first, tile, read) (((read) * ITEMS + item) / ROW_CHUNKS(k_first, tile))
#define CHUNK_COLUMN(k_first, tile, read) (((read) * ITEMS + item) % ROW_CHUNKS(k_first, tile))
#define CHUNK_ALONG(k_first, tile, read) \
    ((k_first) ? CHUNK_ROW(k_first, tile, read) : CHUNK_COLUMN(k_first, tile, read) * CHUNK)
#define CHUNK_DEPTH(k_first, tile, read) \
    ((k_first) ? CHUNK_COLUMN(k_first, tile, read) * CHUNK : CHUNK_ROW(k_first, tile, read))

/// Copies a slab of an operand to a stage.
#define COPY_SLAB(operand, k_first, tile, reads, first, size, stride, k_stride, slab, to)                       \
    UNROLL for (int read = 0; read < reads; read++) {                                                           \
        const int along = first + CHUNK_ALONG(k_first, tile, read);                                             \
        const int depth = (slab) * TILE_K + CHUNK_DEPTH(k_first, tile, read);                                   \
        const int inside = along < (size) && depth < shape.k;                                                   \
        const INDEX at = inside ? (INDEX)along * (stride) + (INDEX)depth * (k_stride) : 0;                      \
        COPY_CHUNK(                                                                                             \
            (to) + PLACE(k_first, tile, CHUNK_ROW(k_first, tile, read), CHUNK_COLUMN(k_first, tile, read)),     \
            operand + at, inside);                                                                              \
    }
/// Reads a slab of an operand into registers.
#define READ_SLAB(operand, type, width, k_first, tile, reads, first, size, stride, k_stride, slab, values)      \
    UNROLL for (int read = 0; read < reads; read++) {                                                           \
        UNROLL for (int part = 0; part < CHUNK; part += width) {                                                \
            const int along = first + CHUNK_ALONG(k_first, tile, read) + ((k_first) ? 0 : part);                \
            const int depth = (slab) * TILE_K + CHUNK_DEPTH(k_first, tile, read) + ((k_first) ? part : 0);      \
            const INDEX at = (INDEX)along * (stride) + (INDEX)depth * (k_stride);                               \
            const int inside = along < (size) && depth < shape.k;                                               \
            CONCATENATE(READ_, width)(operand, type, inside, at, values, read * CHUNK + part)                   \
        }                                                                                                       \
    }
#define READ_1(operand, type, inside, at, values, i) values[i] = inside ? LOAD(type, operand, at) : 0.0f;
#define READ_4(operand, type, inside, at, values, i)                                                            \
    {                                                                                                           \
        const float4 four = inside ? *(__global const float4 *)(operand + at) : (float4)(0.0f);                 \
        values[i] = four.x, values[(i) + 1] = four.y, values[(i) + 2] = four.z, values[(i) + 3] = four.w;       \
    }
/// Stores what READ_SLAB read to a stage, in the operand's type.
#define STORE_SLAB(k_first, tile, reads, values, to)                                                            \
    UNROLL for (int read = 0; read < reads; read++) {                                                           \
        uint4 chunk;                                                                                            \
        MAKE_CHUNK(chunk, values, read * CHUNK)                                                                 \
        STORE_LOCAL_CHUNK(                                                                                      \
            (to) + PLACE(k_first, tile, CHUNK_ROW(k_first, tile, read), CHUNK_COLUMN(k_first, tile, read)), chunk); \
    }
#if OPERAND == 2
#define MAKE_CHUNK(chunk, v, i) \
    chunk = (uint4)(as_uint(v[i]), as_uint(v[(i) + 1]), as_uint(v[(i) + 2]), as_uint(v[(i) + 3]));
#else
#if OPERAND == 0
#define PACK_OPERANDS PACK_BFLOAT16
#else
#define PACK_OPERANDS PACK_FLOAT16
#endif
#define MAKE_CHUNK(chunk, v, i)                   \
    PACK_OPERANDS(chunk.x, v[i], v[(i) + 1]);       \
    PACK_OPERANDS(chunk.y, v[(i) + 2], v[(i) + 3]); \
    PACK_OPERANDS(chunk.z, v[(i) + 4], v[(i) + 5]); \
    PACK_OPERANDS(chunk.w, v[(i) + 6], v[(i) + 7]);
#endif

// What has to happen with a slab before and after the multiplications, by operand.
#if X_COPIES
#define X_BEGIN(slab, to) \
    COPY_SLAB(x, X_K_FIRST, TILE_M, X_READS, first_m, shape.m, shape.x_m, shape.x_k, slab, to)
#define X_END(to)
#else
#define X_BEGIN(slab, to) \
    READ_SLAB(x, X_TYPE, X_WIDTH, X_K_FIRST, TILE_M, X_READS, first_m, shape.m, shape.x_m, shape.x_k, slab, x_next)
#define X_END(to) STORE_SLAB(X_K_FIRST, TILE_M, X_READS, x_next, to)
#endif
#if Y_COPIES
#define Y_BEGIN(slab, to) \
    COPY_SLAB(y, Y_K_FIRST, TILE_N, Y_READS, first_n, shape.n, shape.y_n, shape.y_k, slab, (to) + X_BYTES)
#define Y_END(to)
#else
#define Y_BEGIN(slab, to) \
    READ_SLAB(y, Y_TYPE, Y_WIDTH, Y_K_FIRST, TILE_N, Y_READS, first_n, shape.n, shape.y_n, shape.y_k, slab, y_next)
#define Y_END(to) STORE_SLAB(Y_K_FIRST, TILE_N, Y_READS, y_next, (to) + X_BYTES)
#endif

// Operands of block i of m or pair j of blocks of n, for the 32 bytes `step` of a slab, from local memory.
#define GROUP (lane / 4)
#define THREAD (lane % 4)
#if X_K_FIRST
#define LOAD_X(a, i, step)                                                                                      \
    LOAD_MATRICES(                                                                                              \
        a[0], a[1], a[2], a[3],                                                                                 \
        x_slab + (warp_m + (i) * 16 + lane % 16) * 64 + (((step) * 2 + lane / 16) ^ (lane / 2 % 4)) * 16)
#elif OPERAND != 2
#define LOAD_X(a, i, step)                                                                                      \
    LOAD_MATRICES_TRANSPOSED(                                                                                   \
        a[0], a[1], a[2], a[3],                                                                                 \
        x_slab + ((step) * 16 + lane % 8 + lane / 16 * 8) * (TILE_M * 2)                                        \
            + (((warp_m + (i) * 16) / 8 + lane / 8 % 2) ^ MIX(0, TILE_M, lane % 8)) * 16)
#else
#define LOAD_X(a, i, step)                                                                                      \
    UNROLL for (int quarter = 0; quarter < 4; quarter++)                                                        \
        LOAD_LOCAL_WORD(                                                                                        \
            a[quarter], x_slab + ((step) * 8 + THREAD + quarter / 2 * 4) * ROW_BYTES(0, TILE_M)                 \
                + (warp_m + (i) * 16 + GROUP + quarter % 2 * 8) * 4);
#endif
#if Y_K_FIRST
#define LOAD_Y(b, j, step)                                                                                      \
    LOAD_MATRICES(                                                                                              \
        b[0], b[1], b[2], b[3],                                                                                 \
        y_slab + (warp_n + (j) * 16 + lane % 8 + lane / 16 * 8) * 64                                            \
            + (((step) * 2 + lane / 8 % 2) ^ (lane / 2 % 4)) * 16)
#elif OPERAND != 2
#define LOAD_Y(b, j, step)                                                                                      \
    LOAD_MATRICES_TRANSPOSED(                                                                                   \
        b[0], b[1], b[2], b[3],                                                                                 \
        y_slab + ((step) * 16 + lane % 8 + lane / 8 % 2 * 8) * (TILE_N * 2)                                     \
            + (((warp_n + (j) * 16) / 8 + lane / 16) ^ MIX(0, TILE_N, lane % 8)) * 16)
#else
#define LOAD_Y(b, j, step)                                                                                      \
    UNROLL for (int quarter = 0; quarter < 4; quarter++)                                                        \
        LOAD_LOCAL_WORD(                                                                                        \
            b[quarter], y_slab + ((step) * 8 + THREAD + quarter % 2 * 4) * ROW_BYTES(0, TILE_N)                 \
                + (warp_n + (j) * 16 + GROUP + quarter / 2 * 8) * 4);
#endif

// How a float32 becomes operands.
#if SPLIT
/// Leaves the larger part of a value, rounded to tf32, and what it lacks. Of a value that is not finite, or that rounding makes
/// so, what is left is not finite either.
#define TAKE_APART(bits, low)                               \
    {                                                       \
        const float whole = as_float(bits);                 \
        bits = (bits + 0x1000u) & 0xFFFFE000u;              \
        low = as_uint(whole - as_float(bits));              \
    }
// Two unrolled steps would want more registers than there are.
#define UNROLL_STEPS
#else
#define TAKE_APART(bits, low) ROUND_TF32(bits, as_float(bits));
#define UNROLL_STEPS UNROLL
#endif
#define IS_SPECIAL(sum) (!(fabs(sum) <= FLT_MAX))

#if SPLIT_K
#define SPLIT_PARAMETERS , __global float *shares, volatile __global uint *counters
#else
#define SPLIT_PARAMETERS
#endif
/// What a group leaves for the last one: its sums, and those of rows.
#define SHARE_SIZE (TILE_M * TILE_N + (SUMS_ROWS ? TILE_M : 0))
#if SUMS_ROWS
#define ROW_SUM_PARAMETERS , __global STORED(BIAS_TYPE) *row_sums, const ulong row_sums_offset, const INDEX row_sums_stride
#if OPERAND == 0
#define ONES 0x3F803F80u
#elif OPERAND == 1
#define ONES 0x3C003C00u
#else
#define ONES 0x3F800000u
#endif
#else
#define ROW_SUM_PARAMETERS
#endif

__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void gemm_tensor(
    __global const STORED(X_TYPE) *x, const ulong x_offset, __global const STORED(Y_TYPE) *y, const ulong y_offset,
    GEMM_OUTPUT_PARAMETERS, const Product shape SPLIT_PARAMETERS ROW_SUM_PARAMETERS) {
    __local uint4 slabs[STAGES * STAGE_BYTES / 16] __attribute__((aligned(128)));
#if OPERAND == 2
    __local int found_special;
#endif
    WARP_STATE(ITEMS)
    POISON(slabs, STAGES * STAGE_BYTES)
    const LocalAddress base = LOCAL_ADDRESS(slabs);
    const int item = get_local_id(0), lane = item % 32, warp = item / 32;
    const int warp_m = warp / WARPS_N * WARP_M, warp_n = warp % WARPS_N * WARP_N;

    // Eight rows of tiles at a time, column by column.
    const int tiles_m = (int)((shape.m + TILE_M - 1) / TILE_M), tiles_n = (int)((shape.n + TILE_N - 1) / TILE_N);
    const int tile = (int)get_group_id(0);
    const int band = tile / (8 * tiles_n), in_band = tile % (8 * tiles_n), band_rows = min(8, tiles_m - 8 * band);
    const int first_m = (8 * band + in_band % band_rows) * TILE_M, first_n = in_band / band_rows * TILE_N;

    const INDEX batch_outer = (INDEX)get_group_id(2) / shape.batch_inner;
    const INDEX batch_inner = (INDEX)get_group_id(2) % shape.batch_inner;
    x += x_offset + batch_outer * shape.x_batch_outer + batch_inner * shape.x_batch_inner;
    y += y_offset + batch_outer * shape.y_batch_outer + batch_inner * shape.y_batch_inner;
    out += out_offset + batch_outer * shape.out_batch_outer + batch_inner * shape.out_batch_inner;

#if !X_COPIES
    float x_next[X_READS * CHUNK];
#endif
#if !Y_COPIES
    float y_next[Y_READS * CHUNK];
#endif
    float sums[BLOCKS_M][BLOCKS_N][4];
    int first_slab = 0, end_slab = (int)((shape.k + TILE_K - 1) / TILE_K);
#if SPLIT_K
    // The first parts take a slab more where they are not alike.
    const int parts = get_num_groups(1), part = get_group_id(1), share = end_slab / parts, rest = end_slab % parts;
    first_slab = part * share + min(part, rest);
    end_slab = first_slab + share + (part < rest ? 1 : 0);
#endif
#if SUMS_ROWS
    // Products with 1, of which a lane needs only those of column 0.
    float row_parts[BLOCKS_M][4];
    UNROLL for (int i = 0; i < BLOCKS_M; i++)
        UNROLL for (int e = 0; e < 4; e++) row_parts[i][e] = 0.0f;
#endif

    UNROLL for (int i = 0; i < BLOCKS_M; i++)
        UNROLL for (int j = 0; j < BLOCKS_N; j++)
            UNROLL for (int e = 0; e < 4; e++) sums[i][j][e] = 0.0f;
    UNROLL for (int ahead = 0; ahead < STAGES - 1; ahead++) {
        if (first_slab + ahead < end_slab) {
            const LocalAddress to = base + ahead * STAGE_BYTES;
            X_BEGIN(first_slab + ahead, to)
            Y_BEGIN(first_slab + ahead, to)
            X_END(to)
            Y_END(to)
        }
        COPIES_COMMIT();
    }
    int stage = 0, next_stage = STAGES - 1;
    for (int slab = first_slab; slab < end_slab; slab++) {
        COPIES_WAIT(STAGES - 2);
        // Now this slab is there for all, and the one before is no longer read.
        barrier(CLK_LOCAL_MEM_FENCE);
        const int has_next = slab + STAGES - 1 < end_slab;
        const LocalAddress to = base + next_stage * STAGE_BYTES;
        if (has_next) {
            X_BEGIN(slab + STAGES - 1, to)
            Y_BEGIN(slab + STAGES - 1, to)
        }
        COPIES_COMMIT();

        const LocalAddress x_slab = base + stage * STAGE_BYTES, y_slab = x_slab + X_BYTES;
        UNROLL_STEPS for (int step = 0; step < 2; step++) {
            uint a[BLOCKS_M][4], b[4];
#if SPLIT
            uint a_low[BLOCKS_M][4], b_low[4];
#endif
            UNROLL for (int i = 0; i < BLOCKS_M; i++) {
                LOAD_X(a[i], i, step);
#if OPERAND == 2
                UNROLL for (int e = 0; e < 4; e++) { TAKE_APART(a[i][e], a_low[i][e]) }
#endif
            }
#if SUMS_ROWS
            if (first_n == 0) {
                UNROLL for (int i = 0; i < BLOCKS_M; i++) {
#if SPLIT
                    float parts_of_rows[4];
                    MULTIPLY_FIRST(parts_of_rows, a_low[i], ONES, ONES);
                    MULTIPLY(parts_of_rows, a[i], ONES, ONES);
                    UNROLL for (int e = 0; e < 4; e++) row_parts[i][e] += parts_of_rows[e];
#else
                    MULTIPLY(row_parts[i], a[i], ONES, ONES);
#endif
                }
            }
#endif
            UNROLL for (int j = 0; j < BLOCKS_N / 2; j++) {
                LOAD_Y(b, j, step);
#if OPERAND == 2
                UNROLL for (int e = 0; e < 4; e++) { TAKE_APART(b[e], b_low[e]) }
#endif
                UNROLL for (int h = 0; h < 2; h++) {
#if SPLIT
                    float parts[BLOCKS_M][4];
                    UNROLL for (int i = 0; i < BLOCKS_M; i++)
                        MULTIPLY_FIRST(parts[i], a_low[i], b[2 * h], b[2 * h + 1]);
                    UNROLL for (int i = 0; i < BLOCKS_M; i++)
                        MULTIPLY(parts[i], a[i], b_low[2 * h], b_low[2 * h + 1]);
                    UNROLL for (int i = 0; i < BLOCKS_M; i++) MULTIPLY(parts[i], a[i], b[2 * h], b[2 * h + 1]);
                    UNROLL for (int i = 0; i < BLOCKS_M; i++)
                        UNROLL for (int e = 0; e < 4; e++) sums[i][2 * j + h][e] += parts[i][e];
#else
                    UNROLL for (int i = 0; i < BLOCKS_M; i++)
                        MULTIPLY(sums[i][2 * j + h], a[i], b[2 * h], b[2 * h + 1]);
#endif
                }
            }
        }
        if (has_next) {
            X_END(to)
            Y_END(to)
        }
        stage = stage + 1 == STAGES ? 0 : stage + 1;
        next_stage = next_stage + 1 == STAGES ? 0 : next_stage + 1;
    }

#if SPLIT_K
    const ulong number = (ulong)get_group_id(2) * get_num_groups(0) + get_group_id(0);
    __global float *const tile_shares = shares + number * parts * SHARE_SIZE;
    __global float *const own_share = tile_shares + part * SHARE_SIZE;
    UNROLL for (int i = 0; i < BLOCKS_M; i++)
        UNROLL for (int j = 0; j < BLOCKS_N; j++)
            STORE_SHARE4(vload4(0, sums[i][j]), own_share + ((i * BLOCKS_N + j) * ITEMS + item) * 4);
#if SUMS_ROWS
    if (first_n == 0 && warp_n == 0 && THREAD == 0) {
        UNROLL for (int i = 0; i < BLOCKS_M; i++)
            UNROLL for (int h = 0; h < 2; h++)
                STORE_SHARE(row_parts[i][2 * h], own_share + TILE_M * TILE_N + warp_m + i * 16 + h * 8 + GROUP);
    }
#endif
    __local int is_last;
    if (!is_last_group(counters + number, (uint)parts, &is_last)) return;
    UNROLL for (int i = 0; i < BLOCKS_M; i++)
        UNROLL for (int j = 0; j < BLOCKS_N; j++)
            UNROLL for (int e = 0; e < 4; e++) sums[i][j][e] = 0.0f;
    for (int other = 0; other < parts; other++)
        UNROLL for (int i = 0; i < BLOCKS_M; i++)
            UNROLL for (int j = 0; j < BLOCKS_N; j++) {
                const float4 more =
                    LOAD_SHARE4(tile_shares + other * SHARE_SIZE + ((i * BLOCKS_N + j) * ITEMS + item) * 4);
                sums[i][j][0] += more.x, sums[i][j][1] += more.y, sums[i][j][2] += more.z, sums[i][j][3] += more.w;
            }
#endif
#if SUMS_ROWS
    if (first_n == 0 && warp_n == 0 && THREAD == 0) {
        UNROLL for (int i = 0; i < BLOCKS_M; i++)
            UNROLL for (int h = 0; h < 2; h++) {
                const int row = warp_m + i * 16 + h * 8 + GROUP, m = first_m + row;
                if (m >= shape.m) continue;
#if SPLIT_K
                float sum = 0.0f;
                for (int other = 0; other < parts; other++)
                    sum += LOAD_SHARE(tile_shares + other * SHARE_SIZE + TILE_M * TILE_N + row);
#else
                float sum = row_parts[i][2 * h];
#endif
#if OPERAND == 2
                if (IS_SPECIAL(sum)) {
                    sum = 0.0f;
                    for (INDEX k = 0; k < shape.k; k++) sum += LOAD(X_TYPE, x, m * shape.x_m + k * shape.x_k);
                }
#endif
                const INDEX to = m * row_sums_stride;
                if (SUMS_ROWS == 2) sum += LOAD(BIAS_TYPE, row_sums + row_sums_offset, to);
                STORE(BIAS_TYPE, sum, row_sums + row_sums_offset, to);
            }
    }
#endif

#if OPERAND == 2
    // Places of sums that are not finite are marked in local memory.
    int is_special = 0;
    UNROLL for (int i = 0; i < BLOCKS_M; i++)
        UNROLL for (int j = 0; j < BLOCKS_N; j++)
            UNROLL for (int e = 0; e < 4; e++) is_special |= IS_SPECIAL(sums[i][j][e]);
    if (item == 0) found_special = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (is_special) found_special = 1;
    barrier(CLK_LOCAL_MEM_FENCE);
    __local uchar *marks = LOCAL_BYTES(slabs);
    if (found_special) {
        for (int at = item; at < TILE_M * TILE_N; at += ITEMS) marks[at] = 0;
        barrier(CLK_LOCAL_MEM_FENCE);
    }
#endif
    UNROLL for (int i = 0; i < BLOCKS_M; i++)
        UNROLL for (int j = 0; j < BLOCKS_N; j++)
            UNROLL for (int h = 0; h < 2; h++) {
                const int place_m = warp_m + i * 16 + h * 8 + GROUP, place_n = warp_n + j * 8 + THREAD * 2;
                const int m = first_m + place_m, n = first_n + place_n;
                const float sum = sums[i][j][2 * h], next = sums[i][j][2 * h + 1];
                if (m >= shape.m) continue;
#if OPERAND == 2
                if (IS_SPECIAL(sum) || IS_SPECIAL(next)) {
                    marks[place_m * TILE_N + place_n] = 1;
                    marks[place_m * TILE_N + place_n + 1] = 1;
                    continue;
                }
#endif
#if OUT_WIDTH == 2
                if (n < shape.n) GEMM_STORE_PAIR(sum, next, m, n)
#else
                if (n < shape.n) GEMM_STORE(sum, m, n)
                if (n + 1 < shape.n) GEMM_STORE(next, m, n + 1)
#endif
            }

#if OPERAND == 2
    if (found_special) {
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int at = item; at < TILE_M * TILE_N; at += ITEMS) {
            const int m = first_m + at / TILE_N, n = first_n + at % TILE_N;
            if (!marks[at] || n >= shape.n) continue;
            float sum = 0.0f;
            for (int k = 0; k < shape.k; k++)
                sum = fma(
                    LOAD(X_TYPE, x, (INDEX)m * shape.x_m + (INDEX)k * shape.x_k),
                    LOAD(Y_TYPE, y, (INDEX)k * shape.y_k + (INDEX)n * shape.y_n), sum);
            GEMM_STORE(sum, m, n)
        }
    }
#endif
}
