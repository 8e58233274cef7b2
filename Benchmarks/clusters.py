#!/usr/bin/env python3
"""What a step of data-parallel training costs on clusters: a model of the exchange of gradients, without a cluster.

    Benchmarks/clusters.py --parameters 25.6e6 --step-ms 42 --ranks 64    a cluster of yours: see --help
    Benchmarks/clusters.py --write Documentation/Gimbal.docc/Clusters.md  the page's tables; --check: are they these?
    mpirun -n 2 gimbal bench --only resnet20,transformer,lstm-language,seed-step --devices cpu --json >ranks.json
    Benchmarks/clusters.py --measured ranks.json                            predicted beside measured

An exchange of n bytes among N ranks takes, with a latency of a, a bandwidth of b and a rate of summing of g (Thakur,
Rabenseifner & Gropp 2005; Patarasu & Yuan 2009):

    ring                              2 (N-1) a       + (N-1)/N n (2/b + 1/g)
    recursive halving and doubling    2 ceil(log2 N) a + (N-1)/N n (2/b + 1/g)
    hierarchical                      reduce-scatter in a node, halving and doubling of each card's share between nodes,
                                      all-gather in the node

A step is simulated bucket by bucket, as GradientBuckets makes them: a bucket leaves when backward has computed it,
exchanges are made one at a time, and the step goes on when the last one has come back.
"""
import argparse
import json
import math
import re
import statistics
import sys
from dataclasses import dataclass, replace
from pathlib import Path


# --------------------------------------------------------------------------------------------------------- exchanges

@dataclass(frozen=True)
class Link:
    """Seconds that a message takes besides its bytes, and bytes per second in each direction."""
    latency: float
    bandwidth: float


@dataclass(frozen=True)
class Cluster:
    """`adding`: bytes per second at which a rank sums. `host`: bytes per second between a card and the host's memory, where
    gradients go that way. `waits`: whether they go on the card's only queue, so that its kernels wait meanwhile. `ports`:
    how many rings a flat ring is cut into, each through a network port of its own."""
    node: Link
    network: Link
    perNode: int = 8
    adding: float = math.inf
    host: float = math.inf
    waits: bool = True
    ports: int = 1

    def nodes(self, ranks):
        return math.ceil(ranks / self.perNode)


def halves(ranks, link, size, adding, steps):
    """A reduce-scatter and an all-gather, each of so many steps."""
    if ranks == 1:
        return 0.0
    return 2 * steps * link.latency + (ranks - 1) / ranks * size * (2 / link.bandwidth + 1 / adding)


def ring(cluster, ranks, size):
    """One after another through all ranks; of the ways from rank to rank, one a node is the network's."""
    nodes = cluster.nodes(ranks)
    if nodes == 1:
        return halves(ranks, cluster.node, size, cluster.adding, ranks - 1)
    slowest = min(cluster.node.bandwidth, cluster.ports * cluster.network.bandwidth)
    share = nodes / ranks
    latency = share * cluster.network.latency + (1 - share) * cluster.node.latency
    return halves(ranks, Link(latency, slowest), size, cluster.adding, ranks - 1)


def doubling(cluster, ranks, size):
    link = cluster.node if cluster.nodes(ranks) == 1 else cluster.network
    return halves(ranks, link, size, cluster.adding, math.ceil(math.log2(ranks)))


def hierarchical(cluster, ranks, size):
    inside, nodes = min(ranks, cluster.perNode), cluster.nodes(ranks)
    between = halves(nodes, cluster.network, size / inside, cluster.adding, math.ceil(math.log2(nodes)))
    return halves(inside, cluster.node, size, cluster.adding, inside - 1) + between


EXCHANGES = {"ring": ring, "doubling": doubling, "hierarchical": hierarchical}


# ------------------------------------------------------------------------------------------------------------- models

