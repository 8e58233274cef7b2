#!/usr/bin/env python3
"""Gimbal beside PyTorch on the seed net, Linear(784,512)-BatchNorm1d(512)-ReLU-Linear(512,10), on the CPU.

    swift build -c release --product gimbal
    venv/bin/python Benchmarks/peers/compare_seed_net.py --gimbal .build/release/gimbal

`venv` holds torch and numpy. Take PyTorch's CPU build: the CUDA build starts more slowly and needs more memory, which
flatters Gimbal; the report names the build. Three things are measured, at batch 64
and 512, each in a fresh process, Gimbal and PyTorch in turn (A B A B ...), two threads on two cores for each:

    step         milliseconds of a training step: zero the gradients, forward, cross-entropy, backward, clip the
                 gradient norm to 1, SGD 0.01, on one batch in memory. Gimbal's from `gimbal bench --only seed-step`
    first step   seconds from the start of the process to the end of the first step, reading a data set of MNIST's size
                 (random pixels, written here for both) included
    memory       peak resident memory of 100 steps from that data set and an evaluation of its test set

A ratio is Gimbal's median divided by PyTorch's. Writes Benchmarks/results/DATE-seed-net.md and .json.
"""
import argparse
import json
import os
import statistics
import struct
import sys
import tempfile
import time
from pathlib import Path

from measuring import CORES, CUDA_BUILD, TORCH, conditions, environment, run, spread, write

BATCHES = (64, 512)
# The most that a ratio may be.
GOALS = {"step": 1.0, "first step": 0.2, "memory": 0.5}
FIRST_STEP = "first step done"
UNITS = {"step": "ms", "first step": "s", "memory": "MiB"}
RESULTS = Path(__file__).resolve().parent.parent / "results"


# ------------------------------------------------------------------------------------------------ PyTorch's part

def torch_training(torch):
    """The seed net and a function that trains it by one batch and returns the loss."""
    torch.set_num_threads(len(CORES))
    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(nn.Linear(784, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 10))
    parameters = list(model.parameters())
    optimizer = torch.optim.SGD(parameters, lr=0.01)

    def step(inputs, targets):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return loss

    return model, step


def torch_steps(batch):
    """Prints the median time of a step, over blocks of about 50 ms after a warm-up."""
    import torch
    _, step = torch_training(torch)
    inputs, targets = torch.rand(batch, 784), torch.randint(0, 10, (batch,))

    def block(count):
        start = time.perf_counter()
        for _ in range(count):
            loss = step(inputs, targets)
        loss.item()
        return (time.perf_counter() - start) / count

    block(20)
    count = max(1, round(0.05 / block(20)))
    print(json.dumps({"medianMilliseconds": 1e3 * statistics.median(block(count) for _ in range(40))}))


def torch_train(batch, folder, steps):
    """Trains from IDX files, prints a line when the first step is done, then evaluates on the test set."""
    import numpy as np
    import torch

    def read(name, header):
        return np.fromfile(Path(folder) / name, dtype=np.uint8, offset=header)

    pixels = torch.from_numpy(read("train-images-idx3-ubyte", 16).reshape(-1, 784))
    labels = torch.from_numpy(read("train-labels-idx1-ubyte", 8))
    model, step = torch_training(torch)
    order = torch.randperm(len(labels))
    for number in range(steps):
        rows = order[number * batch:(number + 1) * batch]
        loss = step(pixels[rows].float() / 255, labels[rows].long())
        if number == 0:
            loss.item()
            print(FIRST_STEP, flush=True)
    model.eval()
    tests = torch.from_numpy(read("t10k-images-idx3-ubyte", 16).reshape(-1, 784))
    with torch.no_grad():
        for start in range(0, len(tests), 512):
            model(tests[start:start + 512].float() / 255).argmax(1)


# ---------------------------------------------------------------------------------------------------- measuring

def write_data(folder):
    """A data set of MNIST's names and sizes with random content."""
    for part, count in (("train", 60_000), ("t10k", 10_000)):
        with open(folder / f"{part}-images-idx3-ubyte", "wb") as file:
            file.write(struct.pack(">IIII", 2051, count, 28, 28) + os.urandom(count * 784))
        with open(folder / f"{part}-labels-idx1-ubyte", "wb") as file:
            file.write(struct.pack(">II", 2049, count) + bytes(value % 10 for value in os.urandom(count)))


