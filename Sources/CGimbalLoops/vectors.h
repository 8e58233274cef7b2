// Vectors as wide as the level's registers.

#define VECTOR_FLOATS ((int)(sizeof(vector) / sizeof(float)))
typedef float vector __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef float quad __attribute__((vector_size(16), aligned(4), may_alias));

/// Parts of vectors: elements beyond the first `live`, at most all, are neither read nor written, and count as 0.
#if VECTOR_BYTES == 64
ALWAYS_INLINE vector load_part(const float *from, size_t live) {
    return (vector)_mm512_maskz_loadu_ps((__mmask16)((1u << live) - 1), from);
}

ALWAYS_INLINE void store_part(float *to, vector value, size_t live) {
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << live) - 1), (__m512)value);
}
#elif VECTOR_BYTES == 32
/// The first `live` of eight lanes.
ALWAYS_INLINE __m256i part_mask(size_t live) {
    static const int32_t lanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(lanes + VECTOR_FLOATS - live));
}

ALWAYS_INLINE vector load_part(const float *from, size_t live) {
    return (vector)_mm256_maskload_ps(from, part_mask(live));
}

ALWAYS_INLINE void store_part(float *to, vector value, size_t live) {
    _mm256_maskstore_ps(to, part_mask(live), (__m256)value);
}
#else
ALWAYS_INLINE vector load_part(const float *from, size_t live) {
    if (live == VECTOR_FLOATS) return *(const vector *)from;
    vector result = {0};
    for (size_t i = 0; i < live; i++) result[i] = from[i];
    return result;
}

ALWAYS_INLINE void store_part(float *to, vector value, size_t live) {
    if (live == VECTOR_FLOATS) {
        *(vector *)to = value;
        return;
    }
    for (size_t i = 0; i < live; i++) to[i] = value[i];
}
#endif

ALWAYS_INLINE float vector_total(vector x) {
    float total = 0;
#pragma clang loop unroll(full)
    for (int i = 0; i < VECTOR_FLOATS; i++) total += x[i];
    return total;
}

ALWAYS_INLINE size_t at_most(size_t count, size_t most) { return count < most ? count : most; }

/// So many, filled up to whole vectors.
ALWAYS_INLINE size_t padded(size_t count) { return (count + VECTOR_FLOATS - 1) / VECTOR_FLOATS * VECTOR_FLOATS; }
