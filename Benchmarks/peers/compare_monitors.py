#!/usr/bin/env python3
"""What it costs to watch a training: Gimbal's monitors, and the same information taken by PyTorch's hooks, on the CPU.

    swift build -c release --product gimbal
    venv/bin/python Benchmarks/peers/compare_monitors.py --gimbal .build/release/gimbal

The steps are those of compare_workloads.py. Every 50th step is looked at. Of the first 65,536 elements of what each layer
gives out, and of the gradient that arrives there: norm, mean, deviation, zeros, NaN and infinities; of each activation the
dead units; of each parameter the same of weights, gradient and update. PyTorch takes them by forward hooks, tensor hooks and
a copy of the weights, and reads them once. A step that is looked at and one that is not are timed beside each other, in turns;
the ratio of a training is 1 + (what a look takes more) / (50 steps), Gimbal's with the time to judge what was seen.

`--opencl` measures Gimbal on opencl:0 as well. Writes Benchmarks/results/DATE-monitors.md and .json.
"""
import json
import statistics
import sys
import time
from pathlib import Path

from measuring import CORES, TORCH, chosen, comparison, conditions, environment, measured_in_rounds, run, write
from torch_workloads import torch_workload

RESULTS = Path(__file__).resolve().parent.parent / "results"
WORKLOADS = ["deep-mlp", "lstm-small", "lstm-language", "gru-language", "resnet20", "transformer"]
INTERVAL = 50
SAMPLED = 1 << 16


# ------------------------------------------------------------------------------------------------ PyTorch's part

class Monitor:
    """Hooks that see a step."""

    def __init__(self, torch, model):
        self.torch, self.model, self.rows, self.handles = torch, model, [], []

    def statistics(self, x):
        torch = self.torch
        x = x.detach().reshape(-1)[:SAMPLED]
        finite = torch.isfinite(x)
        values = torch.where(finite, x, 0)
        self.rows += [values.norm(), values.mean(), values.std(), (x == 0).sum().float(), (~finite).sum().float()]

    def begin(self):
        def forward(module, inputs, output):
            output = output[0] if isinstance(output, tuple) else output
            self.statistics(output)
            if isinstance(module, (self.torch.nn.ReLU, self.torch.nn.GELU)) and output.dim() > 1:
                self.rows.append((output.detach().flatten(0, -2) == 0).all(0).float().mean())
            if output.requires_grad:
                output.register_hook(self.statistics)

        for module in self.model.modules():
            if not any(module.children()):
                self.handles.append(module.register_forward_hook(forward))

    def will_update(self, parameters):
        for parameter in parameters:
            self.statistics(parameter)
            self.statistics(parameter.grad)
        self.before = [parameter.detach().clone() for parameter in parameters]

    def did_update(self, parameters):
        for parameter, before in zip(parameters, self.before):
            update = parameter.detach() - before
            self.statistics(update)
            self.rows.append((update * parameter.grad).sum())

    def end(self):
        for handle in self.handles:
            handle.remove()
        figures = self.torch.stack(self.rows).tolist()
        self.rows, self.handles, self.before = [], [], []
        return figures


def torch_steps(name, seconds):
    """Prints the medians of a step, and of what a look takes more, as a share of the step beside it."""
    import torch
    torch.set_num_threads(len(CORES))
    torch.manual_seed(0)
    model, inputs, targets, make_optimizer = torch_workload(torch, name)
    parameters = list(model.parameters())
    optimizer = make_optimizer(parameters)
    monitor = Monitor(torch, model)

    def step(watched):
        start = time.perf_counter()
        optimizer.zero_grad()
        if watched:
            monitor.begin()
        loss = torch.nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        if watched:
            monitor.will_update(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        loss.item()
        if watched:
            monitor.did_update(parameters)
            monitor.end()
        return time.perf_counter() - start

    for _ in range(3):
        step(False)
        step(True)
    plain, shares, end = [], [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(shares) < 10:
        first_is_watched = len(shares) % 2 == 0
        first = step(first_is_watched)
        second = step(not first_is_watched)
        watched, unwatched = (first, second) if first_is_watched else (second, first)
        plain.append(unwatched)
        shares.append(watched / unwatched - 1)
    look = statistics.median(shares)
    print(json.dumps({"plainMilliseconds": 1e3 * statistics.median(plain), "look": look, "ratioOfParts": 1 + look / INTERVAL}))


# ---------------------------------------------------------------------------------------------------- measuring

def measure(name, arguments):
    figures = {}
    for device in ["cpu"] + ["opencl:0"] * arguments.opencl:
        command = [arguments.gimbal, "bench", "--monitors", "--only", name, "--devices", device, "--seconds",
                   str(arguments.seconds), "--json"]
        records, _, _ = run(command, environment())
        figures[device] = records[-1]
    child = [sys.executable, __file__, "--child", name, "--seconds", str(arguments.seconds)]
    records, _, _ = run(child, environment(**TORCH))
    figures["pytorch"] = records[-1]
    return figures


def markdown(results):
    lines = [
        f"# What monitors cost, {results['date']}", "",
        f"{results['processor']}, {results['cores']} cores and as many threads for each, {results['system']}; PyTorch"
        f" {results['pytorch']}; {results['rounds']} rounds in turn; load before {results['loadBefore']:.2f}. Medians of the"
        " rounds. Made by `Benchmarks/peers/compare_monitors.py`, which says what is measured.", "",
        "| workload | by | step, ms | a look, of a step | judging, ms | ratio of a training | by whole spans of 50 steps |",
        "|---|---|---:|---:|---:|---:|---:|"]
    for row in results["rows"]:
        whole = f"{row['ratio']:.3f} ({row['quartiles'][0]:.3f} to {row['quartiles'][1]:.3f})" if "ratio" in row else ""
        judging = f"{row['judgementMilliseconds']:.2f}" if "judgementMilliseconds" in row else ""
        lines.append(f"| {row['workload']} | {row['by']} | {row['plainMilliseconds']:.2f} | {100 * row['look']:.0f} % |"
                     f" {judging} | {row['ratioOfParts']:.4f} | {whole} |")
    return "\n".join(lines) + "\n"


def main():
    arguments = comparison(__doc__, RESULTS).parse_args()
    if arguments.child:
        return torch_steps(arguments.child, arguments.seconds)
    names = chosen(arguments, WORKLOADS)
    rounds, load = measured_in_rounds(names, arguments, measure)
    rows = []
    for name in rounds:
        for by in rounds[name][0]:
            records = [measured[by] for measured in rounds[name]]
            row = {"workload": name, "by": by}
            for key in ["plainMilliseconds", "look", "judgementMilliseconds", "ratioOfParts", "ratio"]:
                if key in records[0]:
                    row[key] = statistics.median(record[key] for record in records)
            if "quartiles" in records[0]:
                row["quartiles"] = [statistics.median(record["quartiles"][side] for record in records) for side in (0, 1)]
            rows.append(row)
    results = conditions(arguments.rounds, load) | {"rows": rows}
    write(results, markdown(results), arguments.out, "monitors")
    return None


if __name__ == "__main__":
    main()
