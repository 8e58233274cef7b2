#!/usr/bin/env python3
"""Gimbal beside PyTorch, eager and by torch.compile, and JAX: whole nets, trained and used, on the CPU.

    swift build -c release --product gimbal
    venv/bin/python Benchmarks/peers/compare_nets.py --gimbal .build/release/gimbal --threads 1

A step is: zero the gradients, forward, loss, backward, clip the gradient norm to 1, optimizer step, on one fixed
random batch in float32. Inference is in evaluation mode without gradients, at batch 1 and 64. Every figure is from a
fresh process, all sides in turn (A B C D A B C D ...), as many threads as cores for each. `--list` names the nets.
Memory is the process's peak resident memory, what it compiled included. A ratio is Gimbal's median divided by a peer's,
so that less is better; the goal is 0.9 beside the fastest peer. By processor time, what a process's threads computed
for a call, the ratio is that to the peer that needs least: others on the machine touch it little. Parameters must be as
many on all sides.

PyTorch eager is as it comes, beside torch.compile optimizers are fused; JAX compiles the whole step, by flax and optax,
with its buffers donated. The peak is that of a product of 2048x2048 matrices, by whichever of Gimbal and PyTorch is
faster; operations of a net are PyTorch's count of those in products and convolutions.

A peer that fails at one net is told of, and measured in the others. Ctrl-C goes on to the report of what was measured.
Writes Benchmarks/results/DATE-nets.md and .json.
"""
import json
import statistics
import sys
from importlib import metadata
from pathlib import Path

from measuring import (CORES, CUDA_BUILD, LEVEL_WORDS, TORCH, add_limits, chosen, comparison, conditions, environment,
                       level_of, measured_in_rounds, run, spread, timed, use_cores, write)
from torch_nets import BATCHES

RESULTS = Path(__file__).resolve().parent.parent / "results"
GOAL = 0.9
PEERS = {"eager": "PyTorch", "compile": "torch.compile", "jax": "JAX"}
SIDES = {"gimbal": "Gimbal", "opencl": "opencl:0"} | PEERS
# What is kept of a side's times, and what it is called there.
TIMES = {"": "medianMilliseconds", "Minima": "minimumMilliseconds", "Processor": "processorMilliseconds"}
MODES = {"step": "step", "1": "inference, batch 1", "64": "inference, batch 64"}
NETS = {
    "resnet18-64": "ResNet-18 on 3x64x64, SGD with momentum",
    "resnet18-224": "ResNet-18 on 3x224x224, SGD with momentum",
    "vgg": "3x3 convolutions of 64, 64, 128, 128, 256, 256 with BatchNorm and pooling on 3x32x32, SGD with momentum",
    "mobilenet": "seven depthwise separable convolutions up to 512 channels on 3x64x64, SGD with momentum",
    "lenet": "two convolutions and three linear layers on 1x28x28, Adam",
    "unet": "three sizes of 32, 64 and 128 channels, classes of pixels on 1x64x64, Adam",
    "gpt": "6 pre-norm blocks of width 384, 6 heads, 256 tokens of 4,096, AdamW",
    "wide-mlp": "784-4096-4096-10, Adam",
    "bilstm": "LSTM(128, 128) in both directions over 64 steps, Adam",
    "conv1d": "8 dilated convolutions of width 7 over 64 channels, length 512, Adam",
    "embedding": "mean of 64 vectors of a table of 30,000 x 64, linear, Adam",
    "autoencoder": "784-512-128-32-128-512-784, mean squared error, Adam",
}


# ----------------------------------------------------------------------------------------------- a peer's process

def child(what, seconds):
    """Prints the figures of one net and mode on one side, or the speed of PyTorch's product."""
    if what == "peak":
        import torch
        torch.set_num_threads(len(CORES))
        x, y = torch.randn(2048, 2048), torch.randn(2048, 2048)
        milliseconds = timed(lambda: x @ y, seconds)["medianMilliseconds"]
        print(json.dumps({"gigaflopsPerSecond": 2 * 2048**3 * 1e-6 / milliseconds}))
        return
    side, name, mode = what.split()
    operations = None
    if side == "jax":
        from jax_nets import jax_call
        call, parameters = jax_call(name, mode)
    else:
        from torch_nets import torch_call
        call, parameters, operations = torch_call(name, mode, compiles=side == "compile")
    print(json.dumps(timed(call, seconds) | {"parameters": parameters, "operations": operations}))


# ------------------------------------------------------------------------------------------------------ measuring

