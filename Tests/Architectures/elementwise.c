// Elementwise loops, with every number against every other that is peculiar, and with all kinds of strides about the edges of
// vectors; and what runs them over boxes.

#include "every_loop.h"

struct operand {
    const char *type;
    const void *values;
};

/// Runs a loop on the first `count` values of each operand but the first, laid out by their strides. What lies between results
/// is recorded too.
static void run_strided(gimbal_inner loop, const char *name, const struct operand *operands, int operand_count,
                        const ptrdiff_t *strides, size_t count, float a, float b) {
    char *places[gimbal_maximum_operands], *out = NULL;
    size_t out_count = 0;
    for (int o = 0; o < operand_count; o++) {
        size_t size = size_of(operands[o].type), step = (size_t)labs(strides[o]), room = (count - 1) * step + 1;
        char *start = memset(memory(room * size), 0x5a, room * size);
        places[o] = strides[o] < 0 ? start + (room - 1) * size : start;
        if (o == 0) {
            out = start;
            out_count = room;
        }
        for (size_t i = 0; i < count && o > 0; i++)
            memcpy(places[o] + (ptrdiff_t)(i * size) * strides[o], (const char *)operands[o].values + i * size, size);
    }
    loop(places, strides, count, a, b);
    char text[64] = "";
    for (int o = 0, length = 0; o < operand_count; o++)
        length += snprintf(text + length, sizeof text - (size_t)length, " %td", strides[o]);
    record(operands[0].type, out, out_count, "%s, %zu elements, strides%s, a %g, b %g", name, count, text, (double)a,
           (double)b);
}

/// Everything at once for each pair of parameters, and the beginning of it with all strides about the edges of vectors.
static void run_all(gimbal_inner loop, const char *name, const struct operand *operands, int operand_count, size_t count,
                    bool has_parameters) {
    // The first above 0, as celu asks of it.
    static const float parameters[][2] = {{0.75f, 1.5f}, {1.25f, -0.5f}, {2.0f, 3.0f}};
    static const ptrdiff_t ones[] = {1, 1, 1, 1}, out_strides[] = {1, 3}, in_strides[] = {1, 0, -2};
    for (size_t p = 0; p < (has_parameters ? COUNT(parameters) : 1); p++)
        run_strided(loop, name, operands, operand_count, ones, count, parameters[p][0], parameters[p][1]);
    int sets = 2;
    for (int o = 1; o < operand_count; o++) sets *= 3;
    for (int set = 0; set < sets; set++) {
        ptrdiff_t strides[gimbal_maximum_operands] = {out_strides[set % 2]};
        for (int o = 1, rest = set / 2; o < operand_count; o++, rest /= 3) strides[o] = in_strides[rest % 3];
        EACH(edge, EDGES) run_strided(loop, name, operands, operand_count, strides, edge, parameters[0][0], parameters[0][1]);
    }
    let_go();
}

/// Peculiar numbers against each other, then any bits, then numbers within 2, 16 and 128; x and y of as many.
static size_t pairs_of_floats(float **x, float **y) {
    enum { more = 4000 };
    size_t pairs = peculiar_count * peculiar_count, count = pairs + 4 * more;
    *x = numbers(count, 1);
    *y = numbers(count, 2);
    for (size_t i = 0; i < pairs; i++) {
        // Not in order, so that neighbours, which share a vector, are of all kinds.
        (*x)[i] = peculiar[i % peculiar_count];
        (*y)[i] = peculiar[(i + i / peculiar_count) % peculiar_count];
    }
    memcpy(*x + pairs, any_bits(more * sizeof **x, 3), more * sizeof **x);
    memcpy(*y + pairs, any_bits(more * sizeof **y, 4), more * sizeof **y);
    for (size_t i = count - 2 * more; i < count; i++) (*x)[i] *= i < count - more ? 8.0f : 64.0f;
    return count;
}

static size_t pairs_of_integers(int32_t **x, int32_t **y) {
    static const int32_t edges[] = {0, 1, -1, 2, 46341, -46341, 65536, INT32_MAX, INT32_MIN, INT32_MAX - 1, INT32_MIN + 1};
    size_t pairs = COUNT(edges) * COUNT(edges), count = pairs + 500;
    *x = any_bits(count * sizeof **x, 5);
    *y = any_bits(count * sizeof **y, 6);
    for (size_t i = 0; i < pairs; i++) {
        (*x)[i] = edges[i % COUNT(edges)];
        (*y)[i] = edges[(i + i / COUNT(edges)) % COUNT(edges)];
    }
    return count;
}

static void run_functions(void) {
    char name[64];
    float *x, *y;
    for (int i = 0; i < gimbal_unary_count; i++) {
        size_t count = pairs_of_floats(&x, &y);
        snprintf(name, sizeof name, "unary %s", gimbal_unary_name(i));
        run_all(LOOP(unary[i]), name, (struct operand[]){{"f32", NULL}, {"f32", x}}, 2, count, true);
    }
    for (int i = 0; i < gimbal_binary_count; i++) {
        size_t count = pairs_of_floats(&x, &y);
        snprintf(name, sizeof name, "binary %s", gimbal_binary_name(i));
        run_all(LOOP(binary[i]), name, (struct operand[]){{"f32", NULL}, {"f32", x}, {"f32", y}}, 3, count, true);
    }
    for (int i = 0; i < gimbal_arithmetic_count; i++) {
        int32_t *m, *n;
        size_t count = pairs_of_integers(&m, &n);
        snprintf(name, sizeof name, "integer_binary %s", gimbal_binary_name(i));
        run_all(LOOP(integer_binary[i]), name, (struct operand[]){{"i32", NULL}, {"i32", m}, {"i32", n}}, 3, count, false);
    }
}

