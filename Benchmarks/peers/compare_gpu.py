#!/usr/bin/env python3
"""Gimbal beside PyTorch on one GPU: whole training steps, and the operations they are made of.

    python3 Benchmarks/peers/compare_gpu.py --gimbal .build/release/gimbal --device opencl:0

wants PyTorch with CUDA. A step is that of compare_workloads.py. Gimbal and PyTorch take turns on the same card (A B A B),
Gimbal as a process of its own; a ratio is Gimbal's median divided by PyTorch's. PyTorch runs eagerly, as a captured CUDA
graph and, with --compile, through torch.compile; in float32 with TF32 off for products and convolutions alike, and under
autocast to bfloat16. `--precisions float32,bfloat16` names what Gimbal runs in.

Writes Benchmarks/results/DATE-NAME.md and .json, NAME by --name.
"""
import argparse
import datetime
import json
import statistics
import subprocess
import time
from pathlib import Path

from measuring import write
from torch_workloads import torch_workload

RESULTS = Path(__file__).resolve().parent.parent / "results"
WORKLOADS = ["seed-step 64", "seed-step 512", "deep-mlp", "lstm-small", "lstm-language", "gru-language", "resnet20",
             "transformer", "resnet50"]


def timed(torch, step, seconds):
    """The median time of a call in milliseconds, over blocks of at least 20 ms that end with a wait."""
    def block(count):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(count):
            step()
        torch.cuda.synchronize()
        return (time.perf_counter() - start) / count

    single, end = block(3), time.perf_counter() + seconds / 4
    while time.perf_counter() < end:
        single = min(single, block(2))
    count, times, end = max(1, int(0.02 / single)), [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        times.append(block(count))
    return 1e3 * statistics.median(times)


def torch_step(torch, name, precision, mode):
    """A call that does one training step."""
    torch.manual_seed(0)
    model, inputs, targets, make_optimizer = torch_workload(torch, name)
    model, inputs, targets = model.cuda(), inputs.cuda(), targets.cuda()
    parameters = list(model.parameters())
    optimizer = make_optimizer(parameters, **({"capturable": True} if mode == "graph" else {}))

    def loss_of(inputs, targets):
        return torch.nn.functional.cross_entropy(model(inputs), targets)

    loss = torch.compile(loss_of) if mode == "compile" else loss_of

    def step():
        optimizer.zero_grad(set_to_none=mode != "graph")
        # Weights cast once and kept would outlive a captured graph's step.
        with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=mode != "graph"):
            value = loss(inputs, targets)
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    if mode != "graph":
        return step
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()

    def replay(kept=step):  # The graph reads what `step` refers to, and does not keep it alive.
        graph.replay()
    return replay


def gimbal_figure(arguments, name, precision):
    """Milliseconds of a step and the peak of device memory in MiB, if the command says it; None where it cannot."""
    benchmark, _, batch = name.partition(" ")
    command = [arguments.gimbal, "bench", "--only", benchmark, "--devices", arguments.device,
               "--seconds", str(arguments.seconds), "--json"]
    if precision != "float32":
        command += ["--precision", precision]
    result = subprocess.run(command, capture_output=True, text=True)
    lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    lines = [line for line in lines if not batch or line.get("batch") == int(batch)]
    if result.returncode or not lines:
        print(f"gimbal, {name} in {precision}: {(result.stderr or result.stdout)[-400:]}", flush=True)
        return None
    return lines[-1]["medianMilliseconds"]


