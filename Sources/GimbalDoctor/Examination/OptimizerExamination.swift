/// What is known of an optimizer before it takes a step.
public struct OptimizerExamination: Codable, Sendable {
    /// The learning rate.
    public var learningRate: Double
    /// How much of its velocity a step keeps; 0 where gradients are not added up as SGD does.
    public var momentum: Double
    /// What is added to the divisor of an adaptive optimizer's steps; nil for others.
    public var epsilon: Double?
    /// What weights are multiplied by for what is taken from them; 0 for no decay.
    public var weightDecay = 0.0
    /// The penalty that is added to gradients beside the decay; nil for none, or where that is not known.
    public var penalty: WeightPenalty?
    /// The norm of what decay and penalty add to the gradient of all weights, over that of the gradient; where decay works
    /// beside adaptive steps, over that of steps of the learning rate. nil without both.
    public var decayShare: Double?
    /// The limit on the norm of all gradients; nil for none, or where that is not known.
    public var clipNorm: Double?
    /// The norm of all gradients of what is trained, before they are limited; nil where one is not finite.
    public var gradientNorm: Double?
    /// Steps that the run is to take, where each counts as many times as its rate is that of the first steps; nil where it is
    /// not known.
    public var plannedSteps: Double?
}

extension OptimizerExamination {
    /// - Parameters:
    ///   - parameters: what was measured of the model's parameters.
    ///   - penalty: what is added to the gradients.
    init(
        _ optimizer: any Optimizer, _ parameters: [ParameterExamination], penalty: WeightPenalty?,
        clipNorm: Double?, plannedSteps: Double?
    ) {
        let optimizer = (optimizer as? ShardedOptimizer)?.inner ?? optimizer
        learningRate = optimizer.learningRate
        momentum = (optimizer as? SGD)?.momentum ?? (optimizer as? RMSprop)?.momentum ?? 0
        let moments = optimizer as? MomentOptimizer
        epsilon = moments?.epsilon ?? (optimizer as? RMSprop)?.epsilon
        self.penalty = penalty.flatMap { $0.l1 > 0 || $0.l2 > 0 ? $0 : nil }
        self.clipNorm = clipNorm
        self.plannedSteps = plannedSteps
        let squares = parameters.filter { $0.isHeld && $0.isTrainable }.map { parameter in
            let size = parameter.gradient?.rootMeanSquare ?? 0
            return size * size * Double(parameter.values.elementCount)
        }
        gradientNorm = squares.reduce(0, +).squareRoot().ifFinite
        weightDecay = (optimizer as? ElementwiseOptimizer)?.weightDecay ?? 0
        let isDecoupled = self.penalty == nil && (moments?.decouplesWeightDecay ?? (optimizer is Lion))
        let (l1, l2) = (penalty?.l1 ?? 0, weightDecay + (penalty?.l2 ?? 0))
        guard l1 > 0 || l2 > 0 else { return }
        var (pulls, gradients) = (0.0, 0.0)
        for parameter in parameters
        where parameter.values.shape.count > 1 && parameter.isHeld && !(parameter.gradient?.isZero ?? true) {
            let count = Double(parameter.values.elementCount)
            let gradient = isDecoupled ? 1 : parameter.gradient!.rootMeanSquare
            let pull = l1 + l2 * parameter.values.rootMeanSquare
            pulls += count * pull * pull
            gradients += count * gradient * gradient
        }
        if gradients > 0, gradients.isFinite { decayShare = (pulls / gradients).squareRoot() }
    }
}
