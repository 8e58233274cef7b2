// Pictures in other sizes, by a triangle over all pixels that a new one covers: nothing is skipped where a picture becomes
// smaller.
//
// Weights are whole numbers of 22 bits and lines come before columns, as in Pillow, whose bits these are.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "raster.h"

enum { weight_bits = 22 };

// For each of `count` new places along an axis, the old ones that it is the weighted mean of.
typedef struct {
    int width;      // The most weights of a place.
    int *first;     // [count]
    int *lengths;   // [count]
    int32_t *weights;  // [count, width]
} axis_weights;

static void end(axis_weights *axis) {
    free(axis->first);
    free(axis->lengths);
    free(axis->weights);
}

// For the new places from `offset` on of an axis of `from` pixels that becomes `to` long.
static bool begin(axis_weights *axis, int from, int64_t to, int64_t offset, int count) {
    double scale = (double)from / to, spread = scale < 1 ? 1 : scale;
    int width = 2 * (int)ceil(spread) + 1;
    *axis = (axis_weights){
        width, malloc(count * sizeof(int)), malloc(count * sizeof(int)),
        malloc((size_t)count * width * sizeof(int32_t))};
    double *parts = malloc(width * sizeof(double));
    if (!axis->first || !axis->lengths || !axis->weights || !parts) {
        free(parts);
        end(axis);
        return false;
    }
    for (int place = 0; place < count; place++) {
        double centre = (offset + place + 0.5) * scale, sum = 0;
        int first = (int)(centre - spread + 0.5), last = (int)(centre + spread + 0.5);
        if (first < 0) first = 0;
        if (last > from) last = from;
        for (int i = first; i < last; i++) {
            double distance = fabs((i - centre + 0.5) / spread);
            parts[i - first] = distance < 1 ? 1 - distance : 0;
            sum += parts[i - first];
        }
        for (int i = 0; i < last - first; i++)
            axis->weights[(size_t)place * width + i] = (int32_t)(0.5 + parts[i] / sum * (1 << weight_bits));
        axis->first[place] = first;
        axis->lengths[place] = last - first;
    }
    free(parts);
    return true;
}

static inline uint8_t rounded(int64_t sum) {
    int64_t value = sum >> weight_bits;
    return (uint8_t)(value > 255 ? 255 : value);
}

bool resample(
    const raster *source, int64_t full_width, int64_t full_height, int64_t left, int64_t top, int width, int height,
    uint8_t *pixels, size_t plane, size_t stride) {
    int channels = source->channels;
    axis_weights columns, rows;
    if (!begin(&columns, source->width, full_width, left, width)) return false;
    if (!begin(&rows, source->height, full_height, top, height)) {
        end(&columns);
        return false;
    }
    // The old lines that any new one is made of.
    int line = rows.first[0], lines = rows.first[height - 1] + rows.lengths[height - 1] - line;
    uint8_t *narrow = malloc((size_t)lines * width * channels);
    if (narrow) {
        const int64_t half = 1 << (weight_bits - 1);
        for (int y = 0; y < lines; y++) {
            const uint8_t *from = source->pixels + (size_t)(line + y) * source->width * channels;
            uint8_t *to = narrow + (size_t)y * width * channels;
            for (int x = 0; x < width; x++) {
                const int32_t *weights = columns.weights + (size_t)x * columns.width;
                const uint8_t *first = from + (size_t)columns.first[x] * channels;
                for (int c = 0; c < channels; c++) {
                    int64_t sum = half;
                    for (int i = 0; i < columns.lengths[x]; i++) sum += (int64_t)weights[i] * first[i * channels + c];
                    to[x * channels + c] = rounded(sum);
                }
            }
        }
        for (int y = 0; y < height; y++) {
            const int32_t *weights = rows.weights + (size_t)y * rows.width;
            const uint8_t *first = narrow + (size_t)(rows.first[y] - line) * width * channels;
            for (int x = 0; x < width; x++) {
                for (int c = 0; c < channels; c++) {
                    int64_t sum = half;
                    for (int i = 0; i < rows.lengths[y]; i++)
                        sum += (int64_t)weights[i] * first[((size_t)i * width + x) * channels + c];
                    pixels[c * plane + y * stride + x] = rounded(sum);
                }
            }
        }
        free(narrow);
    }
    end(&rows);
    end(&columns);
    return narrow != NULL;
}
