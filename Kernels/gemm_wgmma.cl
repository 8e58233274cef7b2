// out = scale Σₖ x[m, k] y[k, n] + out + bias on the tensor cores of NVIDIA GPUs of sm_90 by `wgmma`: large products.
//
// A work-group of two warpgroups makes a 128 × TILE_N tile of out; each warpgroup multiplies 64 rows of x with all of the tile's
// columns, straight from local memory, where STAGES slabs of 128 bytes of k lie. Slabs are copied STAGES - 2 ahead, so that the
// products of one slab may still run while the next is waited for. Both operands are contiguous along k and stored in the type that
// is multiplied, in whole chunks of 16 bytes; `pack_operand` makes them so.
//
// Work-group: 256 work-items in one dimension; dimension 0 runs over the tiles, eight rows of tiles at a time, 2 over the batch.
//
//   OPERAND             what is multiplied: 0 bfloat16, 1 float16, 2 float32 of which TF32's bits are read. Default 0.
//   TILE_N              128 or 256. Default 128.
//   STAGES              slabs in local memory, 3 or more. Default 3.
//   OUT_WIDTH           2 where pairs of out can be stored at once. Default 1.
//   HAS_BIAS, ACCUMULATES, X_TYPE, Y_TYPE, OUT_TYPE, BIAS_TYPE   as in gemm.cl.

#ifndef STAGES
#define STAGES 3
#endif
#ifndef OUT_WIDTH
#define OUT_WIDTH 1
#endif

#define TILE_M 128
#define ITEMS 256
#define OPERAND_BYTES (OPERAND == 2 ? 4 : 2)
#define CHUNK (16 / OPERAND_BYTES)
#define TILE_K (128 / OPERAND_BYTES)
#define X_BYTES (TILE_M * 128)
#define STAGE_BYTES (X_BYTES + TILE_N * 128)
#define SUMS (TILE_N / 2)

/// Copies a slab of an operand to a stage: a work-item a chunk of every 32nd row.
#define COPY_ROWS(operand, rows, first, size, stride, slab, to)                                       \
    UNROLL for (int read = 0; read < (rows) / 32; read++) {                                           \
        const int row = read * 32 + item / 8, along = first + row, depth = (slab) * TILE_K + item % 8 * CHUNK; \
        const int inside = along < (size) && depth < shape.k;                                         \
        const INDEX at = inside ? (INDEX)along * (stride) + depth : 0;                                \
        COPY_CHUNK((to) + row * 128 + (((item % 8) ^ (row % 8)) << 4), operand + at, inside);         \
    }
#define COPY_SLAB(slab, to)                                                                           \
    {                                                                                                 \
        COPY_ROWS(x, TILE_M, first_m, shape.m, shape.x_m, slab, to)                                   \
        COPY_ROWS(y, TILE_N, first_n, shape.n, shape.y_n, slab, (to) + X_BYTES)                       \
    }

__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void gemm_wgmma(
    __global const STORED(X_TYPE) *x, const ulong x_offset, __global const STORED(Y_TYPE) *y, const ulong y_offset,
    GEMM_OUTPUT_PARAMETERS, const Product shape) {
    __local uint4 slabs[WGMMA_DECLARED(STAGES * STAGE_BYTES) / 16] __attribute__((aligned(1024)));
    WARP_STATE(ITEMS)
    WGMMA_STATE
    WGMMA_ENLARGE(STAGES * STAGE_BYTES);
    POISON(slabs, STAGES * STAGE_BYTES)
    const LocalAddress base = LOCAL_ADDRESS(slabs);
    const int item = get_local_id(0), lane = item % 32, warp = item / 32;

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

    float sums[SUMS];
    UNROLL for (int i = 0; i < SUMS; i++) sums[i] = 0.0f;
    const int slab_count = (int)((shape.k + TILE_K - 1) / TILE_K);
    UNROLL for (int slab = 0; slab < STAGES - 2; slab++) {
        if (slab < slab_count) COPY_SLAB(slab, base + slab * STAGE_BYTES)
        COPIES_COMMIT();
    }
    int stage = 0, next_stage = STAGES - 2;
    for (int slab = 0; slab < slab_count; slab++) {
        COPIES_WAIT(STAGES - 3);
        WGMMA_COPIES_FENCE();
        // Now this slab is there for all, and the products of the one before the last are done.
        barrier(CLK_LOCAL_MEM_FENCE);
        const WgmmaOperand a = WGMMA_OPERAND(base + stage * STAGE_BYTES + warp / 4 * 64 * 128);
        const WgmmaOperand b = WGMMA_OPERAND(base + stage * STAGE_BYTES + X_BYTES);
        WGMMA_FENCE();
        UNROLL for (int step = 0; step < 4; step++) WGMMA(sums, WGMMA_NEXT(a, step), WGMMA_NEXT(b, step));
        WGMMA_COMMIT();
        if (slab + STAGES - 2 < slab_count) COPY_SLAB(slab + STAGES - 2, base + next_stage * STAGE_BYTES)
        COPIES_COMMIT();
        WGMMA_WAIT(1, sums);
        stage = stage + 1 == STAGES ? 0 : stage + 1;
        next_stage = next_stage + 1 == STAGES ? 0 : next_stage + 1;
    }
    WGMMA_FINISH(sums);

    UNROLL for (int i = 0; i < SUMS; i += 2) {
        const int m = first_m + warp * 16 + lane / 4 + i / 2 % 2 * 8, n = first_n + i / 4 * 8 + lane % 4 * 2;
        if (m < shape.m && n < shape.n) {
#if OUT_WIDTH == 2
            GEMM_STORE_PAIR(sums[i], sums[i + 1], m, n)
#else
            GEMM_STORE(sums[i], m, n)
            if (n + 1 < shape.n) GEMM_STORE(sums[i + 1], m, n + 1)
#endif
        }
    }
}
