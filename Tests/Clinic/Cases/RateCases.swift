import GimbalTrain

/// What the optimizer does with the gradient.
let rateCases: [ClinicCase] =
    .pairs(
        .pair(
            "S30", "3 x 128 ReLU, rate 5", [.learningRateTooHigh], cure: "0.1",
            sick: { classify(perceptron(64, 128, 3, 10, { ReLU() }, .heNormal()), sgd(5)) },
            healthy: { classify(perceptron(64, 128, 3, 10, { ReLU() }, .heNormal()), sgd(0.1)) }),
        .pair(
            "S49", "LeNet, rate 0.5", [.learningRateTooHigh], cure: "0.1",
            sick: {
                let model = leNet()
                draw(model, by: .heNormal())
                return classify(model, sgd(0.5), on: try ClinicData.mnist())
            },
            healthy: {
                let model = leNet()
                draw(model, by: .heNormal())
                return classify(model, sgd(0.02), on: try ClinicData.mnist())
            }),
        .pair(
            "S50", "LeNet, Adam 0.1, ε 1e-16", [.learningRateTooHigh], cure: "1e-3, 1e-8",
            sick: { classify(leNet(), adam(0.1, epsilon: 1e-16), on: try ClinicData.mnist()) },
            healthy: { classify(leNet(), adam(), on: try ClinicData.mnist()) }),
        .pair(
            "S51", "2 x 64, Adam 1e-5", [.learningRateTooLow], cure: "1e-3",
            sick: { classify(perceptron(64, 64, 2, 10), adam(1e-5)) },
            healthy: { classify(perceptron(64, 64, 2, 10), adam(1e-3)) }),
        .pair(
            "S52", "LeNet, rate 1e-12", [.learningRateTooLow], cure: "0.1",
            sick: { classify(leNet(), sgd(1e-12), on: try ClinicData.mnist()) },
            healthy: { classify(leNet(), sgd(0.1), on: try ClinicData.mnist()) }),
        .pair(
            "S53", "3 x 128 ReLU, rate 0.1, momentum 0.99", [.momentumTooHigh, .learningRateTooHigh], cure: "0.9",
            sick: {
                classify(perceptron(64, 128, 3, 10, { ReLU() }, .heNormal()), sgd(0.1, momentum: 0.99))
            },
            healthy: {
                classify(perceptron(64, 128, 3, 10, { ReLU() }, .heNormal()), sgd(0.05, momentum: 0.9))
            }),
        .pair(
            "S54", "3 x 128 ReLU, L2 0.1", [.penaltyTooStrong], cure: "1e-4",
            sick: { classify(perceptron(64, 128, 3, 10), sgd(0.1, decay: 0.1)) },
            healthy: { classify(perceptron(64, 128, 3, 10), sgd(0.1, decay: 1e-4)) }),
        .pair(
            "S55", "2 x 64, Fashion-MNIST, dropout 0.9", [.excessiveDropout], cure: "0.2",
            sick: { classify(dropping(0.9), adam(), on: changing(try ClinicData.fashion(), \.flat)) },
            healthy: { classify(dropping(0.2), adam(), on: changing(try ClinicData.fashion(), \.flat)) }),
        .pair(
            "S56", "convolutions and batch normalisation, batch of 2", [.smallBatch], cure: "32",
            sick: { classify(convolutionalNet(), sgd(0.01), on: try ClinicData.fashion(2)) },
            healthy: { classify(convolutionalNet(), sgd(0.01), on: try ClinicData.fashion(32)) }),
        .pair(
            "S57", "3 x 128, gradients never cleared", [.unclearedGradients], .duringTraining, cure: "cleared",
            sick: {
                var program = classify(perceptron(64, 128, 3, 10))
                program.clearsGradients = false
                return program
            },
            healthy: { classify(perceptron(64, 128, 3, 10)) }),
        .pair(
            "S58", "LeNet, sign of the update turned round", [.ascent], cure: "sign",
            sick: {
                let ascent = OptimizerFormula { step in (step.weight + step.learningRate * step.gradient, []) }
                return classify(
                    leNet(), { FormulaOptimizer($0, ascent, learningRate: 0.1) }, on: try ClinicData.mnist())
            },
            healthy: { classify(leNet(), sgd(0.1), on: try ClinicData.mnist()) }),
        .pair(
            "S75", "2-4-1 sigmoid, XOR, absolute error, rate 0.05", [.unfittingLoss, .learningRateTooLow],
            cure: "binary cross-entropy, 0.5",
            sick: {
                compare(perceptron(2, 4, 1, 1, { Sigmoid() }), sgd(0.05), on: exclusiveOr) {
                    meanAbsoluteError($0.sigmoid(), $1)
                }
            },
            healthy: {
                compare(perceptron(2, 4, 1, 1, { Tanh() }), sgd(0.5), on: exclusiveOr) {
                    binaryCrossEntropyWithLogits($0, $1)
                }
            }),
        .pair(
            "P1", "regression, 2 x 64, Adam 1", [.learningRateTooHigh], cure: "1e-3",
            sick: { compare(perceptron(8, 64, 2, 1), adam(1), on: ClinicData.regression(8)) },
            healthy: { compare(perceptron(8, 64, 2, 1), adam(1e-3), on: ClinicData.regression(8)) }),
        .pair(
            "P2", "3 x 128, Adam, ε 1", [.epsilonTooLarge, .learningRateTooLow], cure: "1e-8",
            sick: { classify(perceptron(64, 128, 3, 10), adam(1e-3, epsilon: 1)) },
            healthy: { classify(perceptron(64, 128, 3, 10), adam(1e-3)) }),
        .pair(
            "P3", "3 x 128, AdamW, decay 50", [.penaltyTooStrong], cure: "0.01",
            sick: {
                classify(perceptron(64, 128, 3, 10), { AdamW($0, learningRate: 1e-3, weightDecay: 50) })
            },
            healthy: {
                classify(perceptron(64, 128, 3, 10), { AdamW($0, learningRate: 1e-3, weightDecay: 0.01) })
            }),
        .pair(
            "P4", "GRU on sequences, Adam 0.5", [.learningRateTooHigh], cure: "1e-3",
            sick: { remember(GRU(inputSize: 2, hiddenSize: 32), 30, 32, adam(0.5)) },
            healthy: { remember(GRU(inputSize: 2, hiddenSize: 32), 30) }),
        .pair(
            "P5", "pre-norm language model, SGD 1e-7", [.learningRateTooLow], cure: "Adam 1e-3",
            sick: {
                let (batches, vocabulary) = try ClinicData.shakespeare(length: 32, 8)
                return classify(
                    CharacterTransformer(vocabulary, length: 32, size: 64, layers: 2, normFirst: true), sgd(1e-7),
                    on: batches)
            },
            healthy: {
                let (batches, vocabulary) = try ClinicData.shakespeare(length: 32, 8)
                return classify(
                    CharacterTransformer(vocabulary, length: 32, size: 64, layers: 2, normFirst: true), adam(),
                    on: batches)
            })
    )

private func dropping(_ probability: Double) -> Sequential {
    Sequential {
        Linear(784, 64)
        ReLU()
        Dropout(probability)
        Linear(64, 64)
        ReLU()
        Dropout(probability)
        Linear(64, 10)
    }
}

@Sendable private func exclusiveOr(_ step: Int) -> ClinicBatch {
    ClinicBatch(x: Tensor([0, 0, 0, 1, 1, 0, 1, 1] as [Float], [4, 2]), y: Tensor([0, 1, 1, 0] as [Float], [4, 1]))
}
