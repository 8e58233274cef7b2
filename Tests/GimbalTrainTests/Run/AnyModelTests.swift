import GimbalTestSupport
import GimbalTrain
import Testing

/// Models, losses and data that the command has never heard of.
@Suite struct AnyModelTests {
    /// Two inputs of which one is a table of embeddings, dropout, a loss of one's own, and something that is counted.
    private final class Pair: Module, Layer {
        let left = Linear(32, 16)
        let right = Linear(32, 16)
        let norm = BatchNorm1d(32)
        let dropout = Dropout(0.2)
        let head = Linear(32, 10)

        func forward(_ input: (left: Tensor, right: Tensor)) -> Tensor {
            head(dropout(norm(.concatenated([left(input.left), right(input.right)], axis: 1))).relu())
        }
    }

    private typealias Halves = (left: Tensor, right: Tensor, digit: Tensor)

    private static let digits = Dataset.digits().prefix(300).flattened.split(trainFraction: 0.8, seed: 1)

    private static func halves(_ data: Dataset) -> Examples<HostBatch, Halves> {
        Examples(count: data.count) {
            data.batch($0)
        } upload: { host, device in
            let batch = host.to(device)
            return (batch.inputs[0..., 0..<32], batch.inputs[0..., 32...], batch.targets)
        }
    }

    private static func model() -> Pair { withGenerator(RandomGenerator(seed: 5)) { withDevice(.cpu) { Pair() } } }

    private static func pairTrainer(
        _ settings: TrainerSettings, folder: RunFolder? = nil, workers: Int = 1
    ) -> Trainer<Halves> {
        let model = model()
        return Trainer(
            model, optimizer: Adam(model.parameters, learningRate: 0.01),
            schedule: { .oneCycle(steps: $0.steps) }, clipping: [.percentile(50)],
            data: DataLoader(halves(digits.train), batchSize: 32, seed: 3, workers: workers),
            validation: DataLoader(halves(digits.test), batchSize: 25, shuffles: false),
            metrics: { ["accuracy": (model((left: $0.left, right: $0.right)).argMax() .== $0.digit).mean()] },
            settings: settings, folder: folder
        ) { batch in
            let logits = model((left: batch.left, right: batch.right))
            return crossEntropy(logits, batch.digit) + 0.01 * logits.square().mean()
        }
    }

    @Test func fiveLinesTrainAModel() throws {
        try withDevice(.cpu) {
            let (train, test) = Self.digits
            let model = Sequential { Linear(64, 10) }
            let trainer = Trainer(
                model, optimizer: SGD(model.parameters, learningRate: 0.5), data: DataLoader(train, batchSize: 32),
                validation: DataLoader(test, batchSize: 64)
            ) { crossEntropy(model($0.inputs), $0.targets) }
            let outcome = try trainer.run()
            #expect(outcome == .finished)
            #expect(try trainer.evaluate()["loss"] == trainer.progress.best?.value)
            #expect(try #require(try Evaluation(of: model, on: test).accuracy) > 0.8)
        }
    }

    @Test func severalInputsAreTrainedAndMeasured() throws {
        let trainer = Self.pairTrainer(TrainerSettings { $0.epochs = 8 })
        try trainer.run()
        let best = try #require(trainer.progress.history.last { $0.isBest })
        #expect(try #require(best.validation["accuracy"]) > 0.7)
        #expect(best.description.contains("  validationLoss ") && best.description.contains("  validationAccuracy 0."))
        #expect(try trainer.evaluate() == best.validation)
        // 240 samples make 8 batches, the last of 16.
        #expect(trainer.progress.step == 64 && trainer.trainedSamples == 8 * 240)
    }

    @Test(arguments: [1, 3])
    func aRunOfAnyModelEndsWithTheSameBits(workers: Int) throws {
        let settings = TrainerSettings {
            ($0.epochs, $0.accumulation, $0.averageDecay, $0.patience) = (3, 3, 0.8, 1)
            ($0.plateau, $0.monitor, $0.mode) = (ReduceOnPlateau(mode: .maximum, patience: 0), "accuracy", .maximum)
        }
        let whole = Self.pairTrainer(settings)
        let end = try whole.run()
        let expected = try state(of: whole)
        for stop in 1..<whole.progress.step {
            try withTemporaryFolder { path in
                let folder = try RunFolder(path: path)
                let first = Self.pairTrainer(settings, folder: folder, workers: workers)
                #expect(try first.run { first.progress.step >= stop } == .interrupted)
                let second = Self.pairTrainer(settings, folder: folder, workers: workers)
                #expect(try second.resume())
                #expect(try second.run() == end)
                #expect(try state(of: second) == expected, "stopped at \(stop)")
                #expect(second.progress == whole.progress, "stopped at \(stop)")
            }
        }
    }

