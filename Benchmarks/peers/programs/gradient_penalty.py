"""A Wasserstein GAN of the digits, whose critic is held to slope 1 by a gradient penalty (Gulrajani et al. 2017)."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
images = torch.tensor(load_digits().data, dtype=torch.float32) / 8 - 1

generator = nn.Sequential(nn.Linear(16, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 64), nn.Tanh())
critic = nn.Sequential(nn.Linear(64, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 1))
generator_optimizer = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.9))
critic_optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.9))


def gradient_penalty(real, fake):
    share = torch.rand(len(real), 1)
    between = (share * real + (1 - share) * fake).requires_grad_()
    slope, = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return ((slope.norm(dim=1) - 1) ** 2).mean()


for step in range(1000):
    real = images[torch.randint(len(images), (64,))]
    fake = generator(torch.randn(64, 16)).detach()
    distance = critic(real).mean() - critic(fake).mean()
    penalty = gradient_penalty(real, fake)
    critic_optimizer.zero_grad()
    (10 * penalty - distance).backward()
    critic_optimizer.step()

    if step % 5 == 4:
        generator_optimizer.zero_grad()
        (-critic(generator(torch.randn(64, 16))).mean()).backward()
        generator_optimizer.step()
    if step % 200 == 199:
        print(f"step {step + 1}  distance {distance.item():.4f}  penalty {penalty.item():.4f}")

with torch.no_grad():
    for row in generator(torch.randn(1, 16)).reshape(8, 8):
        print("".join(" .:-=+*#%@"[int((value + 1) * 4.99)] for value in row.tolist()))
