// One step of a recurrent net's cell and its gradient, row by row; Backend.recurrentCell says what they compute.

ALWAYS_INLINE float logistic(float x) { return 1.0f / (1.0f + vector_exp(-x)); }

/// Whether the sequence of `row` has ended before this step.
ALWAYS_INLINE bool has_ended(const struct gimbal_recurrent *s, size_t row) {
    return s->lengths && s->step >= s->lengths[(ptrdiff_t)row * s->length_stride];
}

#define EACH_UNIT _Pragma("clang loop vectorize(assume_safety)") for (size_t i = 0; i < size; i++)

static void recurrent_cell(const struct gimbal_recurrent *s, size_t first, size_t last) {
    size_t size = s->size, columns = s->gate_count * size;
    for (size_t row = first; row < last; row++) {
        const float *hidden = s->hidden + row * size;
        const float *cell = s->cell ? s->cell + row * size : NULL;
        float *new_hidden = s->new_hidden + row * size;
        float *new_cell = s->new_cell ? s->new_cell + row * size : NULL;
        float *a = s->gates + row * columns, *b = a + size, *c = b + size, *d = c + size;
        if (has_ended(s, row)) {
            memcpy(new_hidden, hidden, size * sizeof *hidden);
            if (new_cell) memcpy(new_cell, cell, size * sizeof *cell);
            continue;
        }
        switch (s->kind) {
        case gimbal_recurrent_tanh:
            EACH_UNIT new_hidden[i] = a[i] = vector_tanh(a[i]);
            break;
        case gimbal_recurrent_relu:
            EACH_UNIT {
                float y = a[i] < 0.0f ? 0.0f : a[i];
                new_hidden[i] = a[i] = y;
            }
            break;
        case gimbal_recurrent_lstm:
            EACH_UNIT {
                float in = logistic(a[i]), forget = logistic(b[i]), candidate = vector_tanh(c[i]), out = logistic(d[i]);
                float value = forget * cell[i] + in * candidate;
                a[i] = in;
                b[i] = forget;
                c[i] = candidate;
                d[i] = out;
                new_cell[i] = value;
                new_hidden[i] = out * vector_tanh(value);
            }
            break;
        case gimbal_recurrent_gru:
            EACH_UNIT {
                float reset = logistic(b[i]), update = logistic(c[i]), candidate = vector_tanh(a[i] + reset * d[i]);
                a[i] = candidate;
                b[i] = reset;
                c[i] = update;
                new_hidden[i] = candidate + update * (hidden[i] - candidate);
            }
            break;
        }
    }
}

static void recurrent_cell_gradient(const struct gimbal_recurrent *s, const float *output_gradient,
                                    float *gates_gradient, float *hidden_gradient, float *cell_gradient, size_t first,
                                    size_t last) {
    size_t size = s->size, columns = s->gate_count * size;
    for (size_t row = first; row < last; row++) {
        const float *a = s->gates + row * columns, *b = a + size, *c = b + size, *d = c + size;
        float *da = gates_gradient + row * columns, *db = da + size, *dc = db + size, *dd = dc + size;
        const float *arrived = output_gradient + row * size;
        float *dh = hidden_gradient + row * size;
        if (has_ended(s, row)) {
            memset(da, 0, columns * sizeof *da);
            EACH_UNIT dh[i] += arrived[i];
            continue;
        }
        switch (s->kind) {
        case gimbal_recurrent_tanh:
            EACH_UNIT {
                da[i] = (dh[i] + arrived[i]) * (1.0f - a[i] * a[i]);
                dh[i] = 0.0f;
            }
            break;
        case gimbal_recurrent_relu:
            EACH_UNIT {
                da[i] = a[i] <= 0.0f ? 0.0f : dh[i] + arrived[i];
                dh[i] = 0.0f;
            }
            break;
        case gimbal_recurrent_lstm: {
            const float *cell = s->cell + row * size, *new_cell = s->new_cell + row * size;
            float *carried = cell_gradient + row * size;
            EACH_UNIT {
                float in = a[i], forget = b[i], candidate = c[i], out = d[i];
                float squashed = vector_tanh(new_cell[i]), g = dh[i] + arrived[i];
                float gc = carried[i] + g * out * (1.0f - squashed * squashed);
                da[i] = gc * candidate * in * (1.0f - in);
                db[i] = gc * cell[i] * forget * (1.0f - forget);
                dc[i] = gc * in * (1.0f - candidate * candidate);
                dd[i] = g * squashed * out * (1.0f - out);
                carried[i] = gc * forget;
                dh[i] = 0.0f;
            }
            break;
        }
        case gimbal_recurrent_gru: {
            const float *hidden = s->hidden + row * size;
            EACH_UNIT {
                float candidate = a[i], reset = b[i], update = c[i], g = dh[i] + arrived[i];
                float gn = g * (1.0f - update) * (1.0f - candidate * candidate);
                da[i] = gn;
                db[i] = gn * d[i] * reset * (1.0f - reset);
                dc[i] = g * (hidden[i] - candidate) * update * (1.0f - update);
                dd[i] = gn * reset;
                dh[i] = g * update;
            }
            break;
        }
        }
    }
}

