"""The suites of tests of the copy: what they reach, and what they say of a change."""
import os
import re
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

from .places import MOST_LINES
from .tree import BINARIES, FOLDER, TREE

PROGRAM = BINARIES / "gimbalPackageTests.xctest"
TESTS = [PROGRAM, "--testing-library", "swift-testing"]
MARKS, TEXTS, CACHE = FOLDER / "marks", FOLDER / "texts", FOLDER / "cache"
# What is known not to work is told in other words.
ISSUE = re.compile(rb"^\S+ Test .* recorded an issue", re.MULTILINE)
# Suites that go other ways on a GPU, which a CPU's OpenCL device can go as well; see `pretended_gpu` of .ci/run.
ON_A_GPU = " on a GPU"
GPU_SUITES = [f"ConformanceTests.Conformance/{name}" for name in (
    "Along", "Attention", "BatchNorm", "Clipping", "Convolution", "ConvolutionProduct", "Copying", "CrossEntropy",
    "DeepConvolution", "Dropout", "Elementwise", "FusedAttention", "Indexing", "LayerNorm", "LinearLayers", "LongSums",
    "MatrixProducts", "OptimizerSteps", "Pooling", "RandomNumbers", "Recurrent", "Reductions", "Residual",
    "SegmentOperations", "Softmax", "Statistics", "TemporalClassification")]
COMPILER = ["clang", "-x", "cl", "-Xclang", "-finclude-default-header", "-w", "-ferror-limit=0"]


def names():
    """All suites, as the tests' program spells them; those that a GPU has as well, a second time."""
    listed = subprocess.run([*TESTS, "--list-tests"], cwd=TREE, text=True, capture_output=True, check=True).stdout
    found = {re.sub(r"/[^/]*$", "", line) for line in listed.splitlines() if "/" in line}
    return sorted(found | {name + ON_A_GPU for name in GPU_SUITES if name in found})


def pattern(suites):
    return "^(" + "|".join(re.escape(name) for name in suites) + ")/"


def without_cores():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(10)


def has_failed(output):
    """Whether a test has said so far that something is not as it should be."""
    return ISSUE.search(output.read_bytes())


def clear(place):
    """Removes what tests that were ended have left, and the small disks that they had mounted there."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        mounted = line.split()[1]
        if mounted.startswith(f"{place}/"):
            subprocess.run(["umount", "--lazy", mounted], check=False)
    shutil.rmtree(place, ignore_errors=True)


def run(suites, limit, cache=CACHE, *, until_failure=False, **more):
    """Runs suites, all on a GPU or none, in a process of their own, to their end or until the first test fails. Returns
    whether they passed, the seconds, and what they printed; None in place of whether for those that did not end in time."""
    if suites[0].endswith(ON_A_GPU):
        suites = [name.removesuffix(ON_A_GPU) for name in suites]
        more["GIMBAL_PRETEND_GPU"] = "sm_90:132"
    place = FOLDER / "temporary"
    clear(place)
    place.mkdir()
    cache.mkdir(mode=0o700, exist_ok=True)
    environment = os.environ | {
        "SWIFT_BACKTRACE": "enable=no", "TMPDIR": str(place), "GIMBAL_CACHE_DIR": str(cache), **more}
    start = time.monotonic()
    with (FOLDER / "output").open("w+", errors="replace") as output:
        process = subprocess.Popen([*TESTS, "--filter", pattern(suites)], cwd=TREE, env=environment, stdout=output,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
                                   preexec_fn=without_cores)
        passed = None
        try:
            while passed is None and time.monotonic() - start < limit:
                try:
                    passed = process.wait(0.5) == 0
                except subprocess.TimeoutExpired:
                    if until_failure and has_failed(FOLDER / "output"):
                        passed = False
        finally:
            # What the tests have started as well.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        output.seek(0)
        text = output.read()
    shutil.rmtree(place, ignore_errors=True)
    return passed, time.monotonic() - start, text


def compiled(path, *options):
    """A kernel's text that a suite has built, through the compiler with the options it was built with."""
    words, text = path.read_text().split("\n", 1)
    words = [word for word in words.split() if word.startswith(("-D", "-cl-std"))]
    return subprocess.run([*COMPILER, *words, *options, "-"], input=text, text=True, capture_output=True)


def refused(path):
    """The changes in a kernel's text that OpenCL's compiler refuses."""
    errors = compiled(path, "-fsyntax-only", "-Werror=return-type", "-DGIMBAL_MUTANT(n)=0").stderr
    lines = path.read_text().split("\n")[1:]
    # Errors in macros are told of the lines that use them as well.
    numbers = {int(n) for n in re.findall(r"^<stdin>:(\d+):\d+: (?:error|note: expanded)", errors, re.MULTILINE)}
    near = "\n".join("\n".join(lines[max(0, n - MOST_LINES):n]) for n in numbers)
    return {int(n) for n in re.findall(r"GIMBAL_MUTANT\((\d+)\)", near)}


class Texts:
    """Kernels' texts that were built, by name, with the changes that the preprocessor has left in each."""

    def __init__(self):
        self.reached = {}
        self.refused = set()

    def take(self):
        """The changes that are in what was built since the last time."""
        found = set()
        for path in sorted(TEXTS.glob("*.cl")):
            if path.name not in self.reached:
                left = compiled(path, "-E", "-P").stdout
                self.reached[path.name] = {int(n) for n in re.findall(r"GIMBAL_MUTANT\((\d+)\)", left)}
                if self.reached[path.name]:
                    self.refused |= refused(path)
            found |= self.reached[path.name]
        return found


def reach(suite, count, texts, limit=600):
    """Runs a suite with no change made. Returns whether it passed, its seconds, and the changes it reached."""
    MARKS.write_bytes(bytes(count))
    shutil.rmtree(TEXTS, ignore_errors=True)
    TEXTS.mkdir()
    passed, seconds, text = run([suite], limit, GIMBAL_MUTANT_MARKS=str(MARKS), GIMBAL_MUTANT_TEXTS=str(TEXTS))
    marked = {number for number, mark in enumerate(MARKS.read_bytes()) if mark}
    return passed, seconds, sorted(marked | texts.take()), text


def kept_cache():
    """A copy of the cache that a change may spoil. What is replaced in it is replaced in the copy alone."""
    copy = FOLDER / "cache-of-one"
    shutil.rmtree(copy, ignore_errors=True)
    if CACHE.is_dir():
        shutil.copytree(CACHE, copy, copy_function=os.link)
    copy.mkdir(mode=0o700, exist_ok=True)
    copy.chmod(0o700)
    return copy