def measure(case, arguments):
    """Figures of each side: times, parameters, operations where they are known, and the peak of memory."""
    name, mode = case

    def of_gimbal(device):
        command = [arguments.gimbal, "bench", "--only", name, "--variants", MODES[mode], "--devices", device,
                   "--seconds", str(arguments.seconds), "--json"]
        return command, environment(GIMBAL_THREADS=str(len(CORES)), **level_of(arguments, "gimbal"))
    commands = {"gimbal": of_gimbal("cpu")} | ({"opencl": of_gimbal("opencl:0")} if arguments.opencl else {})
    flags = {"XLA_FLAGS": " ".join([f"--xla_cpu_multi_thread_eigen={str(len(CORES) > 1).lower()}",
                                    *level_of(arguments, "jax").values()]), "JAX_PLATFORMS": "cpu"}
    for peer in arguments.peers:
        commands[peer] = (
            [sys.executable, __file__, "--child", f"{peer} {name} {mode}", "--seconds", str(arguments.seconds)],
            environment(**(flags if peer == "jax" else TORCH | level_of(arguments, "torch"))))
    figures = {}
    for side, (command, variables) in commands.items():
        try:
            records, _, memory = run(command, variables)
        except SystemExit as failure:
            # A peer that cannot do one thing is measured in the others.
            if side not in PEERS:
                raise
            print(f"{name}, {MODES[mode]}: {failure}", file=sys.stderr)
            continue
        # Of Gimbal one variant alone has this mode.
        [record] = records
        figures[side] = {key: record.get(key) for key in (*TIMES.values(), "parameters", "operations")} | {
            "memory": memory}
    counts = {side: figure["parameters"] for side, figure in figures.items()}
    if len(set(counts.values())) > 1:
        raise SystemExit(f"{name} has not as many parameters on all sides: {counts}")
    return figures


def measured_peak(arguments):
    """The speed of a large product of float32, in GFLOP/s."""
    command = [arguments.gimbal, "bench", "--only", "matmul", "--variants", "2048x", "--devices", "cpu", "--json"]
    speeds = [run(command, environment(GIMBAL_THREADS=str(len(CORES)), **level_of(arguments, "gimbal")))[0]]
    if {"eager", "compile"} & set(arguments.peers):
        speeds.append(run([sys.executable, __file__, "--child", "peak", "--seconds", "1"],
                          environment(**TORCH, **level_of(arguments, "torch")))[0])
    return max(records[-1]["gigaflopsPerSecond"] for records in speeds)


def rows_of(rounds, arguments, peak):
    rows = []
    for (name, mode), all_figures in rounds.items():
        row = {"net": name, "mode": mode, "parameters": all_figures[0]["gimbal"]["parameters"]}
        sides = [side for side in SIDES if all(side in figures for figures in all_figures)]
        for side in sides:
            def column(key):
                return [figures[side][key] for figures in all_figures]
            row |= {side + suffix: column(key) for suffix, key in TIMES.items()} | {side + "Memory": column("memory")}
        times = {side: statistics.median(row[side]) for side in sides}
        row["ratios"] = {peer: times["gimbal"] / times[peer] for peer in arguments.peers if peer in times}
        if row["ratios"]:
            row["fastest"] = max(row["ratios"], key=row["ratios"].get)
            row["ratio"] = row["ratios"][row["fastest"]]
            least = min(statistics.median(row[peer + "Processor"]) for peer in row["ratios"])
            row["processorRatio"] = statistics.median(row["gimbalProcessor"]) / least
        if operations := all_figures[0].get("eager", {}).get("operations"):
            row["operations"] = operations
            row["shares"] = {side: operations * 1e-6 / time / peak for side, time in times.items()}
        rows.append(row)
    return rows


def geometric_means(rows):
    """Of the ratios of all rows with a mode, and of all rows."""
    groups = {mode: [row for row in rows if row["mode"] == mode] for mode in MODES} | {"all": rows}
    means = {}
    for group, members in groups.items():
        members = [row for row in members if row["ratios"]]
        if members:
            known = {peer: [row["ratios"][peer] for row in members if peer in row["ratios"]] for peer in PEERS}
            means[group] = {peer: statistics.geometric_mean(ratios) for peer, ratios in known.items() if ratios}
            means[group]["fastest"] = statistics.geometric_mean(row["ratio"] for row in members)
    return means


# -------------------------------------------------------------------------------------------------------- report

