import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

/// Runs that fail, and go back and on.
@Suite("Recovery") struct RecoveryTests {
    private static let digits = Dataset.digits().flattened.split(trainFraction: 0.8, seed: 1)

    /// A run over digits in which the inputs of some steps are multiplied.
    private func makeTrainer(
        rate: Double = 0.1, steps: Int = 500, recoveries: Int? = 6, spoilt: [Int: Float] = [:],
        plateau: ReduceOnPlateau? = nil, folder: RunFolder? = nil,
        seeing: @escaping (Batch, Tensor) -> Void = { _, _ in }
    ) -> (Trainer<Batch>, Sequential) {
        let model = withGenerator(RandomGenerator(seed: 4)) {
            Sequential {
                Linear(64, 64); ReLU(); Linear(64, 64); ReLU(); Linear(64, 10)
            }
        }
        let batches = DataLoader(Self.digits.train, batchSize: 32, seed: 2)
        // Which batch it is follows from the place in the data alone, so that a repeated step is spoilt again.
        let spoiler = Spoiler(batches, spoilt)
        let trainer = Trainer(
            model, optimizer: Adam(model.parameters, learningRate: rate), data: spoiler,
            validation: DataLoader(Self.digits.test, batchSize: 128, shuffles: false),
            settings: TrainerSettings {
                ($0.epochs, $0.maxSteps, $0.recoveries, $0.weights) = (1000, steps, recoveries, .last)
                $0.plateau = plateau
            }, folder: folder
        ) { batch in
            let loss = crossEntropy(model(batch.inputs), batch.targets)
            seeing(batch, loss)
            return loss
        }
        return (trainer, model)
    }

    /// Batches, some of which are multiplied by a number.
    private struct Spoiler: TrainingData {
        let batches: any TrainingData<Batch>
        let factors: [Int: Float]

        init(_ batches: any TrainingData<Batch>, _ factors: [Int: Float]) {
            self.batches = batches
            self.factors = factors
        }

        var batchesPerEpoch: Int? { batches.batchesPerEpoch }

        func iterator(epoch: Int, from first: Int, on device: Device) throws -> BatchIterator<Batch> {
            let inner = try batches.iterator(epoch: epoch, from: first, on: device)
            var number = epoch * batches.batchesPerEpoch! + first
            return BatchIterator {
                number += 1
                guard let sized = try inner.next() else { return nil }
                guard let factor = factors[number] else { return sized }
                let batch = Batch(inputs: sized.batch.inputs * factor, targets: sized.batch.targets)
                return SizedBatch(batch, samples: sized.samples)
            }
        }
    }

    private func loss(_ model: Sequential) throws -> Double {
        let batch = Self.digits.test.batch([Int](0..<Self.digits.test.count)).to(.cpu)
        return try model.evaluating {
            try withoutGradients { try crossEntropy(model(batch.inputs), batch.targets).doubles()[0] }
        }
    }

    @Test("One poisoned batch is left out, and nothing else", arguments: [Float.nan, 1e4, .infinity])
    func poisoned(_ factor: Float) throws {
        try withDevice(.cpu) {
            let (healthy, model) = makeTrainer(rate: 1e-3, steps: 400)
            try healthy.run()
            let (poisoned, other) = makeTrainer(rate: 1e-3, steps: 400, spoilt: [237: factor])
            try poisoned.run()
            let recoveries = poisoned.progress.recoveries
            #expect(recoveries.map(\.measure) == [.leavesOut(steps: [237])], "\(recoveries)")
            #expect(recoveries.first?.backTo == 200 && poisoned.progress.step == 400)
            #expect(try loss(other) < 1.1 * loss(model))
            // What was found says where it came from.
            if !factor.isFinite {
                #expect(poisoned.findings.first?.illness == .nonFiniteInput, "\(poisoned.findings)")
            }
        }
    }

