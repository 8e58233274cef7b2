/// What is known after an optimizer step that is reported.
public struct StepReport: Sendable {
    /// The epoch under way, counted from 1.
    public var epoch: Int
    /// Epochs in the whole run.
    public var epochs: Int
    /// Optimizer steps since the start of the run.
    public var step: Int
    /// Optimizer steps in the whole run.
    public var steps: Int
    /// The rate that the step was taken with.
    public var learningRate: Double
    /// Mean loss over the samples since the last report; NaN where none was finite.
    public var loss: Double
    /// Norm of all gradients before they were clipped; nil unless clipping computes it.
    public var gradientNorm: Double?
    /// Samples trained with per second since training began or was resumed, evaluation and saving left out.
    public var samplesPerSecond: Double
    /// Estimate of the time to the end of training; 0 before there is one.
    public var secondsLeft: Double

    /// The report of a step, as `Trainer` makes it.
    public init(
        epoch: Int, epochs: Int, step: Int, steps: Int, learningRate: Double, loss: Double, gradientNorm: Double?,
        samplesPerSecond: Double, secondsLeft: Double
    ) {
        self.epoch = epoch
        self.epochs = epochs
        self.step = step
        self.steps = steps
        self.learningRate = learningRate
        self.loss = loss
        self.gradientNorm = gradientNorm
        self.samplesPerSecond = samplesPerSecond
        self.secondsLeft = secondsLeft
    }
}

/// Watches a run.
public protocol TrainingObserver: AnyObject {
    /// Called after each reported step. An error ends the run.
    func didStep(_ report: StepReport) throws
    /// Called at the end of each epoch. An error ends the run.
    func didFinishEpoch(_ result: EpochResult, step: Int) throws
}

/// Trains a model, and can stop and go on at any step with the same bits as if it had never stopped.
///
/// What a step does depends on the settings, the data and the saved state alone: the order of each epoch and the random
/// numbers of each step follow from the seed and from counters that every checkpoint holds.
public final class Trainer {
    /// How a call of `run(isInterrupted:)` ended.
    public enum Outcome: Sendable {
        /// The run has come to its end: its last epoch, `maxSteps`, or an early stop.
        case finished
        /// The caller asked to stop; the state is saved, and the run can be gone on with.
        case interrupted
    }

    /// The model that is trained, on the trainer's device.
    public let model: any TensorLayer
    /// The optimizer that the settings ask for, over the model's parameters.
    public var optimizer: any Optimizer { update.optimizer }
    /// How far the run has come.
    public private(set) var progress = TrainingProgress()
    /// Time spent in training steps since this trainer was made, evaluation and saving left out.
    public private(set) var trainingSeconds = 0.0
    /// Samples used in `trainingSeconds`.
    public private(set) var trainedSamples = 0

    private let update: WeightUpdate
    private let stopping: EarlyStopping?
    private let settings: TrainingSettings
    private let modelSettings: ModelSettings
    private let train: Dataset
    private let test: Dataset
    private let device: Device
    private let generator: RandomGenerator
    private let loader: DataLoader
    private let schedule: Schedule
    private let stepsPerEpoch: Int

    /// Steps between two checkpoints beside those at the end of each epoch; nil for none.
    public var checkpointInterval: Int?
    /// Steps between two reports, each of which waits for the device: 1 on the CPU, where waiting costs nothing, else
    /// 20, unless set.
    public var reportInterval: Int
    /// Steps between two looks at how many the loss scale left out, which wait for the device.
    private let skipInterval: Int
    /// Ends the run after this many optimizer steps; nil goes on to the last epoch.
    public var maxSteps: Int?
    /// What is told of steps and epochs; kept alive by the caller.
    public weak var observer: (any TrainingObserver)?
    /// Where checkpoints are written; nil keeps none.
    public var folder: RunFolder?
    /// What was done to the data before it came here, for checkpoints to keep.
    public var standardization: Standardization?
    /// How the rows of a table became numbers, and which are held back, for checkpoints to keep.
    public var table: TableRecord?

