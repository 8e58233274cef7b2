// The matrix product of gemm.cl for CPUs: registers and caches instead of local memory, long vectors, no barrier.
//
// A work-item makes ROWS × COLUMNS values of out, stepping through all of k: ROWS scalars of x times COLUMNS / LENGTH
// vectors of y. It reads y where it lies if its n axis is contiguous and a multiple of COLUMNS long; otherwise
// `pack_panels` first copies y into panels [batch, panel, k, COLUMNS], the last one padded with zeros.
//
// Work-group: a single work-item; dimension 0 runs over blocks of m, so that neighbours share a panel of y, 1 over
// panels, 2 over the batch.
//
//   ROWS, COLUMNS   values for each work-item; COLUMNS a multiple of LENGTH. Default 8, 32.
//   LENGTH          floats in a vector: 4, 8 or 16. Default 16.
//   HAS_BIAS, ACCUMULATES, X_TYPE, Y_TYPE, OUT_TYPE, BIAS_TYPE   as in gemm.cl.

#ifndef ROWS
#define ROWS 8
#endif
#ifndef COLUMNS
#define COLUMNS 32
#endif
#ifndef LENGTH
#define LENGTH 16
#endif

#define VECTORS (COLUMNS / LENGTH)
#define VECTOR_TYPE CONCATENATE(float, LENGTH)
#define VECTOR_LOAD CONCATENATE(vload, LENGTH)
#define VECTOR_STORE CONCATENATE(vstore, LENGTH)

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void gemm_panels(
    __global const STORED(X_TYPE) *x, const ulong x_offset, __global const float *y, const ulong y_offset,
    GEMM_OUTPUT_PARAMETERS, const Product shape, const INDEX panel_stride) {
    const INDEX first_m = (INDEX)get_group_id(0) * ROWS, first_n = (INDEX)get_group_id(1) * COLUMNS;
    const INDEX batch_outer = (INDEX)get_group_id(2) / shape.batch_inner;
    const INDEX batch_inner = (INDEX)get_group_id(2) % shape.batch_inner;
    x += x_offset + batch_outer * shape.x_batch_outer + batch_inner * shape.x_batch_inner;
    y += y_offset + batch_outer * shape.y_batch_outer + batch_inner * shape.y_batch_inner;
    y += (INDEX)get_group_id(1) * panel_stride;
    out += out_offset + batch_outer * shape.out_batch_outer + batch_inner * shape.out_batch_inner;

    // Rows beyond the edge repeat the last one; they are not stored.
    __global const STORED(X_TYPE) *rows[ROWS];
    VECTOR_TYPE sums[ROWS][VECTORS];
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        rows[i] = x + min(first_m + i, shape.m - 1) * shape.x_m;
#pragma unroll
        for (int j = 0; j < VECTORS; j++) sums[i][j] = 0.0f;
    }
    for (INDEX k = 0; k < shape.k; k++) {
        VECTOR_TYPE columns[VECTORS];
#pragma unroll
        for (int j = 0; j < VECTORS; j++) columns[j] = VECTOR_LOAD(j, y + k * shape.y_k);
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
            const VECTOR_TYPE value = (VECTOR_TYPE)(LOAD(X_TYPE, rows[i], k * shape.x_k));
#pragma unroll
            for (int j = 0; j < VECTORS; j++) sums[i][j] = fma(value, columns[j], sums[i][j]);
        }
    }

#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        const INDEX m = first_m + i;
        if (m < shape.m) {
            float row[COLUMNS];
#pragma unroll
            for (int j = 0; j < VECTORS; j++) VECTOR_STORE(sums[i][j], j, row);
            const int count = (int)min((INDEX)COLUMNS, shape.n - first_n);
            for (int j = 0; j < count; j++) GEMM_STORE(row[j], m, first_n + j)
        }
    }
}

/// One work-item copies k rows [COLUMNS] of a panel; dimension 0 runs over blocks of k, 1 over panels, 2 over the
/// batch.
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void pack_panels(
    __global const STORED(Y_TYPE) *y, const ulong y_offset, __global float *panels, const Product shape,
    const INDEX block) {
    const INDEX first_k = (INDEX)get_group_id(0) * block, first_n = (INDEX)get_group_id(1) * COLUMNS;
    const INDEX batch_outer = (INDEX)get_group_id(2) / shape.batch_inner;
    const INDEX batch_inner = (INDEX)get_group_id(2) % shape.batch_inner;
    y += y_offset + batch_outer * shape.y_batch_outer + batch_inner * shape.y_batch_inner;
    panels += ((INDEX)get_group_id(2) * (INDEX)get_num_groups(1) + (INDEX)get_group_id(1)) * shape.k * COLUMNS;
    const INDEX end = min(first_k + block, shape.k);
    const int count = (int)min((INDEX)COLUMNS, shape.n - first_n);
    // Along the axis that is contiguous in y.
    if (shape.y_n == 1) {
        for (INDEX k = first_k; k < end; k++)
            for (int j = 0; j < COLUMNS; j++)
                panels[k * COLUMNS + j] = j < count ? LOAD(Y_TYPE, y, k * shape.y_k + first_n + j) : 0.0f;
    } else {
        for (int j = 0; j < COLUMNS; j++)
            for (INDEX k = first_k; k < end; k++)
                panels[k * COLUMNS + j] = j < count ? LOAD(Y_TYPE, y, k * shape.y_k + (first_n + j) * shape.y_n) : 0.0f;
    }
}
