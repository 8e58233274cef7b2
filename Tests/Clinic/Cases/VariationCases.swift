import GimbalTrain

/// The same illnesses in nets of other kinds and for other tasks.
let variationCases: [ClinicCase] =
    .pairs(
        .pair(
            "V1", "LSTM over the rows of images, pixels 0...255", [.inputScale], cure: "/255",
            sick: { rows(adam()) { $0 * 255 } }, healthy: { rows(adam()) { $0 } }),
        .pair(
            "V2", "convolutional regression of targets about 500", [.targetScale], cure: "standardised",
            sick: { try brightness(scale: 500) }, healthy: { try brightness(scale: 1) }),
        .pair(
            "V3", "regression, 4 x 32 GELU, all weights 0", [.zeroWeights], cure: "Xavier",
            sick: { compare(perceptron(8, 32, 4, 1, { GELU() }, .zeros), adam(), on: ClinicData.regression(8)) },
            healthy: {
                compare(perceptron(8, 32, 4, 1, { GELU() }, .xavierNormal()), adam(), on: ClinicData.regression(8))
            }),
        .pair(
            "V4", "ResNet-20, rate 100", [.learningRateTooHigh], cure: "0.1",
            sick: {
                classify(
                    SmallResNet(depth: 20, channels: 1, width: 8), sgd(100, momentum: 0.9),
                    on: try ClinicData.fashion(32))
            },
            healthy: {
                classify(
                    SmallResNet(depth: 20, channels: 1, width: 8), sgd(0.1, momentum: 0.9),
                    on: try ClinicData.fashion(32))
            }),
        .pair(
            "V5", "autoencoder of standardised features, ReLU at its end", [.rectifiedOutput], cure: "linear",
            sick: { compare(perceptron(8, 32, 2, 8), adam(), on: normalGivenBack) { meanSquaredError($0.relu(), $1) } },
            healthy: { compare(perceptron(8, 32, 2, 8), adam(), on: normalGivenBack) }),
        .pair(
            "V6", "autoencoder of standardised features, sigmoid at its end", [.boundedOutput], cure: "linear",
            sick: {
                compare(perceptron(8, 32, 2, 8), adam(), on: normalGivenBack) { meanSquaredError($0.sigmoid(), $1) }
            },
            healthy: { compare(perceptron(8, 32, 3, 8), adam(), on: normalGivenBack) }),
        .pair(
            "V7", "language model, softmax before the cross-entropy of logits", [.doubleSoftmax], cure: "logits",
            sick: { try text(adam()) { crossEntropy($0.softmax(), $1) } },
            healthy: { try text(adam()) { crossEntropy($0, $1) } }),
        .pair(
            "V8", "pre-norm language model, Adam 0.3", [.learningRateTooHigh], cure: "1e-3",
            sick: { try text(adam(0.3)) { crossEntropy($0, $1) } },
            healthy: { try text(adam(1e-3)) { crossEntropy($0, $1) } }),
        .pair(
            "V9", "40 x 64 ELU, N(0, 0.02)", [.smallWeights], cure: "Xavier",
            sick: { classify(perceptron(64, 64, 40, 10, { ELU() }, .normal(standardDeviation: 0.02)), adam()) },
            healthy: { classify(perceptron(64, 64, 40, 10, { ELU() }, .heNormal()), adam(1e-4)) }),
        .pair(
            "V10", "binary cross-entropy of plain outputs", [.unfittingLoss], cure: "of logits",
            sick: {
                compare(perceptron(8, 32, 2, 1), adam(), on: ClinicData.yesOrNo(8)) { binaryCrossEntropy($0, $1) }
            },
            healthy: {
                compare(perceptron(8, 32, 2, 1), adam(), on: ClinicData.yesOrNo(8)) {
                    binaryCrossEntropyWithLogits($0, $1)
                }
            }),
        .pair(
            "V11", "language model, cross-entropy summed over all characters, SGD 0.1", [.summedLoss], cure: "mean",
            sick: { try text(sgd(0.1)) { crossEntropy($0, $1, reduction: .sum) } },
            healthy: { try text(sgd(0.1)) { crossEntropy($0, $1) } }),
        .pair(
            "V12", "two heads, one that no optimizer holds", [.unheldParameters], layers: ["layers.2.weight"],
            cure: "both held",
            sick: { heads(held: 0..<2) }, healthy: { heads(held: 0..<3) }),
        .pair(
            "V13", "NaN in a column of a table", [.nonFiniteInput], cure: "filled",
            sick: {
                compare(
                    perceptron(8, 32, 2, 1), adam(),
                    on: changing(ClinicData.regression(8)) { batch in
                        let gap = Tensor((0..<8).map { $0 == 3 ? Float.nan : 0 }, [1, 8])
                        return batch.inputs { $0 + gap }
                    })
            },
            healthy: { compare(perceptron(8, 32, 2, 1), adam(), on: ClinicData.regression(8)) }),
        .pair(
            "V14", "a target that is NaN", [.nonFiniteInput], cure: "left out",
            sick: {
                compare(
                    perceptron(8, 32, 2, 1), adam(),
                    on: changing(ClinicData.regression(8)) { batch in
                        let gap = Tensor((0..<128).map { $0 == 77 ? Float.nan : 0 }, [128, 1])
                        return batch.targets { $0 + gap }
                    })
            },
            healthy: { compare(perceptron(8, 32, 3, 1), adam(), on: ClinicData.regression(8)) }),
        .pair(
            "V15", "all inputs 0", [.repeatedSamples, .inputScale], cure: "read",
            sick: {
                classify(perceptron(64, 64, 2, 10), adam(), on: changing(ClinicData.digits()) { $0.inputs { $0 * 0 } })
            },
            healthy: { classify(perceptron(64, 64, 2, 10), adam()) }),
        .pair(
            "V16", "classes 1...10 for ten outputs", [.unfittingLoss], cure: "0...9",
            sick: { classify(perceptron(64, 64, 2, 10), on: changing(ClinicData.digits()) { $0.targets { $0 + 1 } }) },
            healthy: { classify(perceptron(64, 64, 2, 10)) }),
        .pair(
            "V17", "GRU, Adam 1e-9", [.learningRateTooLow], cure: "1e-3",
            sick: { remember(GRU(inputSize: 2, hiddenSize: 32), 30, 32, adam(1e-9)) },
            healthy: { remember(GRU(inputSize: 2, hiddenSize: 32), 30, 32, adam(1e-3)) }),
        .pair(
            "V18", "dropout 0.9 of convolutional features", [.excessiveDropout], cure: "0.3",
            sick: { classify(droppingFeatures(0.9), adam(), on: try ClinicData.mnist()) },
            healthy: { classify(droppingFeatures(0.3), adam(), on: try ClinicData.mnist()) }),
        .pair(
            "V19", "dense net with batch normalisation, batch of 3", [.smallBatch], cure: "64",
            sick: { classify(perceptron(64, 64, 3, 10, norm: true), sgd(0.01), on: ClinicData.digits(3)) },
            healthy: { classify(perceptron(64, 64, 3, 10, norm: true), sgd(0.01), on: ClinicData.digits(64)) }),
        .pair(
            "V20", "autoencoder of pixels 0...255, sigmoid at its end", [.boundedOutput, .inputScale, .targetScale],
            cure: "/255",
            sick: {
                compare(perceptron(64, 32, 2, 64), adam(), on: pixels(255)) { meanSquaredError($0.sigmoid(), $1) }
            },
            healthy: {
                compare(perceptron(64, 32, 2, 64), adam(), on: pixels(1)) { meanSquaredError($0.sigmoid(), $1) }
            }),
        .pair(
            "V22", "absolute error of a sum over the batch, SGD 0.1", [.summedLoss], cure: "mean",
            sick: {
                compare(perceptron(8, 64, 2, 1), sgd(0.5), on: ClinicData.regression(8)) {
                    meanAbsoluteError($0, $1, reduction: .sum)
                }
            },
            healthy: {
                compare(perceptron(8, 64, 2, 1), sgd(0.05), on: ClinicData.regression(8)) { meanAbsoluteError($0, $1) }
            }),
        .pair(
            "V23", "convolutions, decay 1", [.penaltyTooStrong], cure: "1e-4",
            sick: { classify(convolutionalNet(norm: false), sgd(0.05, decay: 1), on: try ClinicData.fashion()) },
            healthy: { classify(convolutionalNet(norm: false), sgd(0.05, decay: 1e-4), on: try ClinicData.fashion()) }),
        .pair(
            "V24", "three classes, one with 97 in 100", [.classImbalance], cure: "weights",
            sick: { classify(perceptron(64, 64, 2, 3), adam(), on: uneven) },
            healthy: {
                let weights = Tensor([0.34, 22, 22] as [Float])
                return compare(perceptron(64, 64, 2, 3), adam(), on: uneven) { crossEntropy($0, $1, weight: weights) }
            })
    ) + [
        .healthy("counts", "words of a text as counts, mostly 0") {
            classify(
                perceptron(64, 64, 2, 10), adam(),
                on: changing(ClinicData.digits()) { $0.inputs { ($0 * 16 - 12).relu() } })
        },
        .healthy("one-hot inputs", "sixteen categories") {
            let model = perceptron(16, 32, 2, 2)
            return classify(
                model, adam(),
                on: { _ in
                    let numbers = (0..<128).map { Int32($0 * 7 % 16) }
                    return ClinicBatch(x: oneHot(Tensor(numbers), 16), y: Tensor(numbers.map { $0 < 8 ? Int32(0) : 1 }))
                })
        },
        .healthy("raw table", "with batch normalisation first") {
            let table = try ClinicData.toyTable("breast_cancer")
            let model = Sequential {
                BatchNorm1d(30)
                Linear(30, 32)
                ReLU()
                Linear(32, 2)
            }
            return classify(model, adam(), on: ClinicData.batches(of: table, 128))
        },
        .healthy("targets of about 5", "as they are") {
            compare(perceptron(8, 64, 2, 1), adam(), on: ClinicData.regression(8, scale: 2, shift: 4))
        },
        .healthy("dropout of 0.7", "wide") {
            let model = Sequential {
                Linear(64, 512)
                ReLU()
                Dropout(0.7)
                Linear(512, 10)
            }
            return classify(model, adam())
        },
        .healthy("rare labels", "fifty of yes or no, one in fifty") {
            compare(
                perceptron(8, 64, 2, 50), adam(),
                on: changing(ClinicData.regression(8)) { batch in
                    let chances = Tensor.uniform([128, 50])
                    return batch.targets { _ in chances.isGreater(than: chances.scalar(0.98)).cast(to: .float32) }
                }
            ) { binaryCrossEntropyWithLogits($0, $1) }
        },
        .healthy("soft yes or no", "targets between 0 and 1") {
            compare(
                perceptron(8, 32, 2, 1), adam(), on: changing(ClinicData.regression(8)) { $0.targets { $0.sigmoid() } }
            ) { binaryCrossEntropyWithLogits($0, $1) }
        },
        .healthy("quantiles", "by hand") {
            compare(perceptron(8, 32, 2, 1), adam(), on: ClinicData.regression(8)) { predictions, targets in
                let error = targets - predictions
                return ((error * 0.9).relu() + (error * -0.1).relu()).mean()
            }
        },
        .healthy("ignored classes", "padding of a sequence") {
            let (batches, vocabulary) = try ClinicData.shakespeare(length: 24, 8)
            let mask = Tensor((0..<8 * 24).map { Int32($0 % 24 < 16 ? 0 : -100) })
            let keep = Tensor((0..<8 * 24).map { Int32($0 % 24 < 16 ? 1 : 0) })
            return classify(
                CharacterNet(vocabulary, GRU(inputSize: 32, hiddenSize: 64, isBatchFirst: true)), adam(),
                on: changing(batches) { $0.targets { $0 * keep + mask } })
        },
        .healthy("three LSTM layers", "digits as rows") { rows(adam(), layers: 3) { $0 } },
        .healthy("AdamW with a decay of 0.05", "Transformer") {
            try text({ AdamW($0, learningRate: 1e-3, weightDecay: 0.05) }) { crossEntropy($0, $1) }
        },
        .healthy("60 x 64 tanh", "orthogonal") {
            classify(perceptron(64, 64, 60, 10, { Tanh() }, .orthogonal()), sgd(0.005))
        },
        .healthy("a batch of one", "layer normalisation") {
            let model = Sequential {
                Linear(64, 64)
                LayerNorm(64)
                ReLU()
                Linear(64, 10)
            }
            return classify(model, sgd(0.01), on: ClinicData.digits(1))
        },
        .healthy("two terms and a penalty", "by hand") {
            let model = perceptron(8, 32, 2, 1)
            return Program(model, Adam(model.parameters), on: ClinicData.regression(8)) { batch in
                let penalty = model.parameters.map { $0.value.square().sum() }.reduce(Tensor.zeros([]), +)
                return meanSquaredError(model(batch.x), batch.y) + penalty * 1e-4
            }
        },
        .healthy("a batch with more than the loss takes", "an unused mask, all 1") {
            let model = perceptron(64, 64, 2, 10)
            return Program(
                model, Adam(model.parameters),
                on: { step in
                    var batch = ClinicData.digits()(step)
                    batch.unused = Tensor(repeating: 1, [128, 1])
                    return batch
                }
            ) { crossEntropy(model($0.x), $0.y) }
        },
    ]

