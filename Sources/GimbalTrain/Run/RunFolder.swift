import Foundation

/// The folder of a run: `metrics.csv`, `report.html` and `checkpoints/`, of which the newest two are kept.
public struct RunFolder: Sendable {
    /// The path of the folder.
    public let path: String

    /// Number of checkpoints kept: the newest, and one more in case it turns out bad.
    private static let keptCheckpoints = 2

    /// Opens the folder for a run, making it where it is not there, and removes what a killed run was in the middle of
    /// writing. No other run may be using the folder.
    /// - Throws: `GimbalError.fileSystem`.
    public init(path: String) throws {
        self.path = path
        do {
            try FileManager.default.createDirectory(
                atPath: path + "/checkpoints", withIntermediateDirectories: true)
        } catch {
            throw GimbalError.fileSystem(operation: "create", path: path, reason: (error as NSError).reason)
        }
        AtomicFile.removePartials(in: path)
        AtomicFile.removePartials(in: path + "/checkpoints")
    }

    /// Where the run's `MetricsLog` is.
    public var metricsPath: String { path + "/metrics.csv" }
    /// Where the run's `Report` is to be written.
    public var reportPath: String { path + "/report.html" }

    /// The paths of the run's checkpoints, oldest first.
    public var checkpoints: [String] { Self.checkpoints(in: path) }

    /// The path of the checkpoint after `step` optimizer steps.
    public func checkpointPath(step: Int) -> String {
        let number = String(step)
        return path + "/checkpoints/step-" + String(repeating: "0", count: max(0, 9 - number.count)) + number
    }

    /// Removes all checkpoints but the newest two.
    public func removeOldCheckpoints() {
        for path in checkpoints.dropLast(Self.keptCheckpoints) {
            try? FileManager.default.removeItem(atPath: path)
        }
    }

    /// The checkpoint that `path` stands for: itself, or the newest of a run folder.
    public static func newestCheckpoint(at path: String) -> String { checkpoints(in: path).last ?? path }

    private static func checkpoints(in path: String) -> [String] {
        let folder = path + "/checkpoints"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0.hasPrefix("step-") && !$0.contains(".") }.sorted().map { folder + "/" + $0 }
    }
}

extension NSError {
    /// The cause that the system names, such as "No space left on device".
    package var reason: String {
        let cause = userInfo[NSUnderlyingErrorKey] as? NSError ?? self
        return cause.domain == NSPOSIXErrorDomain
            ? String(cString: strerror(Int32(cause.code))) : cause.localizedDescription
    }
}
