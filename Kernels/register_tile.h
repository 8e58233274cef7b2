// What the products in float32 share: the multiplication of two slices in local memory, of which each work-item keeps WORK_M
// by WORK_N sums in registers. The host puts this text in front of gemm.cl, convolution_product.cl and
// convolution_weight.cl, which define the sizes.

#define UNROLL _Pragma("unroll")
// In full where it makes for speed; it takes other compilers, those for CPUs above all, very long.
#ifdef __NVPTX__
#define UNROLL_DEPTHS UNROLL
#else
#define UNROLL_DEPTHS _Pragma("unroll 1")
#endif

/// Adds to `sums` the products of this work-item's rows of x and columns of y, over the TILE_K depths of the slices: rows of
/// ROW_M elements in `x_slice`, of ROW_N in `y_slice`, four neighbours each ITEMS_M or ITEMS_N vectors apart.
#define MULTIPLY_SLICES(x_slice, y_slice)                                                                              \
    UNROLL_DEPTHS for (int depth = 0; depth < TILE_K; depth++) {                                                       \
        float x_values[WORK_M], y_values[WORK_N];                                                                      \
        UNROLL for (int block = 0; block < WORK_M / 4; block++) {                                                      \
            const int at = depth * ROW_M + (block * ITEMS_M + item_m) * 4;                                             \
            vstore4(*(__local const float4 *)&(x_slice)[at], block, x_values);                                         \
        }                                                                                                              \
        UNROLL for (int block = 0; block < WORK_N / 4; block++) {                                                      \
            const int at = depth * ROW_N + (block * ITEMS_N + item_n) * 4;                                             \
            vstore4(*(__local const float4 *)&(y_slice)[at], block, y_values);                                         \
        }                                                                                                              \
        UNROLL for (int i = 0; i < WORK_M; i++)                                                                        \
            UNROLL for (int j = 0; j < WORK_N; j++) sums[i][j] = fma(x_values[i], y_values[j], sums[i][j]);            \
    }
