/// Batch normalisation of [batch, channels, ...] (Ioffe and Szegedy 2015); `BatchNorm1d`, `BatchNorm2d` and
/// `BatchNorm3d` fix the axes.
///
/// In training, each channel is normalised by the mean and variance of the batch, which needs more than one value per
/// channel; in evaluation, and with `keepsRunningEstimates`, by running estimates of both.
public class BatchNorm: Module, Layer {
    /// γ, by which each channel is multiplied, [channels]; nil without `isAffine`.
    public let weight: Parameter?
    /// β, which is added to each channel, [channels]; nil without `isAffine`.
    public let bias: Parameter?
    /// The running estimate of the mean, [channels]; nil without `tracksRunningStatistics`.
    public let runningMean: Buffer?
    /// The running estimate of the unbiased variance, [channels]; nil without `tracksRunningStatistics`.
    public let runningVariance: Buffer?
    /// Counts the batches seen in training; nil without `tracksRunningStatistics`.
    public let batchCount: Counter?

    public override class var partNames: [String: String] {
        ["runningVariance": "running_var", "batchCount": "num_batches_tracked"]
    }

    /// Whether training, too, normalises by the running estimates and leaves them as they are, as fine-tuning on few or
    /// small batches may need; without running estimates it has no effect.
    public var keepsRunningEstimates = false

    /// Where it is set, and during a training step whose batch is shared out among ranks (`BatchShare.current`), mean and
    /// variance are those of the rows of all ranks, in training mode: N ranks compute what one computes with the whole batch.
    /// All ranks then run this layer, and its gradient, in the same order. nil, as at first, takes the rank's own rows; where
    /// a share is one row with one value per channel, the running estimates, which it leaves as they are.
    ///
    /// What fails in the exchange is thrown by the next call that waits for the device, such as `backward()`; the result,
    /// and the running estimates with it, are then not defined.
    public var exchange: (any GradientExchange)?

    /// The size of the second axis.
    public let channels: Int
    /// What is added to the variance before its root is taken.
    public let epsilon: Double
    /// The weight of a new batch in the running estimates; nil gives every batch the same weight.
    public let momentum: Double?

    /// Numbers of axes that an input may have.
    var ranks: ClosedRange<Int> { 2...5 }

    /// - Parameters:
    ///   - channels: size of the second axis.
    ///   - epsilon: added to the variance before its root is taken.
    ///   - momentum: the weight of a new batch in the running estimates; nil gives every batch the same weight.
    ///   - isAffine: whether γ and β are there, at first 1 and 0.
    ///   - tracksRunningStatistics: whether running estimates are kept, which evaluation then uses; without them it
    ///     uses the statistics of its batch.
    ///   - device: where the layer is made.
    public init(
        _ channels: Int, epsilon: Double = 1e-5, momentum: Double? = 0.1, isAffine: Bool = true,
        tracksRunningStatistics: Bool = true, device: Device = .current
    ) {
        require(channels > 0, "BatchNorm", "needs a positive number of channels, not \(channels)")
        self.channels = channels
        self.epsilon = epsilon
        self.momentum = momentum
        weight = isAffine ? Parameter(.ones([channels], device: device)) : nil
        bias = isAffine ? Parameter(.zeros([channels], device: device)) : nil
        runningMean = tracksRunningStatistics ? Buffer(.zeros([channels], device: device)) : nil
        runningVariance = tracksRunningStatistics ? Buffer(.ones([channels], device: device)) : nil
        batchCount = tracksRunningStatistics ? Counter() : nil
    }

    public func forward(_ input: Tensor) -> Tensor { normalized(input, isRectified: false, residual: nil) }

    /// relu(norm(input) + residual), in training by one operation unless somebody watches what the norm gives.
    func rectified(_ input: Tensor, adding residual: Tensor? = nil) -> Tensor {
        guard !isWatched else { return ended(self(input), true, residual) }
        return entering(input) { normalized($0, isRectified: true, residual: residual) }
    }

    private func normalized(_ input: Tensor, isRectified: Bool, residual: Tensor?) -> Tensor {
        require(
            ranks.contains(input.rank) && input.shape[1] == channels, "\(type(of: self))",
            "needs [batch, \(channels), ...] of \(ranks.lowerBound) to \(ranks.upperBound) axes, not \(input.shape)")
        let running = runningMean.flatMap { mean in runningVariance.map { (mean: mean.value, variance: $0.value) } }
        // Another shape is broadcast, or refused, by the sum.
        let fits = residual.map { $0.shape == input.shape && $0.dtype == input.dtype } ?? true
        if let running, !isTraining || keepsRunningEstimates || isAlone(input) {
            let result = input.batchNormalized(
                scale: weight?.value, shift: bias?.value, mean: running.mean, variance: running.variance,
                epsilon: epsilon, isRectified: isRectified && fits, residual: fits ? residual : nil)
            return fits ? result : ended(result, isRectified, residual)
        }
        // The second run of a checkpointed block sees a batch that has been counted.
        let counts = isTraining && !GradientMode.isRecomputing
        if counts { batchCount?.value += 1 }
        let momentum = momentum ?? 1 / Double(batchCount?.value ?? 1)
        if let ranks = sharing(input) {
            return ended(
                synchronized(input, ranks, running: counts ? running : nil, momentum: momentum), isRectified, residual)
        }
        let result = input.batchNormalized(
            scale: weight?.value, shift: bias?.value, running: counts ? running : nil,
            momentum: momentum, epsilon: epsilon, isRectified: isRectified && fits, residual: fits ? residual : nil)
        return fits ? result : ended(result, isRectified, residual)
    }

    /// Whether this is the one row of a rank's share, whose own variance is not defined, with one value per channel.
    private func isAlone(_ input: Tensor) -> Bool {
        exchange == nil && input.elementCount == channels && (BatchShare.current.map { $0.total > 1 } ?? false)
    }

    private func ended(_ result: Tensor, _ isRectified: Bool, _ residual: Tensor?) -> Tensor {
        let sum = residual.map { result + $0 } ?? result
        return isRectified ? sum.relu() : sum
    }

    public override var signature: String { "\(type(of: self))(\(channels))" }
}

/// Batch normalisation of [batch, channels] or [batch, channels, length].
public final class BatchNorm1d: BatchNorm {
    override var ranks: ClosedRange<Int> { 2...3 }
}

/// Batch normalisation of [batch, channels, height, width].
public final class BatchNorm2d: BatchNorm {
    override var ranks: ClosedRange<Int> { 4...4 }
}

/// Batch normalisation of [batch, channels, depth, height, width].
public final class BatchNorm3d: BatchNorm {
    override var ranks: ClosedRange<Int> { 5...5 }
}
