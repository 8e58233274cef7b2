import Foundation

/// What the doctor leaves in a run's folder: `health.csv`, a row for each tensor of each look, and `findings.jsonl`, a line for
/// each cause that was found.
final class HealthLog {
    private let folder: String
    private var looks: AppendedFile
    private let findings: AppendedFile

    /// - Parameters:
    ///   - folder: the path of the run's folder.
    ///   - step: what came after it is dropped: it will be written again. Nil begins anew.
    /// - Throws: `GimbalError.fileSystem`.
    init(folder: String, resumingAt step: Int?) throws {
        self.folder = folder
        looks = try Self.looks(in: folder, until: step)
        findings = try AppendedFile("\(folder)/\(FindingsFile.name)", header: nil) { line in
            step.map { step in FindingsFile.finding(line).map { $0.step <= step } ?? false } ?? false
        }
    }

    private static func looks(in folder: String, until step: Int?) throws -> AppendedFile {
        try AppendedFile("\(folder)/\(HealthTable.fileName)", header: HealthTable.columns.joined(separator: ",")) {
            line in
            guard let step, let at = line.split(separator: ",").first.flatMap({ Int($0) }) else { return false }
            return at <= step
        }
    }

    /// Drops the looks after step `step`; findings stay.
    /// - Throws: `GimbalError.fileSystem`.
    func rewind(to step: Int) throws { looks = try Self.looks(in: folder, until: step) }

    /// The findings that were there already.
    var earlier: [Finding] { findings.kept.compactMap(FindingsFile.finding) }

    /// - Throws: `GimbalError.fileSystem`, such as for a full disk.
    func add(_ look: HealthLook) throws {
        var text = ""
        for row in look.rows {
            func field(_ value: Double?) -> String { value.map { numberText($0) } ?? "" }
            let fields = [
                "\(look.step)", row.kind.rawValue, quoted(row.name), field(row.norm), field(row.rootMeanSquare),
                field(row.mean), field(row.standardDeviation), field(row.zeroShare), field(row.saturatedShare),
                field(row.deadShare), field(row.updateRatio), "\(row.nonFiniteCount)",
            ]
            text += fields.joined(separator: ",") + "\n"
        }
        try looks.write(text)
    }

    /// - Throws: `GimbalError.fileSystem`, such as for a full disk.
    func add(_ finding: Finding) throws {
        let encoder = CheckpointManifest.encoder
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try findings.write(String(decoding: try encoder.encode(finding), as: UTF8.self) + "\n")
    }

    /// Six digits: nobody reads more of a statistic, and files stay small.
    private func numberText(_ value: Double) -> String { value.isNaN ? "nan" : String(format: "%.6g", value) }

    private func quoted(_ name: String) -> String {
        name.contains { $0 == "," || $0 == "\"" || $0.isNewline }
            ? "\"\(name.replacingOccurrences(of: "\"", with: "\"\""))\"" : name
    }
}

/// A text file that a run adds lines to, each of which is in the file when `write` returns.
private final class AppendedFile {
    private let path: String
    private let file: FileHandle
    /// Lines that were there and stay.
    let kept: [String]

    /// - Parameter keeps: whether a line that is there stays; the header always does.
    /// - Throws: `GimbalError.fileSystem`.
    init(_ path: String, header: String?, keeps: (String) -> Bool) throws {
        self.path = path
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        kept = text.split(separator: "\n").map(String.init).filter { $0 != header && keeps($0) }
        let lines = (header.map { [$0] } ?? []) + kept
        try AtomicFile.write(lines.map { $0 + "\n" }.joined(), to: path)
        guard let file = FileHandle(forWritingAtPath: path) else {
            throw GimbalError.fileSystem(operation: "open", path: path, reason: String(cString: strerror(errno)))
        }
        _ = try? file.seekToEnd()
        self.file = file
    }

    deinit { try? file.close() }

    func write(_ text: String) throws {
        do { try file.write(contentsOf: Data(text.utf8)) } catch {
            throw GimbalError.fileSystem(operation: "write", path: path, reason: (error as NSError).reason)
        }
    }
}
