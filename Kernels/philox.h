// Philox 4x32-10 (Salmon et al. 2011) and the numbers made from it, for the CPU loops and the OpenCL kernels alike.
//
// Only integer operations, multiplications and explicit fused multiply-adds are used, with contraction switched off by
// the including file, so that a seed gives the same bits on every device. To be defined before the include:
//
//   U32            unsigned 32-bit type              MULHI(a, b)    upper half of the 64-bit product
//   FMA(a, b, c)   fused multiply-add                FLOAT_OF(u)    unsigned to float, rounded to nearest
//   BITS_OF(f)     bits of a float                   FROM_BITS(u)   float of bits
//   INLINE         function specifier

/// The block of four words at `counter` under `key`, into word[0...3].
INLINE void philox_block(U32 counter_low, U32 counter_high, U32 key_low, U32 key_high, U32 *word) {
    U32 c0 = counter_low, c1 = counter_high, c2 = 0, c3 = 0, k0 = key_low, k1 = key_high;
    for (int round = 0; round < 10; round++) {
        U32 high0 = MULHI(0xD2511F53u, c0), low0 = 0xD2511F53u * c0;
        U32 high1 = MULHI(0xCD9E8D57u, c2), low1 = 0xCD9E8D57u * c2;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    word[0] = c0;
    word[1] = c1;
    word[2] = c2;
    word[3] = c3;
}

/// Uniform in [0, 1): the upper 24 bits.
INLINE float philox_uniform(U32 word) { return FLOAT_OF(word >> 8) * 0x1p-24f; }

/// Natural logarithm of u in (0, 1], normal numbers only (Cephes logf, coefficients by S. Moshier).
INLINE float philox_log(float u) {
    U32 bits = BITS_OF(u);
    float exponent = FLOAT_OF(bits >> 23) - 127.0f;
    float f = FROM_BITS((bits & 0x7FFFFFu) | 0x3F800000u);
    if (f > 1.41421356f) {
        f = f * 0.5f;
        exponent = exponent + 1.0f;
    }
    f = f - 1.0f;
    float z = f * f;
    float p = 7.0376836292e-2f;
    p = FMA(p, f, -1.1514610310e-1f);
    p = FMA(p, f, 1.1676998740e-1f);
    p = FMA(p, f, -1.2420140846e-1f);
    p = FMA(p, f, 1.4249322787e-1f);
    p = FMA(p, f, -1.6668057665e-1f);
    p = FMA(p, f, 2.0000714765e-1f);
    p = FMA(p, f, -2.4999993993e-1f);
    p = FMA(p, f, 3.3333331174e-1f);
    float y = p * f * z;
    y = FMA(exponent, -2.12194440e-4f, y);
    y = FMA(-0.5f, z, y);
    return FMA(exponent, 0.693359375f, f + y);
}

/// Square root by Newton's method: the built-in one is not rounded alike on every device.
INLINE float philox_sqrt(float x) {
    float y = FROM_BITS(0x5F3759DFu - (BITS_OF(x) >> 1));
    for (int i = 0; i < 4; i++) y = y * FMA(-0.5f * x * y, y, 1.5f);
    float s = x * y;
    return FMA(FMA(-s, s, x), 0.5f * y, s);
}

/// Two independent standard normal numbers from two words, by Box and Muller (1958).
INLINE void philox_normal(U32 word0, U32 word1, float *first, float *second) {
    float u = FMA(FLOAT_OF(word0), 0x1p-32f, 0x1p-33f);
    float square = -2.0f * philox_log(u);
    float radius = philox_sqrt(square > 0.0f ? square : 0.0f);

    // Quadrant from the top two bits, the angle within it from the 24 below; sine and cosine by their series.
    float angle = FLOAT_OF((word1 << 2) >> 8) * 0x1p-24f * 1.57079633f;
    float z = angle * angle;
    float s = 1.60590438e-10f;
    s = FMA(s, z, -2.50521084e-8f);
    s = FMA(s, z, 2.75573192e-6f);
    s = FMA(s, z, -1.98412698e-4f);
    s = FMA(s, z, 8.33333333e-3f);
    s = FMA(s, z, -1.66666667e-1f);
    s = FMA(s * z, angle, angle);
    float c = 2.08767570e-9f;
    c = FMA(c, z, -2.75573192e-7f);
    c = FMA(c, z, 2.48015873e-5f);
    c = FMA(c, z, -1.38888889e-3f);
    c = FMA(c, z, 4.16666667e-2f);
    c = FMA(c, z, -0.5f);
    c = FMA(c, z, 1.0f);
    U32 quadrant = word1 >> 30;
    float cosine = quadrant == 0 ? c : quadrant == 1 ? -s : quadrant == 2 ? -c : s;
    float sine = quadrant == 0 ? s : quadrant == 1 ? c : quadrant == 2 ? -s : -c;
    *first = radius * cosine;
    *second = radius * sine;
}
