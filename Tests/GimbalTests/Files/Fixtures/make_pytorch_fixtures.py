#!/usr/bin/env python3
"""Writes the files of PyTorch that PyTorchFileTests reads, as torch.save writes them.

    pip install torch numpy
    python3 Tests/GimbalTests/Files/Fixtures/make_pytorch_fixtures.py
"""

import argparse
import collections
import os
import pathlib
import zipfile

import numpy
import torch

folder = pathlib.Path(__file__).parent / "PyTorch"
folder.mkdir(exist_ok=True)
values = torch.tensor([[-1.5, 0.0, 2.0], [0.25, 100.0, -3.0]])
every_type = collections.OrderedDict(
    f32=values,
    f16=values.half(),
    bf16=values.bfloat16(),
    f64=values.double(),
    i64=torch.tensor([-(2**40), 7]),
    i32=torch.tensor([-7, 2**31 - 1], dtype=torch.int32),
    i16=torch.tensor([-7, 300], dtype=torch.int16),
    i8=torch.tensor([-7, 100], dtype=torch.int8),
    u8=torch.tensor([0, 128, 255], dtype=torch.uint8),
    bool=torch.tensor([True, False, True]),
    scalar=torch.tensor(3.5),
    empty=torch.zeros(0, 4),
)
every_type["größe \"x\"\n"] = torch.tensor([1.0])
# Extracts of one storage: transposed, strided, repeated, from its middle.
storage = torch.arange(24.0)
every_type["transposed"] = storage.view(4, 6).t()
every_type["strided"] = storage.view(4, 6)[1::2, ::3]
every_type["repeated"] = storage[5:6].expand(3, 2)
every_type["middle"] = storage[10:14]


class Module(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = torch.nn.Linear(3, 2)
        self.norm = torch.nn.BatchNorm1d(2)


torch.manual_seed(0)
model = Module()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
model.norm(model.fc1(torch.randn(4, 3))).square().sum().backward()
optimizer.step()
checkpoint = {
    "epoch": 3,
    "best": numpy.float64(0.5),
    "args": argparse.Namespace(lr=0.1, name="run"),
    "path": pathlib.PurePosixPath("runs/a"),
    "size": torch.Size([2, 3]),
    "model_state_dict": model.state_dict(),
    "parameters": [parameter for parameter in model.parameters()],
    "optimizer": optimizer.state_dict(),
    "history": [{"loss": 0.5}, {"loss": 0.25}],
}
young = {
    "u16": torch.tensor([1, 65535], dtype=torch.uint16),
    "u32": torch.tensor([1, 2**32 - 1], dtype=torch.uint32),
    "float8": torch.tensor([1.0, 2.0]).to(torch.float8_e4m3fn),
    "complex": torch.tensor([1 + 2j]),
    "plain": torch.tensor([1.0, 2.0]),
}
odd = {
    "": values,
    "negated": torch.view_as_complex(values.view(3, 2)).conj().imag,
    "sparse": torch.eye(3).to_sparse(),
    "meta": torch.ones(3, device="meta"),
    "quantized": torch.quantize_per_tensor(values, 0.1, 0, torch.qint8),
    "complex": 1 + 2j,
    "set": {1},
    "plain": values,
}


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/gimbal-was-here",)


for name, content in [("every-type", every_type), ("checkpoint", checkpoint), ("evil", {"w": values, "x": Evil()})]:
    torch.save(content, folder / f"{name}.pt")
    torch.save(content, folder / f"{name}-legacy.pt", _use_new_zipfile_serialization=False)
torch.save(young, folder / "young.pt")
torch.save(odd, folder / "odd.pt")
torch.save(values, folder / "tensor.pt")
torch.save(model, folder / "model.pt")
torch.save(every_type, folder / "protocol-4.pt", pickle_protocol=4)
torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), folder / "script.pt")

# Keys of every kind, and an array of NumPy.
torch.save({(0, 1): values, (2,): values, b"a": values, b"b": values, "array": numpy.arange(3)}, folder / "keys.pt")

# A storage that unpacks to more than its description says.
torch.save({"t": torch.ones(2, 2)}, folder / "bomb.pt")
with zipfile.ZipFile(folder / "bomb.pt") as archive:
    members = {name: archive.read(name) for name in archive.namelist()}
with zipfile.ZipFile(folder / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
    for name, content in members.items():
        archive.writestr(name, content + bytes(4096) if "/data/" in name else content)
