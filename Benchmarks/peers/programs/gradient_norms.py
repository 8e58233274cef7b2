"""Shows by hooks how the gradient changes from layer to layer, in a deep net of sigmoids and in one of ReLUs."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

digits = load_digits()
images = torch.tensor(digits.data[:256], dtype=torch.float32) / 16
labels = torch.tensor(digits.target[:256])


def gradient_norms(activation, initialize):
    torch.manual_seed(0)
    layers = []
    for depth in range(10):
        linear = nn.Linear(64, 64)
        initialize(linear.weight)
        layers += [linear, activation()]
    model = nn.Sequential(*layers, nn.Linear(64, 10))

    norms = {}
    hooks = []

    def watch(name):
        def forward(module, inputs, output):
            output.register_hook(lambda gradient: norms.update({name: gradient.norm()}))
        return forward

    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            hooks.append(module.register_forward_hook(watch(name)))
    F.cross_entropy(model(images), labels).backward()
    for hook in hooks:
        hook.remove()
    return norms


sigmoids = gradient_norms(nn.Sigmoid, nn.init.xavier_uniform_)
rectifiers = gradient_norms(nn.ReLU, nn.init.kaiming_normal_)
print("layer  sigmoid, Xavier  ReLU, He")
for name in sorted(sigmoids, key=int):
    print(f"{name:>5}  {sigmoids[name].item():15.2e}  {rectifiers[name].item():8.2e}")
