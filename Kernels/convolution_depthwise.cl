// Convolutions whose groups have one input channel each, and their gradients, directly: there is too little to reuse for
// tiles. Each channel of x has `multiplier` outputs of its own. Made for GPUs.
//
//   depthwise                  out[image, o, p] = Σ over elements e of weight[o, e] x[image, c, p · stride - padding + e · dilation]
//   depthwise_input_gradient   the gradient for x
//   depthwise_weight_gradient  the gradient for the weight
//
// with zeros outside of x, and c = ⌊o / multiplier⌋. The host puts convolution_shape.cl in front.
//
// Work-group: 256 work-items, one element of the result each; for the weight's gradient LANES = 256 and SLOTS = 1: they
// share the sum over all images and positions, in a fixed order.
//
//   AXES          spatial axes, 1 to 3. Default 2.
//   HAS_CLASSES   1 where a stride is greater than 1, for the input's gradient. Default 0.
//   HAS_BIAS, ACCUMULATES   1 to add a bias for each output, what the result holds. Default 0.
//   X_TYPE, Y_TYPE, OUT_TYPE, BIAS_TYPE   the DTypes of the operands in the order of the arguments; see
//   convolution_shape.cl.

#ifndef AXES
#define AXES 2
#endif
#ifndef HAS_CLASSES
#define HAS_CLASSES 0
#endif
#ifndef HAS_BIAS
#define HAS_BIAS 0
#endif
#ifndef ACCUMULATES
#define ACCUMULATES 0
#endif

typedef struct {
    ConvolutionAxis axes[3];
    int images, channels, multiplier;
} Depthwise;

#if ACCUMULATES
#define STORE_SUM(sum, at) STORE(OUT_TYPE, LOAD(OUT_TYPE, out, at) + (sum), out, at)
#else
#define STORE_SUM(sum, at) STORE(OUT_TYPE, sum, out, at)
#endif
#if HAS_BIAS
#define BIAS_PARAMETERS __global const STORED(BIAS_TYPE) *bias, const ulong bias_offset,
#else
#define BIAS_PARAMETERS
#endif

/// For each element of the kernel, with its number `e`: whether its place on all axes lies inside, and the place.
#define FOR_ELEMENTS(PLACE, SIZE, BODY)                                                                   \
    for (int first = 0, e = 0; first < shape.axes[0].extent; first++) {                                   \
        const int place_0 = PLACE(0, first);                                                              \
        for (int second = 0; second < shape.axes[1].extent; second++) {                                   \
            const int place_1 = PLACE(1, second);                                                         \
            for (int third = 0; third < shape.axes[2].extent; third++, e++) {                             \
                const int place_2 = PLACE(2, third);                                                      \
                const int is_inside = (uint)place_0 < (uint)shape.axes[0].SIZE                            \
                    && (uint)place_1 < (uint)shape.axes[1].SIZE && (uint)place_2 < (uint)shape.axes[2].SIZE; \
                const int at = (place_0 * shape.axes[1].SIZE + place_1) * shape.axes[2].SIZE + place_2;   \
                BODY                                                                                      \
            }                                                                                             \
        }                                                                                                 \
    }

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void depthwise(
    __global const STORED(X_TYPE) *x, const ulong x_offset, __global const STORED(Y_TYPE) *weight,
    const ulong weight_offset, __global STORED(OUT_TYPE) *out, const ulong out_offset, BIAS_PARAMETERS const Depthwise shape, const int count) {
    const int number = get_global_id(0);
    if (number >= count) return;
    int start[3] = {0, 0, 0}, rest = number;
#pragma unroll
    for (int a = 2; a >= 3 - AXES; a--) {
        const int next = divided(rest, shape.axes[a].by_output);
        start[a] = (rest - next * shape.axes[a].output) * shape.axes[a].stride - shape.axes[a].padding;
        rest = next;
    }
    const int plane = rest / shape.multiplier;
    const int output = rest % (shape.channels * shape.multiplier);
    const int size = shape.axes[0].input * shape.axes[1].input * shape.axes[2].input;
    x += x_offset + plane * size;
    weight += weight_offset + output * shape.axes[0].extent * shape.axes[1].extent * shape.axes[2].extent;
    float sum = 0.0f;
#define PLACE(a, element) (start[a] + (element) * shape.axes[a].dilation)
    FOR_ELEMENTS(PLACE, input, if (is_inside) sum = fma(LOAD(Y_TYPE, weight, e), LOAD(X_TYPE, x, at), sum);)
#undef PLACE
#if HAS_BIAS
    sum += LOAD(BIAS_TYPE, bias, bias_offset + output);
#endif
    STORE(OUT_TYPE, sum, out, out_offset + number);
}

