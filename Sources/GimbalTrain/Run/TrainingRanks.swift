import Foundation

/// How the ranks of a run exchange what they compute: see `Trainer.exchange`.
public struct ExchangeSettings: Codable, Sendable, Equatable {
    /// Bytes of gradients that leave together, about; `Int.max` sends all at once, when backward has come to its end.
    public var bucketBytes = GradientBuckets.usualBytes
    /// The type in which gradients go from rank to rank.
    public var wire = WireType.float32

    /// Buckets of the usual size, in float32.
    public init() {}
}

/// What the ranks of a run do together: begin alike, sum gradients and losses in every step, and come to the same decisions.
final class TrainingRanks {
    let queue: ExchangeQueue
    var rank: Int { queue.rank }
    var size: Int { queue.size }
    /// Only this one writes, and is followed by the doctor.
    var isFirst: Bool { rank == 0 }
    /// By phase.
    private let buckets: [GradientBuckets]
    /// By phase, what losses are divided by before their gradients are summed: see `scale(of:count:)`.
    private var scales: [Double?]
    /// Whether this rank is to stop after the step under way.
    var isInterrupted = false
    /// Whether one of the ranks was, in the newest step: all stop together.
    private(set) var isAnyInterrupted = false

    init<Batch>(_ exchange: any GradientExchange, _ phases: [Phase<Batch>], settings: ExchangeSettings) {
        let queue = exchange as? ExchangeQueue ?? ExchangeQueue(exchange)
        self.queue = queue
        buckets = phases.map {
            GradientBuckets($0.optimizer.parameters, queue, bytes: settings.bucketBytes, wire: settings.wire)
        }
        scales = phases.map { _ in nil }
    }

    // MARK: A step

    /// What losses of a phase are divided by before their gradients are summed, so that sums are about as large as means are: a
    /// power of two, which changes no bit of them, the same on all ranks for as long as they live.
    /// - Parameter count: what the loss of this rank's first batch counts for, times the batches of a step.
    func scale(of phase: Int, count: Double) throws -> Double {
        if let scale = scales[phase] { return scale }
        let largest = try queue.reduced(count, .maximum) * Double(size)
        let scale = exp2(log2(max(largest, 1)).rounded())
        scales[phase] = scale
        return scale
    }

    /// Runs `backward`; with the last batch of a step, gradients leave while it goes on.
    func exchanging(phase: Int, isLast: Bool, _ backward: () throws -> Void) throws {
        try isLast ? buckets[phase].exchanging(backward) : backward()
    }

    /// Waits until the gradients of a phase are sums over all ranks.
    /// - Parameter losses: the mean loss of each of this rank's batches, and what it counts for.
    /// - Returns: the mean over all ranks, and what they count for together.
    func finish(phase: Int, losses: [(loss: Tensor, count: Double)]) throws -> (loss: Double, count: Double) {
        let sums = try buckets[phase].finish {
            var sums = [0.0, 0.0, isInterrupted ? 1 : 0]
            for (loss, count) in losses where count > 0 {
                sums[0] += Double(try loss.item()) * count
                sums[1] += count
            }
            return sums
        }
        isAnyInterrupted = sums[2] > 0
        return (sums[0] / sums[1], sums[1])
    }

    // MARK: Agreement

    /// What the first rank has found, on all ranks.
    func fromFirst<Value: Codable>(_ find: () throws -> Value) throws -> Value {
        let own = isFirst ? [UInt8](try CheckpointManifest.encoder.encode([try find()])) : []
        let bytes = try queue.broadcast(own, from: 0)
        return try CheckpointManifest.decoder.decode([Value].self, from: Data(bytes))[0]
    }

    /// Gives all ranks the weights and running estimates of the first, whose processors may have drawn others by a bit.
    func shareWeights(of model: Module) throws {
        for (_, part) in model.stateParts {
            switch part {
            case .parameter(_, let parameter): try queue.broadcast(parameter.weights, from: 0)
            case .buffer(_, let buffer): try queue.broadcast(buffer.value.view, from: 0)
            case .counter, .module: break
            }
        }
    }

    /// Gives all ranks the running estimates of the first: without synchronisation, each has seen rows of its own.
    func shareBuffers(of model: Module) throws {
        for case (_, .buffer(_, let buffer)) in model.stateParts {
            try queue.broadcast(buffer.value.view, from: 0)
        }
    }

    /// Makes sure that all ranks are about to train the same: the same program, settings, model and data.
    /// - Parameter facts: what must be alike, by what it is called in messages.
    /// - Throws: `GimbalError.exchange`, which names a rank that is not like the first.
    func requireSame(_ facts: [(name: String, value: String)]) throws {
        let all = try queue.gathered([UInt8](try JSONEncoder().encode(facts.map { [$0.name, $0.value] })))
        let known = try all.map { try JSONDecoder().decode([[String]].self, from: Data($0)) }
        for (other, theirs) in known.enumerated() where theirs != known[0] {
            // A list that goes on where the other ends is of another program.
            let place = zip(theirs, known[0]).enumerated().first { $1.0 != $1.1 }?.offset
            guard let place, theirs[place][0] == known[0][place][0] else {
                throw GimbalError.exchange(rank: other, reason: "has other settings than rank 0, or is another program")
            }
            throw GimbalError.exchange(
                rank: other,
                reason: "does not have rank 0's \(theirs[place][0]): it has "
                    + Self.difference(theirs[place][1], known[0][place][1]))
        }
    }

    /// Where two texts differ: of those of many lines, the first of the lines that the other has not.
    private static func difference(_ theirs: String, _ expected: String) -> String {
        func lines(_ text: String, without other: String) -> String {
            let known = Set(other.split(separator: "\n"))
            guard let line = text.split(separator: "\n").first(where: { !known.contains($0) }) else { return "nothing" }
            return line.trimmingCharacters(in: CharacterSet(charactersIn: " ,"))
        }
        return "\(lines(theirs, without: expected)), not \(lines(expected, without: theirs))"
    }
}
