// Runs every loop of a level, and writes what comes out.
//
//   every_loop LEVEL FILE        exits with 2 where the processor has no such level
//
// A result is a line `type count name` and as many elements behind it. Nothing that is written depends on how wide the vectors of
// the level are, nor on the processor: Scripts/arm-check asks of such files that they are the same.

#include "every_loop.h"

#include <stdarg.h>

const struct gimbal_loops *loops;
static FILE *file;

// MARK: Entries

// All of the table are as large as a pointer, and so are their places.
static const char *run[sizeof(struct gimbal_loops) / sizeof(void *)];
_Static_assert(sizeof(struct gimbal_loops) % sizeof(void *) == 0 && sizeof(size_t) == sizeof(void *),
               "the entries are told apart by their places");

static size_t position(const void *place) { return (size_t)((const char *)place - (const char *)loops) / sizeof(void *); }

const void *entry(const void *place, const char *member) {
    run[position(place)] = member;
    return place;
}

/// Tells of each entry that nobody asked for.
static int forgotten(void) {
    int count = 0;
    for (size_t i = 0; i < COUNT(run); i++) {
        if (run[i]) continue;
        const char *before = i > 0 && run[i - 1] ? run[i - 1] : "another that is not";
        fprintf(stderr, "every_loop: entry %zu of the table, after %s, is not run\n", i, before);
        count++;
    }
    return count;
}

// MARK: Inputs

static void **held;
static size_t held_count, held_room;

void *memory(size_t bytes) {
    if (held_count == held_room) {
        held_room = 2 * held_room + 64;
        held = realloc(held, held_room * sizeof *held);
    }
    void *result = held ? malloc(bytes) : NULL;
    if (!result) abort();
    return held[held_count++] = result;
}

void let_go(void) {
    while (held_count > 0) free(held[--held_count]);
}

