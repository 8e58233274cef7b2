extension Module {
    /// Has every `BatchNorm` of this module and of all inside take the mean and variance of the batches of all ranks in
    /// training steps; nil has them take those of their own rows again.
    ///
    /// ```swift
    /// model.synchronizeBatchNorm(exchange)
    /// ```
    public func synchronizeBatchNorm(_ exchange: (any GradientExchange)?) {
        for module in modules { (module as? BatchNorm)?.exchange = exchange }
    }
}

/// Batch normalisation of a batch that is shared out among ranks: two sums over ranks forward, and two backward.
extension BatchNorm {
    typealias Sharing = (exchange: any GradientExchange, share: BatchShare)

    /// With whom the statistics of `input` are shared; nil where they are those of its own rows. The same on all ranks.
    func sharing(_ input: Tensor) -> Sharing? {
        // A batch without rows has none on any rank, and no statistics.
        guard isTraining, let exchange, exchange.size > 1, let share = BatchShare.current, input.elementCount > 0 else {
            return nil
        }
        return (exchange, share)
    }

    /// Normalises by the mean and variance of all ranks, in ordinary operations, of which the gradient follows.
    func synchronized(
        _ input: Tensor, _ ranks: Sharing, running: (mean: Tensor, variance: Tensor)?, momentum: Double
    ) -> Tensor {
        let layout: Shape = [input.shape[0], channels, input.elementCount / (input.shape[0] * channels)]
        require(
            layout[0] * layout[2] > 1 || ranks.share.total > 1, "\(type(of: self))",
            "\(input.shape) has one value per channel in all ranks, so its variance is not defined; use a larger batch")
        // A sum may exceed what a narrow type holds.
        let x = input.inFloat32.reshaped(layout)
        let column: Shape = [1, channels, 1]
        let isCounted = !ranks.share.isStandIn
        let own = Tensor(repeating: Double(layout[0] * layout[2]), [1], dtype: x.dtype, device: x.device)
        let sums = Tensor.concatenated([x.sum([0, 2]), own]).allReduced(over: ranks.exchange, isCounted: isCounted)
        let count = sums.detached().sliced(channels..<channels + 1, axis: 0)
        let mean = sums.sliced(0..<channels, axis: 0) / count
        let centered = x - mean.reshaped(column)
        // About the mean of all ranks, as the difference of two large sums would lose digits.
        let squares = centered.square().sum([0, 2]).allReduced(over: ranks.exchange, isCounted: isCounted)
        if let running {
            move(running.mean, to: mean, momentum)
            move(running.variance, to: squares.detached() / (count - 1), momentum)
        }
        var result = centered * (squares / count + epsilon).reciprocalSquareRoot().reshaped(column)
        if let weight { result = result * weight.value.reshaped(column) }
        if let bias { result = result + bias.value.reshaped(column) }
        return result.reshaped(input.shape).cast(to: input.dtype)
    }

    /// Moves a running estimate towards the value of this batch.
    private func move(_ estimate: Tensor, to value: Tensor, _ momentum: Double) {
        let moved = (estimate * (1 - momentum) + value.detached() * momentum).cast(to: estimate.dtype)
        guard estimate.view.isComputed, moved.view.isComputed else { return }
        estimate.view.noteChange(by: "BatchNorm")
        estimate.view.take(moved.view)
    }
}
