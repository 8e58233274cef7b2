// Convolutions by 3 x 3 of stride 1 with fewer multiplications (Winograd 1980; Lavin and Gray 2015, Fast Algorithms for
// Convolutional Neural Networks): a tile of 2 x 2 outputs needs 16 products of numbers that are sums of inputs and of
// weights, instead of 36. With d the 4 x 4 inputs of a tile and g the kernel,
//
//   out = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A,    and the gradient of g is    Gᵀ [Σ over tiles (A out' Aᵀ) ⊙ (Bᵀ d B)] G.
//
// For each of the 16 points, the products are a matrix product over channels, or over tiles. All factors are 0, 1 and 1/2,
// so that little is lost to rounding. Where the kernel has one row or one column, tiles are of two outputs, with 4 points
// instead of 6 products: `is_line`.

/// t = Bᵀ s, for one column.
#define TIMES_B(t, s0, s1, s2, s3) (t[0] = s0 - s2, t[1] = s1 + s2, t[2] = s2 - s1, t[3] = s1 - s3)

ALWAYS_INLINE void input_points(const float *source, const int32_t *places, size_t tiles, size_t vectors, float *out,
                                size_t point_stride, const int across) {
    for (size_t tile = 0; tile < tiles; tile++, places += 4 * across) {
        for (size_t v = 0; v < vectors; v++, out += VECTOR_FLOATS) {
            const float *from = source + v * VECTOR_FLOATS;
            vector rows[4][4];
#pragma clang loop unroll(full)
            for (int j = 0; j < across; j++) {
                vector t[4], d[4];
#pragma clang loop unroll(full)
                for (int i = 0; i < 4; i++) d[i] = *(const vector *)(from + places[across * i + j]);
                TIMES_B(t, d[0], d[1], d[2], d[3]);
#pragma clang loop unroll(full)
                for (int i = 0; i < 4; i++) rows[i][j] = t[i];
            }
#pragma clang loop unroll(full)
            for (int i = 0; i < 4; i++) {
                if (across == 1) {
                    *(vector *)(out + (size_t)i * point_stride) = rows[i][0];
                    continue;
                }
                vector t[4];
                TIMES_B(t, rows[i][0], rows[i][1], rows[i][2], rows[i][3]);
#pragma clang loop unroll(full)
                for (int j = 0; j < 4; j++) *(vector *)(out + (size_t)(4 * i + j) * point_stride) = t[j];
            }
        }
    }
}

/// Of each tile, whose inputs lie at 16 places of the source, the 16 points; as many channels as fill `vectors`.
static void winograd_input(const float *source, const int32_t *places, size_t tiles, size_t vectors, float *out,
                           size_t point_stride, bool is_line) {
    if (is_line) input_points(source, places, tiles, vectors, out, point_stride, 1);
    else input_points(source, places, tiles, vectors, out, point_stride, 4);
}

ALWAYS_INLINE void outputs_of_points(const float *points, size_t point_stride, size_t tile_stride, const int32_t *places,
                                     size_t tiles, size_t vectors, const float *bias, float *sums, const int across) {
    for (size_t tile = 0; tile < tiles; tile++, places += across == 1 ? 2 : 4, points += tile_stride) {
        for (size_t v = 0; v < vectors; v++) {
            const float *from = points + v * VECTOR_FLOATS;
            vector rows[2][4];
#pragma clang loop unroll(full)
            for (int j = 0; j < across; j++) {
                vector m[4];
#pragma clang loop unroll(full)
                for (int i = 0; i < 4; i++) m[i] = *(const vector *)(from + (size_t)(across * i + j) * point_stride);
                rows[0][j] = m[0] + m[1] + m[2];
                rows[1][j] = m[1] - m[2] - m[3];
            }
            vector b = *(const vector *)(bias + v * VECTOR_FLOATS);
#pragma clang loop unroll(full)
            for (int i = 0; i < 2; i++) {
                vector *r = rows[i];
                if (across == 1) {
                    *(vector *)(sums + (size_t)places[i] + v * VECTOR_FLOATS) = r[0] + b;
                    continue;
                }
                *(vector *)(sums + (size_t)places[2 * i] + v * VECTOR_FLOATS) = r[0] + r[1] + r[2] + b;
                *(vector *)(sums + (size_t)places[2 * i + 1] + v * VECTOR_FLOATS) = r[1] - r[2] - r[3] + b;
            }
        }
    }
}

/// Of 16 points of each tile, its 2 x 2 outputs, to four places of the sums, and the bias added.
static void winograd_output(const float *points, size_t point_stride, size_t tile_stride, const int32_t *places, size_t tiles,
                            size_t vectors, const float *bias, float *sums, bool is_line) {
    if (is_line) outputs_of_points(points, point_stride, tile_stride, places, tiles, vectors, bias, sums, 1);
    else outputs_of_points(points, point_stride, tile_stride, places, tiles, vectors, bias, sums, 4);
}

