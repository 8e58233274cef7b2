/// Trains a model of any kind, and can stop and go on at any step with the same bits as if it had never stopped.
///
/// ```swift
/// let validation = DataLoader(test, batchSize: 256, shuffles: false)
/// let trainer = Trainer(model, optimizer: SGD(model.parameters, learningRate: 0.1), data: loader, validation: validation) {
///     batch in crossEntropy(model(batch.inputs), batch.targets)
/// }
/// try trainer.run()
/// ```
/// After each epoch, the loss over the validation data is measured, and the best weights are kept; the model has them when
/// the run ends. With a folder, the run writes `metrics.csv` and checkpoints, from which `resume()` goes on.
///
/// What a step does depends on the settings, the data and the saved state alone. The order of each epoch follows from the
/// data's seed, and random numbers drawn in loss closures from the trainer's: it is `RandomGenerator.current` in them.
public final class Trainer<Batch> {
    /// The model that is trained.
    public let model: Module
    /// What each optimizer does in a step, in this order.
    public let phases: [Phase<Batch>]
    /// Where batches come from.
    public let data: any TrainingData<Batch>
    /// How the run goes.
    public let settings: TrainerSettings
    /// The live, averaged and best weights.
    public let weights: ModelWeights
    /// How far the run has come.
    public internal(set) var progress = TrainingProgress()
    /// Time spent in training steps since this trainer was made, evaluation and saving left out.
    public private(set) var trainingSeconds = 0.0
    /// The part of `trainingSeconds` in which a step waited for its batch, and for the batch's copy to the device.
    public private(set) var waitingSeconds = 0.0
    /// Samples used in `trainingSeconds`.
    public private(set) var trainedSamples = 0

    /// Measures the weights that the model holds on the validation data: called after each epoch in evaluation mode,
    /// without gradients, with the tested weights. Unless set, it gives the mean of the first phase's loss over the
    /// validation data as `loss`, and the means of `metrics`; nil where there is no validation data.
    public var evaluation: (() throws -> Figures)?
    /// Samples that `evaluation` measures: what of its figures is chance follows from them. At first, those of the
    /// validation data, where it tells; nil where that is not known.
    public var validationSamples: Int?
    /// The validation data, where the doctor may look whether the run is trained on it.
    var validationExamples: (any SupervisedData)?
    /// What the model is tested on when the run has ended, which ranks must have alike; nil where that is not known.
    package var testExamples: (any SupervisedData)?
    /// Takes part in the run, in this order.
    public var callbacks: [any TrainingCallback] = []
    /// Steps between two checkpoints beside those at the end of each epoch; nil for none.
    public var checkpointInterval: Int?
    /// How old a checkpoint is at least before the end of an epoch makes a new one; the run's last epoch always makes one, as
    /// does a stop. Where epochs are short, saving may take longer than training.
    package var leastSaveInterval = Duration.zero
    var lastSaved = ContinuousClock.now
    /// Steps between two reports, each of which waits for the device: 1 on the CPU, where waiting costs nothing, else
    /// 20, unless set.
    public var reportInterval: Int
    /// Ends the run after this many optimizer steps; nil goes on to the last epoch. At first, that of the settings.
    public var maxSteps: Int?
    /// Ends `run()` as an interruption does when so many epochs of a longer run are finished; the run can go on from there.
    public var pauseEpoch: Int?
    /// Where checkpoints, `metrics.csv` and TensorBoard's event file are written; nil keeps none.
    public var folder: RunFolder?
    /// Who follows the run and says why it goes wrong; nil watches nothing. What is found is in `findings` and in the
    /// folder's `findings.jsonl`, what was seen in its `health.csv`.
    public var doctor: Doctor? = Doctor()
    /// Whether the doctor examines the model before the first step, which takes up to a few seconds: see `examine(by:)`.
    public var examinesFirst = false
    /// Steps between two of the doctor's looks at activations, gradients and updates.
    public var healthInterval = 50
    /// Trains on several devices or machines: each rank makes a trainer of the same model, data and settings, sets its own
    /// exchange here, and calls the same functions. A rank computes its rows of every batch, and the run is the one that a
    /// single rank makes with the whole batch, but for rounding. The folder and callbacks that print are the first rank's
    /// alone; where it has a doctor, all ranks see and find the same. Nil trains on this device alone.
    ///
    /// ```swift
    /// trainer.exchange = try MPIExchange.begin()
    /// ```
    /// Batch normalisation is over a rank's own rows unless the model is told otherwise: see
    /// `Module.synchronizeBatchNorm(_:)`.
    public var exchange: (any GradientExchange)?
    /// How gradients go from rank to rank.
    public var exchangeSettings = ExchangeSettings()
    var ranks: TrainingRanks?
    /// Texts to be written to the folder when the run begins, and saved in every checkpoint, by the name of the file.
    public var attachments: [String: String] = [:]
    /// What the run is set to, for logs; nil for its `settings`.
    var shownSettings: [RunFacts.Setting]?
    /// What people call the features of a sample, in their order; empty where they have no names.
    var featureNames: [String] = []
    /// Whether a remedy changes something of the run; all do unless it is known what the run is made from.
    var takes: (Remedy) -> Bool = { _ in true }
    /// What a message calls the data, and how much of it there is.
    var dataDescription = "the data"

