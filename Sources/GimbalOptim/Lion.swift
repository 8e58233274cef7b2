/// Steps of one size, in the direction of a momentum's sign, with decoupled weight decay (Chen et al. 2023, algorithm
/// 2).
///
/// The sign makes steps larger than Adam's: the learning rate wants to be three to ten times smaller, weight decay as
/// much larger.
public final class Lion: ElementwiseOptimizer {
    /// β₁ of the paper: how much of the momentum the step takes, beside the gradient.
    public let beta1: Double
    /// β₂ of the paper: how much of the momentum is kept.
    public let beta2: Double

    /// Lion over parameters, or groups of them, with the paper's defaults. Betas lie in [0, 1), nothing is negative.
    public init<Source: ParameterSource>(
        _ parameters: [Source], learningRate: Double = 1e-4, beta1: Double = 0.9, beta2: Double = 0.99,
        weightDecay: Double = 0
    ) {
        require(
            (0..<1).contains(beta1) && (0..<1).contains(beta2), "Lion",
            "betas must lie in [0, 1), not \(beta1) and \(beta2)")
        self.beta1 = beta1
        self.beta2 = beta2
        super.init(
            parameters, learningRate: learningRate, weightDecay: weightDecay, momentNames: ["first_moment"])
    }

    override func rule(step: Int, rate: Double, decay: Double) -> OptimizerStep {
        var rule = OptimizerStep(.lion, rate: rate)
        rule.shrinkage = 1 - rate * decay
        (rule.beta1, rule.blend1) = (beta1, 1 - beta1)
        (rule.beta2, rule.blend2) = (beta2, 1 - beta2)
        return rule
    }
}
