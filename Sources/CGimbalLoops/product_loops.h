// Matrix products, whose operands are laid out beforehand so that the innermost loop reads them one after another
// (Goto and van de Geijn 2008, Anatomy of High-Performance Matrix Multiplication): columns of y in panels of a few
// vectors, rows of x in strips of as many as keep their sums in registers.
//
// An element of the output is a sum of blocks of `product_depth` along the depth, each summed in order. So its bits do not
// depend on the rectangle that is computed at once.

enum {
#ifdef LEVEL_HAS_WIDE_REGISTERS
    strip_rows = 8,
    panel_vectors = 3,
#else
    strip_rows = 6,
    panel_vectors = 2,
#endif
    panel_columns = panel_vectors * VECTOR_FLOATS,
    product_depth = 512,
    // Strips of so many rows and so many panels are laid out at a time: about half of a second-level cache, and 2 MB.
    product_rows = 8 * strip_rows,
    product_columns = 20 * panel_columns,
    // So few rows, or columns, that laying the other side out costs more than reading it where it is.
    rows_for_panels = 128,
    columns_for_strips = 2 * panel_columns,
    // How far ahead along the depth y is asked for.
    ahead = 16,
};

/// Which products are faster by these loops than by OpenBLAS: those of no more rows. Its AVX2 kernels are a little ahead for
/// the rest; against those for older processors nothing was measured.
enum { product_most_rows = VECTOR_BYTES == 64 ? INT32_MAX : VECTOR_BYTES == 32 ? 32 : 0 };

// MARK: Laying out

// Of each four floats of two vectors the same four; those of the second are numbered from `second`.
enum { second = VECTOR_BYTES / 4 };
#if VECTOR_BYTES == 64
#define OF_EACH_FOUR(x, y, a, b, c, d)                                                                                 \
    __builtin_shufflevector(x, y, a, b, c, d, a + 4, b + 4, c + 4, d + 4, a + 8, b + 8, c + 8, d + 8, a + 12, b + 12,  \
                            c + 12, d + 12)
#elif VECTOR_BYTES == 32
#define OF_EACH_FOUR(x, y, a, b, c, d) __builtin_shufflevector(x, y, a, b, c, d, a + 4, b + 4, c + 4, d + 4)
#else
#define OF_EACH_FOUR(x, y, a, b, c, d) __builtin_shufflevector(x, y, a, b, c, d)
#endif

/// Four floats from each of as many places, `stride` apart, as fill a vector.
ALWAYS_INLINE vector quads(const float *source, ptrdiff_t stride) {
    vector result;
#pragma clang loop unroll(full)
    for (int i = 0; i < VECTOR_BYTES / 16; i++) ((quad *)&result)[i] = *(const quad *)(source + i * stride);
    return result;
}

/// Lays lanes of a vector, each of which lies along the depth, `stride` from the next, out as [depth][width]. Where `fetches_next`,
/// the lanes after these are asked for, which no prefetcher of the processor sees coming.
ALWAYS_INLINE void transpose_vector(const float *source, ptrdiff_t stride, size_t depth, size_t width, float *out,
                                    const bool fetches_next) {
    size_t k = 0;
    for (; k + 4 <= depth; k += 4, out += 4 * width) {
#pragma clang loop unroll(full)
        for (int i = 0; i < 4 && fetches_next; i++)
            __builtin_prefetch(source + (VECTOR_FLOATS + (ptrdiff_t)(k % 16) + i) * stride + (k & ~(size_t)15));
        vector a = quads(source + k, 4 * stride), b = quads(source + stride + k, 4 * stride);
        vector c = quads(source + 2 * stride + k, 4 * stride), d = quads(source + 3 * stride + k, 4 * stride);
        vector ab = OF_EACH_FOUR(a, b, 0, second, 1, second + 1), ab2 = OF_EACH_FOUR(a, b, 2, second + 2, 3, second + 3);
        vector cd = OF_EACH_FOUR(c, d, 0, second, 1, second + 1), cd2 = OF_EACH_FOUR(c, d, 2, second + 2, 3, second + 3);
        *(vector *)out = OF_EACH_FOUR(ab, cd, 0, 1, second, second + 1);
        *(vector *)(out + width) = OF_EACH_FOUR(ab, cd, 2, 3, second + 2, second + 3);
        *(vector *)(out + 2 * width) = OF_EACH_FOUR(ab2, cd2, 0, 1, second, second + 1);
        *(vector *)(out + 3 * width) = OF_EACH_FOUR(ab2, cd2, 2, 3, second + 2, second + 3);
    }
    for (; k < depth; k++, out += width)
        for (int lane = 0; lane < VECTOR_FLOATS; lane++) out[lane] = source[lane * stride + (ptrdiff_t)k];
}

