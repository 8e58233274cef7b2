// What the convolution kernels share: the types of their operands and what they know of an axis. The host puts this text
// in front of convolution_product.cl, convolution_weight.cl and convolution_depthwise.cl. Sums are float32 throughout.
//
//   X_TYPE, Y_TYPE, OUT_TYPE, BIAS_TYPE   the DTypes of the first two operands, of the result and the bias: float32,
//                                         float16 or bfloat16. Default float32.

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

/// Division by a number that the host knows (Granlund and Montgomery 1994): ⌊n / d⌋ = (⌊n factor / 2³²⌋ + n) >> shift.
typedef struct {
    uint factor;
    int shift;
} Divisor;

static inline int divided(int n, const Divisor divisor) {
    return (int)((mul_hi((uint)n, divisor.factor) + (uint)n) >> divisor.shift);
}

typedef struct {
    int input, output, extent, stride, padding, dilation;
    Divisor by_output;
} ConvolutionAxis;
