/// How a `Trainer` goes about a run, whatever the model: what is not a matter of one optimizer.
public struct TrainerSettings: Codable, Sendable, Equatable {
    /// How often training goes through the data.
    public var epochs = 5
    /// Optimizer steps after which the run ends, wherever in an epoch that is; nil goes on to the last epoch. Schedules
    /// that are told how long the run is end there.
    public var maxSteps: Int?
    /// Batches whose gradients are added up for one step, each weighted by its samples.
    public var accumulation = 1
    /// What the products of the model are computed in; with float16, losses are scaled: see `LossScaler`.
    public var precision = Precision.float32
    /// What dropout and all other random numbers of the steps follow from. The order of the data has its own.
    public var seed: UInt64 = 0
    /// Decay of a moving average of the weights, in [0, 1), which is what is measured; nil keeps none.
    public var averageDecay: Double?
    /// Which weights the run ends with, and saves as the model's.
    public var weights = WeightChoice.best
    /// The figure of the evaluation that choices look at: best weights, early stopping, plateau.
    public var monitor = "loss"
    /// Whether small or large values of `monitor` are good.
    public var mode = MetricMode.minimum
    /// Epochs without a better figure after which training ends; nil goes on.
    public var patience: Int?
    /// What lowers the rates of all phases when the figure has stopped getting better; nil does not.
    public var plateau: ReduceOnPlateau?

    /// How often a run that diverges may go back to where it was well, leave a batch out or lower its rate, and go on; nil
    /// lets it end where it fails. See `Recovery`.
    public var recoveries: Int?

    /// Five epochs of single batches in float32, and the best weights at the end.
    public init() {}

    /// Five epochs of single batches in float32 and the best weights at the end, but for what `change` sets.
    ///
    /// ```swift
    /// let settings = TrainerSettings {
    ///     $0.epochs = 20
    ///     $0.patience = 3
    /// }
    /// ```
    public init(_ change: (inout TrainerSettings) -> Void) {
        self.init()
        change(&self)
    }

    /// Checks each setting.
    /// - Throws: `GimbalError.invalidSetting`, naming the property, for the first value that cannot be used.
    public func validate() throws {
        try checkCount(epochs, "epochs", least: 0)
        if let maxSteps { try checkCount(maxSteps, "maxSteps") }
        try checkCount(accumulation, "accumulation")
        if let patience { try checkCount(patience, "patience") }
        if let recoveries { try checkCount(recoveries, "recoveries") }
        try checkSetting(
            (0..<1).contains(averageDecay ?? 0), "averageDecay", "must lie in [0, 1), not \(averageDecay ?? 0)")
        try checkSetting(
            weights != .averaged || averageDecay != nil, "weights", "averaged needs `averageDecay` to be set")
    }
}

/// - Throws: `GimbalError.invalidSetting` unless `isGood`.
func checkSetting(_ isGood: Bool, _ name: String, _ reason: @autoclosure () -> String) throws {
    if !isGood { throw GimbalError.invalidSetting(name: name, reason: reason()) }
}

/// Products of any two numbers that pass, such as epochs and steps in an epoch, stay within an Int.
/// - Throws: `GimbalError.invalidSetting`.
func checkCount(_ count: Int, _ name: String, least: Int = 1) throws {
    try checkSetting(count >= least, name, "must \(least == 0 ? "not be negative" : "be positive"), not \(count)")
    try checkSetting(count <= 1_000_000_000, name, "must be at most 1000000000, not \(count)")
}

/// How long a run is, for schedules that end where it ends.
public struct RunLength: Sendable, Equatable {
    /// Optimizer steps in an epoch; nil where the data does not tell.
    public let knownStepsPerEpoch: Int?
    /// Optimizer steps of the whole run; nil where the data does not tell and no `maxSteps` is set.
    public let knownSteps: Int?

    /// A run of so many steps, so many of them in an epoch.
    public init(steps: Int?, stepsPerEpoch: Int?) {
        knownSteps = steps
        knownStepsPerEpoch = stepsPerEpoch
    }

    /// Optimizer steps of the whole run, at least 1. Stops the program where that is not known.
    public var steps: Int { known(knownSteps, "batchesPerEpoch, or the run maxSteps") }
    /// Optimizer steps in an epoch, at least 1. Stops the program where that is not known.
    public var stepsPerEpoch: Int { known(knownStepsPerEpoch, "batchesPerEpoch") }

    private func known(_ count: Int?, _ cure: String) -> Int {
        guard let count else {
            stop("RunLength", "a schedule asks how long the run is, but the data does not tell; give it \(cure)")
        }
        return max(1, count)
    }
}
