// The parameters of a fully connected layer over the primitives.

extension Backend {
    public func linearWeightGradient(
        _ x: TensorView, outputGradient: TensorView, weightGradient: (view: TensorView, accumulates: Bool),
        biasGradient: (view: TensorView, accumulates: Bool)
    ) {
        matrixMultiply(
            outputGradient.transposed, x, out: weightGradient.view,
            Epilogue(accumulates: weightGradient.accumulates))
        reduce(
            .sum, outputGradient, out: biasGradient.view.reshaped([1, outputGradient.shape[1]]),
            accumulates: biasGradient.accumulates)
    }
}
