/// The batches of an epoch, step by step.
final class StepBatches<Batch> {
    private let iterator: BatchIterator<Batch>
    /// Batches that are still to come; nil where that is not known.
    private var left: Int?
    private let perStep: Int
    /// Whether batches are kept until the end of the step, for phases after the first.
    private let keeps: Bool
    private var kept: [SizedBatch<Batch>] = []
    private var used = (batches: 0, samples: 0)
    /// The batch that was taken to see whether there is one.
    private var ahead: SizedBatch<Batch>?
    private let clock = ContinuousClock()
    /// Time in which a step waited for a batch, and for its copy to the device.
    private(set) var waitingSeconds = 0.0

    init(_ iterator: BatchIterator<Batch>, left: Int?, perStep: Int, keeps: Bool) {
        self.iterator = iterator
        self.left = left
        self.perStep = perStep
        self.keeps = keeps
    }

    /// Whether no batch is left. Looks for one where their number is not known.
    var isAtEnd: Bool {
        get throws {
            if let left { return left == 0 }
            if ahead == nil { ahead = try take() }
            return ahead == nil
        }
    }

    func beginStep() {
        used = (0, 0)
        kept = []
    }

    /// Calls `body` with each batch of the step; the first time, they are taken from the data. `isLast` tells whether no other
    /// comes after it.
    func forEach(_ body: (_ batch: SizedBatch<Batch>, _ isLast: () throws -> Bool) throws -> Void) throws {
        if used.batches > 0 {
            for (index, batch) in kept.enumerated() { try body(batch) { index == kept.count - 1 } }
            return
        }
        while used.batches < perStep, let batch = try next() {
            used.batches += 1
            used.samples += batch.totalSamples
            if keeps { kept.append(batch) }
            try body(batch) { try used.batches == perStep || isAtEnd }
        }
    }

    /// What the step used; where no phase took part in it, its batches are passed over.
    func endStep() throws -> (batches: Int, samples: Int) {
        try forEach { _, _ in }
        kept = []
        return used
    }

    private func next() throws -> SizedBatch<Batch>? {
        guard try !isAtEnd else { return nil }
        defer {
            ahead = nil
            left = left.map { $0 - 1 }
        }
        guard let batch = try ahead ?? take() else {
            throw GimbalError.invalidSetting(
                name: "batchesPerEpoch", reason: "the data ended \(left ?? 0) batches before it was expected to")
        }
        return batch
    }

    private func take() throws -> SizedBatch<Batch>? {
        let began = clock.now
        defer { waitingSeconds += (clock.now - began).seconds }
        return try iterator.next()
    }
}
