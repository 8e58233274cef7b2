// Batch normalisation over x[batch, channels, positions]. With one position per channel, as after a linear layer, whole
// vectors of channels are handled at once; otherwise the positions of a channel.

enum { channel_block = 64 };

/// Channels that are worked on together: whole vectors of them, or as many as a second-level cache keeps from one pass over them to
/// the next.
ALWAYS_INLINE size_t channels_at_once(const struct gimbal_batch_norm *b) {
    size_t each = b->batch * b->positions, fit = (1 << 16) / (each ? each : 1);
    return b->positions == 1 || fit > channel_block ? channel_block : fit ? fit : 1;
}

/// Σ (x - centre) and Σ (x - centre)² of up to `channel_block` neighbouring channels with one position.
ALWAYS_INLINE void channel_sums(const float *x, size_t batch, size_t stride, size_t channels, const float *centre,
                                double *sum, double *square) {
    for (size_t c = 0; c < channels; c++) sum[c] = square[c] = 0;
    for (size_t start = 0; start < batch; start += row_block) {
        size_t end = batch - start < row_block ? batch : start + row_block;
        float partial[channel_block] = {0}, partial_square[channel_block] = {0};
        for (size_t n = start; n < end; n++) {
            const float *row = x + n * stride;
            for (size_t c = 0; c < channels; c++) {
                float d = row[c] - centre[c];
                partial[c] += d;
                partial_square[c] += d * d;
            }
        }
        for (size_t c = 0; c < channels; c++) {
            sum[c] += (double)partial[c];
            square[c] += (double)partial_square[c];
        }
    }
}

/// Σ (x - centre) · y over contiguous values; y = x - centre where `y` is NULL.
ALWAYS_INLINE double centred_product(const float *x, const float *y, size_t count, float centre) {
    double total = 0;
    for (size_t start = 0; start < count; start += 256) {
        size_t live = count - start < 256 ? count - start : 256;
        float product[256];
        const float *px = x + start, *py = y ? y + start : NULL;
        if (py) for (size_t i = 0; i < live; i++) product[i] = (px[i] - centre) * py[i];
        else for (size_t i = 0; i < live; i++) product[i] = (px[i] - centre) * (px[i] - centre);
        total += sum_contiguous(product, live);
    }
    return total;
}

/// The mean of `rows` rows of contiguous values, or 0, and Σ (x - mean)², where squares do not fit a float.
static double extreme_squares(const float *x, size_t rows, size_t stride, size_t columns, bool centers, float *mean) {
    double centre = 0, total = 0;
    if (centers) {
        for (size_t r = 0; r < rows && centre == centre; r++)
            for (size_t c = 0; c < columns; c++) centre += (double)x[r * stride + c];
        centre /= (double)(rows * columns);
    }
    for (size_t r = 0; r < rows && total == total; r++)
        for (size_t c = 0; c < columns; c++) {
            double d = (double)x[r * stride + c] - centre;
            total += d * d;
        }
    *mean = (float)centre;
    return total;
}

/// What `residual` and ReLU make of a normalised value.
ALWAYS_INLINE float ended(float value, const float *residual, size_t i, const bool adds, const bool rectifies) {
    if (adds) value += residual[i];
    return rectifies && value < 0.0f ? 0.0f : value;
}

/// out = (x - mean) · factor · scale + shift for channels first..<last; `factor` counts from `first`.
ALWAYS_INLINE void normalize_and_end(const struct gimbal_batch_norm *b, const float *x, const float *factor, float *out,
                                     size_t first, size_t last, const bool adds, const bool rectifies) {
    size_t channels = b->channels, positions = b->positions;
    for (size_t start = first; start < last; start += channel_block) {
        size_t end = last - start < channel_block ? last : start + channel_block, count = end - start;
        float slope[channel_block], centre[channel_block], shift[channel_block];
        for (size_t c = 0; c < count; c++) {
            slope[c] = factor[start - first + c] * (b->scale ? b->scale[start + c] : 1.0f);
            centre[c] = b->mean[start + c];
            shift[c] = b->shift ? b->shift[start + c] : 0.0f;
        }
        for (size_t n = 0; n < b->batch; n++) {
            size_t at = (n * channels + start) * positions;
            if (positions == 1) {
                const float *row = x + at, *added = adds ? b->residual + at : NULL;
                float *to = out + at;
#pragma clang loop vectorize(assume_safety)
                for (size_t c = 0; c < count; c++)
                    to[c] = ended((row[c] - centre[c]) * slope[c] + shift[c], added, c, adds, rectifies);
            } else {
                for (size_t c = 0; c < count; c++) {
                    const float *row = x + at + c * positions, *added = adds ? b->residual + at + c * positions : NULL;
                    float *to = out + at + c * positions, m = centre[c], s = slope[c], o = shift[c];
#pragma clang loop vectorize(assume_safety)
                    for (size_t i = 0; i < positions; i++)
                        to[i] = ended((row[i] - m) * s + o, added, i, adds, rectifies);
                }
            }
        }
    }
}

