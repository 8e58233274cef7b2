"""PyTorch's words for tensors: creation, indexing, shapes, reductions, order, products.

    python Generators/vocabulary.py

vocabulary.safetensors, for each CASE of `CASES`
    CASE.input.I        what the function is given; whole numbers and masks as I64
    CASE.outputs
    CASE.upstream       the gradient that arrives, where a gradient is compared
    CASE.gradients.I    for each input of real numbers, then
"""
import torch
from torch.nn import functional as F

from common import begin, save


def real(*shape):
    return torch.randn(shape).float().double()


def positive(*shape):
    return (torch.rand(shape) + 0.5).float().double()


def with_zeros(*zeros):
    x = real(3, 4)
    for place in zeros:
        x[place] = 0
    return x


def whole(high, *shape):
    return torch.randint(0, high, shape)


def mask(*shape):
    return torch.rand(shape) < 0.5


def recurrence(a, b):
    steps = [b[:, 0]]
    for i in range(1, b.shape[1]):
        steps.append(a[:, i] * steps[-1] + b[:, i])
    return torch.stack(steps, 1)


def assigned(x, index, value):
    x = x.clone()
    x[index] = value
    return x


def integers(x):
    return (x * 3).round()


begin(7)
x345 = [real(3, 4, 5)]
order = torch.stack([torch.randperm(4) for _ in range(15)]).reshape(3, 5, 4).movedim(2, 1)
# Each: the function, its inputs, and whether it has a gradient.
CASES = {
    # Creation.
    "arange": (lambda: torch.arange(2, 17, 3), [], False),
    "arange_down": (lambda: torch.arange(10, 0, -3), [], False),
    "arange_real": (lambda: torch.arange(0.5, 2.25, 0.25), [], False),
    "linspace": (lambda: torch.linspace(-1.5, 4, 12), [], False),
    "eye": (lambda: torch.eye(3, 5), [], False),
    "full": (lambda: torch.full((2, 3), 2.5), [], False),
    "zeros": (lambda x: torch.zeros_like(x), [real(2, 3)], False),
    "ones": (lambda x: torch.ones_like(x), [real(2, 3)], False),
    "copy": (lambda x: x.clone(), [real(2, 3)], True),
    # Operators.
    "scalars": (lambda x: 3 - (2 * x + 1) / 4 + 0.5 / (x * x + 1), [real(3, 4)], True),
    "equal": (lambda x, y: integers(x) == integers(y), [real(40), real(40)], False),
    "not_equal": (lambda x, y: integers(x) != integers(y), [real(40), real(40)], False),
    "less": (lambda x, y: integers(x) < integers(y), [real(40), real(40)], False),
    "less_equal": (lambda x, y: integers(x) <= integers(y), [real(40), real(40)], False),
    "greater": (lambda x, y: integers(x) > integers(y), [real(40), real(40)], False),
    "greater_equal": (lambda x, y: integers(x) >= integers(y), [real(40), real(40)], False),
    "less_than_scalar": (lambda x: x < 0.25, [real(40)], False),
    "isnan": (lambda x: torch.isnan(x), [torch.tensor([1.0, float("nan"), float("inf")])], False),
    "logical_and": (lambda x, y: x & y, [mask(20), mask(20)], False),
    "logical_or": (lambda x, y: x | y, [mask(20), mask(20)], False),
    "logical_xor": (lambda x, y: x ^ y, [mask(20), mask(20)], False),
    "logical_not": (lambda x: ~x, [mask(20)], False),
    "masked_fill": (lambda x, m: x.masked_fill(m, 2.5), [real(3, 4), mask(3, 4)], True),
    # Indexing.
    "index_integer": (lambda x: x[1, -1], x345, True),
    "index_range": (lambda x: x[:, 1:3, -2:], x345, True),
    "index_stride": (lambda x: x[::2, 1::2], x345, True),
    "index_ellipsis": (lambda x: x[..., 0, None], x345, True),
    "index_tensor": (lambda x, i: x[:, i], [real(3, 4, 5), whole(4, 2, 3)], True),
    "index_tensors": (lambda x, i, j: x[1:, i, j], [real(3, 4, 5), whole(4, 3, 1), whole(5, 2)], True),
    "index_apart": (lambda x, i, j: x[i, :, j], [real(3, 4, 5), whole(3, 6), whole(5, 6)], True),
    "index_mask": (lambda x, m: x[m], [real(3, 4, 5), mask(3, 4)], True),
    "index_mask_last": (lambda x, m: x[0, :, m], [real(3, 4, 5), mask(5)], True),
    "assign_range": (lambda x, y: assigned(x, (slice(None), slice(1, 3)), y), [real(3, 4, 5), real(2, 5)], True),
    "assign_tensor": (
        lambda x, i, y: assigned(x, (slice(None), i), y), [real(3, 4, 5), torch.tensor([3, 0]), real(3, 2, 5)], True),
    "assign_mask": (lambda x, m, y: assigned(x, m, y), [real(3, 4), mask(3, 4), real(1)[0]], True),
    "gathered": (lambda x, i: x.index_select(1, i), [real(3, 4, 5), whole(4, 6)], True),
    "gathered_along": (lambda x, i: torch.gather(x, 1, i), [real(3, 4, 5), whole(4, 3, 6, 5)], True),
    "scattered": (
        lambda x, i, y: torch.scatter(x, 1, i, y), [real(3, 4, 5), order[:, :3].contiguous(), real(3, 3, 5)], True),
    "scatter_added": (
        lambda x, i, y: torch.scatter_add(x, 1, i, y), [real(3, 4, 5), whole(4, 3, 6, 5), real(3, 6, 5)], True),
    # Shapes.
    "flipped": (lambda x: x.flip(0, 2), x345, True),
    "diagonal": (lambda x: torch.diagonal(x, 1, 0, 2), x345, True),
    "squeezed": (lambda x: x.squeeze(), [real(3, 1, 4, 1)], True),
    "split": (lambda x: torch.split(x, [1, 3], 1)[1], x345, True),
    "split_size": (lambda x: torch.split(x, 2, 2)[2], x345, True),
    "chunked": (lambda x: torch.chunk(x, 3, 2)[1], x345, True),
    "moved": (lambda x: torch.movedim(x, 0, 2), x345, True),
    "tiled": (lambda x: x.tile(2, 1, 3, 2), [real(2, 3, 2)], True),
    "repeated": (lambda x: x.repeat_interleave(3, 1), x345, True),
    "padded": (lambda x: F.pad(x, (1, 2, 3, 0), value=1.5), x345, True),
    "padded_reflect": (lambda x: F.pad(x, (4, 2, 1, 3), mode="reflect"), x345, True),
    "padded_replicate": (lambda x: F.pad(x, (4, 2, 0, 5), mode="replicate"), x345, True),
    "rolled": (lambda x: x.roll(-2, 1), x345, True),
    "lower": (lambda x: x.tril(1), x345, True),
    "upper": (lambda x: x.triu(-1), x345, True),
    # Reductions.
    "cumsum": (lambda x: x.cumsum(1), x345, True),
    "cumprod": (lambda x: x.cumprod(1), [with_zeros((0, 1), (1, 0), (1, 2), (2, 3))], True),
    "product": (lambda x: x.prod(), [real(3, 4)], True),
    "product_zeros": (lambda x: x.prod(1), [with_zeros((0, 1), (1, 0), (1, 2))], True),
    "product_axes": (lambda x: x.movedim(1, 2).reshape(15, 4).prod(0), x345, True),
    "recurrence": (recurrence, [real(3, 7), real(3, 7)], True),
    "std": (lambda x: x.std((0, 2)), x345, True),
    "std_population": (lambda x: x.std(1, correction=0, keepdim=True), x345, True),
    "logsumexp": (lambda x: x.logsumexp((0, 2)), [real(3, 4, 5) * 40], True),
    "norm": (lambda x: torch.linalg.vector_norm(x, dim=1), x345, True),
    "norm_1": (lambda x: torch.linalg.vector_norm(x, 1, dim=(0, 1)), x345, True),
    "norm_3": (lambda x: torch.linalg.vector_norm(x, 3), x345, True),
    "norm_inf": (lambda x: torch.linalg.vector_norm(x, float("inf"), dim=2, keepdim=True), x345, True),
    "norm_0": (lambda x: torch.linalg.vector_norm(x, 0, dim=1), [with_zeros((0, 1), (0, 2))], False),
    "any": (lambda m: m.any(1), [torch.tensor([[True, False], [False, False], [True, True]])], False),
    "all": (lambda m: m.all(1), [torch.tensor([[True, False], [False, False], [True, True]])], False),
    "mask_sum": (lambda m: m.sum(0), [mask(300, 2)], False),
    # Order.
    "argmax": (lambda x: x.argmax(1), x345, False),
    "argmin": (lambda x: x.argmin(0, keepdim=True), x345, False),
    # Neighbours 1/50 apart: a step of central differences must not exchange them.
    "sorted": (lambda x: x.sort(1).values, [(real(3, 300).argsort(1) / 50).float().double()], True),
    "sorted_down": (lambda x: x.sort(0, descending=True).values, x345, True),
    "argsorted": (lambda x: integers(x).argsort(dim=1, stable=True), [real(3, 700)], False),
    "argsorted_down": (lambda x: integers(x).argsort(dim=1, descending=True, stable=True), [real(3, 40)], False),
    "topk": (lambda x: x.topk(3, 2).values, x345, True),
    "topk_indices": (lambda x: x.topk(2, 1, largest=False).indices, x345, False),
    # Products.
    "matmul": (lambda x, y: x @ y, [real(2, 3, 4), real(4, 5)], True),
    "matmul_vector": (lambda x, y: x @ y, [real(2, 3, 4), real(4)], True),
    "vector_matmul": (lambda x, y: x @ y, [real(3), real(2, 3, 4)], True),
    "dot": (torch.dot, [real(6), real(6)], True),
    "outer": (torch.outer, [real(3), real(4)], True),
    "einsum_product": (lambda x, y: torch.einsum("ij,kj->ki", x, y), [real(2, 3), real(4, 3)], True),
    "einsum_attention": (
        lambda q, k: torch.einsum("bqhd,bkhd->bhqk", q, k), [real(2, 3, 2, 4), real(2, 5, 2, 4)], True),
    "einsum_trace": (lambda x: torch.einsum("ii", x), [real(4, 4)], True),
    "einsum_diagonal": (lambda x: torch.einsum("iji->ij", x), [real(3, 2, 3)], True),
    "einsum_ellipsis": (lambda x, y: torch.einsum("...ij,j...->...i", x, y), [real(2, 3, 4), real(4, 2)], True),
    "einsum_broadcast": (lambda x, y: torch.einsum("...i,...i", x, y), [real(2, 1, 4), real(3, 4)], True),
    "einsum_bilinear": (
        lambda a, w, b: torch.einsum("ni,oij,nj->no", a, w, b), [real(5, 3), real(2, 3, 4), real(5, 4)], True),
    "einsum_implicit": (lambda x, y: torch.einsum("ba,ca", x, y), [real(2, 3), real(4, 3)], True),
    "einsum_sums": (lambda x, y: torch.einsum("ijk,l->j", x, y), [real(2, 3, 4), real(3)], True),
}

entries = {}
for name, (function, inputs, has_gradient) in CASES.items():
    leaves = [x.clone().requires_grad_() if has_gradient and x.is_floating_point() else x for x in inputs]
    outputs = function(*leaves)
    for index, value in enumerate(inputs):
        entries[f"{name}.input.{index}"] = value
    entries[f"{name}.outputs"] = outputs
    if has_gradient:
        upstream = torch.randn(outputs.shape).float().double()
        entries[f"{name}.upstream"] = upstream
        outputs.backward(upstream)
        for index, leaf in enumerate(leaves):
            if leaf.is_floating_point():
                entries[f"{name}.gradients.{index}"] = leaf.grad
save("vocabulary", entries)
