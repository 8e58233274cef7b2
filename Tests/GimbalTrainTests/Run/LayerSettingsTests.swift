import Gimbal
import GimbalNN
import GimbalOptim
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("Settings of each layer by itself")
struct LayerSettingsTests {
    private static let digits = Dataset.digits().split(trainFraction: 0.8)

    private func settings(_ widths: [Int], _ dropouts: [Double]? = nil) -> ModelSettings {
        var settings = ModelSettings(for: Self.digits.train)
        (settings.normalization, settings.widths, settings.dropouts) = (.none, widths, dropouts)
        return settings
    }

    @Test("Widths and dropouts make the net that one would write by hand, in both modes")
    func byHand() throws {
        let settings = settings([12, 8, 20], [0.5, 0, 0.25])
        #expect(settings.hidden == 20 && settings.layers == 3 && settings.dropout == 0.5)
        try settings.validate()
        let byHand = {
            Sequential {
                Linear(64, 12)
                ReLU()
                Dropout(0.5)
                Linear(12, 8)
                ReLU()
                Linear(8, 20)
                ReLU()
                Dropout(0.25)
                Linear(20, 10)
            }
        }
        let batch = Self.digits.train.batch(Array(0..<16)).to(.cpu)
        func outputs(_ make: () -> any TensorLayer) throws -> (names: [String], trained: [Float], tested: [Float]) {
            try withDevice(.cpu) {
                try withGenerator(RandomGenerator(seed: 5)) {
                    let model = make()
                    let inputs = batch.inputs.reshaped([16, 64])
                    let trained = try model(inputs).floats()
                    let tested = try model.evaluating { try model(inputs).floats() }
                    return (model.namedParameters.map(\.name), trained, tested)
                }
            }
        }
        let (made, written) = (try outputs { settings.makeModel(device: .cpu) }, try outputs(byHand))
        #expect(made.names == written.names)
        #expect(made.trained == written.trained && made.tested == written.tested)
        #expect(made.trained != made.tested, "or dropout was not on")
    }

    @Test(
        "First weights are drawn with the gain of the activation",
        arguments: [(.relu, 2), (.prelu, 2 / 1.0625), (.tanh, 25 / 9), (.sigmoid, 1)]
            as [(ModelSettings.Activation, Double)])
    func gains(activation: ModelSettings.Activation, squared: Double) throws {
        var settings = settings([400])
        (settings.activation, settings.initialization) = (activation, .heNormal)
        try withGenerator(RandomGenerator(seed: 5)) {
            let weights = try settings.makeModel(device: .cpu).parameters[0].value.floats().map(Double.init)
            let variance = weights.reduce(0) { $0 + $1 * $1 } / Double(weights.count)
            // Of 25,600 numbers, known to a hundredth.
            #expect(abs(variance * 64 / squared - 1) < 0.05, "\(variance * 64)")
        }
    }

    @Test("Lists that do not go with the rest are refused, and say why")
    func refused() throws {
        func refusal(_ change: (inout ModelSettings) -> Void) -> String? {
            var settings = settings([16, 8])
            change(&settings)
            do { try settings.validate() } catch GimbalError.invalidSetting(let name, let reason) {
                return "\(name) \(reason)"
            } catch { return "\(error)" }
            return nil
        }
        #expect(refusal { _ in } == nil)
        #expect(refusal { $0.isResidual = true }?.contains("must be one number with `isResidual`") == true)
        #expect(refusal { ($0.isResidual, $0.widths) = (true, [8, 8]) } == nil)
        #expect(refusal { $0.layers = 3 } == "layers is 3, but `widths` has 2 numbers")
        #expect(refusal { $0.hidden = 20 }?.hasPrefix("widths ") == true)
        #expect(refusal { $0.widths = [16, 0] } == "widths must be positive, not 0")
        #expect(refusal { $0.dropouts = [0.1] } == "dropouts has 1 numbers for 2 hidden layers")
        #expect(refusal { $0.dropouts = [0.1, 1] } == "dropout must lie in [0, 1), not 1.0")
        #expect(refusal { $0.kind = .lstm }?.contains("is one number for lstm") == true)
        #expect(refusal { $0.normalization = .group } == nil)
        #expect(refusal { ($0.normalization, $0.widths) = (.group, [16, 12]) }?.hasPrefix("normalization ") == true)
    }

    @Test("Remedies widen and loosen each layer that needs it")
    func remedies() throws {
        let recipe = Recipe(model: settings([12, 64], [0.8, 0.1]), training: TrainingSettings(for: .mlp))
        let wider = recipe.applying(Remedy("wider", .width(32)))
        #expect(wider?.model.widths == [32, 64] && wider?.model.hidden == 64)
        let looser = recipe.applying(Remedy("less dropout", .dropout(0.2)))
        #expect(looser?.model.dropouts == [0.2, 0.1] && looser?.model.dropout == 0.2)
        #expect(recipe.applying(Remedy("residual", .residualConnections)) == nil)
    }