static void normalize(const struct gimbal_batch_norm *b, const float *x, const float *factor, float *out, size_t first,
                      size_t last) {
    if (!b->rectifies) normalize_and_end(b, x, factor, out, first, last, false, false);
    else if (!b->residual) normalize_and_end(b, x, factor, out, first, last, false, true);
    else normalize_and_end(b, x, factor, out, first, last, true, true);
}

static void batch_norm(const struct gimbal_batch_norm *b, const float *x, float *out, size_t first, size_t last) {
    size_t channels = b->channels, positions = b->positions;
    double count = (double)(b->batch * positions);
    for (size_t start = first, end; start < last; start = end) {
        size_t width = at_most(last - start, channels_at_once(b));
        end = start + width;
        double sums[channel_block], squares[channel_block];
        if (positions == 1) {
            float centre[channel_block];
            for (size_t c = 0; c < width; c++) sums[c] = 0;
            fold_columns(gimbal_sum, x + start, b->batch, (ptrdiff_t)channels, width, sums);
            for (size_t c = 0; c < width; c++) centre[c] = (float)(sums[c] / count);
            channel_sums(x + start, b->batch, channels, width, centre, sums, squares);
            // What rounding took off the first mean shows in the sum about it, and comes back to mean and variance.
            for (size_t c = 0; c < width; c++) {
                bool is_finite = centre[c] - centre[c] == 0.0f;
                b->mean[start + c] = is_finite ? (float)((double)centre[c] + sums[c] / count) : centre[c];
                squares[c] -= sums[c] * sums[c] / count;
            }
        } else {
            for (size_t c = 0; c < width; c++) {
                double sum = 0, square = 0;
                const float *from = x + (start + c) * positions;
                for (size_t n = 0; n < b->batch; n++) sum += sum_contiguous(from + n * channels * positions, positions);
                float mean = b->mean[start + c] = (float)(sum / count);
                for (size_t n = 0; n < b->batch; n++)
                    square += centred_product(from + n * channels * positions, NULL, positions, mean);
                squares[c] = square;
            }
        }
        for (size_t c = 0; c < width; c++) {
            size_t channel = start + c;
            if (!(squares[c] < (double)INFINITY))
                squares[c] = extreme_squares(
                    x + channel * positions, b->batch, channels * positions, positions, true, &b->mean[channel]);
            b->inverse_deviation[channel] = (float)(1.0 / sqrt(squares[c] / count + (double)b->epsilon));
            if (b->running_mean) {
                float m = b->momentum;
                b->running_mean[channel] = (1.0f - m) * b->running_mean[channel] + m * b->mean[channel];
                b->running_variance[channel] =
                    (1.0f - m) * b->running_variance[channel] + m * (float)(squares[c] / (count - 1.0));
            }
        }
        normalize(b, x, b->inverse_deviation + start, out, start, end);
    }
}

static void batch_norm_inference(const struct gimbal_batch_norm *b, const float *x, const float *variance, float *out,
                                 size_t first, size_t last) {
    for (size_t start = first; start < last; start += channel_block) {
        size_t end = last - start < channel_block ? last : start + channel_block;
        float factor[channel_block];
        for (size_t c = 0; c < end - start; c++)
            factor[c] = 1.0f / __builtin_elementwise_sqrt(variance[start + c] + b->epsilon);
        normalize(b, x, factor, out, start, end);
    }
}

/// The gradient that passes a ReLU which gave y; all of it where there was none.
ALWAYS_INLINE float passed(const float *y, const float *gradient, size_t i, const bool rectifies) {
    return rectifies && y[i] <= 0.0f ? 0.0f : gradient[i];
}

/// Σ dy and Σ dy (x - centre) over a row, of the gradient that passes a ReLU, which goes to `kept` as well where that is given.
ALWAYS_INLINE void passed_sums(const float *x, const float *y, const float *gradient, size_t count, float centre,
                               float *kept, double *sum, double *product) {
    enum { piece = 1024 };
    float held[piece];
    for (size_t start = 0; start < count; start += piece) {
        size_t live = count - start < piece ? count - start : piece;
        float *to = kept ? kept + start : held;
#pragma clang loop vectorize(assume_safety)
        for (size_t i = 0; i < live; i++) to[i] = passed(y + start, gradient + start, i, true);
        *sum += sum_contiguous(to, live);
        *product += centred_product(x + start, to, live, centre);
    }
}

