import Foundation
import GimbalTrain

/// A text, or pairs of texts, as a model of tokens would read it.
struct TextInspection: Inspection {
    /// Of pairs of texts.
    struct Pairs: Encodable {
        var count: Int
        /// Characters of the longest source and of the longest target.
        var longestSource: Int
        var longestTarget: Int
        /// Pairs whose source another pair has before.
        var repeatedSources: Int
    }

    var path: String
    var characters: Int
    /// How many different characters there are.
    var distinctCharacters: Int
    var lines: Int
    /// Absent where a line is not a pair.
    var pairs: Pairs?
    /// Why the file was not taken for a table; nil where it was to be a text.
    var whyNoTable: String?
    private let alphabet: String
    private let beginning: [String]

    private enum CodingKeys: String, CodingKey { case path, characters, distinctCharacters, lines, pairs, whyNoTable }

    /// - Parameter encoding: what the bytes mean; nil for UTF-8, or what a byte order mark says.
    init(path: String, encoding: String?) throws {
        let text = try TextFile.read(path, encoding: encoding)
        self.path = path
        let kinds = Set(text.unicodeScalars).sorted()
        characters = text.unicodeScalars.count
        distinctCharacters = kinds.count
        alphabet = String(String.UnicodeScalarView(kinds))
        let all = text.split(separator: "\n", omittingEmptySubsequences: false)
        lines = text.hasSuffix("\n") ? all.count - 1 : all.count
        beginning = all.prefix(3).map(String.init)
        guard let found = try? PairFile.read(path, encoding: encoding) else { return }
        pairs = Pairs(
            count: found.count, longestSource: found.map(\.source.unicodeScalars.count).max() ?? 0,
            longestTarget: found.map(\.target.unicodeScalars.count).max() ?? 0,
            repeatedSources: found.count - Set(found.map { Array($0.source.utf8) }).count)
    }

    var text: String {
        var rows = [
            ["lines", "\(lines)"], ["characters", "\(characters), \(distinctCharacters) different ones"],
            ["", shown(alphabet, limit: 200)],
        ]
        if let pairs {
            rows.append(
                ["pairs", "\(pairs.count), with up to \(pairs.longestSource) and \(pairs.longestTarget) characters"])
            rows.append(["", "\(pairs.repeatedSources) have a source that one before has: they stay in one part"])
        }
        rows += beginning.enumerated().map { [$0 == 0 ? "begins" : "", shown($1, limit: 100)] }
        let (what, model) = pairs == nil ? ("a text", "lstm-lm") : ("pairs of texts", "seq2seq")
        let command = shellCommand(["gimbal", "train", "--data", path, "--model", model])
        let lines = ["\(shown(path, limit: 200)): \(what)"] + aligned(rows).map { "  " + $0 }
        return (lines + ["learnt by: \(command)"] + (whyNoTable.map { ["no table: \($0)"] } ?? []))
            .joined(separator: "\n")
    }
}
