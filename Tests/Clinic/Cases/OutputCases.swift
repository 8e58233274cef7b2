import GimbalTrain

/// What does not fit between the last layer, the loss and the targets.
let outputCases: [ClinicCase] =
    .pairs(
        .pair(
            "S31", "convolutional net, ReLU on the logits, Adam", [.rectifiedOutput], cure: "none",
            sick: {
                compare(convolutionalNet(), adam(), on: try ClinicData.mnist()) { crossEntropy($0.relu(), $1) }
            },
            healthy: { classify(convolutionalNet(), adam(), on: try ClinicData.mnist()) }),
        .pair(
            "S32", "2-4-1, targets ±1, ReLU output", [.rectifiedOutput], cure: "tanh",
            sick: { compare(perceptron(2, 4, 1, 1), sgd(0.1), on: signs) { meanSquaredError($0.relu(), $1) } },
            healthy: { compare(perceptron(2, 8, 1, 1), sgd(0.1), on: signs) { meanSquaredError($0.tanh(), $1) } }),
        .pair(
            "S33", "12-12-1, ReLU output, binary cross-entropy", [.rectifiedOutput, .unfittingLoss], cure: "sigmoid",
            sick: {
                compare(perceptron(11, 12, 2, 1), adam(), on: ClinicData.yesOrNo(11)) {
                    binaryCrossEntropy($0.relu(), $1)
                }
            },
            healthy: {
                compare(perceptron(11, 12, 2, 1), adam(), on: ClinicData.yesOrNo(11)) {
                    binaryCrossEntropy($0.sigmoid(), $1)
                }
            }),
        .pair(
            "S38", "1-5-1 sigmoid, targets in ±3", [.boundedOutput], cure: "linear",
            sick: {
                compare(perceptron(1, 5, 1, 1, { Sigmoid() }), on: ClinicData.regression(1, scale: 3)) {
                    meanSquaredError($0.sigmoid(), $1)
                }
            },
            healthy: { compare(perceptron(1, 5, 1, 1, { Sigmoid() }), on: ClinicData.regression(1, scale: 3)) }),
        .pair(
            "S39", "softmax over one unit, binary cross-entropy", [.softmaxOfOne], cure: "sigmoid",
            sick: {
                compare(perceptron(8, 32, 1, 1), on: ClinicData.yesOrNo(8)) { binaryCrossEntropy($0.softmax(), $1) }
            },
            healthy: {
                compare(perceptron(8, 32, 1, 1), sgd(0.1), on: ClinicData.yesOrNo(8)) {
                    binaryCrossEntropyWithLogits($0, $1)
                }
            }),
        .pair(
            "S39b", "softmax over one unit, squared error", [.softmaxOfOne], cure: "sigmoid",
            sick: {
                compare(perceptron(8, 32, 1, 1), on: ClinicData.yesOrNo(8)) { meanSquaredError($0.softmax(), $1) }
            },
            healthy: {
                compare(perceptron(8, 32, 1, 1), sgd(0.1), on: ClinicData.yesOrNo(8)) {
                    meanSquaredError($0.sigmoid(), $1)
                }
            }),
        .pair(
            "S40", "LeNet, softmax before the cross-entropy of logits", [.doubleSoftmax], cure: "logits",
            sick: { compare(leNet(), sgd(0.1), on: try ClinicData.mnist()) { crossEntropy($0.softmax(), $1) } },
            healthy: { classify(leNet(), sgd(0.1), on: try ClinicData.mnist()) }),
        .pair(
            "S41", "LeNet, softmax over the batch", [.softmaxOverBatch], cure: "over the classes",
            sick: {
                compare(leNet(), sgd(0.1), on: try ClinicData.mnist()) {
                    negativeLogLikelihood($0.softmax(axis: 0).log(), $1)
                }
            },
            healthy: {
                compare(leNet(), sgd(0.1), on: try ClinicData.mnist()) { negativeLogLikelihood($0.logSoftmax(), $1) }
            }),
        .pair(
            "S42", "2 x 20 ReLU, squared error of softmax outputs", [.unfittingLoss], cure: "cross-entropy",
            sick: {
                compare(perceptron(64, 20, 2, 10), sgd(0.1), on: oneHotDigits) { meanSquaredError($0.softmax(), $1) }
            },
            healthy: { classify(perceptron(64, 20, 2, 10), sgd(0.1)) }),
        .pair(
            "S43", "4-4-3 on iris, sigmoid outputs, N(0, 0.05), Adam", [.unfittingLoss], cure: "logits, standardised",
            sick: {
                compare(
                    perceptron(4, 4, 1, 3, { ReLU() }, .normal(standardDeviation: 0.05)), adam(),
                    on: try iris(standardized: false)
                ) { crossEntropy($0.sigmoid(), $1) }
            },
            healthy: { classify(perceptron(4, 4, 1, 3), adam(0.01), on: try iris(standardized: true)) }),
        .pair(
            "S44", "ten classes, binary cross-entropy of one-hot targets, Adamax", [.unfittingLoss],
            cure: "cross-entropy",
            sick: {
                compare(perceptron(64, 20, 2, 10), { Adamax($0) }, on: oneHotDigits) {
                    binaryCrossEntropy($0.sigmoid(), $1)
                }
            },
            healthy: { classify(perceptron(64, 20, 2, 10), { Adamax($0) }) }),
        .pair(
            "S45", "LeNet, loss summed over the batch, rate 0.1", [.summedLoss], cure: "mean",
            sick: {
                compare(leNet(), sgd(0.1), on: try ClinicData.mnist()) { crossEntropy($0, $1, reduction: .sum) }
            },
            healthy: { compare(leNet(), sgd(0.1), on: try ClinicData.mnist()) { crossEntropy($0, $1) } }),
        .pair(
            "S46", "softmax regression, -Σ y log p by hand", [.unsafeLogarithm], cure: "cross-entropy of logits",
            sick: {
                compare(perceptron(64, 0, 0, 10), sgd(0.01), on: oneHotDigits) { -($1 * $0.softmax().log()).sum() }
            },
            healthy: { compare(perceptron(64, 0, 0, 10), sgd(0.01), on: oneHotDigits) { crossEntropy($0, $1) } }),
        .pair(
            "O1", "regression, squared errors summed by hand over 128 samples", [.summedLoss, .learningRateTooHigh],
            cure: "mean",
            sick: {
                compare(perceptron(8, 64, 2, 1), sgd(0.1), on: ClinicData.regression(8)) {
                    (($0 - $1) * ($0 - $1)).sum()
                }
            },
            healthy: {
                compare(perceptron(8, 64, 2, 1), sgd(0.1), on: ClinicData.regression(8)) {
                    (($0 - $1) * ($0 - $1)).mean()
                }
            }),
        .pair(
            "O2", "tanh output, targets in ±50", [.boundedOutput, .targetScale], cure: "linear, standardised",
            sick: {
                compare(perceptron(8, 32, 2, 1), adam(), on: ClinicData.regression(8, scale: 50)) {
                    meanSquaredError($0.tanh(), $1)
                }
            },
            healthy: { compare(perceptron(8, 32, 2, 1), adam(), on: ClinicData.regression(8)) }),
        .pair(
            "O3", "sigmoid before the binary cross-entropy of logits", [.doubleSoftmax], cure: "logits",
            sick: {
                compare(perceptron(8, 32, 2, 1), adam(), on: ClinicData.yesOrNo(8)) {
                    binaryCrossEntropyWithLogits($0.sigmoid(), $1)
                }
            },
            healthy: {
                compare(perceptron(8, 32, 2, 1), adam(), on: ClinicData.yesOrNo(8)) {
                    binaryCrossEntropyWithLogits($0, $1)
                }
            }),
        .pair(
            "O5", "softmax layer inside of the model and cross-entropy of logits", [.doubleSoftmax], cure: "logits",
            sick: {
                let body = perceptron(64, 64, 2, 10)
                return classify(Assembly([body]) { $0[0]($1).softmax() }, adam())
            },
            healthy: {
                let body = perceptron(64, 64, 2, 10)
                return classify(Assembly([body]) { $0[0]($1) }, adam())
            }),
        .pair(
            "O7", "squared error of predictions [128, 1] and targets [128], which broadcast", [.unfittingLoss],
            cure: "one shape",
            sick: {
                compare(
                    perceptron(8, 32, 2, 1), sgd(0.05),
                    on: changing(ClinicData.regression(8)) { $0.targets { $0.reshaped([128]) } }
                ) { ($0 - $1).square().mean() }
            },
            healthy: { compare(perceptron(8, 32, 2, 1), sgd(0.05), on: ClinicData.regression(8)) }),
        .pair(
            "O8", "cross-entropy with a loss that is turned round", [.ascent], cure: "sign",
            sick: { compare(perceptron(64, 64, 2, 10), sgd(0.1), on: ClinicData.digits()) { -crossEntropy($0, $1) } },
            healthy: { compare(perceptron(64, 64, 2, 10), sgd(0.1), on: ClinicData.digits()) { crossEntropy($0, $1) } })
    )

/// Two numbers, and the sign of their product.
@Sendable private func signs(_ step: Int) -> ClinicBatch {
    let x = Tensor.normal([128, 2])
    let product = x.selecting(0, axis: 1) * x.selecting(1, axis: 1)
    let isPositive = product.isGreater(than: product.scalar(0)).cast(to: .float32)
    return ClinicBatch(x: x, y: (isPositive * 2 - 1).reshaped([128, 1]))
}

@Sendable private func oneHotDigits(_ step: Int) -> ClinicBatch {
    ClinicData.digits()(step).targets { oneHot($0) }
}

private func iris(standardized: Bool) throws -> ClinicData.Batches {
    let table = try ClinicData.toyTable("iris")
    return ClinicData.batches(of: standardized ? Standardization(fittedTo: table)(table) : table, 64)
}