ALWAYS_INLINE void batch_norm_gradient_of(const struct gimbal_batch_norm *b, const float *x, const float *y,
                                          const float *output_gradient, float *input_gradient,
                                          float *residual_gradient, float *scale_gradient, bool scale_accumulates,
                                          float *shift_gradient, bool shift_accumulates, size_t first, size_t last,
                                          const bool rectifies) {
    size_t channels = b->channels, positions = b->positions;
    float count = (float)(b->batch * positions);
    for (size_t start = first, end; start < last; start = end) {
        size_t width = at_most(last - start, channels_at_once(b));
        end = start + width;
        // Σ dy and Σ dy x̂.
        float sums[channel_block], products[channel_block];
        const float *mean = b->mean + start, *deviation = b->inverse_deviation + start;
        if (positions == 1) {
            double sum[channel_block] = {0}, product[channel_block] = {0};
            for (size_t block = 0; block < b->batch; block += row_block) {
                size_t block_end = b->batch - block < row_block ? b->batch : block + row_block;
                float partial[channel_block] = {0}, partial_product[channel_block] = {0};
                for (size_t n = block; n < block_end; n++) {
                    size_t at = n * channels + start;
                    const float *dy = output_gradient + at, *row = x + at, *result = rectifies ? y + at : NULL;
                    float *kept = residual_gradient ? residual_gradient + at : NULL;
#pragma clang loop vectorize(assume_safety)
                    for (size_t c = 0; c < width; c++) {
                        float d = passed(result, dy, c, rectifies);
                        partial[c] += d;
                        partial_product[c] += d * (row[c] - mean[c]);
                    }
                    for (size_t c = 0; c < width && kept; c++) kept[c] = passed(result, dy, c, rectifies);
                }
                for (size_t c = 0; c < width; c++) {
                    sum[c] += (double)partial[c];
                    product[c] += (double)partial_product[c];
                }
            }
            for (size_t c = 0; c < width; c++) {
                sums[c] = (float)sum[c];
                products[c] = (float)product[c] * deviation[c];
            }
        } else {
            for (size_t c = 0; c < width; c++) {
                double sum = 0, product = 0;
                for (size_t n = 0; n < b->batch; n++) {
                    size_t at = (n * channels + start + c) * positions;
                    if (rectifies) {
                        float *kept = residual_gradient ? residual_gradient + at : NULL;
                        passed_sums(x + at, y + at, output_gradient + at, positions, mean[c], kept, &sum, &product);
                        continue;
                    }
                    sum += sum_contiguous(output_gradient + at, positions);
                    product += centred_product(x + at, output_gradient + at, positions, mean[c]);
                }
                sums[c] = (float)sum;
                products[c] = (float)product * deviation[c];
            }
        }
        for (size_t c = 0; c < width; c++) {
            if (scale_gradient)
                scale_gradient[start + c] = (scale_accumulates ? scale_gradient[start + c] : 0.0f) + products[c];
            if (shift_gradient)
                shift_gradient[start + c] = (shift_accumulates ? shift_gradient[start + c] : 0.0f) + sums[c];
        }
        if (!input_gradient) continue;
        // dx = scale / σ (dy - (Σ dy + x̂ Σ dy x̂) / n)
        float slope[channel_block], tilt[channel_block];
        for (size_t c = 0; c < width; c++) {
            slope[c] = (b->scale ? b->scale[start + c] : 1.0f) * deviation[c];
            tilt[c] = products[c] * deviation[c] / count;
            sums[c] /= count;
        }
        for (size_t n = 0; n < b->batch; n++) {
            size_t at = (n * channels + start) * positions;
            if (positions == 1) {
                const float *dy = output_gradient + at, *row = x + at, *result = rectifies ? y + at : NULL;
                float *to = input_gradient + at;
#pragma clang loop vectorize(assume_safety)
                for (size_t c = 0; c < width; c++)
                    to[c] = slope[c] * (passed(result, dy, c, rectifies) - (sums[c] + (row[c] - mean[c]) * tilt[c]));
            } else {
                for (size_t c = 0; c < width; c++) {
                    size_t from = at + c * positions;
                    const float *dy = output_gradient + from, *row = x + from, *result = rectifies ? y + from : NULL;
                    float *to = input_gradient + from;
                    float m = mean[c], s = slope[c], t = tilt[c], o = sums[c];
#pragma clang loop vectorize(assume_safety)
                    for (size_t i = 0; i < positions; i++)
                        to[i] = s * (passed(result, dy, i, rectifies) - (o + (row[i] - m) * t));
                }
            }
        }
    }
}

static void batch_norm_gradient(const struct gimbal_batch_norm *b, const float *x, const float *y,
                                const float *output_gradient, float *input_gradient, float *residual_gradient,
                                float *scale_gradient, bool scale_accumulates, float *shift_gradient,
                                bool shift_accumulates, size_t first, size_t last) {
    if (y)
        batch_norm_gradient_of(b, x, y, output_gradient, input_gradient, residual_gradient, scale_gradient,
                               scale_accumulates, shift_gradient, shift_accumulates, first, last, true);
    else
        batch_norm_gradient_of(b, x, NULL, output_gradient, input_gradient, NULL, scale_gradient, scale_accumulates,
                               shift_gradient, shift_accumulates, first, last, false);
}
