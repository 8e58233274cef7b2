/// -(t log p + (1 - t) log(1 - p)) for targets t and probabilities p, with logarithms no lower than -100.
/// - Parameters:
///   - probabilities: in 0...1; where they come from a sigmoid, `binaryCrossEntropyWithLogits` is more exact.
///   - targets: in 0...1, of the same shape.
///   - weight: what each loss is multiplied by, of a shape that broadcasts to the targets'; nil for 1.
///   - reduction: how the losses of all elements become one; `.none` leaves them as they are.
public func binaryCrossEntropy(
    _ probabilities: Tensor, _ targets: Tensor, weight: Tensor? = nil, reduction: LossReduction = .mean
) -> Tensor {
    requireSameShape("binaryCrossEntropy", probabilities, targets)
    let probabilities = probabilities.inFullPrecision
    let (p, t) = (probabilities.detached(), targets.detached())
    func logarithms(_ p: Tensor) -> (Tensor, Tensor) {
        (p.log().clamped(to: -100 ... .infinity), (1 - p).log().clamped(to: -100 ... .infinity))
    }
    let (logarithm, opposite) = logarithms(p)
    let losses = ((t - 1) * opposite - t * logarithm).recorded(
        "binaryCrossEntropy", [probabilities, targets]
    ) { outputGradient, inputs in
        let (p, t) = (inputs.input(0, p), inputs.input(1, t))
        // (p - t) / (p (1 - p)), finite where p is 0 or 1.
        inputs.add(0, outputGradient.maskedProduct((p - t) / (p * (1 - p)).clamped(to: 1e-12 ... .infinity)))
        let (logarithm, opposite) = inputs.createsGraph ? logarithms(p) : (logarithm, opposite)
        inputs.add(1, outputGradient.maskedProduct(opposite - logarithm))
    }
    return reduction.apply(weight.map { losses * $0 } ?? losses)
}

/// `binaryCrossEntropy` of sigmoid(logits), without overflow and without cancellation.
/// - Parameters:
///   - logits: any real numbers.
///   - targets: in 0...1, of the shape of the logits.
///   - weight: what each loss is multiplied by, of a shape that broadcasts to the targets'; nil for 1.
///   - positiveWeight: factor of the term of t = 1, broadcast likewise; above 1 it raises recall, nil is for 1.
///   - reduction: how the losses of all elements become one; `.none` leaves them as they are.
public func binaryCrossEntropyWithLogits(
    _ logits: Tensor, _ targets: Tensor, weight: Tensor? = nil, positiveWeight: Tensor? = nil,
    reduction: LossReduction = .mean
) -> Tensor {
    requireSameShape("binaryCrossEntropyWithLogits", logits, targets)
    let logits = logits.inFullPrecision
    // -t log σ(x) - (1 - t) log σ(-x), where log σ(-x) = log σ(x) - x.
    var logarithm = logits.logSigmoid()
    if let positiveWeight { logarithm = logarithm * ((positiveWeight - 1) * targets + 1) }
    let losses = (1 - targets) * logits - logarithm
    return reduction.apply(weight.map { losses * $0 } ?? losses)
}

/// Cross-entropy of sigmoid(logits) that turns away from what is already classified well: multiplied by (1 - pₜ)^gamma,
/// where pₜ is the probability given to the true class (Lin et al. 2017, equation 5).
/// - Parameters:
///   - logits: any real numbers.
///   - targets: 0 or 1, of the shape of the logits.
///   - alpha: weight of the targets of 1, with 1 - alpha for those of 0; nil for none.
///   - gamma: the exponent, not negative; 0 turns away from nothing.
///   - reduction: how the losses of all elements become one; `.none` leaves them as they are.
public func focal(
    _ logits: Tensor, _ targets: Tensor, alpha: Double? = 0.25, gamma: Double = 2, reduction: LossReduction = .mean
) -> Tensor {
    requireSameShape("focal", logits, targets)
    let logits = logits.inFullPrecision
    require(gamma >= 0, "focal", "gamma must not be negative, not \(gamma)")
    var losses = binaryCrossEntropyWithLogits(logits, targets, reduction: .none)
    if gamma > 0 {
        // 1 - pₜ = (1 - t) σ(x) + t σ(-x), kept from 0, where powers have infinite slopes.
        let wrong = (1 - targets) * logits.sigmoid() + targets * (-logits).sigmoid()
        losses = losses * wrong.clamped(to: 1e-37 ... .infinity).power(gamma)
    }
    if let alpha { losses = losses * targets.affine(scale: 2 * alpha - 1, shift: 1 - alpha) }
    return reduction.apply(losses)
}
