// A convolution, or its gradient for the input, as a product of matrices of which one is never in memory: the elements of
// x under the kernel are found while they are read. Made for GPUs.
//
//   out[image, m, target] = Σ over channels k and elements e of weight[m, k, e] x[image, k, source(target, e)] + bias[m]
//
// with zeros outside of x. For the convolution, m is an output, k an input channel and source the place under element e.
// For the gradient, m is an input channel, k an output, x the output's gradient, and source the output whose window has
// the target under element e. With a stride, an element meets only every stride-th place: the targets fall into classes
// by their remainder, of which each sums over its own elements only.
//
// A work-group makes TILE_M rows and TILE_N columns (image, target) of one group of channels and one class; tiles,
// work-items and the two buffers are those of gemm.cl. A step is TILE_K channels under one element of the kernel, so that
// a work-item, which reads one column throughout, finds its place once a step. For few channels (IS_LINEAR) a step is
// TILE_K of all channels' elements, their places taken from a table made at the start.
//
// Work-group: (TILE_M / WORK_M) * (TILE_N / WORK_N) work-items, at least TILE_N / X_WIDTH; groups run over tiles of
// columns, of rows, and over channel groups and classes.
//
//   TILE_M, TILE_N, TILE_K, WORK_M, WORK_N   as in gemm.cl; WORK in multiples of 4. Default 64, 64, 16, 4, 4.
//   IS_GRADIENT     1 for the gradient for the input. Default 0.
//   AXES            spatial axes, 1 to 3. Default 2.
//   IS_POINTWISE    1 where source and target are the same place, on one axis: nothing lies outside. Default 0.
//   IS_LINEAR       1 for the table; for convolutions with at most TABLE (a multiple of TILE_K) elements. Default 0.
//   HAS_CLASSES     1 where a stride divides the gradient's targets into classes. Default 0.
//   X_WIDTH         floats of x read at once: 4 where IS_POINTWISE, aligned, and sizes are multiples of 4. Default 1.
//   WEIGHT_WIDTH    the same of weight, along k if WEIGHT_K_FIRST, else along m; 4 where they lie side by side. Default 1.
//   WEIGHT_K_FIRST  1 where neighbouring work-items read neighbouring k. Default 1.
//   OUT_WIDTH       floats written at once: 4 where float32, aligned, without classes, and an image's size is a multiple.
//                   Default 1.
//   HAS_BIAS, ACCUMULATES   1 to add a bias for each row, what out holds. Default 0.
//   X_TYPE, Y_TYPE, OUT_TYPE, BIAS_TYPE   the DTypes of x, weight, out and bias; see convolution_shape.cl.

#ifndef TILE_M
#define TILE_M 64
#endif
#ifndef TILE_N
#define TILE_N 64
#endif
#ifndef TILE_K
#define TILE_K 16
#endif
#ifndef WORK_M
#define WORK_M 4
#endif
#ifndef WORK_N
#define WORK_N 4
#endif
#ifndef IS_GRADIENT
#define IS_GRADIENT 0
#endif
#ifndef AXES
#define AXES 2
#endif
#ifndef IS_POINTWISE
#define IS_POINTWISE 0
#endif
#ifndef IS_LINEAR
#define IS_LINEAR 0
#endif
#ifndef HAS_CLASSES
#define HAS_CLASSES 0
#endif
#ifndef X_WIDTH
#define X_WIDTH 1
#endif
#ifndef WEIGHT_WIDTH
#define WEIGHT_WIDTH 1
#endif
#ifndef WEIGHT_K_FIRST
#define WEIGHT_K_FIRST 1
#endif
#ifndef OUT_WIDTH
#define OUT_WIDTH 1
#endif
#ifndef HAS_BIAS
#define HAS_BIAS 0
#endif
#ifndef ACCUMULATES
#define ACCUMULATES 0
#endif

#define TABLE 256
#define ITEMS_M (TILE_M / WORK_M)
#define ITEMS_N (TILE_N / WORK_N)
#define ITEMS (ITEMS_M * ITEMS_N)
#define WEIGHT_READS (TILE_M * TILE_K / (ITEMS * WEIGHT_WIDTH))
#define X_READS (TILE_N * TILE_K / (ITEMS * X_WIDTH))
// One vector more for each row of a tile moves the rows to different banks and keeps vectors aligned.
#define ROW_M (TILE_M + 4)
#define ROW_N (TILE_N + 4)
// Where read number `read` of this work-item lies in a tile.
#define WEIGHT_ALONG(read)                                                \
    (WEIGHT_K_FIRST ? ((read) * ITEMS + item) / (TILE_K / WEIGHT_WIDTH)   \
                    : ((read) * ITEMS + item) % (TILE_M / WEIGHT_WIDTH) * WEIGHT_WIDTH)
