#!/usr/bin/env python3
"""Writes Fixtures/*.safetensors: what PyTorch computes, for the parity tests to agree with.

    python -m venv venv && venv/bin/pip install torch==2.15.0 safetensors==0.8.0 scikit-learn==1.9.1
    venv/bin/python make_fixtures.py

Made with the versions above; the CPU build of PyTorch is enough. Inputs and initial weights are float32 numbers; what
follows from them is computed by PyTorch in float64 and stored rounded to float32, so that a test's tolerance is spent
on Gimbal's rounding alone. For the training runs the script also trains in float32, the way a user of PyTorch would,
and stops if the two disagree by more than 1e-5. Every tensor is F32 or I64, row-major; [] marks a scalar without
dimensions.

Training runs: step t takes batch t, computes the mean loss in training mode, clips the gradients to global 2-norm 1
where it says so, and steps. `losses` [50] holds each step's loss before that step's update, `gradient_norms` [50] the
global 2-norm of its gradients before clipping.

seednet.safetensors          The state_dict of Linear(64,128)-BatchNorm1d(128)-ReLU-Linear(128,10) with PyTorch's
                             default initialization, as a user would save it: `0.weight`, `0.bias`, `1.weight`,
                             `1.bias`, `1.running_mean`, `1.running_var`, `1.num_batches_tracked` (I64 []), `3.weight`,
                             `3.bias`.
seednet-run.safetensors      50 steps from there: cross-entropy, clipping to 1, SGD 0.1, batch 64.
    inputs [640,64]          the first 640 of scikit-learn's digits, pixels / 16, row by row; targets [640] I64
    batches [50,64] I64      rows of inputs that make each batch
    losses, gradient_norms
    gradients.NAME           of each parameter in the first step, before clipping
    final.NAME               each entry of the state_dict after the last step
    final.logits [640,10]    the final model's answer to all inputs in evaluation mode
seednet784.safetensors       50 steps of Linear(784,512)-BatchNorm1d(512)-ReLU-Linear(512,10): cross-entropy, clipping
                             to 1, SGD 0.01 with momentum 0.9, batch 64. Weights and batches are made from a formula;
                             see `hash32`, `seed_weight` and `seed_batch` below. BatchNorm1d starts as PyTorch's does.
    weights [4]              elements 0 and 1, then the last two, of `0.weight`; bits must be equal
    inputs [2,784]           the first two rows of batch 0 (bits equal); targets [50,64] I64
    losses, gradient_norms
    final.1.running_mean, final.1.running_var [512]; final.3.bias [10]
optimizers.safetensors       50 steps each of Linear(8,16)-Tanh-Linear(16,4) on one batch, mean squared error, no
                             clipping.
    initial.NAME             the state_dict that every run starts from: 0.weight, 0.bias, 2.weight, 2.bias
    inputs [32,8], targets [32,4]
    RUN.losses, RUN.final.NAME
                             for each RUN in `OPTIMIZERS` below
activations.safetensors      inputs [n], upstream [n] (the gradient that arrives), specials [3] = NaN, inf, -inf
    NAME.outputs, NAME.gradients, NAME.specials
                             for each NAME in `ACTIVATIONS` below; specials holds the outputs for `specials`
gains.safetensors            NAME [] for linear, sigmoid, tanh, relu, selu; leaky_relu (slope 0.01), leaky_relu_0.2:
                             nn.init.calculate_gain. fans.linear, fans.convolution [2] I64: fan in and fan out of shapes
                             [30,20] and [16,8,3,5].
losses.safetensors           cross_entropy.logits [7,5], .targets [7] I64, .none [7], .sum [], .mean [] and .gradients
                             [7,5] (of the mean); smoothed.mean and .gradients with label smoothing 0.1; one row of
                             logits is large, one is constant. squared_error.outputs, .targets [6,4], .mean, .sum,
                             .gradients (of the mean).
batchnorm.safetensors        BatchNorm1d(5), eps 1e-5, momentum 0.1, three training batches, then evaluation. Channel 3
                             lies around 1000 with a spread of 0.1; channel 4 is constant.
    weight, bias [5]; inputs [3,16,5]; upstream [3,16,5]
    train.outputs, train.gradients.inputs [3,16,5]; train.gradients.weight, train.gradients.bias [3,5] (each batch's)
    running_mean, running_var [3,5] after each batch
    eval.outputs, eval.gradients.inputs [16,5], eval.gradients.weight, eval.gradients.bias [5]: batch 0 again
schedules.safetensors        The learning rate [50] used in each of steps 0 ... 49, base rate 0.1, scheduler stepped
                             after each; see `SCHEDULES` below.
clipping.safetensors         gradients.a [4,3], .b [5], .c [2,2,2] of global 2-norm about 4.
    norm_P.total []; norm_P.a .b .c   clip_grad_norm_ with max_norm 1 and P in 1, 2, 3, inf
    loose.a .b .c            clip_grad_norm_ with max_norm 100: unchanged
    value.a .b .c            clip_grad_value_ with 0.5
"""
import math
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

