import GimbalTrain

// What the strangers' cases are made of.

extension Program {
    /// The same with another length.
    init(steps: Int, _ other: Program) {
        self.init(other.model, other.optimizer, on: other.batch, steps: steps, loss: other.loss)
    }
}

func teach(_ program: Program, _ steps: Int) throws {
    for step in 0..<steps {
        program.optimizer.zeroGradients()
        try program.loss(program.batch(step)).backward()
        try program.optimizer.step()
    }
    program.optimizer.zeroGradients()
}

@Sendable func rowsOfDigits(_ step: Int) -> ClinicBatch {
    ClinicData.digits(64)(step).inputs { $0.reshaped([64, 8, 8]) }
}

@Sendable func imagesOfDigits(_ step: Int) -> ClinicBatch {
    ClinicData.digits(64)(step).inputs { $0.reshaped([64, 1, 8, 8]) }
}

@Sendable func labels(_ step: Int) -> ClinicBatch {
    let x = Tensor.normal([128, 8])
    let rows = x.sliced(0..<5, axis: 1)
    return ClinicBatch(x: x, y: rows.isGreater(than: rows.scalar(0.3)).cast(to: .float32))
}

func masks(_ limit: Double) throws -> ClinicData.Batches {
    changing(try ClinicData.fashion(16)) { batch in
        batch.targets { _ in batch.x.isGreater(than: batch.x.scalar(limit)).cast(to: .float32) }
    }
}

func unet() -> Assembly {
    let layers: [any TensorLayer] = [
        Conv2d(1, 8, kernelSize: 3, padding: 1), Conv2d(8, 16, kernelSize: 3, padding: 1),
        Conv2d(16, 16, kernelSize: 3, padding: 1), ConvTranspose2d(16, 8, kernelSize: 2, stride: 2),
        Conv2d(16, 8, kernelSize: 3, padding: 1), Conv2d(8, 1, kernelSize: 1), MaxPool2d(kernelSize: 2),
    ]
    return Assembly(layers) { layers, x in
        let wide = layers[0](x).relu()
        let deep = layers[2](layers[1](layers[6](wide)).relu()).relu()
        let joined = Tensor.concatenated([wide, layers[3](deep)], axis: 1)
        return layers[5](layers[4](joined).relu())
    }
}

func soundNet() -> Sequential {
    Sequential {
        Conv1d(1, 16, kernelSize: 9, stride: 4)
        ReLU()
        Conv1d(16, 16, kernelSize: 9, stride: 4)
        ReLU()
        GlobalAveragePool()
        Linear(16, 3)
    }
}

func sounds(_ loudness: Double) -> ClinicData.Batches {
    { _ in
        let classes = (0..<32).map { Int32($0 % 3) }
        let angles = Tensor(
            classes.flatMap { kind in (0..<400).map { Float($0) * 0.15 * Float(kind + 1) } }, [32, 1, 400])
        let phase = Tensor.uniform([32, 1, 1]) * 6.28
        let noise = Tensor.normal([32, 1, 400]) * 0.1
        return ClinicBatch(x: ((angles + phase).sine() + noise) * loudness, y: Tensor(classes))
    }
}

func autoencoder(
    scale: Double, _ optimizer: MakeOptimizer, reduce: @escaping (Tensor) -> Tensor = { $0.mean() },
    error: @escaping (Tensor, Tensor) -> Tensor
) -> Program {
    let model = Assembly([perceptron(64, 64, 1, 16), perceptron(8, 64, 1, 64)]) { layers, x in layers[0](x) }
    return Program(
        model, optimizer(model.parameters),
        on: changing(ClinicData.givenBack) { batch in ClinicBatch(x: batch.x * scale, y: batch.y * scale) }
    ) { batch in
        let code = model(batch.x)
        let (mean, logVariance) = (code.sliced(0..<8, axis: 1), code.sliced(8..<16, axis: 1))
        let drawn = mean + (logVariance * 0.5).exp() * Tensor.normal(mean.shape)
        let divergence = (mean.square() + logVariance.exp() - logVariance - 1).sum([1]) * 0.5
        return reduce(error(model.layers[1](drawn), batch.y) + divergence)
    }
}

