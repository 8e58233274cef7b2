extension Backend {
    public func batchNormReLU(
        _ x: TensorView, scale: TensorView?, shift: TensorView?,
        running: (mean: TensorView, variance: TensorView)?, momentum: Double, epsilon: Double, residual: TensorView?,
        out: TensorView, mean: TensorView, inverseDeviation: TensorView
    ) {
        batchNorm(
            x, scale: scale, shift: shift, running: running, momentum: momentum, epsilon: epsilon, out: out, mean: mean,
            inverseDeviation: inverseDeviation)
        if let residual { binary(.init(.add), out, residual, out: out) }
        unary(.init(.relu), out, out: out)
    }

    public func batchNormReLUGradient(
        _ x: TensorView, y: TensorView, outputGradient: TensorView, scale: TensorView?, mean: TensorView,
        inverseDeviation: TensorView, inputGradient: TensorView?, residualGradient: TensorView?,
        scaleGradient: (view: TensorView, accumulates: Bool)?, shiftGradient: (view: TensorView, accumulates: Bool)?
    ) {
        reportingErrors {
            let passed = try residualGradient ?? allocate(x.shape)
            binary(.init(.reluGradient), y, outputGradient, out: passed)
            batchNormGradient(
                x, outputGradient: passed, scale: scale, mean: mean, inverseDeviation: inverseDeviation,
                inputGradient: inputGradient, scaleGradient: scaleGradient, shiftGradient: shiftGradient)
        }
    }
}
