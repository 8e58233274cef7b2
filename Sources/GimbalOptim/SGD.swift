/// Stochastic gradient descent, with momentum and Nesterov's variant of it (Sutskever et al. 2013, as PyTorch has it).
///
/// g ← g + weightDecay · w; v ← momentum · v + (1 - dampening) g; w ← w - learningRate · v, or with Nesterov
/// w ← w - learningRate · (g + momentum · v). Without momentum, w ← w - learningRate · g.
public final class SGD: Optimizer {
    public var learningRate: Double
    public let momentum: Double
    public let dampening: Double
    public let weightDecay: Double
    public let isNesterov: Bool
    private let store: ParameterStore

    /// - Parameters:
    ///   - learningRate: > 0.
    ///   - momentum: in [0, 1); 0 keeps no velocities.
    ///   - weightDecay: L2 penalty, ≥ 0.
    ///   - isNesterov: needs momentum and no dampening.
    public init(
        _ parameters: [Parameter], learningRate: Double, momentum: Double = 0, dampening: Double = 0,
        weightDecay: Double = 0, isNesterov: Bool = false
    ) {
        require(learningRate >= 0 && momentum >= 0 && weightDecay >= 0, "SGD", "settings must not be negative")
        require(
            !isNesterov || (momentum > 0 && dampening == 0), "SGD", "Nesterov needs momentum and no dampening")
        self.learningRate = learningRate
        self.momentum = momentum
        self.dampening = dampening
        self.weightDecay = weightDecay
        self.isNesterov = isNesterov
        store = ParameterStore(parameters, momentNames: momentum > 0 ? ["velocity"] : [])
    }

    public var parameters: [Parameter] { store.parameters }
    public var state: OptimizerState { store.state }
    public func restore(_ state: OptimizerState) throws { try store.restore(state) }

    public func step() throws {
        try store.update { backend, run, step, moments in
            backend.sgdStep(
                run.weights, gradient: run.gradients, velocity: moments.first,
                SGDSettings(
                    learningRate: learningRate, momentum: momentum, dampening: dampening, weightDecay: weightDecay,
                    isNesterov: isNesterov, isFirstStep: step == 1))
        }
    }
}
