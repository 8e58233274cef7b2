// Convolutions of planes whose channels lie side by side, [position][channel].
//
// A target's outputs are a sum over the elements of the kernel, each of which meets a run of channels at one position of
// the source; elements that are neighbours in both give one run. Rows are targets that meet the same elements at the same
// distances, whichever image they are of, so that nothing outside an image is read or multiplied. So a convolution is
//
//   sums[row][lane] = Σ over runs, and k within one:  source[row's place + run's place + k] panel[run's place + k][lane]
//
// and the gradient of the weight, for each element of the kernel, a sum over the positions that meet it
//
//   sums[row][lane] += Σₚ left[p's place + row] right[p's other place + lane].
//
// Both keep a tile of the sums in registers. An element's sum is in order, whatever tile it is in; that of a gradient is one
// of sums over a few hundred positions each, which rounds off less than a single long one.

enum {
#ifdef LEVEL_HAS_WIDE_REGISTERS
    gathered_vectors = 4,
    gathered_rows = 8,
    // With as many vectors as there may be, so many rows.
    gathered_rows_of_most = 6,
#else
    gathered_vectors = 2,
    gathered_rows = 6,
    gathered_rows_of_most = 6,
#endif
    gathered_lanes = gathered_vectors * VECTOR_FLOATS,
};

ALWAYS_INLINE size_t rows_at_once(size_t vectors) {
    return vectors == gathered_vectors ? gathered_rows_of_most : gathered_rows;
}

ALWAYS_INLINE void gather_tile(const struct gimbal_gathered_product *g, const int32_t *places, const int rows,
                               const int vectors) {
    vector sums[gathered_rows][gathered_vectors];
    const float *x[gathered_rows];
#pragma clang loop unroll(full)
    for (int m = 0; m < rows; m++) {
        x[m] = g->source + places[2 * m];
        const float *from = g->accumulates ? g->sums + places[2 * m + 1] : g->bias;
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) sums[m][v] = *(const vector *)(from + v * VECTOR_FLOATS);
    }
    for (size_t r = 0; r < g->run_count; r++) {
        const float *panel = g->panel + (ptrdiff_t)g->runs[r].panel * vectors * VECTOR_FLOATS;
        ptrdiff_t first = g->runs[r].source, last = first + g->runs[r].count;
        for (ptrdiff_t k = first; k < last; k++, panel += vectors * VECTOR_FLOATS) {
            vector columns[gathered_vectors];
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) columns[v] = *(const vector *)(panel + v * VECTOR_FLOATS);
#pragma clang loop unroll(full)
            for (int m = 0; m < rows; m++) {
                float element = x[m][k];
#pragma clang loop unroll(full)
                for (int v = 0; v < vectors; v++) sums[m][v] += element * columns[v];
            }
        }
    }
#pragma clang loop unroll(full)
    for (int m = 0; m < rows; m++) {
        float *to = g->sums + places[2 * m + 1];
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) *(vector *)(to + v * VECTOR_FLOATS) = sums[m][v];
    }
}

ALWAYS_INLINE void outer_tile(const struct gimbal_gathered_outer *g, size_t row, const int rows, const int vectors) {
    vector sums[gathered_rows][gathered_vectors];
    float *to = g->sums + row * (size_t)(vectors * VECTOR_FLOATS);
#pragma clang loop unroll(full)
    for (int m = 0; m < rows; m++)
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) sums[m][v] = (vector){0};
    const float *left = g->left + row, *right = g->right;
    for (const int32_t *p = g->places, *end = p + 2 * g->count; p < end; p += 2) {
        const float *x = left + p[0], *y = right + p[1];
        vector columns[gathered_vectors];
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) columns[v] = *(const vector *)(y + v * VECTOR_FLOATS);
#pragma clang loop unroll(full)
        for (int m = 0; m < rows; m++) {
            float element = x[m];
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) sums[m][v] += element * columns[v];
        }
    }
#pragma clang loop unroll(full)
    for (int m = 0; m < rows; m++)
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) *(vector *)(to + (m * vectors + v) * VECTOR_FLOATS) += sums[m][v];
}