func mixture(
    scale: Double, _ loss: @escaping (_ mean: Tensor, _ deviation: Tensor, _ share: Tensor, _ target: Tensor) -> Tensor
) -> Program {
    compare(perceptron(4, 32, 1, 9), adam(2e-3), on: ClinicData.regression(4, scale: scale)) { output, target in
        loss(
            output.sliced(0..<3, axis: 1), output.sliced(3..<6, axis: 1).exp(), output.sliced(6..<9, axis: 1), target)
    }
}

func rare(_ limit: Double, _ size: Int) -> ClinicData.Batches {
    let weights = Tensor.normal([12, 1])
    let unit = weights / weights.square().sum().squareRoot()
    return { _ in
        let x = Tensor.normal([size, 12])
        let sums = x.matrixMultiplied(by: unit) + Tensor.normal([size, 1]) * 0.3
        return ClinicBatch(x: x, y: sums.isGreater(than: sums.scalar(limit * 1.044)).cast(to: .float32))
    }
}

func attentionPooling(axis: Int) -> Assembly {
    let net = GRU(inputSize: 8, hiddenSize: 32, isBatchFirst: true)
    return Assembly([net, Linear(32, 1), Linear(32, 10)]) { layers, x in
        let outputs = layers[0](x)
        let shares = layers[1](outputs).softmax(axis: axis)
        return layers[2]((outputs * shares).sum([1]))
    }
}

func distillation(_ loss: @escaping (Tensor, Tensor) -> Tensor) throws -> Program {
    let teacher = perceptron(64, 64, 1, 10)
    try teach(classify(teacher, adam(2e-3)), 150)
    return compare(
        perceptron(64, 32, 1, 10), adam(),
        on: changing(ClinicData.digits()) { batch in batch.targets { _ in teacher(batch.x).softmax().detached() } },
        loss: loss)
}

func generatorsTurn(_ loss: @escaping (Tensor) -> Tensor) -> Program {
    let (generator, discriminator) = adversaries()
    let model = Assembly([generator, discriminator]) { $0[1]($0[0]($1)) }
    discriminator.freeze()
    return Program(
        model, Adam(generator.parameters, learningRate: 2e-4, beta1: 0.5),
        on: { _ in ClinicBatch(x: .normal([128, 16]), y: .ones([128, 1])) }
    ) { loss(model($0.x)) }
}

func criticsTurn(
    _ critic: any TensorLayer, _ optimizer: MakeOptimizer,
    _ loss: @escaping (_ real: Tensor, _ fake: Tensor, _ x: Tensor, _ drawn: Tensor) throws -> Tensor
) -> Program {
    let (generator, _) = adversaries()
    return Program(
        critic, optimizer(critic.parameters),
        on: changing(ClinicData.digits()) { batch in
            ClinicBatch(x: batch.x, y: withoutGradients { generator(.normal([128, 16])) })
        }
    ) { try loss(critic($0.x), critic($0.y), $0.x, $0.y) }
}

func ratings(_ output: @escaping (Tensor) -> Tensor) -> Program {
    let model = Assembly([Embedding(50, 8), Embedding(50, 8)]) { layers, x in
        output((layers[0](x.selecting(0, axis: 1)) * layers[1](x.selecting(1, axis: 1))).sum([1], keepsAxes: true))
    }
    return compare(
        model, adam(0.01),
        on: { _ in
            let numbers = try! (Tensor.uniform([256]) * 49.9).floats().map { Int32($0) }
            let stars = (0..<128).map { Float((numbers[2 * $0] + numbers[2 * $0 + 1]) % 5 + 1) }
            return ClinicBatch(x: Tensor(numbers, [128, 2]), y: Tensor(stars, [128, 1]))
        })
}

