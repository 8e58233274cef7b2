// Elements of the last axis by number: gather_along reads them, scatter_along puts or adds to them.
//
//   out[r, j] = table[r, indices[r, j]]          NaN (0 for integers) where the index is out of range
//   table[r, indices[r, j]] = or += source[r, j]   for j in order; indices out of range are passed over
//
// Work-group: gather_along: 256 work-items, one element each. scatter_along: 64 work-items, one row each, of which a group
// takes a range of places; each work-item walks through all indices of its row and heeds those that fall into the range. No
// two work-items ever write to one element, so all is done in order, without atomics.
//
//   RANK          axes of the rows, at least 1. Default 1.
//   TABLE_TYPE, VALUE_TYPE  DTypes of the table and of out or source. Default float32.
//   IS_INTEGER    1 where out holds integers. Default 0.
//   ACCUMULATES   1 where scatter_along adds. Default 0.

#ifndef RANK
#define RANK 1
#endif
#ifndef TABLE_TYPE
#define TABLE_TYPE float32
#endif
#ifndef VALUE_TYPE
#define VALUE_TYPE float32
#endif
#ifndef IS_INTEGER
#define IS_INTEGER 0
#endif
#ifndef ACCUMULATES
#define ACCUMULATES 0
#endif

#if IS_INTEGER
#define ABSENT 0
#else
#define ABSENT NAN
#endif

/// Axes of the rows, outermost first, with the strides of the table, of out or source, and of the indices.
typedef struct {
    INDEX size[RANK];
    INDEX table[RANK];
    INDEX value[RANK];
    INDEX index[RANK];
} Axes;

/// The last axis: its sizes and strides.
typedef struct {
    INDEX table_size, count;
    INDEX table, value, index;
} Last;

static inline void row_offsets(COUNT row, const Axes *axes, INDEX *table, INDEX *value, INDEX *index) {
    *table = *value = *index = 0;
#pragma unroll
    for (int axis = RANK - 1; axis >= 0; axis--) {
        COUNT next = axis > 0 ? row / (COUNT)axes->size[axis] : 0;
        INDEX i = (INDEX)(row - next * (COUNT)axes->size[axis]);
        *table += i * axes->table[axis];
        *value += i * axes->value[axis];
        *index += i * axes->index[axis];
        row = next;
    }
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void gather_along(
    __global const STORED(TABLE_TYPE) *table, const ulong table_offset, __global const int *indices,
    const ulong indices_offset, __global STORED(VALUE_TYPE) *out, const ulong out_offset, const Axes axes,
    const Last last, const COUNT elements) {
    const COUNT element = get_global_id(0);
    if (element >= elements) return;
    const COUNT row = element / (COUNT)last.count;
    const INDEX j = (INDEX)(element - row * (COUNT)last.count);
    INDEX from, to, at;
    row_offsets(row, &axes, &from, &to, &at);
    table += table_offset + from;
    out += out_offset + to;
    const INDEX index = indices[indices_offset + at + j * last.index];
    if (index >= 0 && index < last.table_size) {
        STORE(VALUE_TYPE, LOAD(TABLE_TYPE, table, index * last.table), out, j * last.value);
    } else {
        STORE(VALUE_TYPE, ABSENT, out, j * last.value);
    }
}

__kernel __attribute__((reqd_work_group_size(64, 1, 1))) void scatter_along(
    __global const STORED(VALUE_TYPE) *source, const ulong source_offset, __global const int *indices,
    const ulong indices_offset, __global STORED(TABLE_TYPE) *table, const ulong table_offset, const Axes axes,
    const Last last, const COUNT rows, const INDEX range_size) {
    const COUNT row = get_global_id(0);
    if (row >= rows) return;
    const INDEX range_start = (INDEX)get_group_id(1) * range_size;
    const INDEX range_end = min(range_start + range_size, last.table_size);
    INDEX to, from, at;
    row_offsets(row, &axes, &to, &from, &at);
    source += source_offset + from;
    table += table_offset + to;
    indices += indices_offset + at;
    for (INDEX j = 0; j < last.count; j++) {
        const INDEX index = indices[j * last.index];
        if (index < range_start || index >= range_end) continue;
#if ACCUMULATES
        STORE(TABLE_TYPE, LOAD(TABLE_TYPE, table, index * last.table) + LOAD(VALUE_TYPE, source, j * last.value),
              table, index * last.table);
#else
        STORE(TABLE_TYPE, LOAD(VALUE_TYPE, source, j * last.value), table, index * last.table);
#endif
    }
}
