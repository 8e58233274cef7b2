import Foundation
import GimbalTrain

/// What one training step asks of an OpenCL device, as `gimbal bench --launches` prints it.
struct LaunchCount: Encodable {
    var benchmark: String
    var variant: String
    var device: String
    var launches: Int
    var kernels: [String: Int]
    var copies: Int
    var argumentsSet: Int
    var waits: Int
    var uploadedBytes: Int
    var downloadedBytes: Int
    /// The most memory that tensors held, from the making of the model on.
    var peakBytes: Int

    /// Counts the third step: the first two make what later ones find, such as an optimizer's moments and pooled memory.
    /// - Parameter isWatched: whether the doctor's monitors look at these steps, and what they saw is read.
    init(_ benchmark: Benchmark, _ training: Benchmark.Training, on device: Device, isWatched: Bool) throws {
        let monitor = HealthMonitor(interval: 1)
        func step(_ number: Int) throws {
            try training.step(watchedBy: isWatched ? (monitor, number) : nil)
            _ = try monitor.takeLooks()
        }
        for number in 1...2 { try step(number) }
        let before = device.launchRecord ?? LaunchRecord()
        try step(3)
        let record = (device.launchRecord ?? LaunchRecord()) - before
        try device.backend.synchronize()
        self.benchmark = benchmark.name
        variant = benchmark.variant
        self.device = device.id
        launches = record.launches
        kernels = record.kernels
        copies = record.copies
        argumentsSet = record.argumentsSet
        waits = record.waits
        uploadedBytes = record.uploadedBytes
        downloadedBytes = record.downloadedBytes
        peakBytes = device.backend.memoryUsage.peak
    }

    var text: String {
        let parts = (kernels.map { ($0.key, $0.value) } + [("copies", copies)])
            .filter { $0.1 > 0 }.sorted { ($1.1, $0.0) < ($0.1, $1.0) }
        return """
            \(benchmark), \(variant), on \(device): \(launches) launches, \(argumentsSet) arguments set, \(waits) waits, \
            \(uploadedBytes) bytes up, \(downloadedBytes) down, \(peakBytes >> 20) MiB at most
                \(parts.map { "\($0.0) \($0.1)" }.joined(separator: ", "))
            """
    }
}

/// The launches that a training step may have, by benchmark and variant: a file that may only ever get smaller numbers.
struct LaunchLimits {
    private let limits: [String: Int]

    init(path: String) throws {
        do {
            limits = try JSONDecoder().decode([String: Int].self, from: Data(contentsOf: URL(fileURLWithPath: path)))
        } catch {
            throw GimbalError.invalidSetting(name: "--most", reason: "\(path) is no JSON object of numbers: \(error)")
        }
    }

    /// What is wrong with a count; nil where nothing is.
    func excess(_ count: LaunchCount) -> String? {
        let name = "\(count.benchmark), \(count.variant)"
        guard let limit = limits[name] else { return "\(name) has \(count.launches) launches and no limit" }
        return count.launches > limit ? "\(name) has \(count.launches) launches, more than \(limit)" : nil
    }
}
