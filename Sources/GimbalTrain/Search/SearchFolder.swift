import Foundation
import Gimbal

/// What a search is: written to `search.json` in its folder when it begins.
public struct SearchRecord: Codable, Sendable, Equatable {
    /// Version of the layout of `search.json`; this version of Gimbal reads 1.
    public private(set) var formatVersion = Self.currentFormat
    /// The version of Gimbal that began it.
    public var version = gimbalVersion
    /// When it began.
    public var date: Date
    /// What is tried.
    public var plan: SearchPlan
    /// What `gimbal train` is called with for every trial, apart from what is varied.
    public var arguments: [String]
    /// The options that said what the search is, as they were given.
    public var definition: [String]
    /// The folder that it began in, which paths among the arguments start from.
    public var directory: String
    /// Whether the checkpoints of trials that have lost are kept.
    public var keepsCheckpoints: Bool
    /// What tells the data that it began with from other data; nil where that is not known.
    public var dataFingerprint: String?

    static let currentFormat = 1

    /// A search that begins now, in the current folder.
    /// - Parameters:
    ///   - plan: what is tried.
    ///   - arguments: what `gimbal train` is called with for every trial, apart from what is varied.
    ///   - definition: the options that said what the search is, as they were given.
    ///   - keepsCheckpoints: whether those of trials that have lost are kept.
    ///   - data: what is known of the data.
    public init(
        _ plan: SearchPlan, arguments: [String], definition: [String] = [], keepsCheckpoints: Bool = false,
        data: DataRecord? = nil
    ) {
        // Whole seconds: what is read is what was written.
        date = Date(timeIntervalSince1970: Date().timeIntervalSince1970.rounded(.down))
        directory = FileManager.default.currentDirectoryPath
        (self.plan, self.arguments, self.definition) = (plan, arguments, definition)
        self.keepsCheckpoints = keepsCheckpoints
        dataFingerprint = data?.fingerprint
    }

    /// Makes sure that a search goes on with the data that it began with.
    /// - Parameter data: as it is now.
    /// - Throws: `GimbalError.invalidSetting`.
    package func requireSameData(_ data: DataRecord) throws {
        try checkSetting(
            dataFingerprint == nil || dataFingerprint == data.fingerprint, "resume",
            "\(data.path ?? data.name) is not what it was when the search began: its trials would not compare; put the data "
                + "back, or begin another search")
    }

    /// What `gimbal` is called with for a trial.
    /// - Parameter point: the values of the settings of the space.
    package func trainArguments(_ point: [String]) -> [String] { ["train"] + arguments + plan.space.words(point) }
}

/// The folder of a search: `search.json`, a line in `trials.jsonl` for each rung that a trial has done, the folders of the
/// trials' runs, and `search.html`.
///
/// One search at a time may hold a folder. What it has written is whole at every instant, however it ends: a last line that is
/// not is left out, and its rung done again.
public final class SearchFolder {
    /// The path of the folder.
    public let path: String
    /// What the search is.
    public let record: SearchRecord
    /// What trials have come to, in the order in which they did.
    public private(set) var results: [TrialResult]
    private let lock: RunLock
    private let file: AppendedFile

    private static let recordName = "search.json"
    private static let resultsName = "trials.jsonl"
    private static let lockName = "search.lock"
    private static let pageName = "search.html"
    /// What a search writes beside the folders of its trials.
    static let files = [recordName, resultsName, lockName, pageName]

    /// Whether a search has begun in the folder at `path`.
    /// - Throws: `GimbalError.fileSystem` where the system does not tell.
    public static func isSearch(at path: String) throws -> Bool { try isThere("\(path)/\(recordName)") }

    /// Makes sure that a new search can have the folder at `path`, before much is done for it.
    /// - Throws: `GimbalError.invalidSetting`.
    package static func requireNew(_ path: String) throws {
        try RunFolder.requireNoFile(at: path)
        try checkSetting(
            try !isSearch(at: path), "searchDir",
            "\(path) holds a search; add --resume to go on with it, or name another folder")
        try checkSetting(
            try !RunFolder.isRun(at: path), "searchDir", "\(path) is the folder of a run; name another one")
    }

