#!/usr/bin/env python3
"""Counts the instructions of operations and training steps on the CPU, which neither other programs nor the clock change.

    Benchmarks/instructions.py GIMBAL                                   a table of millions a step
    Benchmarks/instructions.py GIMBAL --check Benchmarks/instructions.json   fails where a step has become longer
    Benchmarks/instructions.py GIMBAL --write Benchmarks/instructions.json   what steps may have from now on

GIMBAL is the command, built for release. Valgrind counts, on one thread and with AVX2, the most that it knows: instructions of
two calls less those of one. A step may take 2 % more than the file says, as libraries of other versions do;
one that takes over 5 % less is told of, so that the file is written anew. Takes about four minutes.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# What `gimbal bench` is asked for: names of benchmarks, and of a variant. Seconds each, though Valgrind takes a hundred times as long.
CASES = {f"{name} {variant}": ["--only", name, "--variants", variant] for name, variant in (
    ("seed-step", "batch 64"), ("lenet", "step"), ("lstm-small", "32 to 64"), ("embedding", "step"),
    ("convolution", "64 to 64, 3x3, 16x16"), ("convolution", "64 to 64, 7x1, 17x17"),
    ("convolution", "64 to 128, 3x3, 16x16, stride 2"), ("convolution", "64 to 64, 3x3, 32x32, groups 64"),
    ("batchnorm", "[64, 64, 1024]"))}
MORE, LESS = 1.02, 0.95


def count(gimbal, case, calls):
    """Instructions of the whole program."""
    environment = os.environ | {
        "SWIFT_DETERMINISTIC_HASHING": "1", "GIMBAL_THREADS": "1", "GIMBAL_CPU_LEVEL": "avx2", "OPENBLAS_CORETYPE": "Haswell",
        # No OpenCL driver is looked for.
        "OCL_ICD_VENDORS": "/nonexistent"}
    words = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", gimbal, "bench",
             "--devices", "cpu", *CASES[case], "--calls", str(calls)]
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
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        # Valgrind reads what is there for debuggers, and knows only older forms of it.
        gimbal = str(Path(folder) / "gimbal")
        subprocess.run(["strip", "--strip-debug", "-o", gimbal, options.gimbal], check=True)
        runs = {(case, calls): pool.submit(count, gimbal, case, calls) for case in CASES for calls in (2, 1)}
        found = {case: runs[case, 2].result() - runs[case, 1].result() for case in CASES}
    longer = []
    for case, instructions in found.items():
        line = f"{case:46} {instructions / 1e6:9.1f} million"
        if case in known:
            ratio = instructions / known[case]
            line += f", {ratio:.3f} of what it was"
            if ratio > MORE:
                longer.append(case)
            elif ratio < LESS:
                line += ": fewer, --write them"
        print(line)
    if options.write:
        options.write.write_text(json.dumps(found, indent=2) + "\n")
    if missing := [case for case in found if options.check and case not in known]:
        sys.exit(f"instructions: {options.check} knows nothing of {', '.join(missing)}")
    if longer:
        sys.exit(f"instructions: more than {MORE} times as many as in {options.check}: {', '.join(longer)}")


if __name__ == "__main__":
    main()
