import GimbalTrain

/// First weights that lose the signal or the gradient, or let them grow.
let initializationCases: [ClinicCase] =
    .pairs(
        .pair(
            "S1", "50 x 256 sigmoid, N(0, 0.01)", [.saturatingActivations, .smallWeights],
            cure: "ReLU, He, batch normalisation, residual",
            sick: { classify(perceptron(64, 256, 50, 10, { Sigmoid() }, .normal(standardDeviation: 0.01))) },
            healthy: { classify(residualNet(128, 25), sgd(0.01)) }),
        .pair(
            "S2", "50 x 256 sigmoid, Xavier, Adam", [.saturatingActivations], cure: "ReLU, He, batch normalisation",
            sick: { classify(perceptron(64, 256, 50, 10, { Sigmoid() }, .xavierNormal()), adam()) },
            healthy: { classify(residualNet(128, 25), adam()) }),
        .pair(
            "S3", "LeNet's head and 8 x 84 sigmoid, He", [.saturatingActivations, .largeWeights], cure: "ReLU",
            sick: { classify(deepHead { Sigmoid() }, sgd(0.01), on: try ClinicData.mnist()) },
            healthy: { classify(deepHead { ReLU() }, sgd(0.01), on: try ClinicData.mnist()) }),
        .pair(
            "S4", "16 x 64 ReLU behind two convolutions, U(±0.05), Adam", [.smallWeights], cure: "He",
            sick: {
                let model = convolutionsAndDense(16)
                draw(model, by: .uniform(low: -0.05, high: 0.05))
                return classify(model, adam(), on: try ClinicData.mnist())
            },
            healthy: {
                let model = convolutionsAndDense(16)
                draw(model, by: .heNormal())
                return classify(model, adam(), on: try ClinicData.mnist())
            }),
        .pair(
            "S5", "30 x 256 ReLU, Xavier", [.smallWeights], cure: "He",
            sick: {
                classify(
                    perceptron(784, 256, 30, 10, { ReLU() }, .xavierNormal()), sgd(0.01),
                    on: changing(try ClinicData.fashion(), \.flat))
            },
            healthy: {
                classify(
                    perceptron(784, 256, 30, 10, { ReLU() }, .heNormal()), sgd(0.001),
                    on: changing(try ClinicData.fashion(), \.flat))
            }),
        .pair(
            "S6", "50 x 256 ReLU, N(0, 0.01)", [.smallWeights], cure: "He",
            sick: { classify(perceptron(64, 256, 50, 10, { ReLU() }, .normal(standardDeviation: 0.01))) },
            healthy: { classify(perceptron(64, 256, 50, 10, { ReLU() }, .heNormal()), sgd(0.001)) }),
        .pair(
            "S7", "20 x 100 tanh, U(±1/√n)", [.smallWeights], cure: "Xavier",
            sick: {
                classify(
                    perceptron(64, 100, 20, 10, { Tanh() }, .uniform(low: -0.1, high: 0.1)), sgd(0.01))
            },
            healthy: { classify(perceptron(64, 100, 20, 10, { Tanh() }, .xavierNormal()), sgd(0.01)) }),
        .pair(
            "S8", "3 x 128 ReLU, all weights equal", [.identicalUnits], cure: "random weights",
            sick: { classify(perceptron(64, 128, 3, 10, { ReLU() }, .constant(0.05))) },
            healthy: { classify(perceptron(64, 128, 3, 10, { ReLU() }, .heNormal())) }),
        .pair(
            "S9", "3 x 128 ReLU, all weights 0", [.zeroWeights], cure: "He",
            sick: { classify(perceptron(64, 128, 3, 10, { ReLU() }, .zeros)) },
            healthy: { classify(perceptron(64, 128, 3, 10, { ReLU() }, .heUniform())) }),
        .pair(
            "S10", "autoencoder of 4 sigmoid layers, binary vectors of 8, N(0, 0.05), rate 0.01",
            [.smallWeights, .saturatingActivations, .learningRateTooLow], cure: "tanh, Xavier and Adam",
            sick: { autoencoder({ Sigmoid() }, .normal(standardDeviation: 0.05), sgd(0.01)) },
            healthy: { autoencoder({ Tanh() }, .xavierNormal(), adam(0.01)) }),
        .pair(
            "S13", "50 layers with batch normalisation, no shortcuts", [.depthWithoutShortcuts], cure: "residual",
            sick: { classify(perceptron(64, 128, 50, 10, { ReLU() }, norm: true, .heNormal()), sgd(0.01)) },
            healthy: { classify(residualNet(128, 25), sgd(0.01)) }),
        .pair(
            "S15", "50 x 256 ReLU, N(0, 0.2)", [.largeWeights], cure: "He",
            sick: { classify(perceptron(64, 256, 50, 10, { ReLU() }, .normal(standardDeviation: 0.2)), sgd(0.01)) },
            healthy: { classify(perceptron(64, 256, 50, 10, { ReLU() }, .heUniform()), sgd(0.001)) }),
        .pair(
            "S16", "3 x 500 ReLU, N(0, 1), Adam", [.largeWeights], cure: "He",
            sick: {
                classify(
                    perceptron(784, 500, 3, 10, { ReLU() }, .normal(standardDeviation: 1)), adam(3e-3),
                    on: changing(try ClinicData.mnist(), \.flat))
            },
            healthy: {
                classify(
                    perceptron(784, 500, 3, 10, { ReLU() }, .heNormal()), adam(1e-3),
                    on: changing(try ClinicData.mnist(), \.flat))
            }),
        .pair(
            "S17", "50 x 256 tanh, gain 3", [.largeWeights], cure: "orthogonal",
            sick: {
                classify(
                    perceptron(64, 256, 50, 10, { Tanh() }, .normal(standardDeviation: 3.0 / 16)), sgd(0.01))
            },
            healthy: { classify(perceptron(64, 256, 50, 10, { Tanh() }, .orthogonal()), sgd(0.01)) }),
        .pair(
            "S26", "28 residual pairs of 256, He in every layer, no normalisation", [.residualGrowth],
            cure: "last layer of each branch 0",
            sick: {
                let model = residualNet(256, 28, norm: false)
                draw(model, by: .heNormal())
                return classify(model, sgd(0.01))
            },
            healthy: {
                let model = residualNet(256, 28, norm: false)
                draw(model, by: .heNormal())
                model.zeroResidualBranches()
                return classify(model, sgd(0.01))
            }),
        .pair(
            "S28", "10 x 2 ReLU, |x|, Adam", [.narrowLayers], cure: "32 wide and leaky",
            sick: {
                // One of the 88 in 100 seeds with a layer that is off.
                var model = perceptron(1, 2, 10, 1, { ReLU() }, .heNormal())
                while try model(Tensor.normal([128, 1])).variance().item() > 0 {
                    model = perceptron(1, 2, 10, 1, { ReLU() }, .heNormal())
                }
                return compare(model, adam(), on: absolute)
            },
            healthy: { compare(perceptron(1, 32, 4, 1, { LeakyReLU() }, .heNormal()), adam(), on: absolute) }),
        .pair(
            "S29", "LeNet, biases of the convolutions -5", [.lowBiases], layers: ["0", "3"], cure: "0",
            sick: {
                let model = leNet()
                setBiases(of: model, layers: ["0", "3"], to: -5)
                return classify(model, on: try ClinicData.fashion())
            },
            healthy: {
                let model = leNet()
                setBiases(of: model, layers: ["0", "3"], to: 0)
                return classify(model, on: try ClinicData.fashion())
            }),
        .pair(
            "S36", "4 x 128 tanh, N(0, 1)", [.largeWeights], cure: "Xavier",
            sick: { classify(perceptron(64, 128, 4, 10, { Tanh() }, .normal(standardDeviation: 1)), sgd(0.01)) },
            healthy: { classify(perceptron(64, 128, 4, 10, { Tanh() }, .xavierUniform()), sgd(0.01)) }),

        // Single layers
        .pair(
            "I1", "6 x 128 ReLU, He, the third layer x100", [.largeWeights], layers: ["4"], cure: "He in all",
            sick: { classify(scaled(perceptron(64, 128, 6, 10, { ReLU() }, .heNormal()), layer: "4", 100), sgd(0.01)) },
            healthy: { classify(perceptron(64, 128, 6, 10, { ReLU() }, .heNormal()), sgd(0.01)) }),
        .pair(
            "I2", "6 x 128 ReLU, He, the fourth layer x1e-4", [.smallWeights], layers: ["6"], cure: "He in all",
            sick: {
                classify(scaled(perceptron(64, 128, 6, 10, { ReLU() }, .heNormal()), layer: "6", 1e-4), sgd(0.01))
            },
            healthy: { classify(perceptron(64, 128, 6, 10, { ReLU() }, .heUniform()), sgd(0.01)) }),
        .pair(
            "I4", "4 x 128 ReLU, biases of the second layer -8", [.lowBiases], layers: ["2"], cure: "0",
            sick: {
                let model = perceptron(64, 128, 4, 10)
                setBiases(of: model, layers: ["2"], to: -8)
                return classify(model)
            },
            healthy: { classify(perceptron(64, 128, 4, 10)) }),
        .pair(
            "I5", "4 x 128 tanh, biases of all layers 6", [.lowBiases], layers: ["0", "2", "4", "6"],
            cure: "0",
            sick: {
                let model = perceptron(64, 128, 4, 10, { Tanh() })
                setBiases(of: model, layers: ["0", "2", "4", "6"], to: 6)
                return classify(model)
            },
            healthy: { classify(perceptron(64, 128, 4, 10, { Tanh() })) }),
        .pair(
            "I6", "LeNet, all weights of the second convolution and of the layer behind it the same", [.identicalUnits],
            layers: ["3"],
            cure: "random kernels",
            sick: {
                let model = leNet()
                for place in [2, 4] { model.parameters[place].assign(.full(like: model.parameters[place].value, 0.02)) }
                setBiases(of: model, layers: ["3", "7"], to: 0)
                return classify(model, on: try ClinicData.mnist())
            },
            healthy: { classify(leNet(), on: try ClinicData.mnist()) }),
        .pair(
            "I7", "20 x 128 SELU, N(0, 0.02)", [.smallWeights], cure: "LeCun",
            sick: {
                classify(perceptron(64, 128, 20, 10, { SELU() }, .normal(standardDeviation: 0.02)), sgd(0.01))
            },
            healthy: { classify(perceptron(64, 128, 20, 10, { SELU() }, .leCunNormal()), sgd(0.01)) }),
        .pair(
            "I8", "12 convolutions of 16 channels, U(±0.01)", [.smallWeights], cure: "He",
            sick: {
                let model = convolutions(12)
                draw(model, by: .uniform(low: -0.01, high: 0.01))
                return classify(model, sgd(0.01), on: try ClinicData.fashion(32))
            },
            healthy: {
                let model = convolutions(12)
                draw(model, by: .heNormal())
                return classify(model, sgd(0.01), on: try ClinicData.fashion(32))
            }),
        .pair(
            "I9", "12 convolutions of 16 channels, N(0, 1)", [.largeWeights], cure: "He",
            sick: {
                let model = convolutions(12)
                draw(model, by: .normal(standardDeviation: 1))
                return classify(model, adam(), on: try ClinicData.fashion(32))
            },
            healthy: {
                let model = convolutions(12)
                draw(model, by: .heUniform())
                return classify(model, adam(), on: try ClinicData.fashion(32))
            }),
        .pair(
            "I10", "regression, 20 x 64 sigmoid", [.saturatingActivations], cure: "GELU",
            sick: { compare(perceptron(8, 64, 20, 1, { Sigmoid() }), adam(), on: ClinicData.regression(8)) },
            healthy: { compare(perceptron(8, 64, 6, 1, { GELU() }), adam(), on: ClinicData.regression(8)) })
    )

