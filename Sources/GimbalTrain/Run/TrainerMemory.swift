/// What a trainer finds out where a step has no room.
extension Trainer {
    /// The error of a step; one of memory says with which size of batch there is room.
    func advised(_ error: any Error) -> any Error {
        // Ranks would have to try together, and not all of them have failed.
        guard case GimbalError.outOfMemory(let device, let requested, let used, let place, nil) = error, ranks == nil
        else { return error }
        return GimbalError.outOfMemory(
            device: device, requestedBytes: requested, usedBytes: used, place: place, fittingBatch: fittingBatch())
    }

    /// The size of the largest of half the batch, a quarter of it and so on, down to two samples, with which a step finds
    /// room; 0 where none does, nil where that cannot be tried. No weight changes.
    private func fittingBatch() -> Int? {
        newestBatch = nil
        let state = generator.state
        defer {
            generator.state = state
            for phase in phases { phase.optimizer.zeroGradients() }
        }
        var (parts, last) = (2, Int.max)
        while true {
            // What the first of so many ranks would be given is the beginning of the batch.
            guard
                let part = try? data.iterator(
                    epoch: progress.epoch, from: progress.batch, on: device, rank: 0, of: parts
                ).next(), let samples = part.share?.rows.count
            else { return nil }
            // A single one has no variance for batch normalisation.
            guard samples > 1, samples < last else { return last < .max ? 0 : nil }
            do {
                try tryStep(with: part.batch)
                return samples
            } catch GimbalError.outOfMemory {
                (parts, last) = (parts * 2, samples)
            } catch {
                return nil
            }
        }
    }

    /// All of a step that takes memory, but for the update.
    private func tryStep(with batch: Batch) throws {
        // In place of the moments that the first update is going to make: two of each weight, as Adam's.
        let moments =
            progress.step > 0
            ? [] : phases.flatMap(\.optimizer.parameters).flatMap { [$0.value.copy(), $0.value.copy()] }
        for (phase, update) in zip(phases, updates) {
            phase.optimizer.zeroGradients()
            let loss = try withPrecision(settings.precision) { try phase.loss(batch).meanLoss }
            try (update.scaler?.scaled(loss) ?? loss).backward()
            _ = try loss.item()
        }
        for moment in moments { try moment.view.throwIfFailed() }
    }
}
