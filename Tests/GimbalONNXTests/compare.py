"""Runs exported models by onnxruntime, and tells how far their outputs are from those that were expected.

    compare.py FOLDER

FOLDER has a model.onnx, and cases in 0.npz, 1.npz, ...: arrays in.NAME and out.NAME for the model's inputs and outputs; or it
has such folders. Printed is one line of JSON: for each folder the largest difference of any output in any case, relative to the
largest absolute value that is expected of it, or what went wrong.
"""

import json
import pathlib
import sys

import numpy
import onnx
import onnxruntime


def difference(got, expected):
    if got.shape != expected.shape or got.dtype != expected.dtype:
        raise ValueError(f"{got.dtype} {got.shape} where {expected.dtype} {expected.shape} is expected")
    if got.size == 0:
        return 0.0
    if numpy.isnan(got).any() != numpy.isnan(expected).any():
        raise ValueError("NaN")
    scale = max(float(numpy.abs(expected).max()), 1e-30)
    return float(numpy.abs(got.astype(numpy.float64) - expected.astype(numpy.float64)).max()) / scale


def largest_difference(folder):
    model = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    worst = 0.0
    for path in sorted(folder.glob("*.npz")):
        case = numpy.load(path)
        inputs = {name[3:]: case[name] for name in case.files if name.startswith("in.")}
        names = [name[4:] for name in case.files if name.startswith("out.")]
        for name, got in zip(names, session.run(names, inputs)):
            worst = max(worst, difference(got, case["out." + name]))
    return worst


root = pathlib.Path(sys.argv[1])
folders = [root] if (root / "model.onnx").exists() else sorted(path for path in root.iterdir() if path.is_dir())
results = {}
for folder in folders:
    try:
        results[folder.name] = {"difference": largest_difference(folder)}
    except Exception as error:
        results[folder.name] = {"failure": f"{type(error).__name__}: {error}"}
print(json.dumps(results))
