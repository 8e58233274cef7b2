import Foundation

/// What the doctor leaves in a run's folder: `health.csv`, a row for each tensor of each look, and `findings.jsonl`, a line for
/// each cause that was found.
final class HealthLog {
    private let folder: String
    private var looks: AppendedFile
    private let findings: AppendedFile
    /// The findings that were there already.
    let earlier: [Finding]

    /// - Parameters:
    ///   - folder: the path of the run's folder.
    ///   - step: what came after it is dropped: it will be written again. Nil begins anew.
    /// - Throws: `GimbalError.fileSystem`.
    init(folder: String, resumingAt step: Int?) throws {
        self.folder = folder
        looks = try Self.looks(in: folder, until: step)
        let path = "\(folder)/\(FindingsFile.name)"
        let known = try step.map { step in
            try AppendedFile.lines(of: path).filter { FindingsFile.finding($0).map { $0.step <= step } ?? false }
        }
        earlier = (known ?? []).compactMap(FindingsFile.finding)
        findings = try AppendedFile(path, lines: known ?? [])
    }

    private static func looks(in folder: String, until step: Int?) throws -> AppendedFile {
        let path = "\(folder)/\(HealthTable.fileName)"
        let known = try step.map { step in
            try AppendedFile.lines(of: path).filter { line in
                line.split(separator: ",").first.flatMap { Int($0) }.map { $0 <= step } ?? false
            }
        }
        return try AppendedFile(path, lines: [HealthTable.columns.joined(separator: ",")] + (known ?? []))
    }

    /// Drops the looks after step `step`; findings stay.
    /// - Throws: `GimbalError.fileSystem`.
    func rewind(to step: Int) throws { looks = try Self.looks(in: folder, until: step) }

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
