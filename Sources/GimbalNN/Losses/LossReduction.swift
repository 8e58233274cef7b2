/// How the losses of single elements or rows become one.
public enum LossReduction: Sendable, CaseIterable {
    /// Their mean, over all of them.
    case mean
    /// Their sum.
    case sum
    /// Leaves them as they are, one for each element or row.
    case none
    /// The sum divided by the size of the first axis, which is what the definition of the Kullback-Leibler divergence
    /// asks for.
    case batchMean

    func apply(_ losses: Tensor) -> Tensor {
        switch self {
        case .mean: losses.mean()
        case .sum: losses.sum()
        case .none: losses
        case .batchMean: losses.sum() / Double(losses.shape.first ?? 1)
        }
    }
}

/// Stops unless both have one shape.
func requireSameShape(_ operation: String, _ predictions: Tensor, _ targets: Tensor) {
    require(
        predictions.shape == targets.shape, operation,
        "predictions of \(predictions.shape) and targets of \(targets.shape) differ in shape")
}