    @Test("Each parameter decays by the factor of the first pattern that fits its name")
    func decays() throws {
        let model = settings([4]).makeModel(device: .cpu)
        var training = TrainingSettings()
        (training.learningRate, training.weightDecay, training.decaysWeightsOnly) = (0.5, 0.1, true)
        training.layerDecays = [LayerDecay("0.weight", 4), LayerDecay("*", 0.5)]
        let optimizer = training.makeOptimizer(model.parameters)
        for parameter in model.parameters where parameter.name.hasSuffix("bias") {
            parameter.assign(.ones(parameter.shape, device: .cpu))
        }
        let before = try model.namedParameters.map { try $0.parameter.value.floats() }
        // No gradient but the decay's.
        try (model(Tensor.zeros([2, 64], device: .cpu)) * 0).sum().backward()
        try optimizer.step()
        let expected: [String: Float] = ["0.weight": 1 - 0.5 * 0.4, "2.weight": 1 - 0.5 * 0.05]
        for ((name, parameter), old) in zip(model.namedParameters, before) {
            let factor = expected[name] ?? 1
            for (now, then) in zip(try parameter.value.floats(), old) {
                #expect(abs(now - factor * then) <= 1e-6 * abs(then), "\(name)")
            }
        }
        training.layerDecays = [LayerDecay("no.such", 1)]
        #expect(throws: GimbalError.self) {
            try Recipe(model: settings([4]), training: training).makeRun(train: Self.digits.train, device: .cpu)
        }
        training.layerDecays = [LayerDecay("*", -1)]
        #expect(throws: GimbalError.self) { try training.validate() }
    }

    @Test("Betas and decay of the settings are the optimizer's")
    func betas() throws {
        let made: [TrainingSettings.OptimizerKind: ([Parameter]) -> any Optimizer] = [
            .adam: { Adam($0, learningRate: 0.1, beta1: 0.7, beta2: 0.8, weightDecay: 0.03) },
            .adamw: { AdamW($0, learningRate: 0.1, beta1: 0.7, beta2: 0.8, weightDecay: 0.03) },
            .amsgrad: { Adam($0, learningRate: 0.1, beta1: 0.7, beta2: 0.8, weightDecay: 0.03, isAMSGrad: true) },
            .nadam: { NAdam($0, learningRate: 0.1, beta1: 0.7, beta2: 0.8, weightDecay: 0.03) },
            .radam: { RAdam($0, learningRate: 0.1, beta1: 0.7, beta2: 0.8, weightDecay: 0.03) },
            .adamax: { Adamax($0, learningRate: 0.1, beta1: 0.7, beta2: 0.8, weightDecay: 0.03) },
            .lamb: { LAMB($0, learningRate: 0.1, beta1: 0.7, beta2: 0.8, weightDecay: 0.03) },
            .lion: { Lion($0, learningRate: 0.1, beta1: 0.7, beta2: 0.8, weightDecay: 0.03) },
        ]
        for (kind, make) in made {
            var training = TrainingSettings()
            (training.optimizer, training.learningRate, training.weightDecay) = (kind, 0.1, 0.03)
            (training.beta1, training.beta2) = (0.7, 0.8)
            func trained(_ make: ([Parameter]) -> any Optimizer) throws -> [Float] {
                let parameter = Parameter(Tensor([1, -2, 3], device: .cpu))
                let optimizer = make([parameter])
                for step in 1...8 {
                    optimizer.zeroGradients()
                    try (parameter.value.square() * Double(step)).sum().backward()
                    try optimizer.step()
                }
                return try parameter.value.floats()
            }
            let (found, expected) = (try trained { training.makeOptimizer($0) }, try trained(make))
            #expect(found == expected, "\(kind)")
        }
    }

    @Test(
        "What may not be negative is refused by its name",
        arguments: [
            ("weightDecay", \TrainingSettings.weightDecay), ("mixup", \.mixup), ("l1", \.l1),
            ("gradientNoise", \.gradientNoise), ("stepFactor", \.stepFactor), ("power", \.power),
        ] as [(String, WritableKeyPath<TrainingSettings, Double> & Sendable)])
    func negative(name: String, setting: WritableKeyPath<TrainingSettings, Double> & Sendable) throws {
        var training = TrainingSettings()
        training[keyPath: setting] = -0.5
        let error = #expect(throws: GimbalError.self) { try training.validate() }
        #expect(error.map { "\($0)" }?.hasPrefix("\(name): ") == true, "\(String(describing: error))")
    }

    @Test("A net of convolutions looks no further back than a sequence is long, and computes the same")
    func reachOfConvolutions() throws {
        var settings = ModelSettings(kind: .tcn, for: Self.digits.train)
        (settings.hidden, settings.layers) = (6, 6)
        let batch = Self.digits.train.batch(Array(0..<8)).to(.cpu)
        func outputs(_ make: () throws -> Module) throws -> [Float] {
            try withDevice(.cpu) {
                try withGenerator(RandomGenerator(seed: 5)) {
                    let model = try #require(try make() as? any TensorLayer)
                    return try model(batch.inputs.reshaped([8, 8, 8])).floats()
                }
            }
        }
        let free = try outputs { TemporalConvolutionClassifier(inputs: 8, classes: 10, size: 6, layers: 6) }
        #expect(
            try outputs { TemporalConvolutionClassifier(inputs: 8, classes: 10, size: 6, layers: 6, longest: 8) }
                == free)
        #expect(
            try outputs { TemporalConvolutionClassifier(inputs: 8, classes: 10, size: 6, layers: 6, longest: 4) }
                != free)
        #expect([1, 5, 6, 13, 14].map { TemporalConvolutionClassifier.layers(reaching: $0) } == [1, 1, 2, 2, 3])
    }

    @Test("How far a net of convolutions may look back is for the steps of a sequence to say, and not for its features")
    func reachOfASetting() throws {
        var settings = ModelSettings(kind: .tcn, inputShape: [48, 2], outputs: 3)
        (settings.hidden, settings.layers, settings.dropout) = (6, 5, 0)
        try withDevice(.cpu) {
            let x = Tensor(samples(4 * 48 * 2), [4, 48, 2])
            let model = withGenerator(RandomGenerator(seed: 5)) { settings.makeModel(device: .cpu) }
            let made = try model(x).floats()
            let wanted = try withGenerator(RandomGenerator(seed: 5)) {
                try TemporalConvolutionClassifier(inputs: 2, classes: 3, size: 6, layers: 5, longest: 48)(x).floats()
            }
            #expect(made == wanted)
        }
    }
}
