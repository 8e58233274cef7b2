"""Convolutions, pooling and residual networks by PyTorch. Each case carries its own settings:

config = axes, kernel, stride, padding, dilation and output padding (one for each axis), groups, kind, flag
"""
import torch
from torch import nn
from torch.nn import functional as F

from common import begin, save

begin(7)


def differentiated(entries, name, inputs, outputs):
    """Adds a result, what arrives at it, and the gradients of `inputs`."""
    upstream = torch.randn_like(outputs)
    gradients = torch.autograd.grad(outputs, list(inputs.values()), upstream)
    entries[f"{name}.outputs"], entries[f"{name}.upstream"] = outputs, upstream
    for (key, value), gradient in zip(inputs.items(), gradients):
        entries[f"{name}.{key}"], entries[f"{name}.gradients.{key}"] = value, gradient


def each(axes, value):
    return list(value) if isinstance(value, (list, tuple)) else [value] * axes


def convolution(entries, name, shape, outputs, kernel, stride=1, padding=0, dilation=1, groups=1, bias=True,
                transposed=False, output_padding=0):
    axes = len(shape) - 2
    kernel, stride, dilation, output_padding = (each(axes, v) for v in (kernel, stride, dilation, output_padding))
    padding = padding if padding == "same" else each(axes, padding)
    x = torch.randn(shape, requires_grad=True)
    channels = shape[1]
    w_shape = [channels, outputs // groups] if transposed else [outputs, channels // groups]
    inputs = {"x": x, "weight": torch.randn(w_shape + kernel, requires_grad=True)}
    if bias:
        inputs["bias"] = torch.randn(outputs, requires_grad=True)
    is_same = padding == "same"
    if is_same:
        padding = [0] * axes
    if transposed:
        y = [F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d][axes - 1](
            x, inputs["weight"], inputs.get("bias"), stride, padding, output_padding, groups, dilation)
    else:
        y = [F.conv1d, F.conv2d, F.conv3d][axes - 1](x, inputs["weight"], inputs.get("bias"), stride,
                                                     "same" if is_same else padding, dilation, groups)
    entries[f"{name}.config"] = torch.tensor(
        [axes] + kernel + stride + padding + dilation + output_padding + [groups, 2 if is_same else int(transposed), 0])
    differentiated(entries, name, inputs, y)


entries = {}
cases = [((2, 3, 11), 4, k, s, p, d) for k in (1, 2, 3, 4, 5) for s, p, d in ((1, 0, 1), (2, 2, 1), (3, 1, 2))
         if (k - 1) * d < 11 + 2 * p]
for i, (shape, outputs, k, s, p, d) in enumerate(cases):
    convolution(entries, f"line{i}", shape, outputs, k, s, p, d, bias=i % 2 == 0)
convolution(entries, "same", (2, 3, 7, 6), 5, 3, padding=1)
convolution(entries, "strided", (2, 3, 9, 8), 4, 3, stride=2, padding=1, bias=False)
convolution(entries, "uneven", (1, 4, 10, 7), 6, [5, 2], stride=[3, 1], padding=[2, 1], dilation=[1, 2], groups=2)
convolution(entries, "depthwise", (2, 4, 8, 7), 4, 3, padding=1, groups=4)
convolution(entries, "pointwise", (2, 9, 5, 5), 3, 1, stride=2)
convolution(entries, "wide", (1, 2, 13, 12), 3, 7, stride=2, padding=3)
convolution(entries, "volume", (1, 2, 4, 5, 6), 3, [2, 3, 3], stride=[1, 2, 1], padding=[1, 0, 1])
convolution(entries, "volume_groups", (1, 4, 5, 4, 4), 2, 2, dilation=[2, 1, 1], groups=2)
convolution(entries, "transposed", (2, 3, 4, 5), 4, 3, transposed=True)
convolution(entries, "transposed_strided", (2, 4, 3, 4), 6, [3, 4], stride=2, padding=1, output_padding=1, groups=2,
            transposed=True)
convolution(entries, "transposed_dilated", (1, 2, 4, 3), 2, 2, stride=[1, 3], dilation=[2, 1], output_padding=[1, 2],
            bias=False, transposed=True)
save("convolution", entries)


MAX, AVERAGE, AVERAGE_WITHOUT_PADDING, ADAPTIVE_MAX, ADAPTIVE_AVERAGE = range(5)


def pooling(entries, name, shape, kind, kernel, stride=None, padding=0, dilation=1, rounds_up=False):
    axes = len(shape) - 2
    kernel, padding, dilation = (each(axes, v) for v in (kernel, padding, dilation))
    stride = kernel if stride is None else each(axes, stride)
    x = torch.randn(shape, requires_grad=True)
    if kind == MAX:
        y = [F.max_pool1d, F.max_pool2d, F.max_pool3d][axes - 1](x, kernel, stride, padding, dilation, rounds_up)
    elif kind in (AVERAGE, AVERAGE_WITHOUT_PADDING):
        y = [F.avg_pool1d, F.avg_pool2d, F.avg_pool3d][axes - 1](x, kernel, stride, padding, rounds_up,
                                                                kind == AVERAGE)
    elif kind == ADAPTIVE_MAX:
        y = F.adaptive_max_pool2d(x, kernel)
    else:
        y = [F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d][axes - 1](x, kernel)
    entries[f"{name}.config"] = torch.tensor(
        [axes] + kernel + stride + padding + dilation + [0] * axes + [1, kind, int(rounds_up)])
    differentiated(entries, name, {"x": x}, y)


entries = {}
torch.use_deterministic_algorithms(False)  # Some pooling has no deterministic gradient on GPUs, and says so anywhere.
shapes = [((1, 2, 11), 3, 2, 1), ((1, 2, 8, 7), (3, 2), (2, 1), (1, 1)), ((1, 1, 5, 4, 6), 2, (2, 1, 3), 1)]
for axes, (shape, kernel, stride, padding) in enumerate(shapes, 1):
    for kind in (MAX, AVERAGE, AVERAGE_WITHOUT_PADDING):
        for rounds_up in (False, True):
            pooling(entries, f"{axes}d.{kind}.{int(rounds_up)}", shape, kind, kernel, stride, padding,
                    rounds_up=rounds_up)
    pooling(entries, f"{axes}d.plain", shape, MAX, 2)
    pooling(entries, f"{axes}d.dilated", shape, MAX, 2, 1, dilation=2)
    for index, sizes in enumerate((1, [3, 2, 4][:axes], [5, 4, 3][:axes])):
        pooling(entries, f"{axes}d.adaptive{index}", shape, ADAPTIVE_AVERAGE, sizes)
        if axes == 2:
            pooling(entries, f"{axes}d.adaptive_max{index}", shape, ADAPTIVE_MAX, sizes)
save("pooling", entries)


entries = {}
for layer, shape in ((nn.BatchNorm2d(3), (4, 3, 5, 3)), (nn.BatchNorm3d(2), (2, 2, 3, 2, 4))):
    name = type(layer).__name__
    layer.weight.data.uniform_(0.5, 1.5)
    layer.bias.data.uniform_(-1, 1)
    x = torch.randn(shape, requires_grad=True)
    differentiated(entries, name, {"x": x, "weight": layer.weight, "bias": layer.bias}, layer(x))
    entries[f"{name}.running_mean"], entries[f"{name}.running_var"] = layer.running_mean, layer.running_var
    entries[f"{name}.mean"] = x.mean((2, 3) if len(shape) == 4 else (2, 3, 4))
save("channels", entries)


class BasicBlock(nn.Module):
    """As torchvision has it; shortcut "identity" is option A of He et al. (2016), None leaves it out."""

    def __init__(self, inputs, outputs, stride, shortcut):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut, self.stride, self.missing = shortcut, stride, outputs - inputs
        if shortcut == "projection" and (stride != 1 or inputs != outputs):
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.shortcut is None:
            return F.relu(y)
        if hasattr(self, "downsample"):
            x = self.downsample(x)
        elif self.missing or self.stride != 1:
            x = F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, 0, self.missing))
        return F.relu(y + x)


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, stride, _):
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        return F.relu(self.bn3(self.conv3(y)) + (self.downsample(x) if hasattr(self, "downsample") else x))


