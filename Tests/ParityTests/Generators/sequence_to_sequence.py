"""Models from one sequence to another in PyTorch under Gimbal's names: logits and gradients of pairs of unlike lengths.

Logits are compared where the target has a token: `places` are their rows.
"""
import torch
from torch import nn

from common import begin, save

SOURCES, TARGETS, PADDING = 9, 7, 0
entries = {}


def rounded(*shape):
    return torch.randn(shape).float().double().requires_grad_()


def prepared(module):
    """Weights that float32 holds exactly, none of them zero."""
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -0.5, 0.6)
        parameter.data = parameter.data.float().double()
    return module


def note(name, module, outputs, **others):
    upstream = torch.randn_like(outputs).float().double()
    outputs.backward(upstream)
    entries[f"{name}.outputs"], entries[f"{name}.upstream"] = outputs, upstream
    for key, value in others.items():
        entries[f"{name}.{key}"] = value
    for key, value in module.state_dict().items():
        entries[f"{name}.state.{key}"] = value
    for key, parameter in module.named_parameters():
        entries[f"{name}.gradients.{key}"] = parameter.grad


class GlobalAttention(nn.Module):
    """Luong et al. 2015, equations 5, 7 and 8 (general)."""

    def __init__(self, size, memory_size):
        super().__init__()
        self.score = nn.Linear(memory_size, size, bias=False)
        self.output = nn.Linear(memory_size + size, size, bias=False)

    def forward(self, query, memory, mask):
        scores = query @ self.score(memory).transpose(1, 2)
        weights = scores.masked_fill(~mask[:, None], -torch.inf).softmax(-1)
        return self.output(torch.cat([weights @ memory, query], -1)).tanh()


class Recurrent(nn.Module):
    def __init__(self, kind, size, hidden, layers):
        super().__init__()
        self.source_tokens = nn.Parameter(torch.empty(SOURCES, size))
        self.target_tokens = nn.Parameter(torch.empty(TARGETS, size))
        self.encoder = kind(size, hidden, layers, batch_first=True, bidirectional=True)
        self.hidden_bridge = nn.Linear(2 * layers * hidden, layers * hidden)
        if kind is nn.LSTM:
            self.cell_bridge = nn.Linear(2 * layers * hidden, layers * hidden)
        self.decoder = kind(size, hidden, layers, batch_first=True)
        self.attention = GlobalAttention(hidden, 2 * hidden)
        self.head = nn.Linear(hidden, TARGETS)

    def forward(self, source, target):
        mask = source != PADDING
        packed = nn.utils.rnn.pack_padded_sequence(
            self.source_tokens[source], mask.sum(1), batch_first=True, enforce_sorted=False)
        memory, last = self.encoder(packed)
        memory, _ = nn.utils.rnn.pad_packed_sequence(memory, batch_first=True, total_length=source.shape[1])

        def bridged(state, bridge):
            joined = bridge(state.transpose(0, 1).flatten(1)).tanh()
            return joined.unflatten(1, (self.decoder.num_layers, -1)).transpose(0, 1).contiguous()

        if isinstance(last, tuple):
            first = bridged(last[0], self.hidden_bridge), bridged(last[1], self.cell_bridge)
        else:
            first = bridged(last, self.hidden_bridge)
        outputs, _ = self.decoder(self.target_tokens[target], first)
        return self.head(self.attention(outputs, memory, mask)).flatten(0, 1)


class Positions(nn.Module):
    def __init__(self, length, size):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(length, size))

    def forward(self, x):
        return x + self.weight[: x.shape[1]]


class Transformer(nn.Module):
    def __init__(self, length, size, heads, layers, feedforward, shares):
        super().__init__()
        self.source_tokens = nn.Parameter(torch.empty(SOURCES, size))
        self.target_tokens = nn.Parameter(torch.empty(TARGETS, size))
        self.source_positions = Positions(length, size)
        self.target_positions = Positions(length, size)
        whole = nn.Transformer(size, heads, layers, layers, feedforward, dropout=0.0, activation="gelu",
                               batch_first=True, norm_first=True)
        self.encoder, self.decoder = whole.encoder, whole.decoder
        self.head = None if shares else nn.Linear(size, TARGETS)

    def forward(self, source, target):
        missing = source == PADDING
        memory = self.encoder(self.source_positions(self.source_tokens[source]), src_key_padding_mask=missing)
        future = torch.ones(target.shape[1], target.shape[1]).triu(1).bool()
        features = self.decoder(self.target_positions(self.target_tokens[target]), memory, tgt_mask=future,
                                memory_key_padding_mask=missing)
        logits = features @ self.target_tokens.T if self.head is None else self.head(features)
        return logits.flatten(0, 1)


begin(21)
source_lengths, target_lengths = torch.tensor([5, 2, 1, 4]), torch.tensor([3, 6, 1, 4])


def sequences(vocabulary, lengths):
    tokens = torch.randint(1, vocabulary, (len(lengths), int(lengths.max())))
    return tokens.where(torch.arange(tokens.shape[1]) < lengths[:, None], PADDING)


source, target = sequences(SOURCES, source_lengths), sequences(TARGETS, target_lengths)
places = (target != PADDING).flatten().nonzero().flatten()
models = {
    "recurrent.lstm": Recurrent(nn.LSTM, 5, 4, 2), "recurrent.gru": Recurrent(nn.GRU, 5, 4, 2),
    "transformer.own": Transformer(8, 8, 2, 2, 12, False), "transformer.shared": Transformer(8, 8, 2, 2, 12, True),
}
for name, model in models.items():
    prepared(model)
    note(name, model, model(source, target)[places], source=source, target=target, places=places)

layer = prepared(GlobalAttention(6, 4))
query, memory = rounded(3, 4, 6), rounded(3, 5, 4)
mask = torch.arange(5) < torch.tensor([5, 3, 1])[:, None]
note("attention", layer, layer(query, memory, mask), mask=mask)
for index, value in enumerate((query, memory)):
    entries[f"attention.inputs.{index}"], entries[f"attention.gradients.inputs.{index}"] = value, value.grad
save("sequence_to_sequence", entries)
