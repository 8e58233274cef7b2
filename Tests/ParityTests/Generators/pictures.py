"""Pictures as Pillow decodes them and torchvision's transforms bring them to a size.

    venv/bin/pip install pillow==13.0.0 torchvision==0.29.2
    python Generators/pictures.py

pictures.safetensors
    NAME.file [n]            the bytes of a file, for each NAME in `files` below
    NAME.FIT.CHANNELS [c,12,10]
                             its pixels, 0...255, for FIT in crop, stretch, pad and CHANNELS in 1, 3
Alpha is laid over white, and Exif's orientation is followed, as `ImageOps.exif_transpose` does.
"""
import io

import numpy
import torch
from PIL import Image, ImageOps
from torchvision import transforms

from common import begin, save

HEIGHT, WIDTH = 12, 10


def scene(height, width, channels):
    """A picture with slopes, edges and some noise."""
    y, x = numpy.mgrid[0:height, 0:width]
    layers = [numpy.sin(x / (4 + k)) * 60 + numpy.cos(y / (3 + 2 * k)) * 50 + 128 + 30 * ((x // 9 + y // 7) % 2)
              for k in range(channels)]
    noise = numpy.random.default_rng(channels).normal(0, 6, (height, width, channels))
    return numpy.clip(numpy.stack(layers, -1) + noise, 0, 255).astype(numpy.uint8)


def encoded(picture, **options):
    file = io.BytesIO()
    picture.save(file, **options)
    return file.getvalue()


def files():
    grey = Image.fromarray(scene(33, 40, 1)[..., 0])
    colours = Image.fromarray(scene(33, 40, 3))
    alpha = Image.fromarray(scene(33, 40, 4), "RGBA")
    deep = Image.fromarray((scene(33, 40, 1)[..., 0].astype(numpy.uint16) * 257))
    result = {
        "grey_png": encoded(grey, format="PNG"),
        "colour_png": encoded(colours, format="PNG"),
        "alpha_png": encoded(alpha, format="PNG"),
        "palette_png": encoded(colours.quantize(17), format="PNG"),
        "two_colours_png": encoded(grey.convert("1"), format="PNG"),
        "deep_png": encoded(deep, format="PNG"),
        "tall_png": encoded(colours.resize((9, 70)), format="PNG"),
        "tiny_png": encoded(colours.resize((1, 1)), format="PNG"),
        "grey_jpeg": encoded(grey, format="JPEG", quality=85),
        "colour_jpeg": encoded(colours, format="JPEG", quality=85),
        "progressive_jpeg": encoded(colours, format="JPEG", quality=85, progressive=True, subsampling=0),
        "ink_jpeg": encoded(colours.convert("CMYK"), format="JPEG", quality=95),
    }
    for orientation in range(2, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        result[f"turned_{orientation}_jpeg"] = encoded(colours, format="JPEG", quality=60, exif=exif)
    return result


def opened(file):
    picture = ImageOps.exif_transpose(Image.open(io.BytesIO(file)))
    if picture.mode.startswith("I"):
        # Pillow would cut off what is larger than 255.
        return Image.fromarray((numpy.asarray(picture).astype(numpy.uint32) >> 8).astype(numpy.uint8))
    if picture.mode == "RGBA":
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        white.alpha_composite(picture)
        return white.convert("RGB")
    return picture.convert("L" if picture.mode in ("L", "1") else "RGB")


def fitted(picture, fit):
    if fit == "stretch":
        return transforms.Resize((HEIGHT, WIDTH))(picture)
    by_width = picture.height * WIDTH >= picture.width * HEIGHT
    if by_width == (fit == "crop"):
        size = (max(int(picture.height * WIDTH / picture.width), HEIGHT if fit == "crop" else 1), WIDTH)
    else:
        size = (HEIGHT, max(int(picture.width * HEIGHT / picture.height), WIDTH if fit == "crop" else 1))
    scaled = transforms.Resize(size)(picture)
    if fit == "crop":
        return transforms.CenterCrop((HEIGHT, WIDTH))(scaled)
    result = Image.new(picture.mode, (WIDTH, HEIGHT))
    result.paste(scaled, ((WIDTH - scaled.width) // 2, (HEIGHT - scaled.height) // 2))
    return result


def main():
    begin(17)
    entries = {}
    for name, file in files().items():
        entries[f"{name}.file"] = torch.tensor(list(file), dtype=torch.float32)
        for channels, mode in ((1, "L"), (3, "RGB")):
            for fit in ("crop", "stretch", "pad"):
                pixels = numpy.asarray(fitted(opened(file).convert(mode), fit)).astype(numpy.float32)
                pixels = pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
                entries[f"{name}.{fit}.{channels}"] = torch.from_numpy(numpy.ascontiguousarray(pixels))
    save("pictures", entries)


if __name__ == "__main__":
    main()
