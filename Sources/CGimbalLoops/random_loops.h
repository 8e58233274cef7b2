// Philox numbers. Contraction is off from here to the end of the file that includes this: a seed must give the same bits
// at every level, as on every device.

#pragma STDC FP_CONTRACT OFF

#define U32 uint32_t
#define MULHI(a, b) ((uint32_t)((uint64_t)(a) * (b) >> 32))
#define FMA __builtin_fmaf
#define FLOAT_OF(u) ((float)(u))
#define BITS_OF bits_of
#define FROM_BITS from_bits
#define INLINE ALWAYS_INLINE
#include "../../Kernels/philox.h"

enum { random_blocks = 64, random_block_elements = 4 * random_blocks };

/// Words of `random_blocks` blocks from `counter` on.
ALWAYS_INLINE void random_words(uint32_t *restrict words, uint64_t seed, uint64_t counter) {
    uint32_t low = (uint32_t)seed, high = (uint32_t)(seed >> 32);
#pragma clang loop vectorize(assume_safety)
    for (size_t i = 0; i < random_blocks; i++) {
        uint64_t at = counter + i;
        uint32_t word[4];
        philox_block((uint32_t)at, (uint32_t)(at >> 32), low, high, word);
        words[4 * i] = word[0];
        words[4 * i + 1] = word[1];
        words[4 * i + 2] = word[2];
        words[4 * i + 3] = word[3];
    }
}

static void random_uniform(float *out, size_t count, uint64_t seed, uint64_t counter) {
    for (size_t start = 0; start < count; start += random_block_elements, counter += random_blocks) {
        uint32_t words[random_block_elements];
        random_words(words, seed, counter);
        size_t live = count - start < random_block_elements ? count - start : random_block_elements;
        for (size_t i = 0; i < live; i++) out[start + i] = philox_uniform(words[i]);
    }
}

static void random_normal(float *out, size_t count, uint64_t seed, uint64_t counter) {
    for (size_t start = 0; start < count; start += random_block_elements, counter += random_blocks) {
        uint32_t words[random_block_elements];
        float values[random_block_elements];
        random_words(words, seed, counter);
        size_t live = count - start < random_block_elements ? count - start : random_block_elements;
        size_t pairs = (live + 1) / 2;
#pragma clang loop vectorize(assume_safety)
        for (size_t i = 0; i < pairs; i++) {
            float first, second;
            philox_normal(words[2 * i], words[2 * i + 1], &first, &second);
            values[2 * i] = first;
            values[2 * i + 1] = second;
        }
        memcpy(out + start, values, live * sizeof(float));
    }
}

static void dropout(const float *x, float *out, size_t count, float probability, float scale, uint64_t seed,
                    uint64_t counter) {
    for (size_t start = 0; start < count; start += random_block_elements, counter += random_blocks) {
        uint32_t words[random_block_elements];
        random_words(words, seed, counter);
        size_t live = count - start < random_block_elements ? count - start : random_block_elements;
        const float *from = x + start;
        float *to = out + start;
#pragma clang loop vectorize(assume_safety)
        for (size_t i = 0; i < live; i++) to[i] = philox_uniform(words[i]) < probability ? 0.0f : from[i] * scale;
    }
}