extension ClinicBatch {
    /// Samples as rows.
    var flat: ClinicBatch { inputs { $0.flattened(from: 1) } }
}

/// |x| of one number.
@Sendable private func absolute(_ step: Int) -> ClinicBatch {
    let x = Tensor.normal([128, 1])
    return ClinicBatch(x: x, y: x.absolute())
}

/// LeNet's convolutions and eight layers of 84 units behind them, with He's weights.
private func deepHead(_ function: @escaping () -> any TensorLayer) -> Sequential {
    let model = Sequential {
        Conv2d(1, 6, kernelSize: 5, padding: 2)
        ReLU()
        MaxPool2d(kernelSize: 2)
        Conv2d(6, 16, kernelSize: 5, padding: 0)
        ReLU()
        MaxPool2d(kernelSize: 2)
        Flatten()
        Linear(400, 84)
        function()
        for _ in 0..<7 {
            Linear(84, 84)
            function()
        }
        Linear(84, 10)
    }
    draw(model, by: .heNormal())
    return model
}

private func convolutionsAndDense(_ layers: Int) -> Sequential {
    Sequential {
        Conv2d(1, 6, kernelSize: 5, stride: 2, padding: 2)
        ReLU()
        Conv2d(6, 16, kernelSize: 5, stride: 2, padding: 2)
        ReLU()
        Flatten()
        for layer in 0..<layers {
            Linear(layer == 0 ? 784 : 64, 64)
            ReLU()
        }
        Linear(64, 10)
    }
}

