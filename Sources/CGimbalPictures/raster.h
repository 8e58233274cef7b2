// A decoded picture, and what the files of this module do with it.
#pragma once

#include "CGimbalPictures.h"

// The most pixels of a picture: more than any camera has, and few enough that one file cannot fill the memory.
enum { most_pixels = 1 << 27 };

// Rows of pixels without gaps, `channels` bytes each: grey, or red, green and blue.
typedef struct {
    uint8_t *pixels;
    int width, height, channels;
} raster;

// What a reader must know of what is to become of a picture.
typedef struct {
    int channels;
    // A picture may be decoded smaller, but to no side less than twice this.
    int least_side;
} decoding;

void explain(char reason[gimbal_picture_reason_size], const char *text);

// Says that a picture is too large.
void explain_size(char reason[gimbal_picture_reason_size], unsigned width, unsigned height);

bool describe_png(const uint8_t *bytes, size_t count, gimbal_picture_head *head, int *orientation, char *reason);
bool decode_png(
    const uint8_t *bytes, size_t count, decoding wanted, raster *result, gimbal_picture_head *head, int *orientation,
    char *reason);
bool describe_jpeg(const uint8_t *bytes, size_t count, gimbal_picture_head *head, int *orientation, char *reason);
bool decode_jpeg(
    const uint8_t *bytes, size_t count, decoding wanted, raster *result, gimbal_picture_head *head, int *orientation,
    char *reason);

// How the picture is to be turned by its Exif data, the TIFF structure alone: 1 to 8, 1 where it does not say.
int exif_orientation(const uint8_t *bytes, size_t count);
// Turns a picture as an Exif orientation says; false where there is no memory for it.
bool turn(raster *picture, int orientation);
// Whether the orientation exchanges width and height.
bool is_lying(int orientation);

// Resamples `source` to full_height rows of full_width pixels, of which those from `top` and `left` on become the
// height rows of width pixels of `pixels`, channel by channel, each `plane` bytes after the other, rows `stride` bytes
// apart. False where there is no memory for it.
bool resample(
    const raster *source, int64_t full_width, int64_t full_height, int64_t left, int64_t top, int width, int height,
    uint8_t *pixels, size_t plane, size_t stride);

// Grey of colours, by the weights of ITU-R BT.601.
static inline uint8_t luma(int red, int green, int blue) {
    return (uint8_t)((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16);
}
