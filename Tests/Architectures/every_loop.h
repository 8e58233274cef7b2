// Inputs for the loops, and where their results go.

#pragma once

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CGimbalLoops.h"

/// The level under test.
extern const struct gimbal_loops *loops;

/// An entry of the table, by its member's name. Whoever asks for it is to run it: at the end, none may be left.
#define LOOP(member) (*(__typeof__(&loops->member))entry(&loops->member, #member))
const void *entry(const void *place, const char *member);

#define COUNT(array) (sizeof(array) / sizeof *(array))
/// Runs what follows with `name` as each of the numbers.
#define EACH(name, ...)                                                                                                \
    for (size_t name, name##_at = 0;                                                                                   \
         name##_at < COUNT(((size_t[]){__VA_ARGS__})) && (name = ((size_t[]){__VA_ARGS__})[name##_at], true); name##_at++)

/// Counts about the widths of vectors and of blocks of them.
#define EDGES 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100

// MARK: Inputs. All memory ends where it is to end, and is given back by `let_go`.

void *memory(size_t bytes);
void let_go(void);

/// From -2 up to 2; the same for the same seed. None is rounded, so that no processor makes others of them.
float *numbers(size_t count, uint32_t seed);
/// Whole numbers from -8 to 8: sums of their products are exact in any order.
float *whole_numbers(size_t count, uint32_t seed);
/// Any bits.
void *any_bits(size_t bytes, uint32_t seed);
float *zeros(size_t count);
float *copy_of(const float *values, size_t count);
/// Zeros of both signs, the least numbers, the largest, infinities, NaN, and where formulas change their ways.
extern const float peculiar[];
extern const size_t peculiar_count;
/// `numbers`, one in `every` of which is peculiar.
float *mixed_numbers(size_t count, size_t every, uint32_t seed);

// MARK: What is as wide as vectors are

size_t rounded_up(size_t count, size_t multiple);
/// Columns first..<first + live of rows of `columns`, filled up to `width` with zeros.
float *columns_of(const float *from, size_t rows, size_t columns, size_t first, size_t live, size_t width);
/// The way back.
void put_columns(const float *part, size_t width, float *to, size_t rows, size_t columns, size_t first, size_t live);

// MARK: Results

/// Writes an array of results, of type f32, f64, i32, i64, u8, u16, u32 or u64, under the name that `format` makes. Among f32 and
/// f64 each NaN is like any other, as processors differ in its sign; where its bits matter, results go by u32 and u64.
void record(const char *type, const void *values, size_t count, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/// Bytes of an element.
static inline size_t size_of(const char *type) { return (size_t)atoi(type + 1) / 8; }

// MARK: The parts

void run_elementwise(void);
void run_reductions(void);
void run_softmaxes(void);
void run_attention_blocks(void);
void run_normalizations(void);
void run_optimizers(void);
void run_random(void);
void run_recurrent(void);
void run_convolutions(void);
void run_products(void);
void run_pooling(void);
void run_indexing(void);
void run_threads(void);