    /// Builds the model with its first weights, and its optimizer, as the settings have it; `run(isInterrupted:)`
    /// trains it.
    /// - Throws: `GimbalError.invalidSetting` for settings that do not go together or do not fit the data,
    ///   `GimbalError.outOfMemory` for a model larger than the device.
    public init(
        model modelSettings: ModelSettings, training settings: TrainingSettings, train: Dataset, test: Dataset,
        device: Device = .current, folder: RunFolder? = nil
    ) throws {
        try settings.validate()
        try modelSettings.validate()
        try settings.validate(for: modelSettings)
        guard train.count > 0 else {
            throw GimbalError.invalidSetting(name: "data", reason: "\(train.name) has no samples to train on")
        }
        try modelSettings.requireFit(train, "the model", name: "data")
        // Batch statistics need two samples: a last batch of one is left out.
        let leavesOne = train.count > 1 && train.count % settings.batchSize == 1
        guard !modelSettings.needsSeveralSamples || (train.count > 1 && settings.batchSize > 1) else {
            throw GimbalError.invalidSetting(
                name: modelSettings.normalization == .batch ? "--norm batch" : "--model \(modelSettings.kind.rawValue)",
                reason: "needs batches of at least two samples")
        }
        // Weights and gradients. Making the model would find out too, but only after filling all memory that there is.
        let leastBytes = 8 * modelSettings.approximateWeightCount
        guard leastBytes <= Double(device.description.memoryBytes) else {
            throw GimbalError.outOfMemory(
                device: device.id, requestedBytes: Int(exactly: leastBytes.rounded()) ?? .max, usedBytes: 0)
        }
        self.settings = settings
        self.modelSettings = modelSettings
        self.train = train
        self.test = test.reshaped(modelSettings.sampleShape)
        self.device = device
        self.folder = folder
        let generator = RandomGenerator(seed: settings.seed)
        self.generator = generator
        let model = withGenerator(generator) { modelSettings.makeModel(device: device) }
        self.model = model
        if modelSettings.initialization == .lsuv {
            let first = self.train.batch([Int](0..<min(train.count, 256))).to(device)
            try withGenerator(generator) { _ = try model.initializeLSUV(modelSettings.shaped(first.inputs)) }
        }
        _ = settings.precision.use(on: device)
        update = WeightUpdate(model, settings, device: device)
        stopping = settings.patience.map { EarlyStopping(patience: $0, restoresBest: true) }
        loader = DataLoader(
            self.train, batchSize: settings.batchSize, dropsLast: leavesOne && modelSettings.needsSeveralSamples,
            seed: settings.seed, augmentation: settings.makeAugmentation(for: train))
        stepsPerEpoch = (loader.batchCount + settings.accumulation - 1) / settings.accumulation
        schedule = settings.makeSchedule(stepsPerEpoch: stepsPerEpoch)
        reportInterval = device.isOnHost ? 1 : 20
        skipInterval = reportInterval
    }

    /// Takes up a run where `checkpoint` was saved.
    /// - Throws: `GimbalError.invalidFile` for a checkpoint of a run on other data; as `Checkpoint.restore`.
    public func resume(from checkpoint: Checkpoint) throws {
        let saved = checkpoint.manifest.progress
        // The place in the data follows from the number of steps; a data set of another size has another place there.
        let steps = saved.batch.quotientAndRemainder(dividingBy: settings.accumulation)
        guard saved.epoch >= 0, saved.epoch <= 1_000_000_000, (0..<max(loader.batchCount, 1)).contains(saved.batch),
            steps.remainder == 0, saved.step == saved.epoch * stepsPerEpoch + steps.quotient
        else {
            throw GimbalError.invalidFile(
                path: checkpoint.path,
                reason:
                    "saved after step \(saved.step), epoch \(saved.epoch), batch \(saved.batch), which is no place in "
                    + "\(train.name) with \(train.count) samples; was it another data set?")
        }
        try checkpoint.restore(model: model, optimizer: optimizer)
        let tensors = try checkpoint.extras(device: device)
        try update.restore(tensors, averageUpdates: saved.averageUpdates)
        if let stopping {
            stopping.state = saved.stopping ?? EarlyStopping.State()
            stopping.bestWeights = tensors.filter { $0.name.hasPrefix("best.") }.map {
                (String($0.name.dropFirst("best.".count)), $0.value)
            }
        }
        progress = saved
        generator.state = checkpoint.manifest.random
    }

