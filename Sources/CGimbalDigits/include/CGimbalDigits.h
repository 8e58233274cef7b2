#pragma once
#include <stddef.h>
#include <stdint.h>

/// The 1,797 handwritten digits of the UCI machine learning repository, embedded by `digits.c`.
enum {
    gimbal_digits_count = 1797,
    gimbal_digits_pixels = 64,
};

/// `gimbal_digits_count` images of 8 x 8 pixels, row by row, each pixel 0 (paper) to 16 (ink).
const uint8_t *gimbal_digits_images(void);

/// `gimbal_digits_count` labels, 0 to 9.
const uint8_t *gimbal_digits_labels(void);
