// Rows of a table by number: gather reads them, scatter_add adds to them.
//
//   out[i, ...] = table[indices[i], ...]           NaN (0 for integers) where the index is out of range
//   table[indices[i], ...] += source[i, ...]       for i in order; indices out of range are passed over
//
// Work-group: gather: 256 work-items, one element each. scatter_add: 64 work-items, each owning one column of a range
// of table rows; all walk through the indices together, a block of them at a time in local memory, and add those that
// fall into their range. No two work-items ever write to one element, so the sums are made in a fixed order, without
// atomics: what goes to one row within a block is summed first, which keeps chains of additions short.
//
//   RANK          axes of a row, at least 1. Default 1.
//   TABLE_TYPE, VALUE_TYPE  DTypes of the table and of out or source. Default float32.
//   IS_INTEGER    1 where out, or the table that is added to, holds integers. Default 0.

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

#if IS_INTEGER
#define ABSENT 0
#else
#define ABSENT NAN
#endif

#if USES_FLOAT64
typedef double SUM;
#elif IS_INTEGER
typedef int SUM;
#else
typedef float SUM;
#endif

/// Axes of a row, outermost first, with the strides of the table and of out or source.
typedef struct {
    INDEX size[RANK];
    INDEX table[RANK];
    INDEX value[RANK];
} Axes;

/// Strides from row to row, and how many there are.
typedef struct {
    INDEX table_rows, count, columns;
    INDEX table_stride, index_stride, value_stride;
} Rows;

/// Where column `column` of a row lies, in the table and in out or source.
static inline void column_offsets(COUNT column, const Axes *axes, INDEX *in_table, INDEX *in_value) {
    INDEX t = 0, v = 0;
#pragma unroll
    for (int axis = RANK - 1; axis >= 0; axis--) {
        COUNT next = axis > 0 ? column / (COUNT)axes->size[axis] : 0;
        INDEX i = (INDEX)(column - next * (COUNT)axes->size[axis]);
        t += i * axes->table[axis];
        v += i * axes->value[axis];
        column = next;
    }
    *in_table = t;
    *in_value = v;
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void gather(
    __global const STORED(TABLE_TYPE) *table, const ulong table_offset, __global const int *indices,
    const ulong indices_offset, __global STORED(VALUE_TYPE) *out, const ulong out_offset, const Axes axes,
    const Rows rows) {
    const COUNT element = get_global_id(0);
    const COUNT i = element / (COUNT)rows.columns;
    if (i >= (COUNT)rows.count) return;
    INDEX from, to;
    column_offsets(element - i * (COUNT)rows.columns, &axes, &from, &to);
    table += table_offset;
    out += out_offset;
    to += (INDEX)i * rows.value_stride;
    const INDEX index = indices[indices_offset + (INDEX)i * rows.index_stride];
    if (index >= 0 && index < rows.table_rows) {
        STORE(VALUE_TYPE, LOAD(TABLE_TYPE, table, from + index * rows.table_stride), out, to);
    } else {
        STORE(VALUE_TYPE, ABSENT, out, to);
    }
}

__kernel __attribute__((reqd_work_group_size(64, 1, 1))) void scatter_add(
    __global const STORED(VALUE_TYPE) *source, const ulong source_offset, __global const int *indices,
    const ulong indices_offset, __global STORED(TABLE_TYPE) *table, const ulong table_offset, const Axes axes,
    const Rows rows, const INDEX range_size) {
    const COUNT column = get_global_id(0);
    const int is_column = column < (COUNT)rows.columns;
    const INDEX range_start = (INDEX)get_group_id(1) * range_size;
    const INDEX range_end = min(range_start + range_size, rows.table_rows);
    INDEX from = 0, to = 0;
    column_offsets(is_column ? column : 0, &axes, &to, &from);
    source += source_offset + from;
    table += table_offset + to;
    indices += indices_offset;

    // Of each place in a block: its index; the next place with the same one, 0 for none; whether it is the first with it.
    __local int block[64], next[64], is_first[64];
    for (INDEX first = 0; first < rows.count; first += 64) {
        const int length = (int)min((INDEX)64, rows.count - first);
        const int item = get_local_id(0);
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < length) block[item] = indices[(first + item) * rows.index_stride];
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < length) {
            const int own = block[item];
            int following = 0, is_new = 1;
            for (int other = length - 1; other > item; other--)
                if (block[other] == own) following = other;
            for (int other = 0; other < item; other++)
                if (block[other] == own) is_new = 0;
            next[item] = following;
            is_first[item] = is_new;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (is_column) {
            for (int j = 0; j < length; j++) {
                const INDEX index = block[j];
                if (is_first[j] && index >= range_start && index < range_end) {
                    SUM sum = LOAD(VALUE_TYPE, source, (first + j) * rows.value_stride);
                    for (int k = next[j]; k > 0; k = next[k])
                        sum += LOAD(VALUE_TYPE, source, (first + k) * rows.value_stride);
                    const INDEX at = index * rows.table_stride;
                    STORE(TABLE_TYPE, LOAD(TABLE_TYPE, table, at) + sum, table, at);
                }
            }
        }
    }
}
