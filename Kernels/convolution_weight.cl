// The gradient of a convolution for its weight as a product of matrices of which one is never in memory. Made for GPUs.
//
//   out[m, (c, e)] = Σ over images and positions p of g[image, m, p] x[image, c, p · stride - padding + e · dilation]
//
// with zeros outside of x. The sum is long and the result small, so the images and positions are divided into parts, whose
// sums a second launch adds. A work-group makes TILE_M outputs and TILE_N columns (c, e) of one part and one group of
// channels; tiles, work-items and the two buffers are those of gemm.cl. A work-item reads one position a step, for
// several columns, whose distances from the position's place stand in a table made at the start.
//
// The host puts convolution_shape.cl in front.
//
// Work-group: (TILE_M / WORK_M) * (TILE_N / WORK_N) work-items; groups run over tiles of columns, of outputs, and over
// channel groups and parts.
//
//   TILE_M, TILE_N, TILE_K, WORK_M, WORK_N   as in gemm.cl; WORK in multiples of 4. Default 64, 64, 16, 4, 4.
//   AXES            spatial axes, 1 to 3. Default 2.
//   IS_POINTWISE    1 where a position's place is the position itself, on one axis: nothing lies outside. Default 0.
//   X_WIDTH         floats of x read at once: 4 where IS_POINTWISE, aligned, and sizes are multiples of 4. Default 1.
//   GRADIENT_WIDTH  the same of g: 4 where aligned and its sizes are multiples. Default 1.
//   ACCUMULATES     1 to add what out holds; with one part only. Default 0.
//   X_TYPE, Y_TYPE, OUT_TYPE   the DTypes of x, g and out; see convolution_shape.cl.

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
#ifndef AXES
#define AXES 2
#endif
#ifndef IS_POINTWISE
#define IS_POINTWISE 0
#endif
#ifndef X_WIDTH
#define X_WIDTH 1
#endif
#ifndef GRADIENT_WIDTH
#define GRADIENT_WIDTH 1
#endif
#ifndef ACCUMULATES
#define ACCUMULATES 0
#endif

#define ITEMS_M (TILE_M / WORK_M)
#define ITEMS_N (TILE_N / WORK_N)
#define ITEMS (ITEMS_M * ITEMS_N)
#define GRADIENT_READS (TILE_M * TILE_K / (ITEMS * GRADIENT_WIDTH))
#define X_READS (TILE_N * TILE_K / (ITEMS * X_WIDTH))
// One vector more for each row of a tile moves the rows to different banks and keeps vectors aligned.
#define ROW_M (TILE_M + 4)
#define ROW_N (TILE_N + 4)
// Where the reads of this work-item lie in a tile: its position, and a row or column for each.
#define GRADIENT_DEPTH (item % (TILE_K / GRADIENT_WIDTH) * GRADIENT_WIDTH)
#define GRADIENT_ALONG(read) (((read) * ITEMS + item) / (TILE_K / GRADIENT_WIDTH))
#define X_DEPTH (item % (TILE_K / X_WIDTH) * X_WIDTH)
#define X_ALONG(read) (((read) * ITEMS + item) / (TILE_K / X_WIDTH))
// Outside of every axis, whatever is added.
#define FAR_OUTSIDE (-(1 << 30))

typedef struct {
    ConvolutionAxis axes[3];
    int groups;
    /// Channels of a group in g and in x.
    int rows, channels;
    /// Images times positions, and how many a part has: a multiple of TILE_K.
    int depth, part;
} WeightGradient;