    let device: Device
    let generator: RandomGenerator
    let updates: [WeightUpdate]
    var stopping: EarlyStopping?
    private(set) var schedules: [Schedule] = []
    var pending: [PendingLosses]
    /// The batch of the newest step, and the step at which it was last looked at in both modes of the model.
    var newestBatch: Batch?
    var comparedStep = 0
    var log: MetricsLog?
    var watch: RunWatch<Batch>?
    /// What makes it possible to go back.
    lazy var recoverer = Recoverer(self)
    /// Steps between two looks at how many the loss scale left out, which wait for the device.
    var skipInterval: Int
    /// The step at which this trainer took up a run.
    var firstStep = 0
    private var trainedSteps: Int { progress.step - firstStep }
    /// What else must be the same on all ranks, such as what settings do not know, by name.
    package var sameOnRanks: [(name: String, value: any Encodable)] = []

    /// A trainer of several optimizers.
    /// - Parameters:
    ///   - model: holds all parameters of all phases. It computes in the mode that its modules have; the trainer does
    ///     not change that, but for evaluations.
    ///   - phases: what each optimizer does in a step, at least one, of distinct names.
    ///   - data: where batches come from.
    ///   - validation: what the default `evaluation` measures; nil measures nothing.
    ///   - metrics: of a batch of the validation data, means over its samples, by name; tensors of no axes.
    ///   - settings: stops the program where they cannot be used.
    ///   - generator: what random numbers of steps are drawn from; one of its own unless given.
    ///   - folder: where checkpoints and `metrics.csv` are written.
    public init(
        _ model: Module, phases: [Phase<Batch>], data: some TrainingData<Batch>,
        validation: (any TrainingData<Batch>)? = nil, metrics: ((_ batch: Batch) throws -> [String: Tensor])? = nil,
        settings: TrainerSettings = TrainerSettings(), generator: RandomGenerator? = nil, folder: RunFolder? = nil
    ) {
        require(!phases.isEmpty, "Trainer", "there is no phase to train")
        require(
            Set(phases.map(\.name)).count == phases.count, "Trainer",
            "two phases have one name: \(phases.map(\.name).joined(separator: ", "))")
        do { try settings.validate() } catch { stop("Trainer", "\(error)") }
        self.model = model
        self.phases = phases
        self.data = data
        self.settings = settings
        self.folder = folder
        maxSteps = settings.maxSteps
        let device = model.parameters.first?.device ?? .current
        self.device = device
        // Far from where weights are drawn, which begins at 0, as a rule from the same seed.
        let own = RandomGenerator(seed: settings.seed)
        own.state.counter = 1 << 62
        self.generator = generator ?? own
        weights = ModelWeights(model, averageDecay: settings.averageDecay, mode: settings.mode)
        updates = phases.map { WeightUpdate($0, precision: settings.precision, device: device) }
        pending = phases.map { _ in PendingLosses() }
        stopping = settings.patience.map { EarlyStopping(patience: $0, mode: settings.mode) }
        reportInterval = device.isOnHost ? 1 : 20
        skipInterval = reportInterval
        _ = settings.precision.use(on: device)
        if let validation {
            (validationSamples, validationExamples) = (validation.samplesPerEpoch, validation.examples)
            evaluation = { [unowned self] in
                try meanFigures(over: validation, on: device, exchange: ranks?.queue) { batch in
                    (try phases[0].loss(batch), try metrics?(batch) ?? [:])
                }
            }
        }
    }

