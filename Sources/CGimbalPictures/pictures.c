// From the bytes of a file to the pixels that a model takes.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raster.h"

void explain(char reason[gimbal_picture_reason_size], const char *text) {
    strncpy(reason, text, gimbal_picture_reason_size - 1);
    reason[gimbal_picture_reason_size - 1] = 0;
}

void explain_size(char reason[gimbal_picture_reason_size], unsigned width, unsigned height) {
    snprintf(reason, gimbal_picture_reason_size, "it has %u x %u pixels, where at most %d are read", width, height, most_pixels);
}

static bool begins_with(const uint8_t *bytes, size_t count, const char *mark, size_t length) {
    return count >= length && memcmp(bytes, mark, length) == 0;
}

static bool is_png(const uint8_t *bytes, size_t count) { return begins_with(bytes, count, "\x89PNG\r\n\x1a\n", 8); }

static bool is_jpeg(const uint8_t *bytes, size_t count) { return begins_with(bytes, count, "\xff\xd8\xff", 3); }

// What it is instead, where people have such files.
static void explain_other(const uint8_t *bytes, size_t count, char *reason) {
    if (count == 0) {
        explain(reason, "it is empty");
    } else if (begins_with(bytes, count, "GIF8", 4)) {
        explain(reason, "it is a GIF file, and neither PNG nor JPEG");
    } else if (begins_with(bytes, count, "BM", 2)) {
        explain(reason, "it is a BMP file, and neither PNG nor JPEG");
    } else if (begins_with(bytes, count, "RIFF", 4) && count >= 12 && memcmp(bytes + 8, "WEBP", 4) == 0) {
        explain(reason, "it is a WebP file, and neither PNG nor JPEG");
    } else if (begins_with(bytes, count, "II*\0", 4) || begins_with(bytes, count, "MM\0*", 4)) {
        explain(reason, "it is a TIFF file, and neither PNG nor JPEG");
    } else if (count >= 12 && memcmp(bytes + 4, "ftyp", 4) == 0) {
        explain(reason, "it is a HEIF or AVIF file, and neither PNG nor JPEG");
    } else {
        explain(reason, "it is neither a PNG nor a JPEG file");
    }
}

// Turns what the file says of its picture as the picture is to be turned.
static void turn_head(gimbal_picture_head *head, int orientation) {
    if (!is_lying(orientation)) return;
    int32_t width = head->width;
    head->width = head->height;
    head->height = width;
}

bool gimbal_picture_describe(
    const uint8_t *bytes, size_t count, gimbal_picture_head *head, char reason[gimbal_picture_reason_size]) {
    int orientation = 1;
    if (is_png(bytes, count)) {
        if (!describe_png(bytes, count, head, &orientation, reason)) return false;
    } else if (is_jpeg(bytes, count)) {
        if (!describe_jpeg(bytes, count, head, &orientation, reason)) return false;
    } else {
        explain_other(bytes, count, reason);
        return false;
    }
    turn_head(head, orientation);
    return true;
}

// `size` times `numerator` over `denominator`, rounded down, but at least `least`.
static int64_t scaled(int size, int numerator, int denominator, int least) {
    int64_t value = (int64_t)size * numerator / denominator;
    return value < least ? least : value;
}

// Brings a decoded picture to the sides that are wanted. Its own sides are those of the file, of which a decoded one may
// be a smaller copy.
static bool fit_into(
    const raster *decoded, gimbal_picture_head own, int height, int width, gimbal_picture_fit fit, uint8_t *pixels) {
    size_t plane = (size_t)height * width;
    int64_t full_width = width, full_height = height;
    // Whether its width is what decides.
    bool is_by_width = (int64_t)own.height * width >= (int64_t)own.width * height;
    switch (fit) {
    case gimbal_picture_stretch: break;
    case gimbal_picture_crop:
        if (is_by_width) {
            full_height = scaled(own.height, width, own.width, height);
        } else {
            full_width = scaled(own.width, height, own.height, width);
        }
        break;
    case gimbal_picture_pad: {
        // What scaling up would not bring beyond the sides fits into an int.
        int inner_width = is_by_width ? (int)scaled(own.width, height, own.height, 1) : width;
        int inner_height = is_by_width ? height : (int)scaled(own.height, width, own.width, 1);
        memset(pixels, 0, plane * decoded->channels);
        uint8_t *first = pixels + (size_t)((height - inner_height) / 2) * width + (width - inner_width) / 2;
        return resample(decoded, inner_width, inner_height, 0, 0, inner_width, inner_height, first, plane, width);
    }
    }
    // The middle, where a half is rounded to an even number, as torchvision's CenterCrop does.
    int64_t spare_width = full_width - width, spare_height = full_height - height;
    int64_t left = spare_width / 2 + (spare_width % 4 == 3), top = spare_height / 2 + (spare_height % 4 == 3);
    return resample(decoded, full_width, full_height, left, top, width, height, pixels, plane, width);
}

bool gimbal_picture_load(
    const uint8_t *bytes, size_t count, int channels, int height, int width, gimbal_picture_fit fit, uint8_t *pixels,
    char reason[gimbal_picture_reason_size]) {
    // A picture may turn out to lie: its sides are then those of the other axis.
    int least = height > width ? height : width;
    decoding wanted = {channels, least};
    raster picture;
    gimbal_picture_head head;
    int orientation = 1;
    if (is_png(bytes, count)) {
        if (!decode_png(bytes, count, wanted, &picture, &head, &orientation, reason)) return false;
    } else if (is_jpeg(bytes, count)) {
        if (!decode_jpeg(bytes, count, wanted, &picture, &head, &orientation, reason)) return false;
    } else {
        explain_other(bytes, count, reason);
        return false;
    }
    turn_head(&head, orientation);
    bool is_there = turn(&picture, orientation) && fit_into(&picture, head, height, width, fit, pixels);
    if (!is_there) explain(reason, "there is not enough memory for it");
    free(picture.pixels);
    return is_there;
}
