/// Steps divided by the root of all squared gradients so far (Duchi et al. 2011).
public final class Adagrad: ElementwiseOptimizer {
    /// The rate of step t is learningRate / (1 + (t - 1) · learningRateDecay).
    public let learningRateDecay: Double
    public let epsilon: Double

    /// - Parameter initialAccumulator: what the sum of squares begins with, ≥ 0.
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
    /// How much of an average the next step keeps.
    public let rho: Double
    public let epsilon: Double

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
    /// How much of an average the next step keeps.
    public let alpha: Double
    public let epsilon: Double
    public let momentum: Double
    public let isCentred: Bool

    /// - Parameters:
    ///   - momentum: ≥ 0; 0 keeps no velocities.
    ///   - isCentred: divides by the deviation, less the mean gradient.
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
