// Convolution as a sum of shifted planes.
//
// An image is spread onto a grid whose rows are a little longer than its own, with zeros in the gaps. On such a grid the
// elements under one element of the kernel, for all outputs, lie side by side: the same plane, shifted. So a convolution is
//
//   out[m][p] = Σₖ weight[m][k] grid[offset[k] + p]
//
// for all positions p of the grid at once, a matrix product whose right side need not be copied into columns. Positions in
// the gaps are computed too and thrown away. A stride of s takes every s-th element of an image as a plane of its own.
//
// The gradient of the weight multiplies the zeros in the gaps as well: an infinity in the input makes it NaN for elements
// of the kernel that never met it.

enum { convolution_vectors = 3, convolution_block = convolution_vectors * VECTOR_BYTES / 4 };

/// One block of positions of `rows` planes: weights are [depth][rows].
ALWAYS_INLINE void shifted_block(const float *weights, const ptrdiff_t *offsets, size_t depth, const float *grid,
                                 float *out, size_t out_stride, int rows) {
    vector sums[convolution_rows][convolution_vectors];
#pragma clang loop unroll(full)
    for (int m = 0; m < rows; m++)
#pragma clang loop unroll(full)
        for (int v = 0; v < convolution_vectors; v++) sums[m][v] = (vector){0};
    for (size_t k = 0; k < depth; k++) {
        const float *from = grid + offsets[k], *weight = weights + k * (size_t)rows;
        vector x[convolution_vectors];
#pragma clang loop unroll(full)
        for (int v = 0; v < convolution_vectors; v++) x[v] = *(const vector *)(from + v * VECTOR_FLOATS);
#pragma clang loop unroll(full)
        for (int m = 0; m < rows; m++)
#pragma clang loop unroll(full)
            for (int v = 0; v < convolution_vectors; v++) sums[m][v] += weight[m] * x[v];
    }
#pragma clang loop unroll(full)
    for (int m = 0; m < rows; m++)
#pragma clang loop unroll(full)
        for (int v = 0; v < convolution_vectors; v++)
            *(vector *)(out + (size_t)m * out_stride + (size_t)(v * VECTOR_FLOATS)) = sums[m][v];
}

/// As many rows at a time as registers allow: all of a power of two, then smaller ones.
#define ROWS_AT_ONCE(left) ((left) >= convolution_rows ? convolution_rows : (left) >= 4 ? 4 : (left) >= 2 ? 2 : 1)

static void shifted_product(const float *weights, const ptrdiff_t *offsets, size_t depth, size_t rows,
                            const float *grid, float *out, size_t out_stride, size_t positions) {
    for (size_t p = 0; p < positions; p += convolution_block) {
        for (size_t m = 0; m < rows;) {
            const float *w = weights + m * depth;
            float *to = out + m * out_stride + p;
            size_t count = ROWS_AT_ONCE(rows - m);
            if (count == convolution_rows) shifted_block(w, offsets, depth, grid + p, to, out_stride, convolution_rows);
            else if (count == 4) shifted_block(w, offsets, depth, grid + p, to, out_stride, 4);
            else if (count == 2) shifted_block(w, offsets, depth, grid + p, to, out_stride, 2);
            else shifted_block(w, offsets, depth, grid + p, to, out_stride, 1);
            m += count;
        }
    }
}

static void pack_kernel(const float *weight, size_t row_stride, const ptrdiff_t *columns, size_t depth, size_t rows,
                        float *packed) {
    for (size_t m = 0; m < rows;) {
        size_t count = ROWS_AT_ONCE(rows - m);
        for (size_t k = 0; k < depth; k++)
            for (size_t i = 0; i < count; i++) *packed++ = weight[(m + i) * row_stride + (size_t)columns[k]];
        m += count;
    }
}

/// sums[m][k] += Σₚ y[m][p] grid[offset[k] + p] for `rows` planes and `columns` offsets.
ALWAYS_INLINE void shifted_dots_block(const float *y, size_t y_stride, const ptrdiff_t *offsets, const float *grid,
                                      size_t positions, float *sums, size_t sums_stride, int rows, int columns) {
    vector partial[dot_rows][dot_columns];
#pragma clang loop unroll(full)
    for (int m = 0; m < rows; m++)
#pragma clang loop unroll(full)
        for (int k = 0; k < columns; k++) partial[m][k] = (vector){0};
    const float *from[dot_columns];
#pragma clang loop unroll(full)
    for (int k = 0; k < columns; k++) from[k] = grid + offsets[k];
    for (size_t p = 0; p < positions; p += (size_t)VECTOR_FLOATS) {
        vector left[dot_rows];
#pragma clang loop unroll(full)
        for (int m = 0; m < rows; m++) left[m] = *(const vector *)(y + (size_t)m * y_stride + p);
#pragma clang loop unroll(full)
        for (int k = 0; k < columns; k++) {
            vector right = *(const vector *)(from[k] + p);
#pragma clang loop unroll(full)
            for (int m = 0; m < rows; m++) partial[m][k] += left[m] * right;
        }
    }
#pragma clang loop unroll(full)
    for (int m = 0; m < rows; m++)
#pragma clang loop unroll(full)
        for (int k = 0; k < columns; k++) sums[(size_t)m * sums_stride + (size_t)k] += vector_total(partial[m][k]);
}

