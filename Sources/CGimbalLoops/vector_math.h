// Elementary functions of one float, without branches or calls, so that the compiler vectorises the loops they stand in.
//
// Each is good to about 2 units in the last place over all floats, subnormal numbers included, and gives what IEEE 754
// has for NaN and infinity. The polynomials are minimax fits on the reduced range named beside them.

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE uint32_t bits_of(float x) {
    uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return bits;
}

ALWAYS_INLINE float from_bits(uint32_t bits) {
    float x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
}

ALWAYS_INLINE float with_sign_of(float magnitude, float sign) {
    return from_bits((bits_of(magnitude) & 0x7FFFFFFFu) | (bits_of(sign) & 0x80000000u));
}

/// x - n ln 2 and n, for the whole number n nearest to x / ln 2. Adding 1.5 · 2²³ rounds, and leaves n in the low bits.
ALWAYS_INLINE float reduce_by_ln2(float x, int32_t *n) {
    float shifted = x * 1.44269504f + 12582912.0f;
    float whole = shifted - 12582912.0f;
    *n = (int32_t)(bits_of(shifted) - 0x4B400000u);
    // ln 2 in two parts, of which the first has few enough bits for an exact product.
    float r = x - whole * 0.693359375f;
    return r - whole * -2.12194440e-4f;
}

/// (exp(r) - 1 - r) / r² for |r| ≤ ln(2) / 2.
ALWAYS_INLINE float exponential_tail(float r) {
    float p = 1.98458988e-4f;
    p = p * r + 1.39408928e-3f;
    p = p * r + 8.33338995e-3f;
    p = p * r + 4.16663578e-2f;
    p = p * r + 1.66666664e-1f;
    return p * r + 5.00000004e-1f;
}

ALWAYS_INLINE float vector_exp(float x) {
    x = x < -104.0f ? -104.0f : (x > 89.0f ? 89.0f : x);
    int32_t n;
    float r = reduce_by_ln2(x, &n);
    float p = exponential_tail(r) * r * r + r + 1.0f;
    // 2ⁿ in two factors: one alone would not reach subnormal results.
    int32_t half = n >> 1;
    float low = from_bits((uint32_t)(half + 127) << 23), high = from_bits((uint32_t)(n - half + 127) << 23);
    return p * low * high;
}

ALWAYS_INLINE float vector_log(float x) {
    bool is_subnormal = x < 0x1p-126f;
    uint32_t bits = bits_of(is_subnormal ? x * 0x1p23f : x);
    // Splits x = m 2ᵉ with m in [√½, √2), both from the bits.
    uint32_t offset = bits - 0x3F3504F3u;
    float exponent = (float)((int32_t)offset >> 23) - (is_subnormal ? 23.0f : 0.0f);
    float f = from_bits((offset & 0x7FFFFFu) + 0x3F3504F3u) - 1.0f;
    float p = 6.74664033e-2f;
    p = p * f + -1.16756518e-1f;
    p = p * f + 1.18881623e-1f;
    p = p * f + -1.24055889e-1f;
    p = p * f + 1.42195524e-1f;
    p = p * f + -1.66679959e-1f;
    p = p * f + 2.00021187e-1f;
    p = p * f + -2.50000096e-1f;
    p = p * f + 3.33333126e-1f;
    float z = f * f;
    float y = p * f * z + exponent * -2.12194440e-4f;
    y = y - 0.5f * z;
    float result = exponent * 0.693359375f + (f + y);
    result = x == 0.0f ? -__builtin_inff() : result;
    result = x < 0.0f ? __builtin_nanf("") : result;
    return x - x == 0.0f ? result : (x < 0.0f ? __builtin_nanf("") : x);
}

ALWAYS_INLINE float vector_log1p(float x) {
    float u = 1.0f + x;
    // log(u) misses what rounding took off 1 + x; the first term of the series gives it back.
    float result = vector_log(u) + (x - (u - 1.0f)) / u;
    return u - u == 0.0f && u > 0.0f ? result : vector_log(u);
}

/// exp(x) - 1 for x ≤ 0, without cancellation. From -20 on it rounds to -1.
ALWAYS_INLINE float vector_expm1(float x) {
    x = x < -20.0f ? -20.0f : x;
    int32_t n;
    float r = reduce_by_ln2(x, &n);
    float p = exponential_tail(r) * r * r + r;
    float scale = from_bits((uint32_t)(n + 127) << 23);
    return p * scale + (scale - 1.0f);
}

