#!/usr/bin/env python3
"""Writes Fixtures/optimizer-kinds.safetensors and schedule-kinds.safetensors: PyTorch's optimizers and schedules.

optimizer-kinds: 50 steps each of Linear(6,10)-Tanh-Linear(10,3) on one batch of 16, mean squared error.
    inputs [16,6], targets [16,3]; initial.NAME: the state_dict that every run starts from
    RUN.losses [50], RUN.final.NAME: for each RUN in OPTIMIZERS below
LAMB and Lion, which PyTorch has not, are written out below from their papers.

schedule-kinds: NAME [100]: the rate used in each of steps 0 ... 99, base rate 0.1, for each NAME in SCHEDULES;
    momentum.NAME [100] where it is cycled. plateau.NAME.metrics [60], plateau.NAME.rates [60]: the rate after each metric.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

import common


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, algorithm 2."""

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (b1, b2), lr = group["betas"], group["lr"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                update = torch.sign(b1 * m + (1 - b1) * p.grad)
                m.copy_(b2 * m + (1 - b2) * p.grad)
                p.copy_(p - lr * (update + group["weight_decay"] * p))


class LAMB(torch.optim.Optimizer):
    """You et al. 2020, algorithm 2, with the identity for phi."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (b1, b2), lr = group["betas"], group["lr"]
            for p in group["params"]:
                s = self.state[p]
                if not s:
                    s.update(t=0, m=torch.zeros_like(p), v=torch.zeros_like(p))
                s["t"] += 1
                s["m"] = b1 * s["m"] + (1 - b1) * p.grad
                s["v"] = b2 * s["v"] + (1 - b2) * p.grad ** 2
                m, v = s["m"] / (1 - b1 ** s["t"]), s["v"] / (1 - b2 ** s["t"])
                r = m / (v.sqrt() + group["eps"]) + group["weight_decay"] * p
                wn, rn = p.norm(), r.norm()
                ratio = wn / rn if wn > 0 and rn > 0 else 1.0
                p.copy_(p - lr * ratio * r)


O = torch.optim
OPTIMIZERS = {
    "amsgrad": lambda p: O.Adam(p, lr=0.02, betas=(0.9, 0.9), amsgrad=True),
    "amsgrad_decay": lambda p: O.AdamW(p, lr=0.02, weight_decay=0.1, amsgrad=True),
    "adagrad": lambda p: O.Adagrad(p),
    "adagrad_decay": lambda p: O.Adagrad(
        p, lr=0.1, lr_decay=0.05, weight_decay=0.01, initial_accumulator_value=0.1, eps=1e-6),
    "adadelta": lambda p: O.Adadelta(p),
    "adadelta_decay": lambda p: O.Adadelta(p, lr=0.5, rho=0.8, eps=1e-4, weight_decay=0.05),
    "rmsprop": lambda p: O.RMSprop(p),
    "rmsprop_momentum": lambda p: O.RMSprop(p, lr=0.005, alpha=0.9, momentum=0.8, weight_decay=0.02),
    "rmsprop_centred": lambda p: O.RMSprop(p, lr=0.005, alpha=0.95, eps=1e-3, centered=True),
    "rmsprop_centred_momentum": lambda p: O.RMSprop(p, lr=0.002, eps=1e-3, centered=True, momentum=0.7),
    "nadam": lambda p: O.NAdam(p, lr=0.01),
    "nadam_decay": lambda p: O.NAdam(p, lr=0.01, betas=(0.85, 0.99), weight_decay=0.02, momentum_decay=0.02),
    "nadam_decoupled": lambda p: O.NAdam(p, lr=0.01, weight_decay=0.1, decoupled_weight_decay=True),
    "radam": lambda p: O.RAdam(p, lr=0.02),
    "radam_decay": lambda p: O.RAdam(p, lr=0.02, betas=(0.85, 0.95), weight_decay=0.02),
    "radam_decoupled": lambda p: O.RAdam(p, lr=0.02, weight_decay=0.1, decoupled_weight_decay=True),
    "adamax": lambda p: O.Adamax(p, lr=0.01),
    "adamax_decay": lambda p: O.Adamax(p, lr=0.02, betas=(0.8, 0.95), weight_decay=0.1),
    "lion": lambda p: Lion(p, lr=0.003),
    "lion_decay": lambda p: Lion(p, lr=0.003, betas=(0.8, 0.95), weight_decay=0.5),
    "lamb": lambda p: LAMB(p, lr=0.02),
    "lamb_decay": lambda p: LAMB(p, lr=0.02, betas=(0.8, 0.95), weight_decay=0.1),
}

# Groups: the second layer at a tenth of the rate and without decay.
GROUPED = lambda m: O.AdamW(
    [{"params": m[0].parameters()}, {"params": m[2].parameters(), "lr": 0.001, "weight_decay": 0.0}],
    lr=0.01, weight_decay=0.2)

L = lr_scheduler
SCHEDULES = {
    "multi_step": lambda o: L.MultiStepLR(o, milestones=[10, 30, 31, 80], gamma=0.3),
    "exponential": lambda o: L.ExponentialLR(o, gamma=0.97),
    "linear": lambda o: L.LinearLR(o, start_factor=0.25, end_factor=0.75, total_iters=40),
    "polynomial": lambda o: L.PolynomialLR(o, total_iters=70, power=1.0),
    "polynomial_2": lambda o: L.PolynomialLR(o, total_iters=70, power=2.5),
    "cosine": lambda o: L.CosineAnnealingLR(o, T_max=100, eta_min=0.002),
    "restarts": lambda o: L.CosineAnnealingWarmRestarts(o, T_0=15),
    "restarts_2": lambda o: L.CosineAnnealingWarmRestarts(o, T_0=7, T_mult=2, eta_min=0.01),
    "one_cycle": lambda o: L.OneCycleLR(o, max_lr=0.1, total_steps=100),
    "one_cycle_linear": lambda o: L.OneCycleLR(
        o, max_lr=0.1, total_steps=100, pct_start=0.2, anneal_strategy="linear", div_factor=10, final_div_factor=100),
    "one_cycle_three": lambda o: L.OneCycleLR(o, max_lr=0.1, total_steps=100, pct_start=0.4, three_phase=True),
    "cyclic": lambda o: L.CyclicLR(o, base_lr=0.1, max_lr=0.6, step_size_up=8, cycle_momentum=False),
    "cyclic_2": lambda o: L.CyclicLR(
        o, base_lr=0.1, max_lr=0.6, step_size_up=5, step_size_down=15, mode="triangular2", cycle_momentum=False),
    "cyclic_range": lambda o: L.CyclicLR(
        o, base_lr=0.1, max_lr=0.6, step_size_up=10, mode="exp_range", gamma=0.98, cycle_momentum=False),
    "noam": lambda o: L.LambdaLR(o, lambda s: 512 ** -0.5 * min((s + 1) ** -0.5, (s + 1) * 20 ** -1.5)),
    "sequential": lambda o: L.SequentialLR(
        o, [L.ConstantLR(o, factor=0.1, total_iters=1000), L.ExponentialLR(o, gamma=0.9),
            L.CosineAnnealingLR(o, T_max=50)], milestones=[20, 50]),
    "chained": lambda o: L.ChainedScheduler([L.LinearLR(o, 0.1, 1.0, 10), L.ExponentialLR(o, gamma=0.95)]),
}

PLATEAUS = {
    "default": dict(patience=3),
    "max_abs": dict(mode="max", factor=0.5, patience=2, threshold=0.05, threshold_mode="abs", cooldown=3),
    "floor": dict(factor=0.2, patience=1, threshold=0.02, min_lr=0.003, cooldown=1),
}


def train(make, dtype, state, inputs, targets):
    model = nn.Sequential(nn.Linear(6, 10), nn.Tanh(), nn.Linear(10, 3)).to(dtype)
    model.load_state_dict(state)
    optimizer = make(model)
    losses = []
    for _ in range(50):
        optimizer.zero_grad()
        loss = F.mse_loss(model(inputs.to(dtype)), targets.to(dtype))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return torch.tensor(losses), model.state_dict()


def make_optimizers():
    model = nn.Sequential(nn.Linear(6, 10), nn.Tanh(), nn.Linear(10, 3))
    state = {k: v.float().double() for k, v in model.state_dict().items()}
    inputs, targets = torch.randn(16, 6).float(), torch.randn(16, 3).float()
    entries = {"inputs": inputs, "targets": targets} | {f"initial.{k}": v for k, v in state.items()}
    runs = {name: (lambda make: lambda m: make(m.parameters()))(make) for name, make in OPTIMIZERS.items()}
    for name, make in (runs | {"grouped": GROUPED}).items():
        losses, final = train(make, torch.float64, state, inputs, targets)
        single, single_final = train(make, torch.float32, state, inputs, targets)
        error = max(((single - losses) / losses).abs().max().item(),
                    *[((single_final[k] - v).abs().max() / v.abs().max()).item() for k, v in final.items()])
        print(f"{name}: loss {losses[0]:.4f} to {losses[-1]:.4f}, float32 against float64 {error:.1e}")
        if error > 3e-6:
            raise SystemExit(f"{name} is too sensitive to rounding to compare with")
        entries[f"{name}.losses"] = losses
        entries |= {f"{name}.final.{k}": v for k, v in final.items()}
    common.save("optimizer-kinds", entries)


def make_schedules():
    entries = {}
    for name, make in SCHEDULES.items():
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
        scheduler = make(optimizer)
        rates, momenta = [], []
        for _ in range(100):
            rates.append(optimizer.param_groups[0]["lr"])
            momenta.append(optimizer.param_groups[0]["momentum"])
            optimizer.step()
            if len(rates) < 100:
                scheduler.step()
        entries[name] = torch.tensor(rates)
        if name.startswith("one_cycle"):
            entries[f"momentum.{name}"] = torch.tensor(momenta)
    for name, settings in PLATEAUS.items():
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
        scheduler = L.ReduceLROnPlateau(optimizer, **settings)
        metrics = torch.exp(-torch.arange(60) / 12) + 0.1 * torch.rand(60)
        metrics = (1 - metrics if settings.get("mode") == "max" else metrics).float().double()
        metrics[7] = math.nan
        rates = []
        for metric in metrics:
            scheduler.step(metric.item())
            rates.append(optimizer.param_groups[0]["lr"])
        entries |= {f"plateau.{name}.metrics": metrics, f"plateau.{name}.rates": torch.tensor(rates)}
    common.save("schedule-kinds", entries)


if __name__ == "__main__":
    common.begin()
    make_optimizers()
    make_schedules()
