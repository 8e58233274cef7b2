import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

/// A doctor who follows a run.
@Suite("Watching a run") struct RunWatchTests {
    static let devices = ["cpu"] + (BackendUnderTest.openCL.isEmpty ? [] : ["opencl:0"])

    private static let digits = Dataset.digits().flattened.split(trainFraction: 0.8, seed: 1)

    /// A net with all that a look must leave alone: dropout, running statistics, a checkpointed block.
    private final class Net: Module, TensorLayer {
        let first = Linear(64, 48)
        let norm = BatchNorm1d(48)
        let dropout = Dropout(0.3)
        let middle = Linear(48, 48)
        let head = Linear(48, 10)

        func forward(_ x: Tensor) -> Tensor {
            let h = dropout(norm(first(x)).relu())
            return head(checkpointed(h) { [self] in middle($0).tanh() } + h)
        }
    }

    private func makeTrainer(
        _ model: any TensorLayer, _ optimizer: any Optimizer, steps: Int, clipping: [GradientClipping] = [],
        folder: RunFolder? = nil, change: (inout TrainerSettings) -> Void = { _ in }
    ) -> Trainer<Batch> {
        var settings = TrainerSettings()
        (settings.epochs, settings.maxSteps) = (1000, steps)
        change(&settings)
        return Trainer(
            model, optimizer: optimizer, clipping: clipping,
            data: DataLoader(Self.digits.train, batchSize: 32, seed: 2),
            validation: DataLoader(Self.digits.test, batchSize: 128, shuffles: false), settings: settings,
            folder: folder
        ) { crossEntropy(model($0.inputs), $0.targets) }
    }

