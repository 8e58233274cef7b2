"""What the generators of PyTorch's results share: where fixtures go, and how they are written.

Results are computed by PyTorch in float64 and stored rounded to float32, so that a test's tolerance is spent on Gimbal's
rounding alone. Every tensor is F32 or I64, row-major.
"""
from pathlib import Path

import torch
from safetensors.torch import save_file

FIXTURES = Path(__file__).resolve().parent.parent / "Fixtures"
PYTORCH, SCIKIT_LEARN = "2.15", "1.9"


def begin(seed=0):
    """Pins what results depend on. Call it first in every generator."""
    if not torch.__version__.startswith(PYTORCH):
        raise SystemExit(f"the fixtures are PyTorch {PYTORCH}'s, this is {torch.__version__}")
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True)


def save(name, entries):
    """Writes a fixture: real numbers as float32, whole numbers and masks as int64."""
    tensors = {}
    for key, value in entries.items():
        value = torch.as_tensor(value).detach().clone().contiguous()
        tensors[key] = value.float() if value.is_floating_point() else value.long()
    FIXTURES.mkdir(exist_ok=True)
    path = FIXTURES / f"{name}.safetensors"
    save_file(tensors, path)
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")
