import GimbalTrain

/// Signals and gradients over time steps.
let recurrenceCases: [ClinicCase] =
    .pairs(
        .pair(
            "S11", "tanh RNN 64, adding 200, Adam", [.fadingMemory], layers: ["net"], cure: "LSTM, forget bias 1",
            sick: { remember(RNN(inputSize: 2, hiddenSize: 64), 200) },
            healthy: { remember(LSTM(inputSize: 2, hiddenSize: 64, initialization: .init(forgetGateBias: 1)), 200) }),
        .pair(
            "S12", "LSTM 64, adding 500, forget bias -2", [.closedForgetGates], layers: ["net"], cure: "+1",
            sick: {
                remember(LSTM(inputSize: 2, hiddenSize: 64, initialization: .init(forgetGateBias: -2)), 500, 16)
            },
            healthy: {
                remember(LSTM(inputSize: 2, hiddenSize: 64, initialization: .init(forgetGateBias: 1)), 500, 16)
            }),
        .pair(
            "S14", "post-norm Transformer 6 x 128, Tiny Shakespeare, Adam 1e-3, no warmup", [.missingWarmup],
            cure: "pre-norm",
            sick: {
                let (batches, vocabulary) = try ClinicData.shakespeare(length: 32, 8)
                return classify(
                    CharacterTransformer(vocabulary, length: 32, normFirst: false), adam(1e-3), on: batches)
            },
            healthy: {
                let (batches, vocabulary) = try ClinicData.shakespeare(length: 32, 8)
                return classify(
                    CharacterTransformer(vocabulary, length: 32, normFirst: true), adam(1e-3), on: batches)
            }),
        .pair(
            "S18", "ReLU RNN 64, adding 200, gain 1.5·√2, no clipping", [.unstableRecurrence], layers: ["net"],
            cure: "GRU",
            sick: {
                let start = RecurrentInitialization(
                    hiddenWeight: .normal(standardDeviation: 1.5 * 2.0.squareRoot() / 8))
                return remember(
                    RNN(inputSize: 2, hiddenSize: 64, nonlinearity: .relu, initialization: start), 200, sgd(0.01))
            },
            healthy: { remember(GRU(inputSize: 2, hiddenSize: 64), 200) }),
        .pair(
            "S27", "LSTM language model 2 x 128, Tiny Shakespeare, SGD 20, no clipping", [.learningRateTooHigh],
            cure: "rate 1",
            sick: {
                try characters {
                    LSTM(inputSize: 64, hiddenSize: 128, layers: 2, isBatchFirst: true)
                } sgd: {
                    20
                }
            },
            healthy: {
                try characters {
                    LSTM(inputSize: 64, hiddenSize: 128, layers: 2, isBatchFirst: true)
                } sgd: {
                    1
                }
            }),
        .pair(
            "S37", "LSTM 32, CO2 in ppm as it is", [.inputScale, .targetScale], cure: "standardised",
            sick: { forecast(try ClinicData.carbonDioxide()) },
            healthy: {
                let data = try ClinicData.carbonDioxide()
                return forecast(Standardization(fittedTo: data)(data))
            }),
        .pair(
            "R2", "tanh RNN 32, 150 steps, recurrent weights N(0, 0.01)", [.fadingMemory], layers: ["net"],
            cure: "orthogonal, 30 steps",
            sick: {
                let start = RecurrentInitialization(hiddenWeight: .normal(standardDeviation: 0.01))
                return remember(RNN(inputSize: 2, hiddenSize: 32, initialization: start), 150)
            },
            healthy: {
                let start = RecurrentInitialization(hiddenWeight: .orthogonal())
                return remember(RNN(inputSize: 2, hiddenSize: 32, initialization: start), 30)
            })
    )

/// A recurrent net on the adding problem.
func remember(_ net: RecurrentNet, _ steps: Int, _ size: Int = 32, _ optimizer: MakeOptimizer = adam()) -> Program {
    compare(Memory(net), optimizer, on: ClinicData.adding(steps, size))
}

private func remember(_ net: RecurrentNet, _ steps: Int, _ optimizer: MakeOptimizer) -> Program {
    remember(net, steps, 32, optimizer)
}

/// A recurrent language model of Tiny Shakespeare.
private func characters(_ make: () -> RecurrentNet, sgd rate: () -> Double) throws -> Program {
    let (batches, vocabulary) = try ClinicData.shakespeare(length: 32)
    return classify(CharacterNet(vocabulary, make()), sgd(rate()), on: batches)
}

/// The next value of a series.
func forecast(_ data: Dataset) -> Program {
    compare(
        Memory(LSTM(inputSize: 1, hiddenSize: 32)), adam(),
        on: changing(ClinicData.batches(of: data, 64)) { $0.inputs { $0.transposed(0, 1) } })
}
