// Attention block by block, and its gradients, of one head.

#include "every_loop.h"

static void run_head(size_t queries, size_t keys, size_t size, size_t value_size, int mask, bool is_causal) {
    // Rows with gaps, as those of features that are cut into heads.
    size_t row = size + value_size + 3, live = keys - keys / 5;
    float *inputs = mixed_numbers((queries + 2 * keys) * row, mask == 3 ? 977 : 1 << 20, 130);
    float *out = zeros(queries * row), *normalizers = zeros(2 * queries), *added = mixed_numbers(queries * keys * 2, 31, 131);
    float *query_gradient = numbers(queries * row, 132), *key_gradient = numbers(keys * row, 133),
          *value_gradient = numbers(keys * row, 134);
    uint8_t *keeps = any_bits(queries * keys * 2, 135);
    ptrdiff_t step = mask == 2 ? 2 : 1;
    struct gimbal_attention_blocks head = {
        .keys = keys, .size = size, .value_size = value_size,
        .query = inputs, .key = inputs + queries * row, .value = inputs + (queries + keys) * row,
        .query_row = (ptrdiff_t)row, .key_row = (ptrdiff_t)row, .value_row = (ptrdiff_t)row,
        .live = live, .is_causal = is_causal, .scale = 0.7f,
        .keeps = mask == 1 ? keeps : NULL, .added = mask > 1 ? added : NULL,
        .mask_query = (ptrdiff_t)keys * step, .mask_key = step,
        .out = out, .out_row = (ptrdiff_t)row, .normalizers = normalizers,
        .output_gradient = numbers(queries * row, 136), .output_gradient_row = (ptrdiff_t)row,
        .query_gradient = query_gradient, .query_gradient_row = (ptrdiff_t)row,
        .key_gradient = key_gradient, .key_gradient_row = (ptrdiff_t)row,
        .value_gradient = value_gradient, .value_gradient_row = (ptrdiff_t)row,
    };
    for (size_t i = 0; i < queries * keys * 2; i++) keeps[i] &= 3;
    float *scratch = memory(LOOP(attention_scratch)(keys, size, value_size) * sizeof *scratch);
    size_t block = LOOP(attention_queries), key_block = LOOP(attention_keys);
    LOOP(attention_lay)(&head, false, scratch);
    for (size_t first = 0; first < queries; first += block)
        LOOP(attention_forward)(&head, first, first + block < queries ? first + block : queries, scratch);
    LOOP(attention_lay)(&head, true, scratch);
    if (mask == 0) {
        LOOP(attention_backward)(&head, 0, queries, 0, keys, scratch);
    } else {
        // By blocks of queries, and then of keys.
        head.key_gradient = head.value_gradient = NULL;
        for (size_t first = 0; first < queries; first += block)
            LOOP(attention_backward)(&head, first, first + block < queries ? first + block : queries, 0, keys,
                                                   scratch);
        head.key_gradient = key_gradient;
        head.value_gradient = value_gradient;
        head.query_gradient = NULL;
        for (size_t first = 0; first < keys; first += key_block)
            LOOP(attention_backward)(&head, 0, queries, first,
                                                   first + key_block < keys ? first + key_block : keys, scratch);
    }
    char text[100];
    snprintf(text, sizeof text, "%zu queries, %zu keys, sizes %zu and %zu, mask %d, causal %d", queries, keys, size, value_size,
             mask, is_causal);
    record("f32", out, queries * row, "attention_forward, %s", text);
    record("f32", normalizers, 2 * queries, "attention_forward, %s, normalizers", text);
    record("f32", query_gradient, queries * row, "attention_backward, %s, queries", text);
    record("f32", key_gradient, keys * row, "attention_backward, %s, keys", text);
    record("f32", value_gradient, keys * row, "attention_backward, %s, values", text);
    let_go();
}

void run_attention_blocks(void) {
    for (int mask = 0; mask < 4; mask++)
        for (int is_causal = 0; is_causal < 2; is_causal++) {
            EACH(keys, 1, 17, 100, 385) EACH(size, 1, 5, 16, 33) run_head(37, keys, size, 35 - size, mask, is_causal);
            EACH(queries, 1, 128, 300) run_head(queries, 800, 24, 16, mask, is_causal);
        }
}
