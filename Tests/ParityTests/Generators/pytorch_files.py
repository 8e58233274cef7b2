"""Files that torch.save writes of state dictionaries that stand beside them as safetensors, in its format and in that before
PyTorch 1.6: a ResNet-18, an LSTM whose weights are extracts of one storage, as on a GPU, and a Transformer encoder.
"""
import torch
from safetensors.torch import load_file

from common import FIXTURES

for name in ("resnet18-state", "recurrent-lstm2", "transformer-encoder.pre.gelu"):
    state = load_file(FIXTURES / f"{name}.safetensors")
    if "lstm" in name:
        flat = torch.cat([tensor.flatten() for tensor in state.values()])
        parts = flat.split([tensor.numel() for tensor in state.values()])
        state = {key: part.view(tensor.shape) for (key, tensor), part in zip(state.items(), parts)}
    torch.save(state, FIXTURES / f"{name}.pt")
    torch.save(state, FIXTURES / f"{name}-legacy.pt", _use_new_zipfile_serialization=False)
