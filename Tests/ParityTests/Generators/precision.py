#!/usr/bin/env python3
"""Writes Fixtures/precision.safetensors: 50 steps of the seed net under PyTorch's autocast, in bfloat16 and in float16.

    venv/bin/python Tests/ParityTests/Generators/precision.py

Weights, inputs and batches are those of seednet.safetensors and seednet-run.safetensors. The types are those of autocast
for GPUs, run on the CPU: linear layers in the low type, batch norm and ReLU as they come, cross-entropy in float32 (which
autocast for CPUs would leave in the low type). float16 with GradScaler at its default scale.

    NAME.losses, NAME.gradient_norms [50]   for each NAME in bfloat16, float16, as for seednet-run
    NAME.gradients.PARAMETER                of the first step, unscaled, before clipping
    NAME.final.logits [640,10]              the final model's answer to all inputs in evaluation mode, under autocast
"""
import torch
import torch.nn.functional as F
from common import FIXTURES, begin, save
from safetensors.torch import load_file
from torch import nn

begin()
torch.set_default_dtype(torch.float32)
state, run = load_file(FIXTURES / "seednet.safetensors"), load_file(FIXTURES / "seednet-run.safetensors")
inputs, targets, batches = run["inputs"], run["targets"], run["batches"]
results = {}
for name, dtype in [("bfloat16", torch.bfloat16), ("float16", torch.float16)]:
    model = nn.Sequential(nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 10))
    model.load_state_dict(state)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", enabled=dtype == torch.float16)
    losses, norms = [], []
    for step, rows in enumerate(batches):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype):
            logits = model(inputs[rows])
        loss = F.cross_entropy(logits.float(), targets[rows])
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        if step == 0:
            for key, parameter in model.named_parameters():
                results[f"{name}.gradients.{key}"] = parameter.grad.clone()
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), 1.0).item())
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad(), torch.autocast("cpu", dtype):
        results[f"{name}.final.logits"] = model(inputs).float()
    results[f"{name}.losses"], results[f"{name}.gradient_norms"] = torch.tensor(losses), torch.tensor(norms)
save("precision", results)
