/// Ends a training when a metric has stopped getting better, and can bring back the best weights.
///
/// ```swift
/// let stopping = EarlyStopping(patience: 3, restoresBest: true)
/// for epoch in 0..<100 {
///     let testLoss = try Evaluation(of: model, on: test).loss  // after the epoch's steps
///     if stopping.update(testLoss, model: model) { break }
/// }
/// try stopping.restoreBest(model)
/// ```
public final class EarlyStopping {
    /// What must be saved to go on as if never stopped, beside the best weights.
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
    /// Whether a copy of the best weights is kept for `restoreBest(_:)`.
    public let restoresBest: Bool
    /// What was seen so far; to be saved and set again where a training is resumed.
    public var state = State()
    /// Weights and buffers of the best epoch, by name; empty unless they are kept.
    public var bestWeights: [(name: String, value: Tensor)] = []

    /// - Parameters:
    ///   - patience: this many epochs in a row that are not better end the training; > 0.
    ///   - minimumChange: how far a value must lie beyond the best to be better; ≥ 0.
    ///   - mode: whether small or large values are good.
    ///   - warmupEpochs: the first ones do not count, for the best neither.
    ///   - restoresBest: keeps a copy of the best weights on the device.
    public init(
        patience: Int = 10, minimumChange: Double = 0, mode: MetricMode = .minimum, warmupEpochs: Int = 0,
        restoresBest: Bool = false
    ) {
        require(
            patience > 0 && minimumChange >= 0 && warmupEpochs >= 0, "EarlyStopping",
            "patience must be positive, the smallest change and the warm-up not negative")
        self.patience = patience
        self.minimumChange = minimumChange
        self.mode = mode
        self.warmupEpochs = warmupEpochs
        self.restoresBest = restoresBest
    }

    /// Takes the metric of an epoch into account; NaN is not better than anything. The weights of `model` are copied
    /// where they are the best so far and `restoresBest` asks for it; without a model none are kept.
    /// - Returns: whether the training is to end.
    public func update(_ value: Double, model: (Module)? = nil) -> Bool {
        let epoch = state.epochs
        state.epochs += 1
        guard epoch >= warmupEpochs else { return false }
        if isBetter(value) {
            state.best = value
            state.bestEpoch = epoch
            state.badCount = 0
            if restoresBest, let model { bestWeights = copy(of: model) }
        } else {
            state.badCount += 1
        }
        return state.badCount >= patience
    }

    /// Puts the best weights and buffers back, where they were kept.
    /// - Throws: `GimbalError.weightMismatch` where they are another model's.
    public func restoreBest(_ model: Module) throws {
        guard !bestWeights.isEmpty else { return }
        let kept = Dictionary(bestWeights.map { ($0.name, $0.value) }) { first, _ in first }
        let live = tensors(of: model)
        var match = NameMatch(
            saved: bestWeights.map { ($0.name, $0.value.shape) }, wanted: live.map { ($0.name, $0.value.shape) })
        match.unexpected = []
        try match.check("the best weights")
        for (name, value) in live {
            guard let best = kept[name] else { continue }
            value.backend.copy(best.view, to: value.view)
            try value.backend.errors.throwIfSet()
        }
    }

    private func isBetter(_ value: Double) -> Bool {
        guard let best = state.best else { return !value.isNaN }
        return mode == .minimum ? value < best - minimumChange : value > best + minimumChange
    }

    private func tensors(of model: Module) -> [(name: String, value: Tensor)] {
        model.stateParts.compactMap { path, part in
            switch part {
            case .parameter(_, let parameter): (path, parameter.value.detached())
            case .buffer(_, let buffer): (path, buffer.value)
            case .counter, .module: nil
            }
        }
    }

    private func copy(of model: Module) -> [(name: String, value: Tensor)] {
        tensors(of: model).map { name, value in
            (name, Tensor.make(value.shape, value.dtype, value.device) { $0.copy(value.view, to: $1) })
        }
    }
}
