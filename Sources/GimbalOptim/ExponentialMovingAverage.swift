/// A running average of a model's weights, which often does better than the weights themselves (Polyak and Juditsky
/// 1992; Tarvainen and Valpola 2017).
///
/// ```swift
/// let average = ExponentialMovingAverage(model.parameters, decay: 0.999)
/// try optimizer.step()
/// try average.update()
/// let score = try average.whileSwappedIn { try Evaluation(of: model, on: test).accuracy }
/// ```
/// a ← decay · a + (1 - decay) · w. The average begins with the weights at the first update, as
/// `torch.optim.swa_utils.AveragedModel` does.
public final class ExponentialMovingAverage {
    /// The parameters that are averaged.
    public let parameters: [Parameter]
    /// How much of the average an update keeps.
    public let decay: Double
    /// Whether update n + 1 keeps min(decay, (1 + n) / (10 + n)), as TensorFlow's does, so that early weights are
    /// forgotten soon.
    public let warmsUp: Bool
    /// How often the average was updated.
    public private(set) var updates = 0

    private let averages: ParameterCopy
    private let buffers: [(name: String, live: TensorView, average: TensorView)]
    private var isSwappedIn = false

    /// - Parameters:
    ///   - parameters: what is averaged.
    ///   - buffers: tensors of the model's state that are not trained but averaged all the same, such as running means.
    ///   - decay: how much of the average an update keeps, in [0, 1].
    ///   - warmsUp: whether the first updates keep less.
    public init(
        _ parameters: [Parameter], buffers: [(name: String, value: Tensor)] = [], decay: Double = 0.999,
        warmsUp: Bool = false
    ) {
        require((0...1).contains(decay), "ExponentialMovingAverage", "the decay must lie in [0, 1], not \(decay)")
        self.parameters = parameters
        self.decay = decay
        self.warmsUp = warmsUp
        averages = ParameterCopy(parameters)
        self.buffers = buffers.map { name, value in
            (name, value.view, .filled(value.shape, like: value.view, with: 0))
        }
    }

    /// What is averaged, and the averages.
    private var pairs: [(live: TensorView, average: TensorView)] {
        averages.pairs.map { ($0.live, $0.values) } + buffers.map { ($0.live.flattened, $0.average.flattened) }
    }

    private var named: [(name: String, average: TensorView)] {
        averages.named.map { ($0.name, $0.view) } + buffers.map { ($0.name, $0.average) }
    }

    /// Takes the weights held now into the average. Call it after each optimizer step.
    /// - Throws: the first failure of the device since it was last waited for.
    public func update() throws {
        requireSwappedOut("update")
        let count = Double(updates)
        let decay = warmsUp ? min(decay, (1 + count) / (10 + count)) : decay
        for (live, average) in pairs {
            let backend = live.storage.backend
            try average.change(reading: [live]) {
                if updates == 0 {
                    backend.copy(live, to: average)
                } else {
                    backend.optimizerStep(
                        OptimizerStep(.approach, rate: 1 - decay), weights: average, gradient: live, states: [],
                        condition: nil)
                }
            }
            try backend.errors.throwIfSet()
        }
        updates += 1
    }

    /// Runs `body` with the averages in place of the weights, and puts the weights back. Before the first update the
    /// weights stay.
    /// - Throws: what `body` throws, or the first failure of the device since it was last waited for.
    public func whileSwappedIn<Result>(_ body: () throws -> Result) throws -> Result {
        try swap()
        isSwappedIn.toggle()
        let result = Swift.Result { try body() }
        isSwappedIn.toggle()
        try swap()
        return try result.get()
    }

    /// Copies the averages over the weights for good, as at the end of training.
    /// - Throws: the first failure of the device since it was last waited for.
    public func assign() throws {
        requireSwappedOut("assign")
        guard updates > 0 else { return }
        for (live, average) in pairs {
            try live.change(reading: [average]) { live.storage.backend.copy(average, to: live) }
            try live.storage.backend.errors.throwIfSet()
        }
    }

    private func swap() throws {
        guard updates > 0 else { return }
        for (live, average) in pairs {
            let backend = live.storage.backend
            let held = try backend.allocate(live.shape, live.dtype)
            try [live, average].change {
                backend.copy(live, to: held)
                backend.copy(average, to: live)
                backend.copy(held, to: average)
            }
            try backend.errors.throwIfSet()
        }
    }

    private func requireSwappedOut(_ operation: String) {
        require(!isSwappedIn, "ExponentialMovingAverage", "\(operation) while the averages are swapped in")
    }

    // MARK: State

    /// The averages by `average.NAME`, and the number of updates under `updates`.
    public var state: OptimizerState {
        OptimizerState(
            tensors: named.map { ("average.\($0.name)", Tensor($0.average)) }, steps: ["updates": updates])
    }

    /// Takes up a saved state.
    /// - Throws: `GimbalError.weightMismatch` where it belongs to another model.
    public func restore(_ state: OptimizerState) throws {
        requireSwappedOut("restore")
        let named = named
        let saved = try state.values(
            named.map { ("average.\($0.name)", $0.average.shape) }, counts: ["updates"], of: "the average's state")
        for (value, entry) in zip(saved, named) { entry.average.take(value.view) }
        updates = state.steps["updates"] ?? 0
    }
}