sys.path.insert(0, str(Path(__file__).resolve().parent / "Generators"))
from common import FIXTURES, save  # noqa: E402

STEPS = 50

# Each run's optimizer, by its settings.
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "sgd_momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.3),
    "sgd_nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.9, 0.999), eps=1e-8),
    "adam_decay": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1),
}

ACTIVATIONS = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.01),
    "leaky_relu_0.2": lambda x: F.leaky_relu(x, 0.2),
    "elu": F.elu,
    "elu_0.5": lambda x: F.elu(x, 0.5),
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "softplus": lambda x: F.softplus(x, threshold=50.0),
}


def warmup(optimizer):
    """A tenth of the base rate at step 0, rising linearly, the whole of it from step 5 on."""
    return lr_scheduler.LinearLR(optimizer, start_factor=0.1, end_factor=1.0, total_iters=5)


# `warmup_X` is the warmup for five steps, then X from its own step 0, counted from step 5.
SCHEDULES = {
    "constant": lambda o: lr_scheduler.ConstantLR(o, factor=1.0),
    "step": lambda o: lr_scheduler.StepLR(o, step_size=10, gamma=0.5),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=50),
    "cosine_floor": lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=50, eta_min=0.01),
    "warmup_constant": warmup,
    "warmup_step": lambda o: lr_scheduler.SequentialLR(
        o, [warmup(o), lr_scheduler.StepLR(o, step_size=10, gamma=0.5)], milestones=[5]),
    "warmup_cosine": lambda o: lr_scheduler.SequentialLR(
        o, [warmup(o), lr_scheduler.CosineAnnealingLR(o, T_max=45)], milestones=[5]),
}


# ---------------------------------------------------------------------------------- the formula of seednet784

# A tensor's number, so that no two share elements.
TAGS = {"0.weight": 1, "0.bias": 2, "3.weight": 3, "3.bias": 4, "templates": 5, "inputs": 6, "targets": 7}


def hash32(tag, count):
    """The finalizer of MurmurHash3 (A. Appleby, public domain) over tag * 2^24 + i, for i in 0 ..< count, as uint32."""
    h = np.arange(count, dtype=np.uint32) + np.uint32(tag << 24)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    return h


def seed_weight(name, shape):
    """Element i is (hash >> 8) * 2^-28 - 2^-5: uniform in [-2^-5, 2^-5), without rounding in float32."""
    h = hash32(TAGS[name], math.prod(shape))
    return torch.from_numpy(((h >> 8).astype(np.float64) * 2.0**-28 - 2.0**-5).astype(np.float32)).reshape(shape)


def seed_batch(step):
    """Rows 64 * step ..< 64 * step + 64 of one long list of images.

    The target of row r is hash(targets, r) mod 10. Pixel j of row r is (T + 3 * N) * 2^-18, where T is the upper 16
    bits of hash(templates, target * 784 + j) and N those of hash(inputs, r * 784 + j): a class's template under noise,
    in [0, 1), without rounding in float32.
    """
    rows = slice(64 * step, 64 * step + 64)
    targets = (hash32(TAGS["targets"], 64 * STEPS) % 10)[rows].astype(np.int64)
    templates = (hash32(TAGS["templates"], 10 * 784) >> 16).astype(np.float64).reshape(10, 784)
    noise = (hash32(TAGS["inputs"], 64 * STEPS * 784) >> 16).astype(np.float64).reshape(-1, 784)[rows]
    inputs = ((templates[targets] + 3 * noise) * 2.0**-18).astype(np.float32)
    return torch.from_numpy(inputs), torch.from_numpy(targets)


# ---------------------------------------------------------------------------------------------- training runs

def train(model, batches, loss_function, make_optimizer, dtype, clip=None):
    """Trains a copy of `model` in `dtype`: the trained copy, losses, gradient norms, gradients of the first step."""
    trained = type(model)(*[type(layer)(*arguments(layer)) for layer in model])
    trained.load_state_dict(model.state_dict())
    trained.to(dtype).train()
    parameters = list(trained.parameters())
    optimizer = make_optimizer(parameters)
    losses, norms, first = [], [], None
    for inputs, targets in batches:
        optimizer.zero_grad()
        targets = targets.to(dtype) if targets.is_floating_point() else targets
        loss = loss_function(trained(inputs.to(dtype)), targets)
        loss.backward()
        first = first or {name: p.grad.clone() for name, p in trained.named_parameters()}
        norms.append(nn.utils.clip_grad_norm_(parameters, clip if clip else math.inf).item())
        optimizer.step()
        losses.append(loss.item())
    return trained, torch.tensor(losses, dtype=torch.float64), torch.tensor(norms, dtype=torch.float64), first


