import GimbalTrain

/// Healthy nets of all kinds of tasks.
let taskCases: [ClinicCase] = [
    .healthy("regression", "Huber") {
        compare(perceptron(8, 64, 2, 1), sgd(0.05), on: ClinicData.regression(8)) { huber($0, $1) }
    },
    .healthy("regression of three numbers", "squared error") {
        compare(
            perceptron(8, 64, 2, 3), adam(),
            on: changing(ClinicData.regression(8)) { batch in
                batch.targets { .concatenated([$0, -$0, $0 * 0.5 + 1], axis: 1) }
            })
    },
    .healthy("regression of counts", "Poisson") {
        compare(
            perceptron(8, 32, 2, 1), adam(),
            on: changing(ClinicData.regression(8)) { $0.targets { ($0 * 2).exp() } }
        ) { poissonNLL($0, $1) }
    },
    .healthy("regression of sparse targets", "mostly 0") {
        compare(
            perceptron(8, 32, 2, 1), adam(), on: changing(ClinicData.regression(8)) { $0.targets { ($0 - 0.7).relu() } }
        )
    },
    .healthy("yes or no", "logits") {
        compare(perceptron(8, 32, 1, 1), sgd(0.1), on: ClinicData.yesOrNo(8)) { binaryCrossEntropyWithLogits($0, $1) }
    },
    .healthy("yes or no", "sigmoid, squared error") {
        compare(perceptron(8, 32, 1, 1), sgd(0.1), on: ClinicData.yesOrNo(8)) { meanSquaredError($0.sigmoid(), $1) }
    },
    .healthy("several labels", "five of yes or no each") {
        compare(
            perceptron(8, 64, 2, 5), adam(),
            on: changing(ClinicData.regression(8)) { batch in
                let rows = batch.x.sliced(0..<5, axis: 1)
                return batch.targets { _ in rows.isGreater(than: rows.scalar(0.3)).cast(to: .float32) }
            }
        ) { binaryCrossEntropyWithLogits($0, $1) }
    },
    .healthy("focal loss", "one in ten") {
        compare(
            perceptron(64, 64, 2, 1), adam(),
            on: changing(ClinicData.digits()) {
                $0.targets { $0.equals($0.scalar(3)).cast(to: .float32).reshaped([128, 1]) }
            }
        ) { focal($0, $1) }
    },
    .healthy("label smoothing", "0.1") {
        compare(perceptron(64, 64, 2, 10), adam(), on: ClinicData.digits()) {
            crossEntropy($0, $1, labelSmoothing: 0.1)
        }
    },
    .healthy("soft targets", "distillation by divergence") {
        let teacher = perceptron(64, 64, 1, 10)
        return compare(
            perceptron(64, 32, 1, 10), adam(),
            on: changing(ClinicData.digits()) { batch in
                batch.targets { _ in (teacher(batch.x) * 4).softmax().detached() }
            }
        ) { klDivergence($0.logSoftmax(), $1, reduction: .batchMean) }
    },
    .healthy("autoencoder", "digits, squared error of sigmoids") {
        compare(perceptron(64, 32, 2, 64), adam(), on: ClinicData.givenBack) { meanSquaredError($0.sigmoid(), $1) }
    },
    .healthy("autoencoder", "binary cross-entropy of logits") {
        compare(perceptron(64, 32, 2, 64), adam(), on: ClinicData.givenBack) { binaryCrossEntropyWithLogits($0, $1) }
    },
    .healthy("denoising autoencoder", "convolutions") {
        let model = Sequential {
            Conv2d(1, 8, kernelSize: 3, padding: 1)
            ReLU()
            Conv2d(8, 1, kernelSize: 3, padding: 1)
        }
        return compare(
            model, adam(),
            on: changing(try ClinicData.fashion(32)) { batch in
                ClinicBatch(x: batch.x + Tensor.normal(batch.x.shape) * 0.2, y: batch.x)
            })
    },
    .healthy("variational autoencoder", "two terms") {
        let model = Assembly([perceptron(64, 64, 1, 16), perceptron(8, 64, 1, 64)]) { layers, x in layers[0](x) }
        return Program(model, Adam(model.parameters), on: ClinicData.givenBack) { batch in
            let code = model(batch.x)
            let (mean, logVariance) = (code.sliced(0..<8, axis: 1), code.sliced(8..<16, axis: 1))
            let drawn = mean + (logVariance * 0.5).exp() * Tensor.normal(mean.shape)
            let reconstruction = binaryCrossEntropyWithLogits(model.layers[1](drawn), batch.y, reduction: .none).sum([1]
            )
            let divergence = (mean.square() + logVariance.exp() - logVariance - 1).sum([1]) * 0.5
            return (reconstruction + divergence).mean()
        }
    },
    .healthy("N6, adversarial", "the discriminator's turn") {
        let (generator, discriminator) = adversaries()
        return Program(
            discriminator, Adam(discriminator.parameters, learningRate: 2e-4, beta1: 0.5), on: ClinicData.digits()
        ) {
            let fake = withoutGradients { generator(.normal([128, 16])) }
            let (real, drawn) = (discriminator($0.x), discriminator(fake))
            return binaryCrossEntropyWithLogits(real, Tensor(repeating: 1, real.shape))
                + binaryCrossEntropyWithLogits(drawn, .zeros(drawn.shape))
        }
    },
    .healthy("N6, adversarial", "the generator's turn") {
        let (generator, discriminator) = adversaries()
        let model = Assembly([generator, discriminator]) { $0[1]($0[0]($1)) }
        for parameter in discriminator.parameters { parameter.isTrainable = false }
        return Program(
            model, Adam(generator.parameters, learningRate: 2e-4, beta1: 0.5),
            on: { _ in ClinicBatch(x: .normal([128, 16]), y: Tensor(repeating: 1, [128, 1])) }
        ) { binaryCrossEntropyWithLogits(model($0.x), $0.y) }
    },
    .healthy("siamese", "cosine embedding of pairs") {
        let model = perceptron(64, 64, 1, 16)
        return Program(model, Adam(model.parameters), on: ClinicData.digits()) { batch in
            let (first, second) = (batch.x.sliced(0..<64), batch.x.sliced(64..<128))
            let isSame = batch.y.sliced(0..<64).equals(batch.y.sliced(64..<128)).cast(to: .float32) * 2 - 1
            return cosineEmbedding(model(first), model(second), isSame, margin: 0.2)
        }
    },
    .healthy("triplets", "margin 1") {
        let model = perceptron(64, 64, 1, 16)
        return Program(model, Adam(model.parameters), on: ClinicData.digits(96)) { batch in
            tripletMargin(
                model(batch.x.sliced(0..<32)), model(batch.x.sliced(32..<64)), model(batch.x.sliced(64..<96)))
        }
    },
    .healthy("contrastive", "two views of each sample") {
        let model = perceptron(64, 64, 1, 16)
        return Program(model, Adam(model.parameters), on: ClinicData.digits(64)) { batch in
            let views = (0..<2).map { _ in
                let code = model(batch.x + Tensor.normal(batch.x.shape) * 0.1)
                return code / (code.square().sum([1], keepsAxes: true) + 1e-6).squareRoot()
            }
            let logits = views[0].matrixMultiplied(by: views[1].transposed()) * 5
            return crossEntropy(logits, Tensor((0..<64).map { Int32($0) }))
        }
    },
    .healthy("two tasks", "a class and a number") {
        let model = Assembly([Linear(64, 64), Linear(64, 10), Linear(64, 1)]) { $0[0]($1).relu() }
        return Program(model, Adam(model.parameters), on: ClinicData.digits()) { batch in
            let features = model(batch.x)
            let sums = batch.x.mean([1], keepsAxes: true)
            return crossEntropy(model.layers[1](features), batch.y)
                + meanSquaredError(model.layers[2](features), sums) * 0.5
        }
    },
    .healthy("segmentation", "a class for each pixel") {
        let model = Sequential {
            Conv2d(1, 8, kernelSize: 3, padding: 1)
            BatchNorm2d(8)
            ReLU()
            Conv2d(8, 3, kernelSize: 3, padding: 1)
        }
        return classify(
            model, adam(),
            on: changing(try ClinicData.fashion(16)) { batch in
                let pixels = batch.x.reshaped([16, 28, 28])
                return batch.targets { _ in
                    pixels.isGreater(than: pixels.scalar(0.2)).cast(to: .int32)
                        + pixels.isGreater(than: pixels.scalar(0.6)).cast(to: .int32)
                }
            })
    },
    .healthy("sequence tagging", "a class for each step, GRU in both directions") {
        let net = GRU(inputSize: 8, hiddenSize: 32, isBatchFirst: true, isBidirectional: true)
        let model = Assembly([net, Linear(64, 2)]) { layers, x in layers[1](layers[0](x).reshaped([16 * 20, 64])) }
        return classify(
            model, adam(),
            on: { _ in
                let x = Tensor.normal([16, 20, 8])
                let sums = x.sum([2]).reshaped([320])
                return ClinicBatch(x: x, y: sums.isGreater(than: sums.scalar(0)).cast(to: .int32))
            })
    },
    .healthy("language model", "LSTM") {
        let (batches, vocabulary) = try ClinicData.shakespeare(length: 32)
        return classify(
            CharacterNet(vocabulary, LSTM(inputSize: 32, hiddenSize: 64, isBatchFirst: true)), adam(2e-3), on: batches)
    },
    .healthy("language model", "GRU of two layers") {
        let (batches, vocabulary) = try ClinicData.shakespeare(length: 32)
        return classify(
            CharacterNet(vocabulary, GRU(inputSize: 32, hiddenSize: 64, layers: 2, isBatchFirst: true)), adam(2e-3),
            on: batches)
    },
    .healthy("post-norm Transformer", "two layers, 1e-4") {
        let (batches, vocabulary) = try ClinicData.shakespeare(length: 24, 8)
        return classify(
            CharacterTransformer(vocabulary, length: 24, size: 64, layers: 2, normFirst: false), adam(1e-4), on: batches
        )
    },
    .healthy("translation", "Transformer with encoder and decoder") {
        let model = Transformer(
            size: 32, heads: 4, encoderLayers: 2, decoderLayers: 2, feedforwardSize: 64, dropout: 0,
            isBatchFirst: true, normFirst: true)
        let whole = Assembly([Embedding(50, 32), Linear(32, 50)]) { layers, x in layers[0](x) }
        let all = Pair(model, whole)
        return Program(
            all, Adam(all.parameters),
            on: { _ in
                let numbers = try! (Tensor.uniform([16 * 12]) * 49).floats().map { Int32($0) }
                return ClinicBatch(x: Tensor(numbers, [16, 12]), y: Tensor(numbers))
            }
        ) { batch in
            let vectors = whole(batch.x)
            let outputs = model(vectors, vectors)
            return crossEntropy(whole.layers[1](outputs.reshaped([16 * 12, 32])), batch.y)
        }
    },
    .healthy("adding with GRU", "60 steps") { remember(GRU(inputSize: 2, hiddenSize: 32), 60) },
    .healthy("identity ReLU RNN", "adding, 50 steps") {
        let start = RecurrentInitialization(hiddenWeight: .identity(), bias: .zeros)
        return remember(RNN(inputSize: 2, hiddenSize: 64, nonlinearity: .relu, initialization: start), 50)
    },
    .healthy("orthogonal tanh RNN", "adding, 30 steps") {
        let start = RecurrentInitialization(hiddenWeight: .orthogonal())
        return remember(RNN(inputSize: 2, hiddenSize: 64, initialization: start), 30)
    },
    .healthy("forecast", "a periodic series, by a perceptron") {
        let period: [Float] = [-1.6, 0.3, 1.1, -0.4, 0.9, 1.5, -1.2, 0.1, -0.7, 0.6, -0.6]
        let noise = try Tensor.normal([300], standardDeviation: 0.2).floats()
        let series = noise.enumerated().map { (week: Int, noise: Float) -> Float in period[week % 11] + noise }
        let data = Dataset.windows(of: series, window: 16)
        return compare(
            perceptron(16, 32, 2, 1), adam(),
            on: changing(ClinicData.batches(of: data, 64)) { $0.flat })
    },
    .healthy("ResNet-20", "Fashion-MNIST") {
        classify(
            SmallResNet(depth: 20, channels: 1, width: 8), sgd(0.1, momentum: 0.9, decay: 5e-4),
            on: try ClinicData.fashion(32))
    },
    .healthy("ResNet-20 that begins as the identity", "Fashion-MNIST") {
        classify(
            SmallResNet(depth: 20, channels: 1, width: 8, startsAsIdentity: true), sgd(0.1, momentum: 0.9),
            on: try ClinicData.fashion(32))
    },
    .healthy("depthwise convolutions", "groups and pointwise") {
        let model = Sequential {
            Conv2d(1, 16, kernelSize: 3, stride: 2, padding: 1)
            for _ in 0..<3 {
                Conv2d(16, 16, kernelSize: 3, padding: 1, groups: 16)
                BatchNorm2d(16)
                ReLU()
                Conv2d(16, 16, kernelSize: 1, padding: 0)
                BatchNorm2d(16)
                ReLU()
            }
            GlobalAveragePool()
            Linear(16, 10)
        }
        return classify(model, adam(), on: try ClinicData.fashion(32))
    },
    .healthy("group normalisation", "batch of 2") {
        let model = Sequential {
            Conv2d(1, 16, kernelSize: 3, stride: 2, padding: 1)
            GroupNorm(groups: 4, channels: 16)
            ReLU()
            GlobalAveragePool()
            Linear(16, 10)
        }
        return classify(model, sgd(0.01), on: try ClinicData.fashion(2))
    },
    .healthy("convolutions over sequences", "one axis") {
        let model = Sequential {
            Conv1d(2, 16, kernelSize: 5, padding: 2)
            ReLU()
            Conv1d(16, 16, kernelSize: 5, padding: 2)
            ReLU()
            GlobalAveragePool()
            Linear(16, 1)
        }
        return compare(
            model, adam(), on: changing(ClinicData.adding(50)) { $0.inputs { $0.permuted([1, 2, 0]) } })
    },
    .healthy("bag of words", "mean of embeddings") {
        let model = Assembly([Embedding(1000, 32), Linear(32, 2)]) { $0[1]($0[0]($1).mean([1])) }
        return classify(model, adam(0.01), on: words(1000))
    },
    .healthy("factors", "product of two embeddings") {
        let model = Assembly([Embedding(200, 16), Embedding(200, 16)]) { layers, x in
            (layers[0](x.selecting(0, axis: 1)) * layers[1](x.selecting(1, axis: 1))).sum([1], keepsAxes: true)
        }
        return compare(
            model, adam(0.01),
            on: { _ in
                let numbers = try! (Tensor.uniform([256]) * 199).floats().map { Int32($0) }
                return ClinicBatch(
                    x: Tensor(numbers, [128, 2]),
                    y: Tensor((0..<128).map { (row: Int) -> Float in Float(numbers[2 * row] % 5) - 2 }, [128, 1]))
            })
    },
    .healthy("value and policy", "two heads, a weighted loss") {
        let model = Assembly([Linear(8, 32), Linear(32, 4), Linear(32, 1)]) { $0[0]($1).tanh() }
        return Program(model, Adam(model.parameters), on: ClinicData.regression(8)) { batch in
            let features = model(batch.x)
            let value = model.layers[2](features)
            let advantage = (batch.y - value).detached()
            let logarithms = model.layers[1](features).logSoftmax()
            let policy = -(logarithms.sliced(0..<1, axis: 1) * advantage).mean()
            let entropy = -(logarithms.exp() * logarithms).sum([1]).mean()
            return policy + (batch.y - value).square().mean() * 0.5 - entropy * 0.01
        }
    },
    .healthy("log-softmax before the cross-entropy", "which changes nothing") {
        compare(perceptron(64, 64, 2, 10), adam(), on: ClinicData.digits()) { crossEntropy($0.logSoftmax(), $1) }
    },
    .healthy("hinge loss", "targets ±1") {
        compare(
            perceptron(8, 32, 1, 1), sgd(0.05), on: changing(ClinicData.yesOrNo(8)) { $0.targets { $0 * 2 - 1 } }
        ) { hinge($0, $1) }
    },
    .healthy("mixture", "gate over three nets") {
        let model = Assembly([Linear(8, 3), Linear(8, 1), Linear(8, 1), Linear(8, 1)]) { layers, x in
            let experts = Tensor.concatenated(layers.dropFirst().map { $0(x) }, axis: 1)
            return (layers[0](x).softmax() * experts).sum([1], keepsAxes: true)
        }
        return compare(model, adam(0.01), on: ClinicData.regression(8))
    },
]

func adversaries() -> (Sequential, Sequential) {
    let generator = Sequential {
        Linear(16, 64)
        BatchNorm1d(64)
        ReLU()
        Linear(64, 64)
        Sigmoid()
    }
    let discriminator = Sequential {
        Linear(64, 64)
        LeakyReLU(slope: 0.2)
        Dropout(0.3)
        Linear(64, 1)
    }
    return (generator, discriminator)
}

/// Two modules in one.
private final class Pair: Module {
    let first: Module
    let second: Module
    init(_ first: Module, _ second: Module) { (self.first, self.second) = (first, second) }
}
