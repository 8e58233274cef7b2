"""PyTorch's attention and transformer layers: outputs, gradients, weights, under every kind of mask.

Masks are stored as Gimbal has them: 1 where a key may be attended to.
"""
import torch
import torch.nn.functional as F
from torch import nn

from common import begin, save

entries = {}


def rounded(*shape):
    return torch.randn(shape).float().double().requires_grad_()


def note(name, outputs, inputs, module=None):
    upstream = torch.randn_like(outputs).float().double()
    outputs.backward(upstream)
    entries[f"{name}.outputs"], entries[f"{name}.upstream"] = outputs, upstream
    for index, value in enumerate(inputs):
        entries[f"{name}.inputs.{index}"] = value
        entries[f"{name}.gradients.inputs.{index}"] = value.grad
    if module is not None:
        for key, value in module.state_dict().items():
            entries[f"{name}.state.{key}"] = value
        for key, parameter in module.named_parameters():
            entries[f"{name}.gradients.{key}"] = parameter.grad


def prepared(module):
    """Weights that float32 holds exactly, none of them zero."""
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -0.5, 0.6)
        parameter.data = parameter.data.float().double()
    return module


begin(12)
KEEP = {
    "allowed": torch.rand(7, 9) < 0.6,
    "padding": (torch.arange(9) < torch.tensor([9, 4])[:, None])[:, None, None],
    "per_head": torch.rand(2, 3, 7, 9) < 0.6,
    "empty_rows": (torch.arange(7) % 2 == 0)[:, None],
}
for name, keep in KEEP.items():
    q, k, v = rounded(2, 3, 7, 4), rounded(2, 3, 9, 4), rounded(2, 3, 9, 5)
    note(f"sdpa.{name}", F.scaled_dot_product_attention(q, k, v, attn_mask=keep.expand(2, 3, 7, 9)), [q, k, v])
    entries[f"sdpa.{name}.keep"] = keep
q, k, v = rounded(2, 3, 7, 4), rounded(2, 3, 9, 4), rounded(2, 3, 9, 5)
added = (torch.randn(7, 9) * 2).float().double()
added[2, 3:] = -torch.inf
note("sdpa.added", F.scaled_dot_product_attention(q, k, v, attn_mask=added, scale=0.7), [q, k, v])
entries["sdpa.added.added"] = added
for name, shape in {"causal": (2, 3, 5, 4), "long": (1, 2, 131, 3), "flat": (6, 3), "three": (3, 5, 1)}.items():
    q, k, v = rounded(*shape), rounded(*shape), rounded(*shape)
    note(f"sdpa.{name}", F.scaled_dot_product_attention(q, k, v, is_causal=True), [q, k, v])
for name, queries, keys in (("wide", 3, 8), ("tall", 8, 3)):
    q, k, v = rounded(2, queries, 4), rounded(2, keys, 4), rounded(2, keys, 4)
    note(f"sdpa.{name}", F.scaled_dot_product_attention(q, k, v, is_causal=True), [q, k, v])

padding = torch.arange(9) < torch.tensor([9, 5, 1])[:, None]
for name, heads, options in (
    ("self", 2, {}), ("one_head", 1, {"bias": False}), ("batch_first", 4, {"batch_first": True}),
):
    module = prepared(nn.MultiheadAttention(8, heads, **options))
    x = rounded(3, 9, 8) if "batch_first" in options else rounded(9, 3, 8)
    outputs, weights = module(x, x, x, key_padding_mask=~padding)
    note(f"mha.{name}", outputs, [x], module)
    entries[f"mha.{name}.weights"], entries[f"mha.{name}.padding"] = weights, padding
module = prepared(nn.MultiheadAttention(8, 2))
x, memory = rounded(4, 3, 8), rounded(9, 3, 8)
allowed = torch.rand(4, 9) < 0.7
allowed[:, 0] = True
outputs, weights = module(x, memory, memory, key_padding_mask=~padding, attn_mask=~allowed)
note("mha.cross", outputs, [x, memory], module)
entries["mha.cross.weights"], entries["mha.cross.padding"], entries["mha.cross.keep"] = weights, padding, allowed
module = prepared(nn.MultiheadAttention(8, 2, kdim=5, vdim=3, batch_first=True))
x, key, value = rounded(3, 4, 8), rounded(3, 9, 5), rounded(3, 9, 3)
note("mha.sizes", module(x, key, value, need_weights=False)[0], [x, key, value], module)
module = prepared(nn.MultiheadAttention(8, 2))
x = rounded(5, 8)
note("mha.unbatched", module(x, x, x, need_weights=False)[0], [x], module)

for norm_first in (False, True):
    for activation in ("gelu",) if norm_first else ("relu", "gelu"):
        name = f"encoder.{'pre' if norm_first else 'post'}.{activation}"
        layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, activation=activation, batch_first=True,
                                           norm_first=norm_first)
        module = prepared(nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(8) if norm_first else None,
                                                enable_nested_tensor=False))
        x = rounded(3, 9, 8)
        note(name, module(x, src_key_padding_mask=~padding), [x], module)
        entries[f"{name}.padding"] = padding
        if activation == "gelu":
            save(f"transformer-{name}", module.state_dict())
    name = f"decoder.{'pre' if norm_first else 'post'}"
    layer = nn.TransformerDecoderLayer(8, 2, 12, dropout=0.0, norm_first=norm_first)
    module = prepared(nn.TransformerDecoder(layer, 1, norm=nn.LayerNorm(8)))
    x, memory = rounded(4, 3, 8), rounded(9, 3, 8)
    causal = torch.ones(4, 4).tril().bool()
    note(name, module(x, memory, tgt_mask=~causal, memory_key_padding_mask=~padding), [x, memory], module)
    entries[f"{name}.padding"] = padding
module = prepared(nn.Transformer(8, 2, 1, 1, 12, dropout=0.0))
source, target = rounded(5, 2, 8), rounded(3, 2, 8)
mask = nn.Transformer.generate_square_subsequent_mask(3).double()
note("transformer", module(source, target, tgt_mask=mask), [source, target], module)
save("attention", entries)
