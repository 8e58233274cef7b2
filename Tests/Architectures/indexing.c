// Rows of tables by their numbers.

#include "every_loop.h"

static void run_rows(size_t columns) {
    enum { table_rows = 23, count = 50 };
    size_t stride = columns + 3;
    float *table = numbers(table_rows * stride, 140), *missing = numbers(columns, 141), *out = numbers(count * stride, 142);
    int32_t *indices = memory(count * sizeof *indices);
    for (size_t i = 0; i < count; i++) indices[i] = (int32_t)(i * 7 % (table_rows + 4)) - 2;
    LOOP(gather_rows)(table, stride * sizeof *table, table_rows, indices, count, columns * sizeof *table, missing, out,
                      stride * sizeof *table);
    record("f32", out, count * stride, "gather_rows, %zu columns", columns);

    float *sums = numbers(columns + 1, 143);
    for (size_t i = 0; i < count; i++) indices[i] = (int32_t)(i * 5 % table_rows);
    LOOP(add_rows)(table, (ptrdiff_t)stride, indices, count, columns, sums, NULL);
    LOOP(add_rows)(table, (ptrdiff_t)stride, indices, 1, columns, sums, table);
    record("f32", sums, columns + 1, "add_rows, %zu columns", columns);
    let_go();
}

void run_indexing(void) { EACH(columns, EDGES, 200, 300) run_rows(columns); }
