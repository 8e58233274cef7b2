import CGimbalLoops
import GimbalBackend

// Layer normalisation. Loops take parameters and statistics in float32 whatever the type of `x`.

extension CPUBackend {
    public func layerNorm(
        _ x: TensorView, scale: TensorView?, shift: TensorView?, epsilon: Double, centers: Bool, out: TensorView,
        mean: TensorView, inverseDeviation: TensorView
    ) {
        guard x.elementCount > 0 else { return }
        guard areFloat32([scale, shift, mean, inverseDeviation]) else {
            return widening([.read(scale), .read(shift), .write(mean), .write(inverseDeviation)]) {
                layerNorm(
                    x, scale: $0[0], shift: $0[1], epsilon: epsilon, centers: centers, out: out, mean: $0[2]!,
                    inverseDeviation: $0[3]!)
            }
        }
        computing([x], out: out, contiguous: true) { inputs, out in
            var plan = layerPlan(
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
        guard areFloat32([scale, mean, inverseDeviation]) else {
            return widening([.read(scale), .read(mean), .read(inverseDeviation)]) {
                layerNormGradient(
                    x, outputGradient: outputGradient, scale: $0[0], centers: centers, mean: $0[1]!,
                    inverseDeviation: $0[2]!, inputGradient: inputGradient, scaleGradient: scaleGradient,
                    shiftGradient: shiftGradient)
            }
        }
        reportingErrors {
            let chunks = (rows + Self.rowChunk - 1) / Self.rowChunk
            let forScale = try scaleGradient.map { _ in try allocate([chunks, width], .float32) }
            let forShift = try shiftGradient.map { _ in try allocate([chunks, width], .float32) }
            let result = try inputGradient ?? allocate([0])
            computing([x, outputGradient], out: result, contiguous: true) { inputs, result in
                let plan = layerPlan(
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
    ) -> gimbal_layer_norm {
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
