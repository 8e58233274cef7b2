/// One step of an optimizer: which formula, and its numbers; see `Backend.optimizerStep`.
///
/// Before each formula, w ← shrinkage · w, and g is the gradient + weightDecay · w. Products of settings that are the
/// same for every element, such as corrections of bias, are in the settings, worked out in Double.
public struct OptimizerStep: Sendable, Hashable {
    /// The formulas, with states p, q, r as many as `stateCount` tells. They stand once, in `Kernels/optimizers.h`,
    /// under the same names; the CPU loops and the OpenCL kernels are both made from that file.
    public enum Rule: String, Sendable, CaseIterable {
        /// w ← w + rate · (g - w).
        case approach
        /// w ← w - rate · g.
        case descent
        /// p ← β₁p + blend1 · g; w ← w - rate · p.
        case momentum
        /// p ← β₁p + blend1 · g; w ← w - rate · (g + β₁p).
        case nesterov
        /// As `momentum`, with p ← g.
        case momentumStart
        /// As `nesterov`, with p ← g.
        case nesterovStart
        /// p ← p + g²; w ← w - rate · g / (√p + ε).
        case adagrad
        /// p ← β₂p + blend2 · g²; d = g √(q + ε) / √(p + ε); q ← β₂q + blend2 · d²; w ← w - rate · d.
        case adadelta
        /// p ← β₂p + blend2 · g²; w ← w - rate · g / (√p + ε).
        case rmsprop
        /// As `rmsprop`, with q ← β₁q + g / (√p + ε); w ← w - rate · q.
        case rmspropMomentum
        /// As `rmsprop`, with q ← q + blend2 · (g - q) and √(p - q²) in place of √p.
        case rmspropCentred
        /// As `rmspropCentred`, with r ← β₁r + g / (√(p - q²) + ε); w ← w - rate · r.
        case rmspropCentredMomentum
        /// p ← β₁p + blend1 · g; q ← β₂q + blend2 · g²; w ← w - rate · p / (√(q · correction2) + ε).
        case adam
        /// As `adam`, with r ← max(r, q) in place of q in the step.
        case amsgrad
        /// As `adam`, with gradientRate · g + rate · p in place of rate · p.
        case nadam
        /// As `adam`, with w ← w - rate · p.
        case radamStart
        /// As `adam`, with √q + ε below.
        case radam
        /// p ← β₁p + blend1 · g; q ← max(β₂q, |g| + ε); w ← w - rate · p / q.
        case adamax
        /// d = β₁p + blend1 · g; p ← β₂p + blend2 · g; w ← w - rate · sign(d).
        case lion
        /// As `adam`, with r ← rate · p / (√(q · correction2) + ε) + directionDecay · w, and w left alone.
        case lamb

        /// How many states the formula has, each as large as the weights.
        public var stateCount: Int {
            switch self {
            case .approach, .descent: 0
            case .momentum, .nesterov, .momentumStart, .nesterovStart, .adagrad, .rmsprop, .lion: 1
            case .adadelta, .rmspropMomentum, .rmspropCentred, .adam, .nadam, .radam, .radamStart, .adamax: 2
            case .rmspropCentredMomentum, .amsgrad, .lamb: 3
            }
        }
    }

    /// The formula.
    public var rule: Rule
    /// What scales the step: the learning rate, with what it is multiplied by in this step.
    public var rate: Double
    /// What the weights are multiplied by and added to the gradient; 0 for no L2 penalty.
    public var weightDecay = 0.0
    /// What the weights are multiplied by before the step; 1 for no decoupled weight decay.
    public var shrinkage = 1.0
    /// β₁: how much the first moment, or velocity, keeps.
    public var beta1 = 0.0
    /// The share of the gradient that goes into the first moment, such as 1 - β₁.
    public var blend1 = 1.0
    /// β₂: how much the second moment keeps.
    public var beta2 = 0.0
    /// The share of the squared gradient that goes into the second moment, such as 1 - β₂.
    public var blend2 = 1.0
    /// ε: what keeps divisors from 0.
    public var epsilon = 0.0
    /// What the second moment is multiplied by to correct its bias at the start, 1 / (1 - β₂ᵗ).
    public var correction2 = 1.0
    /// The rate of the gradient's own share in a step of `nadam`.
    public var gradientRate = 0.0
    /// The weight decay that takes part in the direction of `lamb`.
    public var directionDecay = 0.0

    /// A step by `rule` without weight decay; settings that its formula names must be set.
    public init(_ rule: Rule, rate: Double) {
        self.rule = rule
        self.rate = rate
    }

    /// The settings in the order in which loops and kernels take them.
    public var settings: [Double] {
        [
            rate, weightDecay, shrinkage, beta1, blend1, beta2, blend2, epsilon, correction2, gradientRate,
            directionDecay,
        ]
    }
}
