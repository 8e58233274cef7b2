"""Rotations by torch.nn.functional.grid_sample with align_corners=False and zeros outside, of images of several sizes.

Nearest neighbours are asked for at angles only at which no place lies halfway between two pixels.
"""
import math

import torch
from torch.nn.functional import grid_sample

from common import begin, save

begin()
entries = {}
for channels, height, width in [(1, 8, 8), (3, 7, 10), (2, 5, 4), (1, 1, 6)]:
    image = torch.rand(channels, height, width) + 0.5
    name = f"{channels}x{height}x{width}"
    entries[f"{name}.image"] = image
    image = image.float().double()
    y, x = torch.meshgrid(torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2, indexing="ij")
    for mode, angles in [("bilinear", [0, 10, -33, 90, 180, 271.5]), ("nearest", [0, 17, -33, 191])]:
        for degrees in angles:
            a = math.radians(degrees)
            # A counter-clockwise turn, rows running downwards: where each pixel comes from.
            from_x = math.cos(a) * x - math.sin(a) * y + (width - 1) / 2
            from_y = math.sin(a) * x + math.cos(a) * y + (height - 1) / 2
            grid = torch.stack([(2 * from_x + 1) / width - 1, (2 * from_y + 1) / height - 1], -1)
            entries[f"{name}.{mode}.{degrees}"] = grid_sample(
                image[None], grid[None], mode=mode, padding_mode="zeros", align_corners=False)[0]
save("augmentation", entries)
