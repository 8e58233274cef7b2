"""A net of dilated causal convolutions in PyTorch under Gimbal's names: outputs and gradients in float64.

    python Generators/temporal_convolution.py

temporal_convolution.safetensors
    net.state.*, net.inputs.0 [3,9,2], net.outputs [3,4], net.upstream, net.gradients.inputs.0, net.gradients.*
    block.*                  the same of one block of [3,2,9] to [3,5,9] with a dilation of 2
"""
import torch
from torch import nn
from torch.nn import functional as F

from common import begin, save


class Block(nn.Module):
    def __init__(self, inputs, outputs, dilation):
        super().__init__()
        self.conv1 = nn.Conv1d(inputs, outputs, 3, dilation=dilation)
        self.conv2 = nn.Conv1d(outputs, outputs, 3, dilation=dilation)
        self.downsample = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else None
        self.dilation = dilation

    def forward(self, x):
        def causal(convolution, x):
            return convolution(F.pad(x, (2 * self.dilation, 0)))
        branch = F.relu(causal(self.conv2, F.relu(causal(self.conv1, x))))
        return F.relu(branch + (x if self.downsample is None else self.downsample(x)))


class Net(nn.Module):
    def __init__(self, inputs, outputs, size, layers):
        super().__init__()
        self.blocks = nn.ModuleList(Block(inputs if i == 0 else size, size, 2 ** i) for i in range(layers))
        self.head = nn.Linear(size, outputs)

    def forward(self, x):
        x = x.transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        return self.head(x[:, :, -1])


def case(name, module, shape):
    for parameter in module.parameters():
        parameter.data = parameter.data.float().double()
    inputs = torch.randn(shape).float().double().requires_grad_()
    outputs = module(inputs)
    upstream = torch.randn(outputs.shape).float().double()
    outputs.backward(upstream)
    entries = {f"{name}.inputs.0": inputs, f"{name}.outputs": outputs, f"{name}.upstream": upstream,
               f"{name}.gradients.inputs.0": inputs.grad}
    entries |= {f"{name}.state.{key}": value for key, value in module.state_dict().items()}
    entries |= {f"{name}.gradients.{key}": value.grad for key, value in module.named_parameters()}
    return entries


begin(19)
save("temporal_convolution", case("net", Net(2, 4, 5, 3), (3, 9, 2)) | case("block", Block(2, 5, 2), (3, 2, 9)))
