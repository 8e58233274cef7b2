#!/usr/bin/env python3
"""Writes every-type.safetensors, as the reference implementation of the format writes it.

    pip install safetensors torch
    python3 Tests/GimbalTests/Files/Fixtures/make_fixtures.py
"""

import pathlib

import torch
from safetensors.torch import save_file

values = torch.tensor([[-1.5, 0.0, 2.0], [0.25, 100.0, -3.0]])
save_file(
    {
        "f32": values,
        "f16": values.half(),
        "bf16": values.bfloat16(),
        "f64": values.double(),
        "i64": torch.tensor([-(2**40), 7]),
        "i32": torch.tensor([-7, 2**31 - 1], dtype=torch.int32),
        "u8": torch.tensor([0, 128, 255], dtype=torch.uint8),
        "bool": torch.tensor([True, False, True]),
        "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 4),
        "größe \"x\"\n": torch.tensor([1.0]),
    },
    pathlib.Path(__file__).parent / "every-type.safetensors",
    metadata={"format": "pt", "note": "tab\tand 🙂"},
)
