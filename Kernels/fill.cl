// out[i] = value.
//
// Work-group: 256 work-items in one dimension, one element for each, or four (WIDTH 4).
//
//   RANK        axes of the strided view, 0 where it is contiguous. Default 0.
//   WIDTH       4 where the view is float32, contiguous and 16-byte aligned, else 1. Default 1.
//   OUT_TYPE    its DType. Default float32.
//   IS_INTEGER  1 where that is an integer type. Default 0.

#ifndef RANK
#define RANK 0
#endif
#ifndef WIDTH
#define WIDTH 1
#endif
#ifndef OUT_TYPE
#define OUT_TYPE float32
#endif
#ifndef IS_INTEGER
#define IS_INTEGER 0
#endif

// A float does not hold every int32, a double does; the host passes the value in the wider of both that applies.
#if USES_FLOAT64
typedef double VALUE;
#elif IS_INTEGER
typedef int VALUE;
#else
typedef float VALUE;
#endif

#if RANK > 0
/// The axes of the view, outermost first.
typedef struct {
    INDEX size[RANK];
    INDEX stride[RANK];
} Axes;
#endif

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void fill(
    __global STORED(OUT_TYPE) *out, const ulong out_offset,
#if RANK > 0
    const Axes axes,
#endif
    const VALUE value, const COUNT count) {
    out += out_offset;
    const COUNT first = (COUNT)get_global_id(0) * WIDTH;
    if (first >= count) return;
#if RANK > 0
    COUNT rest = first;
    INDEX at = 0;
#pragma unroll
    for (int axis = RANK - 1; axis >= 0; axis--) {
        COUNT next = axis > 0 ? rest / (COUNT)axes.size[axis] : 0;
        at += (INDEX)(rest - next * (COUNT)axes.size[axis]) * axes.stride[axis];
        rest = next;
    }
    STORE(OUT_TYPE, value, out, at);
#else
#if WIDTH == 4
    if (first + 4 <= count) {
        *(__global float4 *)(out + first) = (float4)(value);
        return;
    }
#endif
    for (COUNT i = first; i < first + WIDTH && i < count; i++) STORE(OUT_TYPE, value, out, i);
#endif
}