private func convolutions(_ layers: Int) -> Sequential {
    Sequential {
        for layer in 0..<layers {
            Conv2d(layer == 0 ? 1 : 16, 16, kernelSize: 3, stride: layer < 2 ? 2 : 1, padding: 1)
            ReLU()
        }
        GlobalAveragePool()
        Linear(16, 10)
    }
}

private func autoencoder(
    _ function: @escaping () -> any TensorLayer, _ initializer: Initializer, _ optimizer: MakeOptimizer
) -> Program {
    let model = Sequential {
        for (inputs, outputs) in [(8, 6), (6, 3), (3, 6)] {
            Linear(inputs, outputs)
            function()
        }
        Linear(6, 8)
    }
    draw(model, by: initializer)
    return compare(model, optimizer, on: binaryVectors) { binaryError($0, $1) }
}

/// Binary vectors of eight numbers, which are to be given back.
@Sendable private func binaryVectors(_ step: Int) -> ClinicBatch {
    let bits = Tensor.uniform([128, 8])
    let x = bits.isGreater(than: bits.scalar(0.5)).cast(to: .float32)
    return ClinicBatch(x: x, y: x)
}

private func binaryError(_ outputs: Tensor, _ targets: Tensor) -> Tensor {
    meanSquaredError(outputs.sigmoid(), targets)
}

/// The model with the weights of one layer multiplied.
private func scaled(_ model: Sequential, layer: String, _ factor: Double) -> Sequential {
    for parameter in model.parameters where parameter.name == layer + ".weight" {
        parameter.assign(parameter.value.detached() * factor)
    }
    return model
}

private func setBiases(of model: Module, layers: Set<String>, to value: Double) {
    for parameter in model.parameters where layers.contains(String(parameter.name.dropLast(".bias".count))) {
        if parameter.name.hasSuffix(".bias") { parameter.assign(.full(like: parameter.value, value)) }
    }
}