/// The same of any number of lanes.
ALWAYS_INLINE void transpose(const float *source, ptrdiff_t stride, size_t depth, size_t lanes, size_t width, float *out) {
    size_t lane = 0;
    for (; lane + 4 <= lanes; lane += 4, source += 4 * stride) {
        float *to = out + lane;
        size_t k = 0;
        for (; k + 4 <= depth; k += 4, to += 4 * width) {
            quad a = *(const quad *)(source + k), b = *(const quad *)(source + stride + k);
            quad c = *(const quad *)(source + 2 * stride + k), d = *(const quad *)(source + 3 * stride + k);
            quad ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab2 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
            quad cd = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd2 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
            *(quad *)to = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
            *(quad *)(to + width) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
            *(quad *)(to + 2 * width) = __builtin_shufflevector(ab2, cd2, 0, 1, 4, 5);
            *(quad *)(to + 3 * width) = __builtin_shufflevector(ab2, cd2, 2, 3, 6, 7);
        }
        for (; k < depth; k++, to += width)
            for (int i = 0; i < 4; i++) to[i] = source[i * stride + (ptrdiff_t)k];
    }
    for (; lane < lanes; lane++, source += stride)
        for (size_t k = 0; k < depth; k++) out[k * width + lane] = source[k];
}

/// Columns that lie side by side, the last vector of which has `live`.
ALWAYS_INLINE void copy_columns(const float *y, ptrdiff_t stride, size_t depth, size_t live, float *panel,
                                const int vectors) {
    size_t last = (size_t)(vectors - 1) * VECTOR_FLOATS;
    for (size_t k = 0; k < depth; k++, y += stride, panel += last + VECTOR_FLOATS) {
#pragma clang loop unroll(full)
        for (int v = 0; v + 1 < vectors; v++)
            *(vector *)(panel + v * VECTOR_FLOATS) = *(const vector *)(y + v * VECTOR_FLOATS);
        *(vector *)(panel + last) = load_part(y + last, live);
    }
}

/// Lays columns of y out as [depth][vectors], filled up with zeros.
static void lay_panel(const float *y, ptrdiff_t depth_stride, ptrdiff_t column_stride, size_t depth, size_t columns,
                      float *panel) {
    size_t vectors = (columns + VECTOR_FLOATS - 1) / VECTOR_FLOATS, width = vectors * VECTOR_FLOATS;
    if (column_stride == 1) {
        size_t live = columns - (width - VECTOR_FLOATS);
        if (vectors == 1) copy_columns(y, depth_stride, depth, live, panel, 1);
        else if (vectors == 2) copy_columns(y, depth_stride, depth, live, panel, 2);
        else copy_columns(y, depth_stride, depth, live, panel, panel_vectors);
        return;
    }
    size_t lane = 0;
    for (; lane + VECTOR_FLOATS <= columns; lane += VECTOR_FLOATS)
        transpose_vector(y + (ptrdiff_t)lane * column_stride, column_stride, depth, width, panel + lane, false);
    transpose(y + (ptrdiff_t)lane * column_stride, column_stride, depth, columns - lane, width, panel + lane);
    if (columns == width) return;
    for (size_t k = 0; k < depth; k++)
        for (size_t empty = columns; empty < width; empty++) panel[k * width + empty] = 0.0f;
}

/// Lays rows of x out in strips, each as [depth][rows].
static void lay_strips(const float *x, ptrdiff_t row_stride, ptrdiff_t depth_stride, size_t depth, size_t rows,
                       float *strips) {
    size_t whole = rows / strip_rows * strip_rows, rest = rows - whole;
    if (row_stride != 1) {
        for (size_t m = 0; m < whole; m += strip_rows)
            transpose(x + (ptrdiff_t)m * row_stride, row_stride, depth, strip_rows, strip_rows, strips + m * depth);
        transpose(x + (ptrdiff_t)whole * row_stride, row_stride, depth, rest, rest, strips + whole * depth);
        return;
    }
    for (size_t k = 0; k < depth; k++, x += depth_stride) {
        for (size_t m = 0; m < whole; m += strip_rows) {
            float *to = strips + m * depth + k * strip_rows;
#pragma clang loop unroll(full)
            for (int i = 0; i < strip_rows / 4 * 4; i += 4) *(quad *)(to + i) = *(const quad *)(x + m + i);
#pragma clang loop unroll(full)
            for (int i = strip_rows / 4 * 4; i < strip_rows; i++) to[i] = x[m + i];
        }
        for (size_t m = 0; m < rest; m++) strips[whole * depth + k * rest + m] = x[whole + m];
    }
}

