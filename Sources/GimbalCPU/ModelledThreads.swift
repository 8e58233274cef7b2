import Foundation

/// What a processor of more cores would take, without having them: the parts of an operation are computed one after the other on
/// one thread, each by the clock, and count as if the cores had shared them, each next part going to whoever is free first.
///
/// What is computed between operations, and in operations of a single part, counts in full. That threads wait for each other
/// costs time with every operation, which the model leaves to its reader: `meetings` counts those. It knows nothing of memory
/// that cores share, and every part has the caches to itself.
package final class ModelledThreads: @unchecked Sendable {
    /// So many cores.
    package let count: Int
    /// Seconds by which operations would have been over sooner, so far.
    package private(set) var savedSeconds = 0.0
    /// Operations that several threads would have shared, so far.
    package private(set) var meetings = 0
    private var isRunning = false

    package init(count: Int) { self.count = max(count, 1) }

    /// Calls `body` for each part in turn. Parts within a part are that thread's own, as they are on threads.
    func run(parts: Int, _ body: (Int) -> Void) {
        guard !isRunning else { return (0..<parts).forEach(body) }
        isRunning = true
        defer { isRunning = false }
        var busy = [Double](repeating: 0, count: count)
        for part in 0..<parts {
            let start = Self.now()
            body(part)
            let seconds = Self.now() - start
            savedSeconds += seconds
            let free = busy.indices.min { busy[$0] < busy[$1] }!
            busy[free] += seconds
        }
        savedSeconds -= busy.max()!
        meetings += 1
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}

extension CPUBackend {
    /// Seconds by which each thread beyond the first lengthens an operation that they share, measured with parts of nothing; nil
    /// where there is one thread.
    package func secondsOfMeeting() -> Double? {
        guard threads > 1 else { return nil }
        let clock = ContinuousClock()
        let times = (0..<9).map { _ in
            let start = clock.now
            for _ in 0..<1000 { run(parts: threads) { _ in } }
            return (clock.now - start) / .seconds(1000)
        }
        return times.sorted()[4] / Double(threads - 1)
    }
}
