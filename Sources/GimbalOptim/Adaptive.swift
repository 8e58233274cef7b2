/// Steps divided by the root of all squared gradients so far (Duchi et al. 2011).
public final class Adagrad: ElementwiseOptimizer {
    /// How fast the rate falls: that of step t is learningRate / (1 + (t - 1) · learningRateDecay).
    public let learningRateDecay: Double
    /// What is added to the divisor of a step, so that it is never 0.
    public let epsilon: Double

    /// Adagrad over parameters, or groups of them, with PyTorch's defaults. No setting is negative;
    /// `initialAccumulator` is what the sum of squares begins with.
    public init<Source: ParameterSource>(
        _ parameters: [Source], learningRate: Double = 1e-2, learningRateDecay: Double = 0, weightDecay: Double = 0,
        initialAccumulator: Double = 0, epsilon: Double = 1e-10
    ) {
        require(
            learningRateDecay >= 0 && initialAccumulator >= 0 && epsilon >= 0, "Adagrad",
            "settings must not be negative")
        self.learningRateDecay = learningRateDecay
        self.epsilon = epsilon
        super.init(
            parameters, learningRate: learningRate, weightDecay: weightDecay, momentNames: ["sum"],
            initially: initialAccumulator)
    }

    override func rule(step: Int, rate: Double, decay: Double) -> OptimizerStep {
        var rule = OptimizerStep(.adagrad, rate: rate / (1 + Double(step - 1) * learningRateDecay))
        rule.weightDecay = decay
        rule.epsilon = epsilon
        return rule
    }
}

/// Steps in the units of the weights: the root of averaged squared steps over that of squared gradients (Zeiler 2012,
/// algorithm 1).
public final class Adadelta: ElementwiseOptimizer {
    /// ρ of the paper: how much of the averages of squared gradients and steps the next step keeps.
    public let rho: Double
    /// What is added to both averages before their roots are taken, so that neither is 0.
    public let epsilon: Double

    /// Adadelta over parameters, or groups of them, with PyTorch's defaults. `rho` lies in [0, 1], nothing is negative.
    public init<Source: ParameterSource>(
        _ parameters: [Source], learningRate: Double = 1, rho: Double = 0.9, epsilon: Double = 1e-6,
        weightDecay: Double = 0
    ) {
        require(
            (0...1).contains(rho) && epsilon >= 0, "Adadelta", "rho must lie in [0, 1] and epsilon not be negative")
        self.rho = rho
        self.epsilon = epsilon
        super.init(
            parameters, learningRate: learningRate, weightDecay: weightDecay,
            momentNames: ["square_average", "accumulated_step"])
    }

    override func rule(step: Int, rate: Double, decay: Double) -> OptimizerStep {
        var rule = OptimizerStep(.adadelta, rate: rate)
        rule.weightDecay = decay
        (rule.beta2, rule.blend2) = (rho, 1 - rho)
        rule.epsilon = epsilon
        return rule
    }
}

/// Steps divided by the root of an average of squared gradients (Hinton 2012, lecture 6e), if centred of their variance
/// (Graves 2013, equation 38).
public final class RMSprop: ElementwiseOptimizer {
    /// How much of the averages of gradients and their squares the next step keeps.
    public let alpha: Double
    /// What is added to the divisor of a step, so that it is never 0.
    public let epsilon: Double
    /// How much of its velocity a step keeps; 0 for none.
    public let momentum: Double
    /// Whether steps are divided by the deviation of the gradients, instead of the root of their mean square.
    public let isCentred: Bool

    /// RMSprop over parameters, or groups of them, with PyTorch's defaults. No setting is negative; a `momentum` of 0
    /// keeps no velocities, and `isCentred` keeps the mean gradients too.
    public init<Source: ParameterSource>(
        _ parameters: [Source], learningRate: Double = 1e-2, alpha: Double = 0.99, epsilon: Double = 1e-8,
        weightDecay: Double = 0, momentum: Double = 0, isCentred: Bool = false
    ) {
        require(
            alpha >= 0 && epsilon >= 0 && momentum >= 0, "RMSprop", "settings must not be negative")
        self.alpha = alpha
        self.epsilon = epsilon
        self.momentum = momentum
        self.isCentred = isCentred
        super.init(
            parameters, learningRate: learningRate, weightDecay: weightDecay,
            momentNames: ["square_average"] + (isCentred ? ["gradient_average"] : [])
                + (momentum > 0 ? ["velocity"] : []))
    }

    override func rule(step: Int, rate: Double, decay: Double) -> OptimizerStep {
        let kind: OptimizerStep.Rule =
            switch (isCentred, momentum > 0) {
            case (false, false): .rmsprop
            case (false, true): .rmspropMomentum
            case (true, false): .rmspropCentred
            case (true, true): .rmspropCentredMomentum
            }
        var rule = OptimizerStep(kind, rate: rate)
        rule.weightDecay = decay
        rule.beta1 = momentum
        (rule.beta2, rule.blend2) = (alpha, 1 - alpha)
        rule.epsilon = epsilon
        return rule
    }
}
