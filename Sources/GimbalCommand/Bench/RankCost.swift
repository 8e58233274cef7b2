import Foundation
import GimbalTrain

/// What it costs a training step to exchange its gradients among ranks: a step without an exchange, one whose gradients leave in
/// buckets while backward goes on, and one whose gradients leave together at its end, in turns. Medians of seconds.
struct RankCost: Encodable {
    var benchmark: String
    var variant: String
    var device: String
    var ranks: Int
    /// Samples of each rank.
    var batch: Int?
    var gradientBytes: Int
    /// Of the first rank.
    var alone, inBuckets, atTheEnd: Double
    /// A step without an exchange, and the wait for the slowest rank, which even a byte to exchange would cost.
    var together: Double
    /// Of a step, in which exchanges were made, and in which the rank waited for them.
    var exchanging, waiting: Double
    var exchangingAtTheEnd: Double
    var steps: Int

    /// The part of the exchange that computing hides: of what a step would be longer by than one that only waits for the slowest
    /// rank, if the exchange came after it. Nil where it would not be longer, as the times of a busy machine have it.
    var hidden: Double?

    private enum Mode: CaseIterable { case alone, inBuckets, atTheEnd }

    /// Seconds that a step took, in which exchanges were made, and in which the rank waited for them.
    private struct Step { var taken, together, exchanging, waiting: Double }

    init(
        _ benchmark: Benchmark, _ training: Benchmark.Training, on device: Device, _ queue: ExchangeQueue,
        _ settings: ExchangeSettings, seconds: Double
    ) throws {
        let parameters = training.optimizer.parameters
        let buckets = GradientBuckets(parameters, queue, bytes: settings.bucketBytes, wire: settings.wire)
        let whole = GradientBuckets(parameters, queue, bytes: .max, wire: settings.wire)
        var timed: [Mode: [Step]] = [:]
        let clock = ContinuousClock()
        func time(_ mode: Mode) throws {
            try queue.barrier()
            let before = queue.seconds
            let began = clock.now
            switch mode {
            case .alone: try training.step()
            case .inBuckets: try training.step(exchangedBy: buckets)
            case .atTheEnd: try training.step(exchangedBy: whole, whileComputing: false)
            }
            try device.backend.synchronize()
            let (taken, after) = ((clock.now - began).seconds, queue.seconds)
            if mode == .alone { try queue.barrier() }
            timed[mode, default: []].append(
                Step(
                    taken: taken, together: (clock.now - began).seconds,
                    exchanging: after.exchanging - before.exchanging, waiting: after.waiting - before.waiting))
        }
        for _ in 0..<2 { for mode in Mode.allCases { try time(mode) } }
        timed = [:]
        let end = clock.now + .seconds(3 * seconds)
        var goesOn = true
        while goesOn {
            for mode in Mode.allCases { try time(mode) }
            goesOn = try queue.anyRank(queue.rank == 0 && clock.now < end)
        }
        func median(_ mode: Mode, _ part: (Step) -> Double) -> Double { timed[mode]?.map(part).median ?? .nan }
        (self.benchmark, variant, self.device) = (benchmark.name, benchmark.variant, device.id)
        (ranks, batch) = (queue.size, benchmark.batch)
        gradientBytes = parameters.reduce(0) { $0 + $1.elementCount * $1.value.dtype.byteCount }
        alone = median(.alone, \.taken)
        together = median(.alone, \.together)
        inBuckets = median(.inBuckets, \.taken)
        atTheEnd = median(.atTheEnd, \.taken)
        exchanging = median(.inBuckets, \.exchanging)
        waiting = median(.inBuckets, \.waiting)
        exchangingAtTheEnd = median(.atTheEnd, \.exchanging)
        steps = timed[.alone]?.count ?? 0
        hidden = atTheEnd > together ? 1 - (inBuckets - together) / (atTheEnd - together) : nil
    }

    var text: String {
        func milliseconds(_ seconds: Double) -> String { String(format: "%.3f", seconds * 1e3) }
        return "\(benchmark) (\(variant)), \(ranks) ranks of \(batch ?? 0), \(gradientBytes) bytes: "
            + "\(milliseconds(alone)) ms alone, \(milliseconds(together)) together, \(milliseconds(inBuckets)) in buckets, \(milliseconds(atTheEnd)) at the end; "
            + "exchanging \(milliseconds(exchanging)), waiting \(milliseconds(waiting)) ms; "
            + "hidden " + (hidden.map { String(format: "%.0f %%", $0 * 100) } ?? "-")
    }
}