    /// A trainer of one optimizer.
    /// - Parameters:
    ///   - model: holds the parameters that are trained.
    ///   - optimizer: over the parameters that are trained, at the rate that `schedule` multiplies.
    ///   - schedule: gives the schedule of the learning rate, once it is known how long the run is.
    ///   - clipping: what limits the gradients, in the order in which it is applied.
    ///   - data: where batches come from.
    ///   - validation: what is measured after each epoch; nil measures nothing.
    ///   - metrics: of a batch of the validation data, means over its samples, by name; tensors of no axes.
    ///   - settings: stops the program where they cannot be used.
    ///   - folder: where checkpoints and `metrics.csv` are written.
    ///   - loss: the mean loss of a batch.
    public convenience init(
        _ model: Module, optimizer: any Optimizer,
        schedule: @escaping (_ length: RunLength) -> Schedule = { _ in .constant }, clipping: [GradientClipping] = [],
        data: some TrainingData<Batch>, validation: (any TrainingData<Batch>)? = nil,
        metrics: ((_ batch: Batch) throws -> [String: Tensor])? = nil, settings: TrainerSettings = TrainerSettings(),
        folder: RunFolder? = nil, loss: @escaping (_ batch: Batch) throws -> any TrainingLoss
    ) {
        self.init(
            model, phases: [Phase("model", optimizer, schedule: schedule, clipping: clipping, loss: loss)], data: data,
            validation: validation, metrics: metrics, settings: settings, folder: folder)
    }

    /// Optimizer steps in an epoch, about as many where the data only estimates it; nil where it does not tell.
    public var stepsPerEpoch: Int? {
        data.estimatedBatchesPerEpoch.map { ($0 + settings.accumulation - 1) / settings.accumulation }
    }

    /// Optimizer steps of the whole run, as exact as `stepsPerEpoch`; nil where neither data nor `maxSteps` tell.
    public var totalSteps: Int? {
        guard let stepsPerEpoch else { return maxSteps }
        return min(maxSteps ?? .max, settings.epochs * stepsPerEpoch)
    }

    /// What the doctor has found so far, in this order.
    public var findings: [Finding] { watch?.findings ?? [] }

    /// Mean loss of the first phase over the epoch under way, or the last one finished; nil where none was finite.
    public var trainLoss: Double? {
        progress.losses[phases[0].name].map { $0.mean } ?? progress.history.last?.trainLoss
    }

    /// The rate of the first phase that its schedule multiplies.
    var baseRate: Double { updates[0].baseRate }

    /// Where the loss scale of float16 stands, of the first phase; nil for other precisions. Waits for the device.
    public func lossScaling() throws -> LossScaler.Counters? { try updates[0].scaler?.counters() }

    /// What `evaluation` measures with the weights that the model holds now: after a run, the chosen ones. Random numbers
    /// drawn in it are the same every time.
    /// - Throws: what it throws.
    public func evaluate() throws -> Figures {
        guard let evaluation else { return [:] }
        let generator = RandomGenerator(seed: settings.seed)
        generator.state.counter = 1 << 61
        return try withDevice(device) {
            try withGenerator(generator) {
                try model.evaluating { try withoutGradients { try withPrecision(settings.precision, evaluation) } }
            }
        }
    }