    @Test("A run has the same bits with a doctor and without", arguments: devices)
    func bits(_ id: String) throws {
        let device = try Device.named(id)
        func state(_ change: (inout TrainerSettings) -> Void, watched: Bool) throws -> [[UInt8]] {
            try withDevice(device) {
                let model = withGenerator(RandomGenerator(seed: 3)) { Net() }
                let optimizer = Adam(model.parameters)
                let trainer = makeTrainer(model, optimizer, steps: 60, clipping: [.globalNorm(1)]) {
                    change(&$0)
                    $0.weights = .last
                }
                if !watched { trainer.doctor = nil }
                trainer.healthInterval = 7
                try trainer.run()
                let saved = model.stateDictionary()
                return try saved.names.compactMap { try saved[$0]?.bytes() }
                    + optimizer.state.tensors.map { try $0.value.bytes() }
            }
        }
        let changes: [(inout TrainerSettings) -> Void] = [
            { _ in }, { $0.accumulation = 3 }, { $0.averageDecay = 0.9 }, { $0.precision = .bfloat16 },
            { $0.recoveries = 3 },
        ]
        for change in changes { #expect(try state(change, watched: true) == state(change, watched: false)) }
    }

    @Test("What a step looks like is measured as it is", arguments: devices) func measures(_ id: String) throws {
        try withDevice(try Device.named(id)) {
            let model = withGenerator(RandomGenerator(seed: 3)) {
                Sequential {
                    Linear(64, 40); ReLU(); Linear(40, 10)
                }
            }
            let optimizer = SGD(model.parameters, learningRate: 0.1)
            let batch = Self.digits.train.batch([Int](0..<32)).to(.current)
            let monitor = HealthMonitor(interval: 3)
            var looks: [HealthLook] = []
            for step in 1...7 {
                optimizer.zeroGradients()
                let before = try model.parameters.map { try $0.value.doubles() }
                try monitor.watching(step: step) { try crossEntropy(model(batch.inputs), batch.targets).backward() }
                let gradients = try model.parameters.map { try $0.gradient!.doubles() }
                monitor.willUpdate(optimizer.parameters)
                try clipGradientNorm(model.parameters, maxNorm: 0.5)
                try optimizer.step()
                monitor.didUpdate()
                looks += try monitor.takeLooks()
                guard let look = looks.last, look.step == step else { continue }
                func root(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
                for (index, parameter) in model.parameters.enumerated() {
                    func row(_ kind: HealthRow.Kind) throws -> HealthRow {
                        try #require(look.rows(kind).first { $0.name == parameter.name })
                    }
                    let after = try parameter.value.doubles()
                    let change = root(zip(after, before[index]).map { $0 - $1 })
                    #expect(abs(try row(.parameter).norm / root(before[index]) - 1) < 1e-5)
                    #expect(abs(try row(.gradient).norm / root(gradients[index]) - 1) < 1e-5)
                    #expect(abs(try row(.update).norm / change - 1) < 1e-4)
                    if parameter.shape.rank > 1 {
                        #expect(
                            abs(try #require(try row(.update).updateRatio) * root(before[index]) / change - 1) < 1e-4)
                    }
                }
                #expect(abs(try #require(look.descent) + 1) < 1e-3)
                #expect(look.rows(.activation).map(\.name) == ["0", "1", "2"])
                let units = try #require(look.rows(.activation).first { $0.name == "1" })
                #expect(try #require(units.deadShare) < 0.5 && units.zeroShare > 0.1)
            }
            #expect(looks.map(\.step) == [1, 2, 3, 5, 6])
        }
    }

    /// With step 150 a look is taken.
    @Test("What is seen and found is in the run's folder, and once only after it was resumed", arguments: [150, 160])
    func folder(last: Int) throws {
        try withDevice(.cpu) {
            try withTemporaryFolder { path in
                func make(_ folder: RunFolder?) -> Trainer<Batch> {
                    let model = withGenerator(RandomGenerator(seed: 3)) {
                        Sequential {
                            Linear(64, 40); ReLU(); Linear(40, 10)
                        }
                    }
                    let trainer = makeTrainer(
                        model, SGD(model.parameters, learningRate: 1e-9), steps: 200, folder: folder
                    ) {
                        $0.weights = .last
                    }
                    trainer.checkpointInterval = 130
                    return trainer
                }
                func lines(_ name: String) throws -> [String] {
                    try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8).split(separator: "\n").map(
                        String.init)
                }
                final class Log: TrainingCallback {
                    var found: [Finding] = []
                    func didFind(_ finding: Finding) { found.append(finding) }
                }
                let log = Log()
                do {
                    let trainer = make(try RunFolder(path: path))
                    trainer.callbacks = [log]
                    try trainer.run { trainer.progress.step >= last }
                    #expect(trainer.findings.map(\.illness) == [.learningRateTooLow])
                }
                #expect(log.found.map(\.illness) == [.learningRateTooLow])
                let findings = try lines("findings.jsonl")
                #expect(findings.count == 1 && findings[0].contains("\"learningRateTooLow\""))
                let whole = try lines("health.csv")
                #expect(whole[0].hasPrefix("step,kind,name,norm") && whole.count > 7 * 10)

                let trainer = make(try RunFolder(path: path))
                trainer.callbacks = [log]
                try trainer.resume()
                try trainer.run()
                #expect(log.found.count == 1 && trainer.findings.count == 1)
                let steps = try lines("health.csv").dropFirst().compactMap { Int($0.split(separator: ",")[0]) }
                #expect(Set(steps).isSuperset(of: [1, 50, 100, 150, 200]) && steps == steps.sorted())
                #expect(try lines("health.csv").prefix(whole.count) == whole[...])
            }
        }
    }

    /// A model, an optimizer, clipping and the causes that count as right.
    struct Sick: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var illnesses: Set<Illness>
        var steps = 300
        var clipping: [GradientClipping] = []
        var model: @Sendable () -> Sequential = {
            Sequential {
                Linear(64, 128); ReLU(); Linear(128, 128); ReLU(); Linear(128, 128); ReLU(); Linear(128, 10)
            }
        }
        var optimizer: @Sendable ([Parameter]) -> any Optimizer
        var loss: (@Sendable (Tensor, Tensor) -> Tensor) = { crossEntropy($0, $1) }

        static let all: [Sick] = [
            Sick(testDescription: "S30: SGD 5", illnesses: [.learningRateTooHigh]) { SGD($0, learningRate: 5) },
            Sick(testDescription: "S53: momentum 0.99", illnesses: [.momentumTooHigh]) {
                SGD($0, learningRate: 0.1, momentum: 0.99)
            },
            Sick(testDescription: "S54: L2 0.1", illnesses: [.penaltyTooStrong], steps: 600) {
                SGD($0, learningRate: 0.1, weightDecay: 0.1)
            },
            Sick(testDescription: "S52: SGD 1e-12", illnesses: [.learningRateTooLow]) { SGD($0, learningRate: 1e-12) },
            Sick(testDescription: "S58: ascent", illnesses: [.ascent], optimizer: { Climber($0) }),
            Sick(
                testDescription: "clipped to 1e-7", illnesses: [.clippingTooTight], clipping: [.globalNorm(1e-7)]
            ) { SGD($0, learningRate: 0.1) },
            Sick(testDescription: "epsilon 10", illnesses: [.epsilonTooLarge]) {
                Adam($0, learningRate: 1e-4, epsilon: 10)
            },
        ]
    }

    /// Adds the gradient that it should subtract.
    private final class Climber: Optimizer {
        private let inner: SGD
        init(_ parameters: [Parameter]) { inner = SGD(parameters, learningRate: 0.01) }
        var parameters: [Parameter] { inner.parameters }
        var learningRate: Double {
            get { inner.learningRate }
            set { inner.learningRate = newValue }
        }
        var state: OptimizerState { inner.state }
        func restore(_ state: OptimizerState) throws { try inner.restore(state) }
        func step(if condition: Tensor?) throws {
            for parameter in parameters { parameter.gradient = parameter.gradient.map { $0 * -1 } }
            try inner.step(if: condition)
            for parameter in parameters { parameter.gradient = parameter.gradient.map { $0 * -1 } }
        }
    }

    @Test("Sick runs", arguments: Sick.all) func sick(_ patient: Sick) throws {
        try withDevice(.cpu) {
            for seed: UInt64 in [1, 2] {
                let model = withGenerator(RandomGenerator(seed: seed)) { patient.model() }
                let trainer = makeTrainer(
                    model, patient.optimizer(model.parameters), steps: patient.steps, clipping: patient.clipping)
                do { try trainer.run() } catch GimbalError.nonFinite {}
                let first = try #require(trainer.findings.first, "nothing found with seed \(seed)")
                #expect(patient.illnesses.contains(first.illness), "\(trainer.findings)")
            }
        }
    }

    @Test("A healthy run is left in peace, with any optimizer", arguments: [1, 2] as [UInt64])
    func healthy(_ seed: UInt64) throws {
        let optimizers: [(String, ([Parameter]) -> any Optimizer)] = [
            ("sgd", { SGD($0, learningRate: 0.1) }), ("momentum", { SGD($0, learningRate: 0.02, momentum: 0.9) }),
            ("adam", { Adam($0) }), ("adamw", { AdamW($0, weightDecay: 0.1) }),
            ("rmsprop", { RMSprop($0, learningRate: 1e-3) }),
            ("adagrad", { Adagrad($0) }), ("lion", { Lion($0) }),
            ("decay", { SGD($0, learningRate: 0.1, weightDecay: 1e-3) }),
        ]
        try withDevice(.cpu) {
            for (name, optimizer) in optimizers {
                let model = withGenerator(RandomGenerator(seed: seed)) { Net() }
                let trainer = makeTrainer(model, optimizer(model.parameters), steps: 400)
                try trainer.run()
                #expect(trainer.findings.isEmpty, "\(name): \(trainer.findings)")
            }
        }
    }

    @Test("Running statistics that never move make a batch another in evaluation") func modes() throws {
        try withDevice(.cpu) {
            let norm = BatchNorm1d(48, momentum: 0)
            let model = withGenerator(RandomGenerator(seed: 1)) {
                Sequential {
                    Linear(64, 48); norm; ReLU(); Linear(48, 10)
                }
            }
            let trainer = makeTrainer(model, SGD(model.parameters, learningRate: 0.1), steps: 600)
            try trainer.run()
            #expect(trainer.findings.map(\.illness) == [.modesDiffer], "\(trainer.findings)")
        }
    }

    @Test("Each phase of a GAN is followed for itself, and is in peace") func phases() throws {
        try withDevice(.cpu) {
            try withGenerator(RandomGenerator(seed: 1)) {
                let generator = Sequential {
                    Linear(8, 32); ReLU(); Linear(32, 64)
                }
                let critic = Sequential {
                    Linear(64, 32); LeakyReLU(slope: 0.2); Linear(32, 1)
                }
                let both = ModuleList([generator, critic])
                let phases: [Phase<Batch>] = [
                    Phase("critic", Adam(critic.parameters, learningRate: 2e-4, beta1: 0.5)) { batch in
                        let fake = withoutGradients { generator(.normal([batch.targets.shape[0], 8])) }
                        let (real, made) = (critic(batch.inputs), critic(fake))
                        return binaryCrossEntropyWithLogits(real, real.detached() * 0 + 1)
                            + binaryCrossEntropyWithLogits(made, made.detached() * 0)
                    },
                    Phase("generator", Adam(generator.parameters, learningRate: 2e-4, beta1: 0.5)) { batch in
                        let made = critic(generator(.normal([batch.targets.shape[0], 8])))
                        return binaryCrossEntropyWithLogits(made, made.detached() * 0 + 1)
                    },
                ]
                let trainer = Trainer(
                    both, phases: phases, data: DataLoader(Self.digits.train, batchSize: 32, seed: 2),
                    settings: TrainerSettings { $0.epochs = 10 })
                try trainer.run()
                #expect(trainer.findings.isEmpty, "\(trainer.findings)")
            }
        }
    }
}
