// Reading JPEG files.
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "raster.h"

typedef struct {
    struct jpeg_error_mgr base;
    jmp_buf jump;
    char *reason;
} jpeg_failure;

static void fail(j_common_ptr jpeg) {
    jpeg_failure *failure = (jpeg_failure *)jpeg->err;
    char text[JMSG_LENGTH_MAX];
    failure->base.format_message(jpeg, text);
    explain(failure->reason, text);
    longjmp(failure->jump, 1);
}

// The library goes on with grey where the file ends or is damaged; a picture that is half grey must not be learnt from.
// What does not touch the picture, such as bytes between its parts, is passed over.
static void judge(j_common_ptr jpeg, int level) {
    if (level >= 0) return;
    switch (jpeg->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_NOT_SEQUENTIAL:
    case JWRN_MUST_RESYNC: fail(jpeg);
    default: break;
    }
}

static void stay_silent(j_common_ptr jpeg) { (void)jpeg; }

static void begin(struct jpeg_decompress_struct *jpeg, jpeg_failure *failure, char *reason) {
    jpeg->err = jpeg_std_error(&failure->base);
    failure->base.error_exit = fail;
    failure->base.emit_message = judge;
    failure->base.output_message = stay_silent;
    failure->reason = reason;
}

static void read_head(
    struct jpeg_decompress_struct *jpeg, const uint8_t *bytes, size_t count, gimbal_picture_head *head,
    int *orientation) {
    jpeg_mem_src(jpeg, bytes, count);
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(jpeg, TRUE);
    if ((uint64_t)jpeg->image_width * jpeg->image_height > most_pixels) {
        jpeg_failure *failure = (jpeg_failure *)jpeg->err;
        explain_size(failure->reason, jpeg->image_width, jpeg->image_height);
        longjmp(failure->jump, 1);
    }
    *head = (gimbal_picture_head){
        (int32_t)jpeg->image_width, (int32_t)jpeg->image_height, jpeg->jpeg_color_space != JCS_GRAYSCALE};
    *orientation = 1;
    static const char exif[6] = "Exif\0";
    for (jpeg_saved_marker_ptr marker = jpeg->marker_list; marker; marker = marker->next) {
        if (marker->data_length <= sizeof exif || memcmp(marker->data, exif, sizeof exif) != 0) continue;
        *orientation = exif_orientation(marker->data + sizeof exif, marker->data_length - sizeof exif);
        break;
    }
}

bool describe_jpeg(const uint8_t *bytes, size_t count, gimbal_picture_head *head, int *orientation, char *reason) {
    struct jpeg_decompress_struct jpeg;
    jpeg_failure failure;
    begin(&jpeg, &failure, reason);
    if (setjmp(failure.jump)) {
        jpeg_destroy_decompress(&jpeg);
        return false;
    }
    jpeg_create_decompress(&jpeg);
    read_head(&jpeg, bytes, count, head, orientation);
    jpeg_destroy_decompress(&jpeg);
    return true;
}

// Inks as colours. Those of Adobe's programs, which are nearly all that there are, are kept as how much is left white.
static void change_inks(const uint8_t *inks, uint8_t *target, size_t count, int channels, bool is_inverted) {
    for (size_t i = 0; i < count; i++, inks += 4, target += channels) {
        int colour[3];
        for (int c = 0; c < 3; c++) {
            int ink = is_inverted ? inks[c] : 255 - inks[c], black = is_inverted ? inks[3] : 255 - inks[3];
            colour[c] = (ink * black + 127) / 255;
        }
        if (channels == 1) {
            target[0] = luma(colour[0], colour[1], colour[2]);
        } else {
            for (int c = 0; c < 3; c++) target[c] = (uint8_t)colour[c];
        }
    }
}

// The smallest of the fast scales at which the picture keeps twice the sides that are wanted: what is lost then is what
// resampling would take away.
static int scale(const struct jpeg_decompress_struct *jpeg, decoding wanted) {
    for (int eighths = 1; eighths < 8; eighths *= 2) {
        int64_t shorter = jpeg->image_width < jpeg->image_height ? jpeg->image_width : jpeg->image_height;
        if (shorter * eighths >= 16 * (int64_t)wanted.least_side) return eighths;
    }
    return 8;
}

bool decode_jpeg(
    const uint8_t *bytes, size_t count, decoding wanted, raster *result, gimbal_picture_head *head, int *orientation,
    char *reason) {
    struct jpeg_decompress_struct jpeg;
    jpeg_failure failure;
    uint8_t *volatile pixels = NULL;
    uint8_t *volatile inks = NULL;
    begin(&jpeg, &failure, reason);
    if (setjmp(failure.jump)) {
        jpeg_destroy_decompress(&jpeg);
        free(pixels);
        free(inks);
        return false;
    }
    jpeg_create_decompress(&jpeg);
    read_head(&jpeg, bytes, count, head, orientation);
    bool has_inks = jpeg.jpeg_color_space == JCS_CMYK || jpeg.jpeg_color_space == JCS_YCCK;
    bool is_inverted = jpeg.saw_Adobe_marker;
    jpeg.out_color_space = has_inks ? JCS_CMYK : wanted.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg.scale_num = scale(&jpeg, wanted);
    jpeg.scale_denom = 8;
    jpeg_start_decompress(&jpeg);
    size_t width = jpeg.output_width, height = jpeg.output_height;
    pixels = malloc(width * height * wanted.channels);
    if (has_inks) inks = malloc(width * 4);
    if (!pixels || (has_inks && !inks)) ERREXIT1(&jpeg, JERR_OUT_OF_MEMORY, 0);
    while (jpeg.output_scanline < height) {
        uint8_t *row = pixels + jpeg.output_scanline * width * wanted.channels;
        JSAMPROW line = has_inks ? inks : row;
        jpeg_read_scanlines(&jpeg, &line, 1);
        if (has_inks) change_inks(inks, row, width, wanted.channels, is_inverted);
    }
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
    free(inks);
    *result = (raster){pixels, (int)width, (int)height, wanted.channels};
    return true;
}