ALWAYS_INLINE float vector_tanh(float x) {
    // tanh |x| = t / (t + 2) with t = exp(2|x|) - 1, computed without cancellation; 1 to the last bit from 10 on.
    float magnitude = from_bits(bits_of(x) & 0x7FFFFFFFu);
    float twice = 2.0f * (magnitude > 10.0f ? 10.0f : magnitude);
    int32_t n;
    float r = reduce_by_ln2(twice, &n);
    float p = exponential_tail(r) * r * r + r;
    float scale = from_bits((uint32_t)(n + 127) << 23);
    float t = p * scale + (scale - 1.0f);
    return with_sign_of(t / (t + 2.0f), x);
}

ALWAYS_INLINE float vector_erf(float x) {
    float magnitude = from_bits(bits_of(x) & 0x7FFFFFFFu);
    float z = x * x;
    float near = 7.85386117e-5f;  // erf(x) / x - 1 in x² for |x| ≤ 1.
    near = near * z + -8.01019357e-4f;
    near = near * z + 5.18832768e-3f;
    near = near * z + -2.68538119e-2f;
    near = near * z + 1.12835851e-1f;
    near = near * z + -3.76126258e-1f;
    near = near * z + 1.28379166e-1f;
    near = near * x + x;

    float t = (magnitude > 4.0f ? 4.0f : magnitude) - 2.0f;
    float far = 2.16976019e-5f;  // -log(1 - erf(x)) in x - 2 for 1 ≤ x ≤ 4; beyond, erf rounds to 1.
    far = far * t + -1.37706065e-4f;
    far = far * t + 7.30212539e-4f;
    far = far * t + -3.57051934e-3f;
    far = far * t + 1.64658114e-2f;
    far = far * t + 9.23750981e-1f;
    far = far * t + 4.41816078f;
    far = far * t + 5.36494126f;
    int32_t n;
    float r = reduce_by_ln2(-far, &n);
    float scale = from_bits((uint32_t)(n + 127) << 23);
    float tail = (exponential_tail(r) * r * r + r) * scale + scale;
    return magnitude < 1.0f ? near : with_sign_of(1.0f - tail, x);
}

/// The bits of 2/π, after one word of zeros.
static const uint32_t two_over_pi[10] = {0,          0xA2F9836E, 0x4E441529, 0xFC2757D1, 0xF534DDC0,
                                         0xDB629599, 0x3C439041, 0xFE5163AB, 0xDEBBC561, 0xB7246E3A};

/// |x| less its nearest multiple of π/2, and that multiple modulo 4 (Payne and Hanek 1983): the product of the 24-bit
/// significand and those 96 bits of 2/π that decide the quadrant and what is left within it. For |x| ≥ ½.
ALWAYS_INLINE float reduce_by_half_pi(uint32_t magnitude_bits, uint32_t *quadrant) {
    uint32_t significand = (magnitude_bits & 0x7FFFFFu) | 0x800000u;
    uint32_t exponent = magnitude_bits >> 23;
    // Bits of 2/π that weigh 4 or more after multiplication by 2^(exponent - 150) drop out.
    uint32_t start = (exponent < 126 ? 126 : (exponent > 254 ? 254 : exponent)) - 120;
    uint32_t word = start >> 5, shift = start & 31;
    uint64_t first = (uint64_t)two_over_pi[word] << 32 | two_over_pi[word + 1];
    uint64_t second = (uint64_t)two_over_pi[word + 1] << 32 | two_over_pi[word + 2];
    uint64_t third = (uint64_t)two_over_pi[word + 2] << 32 | two_over_pi[word + 3];
    uint32_t high = (uint32_t)(first << shift >> 32), middle = (uint32_t)(second << shift >> 32);
    uint32_t low = (uint32_t)(third << shift >> 32);
    uint64_t product = ((uint64_t)significand * high << 32) + (uint64_t)significand * middle
        + ((uint64_t)significand * low >> 32);
    uint64_t nearest = product + 0x2000000000000000u;
    *quadrant = (uint32_t)(nearest >> 62);
    int64_t fraction = (int64_t)(product - (nearest & 0xC000000000000000u));
    return (float)((double)fraction * (1.57079632679489662 * 0x1p-62));
}

