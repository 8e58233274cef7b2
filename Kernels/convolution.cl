// The elements under the kernel of a convolution as columns of a matrix, and their way back.
//
//   im2col   columns[plane, k, o] = x[plane, o · stride - padding + k · dilation], 0 outside of x
//   col2im   x[plane, i] = Σ columns[plane, k, o] over all k and o with o · stride - padding + k · dilation = i
//
// for planes of one to three axes (the missing ones have size 1), row-major. A plane is a channel of an image.
//
// Work-group: 256 work-items, one element of the result each, so that sums need no atomics.
//
//   ACCUMULATES   1 where col2im adds to what x holds. Default 0.

#ifndef ACCUMULATES
#define ACCUMULATES 0
#endif

typedef struct {
    INDEX input[3], output[3], extent[3], stride[3], padding[3], dilation[3];
} Geometry;

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void im2col(
    __global const float *x, const ulong x_offset, __global float *columns, const Geometry g, const COUNT count) {
    const COUNT element = get_global_id(0);
    if (element >= count) return;
    // From the innermost axis outwards: the output's axes, the kernel's, the plane.
    COUNT rest = element;
    INDEX position[3];
#pragma unroll
    for (int axis = 2; axis >= 0; axis--) {
        const COUNT next = rest / (COUNT)g.output[axis];
        position[axis] = (INDEX)(rest - next * (COUNT)g.output[axis]) * g.stride[axis] - g.padding[axis];
        rest = next;
    }
#pragma unroll
    for (int axis = 2; axis >= 0; axis--) {
        const COUNT next = rest / (COUNT)g.extent[axis];
        position[axis] += (INDEX)(rest - next * (COUNT)g.extent[axis]) * g.dilation[axis];
        rest = next;
    }
    INDEX at = (INDEX)rest;
    int is_inside = 1;
#pragma unroll
    for (int axis = 0; axis < 3; axis++) {
        is_inside = is_inside && position[axis] >= 0 && position[axis] < g.input[axis];
        at = at * g.input[axis] + position[axis];
    }
    columns[element] = is_inside ? x[x_offset + at] : 0.0f;
}

/// The output whose window has element `k` of the kernel at `place` (counted from the padding's start), or -1.
static inline INDEX output_at(INDEX place, INDEX k, INDEX stride, INDEX dilation, INDEX outputs) {
    const INDEX start = place - k * dilation;
    if (start < 0) return -1;
    const INDEX output = start / stride;
    return output * stride == start && output < outputs ? output : -1;
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void col2im(
    __global const float *columns, __global float *x, const ulong x_offset, const Geometry g, const COUNT count) {
    const COUNT element = get_global_id(0);
    if (element >= count) return;
    COUNT rest = element;
    INDEX place[3];
#pragma unroll
    for (int axis = 2; axis >= 0; axis--) {
        const COUNT next = rest / (COUNT)g.input[axis];
        place[axis] = (INDEX)(rest - next * (COUNT)g.input[axis]) + g.padding[axis];
        rest = next;
    }
    float sum = 0.0f;
    for (INDEX a = 0; a < g.extent[0]; a++) {
        const INDEX i = output_at(place[0], a, g.stride[0], g.dilation[0], g.output[0]);
        if (i < 0) continue;
        for (INDEX b = 0; b < g.extent[1]; b++) {
            const INDEX j = output_at(place[1], b, g.stride[1], g.dilation[1], g.output[1]);
            if (j < 0) continue;
            for (INDEX c = 0; c < g.extent[2]; c++) {
                const INDEX k = output_at(place[2], c, g.stride[2], g.dilation[2], g.output[2]);
                if (k < 0) continue;
                const INDEX row = (((INDEX)rest * g.extent[0] + a) * g.extent[1] + b) * g.extent[2] + c;
                sum += columns[((row * g.output[0] + i) * g.output[1] + j) * g.output[2] + k];
            }
        }
    }
#if ACCUMULATES
    x[x_offset + element] += sum;
#else
    x[x_offset + element] = sum;
#endif
}