// The product of a step: a few rows by a matrix that stays the same for all steps, in panels laid out beforehand.

enum { recurrent_lanes = 16, recurrent_depth = 256 };
/// As many as keep their sums in registers.
#ifdef LEVEL_HAS_WIDE_REGISTERS
enum { recurrent_rows = 16 };
#else
enum { recurrent_rows = 4 };
#endif
typedef float recurrent_vector __attribute__((vector_size(sizeof(float) * recurrent_lanes), aligned(4)));

/// Panel p holds columns 16 p..<16 p + 16 of `matrix`, one row of them after the other, filled up with 0.
static void recurrent_pack(const float *matrix, ptrdiff_t row_stride, ptrdiff_t column_stride, size_t rows,
                           size_t columns, float *panels) {
    for (size_t start = 0; start < columns; start += recurrent_lanes) {
        size_t live = columns - start < recurrent_lanes ? columns - start : recurrent_lanes;
        for (size_t row = 0; row < rows; row++, panels += recurrent_lanes) {
            const float *source = matrix + (ptrdiff_t)row * row_stride + (ptrdiff_t)start * column_stride;
            for (size_t lane = 0; lane < live; lane++) panels[lane] = source[(ptrdiff_t)lane * column_stride];
            for (size_t lane = live; lane < recurrent_lanes; lane++) panels[lane] = 0.0f;
        }
    }
}

/// out += x · panel, for `rows` rows of x that lie `recurrent_depth` + 16 elements apart.
ALWAYS_INLINE void recurrent_tile(const float *x, const float *panel, size_t depth, float *out, ptrdiff_t out_stride,
                                  const int rows) {
    recurrent_vector sum[recurrent_rows];
#pragma clang loop unroll(full)
    for (int row = 0; row < rows; row++) sum[row] = *(const recurrent_vector *)(out + row * out_stride);
    for (size_t k = 0; k < depth; k++) {
        recurrent_vector column = *(const recurrent_vector *)(panel + k * recurrent_lanes);
#pragma clang loop unroll(full)
        for (int row = 0; row < rows; row++) sum[row] += x[row * (recurrent_depth + 16) + (ptrdiff_t)k] * column;
    }
#pragma clang loop unroll(full)
    for (int row = 0; row < rows; row++) *(recurrent_vector *)(out + row * out_stride) = sum[row];
}

static void recurrent_tile_of(const float *x, const float *panel, size_t depth, float *out, ptrdiff_t out_stride,
                              size_t rows) {
    for (; rows >= recurrent_rows; rows -= recurrent_rows) {
        recurrent_tile(x, panel, depth, out, out_stride, recurrent_rows);
        x += recurrent_rows * (recurrent_depth + 16);
        out += recurrent_rows * out_stride;
    }
#define REST(count)                                                                                                    \
    if (recurrent_rows > count && rows & count) {                                                                      \
        recurrent_tile(x, panel, depth, out, out_stride, count);                                                       \
        x += count * (recurrent_depth + 16);                                                                           \
        out += count * out_stride;                                                                                     \
    }
    REST(8)
    REST(4)
    REST(2)
    REST(1)
#undef REST
}

static void recurrent_product(const float *x, ptrdiff_t x_stride, const float *panels, size_t depth, size_t columns,
                              float *out, ptrdiff_t out_stride, size_t rows) {
    enum { block_rows = 16 };
    // Side by side, whatever their stride: rows a power of two apart would push each other out of the cache.
    float block[block_rows * (recurrent_depth + 16)] __attribute__((aligned(64)));
    for (size_t first = 0; first < rows; first += block_rows) {
        size_t count = rows - first < block_rows ? rows - first : block_rows;
        for (size_t start = 0; start < depth; start += recurrent_depth) {
            size_t length = depth - start < recurrent_depth ? depth - start : recurrent_depth;
            for (size_t row = 0; row < count; row++) {
                memcpy(block + row * (recurrent_depth + 16), x + (ptrdiff_t)(first + row) * x_stride + start,
                       length * sizeof *x);
            }
            for (size_t column = 0; column < columns; column += recurrent_lanes) {
                const float *panel = panels + column * depth + start * recurrent_lanes;
                float *target = out + (ptrdiff_t)first * out_stride + column;
                if (columns - column >= recurrent_lanes) {
                    recurrent_tile_of(block, panel, length, target, out_stride, count);
                    continue;
                }
                // The last panel, past the end of which `out` must not be touched.
                size_t live = columns - column;
                float edge[block_rows * recurrent_lanes] __attribute__((aligned(64))) = {0};
                for (size_t row = 0; row < count; row++) {
                    memcpy(edge + row * recurrent_lanes, target + (ptrdiff_t)row * out_stride, live * sizeof *edge);
                }
                recurrent_tile_of(block, panel, length, edge, recurrent_lanes, count);
                for (size_t row = 0; row < count; row++) {
                    memcpy(target + (ptrdiff_t)row * out_stride, edge + row * recurrent_lanes, live * sizeof *edge);
                }
            }
        }
    }
}
