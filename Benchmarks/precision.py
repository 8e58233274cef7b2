#!/usr/bin/env python3
"""Trains four nets in float32, bfloat16 and float16 and reports how far apart they end.

    Benchmarks/precision.py --data DIR [--gimbal .build/release/gimbal] [--devices cpu,opencl:0] [--seeds 0,1,2] [--nets ...]

DIR holds the folder mnist; without it, the runs on it are left out. A net of a precision ends well if its mean over the
seeds lies within 0.3 points of accuracy, or 0.01 nats of loss, of float32's. Writes results/DATE-precision-runs.md.
"""
import argparse
import datetime
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PRECISIONS = ["float32", "bfloat16", "float16"]

# name, data, options; the first seeds only where a run takes long
NETS = {
    "seed net": ("mnist", "--epochs 2 --lr 0.1 --momentum 0"),
    "ResNet-20": ("digits", "--model resnet20 --hidden 8 --epochs 6 --lr 0.05 --momentum 0.9 --weight-decay 0 --schedule constant --augment none"),
    "LSTM": ("digits", "--model lstm --hidden 64 --epochs 20 --optimizer adam --lr 0.005 --schedule constant"),
    "Transformer": ("digits", "--model transformer --hidden 32 --epochs 20 --optimizer adamw --lr 0.003 --weight-decay 0 --schedule constant"),
}


def train(a, data, options, precision, device, seed):
    """The last line of a training run."""
    with tempfile.TemporaryDirectory() as folder:
        command = [a.gimbal, "train", "--data", data, "--validation", "none", "--device", device, "--seed", seed, "--precision", precision,
                   "--json", "--run-dir", folder + "/run", *options.split()]
        if data != "digits":
            command += ["--data-dir", f"{a.data}/{data}"]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return json.loads(output.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gimbal", default=str(ROOT / ".build/release/gimbal"))
    parser.add_argument("--data", default="", help="the folder that holds mnist")
    parser.add_argument("--devices", default="cpu")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--nets", default=",".join(NETS))
    a = parser.parse_args()
    rows = []
    for device in a.devices.split(","):
        for net in a.nets.split(","):
            data, options = NETS[net]
            if data != "digits" and not Path(a.data, data).is_dir():
                print(f"{net}: left out, as {data} is not there", file=sys.stderr)
                continue
            means = {}
            for precision in PRECISIONS:
                runs = [train(a, data, options, precision, device, seed) for seed in a.seeds.split(",")]
                means[precision] = (statistics.mean(100 * r["testAccuracy"] for r in runs),
                                    statistics.mean(r["testLoss"] for r in runs),
                                    statistics.mean(r["trainLoss"] for r in runs))
                skipped = sum(r.get("skippedSteps", 0) for r in runs)
                accuracy, loss, trained = means[precision]
                points, nats = accuracy - means["float32"][0], loss - means["float32"][1]
                trainedNats = trained - means["float32"][2]
                rows.append(f"| {device} | {net} | {data} | {precision} | {accuracy:.2f} % | {points:+.2f} | {loss:.4f} | "
                            f"{nats:+.4f} | {trainedNats:+.4f} | {skipped} |")
                print(rows[-1], flush=True)
    text = "\n".join([
        "# Nets trained in float32, bfloat16 and float16", "",
        f"Means over the seeds {a.seeds}. Differences are to float32. Skipped steps are those of all seeds.", "",
        "| device | net | data | precision | test accuracy | points | test loss | nats | nats in training | skipped |",
        "|---|---|---|---|---|---|---|---|---|---|", *rows, ""])
    path = ROOT / "Benchmarks/results" / f"{datetime.date.today()}-precision-runs.md"
    path.write_text(text)


if __name__ == "__main__":
    main()
