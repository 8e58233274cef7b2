/// Ends a training when a figure has stopped getting better.
///
/// ```swift
/// var stopping = EarlyStopping(patience: 3)
/// for epoch in 0..<100 {
///     // … the epoch's steps …
///     if stopping.update(try Evaluation(of: model, on: test).loss) { break }
/// }
/// ```
/// It is all state: saved as it is, it goes on as if never stopped. `ModelWeights` keeps the weights of the best epoch.
public struct EarlyStopping: Codable, Sendable, Equatable {
    /// What was seen so far.
    public struct State: Codable, Sendable, Equatable {
        /// The best value so far; nil before the first that counts.
        public var best: Double?
        /// The epoch of the best value, counted from 0; nil before the first that counts.
        public var bestEpoch: Int?
        /// Epochs since that of the best value.
        public var badCount = 0
        /// Epochs seen.
        public var epochs = 0

        /// The state before the first epoch.
        public init() {}
    }

    /// Epochs in a row without a better value that end the training.
    public let patience: Int
    /// How far a value must lie beyond the best to be better.
    public let minimumChange: Double
    /// Whether small or large values are good.
    public let mode: MetricMode
    /// First epochs that do not count, for the best neither.
    public let warmupEpochs: Int
    /// What was seen so far; to be set again where a training is resumed, with another patience too.
    public var state = State()

    /// - Parameters:
    ///   - patience: this many epochs in a row that are not better end the training; > 0.
    ///   - minimumChange: how far a value must lie beyond the best to be better; ≥ 0.
    ///   - mode: whether small or large values are good.
    ///   - warmupEpochs: the first ones do not count, for the best neither.
    public init(
        patience: Int = 10, minimumChange: Double = 0, mode: MetricMode = .minimum, warmupEpochs: Int = 0
    ) {
        require(
            patience > 0 && minimumChange >= 0 && warmupEpochs >= 0, "EarlyStopping",
            "patience must be positive, the smallest change and the warm-up not negative")
        self.patience = patience
        self.minimumChange = minimumChange
        self.mode = mode
        self.warmupEpochs = warmupEpochs
    }

    /// Whether the training is to end.
    public var hasRunOut: Bool { state.badCount >= patience }

    /// Takes the value of an epoch into account; NaN, and nil for one that was not measured, are not better than
    /// anything.
    /// - Returns: whether the training is to end.
    public mutating func update(_ value: Double?) -> Bool {
        let epoch = state.epochs
        state.epochs += 1
        guard epoch >= warmupEpochs else { return false }
        if let value, isBetter(value) {
            state.best = value
            state.bestEpoch = epoch
            state.badCount = 0
        } else {
            state.badCount += 1
        }
        return hasRunOut
    }

    private func isBetter(_ value: Double) -> Bool {
        mode.isBetter(
            value, than: state.best.map { mode == .minimum ? $0 - minimumChange : $0 + minimumChange })
    }
}
