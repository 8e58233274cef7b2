"""A Transformer that learns a text by characters and writes on, keeping the keys and values of what it has written.

    python language_model.py TEXT
"""
import sys
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
text = open(sys.argv[1]).read()
characters = sorted(set(text))
codes = {character: code for code, character in enumerate(characters)}
data = torch.tensor([codes[character] for character in text])
SIZE, HEADS, LENGTH = 64, 4, 128


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(SIZE), nn.LayerNorm(SIZE)
        self.qkv, self.out = nn.Linear(SIZE, 3 * SIZE), nn.Linear(SIZE, SIZE)
        self.up, self.down = nn.Linear(SIZE, 4 * SIZE), nn.Linear(4 * SIZE, SIZE)

    def forward(self, x, cache=None):
        batch, length, _ = x.shape
        parts = self.qkv(self.norm1(x)).reshape(batch, length, 3, HEADS, SIZE // HEADS)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        if cache is not None:
            key, value = (torch.cat(pair, dim=2) for pair in zip(cache, (key, value)))
        mask = torch.ones(length, key.shape[2], dtype=torch.bool).tril(key.shape[2] - length)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, SIZE))
        return x + self.down(F.gelu(self.up(self.norm2(x)))), (key, value)


class LanguageModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.characters, self.positions = nn.Embedding(len(characters), SIZE), nn.Embedding(LENGTH, SIZE)
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.norm, self.head = nn.LayerNorm(SIZE), nn.Linear(SIZE, len(characters))

    def forward(self, codes, caches=None):
        start = caches[0][0].shape[2] if caches else 0
        x = self.characters(codes) + self.positions(torch.arange(start, start + codes.shape[1]))
        kept = []
        for block, cache in zip(self.blocks, caches or [None] * len(self.blocks)):
            x, cache = block(x, cache)
            kept.append(cache)
        return self.head(self.norm(x)), kept


model = LanguageModel()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for step in range(300):
    starts = torch.randint(len(data) - LENGTH - 1, (16, 1))
    piece = data[starts + torch.arange(LENGTH + 1)]
    logits, _ = model(piece[:, :-1])
    loss = F.cross_entropy(logits.flatten(0, 1), piece[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step % 100 == 99:
        print(f"step {step + 1}  loss {loss.item():.4f}")

with torch.no_grad():
    code, caches, written = data[:1].unsqueeze(0), None, ""
    for _ in range(LENGTH):
        logits, caches = model(code, caches)
        code = torch.multinomial(F.softmax(logits[:, -1] / 0.8, dim=1), 1)
        written += characters[code.item()]
print(written)