/// Marsaglia 2003, Xorshift RNGs.
static uint32_t next(uint32_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static uint32_t first_state(uint32_t seed) {
    uint32_t state = seed * 2654435761u + 1;
    return next(&state) ? state : 1;
}

float *numbers(size_t count, uint32_t seed) {
    uint32_t state = first_state(seed);
    float *result = memory(count * sizeof *result);
    for (size_t i = 0; i < count; i++) result[i] = ((float)(next(&state) >> 8) - 0x1p23f) * 0x1p-22f;
    return result;
}

float *whole_numbers(size_t count, uint32_t seed) {
    uint32_t state = first_state(seed);
    float *result = memory(count * sizeof *result);
    for (size_t i = 0; i < count; i++) result[i] = (float)((int)(next(&state) >> 8) % 17 - 8);
    return result;
}

void *any_bits(size_t bytes, uint32_t seed) {
    uint32_t state = first_state(seed);
    uint8_t *result = memory(bytes);
    for (size_t i = 0; i < bytes; i++) result[i] = (uint8_t)(next(&state) >> 16);
    return result;
}

float *zeros(size_t count) {
    return memset(memory(count * sizeof(float)), 0, count * sizeof(float));
}

float *copy_of(const float *values, size_t count) {
    return memcpy(memory(count * sizeof *values), values, count * sizeof *values);
}

const float peculiar[] = {
    0.0f, -0.0f, 0x1p-149f, -0x1p-149f, 0x1.8p-140f, 0x1.fffffcp-127f, -0x1.fffffcp-127f, 0x1p-126f, -0x1p-126f, 0x1p-120f,
    // float16 and where it rounds to 0, to its least, and to infinity.
    0x1p-25f, 0x1.000002p-25f, 0x1p-24f, 0x1.8p-24f, 0x1.ffcp-15f, 0x1p-14f, 65504.0f, 65519.996f, 65520.0f, -65520.0f,
    0x1.002p0f, 0x1.006p0f, 0x1.01p0f, 0x1.03p0f,
    0.5f, 0.49999997f, -0.5f, 0.70710678f, 1.0f, -1.0f, 0.99999994f, 1.0000001f, 1.41421356f, 1.5707964f, 2.0f, -2.0f,
    3.0f, -3.0f, 2.9999998f, 3.1415927f, 4.0f, 6.0f, -6.0f, 10.0f, 20.0f, -20.0f, -20.5f, 33.3f, -33.3f,
    // exp: overflow, the least normal result, the least of all.
    88.72283f, 88.722839f, 89.0f, -87.33654f, -87.5f, -103.97208f, -104.0f, -105.0f,
    100.25f, 254.5f, 255.0f, 255.5f, 256.0f, -0.75f, 1000.0f, -1000.0f, 12345.678f, 8388607.5f, 16777215.0f, 16777216.0f,
    2147483520.0f, 2147483648.0f, -2147483648.0f, -2147483904.0f, 4294967296.0f, 1e10f, 1e19f, -1e20f, 1e30f, 0x1p117f,
    0x1.fffffep127f, -0x1.fffffep127f, __builtin_inff(), -__builtin_inff(), __builtin_nanf(""), -__builtin_nanf(""),
    __builtin_nanf("0x12345"), __builtin_nansf("1"),
};
const size_t peculiar_count = COUNT(peculiar);

float *mixed_numbers(size_t count, size_t every, uint32_t seed) {
    float *result = numbers(count, seed);
    for (size_t i = seed % every, k = seed; i < count; i += every) result[i] = peculiar[k++ % peculiar_count];
    return result;
}

// MARK: What is as wide as vectors are

size_t rounded_up(size_t count, size_t multiple) { return (count + multiple - 1) / multiple * multiple; }

float *columns_of(const float *from, size_t rows, size_t columns, size_t first, size_t live, size_t width) {
    float *result = zeros(rows * width);
    for (size_t r = 0; r < rows; r++) memcpy(result + r * width, from + r * columns + first, live * sizeof *result);
    return result;
}

void put_columns(const float *part, size_t width, float *to, size_t rows, size_t columns, size_t first, size_t live) {
    for (size_t r = 0; r < rows; r++) memcpy(to + r * columns + first, part + r * width, live * sizeof *to);
}

// MARK: Results

/// NaN to be written like any other.
static void write_floats(const float *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        float value = values[i] == values[i] ? values[i] : __builtin_nanf("");
        fwrite(&value, sizeof value, 1, file);
    }
}

static void write_doubles(const double *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        double value = values[i] == values[i] ? values[i] : __builtin_nan("");
        fwrite(&value, sizeof value, 1, file);
    }
}

void record(const char *type, const void *values, size_t count, const char *format, ...) {
    fprintf(file, "%s %zu ", type, count);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(file, format, arguments);
    va_end(arguments);
    fputc('\n', file);
    if (strcmp(type, "f32") == 0) write_floats(values, count);
    else if (strcmp(type, "f64") == 0) write_doubles(values, count);
    else fwrite(values, size_of(type), count, file);
}

int main(int argument_count, char **arguments) {
    if (argument_count != 3) {
        fprintf(stderr, "usage: every_loop LEVEL FILE\n");
        return 64;
    }
    loops = gimbal_loops_named(arguments[1]);
    if (!loops) {
        fprintf(stderr, "every_loop: this processor has no level %s\n", arguments[1]);
        return 2;
    }
    file = fopen(arguments[2], "wb");
    if (!file) {
        perror(arguments[2]);
        return 1;
    }
    if (strcmp(LOOP(name), arguments[1]) != 0) abort();
    run_elementwise();
    run_reductions();
    run_softmaxes();
    run_attention_blocks();
    run_normalizations();
    run_optimizers();
    run_random();
    run_recurrent();
    run_convolutions();
    run_products();
    run_pooling();
    run_indexing();
    run_threads();
    let_go();
    free(held);
    bool is_written = !ferror(file);
    if (fclose(file) != 0 || !is_written) {
        perror(arguments[2]);
        return 1;
    }
    return forgotten() > 0;
}
