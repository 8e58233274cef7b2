// How a camera was held.
#include <stdlib.h>

#include "raster.h"

static uint32_t number(const uint8_t *bytes, int size, bool is_big) {
    uint32_t value = 0;
    for (int i = 0; i < size; i++) value = value << 8 | bytes[is_big ? i : size - 1 - i];
    return value;
}

int exif_orientation(const uint8_t *bytes, size_t count) {
    if (count < 8) return 1;
    bool is_big = bytes[0] == 'M';
    uint32_t place = number(bytes + 4, 4, is_big);
    if (place > count || count - place < 2) return 1;
    uint32_t entries = number(bytes + place, 2, is_big);
    for (uint32_t entry = 0; entry < entries && count - place >= 2 + 12 * ((size_t)entry + 1); entry++) {
        const uint8_t *field = bytes + place + 2 + 12 * (size_t)entry;
        if (number(field, 2, is_big) != 0x0112) continue;
        uint32_t orientation = number(field + 8, 2, is_big);
        return orientation >= 1 && orientation <= 8 ? (int)orientation : 1;
    }
    return 1;
}

bool is_lying(int orientation) { return orientation >= 5; }

bool turn(raster *picture, int orientation) {
    if (orientation == 1) return true;
    int width = picture->width, height = picture->height, channels = picture->channels;
    int new_width = is_lying(orientation) ? height : width, new_height = is_lying(orientation) ? width : height;
    uint8_t *turned = malloc((size_t)width * height * channels);
    if (!turned) return false;
    // Of the eight, those from 5 on exchange the axes; then each axis may run backwards.
    bool is_mirrored = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    bool is_upside_down = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    for (int y = 0; y < new_height; y++) {
        for (int x = 0; x < new_width; x++) {
            int column = is_lying(orientation) ? y : x, line = is_lying(orientation) ? x : y;
            if (is_mirrored) column = width - 1 - column;
            if (is_upside_down) line = height - 1 - line;
            const uint8_t *source = picture->pixels + ((size_t)line * width + column) * channels;
            uint8_t *target = turned + ((size_t)y * new_width + x) * channels;
            for (int c = 0; c < channels; c++) target[c] = source[c];
        }
    }
    free(picture->pixels);
    *picture = (raster){turned, new_width, new_height, channels};
    return true;
}
