// A recurrent layer over many steps; Backend.recurrentSequence says what it computes, recurrent_groups.cl how the work
// is divided. Steps number `first` to before `last`, in the order of computation, are computed.
//
// A step: the products of the states with the weights are made in parts; each work-item adds the parts of some gates to
// what the gates hold and applies their functions; then the cells are computed.

/// How many of the gates of a chunk each work-item computes, and which its number j is; `is_there` where there is one.
#define GATES_EACH ((ROWS * PRODUCTS * UNITS + GROUP - 1) / GROUP)
#define GATE_PLACE(j, chunk)                                                                                     \
    const int gate = item + (j) * GROUP, product = gate / UNITS % PRODUCTS, in_group = gate % UNITS;              \
    const int in_row = gate / (PRODUCTS * UNITS), row = (chunk) + in_row, unit = first_unit + in_group;          \
    const int is_there = in_row < ROWS && row < rows_end && (SIZE % UNITS == 0 || unit < SIZE);

#if MASK
#define MASK_PARAMETERS                                                                                          \
    , __global const float *mask, const ulong mask_offset, __global float *masked, const ulong masked_offset
#else
#define MASK_PARAMETERS
#endif

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void recurrent_sequence(
    __global float *gates, const ulong gates_offset, __global float *states, const ulong states_offset,
    __global float *cells, const ulong cells_offset, __global const float *weight, const ulong weight_offset,
    const long weight_row, const long weight_column, const int batch, const int block_rows, const int steps,
    const int is_reversed, const int first, const int last MASK_PARAMETERS LENGTH_PARAMETERS MEETING_PARAMETERS) {
    __local float4 vectors[ROWS * PADDED / 4];
    __local float partials[ROWS * COLUMNS * DISTANCE];
    __local float activations[ROWS * PRODUCTS * UNITS];
    const int item = (int)get_local_id(0), block = (int)get_group_id(0) / SLICES;
    const int first_unit = (int)get_group_id(0) % SLICES * UNITS;
    const int first_row = block * block_rows, rows_end = min(first_row + block_rows, batch);
    const ulong state_distance = (ulong)batch * SIZE, gate_distance = (ulong)batch * GATES * SIZE;
    gates += gates_offset;
    states += states_offset;
    cells += cells_offset;
#if MASK
    mask += mask_offset;
    masked += masked_offset;
#endif

    float weights[COLUMNS][DEPTH];
#pragma unroll
    for (int c = 0; c < COLUMNS; c++) {
        const int unit = first_unit + c % WORK_UNITS * UNIT_GROUPS + item % UNIT_GROUPS;
        const int row = c / WORK_UNITS * SIZE + unit;
#pragma unroll
        for (int i = 0; i < DEPTH; i++) {
            const int k = 4 * (i / 4 * PARTS + item / UNIT_GROUPS) + i % 4;
            weights[c][i] = HAS_WEIGHT(unit, k, SIZE) ? WEIGHT(row, k) : 0.0f;
        }
    }
    for (int i = item; i < ROWS * PADDED / 4; i += GROUP) vectors[i] = (float4)(0.0f);

    // What the gates hold is read a turn ahead: memory takes longer than a step.
    float ahead[GATES_EACH], ahead_candidate[CELLS_EACH];
#define READ_AHEAD(next_step, chunk)                                                                             \
    {                                                                                                            \
        __global const float *from = gates + (ulong)(next_step) * gate_distance;                                 \
        _Pragma("unroll") for (int j = 0; j < GATES_EACH; j++) {                                                 \
            GATE_PLACE(j, chunk)                                                                                 \
            if (is_there) ahead[j] = from[((ulong)row * GATES + product) * SIZE + FIRST_COLUMN + unit];          \
        }                                                                                                        \
        if (CELL == 3) {                                                                                         \
            _Pragma("unroll") for (int j = 0; j < CELLS_EACH; j++) {                                             \
                CELL_PLACE(j, chunk)                                                                             \
                if (is_there) ahead_candidate[j] = from[(ulong)row * GATES * SIZE + unit];                       \
            }                                                                                                    \
        }                                                                                                        \
    }
    // The states of its cells are the work-item's own, from step to step.
    float state[CELLS_EACH], memory[CELLS_EACH];
#define READ_STATES(slot, chunk)                                                                                 \
    _Pragma("unroll") for (int j = 0; j < CELLS_EACH; j++) {                                                     \
        CELL_PLACE(j, chunk)                                                                                     \
        if (is_there) {                                                                                          \
            const ulong place = (slot) * state_distance + (ulong)row * SIZE + unit;                              \
            if (CELL == 3 || HAS_LENGTHS) state[j] = states[place];                                              \
            if (CELL == 2) memory[j] = cells[place];                                                             \
        }                                                                                                        \
    }
    READ_AHEAD(STEP_AT(first), first_row)
    if (!HAS_CHUNKS) { READ_STATES((ulong)SLOT_BEFORE(STEP_AT(first)), first_row) }
    barrier(CLK_LOCAL_MEM_FENCE);

    for (int index = first; index < last; index++) {
        const int step = STEP_AT(index);
        const ulong before = (ulong)SLOT_BEFORE(step), after = (ulong)SLOT_AFTER(step);
#if MEETS
        meet(meetings, ARRIVALS, index - first, item);
#endif
        for (int chunk = first_row; chunk < rows_end; chunk += ROWS) {
            if (HAS_CHUNKS) { READ_STATES(before, chunk) }
            if (!KEEPS_VECTORS || index == first) {
                __global const float *from = states + before * state_distance + (ulong)chunk * SIZE;
                const int count = min(ROWS, rows_end - chunk) * SIZE;
#if ALIGNED && !MASK
#pragma unroll 4
                for (int j = 0; j < (ROWS * SIZE / 4 + GROUP - 1) / GROUP; j++) {
                    const int i = item + j * GROUP;
                    if (i < count / 4) vectors[i / (SIZE / 4) * (PADDED / 4) + i % (SIZE / 4)] = fresh4(from + 4 * i);
                }
#else
                for (int i = item; i < count; i += GROUP) {
                    const int k = i % SIZE;
                    float x = fresh(from + i);
#if MASK
                    x *= mask[(ulong)chunk * SIZE + i];
                    if (k >= first_unit && k < first_unit + UNITS)
                        masked[(ulong)step * state_distance + (ulong)chunk * SIZE + i] = x;
#endif
                    ((__local float *)vectors)[i / SIZE * PADDED + k] = x;
                }
#endif
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            if (item < ITEMS) multiply(weights, vectors, partials, item);
            barrier(CLK_LOCAL_MEM_FENCE);

            __global float *here = gates + (ulong)step * gate_distance;
#pragma unroll
            for (int j = 0; j < GATES_EACH; j++) {
                GATE_PLACE(j, chunk)
                if (is_there) {
                    const float x = ahead[j] + product_of(partials, in_row, product, in_group);
                    float y;
#if CELL == 0
                    y = TANH(x);
#elif CELL == 1
                    y = x < 0.0f ? 0.0f : x;
#elif CELL == 2
                    if (product == 2) {
                        y = TANH(x);
                    } else {
                        y = LOGISTIC(x);
                    }
#else
                    y = product == 2 ? x : LOGISTIC(x);
#endif
                    here[((ulong)row * GATES + product) * SIZE + FIRST_COLUMN + unit] = y;
                    activations[gate] = y;
                }
            }
            float candidate_share[CELLS_EACH];
#pragma unroll
            for (int j = 0; j < CELLS_EACH; j++) candidate_share[j] = ahead_candidate[j];
            if (HAS_CHUNKS && chunk + ROWS < rows_end) {
                READ_AHEAD(step, chunk + ROWS)
            } else if (index + 1 < last) {
                READ_AHEAD(STEP_AT(index + 1), first_row)
            }
            barrier(CLK_LOCAL_MEM_FENCE);

#pragma unroll
            for (int j = 0; j < CELLS_EACH; j++) {
                CELL_PLACE(j, chunk)
                if (is_there) {
                    __local const float *a = activations + in_row * PRODUCTS * UNITS + in_group;
                    const int has_ended = HAS_ENDED(row, step);
                    const ulong place = after * state_distance + (ulong)row * SIZE + unit;
#if CELL < 2
                    float y = a[0];
#elif CELL == 2
                    const float value = a[UNITS] * memory[j] + a[0] * a[2 * UNITS];
                    float y = a[3 * UNITS] * TANH(value);
                    memory[j] = has_ended ? memory[j] : value;
                    cells[place] = memory[j];
#else
                    const float candidate = TANH(candidate_share[j] + a[0] * a[2 * UNITS]);
                    float y = candidate + a[UNITS] * (state[j] - candidate);
                    here[(ulong)row * GATES * SIZE + unit] = candidate;
#endif
#if HAS_LENGTHS
                    y = has_ended ? state[j] : y;
#endif
                    state[j] = y;
                    states[place] = y;
#if KEEPS_VECTORS
                    if (index + 1 < last) {
#if MASK
                        y *= mask[(ulong)row * SIZE + unit];
                        masked[(ulong)STEP_AT(index + 1) * state_distance + (ulong)row * SIZE + unit] = y;
#endif
                        ((__local float *)vectors)[in_row * PADDED + unit] = y;
                    }
#endif
                }
            }
            // The next chunk's states take the place of these, and the next step may read what was written.
#if HAS_CHUNKS
            barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
#endif
        }
#if MEETS
        arrive(ARRIVALS, item);
#endif
    }
#if MEETS
    leave(ARRIVALS, DEPARTURES, item);
#endif
}
