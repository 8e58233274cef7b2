/// Stochastic gradient descent, with momentum and Nesterov's variant of it (Sutskever et al. 2013, as PyTorch has it).
///
/// g ← g + weightDecay · w; v ← momentum · v + (1 - dampening) g; w ← w - learningRate · v, or with Nesterov
/// w ← w - learningRate · (g + momentum · v). Without momentum, w ← w - learningRate · g.
public final class SGD: ElementwiseOptimizer {
    /// How much of its velocity a step keeps; 0 for none. May be changed between steps, as `Schedule.oneCycleMomentum`
    /// does, but not from or to 0.
    public var momentum: Double {
        didSet {
            require((momentum > 0) == (oldValue > 0), "SGD", "momentum cannot be switched on or off, only changed")
        }
    }
    /// How much less than all of the gradient goes into the velocity, but for the first step.
    public let dampening: Double
    /// Whether steps look ahead by the momentum.
    public let isNesterov: Bool

    /// - Parameters:
    ///   - parameters: what is to be changed: parameters, or groups of them.
    ///   - learningRate: ≥ 0.
    ///   - momentum: ≥ 0, below 1 if it is to fade; 0 keeps no velocities.
    ///   - dampening: how much less than all of the gradient goes into the velocity.
    ///   - weightDecay: L2 penalty, ≥ 0.
    ///   - isNesterov: needs momentum and no dampening.
    public init<Source: ParameterSource>(
        _ parameters: [Source], learningRate: Double, momentum: Double = 0, dampening: Double = 0,
        weightDecay: Double = 0, isNesterov: Bool = false
    ) {
        require(momentum >= 0, "SGD", "the momentum must not be negative, not \(momentum)")
        require(
            !isNesterov || (momentum > 0 && dampening == 0), "SGD", "Nesterov needs momentum and no dampening")
        self.momentum = momentum
        self.dampening = dampening
        self.isNesterov = isNesterov
        super.init(
            parameters, learningRate: learningRate, weightDecay: weightDecay,
            momentNames: momentum > 0 ? ["velocity"] : [])
    }

    override func rule(step: Int, rate: Double, decay: Double) -> OptimizerStep {
        let kind: OptimizerStep.Rule =
            if momentum == 0 {
                .descent
            } else if isNesterov {
                step == 1 ? .nesterovStart : .nesterov
            } else {
                step == 1 ? .momentumStart : .momentum
            }
        var rule = OptimizerStep(kind, rate: rate)
        rule.weightDecay = decay
        rule.beta1 = momentum
        rule.blend1 = 1 - dampening
        return rule
    }
}