__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void convolution_weight(
    __global const STORED(X_TYPE) *x, const ulong x_offset, __global const STORED(Y_TYPE) *g, const ulong g_offset,
    __global STORED(OUT_TYPE) *out, const ulong out_offset, const WeightGradient shape) {
    const int item = get_local_id(0);
    const int item_n = item % ITEMS_N, item_m = item / ITEMS_N;
    const int first_n = (int)get_group_id(0) * TILE_N, first_m = (int)get_group_id(1) * TILE_M;
    const int channel_group = (int)get_group_id(2) % shape.groups;
    const int first_k = (int)get_group_id(2) / shape.groups * shape.part;
    const int end_k = min(first_k + shape.part, shape.depth);

    int positions = 1, x_size = 1, elements = 1;
#pragma unroll
    for (int a = 0; a < AXES; a++) {
        positions *= shape.axes[3 - AXES + a].output;
        x_size *= shape.axes[3 - AXES + a].input;
        elements *= shape.axes[3 - AXES + a].extent;
    }
    const int columns = shape.channels * elements;
    x += x_offset + channel_group * shape.channels * x_size;
    g += g_offset + channel_group * shape.rows * positions;
    const int x_image = shape.groups * shape.channels * x_size, g_image = shape.groups * shape.rows * positions;

    __local float g_tile[2][TILE_K * ROW_M] __attribute__((aligned(16)));
    __local float x_tile[2][TILE_K * ROW_N] __attribute__((aligned(16)));
    // For each column: how far its channel and element lie from a position's place, in all and on each axis.
    __local int4 table[TILE_N];
    for (int n = item; n < TILE_N; n += ITEMS) {
        int rest = first_n + n, moves[3] = {0, 0, 0}, offset = 0, size = 1;
#pragma unroll
        for (int a = AXES - 1; a >= 0; a--) {
            const ConvolutionAxis axis = shape.axes[3 - AXES + a];
            const int next = rest / axis.extent;
            moves[a] = (rest - next * axis.extent) * axis.dilation;
            offset += moves[a] * size;
            size *= axis.input;
            rest = next;
        }
        if (first_n + n >= columns) moves[0] = FAR_OUTSIDE;
        table[n] = (int4)(rest * size + offset, moves[0], moves[1], moves[2]);
    }
    barrier(CLK_LOCAL_MEM_FENCE);

    float g_next[GRADIENT_READS * GRADIENT_WIDTH], x_next[X_READS * X_WIDTH];
    float sums[WORK_M][WORK_N];
#pragma unroll
    for (int i = 0; i < WORK_M; i++)
#pragma unroll
        for (int j = 0; j < WORK_N; j++) sums[i][j] = 0.0f;

    const int steps = (end_k - first_k + TILE_K - 1) / TILE_K;
    int buffer = 0;
    for (int step = 0; step <= steps; step++) {
        // The next slices set out for registers, zeros beyond the edges.
        if (step < steps) {
            {
                const int k = first_k + step * TILE_K + GRADIENT_DEPTH;
                int image = k;
#pragma unroll
                for (int a = AXES - 1; a >= 0; a--) image = divided(image, shape.axes[3 - AXES + a].by_output);
                const int at = image * g_image + k - image * positions;
#pragma unroll
                for (int read = 0; read < GRADIENT_READS; read++) {
                    const int m = first_m + GRADIENT_ALONG(read);
                    const int is_inside = k < end_k && m < shape.rows;
#if GRADIENT_WIDTH == 4
                    vstore4(is_inside ? LOAD4(Y_TYPE, g + at + m * positions) : (float4)(0.0f), read, g_next);
#else
                    g_next[read] = is_inside ? LOAD(Y_TYPE, g, at + m * positions) : 0.0f;
#endif
                }
            }
            {
                const int k = first_k + step * TILE_K + X_DEPTH;
                int place[AXES], at = 0, size = 1, image = k;
#pragma unroll
                for (int a = AXES - 1; a >= 0; a--) {
                    const ConvolutionAxis axis = shape.axes[3 - AXES + a];
                    const int next = divided(image, axis.by_output);
                    place[a] = (image - next * axis.output) * axis.stride - axis.padding;
                    at += place[a] * size;
                    size *= axis.input;
                    image = next;
                }
                at += image * x_image;
#pragma unroll
                for (int read = 0; read < X_READS; read++) {
                    const int4 entry = table[X_ALONG(read)];
#if IS_POINTWISE
                    const int is_inside = k < end_k && entry.s1 >= 0;
#else
                    int is_inside = k < end_k && (uint)(place[0] + entry.s1) < (uint)shape.axes[3 - AXES].input;
#if AXES > 1
                    is_inside &= (uint)(place[1] + entry.s2) < (uint)shape.axes[4 - AXES].input;
#endif
#if AXES > 2
                    is_inside &= (uint)(place[2] + entry.s3) < (uint)shape.axes[5 - AXES].input;
#endif
#endif
#if X_WIDTH == 4
                    vstore4(is_inside ? LOAD4(X_TYPE, x + at + entry.s0) : (float4)(0.0f), read, x_next);
#else
                    x_next[read] = is_inside ? LOAD(X_TYPE, x, at + entry.s0) : 0.0f;
#endif
                }
            }
        }

        // Meanwhile the present slices are multiplied.
        if (step > 0) {
            MULTIPLY_SLICES(g_tile[buffer], x_tile[buffer])
        }

        // The next slices move into the other buffer, which was last read before the barrier of the previous step.
        buffer = 1 - buffer;
        if (step < steps) {
#pragma unroll
            for (int read = 0; read < GRADIENT_READS; read++)
#pragma unroll
                for (int part = 0; part < GRADIENT_WIDTH; part++)
                    g_tile[buffer][(GRADIENT_DEPTH + part) * ROW_M + GRADIENT_ALONG(read)] =
                        g_next[read * GRADIENT_WIDTH + part];
#pragma unroll
            for (int read = 0; read < X_READS; read++)
#pragma unroll
                for (int part = 0; part < X_WIDTH; part++)
                    x_tile[buffer][(X_DEPTH + part) * ROW_N + X_ALONG(read)] = x_next[read * X_WIDTH + part];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    // The parts lie one after the other, [parts, groups, rows, columns].
    out += out_offset + (ulong)get_group_id(2) * (ulong)(shape.rows * columns);
#pragma unroll
    for (int i = 0; i < WORK_M; i++) {
        const int m = first_m + (i / 4 * ITEMS_M + item_m) * 4 + i % 4;
#pragma unroll
        for (int j = 0; j < WORK_N; j++) {
            const int n = first_n + (j / 4 * ITEMS_N + item_n) * 4 + j % 4;
            if (m < shape.rows && n < columns) {
                float value = sums[i][j];
#if ACCUMULATES
                value += LOAD(OUT_TYPE, out, m * columns + n);
#endif
                STORE(OUT_TYPE, value, out, m * columns + n);
            }
        }
    }
}
