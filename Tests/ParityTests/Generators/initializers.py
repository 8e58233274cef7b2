"""What of PyTorch's initializers is exact: identity, Dirac, fans and gains; and the standard deviations of the others.

    python Generators/initializers.py

initializers.safetensors
    eye_ROWSxCOLUMNS         nn.init.eye_
    dirac_SHAPE_GROUPS       nn.init.dirac_; SHAPE is 4x3x3 and the like
    gain_NAME                nn.init.calculate_gain, for every name it takes; leaky_relu with 0.01, leaky_relu_0.2
    bound_NAME_SHAPE         the bound of kaiming_uniform_ and xavier_uniform_, worked out from their own fans
"""
import math

import torch
from torch import nn

from common import begin, save

begin(3)
entries = {}
for rows, columns in [(3, 3), (2, 5), (5, 2), (1, 1), (0, 3)]:
    entries[f"eye_{rows}x{columns}"] = nn.init.eye_(torch.empty(rows, columns))
for shape, groups in [((4, 3, 3), 1), ((4, 3, 3), 2), ((2, 5, 4), 1), ((6, 2, 3, 4), 3), ((3, 3, 1, 1), 1),
                      ((4, 2, 3, 2, 3), 2), ((6, 4, 5, 5), 2)]:
    name = "x".join(map(str, shape))
    entries[f"dirac_{name}_{groups}"] = nn.init.dirac_(torch.empty(shape), groups)
for name in ["linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
             "sigmoid", "tanh", "relu", "leaky_relu", "selu"]:
    entries[f"gain_{name}"] = torch.tensor(float(nn.init.calculate_gain(name)))
entries["gain_leaky_relu_0.2"] = torch.tensor(float(nn.init.calculate_gain("leaky_relu", 0.2)))
for shape in [(30, 20), (16, 8, 3), (16, 8, 3, 5), (4, 6, 2, 3, 2)]:
    fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
    name = "x".join(map(str, shape))
    entries[f"bound_xavier_{name}"] = torch.tensor(math.sqrt(6 / (fan_in + fan_out)))
    entries[f"bound_he_{name}"] = torch.tensor(math.sqrt(6 / fan_in))
    entries[f"bound_he_out_{name}"] = torch.tensor(math.sqrt(6 / fan_out))
save("initializers", entries)