@dataclass
class Model:
    """`tensors`: elements of each parameter and multiply-adds of its forward pass for a sample, in the model's order."""
    name: str
    tensors: list
    batch: int                    # samples of a card
    updateBytes: int = 32         # that an update of an element reads and writes: Adam's 28, and the norm's 4
    stateBytes: int = 12          # of a checkpoint for each element: weight and two moments
    share: float = 1.0            # of the card's peak
    sampleName: str = "samples"
    tokens: int = 1               # of a sample
    critical: int = 0             # the batch, in samples, that trainings are known to bear

    def computing(self, batch):
        """Seconds of forward and backward; backward is two thirds."""
        return 6 * self.multiplyAdds * batch / (self.share * PEAK)

    @property
    def update(self):
        return self.elements * self.updateBytes / MEMORY

    @property
    def elements(self):
        return sum(elements for elements, _ in self.tensors)

    @property
    def multiplyAdds(self):
        return sum(count for _, count in self.tensors)


def resnet50():
    tensors = []

    def convolution(kernel, inputs, outputs, side):
        tensors.append((kernel ** 2 * inputs * outputs, kernel ** 2 * inputs * outputs * side ** 2))
        tensors.extend([(outputs, 0), (outputs, 0)])

    convolution(7, 3, 64, 112)
    inputs = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width, side = 64 << stage, 56 >> stage
        for block in range(blocks):
            before = side * 2 if block == 0 and stage > 0 else side
            convolution(1, inputs, width, before)
            convolution(3, width, width, side)
            convolution(1, width, 4 * width, side)
            if block == 0:
                convolution(1, inputs, 4 * width, side)
            inputs = 4 * width
    tensors.extend([(2048 * 1000, 2048 * 1000), (1000, 0)])
    return Model(
        "ResNet-50", tensors, 128, updateBytes=24, stateBytes=8, share=0.15, sampleName="pictures", critical=8192)


def transformer(name, vocabulary, length, width, layers, batch, tied, **others):
    """With tied embeddings the gradient of the tokens' matrix is complete at the very end of backward."""
    def matrix(inputs, outputs, more=0):
        return (inputs * outputs, length * (inputs * outputs + more))
    attention = 2 * length * width
    tensors = [matrix(vocabulary, width) if tied else (vocabulary * width, 0), (length * width, 0)]
    for _ in range(layers):
        tensors += [(width, 0), (width, 0), matrix(width, 3 * width, attention), (3 * width, 0), matrix(width, width),
                    (width, 0), (width, 0), (width, 0), matrix(width, 4 * width), (4 * width, 0),
                    matrix(4 * width, width), (width, 0)]
    tensors += [(width, 0), (width, 0)]
    if not tied:
        tensors += [matrix(width, vocabulary), (vocabulary, 0)]
    return Model(name, tensors, batch, sampleName="sequences", tokens=length, **others)


def gpt2():
    return transformer("GPT-2 124 M", 50257, 1024, 768, 12, batch=32, tied=True, share=0.4, critical=512)


def gpt1300():
    return transformer("GPT 1.3 B", 50257, 2048, 2048, 24, batch=4, tied=True, share=0.4, critical=512)


MODELS = [resnet50, gpt2, gpt1300]


def bench_models():
    """Those of `gimbal bench`, whose time is measured: only the order and the sizes count."""
    seed = [(784 * 512, 784 * 512), (512, 0), (512, 0), (512, 0), (5120, 5120), (10, 0)]
    lstm = [(96 * 128, 0)]
    for inputs in (128, 256):
        lstm += [(1024 * inputs, 1024 * inputs), (1024 * 256, 1024 * 256), (1024, 0), (1024, 0)]
    lstm += [(96 * 256, 96 * 256), (96, 0)]
    residual = [(432, 432 * 1024), (16, 0), (16, 0)]
    inputs = 16
    for stage in range(3):
        width, area = 16 << stage, 1024 >> 2 * stage
        for block in range(3):
            for source in (inputs, width):
                residual += [(9 * source * width, 9 * source * width * area), (width, 0), (width, 0)]
            if source != inputs:
                residual += [(inputs * width, inputs * width * area), (width, 0), (width, 0)]
            inputs = width
    residual += [(640, 640), (10, 0)]
    language = transformer("transformer", 96, 128, 256, 4, batch=16, tied=False).tensors
    return {"seed-step": seed, "lstm-language": lstm, "resnet20": residual, "transformer": language}


