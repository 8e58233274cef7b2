import Foundation
import GimbalTrain

/// Nets that one who had not read the rules thought of, sick and healthy, and some that were added to them afterwards.
let strangerCases: [ClinicCase] =
    strangerSickBefore + strangerSickDuring + strangerHealthy + strangerHealthyDuring + strangerTwins

// MARK: Sick before training

private let strangerSickBefore: [ClinicCase] = [
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
        return epochs(perceptron(64, 64, 2, 10), adam(), on: all, validation: all.prefix(300))
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
        return classify(perceptron(64, 64, 2, 10), sgd(0.1), on: ClinicData.batches(of: sorted(all), 32))
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

private let strangerSickDuring: [ClinicCase] = [
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
    ClinicCase("U44", "L1 by hand, 0.01", [.penaltyTooStrong], .duringTraining, steps: 600) {
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
        let noisy = relabelled(all.prefix(200)) { index, label in index % 10 < 3 ? (label + 3) % 10 : label }
        return epochs(
            perceptron(64, 256, 3, 10), adam(), on: noisy, validation: all.subset(Array(500..<1000)), batchSize: 20)
    },
    ClinicCase(
        "U49", "batch normalisation, batches of two kinds of images by turns", [.modesDiffer], .duringTraining,
        steps: 600
    ) {
        let all = ClinicData.mixed(Dataset.digits())
        let set = twoKinds(all.prefix(1280))
        return epochs(
            smallNet(), adam(), on: set, validation: twoKinds(all.subset(Array(1280..<1792))), shuffles: false)
    },
    ClinicCase(
        "U50", "LSTM, a number that has nothing to do with the series", [.unrelatedTargets], .duringTraining, steps: 600
    ) {
        compare(
            Memory(LSTM(inputSize: 4, hiddenSize: 32)), adam(),
            on: { _ in ClinicBatch(x: .normal([20, 32, 4]), y: .normal([32, 1])) })
    },
    ClinicCase("U51", "digits in order of class", [.orderedData, .constantTargets], .duringTraining, steps: 400) {
        let all = ClinicData.mixed(Dataset.digits().flattened)
        return classify(perceptron(64, 64, 2, 10), sgd(0.1), on: ClinicData.batches(of: sorted(all), 32))
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

// MARK: Healthy

private let strangerHealthy: [ClinicCase] = [
    .healthy("U61", "U-Net, binary cross-entropy of logits") {
        compare(unet(), adam(), on: try masks(0.3)) { binaryCrossEntropyWithLogits($0, $1) }
    },
    .healthy("U62", "U-Net, dice loss") {
        compare(unet(), adam(), on: try masks(0.3)) { logits, target in
            let p = logits.sigmoid()
            return 1 - ((p * target).sum() * 2 + 1) / (p.sum() + target.sum() + 1)
        }
    },
    .healthy("U63", "VAE of convolutions, squared error, β 0.5") {
        let encoder = Sequential {
            Conv2d(1, 8, kernelSize: 3, stride: 2, padding: 1)
            ReLU()
            Conv2d(8, 16, kernelSize: 3, stride: 2, padding: 1)
            ReLU()
            Flatten()
            Linear(784, 16)
        }
        let decoder = Sequential {
            ConvTranspose2d(16, 8, kernelSize: 4, stride: 2, padding: 1)
            ReLU()
            ConvTranspose2d(8, 1, kernelSize: 4, stride: 2, padding: 1)
        }
        let model = Assembly([encoder, Linear(8, 784), decoder]) { $0[0]($1) }
        return Program(model, Adam(model.parameters), on: try ClinicData.fashion(32)) { batch in
            let code = model(batch.x)
            let (mean, logVariance) = (code.sliced(0..<8, axis: 1), code.sliced(8..<16, axis: 1))
            let drawn = mean + (logVariance * 0.5).exp() * Tensor.normal(mean.shape)
            let image = model.layers[2](model.layers[1](drawn).relu().reshaped([32, 16, 7, 7]))
            let error = (image - batch.x).square().sum([1, 2, 3])
            let divergence = (mean.square() + logVariance.exp() - logVariance - 1).sum([1]) * 0.25
            return (error + divergence).mean()
        }
    },
    .healthy("U64", "siamese, contrastive, ε in the root") {
        siamese { (($0 - $1).square().sum([1]) + 1e-6).squareRoot() }
    },
    .healthy("U65", "sequence to sequence, GRU, digits backwards") {
        translation { Adam($0.parameters, learningRate: 3e-3) }
    },
    .healthy("U66", "LSTM over padded sequences with lengths") {
        let net = LSTM(inputSize: 4, hiddenSize: 32, isBatchFirst: true)
        let model = Assembly([net, Linear(32, 2)]) { $0[1]($1) }
        return Program(
            model, Adam(model.parameters, learningRate: 3e-3),
            on: { _ in
                let lengths = (0..<32).map { Int32(4 + $0 % 13) }
                let mask = Tensor((0..<32 * 16).map { Float($0 % 16 < 4 + ($0 / 16) % 13 ? 1 : 0) }, [32, 16, 1])
                let x = Tensor.normal([32, 16, 4]) * mask
                let sums = x.sum([1, 2])
                var batch = ClinicBatch(x: x, y: sums.isGreater(than: sums.scalar(0)).cast(to: .int32))
                batch.unused = Tensor(lengths)
                return batch
            }
        ) { batch in
            let state = net(batch.x, lengths: batch.unused!).state.hidden
            return crossEntropy(model(state.selecting(-1)), batch.y)
        }
    },
    .healthy("U67", "connectionist temporal classification, LSTM in both directions") {
        let net = LSTM(inputSize: 6, hiddenSize: 32, isBidirectional: true)
        let model = Assembly([net, Linear(64, 6)]) { $0[1]($0[0]($1)) }
        let lengths = (Tensor([Int32](repeating: 20, count: 16)), Tensor([Int32](repeating: 5, count: 16)))
        return Program(
            model, Adam(model.parameters, learningRate: 5e-3),
            on: { _ in
                let labels = try! (Tensor.uniform([16 * 5]) * 4.999).floats().map { Int32($0) + 1 }
                var x = [Float](repeating: 0, count: 20 * 16 * 6)
                for row in 0..<16 {
                    for step in 0..<20 where step % 4 != 3 {
                        x[(step * 16 + row) * 6 + Int(labels[row * 5 + step / 4])] = 1
                    }
                }
                return ClinicBatch(x: Tensor(x, [20, 16, 6]), y: Tensor(labels, [16, 5]))
            }
        ) {
            temporalClassification(model($0.x).logSoftmax(), $0.y, inputLengths: lengths.0, targetLengths: lengths.1)
        }
    },
    .healthy("U68", "mixture density, log-sum-exp") {
        mixture(scale: 1) { mean, deviation, share, target in
            let z = (target - mean) / deviation
            return -((z.square() * -0.5 - deviation.log()) + share.logSoftmax()).logSumExp([1]).mean()
        }
    },
    .healthy("U69", "Poisson, counts of about a hundred, Adam 1e-2") {
        compare(
            perceptron(8, 32, 1, 1), adam(0.01),
            on: changing(ClinicData.regression(8)) { $0.targets { ($0 * 0.5 + 4.6).exp() } }
        ) { poissonNLL($0, $1) }
    },
    .healthy("U70", "3 in 100, weight of 30 for the rare") {
        compare(perceptron(12, 32, 2, 1), adam(), on: rare(1.88, 512)) {
            binaryCrossEntropyWithLogits($0, $1, positiveWeight: Tensor([30] as [Float]))
        }
    },
    .healthy("U71", "physics: u'' = -u by a net of tanh") {
        let net = perceptron(1, 32, 2, 1, { Tanh() })
        return Program(
            net, Adam(net.parameters, learningRate: 3e-3),
            on: { _ in ClinicBatch(x: .uniform([64, 1], low: 0, high: 3), y: .zeros([1, 1])) }
        ) { batch in
            let x = batch.x.requiringGradient()
            let u = net(x)
            let first = try gradient(of: u.sum(), withRespectTo: x, createsGraph: true)
            let second = try gradient(of: first.sum(), withRespectTo: x, createsGraph: true)
            let start = Tensor.zeros([1, 1]).requiringGradient()
            let atStart = net(start)
            let slope = try gradient(of: atStart.sum(), withRespectTo: start, createsGraph: true)
            return (second + u).square().mean() + atStart.square().mean() + (slope - 1).square().mean()
        }
    },
    .healthy("U72", "critic with a gradient penalty") {
        let critic = perceptron(64, 64, 2, 1, { LeakyReLU(slope: 0.2) })
        return criticsTurn(critic, { Adam($0, learningRate: 5e-4, beta1: 0.5) }) { real, fake, x, drawn in
            let share = Tensor.uniform([128, 1])
            let between = (x * share + drawn * (1 - share)).detached().requiringGradient()
            let slope = try gradient(of: critic(between).sum(), withRespectTo: between, createsGraph: true)
            let norm = (slope.square().sum([1]) + 1e-12).squareRoot()
            return fake.mean() - real.mean() + (norm - 1).square().mean() * 10
        }
    },
    .healthy("U73", "generator's turn, transposed convolutions") {
        let generator = Sequential {
            Linear(16, 32 * 7 * 7)
            ReLU()
            Assembly([]) { $1.reshaped([32, 32, 7, 7]) }
            ConvTranspose2d(32, 16, kernelSize: 4, stride: 2, padding: 1)
            BatchNorm2d(16)
            ReLU()
            ConvTranspose2d(16, 1, kernelSize: 4, stride: 2, padding: 1)
            Tanh()
        }
        let critic = Sequential {
            Conv2d(1, 16, kernelSize: 4, stride: 2, padding: 1)
            LeakyReLU(slope: 0.2)
            Conv2d(16, 32, kernelSize: 4, stride: 2, padding: 1)
            LeakyReLU(slope: 0.2)
            Flatten()
            Linear(32 * 7 * 7, 1)
        }
        let images = try ClinicData.fashion(32)
        try teach(
            Program(critic, Adam(critic.parameters), on: images) { batch in
                let fake = withoutGradients { generator(.normal([32, 16])) }
                return binaryCrossEntropyWithLogits(critic(batch.x * 2 - 1), .ones([32, 1]))
                    + binaryCrossEntropyWithLogits(critic(fake), .zeros([32, 1]))
            }, 20)
        critic.freeze()
        let model = Assembly([generator, critic]) { $0[1]($0[0]($1)) }
        return Program(
            model, Adam(generator.parameters, learningRate: 2e-4, beta1: 0.5),
            on: { _ in ClinicBatch(x: .normal([32, 16]), y: .ones([32, 1])) }
        ) { binaryCrossEntropyWithLogits(model($0.x), $0.y) }
    },
    .healthy("U74", "critic with spectral normalisation, hinge loss") {
        let critic = Sequential {
            SpectralNorm(Linear(64, 64))
            LeakyReLU(slope: 0.1)
            SpectralNorm(Linear(64, 64))
            LeakyReLU(slope: 0.1)
            SpectralNorm(Linear(64, 1))
        }
        return criticsTurn(critic, { Adam($0, learningRate: 1e-3, beta1: 0.5) }) { real, fake, _, _ in
            (1 - real).relu().mean() + (1 + fake).relu().mean()
        }
    },
    .healthy("U75", "distillation from a trained teacher, temperature 4, and cross-entropy") {
        let teacher = perceptron(64, 128, 2, 10)
        try teach(classify(teacher, adam(2e-3)), 200)
        let student = perceptron(64, 16, 1, 10)
        return Program(student, Adam(student.parameters, learningRate: 3e-3), on: ClinicData.digits()) { batch in
            let wanted = withoutGradients { (teacher(batch.x) * 0.25).softmax() }
            let logits = student(batch.x)
            return klDivergence((logits * 0.25).logSoftmax(), wanted, reduction: .batchMean) * 16 * 0.7
                + crossEntropy(logits, batch.y) * 0.3
        }
    },
    .healthy("U76", "autoencoder whose decoder has the encoder's weights") {
        let (outer, inner) = (Linear(64, 32), Linear(32, 12))
        let model = Assembly([outer, inner]) { _, x in
            let code = inner(outer(x).tanh())
            let back = code.linear(weight: inner.weight.value.transposed()).tanh()
            return back.linear(weight: outer.weight.value.transposed())
        }
        return compare(model, adam(2e-3), on: givenBack)
    },
    .healthy("U77", "12 residual blocks without normalisation, Fixup") {
        let model = residualConvolutions(12)
        model.initializeFixup()
        return classify(model, adam(2e-3), on: imagesOfDigits)
    },
    .healthy("U78", "residual convolutions with group normalisation, batch of 4") {
        let model = Sequential {
            Conv2d(1, 16, kernelSize: 3, padding: 1)
            for _ in 0..<3 {
                Residual {
                    GroupNorm(groups: 4, channels: 16)
                    ReLU()
                    Conv2d(16, 16, kernelSize: 3, padding: 1)
                    GroupNorm(groups: 4, channels: 16)
                    ReLU()
                    Conv2d(16, 16, kernelSize: 3, padding: 1)
                }
            }
            GlobalAveragePool()
            Linear(16, 10)
        }
        return classify(model, adam(), on: changing(ClinicData.digits(4)) { $0.inputs { $0.reshaped([4, 1, 8, 8]) } })
    },
    .healthy("U79", "log-cosh, targets with heavy tails") {
        compare(
            perceptron(8, 64, 2, 1), adam(),
            on: changing(ClinicData.regression(8)) { batch in
                batch.targets { $0 + Tensor.normal([128, 1]) * 0.3 / (Tensor.normal([128, 1]).absolute() + 0.1) }
            }
        ) { predictions, targets in
            let error = (predictions - targets).absolute()
            return (error + (error * -2).softplus() - 0.6931).mean()
        }
    },
    .healthy("U80", "three quantiles at once") {
        let levels = Tensor([0.1, 0.5, 0.9] as [Float], [1, 3])
        return compare(perceptron(8, 64, 2, 3), adam(), on: ClinicData.regression(8)) { predictions, targets in
            let error = targets - predictions
            return Tensor.maximum(error * levels, error * (levels - 1)).mean()
        }
    },
    .healthy("U81", "mean and softplus of a variance") {
        compare(perceptron(8, 64, 2, 2), adam(2e-3), on: ClinicData.regression(8)) { output, target in
            let variance = output.sliced(1..<2, axis: 1).softplus() + 1e-4
            return gaussianNLL(output.sliced(0..<1, axis: 1), target, variance: variance)
        }
    },
    .healthy("U82", "fine-tuning, a new head and a body at a tenth of the rate") {
        let model = perceptron(64, 64, 2, 10)
        try teach(classify(model, adam(2e-3)), 150)
        let tuned = Assembly([model.layers[0], model.layers[1], model.layers[2], model.layers[3], Linear(64, 2)]) {
            $0.reduce($1) { $1($0) }
        }
        let body = tuned.layers.dropLast().flatMap(\.parameters)
        let optimizer = Adam(
            [ParameterGroup(body, learningRateScale: 0.1), ParameterGroup(tuned.layers[4].parameters)],
            learningRate: 1e-3)
        return Program(
            tuned, optimizer,
            on: changing(ClinicData.digits()) { $0.targets { $0.isGreater(than: $0.scalar(4)).cast(to: .int32) } }
        ) { crossEntropy(tuned($0.x), $0.y) }
    },
    .healthy("U83", "low-rank adapters, the second factor 0, frozen base") { try adapters(zeroDown: false) },
    .healthy("U84", "trained weights, trained on at 1e-4") {
        let model = perceptron(64, 64, 2, 10)
        try teach(classify(model, adam(2e-3)), 300)
        return classify(model, adam(1e-4))
    },
    .healthy("U85", "all digits as one batch, Adam") {
        classify(perceptron(64, 64, 2, 10), adam(3e-3), on: ClinicData.digits(1797))
    },
    .healthy("U86", "values with a target net, rewards of 0 and 1") {
        let (net, target) = (perceptron(4, 64, 2, 2), perceptron(4, 64, 2, 2))
        let actions = Tensor((0..<128).map { Int32($0 % 2) }, [128, 1])
        return Program(
            net, Adam(net.parameters), on: { _ in ClinicBatch(x: .normal([128, 4]), y: .normal([128, 4])) }
        ) { batch in
            let sums = batch.x.sliced(0..<1, axis: 1) * (actions.cast(to: .float32) * 2 - 1)
            let reward = sums.isGreater(than: sums.scalar(0)).cast(to: .float32)
            let wanted = withoutGradients { reward + target(batch.y).max([1], keepsAxes: true) * 0.9 }
            return huber(net(batch.x).gathered(along: 1, actions), wanted)
        }
    },
    .healthy("U87", "Adadelta, rate 1") {
        classify(convolutionalNet(), { Adadelta($0) }, on: try ClinicData.fashion(32))
    },
    .healthy("U88", "Transformer, Lion 3e-4, decay 0.3") {
        try textProgram { Lion($0, learningRate: 3e-4, weightDecay: 0.3) }
    },
    .healthy("U89", "LSTM over rows, RMSprop with momentum") {
        let model = RecurrentClassifier(LSTM(inputSize: 8, hiddenSize: 32, isBatchFirst: true), classes: 10)
        return classify(model, { RMSprop($0, learningRate: 1e-3, momentum: 0.9) }, on: rowsOfDigits)
    },
    .healthy("U90", "bag of words, Adagrad 0.1") { classify(bag(100), { Adagrad($0, learningRate: 0.1) }, on: topics) },
    .healthy("U91", "6 x 64 sigmoid with batch normalisation") {
        classify(perceptron(64, 64, 6, 10, { Sigmoid() }, norm: true), adam())
    },
    .healthy("U92", "digits as whole numbers 0...16, Adam") {
        classify(perceptron(64, 64, 2, 10), adam(), on: changing(ClinicData.digits()) { $0.inputs { $0 * 16 } })
    },
    .healthy("U93", "house prices, the scale within the model") {
        let net = perceptron(10, 64, 2, 1)
        let model = Assembly([net]) { $0[0]($1) * 1e5 + 3e5 }
        return compare(model, adam(2e-3), on: ClinicData.regression(10, scale: 1e5, shift: 3e5)) {
            meanSquaredError($0, $1)
        }
    },
    .healthy("U94", "pixels 0...255, standardised within the model") {
        let net = convolutionalNet()
        let model = Assembly([net]) { $0[0](($1 - 73) / 90) }
        return classify(model, adam(), on: changing(try ClinicData.fashion(32)) { $0.inputs { $0 * 255 } })
    },
    .healthy("U95", "cosines of features and classes, times 16") {
        let (net, classes) = (perceptron(64, 64, 1, 32), Linear(32, 10, hasBias: false))
        func unit(_ x: Tensor) -> Tensor { x / (x.square().sum([1], keepsAxes: true) + 1e-8).squareRoot() }
        let model = Assembly([net, classes]) { _, x in unit(net(x)).linear(weight: unit(classes.weight.value)) * 16 }
        return classify(model, adam())
    },
    .healthy("U96", "a bandit: minus the expected reward") {
        let model = perceptron(8, 32, 1, 4)
        return Program(
            model, Adam(model.parameters, learningRate: 3e-3),
            on: { _ in ClinicBatch(x: .normal([128, 8]), y: .zeros([1])) }
        ) { batch in -(model(batch.x).softmax() * batch.x.sliced(0..<4, axis: 1)).sum([1]).mean() }
    },
    .healthy("U97", "diffusion: the noise in digits") {
        let model = perceptron(65, 128, 2, 64, { SiLU() })
        return Program(
            model, Adam(model.parameters, learningRate: 2e-3),
            on: { step in
                let x = ClinicData.digits()(step).x * 2 - 1
                let time = Tensor.uniform([128, 1])
                let noise = Tensor.normal([128, 64])
                let (signal, share) = ((time * 1.5).cosine(), (time * 1.5).sine())
                return ClinicBatch(x: .concatenated([x * signal + noise * share, time], axis: 1), y: noise)
            }
        ) { meanSquaredError(model($0.x), $0.y) }
    },
    .healthy("U98", "flow of four couplings, negative log-likelihood") {
        flow(adam(3e-3), noise: 0.05, scale: 1)
    },
    .healthy("U99", "graph convolutions of two layers") {
        let (first, second) = (Linear(16, 32), Linear(32, 4))
        var shares: [Float] = []
        for row in 0..<200 {
            let linked = (0..<200).filter { other in
                other == row || (other % 4 == row % 4 && (row * 31 + other * 17) % 9 == 0)
            }
            var line = [Float](repeating: 0, count: 200)
            for other in linked { line[other] = 1 / Float(linked.count) }
            shares += line
        }
        let adjacency = Tensor(shares, [200, 200])
        let features = Tensor.normal([200, 16])
        let model = Assembly([first, second]) { _, x in
            let hidden = adjacency.matrixMultiplied(by: first(x)).relu()
            return adjacency.matrixMultiplied(by: second(hidden))
        }
        let classes = Tensor((0..<200).map { Int32($0 % 4) })
        return classify(model, adam(0.01), on: { _ in ClinicBatch(x: features, y: classes) })
    },
    .healthy("U100", "sets of points, maximum over each") {
        let (inner, outer) = (perceptron(2, 32, 1, 32), perceptron(32, 32, 1, 1))
        let model = Assembly([inner, outer]) { _, x in
            outer(inner(x.reshaped([64 * 20, 2])).relu().reshaped([64, 20, 32]).max([1]))
        }
        return compare(
            model, adam(3e-3),
            on: { _ in
                let x = Tensor.normal([64, 20, 2])
                return ClinicBatch(x: x, y: x.square().sum([2]).max([1], keepsAxes: true).squareRoot())
            })
    },
    .healthy("U101", "squeeze and excitation") {
        let (one, two) = (
            Conv2d(1, 16, kernelSize: 3, stride: 2, padding: 1), Conv2d(16, 32, kernelSize: 3, stride: 2, padding: 1)
        )
        let (norm, squeeze, excite, head) = (BatchNorm2d(32), Linear(32, 4), Linear(4, 32), Linear(32, 10))
        let model = Assembly([one, two, norm, squeeze, excite, head]) { _, x in
            let features = norm(two(one(x).relu())).relu()
            let gate = excite(squeeze(features.mean([2, 3])).relu()).sigmoid().reshaped([32, 32, 1, 1])
            return head((features * gate).mean([2, 3]))
        }
        return classify(model, adam(3e-3), on: try ClinicData.fashion(32))
    },
    .healthy("U102", "highway net of 10 layers, gates that begin at -2") {
        let layers = [Linear(64, 64)] + (0..<20).map { _ in Linear(64, 64) } + [Linear(64, 10)]
        for index in stride(from: 2, through: 20, by: 2) { layers[index].bias?.assign(.full([64], -2)) }
        let model = Assembly(layers) { layers, x in
            var x = layers[0](x)
            for index in stride(from: 1, through: 19, by: 2) {
                let gate = layers[index + 1](x).sigmoid()
                x = layers[index](x).tanh() * gate + x * (1 - gate)
            }
            return layers[21](x)
        }
        return classify(model, adam(2e-3))
    },
    .healthy("U103", "sines with a frequency of 30: an image from places") {
        let layers = [Linear(2, 64), Linear(64, 64), Linear(64, 64), Linear(64, 1)]
        layers[0].weight.assign(.uniform([64, 2], low: -0.5, high: 0.5))
        let bound = (6.0 / 64).squareRoot() / 30
        for layer in layers.dropFirst() { layer.weight.assign(.uniform(layer.weight.shape, low: -bound, high: bound)) }
        let model = Assembly(layers) { layers, x in
            var x = x
            for layer in layers.dropLast() { x = (layer(x) * 30).sine() }
            return layers[3](x)
        }
        let image = try ClinicData.fashion(1)(3).x.reshaped([784, 1])
        var floats: [Float] = []
        for row in 0..<28 {
            for column in 0..<28 { floats += [Float(row) / 13.5 - 1, Float(column) / 13.5 - 1] }
        }
        let places = Tensor(floats, [784, 2])
        return compare(model, adam(3e-4), on: { _ in ClinicBatch(x: places, y: image) })
    },
    .healthy("U104", "word vectors, negative sampling, outputs that begin as 0") {
        let (inner, outer) = (Embedding(200, 16), Embedding(200, 16))
        inner.weight.assign(.uniform([200, 16], low: -0.5 / 16, high: 0.5 / 16))
        outer.weight.assign(.zeros([200, 16]))
        let model = Assembly([inner, outer]) { $0[0]($1) }
        return Program(
            model, Adam(model.parameters, learningRate: 0.01),
            on: { _ in
                let numbers = try! (Tensor.uniform([64]) * 199.9).floats().map { Int32($0) }
                let noise = try! (Tensor.uniform([64 * 4]) * 199.9).floats().map { Int32($0) }
                var others: [Int32] = []
                for row in 0..<64 {
                    others.append(numbers[row] / 10 * 10 + Int32(row % 10))
                    others += Array(noise[row * 4..<row * 4 + 4])
                }
                return ClinicBatch(x: Tensor(numbers, [64, 1]), y: Tensor(others, [64, 5]))
            }
        ) { batch in
            let scores = (model(batch.x) * outer(batch.y)).sum([2])
            let wanted = Tensor((0..<320).map { Float($0 % 5 == 0 ? 1 : 0) }, [64, 5])
            return binaryCrossEntropyWithLogits(scores, wanted)
        }
    },
    .healthy("U105", "ReZero: 12 branches that begin with a factor of 0") {
        let model = scaledBranches(12, start: 0)
        return classify(model, adam())
    },
    .healthy("U106", "branches scaled by 1e-4 each, as of 24 layers") {
        let model = scaledBranches(12, start: 1e-4)
        return classify(model, adam())
    },
    .healthy("U107", "loss times 1024, rate over 1024") {
        compare(perceptron(64, 64, 2, 10), sgd(0.2 / 1024), on: ClinicData.digits()) { crossEntropy($0, $1) * 1024 }
    },
    .healthy("U108", "loss times 1e-3, Adam") {
        compare(perceptron(64, 64, 2, 10), adam(), on: ClinicData.digits()) { crossEntropy($0, $1) * 1e-3 }
    },
    .healthy("U109", "mixer over patches of digits") {
        let model = Mixer()
        return classify(model, adam(2e-3))
    },
    .healthy("U110", "dilated causal convolutions, residual") {
        let layers: [any TensorLayer] =
            [Conv1d(2, 32, kernelSize: 1)]
            + (0..<5).map { Conv1d(32, 32, kernelSize: 2, dilation: 1 << $0) } + [Linear(32, 1)]
        let model = Assembly(layers) { layers, x in
            var x = layers[0](x)
            for index in 1...5 { x = x + layers[index](x.padded([(0, 0), (0, 0), (1 << (index - 1), 0)])).relu() }
            return layers[6](x.selecting(-1, axis: 2))
        }
        return compare(model, adam(5e-3), on: changing(ClinicData.adding(16)) { $0.inputs { $0.permuted([1, 2, 0]) } })
    },
    .healthy("U111", "random walk, the window before the value asked for") {
        compare(perceptron(16, 32, 1, 1), adam(), on: walk(leaks: false))
    },
    .healthy("U112", "Gumbel-softmax codes of digits") {
        let (encoder, decoder) = (perceptron(64, 64, 1, 8 * 8), perceptron(64, 64, 1, 64))
        let model = Assembly([encoder, decoder]) { _, x in
            let noise = -(-(Tensor.uniform([128, 8, 8]) * 0.999 + 5e-4).log()).log()
            let code = ((encoder(x).reshaped([128, 8, 8]) + noise) * 1.0).softmax()
            return decoder(code.reshaped([128, 64]))
        }
        return compare(model, adam(2e-3), on: givenBack)
    },
    .healthy("U113", "vector quantisation, straight through") { quantized(straightThrough: true) },
    .healthy("U114", "attention pooling over the steps") {
        classify(attentionPooling(axis: 1), adam(3e-3), on: rowsOfDigits)
    },
    .healthy("U115", "sound between -1 and 1") { classify(soundNet(), adam(3e-3), on: sounds(0.4)) },
    .healthy("U116", "two views, minus the cosine, a predictor and a stopped gradient") {
        let (net, head) = (perceptron(64, 64, 1, 32, norm: true), perceptron(32, 16, 1, 32))
        let model = Assembly([net, head]) { $0[0]($1) }
        return Program(model, Adam(model.parameters), on: ClinicData.digits()) { batch in
            let views = (0..<2).map { _ in model(batch.x + Tensor.normal(batch.x.shape) * 0.2) }
            let there = cosineSimilarity(head(views[0]), views[1].detached()).mean()
            let back = cosineSimilarity(head(views[1]), views[0].detached()).mean()
            return -(there + back) * 0.5
        }
    },
    .healthy("U117", "flow that begins near a loss of 0") { flow(adam(3e-3), noise: 0.05, scale: 0.3) },
    .healthy("U118", "spectral normalisation, cross-entropy") {
        let model = Sequential {
            SpectralNorm(Linear(64, 64))
            LeakyReLU(slope: 0.1)
            SpectralNorm(Linear(64, 64))
            LeakyReLU(slope: 0.1)
            Linear(64, 10)
        }
        return classify(model, adam(3e-3))
    },
    .healthy("U119", "momentum 0.99, rate 1e-3") { classify(perceptron(64, 128, 3, 10), sgd(1e-3, momentum: 0.99)) },
    .healthy("U120", "AdamW, rate 1e-3, decay 0.3, Transformer") {
        try textProgram { AdamW($0, learningRate: 1e-3, weightDecay: 0.3) }
    },
    .healthy("U141", "minus the mean log-probability of a normal distribution with narrow targets") {
        compare(
            perceptron(8, 64, 2, 2), adam(), on: changing(ClinicData.regression(8)) { $0.targets { $0 * 0.3 } }
        ) { output, target in
            let (mean, logDeviation) = (output.sliced(0..<1, axis: 1), output.sliced(1..<2, axis: 1))
            return (((target - mean) / logDeviation.exp()).square() * 0.5 + logDeviation).mean()
        }
    },
    .healthy("U142", "batch normalisation of images, batch of 3") {
        classify(smallNet(), adam(), on: changing(ClinicData.digits(3)) { $0.inputs { $0.reshaped([3, 1, 8, 8]) } })
    },
    .healthy("U143", "ratings 1...5, scaled sigmoid") { ratings { $0.sigmoid() * 4 + 1 } },
    .healthy("U144", "fraud, 1 in 20, cross-entropy") {
        compare(perceptron(12, 32, 2, 1), adam(3e-3), on: rare(1.64, 512)) { binaryCrossEntropyWithLogits($0, $1) }
    },
    .healthy("U145", "sums of embeddings of columns and numbers, one output") {
        let (columns, numbers, head) = (Embedding(40, 8), Linear(4, 16), perceptron(40, 32, 1, 1))
        let model = Assembly([columns, numbers, head]) { _, x in
            let kinds = x.sliced(0..<3, axis: 1).cast(to: .int32)
            return head(
                .concatenated([columns(kinds).reshaped([128, 24]), numbers(x.sliced(3..<7, axis: 1)).relu()], axis: 1))
        }
        return compare(
            model, adam(3e-3),
            on: { _ in
                let kinds = try! (Tensor.uniform([128 * 3]) * 39.9).floats().map { $0.rounded(.down) }
                let x = Tensor.concatenated([Tensor(kinds, [128, 3]), .normal([128, 4])], axis: 1)
                let effects = (0..<128).map { kinds[$0 * 3] < 20 ? Float(1) : -1 }
                return ClinicBatch(x: x, y: Tensor(effects, [128, 1]) + x.sliced(3..<4, axis: 1))
            })
    },
    .healthy("U146", "minus a correlation as the loss") {
        compare(perceptron(8, 32, 2, 1), adam(), on: ClinicData.regression(8)) { predictions, targets in
            let (p, t) = (predictions - predictions.mean(), targets - targets.mean())
            return -(p * t).sum() / ((p.square().sum() * t.square().sum()) + 1e-8).squareRoot()
        }
    },
]

// MARK: Healthy during training

private let strangerHealthyDuring: [ClinicCase] = [
    .healthy("U121", "post-norm, 6 layers, inverse square root with warmup", .duringTraining, steps: 300) {
        let (batches, vocabulary) = try ClinicData.shakespeare(length: 16, 8)
        var program = classify(
            CharacterTransformer(vocabulary, length: 16, size: 64, layers: 6, normFirst: false), adam(5e-4), on: batches
        )
        program.schedule = .inverseSquareRoot(warmup: 100)
        return program
    },
    .healthy("U122", "Adam, gradients always clipped to 1e-3", .duringTraining) {
        var program = classify(perceptron(64, 64, 2, 10), adam(2e-3))
        program.clipNorm = 1e-3
        return program
    },
    .healthy("U123", "LSTM language model, SGD 20, clipped to 0.25", .duringTraining) {
        let (batches, vocabulary) = try ClinicData.shakespeare(length: 24, 16)
        let model = CharacterNet(vocabulary, LSTM(inputSize: 64, hiddenSize: 96, layers: 2, isBatchFirst: true))
        var program = classify(model, sgd(20), on: batches)
        program.clipNorm = 0.25
        return program
    },
    .healthy("U124", "convolutions, one cycle up to 0.3", .duringTraining, steps: 500) {
        var program = Program(
            steps: 500, classify(convolutionalNet(), sgd(0.3, momentum: 0.9), on: try ClinicData.fashion(64)))
        program.schedule = .oneCycle(steps: 500)
        return program
    },
    .healthy("U125", "sequences that get longer", .duringTraining, steps: 400) {
        let model = Memory(GRU(inputSize: 2, hiddenSize: 32))
        let batches = (1...4).map { ClinicData.adding($0 * 8) }
        return compare(model, adam(5e-3), on: { batches[min(3, $0 / 100)]($0) })
    },
    .healthy("U126", "batches of changing size", .duringTraining, steps: 400) {
        let all = ClinicData.mixed(Dataset.digits().flattened)
        return classify(
            perceptron(64, 64, 2, 10), adam(),
            on: { step in
                let size = 8 + step * 13 % 57
                let batch = all.batch((0..<size).map { (step * 61 + $0) % all.count })
                let onDevice = batch.to(.current)
                return ClinicBatch(x: onDevice.inputs, y: onDevice.targets)
            })
    },
    .healthy("U127", "batch of 1, SGD 0.05", .duringTraining, steps: 600) {
        classify(perceptron(64, 64, 1, 10), sgd(0.05), on: ClinicData.digits(1))
    },
    .healthy("U128", "four batches as one, by a trainer", .duringTraining, steps: 300) {
        let all = ClinicData.mixed(Dataset.digits().flattened)
        return epochs(
            perceptron(64, 64, 2, 10), adam(2e-3), on: all.prefix(1400), validation: all.subset(Array(1400..<1797)),
            batchSize: 16
        ) { $0.accumulation = 4 }
    },
    .healthy("U129", "averaged weights, cosine, AdamW", .duringTraining, steps: 400) {
        let all = ClinicData.mixed(Dataset.digits().flattened)
        return epochs(
            perceptron(64, 64, 2, 10), { AdamW($0, learningRate: 2e-3) }, on: all.prefix(1400),
            validation: all.subset(Array(1400..<1797)), batchSize: 64
        ) { $0.averageDecay = 0.99 }
    },
    .healthy("U130", "dropout of 0.5 in a trainer, evaluation better than training", .duringTraining, steps: 500) {
        let all = ClinicData.mixed(Dataset.digits().flattened)
        let model = Sequential {
            Linear(64, 128)
            ReLU()
            Dropout(0.5)
            Linear(128, 128)
            ReLU()
            Dropout(0.5)
            Linear(128, 10)
        }
        return epochs(model, adam(2e-3), on: all.prefix(1400), validation: all.subset(Array(1400..<1797)))
    },
    .healthy("U131", "noisy labels, one in five, kept from overfitting by few steps", .duringTraining, steps: 300) {
        let all = ClinicData.mixed(Dataset.digits().flattened)
        let noisy = relabelled(all.prefix(1400)) { index, label in index % 5 == 0 ? (label + 3) % 10 : label }
        return epochs(perceptron(64, 32, 1, 10), adam(2e-3), on: noisy, validation: all.subset(Array(1400..<1797)))
    },
    .healthy("U132", "Lookahead around SGD", .duringTraining) {
        classify(perceptron(64, 64, 2, 10), { Lookahead(SGD($0, learningRate: 0.2, momentum: 0.9)) })
    },
    .healthy("U133", "RAdam", .duringTraining) {
        classify(perceptron(64, 64, 2, 10), { RAdam($0, learningRate: 3e-3) })
    },
    .healthy("U134", "NAdam, translation, pre-norm", .duringTraining, steps: 250) {
        copying(normFirst: true, layers: 2, { NAdam($0, learningRate: 1e-3) })
    },
    .healthy("U135", "Adamax, digits standardised", .duringTraining) {
        let data = ClinicData.mixed(Dataset.digits().flattened)
        return classify(
            perceptron(64, 64, 2, 10), { Adamax($0) },
            on: ClinicData.batches(of: Standardization(fittedTo: data)(data), 64))
    },
    .healthy("U136", "polynomial fall to 0 over the run", .duringTraining, steps: 400) {
        var program = Program(steps: 400, classify(perceptron(64, 64, 2, 10), sgd(0.2, momentum: 0.9)))
        program.schedule = .polynomial(steps: 400)
        return program
    },
    .healthy("U137", "one body frozen first, freed at step 150", .duringTraining, steps: 400) {
        let model = perceptron(64, 64, 2, 10)
        try teach(classify(model, adam(2e-3)), 150)
        for parameter in model.parameters.suffix(2) {
            parameter.assign(
                parameter.shape.rank == 2 ? .normal(parameter.shape, standardDeviation: 0.1) : .zeros(parameter.shape))
        }
        for parameter in model.parameters.dropLast(2) { parameter.isTrainable = false }
        let digits = ClinicData.digits(64)
        return Program(
            model, Adam(model.parameters),
            on: { step in
                if step == 150 { for parameter in model.parameters { parameter.isTrainable = true } }
                return digits(step)
            }
        ) { crossEntropy(model($0.x), $0.y) }
    },
    .healthy("U138", "identical twins: momentum teacher and student", .duringTraining) {
        let (student, teacher, head) = (perceptron(64, 64, 1, 32), perceptron(64, 64, 1, 32), perceptron(32, 32, 1, 32))
        let model = Assembly([student, head]) { $0[1]($0[0]($1)) }
        func unit(_ x: Tensor) -> Tensor { x / (x.square().sum([1], keepsAxes: true) + 1e-6).squareRoot() }
        return Program(
            model, Adam(model.parameters),
            on: { step in
                for (mine, yours) in zip(teacher.parameters, student.parameters) {
                    mine.assign(mine.value.detached() * 0.99 + yours.value.detached() * 0.01)
                }
                let x = ClinicData.digits()(step).x
                return ClinicBatch(x: x + Tensor.normal(x.shape) * 0.1, y: x + Tensor.normal(x.shape) * 0.1)
            }
        ) { batch in
            let wanted = withoutGradients { unit(teacher(batch.y)) }
            return 2 - (unit(model(batch.x)) * wanted).sum([1]).mean() * 2
        }
    },
    .healthy("U139", "a loss with jumps: curriculum from easy to hard targets", .duringTraining, steps: 400) {
        let batches = ClinicData.regression(8)
        return compare(
            perceptron(8, 64, 2, 1), adam(2e-3), on: { step in batches(step).targets { $0 * (step < 200 ? 1 : 2) } })
    },
    .healthy("U140", "logistic regression on a standardised table, SGD 1", .duringTraining, steps: 500) {
        let table = try ClinicData.toyTable("breast_cancer")
        return classify(
            perceptron(30, 0, 0, 2), sgd(1), on: ClinicData.batches(of: Standardization(fittedTo: table)(table), 64))
    },
]

private let strangerTwins: [ClinicCase] = [
    .healthy("U28", "Lion, rate 0.05, which convolutions bear", .duringTraining) {
        classify(convolutionalNet(norm: false), { Lion($0, learningRate: 0.05) }, on: try ClinicData.fashion())
    },
    .healthy("U52", "translation, post-norm, 4 + 4 layers, Adam 3e-3", .duringTraining, steps: 250) {
        copying(normFirst: false, layers: 4, adam(3e-3))
    },
    ClinicCase("U159", "a net with all of its parameters frozen", [.unheldParameters, .unreachedParameters]) {
        let model = perceptron(64, 64, 2, 10)
        model.freeze()
        return classify(model, adam())
    },
    .healthy("U162", "mixed images and classes, cross-entropy of shares") {
        compare(
            perceptron(64, 64, 2, 10), adam(2e-3),
            on: changing(ClinicData.digits()) { batch in
                let share = Tensor.uniform([128, 1])
                let classes = oneHot(batch.y)
                let (x, y) = (batch.x.rolled(by: 1, axis: 0), classes.rolled(by: 1, axis: 0))
                return ClinicBatch(
                    x: batch.x * share + x * (1 - share), y: classes * share + y * (1 - share))
            }
        ) { crossEntropy($0, $1) }
    },
    .healthy("U166", "regression with much noise, batch of 4", .duringTraining, steps: 400) {
        compare(
            perceptron(4, 32, 1, 1), adam(2e-3),
            on: { _ in
                let x = Tensor.normal([4, 4])
                return ClinicBatch(x: x, y: x.sum([1], keepsAxes: true) * 0.5 + Tensor.normal([4, 1]))
            })
    },
    ClinicCase("U168", "mean over a mask that is empty for one sample", [.undefinedOperation]) {
        let model = Assembly([Embedding(50, 16), Linear(16, 2)]) { $0[0]($1) }
        return Program(
            model, Adam(model.parameters),
            on: changing(words(50)) {
                $0.inputs { .concatenated([$0.sliced(0..<31), .zeros([1, 20], dtype: .int32)]) }
            }
        ) { batch in
            let mask = batch.x.isGreater(than: batch.x.scalar(0)).cast(to: .float32).reshaped([32, 20, 1])
            let means = (model(batch.x) * mask).sum([1]) / mask.sum([1])
            return crossEntropy(model.layers[1](means), batch.y)
        }
    },
    .healthy("U147", "a small net that has converged, noisy targets, Adam", .duringTraining, steps: 600) {
        let model = perceptron(4, 0, 0, 1)
        let batches = changing(ClinicData.regression(4)) { $0.targets { $0 + Tensor.normal([128, 1]) } }
        try teach(compare(model, adam(0.01), on: batches), 500)
        return compare(model, adam(), on: batches)
    },
    .healthy("U148", "a small net that has converged, noisy classes, momentum", .duringTraining, steps: 600) {
        let model = perceptron(4, 8, 1, 2)
        let batches: ClinicData.Batches = { _ in
            let x = Tensor.normal([64, 4])
            let sums = x.sum([1]) + Tensor.normal([64]) * 2
            return ClinicBatch(x: x, y: sums.isGreater(than: sums.scalar(0)).cast(to: .int32))
        }
        try teach(classify(model, adam(0.01), on: batches), 500)
        return classify(model, sgd(0.05, momentum: 0.9), on: batches)
    },
    .healthy("U149", "GRU, adding 12, batch of 4", .duringTraining, steps: 600) {
        compare(Memory(GRU(inputSize: 2, hiddenSize: 32)), adam(3e-3), on: ClinicData.adding(12, 4))
    },
    .healthy("U150", "LSTM, noisy numbers from a series, batch of 8", .duringTraining, steps: 600) {
        compare(
            Memory(LSTM(inputSize: 4, hiddenSize: 32)), adam(3e-3),
            on: { _ in
                let x = Tensor.normal([10, 8, 4])
                return ClinicBatch(
                    x: x, y: x.selecting(9).sum([1], keepsAxes: true) * 0.5 + Tensor.normal([8, 1]) * 0.7)
            })
    },
    .healthy("U151", "as U22, tokens of 0.02", .duringTraining) {
        let (batches, vocabulary) = try ClinicData.shakespeare(length: 24, 8)
        return classify(
            LanguageModel(vocabulary: vocabulary, length: 24, size: 64, heads: 4, layers: 2, sharesTokens: true),
            adam(),
            on: batches)
    },
    .healthy("U152", "as U35, with shortcuts", .duringTraining) {
        classify(SmallResNet(depth: 44, channels: 1, width: 8), sgd(0.05, momentum: 0.9), on: imagesOfDigits)
    },
    .healthy("U153", "as U39, momentum 0.9", .duringTraining) {
        compare(perceptron(8, 64, 2, 1), sgd(0.05, momentum: 0.9), on: ClinicData.regression(8))
    },
    .healthy("U154", "as U142, group normalisation", .duringTraining) {
        let model = Sequential {
            Conv2d(1, 16, kernelSize: 3, padding: 1)
            GroupNorm(groups: 4, channels: 16)
            ReLU()
            Conv2d(16, 32, kernelSize: 3, stride: 2, padding: 1)
            GroupNorm(groups: 4, channels: 32)
            ReLU()
            GlobalAveragePool()
            Linear(32, 10)
        }
        return classify(model, adam(), on: changing(ClinicData.digits(3)) { $0.inputs { $0.reshaped([3, 1, 8, 8]) } })
    },
    .healthy("U155", "two heads of a VAE added up: no residual net", .beforeTraining) {
        autoencoder(scale: 4, adam(2e-3)) { ($0 - $1).square().sum([1]) }
    },
    .healthy("U156", "critic of images, one output, hinge loss, batch of 32") {
        let critic = perceptron(64, 64, 2, 1, { LeakyReLU(slope: 0.2) })
        return criticsTurn(critic, { Adam($0, learningRate: 1e-3) }) { real, fake, _, _ in
            (1 - real).relu().mean() + (1 + fake).relu().mean()
        }
    },
    ClinicCase("U157", "L2 by hand, 0.05", [.penaltyTooStrong]) {
        let model = perceptron(64, 128, 3, 10)
        return Program(model, sgd(0.1)(model.parameters), on: ClinicData.digits()) { batch in
            let penalty = model.parameters.map { $0.value.square().sum() }.reduce(Tensor.zeros([]), +)
            return crossEntropy(model(batch.x), batch.y) + penalty * 0.05
        }
    },
    ClinicCase("U158", "yes or no at 1 in 100 as float32", [.classImbalance]) {
        compare(
            perceptron(64, 64, 2, 1), adam(),
            on: changing(ClinicData.digits(400)) { batch in
                var marks = [Float](repeating: 0, count: 400)
                for index in [17, 130, 255, 390] { marks[index] = 1 }
                return batch.targets { _ in Tensor(marks, [400, 1]) }
            }
        ) { binaryCrossEntropyWithLogits($0, $1) }
    },
]

// MARK: Parts

extension Program {
    /// The same with another length.
    fileprivate init(steps: Int, _ other: Program) {
        self.init(other.model, other.optimizer, on: other.batch, steps: steps, loss: other.loss)
    }
}

private func teach(_ program: Program, _ steps: Int) throws {
    for step in 0..<steps {
        program.optimizer.zeroGradients()
        try program.loss(program.batch(step)).backward()
        try program.optimizer.step()
    }
    program.optimizer.zeroGradients()
}

@Sendable private func givenBack(_ step: Int) -> ClinicBatch {
    let x = ClinicData.digits()(step).x
    return ClinicBatch(x: x, y: x)
}

@Sendable private func rowsOfDigits(_ step: Int) -> ClinicBatch {
    ClinicData.digits(64)(step).inputs { $0.reshaped([64, 8, 8]) }
}

@Sendable private func imagesOfDigits(_ step: Int) -> ClinicBatch {
    ClinicData.digits(64)(step).inputs { $0.reshaped([64, 1, 8, 8]) }
}

@Sendable private func labels(_ step: Int) -> ClinicBatch {
    let x = Tensor.normal([128, 8])
    let rows = x.sliced(0..<5, axis: 1)
    return ClinicBatch(x: x, y: rows.isGreater(than: rows.scalar(0.3)).cast(to: .float32))
}

private func masks(_ limit: Double) throws -> ClinicData.Batches {
    changing(try ClinicData.fashion(16)) { batch in
        batch.targets { _ in batch.x.isGreater(than: batch.x.scalar(limit)).cast(to: .float32) }
    }
}

private func unet() -> Assembly {
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

private func soundNet() -> Sequential {
    Sequential {
        Conv1d(1, 16, kernelSize: 9, stride: 4)
        ReLU()
        Conv1d(16, 16, kernelSize: 9, stride: 4)
        ReLU()
        GlobalAveragePool()
        Linear(16, 3)
    }
}

private func sounds(_ loudness: Double) -> ClinicData.Batches {
    { _ in
        let classes = (0..<32).map { Int32($0 % 3) }
        let angles = Tensor(
            classes.flatMap { kind in (0..<400).map { Float($0) * 0.15 * Float(kind + 1) } }, [32, 1, 400])
        let phase = Tensor.uniform([32, 1, 1]) * 6.28
        let noise = Tensor.normal([32, 1, 400]) * 0.1
        return ClinicBatch(x: ((angles + phase).sine() + noise) * loudness, y: Tensor(classes))
    }
}

private func autoencoder(
    scale: Double, _ optimizer: MakeOptimizer, reduce: @escaping (Tensor) -> Tensor = { $0.mean() },
    error: @escaping (Tensor, Tensor) -> Tensor
) -> Program {
    let model = Assembly([perceptron(64, 64, 1, 16), perceptron(8, 64, 1, 64)]) { layers, x in layers[0](x) }
    return Program(
        model, optimizer(model.parameters),
        on: changing(givenBack) { batch in ClinicBatch(x: batch.x * scale, y: batch.y * scale) }
    ) { batch in
        let code = model(batch.x)
        let (mean, logVariance) = (code.sliced(0..<8, axis: 1), code.sliced(8..<16, axis: 1))
        let drawn = mean + (logVariance * 0.5).exp() * Tensor.normal(mean.shape)
        let divergence = (mean.square() + logVariance.exp() - logVariance - 1).sum([1]) * 0.5
        return reduce(error(model.layers[1](drawn), batch.y) + divergence)
    }
}

private func mixture(
    scale: Double, _ loss: @escaping (_ mean: Tensor, _ deviation: Tensor, _ share: Tensor, _ target: Tensor) -> Tensor
) -> Program {
    compare(perceptron(4, 32, 1, 9), adam(2e-3), on: ClinicData.regression(4, scale: scale)) { output, target in
        loss(
            output.sliced(0..<3, axis: 1), output.sliced(3..<6, axis: 1).exp(), output.sliced(6..<9, axis: 1), target)
    }
}

private func rare(_ limit: Double, _ size: Int) -> ClinicData.Batches {
    let weights = Tensor.normal([12, 1])
    let unit = weights / weights.square().sum().squareRoot()
    return { _ in
        let x = Tensor.normal([size, 12])
        let sums = x.matrixMultiplied(by: unit) + Tensor.normal([size, 1]) * 0.3
        return ClinicBatch(x: x, y: sums.isGreater(than: sums.scalar(limit * 1.044)).cast(to: .float32))
    }
}

private func attentionPooling(axis: Int) -> Assembly {
    let net = GRU(inputSize: 8, hiddenSize: 32, isBatchFirst: true)
    return Assembly([net, Linear(32, 1), Linear(32, 10)]) { layers, x in
        let outputs = layers[0](x)
        let shares = layers[1](outputs).softmax(axis: axis)
        return layers[2]((outputs * shares).sum([1]))
    }
}

private func distillation(_ loss: @escaping (Tensor, Tensor) -> Tensor) throws -> Program {
    let teacher = perceptron(64, 64, 1, 10)
    try teach(classify(teacher, adam(2e-3)), 150)
    return compare(
        perceptron(64, 32, 1, 10), adam(),
        on: changing(ClinicData.digits()) { batch in batch.targets { _ in teacher(batch.x).softmax().detached() } },
        loss: loss)
}

private func generatorsTurn(_ loss: @escaping (Tensor) -> Tensor) -> Program {
    let (generator, discriminator) = adversaries()
    let model = Assembly([generator, discriminator]) { $0[1]($0[0]($1)) }
    discriminator.freeze()
    return Program(
        model, Adam(generator.parameters, learningRate: 2e-4, beta1: 0.5),
        on: { _ in ClinicBatch(x: .normal([128, 16]), y: .ones([128, 1])) }
    ) { loss(model($0.x)) }
}

private func criticsTurn(
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

private func ratings(_ output: @escaping (Tensor) -> Tensor) -> Program {
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

private func quantized(straightThrough: Bool) -> Program {
    let codes = Embedding(16, 8)
    codes.weight.assign(.normal([16, 8], standardDeviation: 0.3))
    let model = Assembly([perceptron(64, 32, 1, 8), codes, perceptron(8, 32, 1, 64)]) { $0[0]($1) }
    return Program(model, Adam(model.parameters, learningRate: 2e-3), on: givenBack) { batch in
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

private func siamese(_ distance: @escaping (Tensor, Tensor) -> Tensor) -> Program {
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
private final class Adapted: Module, TensorLayer {
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

private func adapters(zeroDown: Bool) throws -> Program {
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

private func residualConvolutions(_ blocks: Int) -> Sequential {
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

private func pixelByPixel() throws -> ClinicData.Batches {
    changing(try ClinicData.fashion(16)) { batch in
        batch.inputs {
            $0.averagePooled(kernel: [2, 2], stride: [2, 2]).reshaped([16, 196]).transposed().reshaped([196, 16, 1])
        }
    }
}

private func walk(leaks: Bool) -> ClinicData.Batches {
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

private func bag(_ vocabulary: Int) -> Assembly {
    Assembly([Embedding(vocabulary, 16), Linear(16, 2)]) { $0[1]($0[0]($1).mean([1])) }
}

private func epochs(
    _ model: any TensorLayer, _ optimizer: MakeOptimizer, on train: Dataset, validation: Dataset, batchSize: Int = 64,
    shuffles: Bool = true, change: (inout TrainerSettings) -> Void = { _ in }
) -> Run {
    var settings = TrainerSettings { ($0.epochs, $0.weights) = (1000, .last) }
    change(&settings)
    return Run(
        trainer: Trainer(
            model, optimizer: optimizer(model.parameters),
            data: DataLoader(train, batchSize: batchSize, shuffles: shuffles, seed: 3),
            validation: DataLoader(validation, batchSize: 128, shuffles: false), settings: settings
        ) { crossEntropy(model($0.inputs), $0.targets) })
}

private func relabelled(_ set: Dataset, _ label: (Int, Int32) -> Int32) -> Dataset {
    guard case .classes(let classes, let names) = set.targets else { return set }
    return Dataset(
        name: set.name, inputShape: set.inputShape, inputs: set.inputs,
        targets: .classes(classes.indices.map { label($0, classes[$0]) }, names: names))
}

private func sorted(_ set: Dataset) -> Dataset {
    guard case .classes(let classes, _) = set.targets else { return set }
    return set.subset(classes.indices.sorted { (classes[$0], $0) < (classes[$1], $1) })
}

/// Images, of which every second block of 64 is brighter and turned round.
private func twoKinds(_ set: Dataset) -> Dataset {
    var changed = set.batch(Array(0..<set.count)).inputs
    let size = changed.count / set.count
    for index in changed.indices where index / size / 64 % 2 == 1 { changed[index] = 4 - 3 * changed[index] }
    return Dataset(name: set.name, inputShape: set.inputShape, inputs: .floats(changed), targets: set.targets)
}

private func smallNet() -> Sequential {
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

private func normalizedHead() -> Sequential {
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
private func translation(_ optimizer: (Assembly) -> any Optimizer) -> Program {
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

private func textProgram(_ optimizer: MakeOptimizer) throws -> Program {
    let (batches, vocabulary) = try ClinicData.shakespeare(length: 16, 8)
    return classify(
        LanguageModel(vocabulary: vocabulary, length: 16, size: 64, heads: 4, layers: 2), optimizer, on: batches)
}

/// A Transformer of encoder and decoder that is to give back what it is shown.
private final class Copying: Module {
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

private func copying(normFirst: Bool, layers: Int, _ optimizer: MakeOptimizer) -> Program {
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
private final class Scaled: Module, TensorLayer {
    let first: Linear
    let second: Linear
    let factor: Parameter

    init(_ width: Int, start: Double) {
        (first, second) = (Linear(width, width), Linear(width, width))
        factor = Parameter(.full([1], start))
    }

    func forward(_ x: Tensor) -> Tensor { x + second(first(x).relu()) * factor.value }
}

private func scaledBranches(_ count: Int, start: Double) -> Sequential {
    Sequential {
        Linear(64, 64)
        for _ in 0..<count { Scaled(64, start: start) }
        Linear(64, 10)
    }
}

/// Four patches of each image, mixed over places and over features by turns.
private final class Mixer: Module, TensorLayer {
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
private func flow(_ optimizer: MakeOptimizer, noise: Double, scale: Double) -> Program {
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
@Sendable private func topics(_ step: Int) -> ClinicBatch {
    let numbers = try! (Tensor.uniform([32 * 11]) * 9.99).floats().map { Int32($0) }
    var words: [Int32] = []
    for row in 0..<32 {
        for place in 1...10 { words.append(numbers[row * 11] * 10 + numbers[row * 11 + place]) }
    }
    return ClinicBatch(x: Tensor(words, [32, 10]), y: Tensor((0..<32).map { numbers[$0 * 11] < 5 ? Int32(1) : 0 }))
}