def measure_gimbal(gimbal, folder, steps):
    figures = {}
    records, _, _ = run([gimbal, "bench", "--only", "seed-step", "--devices", "cpu", "--json"], environment())
    for record in records:
        if record.get("benchmark") == "seed-step" and record.get("batch") in BATCHES:
            figures["step", record["batch"]] = record["medianMilliseconds"]
    for batch in BATCHES:
        def train(count):
            with tempfile.TemporaryDirectory() as run_folder:
                command = [gimbal, "train", "--data", "mnist", "--data-dir", folder, "--hidden", "512", "--lr", "0.01", "--momentum", "0",
                           "--validation", "none", "--clip-norm", "1.0",
                           "--batch-size", str(batch), "--epochs", "1", "--max-steps", str(count),
                           "--device", "cpu", "--run-dir", run_folder + "/run"]
                return run(command, environment(), "step 1/1 " if count == 1 else None)
        figures["first step", batch] = train(1)[1]
        figures["memory", batch] = train(steps)[2]
    return figures


def measure_torch(folder, steps):
    figures = {}
    for batch in BATCHES:
        def child(*arguments):
            command = [sys.executable, __file__, "--child", *map(str, arguments)]
            return run(command, environment(**TORCH), FIRST_STEP if arguments[0] == "train" else None)
        figures["step", batch] = child("steps", batch)[0][-1]["medianMilliseconds"]
        figures["first step", batch] = child("train", batch, folder, 1)[1]
        figures["memory", batch] = child("train", batch, folder, steps)[2]
    return figures


# ------------------------------------------------------------------------------------------------------- report

def report(rounds, arguments):
    """The rows and the conditions, as a dictionary."""
    rows = []
    for key in ((name, batch) for name in GOALS for batch in BATCHES):
        gimbal, torch = ([figures[key] for figures in side] for side in zip(*rounds))
        ratio = statistics.median(gimbal) / statistics.median(torch)
        rows.append({"measure": key[0], "batch": key[1], "unit": UNITS[key[0]], "gimbal": gimbal, "pytorch": torch,
                     "ratio": ratio, "goal": GOALS[key[0]], "met": ratio <= GOALS[key[0]]})
    return conditions(len(rounds), arguments.load) | {"rows": rows}


def markdown(results):
    lines = [
        f"# Seed net beside PyTorch, {results['date']}", "",
        f"{results['processor']}, {results['cores']} cores and as many threads for each, {results['system']}; PyTorch"
        f" {results['pytorch']} on Python {results['python']}; {results['rounds']} rounds, Gimbal and PyTorch in turn;"
        f" load before {results['loadBefore']:.2f}. Medians, with the least and the most in brackets; the ratio is"
        " Gimbal's median divided by PyTorch's. Made by `Benchmarks/peers/compare_seed_net.py`, which says what is"
        " measured." + CUDA_BUILD * ("+cu" in results["pytorch"]), "",
        "| measure | batch | unit | Gimbal | PyTorch | ratio | goal | met |", "|---|---:|---|---:|---:|---:|---:|---|"]

    for row in results["rows"]:
        cells = (row["measure"], row["batch"], row["unit"], spread(row["gimbal"]), spread(row["pytorch"]),
                 f"{row['ratio']:.2f}", row["goal"], "yes" if row["met"] else "no")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gimbal", default=".build/release/gimbal", help="the command to measure")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the reports")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        kind, batch, *rest = arguments.child
        if kind == "steps":
            return torch_steps(int(batch))
        return torch_train(int(batch), rest[0], int(rest[1]))

    arguments.load = os.getloadavg()[0]
    gimbal = str(Path(arguments.gimbal).resolve())
    with tempfile.TemporaryDirectory() as folder:
        write_data(Path(folder))
        rounds = []
        for number in range(arguments.rounds):
            rounds.append((measure_gimbal(gimbal, folder, 100), measure_torch(folder, 100)))
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
    results = report(rounds, arguments)
    write(results, markdown(results), arguments.out, "seed-net")
    return None


if __name__ == "__main__":
    main()
