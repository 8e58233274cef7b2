"""What the comparisons with PyTorch share: processes on two cores, their peak memory, and the words of a report."""
import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))[:2]
CUDA_BUILD = " This is PyTorch's CUDA build; the CPU build starts faster and needs less memory."


def environment(**more):
    """This process's, with two threads for whichever library asks and none of the settings that slow OpenBLAS down."""
    values = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "GIMBAL_DEVICE")}
    values |= {name: str(len(CORES)) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    return values | more


# Left alone, PyTorch's two threads may come to lie on one core.
TORCH = {"OMP_PROC_BIND": "true", "OMP_PLACES": ",".join(f"{{{core}}}" for core in CORES)}


# By what a side is held to older instructions.
LEVELS = {"avx2": {
    "gimbal": {"GIMBAL_CPU_LEVEL": "avx2", "OPENBLAS_CORETYPE": "Haswell"},
    "torch": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "jax": {"XLA_FLAGS": "--xla_cpu_max_isa=AVX2"}}}
LEVEL_WORDS = {None: "", "avx2": "all sides held to AVX2; "}


def add_limits(parser):
    """How much of the machine each side may use."""
    parser.add_argument("--threads", type=int, choices=(1, 2), default=len(CORES), help="and cores, of each side")
    parser.add_argument("--level", choices=list(LEVELS), help="the newest instructions of all sides")


def level_of(arguments, side):
    """The variables that hold a side to the level that was asked for."""
    return LEVELS.get(arguments.level, {}).get(side, {})


def use_cores(count):
    """From here on processes run on the first of the cores only, so many of them."""
    del CORES[count:]
    TORCH["OMP_PLACES"] = ",".join(f"{{{core}}}" for core in CORES)


def timed(call, seconds):
    """Milliseconds of a call, over blocks of at least 20 ms after a warm-up: the median, the minimum, and the median of
    what this process's threads computed, which others on the machine touch little."""
    def block(count):
        start, processor_start = time.perf_counter(), time.process_time()
        for _ in range(count):
            call()
        return (time.perf_counter() - start) / count, (time.process_time() - processor_start) / count

    # What the first calls make, such as compiled code, says nothing about later ones.
    block(2)
    single, end = block(1)[0], time.perf_counter() + seconds / 4
    while time.perf_counter() < end:
        single = min(single, block(1)[0])
    count = max(1, int(0.02 / single))
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        times.append(block(count))
    passed, processor = zip(*times)
    return {"medianMilliseconds": 1e3 * statistics.median(passed), "minimumMilliseconds": 1e3 * min(passed),
            "processorMilliseconds": 1e3 * statistics.median(processor)}


def run(command, variables, marker=None):
    """Runs a command on the chosen cores: its JSON lines, seconds until it printed `marker`, peak memory in MiB.

    The peak is the kernel's, `ru_maxrss`; it cannot show less than this small process had when it started the command.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=variables,
        preexec_fn=lambda: os.sched_setaffinity(0, CORES))
    records, first = [], None
    for line in process.stdout:
        if first is None and marker and marker in line:
            first = time.perf_counter() - start
        if line.startswith("{"):
            records.append(json.loads(line))
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or (marker and first is None):
        raise SystemExit(f"failed with status {process.returncode}: {' '.join(command)}")
    return records, first, usage.ru_maxrss / 1024


def comparison(description, out):
    """The options that comparisons share; more may be added."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gimbal", default=".build/release/gimbal", help="the command to measure")
    parser.add_argument("--only", help="workloads, separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="to measure each workload for, each time")
    parser.add_argument("--opencl", action="store_true", help="measure Gimbal on opencl:0 too")
    parser.add_argument("--out", type=Path, default=out, help="folder of the reports")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser


def chosen(arguments, workloads):
    """The names that were asked for, of those there are."""
    names = arguments.only.split(",") if arguments.only else list(workloads)
    if unknown := [name for name in names if name not in workloads]:
        raise SystemExit(f"no workload {', '.join(unknown)}; there are {', '.join(workloads)}")
    return names


def measured_in_rounds(names, arguments, measure):
    """What `measure` gives for each name, round after round, so that a busy minute touches all; and the load before.

    After Ctrl-C it has the names that were measured until then.
    """
    load = os.getloadavg()[0]
    arguments.gimbal = str(Path(arguments.gimbal).resolve())
    rounds = {}
    try:
        for number in range(arguments.rounds):
            for name in names:
                figures = measure(name, arguments)
                rounds.setdefault(name, []).append(figures)
                print(f"round {number + 1} of {arguments.rounds}: {name} {figures}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted: the report has what was measured", file=sys.stderr)
    return rounds, load


def processor():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())


def pytorch_version():
    return subprocess.run([sys.executable, "-c", "import torch; print(torch.__version__)"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


def spread(values):
    """The median, with the least and the most in brackets."""
    digits = 0 if min(values) >= 100 else 3
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def conditions(rounds, load):
    """Under what a comparison was made, for its report."""
    return {"date": datetime.date.today().isoformat(), "processor": processor(), "cores": len(CORES),
            "system": f"{platform.system()} {platform.release()}", "python": platform.python_version(),
            "pytorch": pytorch_version(), "rounds": rounds, "loadBefore": load}


def write(results, text, folder, name):
    """Keeps a report under its date as `name`, as JSON and as the text, and prints the text."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{results['date']}-{name}"
    stem.with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n")
    stem.with_suffix(".md").write_text(text)
    print(text, end="")
