#!/usr/bin/env python3
"""Writes Fixtures/averages-and-clipping.safetensors.

    ema.weight [12,4,3], ema.bias [12,4], ema.buffer [12,4]   the weights held at each of 12 updates
    ema.average.weight, .bias, .buffer                        AveragedModel with get_ema_multi_avg_fn(0.9) after the last
    gradients.a [4,3], .b [5], .c [3,2,2]; weights.a .b .c
    parameter_P.a .b .c       clip_grad_norm_ of each parameter alone to 0.5, P in 1, 2, inf
    adaptive.a .b .c          adaptive clipping with 0.1 and 0.001, written out from Brock et al. 2021, equation 3
    maxnorm.a .b .c           weights with each unit's norm at most 0.8 (torch.renorm); unitnorm.a .b .c
    autoclip.norms [40], autoclip.limits [40]   numpy.percentile(norms so far, 30)
"""
import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import common


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4, 3))
        self.bias = nn.Parameter(torch.zeros(4))
        self.register_buffer("buffer", torch.zeros(4))


def averages():
    model = Small()
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    values = {"weight": torch.randn(12, 4, 3), "bias": torch.randn(12, 4), "buffer": torch.randn(12, 4)}
    values = {k: v.float().double() for k, v in values.items()}
    for step in range(12):
        with torch.no_grad():
            for name, value in values.items():
                getattr(model, name).copy_(value[step])
        average.update_parameters(model)
    return {f"ema.{k}": v for k, v in values.items()} | {
        f"ema.average.{k}": getattr(average.module, k) for k in values}


def units(x):
    """The norm of each unit, to be broadcast: over all axes but the first, over all of one axis."""
    return x.norm() if x.dim() <= 1 else x.flatten(1).norm(dim=1).reshape([-1] + [1] * (x.dim() - 1))


def clipping():
    shapes = {"a": (4, 3), "b": (5,), "c": (3, 2, 2)}
    gradients = {k: torch.randn(s).float().double() for k, s in shapes.items()}
    weights = {k: (torch.randn(s) * 0.7).float().double() for k, s in shapes.items()}
    weights["a"][1] = 1e-5
    entries = {f"gradients.{k}": v for k, v in gradients.items()} | {f"weights.{k}": v for k, v in weights.items()}
    for name in shapes:
        g, w = gradients[name], weights[name]
        for p in (1, 2, float("inf")):
            parameter = nn.Parameter(torch.zeros_like(g))
            parameter.grad = g.clone()
            nn.utils.clip_grad_norm_([parameter], 0.5, norm_type=p)
            entries[f"parameter_{p}.{name}"] = parameter.grad
        limit = 0.1 * units(w).clamp(min=1e-3)
        entries[f"adaptive.{name}"] = torch.where(units(g) > limit, g * limit / units(g).clamp(min=1e-6), g)
        entries[f"maxnorm.{name}"] = w * (0.8 / units(w)).clamp(max=1)
        entries[f"unitnorm.{name}"] = w / units(w)
        if w.dim() > 1:
            assert torch.allclose(entries[f"maxnorm.{name}"], torch.renorm(w, 2, 0, 0.8), rtol=1e-6)
    norms = torch.rand(40).float().double() * 3
    limits = [np.percentile(norms[:i + 1].numpy(), 30) for i in range(40)]
    return entries | {"autoclip.norms": norms, "autoclip.limits": torch.tensor(limits)}


if __name__ == "__main__":
    common.begin()
    common.save("averages-and-clipping", averages() | clipping())
