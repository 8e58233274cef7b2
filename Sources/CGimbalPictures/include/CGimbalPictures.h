// Pictures from the bytes of their files: PNG by libpng, JPEG by libjpeg-turbo.
//
// Both libraries report what is wrong by a jump, which must not cross Swift: here it becomes a text.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Room for the text that says why a picture cannot be read.
enum { gimbal_picture_reason_size = 200 };

// What the head of a file says of its picture.
typedef struct {
    // As it is to be seen: turned by what its Exif data says.
    int32_t width, height;
    // Whether it has colours, be they all grey.
    bool is_colour;
} gimbal_picture_head;

// How a picture of other sides comes to the sides that are wanted.
typedef enum {
    // Scaled until it covers them, and its middle cut out.
    gimbal_picture_crop,
    // Scaled in each direction by itself.
    gimbal_picture_stretch,
    // Scaled until it fits into them, and black around it.
    gimbal_picture_pad,
} gimbal_picture_fit;

// What the picture in these bytes is; false, with the reason, where they are none.
bool gimbal_picture_describe(
    const uint8_t *bytes, size_t count, gimbal_picture_head *head, char reason[gimbal_picture_reason_size]);

// Decodes a picture and brings it to `height` and `width`, both at least 1, in 1 or 3 `channels`: `pixels` gets
// [channels, height, width]. Where there is alpha, what lies behind is white. False, with the reason, for a damaged
// file; `pixels` is then as it was.
bool gimbal_picture_load(
    const uint8_t *bytes, size_t count, int channels, int height, int width, gimbal_picture_fit fit, uint8_t *pixels,
    char reason[gimbal_picture_reason_size]);
