/// What happens to gradients and weights in one optimizer step: penalty, noise, clipping, the step itself, constraint and
/// moving average, each where the settings ask for it.
final class WeightUpdate {
    let optimizer: any Optimizer
    /// The moving average of the weights, where one is kept.
    let average: ExponentialMovingAverage?
    private let settings: TrainingSettings
    private let clippers: [GradientClipper]

    init(_ model: any Layer, _ settings: TrainingSettings) {
        self.settings = settings
        optimizer = settings.makeOptimizer(model.parameters)
        clippers = settings.makeClippers()
        average = settings.averageDecay.map { ExponentialMovingAverage(model, decay: $0, warmsUp: true) }
    }

    /// Applies the gradients held now. Does not wait for the device.
    /// - Parameters:
    ///   - rate: of this step.
    ///   - number: of steps taken before it.
    /// - Returns: the gradient norm before clipping, if it was computed.
    /// - Throws: the first failure of the device since it was last waited for.
    func step(rate: Double, number: Int) throws -> Tensor? {
        let parameters = optimizer.parameters
        if settings.l1 > 0 { try WeightPenalty(l1: settings.l1).addGradients(parameters) }
        if settings.gradientNoise > 0 {
            try GradientNoise(eta: settings.gradientNoise).add(to: parameters, step: number)
        }
        var norm, condition: Tensor?
        for clipper in clippers {
            let clipped = try clipper.clip(parameters)
            norm = norm ?? clipped.norm
            condition = condition ?? clipped.condition
        }
        optimizer.learningRate = rate
        try optimizer.step(if: condition)
        if let maxNorm = settings.maxWeightNorm {
            try WeightConstraint.maxNorm(maxNorm).apply(to: parameters.filter { $0.shape.rank > 1 })
        }
        try average?.update()
        return norm
    }

    // MARK: State

    /// What must be saved beside the optimizer's state: averages and norms.
    var tensors: [(name: String, value: Tensor)] {
        (average?.state.tensors ?? []) + clippers.compactMap { $0.normHistory.map { ("gradient_norms", $0) } }
    }

    /// How often the average was updated.
    var averageUpdates: Int? { average?.updates }

    /// Takes up a saved state.
    /// - Throws: `GimbalError.weightMismatch`, `GimbalError.outOfMemory`.
    func restore(_ tensors: [(name: String, value: Tensor)], averageUpdates: Int?) throws {
        if let average {
            let saved = tensors.filter { $0.name.hasPrefix("average.") }
            try average.restore(
                OptimizerState(tensors: saved, steps: averageUpdates.map { ["updates": $0] } ?? [:]))
        }
        guard let norms = tensors.first(where: { $0.name == "gradient_norms" })?.value else { return }
        for clipper in clippers {
            if case .percentile = clipper.clipping { try clipper.restore(normHistory: norms) }
        }
    }
}
