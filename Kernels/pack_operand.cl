// packed[batch, m, row] = x[batch, m, k] in another type, contiguous along k and padded with zeros to rows of a given length: an
// operand as gemm_wgmma.cl reads it.
//
// Work-group: 256 work-items in one dimension, a tile of 32 x 32 values; dimension 0 runs over tiles of k, 1 of m, 2 over the
// batch.
//
//   X_K_FIRST           1 where k is the contiguous axis of x. Default 1.
//   X_TYPE, OUT_TYPE    the DTypes. Default float32.

#ifndef X_K_FIRST
#define X_K_FIRST 1
#endif

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void pack_operand(
    __global const STORED(X_TYPE) *x, const ulong x_offset, __global STORED(OUT_TYPE) *packed, const Product shape,
    const INDEX row) {
    // A column more moves the rows to different banks.
    __local float tile[32][33];
    const int item = get_local_id(0), fast = item % 32;
    const INDEX first_k = (INDEX)get_group_id(0) * 32, first_m = (INDEX)get_group_id(1) * 32;
    const INDEX batch_outer = (INDEX)get_group_id(2) / shape.batch_inner;
    const INDEX batch_inner = (INDEX)get_group_id(2) % shape.batch_inner;
    x += x_offset + batch_outer * shape.x_batch_outer + batch_inner * shape.x_batch_inner;
    packed += (INDEX)get_group_id(2) * shape.m * row;
    for (int slow = item / 32; slow < 32; slow += 8) {
        const int in_m = X_K_FIRST ? slow : fast, in_k = X_K_FIRST ? fast : slow;
        const INDEX m = first_m + in_m, k = first_k + in_k;
        tile[in_m][in_k] = m < shape.m && k < shape.k ? LOAD(X_TYPE, x, m * shape.x_m + k * shape.x_k) : 0.0f;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int slow = item / 32; slow < 32; slow += 8) {
        const INDEX m = first_m + slow, k = first_k + fast;
        if (m < shape.m && k < row) STORE(OUT_TYPE, tile[slow][fast], packed, m * row + k);
    }
}
