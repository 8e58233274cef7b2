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
    /// Of a step, in which exchanges were made, and in which the rank waited for them.
    var exchanging, waiting: Double
    var exchangingAtTheEnd: Double
    var steps: Int

    /// The part of the exchange that computing hides: of what a step would be longer by if the exchange came after it.
    var hidden: Double

    private enum Mode: CaseIterable { case alone, inBuckets, atTheEnd }

    init(
        _ benchmark: Benchmark, _ training: Benchmark.Training, on device: Device, _ queue: ExchangeQueue,
        _ settings: ExchangeSettings, seconds: Double
    ) throws {
        let parameters = training.optimizer.parameters
        let buckets = GradientBuckets(parameters, queue, bytes: settings.bucketBytes, wire: settings.wire)
        let whole = GradientBuckets(parameters, queue, bytes: .max, wire: settings.wire)
        var times: [Mode: [Double]] = [:]
        var (exchanging, waiting): ([Mode: [Double]], [Mode: [Double]]) = ([:], [:])
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
            times[mode, default: []].append((clock.now - began).seconds)
            exchanging[mode, default: []].append(queue.seconds.exchanging - before.exchanging)
            waiting[mode, default: []].append(queue.seconds.waiting - before.waiting)
        }
        for _ in 0..<2 { for mode in Mode.allCases { try time(mode) } }
        (times, exchanging, waiting) = ([:], [:], [:])
        let end = clock.now + .seconds(3 * seconds)
        var goesOn = true
        while goesOn {
            for mode in Mode.allCases { try time(mode) }
            goesOn = try queue.reduced(queue.rank == 0 && clock.now < end ? 1 : 0, .maximum) > 0
        }
        func median(_ values: [Mode: [Double]], _ mode: Mode) -> Double { values[mode]?.median ?? .nan }
        (self.benchmark, variant, self.device) = (benchmark.name, benchmark.variant, device.id)
        (ranks, batch) = (queue.size, benchmark.batch)
        gradientBytes = parameters.reduce(0) { $0 + $1.elementCount * $1.value.dtype.byteCount }
        (alone, inBuckets, atTheEnd) = (median(times, .alone), median(times, .inBuckets), median(times, .atTheEnd))
        self.exchanging = median(exchanging, .inBuckets)
        self.waiting = median(waiting, .inBuckets)
        exchangingAtTheEnd = median(exchanging, .atTheEnd)
        steps = times[.alone]?.count ?? 0
        hidden = 1 - (inBuckets - alone) / max(atTheEnd - alone, .leastNormalMagnitude)
    }

    var text: String {
        func milliseconds(_ seconds: Double) -> String { String(format: "%.3f", seconds * 1e3) }
        return "\(benchmark) (\(variant)), \(ranks) ranks of \(batch ?? 0), \(gradientBytes) bytes: "
            + "\(milliseconds(alone)) ms alone, \(milliseconds(inBuckets)) in buckets, \(milliseconds(atTheEnd)) at the end; "
            + "exchanging \(milliseconds(exchanging)), waiting \(milliseconds(waiting)) ms; "
            + String(format: "hidden %.0f %%", hidden * 100)
    }
}