/// sin(x + quarters π/2).
ALWAYS_INLINE float vector_sine(float x, uint32_t quarters) {
    uint32_t magnitude_bits = bits_of(x) & 0x7FFFFFFFu;
    uint32_t quadrant;
    float r = reduce_by_half_pi(magnitude_bits, &quadrant);
    bool is_small = magnitude_bits < 0x3F000000u;
    r = is_small ? from_bits(magnitude_bits) : r;
    quadrant = is_small ? 0 : quadrant;
    bool is_negative = bits_of(x) >> 31;
    r = is_negative ? -r : r;
    quadrant = (is_negative ? 0 - quadrant : quadrant) + quarters;

    float z = r * r;
    float s = 2.71804647e-6f;
    s = s * z + -1.98393044e-4f;
    s = s * z + 8.33332928e-3f;
    s = s * z + -1.66666666e-1f;
    s = s * z * r + r;
    float c = -2.72050461e-7f;
    c = c * z + 2.47994515e-5f;
    c = c * z + -1.38888835e-3f;
    c = c * z + 4.16666666e-2f;
    c = c * z * z + (1.0f - 0.5f * z);
    float result = quadrant & 1 ? c : s;
    result = quadrant & 2 ? -result : result;
    return x - x == 0.0f ? result : __builtin_nanf("");
}

/// x to the power y, by way of 2^(y log₂ |x|) in double, where an error in the logarithm costs no bit of the result.
ALWAYS_INLINE float vector_pow(float x, float y) {
    float magnitude = from_bits(bits_of(x) & 0x7FFFFFFFu);
    bool is_subnormal = magnitude < 0x1p-126f;
    uint32_t offset = bits_of(is_subnormal ? magnitude * 0x1p23f : magnitude) - 0x3F3504F3u;
    double exponent = (double)((int32_t)offset >> 23) - (is_subnormal ? 23.0 : 0.0);
    double m = (double)from_bits((offset & 0x7FFFFFu) + 0x3F3504F3u);
    double t = (m - 1.0) / (m + 1.0), z = t * t;  // log m = 2 artanh t
    double series = 1.0 / 15.0;
    series = series * z + 1.0 / 13.0;
    series = series * z + 1.0 / 11.0;
    series = series * z + 1.0 / 9.0;
    series = series * z + 1.0 / 7.0;
    series = series * z + 1.0 / 5.0;
    series = series * z + 1.0 / 3.0;
    series = series * z + 1.0;
    double log2 = exponent + t * series * 2.88539008177792681;
    log2 = magnitude == 0.0f ? -__builtin_inf() : (magnitude - magnitude == 0.0f ? log2 : (double)magnitude);

    double power = (double)y * log2;
    double held = power < -200.0 ? -200.0 : (power > 200.0 ? 200.0 : power);
    double shifted = held + 0x1.8p52;
    double r = (held - (shifted - 0x1.8p52)) * 0.693147180559945309;
    uint64_t bits;
    __builtin_memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 1023) << 52;  // The low bits of `shifted` hold the whole part.
    double scale;
    __builtin_memcpy(&scale, &bits, sizeof scale);
    double p = 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    float result = magnitude == 1.0f && y == y ? 1.0f : (float)(p * scale);

    // A negative base: odd whole powers are negative, and others than whole ones are nothing, save for 0 and infinity.
    float size = from_bits(bits_of(y) & 0x7FFFFFFFu);
    float whole = size >= 0x1p24f ? size : (size >= 0x1p23f ? size : (size + 0x1p23f) - 0x1p23f);
    bool is_whole = whole == size, is_odd = is_whole && size < 0x1p24f && ((uint32_t)(size < 0x1p24f ? size : 0.0f) & 1);
    bool is_negative = bits_of(x) >> 31;
    result = is_negative && is_odd ? -result : result;
    bool is_undefined = x < 0.0f && !is_whole && magnitude - magnitude == 0.0f;
    result = is_undefined ? __builtin_nanf("") : result;
    return x == 1.0f || y == 0.0f ? 1.0f : result;
}

#define EXP vector_exp
#define EXPM1 vector_expm1
#define LOG vector_log
#define LOG1P vector_log1p
#define TANH vector_tanh
#define ERF vector_erf
#define SIN(x) vector_sine(x, 0)
#define COS(x) vector_sine(x, 1)
#define SQRT __builtin_elementwise_sqrt
#define RSQRT(x) (1.0f / __builtin_elementwise_sqrt(x))
#define POW vector_pow
#define FABS __builtin_fabsf