#define WEIGHT_DEPTH(read)                                                                 \
    (WEIGHT_K_FIRST ? ((read) * ITEMS + item) % (TILE_K / WEIGHT_WIDTH) * WEIGHT_WIDTH     \
                    : ((read) * ITEMS + item) / (TILE_M / WEIGHT_WIDTH))
#define X_ALONG (item % (TILE_N / X_WIDTH) * X_WIDTH)
#define X_DEPTH(read) (((read) * ITEMS + item) / (TILE_N / X_WIDTH))
// Outside of every axis, whatever is added.
#define FAR_OUTSIDE (-(1 << 30))

/// An axis of the convolution, sizes as they are called there.
typedef struct {
    int input, output, extent, stride, padding, dilation;
    /// The greatest common divisor of stride and dilation, and the factor that leads from a remainder to its first
    /// element: dilation / common · inverse ≡ 1 (mod stride / common).
    int common, inverse;
} GivenAxis;

typedef struct {
    GivenAxis axes[3];
    int images, groups;
    /// Channels of a group in out and in x, and what a sum runs over besides steps: the same, or all their elements
    /// where IS_LINEAR.
    int rows, channels, depth;
    /// Distances in weight.
    int weight_group, weight_row, weight_depth;
} ImplicitProduct;

/// The targets of a class on one axis: target t is place `first` + t · `step` of out; under it lies, for element j of
/// `elements`, place `base` + t · `move` + j · `spread` of x and element `weight_first` + j · `weight_step` of weight.
typedef struct {
    int first, step, targets, base, move, spread, weight_first, weight_step, elements;
} TargetAxis;