# --------------------------------------------------------------------------------------------------------------- steps

@dataclass
class Step:
    alone: float
    total: float
    exchanging: float

    @property
    def exposed(self):
        return self.total - self.alone

    @property
    def efficiency(self):
        return self.alone / self.total


def buckets(tensors, limit):
    """Bytes of each bucket and the share of backward at whose end it is full, from the model's end, as GradientBuckets."""
    whole = sum(count for _, count in tensors) or 1
    few, left = limit / 16, 4 * sum(elements for elements, _ in tensors)
    result, size, passed = [], 0, 0
    for elements, count in reversed(tensors):
        if size and size + 4 * elements > min(limit, max(left / 2, few)) and left - size > few:
            result.append((size, passed / whole))
            left -= size
            size = 0
        size += 4 * elements
        passed += count
    return result + [(size, 1.0)]


def simulate(tensors, forward, backward, update, exchange, *, limit=4 << 20, host=math.inf, waits=True, wire=4,
             hides=True, gather=0.0, accumulated=1):
    """A step of `accumulated` forward and backward passes of so many seconds, whose last one exchanges.

    exchange: seconds of an exchange, by bytes. hides: whether exchanges go on without the processors that compute; else
    backward waits for each. gather: seconds of the all-gather of weights after a sharded update.
    """
    alone = accumulated * (forward + backward) + update
    start = clock = (accumulated - 1) * (forward + backward) + forward
    free, arrived, exchanging, passed = start, start, 0.0, 0.0
    uploads = []                  # when one begins that backward is to meet yet, and how long it is
    for size, end in buckets(tensors, limit):
        clock += (end - passed) * backward
        passed = end
        # Uploads that were made meanwhile stood in the queue of the card's kernels.
        while uploads and uploads[0][0] <= clock:
            clock += uploads.pop(0)[1]
        arrived = max(clock, arrived) + size / host
        if waits:
            clock = arrived
        took = exchange(size * wire / 4)
        begins = max(arrived, free)
        free = begins + took + size / host
        if waits:
            uploads.append((begins + took, size / host))
        exchanging += took
        if not hides:
            clock = free
            uploads.clear()
    total = max(clock, free) + update + gather
    return Step(alone, total, exchanging)


# ------------------------------------------------------------------------------------------------------------ DGX H100

PEAK = 989e12                     # operations per second in bfloat16
MEMORY = 0.8 * 3.35e12            # bytes per second
NCCL = Cluster(Link(3.4e-6, 0.8 * 450e9), Link(14e-6, 0.9 * 50e9), ports=8)
GIMBAL = Cluster(Link(1e-6, 10e9), Link(5e-6, 0.9 * 50e9), adding=10e9, host=10e9)
SIZES = (8, 64, 512, 4096)
YEARS = 5


def predict(model, cluster, ranks, kind, *, batch=None, limit=4 << 20, wire=4, shards=False, accumulated=1):
    batch = batch or model.batch
    computing, update = model.computing(batch), model.update
    exchange = EXCHANGES[kind]
    step = simulate(
        model.tensors, computing / 3, computing * 2 / 3, update / ranks if shards else update,
        lambda size: exchange(cluster, ranks, size), limit=limit, host=cluster.host, waits=cluster.waits, wire=wire,
        accumulated=accumulated)
    if shards:
        # Half an all-reduce that adds nothing, and weights on their way through the host.
        gather = exchange(replace(cluster, adding=math.inf), ranks, 4 * model.elements) / 2
        gather += 4 * model.elements * (1 + 1 / ranks) / cluster.host
        step = Step(step.alone + update - update / ranks, step.total + gather, step.exchanging)
    return step