    // MARK: The run

    /// Trains to the end, or until `isInterrupted` says so after a step; then the state is saved as well. At the end the
    /// model has the chosen weights; when interrupted, those that training goes on with.
    /// - Throws: `GimbalError.nonFinite` for a loss that is NaN or infinite, or where all of them were and their steps
    ///   left out; `GimbalError.invalidSetting` for choices that have nothing to look at; what data, devices, files and
    ///   callbacks report.
    @discardableResult
    public func run(isInterrupted: () -> Bool = { false }) throws -> TrainingOutcome {
        try requireFigures()
        folder?.note(failure: nil)
        do {
            return try train(isInterrupted: isInterrupted)
        } catch {
            folder?.note(failure: error)
            exchange?.leave(because: "\(error)")
            throw error
        }
    }

    private func train(isInterrupted: () -> Bool) throws -> TrainingOutcome {
        try withDevice(device) {
            try withGenerator(generator) {
                try weights.resumeLive()
                try meetRanks()
                let length = RunLength(steps: totalSteps, stepsPerEpoch: stepsPerEpoch)
                schedules = phases.map { $0.schedule(length) }
                if let folder, log == nil {
                    for (name, text) in attachments { try AtomicFile.write(text, to: "\(folder.path)/\(name)") }
                    log = try MetricsLog(
                        path: folder.metricsPath, resumingAt: progress.step > 0 ? progress.step : nil)
                }
                try beginWatching()
                try beginTensorBoardLogs()
                let outcome = try runEpochs(isInterrupted: isInterrupted)
                if outcome != .interrupted { try weights.choose(settings.weights) }
                return outcome
            }
        }
    }

    private func requireFigures() throws {
        guard evaluation == nil else { return }
        let cause =
            settings.patience != nil ? "patience" : settings.plateau != nil ? "plateau" : nil
        if let cause {
            throw GimbalError.invalidSetting(
                name: cause, reason: "looks at what is measured on validation data, of which there is none")
        }
    }

    private func runEpochs(isInterrupted: () -> Bool) throws -> TrainingOutcome {
        while progress.epoch < settings.epochs && progress.step < maxSteps ?? .max && !progress.hasStopped {
            if progress.epoch >= pauseEpoch ?? .max { return .interrupted }
            let wasInterrupted: Bool
            do {
                wasInterrupted = try runEpoch(isInterrupted: isInterrupted)
            } catch {
                // Goes back and on, or throws what is known of the cause.
                try recoverer.recover(from: advised(error))
                continue
            }
            if progress.batch > 0 {
                try save()
                try requireFiniteLosses()
                return wasInterrupted ? .interrupted : .finished
            }
            try finishEpoch(isLast: wasInterrupted)
            if wasInterrupted && progress.epoch < settings.epochs && !progress.hasStopped { return .interrupted }
        }
        return progress.hasStopped ? .stoppedEarly : .finished
    }

    /// - Parameter isLast: whether the run stops here, though it has epochs left.
    private func finishEpoch(isLast: Bool) throws {
        let losses = progress.losses
        progress.losses = [:]
        var result = EpochResult(
            epoch: progress.epoch, step: progress.step, trainLoss: losses[phases[0].name]?.mean,
            trainLosses: losses.compactMapValues(\.mean), validation: [:])
        result.leftOutBatches = losses.values.reduce(0) { $0 + $1.leftOut }
        if evaluation != nil {
            try weights.whileTested {
                try ranks?.shareBuffers(of: model)
                let figures = try evaluate()
                result.validation = try agreed { figures }
                guard settings.weights == .best else { return }
                result.isBest = weights.keepIfBest(
                    result.validation[settings.monitor], epoch: progress.epoch, step: progress.step)
            }
            let value = result.validation[settings.monitor]
            if let plateau = settings.plateau {
                progress.plateau = progress.plateau ?? plateau
                progress.plateau?.update(value ?? .nan)
            }
            progress.hasStopped = stopping?.update(value) ?? false
            progress.stopping = stopping?.state
            progress.best = weights.best
        }
        progress.history.append(result)
        try log?.add(result)
        try watch?.add(
            Course.Epoch(
                number: result.epoch, step: result.step, trainLoss: result.trainLoss,
                validationLoss: result.validation["loss"], modes: lossesOfBothModes()))
        try tellFindings()
        for callback in callbacks { try callback.didFinishEpoch(result) }
        let ends =
            isLast || progress.hasStopped || progress.epoch >= min(settings.epochs, pauseEpoch ?? .max)
            || progress.step >= maxSteps ?? .max
        if try ends || isSaveDue() { try save() }
        try requireFiniteLosses()
    }

