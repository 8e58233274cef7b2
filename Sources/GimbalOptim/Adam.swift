import Foundation

/// What Adam and its relatives share: betas, ε, and two moments.
public class MomentOptimizer: ElementwiseOptimizer {
    /// β₁: how much of the mean of gradients the next step keeps. May be changed between steps, as
    /// `Schedule.oneCycleMomentum` does.
    public var beta1: Double
    /// β₂: how much of the mean of squared gradients, or of their maximum, the next step keeps.
    public let beta2: Double
    /// What is added to the divisor of a step, so that it is never 0.
    public let epsilon: Double
    /// Whether weight decay shrinks the weights beside the step, w ← w - learningRate · weightDecay · w (Loshchilov and
    /// Hutter 2019), instead of being added to the gradient as an L2 penalty.
    public let decouplesWeightDecay: Bool

    init<Source: ParameterSource>(
        _ parameters: [Source], _ learningRate: Double, _ beta1: Double, _ beta2: Double, _ epsilon: Double,
        _ weightDecay: Double, decouples: Bool, momentNames: [String] = ["first_moment", "second_moment"]
    ) {
        require(
            epsilon >= 0 && (0..<1).contains(beta1) && (0..<1).contains(beta2), "\(Self.self)",
            "epsilon must not be negative and betas lie in [0, 1), not \(epsilon), \(beta1) and \(beta2)")
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        decouplesWeightDecay = decouples
        super.init(parameters, learningRate: learningRate, weightDecay: weightDecay, momentNames: momentNames)
    }

    /// A rule with the settings that all of these share; `step` counts from 1.
    func rule(_ kind: OptimizerStep.Rule, rate: Double, learningRate: Double, decay: Double, step: Int)
        -> OptimizerStep
    {
        var rule = OptimizerStep(kind, rate: rate)
        if decouplesWeightDecay { rule.shrinkage = 1 - learningRate * decay } else { rule.weightDecay = decay }
        (rule.beta1, rule.blend1) = (beta1, 1 - beta1)
        (rule.beta2, rule.blend2) = (beta2, 1 - beta2)
        rule.epsilon = epsilon
        rule.correction2 = 1 / (1 - power(beta2, step))
        return rule
    }
}

/// Adam (Kingma and Ba 2015, algorithm 1): steps scaled by running estimates of the gradient's mean and square.
///
/// Weight decay is added to the gradient, as an L2 penalty; `AdamW` decouples it.
public class Adam: MomentOptimizer {
    /// Whether steps are divided by the largest second moment so far instead of the latest (Reddi et al. 2018).
    public let isAMSGrad: Bool

    /// Adam over parameters, or groups of them, with PyTorch's defaults. Betas lie in [0, 1), nothing is negative.
    public init<Source: ParameterSource>(
        _ parameters: [Source], learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
        epsilon: Double = 1e-8, weightDecay: Double = 0, isAMSGrad: Bool = false
    ) {
        self.isAMSGrad = isAMSGrad
        super.init(
            parameters, learningRate, beta1, beta2, epsilon, weightDecay, decouples: false,
            momentNames: Self.momentNames(isAMSGrad))
    }

    fileprivate init<Source: ParameterSource>(
        decoupled parameters: [Source], _ learningRate: Double, _ beta1: Double, _ beta2: Double, _ epsilon: Double,
        _ weightDecay: Double, _ isAMSGrad: Bool
    ) {
        self.isAMSGrad = isAMSGrad
        super.init(
            parameters, learningRate, beta1, beta2, epsilon, weightDecay, decouples: true,
            momentNames: Self.momentNames(isAMSGrad))
    }

    private static func momentNames(_ isAMSGrad: Bool) -> [String] {
        ["first_moment", "second_moment"] + (isAMSGrad ? ["largest_second_moment"] : [])
    }

    override func rule(step: Int, rate: Double, decay: Double) -> OptimizerStep {
        rule(
            isAMSGrad ? .amsgrad : .adam, rate: rate / (1 - power(beta1, step)), learningRate: rate, decay: decay,
            step: step)
    }
}

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019): w ← w - learningRate · weightDecay · w beside the
/// step.
public final class AdamW: Adam {
    /// AdamW over parameters, or groups of them, with PyTorch's defaults. Betas lie in [0, 1), nothing is negative.
    public override init<Source: ParameterSource>(
        _ parameters: [Source], learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
        epsilon: Double = 1e-8, weightDecay: Double = 1e-2, isAMSGrad: Bool = false
    ) {
        super.init(decoupled: parameters, learningRate, beta1, beta2, epsilon, weightDecay, isAMSGrad)
    }
}

