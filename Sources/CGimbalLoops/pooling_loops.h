// Pooling of planes by given windows; every axis has its own first and end positions, for which three axes always stand.

static void max_pool(const struct gimbal_windows *w, const float *x, size_t planes, float *out, int32_t *indices) {
    size_t height = w->input_size[1], width = w->input_size[2], plane_size = w->input_size[0] * height * width;
    for (size_t plane = 0; plane < planes; plane++, x += plane_size)
        for (size_t i = 0; i < w->output_size[0]; i++)
            for (size_t j = 0; j < w->output_size[1]; j++)
                for (size_t k = 0; k < w->output_size[2]; k++) {
                    float best = 0;
                    int32_t at = -1;
                    for (int32_t a = w->first[0][i]; a < w->end[0][i]; a += w->step[0])
                        for (int32_t b = w->first[1][j]; b < w->end[1][j]; b += w->step[1])
                            for (int32_t c = w->first[2][k]; c < w->end[2][k]; c += w->step[2]) {
                                int32_t place = (a * (int32_t)height + b) * (int32_t)width + c;
                                float value = x[place];
                                if (at < 0 || value > best || (value != value && best == best)) best = value, at = place;
                            }
                    *out++ = best;
                    *indices++ = at;
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
