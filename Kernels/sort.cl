// The order of the elements along the last axis, by merging sorted runs.
//
// An element becomes a 64-bit entry: above, a key whose order is the element's; below, its position. So no two entries
// are equal, and equal elements keep their order. sort_blocks sorts blocks of 256 in local memory, merge_runs joins
// neighbouring runs two by two: each entry finds its place by counting, in the other run, the entries before it.
//
// Work-group: 256 work-items, an entry each.
//
//   RANK          axes of the rows, at least 1. Default 1.
//   X_TYPE        DType of x. Default float32.
//   IS_INTEGER    1 where x holds integers. Default 0.
//   IS_DESCENDING 1 where the largest element comes first. Default 0.
//   IS_LAST       1 where rows are sorted afterwards: positions go to out instead of entries to memory. Default 1.

#ifndef RANK
#define RANK 1
#endif
#ifndef X_TYPE
#define X_TYPE float32
#endif
#ifndef IS_INTEGER
#define IS_INTEGER 0
#endif
#ifndef IS_DESCENDING
#define IS_DESCENDING 0
#endif
#ifndef IS_LAST
#define IS_LAST 1
#endif

/// Axes of the rows, outermost first, with x's and out's strides.
typedef struct {
    INDEX size[RANK];
    INDEX x[RANK];
    INDEX out[RANK];
} Axes;

/// The last axis: its size, and the strides of x and out.
typedef struct {
    INDEX size, x, out;
} Last;

static inline INDEX row_offset(COUNT row, const INDEX *sizes, const INDEX *strides) {
    INDEX offset = 0;
#pragma unroll
    for (int axis = RANK - 1; axis >= 0; axis--) {
        COUNT next = axis > 0 ? row / (COUNT)sizes[axis] : 0;
        offset += (INDEX)(row - next * (COUNT)sizes[axis]) * strides[axis];
        row = next;
    }
    return offset;
}

/// A number whose order is that of the elements, with both zeros equal and NaN the largest.
#if IS_INTEGER
static inline uint key_of(int value) { return (uint)value ^ 0x80000000u; }
#else
static inline uint key_of(float value) {
    if (value != value) return 0xFFFFFFFFu;
    const uint bits = value == 0.0f ? 0u : as_uint(value);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
#endif

/// How many of the `count` sorted entries come before `entry`.
#define COUNT_BEFORE(entry, entries, count, result)          \
    {                                                        \
        INDEX low = 0, high = count;                         \
        while (low < high) {                                 \
            const INDEX middle = low + (high - low) / 2;     \
            if ((entries)[middle] < entry) low = middle + 1; \
            else high = middle;                              \
        }                                                    \
        result = low;                                        \
    }

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void sort_blocks(
    __global const STORED(X_TYPE) *x, const ulong x_offset, __global int *out, const ulong out_offset,
    __global ulong *entries, const Axes axes, const Last last, const INDEX blocks) {
    const int item = get_local_id(0);
    const COUNT row = (COUNT)get_group_id(0) / (COUNT)blocks;
    const INDEX first = (INDEX)((COUNT)get_group_id(0) - row * (COUNT)blocks) * 256;
    const INDEX place = first + item;
    __local ulong from[256], to[256];
    ulong entry = ~0ul;
    if (place < last.size) {
        x += x_offset + row_offset(row, axes.size, axes.x);
        uint key = key_of(LOAD(X_TYPE, x, place * last.x));
#if IS_DESCENDING
        key = ~key;
#endif
        entry = (ulong)key << 32 | (ulong)(uint)place;
    } else {
        // Behind all others, and different from one another.
        entry = ~0ul << 32 | (ulong)(0xFFFFFF00u + (uint)item);
    }
    for (INDEX width = 1; width < 256; width *= 2) {
        from[item] = entry;
        barrier(CLK_LOCAL_MEM_FENCE);
        const INDEX other = ((item / width) ^ 1) * width;
        INDEX before;
        COUNT_BEFORE(entry, from + other, width, before)
        to[item / (2 * width) * (2 * width) + item % width + before] = entry;
        barrier(CLK_LOCAL_MEM_FENCE);
        entry = to[item];
    }
    if (place >= last.size) return;
#if IS_LAST
    out[out_offset + row_offset(row, axes.size, axes.out) + place * last.out] = (int)(uint)entry;
#else
    entries[row * (COUNT)last.size + place] = entry;
#endif
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void merge_runs(
    __global const ulong *from, __global ulong *to, __global int *out, const ulong out_offset, const Axes axes,
    const Last last, const INDEX width, const COUNT count) {
    const COUNT element = get_global_id(0);
    if (element >= count) return;
    const COUNT row = element / (COUNT)last.size;
    const INDEX place = (INDEX)(element - row * (COUNT)last.size);
    from += row * (COUNT)last.size;
    const ulong entry = from[place];
    const INDEX run = place / width;
    const INDEX other = (run ^ 1) * width;
    const INDEX length = clamp(last.size - other, (INDEX)0, width);
    INDEX before;
    COUNT_BEFORE(entry, from + other, length, before)
    const INDEX target = run / 2 * 2 * width + (place - run * width) + before;
#if IS_LAST
    out[out_offset + row_offset(row, axes.size, axes.out) + target * last.out] = (int)(uint)entry;
#else
    to[row * (COUNT)last.size + target] = entry;
#endif
}
