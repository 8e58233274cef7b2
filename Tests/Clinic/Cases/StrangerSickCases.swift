import GimbalTrain

/// Nets that one who had not read the rules thought of, sick and healthy, and some that were added to them afterwards.
let strangerCases: [ClinicCase] =
    strangerSickBefore + strangerSickDuring + strangerHealthy + strangerHealthyDuring + strangerTwins

// MARK: Sick before training

let strangerSickBefore: [ClinicCase] = [
    ClinicCase("U1", "regression, logarithm of a count that is sometimes 0", [.nonFiniteInput]) {
        compare(
            perceptron(6, 32, 2, 1), adam(),
            on: changing(ClinicData.regression(6)) { batch in
                batch.inputs {
                    .concatenated([($0.sliced(0..<1, axis: 1) + 2).relu().log(), $0.sliced(1..<6, axis: 1)], axis: 1)
                }
            })
    },
    ClinicCase("U2", "GRU over events, one feature in seconds since 1970", [.inputScale]) {
        let model = Memory(GRU(inputSize: 3, hiddenSize: 32), outputs: 2)
        return classify(
            model, adam(),
            on: { _ in
                let x = Tensor.normal([20, 32, 2])
                let time = Tensor.uniform([20, 32, 1]) * 1e7 + 1.7e9
                let sums = x.sum([0, 2])
                return ClinicBatch(
                    x: .concatenated([x, time], axis: 2), y: sums.isGreater(than: sums.scalar(0)).cast(to: .int32))
            })
    },
    ClinicCase("U3", "convolutions over sound as int16", [.inputScale]) {
        classify(soundNet(), adam(), on: sounds(12_000))
    },
    ClinicCase("U4", "VAE, pixels 0...255, squared error", [.inputScale, .targetScale]) {
        autoencoder(scale: 255, adam()) { ($0 - $1).square().sum([1]) }
    },
    ClinicCase("U5", "house prices, Huber, Adam", [.targetScale]) {
        compare(perceptron(10, 64, 2, 1), adam(), on: ClinicData.regression(10, scale: 1e5, shift: 3e5)) {
            huber($0, $1)
        }
    },
    ClinicCase("U6", "mixture density by hand, targets in ±30", [.targetScale, .unsafeLogarithm]) {
        mixture(scale: 30) { mean, deviation, share, target in
            let z = (target - mean) / deviation
            let density = (z.square() * -0.5).exp() / (deviation * 2.5066)
            return -(share.softmax() * density).sum([1]).log().mean()
        }
    },
    ClinicCase("U7", "U-Net, masks that were read as 0", [.constantTargets]) {
        compare(unet(), adam(), on: changing(try masks(0.3)) { $0.targets { $0 * 0 } }) {
            binaryCrossEntropyWithLogits($0, $1)
        }
    },
    ClinicCase("U8", "fraud, 1 in 250, cross-entropy", [.classImbalance]) {
        compare(perceptron(12, 32, 2, 1), adam(), on: rare(2.65, 1000)) { binaryCrossEntropyWithLogits($0, $1) }
    },
    ClinicCase("U9", "attention pooling, softmax over the axis of 1", [.softmaxOfOne]) {
        classify(attentionPooling(axis: 2), adam(), on: rowsOfDigits)
    },
    ClinicCase("U10", "negative log-likelihood of probabilities", [.unfittingLoss]) {
        compare(perceptron(64, 64, 2, 10), sgd(0.1), on: ClinicData.digits()) {
            negativeLogLikelihood($0.softmax(), $1)
        }
    },
    ClinicCase("U11", "distillation, divergence of probabilities instead of their logarithms", [.unfittingLoss]) {
        try distillation { klDivergence($0.softmax(), $1, reduction: .batchMean) }
    },
    ClinicCase("U12", "U-Net with a sigmoid, binary cross-entropy of logits", [.doubleSoftmax]) {
        compare(unet(), adam(), on: try masks(0.3)) { binaryCrossEntropyWithLogits($0.sigmoid(), $1) }
    },
    ClinicCase("U13", "log-softmax over axis 0 and negative log-likelihood", [.softmaxOverBatch]) {
        compare(perceptron(64, 64, 2, 10), adam(), on: ClinicData.digits()) {
            negativeLogLikelihood($0.logSoftmax(axis: 0), $1)
        }
    },
    ClinicCase("U14", "adversarial, log(1 - D) by hand", [.unsafeLogarithm]) {
        generatorsTurn { (1 - $0.sigmoid()).log().mean() }
    },
    ClinicCase("U15", "ratings 1...5, sigmoid of a product of embeddings", [.boundedOutput]) {
        ratings { $0.sigmoid() }
    },
    ClinicCase("U16", "values of states, -10...0, ReLU output", [.rectifiedOutput]) {
        compare(
            perceptron(4, 64, 2, 1), adam(),
            on: changing(ClinicData.regression(4)) { $0.targets { ($0 - 1) * 5 } }
        ) { meanSquaredError($0.relu(), $1) }
    },
    ClinicCase("U17", "several labels at once, cross-entropy of a softmax", [.unfittingLoss]) {
        compare(perceptron(8, 64, 2, 5), adam(), on: labels) { crossEntropy($0, $1) }
    },
    ClinicCase(
        "U18", "vector quantisation without a straight-through gradient", [.unreachedParameters],
        layers: ["layers.0.0.weight", "layers.0.0.bias", "layers.0.2.weight", "layers.0.2.bias"]
    ) { quantized(straightThrough: false) },
    ClinicCase("U19", "siamese, root of a distance that is 0 for pairs of the same", [.undefinedOperation]) {
        siamese { ($0 - $1).square().sum([1]).squareRoot() }
    },
    ClinicCase("U20", "low-rank adapters, both factors 0", [.zeroWeights]) { try adapters(zeroDown: true) },
    ClinicCase("U21", "GRU, all weights 0.1", [.identicalUnits]) {
        let start = RecurrentInitialization(
            inputWeight: .constant(0.1), hiddenWeight: .constant(0.1), bias: .zeros)
        let net = GRU(inputSize: 8, hiddenSize: 32, isBatchFirst: true, initialization: start)
        let model = RecurrentClassifier(net, classes: 10)
        draw(model, by: .constant(0.1))
        return classify(model, adam(), on: rowsOfDigits)
    },
    ClinicCase("U22", "language model with tied tokens, N(0, 1)", [.largeWeights], layers: ["tokens"]) {
        let (batches, vocabulary) = try ClinicData.shakespeare(length: 24, 8)
        let model = LanguageModel(
            vocabulary: vocabulary, length: 24, size: 64, heads: 4, layers: 2, sharesTokens: true)
        model.tokens.assign(.normal(model.tokens.shape))
        return classify(model, adam(), on: batches)
    },
    ClinicCase("U23", "24 residual pairs of convolutions, He, no normalisation", [.residualGrowth]) {
        let model = residualConvolutions(24)
        draw(model, by: .heNormal())
        return classify(model, sgd(0.01), on: imagesOfDigits)
    },
    ClinicCase("U24", "critic, 6 layers, weights clipped to ±0.01", [.smallWeights]) {
        let critic = perceptron(64, 64, 6, 1, { LeakyReLU(slope: 0.2) })
        for parameter in critic.parameters { parameter.assign(parameter.value.detached().clamped(to: -0.01...0.01)) }
        return criticsTurn(critic, { RMSprop($0, learningRate: 5e-5) }) { real, fake, _, _ in fake.mean() - real.mean()
        }
    },
    ClinicCase("U25", "tanh RNN over images pixel by pixel, 196 steps", [.fadingMemory], layers: ["net"]) {
        classify(Memory(RNN(inputSize: 1, hiddenSize: 64), outputs: 10), adam(), on: try pixelByPixel())
    },
    ClinicCase(
        "U26", "ReLU RNN that begins as 1.2 times the identity, adding 100", [.unstableRecurrence], layers: ["net"]
    ) {
        let start = RecurrentInitialization(hiddenWeight: .identity(gain: 1.2), bias: .zeros)
        let net = RNN(inputSize: 2, hiddenSize: 32, nonlinearity: .relu, initialization: start)
        return compare(Memory(net), adam(), on: ClinicData.adding(100))
    },
    ClinicCase("U27", "Adadelta, rate 1e-3", [.learningRateTooLow]) {
        classify(convolutionalNet(), { Adadelta($0, learningRate: 1e-3) }, on: try ClinicData.fashion())
    },
    ClinicCase("U29", "forecast from a window that ends with the value asked for", [.leakedTarget]) {
        compare(perceptron(16, 32, 1, 1), adam(), on: walk(leaks: true))
    },
    ClinicCase("U30", "bag of words, all of them unknown", [.repeatedSamples, .unlearnableBatch]) {
        classify(
            bag(100), adam(0.01),
            on: changing(words(100)) { $0.inputs { $0 * 0 + 1 } })
    },
    ClinicCase("U31", "digits, validation data taken from the training data", [.repeatedSamples]) {
        let all = ClinicData.mixed(Dataset.digits().flattened)
        return run(perceptron(64, 64, 2, 10), adam(), on: all, validation: all.prefix(300))
    },
    ClinicCase("U32", "sequence to sequence, the decoder in no optimizer", [.unheldParameters]) {
        translation { Adam($0.layers.prefix(2).flatMap(\.parameters)) }
    },
    ClinicCase("U33", "convolutions and a normalised head, batch of 2", [.smallBatch]) {
        classify(normalizedHead(), sgd(0.01), on: try ClinicData.fashion(2))
    },
    ClinicCase("U34", "Transformer, dropout 0.9", [.excessiveDropout]) {
        let (batches, vocabulary) = try ClinicData.shakespeare(length: 24, 8)
        return classify(
            LanguageModel(vocabulary: vocabulary, length: 24, size: 64, heads: 4, layers: 2, dropout: 0.9), adam(),
            on: batches)
    },
    ClinicCase("U35", "ResNet-44 without its shortcuts", [.depthWithoutShortcuts]) {
        classify(
            SmallResNet(depth: 44, channels: 1, width: 8, isResidual: false), sgd(0.05, momentum: 0.9),
            on: imagesOfDigits)
    },
    ClinicCase("U36", "VAE, both terms summed over the batch, SGD 0.01", [.summedLoss]) {
        autoencoder(scale: 1, sgd(0.01), reduce: { $0.sum() }) {
            binaryCrossEntropyWithLogits($0, $1, reduction: .none).sum([1])
        }
    },
    ClinicCase("U58", "digits in order of class, seen before training", [.orderedData, .constantTargets]) {
        let all = ClinicData.mixed(Dataset.digits().flattened)
        return classify(perceptron(64, 64, 2, 10), sgd(0.1), on: ClinicData.batches(of: inOrderOfClass(all), 32))
    },
    ClinicCase(
        "U59", "language model, all targets are padding",
        [.undefinedOperation, .unfittingLoss, .constantTargets, .nonFiniteInput]
    ) {
        let (batches, vocabulary) = try ClinicData.shakespeare(length: 24, 8)
        return classify(
            CharacterNet(vocabulary, GRU(inputSize: 32, hiddenSize: 64, isBatchFirst: true)), adam(),
            on: changing(batches) { $0.targets { $0 * 0 - 100 } })
    },
    ClinicCase("U60", "flow, negative log-likelihood below 0, Adam 0.5", [.learningRateTooHigh]) {
        flow(adam(0.5), noise: 0.01, scale: 0.05)
    },
]

