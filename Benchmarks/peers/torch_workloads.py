"""The workloads of `gimbal bench` as PyTorch has them; the comparisons with PyTorch share them."""


def language_model(torch, vocabulary, length, width, heads, layers):
    """Blocks of causal attention, normalised before, with learned positions: logits of all places in one row."""
    nn, functional = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
            self.project, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x):
            batch, length, width = x.shape
            parts = self.project(self.norms[0](x)).view(batch, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
            y = functional.scaled_dot_product_attention(*parts, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(batch, length, width))
            return x + self.down(functional.gelu(self.up(self.norms[1](x))))

    class LanguageModel(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Parameter(torch.zeros(length, width))
            self.blocks = nn.Sequential(*[Block() for _ in range(layers)])
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary)

        def forward(self, x):
            return self.head(self.norm(self.blocks(self.tokens(x) + self.positions))).flatten(0, 1)

    return LanguageModel()


def torch_workload(torch, name):
    """The model, its batch, and a function that makes its optimizer and passes options on to Adam and AdamW."""
    nn, functional = torch.nn, torch.nn.functional

    class Language(nn.Module):
        def __init__(self, kind):
            super().__init__()
            self.embedding, self.head = nn.Embedding(96, 128), nn.Linear(256, 96)
            self.recurrent = kind(128, 256, num_layers=2, batch_first=True)

        def forward(self, x):
            return self.head(self.recurrent(self.embedding(x))[0]).flatten(0, 1)

    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.recurrent, self.head = nn.LSTM(32, 64, batch_first=True), nn.Linear(64, 10)

        def forward(self, x):
            return self.head(self.recurrent(x)[0][:, -1])

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.branch = nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
                nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
            changes = stride != 1 or inputs != outputs
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)) if changes else nn.Identity()

        def forward(self, x):
            return functional.relu(self.branch(x) + self.shortcut(x))

    def adam(p, **more):
        return torch.optim.Adam(p, lr=1e-3, **more)

    def classes(most, *shape):
        return torch.randint(0, most, shape)

    if name in ("seed-step 64", "seed-step 512"):
        batch = int(name.split()[1])
        model = nn.Sequential(nn.Linear(784, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 10))
        return (model, torch.randn(batch, 784), classes(10, batch), lambda p, **more: torch.optim.SGD(p, lr=0.01))
    if name == "resnet50":
        import torchvision
        return (torchvision.models.resnet50(), torch.randn(32, 3, 224, 224), classes(1000, 32),
                lambda p, **more: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-4))
    if name == "deep-mlp":
        layers = [layer for _ in range(50) for layer in (nn.Linear(256, 256), nn.BatchNorm1d(256), nn.ReLU())]
        return nn.Sequential(*layers), torch.randn(128, 256), classes(256, 128), adam
    if name == "lstm-small":
        return Small(), torch.randn(16, 100, 32), classes(10, 16), adam
    if name in ("lstm-language", "gru-language"):
        kind = nn.LSTM if name.startswith("lstm") else nn.GRU
        return Language(kind), classes(96, 32, 128), classes(96, 32 * 128), adam
    if name == "resnet20":
        blocks, inputs = [], 16
        for outputs, stride in ((16, 1), (32, 2), (64, 2)):
            for number in range(3):
                blocks.append(Block(inputs, outputs, stride if number == 0 else 1))
                inputs = outputs
        model = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), *blocks,
                              nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
        return (model, torch.randn(64, 3, 32, 32), classes(10, 64),
                lambda p, **more: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-4))
    model = language_model(torch, vocabulary=96, length=128, width=256, heads=4, layers=4)
    return model, classes(96, 16, 128), classes(96, 16 * 128), lambda p, **more: torch.optim.AdamW(p, lr=3e-4, **more)
