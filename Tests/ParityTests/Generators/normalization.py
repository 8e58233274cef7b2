"""PyTorch's layers that normalise rows, Bilinear, and the weight and spectral parametrizations: outputs, gradients, state."""
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from common import begin, save

entries = {}


def case(name, module, *shapes):
    """Notes what `module` makes of random inputs of `shapes`, its gradients, its state before and after."""
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -1.2, 1.3)
    for key, value in module.state_dict().items():
        entries[f"{name}.state.{key}"] = value.clone()
    inputs = [torch.randn(shape).float().double().requires_grad_() for shape in shapes]
    outputs = module(*inputs)
    upstream = torch.randn_like(outputs).float().double()
    outputs.backward(upstream)
    entries[f"{name}.outputs"], entries[f"{name}.upstream"] = outputs, upstream
    for index, value in enumerate(inputs):
        entries[f"{name}.inputs.{index}"] = value
        entries[f"{name}.gradients.inputs.{index}"] = value.grad
    for key, parameter in module.named_parameters():
        entries[f"{name}.gradients.{key}"] = parameter.grad
    for key, value in module.state_dict().items():
        if key not in dict(module.named_parameters()):
            entries[f"{name}.after.{key}"] = value.clone()


begin(11)
# Of one value, and of two, nothing but epsilon is left of the gradient: a large one leaves something to compare.
for width in (1, 2, 33, 64, 129):
    case(f"layer_norm.{width}", nn.LayerNorm(width, eps=0.1 if width < 3 else 1e-5), (5, width))
case("layer_norm.two_axes", nn.LayerNorm((3, 4)), (2, 5, 3, 4))
case("layer_norm.no_bias", nn.LayerNorm(33, bias=False), (3, 2, 33))
case("layer_norm.plain", nn.LayerNorm(5, elementwise_affine=False, eps=1e-3), (70, 5))
for width in (1, 7, 65):
    case(f"rms_norm.{width}", nn.RMSNorm(width, eps=0.1 if width == 1 else 2.0**-23), (5, width))
case("rms_norm.two_axes", nn.RMSNorm((3, 4), eps=1e-6, elementwise_affine=False), (2, 5, 3, 4))
case("group_norm.1", nn.GroupNorm(1, 6), (3, 6, 5))
case("group_norm.2", nn.GroupNorm(2, 6), (3, 6, 5, 3))
case("group_norm.6", nn.GroupNorm(6, 6, affine=False), (2, 6, 7))
case("group_norm.flat", nn.GroupNorm(2, 8, eps=1e-3), (4, 8))
case("instance_norm.1d", nn.InstanceNorm1d(3), (2, 3, 11))
case("instance_norm.1d_unbatched", nn.InstanceNorm1d(3, affine=True), (3, 11))
case("instance_norm.2d", nn.InstanceNorm2d(3, affine=True, track_running_stats=True), (2, 3, 5, 4))
case("instance_norm.3d", nn.InstanceNorm3d(2, affine=True, track_running_stats=True, momentum=0.3), (2, 2, 3, 2, 3))
module = nn.InstanceNorm2d(3, affine=True, track_running_stats=True)
module(torch.randn(4, 3, 3, 3))
case("instance_norm.2d_eval", module.eval(), (2, 3, 5, 4))
case("bilinear", nn.Bilinear(5, 4, 3), (6, 5), (6, 4))
case("bilinear.leading", nn.Bilinear(2, 3, 1, bias=False), (2, 3, 2), (2, 3, 3))
case("weight_norm", weight_norm(nn.Linear(5, 4)), (3, 5))
case("weight_norm.all", weight_norm(nn.Linear(5, 4), dim=None), (3, 5))
case("spectral_norm", spectral_norm(nn.Linear(5, 4)), (3, 5))
case("spectral_norm.3", spectral_norm(nn.Linear(5, 4, bias=False), n_power_iterations=3), (3, 5))
case("spectral_norm.eval", spectral_norm(nn.Linear(5, 4)).eval(), (3, 5))
# Zeros that float64 leaves as rounding errors.
save("normalization", {key: torch.where(value.abs() < 1e-13, 0, value) for key, value in entries.items()})