def products(arguments, torch):
    """Square products x yᵀ beside cuBLAS: lines of a table, in TFLOP/s, medians."""
    result = subprocess.run(
        [arguments.gimbal, "bench", "--only", "product", "--devices", arguments.device, "--seconds", "0.2", "--json"],
        capture_output=True, text=True)
    lines = ["| product | size | Gimbal, TFLOP/s | cuBLAS, TFLOP/s | Gimbal / cuBLAS |", "|---|---:|---:|---:|---:|"]
    for record in (json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")):
        name, size = record["variant"].split()
        size = int(size)
        torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
        dtype = {"float16": torch.float16, "bfloat16": torch.bfloat16}.get(name, torch.float32)
        x, y = (torch.randn(size, size, device="cuda").to(dtype) for _ in range(2))
        out = torch.empty(size, size, device="cuda", dtype=dtype)
        peer = 2 * size**3 / timed(torch, lambda: torch.mm(x, y.T, out=out), 0.2) * 1e-9
        ours = record["gigaflopsPerSecond"] * 1e-3
        lines.append(f"| {name} | {size} | {ours:.1f} | {peer:.1f} | {ours / peer:.2f} |")
        print(lines[-1], flush=True)
    torch.backends.cuda.matmul.allow_tf32 = False
    return lines + [""]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gimbal", default=".build/release/gimbal", help="the command to measure")
    parser.add_argument("--device", default="opencl:0")
    parser.add_argument("--only", help="workloads, separated by commas")
    parser.add_argument("--precisions", default="float32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1, help="to measure each workload for, each time")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile too; it compiles for minutes")
    parser.add_argument("--no-graph", action="store_true", help="leave CUDA graphs out")
    parser.add_argument("--products", action="store_true", help="compare square products with cuBLAS too")
    parser.add_argument("--name", default="gpu-workloads")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the reports")
    arguments = parser.parse_args()
    import torch
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False

    names = arguments.only.split(",") if arguments.only else WORKLOADS
    modes = ["eager"] + ["graph"] * (not arguments.no_graph) + ["compile"] * arguments.compile
    square = products(arguments, torch) if arguments.products else []
    rows = []
    for name in names:
        for precision in arguments.precisions.split(","):
            row = {"workload": name, "precision": precision, "gimbal": [], **{mode: [] for mode in modes}}
            steps = {}
            for mode in modes:
                try:
                    steps[mode] = torch_step(torch, name, precision, mode)
                    steps[mode]()
                except Exception as error:  # What PyTorch cannot do is a row without a figure.
                    steps.pop(mode, None)
                    print(f"pytorch {mode}, {name} in {precision}: {str(error)[:300]}", flush=True)
            for _ in range(arguments.rounds):
                figure = gimbal_figure(arguments, name, precision)
                if figure is not None:
                    row["gimbal"].append(figure)
                for mode, step in steps.items():
                    row[mode].append(timed(torch, step, arguments.seconds / 2))
            row = {key: statistics.median(value) if isinstance(value, list) and value else value or None
                   for key, value in row.items()}
            print(json.dumps(row), flush=True)
            rows.append(row)
            del steps
            torch.cuda.empty_cache()

    driver = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],
                            capture_output=True, text=True).stdout.strip()
    results = {"date": datetime.date.today().isoformat(), "card": driver, "pytorch": torch.__version__,
               "rounds": arguments.rounds, "rows": rows, "products": square}

    def cell(value):
        return "" if value is None else f"{value:.3f}"

    def ratio(row, mode):
        return f"{row['gimbal'] / row[mode]:.2f}" if row["gimbal"] and row[mode] else ""

    lines = [f"# Training steps beside PyTorch on a GPU, {results['date']}", "",
             f"{driver} (card, driver); PyTorch {results['pytorch']}; {arguments.rounds} rounds, Gimbal and PyTorch in turn"
             " on the same card. Milliseconds, medians; a ratio is Gimbal's divided by PyTorch's. Made by"
             " `Benchmarks/peers/compare_gpu.py`, which says what is measured.", "",
             "| workload | precision | Gimbal | " + " | ".join(f"PyTorch {mode} | ratio" for mode in modes) + " |",
             "|---|---|---:|" + "---:|---:|" * len(modes)]
    for row in rows:
        cells = [row["workload"], row["precision"], cell(row["gimbal"])]
        cells += [text for mode in modes for text in (cell(row[mode]), ratio(row, mode))]
        lines.append("| " + " | ".join(cells) + " |")
    if square:
        lines += ["", "Products x yᵀ of square matrices; float32 without TF32 on both sides:", "", *square[:-1]]
    write(results, "\n".join(lines) + "\n", arguments.out, arguments.name)


if __name__ == "__main__":
    main()
