"""Classifies by two inputs, the two halves of an image, with skip connections and a focal loss, on Fashion-MNIST.

    two_inputs.py [FASHION-MNIST [RUN [IMAGES]]]

Ctrl-C leaves; the same command goes on from the last epoch. The best weights by validation loss are kept.
"""
import gzip
import os
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

folder, run, count = (sys.argv[1:] + ["data/fashion-mnist", "runs/two", "60000"][len(sys.argv) - 1:])[:3]
count = int(count)


def read(name, offset):
    with gzip.open(f"{folder}/{name}-ubyte.gz") as file:
        return torch.from_numpy(np.frombuffer(file.read(), np.uint8, offset=offset).copy())


def load(part, size):
    images = read(f"{part}-images-idx3", 16).reshape(-1, 784)[:size].float() / 255
    return images[:, :392], images[:, 392:], read(f"{part}-labels-idx1", 8)[:size].long()


class Branch(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = nn.Linear(392, width)
        self.outer = nn.Linear(width, width)

    def forward(self, x):
        hidden = F.relu(self.inner(x))
        return hidden + F.relu(self.outer(hidden))


class TwoInputs(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.upper = Branch(width)
        self.lower = Branch(width)
        self.head = nn.Linear(2 * width, 10)

    def forward(self, upper, lower):
        return self.head(torch.cat([self.upper(upper), self.lower(lower)], dim=1))


def focal_loss(logits, targets, gamma=2.0):
    log_probability = F.log_softmax(logits, dim=1).gather(1, targets.unsqueeze(1))
    return (-(1 - log_probability.exp()) ** gamma * log_probability).mean()


torch.manual_seed(0)
upper, lower, targets = load("train", count)
test = load("t10k", max(count // 6, 1))
model = TwoInputs()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
first, best = 0, float("inf")
os.makedirs(run, exist_ok=True)
if os.path.exists(f"{run}/checkpoint.pt"):
    saved = torch.load(f"{run}/checkpoint.pt")
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    first, best = saved["epoch"], saved["best"]
    print(f"going on after epoch {first}")
for epoch in range(first, 5):
    torch.manual_seed(epoch)
    sum_of_losses = 0.0
    for batch in torch.randperm(len(targets)).split(64):
        optimizer.zero_grad()
        loss = focal_loss(model(upper[batch], lower[batch]), targets[batch])
        loss.backward()
        optimizer.step()
        sum_of_losses += loss.item() * len(batch)
    with torch.no_grad():
        logits = model(test[0], test[1])
        validation = focal_loss(logits, test[2]).item()
        accuracy = (logits.argmax(1) == test[2]).float().mean().item()
    if validation < best:
        best = validation
        torch.save(model.state_dict(), f"{run}/best.pt")
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch + 1, "best": best}
    torch.save(state, f"{run}/checkpoint.pt.partial")
    os.replace(f"{run}/checkpoint.pt.partial", f"{run}/checkpoint.pt")
    print(f"epoch {epoch + 1}  trainLoss {sum_of_losses / len(targets):.4f}  validationLoss {validation:.4f}  "
          f"validationAccuracy {accuracy:.4f}")
