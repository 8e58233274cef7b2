import GimbalTrain

/// How long a call takes: blocks of repeated calls, each ended by waiting for the device.
struct Timing {
    /// Seconds per call.
    let median: Double
    let minimum: Double
    let blocks: Int

    /// A block lasts about this long, so that the wait at its end weighs little.
    private static let blockSeconds = 0.02

    /// - Parameters:
    ///   - call: queues the work; need not wait for it.
    ///   - seconds: to measure for, after a quarter as long of warm-up.
    init(of call: () throws -> Void, on device: Device, seconds: Double) throws {
        let clock = ContinuousClock()
        func timed(_ calls: Int) throws -> Double {
            let start = clock.now
            for _ in 0..<calls { try call() }
            try device.backend.synchronize()
            return (clock.now - start).seconds / Double(calls)
        }
        let warmUpEnd = clock.now + .seconds(seconds / 4)
        var single = Double.infinity
        repeat { single = min(single, try timed(1)) } while clock.now < warmUpEnd

        let calls = max(1, Int(Self.blockSeconds / single))
        var times: [Double] = []
        let end = clock.now + .seconds(seconds)
        repeat { times.append(try timed(calls)) } while clock.now < end || times.count < 5
        times.sort()
        median =
            times.count % 2 == 1 ? times[times.count / 2] : (times[times.count / 2 - 1] + times[times.count / 2]) / 2
        minimum = times[0]
        blocks = times.count
    }
}
