// Cells of recurrent nets, and connectionist temporal classification.

#include "every_loop.h"

static void run_cell(enum gimbal_recurrent_kind kind, size_t size, bool has_lengths, size_t every) {
    static const char *const names[] = {"tanh", "relu", "lstm", "gru"};
    static const int32_t lengths[] = {5, 9, 3, 9, 4, 9, 8, 9, 2, 9};
    enum { rows = 5 };
    size_t gate_count = kind == gimbal_recurrent_lstm || kind == gimbal_recurrent_gru ? 4 : 1;
    size_t units = rows * size, gates = gate_count * units;
    char text[100];
    snprintf(text, sizeof text, "%s, size %zu, lengths %d, peculiar %zu", names[kind], size, has_lengths, every);
    struct gimbal_recurrent s = {
        .kind = kind, .size = size, .gate_count = gate_count,
        .gates = every ? mixed_numbers(gates, every, 70) : numbers(gates, 70),
        .hidden = numbers(units, 71), .cell = kind == gimbal_recurrent_lstm ? numbers(units, 72) : NULL,
        .new_hidden = zeros(units), .new_cell = kind == gimbal_recurrent_lstm ? zeros(units) : NULL,
        .lengths = has_lengths ? lengths : NULL, .length_stride = 2, .step = 4,
    };
    LOOP(recurrent_cell)(&s, 0, 2);
    LOOP(recurrent_cell)(&s, 2, rows);
    record("f32", s.gates, gates, "recurrent_cell, %s, gates", text);
    record("f32", s.new_hidden, units, "recurrent_cell, %s, hidden", text);
    if (s.new_cell) record("f32", s.new_cell, units, "recurrent_cell, %s, cell", text);
    float *gates_gradient = zeros(gates), *hidden_gradient = numbers(units, 73), *cell_gradient = numbers(units, 74);
    LOOP(recurrent_cell_gradient)(&s, numbers(units, 75), gates_gradient, hidden_gradient, cell_gradient, 0, rows);
    record("f32", gates_gradient, gates, "recurrent_cell_gradient, %s, gates", text);
    record("f32", hidden_gradient, units, "recurrent_cell_gradient, %s, hidden", text);
    record("f32", cell_gradient, units, "recurrent_cell_gradient, %s, cell", text);
    let_go();
}

/// Samples of all lengths, and skips here and there.
static void run_paths(size_t time, size_t states) {
    enum { batch = 5 };
    size_t count = time * batch * states;
    float *emissions = numbers(count, 76), *losses = zeros(batch), *forward = zeros(count), *out = numbers(count, 77);
    for (size_t i = 0; i < count; i++) emissions[i] -= 3.0f;
    uint8_t *skips = any_bits(batch * states, 78);
    for (size_t i = 0; i < batch * states; i++) skips[i] = i % states > 1 && skips[i] & 1;
    int32_t t = (int32_t)time, n = (int32_t)states;
    const int32_t lengths[] = {t, n, t, n / 2, t / 2, 1, 0, n, t + 3, n + 3};
    float *scratch = memory(3 * (states + 2) * sizeof *scratch);
    LOOP(path_losses)(emissions, skips, lengths, losses, forward, time, batch, states, 0, 2, scratch);
    LOOP(path_losses)(emissions, skips, lengths, losses, forward, time, batch, states, 2, batch, scratch);
    LOOP(path_gradient)(emissions, skips, lengths, losses, forward, numbers(2 * batch, 79), 2, out, time, batch, states, 0,
                        batch, scratch);
    record("f32", losses, batch, "path_losses, %zu steps, %zu states", time, states);
    record("f32", forward, count, "path_losses, %zu steps, %zu states, forward", time, states);
    record("f32", out, count, "path_gradient, %zu steps, %zu states", time, states);
    let_go();
}

void run_recurrent(void) {
    for (int kind = gimbal_recurrent_tanh; kind <= gimbal_recurrent_gru; kind++) {
        EACH(size, EDGES) run_cell(kind, size, size % 2, 0);
        run_cell(kind, 500, false, 3);
    }
    EACH(states, EDGES) run_paths(9, states);
}
