// The gradient of a recurrent layer over many steps; Backend.recurrentSequenceGradient says what it computes,
// recurrent_groups.cl how the work is divided.
//
// Places `first` to before `last` of steps + 1 are visited. Place p adds to the gradient of the hidden state what the
// step visited before gives back through the weights, if there is one, and then differentiates the cells of the next
// step back, number steps - 1 - p in the order of computation, if there is one.

/// Values that are multiplied with the weights of a unit.
#define LENGTH (PRODUCTS * SIZE)

#if MASK
#define MASK_PARAMETERS , __global const float *mask, const ulong mask_offset
#else
#define MASK_PARAMETERS
#endif

/// What the gradient of one cell is made of.
typedef struct {
    float gates[GATES], hidden, cell, new_cell, output;
} Given;

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void recurrent_sequence_gradient(
    __global const float *gates, const ulong gates_offset, __global const float *states, const ulong states_offset,
    __global const float *cells, const ulong cells_offset, __global const float *weight, const ulong weight_offset,
    const long weight_row, const long weight_column, __global const float *output_gradient,
    const ulong output_gradient_offset, __global float *gates_gradient, const ulong gates_gradient_offset,
    __global float *hidden_gradient, const ulong hidden_gradient_offset, __global float *cell_gradient,
    const ulong cell_gradient_offset, const int batch, const int block_rows, const int steps, const int is_reversed,
    const int first, const int last MASK_PARAMETERS LENGTH_PARAMETERS MEETING_PARAMETERS) {
    __local float4 vectors[ROWS * PADDED / 4];
    __local float partials[ROWS * COLUMNS * DISTANCE];
    const int item = (int)get_local_id(0), block = (int)get_group_id(0) / SLICES;
    const int first_unit = (int)get_group_id(0) % SLICES * UNITS;
    const int first_row = block * block_rows, rows_end = min(first_row + block_rows, batch);
    const ulong state_distance = (ulong)batch * SIZE, gate_distance = (ulong)batch * GATES * SIZE;
    gates += gates_offset;
    states += states_offset;
    cells += cells_offset;
    output_gradient += output_gradient_offset;
    gates_gradient += gates_gradient_offset;
    hidden_gradient += hidden_gradient_offset;
    cell_gradient += cell_gradient_offset;
#if MASK
    mask += mask_offset;
#endif

    float weights[COLUMNS][DEPTH];
#pragma unroll
    for (int c = 0; c < COLUMNS; c++) {
        const int unit = first_unit + c * UNIT_GROUPS + item % UNIT_GROUPS;
#pragma unroll
        for (int i = 0; i < DEPTH; i++) {
            const int k = 4 * (i / 4 * PARTS + item / UNIT_GROUPS) + i % 4;
            weights[c][i] = HAS_WEIGHT(unit, k, LENGTH) ? WEIGHT(k, unit) : 0.0f;
        }
    }
    for (int i = item; i < ROWS * PADDED / 4; i += GROUP) vectors[i] = (float4)(0.0f);

    // The gradients of the state and the cell are the work-item's own, from step to step.
    float carried[CELLS_EACH], carried_cell[CELLS_EACH];
#define READ_CARRIED(chunk)                                                                                      \
    _Pragma("unroll") for (int j = 0; j < CELLS_EACH; j++) {                                                     \
        CELL_PLACE(j, chunk)                                                                                     \
        if (is_there) carried[j] = hidden_gradient[(ulong)row * SIZE + unit];                                    \
        if (is_there && CELL == 2) carried_cell[j] = cell_gradient[(ulong)row * SIZE + unit];                    \
    }
#define WRITE_CARRIED(chunk)                                                                                     \
    _Pragma("unroll") for (int j = 0; j < CELLS_EACH; j++) {                                                     \
        CELL_PLACE(j, chunk)                                                                                     \
        if (is_there) hidden_gradient[(ulong)row * SIZE + unit] = carried[j];                                    \
        if (is_there && CELL == 2) cell_gradient[(ulong)row * SIZE + unit] = carried_cell[j];                    \
    }
    // Read a turn ahead: memory takes longer than a step.
    Given ahead[CELLS_EACH];
#define READ_AHEAD(next_place, chunk)                                                                            \
    if ((next_place) < min(last, steps)) {                                                                       \
        const int step = STEP_AT(steps - 1 - (next_place));                                                      \
        const ulong before = SLOT_BEFORE(step) * state_distance, after = SLOT_AFTER(step) * state_distance;      \
        _Pragma("unroll") for (int j = 0; j < CELLS_EACH; j++) {                                                 \
            CELL_PLACE(j, chunk)                                                                                 \
            if (!is_there) continue;                                                                             \
            const ulong at = (ulong)row * SIZE + unit;                                                           \
            __global const float *a = gates + step * gate_distance + (ulong)row * GATES * SIZE + unit;           \
            _Pragma("unroll") for (int gate = 0; gate < GATES; gate++) ahead[j].gates[gate] = a[gate * SIZE];    \
            if (CELL == 3) ahead[j].hidden = states[before + at];                                                \
            if (CELL == 2) ahead[j].cell = cells[before + at];                                                   \
            if (CELL == 2) ahead[j].new_cell = cells[after + at];                                                \
            ahead[j].output = output_gradient[after + at];                                                       \
        }                                                                                                        \
    }
    READ_AHEAD(first, first_row)
    if (!HAS_CHUNKS) { READ_CARRIED(first_row) }
    barrier(CLK_LOCAL_MEM_FENCE);

    for (int place = first; place < last; place++) {
#if MEETS
        meet(meetings, ARRIVALS, place - first, item);
#endif
        // The barriers stand outside of any condition, though all work-items would agree: PoCL fails there.
        for (int chunk = first_row; chunk < rows_end; chunk += ROWS) {
            if (HAS_CHUNKS) { READ_CARRIED(chunk) }
            if (!KEEPS_VECTORS && place > 0) {
                __global const float *from = gates_gradient + STEP_AT(steps - place) * gate_distance
                    + (ulong)chunk * GATES * SIZE + FIRST_COLUMN;
                const int rows = min(ROWS, rows_end - chunk);
#if ALIGNED
#if GROUP > 256
#pragma unroll 2
#else
#pragma unroll 4
#endif
                for (int j = 0; j < (ROWS * LENGTH / 4 + GROUP - 1) / GROUP; j++) {
                    const int row = (item + j * GROUP) / (LENGTH / 4), k = (item + j * GROUP) % (LENGTH / 4);
                    if (row < rows) vectors[row * (PADDED / 4) + k] = fresh4(from + row * GATES * SIZE + 4 * k);
                }
#else
                for (int i = item; i < rows * LENGTH; i += GROUP) {
                    const int row = i / LENGTH, k = i % LENGTH;
                    ((__local float *)vectors)[row * PADDED + k] = fresh(from + row * GATES * SIZE + k);
                }
#endif
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            if (item < ITEMS) multiply(weights, vectors, partials, item);
            barrier(CLK_LOCAL_MEM_FENCE);
            if (place == 0) continue;
#pragma unroll
            for (int j = 0; j < CELLS_EACH; j++) {
                CELL_PLACE(j, chunk)
                if (!is_there) continue;
                float share = product_of(partials, in_row, 0, in_group);
#if MASK
                share *= mask[(ulong)row * SIZE + unit];
#endif
                carried[j] += share;
            }
            if (HAS_CHUNKS) { WRITE_CARRIED(chunk) }
        }
        if (place < steps) {
            const int step = STEP_AT(steps - 1 - place);
            for (int chunk = first_row; chunk < rows_end; chunk += ROWS) {
                if (HAS_CHUNKS) { READ_CARRIED(chunk) }
#pragma unroll
                for (int j = 0; j < CELLS_EACH; j++) {
                    CELL_PLACE(j, chunk)
                    if (!is_there) continue;
                    __global float *to = gates_gradient + step * gate_distance + (ulong)row * GATES * SIZE + unit;
                    const float *a = ahead[j].gates;
                    const float g = carried[j] + ahead[j].output;
                    const int has_ended = HAS_ENDED(row, step);
                    float d[GATES], passed = 0.0f;
#if CELL == 0
                    d[0] = g * (1.0f - a[0] * a[0]);
#elif CELL == 1
                    d[0] = a[0] <= 0.0f ? 0.0f : g;
#elif CELL == 2
                    const float squashed = TANH(ahead[j].new_cell);
                    const float gc = carried_cell[j] + g * a[3] * (1.0f - squashed * squashed);
                    d[0] = gc * a[2] * a[0] * (1.0f - a[0]);
                    d[1] = gc * ahead[j].cell * a[1] * (1.0f - a[1]);
                    d[2] = gc * a[0] * (1.0f - a[2] * a[2]);
                    d[3] = g * squashed * a[3] * (1.0f - a[3]);
                    carried_cell[j] = has_ended ? carried_cell[j] : gc * a[1];
#else
                    const float gn = g * (1.0f - a[2]) * (1.0f - a[0] * a[0]);
                    d[0] = gn;
                    d[1] = gn * a[3] * a[1] * (1.0f - a[1]);
                    d[2] = g * (ahead[j].hidden - a[0]) * a[2] * (1.0f - a[2]);
                    d[3] = gn * a[1];
                    passed = g * a[2];
#endif
                    carried[j] = has_ended ? g : passed;
#pragma unroll
                    for (int gate = 0; gate < GATES; gate++) {
                        const float x = has_ended ? 0.0f : d[gate];
                        to[gate * SIZE] = x;
#if KEEPS_VECTORS
                        const int product = gate - (GATES - PRODUCTS);
                        if (product >= 0) ((__local float *)vectors)[in_row * PADDED + product * SIZE + unit] = x;
#endif
                    }
                }
                if (HAS_CHUNKS) { WRITE_CARRIED(chunk) }
                if (HAS_CHUNKS && chunk + ROWS < rows_end) {
                    READ_AHEAD(place, chunk + ROWS)
                } else {
                    READ_AHEAD(place + 1, first_row)
                }
            }
        }
#if MEETS
        arrive(ARRIVALS, item);
#elif HAS_CHUNKS
        // A block of one group reads what it wrote.
        barrier(CLK_GLOBAL_MEM_FENCE);
#endif
    }
    if (!HAS_CHUNKS) { WRITE_CARRIED(first_row) }
#if MEETS
    leave(ARRIVALS, DEPARTURES, item);
#endif
}
