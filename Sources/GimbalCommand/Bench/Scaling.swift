import Foundation
import GimbalCPU
import GimbalTrain

/// How a case of `gimbal bench` would share itself among more cores than the machine has, as `--model-threads` prints it.
struct Scaling: Encodable {
    var benchmark: String
    var variant: String
    var threads: [Int]
    /// Of a call, for each number of threads; medians.
    var milliseconds: [Double]
    /// Operations of a call that threads share, for each number.
    var meetings: [Int]
    /// What each of those costs for every thread beyond the first.
    var meetingMicroseconds: Double

    /// - Parameters:
    ///   - threads: numbers of them; one thread is measured first whether it is among them or not.
    ///   - seconds: to measure each for.
    ///   - meetingSeconds: what it costs an operation that each further thread shares it.
    init(_ benchmark: Benchmark, threads: [Int], seconds: Double, meetingSeconds: Double) throws {
        self.benchmark = benchmark.name
        variant = benchmark.variant
        self.threads = [1] + threads.filter { $0 != 1 }
        meetingMicroseconds = meetingSeconds * 1e6
        (milliseconds, meetings) = ([], [])
        for count in self.threads {
            let model = ModelledThreads(count: count)
            let device = Device(backend: CPUBackend(modelled: model))
            let clock = ContinuousClock()
            let (times, met) = try withDevice(device) {
                let call = try benchmark.prepare(device)
                var (times, met) = ([Double](), 0)
                // What the first two make, such as an optimizer's moments and pooled memory, later ones find.
                for _ in 0..<2 { try call.run() }
                let end = clock.now + .seconds(seconds)
                repeat {
                    let (start, saved, before) = (clock.now, model.savedSeconds, model.meetings)
                    try call.run()
                    met = model.meetings - before
                    let passed = (clock.now - start).seconds - (model.savedSeconds - saved)
                    times.append(passed + Double(met * (count - 1)) * meetingSeconds)
                } while clock.now < end || times.count < 5
                return (times.sorted(), met)
            }
            milliseconds.append(times[times.count / 2] * 1e3)
            meetings.append(met)
        }
    }

    var text: String {
        let columns = zip(threads, milliseconds).map { count, time in
            String(format: "%d: %.3f ms (%.2f)", count, time, milliseconds[0] / time)
        }
        return "\(benchmark), \(variant), \(meetings.last ?? 0) shared operations\n    "
            + columns.joined(separator: ", ")
    }
}
