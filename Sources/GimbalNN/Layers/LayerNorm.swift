/// Normalisation of each sample over its last axes by its own mean and variance (Ba, Kiros and Hinton 2016).
///
/// ```swift
/// let layer = LayerNorm(256)
/// let y = layer(x)  // [64, 10, 256], each row of 256 normalised
/// ```
public final class LayerNorm: Module, Layer {
    /// γ, by which the result is multiplied, of `normalizedShape`; nil without `isAffine`.
    public let weight: Parameter?
    /// β, which is added to the result, of `normalizedShape`; nil without `isAffine` or `hasBias`.
    public let bias: Parameter?

    /// The sizes of the last axes, over which together is normalised.
    public let normalizedShape: Shape
    /// What is added to the variance before its root is taken.
    public let epsilon: Double

    /// - Parameters:
    ///   - normalizedShape: sizes of the last axes, over which together is normalised.
    ///   - epsilon: added to the variance before its root is taken.
    ///   - isAffine: whether γ is there, at first 1.
    ///   - hasBias: whether β is there as well, at first 0.
    ///   - device: where the layer is made.
    public init(
        _ normalizedShape: Shape, epsilon: Double = 1e-5, isAffine: Bool = true, hasBias: Bool = true,
        device: Device = .current
    ) {
        require(
            normalizedShape.rank > 0 && normalizedShape.elementCount > 0, "LayerNorm",
            "needs positive sizes, not \(normalizedShape)")
        self.normalizedShape = normalizedShape
        self.epsilon = epsilon
        weight = isAffine ? Parameter(.ones(normalizedShape, device: device)) : nil
        bias = isAffine && hasBias ? Parameter(.zeros(normalizedShape, device: device)) : nil
    }

    /// Normalises over the last axis alone, of this size.
    public convenience init(
        _ size: Int, epsilon: Double = 1e-5, isAffine: Bool = true, hasBias: Bool = true, device: Device = .current
    ) {
        self.init(Shape([size]), epsilon: epsilon, isAffine: isAffine, hasBias: hasBias, device: device)
    }

    public func forward(_ input: Tensor) -> Tensor {
        requireLast(normalizedShape, of: input, "LayerNorm")
        return input.layerNormalized(
            axes: normalizedShape.rank, scale: weight?.value, shift: bias?.value, epsilon: epsilon)
    }

    public override var signature: String { "LayerNorm(\(normalizedShape))" }
}

/// Normalisation of each sample over its last axes by the root of its mean square, without centring
/// (Zhang and Sennrich 2019): x / √(mean(x²) + ε) · γ.
public final class RMSNorm: Module, Layer {
    /// γ, by which the result is multiplied, of `normalizedShape`; nil without `isAffine`.
    public let weight: Parameter?

    /// The sizes of the last axes, over which together is normalised.
    public let normalizedShape: Shape
    /// What is added to the mean square before its root is taken. Nil stands for the distance from 1 to the next number
    /// of the input's type, 1.19e-7 for float32.
    public let epsilon: Double?

    /// - Parameters:
    ///   - normalizedShape: sizes of the last axes, over which together is normalised.
    ///   - epsilon: added to the mean square before its root is taken; nil for the distance from 1 to the next number
    ///     of the input's type.
    ///   - isAffine: whether γ is there, at first 1.
    ///   - device: where the layer is made.
    public init(
        _ normalizedShape: Shape, epsilon: Double? = nil, isAffine: Bool = true, device: Device = .current
    ) {
        require(
            normalizedShape.rank > 0 && normalizedShape.elementCount > 0, "RMSNorm",
            "needs positive sizes, not \(normalizedShape)")
        self.normalizedShape = normalizedShape
        self.epsilon = epsilon
        weight = isAffine ? Parameter(.ones(normalizedShape, device: device)) : nil
    }

    /// Normalises over the last axis alone, of this size.
    public convenience init(
        _ size: Int, epsilon: Double? = nil, isAffine: Bool = true, device: Device = .current
    ) {
        self.init(Shape([size]), epsilon: epsilon, isAffine: isAffine, device: device)
    }

    public func forward(_ input: Tensor) -> Tensor {
        requireLast(normalizedShape, of: input, "RMSNorm")
        let unit = input.dtype == .float64 ? Double.ulpOfOne : Double(Float.ulpOfOne)
        return input.layerNormalized(
            axes: normalizedShape.rank, scale: weight?.value, epsilon: epsilon ?? unit, centers: false)
    }

    public override var signature: String { "RMSNorm(\(normalizedShape))" }
}

private func requireLast(_ normalized: Shape, of input: Tensor, _ operation: String) {
    require(
        [Int](input.shape.sizes.suffix(normalized.rank)) == normalized.sizes, operation,
        "needs an input that ends in \(normalized), not \(input.shape)")
}