// MARK: Tiles

/// A tile of the output, and where its operands are: x a strip, or rows `x_row` apart.
struct product_tile {
    const float *x, *y;
    ptrdiff_t x_row, y_stride;
    size_t depth;
    float *out;
    ptrdiff_t out_stride;
    /// Columns of the last vector.
    size_t live;
    float scale;
    bool accumulates;
    const float *bias;
};

ALWAYS_INLINE void compute_tile(const struct product_tile *t, const int rows, const int vectors, const bool is_strip) {
    vector sums[strip_rows][panel_vectors];
    const float *x[strip_rows], *y = t->y;
    ptrdiff_t y_stride = t->y_stride;
#pragma clang loop unroll(full)
    for (int m = 0; m < rows; m++) {
        x[m] = t->x + m * t->x_row;
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) sums[m][v] = (vector){0};
    }
    for (size_t k = 0, depth = t->depth; k < depth; k++, y += y_stride) {
        vector columns[panel_vectors];
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            columns[v] = *(const vector *)(y + v * VECTOR_FLOATS);
            __builtin_prefetch(y + ahead * y_stride + v * VECTOR_FLOATS);
        }
#pragma clang loop unroll(full)
        for (int m = 0; m < rows; m++) {
            float element = is_strip ? x[0][k * (size_t)rows + (size_t)m] : x[m][k];
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) sums[m][v] += element * columns[v];
        }
    }
#pragma clang loop unroll(full)
    for (int m = 0; m < rows; m++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            float *to = t->out + m * t->out_stride + v * VECTOR_FLOATS;
            size_t live = v + 1 < vectors ? VECTOR_FLOATS : t->live;
            vector value = t->scale * sums[m][v];
            if (t->accumulates) value += load_part(to, live);
            if (t->bias) value += load_part(t->bias + v * VECTOR_FLOATS, live);
            store_part(to, value, live);
        }
    }
}

#define TILE(kind, rows, vectors)                                                                                      \
    static void kind##_tile_##rows##_##vectors(const struct product_tile *t) {                                         \
        if (rows <= strip_rows && vectors <= panel_vectors) compute_tile(t, rows, vectors, is_##kind);                 \
    }
#define TILES(kind, rows) TILE(kind, rows, 1) TILE(kind, rows, 2) TILE(kind, rows, 3)
#define ALL_TILES(kind)                                                                                                \
    TILES(kind, 1) TILES(kind, 2) TILES(kind, 3) TILES(kind, 4) TILES(kind, 5) TILES(kind, 6) TILES(kind, 7) TILES(kind, 8)
enum { is_rows = 0, is_strip = 1 };
ALL_TILES(rows)
ALL_TILES(strip)
#define NAMES(kind, rows) {kind##_tile_##rows##_1, kind##_tile_##rows##_2, kind##_tile_##rows##_3}
#define ALL_NAMES(kind)                                                                                                \
    {NAMES(kind, 1), NAMES(kind, 2), NAMES(kind, 3), NAMES(kind, 4),                                                   \
     NAMES(kind, 5), NAMES(kind, 6), NAMES(kind, 7), NAMES(kind, 8)}
/// By whether x is laid out, rows and vectors.
static void (*const product_tiles[2][8][3])(const struct product_tile *) = {ALL_NAMES(rows), ALL_NAMES(strip)};

// MARK: Products

/// Columns of y that are read by so few rows of x, and fill whole vectors, are read where they are.
ALWAYS_INLINE bool needs_panel(const struct gimbal_matrix_product *p, size_t rows, size_t columns) {
    return p->y_column != 1 || rows > rows_for_panels || columns % VECTOR_FLOATS != 0;
}

