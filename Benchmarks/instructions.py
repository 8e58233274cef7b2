#!/usr/bin/env python3
"""Counts the instructions of training steps on the CPU, which neither other programs nor the clock change.

    Benchmarks/instructions.py GIMBAL                                   a table of millions a step
    Benchmarks/instructions.py GIMBAL --check Benchmarks/instructions.json   fails where a step has become longer
    Benchmarks/instructions.py GIMBAL --write Benchmarks/instructions.json   what steps may have from now on

GIMBAL is the command, built for release. Valgrind counts, on one thread and with AVX2, the most that it knows: instructions of
three calls less those of one, halved. A step may take 2 % more than the file says, as libraries of other versions do;
one that takes over 5 % less is told of, so that the file is written anew. Takes about two minutes.
"""
import argparse
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# What `gimbal bench` is asked for: a case each of what nets are made of.
NETS = {name: ["--only", name] for name in ("deep-mlp", "lstm-small", "resnet20", "transformer")} | {
    "seed-step": ["--only", "seed-step", "--variants", "batch 64"],
    "lenet": ["--only", "lenet", "--variants", "step"]}
MORE, LESS = 1.02, 0.95


def count(gimbal, net, calls):
    """Instructions of the whole program."""
    environment = os.environ | {
        "SWIFT_DETERMINISTIC_HASHING": "1", "GIMBAL_THREADS": "1", "GIMBAL_CPU_LEVEL": "avx2", "OPENBLAS_CORETYPE": "Haswell",
        # No OpenCL driver is looked for.
        "OCL_ICD_VENDORS": "/nonexistent"}
    words = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", gimbal, "bench",
             "--devices", "cpu", *NETS[net], "--calls", str(calls)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    if done.returncode or not found:
        sys.exit(f"instructions: {' '.join(words)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return int(found[1].replace(",", ""))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gimbal", metavar="GIMBAL")
    parser.add_argument("--check", type=Path, metavar="FILE", help="fail where a step takes more than this file says")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write what is counted there")
    options = parser.parse_args()
    known = json.loads(options.check.read_text()) if options.check else {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = {(net, calls): pool.submit(count, options.gimbal, net, calls) for net in NETS for calls in (3, 1)}
    found = {net: (runs[net, 3].result() - runs[net, 1].result()) // 2 for net in NETS}
    longer = []
    for net, instructions in found.items():
        line = f"{net:12} {instructions / 1e6:9.1f} million"
        if net in known:
            ratio = instructions / known[net]
            line += f", {ratio:.3f} of what it was"
            if ratio > MORE:
                longer.append(net)
            elif ratio < LESS:
                line += ": fewer, --write them"
        print(line)
    if options.write:
        options.write.write_text(json.dumps(found, indent=2) + "\n")
    if missing := [net for net in found if options.check and net not in known]:
        sys.exit(f"instructions: {options.check} knows nothing of {', '.join(missing)}")
    if longer:
        sys.exit(f"instructions: more than {MORE} times as many as in {options.check}: {', '.join(longer)}")


if __name__ == "__main__":
    main()
