extension Backend {
    public func batchNormReLU(
        _ x: TensorView, scale: TensorView?, shift: TensorView?,
        running: (mean: TensorView, variance: TensorView)?, momentum: Double, epsilon: Double, residual: TensorView?,
        out: TensorView, mean: TensorView, inverseDeviation: TensorView
    ) {
        rectify(residual, x.shape, out: out) {
            batchNorm(
                x, scale: scale, shift: shift, running: running, momentum: momentum, epsilon: epsilon, out: $0,
                mean: mean, inverseDeviation: inverseDeviation)
        }
    }

    public func batchNormInferenceReLU(
        _ x: TensorView, scale: TensorView?, shift: TensorView?, mean: TensorView, variance: TensorView,
        epsilon: Double, residual: TensorView?, out: TensorView
    ) {
        rectify(residual, x.shape, out: out) {
            batchNormInference(
                x, scale: scale, shift: shift, mean: mean, variance: variance, epsilon: epsilon, out: $0)
        }
    }

    /// Adds `residual` to what `normalize` writes, where there is one, and rectifies the sum.
    private func rectify(
        _ residual: TensorView?, _ shape: Shape, out: TensorView, _ normalize: (_ out: TensorView) -> Void
    ) {
        reportingErrors {
            // Rounded once, at the end.
            let normalized = residual == nil || out.dtype == realType ? out : try allocate(shape)
            normalize(normalized)
            if let residual { binary(.init(.add), normalized, residual, out: normalized) }
            unary(.init(.relu), normalized, out: out)
        }
    }

    public func batchNormReLUGradient(
        _ x: TensorView, y: TensorView, outputGradient: TensorView, scale: TensorView?, mean: TensorView,
        inverseDeviation: TensorView, inputGradient: TensorView?, residualGradient: TensorView?,
        scaleGradient: (view: TensorView, accumulates: Bool)?, shiftGradient: (view: TensorView, accumulates: Bool)?
    ) {
        reportingErrors {
            let kept = residualGradient.flatMap { $0.dtype == realType ? $0 : nil }
            let passed = try kept ?? allocate(x.shape)
            binary(.init(.reluGradient), y, outputGradient, out: passed)
            if let residualGradient, kept == nil { copy(passed, to: residualGradient) }
            batchNormGradient(
                x, outputGradient: passed, scale: scale, mean: mean, inverseDeviation: inverseDeviation,
                inputGradient: inputGradient, scaleGradient: scaleGradient, shiftGradient: shiftGradient)
        }
    }
}