    /// A run that has learnt nothing because every step was left out is no success.
    private func requireFiniteLosses() throws {
        let now = progress.losses.values
        let isAny =
            progress.history.contains { !$0.trainLosses.isEmpty || $0.leftOutBatches == 0 }
            || now.contains { $0.count > 0 || $0.leftOut == 0 }
        guard isAny || (progress.history.isEmpty && now.isEmpty) else {
            throw GimbalError.nonFinite(
                quantity: "every loss", value: .nan,
                place: "the first \(progress.step) steps, all of which were left out; a lower learning rate, clipping "
                    + "or normalisation may help")
        }
    }

    /// Trains to the end of the epoch, or until there is reason to stop. Gives whether that was an interruption.
    func runEpoch(isInterrupted: () -> Bool) throws -> Bool {
        let clock = ContinuousClock()
        var began = clock.now
        let batches = try StepBatches(
            data.iterator(
                epoch: progress.epoch, from: progress.batch, on: device, rank: ranks?.rank ?? 0, of: ranks?.size ?? 1),
            left: data.batchesPerEpoch.map { $0 - progress.batch }, perStep: settings.accumulation,
            keeps: phases.count > 1)
        guard try !batches.isAtEnd else {
            guard progress.batch == 0 else {
                // It ended where it was left, with a number of batches that was not known.
                progress.epoch += 1
                progress.batch = 0
                return false
            }
            throw GimbalError.invalidSetting(name: "data", reason: "\(dataDescription): no samples to train on")
        }
        let waitedBefore = waitingSeconds
        while true {
            try recoverer.beginStep()
            batches.beginStep()
            ranks?.isInterrupted = isInterrupted()
            var gradientNorm: Tensor?
            // The batches of a step that spoilt the run are passed over.
            let isLeftOut = progress.leavesOut(progress.step + 1)
            for index in phases.indices where progress.step % phases[index].interval == 0 && !isLeftOut {
                let norm = try run(phase: index, batches)
                if index == 0 { gradientNorm = norm }
            }
            let used = try batches.endStep()
            trainedSamples += used.samples
            progress.batch += used.batches
            progress.step += 1
            try weights.average?.update()
            progress.averageUpdates = weights.average?.updates
            // At fixed steps, so that a run that was interrupted has the same bits.
            if progress.step % skipInterval == 0 {
                for (phase, update) in zip(phases, updates) {
                    try update.discountSkippedSteps(&progress.discountedSteps[phase.name])
                }
            }

            let isLast = try batches.isAtEnd
            let wasInterrupted = ranks?.isAnyInterrupted ?? isInterrupted()
            if wasInterrupted { for callback in callbacks { try callback.willLeave() } }
            let stops = wasInterrupted || progress.step >= maxSteps ?? .max
            let saves = checkpointInterval.map { progress.step % $0 == 0 } ?? false
            if (isLast || stops || saves || progress.step % reportInterval == 0) && !recoverer.isReplaying {
                let norm = try gradientNorm.map { Double(try $0.item()) }
                let losses = try takeLosses(gradientNorm: norm)
                trainingSeconds += (clock.now - began).seconds
                waitingSeconds = waitedBefore + batches.waitingSeconds
                try report(losses, gradientNorm: norm)
                try tellFindings()
                try recoverer.judge()
                if saves && !isLast && !stops { try save() }
                began = clock.now
            }
            if isLast {
                progress.epoch += 1
                progress.batch = 0
            }
            if isLast || stops { return wasInterrupted }
        }
    }