class ResNet(nn.Module):
    def __init__(self, block, blocks, width, classes, small=False, shortcut="projection"):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3 if small else 7, 1 if small else 2, 1 if small else 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.small, inputs = small, width
        self.stages = len(blocks)
        for stage, count in enumerate(blocks):
            layers = []
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                layers.append(block(inputs, width << stage, stride, shortcut))
                inputs = (width << stage) * (4 if block is Bottleneck else 1)
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        if not self.small:
            x = F.max_pool2d(x, 3, 2, 1)
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(x.mean((2, 3)))


def network(name, model, shape):
    """The state as a file of its own, then results in training and in evaluation."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                tensor.data.uniform_(0.5, 1.5)
            for tensor in (module.bias, module.running_mean):
                tensor.data.uniform_(-0.3, 0.3)
    for tensor in model.state_dict().values():  # What Gimbal reads is what PyTorch has.
        if tensor.is_floating_point():
            tensor.copy_(tensor.float().double())
    save(f"{name}-state", model.state_dict())
    entries = {}
    x = torch.randn(shape, requires_grad=True)
    x.data = x.data.float().double()
    model.eval()
    differentiated(entries, "eval", {"x": x}, model(x))
    model.train()
    parameters = {"x": x, "conv1": model.conv1.weight, "fc": model.fc.weight}
    differentiated(entries, "train", parameters, model(x))
    entries["train.running_mean"] = model.bn1.running_mean
    for key in ("x", "conv1", "fc"):  # They stand in the state, and x in the entries of the evaluation.
        del entries[f"train.{key}"]
    save(name, entries)


network("resnet18", ResNet(BasicBlock, [2, 2, 2, 2], 2, 5), (2, 3, 33, 32))
network("resnet50", ResNet(Bottleneck, [1, 2, 1, 1], 1, 4), (2, 3, 33, 17))


def training(name, model, steps=50, batch=6):
    """Losses over steps of SGD with momentum, from a state that is saved."""
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.float().double())
    x = torch.randn(4, batch, 3, 8, 6).float().double()
    targets = torch.randint(0, 3, (4, batch))
    entries = {"inputs": x, "targets": targets}
    for key, value in model.state_dict().items():
        entries[f"state.{key}"] = value.clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
    losses = []
    for step in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[step % 4]), targets[step % 4])
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    entries["losses"] = torch.stack(losses)
    save(name, entries)


for shortcut in ("projection", "identity"):
    training(f"small-resnet-{shortcut}", ResNet(BasicBlock, [1, 1, 1], 2, 3, small=True, shortcut=shortcut))


# In the end, so that what is drawn before stays the same.
entries = {}
convolution(entries, "transposed_line", (2, 4, 5), 6, 4, stride=3, padding=1, output_padding=2, groups=2, transposed=True)
convolution(entries, "transposed_volume", (1, 3, 2, 3, 4), 2, [2, 3, 1], stride=[2, 1, 3], padding=[1, 1, 0],
            output_padding=[1, 0, 2], transposed=True)
convolution(entries, "same_line", (2, 3, 7), 4, 4, padding="same")
convolution(entries, "same_image", (1, 2, 6, 5), 3, [2, 5], dilation=[3, 1], padding="same", bias=False)
convolution(entries, "same_volume", (1, 2, 3, 4, 2), 2, [3, 2, 4], padding="same", groups=2)
save("convolution_axes", entries)