/// Adam with Nesterov's momentum (Dozat 2016): the gradient takes part in the step ahead of its share in the moment.
public final class NAdam: MomentOptimizer {
    /// ψ of the paper: the momentum of step t is β₁(1 - ½ · 0.96^(t ψ)).
    public let momentumDecay: Double
    /// The product of the momenta of all steps up to one; the next step's follows from it.
    private var product = (step: 0, value: 1.0)

    /// NAdam over parameters, or groups of them, with PyTorch's defaults. Betas lie in [0, 1), nothing is negative.
    public init<Source: ParameterSource>(
        _ parameters: [Source], learningRate: Double = 2e-3, beta1: Double = 0.9, beta2: Double = 0.999,
        epsilon: Double = 1e-8, weightDecay: Double = 0, momentumDecay: Double = 4e-3,
        decouplesWeightDecay: Bool = false
    ) {
        require(momentumDecay >= 0, "NAdam", "the momentum decay must not be negative, not \(momentumDecay)")
        self.momentumDecay = momentumDecay
        super.init(
            parameters, learningRate, beta1, beta2, epsilon, weightDecay, decouples: decouplesWeightDecay)
    }

    public override var beta1: Double {
        didSet { product = (0, 1) }
    }

    private func momentum(_ step: Int) -> Double { beta1 * (1 - 0.5 * pow(0.96, Double(step) * momentumDecay)) }

    /// It depends on the number of steps alone, so it need not be saved, and a resumed run has the same bits.
    private func momentumProduct(_ step: Int) -> Double {
        if step < product.step { product = (0, 1) }
        while product.step < step {
            product.step += 1
            product.value *= momentum(product.step)
        }
        return product.value
    }

    override func rule(step: Int, rate: Double, decay: Double) -> OptimizerStep {
        let (now, next) = (momentum(step), momentum(step + 1))
        let product = momentumProduct(step)
        var rule = rule(
            .nadam, rate: rate * next / (1 - product * next), learningRate: rate, decay: decay, step: step)
        rule.gradientRate = rate * (1 - now) / (1 - product)
        return rule
    }
}

/// Adam whose step is rectified while the second moment's variance is large (Liu et al. 2020, algorithm 2).
public final class RAdam: MomentOptimizer {
    /// RAdam over parameters, or groups of them, with PyTorch's defaults. Betas lie in [0, 1), nothing is negative.
    public init<Source: ParameterSource>(
        _ parameters: [Source], learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
        epsilon: Double = 1e-8, weightDecay: Double = 0, decouplesWeightDecay: Bool = false
    ) {
        super.init(
            parameters, learningRate, beta1, beta2, epsilon, weightDecay, decouples: decouplesWeightDecay)
    }

    override func rule(step: Int, rate: Double, decay: Double) -> OptimizerStep {
        let first = 1 - power(beta1, step)
        let second = 1 - power(beta2, step)
        let longest = 2 / (1 - beta2) - 1
        let length = longest - 2 * Double(step) * power(beta2, step) / second
        guard length > 5 else {
            return rule(.radamStart, rate: rate / first, learningRate: rate, decay: decay, step: step)
        }
        let rectification =
            ((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)).squareRoot()
        return rule(
            .radam, rate: rate * rectification * second.squareRoot() / first, learningRate: rate, decay: decay,
            step: step)
    }
}

/// Adam with the largest gradient, fading, in place of the root of squares (Kingma and Ba 2015, algorithm 2).
public final class Adamax: MomentOptimizer {
    /// Adamax over parameters, or groups of them, with PyTorch's defaults. Betas lie in [0, 1), nothing is negative.
    public init<Source: ParameterSource>(
        _ parameters: [Source], learningRate: Double = 2e-3, beta1: Double = 0.9, beta2: Double = 0.999,
        epsilon: Double = 1e-8, weightDecay: Double = 0
    ) {
        super.init(
            parameters, learningRate, beta1, beta2, epsilon, weightDecay, decouples: false,
            momentNames: ["first_moment", "infinity_norm"])
    }

    override func rule(step: Int, rate: Double, decay: Double) -> OptimizerStep {
        rule(.adamax, rate: rate / (1 - power(beta1, step)), learningRate: rate, decay: decay, step: step)
    }
}