    /// Zero gradients, loss, backward, clip, update. Gives the gradient norm if it was computed.
    func run(phase index: Int, _ batches: StepBatches<Batch>) throws -> Tensor? {
        let (phase, update) = (phases[index], updates[index])
        phase.optimizer.learningRate = learningRate(phase: index)
        var step = TrainingStep(
            epoch: progress.epoch + 1, number: progress.step + 1, phase: phase.name, optimizer: phase.optimizer,
            lossScale: update.scaler?.scale)
        phase.optimizer.zeroGradients()
        // Each loss is weighted by its count as if all batches were like the first; what is wrong with that is made up
        // for in the gradients, when all counts are known.
        var (counted, supposed) = (0.0, 0.0)
        var losses: [(loss: Tensor, count: Double)] = []
        try batches.forEach { batch, isLast in
            for callback in callbacks { try callback.willForward(step) }
            newestBatch = batch.batch
            let isLast = try ranks != nil && isLast()
            let body = {
                let loss = try withPrecision(self.settings.precision) { try phase.loss(batch.batch) }
                let isStandIn = batch.share?.isStandIn ?? false
                let (value, count) = (loss.meanLoss, isStandIn ? 0 : loss.lossWeight ?? Double(batch.samples))
                for callback in self.callbacks { try callback.didForward(step, loss: value) }
                if supposed == 0 {
                    supposed = count * Double(self.settings.accumulation)
                    supposed = try self.ranks?.scale(of: index, count: supposed) ?? supposed
                }
                // A stand-in counts for nothing, but takes part in what all ranks exchange.
                guard count > 0 || isStandIn else { return }
                counted += count
                let share = count == supposed ? value : value / (supposed / count)
                try self.backward(update.scaler?.scaled(share) ?? share, phase: index, isLast: isLast)
                losses.append((value.detached(), count))
            }
            try BatchShare.$current.withValue(batch.share) {
                try watch?.watching(step.number, phase: index, body) ?? body()
            }
        }
        if let ranks {
            let all = try ranks.finish(phase: index, losses: losses)
            losses = [(Tensor([Float(all.loss)], [], device: device), all.count)]
            counted = all.count
        }
        for (loss, count) in losses where count > 0 { pending[index].add(loss, count: count, step: step.number) }
        if counted != supposed, counted > 0 {
            try scaleGradients(phase.optimizer.parameters, by: supposed / counted)
            watch?.gradientsAreScaled(by: supposed / counted, phase: index)
        }
        for callback in callbacks { try callback.didBackward(step) }
        try update.apply(
            &step, callbacks + (watch.map { [$0.seam(phase: index)] } ?? []), clipNorm: progress.recoveredClipNorm)
        return step.gradientNorm
    }

    private func backward(_ loss: Tensor, phase: Int, isLast: Bool) throws {
        guard let ranks else { return try loss.backward() }
        try ranks.exchanging(phase: phase, isLast: isLast) { try loss.backward() }
    }

    /// The rate of the step under way.
    func learningRate(phase index: Int) -> Double {
        updates[index].baseRate * schedules[index].factor(at: progress.step) * (progress.plateau?.scale ?? 1)
            * progress.recoveredRate
    }

