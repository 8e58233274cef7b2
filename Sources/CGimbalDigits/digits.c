// The digits of E. Alpaydin and C. Kaynak (1998); NOTICE.md states source and licence.
#include "CGimbalDigits.h"

// digits.bin is written by Scripts/make-digits.py: all images, then all labels.
static const uint8_t digits[] = {
#embed "digits.bin"
};

_Static_assert(
    sizeof digits == gimbal_digits_count * (gimbal_digits_pixels + 1), "digits.bin is not what make-digits.py writes");

const uint8_t *gimbal_digits_images(void) { return digits; }

const uint8_t *gimbal_digits_labels(void) { return digits + gimbal_digits_count * gimbal_digits_pixels; }
