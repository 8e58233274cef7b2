import GimbalNN
import GimbalOptim
import GimbalTestSupport
import Testing

/// Fifty steps of every kind of optimizer, held against PyTorch's.
@Suite(.serialized) struct OptimizerParityTests {
    static let tolerance = 1e-4

    typealias Run = (name: String, piece: String, make: @Sendable ([Parameter]) -> any Optimizer)

    static let runs: [Run] = [
        ("amsgrad", "Adam", { Adam($0, learningRate: 0.02, beta2: 0.9, isAMSGrad: true) }),
        ("amsgrad_decay", "AdamW", { AdamW($0, learningRate: 0.02, weightDecay: 0.1, isAMSGrad: true) }),
        ("adagrad", "Adagrad", { Adagrad($0) }),
        (
            "adagrad_decay", "Adagrad",
            {
                Adagrad(
                    $0, learningRate: 0.1, learningRateDecay: 0.05, weightDecay: 0.01, initialAccumulator: 0.1,
                    epsilon: 1e-6)
            }
        ),
        ("adadelta", "Adadelta", { Adadelta($0) }),
        (
            "adadelta_decay", "Adadelta",
            { Adadelta($0, learningRate: 0.5, rho: 0.8, epsilon: 1e-4, weightDecay: 0.05) }
        ),
        ("rmsprop", "RMSprop", { RMSprop($0) }),
        (
            "rmsprop_momentum", "RMSprop",
            { RMSprop($0, learningRate: 0.005, alpha: 0.9, weightDecay: 0.02, momentum: 0.8) }
        ),
        (
            "rmsprop_centred", "RMSprop",
            { RMSprop($0, learningRate: 0.005, alpha: 0.95, epsilon: 1e-3, isCentred: true) }
        ),
        (
            "rmsprop_centred_momentum", "RMSprop",
            { RMSprop($0, learningRate: 0.002, epsilon: 1e-3, momentum: 0.7, isCentred: true) }
        ),
        ("nadam", "NAdam", { NAdam($0, learningRate: 0.01) }),
        (
            "nadam_decay", "NAdam",
            { NAdam($0, learningRate: 0.01, beta1: 0.85, beta2: 0.99, weightDecay: 0.02, momentumDecay: 0.02) }
        ),
        ("nadam_decoupled", "NAdam", { NAdam($0, learningRate: 0.01, weightDecay: 0.1, decouplesWeightDecay: true) }),
        ("radam", "RAdam", { RAdam($0, learningRate: 0.02) }),
        ("radam_decay", "RAdam", { RAdam($0, learningRate: 0.02, beta1: 0.85, beta2: 0.95, weightDecay: 0.02) }),
        ("radam_decoupled", "RAdam", { RAdam($0, learningRate: 0.02, weightDecay: 0.1, decouplesWeightDecay: true) }),
        ("adamax", "Adamax", { Adamax($0, learningRate: 0.01) }),
        ("adamax_decay", "Adamax", { Adamax($0, learningRate: 0.02, beta1: 0.8, beta2: 0.95, weightDecay: 0.1) }),
        ("lion", "Lion", { Lion($0, learningRate: 0.003) }),
        ("lion_decay", "Lion", { Lion($0, learningRate: 0.003, beta1: 0.8, beta2: 0.95, weightDecay: 0.5) }),
        ("lamb", "LAMB", { LAMB($0, learningRate: 0.02) }),
        ("lamb_decay", "LAMB", { LAMB($0, learningRate: 0.02, beta1: 0.8, beta2: 0.95, weightDecay: 0.1) }),
        (
            "grouped", "AdamW",
            { parameters in
                AdamW(
                    [
                        ParameterGroup(parameters.filter { $0.matches("0.*") }),
                        ParameterGroup(
                            parameters.filter { $0.matches("2.*") }, learningRate: 0.001, weightDecay: 0),
                    ], learningRate: 0.01, weightDecay: 0.2)
            }
        ),
    ]

    @Test(arguments: devices) func everyKind(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("optimizer-kinds")
        #expect(Self.runs.count == fixture.names.count { $0.hasSuffix(".losses") })
        try withDevice(subject.device) {
            let inputs = try fixture.tensor("inputs", on: subject.device)
            let targets = try fixture.tensor("targets", on: subject.device)
            for (name, piece, make) in Self.runs {
                let model = Sequential {
                    Linear(6, 10)
                    Tanh()
                    Linear(10, 3)
                }
                for parameter in model.parameters {
                    parameter.assign(try fixture.tensor("initial.\(parameter.name)", on: subject.device))
                }
                let optimizer = make(model.parameters)
                var losses: [Tensor] = []
                for _ in 0..<50 {
                    optimizer.zeroGradients()
                    let loss = meanSquaredError(model(inputs), targets)
                    try loss.backward()
                    try optimizer.step()
                    losses.append(loss)
                }
                let expected = try fixture.values("\(name).losses")
                for (step, loss) in losses.enumerated() {
                    try expectClose(
                        loss, [expected[step]], Self.tolerance, "\(name): loss of step \(step)",
                        of: .optimizer(piece), .steps)
                }
                for parameter in model.parameters {
                    let expected = try fixture.values("\(name).final.\(parameter.name)")
                    try expectClose(
                        parameter.value, expected, Self.tolerance, "\(name): \(parameter.name)",
                        of: .optimizer(piece), .steps)
                }
            }
        }
    }
}
