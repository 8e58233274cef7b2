"""Classifies by two inputs, the two halves of an image, with skip connections and a focal loss."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(0)
digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32) / 16
upper, lower = images[:, :4].flatten(1), images[:, 4:].flatten(1)
labels = torch.tensor(digits.target)
order = torch.randperm(len(labels))
train, test = order[:1438], order[1438:]


class Branch(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = nn.Linear(32, width)
        self.outer = nn.Linear(width, width)

    def forward(self, x):
        hidden = F.relu(self.inner(x))
        return hidden + F.relu(self.outer(hidden))


class TwoInputs(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.upper = Branch(width)
        self.lower = Branch(width)
        self.head = nn.Linear(2 * width + 64, 10)

    def forward(self, upper, lower):
        return self.head(torch.cat([self.upper(upper), self.lower(lower), upper, lower], dim=1))


def focal_loss(logits, labels, gamma=2.0):
    log_probability = F.log_softmax(logits, dim=1).gather(1, labels.unsqueeze(1)).squeeze(1)
    return (-(1 - log_probability.exp()) ** gamma * log_probability).mean()


model = TwoInputs()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(10):
    for batch in train[torch.randperm(len(train))].split(64):
        optimizer.zero_grad()
        loss = focal_loss(model(upper[batch], lower[batch]), labels[batch])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}  loss {loss.item():.4f}")

with torch.no_grad():
    accuracy = (model(upper[test], lower[test]).argmax(1) == labels[test]).float().mean().item()
print(f"accuracy {accuracy:.4f}")
