// One inner loop per function of Kernels/elementwise.h: contiguous, with a repeated operand, and with any strides.

#define LOOP(type_out, type_x, type_y, expression)                                                                     \
    type_out *out = (type_out *)operands[0];                                                                  \
    const type_x *px = (const type_x *)operands[1];                                                                    \
    const type_y *py = (const type_y *)operands[2];                                                                    \
    ptrdiff_t so = strides[0], sx = strides[1], sy = strides[2];                                                       \
    if (so == 1 && sx == 1 && sy == 1) {                                                                               \
        _Pragma("clang loop vectorize(assume_safety)") for (size_t i = 0; i < count; i++) {                            \
            type_x x = px[i];                                                                                          \
            type_y y = py[i];                                                                                          \
            out[i] = expression;                                                                                       \
        }                                                                                                              \
    } else if (so == 1 && sx == 1 && sy == 0) {                                                                        \
        type_y y = *py;                                                                                                \
        _Pragma("clang loop vectorize(assume_safety)") for (size_t i = 0; i < count; i++) {                            \
            type_x x = px[i];                                                                                          \
            out[i] = expression;                                                                                       \
        }                                                                                                              \
    } else if (so == 1 && sx == 0 && sy == 1) {                                                                        \
        type_x x = *px;                                                                                                \
        _Pragma("clang loop vectorize(assume_safety)") for (size_t i = 0; i < count; i++) {                            \
            type_y y = py[i];                                                                                          \
            out[i] = expression;                                                                                       \
        }                                                                                                              \
    } else {                                                                                                           \
        for (size_t i = 0; i < count; i++, px += sx, py += sy, out += so) {                                            \
            type_x x = *px;                                                                                            \
            type_y y = *py;                                                                                            \
            *out = expression;                                                                                         \
        }                                                                                                              \
    }

#define UNARY(name, body)                                                                                              \
    ALWAYS_INLINE float unary_function_##name(float x, float a, float b) {                                             \
        (void)a, (void)b;                                                                                              \
        body                                                                                                           \
    }                                                                                                                  \
    static void unary_##name(char *const *operands, const ptrdiff_t *strides, size_t count, float a, float b) {        \
        float *out = (float *)operands[0];                                                                             \
        const float *x = (const float *)operands[1];                                                                   \
        ptrdiff_t so = strides[0], sx = strides[1];                                                                    \
        if (so == 1 && sx == 1) {                                                                                      \
            _Pragma("clang loop vectorize(assume_safety)") for (size_t i = 0; i < count; i++) out[i] =                 \
                unary_function_##name(x[i], a, b);                                                                     \
        } else {                                                                                                       \
            for (size_t i = 0; i < count; i++, x += sx, out += so) *out = unary_function_##name(*x, a, b);             \
        }                                                                                                              \
    }
#define BINARY(name, body)                                                                                             \
    ALWAYS_INLINE float binary_function_##name(float x, float y, float a, float b) {                                   \
        (void)a, (void)b;                                                                                              \
        body                                                                                                           \
    }                                                                                                                  \
    static void binary_##name(char *const *operands, const ptrdiff_t *strides, size_t count, float a, float b) {       \
        LOOP(float, float, float, binary_function_##name(x, y, a, b))                                                  \
    }
// Integers are widened, so that their arithmetic wraps around as the device's does instead of being undefined.
#define ARITHMETIC(name, formula)                                                                                      \
    static void binary_##name(char *const *operands, const ptrdiff_t *strides, size_t count, float a, float b) {       \
        (void)a, (void)b;                                                                                              \
        LOOP(float, float, float, (float)(formula))                                                                    \
    }                                                                                                                  \
    ALWAYS_INLINE int32_t integer_function_##name(int64_t x, int64_t y) { return (int32_t)(formula); }                 \
    static void integer_##name(char *const *operands, const ptrdiff_t *strides, size_t count, float a, float b) {      \
        (void)a, (void)b;                                                                                              \
        LOOP(int32_t, int32_t, int32_t, integer_function_##name(x, y))                                                 \
    }

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wtautological-compare"  // x != x asks for NaN, which an integer never is.
#include "../../Kernels/elementwise.h"
#pragma clang diagnostic pop

#undef UNARY
#undef BINARY
#undef ARITHMETIC
#undef LOOP

#define SELECT(type)                                                                                                   \
    static void select_##type(char *const *operands, const ptrdiff_t *strides, size_t count, float a, float b) {       \
        (void)a, (void)b;                                                                                              \
        type *out = (type *)operands[0];                                                                               \
        const uint8_t *condition = (const uint8_t *)operands[1];                                                       \
        const type *x = (const type *)operands[2], *y = (const type *)operands[3];                                     \
        ptrdiff_t so = strides[0], sc = strides[1], sx = strides[2], sy = strides[3];                                  \
        if (so == 1 && sc == 1 && sx == 1 && sy == 1) {                                                                \
            _Pragma("clang loop vectorize(assume_safety)") for (size_t i = 0; i < count; i++) {                        \
                type chosen = x[i], other = y[i];                                                                      \
                out[i] = condition[i] ? chosen : other;                                                                \
            }                                                                                                          \
        } else {                                                                                                       \
            for (size_t i = 0; i < count; i++, condition += sc, x += sx, y += sy, out += so)                           \
                *out = *condition ? *x : *y;                                                                           \
        }                                                                                                              \
    }
SELECT(uint8_t)
SELECT(uint16_t)
SELECT(uint32_t)
SELECT(uint64_t)
#undef SELECT

/// Strides that are known when this is compiled make loops of their own.
ALWAYS_INLINE void choose_run(float *out, const float *condition, const float *x, const float *y, size_t count,
                              ptrdiff_t so, ptrdiff_t sc, ptrdiff_t sx, ptrdiff_t sy) {
    _Pragma("clang loop vectorize(assume_safety)") for (ptrdiff_t i = 0; i < (ptrdiff_t)count; i++) {
        float chosen = x[i * sx], other = y[i * sy];
        out[i * so] = condition[i * sc] != 0.0f ? chosen : other;
    }
}

static void choose(char *const *operands, const ptrdiff_t *strides, size_t count, float a, float b) {
    (void)a, (void)b;
    float *out = (float *)operands[0];
    const float *condition = (const float *)operands[1], *x = (const float *)operands[2],
                *y = (const float *)operands[3];
    ptrdiff_t so = strides[0], sc = strides[1], sx = strides[2], sy = strides[3];
    if (so == 1 && sc == 1 && sx == 1 && sy == 1) choose_run(out, condition, x, y, count, 1, 1, 1, 1);
    else if (so == 1 && sc == 1 && sx == 1 && sy == 0) choose_run(out, condition, x, y, count, 1, 1, 1, 0);
    else if (so == 1 && sc == 1 && sx == 0 && sy == 1) choose_run(out, condition, x, y, count, 1, 1, 0, 1);
    else choose_run(out, condition, x, y, count, so, sc, sx, sy);
}
