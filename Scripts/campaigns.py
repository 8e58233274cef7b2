"""What campaigns tried and found: a line of JSON for each that was told to --record it, in the folder below.

Scripts that try many inputs, faults, kills or changes call `record`; Scripts/reliability-report makes a page of it.
"""
import datetime
import json
import platform
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORDS = ROOT / "Benchmarks" / "results" / "reliability"


def flag(parser):
    """The flag that all these scripts have."""
    parser.add_argument("--record", action="store_true", help=f"add the figures to {RECORDS.relative_to(ROOT)}")


def command(words):
    """The words as a reader can repeat them: without paths of this machine, or that this run was recorded."""
    kept, words = [], iter(words)
    for word in words:
        if word in ("--gimbal", "--report", "--tests", "--keep", "--folder"):
            next(words, None)
        elif word != "--record":
            kept.append(word)
    return shlex.join(kept)


def revision():
    """The commit that was tried, with + where files differ from it; None where this is no checkout."""
    given = subprocess.run(["git", "describe", "--always", "--dirty=+", "--exclude=*"], cwd=ROOT, text=True,
                           capture_output=True)
    return given.stdout.strip() or None


def processor():
    """The processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def newest(campaign):
    """The newest record of a campaign."""
    path = RECORDS / f"{campaign}.jsonl"
    if not path.is_file():
        sys.exit(f"{path.relative_to(ROOT)} is not there: nothing of {campaign} was recorded")
    return json.loads(path.read_text().splitlines()[-1])


def record(campaign, tried, failed, seconds, **more):
    """Adds a run of a campaign, such as kills: how many were tried, how many of them went wrong, and the seconds that it
    took. More, such as survivors=[…], is kept beside them."""
    RECORDS.mkdir(parents=True, exist_ok=True)
    words = [f"Scripts/{Path(sys.argv[0]).name}", *sys.argv[1:]]
    line = {
        "date": datetime.date.today().isoformat(), "commit": revision(), "command": command(words),
        "processor": processor(), "tried": tried, "failed": failed, "seconds": round(seconds), **more,
    }
    with (RECORDS / f"{campaign}.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