def number(value):
    if value >= 9999.5:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def cells(step):
    return [number(1e3 * step.total), number(1e3 * step.exposed), f"{100 * step.efficiency:.0f} %"]


def models_table():
    rows = []
    for make in MODELS:
        model = make()
        rows.append([
            model.name, f"{model.elements / 1e6:,.1f} M", f"{2 * model.multiplyAdds / 1e9:,.1f} G",
            f"{model.batch} {model.sampleName}", f"{100 * model.share:.0f} %", number(1e3 * model.computing(model.batch)),
            number(1e3 * model.update), f"{4 * model.elements / 1e6:,.0f} MB",
            len(buckets(model.tensors, 4 << 20))])
    return table(["model", "parameters", "operations of a forward pass, a sample", "batch of a card", "share of the peak",
                  "forward and backward, ms", "update, ms", "gradients", "buckets"], rows)


def weak_table(make):
    model, rows = make(), []
    for ranks in SIZES:
        for name, cluster in (("host, as Gimbal", GIMBAL), ("card to card, as NCCL", NCCL)):
            whole = model.batch * ranks * model.tokens
            amount = f"{whole:,} {'tokens' if model.tokens > 1 else model.sampleName}"
            rows.append([ranks, amount, name] + cells(predict(model, cluster, ranks, "ring"))
                        + cells(predict(model, cluster, ranks, "hierarchical")))
    head = ["cards", "batch of a step", "through", "ring: step, ms", "exposed", "efficiency", "hierarchical: step, ms",
            "exposed", "efficiency"]
    return table(head, rows)


