// Copies among all element types. float16 and bfloat16 are taken apart by their bits, so that no level depends on what
// the processor or the C library knows of them.

typedef struct { uint16_t bits; } half_type;
typedef struct { uint16_t bits; } brain_type;

ALWAYS_INLINE float widen_float16(half_type x) {
    uint32_t magnitude = x.bits & 0x7FFFu;
    // Shifted into place, the exponent is too small by 112; a product puts it right, subnormal numbers included.
    float value = from_bits(magnitude << 13) * 0x1p112f;
    float result = magnitude >= 0x7C00u ? from_bits(magnitude << 13 | 0x7F800000u) : value;
    return from_bits(bits_of(result) | (uint32_t)(x.bits & 0x8000u) << 16);
}

ALWAYS_INLINE half_type narrow_float16(float x) {
    uint32_t bits = bits_of(x), magnitude = bits & 0x7FFFFFFFu;
    // Normal results: rebiased, then rounded to nearest even at bit 13; overflow carries into infinity.
    uint32_t normal = (magnitude - (112u << 23) + 0xFFFu + (magnitude >> 13 & 1)) >> 13;
    // Subnormal ones: adding ½ lines the last bit up with a float's, whose addition then rounds.
    uint32_t subnormal = bits_of(from_bits(magnitude) + 0.5f) - 0x3F000000u;
    uint32_t result = magnitude < (113u << 23) ? subnormal : normal;
    result = magnitude >= 0x47800000u ? 0x7C00u : result;
    result = magnitude > 0x7F800000u ? (0x7E00u | (magnitude >> 13 & 0x1FFu)) : result;
    return (half_type){(uint16_t)(result | (bits >> 16 & 0x8000u))};
}

ALWAYS_INLINE float widen_bfloat16(brain_type x) { return from_bits((uint32_t)x.bits << 16); }

ALWAYS_INLINE brain_type narrow_bfloat16(float x) {
    uint32_t bits = bits_of(x);
    uint32_t rounded = (bits + 0x7FFFu + (bits >> 16 & 1)) >> 16;
    return (brain_type){(uint16_t)((bits & 0x7FFFFFFFu) > 0x7F800000u ? (bits >> 16 | 0x40u) : rounded)};
}

/// Rounded to odd, so that a second rounding to float16 gives what one rounding would have given.
ALWAYS_INLINE float odd_float(double x) {
    float nearest = (float)x;
    double back = nearest;
    uint32_t bits = bits_of(nearest);
    bits = __builtin_fabs(back) > __builtin_fabs(x) ? bits - 1 : bits;
    bits = back == x || x != x ? bits : bits | 1;
    return from_bits(bits);
}

ALWAYS_INLINE int32_t truncate_int32(double x) {
    // Held to the range first: outside it the conversion is undefined.
    double held = x < -2147483648.0 ? -2147483648.0 : (x > 2147483647.0 ? 2147483647.0 : x);
    return (int32_t)(x == x ? held : 0.0);
}

ALWAYS_INLINE uint8_t truncate_uint8(double x) {
    double held = x < 0.0 ? 0.0 : (x > 255.0 ? 255.0 : x);
    return (uint8_t)(x == x ? held : 0.0);
}

// How to read a type, as float where that is exact and as double elsewhere, and how to make one of either.
#define TYPES(X)                                                                                                       \
    X(float32, float, float, )                                                                                         \
    X(float16, half_type, float, widen_float16)                                                                        \
    X(bfloat16, brain_type, float, widen_bfloat16)                                                                     \
    X(float64, double, double, )                                                                                       \
    X(int32, int32_t, double, )                                                                                        \
    X(uint8, uint8_t, float, )

#define TO_float32(x) ((float)(x))
#define TO_float16(x) narrow_float16(_Generic((x), double: odd_float(x), default: (x)))
#define TO_bfloat16(x) narrow_bfloat16((float)(x))
#define TO_float64(x) ((double)(x))
#define TO_int32(x) truncate_int32(x)
#define TO_uint8(x) truncate_uint8(x)

#define CONVERT(source, source_type, wide, widen, target, target_type)                                                 \
    static void convert_##source##_##target(char *const *operands, const ptrdiff_t *strides, size_t count, float a,    \
                                            float b) {                                                                 \
        (void)a, (void)b;                                                                                              \
        target_type *out = (target_type *)operands[0];                                                                 \
        const source_type *x = (const source_type *)operands[1];                                                       \
        ptrdiff_t so = strides[0], sx = strides[1];                                                                    \
        if (so == 1 && sx == 1) {                                                                                      \
            _Pragma("clang loop vectorize(assume_safety)") for (size_t i = 0; i < count; i++) {                        \
                wide value = widen(x[i]);                                                                              \
                out[i] = TO_##target(value);                                                                           \
            }                                                                                                          \
        } else {                                                                                                       \
            for (size_t i = 0; i < count; i++, x += sx, out += so) {                                                   \
                wide value = widen(*x);                                                                                \
                *out = TO_##target(value);                                                                             \
            }                                                                                                          \
        }                                                                                                              \
    }
#define CONVERT_FROM(source, source_type, wide, widen)                                                                 \
    CONVERT(source, source_type, wide, widen, float32, float)                                                          \
    CONVERT(source, source_type, wide, widen, float16, half_type)                                                      \
    CONVERT(source, source_type, wide, widen, bfloat16, brain_type)                                                    \
    CONVERT(source, source_type, wide, widen, float64, double)                                                         \
    CONVERT(source, source_type, wide, widen, int32, int32_t)                                                          \
    CONVERT(source, source_type, wide, widen, uint8, uint8_t)
TYPES(CONVERT_FROM)

// Within one type nothing is converted: the bits move, those of a NaN included.
#define MOVE(type)                                                                                                     \
    static void move_##type(char *const *operands, const ptrdiff_t *strides, size_t count, float a, float b) {         \
        (void)a, (void)b;                                                                                              \
        type *out = (type *)operands[0];                                                                               \
        const type *x = (const type *)operands[1];                                                                     \
        ptrdiff_t so = strides[0], sx = strides[1];                                                                    \
        if (so == 1 && sx == 1) {                                                                                      \
            memmove(out, x, count * sizeof(type));                                                                     \
        } else if (so == 1 && sx == 0) {                                                                               \
            type value = *x;                                                                                           \
            for (size_t i = 0; i < count; i++) out[i] = value;                                                         \
        } else {                                                                                                       \
            for (size_t i = 0; i < count; i++, x += sx, out += so) *out = *x;                                          \
        }                                                                                                              \
    }
MOVE(uint8_t)
MOVE(uint16_t)
MOVE(uint32_t)
MOVE(uint64_t)
#undef MOVE
