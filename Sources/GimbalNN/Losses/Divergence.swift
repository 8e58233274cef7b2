/// The Kullback-Leibler divergence of a predicted distribution from a wanted one, t (log t - prediction), element by
/// element; 0 where t is 0 (Kullback and Leibler 1951).
/// - Parameters:
///   - predictions: logarithms of probabilities.
///   - targets: probabilities of the same shape, or their logarithms where `isLogTarget` says so.
///   - isLogTarget: whether targets are logarithms.
///   - reduction: `.batchMean` gives the divergence as it is defined, per sample.
public func klDivergence(
    _ predictions: Tensor, _ targets: Tensor, isLogTarget: Bool = false, reduction: LossReduction = .mean
) -> Tensor {
    requireSameShape("klDivergence", predictions, targets)
    let predictions = predictions.inFullPrecision
    if isLogTarget { return reduction.apply(targets.exp() * (targets - predictions)) }
    let isZero = targets.detached().equals(targets.scalar(0))
    // log 1 stands for log 0, so that 0 log 0 is 0.
    let logarithm = Tensor.select(isZero, targets.scalar(1), targets).log()
    return reduction.apply(targets * logarithm - targets * predictions)
}
