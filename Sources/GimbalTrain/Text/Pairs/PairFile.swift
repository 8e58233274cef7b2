import Gimbal

/// Pairs of texts, such as sentences and their translations, from a file with a pair in each line, between them a tab.
public enum PairFile {
    /// Reads the pairs in their order. What follows a second tab in a line, such as where it is from, is left out.
    /// - Parameters:
    ///   - path: of the file.
    ///   - encoding: what its bytes mean, as `TextFile.read` takes it.
    /// - Throws: as `TextFile.read`, and `GimbalError.invalidFile` for a line without a tab, or with nothing before or behind
    ///   it, which the message names.
    public static func read(_ path: String, encoding: String? = nil) throws -> [(source: String, target: String)] {
        var lines = try TextFile.read(path, encoding: encoding).unicodeScalars
            .split(separator: "\n", omittingEmptySubsequences: false)
        // The end of the last line begins none.
        if lines.last?.isEmpty == true { lines.removeLast() }
        return try zip(1..., lines).map { number, line in
            let columns = line.split(separator: "\t", maxSplits: 2, omittingEmptySubsequences: false)
            guard columns.count >= 2 else {
                throw GimbalError.invalidFile(
                    path: path, reason: "line \(number) has no tab: '\(shown(String(line)))' is one text, not two")
            }
            guard !columns[0].isEmpty, !columns[1].isEmpty else {
                throw GimbalError.invalidFile(
                    path: path, reason: "line \(number) has nothing \(columns[0].isEmpty ? "before" : "behind") its tab"
                )
            }
            return (String(columns[0]), String(columns[1]))
        }
    }
}
