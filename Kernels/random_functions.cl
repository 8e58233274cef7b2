// The names philox.h builds on, as OpenCL C; the host puts these lines and that file in front of random.cl.
//
// Contraction of a product and a sum would change the last bit from device to device.
#pragma OPENCL FP_CONTRACT OFF

#define U32 uint
#define MULHI(a, b) mul_hi((uint)(a), (uint)(b))
#define FMA(a, b, c) fma(a, b, c)
#define FLOAT_OF(u) convert_float_rte((uint)(u))
#define BITS_OF(f) as_uint(f)
#define FROM_BITS(u) as_float((uint)(u))
#define INLINE static inline
