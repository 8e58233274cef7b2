"""The ways in which runs are disturbed: functions that are given a trial, and leave what can be gone on with."""
import os
import re
import shutil
import signal
import subprocess
import time

from killing.workspace import Failed, last_line, runs

WORD = "stopping after this step and saving; once more to stop at once"
WAY_ON = re.compile(r"interrupted after step (\d+) and saved; go on with: (.+)")
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


def once(trial):
    """SIGKILL at one moment, spread evenly over the run's length."""
    trial.kill(trial.start(), trial.moment * trial.seconds)


def often(trial):
    """SIGKILL several times, also while the run is being gone on with."""
    for _ in range(trial.chance.randint(3, 6)):
        # A third of them early, where a checkpoint is read and what was half written is removed.
        part = 0.3 if trial.chance.random() < 1 / 3 else 1
        if not trial.kill(trial.start(), trial.chance.random() * part * trial.seconds):
            break


def call(trial):
    """SIGKILL before, within or after a call that changes a file; then the same while the run is being gone on with."""
    for moment in (trial.moment, trial.chance.random()):
        number = 1 + int(moment * trial.changes)
        when = trial.chance.choice(["before", "within", "after"])
        trial.tell(f"{when} change {number}")
        process = trial.start(library="kill", setting=f"GIMBAL_KILL={number}:{when}")
        if trial.kill(process, None) is None:
            break


def sweep(trial):
    """Not drawn, but in turn: SIGKILL before, within and after each such call, for nets that --only names."""
    number, when = 1 + trial.number // 3, ["before", "within", "after"][trial.number % 3]
    trial.tell(f"{when} change {number}")
    trial.kill(trial.start(library="kill", setting=f"GIMBAL_KILL={number}:{when}"), None)


def saving(trial):
    """SIGKILL as soon as a checkpoint is half written."""
    process = trial.start()
    number = trial.chance.randrange(6)
    seen = set()
    while process.poll() is None:
        seen.update(half_written(trial.run))
        if len(seen) > number:
            break
    trial.kill(process, 0)


def half_written(run):
    """Names of checkpoints that are being written; they may be gone while one looks."""
    found = set()
    for each in runs(run):
        try:
            found.update(name for name in os.listdir(each / "checkpoints") if ".partial-" in name)
        except OSError:
            pass
    return found


def stopped(trial):
    """SIGSTOP and SIGCONT in the middle, and now and then SIGKILL while it is stopped."""
    process = trial.start()
    trial.count()
    for _ in range(3):
        time.sleep(trial.chance.random() * trial.seconds / 3)
        trial.send(process, signal.SIGSTOP)
        time.sleep(0.02 + 0.05 * trial.chance.random())
        if trial.chance.random() < 1 / 6:
            trial.kill(process, 0)
            return
        trial.send(process, signal.SIGCONT)
    trial.expect_success(process)


def signalled(trial):
    """SIGTERM, SIGINT or SIGHUP: the run saves, says how to go on, and is gone within a second."""
    number = trial.chance.choice(SIGNALS)
    trial.tell(number.name)
    was_there = trial.newest_steps()
    process = trial.start()
    time.sleep(trial.moment * trial.seconds)
    if process.poll() is not None:
        return trial.expect_success(process)
    ranks = trial.ranks(process)
    began = time.monotonic()
    # A launcher has its own way with signals: one of its ranks gets it, from which all know.
    os.kill(trial.chance.choice(ranks) if ranks else process.pid, number)
    status, _, errors = trial.ended(process)
    if trial.is_launched and status != 130:
        # Its ranks were not yet there, or did not yet listen.
        trial.count()
        return trial.is_whole()
    if not trial.is_launched:
        trial.seconds_to_leave(time.monotonic() - began)
    trial.leaves_by(status, errors, number, was_there)