// MARK: Sick during training

let strangerSickDuring: [ClinicCase] = [
    ClinicCase("U37", "fine-tuning of trained weights, SGD 3", [.learningRateTooHigh], .duringTraining) {
        let model = perceptron(64, 64, 2, 10)
        try teach(classify(model, adam(2e-3)), 200)
        return classify(model, sgd(3))
    },
    ClinicCase("U38", "Transformer, RMSprop 0.1", [.learningRateTooHigh], .duringTraining) {
        try textProgram { RMSprop($0, learningRate: 0.1) }
    },
    ClinicCase(
        "U39", "regression, rate 0.05, momentum 0.999", [.momentumTooHigh, .learningRateTooHigh], .duringTraining
    ) {
        compare(perceptron(8, 64, 2, 1), sgd(0.05, momentum: 0.999), on: ClinicData.regression(8))
    },
    ClinicCase("U40", "LSTM language model, gradients never cleared", [.unclearedGradients], .duringTraining) {
        let (batches, vocabulary) = try ClinicData.shakespeare(length: 16, 16)
        var program = classify(
            CharacterNet(vocabulary, LSTM(inputSize: 32, hiddenSize: 64, isBatchFirst: true)), sgd(0.5), on: batches)
        program.clearsGradients = false
        return program
    },
    ClinicCase("U41", "log-likelihood that is minimised", [.ascent, .unfittingLoss], .duringTraining) {
        compare(perceptron(8, 32, 1, 2), adam(), on: ClinicData.regression(8)) { output, target in
            let (mean, logVariance) = (output.sliced(0..<1, axis: 1), output.sliced(1..<2, axis: 1))
            return (-logVariance - (target - mean).square() / logVariance.exp()).mean() * 0.5
        }
    },
    ClinicCase("U42", "Transformer, SGD 0.1, clipped to 1e-6", [.clippingTooTight], .duringTraining) {
        var program = try textProgram(sgd(0.1))
        program.clipNorm = 1e-6
        return program
    },
    ClinicCase("U43", "RMSprop 1e-4 with an epsilon of 1", [.epsilonTooLarge, .learningRateTooLow], .duringTraining) {
        classify(perceptron(64, 64, 3, 10), { RMSprop($0, learningRate: 1e-4, epsilon: 1) })
    },
    ClinicCase("U44", "L1 by hand, 0.01", [.penaltyTooStrong]) {
        let model = perceptron(64, 128, 3, 10)
        return Program(model, Adam(model.parameters), on: ClinicData.digits()) { batch in
            let penalty = model.parameters.map { $0.value.absolute().sum() }.reduce(Tensor.zeros([]), +)
            return crossEntropy(model(batch.x), batch.y) + penalty * 0.01
        }
    },
    ClinicCase("U45", "a cosine over 30 steps in a run of 1000", [.scheduleOutOfStep], .duringTraining, steps: 600) {
        var program = classify(convolutionalNet(), adam(), on: try ClinicData.fashion(32))
        program.schedule = .cosine(steps: 30)
        return program
    },
    ClinicCase(
        "U46", "Transformer, Noam's schedule times 1e-3", [.learningRateTooLow, .scheduleOutOfStep], .duringTraining
    ) {
        var program = try textProgram(adam(1e-3))
        program.schedule = .noam(modelSize: 512, warmup: 4000)
        return program
    },
    ClinicCase(
        "U47", "regression, one batch with targets times 1e5, momentum", [.poisonedBatch], .duringTraining,
        beginsAt: 150
    ) {
        let batches = ClinicData.regression(8)
        return compare(
            perceptron(8, 64, 2, 1), sgd(0.02, momentum: 0.9),
            on: { $0 == 149 ? batches($0).targets { $0 * 1e5 } : batches($0) })
    },
    ClinicCase("U48", "200 digits, three in ten labels wrong", [.overfitting], .duringTraining, steps: 600) {
        let all = ClinicData.mixed(Dataset.digits().flattened)
        let noisy = ClinicData.relabelled(all.prefix(200)) { index, classes in
            index % 10 < 3 ? (classes[index] + 3) % 10 : classes[index]
        }
        return run(
            perceptron(64, 256, 3, 10), adam(), on: noisy, validation: all.subset(Array(500..<1000)), batchSize: 20)
    },
    ClinicCase(
        "U49", "batch normalisation, batches of two kinds of images by turns", [.modesDiffer], .duringTraining,
        steps: 600
    ) {
        let all = ClinicData.mixed(Dataset.digits())
        let set = twoKinds(all.prefix(1280))
        return run(
            smallNet(), adam(), on: set, validation: twoKinds(all.subset(Array(1280..<1792))), shuffles: false)
    },
    ClinicCase(
        "U50", "LSTM, a number that has nothing to do with the series", [.unrelatedTargets], .duringTraining, steps: 600
    ) {
        compare(
            Memory(LSTM(inputSize: 4, hiddenSize: 32)), adam(),
            on: { _ in ClinicBatch(x: .normal([20, 32, 4]), y: .normal([32, 1])) })
    },
    ClinicCase("U51", "digits in order of class", [.orderedData, .constantTargets]) {
        let all = ClinicData.mixed(Dataset.digits().flattened)
        return classify(perceptron(64, 64, 2, 10), sgd(0.1), on: ClinicData.batches(of: inOrderOfClass(all), 32))
    },
    ClinicCase(
        "U53", "inputs divided by their norm in the model, an empty image at step 120", [.undefinedOperation],
        .duringTraining, beginsAt: 120
    ) {
        let digits = ClinicData.digits(64)
        let net = perceptron(64, 64, 2, 10)
        let model = Assembly([net]) { $0[0]($1 / $1.square().sum([1], keepsAxes: true).squareRoot()) }
        return classify(
            model, adam(2e-3),
            on: { step in
                step != 119
                    ? digits(step)
                    : digits(step).inputs { .concatenated([$0.sliced(0..<63), .zeros([1, 64])]) }
            })
    },
    ClinicCase("U54", "mean and variance, negative log-likelihood, SGD 2", [.learningRateTooHigh], .duringTraining) {
        compare(perceptron(8, 64, 2, 2), sgd(2), on: ClinicData.regression(8)) { output, target in
            gaussianNLL(output.sliced(0..<1, axis: 1), target, variance: output.sliced(1..<2, axis: 1).exp())
        }
    },
    ClinicCase("U55", "U-Net, SGD 1e-7", [.learningRateTooLow], .duringTraining, steps: 200) {
        compare(unet(), sgd(1e-7), on: try masks(0.3)) { binaryCrossEntropyWithLogits($0, $1) }
    },
    ClinicCase("U56", "LSTM over rows, L2 0.05", [.penaltyTooStrong], .duringTraining, steps: 500) {
        let model = RecurrentClassifier(LSTM(inputSize: 8, hiddenSize: 32, isBatchFirst: true), classes: 10)
        return classify(model, { SGD($0, learningRate: 0.5, weightDecay: 0.05) }, on: rowsOfDigits)
    },
    ClinicCase(
        "U57", "one cycle of 100 000 steps in a run of 1000", [.scheduleOutOfStep, .learningRateTooLow],
        .duringTraining,
        steps: 500
    ) {
        var program = classify(convolutionalNet(), sgd(0.05), on: try ClinicData.fashion(32))
        program.schedule = .oneCycle(steps: 100_000)
        return program
    },
]
