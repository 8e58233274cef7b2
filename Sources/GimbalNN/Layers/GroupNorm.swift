/// Normalisation of groups of channels within each sample (Wu and He 2018).
///
/// The input is [batch, channels, ...]. One group is layer normalisation over everything but the batch; as many groups
/// as channels is instance normalisation.
public final class GroupNorm: Module, Layer {
    /// γ, by which each channel is multiplied, [channels]; nil without `isAffine`.
    public let weight: Parameter?
    /// β, which is added to each channel, [channels]; nil without `isAffine`.
    public let bias: Parameter?

    /// How many groups the channels of a sample are divided into.
    public let groups: Int
    /// The size of the second axis, divisible by `groups`.
    public let channels: Int
    /// What is added to the variance before its root is taken.
    public let epsilon: Double

    /// - Parameters:
    ///   - groups: how many there are; divides `channels`.
    ///   - channels: size of the second axis.
    ///   - epsilon: added to the variance before its root is taken.
    ///   - isAffine: whether γ and β are there, at first 1 and 0.
    ///   - device: where the layer is made.
    public init(
        groups: Int, channels: Int, epsilon: Double = 1e-5, isAffine: Bool = true, device: Device = .current
    ) {
        require(
            groups > 0 && channels > 0 && channels % groups == 0, "GroupNorm",
            "\(channels) channels cannot be divided into \(groups) groups")
        self.groups = groups
        self.channels = channels
        self.epsilon = epsilon
        weight = isAffine ? Parameter(.ones([channels], device: device)) : nil
        bias = isAffine ? Parameter(.zeros([channels], device: device)) : nil
    }

    public func forward(_ input: Tensor) -> Tensor {
        require(
            input.rank >= 2 && input.shape[1] == channels, "GroupNorm",
            "needs [batch, \(channels), ...], not \(input.shape)")
        return input.groupNormalized(groups: groups, scale: weight?.value, shift: bias?.value, epsilon: epsilon)
    }

    public override var signature: String { "GroupNorm(groups: \(groups), channels: \(channels))" }
}

extension Tensor {
    /// Normalises each group of channels of each sample of [batch, channels, ...]; scale and shift are [channels].
    func groupNormalized(groups: Int, scale: Tensor?, shift: Tensor?, epsilon: Double) -> Tensor {
        let perGroup = shape[1] / groups * shape.sizes.dropFirst(2).reduce(1, *)
        if elementCount == 0 { return self }
        var result = reshaped([shape[0] * groups, perGroup] as Shape).layerNormalized(epsilon: epsilon).reshaped(shape)
        let column = Shape([shape[1]] + [Int](repeating: 1, count: rank - 2))
        if let scale { result = result * scale.reshaped(column) }
        if let shift { result = result + shift.reshaped(column) }
        return result
    }
}