    /// Optimizer steps of the whole run.
    public var totalSteps: Int { min(maxSteps ?? .max, settings.epochs * stepsPerEpoch) }

    /// Trains to the end, or until `isInterrupted` says so after a step; then the state is saved as well.
    /// - Throws: `GimbalError.nonFinite` for a loss that is NaN or infinite; what devices, files and observers report.
    @discardableResult
    public func run(isInterrupted: () -> Bool = { false }) throws -> Outcome {
        while progress.epoch < settings.epochs && progress.step < totalSteps && !progress.hasStopped {
            let wasInterrupted = try withGenerator(generator) { try runEpoch(isInterrupted: isInterrupted) }
            if progress.batch > 0 {
                try save()
                return wasInterrupted ? .interrupted : .finished
            }
            let evaluation = try evaluate()
            let result = EpochResult(
                epoch: progress.epoch, trainLoss: progress.lossSum / Double(max(progress.lossCount, 1)),
                testLoss: evaluation.loss, evaluation.scores)
            progress.history.append(result)
            if settings.schedule == .plateau {
                progress.plateau = progress.plateau ?? settings.makePlateau()
                progress.plateau?.update(evaluation.loss)
            }
            let hasStopped = stopping?.update(evaluation.loss, model: model) ?? false
            if hasStopped { try stopping?.restoreBest(model) }
            progress.stopping = stopping?.state
            progress.hasStopped = hasStopped
            progress.lossSum = 0
            progress.lossCount = 0
            try observer?.didFinishEpoch(result, step: progress.step)
            try save()
            if hasStopped { return .finished }
            if wasInterrupted && progress.epoch < settings.epochs { return .interrupted }
        }
        return .finished
    }

    /// Loss and scores on the test data, with the weights as they are now, or their moving average where one is kept.
    public func evaluate() throws -> Evaluation {
        guard let average = update.average, average.updates > 0 else { return try evaluateWeights() }
        return try average.whileSwappedIn { try evaluateWeights() }
    }

    private func evaluateWeights() throws -> Evaluation {
        try withPrecision(settings.precision) {
            try Evaluation(
                of: model, on: test, batchSize: modelSettings.evaluationBatchSize, device: device,
                standardization: standardization
            ) {
                [settings, task = modelSettings.task] in settings.loss(of: $0, $1, task: task)
            }
        }
    }

    /// The model's tree with the shapes that it gives out for one sample of the training data.
    public var summary: String {
        let sample = modelSettings.shaped(train.batch([0]).to(device).inputs)
        return withPrecision(settings.precision) { model.summary(of: sample) }
    }

    /// Where the loss scale of float16 stands; nil for other precisions. Waits for the device.
    public func lossScaling() throws -> LossScaler.Counters? { try update.scaler?.counters() }

    /// Mean loss of the epoch under way, or of the last one finished.
    public var trainLoss: Double {
        progress.lossCount > 0
            ? progress.lossSum / Double(progress.lossCount) : progress.history.last?.trainLoss ?? .nan
    }

    // MARK: One epoch

    /// Trains to the end of the epoch, or until there is reason to stop. Gives whether that was an interruption.
    private func runEpoch(isInterrupted: () -> Bool) throws -> Bool {
        let clock = ContinuousClock()
        var pending = PendingLosses()
        var began = clock.now
        for host in loader.batches(epoch: progress.epoch, from: progress.batch) {
            let position = host.number % settings.accumulation
            if position == 0 { optimizer.zeroGradients() }
            // A last group of fewer batches is a mean over those it has.
            let groupSize = min(settings.accumulation, loader.batchCount - (host.number - position))
            let batch = host.to(device)
            let loss = withPrecision(settings.precision) {
                settings.loss(
                    of: model(modelSettings.shaped(batch.inputs)), batch.targets, task: modelSettings.task)
            }
            let share = groupSize == 1 ? loss : loss / Double(groupSize)
            try (update.scaler?.scaled(share) ?? share).backward()
            pending.add(loss.detached(), samples: batch.count)
            trainedSamples += batch.count
            progress.batch += 1
            guard position == groupSize - 1 else { continue }

            let norm = try updateWeights()
            let isLast = progress.batch == loader.batchCount
            let wasInterrupted = isInterrupted()
            let stops = wasInterrupted || progress.step >= totalSteps
            let saves = checkpointInterval.map { progress.step % $0 == 0 } ?? false
            if isLast || stops || saves || progress.step % reportInterval == 0 {
                let loss = try pending.take(
                    into: &progress, epoch: progress.epoch + 1, toleratesNonFinite: settings.outlivesNonFinite)
                trainingSeconds += (clock.now - began).seconds
                try report(loss: loss, gradientNorm: try norm.map { Double(try $0.item()) })
                if saves && !isLast && !stops { try save() }
                began = clock.now
            }
            if isLast {
                progress.epoch += 1
                progress.batch = 0
            }
            if stops { return wasInterrupted }
        }
        return false
    }

