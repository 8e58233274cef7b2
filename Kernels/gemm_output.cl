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

#if HAS_BIAS
#define GEMM_BIAS_PARAMETERS __global const STORED(BIAS_TYPE) *bias, const ulong bias_offset,
#define ADD_BIAS(value, m, n) \
    value += LOAD(BIAS_TYPE, bias, bias_offset + (INDEX)(m) * shape.bias_m + (INDEX)(n) * shape.bias_n);
#else
#define GEMM_BIAS_PARAMETERS
#define ADD_BIAS(value, m, n)
#endif

#define GEMM_OUTPUT_PARAMETERS \
    __global STORED(OUT_TYPE) *out, const ulong out_offset, GEMM_BIAS_PARAMETERS const float scale, const float a, \
        const float b

#if ACCUMULATES
#define ADD_OUT(value, at) value += LOAD(OUT_TYPE, out, at);
#else
#define ADD_OUT(value, at)
#endif

#ifdef ACTIVATION
#define ACTIVATE(value) ACTIVATION(value, a, b)
#else
#define ACTIVATE(value) (value)
#endif

/// Scales a sum, adds what it is to be added to, applies the activation, and stores it at (m, n).
#define GEMM_STORE(sum, m, n)                                              \
    {                                                                      \
        const INDEX to = (INDEX)(m) * shape.out_m + (INDEX)(n) * shape.out_n; \
        float value = (sum) * scale;                                       \
        ADD_OUT(value, to)                                                 \
        ADD_BIAS(value, m, n)                                              \
        STORE(OUT_TYPE, ACTIVATE(value), out, to);                         \
    }
