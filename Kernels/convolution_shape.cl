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

// Four neighbouring elements as a float4; the first one's place is a multiple of 4.
#define LOAD_4(dtype, pointer, i) CONCATENATE(LOAD_4_, dtype)(pointer, i)
#define LOAD_4_float32(pointer, i) (*(__global const float4 *)((pointer) + (i)))
#define LOAD_4_float16(pointer, i) vload_half4(0, (pointer) + (i))
#define LOAD_4_bfloat16(pointer, i) four_bfloat16(*(__global const uint2 *)((pointer) + (i)))

static inline float4 four_bfloat16(uint2 bits) {
    return (float4)(
        as_float(bits.x << 16), as_float(bits.x & 0xFFFF0000u), as_float(bits.y << 16),
        as_float(bits.y & 0xFFFF0000u));
}

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