    /// The folder of a search that begins.
    /// - Throws: `GimbalError.fileSystem`, also where another search is using the folder; `GimbalError.invalidSetting` where
    ///   one has begun there.
    public init(path: String, beginning record: SearchRecord) throws {
        try Self.requireNew(path)
        try AtomicFile.makeFolder(at: path)
        lock = try RunLock(folder: path, name: Self.lockName, user: "search")
        // Another may have begun meanwhile.
        try Self.requireNew(path)
        (self.path, self.record, results) = (path, record, [])
        // The lines first: a folder with a record has a search that can be gone on with.
        file = try AppendedFile("\(path)/\(Self.resultsName)", lines: [])
        let text = String(decoding: try CheckpointManifest.encoder.encode(record), as: UTF8.self)
        try AtomicFile.write(text + "\n", to: "\(path)/\(Self.recordName)")
    }

    /// The folder of a search that goes on.
    /// - Throws: `GimbalError.fileSystem`, also where another search is using the folder; `GimbalError.invalidSetting` where
    ///   there is none, and `GimbalError.invalidFile` for a file that is damaged.
    public init(resuming path: String) throws {
        try checkSetting(try Self.isSearch(at: path), "resume", "there is no search in \(path) to go on with")
        lock = try RunLock(folder: path, name: Self.lockName, user: "search")
        AtomicFile.removePartials(in: path) { Self.files.contains($0) }
        (record, results) = try Self.read(path)
        self.path = path
        file = try AppendedFile("\(path)/\(Self.resultsName)", lines: try results.map(Self.line))
    }

    /// What a search is and has come to, without holding its folder.
    /// - Throws: as `init(resuming:)`.
    public static func read(_ path: String) throws -> (record: SearchRecord, results: [TrialResult]) {
        let recordPath = "\(path)/\(recordName)"
        let record = try decoded(recordPath, format: SearchRecord.currentFormat) { (record: SearchRecord) in
            try record.plan.validate()
        }
        let resultsPath = "\(path)/\(resultsName)"
        let lines = try AppendedFile.lines(of: resultsPath)
        let trials = record.plan.points.count
        var results: [TrialResult] = []
        for (number, line) in lines.enumerated() {
            do {
                let result = try decoding(resultsPath) {
                    try CheckpointManifest.decoder.decode(TrialResult.self, from: Data(line.utf8))
                }
                guard result.trial >= 1, result.trial <= trials else {
                    throw GimbalError.invalidFile(
                        path: resultsPath,
                        reason: "line \(number + 1) is of trial \(result.trial), and there are \(trials)")
                }
                results.append(result)
            } catch  where number == lines.count - 1 {
                // Written by a process that was killed meanwhile, or on a disk that was full.
                break
            }
        }
        return (record, results)
    }

    private static func line(_ result: TrialResult) throws -> String {
        let encoder = CheckpointManifest.encoder
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(result), as: UTF8.self)
    }

    /// Adds what a trial has come to.
    /// - Throws: `GimbalError.fileSystem`, such as for a full disk; nothing is lost then but this result.
    public func add(_ result: TrialResult) throws {
        try file.write(try Self.line(result) + "\n")
        results.append(result)
        removeSpareCheckpoints()
    }

    /// The folder of a trial's run.
    public func trialPath(_ trial: Int) -> String { "\(path)/\(Self.trialName(trial))" }

    static func trialName(_ trial: Int) -> String {
        let number = "\(trial)"
        return "trial-" + String(repeating: "0", count: max(0, 3 - number.count)) + number
    }

    /// Where the page of the search is.
    public var pagePath: String { "\(path)/\(Self.pageName)" }

    /// Removes the checkpoints of trials that have lost; their records and metrics stay.
    func removeSpareCheckpoints() {
        guard !record.keepsCheckpoints else { return }
        let kept = record.plan.kept(after: results)
        for trial in Set(results.map(\.trial)).subtracting(kept) {
            try? FileManager.default.removeItem(atPath: trialPath(trial) + "/checkpoints")
        }
    }
}
