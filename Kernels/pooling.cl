// Pooling of planes of one to three axes (the missing ones have size 1) by windows, and its gradient.
//
//   max_pool      the largest element of each window and its place in the plane; a NaN counts as the largest, and the first
//                 of equals is taken
//   average_pool  the mean of each window
//
// Work-group: 256 work-items, one element of the result each. A gradient looks through the windows that can hold its
// element, so that sums need no atomics.
//
//   IS_ADAPTIVE      1 where window i of m on an axis of n is ⌊i n / m⌋..<⌈(i + 1) n / m⌉. Default 0.
//   COUNTS_PADDING   1 where padding counts in an average. Default 0.

#ifndef IS_ADAPTIVE
#define IS_ADAPTIVE 0
#endif
#ifndef COUNTS_PADDING
#define COUNTS_PADDING 0
#endif

typedef struct {
    INDEX input[3], output[3], extent[3], stride[3], padding[3], dilation[3];
} Windows;

/// First and end position of a window on an axis.
static inline void window_of(const Windows *w, int axis, INDEX i, INDEX *first, INDEX *end) {
    const INDEX n = w->input[axis];
#if IS_ADAPTIVE
    *first = i * n / w->output[axis];
    *end = ((i + 1) * n + w->output[axis] - 1) / w->output[axis];
#else
    const INDEX step = w->dilation[axis];
    INDEX start = i * w->stride[axis] - w->padding[axis];
    *end = min(start + (w->extent[axis] - 1) * step + 1, n);
    if (start < 0) start += (-start + step - 1) / step * step;
    *first = start;
#endif
}

/// By how much an average is divided, on an axis.
static inline float divisor_of(const Windows *w, int axis, INDEX i) {
#if COUNTS_PADDING && !IS_ADAPTIVE
    const INDEX start = i * w->stride[axis] - w->padding[axis];
    return (float)(min(start + w->extent[axis], w->input[axis] + w->padding[axis]) - start);
#else
    INDEX first, end;
    window_of(w, axis, i, &first, &end);
    return (float)(end - first);
#endif
}

/// The outputs whose windows can hold position `i` of an axis.
static inline void outputs_of(const Windows *w, int axis, INDEX i, INDEX *first, INDEX *end) {
    const INDEX n = w->input[axis], m = w->output[axis];
#if IS_ADAPTIVE
    *first = i * m / n;
    *end = min(((i + 1) * m + n - 1) / n, m);
#else
    const INDEX place = i + w->padding[axis], stride = w->stride[axis];
    const INDEX start = place - (w->extent[axis] - 1) * w->dilation[axis];
    *first = start <= 0 ? 0 : (start + stride - 1) / stride;
    *end = min(place / stride + 1, m);
#endif
}

/// The place of an element on each axis of `size`; what remains is its plane.
static inline COUNT places_of(COUNT element, const INDEX *size, INDEX *place) {
#pragma unroll
    for (int axis = 2; axis >= 0; axis--) {
        const COUNT next = element / (COUNT)size[axis];
        place[axis] = (INDEX)(element - next * (COUNT)size[axis]);
        element = next;
    }
    return element;
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void max_pool(
    __global const float *x, const ulong x_offset, __global float *out, const ulong out_offset, __global int *indices,
    const ulong indices_offset, const Windows w, const COUNT count) {
    const COUNT element = get_global_id(0);
    if (element >= count) return;
    INDEX o[3], first[3], end[3];
    const INDEX plane = (INDEX)places_of(element, w.output, o);
    for (int axis = 0; axis < 3; axis++) window_of(&w, axis, o[axis], &first[axis], &end[axis]);
    x += x_offset + (ulong)(plane * (w.input[0] * w.input[1] * w.input[2]));
    float best = 0.0f;
    INDEX at = -1;
    for (INDEX a = first[0]; a < end[0]; a += w.dilation[0])
        for (INDEX b = first[1]; b < end[1]; b += w.dilation[1])
            for (INDEX c = first[2]; c < end[2]; c += w.dilation[2]) {
                const INDEX place = (a * w.input[1] + b) * w.input[2] + c;
                const float value = x[place];
                if (at < 0 || value > best || (isnan(value) && !isnan(best))) {
                    best = value;
                    at = place;
                }
            }
    out[out_offset + element] = best;
    indices[indices_offset + element] = (int)at;
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void max_pool_gradient(
    __global const float *output_gradient, const ulong output_gradient_offset, __global const int *indices,
    const ulong indices_offset, __global float *out, const ulong out_offset, const Windows w, const COUNT count) {
    const COUNT element = get_global_id(0);
    if (element >= count) return;
    INDEX i[3], first[3], end[3];
    const INDEX plane = (INDEX)places_of(element, w.input, i);
    for (int axis = 0; axis < 3; axis++) outputs_of(&w, axis, i[axis], &first[axis], &end[axis]);
    const INDEX own = (i[0] * w.input[1] + i[1]) * w.input[2] + i[2];
    const INDEX start = plane * (w.output[0] * w.output[1] * w.output[2]);
    output_gradient += output_gradient_offset;
    indices += indices_offset;
    float sum = 0.0f;
    for (INDEX a = first[0]; a < end[0]; a++)
        for (INDEX b = first[1]; b < end[1]; b++)
            for (INDEX c = first[2]; c < end[2]; c++) {
                const INDEX at = start + (a * w.output[1] + b) * w.output[2] + c;
                if (indices[at] == (int)own) sum += output_gradient[at];
            }
    out[out_offset + element] = sum;
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void average_pool(
    __global const float *x, const ulong x_offset, __global float *out, const ulong out_offset, const Windows w,
    const COUNT count) {
    const COUNT element = get_global_id(0);
    if (element >= count) return;
    INDEX o[3], first[3], end[3];
    const INDEX plane = (INDEX)places_of(element, w.output, o);
    for (int axis = 0; axis < 3; axis++) window_of(&w, axis, o[axis], &first[axis], &end[axis]);
    x += x_offset + (ulong)(plane * (w.input[0] * w.input[1] * w.input[2]));
    float sum = 0.0f;
    for (INDEX a = first[0]; a < end[0]; a++)
        for (INDEX b = first[1]; b < end[1]; b++)
            for (INDEX c = first[2]; c < end[2]; c++) sum += x[(a * w.input[1] + b) * w.input[2] + c];
    out[out_offset + element] = sum / (divisor_of(&w, 0, o[0]) * divisor_of(&w, 1, o[1]) * divisor_of(&w, 2, o[2]));
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void average_pool_gradient(
    __global const float *output_gradient, const ulong output_gradient_offset, __global float *out,
    const ulong out_offset, const Windows w, const COUNT count) {
    const COUNT element = get_global_id(0);
    if (element >= count) return;
    INDEX i[3], first[3], end[3];
    const INDEX plane = (INDEX)places_of(element, w.input, i);
    for (int axis = 0; axis < 3; axis++) outputs_of(&w, axis, i[axis], &first[axis], &end[axis]);
    output_gradient += output_gradient_offset + (ulong)(plane * (w.output[0] * w.output[1] * w.output[2]));
    float sum = 0.0f;
    for (INDEX a = first[0]; a < end[0]; a++)
        for (INDEX b = first[1]; b < end[1]; b++)
            for (INDEX c = first[2]; c < end[2]; c++)
                sum += output_gradient[(a * w.output[1] + b) * w.output[2] + c] /
                       (divisor_of(&w, 0, a) * divisor_of(&w, 1, b) * divisor_of(&w, 2, c));
    out[out_offset + element] = sum;
}