/// A recurrent classifier over the rows of the digits.
private func rows(_ optimizer: MakeOptimizer, layers: Int = 1, _ change: @escaping (Tensor) -> Tensor) -> Program {
    let model = RecurrentClassifier(LSTM(inputSize: 8, hiddenSize: 32, layers: layers, isBatchFirst: true), classes: 10)
    return classify(
        model, optimizer, on: changing(ClinicData.digits()) { $0.inputs { change($0).reshaped([128, 8, 8]) } })
}

/// How bright an image is, by a convolutional net.
private func brightness(scale: Double) throws -> Program {
    let model = Sequential {
        Conv2d(1, 8, kernelSize: 3, stride: 2, padding: 1)
        ReLU()
        GlobalAveragePool()
        Linear(8, 1)
    }
    return compare(
        model, adam(),
        on: changing(try ClinicData.fashion()) { batch in
            let means = batch.x.mean([1, 2, 3]).reshaped([64, 1])
            return batch.targets { _ in (means * 3) * scale }
        })
}

@Sendable private func normalGivenBack(_ step: Int) -> ClinicBatch {
    let x = Tensor.normal([128, 8])
    return ClinicBatch(x: x, y: x)
}

private func text(_ optimizer: MakeOptimizer, loss: @escaping (Tensor, Tensor) -> Tensor) throws -> Program {
    let (batches, vocabulary) = try ClinicData.shakespeare(length: 24, 8)
    return compare(
        LanguageModel(vocabulary: vocabulary, length: 24, size: 64, heads: 4, layers: 2), optimizer, on: batches,
        loss: loss)
}

