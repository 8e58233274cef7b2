// out[i] = f(x[i], y[i], z[i]): unary and binary functions, selection, and copies that convert between types.
//
// Work-group: 256 work-items in one dimension. Contiguous views (RANK 0): WIDTH neighbouring elements for each
// work-item. Strided views: one element for each.
//
//   KIND       what f is: 0 unary, 1 binary in float, 2 binary in int32, 3 selection (x ? y : z), 4 copy. Default 4.
//   OPERATION  function of functions.cl, such as unary_relu, for kinds 0 to 2. No default.
//   RANK       axes of the strided views, 0 where all are contiguous. Default 0.
//   WIDTH      4 where all views are float32, float16 or bfloat16, contiguous, and begin at a multiple of four elements,
//              else 1. Default 1.
//   X_TYPE, Y_TYPE, Z_TYPE, OUT_TYPE  the DTypes. Default float32.

#ifndef KIND
#define KIND 4
#endif
#ifndef RANK
#define RANK 0
#endif
#ifndef WIDTH
#define WIDTH 1
#endif
#ifndef X_TYPE
#define X_TYPE float32
#endif
#ifndef Y_TYPE
#define Y_TYPE float32
#endif
#ifndef Z_TYPE
#define Z_TYPE float32
#endif
#ifndef OUT_TYPE
#define OUT_TYPE float32
#endif

#if KIND == 0
#define INPUTS 1
#define FUNCTION(x, y, z) OPERATION(x, a, b)
#elif KIND == 1
#define INPUTS 2
#define FUNCTION(x, y, z) OPERATION(x, y, a, b)
#elif KIND == 2
#define INPUTS 2
#define FUNCTION(x, y, z) OPERATION(x, y)
#elif KIND == 3
#define INPUTS 3
#define FUNCTION(x, y, z) ((x) != 0 ? (y) : (z))
#else
#define INPUTS 1
#define FUNCTION(x, y, z) (x)
#endif

#if WIDTH == 4
// Four neighbouring elements at once.
#define LOAD4(dtype, pointer, i) CONCATENATE(LOAD4_, dtype)(pointer, i)
#define STORE4(dtype, value, pointer, i) CONCATENATE(STORE4_, dtype)(value, pointer, i)

#define LOAD4_float32(pointer, i) (*(__global const float4 *)((pointer) + (i)))
#define LOAD4_float16(pointer, i) vload_half4(0, (pointer) + (i))
#define LOAD4_bfloat16(pointer, i) as_float4(convert_uint4(*(__global const ushort4 *)((pointer) + (i))) << 16u)

#define STORE4_float32(value, pointer, i) (*(__global float4 *)((pointer) + (i)) = (value))
#define STORE4_float16(value, pointer, i) vstore_half4_rte(value, 0, (pointer) + (i))
#define STORE4_bfloat16(value, pointer, i) (*(__global ushort4 *)((pointer) + (i)) = bfloat16s_of(value))

static inline ushort4 bfloat16s_of(float4 value) {
    return (ushort4)(bfloat16_of(value.s0), bfloat16_of(value.s1), bfloat16_of(value.s2), bfloat16_of(value.s3));
}
#endif

#if RANK > 0
/// The axes of the strided views, outermost first; stride[0] is out's, then x's, y's and z's.
typedef struct {
    INDEX size[RANK];
    INDEX stride[INPUTS + 1][RANK];
} Axes;
#endif

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void elementwise(
    __global STORED(OUT_TYPE) *out, const ulong out_offset, __global const STORED(X_TYPE) *x, const ulong x_offset,
#if INPUTS > 1
    __global const STORED(Y_TYPE) *y, const ulong y_offset,
#endif
#if INPUTS > 2
    __global const STORED(Z_TYPE) *z, const ulong z_offset,
#endif
#if RANK > 0
    const Axes axes,
#endif
    const float a, const float b, const COUNT count) {
    out += out_offset;
    x += x_offset;
#if INPUTS > 1
    y += y_offset;
#endif
#if INPUTS > 2
    z += z_offset;
#endif
    const COUNT first = (COUNT)get_global_id(0) * WIDTH;
    if (first >= count) return;

#if RANK > 0
    COUNT rest = first;
    INDEX at[INPUTS + 1];
    for (int operand = 0; operand <= INPUTS; operand++) at[operand] = 0;
#pragma unroll
    for (int axis = RANK - 1; axis >= 0; axis--) {
        COUNT next = axis > 0 ? rest / (COUNT)axes.size[axis] : 0;
        INDEX i = (INDEX)(rest - next * (COUNT)axes.size[axis]);
        rest = next;
#pragma unroll
        for (int operand = 0; operand <= INPUTS; operand++) at[operand] += i * axes.stride[operand][axis];
    }
#if INPUTS == 1
    STORE(OUT_TYPE, FUNCTION(LOAD(X_TYPE, x, at[1]), 0, 0), out, at[0]);
#elif INPUTS == 2
    STORE(OUT_TYPE, FUNCTION(LOAD(X_TYPE, x, at[1]), LOAD(Y_TYPE, y, at[2]), 0), out, at[0]);
#else
    STORE(OUT_TYPE, FUNCTION(LOAD(X_TYPE, x, at[1]), LOAD(Y_TYPE, y, at[2]), LOAD(Z_TYPE, z, at[3])), out, at[0]);
#endif

#else
#if WIDTH == 4
    if (first + 4 <= count) {
        const float4 p = LOAD4(X_TYPE, x, first);
#if INPUTS > 1
        const float4 q = LOAD4(Y_TYPE, y, first);
#else
        const float4 q = 0.0f;
#endif
        const float4 result =
            (float4)(FUNCTION(p.s0, q.s0, 0), FUNCTION(p.s1, q.s1, 0), FUNCTION(p.s2, q.s2, 0), FUNCTION(p.s3, q.s3, 0));
        STORE4(OUT_TYPE, result, out, first);
        return;
    }
#endif
    for (COUNT i = first; i < first + WIDTH && i < count; i++) {
#if INPUTS == 1
        STORE(OUT_TYPE, FUNCTION(LOAD(X_TYPE, x, i), 0, 0), out, i);
#elif INPUTS == 2
        STORE(OUT_TYPE, FUNCTION(LOAD(X_TYPE, x, i), LOAD(Y_TYPE, y, i), 0), out, i);
#else
        STORE(OUT_TYPE, FUNCTION(LOAD(X_TYPE, x, i), LOAD(Y_TYPE, y, i), LOAD(Z_TYPE, z, i)), out, i);
#endif
    }
#endif
}
