import Foundation

/// The folder of a run: `run.json`, `metrics.csv`, `health.csv`, `findings.jsonl`, TensorBoard's event file, `result.json`,
/// `report.html` and `checkpoints/`, of which the newest two are kept.
///
/// One run at a time may hold a folder: `run.lock` is locked for as long as this value or a copy of it lives, by a lock
/// that the system releases when the process dies. Nothing that a run did not make is removed or replaced.
public struct RunFolder: Sendable {
    /// The path of the folder.
    public let path: String
    private let lock: RunLock

    /// Number of checkpoints kept: the newest, and one more in case it turns out bad.
    private static let keptCheckpoints = 2
    /// What a run writes beside checkpoints.
    static let files = [
        "metrics.csv", "report.html", failureName, RunRecord.fileName, RunResult.fileName, HealthTable.fileName,
        FindingsFile.name,
    ]

    private static let failureName = "error.txt"

    /// What the run in the folder at `path` failed with; nil where it did not, or went on since.
    /// - Throws: `GimbalError.fileSystem` where that cannot be read.
    package static func failure(at path: String) throws -> String? {
        let text = try textIfThere(of: "\(path)/\(failureName)").trimmingCharacters(in: .newlines)
        return text.isEmpty ? nil : text
    }

    /// Writes down what the run failed with; nil takes that back.
    func note(failure: (any Error)?) {
        let path = "\(self.path)/\(Self.failureName)"
        // A full disk must not hide what went wrong.
        if let failure {
            try? AtomicFile.write("\(failure)\n", to: path)
        } else {
            try? FileManager.default.removeItem(atPath: path)
        }
    }

    /// Opens the folder for a run, making it where it is not there, and removes what a killed run was in the middle of
    /// writing.
    /// - Throws: `GimbalError.fileSystem`, also where another run is using the folder or where it holds files of other
    ///   origin under the names of a run's.
    public init(path: String) throws {
        self.path = path
        try Self.requireNoFile(at: path)
        let isRun = try Self.isRun(at: path)
        if !isRun, try Self.checkpoints(in: path).isEmpty {
            let names = try fileNames(in: path)
            if let taken = (Self.files + ["checkpoints"]).first(where: names.contains) {
                throw GimbalError.fileSystem(
                    operation: "use", path: path,
                    reason: "it holds \(taken), but is no run's folder; name a folder that is new or empty")
            }
        }
        try AtomicFile.makeFolder(at: path)
        // The lock comes first: where the process is killed now, the folder is empty, or a run's.
        lock = try RunLock(folder: path)
        try Self.requireOwnFiles(in: path)
        try AtomicFile.makeFolder(at: path + "/checkpoints")
        // Where no run has been, none was killed, and such a name is somebody's own.
        guard isRun else { return }
        AtomicFile.removePartials(in: path) { Self.files.contains($0) || EventWriter.isOwn($0) }
        AtomicFile.removePartials(in: path + "/checkpoints") { Self.step(ofCheckpoint: $0) != nil }
    }

    /// Makes sure that what the run will write can be written, and lies in its folder: a pipe would be waited for without end,
    /// and a link may lead to a file of somebody else's.
    private static func requireOwnFiles(in folder: String) throws {
        for name in files + ["checkpoints"] {
            let path = "\(folder)/\(name)"
            var status = stat()
            guard lstat(path, &status) == 0 else { continue }
            let (wanted, kind) = name == "checkpoints" ? (S_IFDIR, "folder") : (S_IFREG, "regular file")
            let reason: String? =
                switch status.st_mode & S_IFMT {
                case wanted: nil
                case S_IFLNK:
                    "what is there is a link, and a run writes to its own folder alone; --run-dir itself may be one"
                default: "what is there is no \(kind)"
                }
            if let reason { throw GimbalError.fileSystem(operation: "write", path: path, reason: reason) }
        }
    }

    /// Makes sure that no file is where a run's folder is to be.
    /// - Throws: `GimbalError.fileSystem`.
    package static func requireNoFile(at path: String) throws {
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFDIR {
            throw GimbalError.fileSystem(operation: "create", path: path, reason: "a file is in its place")
        }
    }

    /// Whether a run has made, or is making, something of the folder at `path`.
    /// - Throws: `GimbalError.fileSystem` where the system does not tell.
    public static func isRun(at path: String) throws -> Bool { try isThere("\(path)/\(RunLock.name)") }

    /// Where the run's `MetricsLog` is.
    public var metricsPath: String { path + "/metrics.csv" }
    /// Where the run's `Report` is to be written.
    public var reportPath: String { path + "/report.html" }
    /// Where the run's `RunResult` is written.
    public var resultPath: String { "\(path)/\(RunResult.fileName)" }