    /// Steps at the rate that is due. Gives the gradient norm if it was computed.
    private func updateWeights() throws -> Tensor? {
        let factor = schedule.factor(at: progress.step) * (progress.plateau?.scale ?? 1)
        let norm = try update.step(rate: settings.rate * factor, number: progress.step)
        progress.step += 1
        progress.averageUpdates = update.averageUpdates
        // At fixed steps, so that a run that was interrupted has the same bits.
        if progress.step % skipInterval == 0 { try update.discountSkippedSteps(&progress.discountedSteps) }
        return norm
    }

    private func report(loss: Double, gradientNorm: Double?) throws {
        let rate = trainingSeconds > 0 ? Double(trainedSamples) / trainingSeconds : 0
        let stepsLeft = Double(totalSteps - progress.step)
        let samplesLeft = stepsLeft * Double(settings.batchSize * settings.accumulation)
        try observer?.didStep(
            StepReport(
                epoch: progress.epoch + 1, epochs: settings.epochs, step: progress.step, steps: totalSteps,
                learningRate: optimizer.learningRate, loss: loss, gradientNorm: gradientNorm, samplesPerSecond: rate,
                secondsLeft: rate > 0 ? samplesLeft / rate : 0))
    }

    private func save() throws {
        guard let folder else { return }
        let path = folder.checkpointPath(step: progress.step)
        let manifest = CheckpointManifest(
            model: modelSettings, training: settings, data: train.name, classNames: train.classNames,
            standardization: standardization, table: table, progress: progress, random: generator.state)
        let extras = update.tensors + (stopping?.bestWeights.map { ("best." + $0.name, $0.value) } ?? [])
        try Checkpoint.save(manifest, model: model, optimizer: optimizer, extras: extras, to: path)
        folder.removeOldCheckpoints()
    }
}

/// Losses that are still on the device.
private struct PendingLosses {
    private var losses: [(loss: Tensor, samples: Int)] = []

    mutating func add(_ loss: Tensor, samples: Int) { losses.append((loss, samples)) }

    /// Reads the losses, passes over those that are not finite where that is tolerated, adds the others to the epoch's
    /// sum, and gives the mean over their samples.
    /// - Throws: `GimbalError.nonFinite`.
    mutating func take(
        into progress: inout TrainingProgress, epoch: Int, toleratesNonFinite: Bool
    ) throws -> Double {
        guard !losses.isEmpty else { return .nan }
        let values = try (losses.count == 1 ? losses[0].loss : Tensor.stacked(losses.map(\.loss))).floats()
        var sum = 0.0
        var count = 0
        for (value, entry) in zip(values, losses) {
            guard value.isFinite else {
                if toleratesNonFinite { continue }
                throw GimbalError.nonFinite(
                    quantity: "the loss", value: Double(value),
                    place:
                        "epoch \(epoch), at or shortly before step \(progress.step); a lower learning rate, clipping "
                        + "or normalisation may help")
            }
            // One by one, so that the sum does not depend on when it was looked at.
            progress.lossSum += Double(value) * Double(entry.samples)
            sum += Double(value) * Double(entry.samples)
            count += entry.samples
        }
        losses.removeAll(keepingCapacity: true)
        progress.lossCount += count
        return count == 0 ? .nan : sum / Double(count)
    }
}

extension Duration {
    /// As a number of seconds.
    package var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
