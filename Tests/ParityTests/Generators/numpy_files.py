"""NumPy's own files: `arrays.npz` holds arrays of every type, order and version that Gimbal reads, `array.npy` one that it
must write byte for byte.

The elements of an array are those of `values`, in row-major order.
"""
import zipfile

import numpy as np

from common import FIXTURES

values = np.array([-2.5, 0.0, 1.0, 3.0, 100.25, -7.0])
table = values.reshape(2, 3)
cube = np.arange(24.0).reshape(2, 3, 4)

arrays = [(f"{kind}_{name}", table.astype(kind).astype(np.dtype(kind).newbyteorder(order)), (1, 0))
          for kind in ["f2", "f4", "f8"] for name, order in [("little", "<"), ("big", ">")]]
arrays += [(f"{kind}_{name}", np.trunc(table).astype(kind).astype(np.dtype(kind).newbyteorder(order)), (1, 0))
           for kind in ["i4", "i8"] for name, order in [("little", "<"), ("big", ">")]]
arrays += [("u1", np.array([[0, 1, 2], [3, 254, 255]], "u1"), (1, 0)), ("b1", table > 0, (1, 0)),
           ("fortran", np.asfortranarray(cube.astype("f4")), (1, 0)),
           ("fortran_big", np.asfortranarray(cube.astype(">f8")), (2, 0)),
           ("fortran_bytes", np.asfortranarray(cube.astype("u1")), (3, 0)),
           ("version2", table.astype("f4"), (2, 0)), ("version3", table.astype("f4"), (3, 0)),
           ("scalar", np.float32(3.5), (1, 0)), ("empty", np.zeros((0, 4), "f4"), (1, 0)),
           ("vector", np.arange(5, dtype="f4"), (1, 0))]

with zipfile.ZipFile(FIXTURES / "arrays.npz", "w") as archive:
    for number, (name, array, version) in enumerate(arrays):
        # As numpy.savez and numpy.savez_compressed write them, by turns.
        info = zipfile.ZipInfo(name + ".npy")
        info.compress_type = zipfile.ZIP_DEFLATED if number % 2 else zipfile.ZIP_STORED
        with archive.open(info, "w", force_zip64=True) as file:
            np.lib.format.write_array(file, np.asanyarray(array), version=version)
np.save(FIXTURES / "array.npy", cube.astype("f4"))
