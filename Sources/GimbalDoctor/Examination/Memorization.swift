extension Doctor {
    /// Tries whether a batch can be learnt by heart: what cannot do that, can learn nothing (Karpathy 2019). It takes as many
    /// steps as are asked for, and everything is put back afterwards.
    ///
    /// Nets that have to find out first what matters many steps ago, and dropout, need more steps than others.
    /// - Parameters:
    ///   - model: what is looked at, in the mode that it is in.
    ///   - batch: what `loss` is called with; a few dozen samples are best.
    ///   - optimizer: what the model is to be trained by.
    ///   - steps: how long it is tried.
    ///   - loss: the mean loss of a batch, as in training.
    /// - Returns: none, or `Illness.unlearnableBatch` where no step brought the loss under `Thresholds.memorized` of the first.
    /// - Throws: the first failure of the device; what `loss` throws.
    public func examineMemory<Batch>(
        of model: Module, on batch: Batch, optimizer: any Optimizer, steps: Int = 500, loss: (Batch) throws -> Tensor
    ) throws -> [Finding] {
        let probe = try Probe.run(model, optimizer, steps: steps) {
            0
        } loss: {
            try loss(batch)
        } train: { _, loss in
            try loss.backward()
            try optimizer.step()
        }
        guard let first = probe.losses.first, first > 0, let least = probe.leastLoss,
            least > thresholds.memorized * first
        else { return [] }
        return [
            Finding(
                .unlearnableBatch,
                "\(steps) steps on one batch bring its loss from \(short(first)) to no less than \(short(least)): it cannot be "
                    + "learnt by heart",
                remedies: [.fewerObstacles])
        ]
    }
}