    /// Mean losses since the last report, by phase.
    private func takeLosses(gradientNorm: Double?) throws -> [String: Double] {
        var losses: [String: Double] = [:]
        let (epoch, step) = (progress.epoch + 1, progress.step)
        for (index, phase) in phases.enumerated() {
            do {
                losses[phase.name] = try pending[index].take(
                    into: &progress.losses[phase.name, default: .init()],
                    toleratesNonFinite: phase.nonFinite == .skip || phase.nonFinite == .zero,
                    place: "epoch \(epoch), at or shortly before step \(step)"
                        + (phases.count > 1 ? ", phase \(phase.name)" : ""))
            } catch {
                // How it came to this.
                let before = Array(pending[index].steps.prefix { $0.loss.isFinite })
                try watch?.add(before, phase: index, gradientNorm: nil)
                throw error
            }
            try watch?.add(pending[index].steps, phase: index, gradientNorm: index == 0 ? gradientNorm : nil)
        }
        return losses
    }

    private func report(_ losses: [String: Double], gradientNorm: Double?) throws {
        let rate = trainingSeconds > 0 ? Double(trainedSamples) / trainingSeconds : 0
        let stepsTrained = Double(trainedSteps)
        let report = StepReport(
            epoch: progress.epoch + 1, epochs: settings.epochs, step: progress.step, steps: totalSteps,
            learningRate: phases[0].optimizer.learningRate, loss: losses[phases[0].name] ?? .nan, losses: losses,
            gradientNorm: gradientNorm, samplesPerSecond: rate,
            secondsLeft: stepsTrained > 0
                ? totalSteps.map { Double(max($0 - progress.step, 0)) * trainingSeconds / stepsTrained } : nil)
        try log?.add(report)
        for callback in callbacks { try callback.didReport(report) }
    }

    // MARK: Going back

    /// Runs `body`, which repeats steps that were taken before.
    func withoutWatching<Result>(_ body: () throws -> Result) rethrows -> Result {
        let (held, kept) = (watch, log)
        (watch, log) = (nil, nil)
        defer { (watch, log) = (held, kept) }
        return try body()
    }

    /// Takes rows after step `step` back, which will be written anew.
    func rewindLogs(to step: Int) throws {
        if let folder, log != nil { log = try MetricsLog(path: folder.metricsPath, resumingAt: step > 0 ? step : nil) }
        try watch?.rewind(to: step)
        try beginTensorBoardLogs()
        (firstStep, comparedStep) = (min(firstStep, step), min(comparedStep, step))
    }

    /// Where the first number of the next step that is NaN or infinite comes from; the step is not taken. Of several ranks, all
    /// are to call this; the first looks at the rows of all.
    /// - Parameter phase: whose loss is looked into; those before it are run.
    func originOfNonFinite(phase: Int) throws -> NonFiniteOrigin? {
        func batches(rank: Int = 0, of size: Int = 1) throws -> StepBatches<Batch> {
            let batches = try StepBatches(
                data.iterator(epoch: progress.epoch, from: progress.batch, on: device, rank: rank, of: size),
                left: data.batchesPerEpoch.map { $0 - progress.batch }, perStep: settings.accumulation, keeps: true)
            batches.beginStep()
            return batches
        }
        let own = try batches(rank: ranks?.rank ?? 0, of: ranks?.size ?? 1)
        guard try !own.isAtEnd else { return nil }
        for index in 0..<phase where progress.step % phases[index].interval == 0 { _ = try run(phase: index, own) }
        func search() throws -> NonFiniteOrigin? {
            var origin: NonFiniteOrigin?
            try (ranks == nil ? own : batches()).forEach { batch, _ in
                guard origin == nil else { return }
                origin = try NonFiniteOrigin.search(model, on: batch.batch) {
                    let loss = try withPrecision(settings.precision) { try phases[phase].loss(batch.batch).meanLoss }
                    return updates[phase].scaler?.scaled(loss) ?? loss
                }
            }
            return origin
        }
        // The batch of all ranks may be too large for one device, which is no reason to end the run.
        return try agreed { try? search() }
    }
}

/// How a call of `Trainer.run(isInterrupted:)` ended.
public enum TrainingOutcome: Sendable, Equatable {
    /// The run has come to its end: its last epoch, or its last step.
    case finished
    /// Early stopping has ended the run.
    case stoppedEarly
    /// The caller asked to stop; the state is saved, and the run can be gone on with.
    case interrupted
}
