import ArgumentParser
import GimbalTrain

/// How to train it.
struct TrainingOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Random changes to training images, separated by commas: flip, shift, crop, rotate, cutout.",
            valueName: "changes"))
    var augment: String?
    @Option(help: "Mixes pairs of examples and their classes: the alpha of mixup. (default: 0)")
    var mixup: Double?
    @Option(help: "The loss. (default: cross-entropy for classes, mse for numbers)")
    var loss: TrainingSettings.LossKind?
    @Option(help: "Share of the probability that is spread over all classes. (default: 0)")
    var labelSmoothing: Double?

    @Option(help: "The optimizer. (default: sgd)")
    var optimizer: TrainingSettings.OptimizerKind?
    @Option(
        name: .customLong("lr"), help: "Learning rate. (default: 0.01 for sgd, else the optimizer's own in PyTorch)")
    var learningRate: Double?
    @Option(help: "Momentum of sgd and rmsprop. (default: 0)")
    var momentum: Double?
    @Flag(inversion: .prefixedNo, help: "Nesterov's variant of momentum.")
    var nesterov: Bool?
    @Option(help: "Decay of the first moment of adam and its kin. (default: 0.9)")
    var beta1: Double?
    @Option(help: "Decay of the second moment of adam and its kin. (default: 0.999; lion 0.99)")
    var beta2: Double?
    @Option(help: "L2 penalty; decoupled with adamw and lion. (default: 0)")
    var weightDecay: Double?
    @Flag(inversion: .prefixedNo, help: "Leave biases and the scales of norms without decay.")
    var decayWeightsOnly: Bool?
    @Option(help: "What the rate of a layer is multiplied by to give that of the one before. (default: 1)")
    var layerwiseDecay: Double?
    @Option(help: "L1 penalty. (default: 0)")
    var l1: Double?
    @Option(help: "Largest norm of the weights into a unit; 0 for no limit. (default: 0)")
    var maxNorm: Double?
    @Option(help: "Gradient noise: its variance at the first step. (default: 0)")
    var gradientNoise: Double?
    @Option(help: "Lookahead: steps between two moves of the slow weights; 0 for none. (default: 0)")
    var lookahead: Int?
    @Option(help: "Decay of a moving average of the weights, which is tested; 0 keeps none. (default: 0)")
    var ema: Double?

    @Option(help: "How the learning rate changes. (default: constant)")
    var schedule: TrainingSettings.ScheduleKind?
    @Option(help: "Optimizer steps of warmup before the schedule. (default: 0)")
    var warmup: Int?
    @Option(help: "How warmup rises. (default: linear)")
    var warmupKind: TrainingSettings.WarmupKind?
    @Option(
        help:
            "Epochs between two reductions by step, the period of cosine-restarts, half the cycle of cyclic. (default: 10)"
    )
    var stepEpochs: Int?
    @Option(
        help: ArgumentHelp("Epochs after which multi-step reduces the rate, separated by commas.", valueName: "epochs"))
    var milestones: String?
    @Option(help: "What step, multi-step, plateau and, each epoch, exponential multiply by. (default: 0.1)")
    var stepFactor: Double?
    @Option(help: "Power of --schedule polynomial. (default: 1)")
    var power: Double?
    @Option(help: "Epochs without a better test loss before --schedule plateau reduces the rate. (default: 10)")
    var plateauPatience: Int?

    @Option(help: "Global norm that gradients are clipped to; 0 does not clip. (default: 1.0)")
    var clipNorm: Double?
    @Option(help: "Order of the norms of --clip-norm and --clip-layer, or inf. (default: 2)")
    var clipOrder: Double?
    @Option(help: "Limit on each element of the gradient; 0 does not clip. (default: 0)")
    var clipValue: Double?
    @Option(help: "Norm that each parameter's own gradient is clipped to; 0 does not clip. (default: 0)")
    var clipLayer: Double?
    @Option(
        help:
            "Adaptive clipping: each unit's gradient to this share of its weights' norm; 0 does not clip. (default: 0)")
    var clipAdaptive: Double?
    @Option(help: "AutoClip: clip to this percentile of the gradient norms so far. (default: none)")
    var clipPercentile: Double?
    @Option(help: "What to do with gradients that are NaN or infinite. (default: pass)")
    var nonFinite: NonFiniteGradients?

    @Option(help: "What products are computed in; weights and sums are float32 in any case. (default: float32)")
    var precision: Precision?
    @Option(help: "Samples in a batch. (default: 64)")
    var batchSize: Int?
    @Option(help: "Batches whose gradients are added up for one step. (default: 1)")
    var accumulate: Int?
    @Option(help: "Times to go through the data; may be raised when resuming. (default: 5)")
    var epochs: Int?
    @Option(
        help: "Epochs without a better test loss after which to stop with the best weights; 0 goes on. (default: 0)")
    var earlyStopping: Int?
    @Option(help: "Of the weights, the order of the samples and dropout. (default: 0)")
    var seed: UInt64?

    /// The settings of a new run, or those of the run to be resumed.
    func settings(resuming saved: TrainingSettings?) throws -> TrainingSettings {
        var result = saved ?? TrainingSettings()
        let isNew = saved == nil
        if isNew { result.clipNorm = 1 }
        try take(try augment.map(changes), "--augment", into: &result.augmentation, isNew)
        try take(mixup, "--mixup", into: &result.mixup, isNew)
        try take(loss, "--loss", into: &result.loss, isNew)
        try take(labelSmoothing, "--label-smoothing", into: &result.labelSmoothing, isNew)
        try take(optimizer, "--optimizer", into: &result.optimizer, isNew)
        try take(optional(learningRate), "--lr", into: &result.learningRate, isNew)
        try take(momentum, "--momentum", into: &result.momentum, isNew)
        try take(nesterov, "--nesterov", into: &result.isNesterov, isNew)
        try take(optional(beta1), "--beta1", into: &result.beta1, isNew)
        try take(optional(beta2), "--beta2", into: &result.beta2, isNew)
        try take(weightDecay, "--weight-decay", into: &result.weightDecay, isNew)
        try take(decayWeightsOnly, "--decay-weights-only", into: &result.decaysWeightsOnly, isNew)
        try take(layerwiseDecay, "--layerwise-decay", into: &result.layerwiseDecay, isNew)
        try take(l1, "--l1", into: &result.l1, isNew)
        try take(orNone(maxNorm), "--max-norm", into: &result.maxWeightNorm, isNew)
        try take(gradientNoise, "--gradient-noise", into: &result.gradientNoise, isNew)
        try take(orNone(lookahead), "--lookahead", into: &result.lookahead, isNew)
        try take(orNone(ema), "--ema", into: &result.averageDecay, isNew)
        try take(schedule, "--schedule", into: &result.schedule, isNew)
        try take(warmup, "--warmup", into: &result.warmup, isNew)
        try take(warmupKind, "--warmup-kind", into: &result.warmupKind, isNew)
        try take(stepEpochs, "--step-epochs", into: &result.stepEpochs, isNew)
        try take(try milestones.map(numbers), "--milestones", into: &result.milestones, isNew)
        try take(stepFactor, "--step-factor", into: &result.stepFactor, isNew)
        try take(power, "--power", into: &result.power, isNew)
        try take(plateauPatience, "--plateau-patience", into: &result.plateauPatience, isNew)
        try take(orNone(clipNorm), "--clip-norm", into: &result.clipNorm, isNew)
        try take(clipOrder, "--clip-order", into: &result.clipOrder, isNew)
        try take(orNone(clipValue), "--clip-value", into: &result.clipValue, isNew)
        try take(orNone(clipLayer), "--clip-layer", into: &result.clipLayer, isNew)
        try take(orNone(clipAdaptive), "--clip-adaptive", into: &result.clipAdaptive, isNew)
        try take(optional(clipPercentile), "--clip-percentile", into: &result.clipPercentile, isNew)
        try take(nonFinite, "--non-finite", into: &result.nonFinite, isNew)
        try take(precision, "--precision", into: &result.precision, isNew)
        try take(batchSize, "--batch-size", into: &result.batchSize, isNew)
        try take(accumulate, "--accumulate", into: &result.accumulation, isNew)
        try take(epochs, "--epochs", into: &result.epochs, true)
        try take(orNone(earlyStopping), "--early-stopping", into: &result.patience, isNew)
        try take(seed, "--seed", into: &result.seed, isNew)
        // The rate is kept as a number, whatever an optimizer's own may come to be.
        if isNew { result.learningRate = result.rate }
        try result.validate()
        return result
    }

    private func changes(_ text: String) throws -> [TrainingSettings.ImageChange] {
        try text.split(separator: ",").map { name in
            guard let change = TrainingSettings.ImageChange(rawValue: String(name)) else {
                let known = TrainingSettings.ImageChange.allCases.map(\.rawValue).joined(separator: ", ")
                throw GimbalError.invalidSetting(name: "--augment", reason: "no change '\(name)'; there are \(known)")
            }
            return change
        }
    }

    private func numbers(_ text: String) throws -> [Int] {
        try text.split(separator: ",").map { part in
            guard let number = Int(part) else {
                throw GimbalError.invalidSetting(name: "--milestones", reason: "'\(part)' is no whole number")
            }
            return number
        }
    }
}

