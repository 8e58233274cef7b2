import ArgumentParser
import GimbalTrain

/// How to train it. Every option may be left out: a new run then takes what the model's recipe says, a resumed one what it
/// began with.
struct TrainingOptions: ParsableArguments {
    @OptionGroup(title: "Loss and changes to the data") var data: ExampleFlags
    @OptionGroup(title: "First weights") var fineTuning: FineTuningFlags
    @OptionGroup(title: "Optimizer") var descent: OptimizerFlags
    @OptionGroup(title: "Regularisation") var regularization: RegularizationFlags
    @OptionGroup(title: "Schedule of the learning rate") var rates: ScheduleFlags
    @OptionGroup(title: "Gradient clipping") var clipping: ClippingFlags
    @OptionGroup(title: "Course of training") var course: CourseFlags

    /// The settings of a new run, or those of the run to be resumed.
    /// - Parameters:
    ///   - saved: nil for a new run.
    ///   - kind: of the model, whose recipe is taken where nothing is said.
    ///   - isTable: whether the data is a table.
    ///   - validates: whether data is held back, without which the recipe's early stopping is left out.
    func settings(
        resuming saved: TrainingSettings?, for kind: ModelSettings.Kind, isTable: Bool, validates: Bool
    ) throws -> TrainingSettings {
        var result =
            saved
            ?? TrainingSettings(
                for: kind, isTable: isTable, optimizer: descent.optimizer, schedule: rates.schedule)
        let isNew = saved == nil
        // How long a recipe trains, it says by both: who gives the number of epochs means that number.
        if isNew && (!validates || course.epochs != nil) { result.patience = nil }
        try data.apply(to: &result, isNew)
        try fineTuning.apply(to: &result, isNew)
        try descent.apply(to: &result, isNew)
        try regularization.apply(to: &result, isNew)
        try rates.apply(to: &result, isNew)
        try clipping.apply(to: &result, isNew)
        try course.apply(to: &result, isNew)
        // The rate is kept as a number, whatever an optimizer's own may come to be.
        if isNew { result.learningRate = result.rate }
        try result.validate()
        return result
    }
}

extension TrainingOptions {
    /// What was given and has no effect, in words.
    func unused(in settings: TrainingSettings) -> [String] {
        let schedules: [(isGiven: Bool, flag: String, kinds: [TrainingSettings.ScheduleKind])] = [
            (rates.power != nil, "--power", [.polynomial]),
            (rates.milestones != nil, "--milestones", [.multiStep]),
            (rates.stepEpochs != nil, "--step-epochs", [.step, .cosineWithRestarts, .cyclic]),
            (rates.stepFactor != nil, "--step-factor", [.step, .multiStep, .plateau, .exponential]),
            (rates.plateauPatience != nil, "--plateau-patience", [.plateau]),
        ]
        var notes = schedules.filter { $0.isGiven && !$0.kinds.contains(settings.schedule) }.map {
            "\($0.flag) has no effect with --schedule \(settings.schedule.rawValue)"
        }
        if settings.layerDecays != nil, settings.weightDecay == 0 {
            notes.append("--layer-decay has no effect without --weight-decay")
        }
        if settings.classWeights != nil, settings.batchSize * settings.accumulation == 1 {
            notes.append("--class-weights have no effect with one sample in a step")
        }
        if rates.warmupKind != nil && settings.warmup == 0 {
            notes.append("--warmup-kind has no effect without --warmup")
        }
        if clipping.clipOrder != nil && settings.clipNorm == nil && settings.clipLayer == nil {
            notes.append("--clip-order has no effect without --clip-norm or --clip-layer")
        }
        return notes
    }
}

extension TrainingOptions {
    /// What was given and has no effect in a run of this length and on this data, in words.
    func unused(in trainer: Trainer<Batch>) -> [String] {
        var notes: [String] = []
        if let warmup = rates.warmup, let steps = trainer.totalSteps, warmup >= steps, steps > 0 {
            notes.append(
                "--warmup \(warmup) is not over before the run, of \(steps) step\(steps == 1 ? "" : "s"), is: the rate stays below --lr, and no "
                    + "schedule begins")
        }
        let epochs = trainer.settings.epochs
        if let stepEpochs = rates.stepEpochs, rates.schedule == .step, stepEpochs >= epochs {
            notes.append("--step-epochs \(stepEpochs) never reduces the rate in \(epochs) epochs")
        }
        if course.weights == .best, trainer.evaluation == nil {
            notes.append("--weights best has no effect without validation data: the last weights are taken")
        }
        return notes
    }
}