def pipe(trial):
    """The reader of its output goes away, as with `| head -n 1`, or later."""
    was_there = trial.newest_steps()
    is_json = ["--json"] if trial.chance.random() < 0.5 else []
    process = trial.start(*is_json, stdout=subprocess.PIPE)
    if trial.chance.random() < 0.5:
        process.stdout.readline()
    else:
        time.sleep(trial.moment * trial.seconds)
    process.stdout.close()
    trial.count()
    status, _, errors = trial.ended(process)
    if trial.is_launched:
        # It is the launcher's pipe that breaks, and the launcher that ends all.
        return trial.is_whole()
    trial.leaves_by(status, errors, signal.SIGPIPE, was_there)


def closed(trial):
    """Descriptors 0, 1 and 2 closed in every combination."""
    which = 1 + trial.number % 7
    shut = " ".join(["0<&-", "1>&-", "2>&-"][bit] for bit in range(3) if which >> bit & 1)
    trial.tell(shut)
    trial.count()
    words = trial.words()
    process = trial.workspace.start(["sh", "-c", f'exec "$@" {shut}', "sh", *words])
    trial.begun = process
    # Every other one is killed as well.
    if trial.chance.random() < 0.5:
        trial.kill(process, trial.moment * trial.seconds)
    else:
        trial.expect_success(process)


def clock(trial):
    """A clock that jumps, forwards and backwards, in a run that is killed, and in the one that goes on with it."""
    number = trial.chance.randrange(1 << 30)
    trial.tell(f"GIMBAL_CLOCK={number}")
    jumping = {"library": "clock", "setting": f"GIMBAL_CLOCK={number}"}
    trial.kill(trial.start(**jumping), trial.moment * trial.seconds)
    trial.expect_success(trial.start(**jumping))


def renamed(trial):
    """The run's folder gets another name meanwhile."""
    moved(trial, lambda: trial.run.rename(trial.run.with_name("moved")))
    other = trial.run.with_name("moved")
    if not other.exists():
        return
    if trial.run.exists():
        raise Failed(f"made the folder anew: {sorted(path.name for path in trial.run.rglob('*'))[:5]}")
    other.rename(trial.run)


def removed(trial):
    """The run's folder vanishes meanwhile."""
    # What is being written into a folder that is being removed may stop its removal.
    def remove():
        for _ in range(20):
            shutil.rmtree(trial.run, ignore_errors=True)
            if not trial.run.exists():
                return
    moved(trial, remove)


def moved(trial, change):
    process = trial.start()
    time.sleep(trial.moment * trial.seconds)
    trial.count()
    if trial.run.exists():
        change()
    status, _, errors = trial.ended(process)
    trial.expect_clear(status, errors)


def disk(trial):
    """A full disk meanwhile, that gets room again, when the run has ended or before."""
    small = trial.workspace.disk
    process = trial.start()
    time.sleep(trial.moment * trial.seconds)
    small.fill()
    trial.count()
    try:
        if trial.chance.random() < 1 / 3:
            time.sleep(0.1 * trial.chance.random())
            small.clear()
        status, _, errors = trial.ended(process)
        trial.expect_clear(status, errors, "No space left on device")
        trial.is_whole()
    finally:
        small.clear()


def two(trial):
    """Two runs in one folder, the second begun at any moment; now and then the first is killed as it comes."""
    first = trial.start()
    time.sleep(trial.moment * trial.seconds)
    trial.count()
    second = trial.start()
    if trial.chance.random() < 0.3:
        trial.kill(first, 0, is_alone=False)
        ends = [trial.ended(second)]
    else:
        ends = [trial.ended(first), trial.ended(second)]
    refusals = 0
    for status, _, errors in ends:
        if status == 0:
            continue
        if "another run is using it (process " not in errors and "add --resume" not in errors:
            raise Failed(f"status {status}: {last_line(errors)}")
        refusals += 1
    if len(ends) == 2 and refusals == 2:
        raise Failed("both were refused")


WAYS = {way.__name__: way for way in (
    once, often, call, sweep, saving, stopped, signalled, pipe, closed, clock, renamed, removed, disk, two)}
# Where what a run does to its folder is tried most.
ORDER = [once, call, often, signalled, call, once, saving, pipe, call, often, stopped, once, clock, call, disk, often,
         two, once, call, renamed, signalled, closed, often, call, removed]
