/// What happens to gradients and weights in one optimizer step: division by the loss scale, penalty, noise, clipping,
/// the step itself, constraint and moving average, each where the settings ask for it.
final class WeightUpdate {
    let optimizer: any Optimizer
    /// The moving average of the weights, where one is kept.
    let average: ExponentialMovingAverage?
    /// Of float16.
    let scaler: LossScaler?
    private let settings: TrainingSettings
    private let clippers: [GradientClipper]

    init(_ model: any Layer, _ settings: TrainingSettings, device: Device) {
        self.settings = settings
        scaler = settings.makeLossScaler(device)
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
        let isFinite = try scaler?.unscale(parameters)
        if settings.l1 > 0 { try WeightPenalty(l1: settings.l1).addGradients(parameters) }
        if settings.gradientNoise > 0 {
            try GradientNoise(eta: settings.gradientNoise).add(to: parameters, step: number)
        }
        var norm: Tensor?
        var condition = isFinite
        for clipper in clippers {
            let clipped = try clipper.clip(parameters)
            norm = norm ?? clipped.norm
            if let other = clipped.condition { condition = condition.map { $0 * other } ?? other }
        }
        optimizer.learningRate = rate
        try optimizer.step(if: condition)
        if let isFinite { try scaler?.update(isFinite) }
        if let maxNorm = settings.maxWeightNorm {
            try WeightConstraint.maxNorm(maxNorm).apply(to: parameters.filter { $0.shape.rank > 1 })
        }
        try average?.update()
        return norm
    }

    /// Takes steps that were left out since it was last asked off the optimizer's counts. Waits for the device.
    /// - Parameter discounted: how many were taken off so far.
    func discountSkippedSteps(_ discounted: inout Int?) throws {
        guard let skipped = try scaler?.counters().skippedSteps, skipped != discounted ?? 0 else { return }
        optimizer.discountSteps(skipped - (discounted ?? 0))
        discounted = skipped
    }

    // MARK: State

    /// What must be saved beside the optimizer's state: averages, norms and the loss scale.
    var tensors: [(name: String, value: Tensor)] {
        (average?.state.tensors ?? []) + clippers.compactMap { $0.normHistory.map { ("gradient_norms", $0) } }
            + (scaler.map { [("loss_scale", $0.state)] } ?? [])
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
        if let scaler, let scale = tensors.first(where: { $0.name == "loss_scale" })?.value {
            guard scale.shape == [3] else {
                throw GimbalError.weightMismatch(
                    path: "the loss scale", missing: [], unexpected: [], misshaped: ["loss_scale"])
            }
            scaler.restore(scale)
        }
        guard let norms = tensors.first(where: { $0.name == "gradient_norms" })?.value else { return }
        for clipper in clippers {
            if case .percentile = clipper.clipping { try clipper.restore(normHistory: norms) }
        }
    }
}