/// A body and two heads, of which those in `held` are trained.
private func heads(held: Range<Int>) -> Program {
    let model = Assembly([Linear(64, 32), Linear(32, 10), Linear(32, 1)]) { $0[0]($1).relu() }
    let parameters = model.layers[held].flatMap(\.parameters)
    return Program(model, Adam(parameters), on: ClinicData.digits()) { batch in
        let features = model(batch.x)
        let means = batch.x.mean([1], keepsAxes: true)
        return crossEntropy(model.layers[1](features), batch.y) + meanSquaredError(model.layers[2](features), means)
    }
}

private func droppingFeatures(_ probability: Double) -> Sequential {
    Sequential {
        Conv2d(1, 8, kernelSize: 3, stride: 2, padding: 1)
        ReLU()
        Conv2d(8, 16, kernelSize: 3, stride: 2, padding: 1)
        ReLU()
        Flatten()
        Dropout(probability)
        Linear(784, 10)
    }
}

/// Digits that are to be given back, multiplied.
private func pixels(_ factor: Double) -> ClinicData.Batches {
    changing(ClinicData.digits()) { batch in
        let x = batch.x * factor
        return ClinicBatch(x: x, y: x)
    }
}

@Sendable private func uneven(_ step: Int) -> ClinicBatch {
    var batch = ClinicData.digits(200)(step)
    batch.y = Tensor((0..<200).map { Int32($0 % 67 == 5 ? 1 : $0 % 67 == 40 ? 2 : 0) })
    return batch
}
