/// What happens to gradients and weights in one step of a phase: division by the loss scale, penalty, noise, clipping, the
/// step itself and constraint, each where the phase asks for it.
final class WeightUpdate {
    let optimizer: any Optimizer
    /// Of float16.
    let scaler: LossScaler?
    /// The rate that schedules multiply: the optimizer's when it came here.
    let baseRate: Double
    private let penalty: WeightPenalty?
    private let noise: GradientNoise?
    private let constraint: WeightConstraint?
    private let clippers: [GradientClipper]

    init<Batch>(_ phase: Phase<Batch>, precision: Precision, device: Device) {
        optimizer = phase.optimizer
        baseRate = phase.optimizer.learningRate
        scaler = precision == .float16 ? LossScaler(device: device) : nil
        penalty = phase.penalty
        noise = phase.noise
        constraint = phase.constraint
        let clippers = phase.clipping.map { GradientClipper($0) }
        self.clippers =
            phase.nonFinite == .pass ? clippers : [GradientClipper(.none, nonFinite: phase.nonFinite)] + clippers
    }

    /// Applies the gradients held now. Does not wait for the device.
    /// - Parameters:
    ///   - step: where in the run this is; is given the norm before clipping, if that was computed.
    ///   - callbacks: are called before clipping and before the update.
    ///   - clipNorm: a limit on the norm of all gradients, beside those of the phase.
    /// - Throws: the first failure of the device since it was last waited for.
    func apply(_ step: inout TrainingStep, _ callbacks: [any TrainingCallback], clipNorm: Double? = nil) throws {
        let parameters = optimizer.parameters
        let isFinite = try scaler?.unscale(parameters)
        step.lossScale = nil
        try penalty?.addGradients(parameters)
        if let noise { try noise.add(to: parameters, step: step.number - 1) }
        for callback in callbacks { try callback.willClip(step) }
        var condition = isFinite
        let limit = clipNorm.map { [GradientClipper(.globalNorm($0))] } ?? []
        for clipper in clippers + limit {
            let clipped = try clipper.clip(parameters)
            step.gradientNorm = step.gradientNorm ?? clipped.norm
            if let other = clipped.condition { condition = condition.map { $0 * other } ?? other }
        }
        for callback in callbacks { try callback.willUpdate(step) }
        try optimizer.step(if: condition)
        if let isFinite { try scaler?.update(isFinite) }
        try constraint?.apply(to: parameters.filter { $0.shape.rank > 1 })
        for callback in callbacks { try callback.didUpdate(step) }
    }

    /// Takes steps that were left out since it was last asked off the optimizer's counts. Waits for the device.
    /// - Parameter discounted: how many were taken off so far.
    func discountSkippedSteps(_ discounted: inout Int?) throws {
        guard let skipped = try scaler?.counters().skippedSteps, skipped != discounted ?? 0 else { return }
        optimizer.discountSteps(skipped - (discounted ?? 0))
        discounted = skipped
    }

    // MARK: State

    /// What must be saved beside the optimizer's state: norms and the loss scale.
    var tensors: [(name: String, value: Tensor)] {
        clippers.compactMap { $0.normHistory.map { ("gradient_norms", $0) } }
            + (scaler.map { [("loss_scale", $0.state)] } ?? [])
    }

    /// Takes up a saved state.
    /// - Throws: `GimbalError.weightMismatch`, `GimbalError.outOfMemory`.
    func restore(_ tensors: [(name: String, value: Tensor)]) throws {
        if let scaler, let scale = tensors.first(where: { $0.name == "loss_scale" })?.value {
            try NameMatch(saved: [("loss_scale", scale.shape)], wanted: [("loss_scale", [3])]).check("the loss scale")
            scaler.restore(scale)
        }
        guard let norms = tensors.first(where: { $0.name == "gradient_norms" })?.value else { return }
        for clipper in clippers {
            if case .percentile = clipper.clipping { try clipper.restore(normHistory: norms) }
        }
    }
}