def arguments(layer):
    """What a layer was made with."""
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    return (layer.num_features,) if isinstance(layer, nn.BatchNorm1d) else ()


def train_checked(label, *run, **options):
    """`train` in float64, after making sure that float32 agrees."""
    exact = train(*run, torch.float64, **options)
    single = train(*run, torch.float32, **options)
    difference = ((single[1] - exact[1]) / exact[1]).abs().max().item()
    print(f"{label}: loss {exact[1][0]:.4f} to {exact[1][-1]:.4f}, float32 against float64 {difference:.1e}")
    if difference > 1e-5:
        raise SystemExit(f"{label} is too sensitive to rounding to compare with")
    return exact


def seed_net(inputs, hidden, classes):
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, classes))


def make_seednet():
    digits = load_digits()
    inputs = torch.tensor(digits.data[:640] / 16.0, dtype=torch.float32)
    targets = torch.tensor(digits.target[:640], dtype=torch.int64)
    order = torch.cat([torch.randperm(640) for _ in range(5)]).reshape(STEPS, 64)
    model = seed_net(64, 128, 10)
    save("seednet", model.state_dict())
    trained, losses, norms, first = train_checked(
        "seednet", model, [(inputs[rows], targets[rows]) for rows in order], F.cross_entropy,
        lambda p: torch.optim.SGD(p, lr=0.1), clip=1.0)
    logits = trained.eval()(inputs.double())
    save("seednet-run", {
        "inputs": inputs, "targets": targets, "batches": order, "losses": losses, "gradient_norms": norms,
        **{f"gradients.{name}": g for name, g in first.items()},
        **{f"final.{name}": v for name, v in trained.state_dict().items()}, "final.logits": logits,
    })


def make_seednet784():
    model = seed_net(784, 512, 10)
    with torch.no_grad():
        for name in ("0.weight", "0.bias", "3.weight", "3.bias"):
            parameter = model.get_parameter(name)
            parameter.copy_(seed_weight(name, parameter.shape))
    batches = [seed_batch(step) for step in range(STEPS)]
    trained, losses, norms, _ = train_checked(
        "seednet784", model, batches, F.cross_entropy, lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9), clip=1.0)
    final = trained.state_dict()
    weights = model.state_dict()["0.weight"].flatten()
    save("seednet784", {
        "weights": torch.cat([weights[:2], weights[-2:]]), "inputs": batches[0][0][:2],
        "targets": torch.stack([targets for _, targets in batches]), "losses": losses, "gradient_norms": norms,
        **{f"final.{name}": final[name] for name in ("1.running_mean", "1.running_var", "3.bias")},
    })


def make_optimizers():
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4))
    inputs, targets = torch.randn(32, 8), torch.randn(32, 4)
    entries = {"inputs": inputs, "targets": targets}
    entries |= {f"initial.{name}": value for name, value in model.state_dict().items()}
    for name, make_optimizer in OPTIMIZERS.items():
        trained, losses, _, _ = train_checked(name, model, [(inputs, targets)] * STEPS, F.mse_loss, make_optimizer)
        entries[f"{name}.losses"] = losses
        entries |= {f"{name}.final.{key}": value for key, value in trained.state_dict().items()}
    save("optimizers", entries)


# ------------------------------------------------------------------------------------------------ single parts

def make_activations():
    inputs = torch.cat([
        torch.linspace(-6, 6, 97), torch.tensor([0.0, -0.0, 1e-6, -1e-6, 1e-30, -1e-30, 20, -20, 45, -45, 80, -80])])
    upstream = torch.randn(inputs.shape)
    specials = torch.tensor([math.nan, math.inf, -math.inf])
    entries = {"inputs": inputs, "upstream": upstream, "specials": specials}
    for name, function in ACTIVATIONS.items():
        x = inputs.double().requires_grad_()
        outputs = function(x)
        outputs.backward(upstream.double())
        entries |= {
            f"{name}.outputs": outputs, f"{name}.gradients": x.grad, f"{name}.specials": function(specials.double())}
    save("activations", entries)


def make_gains():
    gain = nn.init.calculate_gain
    entries = {name: torch.tensor(float(gain(name))) for name in ("linear", "sigmoid", "tanh", "relu", "selu")}
    entries["leaky_relu"] = torch.tensor(gain("leaky_relu", 0.01))
    entries["leaky_relu_0.2"] = torch.tensor(gain("leaky_relu", 0.2))
    for name, shape in {"linear": (30, 20), "convolution": (16, 8, 3, 5)}.items():
        entries[f"fans.{name}"] = torch.tensor(nn.init._calculate_fan_in_and_fan_out(torch.empty(shape)))
    save("gains", entries)


