import Foundation
import GimbalTrain

/// How long a call takes: blocks of repeated calls, each ended by waiting for the device.
struct Timing {
    /// Seconds per call.
    let median: Double
    let minimum: Double
    /// Seconds that this process's threads computed for a call, as a median: others on the machine touch them little.
    let processor: Double
    let blocks: Int

    /// A block lasts about this long, so that the wait at its end weighs little.
    private static let blockSeconds = 0.02

    /// - Parameters:
    ///   - call: queues the work; need not wait for it.
    ///   - seconds: to measure for, after a quarter as long of warm-up.
    init(of call: () throws -> Void, on device: Device, seconds: Double) throws {
        let clock = ContinuousClock()
        func timed(_ calls: Int) throws -> (passed: Double, processor: Double) {
            let (start, processorStart) = (clock.now, Self.processorSeconds())
            for _ in 0..<calls { try call() }
            try device.backend.synchronize()
            let processor = Self.processorSeconds() - processorStart
            return ((clock.now - start).seconds / Double(calls), processor / Double(calls))
        }
        func middle(_ values: [Double]) -> Double {
            let sorted = values.sorted()
            return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
        }
        let warmUpEnd = clock.now + .seconds(seconds / 4)
        var single = Double.infinity
        repeat { single = min(single, try timed(1).passed) } while clock.now < warmUpEnd

        let calls = max(1, Int(Self.blockSeconds / single))
        var times: [(passed: Double, processor: Double)] = []
        let end = clock.now + .seconds(seconds)
        repeat { times.append(try timed(calls)) } while clock.now < end || times.count < 5
        median = middle(times.map(\.passed))
        minimum = times.map(\.passed).min() ?? 0
        processor = middle(times.map(\.processor))
        blocks = times.count
    }

    /// Seconds that all threads of this process have computed so far.
    private static func processorSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
