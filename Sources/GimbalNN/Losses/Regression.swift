import Foundation

// Losses of real predictions. Predictions and targets are of one shape.

/// The squared difference, (prediction - target)².
public func meanSquaredError(_ predictions: Tensor, _ targets: Tensor, reduction: LossReduction = .mean) -> Tensor {
    requireSameShape("meanSquaredError", predictions, targets)
    return reduction.apply((predictions.inFullPrecision - targets).square())
}

/// The absolute difference, |prediction - target|, also called L1 loss.
public func meanAbsoluteError(_ predictions: Tensor, _ targets: Tensor, reduction: LossReduction = .mean) -> Tensor {
    requireSameShape("meanAbsoluteError", predictions, targets)
    return reduction.apply((predictions.inFullPrecision - targets).absolute())
}

/// Half the squared difference up to `delta`, and from there on a straight line (Huber 1964).
public func huber(
    _ predictions: Tensor, _ targets: Tensor, delta: Double = 1, reduction: LossReduction = .mean
) -> Tensor {
    requireSameShape("huber", predictions, targets)
    require(delta > 0, "huber", "delta must be positive, not \(delta)")
    return reduction.apply((predictions.inFullPrecision - targets).huber(delta))
}

/// `huber` divided by `beta`, so that its straight part has slope 1 (Girshick 2015). With a `beta` of 0 it is the
/// absolute difference.
public func smoothL1(
    _ predictions: Tensor, _ targets: Tensor, beta: Double = 1, reduction: LossReduction = .mean
) -> Tensor {
    requireSameShape("smoothL1", predictions, targets)
    require(beta >= 0, "smoothL1", "beta must not be negative, not \(beta)")
    if beta == 0 { return meanAbsoluteError(predictions, targets, reduction: reduction) }
    return reduction.apply((predictions.inFullPrecision - targets).huber(beta) / beta)
}

/// The negative log-likelihood of counts under a Poisson distribution, λ - t log λ, up to a constant.
/// - Parameters:
///   - predictions: log λ, or λ where `isLogarithmic` says no.
///   - targets: the counts t, of the same shape.
///   - isLogarithmic: whether predictions are log λ instead of λ.
///   - isFull: adds Stirling's approximation of log t! where t > 1.
///   - epsilon: added to λ before its logarithm is taken.
///   - reduction: how the losses of all elements become one; `.none` leaves them as they are.
public func poissonNLL(
    _ predictions: Tensor, _ targets: Tensor, isLogarithmic: Bool = true, isFull: Bool = false, epsilon: Double = 1e-8,
    reduction: LossReduction = .mean
) -> Tensor {
    requireSameShape("poissonNLL", predictions, targets)
    let predictions = predictions.inFullPrecision
    var losses =
        isLogarithmic
        ? predictions.exp() - targets * predictions : predictions - targets * (predictions + epsilon).log()
    if isFull {
        let isLarge = targets.isGreater(than: targets.scalar(1))
        // Where it does not count, 1 stands for t, so that no gradient of 0 meets an infinite slope.
        let t = Tensor.select(isLarge, targets, targets.scalar(1))
        let stirling = t * t.log() - t + (t * (2 * Double.pi)).log() * 0.5
        losses = losses + Tensor.select(isLarge, stirling, targets.scalar(0))
    }
    return reduction.apply(losses)
}

/// The negative log-likelihood under a normal distribution, ½ (log σ² + (prediction - target)² / σ²), up to a constant
/// (Nix and Weigend 1994).
/// - Parameters:
///   - predictions: the means of the distributions.
///   - targets: what was observed, of the same shape.
///   - variance: σ², of a shape that broadcasts to the predictions'.
///   - isFull: adds the constant ½ log 2π.
///   - epsilon: the least σ², below which the variance still receives its gradient.
///   - reduction: how the losses of all elements become one; `.none` leaves them as they are.
public func gaussianNLL(
    _ predictions: Tensor, _ targets: Tensor, variance: Tensor, isFull: Bool = false, epsilon: Double = 1e-6,
    reduction: LossReduction = .mean
) -> Tensor {
    requireSameShape("gaussianNLL", predictions, targets)
    require(
        variance.shape.broadcast(with: predictions.shape) == predictions.shape, "gaussianNLL",
        "variances of \(variance.shape) do not fit predictions of \(predictions.shape)")
    let predictions = predictions.inFullPrecision
    let held = variance.inFullPrecision.detached().clamped(to: epsilon ... .infinity).recorded(
        "gaussianNLL", [variance]
    ) {
        $1.add(0, $0)
    }
    let losses = (held.log() + (predictions - targets).square() / held) * 0.5
    return reduction.apply(isFull ? losses + 0.5 * Foundation.log(2 * Double.pi) : losses)
}

extension Tensor {
    /// ½ x² where |x| ≤ limit, else limit · (|x| - ½ limit). Its gradient is x, held within ±limit.
    fileprivate func huber(_ limit: Double) -> Tensor {
        let x = detached()
        let slope = x.clamped(to: -limit...limit)
        return (slope * (x - slope * 0.5)).recorded("huber", [self]) { outputGradient, inputs in
            let slope = inputs.createsGraph ? inputs.input(0, x).clamped(to: -limit...limit) : slope
            inputs.add(0, outputGradient.maskedProduct(slope))
        }
    }
}
