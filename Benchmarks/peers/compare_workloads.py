#!/usr/bin/env python3
"""Gimbal beside PyTorch on whole training steps: deep, recurrent, convolutional and attention nets, on the CPU.

    swift build -c release --product gimbal
    venv/bin/python Benchmarks/peers/compare_workloads.py --gimbal .build/release/gimbal

A step is: zero the gradients, forward, cross-entropy, backward, clip the gradient norm to 1, optimizer step, on one fixed
random batch in float32. Every workload runs in fresh processes, Gimbal and PyTorch in turn (A B A B ...), two threads on
two cores for each. Gimbal's time is from `gimbal bench --only WORKLOAD`; `--list` names the workloads. Memory is the
process's peak resident memory. A ratio is Gimbal's median divided by PyTorch's.

`--opencl` measures Gimbal on opencl:0 as well. Writes Benchmarks/results/DATE-workloads.md and .json.
"""
import json
import statistics
import sys
from pathlib import Path

from measuring import (CORES, CUDA_BUILD, TORCH, chosen, comparison, conditions, environment, measured_in_rounds, run,
                       spread, timed, write)
from torch_workloads import torch_workload

RESULTS = Path(__file__).resolve().parent.parent / "results"

# What each workload is, and the most that its ratio of times may be.
WORKLOADS = {
    "deep-mlp": ("50 x [Linear(256,256), BatchNorm, ReLU], Adam, batch 128", 1.0),
    "lstm-small": ("LSTM(32, 64) over 100 steps, Linear(64,10) on the last, Adam, batch 16", 1.0),
    "lstm-language": ("Embedding(96,128), LSTM(256) x 2 over 128 steps, Linear(256,96), Adam, batch 32", 1.0),
    "gru-language": ("the same with GRU", 1.0),
    "resnet20": ("ResNet-20 with projections on 3x32x32, SGD with momentum 0.9 and decay 1e-4, batch 64", 1.5),
    "transformer": ("4 pre-norm blocks of width 256, 4 heads, causal, 128 characters, AdamW, batch 16", 1.5),
}


# ------------------------------------------------------------------------------------------------ PyTorch's part

def torch_steps(name, seconds):
    """Prints the time of a step."""
    import torch
    torch.set_num_threads(len(CORES))
    torch.manual_seed(0)
    model, inputs, targets, make_optimizer = torch_workload(torch, name)
    parameters = list(model.parameters())
    optimizer = make_optimizer(parameters)

    def step():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    print(json.dumps(timed(step, seconds)))


# ---------------------------------------------------------------------------------------------------- measuring

def measure(name, arguments):
    """One figure and one peak for each side."""
    figures = {}

    def gimbal(device):
        command = [arguments.gimbal, "bench", "--only", name, "--devices", device, "--seconds", str(arguments.seconds),
                   "--json"]
        records, _, peak = run(command, environment())
        return records[-1]["medianMilliseconds"], peak

    figures["gimbal"] = gimbal("cpu")
    child = [sys.executable, __file__, "--child", name, "--seconds", str(arguments.seconds)]
    records, _, peak = run(child, environment(**TORCH))
    figures["pytorch"] = records[-1]["medianMilliseconds"], peak
    if arguments.opencl:
        figures["opencl"] = gimbal("opencl:0")
    return figures


def markdown(results):
    lines = [
        f"# Training steps beside PyTorch, {results['date']}", "",
        f"{results['processor']}, {results['cores']} cores and as many threads for each, {results['system']}; PyTorch"
        f" {results['pytorch']} on Python {results['python']}; {results['rounds']} rounds, Gimbal and PyTorch in turn;"
        f" load before {results['loadBefore']:.2f}. Medians, with the least and the most in brackets; a ratio is Gimbal's"
        " median divided by PyTorch's. Made by `Benchmarks/peers/compare_workloads.py`, which says what is measured."
        + CUDA_BUILD * ("+cu" in results["pytorch"]), "",
        "| workload | Gimbal, ms | PyTorch, ms | ratio | goal | met | Gimbal, MiB | PyTorch, MiB | ratio |"
        " opencl:0, ms | to cpu |",
        "|---|---:|---:|---:|---:|---|---:|---:|---:|---:|---:|"]
    for row in results["rows"]:
        ratio = row["ratio"]
        opencl = (spread(row["opencl"]), f"{row['openclRatio']:.1f}") if row.get("opencl") else ("", "")
        cells = (row["workload"], spread(row["gimbal"]), spread(row["pytorch"]), f"{ratio:.2f}", row["goal"],
                 "yes" if ratio <= row["goal"] else "no", spread(row["gimbalMemory"]), spread(row["pytorchMemory"]),
                 f"{row['memoryRatio']:.2f}", *opencl)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += [""] + [f"- {name}: {WORKLOADS[name][0]}" for name in (row["workload"] for row in results["rows"])]
    return "\n".join(lines) + "\n"


def main():
    parser = comparison(__doc__, RESULTS)
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    if arguments.child:
        return torch_steps(arguments.child, arguments.seconds)
    names = chosen(arguments, WORKLOADS)
    if arguments.list:
        print("\n".join(f"{name}: {text}" for name, (text, _) in WORKLOADS.items()))
        return None

    rounds, load = measured_in_rounds(names, arguments, measure)
    rows = []
    for name in rounds:
        def column(side, index):
            return [figures[side][index] for figures in rounds[name] if side in figures]
        row = {"workload": name, "goal": WORKLOADS[name][1]}
        for side in ("gimbal", "pytorch", "opencl"):
            row[side], row[side + "Memory"] = column(side, 0), column(side, 1)
        median = statistics.median
        row["ratio"] = median(row["gimbal"]) / median(row["pytorch"])
        row["memoryRatio"] = median(row["gimbalMemory"]) / median(row["pytorchMemory"])
        if row["opencl"]:
            row["openclRatio"] = median(row["opencl"]) / median(row["gimbal"])
        rows.append(row)
    results = conditions(arguments.rounds, load) | {"rows": rows}
    write(results, markdown(results), arguments.out, "workloads")
    return None


if __name__ == "__main__":
    main()
