import GimbalTrain

/// Healthy nets on which a naive rule fires: N1 to N32 of the literature, as far as they show before training.
let healthyCases: [ClinicCase] = [
    .healthy("N1", "pre-norm Transformer of 12 layers") {
        let (batches, vocabulary) = try ClinicData.shakespeare(length: 32, 8)
        return classify(
            CharacterTransformer(vocabulary, length: 32, size: 64, layers: 12, normFirst: true), adam(), on: batches)
    },
    .healthy("N2", "residual net whose branches begin as 0") {
        let model = residualNet(64, 8, norm: false)
        model.zeroResidualBranches()
        return classify(model)
    },
    .healthy("N3", "head of zeros") {
        let model = perceptron(64, 128, 3, 10)
        model.parameters[model.parameters.count - 2].assign(.zeros([10, 128]))
        return classify(model)
    },
    .healthy("N4", "embedding of 10 000 words, 32 x 20 in a batch") {
        let model = Sequential {
            Embedding(10_000, 64)
            Flatten()
            Linear(1280, 2)
        }
        return classify(model, adam(), on: words(10_000))
    },
    .healthy("N5", "embedding with a padding row") {
        let model = Sequential {
            Embedding(500, 32, paddingIndex: 0)
            Flatten()
            Linear(640, 2)
        }
        return classify(
            model, adam(),
            on: changing(words(500)) { batch in
                batch.inputs { $0 * Tensor((0..<20).map { Int32($0 < 14 ? 1 : 0) }, [1, 20]) }
            })
    },
    .healthy("N7", "fine-tuning with a frozen body") {
        let model = perceptron(64, 128, 3, 10)
        for parameter in model.parameters.dropLast(2) { parameter.isTrainable = false }
        return classify(model, adam())
    },
    .healthy("N9", "dropout of a half") {
        let model = Sequential {
            Linear(64, 256)
            ReLU()
            Dropout(0.5)
            Linear(256, 10)
        }
        return classify(model)
    },
    .healthy("N10", "classes 9 to 1, with weights") {
        let weights = Tensor([0.55, 5] as [Float])
        return compare(perceptron(64, 64, 2, 2), sgd(0.05), on: oneInTen) { crossEntropy($0, $1, weight: weights) }
    },
    .healthy("N10b", "classes 9 to 1, as they are") { classify(perceptron(64, 64, 2, 2), sgd(0.05), on: oneInTen) },
    .healthy("N11", "ReLU convolutions without normalisation") {
        classify(convolutionalNet(norm: false, 32), sgd(0.05), on: try ClinicData.fashion())
    },
    .healthy("N13", "standardised inputs") {
        let data = ClinicData.mixed(Dataset.digits().flattened)
        let standardized = Standardization(fittedTo: data)(data)
        return classify(perceptron(64, 128, 2, 10), sgd(0.05), on: ClinicData.batches(of: standardized, 128))
    },
    .healthy("N14", "a net that has converged") {
        let model = perceptron(8, 32, 1, 1)
        let teacher = perceptron(8, 32, 1, 1)
        for (parameter, value) in zip(model.parameters, teacher.parameters) {
            parameter.assign(value.value.detached() * 1.0001)
        }
        return compare(
            model, sgd(0.01),
            on: changing(ClinicData.regression(8)) { batch in
                batch.targets { _ in teacher(batch.x).detached() }
            })
    },
    .healthy("N15", "layers with biases before batch normalisation") {
        classify(perceptron(64, 128, 6, 10, norm: true), sgd(0.05))
    },
    .healthy("N16", "large weights before batch normalisation") {
        classify(perceptron(64, 128, 3, 10, norm: true, .normal(standardDeviation: 0.3)), adam())
    },
    .healthy("N17", "the whole of the digits as one batch, rate 0.1") {
        classify(perceptron(64, 64, 2, 10, { Tanh() }), sgd(0.1), on: ClinicData.digits(1797))
    },
    .healthy("N19", "causal attention") {
        let (batches, vocabulary) = try ClinicData.shakespeare(length: 24, 4)
        return classify(
            LanguageModel(vocabulary: vocabulary, length: 24, size: 64, heads: 4, layers: 2), adam(), on: batches)
    },
    .healthy("N20", "biases that begin at 0") {
        let model = perceptron(64, 128, 3, 10, { ReLU() }, .heNormal())
        for parameter in model.parameters where parameter.shape.rank == 1 { parameter.assign(.zeros(parameter.shape)) }
        return classify(model, adam())
    },
    .healthy("N21", "LSTM with forget gates that are wide open") {
        remember(LSTM(inputSize: 2, hiddenSize: 64, initialization: .init(forgetGateBias: 4)), 200)
    },
    .healthy("N22", "output sigmoid that is confident and right") {
        let model = Linear(8, 1)
        let weights = Tensor.normal([1, 8])
        model.weight.assign(weights * 8)
        model.bias?.assign(.zeros([1]))
        return compare(
            model, sgd(0.01),
            on: { _ in
                let x = Tensor.normal([128, 8])
                let sums = x.matrixMultiplied(by: weights.transposed())
                return ClinicBatch(x: x, y: sums.isGreater(than: sums.scalar(0)).cast(to: .float32))
            }
        ) { binaryCrossEntropy($0.sigmoid(), $1) }
    },
    .healthy("N23", "batch of 8") { classify(perceptron(64, 128, 2, 10), sgd(0.05), on: ClinicData.digits(8)) },
    .healthy("N26", "max pooling") { classify(leNet(), adam(), on: try ClinicData.fashion()) },
    .healthy("N28", "LeNet with tanh") { classify(leNet { Tanh() }, sgd(0.05), on: try ClinicData.mnist()) },
    .healthy("N29", "LSTM, adding 100") { remember(LSTM(inputSize: 2, hiddenSize: 32), 100) },
    .healthy("N30", "tied embedding") {
        let (batches, vocabulary) = try ClinicData.shakespeare(length: 24, 8)
        return classify(
            LanguageModel(vocabulary: vocabulary, length: 24, size: 64, heads: 4, layers: 2, sharesTokens: true),
            adam(), on: batches)
    },
    .healthy("N31", "Adam's first steps on a small net") { classify(perceptron(64, 32, 1, 10), adam(3e-3)) },
    .healthy("N32", "30 orthogonal linear layers") {
        classify(perceptron(64, 64, 30, 10, { Assembly([]) { $1 } }, .orthogonal()), sgd(0.01))
    },
    .healthy("S72", "2 units between 64 and 10: too few to learn all, but not ill at first") {
        classify(perceptron(64, 2, 1, 10, { Sigmoid() }), adam(0.01))
    },

    .healthy("a layer of zeros", "which gets a gradient, and so does not stay one") {
        let model = perceptron(64, 64, 3, 10, { GELU() })
        model.parameters[2].assign(.zeros([64, 64]))
        return classify(model, adam())
    },
    .healthy("5 x 64 GELU", "as layers are by themselves") { classify(perceptron(64, 64, 5, 10, { GELU() }), adam()) },

    // Depth, width and functions
    .healthy("50 x 256 ReLU, He", "plain and deep") {
        classify(perceptron(64, 256, 50, 10, { ReLU() }, .heNormal()), sgd(1e-3))
    },
    .healthy("50 residual blocks", "batch normalisation") { classify(residualNet(64, 50), sgd(0.01)) },
    .healthy("10 x 128 with normalisation", "batch") { classify(perceptron(64, 128, 10, 10, norm: true), sgd(0.01)) },
    .healthy("20 x 100 tanh", "orthogonal") {
        classify(perceptron(64, 100, 20, 10, { Tanh() }, .orthogonal()), sgd(0.01))
    },
    .healthy("2 x 128 sigmoid", "as layers are by themselves") { classify(perceptron(64, 128, 2, 10, { Sigmoid() })) },
    .healthy("20 x 128 SELU", "LeCun") {
        classify(perceptron(64, 128, 20, 10, { SELU() }, .leCunNormal()), sgd(0.01))
    },
    .healthy("4 x 128 GELU", "AdamW") { classify(perceptron(64, 128, 4, 10, { GELU() }), { AdamW($0) }) },
    .healthy("4 x 128 SiLU", "Adam") { classify(perceptron(64, 128, 4, 10, { SiLU() }), adam()) },
    .healthy("4 x 128 ELU", "Adam") { classify(perceptron(64, 128, 4, 10, { ELU() }), adam()) },
    .healthy("3 x 64 Mish", "RMSprop") {
        classify(perceptron(64, 64, 3, 10, { Mish() }), { RMSprop($0, learningRate: 1e-3) })
    },
    .healthy("3 x 64 softplus", "Adam") { classify(perceptron(64, 64, 3, 10, { Softplus() }), adam()) },
    .healthy("3 x 64 leaky ReLU", "Lion") {
        classify(perceptron(64, 64, 3, 10, { LeakyReLU() }), { Lion($0, learningRate: 1e-4) })
    },
    .healthy("1 x 2048 ReLU", "wide") { classify(perceptron(64, 2048, 1, 10), sgd(0.05)) },
    .healthy("3 x 16 ReLU", "narrow, but not too narrow") { classify(perceptron(64, 16, 3, 10), adam(0.01)) },
    .healthy("softmax regression", "one layer") { classify(perceptron(64, 0, 0, 10)) },
    .healthy("layer normalisation", "6 layers") {
        let model = Sequential {
            Linear(64, 64)
            for _ in 0..<6 {
                LayerNorm(64)
                GELU()
                Linear(64, 64)
            }
            LayerNorm(64)
            Linear(64, 10)
        }
        return classify(model, adam())
    },
    .healthy("weight normalisation", "3 layers") {
        let model = Sequential {
            WeightNorm(Linear(64, 64))
            ReLU()
            WeightNorm(Linear(64, 64))
            ReLU()
            Linear(64, 10)
        }
        return classify(model, adam())
    },
    .healthy("momentum", "0.9 with Nesterov") {
        classify(
            perceptron(64, 128, 2, 10), { SGD($0, learningRate: 0.02, momentum: 0.9, isNesterov: true) })
    },
    .healthy("Adagrad", "its own rate") { classify(perceptron(64, 128, 2, 10), { Adagrad($0) }) },
    .healthy("LAMB", "its own rate") { classify(perceptron(64, 128, 2, 10), { LAMB($0, learningRate: 1e-2) }) },
    .healthy("Adam with ε 1e-4", "against gradients of 1e-3") {
        classify(perceptron(64, 128, 2, 10), adam(1e-3, epsilon: 1e-4))
    },
    .healthy("decay 5e-4", "momentum 0.9") {
        classify(perceptron(64, 128, 2, 10), sgd(0.02, momentum: 0.9, decay: 5e-4))
    },
]

/// Twenty words of a vocabulary, and whether the first is one of its first half.
func words(_ vocabulary: Int) -> ClinicData.Batches {
    { _ in
        let numbers = try! (Tensor.uniform([32 * 20]) * Double(vocabulary - 1)).floats().map { Int32($0) }
        return ClinicBatch(
            x: Tensor(numbers, [32, 20]),
            y: Tensor((0..<32).map { Int32(numbers[$0 * 20] < vocabulary / 2 ? 1 : 0) }))
    }
}

@Sendable private func oneInTen(_ step: Int) -> ClinicBatch {
    ClinicData.digits(200)(step).targets { $0.equals($0.scalar(3)).cast(to: .int32) }
}