#define GATHER(rows, vectors)                                                                                          \
    static void gather_##rows##_##vectors(const struct gimbal_gathered_product *g, const int32_t *places) {            \
        if (rows <= gathered_rows && vectors <= gathered_vectors) gather_tile(g, places, rows, vectors);               \
    }                                                                                                                  \
    static void outer_##rows##_##vectors(const struct gimbal_gathered_outer *g, size_t row) {                          \
        if (rows <= gathered_rows && vectors <= gathered_vectors) outer_tile(g, row, rows, vectors);                   \
    }
#define EACH_GATHER(rows) GATHER(rows, 1) GATHER(rows, 2) GATHER(rows, 3) GATHER(rows, 4)
EACH_GATHER(1) EACH_GATHER(2) EACH_GATHER(3) EACH_GATHER(4) EACH_GATHER(5) EACH_GATHER(6) EACH_GATHER(7) EACH_GATHER(8)
#define GATHER_NAMES(kind, rows) {kind##_##rows##_1, kind##_##rows##_2, kind##_##rows##_3, kind##_##rows##_4}
#define ALL_GATHER_NAMES(kind)                                                                                         \
    {GATHER_NAMES(kind, 1), GATHER_NAMES(kind, 2), GATHER_NAMES(kind, 3), GATHER_NAMES(kind, 4),                       \
     GATHER_NAMES(kind, 5), GATHER_NAMES(kind, 6), GATHER_NAMES(kind, 7), GATHER_NAMES(kind, 8)}
/// By rows and vectors.
static void (*const gather_tiles[8][4])(const struct gimbal_gathered_product *, const int32_t *) = ALL_GATHER_NAMES(gather);
static void (*const outer_tiles[8][4])(const struct gimbal_gathered_outer *, size_t) = ALL_GATHER_NAMES(outer);

static void gathered_product(const struct gimbal_gathered_product *g, const int32_t *places, size_t rows) {
    size_t vectors = g->lanes / VECTOR_FLOATS, most = rows_at_once(vectors);
    // As equal tiles as can be: one of few rows keeps the multipliers waiting for the panel.
    for (size_t tiles = (rows + most - 1) / most; tiles > 0; tiles--) {
        size_t count = (rows + tiles - 1) / tiles;
        gather_tiles[count - 1][vectors - 1](g, places);
        places += 2 * count;
        rows -= count;
    }
}

static void gathered_outer(const struct gimbal_gathered_outer *g, size_t rows, size_t lanes) {
    size_t vectors = lanes / VECTOR_FLOATS, most = rows_at_once(vectors);
    for (size_t tiles = (rows + most - 1) / most, row = 0; tiles > 0; tiles--) {
        size_t count = (rows - row + tiles - 1) / tiles;
        outer_tiles[count - 1][vectors - 1](g, row);
        row += count;
    }
}

/// The transpose of a matrix [lanes][depth], rows `stride` apart, as [depth][lanes], rows `width` apart.
static void transposed(const float *source, size_t stride, size_t depth, size_t lanes, float *out, size_t width,
                       bool accumulates) {
    enum { side = 16 };
    if (accumulates) {
        // By blocks, which are added from the first-level cache.
        float block[side * side];
        for (size_t lane = 0; lane < lanes; lane += side) {
            size_t across = at_most(lanes - lane, side);
            for (size_t k = 0; k < depth; k += side) {
                size_t down = at_most(depth - k, side);
                transposed(source + lane * stride + k, stride, down, across, block, side, false);
                for (size_t i = 0; i < down; i++)
                    for (size_t j = 0; j < across; j++) out[(k + i) * width + lane + j] += block[i * side + j];
            }
        }
        return;
    }
    size_t lane = 0;
    for (; lane + VECTOR_FLOATS <= lanes; lane += VECTOR_FLOATS)
        transpose_vector(source + lane * stride, (ptrdiff_t)stride, depth, width, out + lane, true);
    transpose(source + lane * stride, (ptrdiff_t)stride, depth, lanes - lane, width, out + lane);
}
