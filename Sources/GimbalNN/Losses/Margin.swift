// Losses that ask for a distance, not for a value. Each is 0 once its margin is kept.

/// max(0, margin - t · prediction) for targets t of -1 and 1, of the shape of the predictions (Cortes and Vapnik 1995).
public func hinge(
    _ predictions: Tensor, _ targets: Tensor, margin: Double = 1, reduction: LossReduction = .mean
) -> Tensor {
    requireSameShape("hinge", predictions, targets)
    return reduction.apply((margin - targets * predictions.inFullPrecision).relu())
}

/// Σ over the wrong classes of weight · max(0, margin - x_right + x_wrong)ᵖ / classes.
/// - Parameters:
///   - scores: [batch, classes].
///   - targets: int32 [batch]; a class out of range gives NaN.
///   - p: the power of each term, 1 or 2.
///   - margin: by how much the right class has to lead each other one.
///   - weight: what the loss of a row is multiplied by, for each class that may be right, [classes]; nil for 1.
///   - reduction: how the losses of all rows become one; `.none` leaves them as they are.
public func multiMargin(
    _ scores: Tensor, _ targets: Tensor, p: Int = 1, margin: Double = 1, weight: Tensor? = nil,
    reduction: LossReduction = .mean
) -> Tensor {
    require(
        scores.rank == 2 && targets.shape == [scores.shape[0]] && targets.dtype == .int32, "multiMargin",
        "scores of \(scores.shape) need int32 targets of their batch, not \(targets.dtype) \(targets.shape)")
    require(p == 1 || p == 2, "multiMargin", "p is 1 or 2, not \(p)")
    let scores = scores.inFullPrecision
    let classes = scores.shape[1]
    let isRight = targets.isClass(of: classes)
    let zero = scores.scalar(0)
    let right = Tensor.select(isRight, scores, zero).sum([1], keepsAxes: true)
    let count = isRight.cast(to: scores.dtype).sum([1], keepsAxes: true)
    let distance = (scores - right / count + margin).relu()
    var losses = Tensor.select(isRight, zero, p == 1 ? distance : distance.square()).sum([1]) / Double(classes)
    if let weight { losses = losses * weight.gathered(targets) }
    return reduction.apply(losses)
}

/// x where the target is 1, max(0, margin - x) where it is -1; for distances x (Hadsell et al. 2006 without squares).
public func hingeEmbedding(
    _ distances: Tensor, _ targets: Tensor, margin: Double = 1, reduction: LossReduction = .mean
) -> Tensor {
    requireSameShape("hingeEmbedding", distances, targets)
    let distances = distances.inFullPrecision
    let zero = distances.scalar(0)
    let isAlike = targets.equals(targets.scalar(1))
    let isUnlike = targets.equals(targets.scalar(-1))
    // A target that is neither counts twice, as in PyTorch.
    let near = Tensor.select(isUnlike, zero, distances)
    let far = Tensor.select(isAlike, zero, (margin - distances).relu())
    return reduction.apply(near + far)
}

/// max(0, margin - t (first - second)): the first is to rank higher where t is 1, lower where it is -1.
public func marginRanking(
    _ first: Tensor, _ second: Tensor, _ targets: Tensor, margin: Double = 0, reduction: LossReduction = .mean
) -> Tensor {
    requireSameShape("marginRanking", first, second)
    requireSameShape("marginRanking", first, targets)
    return reduction.apply((margin - targets * (first.inFullPrecision - second)).relu())
}