/// A value in words, without the name of the type that it may be missing in.
private func plain(_ value: Any) -> String {
    let mirror = Mirror(reflecting: value)
    guard mirror.displayStyle == .optional else { return "\(value)" }
    return mirror.children.first.map { "\($0.value)" } ?? "none"
}

/// What was given, for a setting that may be none: without this, an option left out would count as none given.
func optional<Value>(_ given: Value?) -> Value?? { given.map { $0 } }

/// 0 stands for not at all.
private func orNone<Value: Numeric>(_ given: Value?) -> Value?? { given.map { $0 == 0 ? nil : $0 } }

/// Sets `setting` to what was given. In a resumed run it must be what the run began with.
func take<Value: Equatable>(
    _ given: Value?, _ name: String, into setting: inout Value, _ isNew: Bool
) throws {
    guard let given else { return }
    guard isNew || given == setting else {
        throw GimbalError.invalidSetting(
            name: name,
            reason: "the run began with \(plain(setting)), which --resume cannot change; leave the option out")
    }
    setting = given
}

extension TrainingSettings.LossKind: ExpressibleByArgument {}
extension TrainingSettings.OptimizerKind: ExpressibleByArgument {}
extension TrainingSettings.ScheduleKind: ExpressibleByArgument {}
extension TrainingSettings.WarmupKind: ExpressibleByArgument {}
extension NonFiniteGradients: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}
