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
    /// The norm of what decay adds to the gradient of all weights, over that of the gradient; where decay works beside
    /// adaptive steps, over that of steps of the learning rate. nil without decay.
    public var decayShare: Double?
    /// Steps that the run is to take, where each counts as many times as its rate is that of the first steps; nil where it is
    /// not known.
    public var plannedSteps: Double?
}

extension OptimizerExamination {
    /// - Parameter parameters: what was measured of the model's parameters.
    init(
        _ optimizer: any Optimizer, _ parameters: [ParameterExamination], plannedSteps: Double?
    ) {
        learningRate = optimizer.learningRate
        momentum = (optimizer as? SGD)?.momentum ?? (optimizer as? RMSprop)?.momentum ?? 0
        let moments = optimizer as? MomentOptimizer
        epsilon = moments?.epsilon ?? (optimizer as? RMSprop)?.epsilon
        self.plannedSteps = plannedSteps
        guard let decay = (optimizer as? ElementwiseOptimizer)?.weightDecay, decay > 0 else { return }
        weightDecay = decay
        let isDecoupled = moments?.decouplesWeightDecay ?? (optimizer is Lion)
        var (weights, gradients) = (0.0, 0.0)
        for parameter in parameters
        where parameter.values.shape.count > 1 && parameter.isHeld && !(parameter.gradient?.isZero ?? true) {
            let count = Double(parameter.values.elementCount)
            let gradient = isDecoupled ? 1 : parameter.gradient!.rootMeanSquare
            weights += count * parameter.values.rootMeanSquare * parameter.values.rootMeanSquare
            gradients += count * gradient * gradient
        }
        if gradients > 0, gradients.isFinite { decayShare = decay * (weights / gradients).squareRoot() }
    }
}
