"""PyTorch's losses with their options: values, and gradients of the sum of what the reduction leaves.

    python Generators/losses.py

loss-functions.safetensors
    Inputs of several cases, named in `main`: logits_2 [7,5], logits_1 [4,1], logits_3 [3,5,4], logits_4 [2,3,2,3] with
    targets_* of class numbers, targets_ignoring_* with some of -100 among them, probabilities_*, weights [5]; x, y [6,4]
    real; and so on.
    NAME.none, NAME.sum, NAME.mean (and .batchmean)   the loss for each reduction; or just NAME.mean where that is all
    NAME.gradients.INPUT     of the mean, for each input that has a gradient
"""
import torch
from torch.nn import functional as F

from common import begin, save

entries = {}


def rounded(x):
    """As float32 holds it, so that Gimbal starts from the same number."""
    return x.float().double()


def case(name, function, reductions=("none", "sum", "mean"), **inputs):
    """`function(reduction, **inputs)`; the gradients are those of the last reduction's sum."""
    inputs = {key: value.detach().clone().requires_grad_() for key, value in inputs.items()}
    for reduction in reductions:
        result = function(reduction, **inputs)
        entries[f"{name}.{reduction}"] = result
    gradients = torch.autograd.grad(result.sum(), list(inputs.values()), allow_unused=True)
    for key, gradient in zip(inputs, gradients):
        if gradient is not None:
            entries[f"{name}.gradients.{key}"] = gradient


def cross_entropy():
    shapes = {"2": (7, 5), "1": (4, 1), "3": (3, 5, 4), "4": (2, 3, 2, 3)}
    weights = {5: rounded(torch.tensor([0.5, 2.0, 0.0, 1.0, 1.7])), 1: rounded(torch.tensor([0.3])),
               3: rounded(torch.tensor([0.2, 1.0, 3.0]))}
    for key, shape in shapes.items():
        logits = rounded(torch.randn(shape) * 3)
        if key == "2":
            logits[1] += 90.0
            logits[2] = 0.0
            logits[3, 0] = 300.0
        classes = shape[1]
        rest = shape[:1] + shape[2:]
        targets = torch.randint(classes, rest)
        ignoring = targets.clone()
        ignoring.view(-1)[::3] = -100
        probabilities = rounded(torch.softmax(torch.randn(shape), 1))
        entries.update({f"logits_{key}": logits, f"targets_{key}": targets, f"targets_ignoring_{key}": ignoring,
                        f"probabilities_{key}": probabilities, f"weights_{key}": weights[classes]})
        for weight_name, weight in [("", None), ("_weighted", weights[classes])]:
            for smoothing in [0.0, 0.1, 1.0]:
                for label, t in [("", targets), ("_ignoring", ignoring)]:
                    case(f"cross_entropy{label}{weight_name}_{smoothing}_{key}",
                         lambda r, logits: F.cross_entropy(logits, t, weight, reduction=r, label_smoothing=smoothing),
                         logits=logits)
                case(f"cross_entropy_soft{weight_name}_{smoothing}_{key}",
                     lambda r, logits, targets: F.cross_entropy(
                         logits, targets, weight, reduction=r, label_smoothing=smoothing),
                     logits=logits, targets=probabilities)
            case(f"nll{weight_name}_{key}", lambda r, logits: F.nll_loss(
                F.log_softmax(logits, 1), ignoring, weight, reduction=r), logits=logits)
    case("cross_entropy_index_2", lambda r, logits: F.cross_entropy(
        logits, entries["targets_2"], ignore_index=1, reduction=r), logits=entries["logits_2"])
    entries["logits_infinite"] = torch.tensor([[float("inf"), 0.0, 1.0], [-float("inf"), 0.0, 1.0],
                                               [0.0, float("nan"), 1.0], [-float("inf")] * 3])
    entries["targets_infinite"] = torch.tensor([0, 0, 0, 0])
    case("cross_entropy_infinite", lambda r, logits: F.cross_entropy(
        logits, entries["targets_infinite"], reduction=r), ("none",), logits=entries["logits_infinite"])


def binary():
    p = rounded(torch.rand(5, 4))
    p[0, 0], p[0, 1], p[1, 0], p[1, 1] = 0.0, 1.0, 0.0, 1.0
    t = rounded(torch.rand(5, 4))
    t[0, :2], t[1, 0], t[1, 1] = 0.0, 1.0, 0.0
    t = (t * 2).round() / 2
    weight = rounded(torch.rand(5, 4) + 0.5)
    positive = rounded(torch.tensor([0.5, 1.0, 2.0, 3.0]))
    z = rounded(torch.randn(5, 4) * 4)
    z[0, 0], z[0, 1], z[1, 0], z[1, 1] = 200.0, -200.0, 0.0, 90.0
    entries.update({"p": p, "t": t, "bce_weight": weight, "positive": positive, "z": z})
    for name, w in [("", None), ("_weighted", weight)]:
        case(f"bce{name}", lambda r, p: F.binary_cross_entropy(p, t, w, reduction=r), p=p)
        for positive_name, v in [("", None), ("_positive", positive)]:
            case(f"bce_logits{name}{positive_name}", lambda r, z, t: F.binary_cross_entropy_with_logits(
                z, t, w, reduction=r, pos_weight=v), z=z, t=t)
    inside = rounded(torch.rand(5, 4) * 0.8 + 0.1)
    entries["p_inside"] = inside
    case("bce_targets", lambda r, p, t: F.binary_cross_entropy(p, t, reduction=r), p=inside, t=t)


