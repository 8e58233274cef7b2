"""The nets of `gimbal bench` as JAX has them, by flax and optax: steps and inference compiled whole, channels last."""
import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from torch_nets import BATCHES


def convolved(x, features, train, kernel=3, stride=1, groups=1):
    """A convolution that keeps the size but for its stride, normalised and rectified."""
    return nn.relu(normalized(convolution(x, features, kernel, stride, groups), train))


def convolution(x, features, kernel=3, stride=1, groups=1):
    return nn.Conv(features, (kernel, kernel), stride, kernel // 2, feature_group_count=groups, use_bias=False)(x)


def normalized(x, train):
    return nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5)(x)


def halved(x):
    return nn.max_pool(x, (2, 2), (2, 2))


class MLP(nn.Module):
    widths: tuple

    @nn.compact
    def __call__(self, x, train):
        for width in self.widths[:-1]:
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(self.widths[-1])(x)


class ResNet18(nn.Module):
    classes: int

    @nn.compact
    def __call__(self, x, train):
        x = nn.max_pool(convolved(x, 64, train, 7, 2), (3, 3), (2, 2), ((1, 1), (1, 1)))
        for stage, width in enumerate((64, 128, 256, 512)):
            for number in range(2):
                stride = 2 if stage > 0 and number == 0 else 1
                branch = convolved(x, width, train, stride=stride)
                branch = normalized(convolution(branch, width), train)
                if stride > 1:
                    x = normalized(convolution(x, width, 1, stride), train)
                x = nn.relu(branch + x)
        return nn.Dense(self.classes)(x.mean((1, 2)))


