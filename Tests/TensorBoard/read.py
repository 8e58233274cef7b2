"""Prints, as JSON, what TensorBoard finds in a folder of runs: read by its own loader, and served by a running TensorBoard.

    python read.py FOLDER

Needs the package tensorboard. The tests of the command compare it with what was written.
"""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from tensorboard.backend.event_processing import event_accumulator


def loaded(folder: Path) -> dict:
    run = event_accumulator.EventAccumulator(str(folder), size_guidance=event_accumulator.STORE_EVERYTHING_SIZE_GUIDANCE)
    run.Reload()
    tags = run.Tags()
    tensors = {tag: [(event.step, event.tensor_proto) for event in run.Tensors(tag)] for tag in tags["tensors"]}
    return {
        "scalars": {tag: [[event.step, repr(event.value)] for event in run.Scalars(tag)] for tag in tags["scalars"]},
        "histograms": {
            tag: [[event.step, event.histogram_value.num, event.histogram_value.min, event.histogram_value.max]
                  for event in run.Histograms(tag)] for tag in tags["histograms"]
        },
        "images": {tag: [[event.step, event.width, event.height] for event in run.Images(tag)] for tag in tags["images"]},
        "texts": {
            tag: proto[0][1].string_val[0].decode() for tag, proto in tensors.items() if proto[0][1].string_val
        },
    }


def served(folder: Path) -> dict:
    server = subprocess.Popen(
        [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", "0", "--host", "127.0.0.1"],
        stderr=subprocess.PIPE, text=True)
    try:
        for line in server.stderr:
            if " at http://" in line:
                address = "http://" + line.split(" at http://")[1].split()[0].rstrip("/")
                break
        else:
            raise SystemExit("TensorBoard did not start")

        def ask(path: str, body: dict | None = None) -> dict:
            data = None if body is None else json.dumps(body).encode()
            headers = {} if body is None else {"Content-Type": "application/json"}
            with urllib.request.urlopen(urllib.request.Request(address + path, data, headers)) as answer:
                return json.load(answer)

        # It loads in the background.
        for _ in range(100):
            if ask("/data/plugin/scalars/tags"):
                break
            time.sleep(0.2)
        time.sleep(1)
        plugins = {name: ask(f"/data/plugin/{name}/tags") for name in ("scalars", "histograms", "images", "text")}
        experiment = ask("/data/plugin/hparams/experiment", {"experimentName": ""})
        names = [info["name"] for info in experiment.get("hparamInfos", [])]
        groups = ask("/data/plugin/hparams/session_groups", {
            "experimentName": "",
            "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
            "colParams": [{"hparam": name} for name in names], "startIndex": 0, "sliceSize": 10})
        return {
            "tags": {name: {run: sorted(tags) for run, tags in runs.items()} for name, runs in plugins.items()},
            "hyperparameters": [group["hparams"] for group in groups.get("sessionGroups", [])],
            "metrics": sorted(
                f"{info['name'].get('group', '')}/{info['name']['tag']}".lstrip("/")
                for info in experiment.get("metricInfos", [])),
        }
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    folder = Path(sys.argv[1])
    runs = sorted({path.parent for path in folder.rglob("*tfevents*")})
    print(json.dumps({"loaded": {str(run.relative_to(folder)): loaded(run) for run in runs}, "served": served(folder)}))


main()