ALWAYS_INLINE void gradient_points(const float *source, const int32_t *places, size_t tiles, size_t vectors, float *out,
                                   size_t point_stride, const int across) {
    for (size_t tile = 0; tile < tiles; tile++, places += 2 * across) {
        for (size_t v = 0; v < vectors; v++, out += VECTOR_FLOATS) {
            const float *from = source + v * VECTOR_FLOATS;
            vector rows[4][2];
#pragma clang loop unroll(full)
            for (int j = 0; j < across; j++) {
                vector above = *(const vector *)(from + places[j]), below = *(const vector *)(from + places[across + j]);
                rows[0][j] = above;
                rows[1][j] = above + below;
                rows[2][j] = above - below;
                rows[3][j] = -below;
            }
#pragma clang loop unroll(full)
            for (int i = 0; i < 4; i++) {
                if (across == 1) {
                    *(vector *)(out + (size_t)i * point_stride) = rows[i][0];
                    continue;
                }
                float *to = out + (size_t)(4 * i) * point_stride;
                *(vector *)to = rows[i][0];
                *(vector *)(to + point_stride) = rows[i][0] + rows[i][1];
                *(vector *)(to + 2 * point_stride) = rows[i][0] - rows[i][1];
                *(vector *)(to + 3 * point_stride) = -rows[i][1];
            }
        }
    }
}

/// Of the gradient of each tile's outputs, at four places of the source, the 16 points.
static void winograd_output_gradient(const float *source, const int32_t *places, size_t tiles, size_t vectors, float *out,
                                     size_t point_stride, bool is_line) {
    if (is_line) gradient_points(source, places, tiles, vectors, out, point_stride, 1);
    else gradient_points(source, places, tiles, vectors, out, point_stride, 2);
}

ALWAYS_INLINE void weight_points(const float *weight, size_t count, float *points, const ptrdiff_t *places,
                                 const int across) {
    for (size_t k = 0; k < count; k += VECTOR_FLOATS) {
        vector rows[4][3];
#pragma clang loop unroll(full)
        for (int j = 0; j < across; j++) {
            vector g[3];
#pragma clang loop unroll(full)
            for (int i = 0; i < 3; i++) g[i] = *(const vector *)(weight + (size_t)(across * i + j) * count + k);
            rows[0][j] = g[0];
            rows[1][j] = 0.5f * ((g[0] + g[2]) + g[1]);
            rows[2][j] = 0.5f * ((g[0] + g[2]) - g[1]);
            rows[3][j] = g[2];
        }
#pragma clang loop unroll(full)
        for (int i = 0; i < 4; i++) {
            vector *r = rows[i];
            if (across == 1) {
                if (places[i] >= 0) *(vector *)(points + places[i] + k) = r[0];
                continue;
            }
            vector u[4] = {r[0], 0.5f * ((r[0] + r[2]) + r[1]), 0.5f * ((r[0] + r[2]) - r[1]), r[2]};
#pragma clang loop unroll(full)
            for (int j = 0; j < 4; j++)
                if (places[4 * i + j] >= 0) *(vector *)(points + places[4 * i + j] + k) = u[j];
        }
    }
}

/// The 16 points of weights [9][count], a whole number of vectors, or the 4 of [3][count], each to its place; those whose place is
/// negative are left out.
static void winograd_weight(const float *weight, size_t count, float *points, const ptrdiff_t *places, bool is_line) {
    if (is_line) weight_points(weight, count, points, places, 1);
    else weight_points(weight, count, points, places, 3);
}

ALWAYS_INLINE void weight_of_points(const float *points, size_t count, float *weight, const int across) {
    for (size_t k = 0; k < count; k += VECTOR_FLOATS) {
        vector rows[3][4];
#pragma clang loop unroll(full)
        for (int j = 0; j < across; j++) {
            vector u[4];
#pragma clang loop unroll(full)
            for (int i = 0; i < 4; i++) u[i] = *(const vector *)(points + (size_t)(across * i + j) * count + k);
            rows[0][j] = u[0] + 0.5f * (u[1] + u[2]);
            rows[1][j] = 0.5f * (u[1] - u[2]);
            rows[2][j] = u[3] + 0.5f * (u[1] + u[2]);
        }
#pragma clang loop unroll(full)
        for (int i = 0; i < 3; i++) {
            vector *r = rows[i];
            if (across == 1) {
                *(vector *)(weight + (size_t)i * count + k) = r[0];
                continue;
            }
            float *to = weight + (size_t)(3 * i) * count + k;
            *(vector *)to = r[0] + 0.5f * (r[1] + r[2]);
            *(vector *)(to + count) = 0.5f * (r[1] - r[2]);
            *(vector *)(to + 2 * count) = r[3] + 0.5f * (r[1] + r[2]);
        }
    }
}

/// The gradient of weights [9][count] from that of their points [16][count], or of [3][count] from [4][count].
static void winograd_weight_gradient(const float *points, size_t count, float *weight, bool is_line) {
    if (is_line) weight_of_points(points, count, weight, 1);
    else weight_of_points(points, count, weight, 4);
}