func quantized(straightThrough: Bool) -> Program {
    let codes = Embedding(16, 8)
    codes.weight.assign(.normal([16, 8], standardDeviation: 0.3))
    let model = Assembly([perceptron(64, 32, 1, 8), codes, perceptron(8, 32, 1, 64)]) { $0[0]($1) }
    return Program(model, Adam(model.parameters, learningRate: 2e-3), on: ClinicData.givenBack) { batch in
        let code = model(batch.x)
        let distances = (code.detached().reshaped([128, 1, 8]) - codes.weight.value.detached().reshaped([1, 16, 8]))
            .square().sum([2])
        let nearest = codes(distances.argMin(axis: 1).cast(to: .int32))
        guard straightThrough else { return meanSquaredError(model.layers[2](nearest), batch.y) }
        let passed = code + (nearest - code).detached()
        return meanSquaredError(model.layers[2](passed), batch.y) + (nearest - code.detached()).square().mean()
            + (nearest.detached() - code).square().mean() * 0.25
    }
}

func siamese(_ distance: @escaping (Tensor, Tensor) -> Tensor) -> Program {
    let model = perceptron(64, 64, 1, 16)
    return Program(model, Adam(model.parameters), on: ClinicData.digits()) { batch in
        let (first, others) = (batch.x.sliced(0..<64), batch.x.sliced(64..<128))
        let second = Tensor.concatenated([first.sliced(0..<4), others.sliced(4..<64)])
        let classes = Tensor.concatenated([batch.y.sliced(0..<4), batch.y.sliced(68..<128)])
        let isSame = batch.y.sliced(0..<64).equals(classes).cast(to: .float32)
        let d = distance(model(first), model(second))
        return (isSame * d + (1 - isSame) * (1 - d).relu()).mean()
    }
}

/// A layer that was trained, and what is added to it.
final class Adapted: Module, TensorLayer {
    let base: Linear
    let down: Parameter
    let up: Parameter

    init(_ base: Linear, rank: Int, zeroDown: Bool) {
        self.base = base
        let (outputs, inputs) = (base.weight.shape[0], base.weight.shape[1])
        down = Parameter(zeroDown ? .zeros([rank, inputs]) : .normal([rank, inputs], standardDeviation: 0.1))
        up = Parameter(.zeros([outputs, rank]))
        super.init()
        base.freeze()
    }

    func forward(_ x: Tensor) -> Tensor { base(x) + x.linear(weight: down.value).linear(weight: up.value) }
}

func adapters(zeroDown: Bool) throws -> Program {
    let layers = [Linear(64, 64), Linear(64, 64), Linear(64, 10)]
    let trained = Assembly(layers) { $0[2]($0[1]($0[0]($1).relu()).relu()) }
    try teach(classify(trained, adam(2e-3)), 150)
    let model = Assembly(layers.map { Adapted($0, rank: 8, zeroDown: zeroDown) }) {
        $0[2]($0[1]($0[0]($1).relu()).relu())
    }
    return Program(
        model, Adam(model.parameters.filter(\.isTrainable), learningRate: 5e-3),
        on: changing(ClinicData.digits()) { $0.targets { 9 - $0 } }
    ) { crossEntropy(model($0.x), $0.y) }
}

func residualConvolutions(_ blocks: Int) -> Sequential {
    Sequential {
        Conv2d(1, 16, kernelSize: 3, padding: 1)
        for _ in 0..<blocks {
            Residual {
                Conv2d(16, 16, kernelSize: 3, padding: 1)
                ReLU()
                Conv2d(16, 16, kernelSize: 3, padding: 1)
            }
        }
        GlobalAveragePool()
        Linear(16, 10)
    }
}

func pixelByPixel() throws -> ClinicData.Batches {
    changing(try ClinicData.fashion(16)) { batch in
        batch.inputs {
            $0.averagePooled(kernel: [2, 2], stride: [2, 2]).reshaped([16, 196]).transposed().reshaped([196, 16, 1])
        }
    }
}

func walk(leaks: Bool) -> ClinicData.Batches {
    let steps = try! Tensor.normal([1200]).floats()
    var series: [Float] = [0]
    for step in steps { series.append(series.last! * 0.95 + step * 0.3) }
    return { step in
        let starts = (0..<64).map { (step * 64 + $0) * 7 % 1180 }
        return ClinicBatch(
            x: Tensor(starts.flatMap { series[$0..<$0 + 16] }, [64, 16]),
            y: Tensor(starts.map { series[$0 + (leaks ? 15 : 16)] }, [64, 1]))
    }
}