    /// Their losses have long tails, once the model is good: a sample that it is sure of, and wrong about.
    @Test("Small batches of hard samples are no reason to go back", arguments: [1, 8]) func smallBatches(_ size: Int)
        throws
    {
        try withDevice(.cpu) {
            let model = withGenerator(RandomGenerator(seed: 0)) {
                Sequential {
                    Linear(64, 64); ReLU(); Linear(64, 10)
                }
            }
            let trainer = Trainer(
                model, optimizer: SGD(model.parameters, learningRate: size == 1 ? 0.005 : 0.05, momentum: 0.9),
                data: DataLoader(Self.digits.train, batchSize: size, seed: 0),
                settings: TrainerSettings { ($0.epochs, $0.recoveries, $0.maxSteps) = (100, 6, 3000) }
            ) { crossEntropy(model($0.inputs), $0.targets) }
            try trainer.run()
            #expect(trainer.progress.recoveries.isEmpty, "\(trainer.progress.recoveries)")
        }
    }

    @Test("The same run recovers in the same way, to the same bits") func deterministic() throws {
        try withDevice(.cpu) {
            func run() throws -> ([[UInt8]], [Recovery], [Double?]) {
                let (trainer, model) = makeTrainer(rate: 1e-3, steps: 300, spoilt: [120: .nan, 250: -1e5])
                try trainer.run()
                return (
                    try model.parameters.map { try $0.value.bytes() }, trainer.progress.recoveries,
                    trainer.progress.history.map(\.trainLoss)
                )
            }
            let (first, second) = (try run(), try run())
            #expect(first.0 == second.0 && first.1 == second.1 && first.2 == second.2)
            #expect(first.1.map(\.step) == [120, 250], "\(first.1)")
        }
    }

    /// Step 225 ends an epoch, and the steps from 200 on are repeated.
    @Test(
        "Steps that are repeated are those that were taken: but for the batch that is left out, nothing changes",
        arguments: [nil, ReduceOnPlateau(factor: 0.5, patience: 0)])
    func sameBits(_ plateau: ReduceOnPlateau?) throws {
        try withDevice(.cpu) {
            // The poisoned batch of one run is left out by hand in the other.
            let (poisoned, first) = makeTrainer(rate: 1e-3, steps: 300, spoilt: [237: .nan], plateau: plateau)
            try poisoned.run()
            let (healthy, second) = makeTrainer(rate: 1e-3, steps: 300, plateau: plateau)
            healthy.callbacks = [Skipper(237)]
            try healthy.run()
            for (a, b) in zip(first.parameters, second.parameters) { #expect(try a.value.bytes() == b.value.bytes()) }
        }
    }

    /// Step 225 ends the fifth epoch, which is better than those before: the rate stays, as it did at first.
    @Test("Where a NaN comes from is looked for in the very steps that were taken")
    func repeatedSteps() throws {
        try withDevice(.cpu) {
            var losses: [Float] = []
            let (trainer, _) = makeTrainer(
                rate: 1e-3, steps: 240, spoilt: [237: .nan], plateau: ReduceOnPlateau(factor: 0.5, patience: 0)
            ) { batch, loss in
                // Those of the validation are larger.
                if batch.count <= 32 { losses.append((try? loss.item()) ?? .infinity) }
            }
            try trainer.run()
            let taken = losses.prefix { !$0.isNaN }
            #expect(taken.count == 236 && trainer.progress.recoveries.map(\.step) == [237])
            // From step 200 on: once to look into step 237, once to go on without it.
            #expect(Array(losses[237...].prefix(72)) == Array(taken[200...]) + Array(taken[200...]))
        }
    }

    /// Leaves a step out by putting back what it has changed.
    private final class Skipper: TrainingCallback {
        private let step: Int
        private var held: (StateDictionary, OptimizerState)?
        init(_ step: Int) { self.step = step }
        func willForward(_ step: TrainingStep) {
            guard step.number == self.step else { return }
            let state = step.optimizer.state
            held = (
                StateDictionary(),
                OptimizerState(tensors: state.tensors.map { ($0.name, $0.value.detached().copy()) }, steps: state.steps)
            )
            for (index, parameter) in step.parameters.enumerated() {
                held!.0["\(index)"] = parameter.value.detached().copy()
            }
        }
        func didUpdate(_ step: TrainingStep) throws {
            guard step.number == self.step, let held else { return }
            for (index, parameter) in step.parameters.enumerated() { parameter.assign(held.0["\(index)"]!) }
            try step.optimizer.restore(held.1)
        }
    }

    @Test("A rate ten times too high is lowered") func rate() throws {
        try withDevice(.cpu) {
            func run(_ rate: Double) throws -> (Trainer<Batch>, Double) {
                let model = withGenerator(RandomGenerator(seed: 4)) {
                    Sequential {
                        Linear(64, 128); ReLU(); Linear(128, 128); ReLU(); Linear(128, 128); ReLU(); Linear(128, 10)
                    }
                }
                let trainer = Trainer(
                    model, optimizer: SGD(model.parameters, learningRate: rate),
                    data: DataLoader(Self.digits.train, batchSize: 32, seed: 2),
                    validation: DataLoader(Self.digits.test, batchSize: 128, shuffles: false),
                    settings: TrainerSettings { ($0.epochs, $0.maxSteps, $0.recoveries) = (1000, 1200, 6) }
                ) { crossEntropy(model($0.inputs), $0.targets) }
                try trainer.run()
                return (trainer, try loss(model))
            }
            let (healthy, least) = try run(0.1)
            #expect(healthy.progress.recoveries.isEmpty, "\(healthy.progress.recoveries)")
            let (saved, now) = try run(2)
            #expect(
                !saved.progress.recoveries.isEmpty && now < 1.1 * least,
                "\(now), \(least): \(saved.progress.recoveries)")
            #expect(saved.findings.first?.illness == .learningRateTooHigh)
        }
    }

