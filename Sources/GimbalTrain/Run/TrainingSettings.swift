/// How a model is trained. Saved with every checkpoint; together with the data, it determines a run to the last bit.
public struct TrainingSettings: Codable, Sendable, Equatable {
    public enum OptimizerKind: String, Codable, Sendable, CaseIterable { case sgd, adam, adamw }
    public enum ScheduleKind: String, Codable, Sendable, CaseIterable { case constant, step, cosine }

    public var optimizer = OptimizerKind.sgd
    public var learningRate = 0.01
    public var momentum = 0.0
    public var isNesterov = false
    public var weightDecay = 0.0
    public var schedule = ScheduleKind.constant
    /// Optimizer steps of linear warmup before the schedule.
    public var warmup = 0
    /// Epochs between two reductions by `step`.
    public var stepEpochs = 10
    /// What `step` multiplies by.
    public var stepFactor = 0.1
    /// Global gradient norm to clip to; nil does not clip.
    public var clipNorm: Double?
    /// Order of that norm; infinity for the largest absolute value.
    public var clipOrder = 2.0
    /// Limit on every element of the gradient; nil does not clip.
    public var clipValue: Double?
    public var batchSize = 64
    /// Batches whose gradients are added up for one optimizer step.
    public var accumulation = 1
    public var epochs = 5
    public var seed: UInt64 = 0

    public init() {}

    /// The optimizer for `parameters`.
    public func makeOptimizer(_ parameters: [Parameter]) -> any Optimizer {
        switch optimizer {
        case .sgd:
            SGD(
                parameters, learningRate: learningRate, momentum: momentum, weightDecay: weightDecay,
                isNesterov: isNesterov)
        case .adam: Adam(parameters, learningRate: learningRate, weightDecay: weightDecay)
        case .adamw: AdamW(parameters, learningRate: learningRate, weightDecay: weightDecay)
        }
    }

    /// The mean loss of a batch: cross-entropy for classes, the mean squared error for numbers.
    func loss(of outputs: Tensor, _ targets: Tensor, task: ModelSettings.Task) -> Tensor {
        switch task {
        case .classification: crossEntropy(outputs, targets)
        case .regression: meanSquaredError(outputs, targets)
        }
    }

    /// The schedule over optimizer steps.
    /// - Parameter stepsPerEpoch: optimizer steps, not batches.
    public func makeSchedule(stepsPerEpoch: Int) -> Schedule {
        let base: Schedule =
            switch schedule {
            case .constant: .constant
            case .step: .step(size: max(1, stepEpochs * stepsPerEpoch), gamma: stepFactor)
            case .cosine: .cosine(steps: max(1, epochs * stepsPerEpoch - warmup))
            }
        return warmup > 0 ? base.warmedUp(steps: warmup, from: 1 / Double(warmup + 1)) : base
    }

    /// - Throws: `GimbalError.invalidSetting` for the first value that cannot be used.
    public func validate() throws {
        func check(_ isGood: Bool, _ name: String, _ reason: String) throws {
            if !isGood { throw GimbalError.invalidSetting(name: name, reason: reason) }
        }
        // Products of any two of these numbers, such as epochs and steps in an epoch, stay within an Int.
        func checkCount(_ count: Int, _ name: String, least: Int = 1) throws {
            try check(count >= least, name, "must \(least == 0 ? "not be negative" : "be positive"), not \(count)")
            try check(count <= 1_000_000_000, name, "must be at most 1000000000, not \(count)")
        }
        try check(learningRate > 0 && learningRate.isFinite, "--lr", "must be positive, not \(learningRate)")
        try check((0..<1).contains(momentum), "--momentum", "must lie in [0, 1), not \(momentum)")
        try check(!isNesterov || momentum > 0, "--nesterov", "needs --momentum")
        try check(
            weightDecay >= 0 && weightDecay.isFinite, "--weight-decay", "must not be negative, not \(weightDecay)")
        try checkCount(batchSize, "--batch-size")
        try checkCount(accumulation, "--accumulate")
        try checkCount(epochs, "--epochs", least: 0)
        try checkCount(warmup, "--warmup", least: 0)
        try checkCount(stepEpochs, "--step-epochs")
        try check(stepFactor >= 0 && stepFactor.isFinite, "--step-factor", "must not be negative, not \(stepFactor)")
        try check((clipNorm ?? 1) > 0, "--clip-norm", "must be positive")
        try check((clipValue ?? 1) > 0, "--clip-value", "must be positive")
        try check(clipOrder > 0, "--clip-order", "must be positive, not \(clipOrder)")
    }
}
