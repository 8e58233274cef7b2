import Foundation
import GimbalTrain

/// Writes `value` as one line of JSON to standard output.
func printJSON(_ value: some Encodable) throws { try printText(try jsonText(value) + "\n") }

/// `value` as one line of JSON.
func jsonText(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // JSON has no infinities; a run may.
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
        positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return withoutControls(String(decoding: try encoder.encode(value), as: UTF8.self))
}

/// JSON with the control characters escaped that its encoder leaves as they are, all of which stand in texts.
private func withoutControls(_ json: String) -> String {
    guard json.unicodeScalars.contains(where: \.isControl) else { return json }
    return json.unicodeScalars.reduce(into: "") { result, scalar in
        if scalar.isControl {
            let digits = String(scalar.value, radix: 16)
            result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        } else {
            result.unicodeScalars.append(scalar)
        }
    }
}

/// Writes a line to standard output at once, also where that is a pipe.
/// - Throws: `GimbalError.fileSystem`, such as for a full disk.
func printLine(_ text: String) throws { try printText(harmless(text) + "\n") }

/// `text` with an escape for what a terminal would obey, such as in the name of a folder, but for ends of lines and tabs.
func harmless(_ text: some StringProtocol) -> String {
    visible(text.unicodeScalars) { $0 == "\n" || $0 == "\t" ? String($0) : nil }
}

/// Writes a text to standard output at once, without the end of a line.
/// - Throws: as `printLine(_:)`.
func printText(_ text: String) throws {
    guard CommandRanks.isFirst else { return }
    do {
        try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
    } catch {
        if Interruption.isPipeBroken { return }
        throw GimbalError.fileSystem(operation: "write", path: "standard output", reason: (error as NSError).reason)
    }
}

/// Writes what is of others' making, such as the text of a model or names in a table, without the end of a line: as it is to a
/// file or a pipe; to a terminal, which would obey them, with control characters escaped.
/// - Throws: as `printLine(_:)`.
func printData(_ text: String) throws {
    try printText(isatty(STDOUT_FILENO) == 1 ? harmless(text) : text)
}

/// Writes a line to standard error, where a lost reader is no reason to stop.
func printNotice(_ text: String) {
    guard CommandRanks.isFirst else { return }
    try? FileHandle.standardError.write(contentsOf: Data((harmless(text) + "\n").utf8))
}
