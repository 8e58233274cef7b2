"""A small causal language model in PyTorch under Gimbal's names: fifty steps of AdamW; and position encodings."""
import torch
from torch import nn

from common import begin, save

VOCABULARY, LENGTH, SIZE, HEADS, LAYERS, STEPS, BATCH = 11, 6, 8, 2, 2, 50, 3


class Positions(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(LENGTH, SIZE) * 0.02)


class LanguageModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(VOCABULARY, SIZE) * 0.02)
        self.positions = Positions()
        layer = nn.TransformerEncoderLayer(SIZE, HEADS, 4 * SIZE, dropout=0.0, activation="gelu", batch_first=True,
                                           norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, LAYERS, norm=nn.LayerNorm(SIZE), enable_nested_tensor=False)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, x):
        mask = torch.ones(x.shape[1], x.shape[1]).triu(1).bool()
        return self.head(self.encoder(self.tokens[x] + self.positions.weight, mask=mask)).flatten(0, 1)


begin(13)
model = LanguageModel()
for parameter in model.parameters():
    parameter.data = parameter.data.float().double()
entries = {f"before.{key}": value.clone() for key, value in model.state_dict().items()}
tokens = torch.randint(0, VOCABULARY, (STEPS, BATCH, LENGTH))
targets = torch.randint(0, VOCABULARY, (STEPS, BATCH * LENGTH))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
losses = []
for x, y in zip(tokens, targets):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    losses.append(loss.item())
entries |= {"tokens": tokens, "targets": targets, "losses": torch.tensor(losses)}
entries |= {f"after.{key}": value.clone() for key, value in model.state_dict().items()}

# Vaswani et al. 2017, section 3.5, and Su et al. 2021 by complex numbers.
position, index = torch.arange(9.0)[:, None], torch.arange(0, 6, 2.0)
angles = position / 10000 ** (index / 6)
entries["sinusoidal"] = torch.stack([angles.sin(), angles.cos()], -1).flatten(1)
x = torch.randn(2, 3, 9, 6).float().double()
entries["rotary.inputs"] = x
turned = torch.view_as_complex(x.unflatten(-1, (3, 2)).contiguous()) * torch.polar(torch.ones_like(angles), angles)
entries["rotary.outputs"] = torch.view_as_real(turned).flatten(-2)
save("language_model", entries)
