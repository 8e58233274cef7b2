// Losses of pairs and triplets of vectors.

/// x · y / (‖x‖ ‖y‖) along `axis`.
/// - Parameters:
///   - x: vectors along `axis`.
///   - y: vectors of the same size, of a shape that broadcasts with that of x.
///   - axis: the axis of the vectors, which is gone from the result; negative ones count from the last.
///   - epsilon: the least length that a vector is divided by.
public func cosineSimilarity(_ x: Tensor, _ y: Tensor, axis: Int = 1, epsilon: Double = 1e-8) -> Tensor {
    func unit(_ x: Tensor) -> Tensor {
        let x = x.inFullPrecision
        return x / x.norm([axis], keepsAxes: true).clamped(to: epsilon ... .infinity)
    }
    return (unit(x) * unit(y)).sum([axis])
}

/// 1 - cos(x, y) where the target is 1, max(0, cos(x, y) - margin) where it is -1.
/// - Parameters:
///   - x: [batch, size], or [size].
///   - y: of the same shape.
///   - targets: real, [batch] or [].
///   - margin: the cosine up to which unlike vectors cost nothing.
///   - reduction: how the losses of all pairs become one; `.none` leaves them as they are.
public func cosineEmbedding(
    _ x: Tensor, _ y: Tensor, _ targets: Tensor, margin: Double = 0, reduction: LossReduction = .mean
) -> Tensor {
    requireSameShape("cosineEmbedding", x, y)
    require(
        x.rank >= 1 && targets.shape.sizes == x.shape.sizes.dropLast(), "cosineEmbedding",
        "vectors of \(x.shape) need one target each, not \(targets.shape)")
    let (x, y) = (x.inFullPrecision, y.inFullPrecision)
    let lengths = (x.square().sum([-1]) + 1e-12) * (y.square().sum([-1]) + 1e-12)
    let cosine = (x * y).sum([-1]) / lengths.squareRoot()
    let zero = cosine.scalar(0)
    let alike = Tensor.select(targets.equals(targets.scalar(1)), 1 - cosine, zero)
    let unlike = Tensor.select(targets.equals(targets.scalar(-1)), (cosine - margin).relu(), zero)
    return reduction.apply(alike + unlike)
}

/// ‖x - y + ε‖ₚ along the last axis.
/// - Parameters:
///   - x: [..., size].
///   - y: of a shape that broadcasts with that of x.
///   - p: the norm, ≥ 1, or infinity.
///   - epsilon: added to each difference.
public func pairwiseDistance(_ x: Tensor, _ y: Tensor, p: Double = 2, epsilon: Double = 1e-6) -> Tensor {
    require(p >= 1, "pairwiseDistance", "p is 1 or more, not \(p)")
    let difference = x.inFullPrecision - y + epsilon
    if p == .infinity { return difference.absolute().max([-1]) }
    if p == 1 { return difference.absolute().sum([-1]) }
    let total = p == 2 ? difference.square().sum([-1]) : difference.absolute().power(p).sum([-1])
    // The slope of a length at 0 is taken as 0.
    let isZero = total.detached().equals(total.scalar(0))
    let held = Tensor.select(isZero, total.scalar(1), total)
    return Tensor.select(isZero, total.scalar(0), p == 2 ? held.squareRoot() : held.power(1 / p))
}

/// max(0, d(anchor, positive) - d(anchor, negative) + margin), with `pairwiseDistance` d (Balntas et al. 2016).
/// - Parameters:
///   - anchor: what the others are compared with, [..., size].
///   - positive: what is to be near it, of the same shape.
///   - negative: what is to be far from it, of the same shape.
///   - margin: by how much the negative has to be farther away.
///   - p: the norm of the distances, ≥ 1, or infinity.
///   - epsilon: added to each difference.
///   - swaps: takes the distance of positive and negative where it is the smaller one.
///   - reduction: how the losses of all triplets become one; `.none` leaves them as they are.
public func tripletMargin(
    _ anchor: Tensor, _ positive: Tensor, _ negative: Tensor, margin: Double = 1, p: Double = 2,
    epsilon: Double = 1e-6, swaps: Bool = false, reduction: LossReduction = .mean
) -> Tensor {
    requireSameShape("tripletMargin", anchor, positive)
    requireSameShape("tripletMargin", anchor, negative)
    let near = pairwiseDistance(anchor, positive, p: p, epsilon: epsilon)
    var far = pairwiseDistance(anchor, negative, p: p, epsilon: epsilon)
    if swaps { far = Tensor.minimum(far, pairwiseDistance(positive, negative, p: p, epsilon: epsilon)) }
    return reduction.apply((near - far + margin).relu())
}
