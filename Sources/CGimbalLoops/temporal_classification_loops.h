// Connectionist temporal classification (Graves et al. 2006), sample by sample. Everything is a logarithm; -infinity stands
// for 0.

ALWAYS_INLINE float add_logarithms(float a, float b, float c) {
    float largest = a > b || a != a ? a : b;
    largest = largest > c || largest != largest ? largest : c;
    largest = largest < -1e30f ? -1e30f : largest;
    return vector_log(vector_exp(a - largest) + vector_exp(b - largest) + vector_exp(c - largest)) + largest;
}

ALWAYS_INLINE size_t within(int32_t length, size_t least, size_t most) {
    return length < (int32_t)least ? least : ((size_t)length > most ? most : (size_t)length);
}

/// Samples first..<last of emissions [time, batch, states]. `scratch` holds 3 (states + 2) floats.
static void path_losses(const float *emissions, const uint8_t *skips, const int32_t *lengths, float *losses,
                        float *forward, size_t time, size_t batch, size_t states, size_t first, size_t last,
                        float *scratch) {
    // The step before, with two columns to the left for the states before the first; and the cost of skipping a state.
    float *before = scratch, *penalty = scratch + states + 2;
    for (size_t n = first; n < last; n++) {
        size_t steps = within(lengths[2 * n], 0, time), count = within(lengths[2 * n + 1], 1, states);
        for (size_t s = 0; s < count + 2; s++) before[s] = -__builtin_inff();
        before[2] = 0;  // A path begins as if it were in the first state.
        for (size_t s = 0; s < count; s++) penalty[s] = skips[n * states + s] ? 0 : -__builtin_inff();
        for (size_t t = 0; t < steps; t++) {
            const float *emission = emissions + (t * batch + n) * states;
            float *out = forward + (t * batch + n) * states;
#pragma clang loop vectorize(assume_safety)
            for (size_t s = 0; s < count; s++)
                out[s] = add_logarithms(before[s + 2], before[s + 1], before[s] + penalty[s]) + emission[s];
            memcpy(before + 2, out, count * sizeof *out);
        }
        losses[n] = -add_logarithms(before[count + 1], count > 1 ? before[count] : -__builtin_inff(), -__builtin_inff());
    }
}

static void path_gradient(const float *emissions, const uint8_t *skips, const int32_t *lengths, const float *losses,
                          const float *forward, const float *loss_gradient, ptrdiff_t loss_gradient_stride, float *out,
                          size_t time, size_t batch, size_t states, size_t first, size_t last, float *scratch) {
    // log β plus the emission of the step after, with two columns to the right for the states past the last.
    float *after = scratch, *penalty = scratch + states + 2, *rest = penalty + states + 2;
    for (size_t n = first; n < last; n++) {
        size_t steps = within(lengths[2 * n], 0, time), count = within(lengths[2 * n + 1], 1, states);
        float loss = losses[n], arriving = loss_gradient[(ptrdiff_t)n * loss_gradient_stride];
        for (size_t s = 0; s < count + 2; s++) after[s] = -__builtin_inff();
        for (size_t s = 0; s < count; s++)
            penalty[s] = s + 2 < count && skips[n * states + s + 2] ? 0 : -__builtin_inff();
        for (size_t t = time; t-- > 0;) {
            size_t start = (t * batch + n) * states;
            size_t live = t < steps ? count : 0;
            for (size_t s = live; s < states; s++) out[start + s] = 0;
            if (t + 1 == steps) {
                for (size_t s = 0; s < live; s++) rest[s] = s + 2 >= count ? 0 : -__builtin_inff();
            } else {
#pragma clang loop vectorize(assume_safety)
                for (size_t s = 0; s < live; s++)
                    rest[s] = add_logarithms(after[s], after[s + 1], after[s + 2] + penalty[s]);
            }
#pragma clang loop vectorize(assume_safety)
            for (size_t s = 0; s < live; s++) {
                out[start + s] = -vector_exp(forward[start + s] + rest[s] + loss) * arriving;
                after[s] = rest[s] + emissions[start + s];
            }
        }
    }
}
