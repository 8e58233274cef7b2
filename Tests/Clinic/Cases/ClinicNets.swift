import GimbalTrain

/// Hidden layers of `width` units between inputs and outputs, with the weights that `initializer` draws in all layers, or
/// those that layers have by themselves.
package func perceptron(
    _ inputs: Int, _ width: Int, _ layers: Int, _ outputs: Int,
    _ function: @escaping () -> any TensorLayer = { ReLU() },
    norm: Bool = false, _ initializer: Initializer? = nil
) -> Sequential {
    let model = Sequential {
        for layer in 0..<layers {
            Linear(layer == 0 ? inputs : width, width)
            if norm { BatchNorm1d(width) }
            function()
        }
        Linear(layers == 0 ? inputs : width, outputs)
    }
    if let initializer { draw(model, by: initializer) }
    return model
}

/// Gives every matrix and kernel of `model` weights by `initializer`.
func draw(_ model: Module, by initializer: Initializer) {
    for parameter in model.parameters where parameter.shape.rank > 1 {
        parameter.assign(initializer.make(parameter.shape, device: .current))
    }
}

/// Residual blocks between a first and a last layer, each with normalisation first unless `norm` says otherwise.
func residualNet(_ width: Int, _ blocks: Int, norm: Bool = true) -> Sequential {
    Sequential {
        Linear(64, width)
        for _ in 0..<blocks {
            Residual {
                if norm { BatchNorm1d(width) }
                Linear(width, width)
                ReLU()
                Linear(width, width)
            }
        }
        if norm { BatchNorm1d(width) }
        Linear(width, 10)
    }
}

/// LeNet-5 for images of 28 x 28 (LeCun et al. 1998), with ReLU and max pooling: layers 0, 3, 7, 9 and 11 have weights.
func leNet(_ function: @escaping () -> any TensorLayer = { ReLU() }, channels: Int = 1) -> Sequential {
    Sequential {
        Conv2d(channels, 6, kernelSize: 5, padding: 2)
        function()
        MaxPool2d(kernelSize: 2)
        Conv2d(6, 16, kernelSize: 5, padding: 0)
        function()
        MaxPool2d(kernelSize: 2)
        Flatten()
        Linear(400, 120)
        function()
        Linear(120, 84)
        function()
        Linear(84, 10)
    }
}

/// Convolutions with batch normalisation and a mean over what is left of the image.
func convolutionalNet(norm: Bool = true, _ width: Int = 16) -> Sequential {
    Sequential {
        Conv2d(1, width, kernelSize: 3, stride: 2, padding: 1)
        if norm { BatchNorm2d(width) }
        ReLU()
        Conv2d(width, 2 * width, kernelSize: 3, stride: 2, padding: 1)
        if norm { BatchNorm2d(2 * width) }
        ReLU()
        GlobalAveragePool()
        Linear(2 * width, 10)
    }
}

/// A recurrent net that is read out after its last time step; [steps, batch, features] to [batch, outputs].
final class Memory: Module, TensorLayer {
    let net: RecurrentNet
    let head: Linear

    init(_ net: RecurrentNet, outputs: Int = 1) {
        self.net = net
        head = Linear(net.hiddenSize, outputs)
    }

    func forward(_ x: Tensor) -> Tensor { head(net(x).selecting(-1)) }
}

/// Characters to the logits of what follows each, [count, length] to [count · length, vocabulary], by a recurrent net.
final class CharacterNet: Module, TensorLayer {
    let embedding: Embedding
    let net: RecurrentNet
    let head: Linear

    init(_ vocabulary: Int, _ net: RecurrentNet) {
        embedding = Embedding(vocabulary, net.inputSize)
        self.net = net
        head = Linear(net.hiddenSize, vocabulary)
    }

    func forward(_ x: Tensor) -> Tensor {
        let outputs = net(embedding(x))
        return head(outputs.reshaped([x.elementCount, net.hiddenSize]))
    }
}

/// Characters to the logits of what follows each, by a Transformer with its norms before or behind its branches.
final class CharacterTransformer: Module, TensorLayer {
    let embedding: Embedding
    let positions: LearnedPositions
    let encoder: TransformerEncoder
    let head: Linear

    init(_ vocabulary: Int, length: Int, size: Int = 128, layers: Int = 6, normFirst: Bool) {
        embedding = Embedding(vocabulary, size)
        positions = LearnedPositions(size, maximumLength: length)
        encoder = TransformerEncoder(
            (0..<layers).map { _ in
                TransformerEncoderLayer(
                    size, heads: 4, feedforwardSize: 4 * size, dropout: 0, isBatchFirst: true, normFirst: normFirst)
            }, norm: normFirst ? LayerNorm(size) : nil)
        head = Linear(size, vocabulary)
    }

    func forward(_ x: Tensor) -> Tensor {
        let features = encoder(positions(embedding(x)), mask: nil, isCausal: true)
        return head(features.reshaped([x.elementCount, head.weight.shape[1]]))
    }
}

/// Layers that a closure calls.
final class Assembly: Module, TensorLayer {
    let layers: [any TensorLayer]
    private let body: ([any TensorLayer], Tensor) -> Tensor

    init(_ layers: [any TensorLayer], _ body: @escaping ([any TensorLayer], Tensor) -> Tensor) {
        (self.layers, self.body) = (layers, body)
    }

    func forward(_ input: Tensor) -> Tensor { body(layers, input) }
}

// MARK: Programs

typealias MakeOptimizer = ([Parameter]) -> any Optimizer

/// Plain gradient descent.
func sgd(_ rate: Double, momentum: Double = 0, decay: Double = 0) -> MakeOptimizer {
    { SGD($0, learningRate: rate, momentum: momentum, weightDecay: decay) }
}

/// Adam.
func adam(_ rate: Double = 1e-3, epsilon: Double = 1e-8) -> MakeOptimizer {
    { Adam($0, learningRate: rate, epsilon: epsilon) }
}

/// A model whose outputs are logits of classes.
func classify(
    _ model: any TensorLayer, _ optimizer: MakeOptimizer = sgd(0.1),
    on batch: @escaping ClinicData.Batches = ClinicData.digits()
) -> Program {
    Program(model, optimizer(model.parameters), on: batch) { crossEntropy(model($0.x), $0.y) }
}

/// A model with a loss of its outputs and the targets: the mean squared error unless another is given.
func compare(
    _ model: any TensorLayer, _ optimizer: MakeOptimizer = sgd(0.01), on batch: @escaping ClinicData.Batches,
    loss: @escaping (Tensor, Tensor) -> Tensor = { meanSquaredError($0, $1) }
) -> Program {
    Program(model, optimizer(model.parameters), on: batch) { loss(model($0.x), $0.y) }
}

/// Classes as rows of 0 with one 1.
func oneHot(_ classes: Tensor, _ count: Int = 10) -> Tensor {
    let numbers = try! classes.integers()
    var values = [Float](repeating: 0, count: numbers.count * count)
    for (row, number) in numbers.enumerated() { values[row * count + Int(number)] = 1 }
    return Tensor(values, [numbers.count, count])
}
