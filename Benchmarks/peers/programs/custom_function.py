"""A squashing activation x / (1 + x²) with a rule of its own for the gradient, and a CUDA kernel where there is a GPU."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.cpp_extension import load_inline

SOURCE = """
#include <torch/extension.h>
__global__ void squash_kernel(const float *x, float *y, long count) {
    long i = blockIdx.x * (long)blockDim.x + threadIdx.x;
    if (i < count) y[i] = x[i] / (1.0f + x[i] * x[i]);
}
torch::Tensor squash(torch::Tensor x) {
    auto y = torch::empty_like(x);
    squash_kernel<<<(x.numel() + 255) / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.numel());
    return y;
}
"""
device = "cuda" if torch.cuda.is_available() else "cpu"
kernels = device == "cuda" and load_inline(
    "squash", "torch::Tensor squash(torch::Tensor x);", SOURCE, functions=["squash"], with_cuda=True)


class Squash(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return kernels.squash(x.contiguous()) if x.is_cuda else x / (1 + x * x)

    @staticmethod
    def backward(context, gradient):
        x, = context.saved_tensors
        square = x * x
        return gradient * (1 - square) / (1 + square) ** 2


class SquashLayer(nn.Module):
    def forward(self, x):
        return Squash.apply(x)


torch.manual_seed(0)
digits = load_digits()
images = (torch.tensor(digits.data, dtype=torch.float32) / 16).to(device)
labels = torch.tensor(digits.target).to(device)
order = torch.randperm(len(labels), device=device)
train, test = order[:1438], order[1438:]

model = nn.Sequential(nn.Linear(64, 128), SquashLayer(), nn.Linear(128, 128), SquashLayer(), nn.Linear(128, 10)).to(device)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(10):
    for batch in train[torch.randperm(len(train), device=device)].split(64):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images[batch]), labels[batch])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}  loss {loss.item():.4f}")

with torch.no_grad():
    accuracy = (model(images[test]).argmax(1) == labels[test]).float().mean().item()
print(f"accuracy {accuracy:.4f}")
