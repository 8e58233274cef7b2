// The elementwise functions of elementwise.h as OpenCL C: unary_NAME, binary_NAME in float, integer_NAME in int32. The
// host puts these lines and that file behind common.cl for the kernels that apply them.

#define EXP(x) exp(x)
#define EXPM1(x) expm1(x)
#define LOG(x) log(x)
#define LOG1P(x) log1p(x)
#define SQRT(x) sqrt(x)
#define RSQRT(x) rsqrt(x)
#define POW(x, y) pow(x, y)
#define SIN(x) sin(x)
#define COS(x) cos(x)
#define TANH(x) saturating_tanh(x)
#define ERF(x) erf(x)
#define FABS(x) fabs(x)

/// tanh, and exactly ±1 where float32 rounds it to that: PoCL's falls short of 1 there, and 1 - tanh² times something
/// large is then no longer 0.
static inline float saturating_tanh(float x) { return fabs(x) > 9.02f ? copysign(1.0f, x) : tanh(x); }

#define UNARY(name, body) static inline float unary_##name(float x, float a, float b) { body }
#define BINARY(name, body) static inline float binary_##name(float x, float y, float a, float b) { body }
#define ARITHMETIC(name, formula)                                                    \
    static inline float binary_##name(float x, float y, float a, float b) { return formula; } \
    static inline int integer_##name(int x, int y) { return formula; }