def markdown(results):
    peers = results["peers"]
    sides = {side: title for side, title in SIDES.items() if any(side in row for row in results["rows"])}
    versions = ", ".join([f"PyTorch {results['pytorch']}"] + [f"{k} {v}" for k, v in results["versions"].items()])
    lines = [
        f"# Whole nets beside PyTorch and JAX, {results['date']}", "",
        f"{results['processor']}, cores: {results['cores']}, and as many threads for each, {results['system']};"
        f" {versions} on Python {results['python']}; rounds: {results['rounds']}, all sides in turn; load before"
        f" {results['loadBefore']:.2f}; {LEVEL_WORDS[results['level']]}a large product of float32 reaches {results['peak']:.0f} GFLOP/s. Medians in"
        " milliseconds, with the least and the most in brackets; a ratio is Gimbal's median divided by the peer's."
        " Made by `Benchmarks/peers/compare_nets.py`, which says what is measured."
        + CUDA_BUILD * ("+cu" in results["pytorch"]), ""]
    for mode, title in MODES.items():
        rows = [row for row in results["rows"] if row["mode"] == mode]
        if not rows:
            continue
        heads = ["net", *sides.values(), *(f"to {PEERS[peer]}" for peer in peers), "to the fastest", "met",
                 "by processor time", "share of peak", "the fastest's", *(f"{side}, MiB" for side in sides.values())]
        lines += [f"## {title[0].upper()}{title[1:]}", "", f"| {' | '.join(heads)} |",
                  f"|---|{'---:|' * (len(heads) - 1)}"]
        for row in rows:
            shares = row.get("shares", {})
            cells = [row["net"], *(spread(row[side]) if side in row else "failed" for side in sides),
                     *(f"{row['ratios'][peer]:.2f}" if peer in row["ratios"] else "" for peer in peers),
                     *((f"{row['ratio']:.2f}", "yes" if row["ratio"] <= GOAL else "no", f"{row['processorRatio']:.2f}")
                       if row["ratios"] else ("", "", "")),
                     *(f"{shares[side]:.2f}" if side in shares else "" for side in ("gimbal", row.get("fastest"))),
                     *(f"{statistics.median(row[side + 'Memory']):.0f}" if side in row else "" for side in sides)]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    if peers:
        titles = PEERS | {"fastest": "the fastest"}
        known = [peer for peer in titles if any(peer in means for means in results["means"].values())]
        lines += ["## Geometric means of the ratios", "", f"| | {' | '.join(titles[peer] for peer in known)} |",
                  f"|---|{'---:|' * len(known)}"]
        for group, means in results["means"].items():
            cells = (f"{means[peer]:.2f}" if peer in means else "" for peer in known)
            lines.append(f"| {MODES.get(group, group)} | {' | '.join(cells)} |")
        lines += ["", "## The worst ratios", ""]
        worst = sorted((row for row in results["rows"] if row["ratios"]), key=lambda row: -row["ratio"])[:10]
        lines += [f"- {row['net']}, {MODES[row['mode']]}: {row['ratio']:.2f} beside {PEERS[row['fastest']]}"
                  for row in worst]
        lines.append("")
    named = {row["net"]: row["parameters"] for row in results["rows"]}
    lines += ["## The nets", ""]
    lines += [f"- {name}: {NETS[name]}, batch {BATCHES[name]}; {count:,} parameters" for name, count in named.items()]
    return "\n".join(lines) + "\n"


def main():
    parser = comparison(__doc__, RESULTS)
    parser.add_argument("--list", action="store_true", help="name the nets and leave")
    parser.add_argument("--modes", default=",".join(MODES), help="step, and 1 and 64 of inference, by commas")
    parser.add_argument("--peers", default=",".join(PEERS), help="eager, compile and jax, by commas")
    add_limits(parser)
    arguments = parser.parse_args()
    if arguments.child:
        return child(arguments.child, arguments.seconds)
    if arguments.list:
        print("\n".join(f"{name}: {text}, batch {BATCHES[name]}" for name, text in NETS.items()))
        return None
    names, use = chosen(arguments, NETS), {}
    for option, known in (("modes", MODES), ("peers", PEERS)):
        use[option] = [word for word in getattr(arguments, option).split(",") if word]
        if unknown := [word for word in use[option] if word not in known]:
            parser.error(f"--{option}: no {', '.join(unknown)}; there are {', '.join(known)}")
    arguments.peers = use["peers"]
    use_cores(arguments.threads)
    cases = [(name, mode) for name in names for mode in use["modes"]]
    arguments.gimbal = str(Path(arguments.gimbal).resolve())
    peak = measured_peak(arguments)
    rounds, load = measured_in_rounds(cases, arguments, measure)
    if not rounds:
        return None
    rows = rows_of(rounds, arguments, peak)
    results = conditions(arguments.rounds, load) | {
        "peers": arguments.peers, "level": arguments.level, "peak": peak, "seconds": arguments.seconds, "goal": GOAL, "rows": rows,
        "versions": {k: metadata.version(k) for k in ("jax", "flax", "optax") if "jax" in arguments.peers},
        "means": geometric_means(rows)}
    write(results, markdown(results), arguments.out, "-".join(filter(None, ["nets", arguments.level])))
    return None


if __name__ == "__main__":
    main()