/// The loss, and what is done to samples of the training data.
struct ExampleFlags: ParsableArguments {
    @Option(help: "The loss. (default: cross-entropy for classes, mse for numbers)")
    var loss: TrainingSettings.LossKind?
    @Option(
        help:
            "Share of the probability that is spread over all classes. (default: \(Defaults.training.labelSmoothing.text))"
    )
    var labelSmoothing: Double?
    @Option(
        help: ArgumentHelp(
            "What the examples of each class count for in the loss: as much in all as those of any other, or by name, others 1. (default: 1 each)",
            valueName: "balanced|name=weight,…"))
    var classWeights: ClassWeights?
    @Option(
        help: ArgumentHelp(
            "Random changes to training images, separated by commas, or none: \(Defaults.imageChanges.joined(separator: ", ")). (default: \(Defaults.byRecipe { $0.augmentation.text }))",
            valueName: "changes"), completion: .commaList { Defaults.imageChanges })
    var augment: String?
    @Option(
        help:
            "Mixes pairs of examples and their classes: the alpha of mixup. (default: \(Defaults.training.mixup.text))")
    var mixup: Double?

    /// Sets what was given.
    func apply(to result: inout TrainingSettings, _ isNew: Bool) throws {
        // What the loss is where none was said may be said once more; whether it fits the data is seen later.
        if !isNew, result.loss == .standard, loss == .crossEntropy || loss == .meanSquaredError {
            result.loss = loss ?? .standard
        }
        try take(loss, "loss", into: &result.loss, isNew)
        // The numbers of balanced ones are filled in when the run begins.
        if let classWeights, isNew || !classWeights.isBalanced || result.classWeights?.isBalanced != true {
            try take(.some(classWeights), "classWeights", into: &result.classWeights, isNew)
        }
        try take(labelSmoothing, "labelSmoothing", into: &result.labelSmoothing, isNew)
        try take(try augment.map(changes), "augmentation", into: &result.augmentation, isNew)
        try take(mixup, "mixup", into: &result.mixup, isNew)
    }

    private func changes(_ text: String) throws -> [TrainingSettings.ImageChange] {
        if text == "none" { return [] }
        return try text.split(separator: ",").map { name in
            guard let change = TrainingSettings.ImageChange(rawValue: String(name)) else {
                throw GimbalError.invalidSetting(
                    name: "augmentation",
                    reason: "no change '\(name)'; there are \(Defaults.imageChanges.joined(separator: ", "))")
            }
            return change
        }
    }
}

/// The optimizer and its own settings.
struct OptimizerFlags: ParsableArguments {
    @Option(help: "The optimizer. (default: \(Defaults.byRecipe { $0.optimizer.rawValue }))")
    var optimizer: TrainingSettings.OptimizerKind?
    @Option(
        name: .customLong("lr"), help: "Learning rate. (default: \(Defaults.rates))")
    var learningRate: Double?
    @Option(help: "Momentum of sgd and rmsprop. (default: \(Defaults.byRecipe { $0.momentum.text }))")
    var momentum: Double?
    @Flag(
        inversion: .prefixedNo,
        help: "Nesterov's variant of momentum. (default: \(Defaults.byRecipe { $0.isNesterov.text }))")
    var nesterov: Bool?
    @Option(
        help: "Decay of the first moment of adam and its kin. (default: \(Defaults.byOptimizer { $0.betas?.first }))")
    var beta1: Double?
    @Option(
        help: "Decay of the second moment of adam and its kin. (default: \(Defaults.byOptimizer { $0.betas?.second }))")
    var beta2: Double?
    @Option(help: "L2 penalty; decoupled with adamw and lion. (default: \(Defaults.byRecipe { $0.weightDecay.text }))")
    var weightDecay: Double?
    @Flag(
        inversion: .prefixedNo,
        help:
            "Leave biases and the scales of norms without decay. (default: \(Defaults.byRecipe { $0.decaysWeightsOnly.text }))"
    )
    var decayWeightsOnly: Bool?
    @Option(
        help: ArgumentHelp(
            "What the decay of --weight-decay is multiplied by for parameters that fit a pattern, such as '0.*=10'. May be given several times; the first that fits counts.",
            valueName: "pattern=factor"))
    var layerDecay: [LayerDecay] = []
    @Option(
        help:
            "What the rate of a layer is multiplied by to give that of the one before. (default: \(Defaults.training.layerwiseDecay.text))"
    )
    var layerwiseDecay: Double?
    @Option(
        help:
            "Lookahead: steps between two moves of the slow weights; 0 for none. (default: \(Defaults.training.lookahead.text))"
    )
    var lookahead: Int?
    @Option(
        help:
            "Decay of a moving average of the weights, which is what is measured; 0 keeps none. (default: \(Defaults.training.averageDecay.text))"
    )
    var ema: Double?

