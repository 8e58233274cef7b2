"""A copy of the package in which every change is a choice at run time, so that one build serves all."""
import itertools
import os
import re
import shutil
import subprocess
from pathlib import Path

from . import c_places, swift_places
from .places import edited, mutant
from .tokens import Source

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / ".build-mutants"
TREE = FOLDER / "tree"
# Generated code; tables of files and of digits; and what only NVIDIA's driver compiles, which no test here can see.
OMITTED = re.compile(r"\.pb\.swift$|^Sources/(GimbalKernels|CGimbalDigits|C[A-Z]+[a-z]*|COpen\w+)/|"
                     r"^Kernels/(warp_ptx|wgmma)\.h$")
# Kernels whose tests take a CPU's compiler hours: tried only where the variable asks for them, as for the tests.
FOR_GPUS = re.compile(r"^Kernels/gemm_(tensor|wgmma|pairs)\.")
# Far less of the code is C than is Swift, and more of its work is done there.
WEIGHTS = {"Swift": 1, "C": 2, "Kernels": 2}
BINARIES = TREE / ".build" / "release"
# As Scripts/test builds; of the tests it runs none.
BUILD = ["swift", "test", "-c", "release", "--disable-testable-imports", "--disable-xctest", "--filter", "^none$"]

MANIFEST = """
// Changes at run time: every target asks which is made, and warnings that they cause are none.
package.targets.append(.target(name: "CGimbalMutants"))
for target in package.targets where target.type != .system && target.name != "CGimbalMutants" {
    let isC = target.cSettings != nil
    target.dependencies.append("CGimbalMutants")
    target.swiftSettings = []
    target.cSettings = isC ? [.unsafeFlags(["-include", "CGimbalMutants.h", "-Werror=return-type"])] : []
}
"""


def is_tested(path):
    return not FOR_GPUS.search(path) or os.environ.get("GIMBAL_ALL_CANDIDATES") == "1"


def language(path):
    return "Kernels" if path.startswith("Kernels/") else "Swift" if path.endswith(".swift") else "C"


def module(path):
    return path.split("/")[1] if path.startswith("Sources/") else "Kernels"


def files():
    """All files of the package that git knows, or would add."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True, check=True,
                            capture_output=True).stdout.splitlines()
    return [path for path in listed if (ROOT / path).is_file()]


def changeable():
    """The files that changes are made in."""
    return [path for path in files() if re.match(r"Sources/|Kernels/", path)
            and path.endswith((".swift", ".c", ".h", ".cl")) and not OMITTED.search(path)]


def candidates(path):
    """All changes of a file."""
    is_swift = path.endswith(".swift")
    source = Source((ROOT / path).read_text(), is_swift)
    found = (swift_places if is_swift else c_places).places(source)
    return [m for m in (mutant(source, path, module(path), place) for place in found) if m]


def draw(only, chance, again=()):
    """Changes in a random order, in places of their own: any line that can be changed is as likely as any other, and on
    it any kind of change. Those of again, each a path, the line before and after, come first where they can be made."""
    lines, known = {}, {}
    for path in changeable():
        if only and not re.search(only, path):
            continue
        for m in candidates(path):
            lines.setdefault((path, m.first), {}).setdefault(m.place.kind, []).append(m)
            known.setdefault((path, m.before, m.after), m)
    order = sorted(lines, key=lambda key: -chance.random() ** (1 / WEIGHTS[language(key[0])]))
    by_chance = (chance.choice(kinds[chance.choice(sorted(kinds))]) for kinds in map(lines.get, order))
    taken, drawn = set(), []
    for m in itertools.chain((known[change] for change in again if change in known), by_chance):
        own = {(m.path, line) for line in range(m.first, m.last + 1)}
        if not own & taken:
            taken |= own
            drawn.append(m)
    return drawn


def changed_text(path, mutants):
    """A file's text with its changes as choices."""
    text = (ROOT / path).read_text()
    edits = []
    for m in mutants:
        number = swift_places.name("", m.number) if m.place.operators else str(m.number)
        edits += [(start, end, new.replace("{n}", number)) for start, end, new in m.place.edits]
    return edited(text, edits, 0, len(text))


def put(path, data):
    """Writes a file of the copy, unless that is what it holds: the build goes by times."""
    target = TREE / path
    data = data.encode() if isinstance(data, str) else data
    if not target.is_file() or target.read_bytes() != data:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        shutil.copymode(ROOT / path, target) if (ROOT / path).is_file() else None