/// The output that meets place `i` (counted from the padding's start) with an element `moved` places on, or -1.
static inline int output_meeting(int i, int moved, int stride) {
    const int start = i - moved;
#if HAS_CLASSES
    const int output = start / stride;
    return start >= 0 && output * stride == start ? output : -1;
#else
    return start;
#endif
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void depthwise_input_gradient(
    __global const STORED(X_TYPE) *g, const ulong g_offset, __global const STORED(Y_TYPE) *weight,
    const ulong weight_offset, __global STORED(OUT_TYPE) *out, const ulong out_offset, const Depthwise shape, const int count) {
    const int number = get_global_id(0);
    if (number >= count) return;
    int start[3] = {0, 0, 0}, rest = number;
#pragma unroll
    for (int a = 2; a >= 3 - AXES; a--) {
        const int next = rest / shape.axes[a].input;
        start[a] = rest - next * shape.axes[a].input + shape.axes[a].padding;
        rest = next;
    }
    const int channel = rest % shape.channels;
    const int size = shape.axes[0].output * shape.axes[1].output * shape.axes[2].output;
    const int elements = shape.axes[0].extent * shape.axes[1].extent * shape.axes[2].extent;
    g += g_offset + rest * shape.multiplier * size;
    weight += weight_offset + channel * shape.multiplier * elements;
    float sum = 0.0f;
#define PLACE(a, element) output_meeting(start[a], (element) * shape.axes[a].dilation, shape.axes[a].stride)
    FOR_ELEMENTS(
        PLACE, output, if (is_inside) for (int q = 0; q < shape.multiplier; q++) sum =
                           fma(LOAD(Y_TYPE, weight, q * elements + e), LOAD(X_TYPE, g, q * size + at), sum);)
#undef PLACE
    STORE_SUM(sum, out_offset + number);
}

/// A group for each element of the weight, [outputs, elements].
__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void depthwise_weight_gradient(
    __global const STORED(X_TYPE) *x, const ulong x_offset, __global const STORED(Y_TYPE) *g, const ulong g_offset,
    __global STORED(OUT_TYPE) *out, const ulong out_offset, const Depthwise shape, const int depth) {
    const int number = get_group_id(0);
    int move[3] = {0, 0, 0}, rest = number;
#pragma unroll
    for (int a = 2; a >= 3 - AXES; a--) {
        const int next = rest / shape.axes[a].extent;
        move[a] = (rest - next * shape.axes[a].extent) * shape.axes[a].dilation - shape.axes[a].padding;
        rest = next;
    }
    const int x_size = shape.axes[0].input * shape.axes[1].input * shape.axes[2].input;
    const int g_size = shape.axes[0].output * shape.axes[1].output * shape.axes[2].output;
    x += x_offset + rest / shape.multiplier * x_size;
    g += g_offset + rest * g_size;
    float sum = 0.0f;
    for (int k = (int)get_local_id(0); k < depth; k += GROUP_SIZE) {
        int image = k, at = 0, size = 1, is_inside = 1;
#pragma unroll
        for (int a = 2; a >= 3 - AXES; a--) {
            const int next = divided(image, shape.axes[a].by_output);
            const int place = (image - next * shape.axes[a].output) * shape.axes[a].stride + move[a];
            is_inside &= (uint)place < (uint)shape.axes[a].input;
            at += place * size;
            size *= shape.axes[a].input;
            image = next;
        }
        if (is_inside) {
            const int g_at = image * (shape.channels * shape.multiplier * g_size) + k - image * g_size;
            sum = fma(LOAD(X_TYPE, x, image * (shape.channels * x_size) + at), LOAD(Y_TYPE, g, g_at), sum);
        }
    }
    __local float sums[GROUP_SIZE];
    sums[get_local_id(0)] = sum;
    FOLD_LANES(sums, ADD)
    if (get_local_id(0) == 0) STORE_SUM(sums[0], out_offset + number);
}