    /// Sets what was given.
    func apply(to result: inout TrainingSettings, _ isNew: Bool) throws {
        try take(optimizer, "optimizer", into: &result.optimizer, isNew)
        try take(optional(learningRate), "learningRate", into: &result.learningRate, isNew)
        try take(momentum, "momentum", into: &result.momentum, isNew)
        try take(nesterov, "isNesterov", into: &result.isNesterov, isNew)
        try take(optional(beta1), "beta1", into: &result.beta1, isNew)
        try take(optional(beta2), "beta2", into: &result.beta2, isNew)
        try take(weightDecay, "weightDecay", into: &result.weightDecay, isNew)
        try take(decayWeightsOnly, "decaysWeightsOnly", into: &result.decaysWeightsOnly, isNew)
        try take(layerDecay.isEmpty ? nil : .some(layerDecay), "layerDecays", into: &result.layerDecays, isNew)
        try take(layerwiseDecay, "layerwiseDecay", into: &result.layerwiseDecay, isNew)
        try take(orNone(lookahead), "lookahead", into: &result.lookahead, isNew)
        try take(orNone(ema), "averageDecay", into: &result.averageDecay, isNew)
    }
}

/// What is done to weights and gradients besides.
struct RegularizationFlags: ParsableArguments {
    @Option(help: "L1 penalty. (default: \(Defaults.training.l1.text))")
    var l1: Double?
    @Option(
        help:
            "Largest norm of the weights into a unit; 0 for no limit. (default: \(Defaults.training.maxWeightNorm.text))"
    )
    var maxNorm: Double?
    @Option(help: "Gradient noise: its variance at the first step. (default: \(Defaults.training.gradientNoise.text))")
    var gradientNoise: Double?

    /// Sets what was given.
    func apply(to result: inout TrainingSettings, _ isNew: Bool) throws {
        try take(l1, "l1", into: &result.l1, isNew)
        try take(orNone(maxNorm), "maxWeightNorm", into: &result.maxWeightNorm, isNew)
        try take(gradientNoise, "gradientNoise", into: &result.gradientNoise, isNew)
    }
}

/// How the learning rate changes.
struct ScheduleFlags: ParsableArguments {
    @Option(help: "How the learning rate changes. (default: \(Defaults.byRecipe { $0.schedule.rawValue }))")
    var schedule: TrainingSettings.ScheduleKind?
    @Option(help: "Optimizer steps of warmup before the schedule. (default: \(Defaults.training.warmup))")
    var warmup: Int?
    @Option(help: "How warmup rises. (default: \(Defaults.training.warmupKind.rawValue))")
    var warmupKind: TrainingSettings.WarmupKind?
    @Option(
        help:
            "Epochs between two reductions by step, the period of cosine-restarts, half the cycle of cyclic. (default: \(Defaults.training.stepEpochs))"
    )
    var stepEpochs: Int?
    @Option(
        help: ArgumentHelp("Epochs after which multi-step reduces the rate, separated by commas.", valueName: "epochs"))
    var milestones: String?
    @Option(
        help:
            "What step, multi-step, plateau and, each epoch, exponential multiply by. (default: \(Defaults.training.stepFactor.text))"
    )
    var stepFactor: Double?
    @Option(help: "Power of --schedule polynomial. (default: \(Defaults.training.power.text))")
    var power: Double?
    @Option(
        help:
            "Epochs without a better validation loss before --schedule plateau reduces the rate. (default: \(Defaults.training.plateauPatience))"
    )
    var plateauPatience: Int?