static void shifted_dots(const float *y, size_t y_stride, size_t rows, const ptrdiff_t *offsets, size_t depth,
                         const float *grid, size_t positions, float *sums) {
    size_t m = 0;
    for (; m + dot_rows <= rows; m += dot_rows) {
        size_t k = 0;
        for (; k + dot_columns <= depth; k += dot_columns)
            shifted_dots_block(y + m * y_stride, y_stride, offsets + k, grid, positions, sums + m * depth + k, depth,
                               dot_rows, dot_columns);
        for (; k < depth; k++)
            shifted_dots_block(y + m * y_stride, y_stride, offsets + k, grid, positions, sums + m * depth + k, depth,
                               dot_rows, 1);
    }
    for (; m < rows; m++) {
        size_t k = 0;
        for (; k + dot_columns <= depth; k += dot_columns)
            shifted_dots_block(y + m * y_stride, y_stride, offsets + k, grid, positions, sums + m * depth + k, depth, 1,
                               dot_columns);
        for (; k < depth; k++)
            shifted_dots_block(y + m * y_stride, y_stride, offsets + k, grid, positions, sums + m * depth + k, depth, 1,
                               1);
    }
}

static void spread_plane(const struct gimbal_plane *plane, const float *image, float *grid) {
    const size_t *size = plane->image_size, *pitch = plane->grid_size, *stride = plane->stride;
    for (size_t i = 0; i < pitch[0]; i++) {
        size_t a = plane->phase[0] + i * stride[0];
        float *layer = grid + i * pitch[1] * pitch[2];
        if (a >= size[0]) {
            memset(layer, 0, pitch[1] * pitch[2] * sizeof(float));
            continue;
        }
        for (size_t j = 0; j < pitch[1]; j++) {
            size_t b = plane->phase[1] + j * stride[1], k = 0;
            float *row = layer + j * pitch[2];
            if (b < size[1] && plane->phase[2] < size[2]) {
                const float *from = image + (a * size[1] + b) * size[2] + plane->phase[2];
                size_t count = (size[2] - plane->phase[2] + stride[2] - 1) / stride[2];
                if (stride[2] == 1) memcpy(row, from, count * sizeof(float));
                else for (size_t c = 0; c < count; c++) row[c] = from[c * stride[2]];
                k = count;
            }
            for (; k < pitch[2]; k++) row[k] = 0.0f;
        }
    }
}

static void collect_plane(const struct gimbal_plane *plane, const float *grid, size_t first, size_t last, float bias,
                          bool accumulates, float *image) {
    const size_t *size = plane->image_size, *pitch = plane->grid_size, *stride = plane->stride;
    for (size_t position = first; position < last;) {
        size_t row = position / pitch[2], k = position - row * pitch[2], i = row / pitch[1], j = row - i * pitch[1];
        size_t a = plane->phase[0] + i * stride[0], b = plane->phase[1] + j * stride[1];
        size_t end = last - row * pitch[2] < pitch[2] ? last - row * pitch[2] : pitch[2];
        if (a < size[0] && b < size[1] && plane->phase[2] < size[2]) {
            size_t count = (size[2] - plane->phase[2] + stride[2] - 1) / stride[2];
            if (count > end) count = end;
            const float *from = grid + (position - first);
            float *to = image + (a * size[1] + b) * size[2] + plane->phase[2];
            if (stride[2] == 1) {
                if (accumulates) for (size_t c = k; c < count; c++) to[c] += from[c - k] + bias;
                else for (size_t c = k; c < count; c++) to[c] = from[c - k] + bias;
            } else {
                size_t s = stride[2];
                if (accumulates) for (size_t c = k; c < count; c++) to[c * s] += from[c - k] + bias;
                else for (size_t c = k; c < count; c++) to[c * s] = from[c - k] + bias;
            }
        }
        position = row * pitch[2] + end;
    }
}
