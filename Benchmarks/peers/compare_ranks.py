#!/usr/bin/env python3
"""Gimbal beside PyTorch's DistributedDataParallel on training steps of two ranks, one thread each, on the CPU.

    swift build -c release --product gimbal
    venv/bin/python Benchmarks/peers/compare_ranks.py --gimbal .build/release/gimbal

A step is: zero the gradients, forward, cross-entropy, backward with the exchange of gradients, clip their norm to 1,
optimizer step, on one fixed random batch for each rank, in float32. Gimbal exchanges by MPI (`mpirun -n 2 gimbal bench`),
PyTorch by gloo; both over the machine's memory or loopback. The exposed time is that by which a step is longer than one
without an exchange (`no_sync()` in PyTorch), measured in turn with it. Fresh processes, Gimbal and PyTorch in turn. A ratio
is Gimbal's median divided by PyTorch's.

Writes Benchmarks/results/DATE-ranks-pytorch.md and .json.
"""
import json
import os
import statistics
import sys
import time
from pathlib import Path

from measuring import (CORES, CUDA_BUILD, chosen, comparison, conditions, environment, measured_in_rounds, run, spread,
                       write)
from torch_workloads import torch_workload

RESULTS = Path(__file__).resolve().parent.parent / "results"
RANKS = 2
WORKLOADS = {
    "seed-step 64": ("Linear(784,512), BatchNorm, ReLU, Linear(512,10), SGD, batches of 64", 0.9),
    "resnet20": ("ResNet-20 with projections on 3x32x32, SGD with momentum 0.9 and decay 1e-4, batches of 64", 0.9),
    "lstm-language": ("Embedding(96,128), LSTM(256) x 2 over 128 steps, Linear(256,96), Adam, batches of 32", 0.9),
    "transformer": ("4 pre-norm blocks of width 256, 4 heads, causal, 128 characters, AdamW, batches of 16", 0.9),
}


# ------------------------------------------------------------------------------------------------ PyTorch's part

def torch_rank(rank, name, seconds, port):
    """One rank: steps with the exchange and without, in turn, as many on all ranks; the first prints medians."""
    import torch
    import torch.distributed as distributed
    os.sched_setaffinity(0, {CORES[rank % len(CORES)]})
    torch.set_num_threads(1)
    torch.manual_seed(0)
    distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=RANKS)
    plain, inputs, targets, make_optimizer = torch_workload(torch, name)
    model = torch.nn.parallel.DistributedDataParallel(plain)
    parameters = list(model.parameters())
    optimizer = make_optimizer(parameters)

    def step(exchanges):
        distributed.barrier()
        start = time.perf_counter()
        optimizer.zero_grad()
        if exchanges:
            torch.nn.functional.cross_entropy(model(inputs), targets).backward()
        else:
            with model.no_sync():
                torch.nn.functional.cross_entropy(model(inputs), targets).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return time.perf_counter() - start

    for exchanges in (True, False) * 3:
        step(exchanges)
    times, end = {True: [], False: []}, time.perf_counter() + seconds
    goes_on = torch.ones(1)
    while goes_on.item():
        for exchanges in (True, False):
            times[exchanges].append(step(exchanges))
        goes_on[0] = float(time.perf_counter() < end)
        distributed.broadcast(goes_on, 0)
    if rank == 0:
        print(json.dumps({"step": statistics.median(times[True]), "alone": statistics.median(times[False])}), flush=True)
    distributed.destroy_process_group()


def torch_ranks(name, seconds):
    import torch.multiprocessing as multiprocessing
    port = 20000 + os.getpid() % 20000
    multiprocessing.spawn(torch_rank, (name, seconds, port), nprocs=RANKS)


# ---------------------------------------------------------------------------------------------------- measuring

def measure(name, arguments):
    """Seconds of a step of each side, with the exchange and without."""
    launcher = arguments.mpirun.split() + ["-n", str(RANKS)]
    command = launcher + [arguments.gimbal, "bench", "--only", name.split()[0], "--devices", "cpu", "--seconds",
                          str(arguments.seconds / 2), "--json"]
    records, _, _ = run(command, environment(GIMBAL_THREADS="1"))
    wanted = [r for r in records if name == r["benchmark"] or name == f'{r["benchmark"]} {r["batch"]}']
    figures = {"gimbal": wanted[-1]}
    one = {variable: "1" for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    child = [sys.executable, __file__, "--child", name, "--seconds", str(arguments.seconds)]
    records, _, _ = run(child, environment(**one))
    figures["pytorch"] = records[-1]
    return figures


def markdown(results):
    lines = [
        f"# Training steps of two ranks beside PyTorch's DistributedDataParallel, {results['date']}", "",
        f"{results['processor']}, two ranks of one thread each, {results['system']}; PyTorch {results['pytorch']} with"
        f" gloo on Python {results['python']}; {results['rounds']} rounds, Gimbal and PyTorch in turn; load before"
        f" {results['loadBefore']:.2f}. Medians in milliseconds, with the least and the most in brackets; exposed is what"
        " a step with the exchange takes longer than one without. Made by `Benchmarks/peers/compare_ranks.py`, which says"
        " what is measured." + CUDA_BUILD * ("+cu" in results["pytorch"]), "",
        "| workload | Gimbal | PyTorch | ratio | goal | met | Gimbal, exposed | PyTorch, exposed |",
        "|---|---:|---:|---:|---:|---|---:|---:|"]
    for row in results["rows"]:
        lines.append(
            f"| {row['workload']} | {spread(row['gimbal'])} | {spread(row['pytorch'])} | {row['ratio']:.2f} |"
            f" {row['goal']} | {'yes' if row['ratio'] <= row['goal'] else 'no'} | {spread(row['gimbalExposed'])} |"
            f" {spread(row['pytorchExposed'])} |")
    lines += [""] + [f"- {name}: {WORKLOADS[name][0]}" for name in (row["workload"] for row in results["rows"])]
    return "\n".join(lines) + "\n"


def main():
    parser = comparison(__doc__, RESULTS)
    parser.add_argument("--mpirun", default="mpirun", help="the launcher, with its options")
    arguments = parser.parse_args()
    if arguments.child:
        return torch_ranks(arguments.child, arguments.seconds)
    names = chosen(arguments, WORKLOADS)
    rounds, load = measured_in_rounds(names, arguments, measure)
    rows = []
    for name in rounds:
        row = {"workload": name, "goal": WORKLOADS[name][1]}
        for side, step in (("gimbal", "inBuckets"), ("pytorch", "step")):
            row[side] = [1e3 * figures[side][step] for figures in rounds[name]]
            row[side + "Exposed"] = [1e3 * (figures[side][step] - figures[side]["alone"]) for figures in rounds[name]]
        row["ratio"] = statistics.median(row["gimbal"]) / statistics.median(row["pytorch"])
        rows.append(row)
    results = conditions(arguments.rounds, load) | {"rows": rows}
    write(results, markdown(results), arguments.out, "ranks-pytorch")
    return None


if __name__ == "__main__":
    main()
