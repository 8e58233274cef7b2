// What the matrix product kernels share: the shape of a product and what happens to a finished sum. The host puts this
// text in front of gemm.cl and gemm_panels.cl; the macros are explained there.

#ifndef HAS_BIAS
#define HAS_BIAS 0
#endif
#ifndef ACCUMULATES
#define ACCUMULATES 0
#endif
#ifndef X_TYPE
#define X_TYPE float32
#endif
#ifndef Y_TYPE
#define Y_TYPE float32
#endif
#ifndef OUT_TYPE
#define OUT_TYPE float32
#endif
#ifndef BIAS_TYPE
#define BIAS_TYPE float32
#endif

/// Sizes and strides of a batch of products; the batch has two axes, of which the inner one's size suffices.
typedef struct {
    INDEX m, n, k;
    INDEX x_m, x_k, y_k, y_n, out_m, out_n, bias_m, bias_n;
    INDEX batch_inner;
    INDEX x_batch_outer, x_batch_inner, y_batch_outer, y_batch_inner, out_batch_outer, out_batch_inner;
} Product;

// Four elements at once, where the first is aligned to four.
#define STORE4(dtype, value, pointer, i) CONCATENATE(STORE4_, dtype)(value, (pointer) + (i))
#define STORE4_float32(value, pointer) (*(__global float4 *)(pointer) = (value))
#define STORE4_float16(value, pointer) vstore_half4_rte(value, 0, pointer)
#define STORE4_bfloat16(value, pointer) \
    (*(__global ushort4 *)(pointer) =   \
         (ushort4)(bfloat16_of((value).x), bfloat16_of((value).y), bfloat16_of((value).z), bfloat16_of((value).w)))

// The same of what groups leave for the last of them; see common.cl.
#ifdef __NVPTX__
#define STORE_SHARE4(value, pointer) (*(volatile __global float4 *)(pointer) = (value))
#define LOAD_SHARE4(pointer) (*(volatile const __global float4 *)(pointer))
#else
static inline void store_share4(const float4 value, __global float *pointer) {
    STORE_SHARE(value.x, pointer);
    STORE_SHARE(value.y, pointer + 1);
    STORE_SHARE(value.z, pointer + 2);
    STORE_SHARE(value.w, pointer + 3);
}
#define STORE_SHARE4(value, pointer) store_share4(value, pointer)
#define LOAD_SHARE4(pointer) \
    ((float4)(LOAD_SHARE(pointer), LOAD_SHARE((pointer) + 1), LOAD_SHARE((pointer) + 2), LOAD_SHARE((pointer) + 3)))
#endif

#if HAS_BIAS
#define GEMM_BIAS_PARAMETERS __global const STORED(BIAS_TYPE) *bias, const ulong bias_offset,
#define BIAS(m, n) LOAD(BIAS_TYPE, bias, bias_offset + (INDEX)(m) * shape.bias_m + (INDEX)(n) * shape.bias_n)
#define ADD_BIAS(value, m, n) value += BIAS(m, n);
#define ADD_BIAS4(value, m, n) value += (float4)(BIAS(m, n), BIAS(m, (n) + 1), BIAS(m, (n) + 2), BIAS(m, (n) + 3));
#else
#define GEMM_BIAS_PARAMETERS
#define ADD_BIAS(value, m, n)
#define ADD_BIAS4(value, m, n)
#endif

#define GEMM_OUTPUT_PARAMETERS \
    __global STORED(OUT_TYPE) *out, const ulong out_offset, GEMM_BIAS_PARAMETERS const float scale

#if ACCUMULATES
#define ADD_OUT(value, at) value += LOAD(OUT_TYPE, out, at);
#define ADD_OUT4(value, at) value += LOAD4(OUT_TYPE, (out) + (at));
#else
#define ADD_OUT(value, at)
#define ADD_OUT4(value, at)
#endif

/// Scales a sum, adds what it is to be added to, and stores it at (m, n).
#define GEMM_STORE(sum, m, n)                                              \
    {                                                                      \
        const INDEX to = (INDEX)(m) * shape.out_m + (INDEX)(n) * shape.out_n; \
        float value = (sum) * scale;                                       \
        ADD_OUT(value, to)                                                 \
        ADD_BIAS(value, m, n)                                              \
        STORE(OUT_TYPE, value, out, to);                                   \
    }

/// The same of four sums beside each other, whose place is contiguous and aligned to four.
#define GEMM_STORE4(sum, m, n)                                                                                \
    {                                                                                                          \
        const INDEX to = (INDEX)(m) * shape.out_m + (INDEX)(n);                                                \
        float4 value = (sum) * scale;                                                                          \
        ADD_OUT4(value, to)                                                                                    \
        ADD_BIAS4(value, m, n)                                                                                 \
        STORE4(OUT_TYPE, value, out, to);                                                                      \
    }