    /// The paths of the run's checkpoints, oldest first.
    /// - Throws: `GimbalError.fileSystem` where they cannot be listed.
    public var checkpoints: [String] { get throws { try Self.checkpoints(in: path) } }

    /// The path of the checkpoint after `step` optimizer steps.
    public func checkpointPath(step: Int) -> String {
        path + "/checkpoints/" + Self.checkpointName(step: step)
    }

    private static func checkpointName(step: Int) -> String {
        let number = String(step)
        return "step-" + String(repeating: "0", count: max(0, 9 - number.count)) + number
    }

    /// The step of a checkpoint's folder; nil for a name that is none of a checkpoint.
    private static func step(ofCheckpoint name: String) -> Int? {
        guard name.hasPrefix("step-"), let step = Int(name.dropFirst(5)), checkpointName(step: step) == name else {
            return nil
        }
        return step
    }

    /// Removes all checkpoints but the newest two.
    /// - Throws: `GimbalError.fileSystem` where they cannot be listed.
    public func removeOldCheckpoints() throws { remove(try checkpoints.dropLast(Self.keptCheckpoints)) }

    /// Removes checkpoints after `step`: of a course that the run has left, having gone back to a step before them.
    func removeCheckpoints(after step: Int) throws {
        let last = checkpointPath(step: step)
        remove(try checkpoints.drop { $0 != last }.dropFirst())
    }

    private func remove(_ checkpoints: some Sequence<String>) {
        for path in checkpoints {
            // What a user has linked or put there is not the run's to remove.
            var status = stat()
            guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { continue }
            if let foreign = try? Checkpoint.foreignFile(in: path) {
                Self.warnOfForeignFile(foreign, in: path)
            } else {
                AtomicFile.removeFolder(at: path)
            }
        }
    }

    private static let foldersKept = Lock<Set<String>>([])

    private static func warnOfForeignFile(_ name: String, in path: String) {
        guard foldersKept.withLock({ $0.insert(path).inserted }) else { return }
        Warnings.say("\(shown(path)) is kept, as \(shown(name)) in it is of no run's making")
    }

    /// The checkpoint that `path` stands for: itself, or the newest of a run folder.
    /// - Throws: `GimbalError.fileSystem` where they cannot be listed.
    public static func newestCheckpoint(at path: String) throws -> String { try checkpoints(in: path).last ?? path }

    /// The step of the newest checkpoint of a run folder; nil where there is none.
    static func newestStep(at path: String) throws -> Int? {
        try checkpoints(in: path).last.flatMap { step(ofCheckpoint: URL(filePath: $0).lastPathComponent) }
    }

    /// The checkpoint that a run folder keeps in case the newest turns out bad; nil where there is none.
    private static func checkpointBeforeNewest(at path: String) throws -> String? {
        try checkpoints(in: path).dropLast().last
    }

    /// Reads the newest checkpoint of a run folder, or `path` itself where that is none. A run that is going on may remove
    /// the checkpoint meanwhile: then there is a newer one, which is read instead. In place of one that is damaged the one before it
    /// is read, which is kept for that, with a warning.
    package static func withNewestCheckpoint<Result>(
        at path: String, _ read: (_ checkpoint: String) throws -> Result
    ) throws -> Result {
        var checkpoint = try newestCheckpoint(at: path)
        while true {
            do {
                return try read(checkpoint)
            } catch {
                let newest = try newestCheckpoint(at: path)
                if newest != checkpoint {
                    checkpoint = newest
                    continue
                }
                guard let older = try checkpointBeforeNewest(at: path), isDamage(error, of: checkpoint) else {
                    throw error
                }
                let result = try read(older)
                if told.withLock({ $0.insert(checkpoint).inserted }) {
                    Warnings.say("\(error); the checkpoint before it is used, \(older)")
                }
                return result
            }
        }
    }

    /// Damaged checkpoints that were told of.
    private static let told = Lock<Set<String>>([])

    /// Whether something of the checkpoint is not what was saved, rather than out of reach for now.
    private static func isDamage(_ error: any Error, of checkpoint: String) -> Bool {
        switch error {
        // What a newer Gimbal has saved is whole.
        case GimbalError.invalidFile(let path, let reason): path.hasPrefix(checkpoint) && !reason.hasPrefix(newerFormat)
        case GimbalError.fileSystem(_, let path, String(cString: strerror(ENOENT))): path.hasPrefix(checkpoint)
        case GimbalError.weightMismatch(let path, _, _, _): path.hasPrefix(checkpoint)
        default: false
        }
    }

    private static func checkpoints(in path: String) throws -> [String] {
        let folder = path + "/checkpoints"
        return try fileNames(in: folder).compactMap { name in step(ofCheckpoint: name).map { (step: $0, name: name) } }
            .sorted { $0.step < $1.step }.map { folder + "/" + $0.name }
    }
}
