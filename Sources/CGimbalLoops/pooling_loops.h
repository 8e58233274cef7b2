// Pooling of planes by given windows; every axis has its own first and end positions, for which three axes always stand.

/// Whether `value` takes the place of the largest of a window so far: a NaN counts as the largest, and the first of equals stays.
ALWAYS_INLINE bool is_larger(float value, float best) { return value > best || (value != value && best == best); }

/// The largest of the window of one output.
static void max_of_window(const struct gimbal_windows *w, const float *x, size_t i, size_t j, size_t k, float *out,
                          int32_t *index) {
    int32_t height = (int32_t)w->input_size[1], width = (int32_t)w->input_size[2];
    float best = 0;
    int32_t at = -1;
    for (int32_t a = w->first[0][i]; a < w->end[0][i]; a += w->step[0])
        for (int32_t b = w->first[1][j]; b < w->end[1][j]; b += w->step[1])
            for (int32_t c = w->first[2][k]; c < w->end[2][k]; c += w->step[2]) {
                int32_t place = (a * height + b) * width + c;
                if (at < 0 || is_larger(x[place], best)) best = x[place], at = place;
            }
    *out = best;
    *index = at;
}

/// Has `count` windows, `stride` apart, meet an element each, the first of which lies at `place`.
ALWAYS_INLINE void meet_row(const float *x, int32_t place, const int32_t stride, size_t count, bool is_first, float *best,
                            int32_t *at) {
    x += place;
    if (is_first) {
        for (size_t k = 0; k < count; k++) best[k] = x[(int32_t)k * stride], at[k] = place + (int32_t)k * stride;
        return;
    }
    for (size_t k = 0; k < count; k++) {
        float value = x[(int32_t)k * stride];
        bool takes = is_larger(value, best[k]);
        best[k] = takes ? value : best[k];
        at[k] = takes ? place + (int32_t)k * stride : at[k];
    }
}

static void max_pool(const struct gimbal_windows *w, const float *x, size_t planes, float *out, int32_t *indices) {
    int32_t height = (int32_t)w->input_size[1], width = (int32_t)w->input_size[2];
    size_t plane_size = w->input_size[0] * (size_t)height * (size_t)width, columns = w->output_size[2];
    const int32_t *first = w->first[2], *end = w->end[2];
    // Columns whose windows are whole, and equally far apart, are gone through side by side; those at the edges one by one.
    size_t low = columns / 2, high = columns / 2 + 1;
    int32_t stride = high < columns ? first[high] - first[low] : 1, extent = end[low] - first[low];
    while (low > 0 && first[low] - first[low - 1] == stride && end[low - 1] - first[low - 1] == extent) low--;
    while (high < columns && first[high] - first[high - 1] == stride && end[high] - first[high] == extent) high++;
    for (size_t plane = 0; plane < planes; plane++, x += plane_size)
        for (size_t i = 0; i < w->output_size[0]; i++)
            for (size_t j = 0; j < w->output_size[1]; j++, out += columns, indices += columns) {
                for (size_t k = 0; k < low; k++) max_of_window(w, x, i, j, k, out + k, indices + k);
                bool is_first = true;
                for (int32_t a = w->first[0][i]; a < w->end[0][i]; a += w->step[0])
                    for (int32_t b = w->first[1][j]; b < w->end[1][j]; b += w->step[1])
                        for (int32_t c = first[low]; c < end[low]; c += w->step[2], is_first = false) {
                            int32_t place = (a * height + b) * width + c;
                            float *best = out + low;
                            int32_t *at = indices + low;
                            if (stride == 1) meet_row(x, place, 1, high - low, is_first, best, at);
                            else if (stride == 2) meet_row(x, place, 2, high - low, is_first, best, at);
                            else meet_row(x, place, stride, high - low, is_first, best, at);
                        }
                for (size_t k = high; k < columns; k++) max_of_window(w, x, i, j, k, out + k, indices + k);
            }
}

static void max_pool_gradient(const struct gimbal_windows *w, const float *output_gradient, const int32_t *indices,
                              size_t planes, float *out) {
    size_t plane_size = w->input_size[0] * w->input_size[1] * w->input_size[2];
    size_t outputs = w->output_size[0] * w->output_size[1] * w->output_size[2];
    memset(out, 0, planes * plane_size * sizeof(float));
    for (size_t plane = 0; plane < planes; plane++, out += plane_size)
        for (size_t o = 0; o < outputs; o++) out[*indices++] += *output_gradient++;
}

static void average_pool(const struct gimbal_windows *w, const float *x, size_t planes, float *out) {
    size_t height = w->input_size[1], width = w->input_size[2], plane_size = w->input_size[0] * height * width;
    for (size_t plane = 0; plane < planes; plane++, x += plane_size)
        for (size_t i = 0; i < w->output_size[0]; i++)
            for (size_t j = 0; j < w->output_size[1]; j++)
                for (size_t k = 0; k < w->output_size[2]; k++) {
                    float sum = 0;
                    for (int32_t a = w->first[0][i]; a < w->end[0][i]; a++)
                        for (int32_t b = w->first[1][j]; b < w->end[1][j]; b++) {
                            const float *row = x + ((size_t)a * height + (size_t)b) * width;
                            for (int32_t c = w->first[2][k]; c < w->end[2][k]; c++) sum += row[c];
                        }
                    *out++ = sum / (w->divisor[0][i] * w->divisor[1][j] * w->divisor[2][k]);
                }
}

static void average_pool_gradient(const struct gimbal_windows *w, const float *output_gradient, size_t planes,
                                  float *out) {
    size_t height = w->input_size[1], width = w->input_size[2], plane_size = w->input_size[0] * height * width;
    memset(out, 0, planes * plane_size * sizeof(float));
    for (size_t plane = 0; plane < planes; plane++, out += plane_size)
        for (size_t i = 0; i < w->output_size[0]; i++)
            for (size_t j = 0; j < w->output_size[1]; j++)
                for (size_t k = 0; k < w->output_size[2]; k++) {
                    float share = *output_gradient++ / (w->divisor[0][i] * w->divisor[1][j] * w->divisor[2][k]);
                    for (int32_t a = w->first[0][i]; a < w->end[0][i]; a++)
                        for (int32_t b = w->first[1][j]; b < w->end[1][j]; b++) {
                            float *row = out + ((size_t)a * height + (size_t)b) * width;
                            for (int32_t c = w->first[2][k]; c < w->end[2][k]; c++) row[c] += share;
                        }
                }
}
