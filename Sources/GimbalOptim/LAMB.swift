/// Adam for large batches: each parameter's step has a length in proportion to its weights' (You et al. 2020, algorithm
/// 2).
///
/// r = m̂ / (√v̂ + ε) + weightDecay · w; w ← w - learningRate · ‖w‖ / ‖r‖ · r, with 1 for the ratio where either norm
/// is 0. The ratios are worked out on the device.
public final class LAMB: MomentOptimizer {
    /// LAMB over parameters, or groups of them, with the paper's defaults. Betas lie in [0, 1), nothing is negative.
    public init<Source: ParameterSource>(
        _ parameters: [Source], learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
        epsilon: Double = 1e-6, weightDecay: Double = 0
    ) {
        // The decay is neither added to the gradient nor shrinks the weights: it takes part in the direction.
        super.init(
            parameters, learningRate, beta1, beta2, epsilon, weightDecay, decouples: false)
    }

    override func rule(step: Int, rate: Double, decay: Double) -> OptimizerStep {
        var rule = rule(.lamb, rate: 1 / (1 - power(beta1, step)), learningRate: rate, decay: 0, step: step)
        rule.directionDecay = decay
        return rule
    }

    override func apply(
        _ rule: OptimizerStep, _ backend: any Backend, _ stretch: ParameterStore.Stretch, _ condition: Tensor?
    ) {
        backend.reportingErrors {
            let weights = stretch.run.weights
            let direction = try backend.allocate(weights.shape, weights.dtype)
            // A step that is not taken leaves the direction as it was: it must not hold what never was written.
            if condition != nil { backend.fill(direction, with: 0) }
            // Between two parameters the direction is 0, as moments and gradients are.
            backend.optimizerStep(
                rule, weights: weights, gradient: stretch.run.gradients, states: stretch.moments + [direction],
                condition: condition?.view)
            let segments = try Segments(stretch.run, units: .parameters)
            let ratios = try segments.norms(of: weights)
            let lengths = try segments.norms(of: direction)
            let product = try backend.allocate(ratios.shape, ratios.dtype)
            backend.binary(.init(.multiply), ratios, lengths, out: product)
            backend.binary(.init(.divide), ratios, lengths, out: ratios)
            // NaN is not equal to 0: it passes.
            let (mask, constant) = (
                try backend.allocate(ratios.shape, .uint8), try backend.allocate([1], ratios.dtype)
            )
            backend.fill(constant, with: 0)
            backend.binary(.init(.equal), product, constant.broadcast(to: product.shape), out: mask)
            backend.fill(constant, with: 1)
            backend.select(mask, constant.broadcast(to: ratios.shape), ratios, out: ratios)
            backend.scaleSegments(direction, segments: segments.view, by: ratios)
            backend.optimizerStep(
                OptimizerStep(.descent, rate: learningRate * stretch.group.learningRateScale), weights: weights,
                gradient: direction, states: [], condition: condition?.view)
        }
    }
}