    /// Sets what was given.
    func apply(to result: inout TrainingSettings, _ isNew: Bool) throws {
        try take(schedule, "schedule", into: &result.schedule, isNew)
        try take(warmup, "warmup", into: &result.warmup, isNew)
        try take(warmupKind, "warmupKind", into: &result.warmupKind, isNew)
        try take(stepEpochs, "stepEpochs", into: &result.stepEpochs, isNew)
        try take(try milestones.map(numbers), "milestones", into: &result.milestones, isNew)
        try take(stepFactor, "stepFactor", into: &result.stepFactor, isNew)
        try take(power, "power", into: &result.power, isNew)
        try take(plateauPatience, "plateauPatience", into: &result.plateauPatience, isNew)
    }

    private func numbers(_ text: String) throws -> [Int] {
        try text.split(separator: ",").map { part in
            guard let number = Int(part) else {
                throw GimbalError.invalidSetting(name: "milestones", reason: "'\(part)' is no whole number")
            }
            return number
        }
    }
}

/// What limits the gradients.
struct ClippingFlags: ParsableArguments {
    @Option(
        help:
            "Global norm that gradients are clipped to; 0 does not clip. (default: \(Defaults.training.clipNorm.text))")
    var clipNorm: Double?
    @Option(
        help:
            "Order of the norms of --clip-norm and --clip-layer, or inf. (default: \(Defaults.training.clipOrder.text))"
    )
    var clipOrder: Double?
    @Option(
        help: "Limit on each element of the gradient; 0 does not clip. (default: \(Defaults.training.clipValue.text))")
    var clipValue: Double?
    @Option(
        help:
            "Norm that each parameter's own gradient is clipped to; 0 does not clip. (default: \(Defaults.training.clipLayer.text))"
    )
    var clipLayer: Double?
    @Option(
        help:
            "Adaptive clipping: each unit's gradient to this share of its weights' norm; 0 does not clip. (default: \(Defaults.training.clipAdaptive.text))"
    )
    var clipAdaptive: Double?
    @Option(
        help:
            "AutoClip: clip to this percentile of the gradient norms so far. (default: \(Defaults.training.clipPercentile?.text ?? "none"))"
    )
    var clipPercentile: Double?
    @Option(
        help: "What to do with gradients that are NaN or infinite. (default: \(Defaults.training.nonFinite.rawValue))")
    var nonFinite: NonFiniteGradients?

    /// Sets what was given.
    func apply(to result: inout TrainingSettings, _ isNew: Bool) throws {
        try take(orNone(clipNorm), "clipNorm", into: &result.clipNorm, isNew)
        try take(clipOrder, "clipOrder", into: &result.clipOrder, isNew)
        try take(orNone(clipValue), "clipValue", into: &result.clipValue, isNew)
        try take(orNone(clipLayer), "clipLayer", into: &result.clipLayer, isNew)
        try take(orNone(clipAdaptive), "clipAdaptive", into: &result.clipAdaptive, isNew)
        try take(optional(clipPercentile), "clipPercentile", into: &result.clipPercentile, isNew)
        try take(nonFinite, "nonFinite", into: &result.nonFinite, isNew)
    }
}

/// How long and in what steps training goes.
struct CourseFlags: ParsableArguments {
    @Option(
        help:
            "Times to go through the data; may be raised when resuming. (default: \(Defaults.byRecipe { "\($0.epochs)" }))"
    )
    var epochs: Int?
    @Option(
        help:
            "Samples in a batch, or in that of each of several ranks. (default: \(Defaults.byRecipe { "\($0.batchSize)" }))"
    )
    var batchSize: Int?
    @Option(
        help:
            "Batches whose gradients are added up for one step, each weighted by its samples. (default: \(Defaults.training.accumulation))"
    )
    var accumulate: Int?
    @Option(
        help:
            "Epochs without a better validation loss after which to stop; 0 goes on; may be changed when resuming. (default: \(Defaults.byRecipe { $0.patience.text }))"
    )
    var earlyStopping: Int?
    @Flag(
        inversion: .prefixedNo,
        help:
            "When the run diverges, go back to where it was well, leave the batch out, clip or lower the rate, and go on, up to \(Self.recoveries) times; may be changed when resuming."
    )
    var autoRecover: Bool?
    @Option(
        help:
            "Stop after so many optimizer steps, schedules with it; 0 for no limit; may be changed when resuming. (default: \(Defaults.training.maxSteps.text))"
    )
    var maxSteps: Int?
    @Option(
        help:
            "The weights that the run ends with, and that model.safetensors holds: the best by validation loss, the moving average, or the last. (default: \(Defaults.training.weights.rawValue))"
    )
    var weights: WeightChoice?
    @Option(
        help:
            "What products are computed in; weights and sums are float32 in any case. (default: \(Defaults.training.precision.rawValue))"
    )
    var precision: Precision?
    @Option(
        help:
            "Of the weights, the split and the order of the samples, and dropout. (default: \(Defaults.training.seed))")
    var seed: UInt64?

