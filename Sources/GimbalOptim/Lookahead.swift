/// Any optimizer, looked at every few steps: slow weights go part of the way to where it has got, and it goes on from
/// there (Zhang et al. 2019, algorithm 1).
///
/// ```swift
/// let optimizer = Lookahead(Adam(model.parameters), interval: 5)
/// ```
public final class Lookahead: Optimizer {
    /// The optimizer that takes the steps.
    public let inner: any Optimizer
    /// Steps between two looks.
    public let interval: Int
    /// The share of the way to the weights that slow weights go at each look.
    public let share: Double
    private let slow: ParameterCopy
    private var taken = 0

    /// - Parameters:
    ///   - inner: the optimizer that takes the steps.
    ///   - interval: steps between two looks, k of the paper, > 0.
    ///   - share: of the way that slow weights go at each look, α of the paper, in (0, 1].
    public init(_ inner: any Optimizer, interval: Int = 5, share: Double = 0.5) {
        require(
            interval > 0 && share > 0 && share <= 1, "Lookahead",
            "the interval must be positive and the share lie in (0, 1], not \(interval) and \(share)")
        self.inner = inner
        self.interval = interval
        self.share = share
        slow = ParameterCopy(inner.parameters)
    }

    public var parameters: [Parameter] { inner.parameters }

    public var learningRate: Double {
        get { inner.learningRate }
        set { inner.learningRate = newValue }
    }

    public func step(if condition: Tensor?) throws {
        // Not when it was made: weights may have been loaded since.
        if taken == 0 {
            for (live, slow) in slow.pairs { slow.take(live) }
        }
        try inner.step(if: condition)
        taken += 1
        guard taken % interval == 0 else { return }
        for (live, slow) in slow.pairs {
            let backend = live.storage.backend
            try [live, slow].change {
                backend.optimizerStep(
                    OptimizerStep(.approach, rate: share), weights: slow, gradient: live, states: [], condition: nil)
                backend.copy(slow, to: live)
            }
            try backend.errors.throwIfSet()
        }
    }

    public func discountSteps(_ count: Int) { inner.discountSteps(count) }

    /// The inner optimizer's state, the slow weights as `slow.NAME`, and the steps as `lookahead`.
    public var state: OptimizerState {
        var state = inner.state
        state.tensors += slow.named.map { ("slow.\($0.name)", Tensor($0.view)) }
        state.steps["lookahead"] = taken
        return state
    }

    public func restore(_ state: OptimizerState) throws {
        let names = parameters.uniqueNames.map { "slow.\($0)" }
        let saved = try state.values(
            zip(names, parameters).map { ($0, $1.shape) }, counts: ["lookahead"], of: "the optimizer's state",
            isPart: true)
        var rest = state
        rest.tensors.removeAll { names.contains($0.name) }
        rest.steps["lookahead"] = nil
        try inner.restore(rest)
        for (value, copy) in zip(saved, slow.named) { copy.view.take(value.view) }
        taken = state.steps["lookahead"] ?? 0
    }
}