/// ⌊a / b⌋ for positive b.
static inline int floor_divided(int a, int b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

static inline TargetAxis target_axis(const GivenAxis given, int remainder) {
    TargetAxis axis;
#if IS_GRADIENT
    // Places i with (i + padding) mod stride = remainder meet the elements e with e · dilation ≡ remainder.
    const int cycle = given.stride / given.common;
    const int skipped = max(0, -floor_divided(remainder - given.padding, given.stride));
    axis.weight_first = (remainder / given.common) * given.inverse % cycle;
    axis.weight_step = cycle;
    axis.elements = remainder % given.common != 0 || axis.weight_first >= given.extent
        ? 0 : (given.extent - 1 - axis.weight_first) / cycle + 1;
    axis.first = skipped * given.stride + remainder - given.padding;
    axis.step = given.stride;
    axis.targets = max(0, floor_divided(given.input - 1 + given.padding - remainder, given.stride) + 1 - skipped);
    axis.base = skipped + (remainder - axis.weight_first * given.dilation) / given.stride;
    axis.move = 1;
    axis.spread = -(given.dilation / given.common);
#else
    axis.first = 0;
    axis.step = 1;
    axis.targets = given.output;
    axis.base = -given.padding;
    axis.move = given.stride;
    axis.spread = given.dilation;
    axis.weight_first = 0;
    axis.weight_step = 1;
    axis.elements = given.extent;
#endif
    return axis;
}

#if IS_GRADIENT
#define X_SIZE output
#define OUT_SIZE input
#else
#define X_SIZE input
#define OUT_SIZE output
#endif

#if HAS_BIAS
#define BIAS_PARAMETERS __global const STORED(BIAS_TYPE) *bias, const ulong bias_offset,
#else
#define BIAS_PARAMETERS
#endif

__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void convolution_product(
    __global const STORED(X_TYPE) *x, const ulong x_offset, __global const STORED(Y_TYPE) *weight,
    const ulong weight_offset, __global STORED(OUT_TYPE) *out, const ulong out_offset, BIAS_PARAMETERS const ImplicitProduct shape) {
    const int item = get_local_id(0);
    const int item_n = item % ITEMS_N, item_m = item / ITEMS_N;
    const int first_n = (int)get_group_id(0) * TILE_N, first_m = (int)get_group_id(1) * TILE_M;
    const int channel_group = (int)get_group_id(2) % shape.groups;
    int class = (int)get_group_id(2) / shape.groups;

    TargetAxis axes[AXES];
    int targets = 1, elements = 1, x_size = 1, out_size = 1;
#pragma unroll
    for (int a = AXES - 1; a >= 0; a--) {
        const GivenAxis given = shape.axes[3 - AXES + a];
#if HAS_CLASSES
        axes[a] = target_axis(given, class % given.stride);
        class /= given.stride;
#else
        axes[a] = target_axis(given, 0);
#endif
        targets *= axes[a].targets;
        elements *= axes[a].elements;
        x_size *= given.X_SIZE;
        out_size *= given.OUT_SIZE;
    }
    // A class may have fewer columns than others, or none.
    const int columns = shape.images * targets;
    const int is_empty = first_n >= columns;
#pragma unroll
    for (int a = 0; a < AXES; a++) axes[a].targets = max(axes[a].targets, 1);
    targets = max(targets, 1);

    // The column that this work-item reads: its image, and on each axis the place under the kernel's first element.
    int place[AXES];
    int image;
    {
        const int column = first_n + X_ALONG;
        int rest = max(min(column, columns - 1), 0);
#if IS_POINTWISE
        image = rest / targets;
        place[0] = column < columns ? rest - image * targets : FAR_OUTSIDE;
#else
#pragma unroll
        for (int a = AXES - 1; a >= 0; a--) {
            const int next = rest / axes[a].targets;
            place[a] = axes[a].base + (rest - next * axes[a].targets) * axes[a].move;
            rest = next;
        }
        image = rest;
        if (column >= columns) place[0] = FAR_OUTSIDE;
#endif
    }
    x += x_offset + (image * shape.groups + channel_group) * shape.channels * x_size;
    weight += weight_offset + channel_group * shape.weight_group;

    __local float weight_tile[2][TILE_K * ROW_M] __attribute__((aligned(16)));
    __local float x_tile[2][TILE_K * ROW_N] __attribute__((aligned(16)));
    float weight_next[WEIGHT_READS * WEIGHT_WIDTH], x_next[X_READS * X_WIDTH];
    float sums[WORK_M][WORK_N];
#pragma unroll
    for (int i = 0; i < WORK_M; i++)
#pragma unroll
        for (int j = 0; j < WORK_N; j++) sums[i][j] = 0.0f;

#if IS_LINEAR
    // For each k: how far its channel and element lie from the column's place, in all and on each axis.
    __local int4 table[TABLE] __attribute__((aligned(16)));
    const int steps = is_empty ? 0 : (shape.depth + TILE_K - 1) / TILE_K;
    for (int k = item; k < steps * TILE_K; k += ITEMS) {
        int rest = k, offset = 0, size = 1;
        int4 entry = (int4)(0);
#pragma unroll
        for (int a = AXES - 1; a >= 0; a--) {
            const int next = rest / axes[a].elements;
            const int move = (rest - next * axes[a].elements) * axes[a].spread;
            if (a == 0) entry.s1 = k < shape.depth ? move : FAR_OUTSIDE;
            if (a == 1) entry.s2 = move;
            if (a == 2) entry.s3 = move;
            offset += move * size;
            size *= shape.axes[3 - AXES + a].X_SIZE;
            rest = next;
        }
        entry.s0 = rest * size + offset;
        table[k] = entry;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    int column_at = 0;
#pragma unroll
    for (int a = 0; a < AXES; a++) column_at = column_at * shape.axes[3 - AXES + a].X_SIZE + place[a];
#else
    const int steps = is_empty ? 0 : (shape.depth + TILE_K - 1) / TILE_K * elements;
    int element[AXES];
#pragma unroll
    for (int a = 0; a < AXES; a++) element[a] = 0;
#endif
    int first_k = 0;
    int buffer = 0;
    for (int step = 0; step <= steps; step++) {
        // The next slices set out for registers, zeros beyond the edges.
        if (step < steps) {
#if IS_LINEAR
            const int weight_at = 0;
#pragma unroll
            for (int read = 0; read < X_READS; read++) {
                const int4 entry = table[first_k + X_DEPTH(read)];
                int is_inside = (uint)(place[0] + entry.s1) < (uint)shape.axes[3 - AXES].X_SIZE;
#if AXES > 1
                is_inside &= (uint)(place[1] + entry.s2) < (uint)shape.axes[4 - AXES].X_SIZE;
#endif
#if AXES > 2
                is_inside &= (uint)(place[2] + entry.s3) < (uint)shape.axes[5 - AXES].X_SIZE;
#endif
                x_next[read] = is_inside ? LOAD(X_TYPE, x, column_at + entry.s0) : 0.0f;
            }
#else
            int x_at = 0, weight_at = 0, is_inside = 1;
#if IS_POINTWISE
            x_at = place[0];
            is_inside = x_at >= 0;
#else
#pragma unroll
            for (int a = 0; a < AXES; a++) {
                const int at = place[a] + element[a] * axes[a].spread;
                is_inside &= (uint)at < (uint)shape.axes[3 - AXES + a].X_SIZE;
                x_at = x_at * shape.axes[3 - AXES + a].X_SIZE + at;
                weight_at = weight_at * shape.axes[3 - AXES + a].extent
                    + axes[a].weight_first + element[a] * axes[a].weight_step;
            }
#endif
#pragma unroll
            for (int read = 0; read < X_READS; read++) {
                const int k = first_k + X_DEPTH(read);
#if X_WIDTH == 4
                vstore4(
                    is_inside && k < shape.depth ? LOAD4(X_TYPE, x + x_at + k * x_size) : (float4)(0.0f), read,
                    x_next);
#else
                x_next[read] = is_inside && k < shape.depth ? LOAD(X_TYPE, x, x_at + k * x_size) : 0.0f;
#endif
            }
#endif
#pragma unroll
            for (int read = 0; read < WEIGHT_READS; read++) {
                const int m = first_m + WEIGHT_ALONG(read), k = first_k + WEIGHT_DEPTH(read);
                const int at = m * shape.weight_row + k * shape.weight_depth + weight_at;
                const int is_weight = m < shape.rows && k < shape.depth;
#if WEIGHT_WIDTH == 4
                vstore4(is_weight ? LOAD4(Y_TYPE, weight + at) : (float4)(0.0f), read, weight_next);
#else
                weight_next[read] = is_weight ? LOAD(Y_TYPE, weight, at) : 0.0f;
#endif
            }
#if IS_LINEAR
            first_k += TILE_K;
#else
            // On to the next element, and after the last one to the next channels.
            int is_carried = 1;
#pragma unroll
            for (int a = AXES - 1; a >= 0; a--) {
                element[a] += is_carried;
                is_carried = element[a] == axes[a].elements;
                element[a] = is_carried ? 0 : element[a];
            }
            first_k += is_carried ? TILE_K : 0;
#endif
        }

        // Meanwhile the present slices are multiplied.
        if (step > 0) {
            MULTIPLY_SLICES(weight_tile[buffer], x_tile[buffer])
        }

        // The next slices move into the other buffer, which was last read before the barrier of the previous step.
        buffer = 1 - buffer;
        if (step < steps) {
#pragma unroll
            for (int read = 0; read < WEIGHT_READS; read++)
#pragma unroll
                for (int part = 0; part < WEIGHT_WIDTH; part++) {
                    const int along = WEIGHT_ALONG(read) + (WEIGHT_K_FIRST ? 0 : part);
                    const int depth = WEIGHT_DEPTH(read) + (WEIGHT_K_FIRST ? part : 0);
                    weight_tile[buffer][depth * ROW_M + along] = weight_next[read * WEIGHT_WIDTH + part];
                }
#pragma unroll
            for (int read = 0; read < X_READS; read++) {
                const int at = X_DEPTH(read) * ROW_N + X_ALONG;
#if X_WIDTH == 4
                *(__local float4 *)&x_tile[buffer][at] = vload4(read, x_next);
#else
                x_tile[buffer][at] = x_next[read];
#endif
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    out += out_offset;
#if HAS_BIAS
    bias += bias_offset + channel_group * shape.rows;
#endif
#pragma unroll
    for (int j = 0; j < WORK_N; j += OUT_WIDTH) {
        const int column = first_n + (j / 4 * ITEMS_N + item_n) * 4 + j % 4;
        const int is_column = column < columns;
#if HAS_CLASSES
        int rest = column, at = 0, size = 1;
#pragma unroll
        for (int a = AXES - 1; a >= 0; a--) {
            const int next = rest / axes[a].targets;
            at += (axes[a].first + (rest - next * axes[a].targets) * axes[a].step) * size;
            size *= shape.axes[3 - AXES + a].OUT_SIZE;
            rest = next;
        }
        const int out_image = rest;
#else
        const int out_image = column / targets;
        const int at = column - out_image * targets;
#endif
        const int image_at = (out_image * shape.groups + channel_group) * shape.rows * out_size + at;
#pragma unroll
        for (int i = 0; i < WORK_M; i++) {
            const int m = first_m + (i / 4 * ITEMS_M + item_m) * 4 + i % 4;
            if (is_column && m < shape.rows) {
#if OUT_WIDTH == 4
                __global float4 *to = (__global float4 *)(out + image_at + m * out_size);
                float4 value = (float4)(sums[i][j], sums[i][j + 1], sums[i][j + 2], sums[i][j + 3]);
#else
                float value = sums[i][j];
#endif
#if HAS_BIAS
                value += LOAD(BIAS_TYPE, bias, m);
#endif
#if OUT_WIDTH == 4
#if ACCUMULATES
                value += *to;
#endif
                *to = value;
#else
                const int to = image_at + m * out_size;
#if ACCUMULATES
                value += LOAD(OUT_TYPE, out, to);
#endif
                STORE(OUT_TYPE, value, out, to);
#endif
            }
        }
    }
}