    /// Enough to lower a rate to a hundredth after a batch was left out in vain.
    private static let recoveries = 6

    /// Sets what was given.
    func apply(to result: inout TrainingSettings, _ isNew: Bool) throws {
        try take(epochs, "epochs", into: &result.epochs, true)
        // What is given is what each rank computes at once.
        let wholeBatch = batchSize.map { $0.multipliedReportingOverflow(by: CommandRanks.size).partialValue }
        try take(wholeBatch, "batchSize", into: &result.batchSize, isNew)
        try take(accumulate, "accumulation", into: &result.accumulation, isNew)
        try take(orNone(earlyStopping), "patience", into: &result.patience, true)
        try take(autoRecover.map { $0 ? Self.recoveries : nil }, "recoveries", into: &result.recoveries, true)
        try take(orNone(maxSteps), "maxSteps", into: &result.maxSteps, true)
        try take(weights, "weights", into: &result.weights, isNew)
        try take(precision, "precision", into: &result.precision, isNew)
        try take(seed, "seed", into: &result.seed, isNew)
    }
}

/// A value in words, without the name of the type that it may be missing in.
private func plain(_ value: Any) -> String {
    let mirror = Mirror(reflecting: value)
    if mirror.displayStyle == .optional { return mirror.children.first.map { plain($0.value) } ?? "none" }
    return (value as? any RawRepresentable).map { "\($0.rawValue)" } ?? "\(value)"
}

/// What was given, for a setting that may be none: without this, an option left out would count as none given.
func optional<Value>(_ given: Value?) -> Value?? { given.map { $0 } }

/// 0 stands for not at all.
private func orNone<Value: Numeric>(_ given: Value?) -> Value?? { given.map { $0 == 0 ? nil : $0 } }

/// What is thrown for an option that says otherwise than the run that goes on began with.
func begunOtherwise(_ option: String, _ begun: String) -> GimbalError {
    .invalidSetting(
        name: option, reason: "the run began with \(begun), which cannot be changed; leave the option out")
}

/// Sets `setting` to what was given. In a resumed run it must be what the run began with.
func take<Value: Equatable>(
    _ given: Value?, _ property: String, into setting: inout Value, _ isNew: Bool
) throws {
    guard let given else { return }
    guard isNew || given == setting else {
        throw GimbalError.invalidSetting(
            name: property,
            reason: "the run began with \(plain(setting)), which --resume cannot change; leave the option out")
    }
    setting = given
}

extension ClassWeights: ExpressibleByArgument {
    public init?(argument: String) {
        if argument == "balanced" {
            self = .balanced
            return
        }
        var weights: [(name: String, weight: Double)] = []
        for word in argument.split(separator: ",") {
            // A name may hold the mark itself.
            guard let place = word.lastIndex(of: "="), let weight = Double(word[word.index(after: place)...]) else {
                return nil
            }
            weights.append((String(word[..<place]), weight))
        }
        self.init(weights)
    }
}
extension TrainingSettings.LossKind: ExpressibleByArgument {}
extension TrainingSettings.OptimizerKind: ExpressibleByArgument {}
extension TrainingSettings.ScheduleKind: ExpressibleByArgument {}
extension TrainingSettings.WarmupKind: ExpressibleByArgument {}
extension NonFiniteGradients: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}
extension WeightChoice: ExpressibleByArgument {}