func bag(_ vocabulary: Int) -> Assembly {
    Assembly([Embedding(vocabulary, 16), Linear(16, 2)]) { $0[1]($0[0]($1).mean([1])) }
}

func inOrderOfClass(_ set: Dataset) -> Dataset {
    guard case .classes(let classes, _) = set.targets else { return set }
    return set.subset(classes.indices.sorted { (classes[$0], $0) < (classes[$1], $1) })
}

/// Images, of which every second block of 64 is brighter and turned round.
func twoKinds(_ set: Dataset) -> Dataset {
    var changed = set.batch(Array(0..<set.count)).inputs
    let size = changed.count / set.count
    for index in changed.indices where index / size / 64 % 2 == 1 { changed[index] = 4 - 3 * changed[index] }
    return Dataset(name: set.name, inputShape: set.inputShape, inputs: .floats(changed), targets: set.targets)
}

func smallNet() -> Sequential {
    Sequential {
        Conv2d(1, 16, kernelSize: 3, padding: 1)
        BatchNorm2d(16)
        ReLU()
        Conv2d(16, 32, kernelSize: 3, stride: 2, padding: 1)
        BatchNorm2d(32)
        ReLU()
        GlobalAveragePool()
        Linear(32, 10)
    }
}

func normalizedHead() -> Sequential {
    Sequential {
        Conv2d(1, 16, kernelSize: 3, stride: 2, padding: 1)
        ReLU()
        Conv2d(16, 32, kernelSize: 3, stride: 2, padding: 1)
        ReLU()
        GlobalAveragePool()
        Linear(32, 32)
        BatchNorm1d(32)
        ReLU()
        Linear(32, 10)
    }
}

/// Digits of a number, to be given back in the other order: a recurrent encoder and decoder.
func translation(_ optimizer: (Assembly) -> any Optimizer) -> Program {
    let encoder = GRU(inputSize: 16, hiddenSize: 64, isBatchFirst: true)
    let decoder = GRU(inputSize: 16, hiddenSize: 64, isBatchFirst: true)
    let model = Assembly([Embedding(11, 16), encoder, decoder, Linear(64, 11)]) { $0[0]($1) }
    return Program(
        model, optimizer(model),
        on: { _ in
            let numbers = try! (Tensor.uniform([64 * 5]) * 9.99).floats().map { Int32($0) }
            let backwards = (0..<64).flatMap { row in (0..<5).map { numbers[row * 5 + 4 - $0] } }
            return ClinicBatch(x: Tensor(numbers, [64, 5]), y: Tensor(backwards, [64, 5]))
        }
    ) { batch in
        let state = encoder(model(batch.x), state: nil).state
        let start = Tensor([Int32](repeating: 10, count: 64), [64, 1])
        let given = Tensor.concatenated([start, batch.y.sliced(0..<4, axis: 1)], axis: 1)
        let outputs = decoder(model(given), state: state).outputs
        return crossEntropy(model.layers[3](outputs.reshaped([320, 64])), batch.y.reshaped([320]))
    }
}

func textProgram(_ optimizer: MakeOptimizer) throws -> Program {
    let (batches, vocabulary) = try ClinicData.shakespeare(length: 16, 8)
    return classify(
        LanguageModel(vocabulary: vocabulary, length: 16, size: 64, heads: 4, layers: 2), optimizer, on: batches)
}

/// A Transformer of encoder and decoder that is to give back what it is shown.
final class Copying: Module {
    let embedding = Embedding(30, 32)
    let positions = LearnedPositions(32, maximumLength: 10)
    let head = Linear(32, 30)
    let transformer: Transformer

    init(normFirst: Bool, layers: Int) {
        transformer = Transformer(
            size: 32, heads: 4, encoderLayers: layers, decoderLayers: layers, feedforwardSize: 64, dropout: 0,
            isBatchFirst: true, normFirst: normFirst)
    }
}