    // MARK: Phases

    /// A generator of numbers and a critic, in one module.
    private final class Duel: Module {
        let generator = Linear(2, 1)
        let critic = Sequential {
            Linear(1, 8)
            Tanh()
            Linear(8, 1)
        }
    }

    private static func duel(
        _ settings: TrainerSettings, interval: Int = 1, folder: RunFolder? = nil
    ) -> Trainer<Tensor> {
        let model = withGenerator(RandomGenerator(seed: 2)) { withDevice(.cpu) { Duel() } }
        let numbers = ExampleStream<Tensor>(batchSize: 8, shuffleBuffer: 16, seed: 4) { epoch in
            var left = 52
            return {
                left -= 1
                return left >= 0 ? Float(left % 7) / 7 : nil
            }
        } collate: {
            $0
        } upload: {
            Tensor($0, [$0.count, 1], device: $1)
        }
        func made(_ count: Int) -> Tensor { model.generator(.normal([count, 2])) }
        return Trainer(
            model,
            phases: [
                Phase("critic", Adam(model.critic.parameters), clipping: [.globalNorm(1)]) { real in
                    let fake = withoutGradients { made(real.shape[0]) }
                    return (model.critic(fake) - model.critic(real)).mean()
                },
                Phase("generator", SGD(model.generator.parameters, learningRate: 0.1), interval: interval) { real in
                    -model.critic(made(real.shape[0])).mean()
                },
            ], data: numbers, settings: settings, folder: folder)
    }

    private final class Calls: TrainingCallback {
        var names: [String] = []
        private func note(_ name: String, _ step: TrainingStep) { names.append("\(name) \(step.phase) \(step.number)") }
        func willForward(_ step: TrainingStep) { note("willForward", step) }
        func didForward(_ step: TrainingStep, loss: Tensor) { note("didForward", step) }
        func didBackward(_ step: TrainingStep) { note("didBackward", step) }
        func willClip(_ step: TrainingStep) { note("willClip", step) }
        func willUpdate(_ step: TrainingStep) { note("willUpdate", step) }
        func didUpdate(_ step: TrainingStep) { note("didUpdate", step) }
        func didReport(_ report: StepReport) { names.append("didReport \(report.losses.keys.sorted())") }
        func didFinishEpoch(_ result: EpochResult) { names.append("didFinishEpoch \(result.epoch)") }
        func didSave(_ path: String) { names.append("didSave") }
    }

    @Test func eachPhaseIsCalledInOrderAndInItsInterval() throws {
        let trainer = Self.duel(TrainerSettings { ($0.epochs, $0.accumulation, $0.maxSteps) = (1, 2, 2) }, interval: 2)
        let calls = Calls()
        trainer.callbacks = [calls]
        try trainer.run()
        func phase(_ name: String, _ step: Int) -> [String] {
            ["willForward", "didForward", "willForward", "didForward"].map { "\($0) \(name) \(step)" }
                + ["didBackward", "willClip", "willUpdate", "didUpdate"].map { "\($0) \(name) \(step)" }
        }
        let report = ["didReport [\"critic\", \"generator\"]"]
        #expect(calls.names == phase("critic", 1) + phase("generator", 1) + report + phase("critic", 2) + report)
    }

    @Test func aStreamAndTwoOptimizersEndWithTheSameBits() throws {
        let settings = TrainerSettings { ($0.epochs, $0.accumulation) = (3, 2) }
        let whole = Self.duel(settings, interval: 2)
        #expect(try whole.run() == .finished)
        // 52 examples make 7 batches, of which 2 make a step; the stream does not tell.
        #expect(whole.progress.step == 12 && whole.totalSteps == nil)
        #expect(whole.progress.history.last?.trainLosses.keys.sorted() == ["critic", "generator"])
        let expected = try state(of: whole)
        for stop in 1..<12 {
            try withTemporaryFolder { path in
                let folder = try RunFolder(path: path)
                let first = Self.duel(settings, interval: 2, folder: folder)
                #expect(try first.run { first.progress.step >= stop } == .interrupted)
                let second = Self.duel(settings, interval: 2, folder: folder)
                #expect(try second.resume())
                try second.run()
                #expect(try state(of: second) == expected, "stopped at \(stop)")
                #expect(second.progress == whole.progress, "stopped at \(stop)")
            }
        }
    }

