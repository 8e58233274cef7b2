import Foundation
import GimbalCPU
import GimbalTestSupport
import GimbalTrain
import Testing

/// Several ranks make the run that one makes with the whole batch.
@Suite struct TrainingRanksTests {
    struct Course: Sendable {
        var losses: [Double] = []
        var validation: [[String: Double]] = []
        var weights: [Float] = []
        var counter: UInt64 = 0
        /// What the doctor has found and what was done about it: steps and kinds.
        var decisions: [String] = []
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var model: ModelSettings
        var training: TrainingSettings
        var examples = 203
        var testDescription: String { name }
    }

    static func settings(_ kind: ModelSettings.Kind, _ change: (inout ModelSettings) -> Void = { _ in })
        -> ModelSettings
    {
        var model = ModelSettings(for: Dataset.digits())
        (model.kind, model.hidden, model.layers) = (kind, 16, 2)
        change(&model)
        return model
    }

    static func training(_ change: (inout TrainingSettings) -> Void = { _ in }) -> TrainingSettings {
        TrainerTests.training {
            ($0.batchSize, $0.epochs, $0.accumulation, $0.warmup) = (24, 3, 1, 0)
            change(&$0)
        }
    }

    /// The last batch of an epoch has 162 % 24 = 18 rows; that of the smallest, 3.
    static let cases = [
        Case(name: "mlp, dropout", model: settings(.mlp) { $0.dropout = 0.3 }, training: training()),
        Case(
            name: "mlp, adam, accumulation, class weights, average, percentile, noise",
            model: settings(.mlp) { $0.dropout = 0.2 },
            training: training {
                ($0.optimizer, $0.momentum, $0.accumulation, $0.classWeights) = (.adam, 0, 3, .balanced)
                ($0.averageDecay, $0.clipPercentile, $0.clipNorm, $0.gradientNoise) = (0.9, 50, nil, 0.01)
            }),
        Case(
            name: "mlp, fewer rows than ranks", model: settings(.mlp),
            training: training { ($0.batchSize, $0.learningRate) = (20, 0.01) }, examples: 54),
        Case(name: "lstm", model: settings(.lstm) { $0.dropout = 0.2 }, training: training { $0.epochs = 1 }),
        Case(
            name: "transformer", model: settings(.transformer) { $0.dropout = 0.1 },
            training: training { ($0.optimizer, $0.momentum, $0.epochs, $0.learningRate) = (.adamw, 0, 1, 1e-3) }),
    ]

    static func run(
        _ each: Case, ranks: Int, settings: ExchangeSettings = ExchangeSettings(),
        change: @escaping @Sendable (Trainer<Batch>, _ rank: Int) throws -> Void = { _, _ in }
    ) throws -> [Course] {
        // Of the run's own: what fails in it is reported there, and not to other tests.
        let device = Device(backend: CPUBackend())
        return try onRanks(ranks) { exchange in
            let data = Dataset.digits().prefix(each.examples).split(trainFraction: 0.8, seed: 1)
            let trainer = try Recipe(model: each.model, training: each.training).makeRun(
                train: data.train, validation: data.test, device: device
            ).trainer
            let queue = ExchangeQueue(exchange)
            (trainer.exchange, trainer.exchangeSettings, trainer.doctor) = (queue, settings, nil)
            trainer.model.synchronizeBatchNorm(queue)
            let recorder = Recorder()
            trainer.callbacks.append(recorder)
            try change(trainer, exchange.rank)
            try trainer.run()
            recorder.course.weights = try trainer.model.parameters.flatMap { try $0.value.floats() }
            return recorder.course
        }
    }

    private final class Recorder: TrainingCallback {
        var course = Course()
        func didReport(_ report: StepReport) { course.losses.append(report.loss) }
        func didFinishEpoch(_ result: EpochResult) { course.validation.append(result.validation) }
        func didFind(_ finding: Finding) {
            course.decisions.append("\(finding.step) \(finding.illness) \(finding.signs.map(\.sign))")
        }
        func didRecover(_ recovery: Recovery) {
            course.decisions.append("\(recovery.step) \(recovery.backTo) \(recovery.measure)")
        }
    }