def strong_table():
    """A batch that training bears, shared among more and more cards; hierarchical."""
    rows = []
    for make in MODELS:
        model = make()
        whole = model.critical
        for ranks in SIZES:
            batch = whole // ranks
            if batch < 1:
                rows.append([model.name, f"{whole:,} {model.sampleName}", ranks, "less than one", "", "", "", ""])
                continue
            accumulated = max(1, batch // model.batch)
            row = [model.name, f"{whole:,} {model.sampleName}", ranks, batch]
            for cluster in (GIMBAL, NCCL):
                step = predict(
                    model, cluster, ranks, "hierarchical", batch=batch // accumulated, accumulated=accumulated)
                # One card would update once as well.
                one = (step.alone - model.update) * ranks + model.update
                row += [number(1e3 * step.total), f"{100 * one / ranks / step.total:.0f} %"]
            rows.append(row)
    return table(["model", "batch of a step", "cards", "of a card", "host: step, ms", "efficiency", "card to card: step, ms",
                  "efficiency"], rows)


def latency_table():
    rows = []
    for ranks in SIZES:
        row = [ranks]
        for cluster in (GIMBAL, NCCL):
            for kind in ("ring", "doubling", "hierarchical"):
                row.append(number(1e3 * EXCHANGES[kind](cluster, ranks, 4 << 20)))
        rows.append(row)
    return table(["cards", "host: ring, ms", "doubling", "hierarchical", "card to card: ring, ms", "doubling",
                  "hierarchical"], rows)


# What is changed: the exchange, how steps are made, the way through the host.
PINNED = {"host": 50e9}
FOUR_CORES = PINNED | {"adding": 40e9, "node": Link(1e-6, 40e9)}
OWN_QUEUE = FOUR_CORES | {"waits": False}
RINGS = [
    ("flat ring, buckets of 4 MiB", "ring", {}, {}),
    ("flat ring, buckets of 64 MiB", "ring", {"limit": 64 << 20}, {}),
    ("hierarchical, buckets of 4 MiB", "hierarchical", {}, {}),
]
REMEDIES = [
    ("as above", "ring", {}, {}),
    ("moments sharded", "ring", {"shards": True}, {}),
    ("bfloat16 on the wire", "ring", {"wire": 2}, {}),
    ("16 batches a step", "ring", {"accumulated": 16}, {}),
    ("both", "ring", {"wire": 2, "accumulated": 16}, {}),
    ("bfloat16, and pinned memory of the host", "ring", {"wire": 2}, PINNED),
    ("and four cores of a rank copy and sum", "ring", {"wire": 2}, FOUR_CORES),
    ("and a queue of its own for transfers", "ring", {"wire": 2}, OWN_QUEUE),
    ("and 16 batches a step", "ring", {"wire": 2, "accumulated": 16}, OWN_QUEUE),
]


def changes_table(make, ranks, kinds):
    model, rows = make(), []
    for name, kind, options, changes in kinds:
        through = cells(predict(model, replace(GIMBAL, **changes), ranks, kind, **options))
        direct = ["", "", ""] if changes else cells(predict(model, NCCL, ranks, kind, **options))
        rows.append([name] + through + direct)
    return table([f"{model.name}, {ranks} cards", "host: step, ms", "exposed", "efficiency", "card to card: step, ms",
                  "exposed", "efficiency"], rows)


def ways_table():
    """Milliseconds of all gradients of a step on each part of their way, on 8 nodes; latencies left out."""
    rows = []
    for make in MODELS:
        model = make()
        size = 4 * model.elements
        still = Link(0, math.inf)
        row = [model.name, number(2e3 * size / GIMBAL.host)]
        for cluster in (GIMBAL, NCCL):
            node = Link(0, cluster.node.bandwidth)
            network = Link(0, cluster.network.bandwidth)
            inside = hierarchical(replace(cluster, node=node, network=still), 8, size)
            between = hierarchical(replace(cluster, node=node, network=network), 64, size) - inside
            row += [number(1e3 * inside), number(1e3 * between)]
        rows.append(row + [number(1e3 * model.computing(model.batch) * 2 / 3)])
    return table(["model", "PCIe, there and back", "host: in a node", "between nodes", "card to card: in a node",
                  "between nodes", "backward"], rows)


def batches_table():
    """Samples needed for a loss: 1 + B/critical times the least (McCandlish et al. 2018)."""
    rows = []
    for make in MODELS:
        model = make()
        for ranks in SIZES:
            ratio = model.batch * ranks / model.critical
            fewer = ranks / SIZES[0] * (1 + model.batch * SIZES[0] / model.critical) / (1 + ratio)
            rows.append([model.name, ranks, f"{model.batch * ranks * model.tokens:,}",
                         f"{model.critical * model.tokens:,}", number(1 + ratio), number(fewer)])
    return table(["model", "cards", "batch of a step", "batch it bears", "samples needed, times the least",
                  "sooner than on 8 cards, times, at most"], rows)


def tensors_table():
    """A sequence computed by several cards of a node: four all-reduces a block of its activations (Shoeybi et al. 2019)."""
    model, width, layers, rows = gpt1300(), 2048, 24, []
    for cards in (1, 2, 4, 8):
        computing = model.computing(1) / cards
        exchanging = 4 * layers * ring(NCCL, cards, 2 * model.tokens * width)
        rows.append([cards, number(1e3 * computing), number(1e3 * exchanging),
                     f"{100 * computing / (computing + exchanging):.0f} %"])
    return table(["cards for a sequence", "computing, ms", "exchanging, ms", "efficiency"], rows)


def memory_table():
    rows = []
    for make in MODELS:
        model = make()
        moments = 4 * (model.stateBytes // 4 - 1)
        gigabytes = [model.elements * size / 1e9 for size in (4, 4, 2, moments)]
        for ranks in (1, 8, 512):
            rows.append([model.name, ranks] + [number(value) for value in gigabytes[:3]]
                        + [number(gigabytes[3] / ranks) if gigabytes[3] / ranks >= 0.005 else "under 0.01",
                           number(sum(gigabytes[:3]) + gigabytes[3] / ranks)])
    return table(["model", "ranks that share moments", "weights, GB", "gradients", "bfloat16 copies", "moments", "together"],
                 rows)


def expected_maximum(count):
    """Of so many standard normal numbers (Blom 1958)."""
    return statistics.NormalDist().inv_cdf((count - 0.375) / (count + 0.25))


def daly(write, between):
    """Seconds between checkpoints that lose the least (Daly 2006)."""
    if write >= 2 * between:
        return between
    ratio = write / (2 * between)
    return math.sqrt(2 * write * between) * (1 + math.sqrt(ratio) / 3 + ratio / 9) - write


def failures_table(rate=2e9, restart=300):
    model, rows = gpt1300(), []
    write = model.elements * model.stateBytes / rate
    for ranks in SIZES:
        between = YEARS * 365.25 * 86400 / ranks
        best = daly(write, between)
        def lost(interval):
            return write / interval + (interval / 2 + restart) / between
        rows.append([ranks, f"{between / 3600:,.1f}", number(best / 60), f"{100 * lost(best):.2f} %",
                     f"{100 * lost(3600):.1f} %", f"{100 * lost(6 * 3600):.1f} %"])
    return table(["cards", "hours between failures", "checkpoint every, min", "lost", "lost with one an hour",
                  "lost with one in 6 h"], rows)


def stragglers_table():
    rows = []
    for ranks in SIZES:
        rows.append([ranks] + [f"{100 * sigma * expected_maximum(ranks):.1f} %" for sigma in (0.005, 0.01, 0.03)])
    return table(["cards", "times that scatter by 0.5 %", "by 1 %", "by 3 %"], rows)


def example():
    arguments = parser().parse_args(EXAMPLE.split())
    return "```sh\nBenchmarks/clusters.py " + EXAMPLE + "\n```\n\n```text\n" + calculate(arguments) + "\n```"


EXAMPLE = "--parameters 25.6e6 --step-ms 42 --ranks 64 --ranks-per-node 8"


def parts():
    return {
        "models": models_table, "ways": ways_table, "latency": latency_table, "resnet": lambda: weak_table(resnet50),
        "gpt2": lambda: weak_table(gpt2), "gpt1300": lambda: weak_table(gpt1300), "strong": strong_table,
        "batches": batches_table, "remedies": lambda: changes_table(gpt1300, 8, REMEDIES),
        "rings": lambda: changes_table(gpt2, 512, RINGS), "tensors": tensors_table,
        "memory": memory_table, "stragglers": stragglers_table, "failures": failures_table, "example": example}


def page(text):
    """The text with what the script gives between marks."""
    makers, found = parts(), []

    def fill(match):
        found.append(match[1])
        return f"<!-- clusters: {match[1]} -->\n\n{makers[match[1]]()}\n\n<!-- end -->"
    result = re.sub(r"<!-- clusters: (\w+) -->\n.*?<!-- end -->", fill, text, flags=re.DOTALL)
    if sorted(found) != sorted(makers):
        sys.exit(f"marks of the page: {sorted(found)}, not {sorted(makers)}")
    return result


# ------------------------------------------------------------------------------------------------------- own clusters

def calculate(arguments):
    """A step on a cluster of the reader's: parameters spread evenly over backward."""
    alone = arguments.ranks == 1  # exchanges nothing
    own = Cluster(
        Link(arguments.node_latency_us * 1e-6, arguments.node_gbs * 1e9),
        Link(arguments.latency_us * 1e-6, arguments.gbs * 1e9), arguments.ranks_per_node,
        arguments.adding_gbs * 1e9 if arguments.adding_gbs else math.inf,
        arguments.host_gbs * 1e9 if arguments.host_gbs and not alone else math.inf)
    pieces = max(1, min(200, int(arguments.parameters)))
    tensors = [(arguments.parameters / pieces, 1)] * pieces
    seconds = arguments.step_ms * 1e-3
    update = arguments.update_share * seconds
    computing = seconds - update
    lines = []
    for kind in ("ring", "hierarchical"):
        step = simulate(
            tensors, computing / 3, computing * 2 / 3, update,
            lambda size: EXCHANGES[kind](own, arguments.ranks, size), limit=arguments.bucket_bytes or math.inf,
            host=own.host, wire=2 if arguments.wire == "bfloat16" else 4, accumulated=arguments.accumulate)
        lines.append(
            f"{kind:13} step {1e3 * step.total:8.2f} ms, of which exposed {1e3 * step.exposed:8.2f}; "
            f"exchanging {1e3 * step.exchanging:8.2f} ms; efficiency {100 * step.efficiency:5.1f} %")
    return "\n".join(lines)


# ----------------------------------------------------------------------------------------------------------- measured

def fitted(points, ranks):
    """Latency and bandwidth of two all-reduces of (bytes, seconds): 2(N-1)a + 2(N-1)/N n/b."""
    (small, quick), (large, slow) = sorted(points)
    rounds = 2 * (ranks - 1)
    bandwidth = rounds / ranks * (large - small) / (slow - quick)
    latency = (quick - rounds / ranks * small / bandwidth) / rounds
    if bandwidth <= 0 or latency < 0:
        sys.exit(f"no latency and bandwidth fit both exchanges, measured on a busy machine? bytes and seconds: {points}")
    return Link(latency, bandwidth)


def compare(arguments):
    """Predicted times of a step beside measured ones. Each line is predicted from its own step without an exchange, as its
    steps were made in turns, and with the wait for the slowest rank, which is none of an exchange's; medians over a benchmark's lines. What disturbs an exchange makes it longer: links are of the least."""
    lines = [json.loads(line) for path in arguments.measured for line in Path(path).read_text().splitlines()
             if line.startswith("{")]
    records = {}
    for line in lines:
        if "inBuckets" in line:
            records.setdefault((line["benchmark"], line["batch"]), []).append(line)
    if not records:
        sys.exit("no line has inBuckets: are they of `mpirun -n 2 gimbal bench --json`?")

    def middle(of, field):
        return statistics.median(line[field] for line in of)
    ranks = next(iter(records.values()))[0]["ranks"]
    if arguments.allreduce:
        points = [tuple(float(part) for part in point.split(":")) for point in arguments.allreduce]
        points = [(size, 1e-3 * milliseconds) for size, milliseconds in points]
    else:
        known = sorted((of[0]["gradientBytes"], min(line["exchangingAtTheEnd"] for line in of)) for of in records.values())
        points = [known[0], known[-1]]
    link = fitted(points, ranks)
    print(f"{ranks} ranks: latency {1e6 * link.latency:.1f} us, bandwidth {link.bandwidth / 1e9:.2f} GB/s, from "
          + " and ".join(f"{size / 1e6:.2f} MB in {1e3 * time:.3f} ms" for size, time in points))
    cluster, worst = Cluster(link, link, ranks), 0.0
    rows = []
    for (name, batch), of in sorted(records.items()):
        tensors = bench_models().get(name)
        if tensors is None:
            continue
        if abs(4 * sum(elements for elements, _ in tensors) / middle(of, "gradientBytes") - 1) > 0.001:
            sys.exit(f"{name} has {middle(of, 'gradientBytes'):.0f} bytes of gradients, here "
                     f"{4 * sum(elements for elements, _ in tensors)}")
        # The last exchange of a step is that of the loss and of which parameters have gradients.
        more = ring(cluster, ranks, 8 * (len(tensors) + 3))
        for field, limit in (("inBuckets", arguments.bucket_bytes or math.inf), ("atTheEnd", math.inf)):
            steps = []
            for line in of:
                computing = (1 - arguments.update_share) * line["together"]
                steps.append(simulate(
                    tensors, computing / 3, computing * 2 / 3, line["together"] - computing,
                    lambda size: ring(cluster, ranks, size), limit=limit, hides=arguments.spare_cores, gather=more))
            ratio = statistics.median(step.total / line[field] for step, line in zip(steps, of))
            worst = max(worst, abs(ratio - 1))
            rows.append(
                [f"{name} {batch}", field, number(1e3 * middle(of, "together")),
                 number(1e3 * statistics.median(step.total for step in steps)), number(1e3 * middle(of, field)),
                 f"{ratio:.2f}", number(1e3 * statistics.median(step.exposed for step in steps)),
                 number(1e3 * statistics.median(line[field] - line["together"] for line in of))])
    print(table(["benchmark", "exchange", "without, ms", "predicted", "measured", "ratio", "exposed, predicted", "measured"],
                rows))
    print(f"\nfarthest off: {100 * worst:.0f} % of a step; goal 20 %")
    return 0 if worst <= 0.2 else 1


def parser():
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--write", metavar="PAGE", help="write the tables of the page")
    result.add_argument("--check", metavar="PAGE", help="fail where the page's tables are not what the script gives")
    result.add_argument("--measured", metavar="FILE", nargs="+", help="JSON lines of mpirun gimbal bench --json")
    result.add_argument("--allreduce", metavar="BYTES:MS", nargs=2,
                        help="with --measured: two all-reduces, else from the lines")
    result.add_argument("--spare-cores", action="store_true",
                        help="with --measured: there are cores for exchanging besides those that compute")
    result.add_argument("--parameters", type=float, help="how many the model has")
    result.add_argument("--step-ms", type=float, help="a step of one rank alone")
    result.add_argument("--ranks", type=int)
    result.add_argument("--ranks-per-node", type=int, default=8, help="1 where each machine has one card (8)")
    result.add_argument("--gbs", type=float, default=45, help="GB/s of a rank's network port (45)")
    result.add_argument("--latency-us", type=float, default=5, help="of a message between nodes (5)")
    result.add_argument("--node-gbs", type=float, default=10, help="GB/s between ranks of a node (10)")
    result.add_argument("--node-latency-us", type=float, default=1, help="of a message in a node (1)")
    result.add_argument("--adding-gbs", type=float, default=10,
                        help="GB/s at which a rank's processor sums (10); 0: the other figures have sums in them")
    result.add_argument("--host-gbs", type=float, default=10, help="GB/s between card and host (10); 0: none passed")
    result.add_argument("--bucket-bytes", type=int, default=4 << 20, help="0: all at the end (4194304)")
    result.add_argument("--wire", choices=("float32", "bfloat16"), default="float32")
    result.add_argument("--accumulate", type=int, default=1, help="batches of a step; --step-ms is a step of one")
    result.add_argument("--update-share", type=float, default=0.05,
                        help="of a step alone that the optimizer takes (0.05)")
    return result


def main():
    arguments = parser().parse_args()
    if arguments.measured:
        return compare(arguments)
    if arguments.write:
        path = Path(arguments.write)
        path.write_text(page(path.read_text()))
        return 0
    if arguments.check:
        text = Path(arguments.check).read_text()
        if page(text) != text:
            print(f"{arguments.check} is not what the script gives: Benchmarks/clusters.py --write {arguments.check}",
                  file=sys.stderr)
            return 1
        return 0
    if None in (arguments.parameters, arguments.step_ms, arguments.ranks):
        parser().error("give --parameters, --step-ms and --ranks, or one of --write, --check and --measured")
    if min(arguments.ranks, arguments.ranks_per_node, arguments.accumulate) < 1:
        parser().error("--ranks, --ranks-per-node and --accumulate are 1 at least")
    if not 0 <= arguments.update_share < 1:
        parser().error("--update-share is a share of the step, from 0 to less than 1")
    print(calculate(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
