"""PyTorch's ctc_loss: values, and gradients of the mean for the logits.

    python Generators/temporal_classification.py

temporal-classification.safetensors, for each CASE:
    CASE.logits [time, batch, classes]; CASE.targets [batch, labels], padded with 0; CASE.input_lengths,
    CASE.target_lengths [batch]; CASE.blank []
    CASE.none, .sum, .mean   the losses of log_softmax(logits)
    CASE.gradients           of the mean
    CASE.zeroed.*            the same with zero_infinity
"""
import torch
from torch.nn import functional as F

from common import begin, save

begin(31)
entries = {}


def case(name, time, classes, input_lengths, targets, blank=0, scale=1.0):
    batch = len(targets)
    width = max([len(t) for t in targets] + [1])
    padded = torch.tensor([t + [0] * (width - len(t)) for t in targets])
    lengths = torch.tensor([len(t) for t in targets])
    input_lengths = torch.tensor(input_lengths)
    logits = (torch.randn(time, batch, classes) * scale).float().double()
    entries.update({f"{name}.logits": logits, f"{name}.targets": padded, f"{name}.input_lengths": input_lengths,
                    f"{name}.target_lengths": lengths, f"{name}.blank": torch.tensor(blank)})
    for prefix, zero in [(name, False), (f"{name}.zeroed", True)]:
        x = logits.clone().requires_grad_()
        for reduction in ["none", "sum", "mean"]:
            loss = F.ctc_loss(F.log_softmax(x, 2), padded, input_lengths, lengths, blank=blank, reduction=reduction,
                              zero_infinity=zero)
            entries[f"{prefix}.{reduction}"] = loss
        loss.backward()
        entries[f"{prefix}.gradients"] = x.grad


case("plain", 12, 6, [12, 12, 12], [[1, 2, 3], [4, 5, 1], [2, 1, 5]])
case("lengths", 12, 6, [12, 7, 1, 10, 5], [[1, 2, 3, 4, 5], [3, 1], [2], [], [1, 2, 3, 4, 5]])
case("repeated", 10, 4, [10, 9, 8, 5], [[1, 1, 1], [2, 2, 3, 3], [1, 2, 1, 2], [3, 3, 3]])
case("last_blank", 9, 5, [9, 8, 9], [[0, 1, 0, 0], [3], [2, 2, 3, 3]], blank=4)
case("too_short", 6, 4, [6, 2, 3, 4], [[1, 2], [1, 2, 3], [1, 1], [3, 2, 3]])
case("one", 1, 2, [1], [[1]])
case("empty_targets", 5, 3, [5, 4], [[], []])
case("two_classes", 7, 2, [7, 6], [[1, 1, 1], [1]])
case("large", 20, 5, [20, 18], [[1, 2, 3, 4, 1, 2], [4, 3, 4]], scale=60.0)
case("long", 60, 12, [60, 55], [[(7 * i) % 11 + 1 for i in range(20)], [i // 2 % 11 + 1 for i in range(17)]])
save("temporal-classification", entries)
