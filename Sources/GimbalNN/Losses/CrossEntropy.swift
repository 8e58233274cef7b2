/// The negative logarithm of the probability that softmax gives the right class.
/// - Parameters:
///   - logits: [batch, classes, ...], any real numbers.
///   - targets: class numbers, int32 [batch, ...], each in 0..<classes or `ignoredIndex`; any other gives NaN. Or the
///     probabilities of all classes, of the shape of the logits.
///   - weight: one for each class, [classes]; nil for none. With them the mean is the weighted one, Σ w loss / Σ w over
///     the targets' classes.
///   - labelSmoothing: the probability that is spread evenly over all classes, in 0...1 (Szegedy et al. 2016).
///   - ignoredIndex: a class number whose rows count for nothing; nil for none. A mean over no rows is NaN.
///   - reduction: how the losses of all rows become one; `.none` leaves them as they are.
/// - Returns: with `.none`, [batch, ...].
public func crossEntropy(
    _ logits: Tensor, _ targets: Tensor, weight: Tensor? = nil, labelSmoothing: Double = 0, ignoredIndex: Int? = -100,
    reduction: LossReduction = .mean
) -> Tensor {
    let rows = ClassRows(logits, "crossEntropy")
    rows.check(weight)
    require(
        (0...1).contains(labelSmoothing), "crossEntropy", "labelSmoothing lies in 0...1, not \(labelSmoothing)")
    if targets.dtype.isFloatingPoint {
        require(
            targets.shape == logits.shape, "crossEntropy",
            "targets of \(targets.dtype) are probabilities, of the logits' shape \(logits.shape), not "
                + "\(targets.shape); numbers of classes are int32: cast(to: .int32)")
        var probabilities = ClassRows(targets, "crossEntropy").matrix
        if labelSmoothing > 0 {
            probabilities = probabilities.affine(
                scale: 1 - labelSmoothing, shift: labelSmoothing / Double(rows.classes))
        }
        var terms = rows.matrix.logSoftmax() * probabilities
        if let weight { terms = terms * weight }
        return reduction.apply((-terms.sum([1])).reshaped(rows.shape))
    }

    let classes = rows.flattened(targets)
    if weight == nil && labelSmoothing == 0 && reduction == .mean {
        return rows.matrix.crossEntropyMean(classes, ignoredIndex: ignoredIndex)
    }
    let losses = rows.matrix.crossEntropies(classes, ignoredIndex: ignoredIndex)
    if weight == nil && labelSmoothing == 0 {
        return reduction.apply(losses.reshaped(rows.shape))
    }
    let result = reduce(losses, classes, rows, weight, ignoredIndex, reduction)
    if labelSmoothing == 0 { return result }
    // The part of the loss that looks at all classes alike, over the same rows and divided by the same sum of weights.
    let logarithms = rows.matrix.logSoftmax()
    let spread = -(weight.map { logarithms * $0 } ?? logarithms).sum([1])
    let smooth = reduce(spread, classes, rows, nil, ignoredIndex, reduction, divisor: weight)
    return result * (1 - labelSmoothing) + smooth * (labelSmoothing / Double(rows.classes))
}

/// The negative of each row's logarithmic probability of the right class: `crossEntropy` without its softmax.
/// - Parameters:
///   - logProbabilities: [batch, classes, ...], as from `logSoftmax(axis: 1)`.
///   - targets: class numbers, int32 [batch, ...], each in 0..<classes or `ignoredIndex`; any other gives NaN.
///   - weight: one for each class, [classes]; nil for none. With them the mean is the weighted one, Σ w loss / Σ w over
///     the targets' classes.
///   - ignoredIndex: a class number whose rows count for nothing; nil for none. A mean over no rows is NaN.
///   - reduction: how the losses of all rows become one; `.none` leaves them as they are.
public func negativeLogLikelihood(
    _ logProbabilities: Tensor, _ targets: Tensor, weight: Tensor? = nil, ignoredIndex: Int? = -100,
    reduction: LossReduction = .mean
) -> Tensor {
    let rows = ClassRows(logProbabilities, "negativeLogLikelihood")
    rows.check(weight)
    let classes = rows.flattened(targets)
    let isTarget = classes.isClass(of: rows.classes)
    let chosen = Tensor.select(isTarget, rows.matrix, rows.matrix.scalar(0)).sum([1])
    // A class out of range is in no column: 0 / 0.
    let count = isTarget.cast(to: chosen.dtype).sum([1])
    return reduce(-(chosen / count), classes, rows, weight, ignoredIndex, reduction)
}

/// Logits or the like, with the classes last.
private struct ClassRows {
    /// [rows, classes].
    let matrix: Tensor
    /// [batch, ...]: the tensor's shape without its classes.
    let shape: Shape
    let classes: Int
    let operation: String

    /// - Parameter values: [batch, classes, ...].
    init(_ values: Tensor, _ operation: String) {
        require(values.rank >= 2, operation, "needs [batch, classes, ...], not \(values.shape)")
        self.operation = operation
        classes = values.shape[1]
        shape = Shape([values.shape[0]] + values.shape.sizes.dropFirst(2))
        let last = values.rank == 2 ? values : values.permuted([0] + [Int](2..<values.rank) + [1])
        matrix = last.reshaped([shape.elementCount, classes])
    }

    func check(_ weight: Tensor?) {
        guard let weight else { return }
        require(weight.shape == [classes], operation, "weights of \(weight.shape) for \(classes) classes")
    }

    /// The class of each row.
    func flattened(_ targets: Tensor) -> Tensor {
        require(
            targets.shape == shape && targets.dtype == .int32, operation,
            "needs int32 targets of \(shape), not \(targets.dtype) \(targets.shape)")
        return targets.reshaped([targets.elementCount])
    }
}

/// Weighs the losses of all rows, leaves out the ignored ones, and makes one of them.
/// - Parameter divisor: class weights that the mean is divided by though the losses are not multiplied by them.
private func reduce(
    _ losses: Tensor, _ classes: Tensor, _ rows: ClassRows, _ weight: Tensor?, _ ignoredIndex: Int?,
    _ reduction: LossReduction, divisor: Tensor? = nil
) -> Tensor {
    if weight == nil && divisor == nil && ignoredIndex == nil {
        return reduction.apply(reduction == .none ? losses.reshaped(rows.shape) : losses)
    }
    let zero = losses.scalar(0)
    let isKept = ignoredIndex.map {
        Tensor.combine(.init(.notEqual), classes, classes.scalar(Double($0)), dtype: .uint8)
    }
    func keeping(_ values: Tensor) -> Tensor { isKept.map { Tensor.select($0, values, zero) } ?? values }
    func ofRows(_ weight: Tensor) -> Tensor { keeping(weight.gathered(classes)) }

    // Both are kept apart before they meet: a gradient of 0 times an ignored row's weight, which is NaN, would be NaN.
    let kept = weight.map { keeping(losses) * ofRows($0) } ?? keeping(losses)
    switch reduction {
    case .none: return kept.reshaped(rows.shape)
    case .sum: return kept.sum()
    case .batchMean: return kept.sum() / Double(rows.shape[0])
    case .mean:
        if let weights = weight ?? divisor { return kept.sum() / ofRows(weights).sum() }
        guard let isKept else { return kept.mean() }
        return kept.sum() / isKept.cast(to: kept.dtype).sum()
    }
}
