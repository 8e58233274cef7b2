extension Backend {
    public func batchNormReLU(
        _ x: TensorView, scale: TensorView?, shift: TensorView?,
        running: (mean: TensorView, variance: TensorView)?, momentum: Double, epsilon: Double, residual: TensorView?,
        out: TensorView, mean: TensorView, inverseDeviation: TensorView
    ) {
        reportingErrors {
            // Rounded once, at the end.
            let normalized = residual == nil || out.dtype == realType ? out : try allocate(x.shape)
            batchNorm(
                x, scale: scale, shift: shift, running: running, momentum: momentum, epsilon: epsilon, out: normalized,
                mean: mean, inverseDeviation: inverseDeviation)
            if let residual { binary(.init(.add), normalized, residual, out: normalized) }
            unary(.init(.relu), normalized, out: out)
        }
    }

    public func batchNormInferenceReLU(
        _ x: TensorView, scale: TensorView?, shift: TensorView?, mean: TensorView, variance: TensorView,
        epsilon: Double, residual: TensorView?, out: TensorView
    ) {
        reportingErrors {
            let normalized = residual == nil || out.dtype == realType ? out : try allocate(x.shape)
            batchNormInference(
                x, scale: scale, shift: shift, mean: mean, variance: variance, epsilon: epsilon, out: normalized)
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
