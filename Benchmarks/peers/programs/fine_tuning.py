"""Fine-tunes a ResNet-18: trained on the digits 0 to 4, then, trunk frozen and with two rates, taught all ten."""
import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torchvision.models import resnet18

torch.manual_seed(0)
digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
images = F.interpolate(images, scale_factor=4).repeat(1, 3, 1, 1)
labels = torch.tensor(digits.target)
order = torch.from_numpy(np.random.default_rng(0).permutation(len(labels)))
train, test = order[:1438], order[1438:]


def fit(model, optimizer, rows, epochs):
    for epoch in range(epochs):
        for batch in rows[torch.randperm(len(rows))].split(64):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}  loss {loss.item():.4f}")


old = resnet18(num_classes=5)
fit(old, torch.optim.SGD(old.parameters(), lr=0.05, momentum=0.9), train[labels[train] < 5], epochs=2)
torch.save(old.state_dict(), "old.pt")

model = resnet18(num_classes=10)
weights = {name: value for name, value in torch.load("old.pt").items() if not name.startswith("fc.")}
print(model.load_state_dict(weights, strict=False))
for name, parameter in model.named_parameters():
    parameter.requires_grad = name.startswith(("layer4.", "fc."))
optimizer = torch.optim.SGD([
    {"params": model.layer4.parameters(), "lr": 0.005},
    {"params": model.fc.parameters(), "lr": 0.05},
], momentum=0.9)
fit(model, optimizer, train, epochs=2)

model.eval()
with torch.no_grad():
    accuracy = (model(images[test]).argmax(1) == labels[test]).float().mean().item()
print(f"accuracy on ten digits {accuracy:.4f}")
