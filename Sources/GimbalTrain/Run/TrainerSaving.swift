/// Saving a run, and going on with one.
extension Trainer {
    /// Takes up the run that the newest checkpoint of `folder` holds.
    /// - Returns: whether there was one; else the run begins from the start.
    /// - Throws: as `resume(from:)`.
    @discardableResult
    public func resume() throws -> Bool {
        guard let path = try folder?.checkpoints.last else { return false }
        try resume(from: Checkpoint(path: path))
        return true
    }

    /// Takes up a run where `checkpoint` was saved. A run that early stopping ended goes on where `patience` is nil now,
    /// or larger than the number of epochs without a better figure.
    /// - Throws: `GimbalError.invalidFile` for a checkpoint of a run on other data or of other phases;
    ///   `GimbalError.weightMismatch` for one of another model or optimizer; `GimbalError.fileSystem`.
    public func resume(from checkpoint: Checkpoint) throws {
        let saved = checkpoint.manifest.progress
        try requirePlace(saved, in: checkpoint)
        try checkpoint.restore(optimizers: phases.map { ($0.name, $0.optimizer) })
        let tensors = try checkpoint.extras(device: device)
        for (phase, update) in zip(phases, updates) {
            let prefix = phase.name + "."
            try update.restore(
                tensors.filter { $0.name.hasPrefix(prefix) }.map { (String($0.name.dropFirst(prefix.count)), $0.value) }
            )
        }
        try weights.restore(from: checkpoint, averageUpdates: saved.averageUpdates, best: saved.best)
        progress = saved
        stopping?.state = saved.stopping ?? EarlyStopping.State()
        progress.hasStopped = saved.hasStopped && stopping?.hasRunOut ?? false
        generator.state = checkpoint.manifest.random
        firstStep = progress.step
        (log, watch, comparedStep) = (nil, nil, 0)
        recoverer.forget()
    }

    /// The place in the data follows from the number of steps; a data set of another size has another place there.
    private func requirePlace(_ saved: TrainingProgress, in checkpoint: Checkpoint) throws {
        let steps = saved.batch.quotientAndRemainder(dividingBy: settings.accumulation)
        var isPlace =
            (0...1_000_000_000).contains(saved.epoch) && saved.batch >= 0 && steps.remainder == 0 && saved.step >= 0
        if let batches = data.batchesPerEpoch, let stepsPerEpoch, isPlace {
            isPlace =
                (0..<max(batches, 1)).contains(saved.batch)
                && saved.step == saved.epoch * stepsPerEpoch + steps.quotient
        }
        guard isPlace else {
            throw GimbalError.invalidFile(
                path: checkpoint.path,
                reason:
                    "saved after step \(saved.step), epoch \(saved.epoch), batch \(saved.batch), which is no place in "
                    + "\(dataDescription); was it another data set?")
        }
    }

    func isSaveDue() throws -> Bool {
        if leastSaveInterval == .zero { return true }
        return try agreed { ContinuousClock.now - lastSaved >= leastSaveInterval }
    }

    func save() throws {
        // A state that is spread over the ranks is gathered from all of them.
        let optimizers = phases.map { (phase: $0.name, optimizer: $0.optimizer) }
        guard let folder, ranks?.isFirst ?? true else {
            if ranks != nil { for phase in optimizers { _ = phase.optimizer.state } }
            return
        }
        let path = folder.checkpointPath(step: progress.step)
        let extras = zip(phases, updates).flatMap { phase, update in
            update.tensors.map { (name: "\(phase.name).\($0.name)", value: $0.value) }
        }
        try Checkpoint.save(
            CheckpointManifest(settings: settings, progress: progress, random: generator.state), weights: weights,
            optimizers: optimizers, extras: extras, attachments: attachments, to: path)
        try folder.removeCheckpoints(after: progress.step)
        try folder.removeOldCheckpoints()
        lastSaved = .now
        for callback in callbacks { try callback.didSave(path) }
    }
}
