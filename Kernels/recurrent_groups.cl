// What the kernels that run a recurrent layer over many steps in one launch have in common.
//
// A work-group owns UNITS hidden units of some rows of the batch, its block. It reads the weights of these units once
// and holds them in registers for all steps: each work-item has those of WORK_UNITS units (UNITS / WORK_UNITS apart)
// and of DEPTH of the values that are multiplied with them, four neighbouring ones in every PARTS times four:
//
//     values of a row   | part 0 | part 1 | ... | part PARTS-1 | part 0 | part 1 | ...      4 values each
//
// So a product is made of PARTS partial sums, which go through local memory and are added in the order of the parts.
//
// Rows of the batch do not know of each other; the SLICES groups of one block do: where a layer has more units than one
// group can hold, each step needs what all of them made in the step before. They exchange it through global memory, and
// meet once in each step at a counter. That takes all groups of a launch to run at the same time, which the host sees
// to; where it cannot, it sets MEETS to 0 and launches the kernel once for each step.
//
//   CELL         0 tanh, 1 relu, 2 lstm, 3 gru. Default 2.
//   HAS_LENGTHS  1 where rows may have ended: they keep their state. Default 0.
//   MASK         1 where a mask multiplies the states that enter the gates. Default 0.
//   SIZE         hidden units of the layer. Default 64.
//   UNITS        hidden units of a group, a multiple of WORK_UNITS. Default 64.
//   WORK_UNITS   hidden units of a work-item. Default 1.
//   COLUMNS      products of a work-item: WORK_UNITS for the gradient, and for the layer itself as many times that as a
//                unit has gates that take products. Default 4.
//   PARTS        default 4. UNITS / WORK_UNITS * PARTS is at most GROUP.
//   DEPTH        a multiple of 4; PARTS * DEPTH is at least the length of the products. Default 16.
//   ROWS         rows of the batch that a group computes together. Default 1.
//   HAS_CHUNKS   1 where a block may have more rows: they are computed one chunk after the other. Default 0.
//   GROUP        work-items of a group. Default 256.
//   MEETS        1 where the groups of a block wait for each other in the kernel; 2 where NVIDIA's GPU has acquiring
//                loads and releasing atomics (compute capability 7.0), which cost less than full fences. Default 0.
//   ALIGNED      1 where float4 may be read from states, gates and their gradients. Default 0.
//   CONTIGUOUS   1 where the weights lie row by row. Default 0.

#ifndef CELL
#define CELL 2
#endif
#ifndef HAS_LENGTHS
#define HAS_LENGTHS 0
#endif
#ifndef MASK
#define MASK 0
#endif
#ifndef SIZE
#define SIZE 64
#endif
#ifndef UNITS
#define UNITS 64
#endif
#ifndef WORK_UNITS
#define WORK_UNITS 1
#endif
#ifndef COLUMNS
#define COLUMNS 4
#endif
#ifndef PARTS
#define PARTS 4
#endif
#ifndef DEPTH
#define DEPTH 16
#endif
#ifndef ROWS
#define ROWS 1
#endif
#ifndef HAS_CHUNKS
#define HAS_CHUNKS 0
#endif
#ifndef GROUP
#define GROUP 256
#endif
#ifndef MEETS
#define MEETS 0
#endif
#ifndef ALIGNED
#define ALIGNED 0
#endif
#ifndef CONTIGUOUS
#define CONTIGUOUS 0
#endif

/// Columns of `gates` for each unit, and how many of them take rows of the hidden weight, from FIRST_COLUMN on.
#if CELL < 2
#define GATES 1
#define PRODUCTS 1
#elif CELL == 2
#define GATES 4
#define PRODUCTS 4
#else
#define GATES 4
#define PRODUCTS 3
#endif
#define FIRST_COLUMN (CELL == 3 ? SIZE : 0)

#define SLICES ((SIZE + UNITS - 1) / UNITS)
/// Whether what a step multiplies is still in local memory from the step before: a group with all units made it itself.
#define KEEPS_VECTORS (SLICES == 1 && !HAS_CHUNKS)
#define UNIT_GROUPS (UNITS / WORK_UNITS)
#define ITEMS (UNIT_GROUPS * PARTS)
#define PADDED (PARTS * DEPTH)
/// Between the partial sums of one column and those of the next; such that reading them in the order of the units meets
/// all banks of local memory.
#define DISTANCE (ITEMS + (UNIT_GROUPS < 32 ? UNIT_GROUPS : 0))

/// How many of the cells of a chunk each work-item computes, and which its number j is; `is_there` where there is one.
#define CELLS_EACH ((ROWS * UNITS + GROUP - 1) / GROUP)
#define CELL_PLACE(j, chunk)                                                                                     \
    const int in_row = (item + (j) * GROUP) / UNITS, in_group = (item + (j) * GROUP) % UNITS;                     \
    const int row = (chunk) + in_row, unit = first_unit + in_group;                                              \
    const int is_there = in_row < ROWS && row < rows_end && (SIZE % UNITS == 0 || unit < SIZE);

/// Whether a weight is one of this work-item's, for value k of `length`; plainly true where all are.
#define HAS_WEIGHT(unit, k, length)                                                       \
    ((ITEMS == GROUP || item < ITEMS) && (SIZE % UNITS == 0 || (unit) < SIZE) &&           \
     (PADDED == (length) || (k) < (length)))
#if CONTIGUOUS
#define WEIGHT(row, column) weight[weight_offset + (ulong)((row) * SIZE + (column))]
#else
#define WEIGHT(row, column) weight[weight_offset + (long)(row) * weight_row + (long)(column) * weight_column]
#endif

#define LOGISTIC(x) (1.0f / (1.0f + exp(-(x))))

