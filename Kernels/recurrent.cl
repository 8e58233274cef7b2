// One step of a recurrent net's cell and its gradient; Backend.recurrentCell says what they compute.
//
// Work-group: 256 work-items in one dimension, one hidden unit of one row each. The columns of `gates` lie `size` apart.
//
//   CELL         0 tanh, 1 relu, 2 lstm, 3 gru. Default 2.
//   HAS_LENGTHS  1 where rows may have ended: they keep their state. Default 0.
//
// Where a cell has no memory of its own, `cell` and its like are any buffers.

#ifndef CELL
#define CELL 2
#endif
#ifndef HAS_LENGTHS
#define HAS_LENGTHS 0
#endif

#if CELL < 2
#define GATES 1
#else
#define GATES 4
#endif

#define LOGISTIC(x) (1.0f / (1.0f + exp(-(x))))

#if HAS_LENGTHS
#define LENGTH_PARAMETERS , __global const int *lengths, const ulong lengths_offset, const long length_stride, const int step
#define HAS_ENDED(row) (step >= lengths[lengths_offset + (long)(row) * length_stride])
#else
#define LENGTH_PARAMETERS
#define HAS_ENDED(row) 0
#endif

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void recurrent_cell(
    __global float *gates, const ulong gates_offset, __global const float *hidden, const ulong hidden_offset,
    __global const float *cell, const ulong cell_offset, __global float *new_hidden, const ulong new_hidden_offset,
    __global float *new_cell, const ulong new_cell_offset, const COUNT count, const COUNT size LENGTH_PARAMETERS) {
    const COUNT i = (COUNT)get_global_id(0);
    if (i >= count) return;
    const COUNT row = i / size;
    __global float *a = gates + gates_offset + row * GATES * size + (i - row * size);
    hidden += hidden_offset;
    new_hidden += new_hidden_offset;
    // Ended rows are computed like the others and then passed over: work-items that part ways gain nothing.
    const int has_ended = HAS_ENDED(row);
    const float before = hidden[i];
#if CELL == 0
    const float y = TANH(a[0]);
    a[0] = y;
#elif CELL == 1
    const float x = a[0], y = x < 0.0f ? 0.0f : x;
    a[0] = y;
#elif CELL == 2
    const float in = LOGISTIC(a[0]), forget = LOGISTIC(a[size]), candidate = TANH(a[2 * size]);
    const float out = LOGISTIC(a[3 * size]), remembered = cell[cell_offset + i];
    const float value = forget * remembered + in * candidate, y = out * TANH(value);
    a[0] = in;
    a[size] = forget;
    a[2 * size] = candidate;
    a[3 * size] = out;
    new_cell[new_cell_offset + i] = has_ended ? remembered : value;
#else
    const float reset = LOGISTIC(a[size]), update = LOGISTIC(a[2 * size]);
    const float candidate = TANH(a[0] + reset * a[3 * size]);
    const float y = candidate + update * (before - candidate);
    a[0] = candidate;
    a[size] = reset;
    a[2 * size] = update;
#endif
    new_hidden[i] = has_ended ? before : y;
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void recurrent_cell_gradient(
    __global const float *gates, const ulong gates_offset, __global const float *hidden, const ulong hidden_offset,
    __global const float *cell, const ulong cell_offset, __global const float *new_cell, const ulong new_cell_offset,
    __global const float *output_gradient, const ulong output_gradient_offset, __global float *gates_gradient,
    const ulong gates_gradient_offset, __global float *hidden_gradient, const ulong hidden_gradient_offset,
    __global float *cell_gradient, const ulong cell_gradient_offset, const COUNT count,
    const COUNT size LENGTH_PARAMETERS) {
    const COUNT i = (COUNT)get_global_id(0);
    if (i >= count) return;
    const COUNT row = i / size, place = row * GATES * size + (i - row * size);
    __global const float *a = gates + gates_offset + place;
    __global float *da = gates_gradient + gates_gradient_offset + place;
    __global float *dh = hidden_gradient + hidden_gradient_offset + i;
    const float g = *dh + output_gradient[output_gradient_offset + i];
    const int has_ended = HAS_ENDED(row);
#define LIVE(value) (has_ended ? 0.0f : (value))
#if CELL == 0
    da[0] = LIVE(g * (1.0f - a[0] * a[0]));
    const float passed = 0.0f;
#elif CELL == 1
    da[0] = LIVE(a[0] <= 0.0f ? 0.0f : g);
    const float passed = 0.0f;
#elif CELL == 2
    __global float *carried = cell_gradient + cell_gradient_offset + i;
    const float in = a[0], forget = a[size], candidate = a[2 * size], out = a[3 * size], later = *carried;
    const float squashed = TANH(new_cell[new_cell_offset + i]);
    const float gc = later + g * out * (1.0f - squashed * squashed);
    da[0] = LIVE(gc * candidate * in * (1.0f - in));
    da[size] = LIVE(gc * cell[cell_offset + i] * forget * (1.0f - forget));
    da[2 * size] = LIVE(gc * in * (1.0f - candidate * candidate));
    da[3 * size] = LIVE(g * squashed * out * (1.0f - out));
    *carried = has_ended ? later : gc * forget;
    const float passed = 0.0f;
#else
    const float candidate = a[0], reset = a[size], update = a[2 * size];
    const float gn = g * (1.0f - update) * (1.0f - candidate * candidate);
    da[0] = LIVE(gn);
    da[size] = LIVE(gn * a[3 * size] * reset * (1.0f - reset));
    da[2 * size] = LIVE(g * (hidden[hidden_offset + i] - candidate) * update * (1.0f - update));
    da[3 * size] = LIVE(gn * reset);
    const float passed = g * update;
#endif
    *dh = has_ended ? g : passed;
}
