/// Normalisation of each channel of each sample over its positions (Ulyanov, Vedaldi and Lempitsky 2016). Its
/// subclasses name the number of axes.
public class InstanceNorm: Module, Layer {
    /// γ, by which each channel is multiplied, [channels]; nil without `isAffine`.
    public let weight: Parameter?
    /// β, which is added to each channel, [channels]; nil without `isAffine`.
    public let bias: Parameter?
    /// The running estimate of the mean, [channels]; nil without `tracksRunningStatistics`.
    public let runningMean: Buffer?
    /// The running estimate of the unbiased variance, [channels]; nil without `tracksRunningStatistics`.
    public let runningVariance: Buffer?
    /// Part of PyTorch's state, where nothing counts it up; neither does this layer. Nil without
    /// `tracksRunningStatistics`.
    public let batchCount: Counter?

    public override class var partNames: [String: String] {
        ["runningVariance": "running_var", "batchCount": "num_batches_tracked"]
    }

    /// The size of the axis before the positions.
    public let channels: Int
    /// What is added to the variance before its root is taken.
    public let epsilon: Double
    /// The weight of a new batch in the running estimates.
    public let momentum: Double
    private let positionAxes: Int

    /// - Parameters:
    ///   - channels: size of the axis before the positions.
    ///   - epsilon: added to the variance before its root is taken.
    ///   - isAffine: whether γ and β are there, at first 1 and 0.
    ///   - tracksRunningStatistics: keeps running estimates, the means over each batch, which evaluation then uses.
    fileprivate init(
        _ channels: Int, positionAxes: Int, epsilon: Double, momentum: Double, isAffine: Bool,
        tracksRunningStatistics: Bool, device: Device
    ) {
        require(channels > 0, "InstanceNorm", "needs a positive number of channels, not \(channels)")
        self.channels = channels
        self.positionAxes = positionAxes
        self.epsilon = epsilon
        self.momentum = momentum
        weight = isAffine ? Parameter(.ones([channels], device: device)) : nil
        bias = isAffine ? Parameter(.zeros([channels], device: device)) : nil
        runningMean = tracksRunningStatistics ? Buffer(.zeros([channels], device: device)) : nil
        runningVariance = tracksRunningStatistics ? Buffer(.ones([channels], device: device)) : nil
        batchCount = tracksRunningStatistics ? Counter() : nil
    }

    public func forward(_ input: Tensor) -> Tensor {
        let isBatch = input.rank == positionAxes + 2
        require(
            (isBatch || input.rank == positionAxes + 1) && input.shape[isBatch ? 1 : 0] == channels,
            "\(type(of: self))", "needs [batch, \(channels), ...] of \(positionAxes + 2) axes, not \(input.shape)")
        if !isBatch { return forward(input.expandingAxis(0)).reshaped(input.shape) }
        if let mean = runningMean, let variance = runningVariance, !isTraining {
            return input.batchNormalized(
                scale: weight?.value, shift: bias?.value, mean: mean.value, variance: variance.value, epsilon: epsilon)
        }
        let positions = input.shape.sizes.dropFirst(2).reduce(1, *)
        require(
            positions > 1 || input.elementCount == 0, "\(type(of: self))",
            "\(input.shape) has one value per channel and sample, so its variance is not defined")
        if isTraining, !GradientMode.isRecomputing, input.elementCount > 0 { track(input, positions) }
        return input.groupNormalized(
            groups: channels, scale: weight?.value, shift: bias?.value, epsilon: epsilon)
    }

    private func track(_ input: Tensor, _ positions: Int) {
        guard let runningMean, let runningVariance else { return }
        let flat = input.detached().reshaped([input.shape[0], channels, positions] as Shape)
        let mean = flat.mean([0, 2])
        let variance = flat.variance([2], isUnbiased: true).mean([0])
        for (buffer, value) in [(runningMean, mean), (runningVariance, variance)] {
            buffer.update(to: buffer.value * (1 - momentum) + value * momentum)
        }
    }

    public override var signature: String { "\(type(of: self))(\(channels))" }
}

extension Buffer {
    /// Copies `newValue` over the elements, unless something failed on the way to either.
    func update(to newValue: Tensor) {
        guard value.view.isComputed, newValue.view.isComputed else { return }
        value.view.take(newValue.view)
    }
}

/// `InstanceNorm` of [batch, channels, length] or [channels, length].
public final class InstanceNorm1d: InstanceNorm {
    /// - Parameters:
    ///   - channels: size of the axis before the positions.
    ///   - epsilon: added to the variance before its root is taken.
    ///   - momentum: the weight of a new batch in the running estimates.
    ///   - isAffine: whether γ and β are there, at first 1 and 0.
    ///   - tracksRunningStatistics: whether running estimates are kept, which evaluation then uses.
    ///   - device: where the layer is made.
    public init(
        _ channels: Int, epsilon: Double = 1e-5, momentum: Double = 0.1, isAffine: Bool = false,
        tracksRunningStatistics: Bool = false, device: Device = .current
    ) {
        super.init(
            channels, positionAxes: 1, epsilon: epsilon, momentum: momentum, isAffine: isAffine,
            tracksRunningStatistics: tracksRunningStatistics, device: device)
    }
}

/// `InstanceNorm` of [batch, channels, height, width] or [channels, height, width].
public final class InstanceNorm2d: InstanceNorm {
    /// - Parameters:
    ///   - channels: size of the axis before the positions.
    ///   - epsilon: added to the variance before its root is taken.
    ///   - momentum: the weight of a new batch in the running estimates.
    ///   - isAffine: whether γ and β are there, at first 1 and 0.
    ///   - tracksRunningStatistics: whether running estimates are kept, which evaluation then uses.
    ///   - device: where the layer is made.
    public init(
        _ channels: Int, epsilon: Double = 1e-5, momentum: Double = 0.1, isAffine: Bool = false,
        tracksRunningStatistics: Bool = false, device: Device = .current
    ) {
        super.init(
            channels, positionAxes: 2, epsilon: epsilon, momentum: momentum, isAffine: isAffine,
            tracksRunningStatistics: tracksRunningStatistics, device: device)
    }
}

/// `InstanceNorm` of [batch, channels, depth, height, width] or [channels, depth, height, width].
public final class InstanceNorm3d: InstanceNorm {
    /// - Parameters:
    ///   - channels: size of the axis before the positions.
    ///   - epsilon: added to the variance before its root is taken.
    ///   - momentum: the weight of a new batch in the running estimates.
    ///   - isAffine: whether γ and β are there, at first 1 and 0.
    ///   - tracksRunningStatistics: whether running estimates are kept, which evaluation then uses.
    ///   - device: where the layer is made.
    public init(
        _ channels: Int, epsilon: Double = 1e-5, momentum: Double = 0.1, isAffine: Bool = false,
        tracksRunningStatistics: Bool = false, device: Device = .current
    ) {
        super.init(
            channels, positionAxes: 3, epsilon: epsilon, momentum: momentum, isAffine: isAffine,
            tracksRunningStatistics: tracksRunningStatistics, device: device)
    }
}
