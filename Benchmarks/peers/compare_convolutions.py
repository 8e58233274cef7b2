#!/usr/bin/env python3
"""Gimbal's convolutions beside PyTorch's (oneDNN), with the gradients of input and weight, on the CPU.

    swift build -c release --product gimbal
    venv/bin/python Benchmarks/peers/compare_convolutions.py --gimbal .build/release/gimbal

The shapes are those of `gimbal bench --only convolution`, in batches of 32, padded to keep their size. PyTorch's gradients are
`torch.autograd.grad` of a convolution with a bias. Every figure is from a fresh process, both sides in turn, as many
threads as cores for each; `--level avx2` holds both to older instructions. A ratio is Gimbal's median divided by PyTorch's; the
goal is 0.9. The share is that of the speed of a product of 2048x2048 matrices; it may exceed 1 where products are saved.

Ctrl-C goes on to the report of what was measured. Writes Benchmarks/results/DATE-convolutions.md and .json.
"""
import json
import re
import statistics
import sys
from pathlib import Path

from measuring import (CORES, CUDA_BUILD, LEVEL_WORDS, TORCH, add_limits, comparison, conditions, environment, level_of,
                       measured_in_rounds, run, spread, timed, use_cores, write)

RESULTS = Path(__file__).resolve().parent.parent / "results"
GOAL, BATCH = 0.9, 32


def child(variant, seconds):
    """Prints the figures of PyTorch."""
    import torch
    torch.set_num_threads(len(CORES))
    channels, outputs, kernel, image = re.match(r"(\d+) to (\d+), ([\dx]+), ([\dx]+)", variant).groups()
    kernel, image = ([int(size) for size in sizes.split("x")] for sizes in (kernel, image))
    stride, dilation, groups = (int(found[1]) if (found := re.search(word + r" (\d+)", variant)) else 1
                                for word in ("stride", "dilation", "groups"))
    layer = (torch.nn.Conv1d, torch.nn.Conv2d)[len(kernel) - 1](
        int(channels), int(outputs), kernel, stride, [dilation * (size - 1) // 2 for size in kernel], dilation, groups)
    x = torch.randn(BATCH, int(channels), *image, requires_grad=True)
    arriving = torch.randn_like(layer(x))
    print(json.dumps(timed(lambda: torch.autograd.grad(layer(x), (x, layer.weight), arriving), seconds)))


def gimbal(arguments, seconds, *words):
    command = [arguments.gimbal, "bench", "--devices", "cpu", "--seconds", str(seconds), "--json", *words]
    return run(command, environment(GIMBAL_THREADS=str(len(CORES)), **level_of(arguments, "gimbal")))


def measure(variant, arguments):
    records, _, memory = gimbal(arguments, arguments.seconds, "--only", "convolution", "--variants", variant)
    # A variant may be the beginning of others.
    [ours] = [record for record in records if record["variant"] == variant]
    command = [sys.executable, __file__, "--child", variant, "--seconds", str(arguments.seconds)]
    [theirs], _, their_memory = run(command, environment(**TORCH, **level_of(arguments, "torch")))
    return {"gimbal": ours | {"memory": memory}, "pytorch": theirs | {"memory": their_memory}}


def markdown(results):
    lines = [
        f"# Convolutions beside PyTorch, {results['date']}", "",
        f"{results['processor']}, cores: {results['cores']}, and as many threads for each, {results['system']}; PyTorch"
        f" {results['pytorch']} on Python {results['python']}; rounds: {results['rounds']}, both in turn; load before"
        f" {results['loadBefore']:.2f}; {LEVEL_WORDS[results['level']]}a large product of float32 reaches"
        f" {results['peak']:.0f} GFLOP/s. Medians in milliseconds, with the least and the most in brackets; the ratio is"
        " Gimbal's median divided by PyTorch's. Made by `Benchmarks/peers/compare_convolutions.py`, which says what is measured."
        + CUDA_BUILD * ("+cu" in results["pytorch"]), "",
        "| channels, kernel, image | Gimbal | PyTorch | ratio | met | by processor time | share of peak | PyTorch's |",
        "|---|---:|---:|---:|---:|---:|---:|---:|"]
    for row in results["rows"]:
        lines.append(
            f"| {row['variant']} | {spread(row['gimbal'])} | {spread(row['pytorch'])} | {row['ratio']:.2f} |"
            f" {'yes' if row['ratio'] <= GOAL else 'no'} | {row['processorRatio']:.2f} | {row['share']:.2f} |"
            f" {row['shareOfPyTorch']:.2f} |")
    ratios = [row["ratio"] for row in results["rows"]]
    lines += ["", f"Geometric mean {statistics.geometric_mean(ratios):.2f}, the largest {max(ratios):.2f}."]
    return "\n".join(lines) + "\n"


def main():
    parser = comparison(__doc__, RESULTS)
    add_limits(parser)
    arguments = parser.parse_args()
    if arguments.child:
        return child(arguments.child, arguments.seconds)
    use_cores(arguments.threads)
    arguments.gimbal = str(Path(arguments.gimbal).resolve())
    peak = gimbal(arguments, 1, "--only", "matmul", "--variants", "2048x")[0][-1]["gigaflopsPerSecond"]
    listed = gimbal(arguments, 0.001, "--only", "convolution")[0]
    variants = [record["variant"] for record in listed if (arguments.only or "") in record["variant"]]
    rounds, load = measured_in_rounds(variants, arguments, measure)
    if not rounds:
        return None
    rows = []
    for variant, figures in rounds.items():
        def column(side, key):
            return [figure[side][key] for figure in figures]
        row = {"variant": variant} | {side: column(side, "medianMilliseconds") for side in ("gimbal", "pytorch")}
        times = {side: statistics.median(row[side]) for side in ("gimbal", "pytorch")}
        processor = {side: statistics.median(column(side, "processorMilliseconds")) for side in times}
        # Operations by the speed that goes with a time.
        first = figures[0]["gimbal"]
        operations = first["gigaflopsPerSecond"] * first["medianMilliseconds"]
        row |= {"ratio": times["gimbal"] / times["pytorch"], "processorRatio": processor["gimbal"] / processor["pytorch"],
                "share": operations / times["gimbal"] / peak, "shareOfPyTorch": operations / times["pytorch"] / peak}
        rows.append(row)
    results = conditions(arguments.rounds, load) | {"level": arguments.level, "peak": peak, "rows": rows, "goal": GOAL}
    write(results, markdown(results), arguments.out, "-".join(filter(None, ["convolutions", arguments.level])))
    return None


if __name__ == "__main__":
    main()