#if HAS_LENGTHS
#define LENGTH_PARAMETERS , __global const int *lengths, const ulong lengths_offset, const long length_stride
#define HAS_ENDED(row, step) ((step) >= lengths[lengths_offset + (long)(row) * length_stride])
#else
#define LENGTH_PARAMETERS
#define HAS_ENDED(row, step) 0
#endif

/// Which step is computed as number `index`, and the slots of the states before and after a step.
#define STEP_AT(index) (is_reversed ? steps - 1 - (index) : (index))
#define SLOT_BEFORE(step) (is_reversed ? (step) + 1 : (step))
#define SLOT_AFTER(step) (is_reversed ? (step) : (step) + 1)

#ifdef __NVPTX__
// Of what other groups wrote, level 1 of the cache may hold what was there before.
static inline float fresh(__global const float *from) {
    float x;
    asm volatile("ld.global.cg.f32 %0, [%1];" : "=f"(x) : "l"(from));
    return x;
}
static inline float4 fresh4(__global const float *from) {
    float x, y, z, w;
    asm volatile("ld.global.cg.v4.f32 {%0, %1, %2, %3}, [%4];" : "=f"(x), "=f"(y), "=f"(z), "=f"(w) : "l"(from));
    return (float4)(x, y, z, w);
}
#if MEETS == 2
#define ANNOUNCE(counter) asm volatile("red.release.gpu.global.add.u32 [%0], 1;" :: "l"(counter) : "memory")
static inline uint observed(volatile __global uint *counter) {
    uint x;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(x) : "l"(counter) : "memory");
    return x;
}
#define DEVICE_FENCE
#else
#define DEVICE_FENCE asm volatile("membar.gl;" ::: "memory")
#endif
#else
static inline float fresh(__global const float *from) { return *(volatile __global const float *)from; }
static inline float4 fresh4(__global const float *from) {
    volatile __global const float *p = from;
    return (float4)(p[0], p[1], p[2], p[3]);
}
#define DEVICE_FENCE mem_fence(CLK_GLOBAL_MEM_FENCE)
#endif
#ifndef ANNOUNCE
#define ANNOUNCE(counter)    \
    {                        \
        DEVICE_FENCE;        \
        atomic_inc(counter); \
    }
static inline uint observed(volatile __global uint *counter) { return *counter; }
#endif

#if MEETS
#define MEETING_PARAMETERS , volatile __global uint *meetings
/// Polls of a counter before a group gives up: some seconds. That takes a group that does not run.
#define PATIENCE (1u << 24)
/// In `meetings`, a flag that says whether any group gave up, and then two counters for each block, 32 words apart.
#define ARRIVALS (meetings + 32 * (1 + 2 * block))
#define DEPARTURES (meetings + 32 * (2 + 2 * block))

/// Tells the other groups of the block that what this one wrote is there.
static inline void arrive(volatile __global uint *arrivals, const int item) {
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    if (item == 0) ANNOUNCE(arrivals);
}

/// Waits for the arrivals of all groups of the block, `times` each.
static inline void meet(
    volatile __global uint *meetings, volatile __global uint *arrivals, const int times, const int item) {
    if (item == 0) {
        for (uint polls = 1; observed(arrivals) < (uint)(times * SLICES); polls++) {
            if (polls % 4096 == 0 && (polls >= PATIENCE || *meetings != 0)) {
                *meetings = 1;
                break;
            }
        }
        DEVICE_FENCE;
    }
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
}

/// The last group of the block to leave sets the counters back to 0, for the next launch.
static inline void leave(volatile __global uint *arrivals, volatile __global uint *departures, const int item) {
    if (item == 0 && atomic_inc(departures) == SLICES - 1) {
        *arrivals = 0;
        *departures = 0;
    }
}
#else
#define MEETING_PARAMETERS
#endif

/// This work-item's shares of the products of all rows in `vectors`. Nothing that work-items beyond ITEMS could do.
static inline void multiply(
    float weights[COLUMNS][DEPTH], __local const float4 *vectors, __local float *partials, const int item) {
    const int part = item / UNIT_GROUPS;
#if ROWS % 2 == 0
#pragma unroll 2
#else
#pragma unroll 1
#endif
    for (int row = 0; row < ROWS; row++) {
        float sums[COLUMNS];
#pragma unroll
        for (int c = 0; c < COLUMNS; c++) sums[c] = 0.0f;
#pragma unroll
        for (int i = 0; i < DEPTH / 4; i++) {
            const float4 x = vectors[row * (PADDED / 4) + i * PARTS + part];
#pragma unroll
            for (int c = 0; c < COLUMNS; c++) {
                sums[c] = fma(x.x, weights[c][4 * i], sums[c]);
                sums[c] = fma(x.y, weights[c][4 * i + 1], sums[c]);
                sums[c] = fma(x.z, weights[c][4 * i + 2], sums[c]);
                sums[c] = fma(x.w, weights[c][4 * i + 3], sums[c]);
            }
        }
#pragma unroll
        for (int c = 0; c < COLUMNS; c++) partials[(row * COLUMNS + c) * DISTANCE + item] = sums[c];
    }
}

/// The product of row `row` of `vectors` for unit `unit` of the group and its product `product`.
static inline float product_of(__local const float *partials, const int row, const int product, const int unit) {
    const int column = product * WORK_UNITS + unit / UNIT_GROUPS;
    __local const float *from = partials + (row * COLUMNS + column) * DISTANCE + unit % UNIT_GROUPS;
    float sum = 0.0f;
#pragma unroll 16
    for (int part = 0; part < PARTS; part++) sum += from[part * UNIT_GROUPS];
    return sum;
}
