"""Gradients of gradients, as PyTorch has them: Hessian-vector products, and a gradient penalty.

    python Generators/second_order.py

second-order.safetensors, for each CASE:
    CASE.operand.I            what the function is applied to
    CASE.upstream             u, of the shape of its output y
    CASE.vector.I             vᵢ, of the shape of operand xᵢ
    CASE.first.I              gᵢ = ∂(Σ u y)/∂xᵢ
    CASE.second.I             ∂(Σᵢ Σ vᵢ gᵢ)/∂xᵢ
penalty.NAME                  the critic Linear(6,16)-SiLU-Linear(16,1): weights, inputs [8,6], the penalty
                              mean((‖∂D/∂x‖ - 1)²) of Gulrajani et al. 2017, and its gradients for the weights
"""
import torch
from torch import nn
from torch.nn import functional as F

from common import begin, save

begin(47)
entries = {}


def draw(*shape, low=-1.5, high=1.5):
    return (torch.rand(shape) * (high - low) + low).float().double()


def case(name, operands, function):
    operands = [x.requires_grad_() for x in operands]
    output = function(*operands)
    upstream = draw(*output.shape)
    vectors = [draw(*x.shape) for x in operands]
    first = torch.autograd.grad((output * upstream).sum(), operands, create_graph=True)
    product = sum((g * v).sum() for g, v in zip(first, vectors))
    second = torch.autograd.grad(product, operands, allow_unused=True)
    entries[f"{name}.upstream"] = upstream
    for i, x in enumerate(operands):
        entries.update({f"{name}.operand.{i}": x, f"{name}.vector.{i}": vectors[i], f"{name}.first.{i}": first[i],
                        f"{name}.second.{i}": torch.zeros_like(x) if second[i] is None else second[i]})


for name, function in {
    "exp": torch.exp, "sine": torch.sin, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "logSigmoid": F.logsigmoid,
    "softsign": F.softsign, "relu": torch.relu, "leakyReLU": lambda x: F.leaky_relu(x, 0.1), "elu": F.elu,
    "selu": F.selu, "celu": lambda x: F.celu(x, 0.7), "silu": F.silu, "gelu": F.gelu,
    "geluTanh": lambda x: F.gelu(x, approximate="tanh"), "mish": F.mish, "softplus": F.softplus,
    "hardSwish": F.hardswish, "tanhShrink": F.tanhshrink,
}.items():
    case(name, [draw(4, 7, low=-4, high=4)], function)
case("divide", [draw(4, 7), draw(7, low=0.5, high=2)], lambda x, y: x / y)
case("power", [draw(4, 7, low=0.5, high=2), draw(4, 1)], torch.pow)
case("product", [draw(3, 4, 5), draw(5, 6)], lambda x, y: (x @ y).tanh())
case("linear", [draw(9, 5), draw(7, 5), draw(7)], lambda x, w, b: F.silu(F.linear(x, w, b)))
case("softmax", [draw(5, 8)], lambda x: F.softmax(x, 1))
case("logSoftmax", [draw(5, 8)], lambda x: F.log_softmax(x, 1))
case("crossEntropy", [draw(5, 8)], lambda x: F.cross_entropy(x, torch.tensor([1, 0, 7, 3, 3])))
case("layerNorm", [draw(5, 8), draw(8), draw(8)], lambda x, w, b: F.layer_norm(x, (8,), w, b))
case("batchNorm", [draw(6, 3, 5), draw(3), draw(3)], lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True))
case("convolution", [draw(2, 4, 7, 6), draw(6, 2, 3, 2), draw(6)],
     lambda x, w, b: F.conv2d(x, w, b, stride=(2, 1), padding=1, dilation=(1, 2), groups=2).tanh())
case("transposedConvolution", [draw(2, 4, 4, 3), draw(4, 3, 3, 2), draw(6)],
     lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2, padding=1, output_padding=1, groups=2).tanh())
case("maxPool", [draw(2, 3, 7, 6)], lambda x: F.max_pool2d(x, 3, 2, 1).tanh())
case("averagePool", [draw(2, 3, 7, 6)], lambda x: F.avg_pool2d(x, 3, 2, 1).tanh())
case("embedding", [draw(6, 4)], lambda x: F.embedding(torch.tensor([[1, 3, 1], [0, 5, 1]]), x).tanh())


def attention(q, k, v):
    return F.softmax((q @ k.transpose(-1, -2)) / q.shape[-1] ** 0.5
                     + torch.full((q.shape[-2], k.shape[-2]), -torch.inf).triu(1), -1) @ v


case("attention", [draw(2, 3, 5, 4), draw(2, 3, 5, 4), draw(2, 3, 5, 6)], attention)


def recurrent(kind):
    def function(x, *weights):
        net = kind(4, 5)
        names = [name for name, _ in net.named_parameters()]
        return torch.func.functional_call(net, dict(zip(names, weights)), (x,))[0]
    return function


case("lstm", [draw(4, 3, 4), draw(20, 4), draw(20, 5), draw(20), draw(20)], recurrent(nn.LSTM))
case("gru", [draw(4, 3, 4), draw(15, 4), draw(15, 5), draw(15), draw(15)], recurrent(nn.GRU))

critic = nn.Sequential(nn.Linear(6, 16), nn.SiLU(), nn.Linear(16, 1))
with torch.no_grad():
    for parameter in critic.parameters():
        parameter.copy_(draw(*parameter.shape))
x = draw(8, 6).requires_grad_()
slopes = torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]
penalty = ((slopes.norm(dim=1) - 1) ** 2).mean()
penalty.backward()
entries |= {"penalty.inputs": x, "penalty.value": penalty}
for name, parameter in critic.named_parameters():
    entries[f"penalty.{name}"] = parameter
    # The last bias has no part in the slopes.
    entries[f"penalty.gradients.{name}"] = (
        torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)
save("second-order", entries)
