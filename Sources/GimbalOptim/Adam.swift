/// Adam (Kingma and Ba 2015, algorithm 1): steps scaled by running estimates of the gradient's mean and square.
///
/// Weight decay is added to the gradient, as an L2 penalty; `AdamW` decouples it.
public class Adam: Optimizer {
    public var learningRate: Double
    public let beta1: Double
    public let beta2: Double
    public let epsilon: Double
    public let weightDecay: Double
    private let store: ParameterStore
    private let decouplesWeightDecay: Bool

    public convenience init(
        _ parameters: [Parameter], learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
        epsilon: Double = 1e-8, weightDecay: Double = 0
    ) {
        self.init(
            parameters, learningRate, beta1, beta2, epsilon, weightDecay, decouplesWeightDecay: false)
    }

    fileprivate init(
        _ parameters: [Parameter], _ learningRate: Double, _ beta1: Double, _ beta2: Double, _ epsilon: Double,
        _ weightDecay: Double, decouplesWeightDecay: Bool
    ) {
        require(
            learningRate >= 0 && weightDecay >= 0 && epsilon >= 0 && (0..<1).contains(beta1)
                && (0..<1).contains(beta2), "Adam", "rates must not be negative and betas lie in [0, 1)")
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.decouplesWeightDecay = decouplesWeightDecay
        store = ParameterStore(parameters, momentNames: ["first_moment", "second_moment"])
    }

    public var parameters: [Parameter] { store.parameters }
    public var state: OptimizerState { store.state }
    public func restore(_ state: OptimizerState) throws { try store.restore(state) }

    public func step() throws {
        try store.update { backend, run, step, moments in
            backend.adamStep(
                run.weights, gradient: run.gradients, firstMoment: moments[0], secondMoment: moments[1],
                AdamSettings(
                    learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
                    weightDecay: weightDecay, decouplesWeightDecay: decouplesWeightDecay, step: step))
        }
    }
}

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019): w ← w - learningRate · weightDecay · w beside the step.
public final class AdamW: Adam {
    public convenience init(
        _ parameters: [Parameter], learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
        epsilon: Double = 1e-8, weightDecay: Double = 1e-2
    ) {
        self.init(parameters, learningRate, beta1, beta2, epsilon, weightDecay, decouplesWeightDecay: true)
    }
}