    @Test(arguments: cases) func ranksMakeTheRunOfOne(_ each: Case) throws {
        let one = try Self.run(each, ranks: 1)[0]
        #expect(one.losses.count > 5 && one.losses.allSatisfy(\.isFinite))
        for count in [2, 3, 8] {
            let all = try Self.run(each, ranks: count)
            for course in all {
                #expect(course.losses == all[0].losses && course.weights == all[0].weights, "\(count) ranks differ")
                #expect(course.validation == all[0].validation)
            }
            #expect(all[0].losses.count == one.losses.count)
            for (step, (loss, expected)) in zip(all[0].losses, one.losses).enumerated() {
                #expect(
                    abs(loss - expected) <= 1e-5 * abs(expected),
                    "\(count) ranks, step \(step + 1): \(loss), \(expected)")
            }
            for (found, expected) in zip(all[0].validation, one.validation) {
                let (loss, other) = (found["loss"] ?? .nan, expected["loss"] ?? .nan)
                #expect(abs(loss - other) <= 1e-4 * abs(other), "\(count) ranks, validation")
            }
        }
    }

    @Test func twoRunsHaveTheSameBits() throws {
        let (first, second) = try (Self.run(Self.cases[0], ranks: 3), Self.run(Self.cases[0], ranks: 3))
        #expect(first[0].weights == second[0].weights && first[0].losses == second[0].losses)
    }

    @Test func bucketsChangeNothing() throws {
        let usual = try Self.run(Self.cases[0], ranks: 2)[0]
        for bytes in [1, 1000, Int.max] {
            var settings = ExchangeSettings()
            settings.bucketBytes = bytes
            #expect(try Self.run(Self.cases[0], ranks: 2, settings: settings)[0].weights == usual.weights)
        }
    }

    @Test func aNarrowWireIsNearlyTheSame() throws {
        let usual = try Self.run(Self.cases[0], ranks: 3)[0]
        for wire in [WireType.bfloat16, .float16] {
            var settings = ExchangeSettings()
            settings.wire = wire
            let all = try Self.run(Self.cases[0], ranks: 3, settings: settings)
            #expect(all[0].weights == all[2].weights && all[0].weights != usual.weights)
            for (loss, expected) in zip(all[0].losses, usual.losses) { #expect(abs(loss - expected) < 0.02 * expected) }
        }
    }

    @Test func allStopTogether() throws {
        let counts = try Self.run(Self.cases[0], ranks: 3) { trainer, rank in
            final class Steps: TrainingCallback {
                var count = 0
                func didReport(_ report: StepReport) { count += 1 }
            }
            let steps = Steps()
            trainer.callbacks.append(steps)
            let outcome = try trainer.run { rank == 1 && steps.count >= 4 }
            #expect(outcome == .interrupted)
            #expect(trainer.progress.step == 5 || trainer.progress.step == 6)
        }.map(\.losses.count)
        #expect(Set(counts).count == 1)
    }

    @Test func whoIsNotLikeTheFirstIsNamed() throws {
        let error = #expect(throws: GimbalError.self) {
            try onRanks(3) { exchange in
                let data = Dataset.digits().prefix(exchange.rank == 2 ? 90 : 100)
                let trainer = try Recipe(model: Self.cases[0].model, training: Self.training()).makeRun(
                    train: data, validation: nil, device: .cpu
                ).trainer
                trainer.exchange = exchange
                try trainer.run()
            }
        }
        #expect("\(error!)".contains("rank 2") && "\(error!)".contains("90 samples"))
    }

    @Test(arguments: ["learning rate", "optimizer", "synchronised"])
    func whoIsSetOtherwiseIsNamed(_ what: String) throws {
        let error = #expect(throws: GimbalError.self) {
            try onRanks(3) { exchange in
                let isOther = exchange.rank == 2
                let training = Self.training {
                    if isOther, what == "learning rate" { $0.learningRate = 0.3 }
                    if isOther, what == "optimizer" { $0.optimizer = .rmsprop }
                }
                let trainer = try Recipe(model: Self.cases[0].model, training: training).makeRun(
                    train: Dataset.digits().prefix(100), validation: nil, device: Device(backend: CPUBackend())
                ).trainer
                let queue = ExchangeQueue(exchange)
                trainer.exchange = queue
                if isOther, what == "synchronised" { trainer.model.synchronizeBatchNorm(queue) }
                try trainer.run()
            }
        }
        #expect("\(error!)".contains("rank 2") && "\(error!)".contains(what), "\(error!)")
    }

    /// Without it a run could not go on on another number of ranks.
    @Test func theNumberOfBatchesIsThatOfOneRank() throws {
        // The last batch of an epoch has 3 rows, one for each rank.
        let steps = try onRanks(3) { exchange in
            let model = Self.settings(.mlp) { $0.normalization = .batch }
            let trainer = try Recipe(model: model, training: Self.training()).makeRun(
                train: Dataset.digits().prefix(75), validation: nil, device: Device(backend: CPUBackend()), ranks: 3
            ).trainer
            trainer.exchange = exchange
            try trainer.run()
            #expect(trainer.findings.isEmpty)
            return trainer.progress.step
        }
        #expect(steps == [12, 12, 12])
    }

    /// As a GPU and the CPU have.
    @Test func ranksThatReportAtOtherStepsDecideTogether() throws {
        let each = Case(name: "", model: Self.cases[0].model, training: Self.training { $0.recoveries = 1 })
        let all = try Self.run(each, ranks: 2) { trainer, rank in
            trainer.doctor = Doctor()
            trainer.reportInterval = rank == 0 ? 1 : 5
        }
        #expect(all[0].losses == all[1].losses && all[0].weights == all[1].weights)
    }

    /// Without normalisation and clipping, at rates that are far too high.
    static func sick(
        _ name: String, rate: Double, _ change: (inout ModelSettings) -> Void
    ) -> Case {
        let model = settings(.mlp) {
            ($0.layers, $0.normalization) = (1, .none)
            change(&$0)
        }
        let training = training {
            ($0.learningRate, $0.momentum, $0.schedule, $0.clipNorm, $0.batchSize) = (rate, 0, .constant, nil, 8)
            $0.recoveries = 6
        }
        return Case(name: name, model: model, training: training)
    }

    /// The doctor's evidence is in the rows of all ranks: a unit is dead where none of them switches it on.
    @Test(arguments: [
        sick("dead units", rate: 10) { _ in },
        sick("saturated units", rate: 30) { $0.activation = .sigmoid },
    ])
    func ranksFindAndDoWhatOneDoes(_ each: Case) throws {
        func decisions(_ ranks: Int) throws -> [[String]] {
            try Self.run(each, ranks: ranks) { trainer, rank in
                // Where the first rank has one, all take part.
                trainer.doctor = rank == 0 ? Doctor() : nil
            }.map(\.decisions)
        }
        let one = try decisions(1)[0]
        #expect(one.contains { $0.contains("deadUnits") || $0.contains("saturatedUnits") }, "\(one)")
        #expect(one.contains { $0.contains("lowersRate") }, "\(one)")
        for count in [2, 4, 8] {
            let all = try decisions(count)
            for decisions in all { #expect(decisions == one, "\(count) ranks") }
        }
    }

    /// Whose rows it comes from makes no difference.
    @Test func ranksFindWhereANaNComesFrom() throws {
        let each = Self.sick("overflow", rate: 500) { ($0.layers, $0.activation) = (4, .gelu) }
        let one = try Self.run(each, ranks: 1) { trainer, _ in trainer.doctor = Doctor() }[0]
        #expect(one.decisions.contains { $0.contains("nonFinite") }, "\(one.decisions)")
        for course in try Self.run(each, ranks: 2, change: { trainer, _ in trainer.doctor = Doctor() }) {
            #expect(course.decisions == one.decisions)
        }
    }

    @Test func whoIsToldOtherThingsIsNamed() throws {
        let changes: [(name: String, change: @Sendable (Trainer<Batch>) -> Void)] = [
            ("bucket size: it has 1, not 4194304", { $0.exchangeSettings.bucketBytes = 1 }),
            ("wire type: it has float16, not float32", { $0.exchangeSettings.wire = .float16 }),
            ("checkpoint interval: it has 7, not none", { $0.checkpointInterval = 7 }),
            ("epoch to pause after: it has 2, not none", { $0.pauseEpoch = 2 }),
            ("flag: it has true, not false", { $0.sameOnRanks = [("flag", true)] }),
        ]
        for (name, change) in changes {
            let error = #expect(throws: GimbalError.self) {
                try Self.run(Self.cases[0], ranks: 2) { trainer, rank in
                    trainer.sameOnRanks = [("flag", false)]
                    if rank == 1 { change(trainer) }
                }
            }
            #expect("\(error!)".hasPrefix("rank 1: does not have rank 0's ") && "\(error!)".contains(name), "\(error!)")
        }
    }

    @Test func whoHasOtherNumbersIsNamed() throws {
        let error = #expect(throws: GimbalError.self) {
            try onRanks(2) { exchange in
                var data = Dataset.digits().prefix(100)
                if exchange.rank == 1, case .bytes(var bytes, let divisor) = data.inputs {
                    bytes[4000] ^= 1
                    data = Dataset(
                        name: data.name, inputShape: data.inputShape, inputs: .bytes(bytes, divisor: divisor),
                        targets: data.targets)
                }
                let trainer = try Recipe(model: Self.cases[0].model, training: Self.training()).makeRun(
                    train: data, validation: nil, device: Device(backend: CPUBackend())
                ).trainer
                trainer.exchange = exchange
                try trainer.run()
            }
        }
        #expect("\(error!)".contains("rank 1") && "\(error!)".contains("checksum of the data"))
    }

    @Test func whatARankFailsWithEndsAll() throws {
        struct Failure: Error {}
        #expect(throws: Failure.self) {
            try Self.run(Self.cases[0], ranks: 3) { trainer, rank in
                final class Failing: TrainingCallback {
                    func willClip(_ step: TrainingStep) throws { if step.number == 3 { throw Failure() } }
                }
                if rank == 1 { trainer.callbacks.append(Failing()) }
            }
        }
    }

    @Test func aLossThatIsNotFiniteEndsAllAtTheSameStep() throws {
        let errors = try onRanks(2) { exchange -> String in
            let trainer = try Recipe(model: Self.cases[0].model, training: Self.training { $0.learningRate = 1e30 })
                .makeRun(
                    train: Dataset.digits().prefix(100), validation: nil, device: .cpu
                ).trainer
            (trainer.exchange, trainer.doctor) = (exchange, nil)
            do { try trainer.run() } catch { return "\(error)" }
            return "none"
        }
        #expect(errors[0] == errors[1] && errors[0].contains("loss"))
    }
}
