// Rows of a table by their numbers. Which row comes next no processor foresees: rows are asked for before their turn.

enum { rows_ahead = 8 };

ALWAYS_INLINE void ask_for_row(const void *row, size_t bytes) {
    // Of long rows the beginning: the processor foresees the rest.
    for (size_t at = 0; at < bytes && at < 1024; at += 64) __builtin_prefetch((const char *)row + at);
}

static void gather_rows(const void *table, size_t table_stride, size_t table_rows, const int32_t *indices, size_t count,
                        size_t row_bytes, const void *missing, void *out, size_t out_stride) {
    for (size_t i = 0; i < count; i++) {
        if (i + rows_ahead < count && (uint32_t)indices[i + rows_ahead] < table_rows)
            ask_for_row((const char *)table + (size_t)indices[i + rows_ahead] * table_stride, row_bytes);
        // A negative index is beyond all rows.
        bool is_there = indices[i] >= 0 && (size_t)indices[i] < table_rows;
        memcpy((char *)out + i * out_stride, is_there ? (const char *)table + (size_t)indices[i] * table_stride : missing,
               row_bytes);
    }
}

static void add_rows(const float *source, ptrdiff_t stride, const int32_t *rows, size_t count, size_t columns,
                     float *sums, const float *later) {
    enum { width = 4 * VECTOR_FLOATS };
    if (later) ask_for_row(later, columns * sizeof *later);
    size_t c = 0;
    for (; c + width <= columns; c += width) {
        vector sum[4];
#pragma clang loop unroll(full)
        for (int v = 0; v < 4; v++) sum[v] = *(const vector *)(sums + c + v * VECTOR_FLOATS);
        for (size_t r = 0; r < count; r++) {
            const float *from = source + rows[r] * stride + c;
#pragma clang loop unroll(full)
            for (int v = 0; v < 4; v++) sum[v] = sum[v] + *(const vector *)(from + v * VECTOR_FLOATS);
        }
#pragma clang loop unroll(full)
        for (int v = 0; v < 4; v++) *(vector *)(sums + c + v * VECTOR_FLOATS) = sum[v];
    }
    for (; c < columns; c += VECTOR_FLOATS) {
        size_t live = at_most(columns - c, VECTOR_FLOATS);
        vector sum = load_part(sums + c, live);
        for (size_t r = 0; r < count; r++) sum = sum + load_part(source + rows[r] * stride + c, live);
        store_part(sums + c, sum, live);
    }
}
