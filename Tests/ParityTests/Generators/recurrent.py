"""Recurrent nets and cells: PyTorch's weights, outputs, final states and gradients, packed sequences among them."""
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import common

KINDS = {"tanh": lambda *a, **k: nn.RNN(*a, nonlinearity="tanh", **k),
         "relu": lambda *a, **k: nn.RNN(*a, nonlinearity="relu", **k), "lstm": nn.LSTM, "gru": nn.GRU}
STEPS, BATCH, INPUT, HIDDEN = 6, 5, 3, 7
LENGTHS = [6, 4, 1, 5, 1]


def run(entries, prefix, net, x, state, lengths=None):
    """Outputs, final states and all gradients, for fixed gradients arriving at outputs and final states."""
    x = x.clone().requires_grad_()
    state = tuple(s.clone().requires_grad_() for s in state)
    net.zero_grad()
    given = state if isinstance(net, nn.LSTM) else state[0]
    if lengths is None:
        outputs, final = net(x, given)
    else:
        packed = pack_padded_sequence(x, lengths, batch_first=net.batch_first, enforce_sorted=False)
        outputs, final = net(packed, given)
        outputs, _ = pad_packed_sequence(outputs, batch_first=net.batch_first)
    final = final if isinstance(final, tuple) else (final,)
    parts = (outputs, *final)
    arriving = [torch.randn(p.shape) for p in parts]
    sum((p * a).sum() for p, a in zip(parts, arriving)).backward()
    for name, part, gradient in zip(("outputs", "hidden", "cell"), parts, arriving):
        entries[f"{prefix}.{name}"] = part
        entries[f"{prefix}.arriving.{name}"] = gradient
    entries[f"{prefix}.gradients.input"] = x.grad
    for name, s in zip(("hidden", "cell"), state):
        entries[f"{prefix}.gradients.{name}"] = s.grad
    for name, parameter in net.named_parameters():
        entries[f"{prefix}.gradients.{name}"] = parameter.grad


def main():
    common.begin(41)
    entries = {"lengths": torch.tensor(LENGTHS)}
    for kind, make in KINDS.items():
        for layers, both, batch_first in ((2, True, False), (1, False, True)):
            name = f"{kind}{layers}"
            net = make(INPUT, HIDDEN, num_layers=layers, bidirectional=both, batch_first=batch_first)
            common.save(f"recurrent-{name}", dict(net.named_parameters()))
            shape = (BATCH, STEPS, INPUT) if batch_first else (STEPS, BATCH, INPUT)
            x = torch.randn(shape)
            places = layers * (2 if both else 1)
            state = [torch.randn(places, BATCH, HIDDEN) for _ in range(2 if kind == "lstm" else 1)]
            entries[f"{name}.input"] = x
            for part, value in zip(("hidden", "cell"), state):
                entries[f"{name}.initial.{part}"] = value
            run(entries, f"{name}.full", net, x, state)
            run(entries, f"{name}.packed", net, x, state, LENGTHS)
            run(entries, f"{name}.single", net, x.narrow(1 if batch_first else 0, 0, 1), state)
    for kind, cell in (("tanh", nn.RNNCell), ("lstm", nn.LSTMCell), ("gru", nn.GRUCell)):
        cell = cell(INPUT, HIDDEN)
        x, h = torch.randn(BATCH, INPUT), torch.randn(BATCH, HIDDEN)
        c = torch.randn(BATCH, HIDDEN)
        state = (h, c) if kind == "lstm" else h
        for _ in range(3):
            state = cell(x, state)
        hidden = state[0] if kind == "lstm" else state
        entries |= {f"{kind}cell.input": x, f"{kind}cell.initial.hidden": h, f"{kind}cell.initial.cell": c}
        hidden.sum().backward()
        entries[f"{kind}cell.hidden"] = hidden
        for name, parameter in cell.named_parameters():
            entries[f"{kind}cell.{name}"] = parameter
            entries[f"{kind}cell.gradients.{name}"] = parameter.grad
    table = nn.Embedding(11, 4, padding_idx=2)
    numbers = torch.randint(0, 11, (3, 5))
    numbers[1, 2] = 2
    vectors = table(numbers)
    arriving = torch.randn(vectors.shape)
    (vectors * arriving).sum().backward()
    entries |= {"embedding.weight": table.weight, "embedding.numbers": numbers, "embedding.outputs": vectors,
                "embedding.arriving": arriving, "embedding.gradients": table.weight.grad}
    common.save("recurrent", entries)


if __name__ == "__main__":
    main()