func copying(normFirst: Bool, layers: Int, _ optimizer: MakeOptimizer) -> Program {
    let model = Copying(normFirst: normFirst, layers: layers)
    return Program(
        model, optimizer(model.parameters),
        on: { _ in
            let numbers = try! (Tensor.uniform([16 * 10]) * 29.9).floats().map { Int32($0) }
            return ClinicBatch(x: Tensor(numbers, [16, 10]), y: Tensor(numbers))
        }
    ) { batch in
        let vectors = model.positions(model.embedding(batch.x))
        let outputs = model.transformer(vectors, model.positions(.zeros([16, 10, 32])))
        return crossEntropy(model.head(outputs.reshaped([160, 32])), batch.y)
    }
}

/// Residual branches, each with a factor of its own.
final class Scaled: Module, TensorLayer {
    let first: Linear
    let second: Linear
    let factor: Parameter

    init(_ width: Int, start: Double) {
        (first, second) = (Linear(width, width), Linear(width, width))
        factor = Parameter(.full([1], start))
    }

    func forward(_ x: Tensor) -> Tensor { x + second(first(x).relu()) * factor.value }
}

func scaledBranches(_ count: Int, start: Double) -> Sequential {
    Sequential {
        Linear(64, 64)
        for _ in 0..<count { Scaled(64, start: start) }
        Linear(64, 10)
    }
}

/// Four patches of each image, mixed over places and over features by turns.
final class Mixer: Module, TensorLayer {
    let embedding = Linear(16, 32)
    let norms = ModuleList((0..<4).map { _ in LayerNorm(32) })
    let places = ModuleList((0..<2).map { _ in perceptron(4, 16, 1, 4, { GELU() }) })
    let features = ModuleList((0..<2).map { _ in perceptron(32, 64, 1, 32, { GELU() }) })
    let head = Linear(32, 10)

    func forward(_ x: Tensor) -> Tensor {
        var x = embedding(x.reshaped([128, 4, 16]))
        for index in 0..<2 {
            let turned = norms[2 * index](x).transposed(1, 2)
            x = x + places[index](turned).transposed(1, 2)
            x = x + features[index](norms[2 * index + 1](x))
        }
        return head(x.mean([1]))
    }
}

/// Two numbers along half a circle, by a flow of four couplings.
func flow(_ optimizer: MakeOptimizer, noise: Double, scale: Double) -> Program {
    let nets = (0..<4).map { _ in perceptron(1, 32, 1, 2) }
    let model = Assembly(nets) { layers, x in
        var (first, second) = (x.sliced(0..<1, axis: 1), x.sliced(1..<2, axis: 1))
        var logarithm = Tensor.zeros([x.shape[0], 1])
        for layer in layers {
            let code = layer(first)
            let scale = code.sliced(0..<1, axis: 1).tanh()
            (first, second) = (second * scale.exp() + code.sliced(1..<2, axis: 1), first)
            logarithm = logarithm + scale
        }
        return (first.square() + second.square()) * 0.5 - logarithm + 1.8379
    }
    return Program(
        model, optimizer(model.parameters),
        on: { _ in
            let angle = Tensor.uniform([256, 1]) * 3.1416
            let shake = Tensor.normal([256, 2]) * noise
            return ClinicBatch(
                x: .concatenated([angle.cosine(), angle.sine()], axis: 1) * scale + shake, y: .zeros([1]))
        }
    ) { model($0.x).mean() }
}

/// Ten words of ten topics' hundred, and whether the topic is one of the first five.
@Sendable func topics(_ step: Int) -> ClinicBatch {
    let numbers = try! (Tensor.uniform([32 * 11]) * 9.99).floats().map { Int32($0) }
    var words: [Int32] = []
    for row in 0..<32 {
        for place in 1...10 { words.append(numbers[row * 11] * 10 + numbers[row * 11 + place]) }
    }
    return ClinicBatch(x: Tensor(words, [32, 10]), y: Tensor((0..<32).map { numbers[$0 * 11] < 5 ? Int32(1) : 0 }))
}