class VGG(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        for width in (64, 128, 256):
            x = halved(convolved(convolved(x, width, train), width, train))
        return nn.Dense(10)(x.reshape(x.shape[0], -1))


class MobileNet(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        x = convolved(x, 32, train, stride=2)
        for width, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
            x = convolved(x, x.shape[-1], train, stride=stride, groups=x.shape[-1])
            x = convolved(x, width, train, 1)
        return nn.Dense(100)(x.mean((1, 2)))


class LeNet(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        x = halved(nn.relu(nn.Conv(6, (5, 5), padding=2)(x)))
        x = halved(nn.relu(nn.Conv(16, (5, 5), padding="VALID")(x))).reshape(x.shape[0], -1)
        for width in (120, 84):
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(10)(x)


class UNet(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        def pair(x, width):
            return convolved(convolved(x, width, train), width, train)

        def risen(x, width):
            return nn.ConvTranspose(width, (2, 2), (2, 2))(x)
        first = pair(x, 32)
        second = pair(halved(first), 64)
        low = pair(halved(second), 128)
        middle = pair(jnp.concatenate([second, risen(low, 64)], -1), 64)
        return nn.Conv(4, (1, 1))(pair(jnp.concatenate([first, risen(middle, 32)], -1), 32))


class GPT(nn.Module):
    vocabulary: int = 4096
    width: int = 384
    heads: int = 6
    layers: int = 6

    @nn.compact
    def __call__(self, x, train):
        batch, length = x.shape
        positions = self.param("positions", nn.initializers.zeros, (length, self.width))
        x = nn.Embed(self.vocabulary, self.width)(x) + positions
        for _ in range(self.layers):
            parts = nn.Dense(3 * self.width)(nn.LayerNorm(epsilon=1e-5)(x)).reshape(batch, length, 3, self.heads, -1)
            y = jax.nn.dot_product_attention(parts[:, :, 0], parts[:, :, 1], parts[:, :, 2], is_causal=True)
            x = x + nn.Dense(self.width)(y.reshape(batch, length, self.width))
            y = nn.gelu(nn.Dense(4 * self.width)(nn.LayerNorm(epsilon=1e-5)(x)), approximate=False)
            x = x + nn.Dense(self.width)(y)
        return nn.Dense(self.vocabulary)(nn.LayerNorm(epsilon=1e-5)(x))


class LSTM(nn.Module):
    """With PyTorch's parameters, two biases among them; the product with all inputs stands before the loop."""
    size: int
    isReversed: bool = False

    @nn.compact
    def __call__(self, x):
        batch, _, inputs = x.shape
        start = nn.initializers.lecun_normal()
        ofInputs = self.param("inputs", start, (inputs, 4 * self.size))
        ofStates = self.param("states", start, (self.size, 4 * self.size))
        biases = [self.param(name, nn.initializers.zeros, (4 * self.size,)) for name in ("bias1", "bias2")]

        def step(state, projected):
            hidden, cell = state
            i, f, g, o = jnp.split(projected + hidden @ ofStates, 4, -1)
            cell = nn.sigmoid(f) * cell + nn.sigmoid(i) * jnp.tanh(g)
            hidden = nn.sigmoid(o) * jnp.tanh(cell)
            return (hidden, cell), hidden
        zeros = jnp.zeros((batch, self.size))
        projected = (x @ ofInputs + biases[0] + biases[1]).swapaxes(0, 1)
        return jax.lax.scan(step, (zeros, zeros), projected, reverse=self.isReversed)[1]


class BidirectionalLSTM(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        return nn.Dense(10)(jnp.concatenate([LSTM(128)(x)[-1], LSTM(128, isReversed=True)(x)[0]], -1))


class Dilated(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        for dilation in (1, 2, 4, 8) * 2:
            x = nn.relu(nn.Conv(64, (7,), padding=3 * dilation, kernel_dilation=dilation)(x))
        return nn.Dense(10)(x.mean(1))


class MeanOfEmbeddings(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        return nn.Dense(10)(nn.Embed(30000, 64)(x).mean(1))


SGD = optax.chain(optax.add_decayed_weights(1e-4), optax.sgd(0.01, momentum=0.9))
ADAM = optax.adam(1e-3)

# The model, the shape of a sample (or how many tokens it has, and below which number), how many classes there are
# (None: the inputs are to be given) and the shape of a sample's classes, and the optimizer.
NETS = {
    "resnet18-64": (ResNet18(200), (64, 64, 3), 200, (), SGD),
    "resnet18-224": (ResNet18(1000), (224, 224, 3), 1000, (), SGD),
    "vgg": (VGG(), (32, 32, 3), 10, (), SGD),
    "mobilenet": (MobileNet(), (64, 64, 3), 100, (), SGD),
    "lenet": (LeNet(), (28, 28, 1), 10, (), ADAM),
    "unet": (UNet(), (64, 64, 1), 4, (64, 64), ADAM),
    "gpt": (GPT(), {"below": 4096, "count": 256}, 4096, (256,), optax.adamw(3e-4, weight_decay=1e-2)),
    "wide-mlp": (MLP((4096, 4096, 10)), (784,), 10, (), ADAM),
    "bilstm": (BidirectionalLSTM(), (64, 128), 10, (), ADAM),
    "conv1d": (Dilated(), (512, 64), 10, (), ADAM),
    "embedding": (MeanOfEmbeddings(), {"below": 30000, "count": 64}, 10, (), ADAM),
    "autoencoder": (MLP((512, 128, 32, 128, 512, 784)), (784,), None, (), ADAM),
}


def jax_call(name, mode):
    """What is timed and how many parameters the net has; `mode` is `step` or inference's batch."""
    model, sample, classes, places, optimizer = NETS[name]
    batch = BATCHES[name] if mode == "step" else int(mode)
    key = jax.random.key(0)
    if isinstance(sample, dict):
        inputs = jax.random.randint(key, (batch, sample["count"]), 0, sample["below"])
    else:
        inputs = jax.random.normal(key, (batch, *sample))
    variables = jax.jit(lambda key, inputs: model.init(key, inputs, train=False))(key, inputs)
    parameters, others = variables["params"], {k: v for k, v in variables.items() if k != "params"}
    count = sum(leaf.size for leaf in jax.tree.leaves(parameters))

    if mode != "step":
        run = jax.jit(lambda variables, inputs: model.apply(variables, inputs, train=False))
        return lambda: run(variables, inputs).block_until_ready(), count

    targets = inputs if classes is None else jax.random.randint(key, (batch, *places), 0, classes)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optimizer)

    def loss(parameters, others, inputs, targets):
        outputs, changed = model.apply({"params": parameters} | others, inputs, train=True, mutable=["batch_stats"])
        if classes is None:
            return jnp.mean((outputs - targets) ** 2), changed
        return optax.softmax_cross_entropy_with_integer_labels(outputs, targets).mean(), changed

    def step(parameters, others, moments, inputs, targets):
        (value, changed), gradients = jax.value_and_grad(loss, has_aux=True)(parameters, others, inputs, targets)
        updates, moments = optimizer.update(gradients, moments, parameters)
        return optax.apply_updates(parameters, updates), changed, moments, value
    compiled = jax.jit(step, donate_argnums=(0, 1, 2))
    state = parameters, others, optimizer.init(parameters)

    def call():
        nonlocal state
        *state, value = compiled(*state, inputs, targets)
        jax.block_until_ready((state, value))
    return call, count
