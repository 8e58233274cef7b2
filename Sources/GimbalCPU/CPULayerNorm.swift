import CGimbalLoops
import GimbalBackend

// Layer normalisation. Parameters and statistics are float32 whatever the type of `x`.

extension CPUBackend {
    public func layerNorm(
        _ x: TensorView, scale: TensorView?, shift: TensorView?, epsilon: Double, centers: Bool, out: TensorView,
        mean: TensorView, inverseDeviation: TensorView
    ) {
        guard x.elementCount > 0 else { return }
        computing([x], out: out, contiguous: true) { inputs, out in
            var plan = try layerPlan(
                x, scale: scale, shift: shift, centers: centers, mean: mean, inverseDeviation: inverseDeviation)
            plan.epsilon = Float(epsilon)
            divide(x.shape[0], grain: max(grain / (2 * x.shape[1]), 1)) { rows in
                var plan = plan
                loops.layer_norm(&plan, inputs[0].floats, out.floats, rows.lowerBound, rows.upperBound)
            }
        }
    }

    /// Rows whose contributions to the parameters' gradients are summed in one go: fixed, so that the sums do not depend
    /// on the number of threads.
    private static let rowChunk = 64

    public func layerNormGradient(
        _ x: TensorView, outputGradient: TensorView, scale: TensorView?, centers: Bool, mean: TensorView,
        inverseDeviation: TensorView, inputGradient: TensorView?,
        scaleGradient: (view: TensorView, accumulates: Bool)?, shiftGradient: (view: TensorView, accumulates: Bool)?
    ) {
        let (rows, width) = (x.shape[0], x.shape[1])
        reportingErrors {
            let chunks = (rows + Self.rowChunk - 1) / Self.rowChunk
            let forScale = try scaleGradient.map { _ in try allocate([chunks, width], .float32) }
            let forShift = try shiftGradient.map { _ in try allocate([chunks, width], .float32) }
            let result = try inputGradient ?? allocate([0])
            computing([x, outputGradient], out: result, contiguous: true) { inputs, result in
                let plan = try layerPlan(
                    x, scale: scale, shift: nil, centers: centers, mean: mean, inverseDeviation: inverseDeviation)
                divide(chunks, grain: max(grain / (3 * width * Self.rowChunk), 1)) { range in
                    var plan = plan
                    for chunk in range {
                        loops.layer_norm_gradient(
                            &plan, inputs[0].floats, inputs[1].floats, inputGradient == nil ? nil : result.floats,
                            forScale.map { $0.floats + chunk * width }, forShift.map { $0.floats + chunk * width },
                            chunk * Self.rowChunk, min((chunk + 1) * Self.rowChunk, rows))
                    }
                }
            }
            for (sums, destination) in [(forScale, scaleGradient), (forShift, shiftGradient)] {
                guard let sums, let destination else { continue }
                reduce(.sum, sums, out: destination.view.reshaped([1, width]), accumulates: destination.accumulates)
            }
        }
    }

    private func layerPlan(
        _ x: TensorView, scale: TensorView?, shift: TensorView?, centers: Bool, mean: TensorView,
        inverseDeviation: TensorView
    ) throws -> gimbal_layer_norm {
        for case let view? in [scale, shift, mean, inverseDeviation] where view.dtype != .float32 {
            throw GimbalError.deviceFailed(
                device: device.id, operation: "layerNorm", reason: "parameters must be float32, not \(view.dtype)")
        }
        var plan = gimbal_layer_norm()
        plan.width = x.shape[1]
        plan.scale = scale.map { UnsafePointer($0.floats) }
        plan.shift = shift.map { UnsafePointer($0.floats) }
        plan.centers = centers
        plan.mean = mean.floats
        plan.inverse_deviation = inverseDeviation.floats
        return plan
    }
}