/// The same to the bit, element by element, where there is no memory to lay operands out.
static void plain_product(const struct gimbal_matrix_product *p, size_t rows, size_t columns) {
    for (size_t n = 0; n < columns; n++) {
        size_t first = n / panel_columns * panel_columns;
        const float *y = p->panels ? p->panels + first * p->depth + (n - first) : p->y + (ptrdiff_t)n * p->y_column;
        ptrdiff_t step = p->panels ? (ptrdiff_t)padded(at_most(columns - first, panel_columns)) : p->y_depth;
        for (size_t m = 0; m < rows; m++) {
            const float *x = p->x + (ptrdiff_t)m * p->x_row;
            float *to = p->out + (ptrdiff_t)m * p->out_stride + n;
            for (size_t k0 = 0; k0 < p->depth; k0 += product_depth) {
                size_t end = at_most(p->depth, k0 + product_depth);
                float sum = 0.0f;
                // Vectors of products, summed in order, would be rounded twice where tiles fuse both.
#pragma clang loop vectorize(disable) interleave(disable)
                for (size_t k = k0; k < end; k++) sum += x[(ptrdiff_t)k * p->x_depth] * y[(ptrdiff_t)k * step];
                float value = p->scale * sum;
                if (p->accumulates || k0 > 0) value += *to;
                if (p->bias && end == p->depth) value += p->bias[n];
                *to = value;
            }
        }
    }
}

static void matrix_product(const struct gimbal_matrix_product *p, size_t rows, size_t columns) {
    bool has_strips = p->x_depth != 1 || columns > columns_for_strips;
    size_t most_depth = at_most(p->depth, product_depth), most_columns = at_most(padded(columns), product_columns);
    float *panels = NULL, *strips = NULL;
    if (has_strips || (!p->panels && needs_panel(p, rows, columns))) {
        panels = gimbal_thread_memory(most_depth * (most_columns + at_most(rows, product_rows)) * sizeof *panels);
        if (!panels) return plain_product(p, rows, columns);
        strips = panels + most_depth * most_columns;
    }
    for (size_t n0 = 0; n0 < columns; n0 += product_columns) {
        size_t width = at_most(columns - n0, product_columns);
        for (size_t k0 = 0; k0 < p->depth; k0 += product_depth) {
            size_t depth = at_most(p->depth - k0, product_depth);
            const float *y = p->y + (ptrdiff_t)k0 * p->y_depth + (ptrdiff_t)n0 * p->y_column;
            struct product_tile tile = {
                .x_row = p->x_row,
                .depth = depth,
                .out_stride = p->out_stride,
                .scale = p->scale,
                .accumulates = p->accumulates || k0 > 0,
            };
            for (size_t m0 = 0; m0 < rows; m0 += product_rows) {
                size_t height = at_most(rows - m0, product_rows);
                const float *x = p->x + (ptrdiff_t)m0 * p->x_row + (ptrdiff_t)k0 * p->x_depth;
                if (has_strips) lay_strips(x, p->x_row, p->x_depth, depth, height, strips);
                for (size_t n = 0; n < width; n += panel_columns) {
                    size_t live = at_most(width - n, panel_columns), vectors = padded(live) / VECTOR_FLOATS;
                    tile.live = live - (vectors - 1) * VECTOR_FLOATS;
                    tile.bias = p->bias && k0 + depth == p->depth ? p->bias + n0 + n : NULL;
                    tile.y = y + (ptrdiff_t)n * p->y_column;
                    tile.y_stride = p->y_depth;
                    if (p->panels) {
                        tile.y = p->panels + (n0 + n) * p->depth + k0 * padded(live);
                        tile.y_stride = (ptrdiff_t)padded(live);
                    } else if (needs_panel(p, rows, live)) {
                        // The first block of rows lays it out for all.
                        float *panel = panels + n * depth;
                        if (m0 == 0) lay_panel(tile.y, p->y_depth, p->y_column, depth, live, panel);
                        tile.y = panel;
                        tile.y_stride = (ptrdiff_t)padded(live);
                    }
                    for (size_t m = 0; m < height; m += strip_rows) {
                        tile.x = has_strips ? strips + m * depth : x + (ptrdiff_t)m * p->x_row;
                        tile.out = p->out + (ptrdiff_t)(m0 + m) * p->out_stride + n0 + n;
                        product_tiles[has_strips][at_most(height - m, strip_rows) - 1][vectors - 1](&tile);
                    }
                }
            }
        }
    }
}
