"""The nets of `gimbal bench` as PyTorch has them, and their steps and inference, eagerly or by torch.compile."""
import warnings

import measuring
from torch_workloads import language_model

# Samples of a training step.
BATCHES = {
    "resnet18-64": 32, "resnet18-224": 8, "vgg": 64, "mobilenet": 32, "lenet": 128, "unet": 8, "gpt": 4,
    "wide-mlp": 256, "bilstm": 32, "conv1d": 16, "embedding": 256, "autoencoder": 256,
}


def convolved(nn, inputs, outputs, kernel=3, stride=1, groups=1):
    """A convolution that keeps the size but for its stride, normalised and rectified."""
    return [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs),
            nn.ReLU()]


def mlp(nn, *widths):
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.ReLU()] * bool(layers) + [nn.Linear(inputs, outputs)]
    return nn.Sequential(*layers)


def pictures(torch, *sizes):
    return lambda batch: torch.randn(batch, *sizes)


def tokens(torch, most, count):
    return lambda batch: torch.randint(0, most, (batch, count))


def torch_net(torch, name):
    """The model, a function that makes inputs for a batch, one that makes targets (None: they are the inputs), and the
    name of its optimizer."""
    nn = torch.nn

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()

            def pair(inputs, outputs):
                return nn.Sequential(*convolved(nn, inputs, outputs), *convolved(nn, outputs, outputs))
            self.down1, self.down2, self.bottom = pair(1, 32), pair(32, 64), pair(64, 128)
            self.rise2, self.up2 = nn.ConvTranspose2d(128, 64, 2, 2), pair(128, 64)
            self.rise1, self.up1 = nn.ConvTranspose2d(64, 32, 2, 2), pair(64, 32)
            self.pool, self.head = nn.MaxPool2d(2), nn.Conv2d(32, 4, 1)

        def forward(self, x):
            first = self.down1(x)
            second = self.down2(self.pool(first))
            low = self.bottom(self.pool(second))
            middle = self.up2(torch.cat([second, self.rise2(low)], 1))
            return self.head(self.up1(torch.cat([first, self.rise1(middle)], 1)))

    class BidirectionalLSTM(nn.Module):
        def __init__(self):
            super().__init__()
            self.recurrent = nn.LSTM(128, 128, batch_first=True, bidirectional=True)
            self.head = nn.Linear(256, 10)

        def forward(self, x):
            y = self.recurrent(x)[0]
            return self.head(torch.cat([y[:, -1, :128], y[:, 0, 128:]], 1))

    class MeanOfEmbeddings(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.head = nn.Embedding(30000, 64), nn.Linear(64, 10)

        def forward(self, x):
            return self.head(self.embedding(x).mean(1))

    def classes(most, *places):
        return lambda batch: torch.randint(0, most, (batch, *places))

    if name == "resnet18-64":
        import torchvision
        return torchvision.models.resnet18(num_classes=200), pictures(torch, 3, 64, 64), classes(200), "sgd"
    if name == "resnet18-224":
        import torchvision
        return torchvision.models.resnet18(), pictures(torch, 3, 224, 224), classes(1000), "sgd"
    if name == "vgg":
        layers = []
        for inputs, outputs in ((3, 64), (64, 128), (128, 256)):
            layers += convolved(nn, inputs, outputs) + convolved(nn, outputs, outputs) + [nn.MaxPool2d(2)]
        model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(256 * 4 * 4, 10))
        return model, pictures(torch, 3, 32, 32), classes(10), "sgd"
    if name == "mobilenet":
        layers = convolved(nn, 3, 32, stride=2)
        for inputs, outputs, stride in ((32, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1),
                                        (256, 512, 2), (512, 512, 1)):
            layers += convolved(nn, inputs, inputs, stride=stride, groups=inputs) + convolved(nn, inputs, outputs, 1)
        model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 100))
        return model, pictures(torch, 3, 64, 64), classes(100), "sgd"
    if name == "lenet":
        model = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
        return model, pictures(torch, 1, 28, 28), classes(10), "adam"
    if name == "unet":
        return UNet(), pictures(torch, 1, 64, 64), classes(4, 64, 64), "adam"
    if name == "gpt":
        def places(batch):
            return torch.randint(0, 4096, (batch * 256,))
        model = language_model(torch, vocabulary=4096, length=256, width=384, heads=6, layers=6)
        return model, tokens(torch, 4096, 256), places, "adamw"
    if name == "wide-mlp":
        return mlp(nn, 784, 4096, 4096, 10), pictures(torch, 784), classes(10), "adam"
    if name == "bilstm":
        return BidirectionalLSTM(), pictures(torch, 64, 128), classes(10), "adam"
    if name == "conv1d":
        layers = []
        for dilation in (1, 2, 4, 8) * 2:
            layers += [nn.Conv1d(64, 64, 7, padding=3 * dilation, dilation=dilation), nn.ReLU()]
        model = nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(64, 10))
        return model, pictures(torch, 64, 512), classes(10), "adam"
    if name == "embedding":
        return MeanOfEmbeddings(), tokens(torch, 30000, 64), classes(10), "adam"
    return mlp(nn, 784, 512, 128, 32, 128, 512, 784), pictures(torch, 784), None, "adam"


def torch_optimizer(torch, name, parameters, isFused):
    """Fused, as PyTorch advises for speed, beside torch.compile; as it is by default else."""
    more = {"fused": True} if isFused else {}
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=0.01, momentum=0.9, weight_decay=1e-4, **more)
    if name == "adam":
        return torch.optim.Adam(parameters, lr=1e-3, **more)
    return torch.optim.AdamW(parameters, lr=3e-4, **more)


def operations(torch, call):
    """Floating-point operations of the products and convolutions of a call."""
    from torch.utils.flop_counter import FlopCounterMode
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # oneDNN's recurrent nets hide their products.
        with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:
            call()
    return counter.get_total_flops()


def torch_call(name, mode, compiles):
    """What is timed, how many parameters the net has, and its operations; `mode` is `step` or inference's batch.

    Operations are counted where nothing is compiled.
    """
    import torch
    torch.set_num_threads(len(measuring.CORES))
    torch.manual_seed(0)
    model, make_inputs, make_targets, rule = torch_net(torch, name)
    parameters = list(model.parameters())
    count = sum(parameter.numel() for parameter in parameters)
    functional = torch.nn.functional
    if mode == "step":
        inputs = make_inputs(BATCHES[name])
        targets = make_targets(BATCHES[name]) if make_targets else inputs
        optimizer = torch_optimizer(torch, rule, parameters, compiles)

        def loss(inputs, targets):
            compare = functional.cross_entropy if make_targets else functional.mse_loss
            return compare(model(inputs), targets)
        if compiles:
            loss = torch.compile(loss)

        def call():
            optimizer.zero_grad()
            loss(inputs, targets).backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
    else:
        inputs = make_inputs(int(mode))
        model.eval()
        run = torch.compile(model) if compiles else model

        def call():
            with torch.inference_mode():
                run(inputs)
    return call, count, None if compiles else operations(torch, call)
