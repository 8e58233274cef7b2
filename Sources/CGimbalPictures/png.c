// Reading PNG files.
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "raster.h"

typedef struct {
    const uint8_t *bytes;
    size_t count, place;
    char *reason;
} png_source;

static void read_bytes(png_structp png, png_bytep target, size_t count) {
    png_source *source = png_get_io_ptr(png);
    if (count > source->count - source->place) png_error(png, "the file ends in the middle of the picture");
    memcpy(target, source->bytes + source->place, count);
    source->place += count;
}

static void fail(png_structp png, png_const_charp text) {
    png_source *source = png_get_error_ptr(png);
    explain(source->reason, text);
    png_longjmp(png, 1);
}

// What can be passed over, such as a damaged comment, is.
static void pass_over(png_structp png, png_const_charp text) { (void)png, (void)text; }

// Reads the head, and what it says of how pixels are kept.
static void read_head(png_structp png, png_infop info, gimbal_picture_head *head) {
    png_read_info(png, info);
    png_uint_32 width, height;
    int depth, colours;
    png_get_IHDR(png, info, &width, &height, &depth, &colours, NULL, NULL, NULL);
    if ((uint64_t)width * height > most_pixels) {
        char text[gimbal_picture_reason_size];
        explain_size(text, width, height);
        png_error(png, text);
    }
    *head = (gimbal_picture_head){(int32_t)width, (int32_t)height, (colours & PNG_COLOR_MASK_COLOR) != 0};
}

static int read_orientation(png_structp png, png_infop info) {
#ifdef PNG_eXIf_SUPPORTED
    png_uint_32 count = 0;
    png_bytep exif = NULL;
    if (png_get_eXIf_1(png, info, &count, &exif) && exif) return exif_orientation(exif, count);
#else
    (void)png, (void)info;
#endif
    return 1;
}

static png_structp begin(png_source *source, png_infop *info) {
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, source, fail, pass_over);
    if (!png) return NULL;
    *info = png_create_info_struct(png);
    if (!*info) {
        png_destroy_read_struct(&png, NULL, NULL);
        return NULL;
    }
    png_set_read_fn(png, source, read_bytes);
    png_set_user_limits(png, most_pixels, most_pixels);
    // Texts and profiles that nobody looks at must not fill the memory.
    png_set_chunk_malloc_max(png, 1 << 24);
    return png;
}

bool describe_png(const uint8_t *bytes, size_t count, gimbal_picture_head *head, int *orientation, char *reason) {
    png_source source = {bytes, count, 0, reason};
    png_infop info = NULL;
    png_structp png = begin(&source, &info);
    if (!png) {
        explain(reason, "there is not enough memory for it");
        return false;
    }
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_read_struct(&png, &info, NULL);
        return false;
    }
    read_head(png, info, head);
    *orientation = read_orientation(png, info);
    png_destroy_read_struct(&png, &info, NULL);
    return true;
}

// Pixels of grey or colours with alpha behind, over white.
static void flatten(const uint8_t *source, uint8_t *target, size_t count, int colours) {
    for (size_t pixel = 0; pixel < count; pixel++, source += colours + 1, target += colours) {
        int alpha = source[colours];
        for (int c = 0; c < colours; c++) target[c] = (uint8_t)((source[c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
}

// Pixels of `from` channels, 1 or 3, as pixels of `to`, in place: there is room for the larger.
static void change_channels(uint8_t *pixels, size_t count, int from, int to) {
    if (from == 3 && to == 1) {
        for (size_t i = 0; i < count; i++) pixels[i] = luma(pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]);
    } else if (from == 1 && to == 3) {
        for (size_t i = count; i-- > 0;) pixels[3 * i] = pixels[3 * i + 1] = pixels[3 * i + 2] = pixels[i];
    }
}

bool decode_png(
    const uint8_t *bytes, size_t count, decoding wanted, raster *result, gimbal_picture_head *head, int *orientation,
    char *reason) {
    png_source source = {bytes, count, 0, reason};
    png_infop info = NULL;
    png_structp png = begin(&source, &info);
    // What is made below is freed after a jump as well.
    uint8_t *volatile pixels = NULL;
    png_bytepp volatile rows = NULL;
    if (!png) {
        explain(reason, "there is not enough memory for it");
        return false;
    }
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_read_struct(&png, &info, NULL);
        free(pixels);
        free(rows);
        return false;
    }
    read_head(png, info, head);
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    int channels = png_get_channels(png, info);
    size_t area = (size_t)head->width * head->height, row = png_get_rowbytes(png, info);
    if (png_get_bit_depth(png, info) != 8 || channels < 1 || channels > 4 || row != (size_t)head->width * channels)
        png_error(png, "its pixels are kept in a way that is not known");
    pixels = malloc(area * (channels > wanted.channels ? channels : wanted.channels));
    rows = malloc(head->height * sizeof *rows);
    if (!pixels || !rows) png_error(png, "there is not enough memory for it");
    for (int y = 0; y < head->height; y++) rows[y] = pixels + y * row;
    png_read_image(png, rows);
    png_read_end(png, info);
    *orientation = read_orientation(png, info);
    png_destroy_read_struct(&png, &info, NULL);
    free(rows);
    int colours = channels < 3 ? 1 : 3;
    if (colours != channels) flatten(pixels, pixels, area, colours);
    change_channels(pixels, area, colours, wanted.channels);
    *result = (raster){pixels, head->width, head->height, wanted.channels};
    return true;
}
