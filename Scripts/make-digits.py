#!/usr/bin/env python3
"""Writes Sources/CGimbalDigits/digits.bin from the digits that scikit-learn packages.

The file holds 1,797 images of 8 x 8 bytes (0 to 16), then 1,797 bytes of labels (0 to 9).

    pip install scikit-learn
    python3 Scripts/make-digits.py
"""

import hashlib
import pathlib

import numpy
from sklearn.datasets import load_digits

# Of the file this script writes: another version of scikit-learn must not change the data unnoticed.
SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"

digits = load_digits()
pixels = digits.data.astype(numpy.uint8)
labels = digits.target.astype(numpy.uint8)
assert (pixels == digits.data).all() and pixels.shape == (1797, 64) and pixels.max() == 16
assert labels.shape == (1797,) and labels.max() == 9

contents = pixels.tobytes() + labels.tobytes()
digest = hashlib.sha256(contents).hexdigest()
assert digest == SHA256, f"these are other digits: {digest}"
path = pathlib.Path(__file__).resolve().parent.parent / "Sources" / "CGimbalDigits" / "digits.bin"
path.write_bytes(contents)
print(f"{path}: {len(contents)} bytes")
