"""PyTorch's activation functions: values, gradients, kinks, infinities and NaN.

    python Generators/activations.py

activation-layers.safetensors
    inputs [5,6]             values of either sign, the kinks of all functions among them, some large
    upstream [5,6]           the gradient that arrives
    specials [3] = NaN, inf, -inf; their gradients are for an upstream of 1
    NAME.outputs, NAME.gradients, NAME.specials, NAME.special_gradients
                             for each NAME in `ACTIVATIONS`
    prelu_shared.*, prelu_channels.*   with .weight and .weight_gradients as well
    glu_AXIS.*, softmax_AXIS.*, log_softmax_AXIS.*, softmin_AXIS.*
                             outputs and gradients, of `volume` [2,4,6] with `volume_upstream`, for each axis
    glu_AXIS is for axes of even size; its upstream is the first half of `volume_upstream`.
"""
import torch
from torch import nn
from torch.nn import functional as F

from common import begin, save

ACTIVATIONS = {
    "mish": F.mish, "selu": F.selu, "celu": F.celu, "celu_0.5": lambda x: F.celu(x, 0.5),
    "softplus_2": lambda x: F.softplus(x, beta=2.0, threshold=40.0),
    "softplus_threshold": lambda x: F.softplus(x, beta=1.5, threshold=1.0),
    "softsign": F.softsign, "hardtanh": F.hardtanh, "hardtanh_range": lambda x: F.hardtanh(x, -0.5, 2.0),
    "hardsigmoid": F.hardsigmoid, "hardswish": F.hardswish, "relu6": F.relu6, "log_sigmoid": F.logsigmoid,
    "tanhshrink": F.tanhshrink, "softshrink": F.softshrink, "softshrink_1": lambda x: F.softshrink(x, 1.0),
    "hardshrink": F.hardshrink, "hardshrink_1": lambda x: F.hardshrink(x, 1.0),
    "threshold": lambda x: F.threshold(x, 0.5, 20.0), "rrelu_evaluation": lambda x: F.rrelu(x, training=False),
    "sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": F.relu, "leaky_relu": F.leaky_relu, "elu": F.elu,
    "silu": F.silu, "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
}


def values_and_gradients(function, inputs, upstream):
    inputs = inputs.clone().requires_grad_()
    outputs = function(inputs)
    (gradients,) = torch.autograd.grad(outputs, inputs, upstream)
    return outputs, gradients


def main():
    begin(11)
    inputs = torch.randn(5, 6) * 2
    kinks = torch.tensor([0.0, -3.0, 3.0, -1.0, 1.0, 0.5, -0.5, 6.0, 2.0, 12.0, -12.0, 1e-3])
    inputs.view(-1)[:12] = kinks
    inputs = inputs.float().double()
    upstream = torch.randn(5, 6).float().double()
    specials = torch.tensor([float("nan"), float("inf"), -float("inf")])
    entries = {"inputs": inputs, "upstream": upstream, "specials": specials}
    for name, function in ACTIVATIONS.items():
        entries[f"{name}.outputs"], entries[f"{name}.gradients"] = values_and_gradients(function, inputs, upstream)
        outputs, gradients = values_and_gradients(function, specials, torch.ones(3))
        entries[f"{name}.specials"], entries[f"{name}.special_gradients"] = outputs, gradients
    for name, count in [("prelu_shared", 1), ("prelu_channels", 6)]:
        layer = nn.PReLU(count)
        if count > 1:
            layer.weight.data = torch.linspace(-0.2, 0.6, count).float().double()
        x = inputs.clone().requires_grad_()
        outputs = layer(x)
        outputs.backward(upstream)
        entries |= {f"{name}.outputs": outputs, f"{name}.gradients": x.grad, f"{name}.weight": layer.weight,
                    f"{name}.weight_gradients": layer.weight.grad}
    volume = torch.randn(2, 4, 6).float().double()
    volume[0, 1] = 80.0
    volume[1, 2, 3] = -200.0
    volume_upstream = torch.randn(2, 4, 6).float().double()
    entries |= {"volume": volume, "volume_upstream": volume_upstream}
    for axis in range(3):
        for name, function in [("softmax", F.softmax), ("log_softmax", F.log_softmax), ("softmin", F.softmin)]:
            entries[f"{name}_{axis}.outputs"], entries[f"{name}_{axis}.gradients"] = values_and_gradients(
                lambda x: function(x, dim=axis), volume, volume_upstream)
        half = volume_upstream.narrow(axis, 0, volume.shape[axis] // 2)
        entries[f"glu_{axis}.outputs"], entries[f"glu_{axis}.gradients"] = values_and_gradients(
            lambda x: F.glu(x, dim=axis), volume, half)
    save("activation-layers", entries)


main()