def with_kernels_asked(text):
    """The place at which kernels are built, asking which changes of their texts are made."""
    start = "mutating func build(name: String, source: String, options: String) throws -> cl_kernel {"
    if text.count(start) != 1:
        raise SystemExit("mutants: the place at which OpenCL's programs are built is no longer where it was")
    return text.replace(start, start + " let source = gimbalMutantText(source, options)")


def write(mutants):
    """Brings the copy up to date, with these changes in it."""
    by_path, by_module = {}, {}
    for m in mutants:
        by_path.setdefault(m.path, []).append(m)
        by_module.setdefault(m.module, []).append(m)
    paths = files()
    for path in paths:
        data = changed_text(path, by_path[path]) if path in by_path else (ROOT / path).read_bytes()
        if path == "Sources/GimbalOpenCL/KernelLibrary.swift":
            data = with_kernels_asked(data if isinstance(data, str) else data.decode())
        elif path == "Package.swift":
            mark = "\n// SwiftPM compiles a module anew"
            text = data.decode()
            data = text.replace(mark, MANIFEST + mark)
        put(path, data)
    own = Path(__file__).parent / "CGimbalMutants"
    made = [f"Sources/CGimbalMutants/{path.relative_to(own)}" for path in own.rglob("*") if path.is_file()]
    for path in made:
        put(path, (own / Path(path).relative_to("Sources/CGimbalMutants")).read_bytes())
    for name in sorted({module(path) for path in changeable() if language(path) == "Swift"}):
        has_tensors = name not in ("GimbalBackend", "GimbalCPU", "GimbalOpenCL")
        imports = ["Gimbal"] if has_tensors and name != "Gimbal" else []
        path = f"Sources/{name}/GimbalMutants.swift"
        put(path, swift_places.support(by_module.get(name, []), imports, has_tensors))
        made.append(path)
    # Tests look for data beside the package.
    shared = FOLDER / "shared"
    if not shared.exists() and (ROOT.parent / "shared").exists():
        shared.symlink_to(ROOT.parent / "shared")
    resolved = ROOT / "Package.resolved"
    if resolved.is_file():
        put("Package.resolved", resolved.read_bytes())
    known = set(paths) | set(made) | {"Package.resolved"}
    for folder in ("Sources", "Kernels", "Tests", "Examples"):
        for path in (TREE / folder).rglob("*"):
            if path.is_file() and str(path.relative_to(TREE)) not in known:
                path.unlink()


def refused(output, mutants):
    """The changes that errors of the compiler are about."""
    found, message = {}, None
    told = re.findall(r"^(/\S+?):(\d+):\d+: (?:fatal )?(error|note): (.*)$", output, re.MULTILINE)
    for path, line, kind, text in told:
        try:
            path, line = str(Path(path).resolve().relative_to(TREE.resolve())), int(line)
        except ValueError:
            continue
        mine = [m for m in mutants if m.path == path]
        hit = [m for m in mine if m.first <= line <= m.last]
        if kind == "error":
            message = text
            # What is no longer initialised, or returned, shows further down.
            above = [m for m in mine if m.first <= line]
            hit = hit or ([max(above, key=lambda m: m.first)] if above else mine)
        elif not text.startswith("expanded from macro"):
            continue  # A macro's text is changed where it is defined, and refused where it is used.
        for m in hit:
            found.setdefault(m.number, message)
    return found


def build(mutants, log, show):
    """Builds the copy in rounds, each without the changes that the last one has refused. Returns those that stay."""
    while True:
        write(mutants)
        run = subprocess.run(BUILD, cwd=TREE, text=True, capture_output=True)
        with log.open("a") as file:
            file.write(run.stdout + run.stderr)
        # The status tells as well that no test was run.
        if "Test run with 0 tests" in run.stdout + run.stderr:
            return mutants
        gone = refused(run.stdout + run.stderr, mutants)
        if not gone:
            raise SystemExit(f"mutants: the copy does not build, and not for a change: see {log}\n{run.stdout[-3000:]}")
        with log.open("a") as file:
            for m in mutants:
                if m.number in gone:
                    file.write(f"refused {m.place.kind}: {m.path}:{m.first}: {m.after}: {gone[m.number]}\n")
        mutants = [m for m in mutants if m.number not in gone]
        show(f"{len(gone)} changes do not compile, {len(mutants)} are left")
