// Stores of two neighbouring sums of a row at once, as tensor cores leave them to a lane: where out is contiguous along n and
// aligned to pairs. Follows gemm_output.cl and warp_ptx.h.

/// GEMM_STORE of the sums at (m, n) and (m, n + 1).
#define GEMM_STORE_PAIR(sum, next, m, n)                                  \
    {                                                                     \
        const INDEX to = (INDEX)(m) * shape.out_m + (n);                  \
        float value = (sum) * scale, second = (next) * scale;             \
        ADD_OUT(value, to)                                                \
        ADD_OUT(second, to + 1)                                           \
        ADD_BIAS(value, m, n)                                             \
        ADD_BIAS(second, m, (n) + 1)                                      \
        CONCATENATE(STORE_PAIR_, OUT_TYPE)(value, second, out + to);                     \
    }
#define STORE_PAIR_float32(value, second, to) *(__global float2 *)(to) = (float2)(value, second)
#define STORE_PAIR_float16(value, second, to) STORE_PACKED_PAIR(PACK_FLOAT16, value, second, to)
#define STORE_PAIR_bfloat16(value, second, to) STORE_PACKED_PAIR(PACK_BFLOAT16, value, second, to)
#define STORE_PACKED_PAIR(pack, value, second, to)       \
    {                                                    \
        const float low = value, high = second;          \
        uint pair;                                       \
        pack(pair, low, high);                           \
        *(__global uint *)(to) = pair;                   \
    }