def regression():
    x, y = rounded(torch.randn(6, 4) * 2), rounded(torch.randn(6, 4))
    y[0] = x[0]
    x[1, 0] = y[1, 0] + 1.0
    x[1, 1] = 1e4
    counts = torch.tensor([0.0, 1, 2, 3, 7, 20] * 4).reshape(6, 4)
    rates = rounded(torch.rand(6, 4) * 5)
    rates[0, 0] = 0.0
    variance = rounded(torch.rand(6, 4))
    variance[0, 0], variance[0, 1] = 0.0, 1e-9
    column = rounded(torch.rand(6, 1) + 0.1)
    entries.update({"x": x, "y": y, "counts": counts, "rates": rates, "variance": variance, "column": column})
    case("mse", lambda r, x, y: F.mse_loss(x, y, reduction=r), x=x, y=y)
    case("l1", lambda r, x, y: F.l1_loss(x, y, reduction=r), x=x, y=y)
    for delta in [0.5, 1.0, 3.0]:
        case(f"huber_{delta}", lambda r, x, y: F.huber_loss(x, y, reduction=r, delta=delta), x=x, y=y)
    for beta in [0.0, 0.5, 1.0, 2.0]:
        case(f"smooth_l1_{beta}", lambda r, x, y: F.smooth_l1_loss(x, y, reduction=r, beta=beta), x=x, y=y)
    small = rounded(torch.randn(6, 4))
    entries["small"] = small
    for full in [False, True]:
        case(f"poisson_log_{int(full)}", lambda r, x: F.poisson_nll_loss(
            x, counts, log_input=True, full=full, reduction=r), x=small)
        case(f"poisson_{int(full)}", lambda r, x: F.poisson_nll_loss(
            x, counts, log_input=False, full=full, reduction=r), x=rates)
        case(f"gaussian_{int(full)}", lambda r, x, y, variance: F.gaussian_nll_loss(
            x, y, variance, full=full, reduction=r, eps=1e-2), x=small, y=y, variance=variance)
        case(f"gaussian_column_{int(full)}", lambda r, x, y, variance: F.gaussian_nll_loss(
            x, y, variance, full=full, reduction=r), x=small, y=y, variance=column)


def divergence():
    logits, target = rounded(torch.randn(5, 4)), torch.softmax(torch.randn(5, 4), 1)
    target[0, 1], target[2, 3] = 0.0, 0.0
    target = rounded(target)
    log_target = rounded(torch.log_softmax(torch.randn(5, 4), 1))
    entries.update({"kl_logits": logits, "kl_target": target, "kl_log_target": log_target})
    reductions = ("none", "sum", "batchmean", "mean")
    case("kl", lambda r, x: F.kl_div(F.log_softmax(x, 1), target, reduction=r), reductions, x=logits)
    case("kl_log", lambda r, x, t: F.kl_div(F.log_softmax(x, 1), t, reduction=r, log_target=True), reductions,
         x=logits, t=log_target)


def margins():
    x, y = rounded(torch.randn(6, 4)), torch.randint(2, (6, 4)).double() * 2 - 1
    second = rounded(torch.randn(6, 4))
    second[0] = x[0]
    scores, classes = rounded(torch.randn(6, 5)), torch.randint(5, (6,))
    scores[1, 0] = scores[1, 1]
    weight = rounded(torch.rand(5) + 0.2)
    entries.update({"margin_x": x, "signs": y, "margin_second": second, "scores": scores, "classes": classes,
                    "margin_weights": weight})

    def reduced(losses, reduction):
        return {"none": losses, "sum": losses.sum(), "mean": losses.mean()}[reduction]

    for margin in [0.5, 1.0]:
        case(f"hinge_{margin}", lambda r, x: reduced((margin - y * x).clamp(min=0), r), x=x)
        case(f"hinge_embedding_{margin}", lambda r, x: F.hinge_embedding_loss(x, y, margin, reduction=r), x=x)
        for p in [1, 2]:
            for name, w in [("", None), ("_weighted", weight)]:
                case(f"multi_margin_{p}_{margin}{name}", lambda r, x: F.multi_margin_loss(
                    x, classes, p=p, margin=margin, weight=w, reduction=r), x=scores)
    for margin in [0.0, 0.3]:
        case(f"margin_ranking_{margin}", lambda r, x, second: F.margin_ranking_loss(
            x, second, y, margin, reduction=r), x=x, second=second)


def embeddings():
    a, b, c = (rounded(torch.randn(7, 5)) for _ in range(3))
    a[0] = 0.0
    b[1] = a[1]
    signs = torch.tensor([1.0, -1, 1, -1, -1, 1, -1])
    entries.update({"a": a, "b": b, "c": c, "embedding_signs": signs})
    for axis in [0, 1]:
        case(f"cosine_similarity_{axis}", lambda r, a, b: F.cosine_similarity(a, b, dim=axis), ("none",), a=a, b=b)
    for margin in [0.0, 0.3]:
        case(f"cosine_embedding_{margin}", lambda r, a, b: F.cosine_embedding_loss(
            a, b, signs, margin, reduction=r), a=a, b=b)
    for p in [1.0, 2.0, 3.0, float("inf")]:
        case(f"pairwise_distance_{p}", lambda r, a, b: F.pairwise_distance(a, b, p=p), ("none",), a=a, b=b)
    for p, margin, swap in [(2.0, 1.0, False), (2.0, 0.5, True), (1.0, 1.0, True), (3.0, 2.0, False)]:
        case(f"triplet_{p}_{margin}_{int(swap)}", lambda r, a, b, c: F.triplet_margin_loss(
            a, b, c, margin=margin, p=p, swap=swap, reduction=r), a=a, b=b, c=c)


begin(23)
cross_entropy()
binary()
regression()
divergence()
margins()
embeddings()
save("loss-functions", entries)