static void run_choices(void) {
    static const char *const types[] = {"u8", "u16", "u32", "u64"};
    enum { count = 1000 };
    for (size_t i = 0; i < COUNT(types); i++) {
        uint8_t *condition = any_bits(count, 7);
        for (size_t k = 0; k < count; k++) condition[k] = condition[k] < 128 ? 0 : condition[k];
        struct operand operands[] = {
            {types[i], NULL}, {"u8", condition}, {types[i], any_bits(8 * count, 8)}, {types[i], any_bits(8 * count, 9)}};
        char name[16];
        snprintf(name, sizeof name, "select %s", types[i]);
        run_all(LOOP(select[i]), name, operands, 4, count, false);
    }
    float *condition = mixed_numbers(count, 2, 10);
    for (size_t k = 0; k < count; k += 3) condition[k] = k % 2 ? 0.0f : -0.0f;
    // Chosen, not computed: the bits stay.
    struct operand operands[] = {
        {"u32", NULL}, {"f32", condition}, {"u32", any_bits(4 * count, 11)}, {"u32", any_bits(4 * count, 12)}};
    run_all(LOOP(choose), "choose", operands, 4, count, false);
}

/// What there is to convert from a type; `count` of it.
static const void *convertible(int type, size_t *count) {
    enum { wide = 4000 };
    float *x, *y;
    switch (type) {
    case gimbal_float32:
        *count = pairs_of_floats(&x, &y);
        return x;
    case gimbal_float64: {
        // Floats, their neighbours as doubles, what lies just beside the middle of two float16 or bfloat16, any bits.
        size_t floats = pairs_of_floats(&x, &y);
        double *values = memory((*count = 3 * floats + 2 * wide) * sizeof *values);
        for (size_t i = 0; i < floats; i++) {
            values[3 * i] = (double)x[i];
            values[3 * i + 1] = (double)x[i] * (1 + 0x1p-40);
            values[3 * i + 2] = (double)x[i] * (1 - 0x1p-52);
        }
        uint16_t *halves = any_bits(wide * sizeof *halves, 13);
        for (size_t i = 0; i < wide; i++) {
            double significand = 1 + (double)(halves[i] % 4096) * 0x1p-12;
            values[3 * floats + i] =
                ldexp(significand + (i % 3 == 0 ? 0x1p-45 : i % 3 == 1 ? -0x1p-45 : 0), (int)(halves[i] >> 12) * 3 - 30);
        }
        memcpy(values + 3 * floats + wide, any_bits(wide * sizeof *values, 14), wide * sizeof *values);
        return values;
    }
    case gimbal_int32: {
        int32_t *m, *n;
        *count = pairs_of_integers(&m, &n);
        return m;
    }
    case gimbal_uint8: {
        uint8_t *values = memory(*count = 256);
        for (size_t i = 0; i < 256; i++) values[i] = (uint8_t)i;
        return values;
    }
    default: {  // All that 16 bits can be.
        uint16_t *values = memory((*count = 65536) * sizeof *values);
        for (size_t i = 0; i < 65536; i++) values[i] = (uint16_t)(i * 40503);
        return values;
    }
    }
}

static void run_conversions(void) {
    static const char *const names[] = {"float32", "float16", "bfloat16", "float64", "int32", "uint8"};
    static const char *const types[] = {"u32", "u16", "u16", "u64", "i32", "u8"};
    for (int from = 0; from < gimbal_type_count; from++) {
        for (int to = 0; to < gimbal_type_count; to++) {
            char name[64];
            snprintf(name, sizeof name, "convert %s %s", names[from], names[to]);
            size_t count;
            const void *values = convertible(from, &count);
            run_all(LOOP(convert[from][to]), name, (struct operand[]){{types[to], NULL}, {types[from], values}}, 2, count,
                    false);
        }
    }
}

/// A sum with a transposed operand, and a formula whose block is shorter than its axis: sigmoid(x²) + y.
static void run_boxes(void) {
    enum { rows = 70, columns = 66, block = 16 };
    float *x = numbers(rows * columns, 15), *y = numbers(rows * columns, 16), *out = zeros(2 * rows * columns);
    char *operands[] = {(char *)out, (char *)x, (char *)y};
    gimbal_nest(LOOP(binary[gimbal_binary_subtract]), 3, (ptrdiff_t[]){2, rows, columns}, 3, operands,
                (ptrdiff_t[]){rows * columns, columns, 1, 0, columns, 1, 0, 1, rows}, (ptrdiff_t[]){4, 4, 4}, 0, 0);
    record("f32", out, 2 * rows * columns, "gimbal_nest");

    const struct gimbal_instruction instructions[] = {
        {.loop = LOOP(unary[gimbal_unary_square]), .operand_count = 2, .bases = {3, 1}, .strides = {1, 1}, .steps = {0, 4}},
        {.loop = LOOP(unary[gimbal_unary_sigmoid]), .operand_count = 2, .bases = {3, 3}, .strides = {1, 1}},
        {.loop = LOOP(binary[gimbal_binary_add]),
         .operand_count = 3,
         .bases = {0, 3, 2},
         .strides = {1, 1, rows},
         .steps = {4, 0, 4 * rows}},
    };
    const struct gimbal_formula formula = {instructions, COUNT(instructions), .view_count = 3, .block = block};
    char *bases[] = {(char *)out, (char *)x, (char *)y, (char *)zeros(block)};
    gimbal_run_formula(&formula, 2, (ptrdiff_t[]){rows, columns}, (ptrdiff_t[]){4 * columns, 4, 4 * columns, 4, 4, 4 * rows},
                       bases);
    record("f32", out, rows * columns, "gimbal_run_formula");
    let_go();
}

void run_elementwise(void) {
    run_functions();
    run_choices();
    run_conversions();
    run_boxes();
}