    /// The rows of a digit again and again, to a recurrent net.
    private final class Reader: Module, TensorLayer {
        let net: RNN
        let head = Linear(64, 10)

        init(gain: Double) {
            net = RNN(
                inputSize: 8, hiddenSize: 64, nonlinearity: .relu, isBatchFirst: true,
                initialization: RecurrentInitialization(
                    hiddenWeight: .normal(standardDeviation: gain * 2.0.squareRoot() / 8)))
        }

        func forward(_ x: Tensor) -> Tensor {
            let rows = x.reshaped([x.shape[0], 8, 8])
            return head(net(.concatenated([rows, rows, rows, rows], axis: 1)).selecting(-1, axis: 1))
        }
    }

    @Test("A recurrent net whose gradients explode is clipped") func explodingRecurrence() throws {
        try withDevice(.cpu) {
            func run(_ clipping: [GradientClipping]) throws -> (Trainer<Batch>, Double) {
                let model = withGenerator(RandomGenerator(seed: 4)) { Reader(gain: 1.15) }
                let trainer = Trainer(
                    model, optimizer: SGD(model.parameters, learningRate: 0.05), clipping: clipping,
                    data: DataLoader(Self.digits.train, batchSize: 32, seed: 2),
                    validation: DataLoader(Self.digits.test, batchSize: 128, shuffles: false),
                    settings: TrainerSettings { ($0.epochs, $0.maxSteps, $0.recoveries) = (1000, 900, 6) }
                ) { crossEntropy(model($0.inputs), $0.targets) }
                try trainer.run()
                return (trainer, try #require(try trainer.evaluate()["loss"]))
            }
            let (healthy, least) = try run([.globalNorm(1)])
            #expect(healthy.progress.recoveries.isEmpty, "\(healthy.progress.recoveries)")
            let (saved, now) = try run([])
            #expect(saved.progress.recoveries.map(\.measure).contains(.clips(norm: 1)), "\(saved.progress.recoveries)")
            #expect(now < 1.1 * least, "\(now), \(least): \(saved.progress.recoveries)")
            #expect(saved.findings.first?.illness == .unstableRecurrence, "\(saved.findings)")
        }
    }

    @Test("A run in float16 whose steps are too long goes on at a lower rate, as one in float32 does") func overflow()
        throws
    {
        try withDevice(.cpu) {
            func run(_ rate: Double) throws -> (Trainer<Batch>, Double) {
                let model = withGenerator(RandomGenerator(seed: 4)) {
                    Sequential {
                        Linear(64, 128); ReLU(); Linear(128, 128); ReLU(); Linear(128, 10)
                    }
                }
                let trainer = Trainer(
                    model, optimizer: SGD(model.parameters, learningRate: rate),
                    data: DataLoader(Self.digits.train, batchSize: 32, seed: 2),
                    validation: DataLoader(Self.digits.test, batchSize: 128, shuffles: false),
                    settings: TrainerSettings {
                        ($0.epochs, $0.maxSteps, $0.recoveries, $0.precision) = (1000, 900, 6, .float16)
                    }
                ) { crossEntropy(model($0.inputs), $0.targets) }
                try trainer.run()
                return (trainer, try #require(try trainer.evaluate()["loss"]))
            }
            let (healthy, least) = try run(0.1)
            #expect(healthy.progress.recoveries.isEmpty, "\(healthy.progress.recoveries)")
            let (saved, now) = try run(2)
            #expect(
                !saved.progress.recoveries.isEmpty && now < 1.1 * least,
                "\(now), \(least): \(saved.progress.recoveries)")
        }
    }

    @Test("A shard of bad batches is passed over, as far as recoveries go; then the run says why it ends") func shard()
        throws
    {
        try withDevice(.cpu) {
            let few = Dictionary(uniqueKeysWithValues: (230..<233).map { ($0, Float.nan) })
            let (saved, _) = makeTrainer(rate: 1e-3, steps: 300, spoilt: few)
            try saved.run()
            #expect(saved.progress.recoveries.map(\.measure) == [230, 231, 232].map { .leavesOut(steps: [$0]) })
            let many = Dictionary(uniqueKeysWithValues: (230..<290).map { ($0, Float.nan) })
            let (lost, _) = makeTrainer(rate: 1e-3, steps: 300, spoilt: many)
            let error = #expect(throws: GimbalError.self) { try lost.run() }
            #expect("\(error!)".contains("the batch has nan at [0, 0]"), "\(error!)")
        }
    }

    @Test("Files hold each step once after a recovery, and a resumed run knows of it") func files() throws {
        try withDevice(.cpu) {
            try withTemporaryFolder { path in
                let (run, model) = makeTrainer(
                    rate: 1e-3, steps: 300, spoilt: [237: .nan], folder: try RunFolder(path: path))
                // So far back that looks and rows were taken since.
                run.checkpointInterval = 110
                try run.run()
                for name in ["metrics.csv", "health.csv"] {
                    let text = try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8)
                    let column = name == "metrics.csv" ? 1 : 0
                    let steps = text.split(separator: "\n").dropFirst().compactMap {
                        Int($0.split(separator: ",", omittingEmptySubsequences: false)[column])
                    }
                    #expect(steps == steps.sorted() && Set(steps).contains(300), "\(name)")
                }
                let saved = try Checkpoint(path: RunFolder.newestCheckpoint(at: path))
                #expect(saved.manifest.progress.recoveries == run.progress.recoveries)
                #expect(run.progress.recoveries.count == 1)
                let report = Report(try RunSummary(folder: path)).html
                #expect(report.contains("step 237") && report.contains("leaving out the batch of step 237"))
                _ = model
            }
        }
    }

    @Test("Without recoveries, a NaN ends the run with its origin, on every device", arguments: RunWatchTests.devices)
    func origin(_ id: String) throws {
        let device = try Device.named(id)
        withDevice(device) {
            let (run, _) = makeTrainer(rate: 1e-3, steps: 300, recoveries: nil, spoilt: [137: .nan])
            let error = #expect(throws: GimbalError.self) { try run.run() }
            #expect("\(error!)".contains("At step 137, the batch has nan at [0, 0]"), "\(error!)")
            #expect(run.findings.map(\.illness) == [.nonFiniteInput])
            let (far, _) = makeTrainer(rate: 1e-3, steps: 300, recoveries: nil, spoilt: [137: 3e38])
            let other = #expect(throws: GimbalError.self) { try far.run() }
            #expect("\(other!)".contains("At step 137, linear of 0 gave"), "\(other!)")
        }
    }
}
