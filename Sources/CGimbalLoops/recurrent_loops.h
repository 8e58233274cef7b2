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