def make_losses():
    logits = torch.randn(7, 5) * 2
    logits[2] = torch.tensor([1000.0, -1000.0, 999.0, 0.0, 500.0])
    logits[4] = 3.0
    targets = torch.tensor([0, 4, 2, 1, 3, 0, 2])
    entries = {"cross_entropy.logits": logits, "cross_entropy.targets": targets}
    x = logits.double()
    entries["cross_entropy.none"] = F.cross_entropy(x, targets, reduction="none")
    entries["cross_entropy.sum"] = F.cross_entropy(x, targets, reduction="sum")
    for name, smoothing in {"cross_entropy": 0.0, "smoothed": 0.1}.items():
        x = logits.double().requires_grad_()
        mean = F.cross_entropy(x, targets, label_smoothing=smoothing)
        mean.backward()
        entries |= {f"{name}.mean": mean, f"{name}.gradients": x.grad}

    outputs, wanted = torch.randn(6, 4), torch.randn(6, 4)
    x = outputs.double().requires_grad_()
    mean = F.mse_loss(x, wanted.double())
    mean.backward()
    entries |= {
        "squared_error.outputs": outputs, "squared_error.targets": wanted, "squared_error.mean": mean,
        "squared_error.sum": F.mse_loss(x, wanted.double(), reduction="sum"), "squared_error.gradients": x.grad}
    save("losses", entries)


def make_batchnorm():
    inputs, upstream = torch.randn(3, 16, 5) * 2 + 0.5, torch.randn(3, 16, 5)
    inputs[:, :, 3] = 1000 + 0.1 * torch.randn(3, 16)
    inputs[:, :, 4] = 7.0
    layer = nn.BatchNorm1d(5)
    with torch.no_grad():
        layer.weight.uniform_(0.5, 1.5)
        layer.bias.uniform_(-1, 1)
    entries = {"weight": layer.weight, "bias": layer.bias, "inputs": inputs, "upstream": upstream}
    layer.double()

    def run(x, gradient):
        """Outputs and the gradients for inputs, weight and bias."""
        layer.zero_grad()
        x = x.double().requires_grad_()
        outputs = layer(x)
        outputs.backward(gradient.double())
        return outputs, x.grad, layer.weight.grad, layer.bias.grad

    names = ("outputs", "gradients.inputs", "gradients.weight", "gradients.bias")
    rows = {name: [] for name in (*names, "running_mean", "running_var")}
    for x, gradient in zip(inputs, upstream):
        values = (*run(x, gradient), layer.running_mean, layer.running_var)
        for name, value in zip(rows, values):
            rows[name].append(value.detach().clone())
    for name, values in rows.items():
        entries[f"train.{name}" if name in names else name] = torch.stack(values)
    layer.eval()
    for name, value in zip(names, run(inputs[0], upstream[0])):
        entries[f"eval.{name}"] = value
    save("batchnorm", entries)


def make_schedules():
    entries = {}
    for name, make_schedule in SCHEDULES.items():
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        schedule = make_schedule(optimizer)
        rates = []
        for _ in range(STEPS):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        entries[name] = torch.tensor(rates, dtype=torch.float64)
    save("schedules", entries)


def make_clipping():
    gradients = {"a": torch.randn(4, 3), "b": torch.randn(5), "c": torch.randn(2, 2, 2)}
    entries = {f"gradients.{name}": value for name, value in gradients.items()}

    def clipped(clip):
        """Each gradient after `clip` changed it, and what `clip` returned."""
        parameters = [torch.zeros(value.shape, dtype=torch.float64, requires_grad=True) for value in gradients.values()]
        for parameter, value in zip(parameters, gradients.values()):
            parameter.grad = value.double()
        returned = clip(parameters)
        return dict(zip(gradients, (p.grad for p in parameters))), returned

    for p in (1, 2, 3, math.inf):
        values, total = clipped(lambda parameters: nn.utils.clip_grad_norm_(parameters, 1.0, norm_type=p))
        entries[f"norm_{p}.total"] = total
        entries |= {f"norm_{p}.{name}": value for name, value in values.items()}
    runs = {
        "loose": lambda parameters: nn.utils.clip_grad_norm_(parameters, 100.0),
        "value": lambda parameters: nn.utils.clip_grad_value_(parameters, 0.5),
    }
    for run, clip in runs.items():
        entries |= {f"{run}.{name}": value for name, value in clipped(clip)[0].items()}
    save("clipping", entries)


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    makers = (make_seednet, make_seednet784, make_optimizers, make_activations, make_gains, make_losses, make_batchnorm,
              make_schedules, make_clipping)
    for maker in makers:
        torch.manual_seed(0)
        maker()
    total = sum(path.stat().st_size for path in FIXTURES.glob("*.safetensors"))
    print(f"PyTorch {torch.__version__}: {total / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
