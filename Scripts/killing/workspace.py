"""A folder with data and libraries in which runs are started, killed and compared."""
import hashlib
import json
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from killing.nets import NETS, write_data

SOURCES = Path(__file__).resolve().parent.parent / "fault-injection"
# What differs between two result.json of the same.
VOLATILE = {"date", "seconds"}


class Failed(Exception):
    """What is wrong with a run, in a few words."""


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else None


def bits(checkpoint):
    """Of all files of a checkpoint by their names; the record is left out, as it tells each start, and with it the file of
    checksums, which has the record's."""
    told = ("run.json", "checksums.sfv")
    return {path.name: digest(path) for path in sorted(checkpoint.iterdir()) if path.name not in told}


def is_partial(path):
    return ".partial-" in path.name


def rows(path):
    """Of metrics.csv, without the column of the throughput."""
    lines = [line.split(",") for line in path.read_text().splitlines()] if path.exists() else []
    speed = lines[0].index("samples_per_second") if lines else 0
    return [line[:speed] + line[speed + 1 :] for line in lines]


def event_count(path):
    """How many whole records an event file has; None where its end is cut."""
    data, place, count = path.read_bytes(), 0, 0
    while place < len(data):
        if place + 12 > len(data):
            return None
        (length,) = struct.unpack_from("<Q", data, place)
        place += 16 + length
        count += 1
    return count if place == len(data) else None


def without(value, names):
    """JSON without keys of these names."""
    if isinstance(value, dict):
        return {key: without(item, names) for key, item in value.items() if key not in names}
    return [without(item, names) for item in value] if isinstance(value, list) else value


def runs(folder):
    """The run of a folder, or those of its folds."""
    return sorted(folder.glob("fold-*")) or [folder]


def checkpoints(run):
    """Those that are in place, oldest first."""
    return sorted(path for path in run.glob("checkpoints/step-*") if not is_partial(path))


def state(folder, has_all_rows):
    """All that must not depend on how often a run was stopped, by what it is."""
    found = {}
    for run in runs(folder):
        name = "" if run == folder else f"{run.name}'s "
        newest = checkpoints(run)[-1:]
        found[f"{name}newest checkpoint"] = newest[0].name if newest else None
        for file, value in bits(newest[0]).items() if newest else []:
            found[f"{name}{file}"] = value
        table = rows(run / "metrics.csv")
        # Of a device that is asked now and then, what is told in between depends on when a run was stopped.
        found[f"{name}metrics.csv"] = table if has_all_rows else [row for row in table if row[5:6] != [""]]
        events = [event_count(path) for path in run.glob("events.out.tfevents.*")]
        found[f"{name}events"] = events if has_all_rows else [count is not None for count in events]
        if has_all_rows:
            found[f"{name}health.csv"] = digest(run / "health.csv")
        found[f"{name}findings.jsonl"] = digest(run / "findings.jsonl")
        result = run / "result.json"
        found[f"{name}result.json"] = without(json.loads(result.read_text()), VOLATILE) if result.exists() else None
        found[f"{name}page"] = (run / "report.html").exists()
        found[f"{name}error.txt"] = (run / "error.txt").exists()
    found["files half written"] = [path.name for path in folder.rglob("*") if is_partial(path)]
    return found


class Disk:
    """A file system in memory of a few kilobytes, which only root may mount."""

    def __init__(self, path):
        self.path = path
        path.mkdir()
        given = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(path)], capture_output=True)
        self.is_there = given.returncode == 0

    def resize(self, kibibytes):
        subprocess.run(["mount", "-o", f"remount,size={kibibytes}k", str(self.path)], check=True)

    def fill(self):
        """Takes all room that is left."""
        with (self.path / "filler").open("ab", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while file.write(bytes(size)):
                        pass
                except OSError:
                    pass

    def clear(self):
        (self.path / "filler").unlink(missing_ok=True)

    def unmount(self):
        if self.is_there:
            subprocess.run(["umount", "-l", str(self.path)], capture_output=True)


class Workspace:
    """Where nets are trained. Names of folders are relative to it, as the programs run in it."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        # Kernels take long to compile: once is enough for several campaigns.
        self.cache = os.environ.get("GIMBAL_CACHE_DIR", str(folder / "cache"))
        compiler = shutil.which("clang") or shutil.which("gcc")
        if not compiler:
            raise SystemExit("clang or gcc is needed")
        for name in ("kill", "clock"):
            subprocess.run([compiler, "-O2", "-Wall", "-shared", "-fPIC", "-o", folder / f"{name}.so",
                            SOURCES / f"{name}.c"], check=True)
        # What a run prints is run as it is printed.
        (folder / "bin").mkdir()
        (folder / "bin" / "gimbal").symlink_to(options.gimbal)
        write_data(folder)
        self.disk = Disk(folder / "disk")
        # What the program that ended last has said.
        self.said = []
        # Checkpoints that `evaluate` had no objection to, by net and bits.
        self.evaluated = set()

    def environment(self):
        # Ranks of MPI wait for each other by sleeping, as there are hardly as many cores.
        return os.environ | {
            "GIMBAL_THREADS": "1", "GIMBAL_CACHE_DIR": self.cache, "SWIFT_BACKTRACE": "enable=no",
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_mpi_yield_when_idle": "1",
            "OMPI_MCA_rmaps_base_oversubscribe": "1",
        }

    def words(self, net, run, *more):
        """The command that trains a net, as words."""
        words, ranks = [*NETS[net]], None
        if "--ranks" in words:
            place = words.index("--ranks")
            ranks = words[place + 1]
            del words[place : place + 2]
        device = ",".join([self.options.device] * 2) if ranks == "threads" else self.options.device
        start = ["mpirun", "-n", "2"] if ranks == "processes" else []
        return [*start, "gimbal", "train", *words, "--device", device, "--run-dir", run, *more]

    def start(self, words, **more):
        """Starts a program in a group of its own. Its output goes to files, so that it never waits for a reader."""
        output, errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        process = subprocess.Popen(words, cwd=self.folder, env=self.environment(),
                                   **{"stdin": subprocess.DEVNULL, "stdout": output, "stderr": errors,
                                      "start_new_session": True} | more)
        process.output, process.errors, process.began = output, errors, time.monotonic()
        return process

    def ended(self, process, limit=60):
        """Waits for its end. Gives status, output and errors."""
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise Failed(f"still running after {limit} s")
        texts = []
        for file in (process.output, process.errors):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
            file.close()
        self.said = texts
        return process.returncode, *texts

    def run(self, words, **more):
        return self.ended(self.start(words, **more))

    def evaluate(self, net, run):
        """Fails unless every checkpoint of a run can be evaluated."""
        for each in runs(run):
            for path in checkpoints(each):
                key = (net, path.name, tuple(bits(path).items()))
                if key in self.evaluated:
                    continue
                data = NETS[net][NETS[net].index("--data") + 1]
                status, _, errors = self.run(["gimbal", "evaluate", "--checkpoint", str(path), "--data", data,
                                              "--device", self.options.device])
                if status:
                    raise Failed(f"evaluate of {path.name}: status {status}: {last_line(errors)}")
                self.evaluated.add(key)


def last_line(text):
    """The error, or the last line where there is none."""
    lines = [line for line in text.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if line.startswith("Error: ")), lines[-1] if lines else "")[:300]