    /// The seam between backward and update: what stands there may change gradients.
    @Test func gradientsCanBeExchangedBeforeTheyAreUsed() throws {
        final class Halving: TrainingCallback {
            func didBackward(_ step: TrainingStep) throws { try scaleGradients(step.parameters, by: 0.5) }
        }
        func weights(_ rate: Double, _ callbacks: [any TrainingCallback], _ precision: Precision) throws -> [Float] {
            try withDevice(.cpu) {
                let model = withGenerator(RandomGenerator(seed: 1)) { Sequential { Linear(64, 10) } }
                let trainer = Trainer(
                    model, optimizer: SGD(model.parameters, learningRate: rate),
                    data: DataLoader(Self.digits.train, batchSize: 40),
                    settings: TrainerSettings { ($0.epochs, $0.precision) = (1, precision) }
                ) { crossEntropy(model($0.inputs), $0.targets) }
                trainer.callbacks = callbacks
                try trainer.run()
                return try model.parameters[0].value.floats()
            }
        }
        for precision in [Precision.float32, .float16] {
            let plain = try weights(0.25, [], precision)
            #expect(try weights(0.5, [Halving()], precision) == plain, "\(precision)")
        }
    }

    /// Tokens, not sequences, are what a mean is over.
    @Test func aMeanOverSomethingElseIsWeightedByIt() throws {
        func weights(_ batchSize: Int, _ accumulation: Int) throws -> ([Float], Double) {
            try withDevice(.cpu) {
                let model = withGenerator(RandomGenerator(seed: 1)) { Sequential { Linear(1, 1) } }
                // The number itself is how often it counts; one of every batch of two counts nothing at all.
                let data = DataLoader(
                    Examples(count: 8) { $0.map { Float($0 / 2 * 2 % 6) } }, batchSize: batchSize, shuffles: false)
                let trainer = Trainer(
                    model, optimizer: SGD(model.parameters, learningRate: 0.1), data: data,
                    settings: TrainerSettings { ($0.epochs, $0.accumulation) = (2, accumulation) }
                ) { (numbers: [Float]) in
                    let x = Tensor(numbers, [numbers.count, 1])
                    let count = numbers.reduce(0, +)
                    return WeightedLoss((x * (model(x) - 1).square()).sum() / Double(count), count: Int(count))
                }
                try trainer.run()
                return (try model.parameters[0].value.floats(), trainer.trainLoss ?? .nan)
            }
        }
        let (whole, wholeLoss) = try weights(8, 1)
        for (batchSize, accumulation) in [(2, 4), (1, 8), (3, 3)] {
            let (parts, loss) = try weights(batchSize, accumulation)
            for (first, second) in zip(parts, whole) { #expect(abs(first - second) < 1e-5) }
            #expect(abs(loss - wholeLoss) < 1e-5)
        }
    }

    @Test func aScheduleThatMustKnowTheLengthSaysSo() async {
        await #expect(processExitsWith: .failure) {
            let trainer = AnyModelTests.duel(TrainerSettings())
            let phase = Phase<Tensor>(
                "critic", trainer.phases[0].optimizer, schedule: { .cosine(steps: $0.steps) },
                loss: trainer.phases[0].loss)
            try Trainer(trainer.model, phases: [phase], data: trainer.data).run()
        }
    }

    @Test func noDataIsAnErrorAndNoEpochsAreNone() throws {
        func trainer(_ count: Int, _ epochs: Int) -> Trainer<Batch> {
            withDevice(.cpu) {
                let model = Sequential { Linear(64, 10) }
                return Trainer(
                    model, optimizer: SGD(model.parameters, learningRate: 0.1),
                    data: DataLoader(Self.digits.train.prefix(count), batchSize: 40),
                    settings: TrainerSettings { $0.epochs = epochs }
                ) { crossEntropy(model($0.inputs), $0.targets) }
            }
        }
        let error = #expect(throws: GimbalError.self) { try trainer(0, 1).run() }
        #expect(error?.description.contains("no samples to train on") == true)
        let none = trainer(40, 0)
        #expect(try none.run() == .finished)
        #expect(none.trainLoss == nil && none.progress.history.isEmpty)
    }
}
