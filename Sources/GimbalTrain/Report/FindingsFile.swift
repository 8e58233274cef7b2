import Foundation

/// A run's `findings.jsonl`: why it goes wrong, a `Finding` in JSON on each line.
package enum FindingsFile {
    /// The name of the file in a run's folder.
    package static let name = "findings.jsonl"

    /// The findings in a file, in the order in which they were made; none where there is no file. A line that cannot be
    /// decoded, such as one that is not whole yet, is left out.
    /// - Throws: `GimbalError.fileSystem` for a file that cannot be read.
    package static func findings(path: String) throws -> [Finding] {
        try textIfThere(of: path).split(separator: "\n").compactMap { finding(String($0)) }
    }

    /// The finding of a line; nil where it cannot be read.
    static func finding(_ line: String) -> Finding? {
        try? CheckpointManifest.decoder.decode(Finding.self, from: Data(line.utf8))
    }
}
