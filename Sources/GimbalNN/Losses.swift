/// How the losses of single elements or rows become one.
public enum LossReduction: Sendable {
    case mean, sum
    /// Leaves them as they are.
    case none

    fileprivate func apply(_ losses: Tensor) -> Tensor {
        switch self {
        case .mean: losses.mean()
        case .sum: losses.sum()
        case .none: losses
        }
    }
}

/// The negative logarithm of the probability that softmax gives the right class.
/// - Parameters:
///   - logits: [batch, classes], any real numbers.
///   - targets: int32 [batch], each in 0..<classes; any other gives NaN.
public func crossEntropy(_ logits: Tensor, _ targets: Tensor, reduction: LossReduction = .mean) -> Tensor {
    reduction.apply(logits.crossEntropies(targets))
}

/// The squared difference, (prediction - target)².
/// - Parameters:
///   - predictions, targets: of one shape.
public func meanSquaredError(_ predictions: Tensor, _ targets: Tensor, reduction: LossReduction = .mean) -> Tensor {
    require(
        predictions.shape == targets.shape, "meanSquaredError",
        "predictions of \(predictions.shape) and targets of \(targets.shape) differ in shape")
    return reduction.apply((predictions - targets).square())
}
